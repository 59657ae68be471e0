internal import Synchronization

/// What all workers count together: for limits that hold for the whole process.
final class SharedLoad: Sendable {
  private let exchanges = Atomic<Int>(0)

  /// Counts an exchange if there are fewer than `limit`.
  func exchangeBegins(limit: Int) -> Bool {
    // Relaxed: nothing else is published with the count.
    let before = exchanges.add(1, ordering: .relaxed).oldValue
    if before < limit { return true }
    exchanges.subtract(1, ordering: .relaxed)
    return false
  }

  func exchangeEnded() { exchanges.subtract(1, ordering: .relaxed) }
}
