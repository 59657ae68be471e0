import Core

/// The connections of a probe.
struct ProbeLanes: ~Copyable {
  private final class Slot {
    var lane: ProbeLane
    init(_ lane: consuming ProbeLane) { self.lane = lane }
  }

  private var slots: [Slot?] = []
  private(set) var count = 0

  init() {}

  mutating func add(_ lane: consuming ProbeLane) -> Int {
    slots.append(Slot(lane))
    count += 1
    return slots.count - 1
  }

  func ready(_ slot: Int, _ now: Instant) {
    guard slot < slots.count else { return }
    slots[slot]?.lane.ready(now)
  }

  func timePassed(_ now: Instant) {
    for slot in slots { slot?.lane.timePassed(now) }
  }

  func giveUp(_ now: Instant) {
    for slot in slots { slot?.lane.giveUp(now) }
  }

  /// Whether a connection of a round is still at work.
  var isMeasuring: Bool { slots.contains { $0?.lane.observation.plan.isMeasuring ?? false } }

  /// Whether all of them have shown that the server can be measured, or that it cannot.
  var areSettled: Bool { slots.allSatisfy { $0?.lane.isSettled ?? true } }

  /// What the only connection has shown so far.
  var first: ProbeObservation? { slots.lazy.compactMap { $0 }.first?.lane.observation }

  var deadline: Instant? { slots.compactMap { $0?.lane.deadline }.min() }

  mutating func takeDone(_ observations: inout [ProbeObservation]) {
    for index in slots.indices {
      guard let slot = slots[index], slot.lane.isDone else { continue }
      observations.append(slot.lane.observation)
      slots[index] = nil
      count -= 1
    }
  }
}
