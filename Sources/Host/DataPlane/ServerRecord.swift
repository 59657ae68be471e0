package import Core
internal import Synchronization

/// What all threads know of one server: a row of the shared table.
///
/// Reading the bounds takes two relaxed loads; learning takes the lock, and happens once for a close or a longer reuse,
/// not once for a request.
package final class ServerRecord: Sendable {
  package let address: SocketAddress
  /// As it is shown: `host:port`, or the socket's path.
  package let name: String

  private let window: Mutex<IdleWindow>
  private let leaseLimit: Atomic<Int64>
  private let provenAge: Atomic<Int64>

  package init(address: SocketAddress, name: String, window: IdleWindow) {
    self.address = address
    self.name = name
    let bounds = window.bounds
    self.window = Mutex(window)
    leaseLimit = Atomic(bounds.leaseLimit.count)
    provenAge = Atomic(bounds.provenAge.count)
  }

  package var bounds: IdleBounds {
    // Relaxed: the two may come from different moments, each of which was right when it was published.
    IdleBounds(
      leaseLimit: Nanoseconds(leaseLimit.load(ordering: .relaxed)),
      provenAge: Nanoseconds(provenAge.load(ordering: .relaxed)))
  }

  /// Lets `event` change what is known, publishes the new bounds, and returns both when they changed.
  package func learn(_ event: (inout IdleWindow) -> Void) -> (before: IdleBounds, after: IdleBounds, text: String)? {
    window.withLock { window in
      let before = window.bounds
      event(&window)
      let after = window.bounds
      guard after != before else { return nil }
      leaseLimit.store(after.leaseLimit.count, ordering: .relaxed)
      provenAge.store(after.provenAge.count, ordering: .relaxed)
      return (before, after, window.description)
    }
  }

  /// What is known, in words.
  package var description: String { window.withLock { $0.description } }
}
