import Core

extension Judge {
  // MARK: - Building findings

  func inconclusive(
    _ exchange: Exchange, suspected: FindingKind?, missing: [String], evidence: [EvidenceItem] = []
  ) -> CaptureFinding {
    var finding = Finding(
      kind: .inconclusive, confidence: .open,
      summary: "\(described(exchange)) has no complete answer in the capture"
        + (suspected.map { "; it looks like \($0.rawValue)" } ?? ""))
    finding.suspected = suspected
    finding.missing = missing
    finding.evidence = evidence.isEmpty ? [requestItem(exchange)] : evidence
    if evidence.isEmpty { addEnds(to: &finding) }
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  func wrap(
    _ finding: Finding, exchange: Exchange?, time: Mark, duration: Nanoseconds?
  ) -> CaptureFinding {
    var finding = finding
    finding.limits = vantage.limits
    finding.evidence.sort { ($0.frame ?? .max) < ($1.frame ?? .max) }
    for index in finding.evidence.indices {
      guard let remark = connection.remarks.first(where: { $0.frame == finding.evidence[index].frame }) else {
        continue
      }
      finding.evidence[index].text += " [" + remark.text + "]"
    }
    return CaptureFinding(
      finding: finding, trace: connection.trace, connection: connection.number, client: connection.client,
      server: connection.server, vantage: vantage, speech: connection.turns.speech, request: exchange?.label ?? "",
      method: exchange?.method ?? "", exchange: exchange?.number ?? 0, time: time.time, frame: time.frame,
      idleAge: exchange.flatMap { $0.idleAgeIsKnown ? $0.idleAge : nil }, reuseCount: exchange?.reuseCount ?? 0,
      duration: duration,
      identity: ConnectionIdentity(connection),
      sequence: exchange.flatMap { connection.clientStream.sequence(ofOffset: $0.start) },
      requestLength: exchange.map { $0.end - $0.start } ?? 0, stream: exchange?.stream ?? 0,
      streams: exchange?.streams,
      restsOnReset: connection.serverStream.fin == nil && !connection.serverStream.resets.isEmpty,
      ladder: connection.ladder, ladderOmitted: connection.ladderOmitted, requestStart: exchange?.start ?? 0,
      serverFIN: connection.serverStream.finOffset,
      serverFINAcknowledges: connection.serverStream.fin?.acknowledges, firstFrame: connection.firstFrame)
  }

  func item(_ mark: Mark, _ text: String) -> EvidenceItem {
    EvidenceItem(frame: mark.frame, time: mark.time, text: text)
  }

  func requestItem(_ exchange: Exchange) -> EvidenceItem {
    let use = exchange.reuseCount > 0 ? "reused, \(exchange.reuseCount) before" : "first on its connection"
    let idle =
      exchange.idleAgeIsKnown
      ? "idle for \(Display.duration(exchange.idleAge))" : "for how long it was idle is not known"
    return item(
      exchange.first,
      "\(exchange.label), bytes \(exchange.start) to \(exchange.end) of the client (\(use), \(idle))")
  }

  func deliveredItem(_ exchange: Exchange) -> EvidenceItem {
    guard let delivered = exchange.delivered ?? connection.clientStream.acknowledgedMark else {
      return EvidenceItem(text: "the server acknowledged bytes of the request")
    }
    return item(
      delivered, "the server acknowledges \(delivered.acknowledges ?? 0) bytes: it has received bytes of the request")
  }

  func endItem(_ ending: Ending, of side: Side) -> EvidenceItem {
    let who = side == .client ? "the client" : "the server"
    return item(ending.mark, "\(who) \(ending.isReset ? "resets" : "closes (FIN)")")
  }

  func addEnds(to finding: inout Finding) {
    let ends = [
      connection.serverEnding.map { endItem($0, of: .server) },
      connection.clientEnding.map { endItem($0, of: .client) },
    ].compactMap(\.self)
    finding.evidence += ends.sorted { ($0.frame ?? 0) < ($1.frame ?? 0) }
  }

  func addResets(to finding: inout Finding, _ exchange: Exchange) {
    if let reset = resets(of: exchange).first {
      finding.evidence.append(
        item(reset.mark, "the server's RST, sequence \(reset.offset)" + originText(reset, exchange)))
    }
  }

  func described(_ exchange: Exchange) -> String {
    exchange.label
  }

  func idleText(_ exchange: Exchange) -> String {
    exchange.idleAgeIsKnown && (exchange.reuseCount > 0 || exchange.idleAge >= Judge.idling)
      ? " after \(Display.duration(exchange.idleAge)) of idling" : ""
  }

  func after(_ mark: Mark, _ earlier: Mark) -> String {
    "\(Display.duration(mark.time.since(earlier.time))) after"
  }

  func duration(_ exchange: Exchange, _ mark: Mark) -> Nanoseconds {
    max(.zero, mark.time.since(exchange.first.time))
  }

  func endDuration(_ exchange: Exchange) -> Nanoseconds? {
    let ends = [
      connection.serverEnding?.mark, connection.serverStream.resets.first?.mark, connection.clientEnding?.mark,
    ]
    .compactMap(\.self).filter { $0.time >= exchange.first.time }
    return ends.map { duration(exchange, $0) }.min()
  }
}

extension ForeignProtocol {
  /// Protocols in which the server answers whatever a client asks, but for a farewell.
  var answersEachRequest: Bool {
    switch self {
    case .fastCGI, .uwsgi, .smtp, .ftp, .pop3, .imap, .mysql, .postgreSQL, .redis, .memcached, .mongoDB, .cassandra,
      .microsoftSQLServer, .http09:
      true
    case .tls, .http2, .proxyProtocol, .socks, .ssh, .amqp, .mqtt, .nats, .rtsp, .sip, .vnc, .telnet: false
    }
  }
}
