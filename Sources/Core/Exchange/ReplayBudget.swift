/// How many replays one server gets from one thread: a share of its requests and a small steady rate, so that a server
/// in trouble is not asked for twice the work.
///
/// A replay on proof of non-delivery is cheap: the server never saw the request, so its work is not doubled, only a
/// connection is opened. It costs a tenth, so that even a server that loses every request to the race can be served.
package struct ReplayBudget: Sendable, Hashable, BitwiseCopyable {
  /// Thousandths of a replay.
  private var tokens: Int64
  private var filledAt: Instant?

  /// What a request adds: a fifth of a replay.
  package static let share: Int64 = 200
  /// What each second adds: ten replays.
  package static let perSecond: Int64 = 10_000
  /// What is saved up at most, and what there is at the start: two hundred replays, a burst of losses on a pool of that
  /// size.
  package static let capacity: Int64 = 200_000
  static let unprovenCost: Int64 = 1_000
  static let provenCost: Int64 = 100

  package init() {
    tokens = ReplayBudget.capacity
    filledAt = nil
  }

  /// A request came for this server.
  package mutating func requestArrived() {
    tokens = min(tokens &+ ReplayBudget.share, ReplayBudget.capacity)
  }

  /// Takes what a replay costs.
  ///
  /// - Parameter proven: whether the verdict proves that the server did not get the request.
  /// - Returns: whether there was enough.
  package mutating func take(proven: Bool, now: Instant) -> Bool {
    fill(now)
    let cost = proven ? ReplayBudget.provenCost : ReplayBudget.unprovenCost
    guard tokens >= cost else { return false }
    tokens -= cost
    return true
  }

  private mutating func fill(_ now: Instant) {
    guard let last = filledAt else {
      filledAt = now
      return
    }
    let elapsed = now.since(last)
    guard elapsed > .zero else { return }
    let added = elapsed.count / ReplayBudget.spanOfToken
    // What is less than a token stays on the clock, or reading the time often would add nothing.
    filledAt = last.advanced(by: Nanoseconds(added * ReplayBudget.spanOfToken))
    tokens = min(tokens &+ added, ReplayBudget.capacity)
  }

  /// How long it takes for a thousandth of a replay to be added, in nanoseconds.
  private static let spanOfToken = 1_000_000_000 / perSecond
}
