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
    servers: [ServerStatistics], vantages: [Vantage: Int], isSettled: Bool = false
  ) {
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
    findTimers()
    for index in findings.indices {
      findings[index].number = index + 1
      if let server = servers.first(where: { $0.server == findings[index].server }) {
        findings[index].finding.remedy = CaptureReport.remedy(for: findings[index], server: server)
      }
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
    servers[server].findings[.closedWhileHandling, default: 1] -= 1
    if servers[server].findings[.closedWhileHandling] == 0 { servers[server].findings[.closedWhileHandling] = nil }
    servers[server].findings[.serverTimer, default: 0] += 1
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
    case .crossingFIN, .crossingRST, .crossingHalfClose, .resetUnread, .staleReuse, .unaskedAnswer:
      guard let estimate = server.estimate else { return kind.remedy }
      var text =
        "\(server.server) closes idle connections after \(Display.duration(estimate.timeout))"
        + " (\(Display.count(estimate.samples, "close")), \(estimate.trust.rawValue) confidence). "
        + "Let the client or proxy hold idle connections at most \(Display.duration(estimate.recommendedHold))"
      if let longest = server.reuseAges.greatest {
        text +=
          ", or raise the server's keep-alive timeout above \(Display.duration(longest + longest / 10)), beyond the "
        text += "longest idle time after which it was used"
      }
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
    case .closedWhileHandling, .refused, .noAnswerToSYN, .truncatedAnswer, .closeIgnored, .notHTTP, .inconclusive:
      return kind.remedy
    }
  }
}

// MARK: - Captures of several places

extension CaptureReport {
  /// This report and that of a capture taken elsewhere at the same time. What both saw is told once, with the stronger of the
  /// two verdicts.
  package func joined(with other: CaptureReport) -> CaptureReport {
    var joined = self
    joined.counts = counts.joined(with: other.counts)
    joined.findingsDropped += other.findingsDropped
    joined.ends = ends.merging(other.ends) { max($0, $1) }
    joined.vantages = vantages.merging(other.vantages, uniquingKeysWith: +)
    var byServer: [Endpoint: Int] = [:]
    for (index, server) in servers.enumerated() { byServer[server.server] = index }
    for server in other.servers where byServer[server.server] == nil { joined.servers.append(server) }
    for finding in other.findings {
      if let index = joined.findings.firstIndex(where: { $0.isSame(as: finding) }) {
        joined.join(finding, into: index)
      } else {
        joined.findings.append(finding)
        if let index = byServer[finding.server] {
          joined.servers[index].findings[finding.finding.kind, default: 0] += 1
        }
      }
    }
    joined.findings.sort { ($0.time, $0.frame) < ($1.time, $1.frame) }
    for index in joined.findings.indices { joined.findings[index].number = index + 1 }
    return joined
  }

  private mutating func join(_ finding: CaptureFinding, into index: Int) {
    let known = findings[index]
    let stronger = finding.strength > known.strength ? finding : known
    let weaker = finding.strength > known.strength ? known : finding
    if stronger.finding.kind != known.finding.kind,
      let server = servers.firstIndex(where: { $0.server == known.server })
    {
      servers[server].findings[known.finding.kind, default: 1] -= 1
      if servers[server].findings[known.finding.kind] == 0 { servers[server].findings[known.finding.kind] = nil }
      servers[server].findings[stronger.finding.kind, default: 0] += 1
    }
    findings[index] = stronger
    findings[index].vantage = .bothSides
    findings[index].finding.limits =
      "Captures of both sides were joined; frame numbers are those of the capture taken \(stronger.vantage.rawValue)."
    let agrees = weaker.finding.kind == stronger.finding.kind
    findings[index].finding.evidence.append(
      EvidenceItem(
        text:
          "the capture taken \(weaker.vantage.rawValue) \(agrees ? "shows the same" : "alone says \(weaker.finding.kind.rawValue)")"
          + " (request in frame \(weaker.frame) there)"))
  }
}

extension CaptureFinding {
  /// The same request of the same connection, seen from another place. Clocks differ; a pair of ports is not used again within
  /// a minute.
  fileprivate func isSame(as other: CaptureFinding) -> Bool {
    trace != other.trace && client == other.client && server == other.server && exchange == other.exchange
      && requestStart == other.requestStart && abs(time.since(other.time).count) < 60_000_000_000
  }

  fileprivate var strength: Int {
    switch finding.confidence {
    case .proved: 2
    case .likely: 1
    case .open: 0
    }
  }
}

extension CaptureCounts {
  /// Of what two captures hold twice, the larger number.
  func joined(with other: CaptureCounts) -> CaptureCounts {
    var sum = self
    sum.frames += other.frames
    sum.bytes += other.bytes
    sum.segments += other.segments
    sum.fragments += other.fragments
    sum.cut += other.cut
    sum.malformed += other.malformed
    sum.other += other.other
    sum.unknownLinks.formUnion(other.unknownLinks)
    sum.withoutTime += other.withoutTime
    sum.connections = max(connections, other.connections)
    sum.midstream = min(midstream, other.midstream)
    sum.givenUp += other.givenUp
    sum.requests = max(requests, other.requests)
    sum.reused = max(reused, other.reused)
    sum.retransmissions += other.retransmissions
    sum.duplicates += other.duplicates
    sum.outOfOrder += other.outOfOrder
    sum.keepAliveProbes += other.keepAliveProbes
    sum.zeroWindows += other.zeroWindows
    sum.resets += other.resets
    sum.missingBytes += other.missingBytes
    sum.first = [first, other.first].compactMap(\.self).min()
    sum.last = [last, other.last].compactMap(\.self).max()
    sum.unfinished = min(unfinished, other.unfinished)
    return sum
  }
}
