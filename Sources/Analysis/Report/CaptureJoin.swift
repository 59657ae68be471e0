import Core

/// What of a connection is the same wherever on its path it is captured: no address and no clock, for those are changed by NAT and
/// differ from host to host. Sequence numbers pass unchanged.
package struct ConnectionIdentity: Hashable, Sendable {
  /// Sequence numbers of the first bytes behind the two SYNs; nil where a SYN was not seen.
  var clientStart: UInt32?
  var serverStart: UInt32?

  init(_ connection: Connection) {
    clientStart = connection.clientStream.startWasSeen ? connection.clientStream.sequence(ofOffset: 0) : nil
    serverStart = connection.serverStream.startWasSeen ? connection.serverStream.sequence(ofOffset: 0) : nil
  }

  var isWhole: Bool { clientStart != nil && serverStart != nil }
}

/// A connection, as far as it matters for joining captures.
struct ConnectionRecord: Sendable {
  /// Connections that are recorded; beyond it joining counts less exactly.
  static let maximum = 131_072

  var identity: ConnectionIdentity
  var client: Endpoint
  var server: Endpoint
  var vantage: Vantage
  var speech: Speech
  var requests = 0
  var reused = 0
  var serverSentReset: Bool
  var first: Instant

  init(_ connection: Connection, vantage: Vantage, requests: Int, reused: Int) {
    identity = ConnectionIdentity(connection)
    (client, server) = (connection.client, connection.server)
    self.vantage = vantage
    (self.requests, self.reused) = (requests, reused)
    speech = connection.turns.speech
    serverSentReset = !connection.serverStream.resets.isEmpty
    first = connection.firstTime
  }

  /// The one of two records of a connection that counts requests better: at the client none is missing; where content is not
  /// read, turns may be cut in two at one of the places.
  func counting(with other: ConnectionRecord) -> ConnectionRecord {
    if vantage != other.vantage {
      if vantage == .clientSide { return self }
      if other.vantage == .clientSide { return other }
    }
    let isRead = speech == .http1 || speech == .http2
    return (requests >= other.requests) == isRead ? self : other
  }
}

/// Finds in the connections of one trace those of another.
private struct ConnectionIndex {
  private struct Ports: Hashable {
    var client: Endpoint
    var server: Endpoint
  }

  private let records: [ConnectionRecord]
  private var byIdentity: [ConnectionIdentity: Int] = [:]
  private var byPorts: [Ports: [Int]] = [:]

  init(_ records: [ConnectionRecord]) {
    self.records = records
    for (index, record) in records.enumerated() {
      if record.identity.isWhole { byIdentity[record.identity] = index }
      byPorts[Ports(client: record.client, server: record.server), default: []].append(index)
    }
  }

  func index(of identity: ConnectionIdentity) -> Int? { byIdentity[identity] }

  /// The record of the same connection; where a handshake is missing the pair of addresses and ports, and what is known of the
  /// numbers, must do.
  func index(of record: ConnectionRecord) -> Int? {
    if record.identity.isWhole, let index = byIdentity[record.identity] { return index }
    return byPorts[Ports(client: record.client, server: record.server)]?.first { index in
      let (one, other) = (records[index].identity, record.identity)
      guard !one.isWhole || !other.isWhole else { return false }
      func agree(_ one: UInt32?, _ other: UInt32?) -> Bool { one == nil || other == nil || one == other }
      return agree(one.clientStart, other.clientStart) && agree(one.serverStart, other.serverStart)
    }
  }
}

// MARK: - Captures of several places

extension CaptureReport {
  /// This report and that of a capture taken elsewhere at the same time. What both saw is told once, with the stronger of the
  /// two verdicts.
  package func joined(with other: CaptureReport) -> CaptureReport {
    var (joined, other) = (self, other)
    joined.noteAbsentResets(with: other)
    other.noteAbsentResets(with: self)
    joined.counts = counts.joined(with: other.counts)
    joined.findingsDropped += other.findingsDropped
    joined.ends = ends.merging(other.ends) { max($0, $1) }
    joined.vantages = vantages.merging(other.vantages, uniquingKeysWith: +)
    let names = joined.joinConnections(with: other)
    joined.joinServers(with: other, names: names)
    joined.joinFindings(of: other, names: names)
    joined.gatewayAnswers =
      gatewayAnswers
      + other.gatewayAnswers.filter { answer in
        !gatewayAnswers.contains { $0.isSame(as: answer) }
      }
    joined.findings.sort { ($0.time, $0.frame) < ($1.time, $1.frame) }
    for index in joined.findings.indices { joined.findings[index].number = index + 1 }
    joined.linkGatewayAnswers()
    return joined
  }

  /// Counts connections and requests that both hold once. Returns the names that servers of the other capture have in this one,
  /// where they differ (NAT).
  private mutating func joinConnections(with other: CaptureReport) -> [Endpoint: Endpoint] {
    guard !connections.isEmpty, !other.connections.isEmpty else { return [:] }
    let index = ConnectionIndex(connections)
    var names: [Endpoint: Endpoint] = [:]
    for record in other.connections {
      guard let known = index.index(of: record) else {
        connections.append(record)
        continue
      }
      if connections[known].server != record.server { names[record.server] = connections[known].server }
      let better = connections[known].counting(with: record)
      (connections[known].requests, connections[known].reused) = (better.requests, better.reused)
    }
    counts.connections = connections.count
    counts.requests = connections.reduce(0) { $0 + $1.requests }
    counts.reused = connections.reduce(0) { $0 + $1.reused }
    return names
  }

