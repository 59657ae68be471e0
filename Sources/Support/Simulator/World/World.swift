import Core

/// One simulated world: clients, a proxy that is made of Core's real machines, a network, a server, and the ledger that
/// watches them.
///
/// Everything happens in virtual time and by one seed, so that a seed is a whole run. The parts talk as the real ones do:
/// clients hand requests to the proxy (`+Clients`), the proxy drives Core's machines as the data plane does (`+Proxy`,
/// `+Attempt`), both ends speak through system calls of the simulated TCP, and the server decides by its profile (`+Server`).
final class World {
  enum Event {
    case requestDue(client: Int32)
    case round
    case bodyPiece(request: Int32)
    case clientLeaves(request: Int32)
    case serverReads(connection: Int32)
    case serverTimer(connection: Int32, generation: Int32)
    case serverWorked(connection: Int32, generation: Int32)
    case restart(Int)
    case serverUp(Int)
    case proxyWakes(connection: Int32)
    case proxySends(request: Int32, attempt: Int32)
    case resetDue(request: Int32, attempt: Int32)
    case responseDue(request: Int32, attempt: Int32)
    case connectDue(connection: Int32)
    case connectAgain(request: Int32, number: Int32)
    case reload(Int)
    case waitDue(thread: Int32)
    case sweepDue(thread: Int32)
    case drain
    case refresh
  }

  /// What a run of bytes is; the tags of the network's marks count through these.
  struct Run {
    enum Kind: UInt8 {
      case requestHead
      case requestBody
      case response
    }

    var kind: Kind
    /// An attempt or a response.
    var owner: Int32
    /// Bytes of the message before the run.
    var offset: Int32
    var count: Int32
  }

  struct Response {
    /// Nil: nobody asked.
    var request: Int32?
    var headBytes: Int32
    var bodyBytes: Int32
    var closes: Bool
    /// A 1xx: the answer follows.
    var isInterim = false
    /// Bytes of the proxy's stream that the server's kernel had when this was written: its segments acknowledge them.
    var received: Int32
  }

  let scenario: Scenario
  let broken: BrokenRule?
  var now = Instant(nanoseconds: 0)
  var random: RandomSource
  var network: Network
  var events = EventQueue<Event>()
  var ledger: Ledger
  var coverage = Coverage()
  var runs: [Run] = []
  var responses: [Response] = []

  var clients: [Client] = []
  var requests: [Asked] = []
  var pendingRequests = 0
  var roundsLeft: Int32

  var serverConnections: [ServerConnection] = []
  var serverIsUp = true

  var threads: [ProxyThread] = []
  var upstreams: [Upstream] = []
  var window: IdleWindow
  var lastHint: (seconds: Int32, told: Instant)?
  var seenCloses = SeenCloses()
  /// Whether the settings name the server.
  var isNamed = true
  /// Reloads that wait for their moment (``Reload/meets``).
  var waitingReloads: [Int] = []

  /// The last events in words; nil unless somebody will read them.
  var trace: Trace?

  /// More than any world needs: beyond it something turns in a circle.
  static let maximumEvents = 400_000

  init(_ scenario: Scenario, broken: BrokenRule?, traced: Bool) {
    self.scenario = scenario
    self.broken = broken
    random = RandomSource(seed: scenario.seed ^ 0x5EED_0001)
    network = Network(path: scenario.path, random: RandomSource(seed: scenario.seed ^ 0x5EED_0002))
    ledger = Ledger(scenario: scenario)
    window = IdleWindow(settings: scenario.proxy.window)
    roundsLeft = scenario.clients.requestsEach
    runs.reserveCapacity(512)
    responses.reserveCapacity(128)
    requests.reserveCapacity(128)
    if traced {
      let trace = Trace()
      self.trace = trace
      network.onSegment = { time, segment, isLost in trace.add(time, Trace.describe(segment, isLost)) }
    }
  }

  /// Runs to the end, or to the first violation.
  func run() {
    for index in 0..<scenario.proxy.threads {
      threads.append(ProxyThread(index: index, settings: scenario.proxy.pool))
    }
    startClients()
    for index in scenario.server.restarts.indices {
      events.schedule(.restart(index), at: scenario.server.restarts[index].at)
    }
    for index in scenario.proxy.reloads.indices {
      events.schedule(.reload(index), at: scenario.proxy.reloads[index].at)
    }
    if scenario.proxy.isBlind { coverage.saw(.blindSocket) }
    if scenario.proxy.drainsAt < .distantFuture { events.schedule(.drain, at: scenario.proxy.drainsAt) }
    if scenario.proxy.window.isOn { events.schedule(.refresh, at: now.advanced(by: .seconds(1))) }
    while ledger.violation == nil, !isOver {
      let networkTime = network.nextTime
      let eventTime = events.nextTime
      if networkTime == .distantFuture, eventTime == .distantFuture { break }
      coverage.events += 1
      if coverage.events > Self.maximumEvents {
        ledger.violate("no end after \(coverage.events) events")
        break
      }
      if networkTime <= eventTime {
        network.step()
        now = network.now
      } else {
        now = eventTime
        network.advance(to: now)
        if let event = events.popNext() { happened(event) }
      }
      if !network.notices.isEmpty { deliverNotices() }
    }
    if ledger.violation == nil { checkTheEnd() }
    finish()
  }

  /// Whether nothing more can go wrong: all clients are served, and every connection was given time to end.
  private var isOver: Bool {
    pendingRequests == 0 && roundsLeft <= 0 && clients.allSatisfy { $0.left <= 0 } && now >= quietAt
  }

