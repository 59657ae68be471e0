package import Core

/// Everything that a capture, or several, told.
package struct CaptureReport: Sendable {
  package var counts: CaptureCounts
  package var findings: [CaptureFinding]
  /// Findings beyond ``CaptureAnalyser/maximumFindings``: counted per server, without their evidence.
  package var findingsDropped: Int
  /// How connections ended, by name.
  package var ends: [String: Int]
  package var servers: [ServerStatistics]
  package var vantages: [Vantage: Int]
  /// Files that were read, with what went wrong in them.
  package var files: [FileNote] = []
  /// Connections by what is the same wherever they are captured; for joining captures. Empty when there were too many.
  var connections: [ConnectionRecord] = []
  /// Answers by which a proxy says that its own server failed it.
  package var gatewayAnswers: [GatewayAnswer] = []

  package struct FileNote: Equatable, Sendable {
    package var name: String
    package var frames: Int64
    package var problem: String?
    package var dropped: UInt64?

    package init(name: String, frames: Int64, problem: String?, dropped: UInt64?) {
      self.name = name
      self.frames = frames
      self.problem = problem
      self.dropped = dropped
    }
  }

  init(
    counts: CaptureCounts, findings: [CaptureFinding], findingsDropped: Int, ends: [String: Int],
    servers: [ServerStatistics], vantages: [Vantage: Int], connections: [ConnectionRecord] = [],
    gatewayAnswers: [GatewayAnswer] = [], isSettled: Bool = false
  ) {
    self.connections = connections
    self.gatewayAnswers = gatewayAnswers
    self.counts = counts
    self.findings = findings
    self.findingsDropped = findingsDropped
    self.ends = ends
    self.servers = servers.sorted { ($0.failures, $0.requests, $1.server) > ($1.failures, $1.requests, $0.server) }
    self.vantages = vantages
    if !isSettled { settle() }
  }

  package func count(_ kind: FindingKind) -> Int {
    servers.map { $0.findings[kind] ?? 0 }.reduce(0, +)
  }

  package var races: Int { FindingKind.allCases.filter(\.isRace).map(count).reduce(0, +) }
  package var total: Int { FindingKind.allCases.map(count).reduce(0, +) }

  /// The place that most connections show.
  package var vantage: Vantage {
    let known = vantages.filter { $0.key != .unknown }
    let total = known.values.reduce(0, +)
    // Dictionary order must not decide: kinds in the order of their declaration, the most frequent first.
    let best = Vantage.allCases.compactMap { kind in known[kind].map { (kind, $0) } }.max { $0.1 < $1.1 }
    guard let best, best.1 * 3 >= total * 2 else { return .unknown }
    return best.0
  }

  private mutating func settle() {
    findings.sort { ($0.time, $0.frame) < ($1.time, $1.frame) }
    findIdleTimers()
    findTimers()
    for index in findings.indices {
      findings[index].number = index + 1
      if let server = servers.first(where: { $0.server == findings[index].server }) {
        findings[index].finding.remedy = CaptureReport.remedy(for: findings[index], server: server)
      }
    }
    linkGatewayAnswers()
  }

  private mutating func findIdleTimers() {
    for index in findings.indices {
      guard let server = servers.firstIndex(where: { $0.server == findings[index].server }),
        IdleTimerMatch(servers[server]).recognise(&findings[index])
      else { continue }
      servers[server].change(.closedWhileHandling, to: findings[index].finding.kind)
    }
  }

  /// Closes during handling whose length is constant, or round, are the work of a timer.
  private mutating func findTimers() {
    var groups: [Endpoint: [Int]] = [:]
    for (index, finding) in findings.enumerated() where finding.finding.kind == .closedWhileHandling {
      groups[finding.server, default: []].append(index)
    }
    for server in servers.map(\.server) {
      guard let indices = groups[server] else { continue }
      let lengths = indices.compactMap { findings[$0].duration }.sorted()
      guard !lengths.isEmpty else { continue }
      let middle = lengths[lengths.count / 2]
      for index in indices {
        guard let length = findings[index].duration, length >= .milliseconds(500) else { continue }
        let near = lengths.filter { abs($0.count - length.count) <= max(length.count / 50, 20_000_000) }.count
        let isConstant = near >= 3 && near * 2 >= lengths.count
        let round = CaptureReport.roundLength(near: length)
        guard isConstant || round != nil else { continue }
        setTimer(index, length: isConstant ? middle : length, round: round, alike: near)
      }
    }
  }

  private mutating func setTimer(_ index: Int, length: Nanoseconds, round: Nanoseconds?, alike: Int) {
    var finding = findings[index].finding
    finding.kind = .serverTimer
    finding.confidence = .likely
    let why =
      alike >= 3
      ? "\(alike) requests to this server ended after the same time, about \(Display.duration(length))"
      : "the time is \(Display.duration(findings[index].duration ?? length)), within a hundredth of "
        + Display.duration(round ?? length)
    finding.evidence.append(EvidenceItem(text: why))
    findings[index].finding = finding
    guard let server = servers.firstIndex(where: { $0.server == findings[index].server }) else { return }
    servers[server].change(.closedWhileHandling, to: .serverTimer)
  }

  /// A length that people set timers to, if this one is within a hundredth and 100 ms of it.
  static func roundLength(near length: Nanoseconds) -> Nanoseconds? {
    let lengths: [Int64] = [
      1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30, 40, 45, 50, 60, 75, 90, 100, 120, 150, 180, 240, 300, 600, 900,
    ]
    for seconds in lengths {
      let round = Nanoseconds.seconds(seconds)
      // A timer fires at its time or late, never early.
      let excess = length.count - round.count
      if excess >= -round.count / 1_000, excess <= min(round.count / 100, 100_000_000) { return round }
    }
    return nil
  }

  static func remedy(for finding: CaptureFinding, server: ServerStatistics) -> String {
    let kind = finding.finding.kind
    switch kind {
    case .crossingFIN, .crossingRST, .crossingHalfClose, .crossingGOAWAY, .resetUnread, .staleReuse, .unaskedAnswer:
      guard let estimate = server.estimate else { return kind.remedy }
      let text =
        "\(server.server) closes idle connections after \(Display.duration(estimate.timeout))"
        + " (\(Display.count(estimate.samples, "close")), \(estimate.trust.rawValue) confidence). "
        + "Let the client or proxy hold idle connections at most \(Display.duration(estimate.recommendedHold)), or "
        + raise(server, estimate)
      return text + ". " + (kind == .staleReuse ? FindingKind.staleReuse.remedy : "")
    case .forgottenFlow:
      guard let idle = finding.idleAge else { return kind.remedy }
      return "Hold idle connections for less than \(Display.duration(idle)), or send TCP keep-alive probes more often. "
        + kind.remedy
    case .clientGaveUp:
      guard let duration = finding.duration else { return kind.remedy }
      return "The client waited for \(Display.duration(duration)). " + kind.remedy
    case .serverTimer:
      guard let duration = finding.duration else { return kind.remedy }
      return "Look for a timer of about \(Display.duration(duration)). " + kind.remedy
    case .closedWhileHandling, .refused, .noAnswerToSYN, .truncatedAnswer, .closeIgnored, .streamRefused, .notHTTP,
      .inconclusive:
      return kind.remedy
    }
  }

  /// The server's timeout must exceed the time for which the client holds idle connections, and the server's own closes hide that
  /// time from the capture, unless some client closed first.
  private static func raise(_ server: ServerStatistics, _ estimate: TimeoutEstimate) -> String {
    if let hold = server.clientTimeout, hold >= estimate.timeout - estimate.timeout / 10 {
      return
        "raise the server's keep-alive timeout above \(Display.duration(hold + hold / 5)): clients hold idle connections for "
        + "\(Display.duration(hold)) (\(Display.count(server.clientCloseAges.count, "close")))"
    }
    return
      "raise the server's keep-alive timeout above the time for which the client or proxy holds them, which its settings tell; the "
      + "capture does not show it, because the server closes first"
  }
}
