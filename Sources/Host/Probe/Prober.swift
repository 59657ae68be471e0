package import Core

/// Measures a live server's connection lifetimes, as an honest client.
///
/// Every plan has its own connection; they run in parallel on one thread, at most ``maximumConnections`` at a time.
package struct Prober: ~Copyable {
  package static let maximumConnections = 8

  package struct Plan: Sendable {
    package var address: SocketAddress
    /// The name for TLS; nil for plain TCP.
    package var serverName: String?
    package var verifies: Bool
    package var request: ProbeRequest
    /// Longest wait for any close.
    package var maximumWait: Nanoseconds
    /// Requests on one connection.
    package var maximumRequests: Int
    /// Rounds of idle connections, when the server closes soon enough.
    package var rounds: Int

    package init(
      address: SocketAddress, serverName: String?, verifies: Bool, request: ProbeRequest, maximumWait: Nanoseconds,
      maximumRequests: Int, rounds: Int
    ) {
      self.address = address
      self.serverName = serverName
      self.verifies = verifies
      self.request = request
      self.maximumWait = maximumWait
      self.maximumRequests = maximumRequests
      self.rounds = rounds
    }
  }

  private let plan: Plan
  private var poller: Poller
  private var observations: [ProbeObservation] = []
  private let started: Instant
  private var lateness = Nanoseconds.zero

  package init(_ plan: Plan) throws(SystemError) {
    self.plan = plan
    poller = try Poller(batch: 64)
    started = MonotonicClock.now
  }

  /// - Parameter progress: called about once a second with how many connections are waited for, and for how long at most.
  package consuming func run(
    target: String, progress: (_ waiting: Int, _ atMost: Nanoseconds) -> Void
  ) throws(SystemError) -> ProbeResult {
    let end = started.advanced(by: plan.maximumWait)
    var lanes = Lanes()
    var waiting = firstRound[...]
    var round = 1
    var nextReport = started.advanced(by: .seconds(1))
    while true {
      if round < plan.rounds, !lanes.isMeasuring, !waiting.contains(where: \.isMeasuring), let longest = idleAges.max(),
        // Another round takes about as long as the longest idle age so far.
        end.since(MonotonicClock.now) > longest + longest / 2 + .seconds(1)
      {
        waiting += laterRound
        round += 1
      }
      while lanes.count < Prober.maximumConnections, let next = waiting.popFirst() { try open(next, &lanes) }
      if lanes.count == 0 { break }
      let now = MonotonicClock.now
      guard now < end else { break }
      if now >= nextReport {
        progress(lanes.count + waiting.count, end.since(now))
        nextReport = now.advanced(by: .seconds(1))
      }
      let deadline = min(end, min(nextReport, lanes.deadline ?? end))
      let count = poller.wait(atMost: max(.zero, deadline.since(now)))
      let ready = MonotonicClock.now
      // How late this machine wakes a program up: times that are measured are wrong by as much.
      if count == 0 { lateness = max(lateness, ready.since(deadline) - .milliseconds(1)) }
      for index in 0..<count { lanes.ready(Int(poller.token(at: index)), ready) }
      lanes.timePassed(MonotonicClock.now)
      lanes.takeDone(&observations)
    }
    lanes.giveUp(MonotonicClock.now)
    lanes.takeDone(&observations)
    for plan in waiting {
      var skipped = ProbeObservation(plan: plan)
      skipped.problem = "no time was left for it"
      observations.append(skipped)
    }
    return ProbeResult(
      target: target, isHTTP: plan.request.isHTTP, observations: observations,
      waited: MonotonicClock.now.since(started), lateness: lateness)
  }

  private var firstRound: [ProbePlan] {
    guard plan.request.isHTTP else {
      return plan.request.other?.isEmpty == false
        ? [.idle(requests: 1), .idle(requests: 2), .idle(requests: 1), .unused] : [.unused, .unused, .unused]
    }
    return [
      .idle(requests: 1), .idle(requests: 3), .lateRequest, .unused, .halfSent, .requests(limit: plan.maximumRequests),
      .version10(keepAlive: false), .version10(keepAlive: true), .head,
    ]
  }

  private var laterRound: [ProbePlan] {
    guard plan.request.isHTTP else {
      return plan.request.other?.isEmpty == false ? [.idle(requests: 1), .idle(requests: 2)] : [.unused, .unused]
    }
    let shortest = idleAges.min() ?? .zero
    return [
      .idle(requests: 1), .idle(requests: 2), .idle(requests: 5), .reuse(after: Nanoseconds(shortest.count / 5 * 4)),
    ]
  }

  private var idleAges: [Nanoseconds] {
    ProbeResult(target: "", isHTTP: plan.request.isHTTP, observations: observations, waited: .zero).idleAges
  }

  // MARK: -

  private func open(_ kind: ProbePlan, _ lanes: inout Lanes) throws(SystemError) {
    let connecting = try Socket.connect(to: plan.address)
    let channel = ProbeChannel(connecting.takeDescriptor(), host: plan.serverName, verifies: plan.verifies)
    let lane = ProbeLane(kind, channel: channel, request: plan.request, now: MonotonicClock.now)
    let number = lane.number
    let slot = lanes.add(lane)
    try poller.register(number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: UInt64(slot))
  }
}

/// The connections of a round.
private struct Lanes: ~Copyable {
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

extension ProbePlan {
  /// Part of a round: another may follow when all of these are done. The others may last as long as the probe.
  fileprivate var isMeasuring: Bool {
    switch self {
    case .idle, .lateRequest, .reuse: true
    case .unused, .halfSent, .requests, .version10, .head: false
    }
  }
}
