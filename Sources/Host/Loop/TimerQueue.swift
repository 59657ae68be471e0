package import Core
internal import HeapModule

/// Deadlines of one event loop, soonest first.
///
/// A connection keeps at most one live entry: it stores its own deadline, and moving that to a later time costs nothing;
/// when the entry comes up too early it is put back. So a deadline per request costs a store, not a heap operation.
package struct TimerQueue: ~Copyable {
  private struct Entry: Comparable {
    var deadline: Instant
    var token: UInt64
    static func < (left: Entry, right: Entry) -> Bool { left.deadline < right.deadline }
    static func == (left: Entry, right: Entry) -> Bool { left.deadline == right.deadline }
  }

  private var entries = Heap<Entry>()

  package init() {}

  package var soonest: Instant? { entries.min?.deadline }
  package var count: Int { entries.count }

  package mutating func schedule(_ token: UInt64, at deadline: Instant) {
    entries.insert(Entry(deadline: deadline, token: token))
  }

  /// Takes the next token whose time has come.
  package mutating func nextDue(at now: Instant) -> UInt64? {
    guard let first = entries.min, first.deadline <= now else { return nil }
    return entries.removeMin().token
  }
}
