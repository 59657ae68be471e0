package import Core

/// Which packets are looked at.
package struct CaptureFilter: Sendable {
  package var hosts: Set<NetworkAddress> = []
  package var ports: Set<UInt16> = []
  package var from: Instant?
  package var until: Instant?

  package init() {}

  func passes(_ segment: TCPSegment) -> Bool {
    if !hosts.isEmpty, !hosts.contains(segment.source.address), !hosts.contains(segment.destination.address) {
      return false
    }
    return ports.isEmpty || ports.contains(segment.source.port) || ports.contains(segment.destination.port)
  }

  func passes(_ time: Instant) -> Bool {
    if let from, time < from { return false }
    if let until, time > until { return false }
    return true
  }
}

/// Numbers of what was read.
package struct CaptureCounts: Equatable, Sendable {
  package var frames = 0
  package var bytes: Int64 = 0
  package var segments = 0
  package var fragments = 0
  /// Cut by the snap length within their headers.
  package var cut = 0
  package var malformed = 0
  package var other = 0
  /// Packets that may carry TCP and could not be opened, by the layer at which reading ended.
  package var unread: [UnreadLayer: Int] = [:]
  /// Connections with data of which only one direction is in the capture, and those with data at all.
  package var oneDirection = 0
  package var talking = 0
  package var withoutTime = 0
  package var connections = 0
  package var midstream = 0
  package var givenUp = 0
  package var requests = 0
  package var reused = 0
  package var retransmissions = 0
  package var duplicates = 0
  package var outOfOrder = 0
  package var keepAliveProbes = 0
  package var zeroWindows = 0
  package var resets = 0
  package var missingBytes: Int64 = 0
  package var first: Instant?
  package var last: Instant?
  package var unfinished = 0
}