  /// Late bytes and late closes are watched for this long after the last answer.
  private var quietAt: Instant { lastAnswerAt.advanced(by: .seconds(3)) }
  var lastAnswerAt = Instant(nanoseconds: 0)

  private func happened(_ event: Event) {
    switch event {
    case .requestDue(let client): requestDue(client)
    case .round: roundBegins()
    case .bodyPiece(let request): bodyPieceArrived(request)
    case .clientLeaves(let request): clientLeaves(request)
    case .serverReads(let connection):
      serverConnections[Int(connection)].isReadScheduled = false
      serverReads(connection)
    case .serverTimer(let connection, let generation): serverTimerFired(connection, generation)
    case .serverWorked(let connection, let generation): serverWorked(connection, generation)
    case .restart(let index): restart(index)
    case .serverUp(let index): serverCameUp(index)
    case .proxyWakes(let connection):
      upstreams[Int(connection)].isWakeScheduled = false
      upstreamStirred(connection)
    case .proxySends(let request, let attempt):
      if requests[Int(request)].attempt == attempt { send(request) }
    case .resetDue(let request, let attempt): resetWaitOver(request, attempt)
    case .responseDue(let request, let attempt): responseTimedOut(request, attempt)
    case .connectDue(let connection): connectTimedOut(connection)
    case .connectAgain(let request, let number): connectAgain(request, number)
    case .reload(let index): reloadIsDue(index)
    case .waitDue(let thread): expireWaits(thread)
    case .sweepDue(let thread): sweep(thread)
    case .drain:
      coverage.saw(.poolDrained)
      note("the pools drain")
      for thread in threads { drain(thread) }
    case .refresh:
      learn { $0.refresh(now: now) }
      if pendingRequests > 0 || clients.contains(where: { $0.left > 0 }) || roundsLeft > 0 {
        events.schedule(.refresh, at: now.advanced(by: .seconds(1)))
      }
    }
  }

  private func deliverNotices() {
    var index = 0
    while index < network.notices.count {
      let notice = network.notices[index]
      index += 1
      switch notice {
      case .accepted(let connection): serverAccepted(connection)
      case .connected(let connection): wakeProxy(connection)
      case .readable(let id):
        switch id.side {
        case .proxy: wakeProxy(id.connection)
        case .server: wakeServer(id.connection)
        }
      }
    }
    network.notices.removeAll(keepingCapacity: true)
  }

  /// A busy thread comes to an event late.
  private func wakeProxy(_ connection: Int32) {
    if scenario.proxy.latency <= .zero {
      upstreamStirred(connection)
      return
    }
    guard !upstreams[Int(connection)].isWakeScheduled else { return }
    upstreams[Int(connection)].isWakeScheduled = true
    events.schedule(
      .proxyWakes(connection: connection), at: now.advanced(by: random.span(.zero, scenario.proxy.latency)))
  }

  // MARK: The end

  private func checkTheEnd() {
    for index in requests.indices {
      if let fault = requests[index].machine.fault { ledger.violate("request \(index): \(fault)") }
      let fate = ledger.requests[index].fate
      switch fate {
      case .answered, .brokenOff, .failed, .left: break
      case .pending, .answering: ledger.violate("request \(index) hangs: it is \(fate) and nothing will happen")
      }
    }
    checkWindow()
    for thread in threads {
      drain(thread)
      if !thread.pool.isDrained { ledger.violate("the pool of thread \(thread.index) cannot be drained") }
      if ledger.openConnections(thread.index) != 0 {
        ledger.violate("thread \(thread.index) forgot \(ledger.openConnections(thread.index)) connections")
      }
    }
  }

  private func finish() {
    coverage.runs += 1
    coverage.requests += requests.count
    if network.segmentsLost > 0 { coverage.saw(.segmentLost) }
    // A violation leaves leases behind, which may not be dropped.
    for index in requests.indices { abandonLease(Int32(index)) }
  }

  func note(_ text: @autoclosure () -> String) {
    if let trace { trace.add(now, text()) }
  }
}

/// The last events of a run, in words.
package final class Trace {
  private var lines: [String] = []
  private var dropped = 0
  static let limit = 400

  func add(_ time: Instant, _ text: String) {
    lines.append("\(Trace.milliseconds(time)) \(text)")
    if lines.count > 2 * Trace.limit {
      lines.removeFirst(Trace.limit)
      dropped += Trace.limit
    }
  }

  /// The last `count` events, the oldest first.
  package func last(_ count: Int) -> [String] { Array(lines.suffix(count)) }

  private static func milliseconds(_ time: Instant) -> String {
    let microseconds = time.nanoseconds / 1_000
    let fraction = String(microseconds % 1_000)
    let whole = String(microseconds / 1_000)
    return String(repeating: " ", count: max(0, 7 - whole.count)) + whole + "."
      + String(repeating: "0", count: 3 - fraction.count) + fraction
  }

  static func describe(_ segment: SimulatedSegment, _ isLost: Bool) -> String {
    var text = segment.receiver.side == .server ? "  --> " : "  <-- "
    text += "c\(segment.receiver.connection) seq \(segment.sequence)"
    if segment.length > 0 { text += " length \(segment.length)" }
    if segment.acknowledgment >= 0 { text += " ack \(segment.acknowledgment)" }
    if segment.isSynchronize { text += " SYN" }
    if segment.isFinish { text += " FIN" }
    if segment.isReset { text += " RST" }
    if isLost { text += "  (lost)" }
    return text
  }
}
