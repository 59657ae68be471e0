/// Counts the connections of each client. Shared by the threads as ``RateLimiter`` is, in locked shards.
///
/// ```
/// guard shard.withLock({ $0.opened(key, limit: limit) }) else { /* close at once, and do not tell closed(_:) */ }
/// ...
/// shard.withLock { $0.closed(key) }
/// ```
///
/// It remembers a client only while it has connections, so it is bounded by their number.
package struct ConnectionLimiter: Sendable {
  private var counts: [ClientKey: Int] = [:]

  package init() {}

  /// Clients with connections.
  package var count: Int { counts.count }

  /// A connection of the client was accepted.
  ///
  /// - Parameter limit: connections of one client at once; may change while there are some.
  /// - Returns: whether it may stay. One that may not was never counted.
  package mutating func opened(_ key: ClientKey, limit: Int) -> Bool {
    let count = counts[key] ?? 0
    guard count < limit else { return false }
    counts[key] = count + 1
    return true
  }

  /// A connection that was counted is closed.
  package mutating func closed(_ key: ClientKey) {
    // One too many would let the client have one more than its share; the process need not end for that.
    guard let count = counts[key] else { return }
    counts[key] = count > 1 ? count - 1 : nil
  }
}