/// Judges captures: takes packets in the order of the file, gives a report at the end.
///
/// Pure: it reads no file and no clock.
package struct CaptureAnalyser: PacketSink, ~Copyable {
  /// Findings that are kept with their evidence; those beyond are counted only.
  package static let maximumFindings = 20_000
  static let maximumServers = 8_192
  /// For a capture that goes on: findings that keep their evidence until the end.
  static let maximumDetailed = 100

  package var filter: CaptureFilter
  /// The capturing program says that it lost nothing.
  package var captureIsComplete = false
  private var table: ConnectionTable
  private var counts = CaptureCounts()
  private var events: [TurnEvent] = []
  private var findings: [CaptureFinding] = []
  private var dropped = 0
  private var ends: [String: Int] = [:]
  private var servers: [Endpoint: ServerStatistics] = [:]
  private var vantages: [Vantage: Int] = [:]
  private var frameOffset: Int64 = 0
  /// For a capture that goes on: every judged connection is told by ``takeJudged()``, and no finding is kept for the end.
  private let isLive: Bool
  private var judged: [JudgedConnection] = []
  private let trace: Int
  private var records: [ConnectionRecord] = []
  private var gatewayAnswers: [GatewayAnswer] = []
  private var losses = LossWindows()
  private var timers = TimerWatch()
  /// What the last packet belonged to; nil when to no connection.
  package private(set) var lastPlace: PacketPlace?

  package init(
    trace: Int = 0, filter: CaptureFilter = CaptureFilter(), maximumOpen: Int = ConnectionTable.maximumOpen,
    linger: Nanoseconds = ConnectionTable.linger, isLive: Bool = false
  ) {
    self.filter = filter
    self.isLive = isLive
    self.trace = trace
    table = ConnectionTable(trace: trace, maximumOpen: maximumOpen, linger: linger)
  }

  /// The time of the last packet; nil before the first.
  package var lastTime: Instant? { counts.last }

  /// Frames of a further file are numbered on.
  package mutating func fileEnded(frames: Int64) {
    frameOffset += frames
  }

  package mutating func packetRead(_ packet: CapturePacket, bytes: RawSpan) {
    counts.frames += 1
    counts.bytes += Int64(bytes.byteCount)
    lastPlace = nil
    if packet.time == nil { counts.withoutTime += 1 }
    let time = packet.time ?? counts.last ?? Instant(nanoseconds: 0)
    guard filter.passes(time) else { return }
    if counts.first == nil { counts.first = time }
    counts.last = max(counts.last ?? time, time)
    switch PacketContent(bytes, packet: packet) {
    case .segment(let segment):
      guard filter.passes(segment) else { return }
      take(segment, bytes: bytes, frame: frameOffset + packet.frame, time: time)
    case .fragment: counts.fragments += 1
    case .cut: counts.cut += 1
    case .malformed: counts.malformed += 1
    case .unread(let layer): counts.noteUnread(layer)
    case .other: counts.other += 1
    }
  }

  private mutating func take(_ segment: TCPSegment, bytes: RawSpan, frame: Int64, time: Instant) {
    counts.segments += 1
    if segment.flags.contains(.rst) { counts.resets += 1 }
    var ended: [Connection] = []
    let connection = table.take(segment, bytes: bytes, frame: frame, time: time, events: &events) { ended.append($0) }
    if isLive { lastPlace = PacketPlace(connection: connection.number, events: events) }
    if !events.isEmpty { tell(of: connection) }
    for old in ended { judge(old) }
  }

  /// For a capture that goes on: the clock has come so far, and no packet before that is still to come.
  package mutating func timePassed(_ now: Instant, abandoned: Nanoseconds, quiet: Nanoseconds) {
    if counts.first != nil { counts.last = max(counts.last ?? now, now) }
    var ended: [Connection] = []
    table.timePassed(now, abandoned: abandoned, quiet: quiet) { ended.append($0) }
    for connection in ended { judge(connection) }
  }

  /// Packets were lost between these times: what this can have changed becomes inconclusive.
  package mutating func packetsLost(_ count: Int, from: Instant, to end: Instant) {
    losses.add(count, from: from, to: end)
  }

  /// For a capture that goes on: the connections that were judged since the last call.
  package mutating func takeJudged() -> [JudgedConnection] {
    defer { judged.removeAll(keepingCapacity: true) }
    return judged
  }

  /// For a capture that goes on: judges what is still open. ``takeJudged()`` tells, ``finish()`` gives the rest.
  package mutating func captureEnded() {
    var left: [Connection] = []
    table.finish { left.append($0) }
    for connection in left { judge(connection) }
  }

  private mutating func tell(of connection: Connection) {
    guard servers[connection.server] != nil || servers.count < CaptureAnalyser.maximumServers else {
      events.removeAll(keepingCapacity: true)
      return
    }
    for event in events {
      switch event {
      case .requestStarted(let exchange):
        counts.requests += 1
        if exchange.reuseCount > 0 { counts.reused += 1 }
        servers[connection.server, default: ServerStatistics(server: connection.server)]
          .requestStarted(exchange, client: connection.client, connection: connection.number)
      case .exchangeCompleted(let exchange):
        servers[connection.server, default: ServerStatistics(server: connection.server)]
          .exchangeCompleted(exchange, client: connection.client, connection: connection.number)
        note(exchange, of: connection)
      }
    }
    events.removeAll(keepingCapacity: true)
  }

  private mutating func note(_ exchange: Exchange, of connection: Connection) {
    guard let status = exchange.status, GatewayAnswer.statuses.contains(status),
      gatewayAnswers.count < GatewayAnswer.maximum, let answer = exchange.answerFirst
    else { return }
    gatewayAnswers.append(
      GatewayAnswer(
        trace: trace, identity: ConnectionIdentity(connection), client: connection.client, server: connection.server,
        status: status, method: exchange.method, target: exchange.target, asked: exchange.first.time,
        answered: answer.time, frame: answer.frame))
  }

  private mutating func judge(_ connection: Connection) {
    var late: [TurnEvent] = []
    connection.finish(events: &late)
    swap(&events, &late)
    tell(of: connection)
    swap(&events, &late)
    for stream in [connection.clientStream, connection.serverStream] {
      counts.retransmissions += stream.retransmissions
      counts.duplicates += stream.duplicates
      counts.outOfOrder += stream.outOfOrder
      counts.keepAliveProbes += stream.keepAliveProbes
      counts.zeroWindows += stream.zeroWindows
      counts.missingBytes += stream.missingBytes
    }
    if !connection.startWasSeen { counts.midstream += 1 }
    counts.noteDirections(of: connection)
    ends[connection.end.name, default: 0] += 1
    let vantage = connection.vantage
    vantages[vantage, default: 0] += 1
    if !isLive, records.count < ConnectionRecord.maximum {
      let turns = connection.turns
      records.append(
        ConnectionRecord(connection, vantage: vantage, requests: turns.requestsStarted, reused: turns.requestsReused))
    }
    let judge = Judge(
      connection: connection, captureEnd: counts.last ?? connection.lastTime, captureIsComplete: captureIsComplete)
    var found = judge.findings()
    for index in found.indices { losses.weaken(&found[index], connectionEnd: connection.lastTime) }
    if servers[connection.server] != nil || servers.count < CaptureAnalyser.maximumServers {
      servers[connection.server, default: ServerStatistics(server: connection.server)].ended(connection)
    }
    if found.isEmpty, connection.turns.pending.contains(where: { $0.isRequest && $0.answerFirst == nil }),
      connection.end == .open
    {
      counts.unfinished += 1
    }
    for index in found.indices { add(&found[index]) }
    if isLive { judged.append(JudgedConnection(number: connection.number, findings: found)) }
  }

  private mutating func add(_ finding: inout CaptureFinding) {
    if isLive { settle(&finding) }
    servers[finding.server]?.findings[finding.finding.kind, default: 0] += 1
    if finding.finding.kind.isReuseFailure { servers[finding.server]?.noteFailure(at: finding.time) }
    guard findings.count < CaptureAnalyser.maximumFindings else {
      dropped += 1
      return
    }
    findings.append(finding)
    // What was told with its evidence when it was found needs no more than a line at the end.
    if isLive { findings[findings.count - 1].ladder = [] }
    if isLive, findings.count > CaptureAnalyser.maximumDetailed { findings[findings.count - 1].finding.evidence = [] }
  }

  /// What ``CaptureReport`` does for all findings at the end, as far as it can be done for one.
  private mutating func settle(_ finding: inout CaptureFinding) {
    finding.number = findings.count + dropped + 1
    if servers[finding.server].map({ IdleTimerMatch($0).recognise(&finding) }) != true { timers.recognise(&finding) }
    if let server = servers[finding.server] {
      finding.finding.remedy = CaptureReport.remedy(for: finding, server: server)
    }
  }

  /// Judges what is still open, and gives everything that was found.
  package consuming func finish() -> CaptureReport {
    var left: [Connection] = []
    table.finish { left.append($0) }
    for connection in left { judge(connection) }
    counts.connections = table.opened
    counts.givenUp = table.givenUp
    return CaptureReport(
      counts: counts, findings: findings, findingsDropped: dropped, ends: ends, servers: Array(servers.values),
      vantages: vantages, connections: counts.connections == records.count ? records : [],
      gatewayAnswers: gatewayAnswers, isSettled: isLive)
  }
}
