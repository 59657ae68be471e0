package import Core

/// Measures a live server's connection lifetimes, as an honest client.
///
/// One connection goes ahead and shows whether there is anything to measure. Then every plan has its own connection; they run
/// in parallel on one thread, at most ``maximumConnections`` at a time.
package struct Prober: ~Copyable {
  package static let maximumConnections = 8
  private static let interruption = UInt64.max

  private let setup: ProbeSetup
  private var poller: Poller
  private var observations: [ProbeObservation] = []
  private let started: Instant
  private let end: Instant
  private var lateness = Nanoseconds.zero
  private var wasInterrupted = false
  private var address: SocketAddress?

  package init(_ setup: ProbeSetup) throws(SystemError) {
    let poller = try Poller(batch: 64)
    if let number = setup.interruption {
      try poller.register(number, for: .readable, trigger: .level, token: Prober.interruption)
    }
    self.setup = setup
    self.poller = poller
    started = MonotonicClock.now
    end = started.advanced(by: setup.maximumWait)
  }

  /// - Parameter progress: called about once a second.
  package consuming func run(
    target: String, progress: (ProbeProgress) -> Void
  ) throws(SystemError) -> ProbeResult {
    var lanes = ProbeLanes()
    if let obstacle = try scout(&lanes) {
      var result = result(target)
      result.obstacle = obstacle
      return result
    }
    var queue = ProbeQueue()
    var holding = holdingPlans(lanes.first)
    queue.add(firstRound, from: MonotonicClock.now)
    var round = 1
    var nextReport = started.advanced(by: .seconds(1))
    while !wasInterrupted {
      if !holding.isEmpty, !(lanes.isMeasuring || queue.isMeasuring) || MonotonicClock.now >= middle {
        queue.add(holding, from: MonotonicClock.now)
        holding = []
      }
      if round < setup.rounds, !lanes.isMeasuring, !queue.isMeasuring, isTimeForAnotherRound {
        queue.add(laterRound, from: MonotonicClock.now)
        round += 1
      }
      while lanes.count < setup.maximumConnections, let next = queue.next(at: MonotonicClock.now) {
        do throws(SystemError) {
          try open(next, &lanes)
        } catch {
          var failed = ProbeObservation(plan: next)
          failed.problem = ProbeLane.text(ofConnectError: error.code)
          observations.append(failed)
        }
      }
      if lanes.count == 0, queue.count == 0 { break }
      let now = MonotonicClock.now
      guard now < end else { break }
      if now >= nextReport {
        progress(state(lanes, queue, now))
        nextReport = now.advanced(by: .seconds(1))
      }
      let due = lanes.count < setup.maximumConnections ? queue.due : nil
      let turn = holding.isEmpty ? end : middle
      wait(until: min(min(turn, nextReport), due ?? end), &lanes)
      lanes.takeDone(&observations)
    }
    lanes.giveUp(MonotonicClock.now)
    lanes.takeDone(&observations)
    for plan in queue.plans + holding {
      var skipped = ProbeObservation(plan: plan)
      skipped.problem = "no time was left for it"
      observations.append(skipped)
    }
    return result(target)
  }

  private func state(_ lanes: borrowing ProbeLanes, _ queue: ProbeQueue, _ now: Instant) -> ProbeProgress {
    let ages = idleAges
    return ProbeProgress(
      waiting: lanes.count + queue.count, closes: ages.count, longest: ages.max(),
      isMeasuring: lanes.isMeasuring || queue.isMeasuring, atMost: end.since(now))
  }

  private func result(_ target: String) -> ProbeResult {
    var result = ProbeResult(
      target: target, isHTTP: setup.request.isHTTP, observations: observations,
      waited: MonotonicClock.now.since(started), lateness: lateness)
    result.address = address?.description ?? ""
    result.otherAddresses = setup.addresses.filter { $0 != address }.map(\.description)
    result.wasInterrupted = wasInterrupted
    return result
  }

  // MARK: - The one that goes ahead

  /// Opens one connection, to the first address that accepts one, and waits for its first answer. It stays, as a part of the
  /// first round. Returns what keeps the server from being measured.
  private mutating func scout(_ lanes: inout ProbeLanes) throws(SystemError) -> ProbeObstacle? {
    var obstacle: ProbeObstacle?
    for candidate in setup.addresses {
      address = candidate
      do throws(SystemError) {
        try open(setup.request.asks ? .idle(requests: 1) : .unused, &lanes)
      } catch {
        obstacle = .unreachable(ProbeLane.text(ofConnectError: error.code))
        continue
      }
      while !lanes.areSettled, !wasInterrupted, MonotonicClock.now < end { wait(until: end, &lanes) }
      guard let seen = lanes.first else { continue }
      if !lanes.areSettled, !wasInterrupted { return tooSlow(seen) }
      guard seen.obstacle != nil || couldWantTLS(seen) else { return nil }
      obstacle = seen.obstacle
      if case .unreachable? = obstacle {
        var failed: [ProbeObservation] = []
        lanes.takeDone(&failed)
        continue
      }
      if couldWantTLS(seen), try speaksTLS() { obstacle = .wantsTLS }
      // A 400 from a server that does not speak TLS is an answer like others.
      if obstacle == nil { return nil }
      break
    }
    return obstacle ?? .unreachable("it has no address")
  }

  /// The longest wait was over before anything was known.
  private func tooSlow(_ seen: ProbeObservation) -> ProbeObstacle {
    let waited = MonotonicClock.now.since(started).spoken
    return seen.connectTime == nil
      ? .unreachable("the connection attempt was not answered within \(waited)")
      : .noAnswer("it accepted the connection and did not answer within \(waited)")
  }

  /// What a TLS server makes of HTTP: an alert, a close, or a friendly 400.
  private func couldWantTLS(_ seen: ProbeObservation) -> Bool {
    guard setup.serverName == nil, setup.request.isHTTP else { return false }
    switch seen.obstacle {
    case .notHTTP, .noAnswer: return true
    case .unreachable, .plainServer, .wantsTLS, .certificate, .handshake: return false
    case nil: return seen.status == 400 && seen.closeWasAnnounced
    }
  }

  private mutating func speaksTLS() throws(SystemError) -> Bool {
    guard let address, !wasInterrupted else { return false }
    var lanes = ProbeLanes()
    let connecting = try Socket.connect(to: address)
    let channel = ProbeChannel(connecting.takeDescriptor(), host: "localhost", verifies: false)
    var poller = try Poller(batch: 4)
    let lane = ProbeLane(.unused, channel: channel, request: setup.request, now: MonotonicClock.now)
    try poller.register(lane.number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: 0)
    _ = lanes.add(lane)
    let limit = min(end, MonotonicClock.now.advanced(by: .seconds(5)))
    while !lanes.areSettled, MonotonicClock.now < limit {
      if poller.wait(atMost: limit.since(MonotonicClock.now)) > 0 { lanes.ready(0, MonotonicClock.now) }
    }
    guard let seen = lanes.first else { return false }
    return lanes.areSettled && seen.obstacle == nil && seen.ending == .open
  }

  // MARK: - Rounds

  /// When half of the time is over.
  private var middle: Instant { started.advanced(by: setup.maximumWait / 2) }

  /// Plans that may hold a worker of the server, which could be its only one: they begin when the first round is done, so that
  /// they do not disturb it, and are left out where a server closes after each answer.
  private func holdingPlans(_ seen: ProbeObservation?) -> [ProbePlan] {
    if setup.isGentle || seen?.closeWasAnnounced == true { return [] }
    if setup.request.isHTTP { return [.unused, .halfSent] }
    return setup.request.asks ? [.unused] : []
  }

  private var firstRound: [ProbePlan] {
    guard setup.request.isHTTP else {
      return otherRound
    }
    return [
      .requests(limit: setup.maximumRequests), .version10(keepAlive: false),
      .version10(keepAlive: true), .head, .idle(requests: 3), .lateRequest,
    ]
  }

  /// Where HTTP is not spoken. As many as show the jitter of a server that looks at its clocks once a second, as Redis does.
  private var otherRound: [ProbePlan] {
    setup.request.asks
      ? [.idle(requests: 2), .idle(requests: 1), .idle(requests: 1), .idle(requests: 1)]
      : [.unused, .unused, .unused, .unused]
  }

  private var laterRound: [ProbePlan] {
    guard setup.request.isHTTP else {
      return otherRound
    }
    let shortest = idleAges.min() ?? .zero
    return [
      .idle(requests: 1), .idle(requests: 2), .idle(requests: 5), .reuse(after: Nanoseconds(shortest.count / 5 * 4)),
    ]
  }

  /// Another round takes about as long as the longest idle age so far.
  private var isTimeForAnotherRound: Bool {
    // A server that closes at once has no idle timeout to be looked for.
    guard let longest = idleAges.max(), longest > .milliseconds(50) else { return false }
    return end.since(MonotonicClock.now) > longest + longest / 2 + .seconds(2)
  }

  private var idleAges: [Nanoseconds] {
    ProbeResult(target: "", isHTTP: setup.request.isHTTP, observations: observations, waited: .zero).idleAges
  }

  // MARK: -

  private func open(_ kind: ProbePlan, _ lanes: inout ProbeLanes) throws(SystemError) {
    guard let address else { preconditionFailure("a connection is opened before an address is chosen") }
    let connecting = try Socket.connect(to: address)
    let channel = ProbeChannel(connecting.takeDescriptor(), host: setup.serverName, verifies: setup.verifies)
    let lane = ProbeLane(kind, channel: channel, request: setup.request, now: MonotonicClock.now)
    let number = lane.number
    let slot = lanes.add(lane)
    try poller.register(number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: UInt64(slot))
  }

  /// Waits for an event, or for the time at which something must be done without one, and does it.
  private mutating func wait(until limit: Instant, _ lanes: inout ProbeLanes) {
    let deadline = min(limit, lanes.deadline ?? limit)
    let count = poller.wait(atMost: max(.zero, deadline.since(MonotonicClock.now)))
    let now = MonotonicClock.now
    // How late this machine wakes a program up: times that are measured are wrong by as much.
    if count == 0 { lateness = max(lateness, now.since(deadline) - .milliseconds(1)) }
    for index in 0..<count {
      let token = poller.token(at: index)
      if token == Prober.interruption {
        wasInterrupted = true
      } else {
        lanes.ready(Int(token), now)
      }
    }
    lanes.timePassed(MonotonicClock.now)
  }
}
