package import Core

/// Says why a request got no complete answer, from what its connection shows.
///
/// Order is decided by sequence and acknowledgement numbers, never by the capture's clock alone:
///
/// ```
///                       the server's FIN acknowledges     sendings of the request acknowledge
///                       a byte of the request?            the server's FIN?
/// crossing-fin          no                                 no, and a reset answers it
/// crossing-half-close   no                                 no, and it is acknowledged
/// stale-reuse           no                                 yes, all of them
/// closed-while-handling yes                                -
/// ```
package struct Judge {
  /// Idling below this is no keep-alive idling: requests come as fast as the client can send them.
  private static let idling = Nanoseconds.milliseconds(300)
  /// A retransmission is nothing else: beyond what duplication or reordering can do.
  private static let retransmissionTime = Nanoseconds.milliseconds(100)
  /// What may be outstanding when a capture ends without being worth a word.
  private static let outstanding = Nanoseconds.seconds(1)

  private let connection: Connection
  private let captureEnd: Instant
  /// The capturing program says that it lost nothing.
  private let captureIsComplete: Bool
  private let vantage: Vantage

  package init(connection: Connection, captureEnd: Instant, captureIsComplete: Bool) {
    self.connection = connection
    self.captureEnd = captureEnd
    self.captureIsComplete = captureIsComplete
    vantage = connection.vantage
  }

  /// Everything that can be said about this connection.
  package func findings() -> [CaptureFinding] {
    if let finding = judgeHandshake() { return [finding] }
    var result: [CaptureFinding] = []
    for exchange in connection.turns.pending where exchange.isRequest && !exchange.answerIsComplete {
      if let finding = judge(exchange) { result.append(finding) }
    }
    return result
  }

  // MARK: - Connections that never were

  private func judgeHandshake() -> CaptureFinding? {
    guard let syn = connection.syn, connection.synAck == nil, connection.serverStream.segments == 0,
      connection.clientStream.segments == 0
    else { return nil }
    if let reset = connection.serverStream.resets.first {
      var finding = Finding(
        kind: .refused, confidence: .proved,
        summary: "\(connection.server) refused the connection \(after(reset.mark, syn)) the SYN")
      finding.evidence = [item(syn, "SYN to \(connection.server)"), item(reset.mark, "RST in answer to the SYN")]
      return wrap(finding, exchange: nil, time: syn, duration: reset.mark.time.since(syn.time))
    }
    // Segments of the server without a SYN-ACK: it was there, the capture missed it.
    guard connection.handshakeEnd == nil, !connection.serverStream.isAnchored else { return nil }
    let waited = captureEnd.since(syn.time)
    guard connection.synCount > 1 || waited > Judge.outstanding else { return nil }
    guard connection.synCount > 1 else {
      var finding = Finding(
        kind: .inconclusive, confidence: .open,
        summary:
          "one SYN to \(connection.server), and neither an answer nor a repetition within \(Display.duration(waited))")
      finding.suspected = .noAnswerToSYN
      finding.missing = ["an answer, or the repetition that a client sends after a second without one"]
      finding.evidence = [item(syn, "SYN to \(connection.server)")]
      return wrap(finding, exchange: nil, time: syn, duration: nil)
    }
    var finding = Finding(
      kind: .noAnswerToSYN, confidence: .proved,
      summary:
        "\(connection.server) did not answer \(Display.count(connection.synCount, "SYN")) within "
        + Display.duration(connection.lastTime.since(syn.time)))
    finding.evidence = [item(syn, "SYN to \(connection.server), sent \(connection.synCount) times, never answered")]
    return wrap(finding, exchange: nil, time: syn, duration: connection.lastTime.since(syn.time))
  }

  // MARK: - Requests

  private func judge(_ exchange: Exchange) -> CaptureFinding? {
    if exchange.answerFirst == nil, let unasked = exchange.unasked, unasked.status != nil {
      return judgeUnasked(exchange, unasked)
    }
    if exchange.answerIsNotHTTP || (exchange.requestIsNotHTTP && exchange.answerFirst != nil), !exchange.hasHole {
      return judgeNotHTTP(exchange)
    }
    if exchange.answerFirst != nil {
      return exchange.speech == .http1 ? judgePartial(exchange) : nil
    }
    if isFarewell(exchange) { return nil }
    if exchange.hasHole || serverHasUnseenBytes {
      return inconclusive(
        exchange, suspected: suspicion(exchange),
        missing: ["bytes of the server that the capture does not hold: the answer or the close can be among them"])
    }
    if exchange.afterCloseAnnounced != nil,
      (exchange.leastAcknowledged ?? -1) >= connection.turns.closeAnnouncedEnd
    {
      return judgeCloseIgnored(exchange)
    }
    if let fin = connection.serverStream.fin, let offset = connection.serverStream.finOffset {
      return judgeClose(exchange, fin: fin, at: offset)
    }
    if let reset = connection.serverStream.resets.first { return judgeReset(exchange, reset) }
    return judgeSilence(exchange)
  }

  /// What a client says before it leaves, in protocols that have such a thing: QUIT, Terminate, close_notify.
  private func isFarewell(_ exchange: Exchange) -> Bool {
    guard exchange.speech != .http1, let ending = connection.clientEnding,
      exchange.number == connection.turns.exchangesStarted
    else { return false }
    let isShort = exchange.end - exchange.start <= 64
    let serverEndedFirst = connection.serverEnding.map { ($0.mark.acknowledges ?? 0) <= exchange.start } ?? false
    return isShort && !serverEndedFirst && ending.mark.time.since(exchange.lastSent.time) < .milliseconds(10)
  }

  /// The client acknowledged, or the server numbered, what the capture does not show.
  private var serverHasUnseenBytes: Bool {
    let server = connection.serverStream
    var reached = server.acknowledged
    for reset in server.resets where reset.offset - server.delivered < SegmentStream.maximumDistance {
      reached = max(reached, reset.offset)
    }
    for reset in connection.clientStream.resets { reached = max(reached, reset.mark.acknowledges ?? 0) }
    if let offset = server.finOffset { reached = max(reached, offset) }
    return reached > server.accountedEnd
  }

  /// The end of what the capture holds of the client, its FIN included.
  private var clientEnd: Int64 {
    connection.clientStream.highest + (connection.clientStream.fin == nil ? 0 : 1)
  }

  /// Earlier exchanges, and with them idle age and use count, can be missing.
  private var historyIsPartial: Bool {
    !connection.startWasSeen || connection.clientStream.missingBytes > 0 || connection.serverStream.missingBytes > 0
  }

  /// What it looks like, when it cannot be said.
  private func suspicion(_ exchange: Exchange) -> FindingKind? {
    guard let fin = connection.serverStream.fin, let offset = connection.serverStream.finOffset else { return nil }
    if (fin.acknowledges ?? .max) > exchange.start { return .closedWhileHandling }
    if (exchange.leastAcknowledged ?? .max) <= offset { return .crossingFIN }
    return .staleReuse
  }

  private func judgeUnasked(_ exchange: Exchange, _ unasked: UnaskedAnswer) -> CaptureFinding {
    let status = unasked.status.map(String.init) ?? "?"
    var finding = Finding(
      kind: .unaskedAnswer, confidence: .proved,
      summary:
        "\(described(exchange)) was met by a \(status) that the server had sent before it received any byte of the request"
    )
    finding.evidence = [
      requestItem(exchange),
      item(
        unasked.first,
        "response \(status)\(unasked.closes ? " with Connection: close" : "") acknowledges \(unasked.acknowledges) bytes "
          + "of the client, and the request begins at \(exchange.start): it is no answer to it"),
    ]
    addEnds(to: &finding)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, unasked.last))
  }

  private func judgeNotHTTP(_ exchange: Exchange) -> CaptureFinding {
    let culprit =
      exchange.answerIsNotHTTP
      ? "was answered with bytes that are not HTTP" : "is not HTTP, and the server answered in HTTP"
    var finding = Finding(
      kind: .notHTTP, confidence: .proved, summary: "\(described(exchange)) \(culprit)")
    finding.evidence = [requestItem(exchange)]
    if let answer = exchange.answerFirst { finding.evidence.append(item(answer, "first bytes of the answer")) }
    return wrap(finding, exchange: exchange, time: exchange.first, duration: nil)
  }

  private func judgeCloseIgnored(_ exchange: Exchange) -> CaptureFinding {
    var finding = Finding(
      kind: .closeIgnored, confidence: .proved,
      summary: "\(described(exchange)) was sent on a connection whose close had been announced")
    if let announced = exchange.afterCloseAnnounced {
      finding.evidence.append(item(announced, "end of the exchange that announced the close"))
    }
    finding.evidence.append(requestItem(exchange))
    addEnds(to: &finding)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  private func judgePartial(_ exchange: Exchange) -> CaptureFinding? {
    guard let first = exchange.answerFirst, let last = exchange.answerLast else { return nil }
    if exchange.hasHole || serverHasUnseenBytes {
      return inconclusive(
        exchange, suspected: nil, missing: ["bytes of the answer that the capture does not hold; it may be complete"])
    }
    let clientEnd = connection.clientEnding
    let serverEnd = connection.serverEnding
    var evidence = [
      requestItem(exchange),
      item(first, "the answer begins\(exchange.status.map { " with status \($0)" } ?? "")"),
      item(last, "last byte of the answer that was sent, its end not reached"),
    ]
    if let serverEnd, clientEnd.map({ endedFirst(serverEnd, than: $0) }) ?? true {
      var finding = Finding(
        kind: .truncatedAnswer, confidence: .proved,
        summary: "the answer to \(described(exchange)) ended before its announced end")
      evidence.append(endItem(serverEnd, of: .server))
      finding.evidence = evidence
      return wrap(
        finding, exchange: exchange, time: exchange.first, duration: duration(exchange, serverEnd.mark))
    }
    if let clientEnd {
      var finding = Finding(
        kind: .clientGaveUp, confidence: .proved,
        summary:
          "the client left \(Display.duration(clientEnd.mark.time.since(exchange.first.time))) after \(described(exchange)), "
          + "in the middle of the answer")
      evidence.append(endItem(clientEnd, of: .client))
      finding.evidence = evidence
      return wrap(
        finding, exchange: exchange, time: exchange.first, duration: duration(exchange, clientEnd.mark))
    }
    guard captureEnd.since(last.time) > Judge.outstanding else { return nil }
    return inconclusive(exchange, suspected: nil, missing: ["the rest of the answer: the capture ends before it"])
  }

  /// Which of the two ends came first, by what the later one acknowledges; by time where that does not tell.
  private func endedFirst(_ server: Ending, than client: Ending) -> Bool {
    if let offset = connection.clientStream.finOffset, let acknowledged = server.mark.acknowledges,
      acknowledged > offset
    {
      return false
    }
    if let offset = connection.serverStream.finOffset, let acknowledged = client.mark.acknowledges,
      acknowledged > offset
    {
      return true
    }
    return server.mark.time <= client.mark.time
  }

  // MARK: - The server closed

  private func judgeClose(_ exchange: Exchange, fin: Mark, at offset: Int64) -> CaptureFinding? {
    let isDelivered = connection.clientStream.acknowledged > exchange.start
    guard (fin.acknowledges ?? .max) <= exchange.start else {
      if let clientEnd = connection.clientEnding, let serverEnd = connection.serverEnding,
        !endedFirst(serverEnd, than: clientEnd)
      {
        return judgeGaveUp(exchange, clientEnd)
      }
      guard (fin.acknowledges ?? 0) <= clientEnd else {
        return inconclusive(
          exchange, suspected: .closedWhileHandling,
          missing: ["bytes or the FIN of the client, which the server's FIN acknowledges and the capture does not hold"]
        )
      }
      return judgeHandling(exchange, ended: fin, isReset: false, confidence: .proved)
    }
    let coveringReset = connection.serverStream.resets.first { ($0.mark.acknowledges ?? 0) > exchange.start }
    var evidence = [
      item(
        fin,
        "the server's FIN, at byte \(offset) of its stream, acknowledges \(fin.acknowledges ?? 0) bytes of the client: "
          + "nothing of the request, which begins at \(exchange.start)"),
      requestItem(exchange),
    ]
    if let least = exchange.leastAcknowledged, least <= offset {
      evidence[1].text += ", acknowledges \(least): not the FIN, which would be \(offset + 1)"
      if isDelivered || coveringReset != nil {
        return judgeHalfClose(exchange, fin: fin, isDelivered: isDelivered, coveringReset, evidence)
      }
      return judgeCrossing(exchange, fin: fin, at: offset, least: least, evidence)
    }
    evidence[1].text += ", acknowledges \(exchange.mostAcknowledged ?? 0): the client's kernel had taken the FIN"
    guard !exchange.firstMayBeMissed else {
      return inconclusive(
        exchange, suspected: .staleReuse,
        missing: ["the first sending of the request: the one that is seen repeats it"], evidence: evidence)
    }
    var finding = Finding(
      kind: .staleReuse, confidence: .likely,
      summary:
        "\(described(exchange)) was written \(Display.duration(exchange.first.time.since(fin.time))) after the server's FIN, "
        + "which the client's kernel had already acknowledged")
    if let (mark, place) = connection.finAcknowledged, place <= exchange.start {
      finding.confidence = .proved
      if mark.frame != exchange.first.frame {
        evidence.insert(item(mark, "the client acknowledges the FIN, and has not sent the request yet"), at: 1)
      }
    }
    if isDelivered { evidence.append(deliveredItem(exchange)) }
    finding.evidence = evidence
    addResets(to: &finding)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  private func judgeCrossing(
    _ exchange: Exchange, fin: Mark, at offset: Int64, least: Int64, _ evidence: [EvidenceItem]
  ) -> CaptureFinding? {
    var evidence = evidence
    let proof = connection.serverStream.resets.first { reset in
      if let acknowledges = reset.mark.acknowledges { return acknowledges <= exchange.start }
      return reset.offset >= least && reset.offset <= min(offset, exchange.mostAcknowledged ?? offset)
    }
    var finding = Finding(
      kind: .crossingFIN, confidence: .proved,
      summary:
        "\(described(exchange)) crossed the server's FIN\(idleText(exchange)); the server never received it")
    if let proof {
      let text =
        proof.mark.acknowledges == nil
        ? "RST with sequence \(proof.offset), the number that the request acknowledges: the request itself caused it, and "
          + "found no socket"
        : "RST that acknowledges \(proof.mark.acknowledges ?? 0) bytes: nothing of the request"
      evidence.append(item(proof.mark, text))
    } else if wasRepeated(exchange) {
      finding.confidence = .likely
      if let last = exchange.lastRetransmission {
        evidence.append(item(last, "the request is sent again: nothing of it has been acknowledged"))
      }
    } else {
      return inconclusive(
        exchange, suspected: .crossingFIN,
        missing: ["the reset that proves that no socket was there, or an acknowledgement that shows the contrary"],
        evidence: evidence)
    }
    evidence.append(EvidenceItem(text: "no segment of the server acknowledges any byte of the request"))
    finding.evidence = evidence
    if historyIsPartial {
      finding.missing = ["what was said before: a close that had been announced would make it close-ignored"]
    }
    return wrap(
      finding, exchange: exchange, time: exchange.first, duration: duration(exchange, proof?.mark ?? fin))
  }

  private func wasRepeated(_ exchange: Exchange) -> Bool {
    guard let last = exchange.lastRetransmission else { return false }
    return exchange.retransmissions > 0 && last.time.since(exchange.first.time) > Judge.retransmissionTime
  }

  private func judgeHalfClose(
    _ exchange: Exchange, fin: Mark, isDelivered: Bool, _ reset: Reset?, _ evidence: [EvidenceItem]
  ) -> CaptureFinding {
    var finding = Finding(
      kind: .crossingHalfClose, confidence: isDelivered ? .proved : .likely,
      summary:
        "\(described(exchange)) crossed the FIN of a server that kept reading\(idleText(exchange)): it was delivered and "
        + "cannot be answered")
    finding.evidence = evidence
    if isDelivered { finding.evidence.append(deliveredItem(exchange)) }
    if let reset { finding.evidence.append(item(reset.mark, "RST that acknowledges bytes of the request")) }
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  private func judgeHandling(
    _ exchange: Exchange, ended: Mark, isReset: Bool, confidence: Confidence
  ) -> CaptureFinding {
    let since = exchange.delivered ?? exchange.first
    let unfinished = exchange.speech == .http1 && !exchange.requestIsComplete
    let what = unfinished ? "the beginning of \(described(exchange))" : described(exchange)
    var finding = Finding(
      kind: .closedWhileHandling, confidence: confidence,
      summary:
        "the server received \(what) and \(isReset ? "reset" : "closed") the connection without an answer, "
        + "\(Display.duration(ended.time.since(exchange.first.time))) after its first byte")
    finding.evidence = [requestItem(exchange)]
    if since != exchange.first { finding.evidence.append(deliveredItem(exchange)) }
    finding.evidence.append(
      item(
        ended,
        "the server's \(isReset ? "RST" : "FIN")"
          + (ended.acknowledges.map {
            " acknowledges \($0) bytes of the client; the request begins at \(exchange.start)"
          }
            ?? "")))
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, ended))
  }

  // MARK: - The server reset

  private func judgeReset(_ exchange: Exchange, _ first: Reset) -> CaptureFinding? {
    if let clientEnd = connection.clientEnding, clientEnd.mark.time < first.mark.time,
      (clientEnd.mark.acknowledges ?? 0) <= connection.serverStream.delivered, exchange.delivered != nil
    {
      return judgeGaveUp(exchange, clientEnd)
    }
    let resets = connection.serverStream.resets
    if let reset = resets.first(where: { ($0.mark.acknowledges ?? 0) > exchange.start }) {
      return judgeCoveringReset(exchange, reset)
    }
    let isDelivered = exchange.delivered != nil
    if let reset = resets.first(where: { $0.mark.acknowledges != nil }), !isDelivered {
      var finding = Finding(
        kind: .crossingRST, confidence: .proved,
        summary:
          "\(described(exchange)) crossed a reset of the idle connection\(idleText(exchange)); the server never received it"
      )
      finding.evidence = [
        item(
          reset.mark,
          "RST that acknowledges \(reset.mark.acknowledges ?? 0) bytes of the client: nothing of the request, which begins "
            + "at \(exchange.start); it was sent before the request arrived" + originText(reset)),
        requestItem(exchange),
        EvidenceItem(text: "no segment of the server acknowledges any byte of the request"),
      ]
      return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, reset.mark))
    }
    if isDelivered {
      return judgeHandling(exchange, ended: first.mark, isReset: true, confidence: .likely)
    }
    return judgeBareReset(exchange, first)
  }

  private func judgeCoveringReset(_ exchange: Exchange, _ reset: Reset) -> CaptureFinding {
    let since = exchange.delivered ?? exchange.first
    let gap = reset.mark.time.since(since.time)
    let quick = max((connection.roundTrip ?? .zero) * 2 + .milliseconds(2), .milliseconds(5))
    if historyIsPartial || connection.roundTrip == nil, gap <= max(quick, .milliseconds(300)) {
      return inconclusive(
        exchange, suspected: .resetUnread,
        missing: ["the beginning of the connection: for how long it had been idle, and how long a round trip takes"])
    }
    guard gap <= quick, exchange.idleAge >= Judge.idling else {
      return judgeHandling(exchange, ended: reset.mark, isReset: true, confidence: .proved)
    }
    var finding = Finding(
      kind: .resetUnread, confidence: .likely,
      summary:
        "the server reset the connection \(Display.duration(gap)) after it had received \(described(exchange))"
        + "\(idleText(exchange)): closed with the request unread")
    finding.evidence = [
      requestItem(exchange),
      item(
        reset.mark,
        "RST that acknowledges \(reset.mark.acknowledges ?? 0) bytes: the kernel had taken bytes of the request, which begins "
          + "at \(exchange.start)"),
    ]
    finding.missing = ["whether the application read the request: only its own log can tell"]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, reset.mark))
  }

  /// A reset without an acknowledgement comes from a kernel that has no such connection.
  private func judgeBareReset(_ exchange: Exchange, _ reset: Reset) -> CaptureFinding {
    let evidence = [
      requestItem(exchange),
      item(
        reset.mark,
        "RST with sequence \(reset.offset) and without an acknowledgement: who sent it knows no such connection"
          + originText(reset)),
      EvidenceItem(text: "no FIN of the server is in the capture"),
    ]
    let isFromElsewhere = reset.mark.hops != connection.serverStream.hops && connection.serverStream.hops != 0
    guard isFromElsewhere || captureIsComplete || exchange.retransmissions >= 2 else {
      return inconclusive(
        exchange, suspected: .forgottenFlow,
        missing: [
          "whether the server had closed before: a FIN that the capture missed would make it the race; a capture at the "
            + "server, or one that counts its drops, tells"
        ], evidence: evidence)
    }
    var finding = Finding(
      kind: .forgottenFlow, confidence: .likely,
      summary:
        "\(described(exchange)) was answered by a reset from "
        + (isFromElsewhere ? "something on the path" : "a kernel that knew no such connection") + idleText(exchange))
    finding.evidence = evidence
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, reset.mark))
  }

  private func originText(_ reset: Reset) -> String {
    let expected = connection.serverStream.hops
    guard expected != 0, reset.mark.hops != expected else { return "" }
    return "; its TTL is \(reset.mark.hops) where the server's packets have \(expected): something else sent it"
  }

  // MARK: - The server said nothing

  private func judgeSilence(_ exchange: Exchange) -> CaptureFinding? {
    let isDelivered = exchange.delivered != nil
    let repeatedFor = exchange.lastRetransmission.map { $0.time.since(exchange.first.time) } ?? .zero
    let isUnanswered = !isDelivered && exchange.retransmissions >= 2 && repeatedFor > .milliseconds(500)
    if isUnanswered, exchange.reuseCount > 0 || exchange.idleAge >= .seconds(1) {
      var finding = Finding(
        kind: .forgottenFlow, confidence: .likely,
        summary:
          "\(described(exchange)) was sent \(exchange.retransmissions + 1) times within \(Display.duration(repeatedFor)) "
          + "without any answer\(idleText(exchange))")
      finding.evidence = [requestItem(exchange)]
      if let last = exchange.lastRetransmission {
        finding.evidence.append(item(last, "last retransmission; the server has not sent a segment since"))
      }
      if let ending = connection.clientEnding { finding.evidence.append(endItem(ending, of: .client)) }
      return wrap(finding, exchange: exchange, time: exchange.first, duration: repeatedFor)
    }
    if let clientEnd = connection.clientEnding {
      guard exchange.speech == .http1 || connection.turns.exchangesAnswered > 0 else { return nil }
      return judgeGaveUp(exchange, clientEnd)
    }
    guard captureEnd.since(exchange.lastSent.time) > Judge.outstanding else { return nil }
    guard exchange.speech == .http1 || connection.turns.exchangesAnswered > 0 else { return nil }
    return inconclusive(
      exchange, suspected: nil,
      missing: [
        "how it went on: the capture ends \(Display.duration(captureEnd.since(exchange.first.time))) after the request"
          + (isDelivered ? ", which was acknowledged" : "")
      ])
  }

  private func judgeGaveUp(_ exchange: Exchange, _ ending: Ending) -> CaptureFinding {
    let isDelivered = exchange.delivered != nil
    var finding = Finding(
      kind: .clientGaveUp, confidence: isDelivered ? .proved : .likely,
      summary:
        "the client \(ending.isReset ? "reset" : "closed") the connection "
        + "\(Display.duration(ending.mark.time.since(exchange.first.time))) after \(described(exchange)), before any answer"
    )
    finding.evidence = [requestItem(exchange)]
    if isDelivered { finding.evidence.append(deliveredItem(exchange)) }
    finding.evidence.append(endItem(ending, of: .client))
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, ending.mark))
  }

  // MARK: - Building findings

  private func inconclusive(
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

  private func wrap(
    _ finding: Finding, exchange: Exchange?, time: Mark, duration: Nanoseconds?
  ) -> CaptureFinding {
    var finding = finding
    finding.limits = vantage.limits
    finding.evidence.sort { ($0.frame ?? .max) < ($1.frame ?? .max) }
    return CaptureFinding(
      finding: finding, trace: connection.trace, connection: connection.number, client: connection.client,
      server: connection.server, vantage: vantage, speech: connection.turns.speech, request: exchange?.label ?? "",
      method: exchange?.method ?? "", exchange: exchange?.number ?? 0, time: time.time, frame: time.frame,
      idleAge: exchange?.idleAge, reuseCount: exchange?.reuseCount ?? 0, duration: duration,
      ladder: connection.ladder, ladderOmitted: connection.ladderOmitted, requestStart: exchange?.start ?? 0,
      serverFIN: connection.serverStream.finOffset,
      serverFINAcknowledges: connection.serverStream.fin?.acknowledges, firstFrame: connection.firstFrame)
  }

  private func item(_ mark: Mark, _ text: String) -> EvidenceItem {
    EvidenceItem(frame: mark.frame, time: mark.time, text: text)
  }

  private func requestItem(_ exchange: Exchange) -> EvidenceItem {
    let use = exchange.reuseCount > 0 ? "reused, \(exchange.reuseCount) before" : "first on its connection"
    return item(
      exchange.first,
      "\(exchange.label), bytes \(exchange.start) to \(exchange.end) of the client (\(use), idle for "
        + "\(Display.duration(exchange.idleAge)))")
  }

  private func deliveredItem(_ exchange: Exchange) -> EvidenceItem {
    guard let delivered = exchange.delivered ?? connection.clientStream.acknowledgedMark else {
      return EvidenceItem(text: "the server acknowledged bytes of the request")
    }
    return item(
      delivered, "the server acknowledges \(delivered.acknowledges ?? 0) bytes: it has received bytes of the request")
  }

  private func endItem(_ ending: Ending, of side: Side) -> EvidenceItem {
    let who = side == .client ? "the client" : "the server"
    return item(ending.mark, "\(who) \(ending.isReset ? "resets" : "closes (FIN)")")
  }

  private func addEnds(to finding: inout Finding) {
    let ends = [
      connection.serverEnding.map { endItem($0, of: .server) },
      connection.clientEnding.map { endItem($0, of: .client) },
    ].compactMap(\.self)
    finding.evidence += ends.sorted { ($0.frame ?? 0) < ($1.frame ?? 0) }
  }

  private func addResets(to finding: inout Finding) {
    if let reset = connection.serverStream.resets.first {
      finding.evidence.append(item(reset.mark, "the server's RST, sequence \(reset.offset)" + originText(reset)))
    }
  }

  private func described(_ exchange: Exchange) -> String {
    exchange.label
  }

  private func idleText(_ exchange: Exchange) -> String {
    exchange.reuseCount > 0 || exchange.idleAge >= Judge.idling
      ? " after \(Display.duration(exchange.idleAge)) of idling" : ""
  }

  private func after(_ mark: Mark, _ earlier: Mark) -> String {
    "\(Display.duration(mark.time.since(earlier.time))) after"
  }

  private func duration(_ exchange: Exchange, _ mark: Mark) -> Nanoseconds {
    max(.zero, mark.time.since(exchange.first.time))
  }

  private func endDuration(_ exchange: Exchange) -> Nanoseconds? {
    let ends = [
      connection.serverEnding?.mark, connection.serverStream.resets.first?.mark, connection.clientEnding?.mark,
    ]
    .compactMap(\.self).filter { $0.time >= exchange.first.time }
    return ends.map { duration(exchange, $0) }.min()
  }
}
