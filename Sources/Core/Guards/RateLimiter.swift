/// Counts requests of each client against a rate and a burst. A bucket of tokens each, kept as one instant: when it will be full.
///
/// ```
/// let key = ClientKey(address)
/// let verdict = shards[key.shard(of: shards.count)].withLock { $0.requestArrived(key, now: now) }
/// if case .refused(let wait) = verdict { /* 429, Retry-After: wait, rounded up to seconds */ }
/// ```
///
/// The kernel spreads the connections of one client over the threads, evenly or not, so a share of the rate for each thread would
/// refuse clients with few connections too early. The threads share the buckets, then: an array of locked limiters (16 will do),
/// each with its part of the capacity and the whole rate, since one client always comes to the same one.
///
/// The table is bounded. When it is full the client that was longest not heard of makes room; it is forgotten, and begins with
/// a full burst when it comes again. A bucket that is full anyway loses nothing by that.
package struct RateLimiter: Sendable {
  private struct Bucket: Sendable, BitwiseCopyable {
    var key: ClientKey
    /// When all tokens will be back. Past: they are.
    var fullAt: Instant
    var newer: Int32
    var older: Int32
  }

  /// Clients that a process remembers at most: some 4 MiB.
  package static let standardCapacity = 65_536

  /// What one token takes to come back.
  private let interval: Nanoseconds
  /// How far in the future ``Bucket/fullAt`` may lie for another request: the burst less one.
  private let tolerance: Nanoseconds
  private let capacity: Int
  private var slots: [ClientKey: Int32] = [:]
  private var buckets: [Bucket] = []
  private var newest: Int32 = -1
  private var oldest: Int32 = -1

  package init(_ limit: GuardSettings.RateLimit, capacity: Int = RateLimiter.standardCapacity) {
    precondition(capacity > 0 && capacity <= Int(Int32.max), "the table holds some clients")
    let exact = 1e9 / limit.perSecond
    interval = Nanoseconds(exact >= 9e18 ? .max : Int64(exact))
    tolerance = interval * Int64(max(limit.burst, 1) - 1)
    self.capacity = capacity
  }

  package enum Verdict: Sendable, Hashable, BitwiseCopyable {
    case allowed
    /// How long until a request of this client would be allowed.
    case refused(wait: Nanoseconds)
  }

  /// Clients that are remembered.
  package var count: Int { buckets.count }

  package mutating func requestArrived(_ key: ClientKey, now: Instant) -> Verdict {
    let slot = slot(of: key, now)
    let fullAt = max(buckets[slot].fullAt, now)
    let debt = fullAt.since(now)
    guard debt <= tolerance else { return .refused(wait: debt - tolerance) }
    buckets[slot].fullAt = fullAt.advanced(by: interval)
    return .allowed
  }

  private mutating func slot(of key: ClientKey, _ now: Instant) -> Int {
    if let slot = slots[key] {
      if slot != newest {
        unlink(slot)
        linkAsNewest(slot)
      }
      return Int(slot)
    }
    let slot: Int32
    if buckets.count < capacity {
      slot = Int32(buckets.count)
      buckets.append(Bucket(key: key, fullAt: now, newer: -1, older: -1))
    } else {
      slot = oldest
      slots[buckets[Int(slot)].key] = nil
      unlink(slot)
      buckets[Int(slot)].key = key
      buckets[Int(slot)].fullAt = now
    }
    slots[key] = slot
    linkAsNewest(slot)
    return Int(slot)
  }

  private mutating func unlink(_ slot: Int32) {
    let bucket = buckets[Int(slot)]
    if bucket.newer >= 0 { buckets[Int(bucket.newer)].older = bucket.older } else { newest = bucket.older }
    if bucket.older >= 0 { buckets[Int(bucket.older)].newer = bucket.newer } else { oldest = bucket.newer }
  }

  private mutating func linkAsNewest(_ slot: Int32) {
    buckets[Int(slot)].newer = -1
    buckets[Int(slot)].older = newest
    if newest >= 0 { buckets[Int(newest)].newer = slot }
    newest = slot
    if oldest < 0 { oldest = slot }
  }
}
