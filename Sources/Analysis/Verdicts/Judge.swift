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
  static let idling = Nanoseconds.milliseconds(300)
  /// Where content is not read: less than this is no idling at all, but the middle of something.
  static let leastIdling = Nanoseconds.milliseconds(50)
  /// A retransmission is nothing else: beyond what duplication or reordering can do.
  static let retransmissionTime = Nanoseconds.milliseconds(100)
  /// What may be outstanding when a capture ends without being worth a word.
  static let outstanding = Nanoseconds.seconds(1)

  let connection: Connection
  let captureEnd: Instant
  /// The capturing program says that it lost nothing.
  let captureIsComplete: Bool
  let vantage: Vantage

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
    for var exchange in connection.turns.pending where exchange.isRequest && !exchange.answerIsComplete {
      exchange.streams = connection.turns.streams(of: exchange)
      if let finding = judge(exchange) { result.append(finding) }
    }
    if result.isEmpty, let exchange = connection.turns.lastCompleted, let finding = judgeLateAnswer(exchange) {
      result.append(finding)
    }
    return result
  }

  // MARK: - Connections that never were

  func judgeHandshake() -> CaptureFinding? {
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

  func judge(_ exchange: Exchange) -> CaptureFinding? {
    guard let finding = weigh(exchange).map({ withholdRace($0, exchange) }) else { return nil }
    guard exchange.speech == .http1, finding.finding.kind != .inconclusive,
      let (code, number) = connection.turns.ambiguity, exchange.number >= number
    else { return finding }
    return inconclusive(
      exchange, suspected: finding.finding.kind,
      missing: [
        "where the messages end: the framing can be read in two ways (\(code), exchange \(number) of the connection), so what "
          + "looks like a request may be a part of another"
      ], evidence: finding.finding.evidence)
  }

  func weigh(_ exchange: Exchange) -> CaptureFinding? {
    if exchange.answerFirst == nil, let unasked = exchange.unasked, exchange.speech == .http1,
      unasked.status != nil || !(exchange.hasHole || serverHasUnseenBytes)
    {
      return judgeUnasked(exchange, unasked)
    }
    if exchange.answerIsNotHTTP || (exchange.requestIsNotHTTP && exchange.answerFirst != nil), !exchange.hasHole {
      return judgeNotHTTP(exchange)
    }
    if exchange.stream != 0, exchange.answerFirst != nil || exchange.isCancelled { return judgeBrokenStream(exchange) }
    if exchange.idleFarewell != nil, let finding = judgeIdleFarewell(exchange) { return finding }
    if exchange.answerFirst != nil {
      // Where packets are cut, or content is not read, the announced end of an answer is not known.
      return exchange.speech == .http1 && !exchange.isCut ? judgePartial(exchange) : nil
    }
    if isFarewell(exchange) { return nil }
    if exchange.hasHole || serverHasUnseenBytes {
      return inconclusive(
        exchange, suspected: suspicion(exchange),
        missing: ["bytes of the server that the capture does not hold: the answer or the close can be among them"])
    }
    if exchange.stream != 0, let finding = judgeStream(exchange) { return finding }
    // What came was so small that it may have been the answer or not; only words that are no answer tell more.
    if exchange.smallAnswer != nil, exchange.unasked?.mayBeGoAway != true { return nil }
    if exchange.afterCloseAnnounced != nil, (exchange.leastAcknowledged ?? -1) >= connection.turns.closeAnnouncedEnd {
      return judgeCloseIgnored(exchange)
    }
    if exchange.wasPipelinedBehindClose || exchange.afterCloseAnnounced != nil, !historyIsPartial {
      return judgePipelinedBehindClose(exchange)
    }
    if let fin = connection.serverStream.fin, let offset = connection.serverStream.finOffset {
      return judgeClose(exchange, fin: fin, at: offset)
    }
    if let reset = resets(of: exchange).first { return judgeReset(exchange, reset) }
    return judgeSilence(exchange)
  }

  /// A race needs a connection that idled. Where it did not, or its first request came at once, the numbers still show what
  /// crossed, but no timer of idle connections explains it.
  func withholdRace(_ found: CaptureFinding, _ exchange: Exchange) -> CaptureFinding {
    guard found.finding.kind.isRace, exchange.idleAgeIsKnown, connection.startWasSeen else { return found }
    // In HTTP/2 a connection also ends after a number of requests.
    let isOpaque = exchange.speech != .http1 && exchange.stream == 0 && !connection.turns.offersHTTP2
    let isFirst = exchange.reuseCount == 0
    guard isFirst ? exchange.idleAge < Judge.idling : isOpaque && exchange.idleAge < Judge.leastIdling else {
      return found
    }
    return inconclusive(
      exchange, suspected: found.finding.kind,
      missing: [
        "why the server closed: the connection "
          + (isFirst ? "had just been opened" : "had been idle for \(Display.duration(exchange.idleAge)) only")
          + ", which no timer for idle connections ends"
      ], evidence: found.finding.evidence)
  }

  /// What a client says before it leaves, in protocols that have such a thing: QUIT, Terminate, close_notify.
  func isFarewell(_ exchange: Exchange) -> Bool {
    guard exchange.speech != .http1, exchange.stream == 0, exchange.number == connection.turns.exchangesStarted else {
      return false
    }
    if exchange.isFarewell { return true }
    guard let ending = connection.clientEnding else { return false }
    let isShort = exchange.end - exchange.start <= 64
    let serverEndedFirst = connection.serverEnding.map { ($0.mark.acknowledges ?? 0) <= exchange.start } ?? false
    return isShort && !serverEndedFirst && ending.mark.time.since(exchange.lastSent.time) < .milliseconds(10)
  }

  /// Whether the server owed an answer.
  enum Debt {
    case owed
    case nothing
    case unknown(String)
  }

  /// HTTP owes one for each request. Of what is not read, some messages are answered and some are not.
  func debt(_ exchange: Exchange) -> Debt {
    if exchange.beginsBehindHole, exchange.speech != .http1, exchange.stream == 0 {
      return .unknown("whether it is a request of its own: bytes right before it are not in the capture")
    }
    switch exchange.speech {
    case .http1, .http2: return .owed
    case .tls:
      // The rest of a request that was answered early is owed nothing; what the server had taken its leave before is another.
      let isRest = exchange.isRemainder && exchange.crossingWords == nil
      return exchange.mayBeControl || isRest ? .nothing : .owed
    case .other, .undecided: break
    }
    if exchange.isFarewell { return .nothing }
    if connection.turns.foreign?.answersEachRequest == true { return .owed }
    if connection.turns.exchangesAnswered == 0 {
      return .unknown("whether this protocol owes an answer: nothing on this connection was ever answered")
    }
    if exchange.pieces > 1, exchange.lastSent.time.since(exchange.first.time) >= .milliseconds(500) {
      return .unknown("whether this protocol owes an answer to it: the client went on sending without one")
    }
    if exchange.unansweredBefore > 0 {
      return .unknown("whether this protocol owes an answer to it: what the client sent before it had none either")
    }
    return .owed
  }

  /// What keeps it open whether the request begins where it seems to.
  func beginningIsOpen(_ exchange: Exchange) -> String? {
    if exchange.mayBeControl {
      return "whether it is a request: it is so small that it may hold nothing but control frames of HTTP/2"
    }
    if exchange.unansweredBefore > 0 {
      return
        "whether the \(exchange.unansweredBefore) bytes before it, which were received and not answered, are its beginning"
    }
    return nil
  }

  /// What keeps a crossing from being proved, beside numbers.
  func doubts(_ exchange: Exchange) -> [String] {
    var doubts = [beginningIsOpen(exchange)].compactMap(\.self)
    if !exchange.idleAgeIsKnown, connection.startWasSeen {
      doubts.append(
        "bytes before the request that the capture does not hold: for how long the connection was idle is not known")
    }
    if exchange.speech == .other, connection.turns.foreign?.answersEachRequest != true {
      doubts.append(
        "what is spoken: in a protocol in which both sides speak of their own accord this can be no request")
    }
    return doubts
  }

  /// The client acknowledged, or the server numbered, what the capture does not show.
  var serverHasUnseenBytes: Bool {
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
  var clientEnd: Int64 {
    connection.clientStream.highest + (connection.clientStream.fin == nil ? 0 : 1)
  }

  /// Earlier exchanges, and with them idle age and use count, can be missing.
  var historyIsPartial: Bool {
    !connection.startWasSeen || connection.clientStream.missingBytes > 0 || connection.serverStream.missingBytes > 0
  }

  /// What it looks like, when it cannot be said.
  func suspicion(_ exchange: Exchange) -> FindingKind? {
    guard let fin = connection.serverStream.fin, let offset = connection.serverStream.finOffset else { return nil }
    if (fin.acknowledges ?? .max) > exchange.start { return .closedWhileHandling }
    if (exchange.leastAcknowledged ?? .max) <= offset { return .crossingFIN }
    return .staleReuse
  }

  func judgeUnasked(_ exchange: Exchange, _ unasked: UnaskedAnswer) -> CaptureFinding {
    let what = unasked.status.map { "a \($0)" } ?? "stray bytes"
    let response = unasked.status.map { "response \($0)" } ?? "\(unasked.end - unasked.start) bytes that are no answer"
    var finding = Finding(
      kind: .unaskedAnswer, confidence: .proved,
      summary:
        "\(described(exchange)) was met by \(what) that the server had sent before it received any byte of the request")
    finding.evidence = [
      requestItem(exchange),
      item(
        unasked.first,
        "\(response)\(unasked.closes ? " with Connection: close" : "") acknowledges \(unasked.acknowledges) bytes "
          + "of the client, and the request begins at \(exchange.start): it is no answer to it"),
    ]
    addEnds(to: &finding)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, unasked.last))
  }

  func judgeNotHTTP(_ exchange: Exchange) -> CaptureFinding {
    let culprit =
      exchange.answerIsNotHTTP
      ? "was answered with bytes that are not HTTP" : "is not HTTP, and the server answered in HTTP"
    var finding = Finding(
      kind: .notHTTP, confidence: .proved, summary: "\(described(exchange)) \(culprit)")
    finding.evidence = [requestItem(exchange)]
    if let answer = exchange.answerFirst { finding.evidence.append(item(answer, "first bytes of the answer")) }
    return wrap(finding, exchange: exchange, time: exchange.first, duration: nil)
  }

  func judgeCloseIgnored(_ exchange: Exchange) -> CaptureFinding {
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

  func judgePipelinedBehindClose(_ exchange: Exchange) -> CaptureFinding {
    var finding = Finding(
      kind: .closeIgnored, confidence: .likely,
      summary:
        "\(described(exchange)) was sent behind a request whose answer announced the close; the server owed it nothing")
    if let announced = connection.turns.closeAnnounced {
      finding.evidence.append(item(announced, "end of the exchange that announced the close"))
    }
    finding.evidence.append(requestItem(exchange))
    finding.evidence.append(
      EvidenceItem(
        text:
          "pipelined: the client could not know yet; a server must not process requests behind a close (RFC 9112 section 9.6)"
      ))
    addEnds(to: &finding)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  func judgePartial(_ exchange: Exchange) -> CaptureFinding? {
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
  func endedFirst(_ server: Ending, than client: Ending) -> Bool {
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
}
