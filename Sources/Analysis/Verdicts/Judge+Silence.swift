import Core

extension Judge {
  // MARK: - The server said nothing

  func judgeSilence(_ exchange: Exchange) -> CaptureFinding? {
    let repeatedFor = exchange.lastRetransmission.map { $0.time.since(exchange.first.time) } ?? .zero
    let isUnheard = exchange.delivered == nil && repeatedFor > Judge.retransmissionTime && serverIsMute(since: exchange)
    if isUnheard { return judgeUnheard(exchange, repeatedFor) }
    if let clientEnd = connection.clientEnding { return judgeDeparture(exchange, clientEnd) }
    guard captureEnd.since(exchange.lastSent.time) > Judge.outstanding, case .owed = debt(exchange) else { return nil }
    return inconclusive(
      exchange, suspected: nil,
      missing: [
        "how it went on: the capture ends \(Display.duration(captureEnd.since(exchange.first.time))) after the request"
          + (exchange.delivered != nil ? ", which was acknowledged" : "")
      ])
  }

  /// Nothing came from the server since, but what was on the way when the request was sent.
  func serverIsMute(since exchange: Exchange) -> Bool {
    guard let last = connection.lastSegment.ofServer else { return true }
    return last.time.since(exchange.first.time) <= (connection.roundTrip ?? .zero) * 2 + .milliseconds(50)
  }

  /// Sent again and again, and not a sign of life.
  func judgeUnheard(_ exchange: Exchange, _ repeatedFor: Nanoseconds) -> CaptureFinding {
    var evidence = [requestItem(exchange)]
    if let last = exchange.lastRetransmission {
      evidence.append(item(last, "last retransmission; the server has not sent a segment since"))
    }
    if let ending = connection.clientEnding { evidence.append(endItem(ending, of: .client)) }
    let isReused = exchange.reuseCount > 0 || exchange.idleAge >= .seconds(1)
    guard isReused, exchange.retransmissions >= 2, repeatedFor > .milliseconds(500) else {
      return inconclusive(
        exchange, suspected: isReused ? .forgottenFlow : nil,
        missing: [
          isReused
            ? "whether the path stays silent: the client gave up, or the capture ends, too soon to tell"
            : "why its packets did not arrive, on a connection that had just been opened: loss on the path, or packets too large "
              + "for it; a capture at the server tells"
        ], evidence: evidence)
    }
    var finding = Finding(
      kind: .forgottenFlow, confidence: .likely,
      summary:
        "\(described(exchange)) was sent \(exchange.retransmissions + 1) times within \(Display.duration(repeatedFor)) "
        + "without any answer\(idleText(exchange))")
    finding.evidence = evidence
    return wrap(finding, exchange: exchange, time: exchange.first, duration: repeatedFor)
  }

  // MARK: - The client left

  /// The client ended the connection first, and the request had no answer.
  func judgeDeparture(_ exchange: Exchange, _ ending: Ending) -> CaptureFinding? {
    if ending.mark.frame > exchange.first.frame, let finding = judgeWords(exchange, ended: ending.mark) {
      return finding
    }
    if exchange.stream != 0, historyIsPartial {
      return inconclusive(
        exchange, suspected: .clientGaveUp,
        missing: ["what the server said before: a GOAWAY would have made the client leave"])
    }
    switch debt(exchange) {
    case .owed: return judgeGaveUp(exchange, ending)
    case .nothing, .unknown: return nil
    }
  }

  func judgeGaveUp(_ exchange: Exchange, _ ending: Ending) -> CaptureFinding {
    let isDelivered = exchange.delivered != nil
    let client = connection.clientStream
    let isFromElsewhere =
      ending.isReset && client.hops != 0 && ending.mark.hops != client.hops && ending.mark.hops != client.lastHops
    var finding = Finding(
      kind: .clientGaveUp, confidence: isDelivered && !isFromElsewhere ? .proved : .likely,
      summary:
        "the client \(ending.isReset ? "reset" : "closed") the connection "
        + "\(Display.duration(ending.mark.time.since(exchange.first.time))) after \(described(exchange)), before any answer"
    )
    finding.evidence = [requestItem(exchange)]
    if isDelivered { finding.evidence.append(deliveredItem(exchange)) }
    if connection.serverStream.zeroWindows > 0 {
      finding.evidence.append(
        EvidenceItem(
          text:
            "the server's receive window was closed in \(connection.serverStream.zeroWindows) segments: it did not read"
        ))
    }
    finding.evidence.append(endItem(ending, of: .client))
    if isFromElsewhere {
      finding.evidence[finding.evidence.count - 1].text +=
        "; its TTL is \(ending.mark.hops) where the client's packets have \(client.hops): something else may have sent it"
    }
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, ending.mark))
  }

  /// The answer came, to a client that was gone: it had left before a byte of it arrived, and took none.
  func judgeLateAnswer(_ exchange: Exchange) -> CaptureFinding? {
    guard exchange.isRequest, !exchange.hasHole, exchange.answerFirst != nil,
      let ending = connection.clientEnding, ending.mark.frame > exchange.first.frame,
      let acknowledged = ending.mark.acknowledges, acknowledged <= exchange.answerStart,
      connection.serverStream.acknowledged <= exchange.answerStart,
      ending.isReset || !connection.clientStream.resets.isEmpty, !serverHasUnseenBytes || ending.isReset,
      connection.turns.ambiguity == nil, !connection.turns.isTunnel
    else { return judgeUntakenAnswer(exchange) }
    guard let finding = judgeDeparture(exchange, ending) else { return nil }
    var late = finding
    if let answer = exchange.answerFirst {
      late.finding.summary += " had arrived"
      late.finding.evidence.append(item(answer, "the answer begins, too late"))
      late.finding.evidence.sort { ($0.frame ?? .max) < ($1.frame ?? .max) }
    }
    return late
  }

  /// The answer was sent again and again and never acknowledged: it is complete in the capture, the client did not get it.
  func judgeUntakenAnswer(_ exchange: Exchange) -> CaptureFinding? {
    let server = connection.serverStream
    guard exchange.isRequest, !exchange.hasHole, exchange.speech == .http1, let first = exchange.answerFirst,
      server.acknowledged <= exchange.answerStart, let last = server.lastPayload, server.retransmissions >= 2,
      last.time.since(first.time) > .milliseconds(500),
      connection.lastSegment.ofClient.map({ $0.frame < first.frame }) ?? true
    else { return nil }
    return inconclusive(
      exchange, suspected: .forgottenFlow,
      missing: [
        "whether the client got the answer: it was sent \(server.retransmissions + 1) times within "
          + "\(Display.duration(last.time.since(first.time))), and nothing of it was acknowledged; a capture at the client tells"
      ],
      evidence: [requestItem(exchange), item(first, "the answer begins"), item(last, "last sending of the answer")])
  }
}
