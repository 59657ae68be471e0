package import Core

/// What is still to happen, soonest first; what was scheduled first comes first among equals, so that a run is repeatable.
///
/// A binary heap of its own: events are popped millions of times a second and need no priority but their instant.
package struct EventQueue<Event> {
  private struct Entry {
    var time: Int64
    var order: UInt64
    var event: Event
  }

  private var entries: [Entry] = []
  private var scheduled: UInt64 = 0

  package init() {}

  package var isEmpty: Bool { entries.isEmpty }

  /// When the next event is due; ``Instant/distantFuture`` when there is none.
  package var nextTime: Instant { entries.isEmpty ? .distantFuture : Instant(nanoseconds: entries[0].time) }

  package mutating func schedule(_ event: Event, at time: Instant) {
    scheduled += 1
    entries.append(Entry(time: time.nanoseconds, order: scheduled, event: event))
    var child = entries.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if !precedes(child, parent) { break }
      entries.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes the next event; nil when there is none.
  package mutating func popNext() -> Event? {
    if entries.isEmpty { return nil }
    let last = entries.count - 1
    if last > 0 { entries.swapAt(0, last) }
    let taken = entries.removeLast()
    var parent = 0
    while true {
      var child = 2 * parent + 1
      if child >= entries.count { break }
      if child + 1 < entries.count, precedes(child + 1, child) { child += 1 }
      if !precedes(child, parent) { break }
      entries.swapAt(parent, child)
      parent = child
    }
    return taken.event
  }

  private func precedes(_ left: Int, _ right: Int) -> Bool {
    let leftTime = entries[left].time
    let rightTime = entries[right].time
    if leftTime != rightTime { return leftTime < rightTime }
    return entries[left].order < entries[right].order
  }
}