  private mutating func joinServers(with other: CaptureReport, names: [Endpoint: Endpoint]) {
    for server in other.servers {
      guard let name = names[server.server], let index = servers.firstIndex(where: { $0.server == name }) else {
        if !servers.contains(where: { $0.server == server.server }) {
          servers.append(server)
          // What was found of it is counted with the findings.
          servers[servers.count - 1].findings = [:]
        }
        continue
      }
      servers[index].otherNames.append(server.server)
    }
  }

  private mutating func joinFindings(of other: CaptureReport, names: [Endpoint: Endpoint]) {
    var byRequest: [CaptureFinding.Place: [Int]] = [:]
    for (index, finding) in findings.enumerated() {
      for place in finding.places { byRequest[place, default: []].append(index) }
    }
    for finding in other.findings {
      let candidates = finding.places.flatMap { byRequest[$0] ?? [] }
      if let index = candidates.first(where: { findings[$0].isSame(as: finding) }) {
        join(finding, into: index)
      } else {
        findings.append(finding)
        let name = names[finding.server] ?? finding.server
        if let index = servers.firstIndex(where: { $0.server == name }) {
          servers[index].findings[finding.finding.kind, default: 0] += 1
        }
      }
    }
  }

  /// A reset that the client's side shows, and the server's side does not, was sent by something between the two.
  private mutating func noteAbsentResets(with other: CaptureReport) {
    let (here, there) = (ConnectionIndex(connections), ConnectionIndex(other.connections))
    for place in findings.indices where findings[place].restsOnReset && findings[place].vantage != .serverSide {
      let identity = findings[place].identity
      guard let mine = here.index(of: identity), let known = there.index(of: identity),
        !other.connections[known].serverSentReset, let last = other.counts.last,
        let duration = findings[place].duration
      else { continue }
      // The clocks may differ: both captures hold the handshake.
      let shift = other.connections[known].first.since(connections[mine].first)
      let due = findings[place].time.advanced(by: duration).advanced(by: shift)
      let text = "the capture taken at the other place holds this connection, and no reset of the server"
      guard last >= due else {
        findings[place].finding.evidence.append(EvidenceItem(text: text + ", as far as it goes"))
        continue
      }
      findings[place].finding.evidence.append(EvidenceItem(text: text + ": something between the two sent it"))
      let kind = findings[place].finding.kind
      guard kind != .forgottenFlow else { continue }
      findings[place].finding.kind = .forgottenFlow
      findings[place].finding.confidence = .likely
      findings[place].finding.summary = "\(findings[place].request) was answered by a reset from something on the path"
      if let server = servers.firstIndex(where: { $0.server == findings[place].server }) {
        servers[server].change(kind, to: .forgottenFlow)
        findings[place].finding.remedy = CaptureReport.remedy(for: findings[place], server: servers[server])
      }
    }
  }

  private mutating func join(_ finding: CaptureFinding, into index: Int) {
    let known = findings[index]
    let stronger = finding.strength > known.strength ? finding : known
    let weaker = finding.strength > known.strength ? known : finding
    if stronger.finding.kind != known.finding.kind,
      let server = servers.firstIndex(where: { $0.server == known.server })
    {
      servers[server].change(known.finding.kind, to: stronger.finding.kind)
    }
    findings[index] = stronger
    findings[index].vantage = .bothSides
    findings[index].finding.limits =
      "Captures of both sides were joined; frame numbers are those of the capture taken \(stronger.vantage.rawValue)."
    let agrees = weaker.finding.kind == stronger.finding.kind
    let elsewhere = weaker.server == stronger.server ? "" : ", where the server is \(weaker.server)"
    findings[index].finding.evidence.append(
      EvidenceItem(
        text:
          "the capture taken \(weaker.vantage.rawValue) \(agrees ? "shows the same" : "alone says \(weaker.finding.kind.rawValue)")"
          + " (request in frame \(weaker.frame) there\(elsewhere))"))
  }
}

extension CaptureFinding {
  /// What two findings about the same request have in common.
  enum Place: Hashable {
    case connection(ConnectionIdentity)
    case ends(Endpoint, Endpoint)
  }

  var places: [Place] {
    identity.isWhole ? [.connection(identity), .ends(client, server)] : [.ends(client, server)]
  }

  /// The same request of the same connection, seen from another place. Where turns begin and end may differ from place to place;
  /// what the request is made of, by its numbers on the wire, does not.
  fileprivate func isSame(as other: CaptureFinding) -> Bool {
    guard trace != other.trace else { return false }
    if identity.isWhole, other.identity.isWhole {
      guard identity == other.identity else { return false }
    } else {
      guard client == other.client, server == other.server else { return false }
    }
    guard exchange > 0, other.exchange > 0 else {
      return exchange == other.exchange && abs(time.since(other.time).count) < 60_000_000_000
    }
    guard stream == other.stream, let one = sequence, let two = other.sequence else { return false }
    let distance = Int64(Int32(bitPattern: two &- one))
    if stream != 0 { return distance == 0 }
    return distance < max(1, requestLength) && -distance < max(1, other.requestLength)
  }

  /// The stronger verdict is told. Of two that are as strong the one that names a close of an idle connection has seen more.
  fileprivate var strength: Int {
    let base =
      switch finding.confidence {
      case .proved: 4
      case .likely: 2
      case .open: 0
      }
    return base + (finding.kind.isReuseFailure ? 1 : 0)
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
    sum.unread.merge(other.unread, uniquingKeysWith: +)
    // What one place saw from both sides can be judged; each counts its own connections.
    sum.oneDirection = min(oneDirection, other.oneDirection)
    sum.talking = max(talking, other.talking)
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
