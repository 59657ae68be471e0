import Core

/// What is counted of each server.
struct LogServerTally: Sendable {
  /// Requests whose predecessor is not in this part of the log.
  struct Pending: Sendable {
    var start: Int64
    /// Position of the failure; -1 for a request that did not fail.
    var failure: Int
  }

  static let maximumPending = 64

  var name: [UInt8]
  var isWanted = true
  var requests = 0
  /// The end of the latest answered request.
  var lastEnd = Int64.min
  var gaps = AgeHistogram()
  var head: [Pending] = []
  var grain: Int64 = 0

  /// - Returns: the time since the previous request; -1 when it is not known yet, or the server was busy.
  mutating func requestSeen(start: Int64, end: Int64, isAnswered: Bool, failure: Int) -> Int64 {
    var gap: Int64 = -1
    if lastEnd != .min {
      gap = max(0, start &- lastEnd)
      gaps.add(Nanoseconds(gap))
    } else if head.count < LogServerTally.maximumPending {
      head.append(Pending(start: start, failure: failure))
    }
    if isAnswered, end > lastEnd { lastEnd = end }
    return gap
  }
}

/// Servers by name, in the order in which they were met.
struct LogServerTable: Sendable {
  static let maximum = 20_000

  private(set) var keys: [UInt64] = []
  var tallies: [LogServerTally] = []
  private var slots: [Int32] = Array(repeating: -1, count: 64)
  private var latestKey: UInt64 = 0
  private var latest = -1
  /// Requests to servers beyond the limit.
  var overflow = 0

  init() {}

  /// -1 when there are too many servers.
  @inline(__always)
  mutating func index(_ bytes: RawSpan, _ range: ByteRange) -> Int {
    let key = bytes.fingerprint(range)
    if key == latestKey, latest >= 0 { return latest }
    let found = lookUp(key)
    if found >= 0 {
      (latestKey, latest) = (key, found)
      return found
    }
    return add(key, bytes.bytes(range.limited(to: 200)))
  }

  func lookUp(_ key: UInt64) -> Int {
    var slot = Int(key & UInt64(slots.count - 1))
    while slots[slot] >= 0 {
      let index = Int(slots[slot])
      if keys[index] == key { return index }
      slot = (slot + 1) & (slots.count - 1)
    }
    return -1
  }

  mutating func add(_ key: UInt64, _ name: [UInt8]) -> Int {
    guard tallies.count < LogServerTable.maximum else {
      overflow += 1
      return -1
    }
    keys.append(key)
    tallies.append(LogServerTally(name: name))
    if tallies.count * 2 > slots.count {
      slots = Array(repeating: -1, count: slots.count * 2)
      for index in keys.indices { insert(index) }
    } else {
      insert(tallies.count - 1)
    }
    return tallies.count - 1
  }

  /// The same servers with nothing counted, each with the end of its last request.
  func continued() -> LogServerTable {
    var next = self
    next.overflow = 0
    for index in tallies.indices {
      var tally = LogServerTally(name: tallies[index].name)
      tally.isWanted = tallies[index].isWanted
      tally.lastEnd = tallies[index].lastEnd
      next.tallies[index] = tally
    }
    return next
  }

  private mutating func insert(_ index: Int) {
    var slot = Int(keys[index] & UInt64(slots.count - 1))
    while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = Int32(index)
  }
}
