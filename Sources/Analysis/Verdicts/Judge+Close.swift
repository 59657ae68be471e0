import Core

extension Judge {
  // MARK: - The server closed

  func judgeClose(_ exchange: Exchange, fin: Mark, at offset: Int64) -> CaptureFinding? {
    guard (fin.acknowledges ?? .max) <= exchange.start else { return judgeCoveringClose(exchange, fin) }
    if exchange.isFarewell { return nil }
    let isDelivered = connection.clientStream.acknowledged > exchange.start
    let coveringReset = resets(of: exchange).first { ($0.mark.acknowledges ?? 0) > exchange.start }
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
      evidence.insert(item(mark, "the client acknowledges the FIN, and has not sent the request yet"), at: 1)
    } else {
      finding.missing = [
        "an earlier sending of the request, lost on the way to the capture: it can have crossed the FIN"
      ]
    }
    if isDelivered { evidence.append(deliveredItem(exchange)) }
    finding.evidence = evidence
    addResets(to: &finding, exchange)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  /// The FIN acknowledges the request.
  func judgeCoveringClose(_ exchange: Exchange, _ fin: Mark) -> CaptureFinding? {
    if let clientEnd = connection.clientEnding, let serverEnd = connection.serverEnding,
      !endedFirst(serverEnd, than: clientEnd)
    {
      return judgeDeparture(exchange, clientEnd)
    }
    guard (fin.acknowledges ?? 0) <= clientEnd else {
      return inconclusive(
        exchange, suspected: .closedWhileHandling,
        missing: ["bytes or the FIN of the client, which the server's FIN acknowledges and the capture does not hold"])
    }
    return judgeEnding(exchange, ended: fin, reset: unprovokedReset(behind: fin, exchange))
  }

  func judgeCrossing(
    _ exchange: Exchange, fin: Mark, at offset: Int64, least: Int64, _ evidence: [EvidenceItem]
  ) -> CaptureFinding? {
    var evidence = evidence
    let proof = resets(of: exchange).first { reset in
      if let acknowledges = reset.mark.acknowledges { return acknowledges <= exchange.start }
      return reset.offset >= least && reset.offset <= min(offset, exchange.mostAcknowledged ?? offset)
    }
    let sent = segmentsSent(from: exchange)
    let wasFirst = sent <= 1 || sent <= connection.serverStream.resets.count { $0.mark.acknowledges == nil }
    var finding = Finding(
      kind: .crossingFIN, confidence: doubts(exchange).isEmpty && wasFirst ? .proved : .likely,
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
    if let words = exchange.unasked, exchange.speech != .http1 { evidence.append(wordsItem(words)) }
    finding.evidence = evidence
    if historyIsPartial {
      finding.missing = ["what was said before: a close that had been announced would make it close-ignored"]
    }
    finding.missing += doubts(exchange)
    if proof != nil, !wasFirst {
      finding.missing.append(
        "a reset for each of the \(sent) segments that were sent: one behind the first can have caused the reset, when a server "
          + "that had shut down only its sending side took the first and closed before it acknowledged it")
    }
    return wrap(
      finding, exchange: exchange, time: exchange.first, duration: duration(exchange, proof?.mark ?? fin))
  }

  /// Segments with data that the client sent from the beginning of a request on. Each finds no socket, or one that takes it.
  func segmentsSent(from exchange: Exchange) -> Int {
    connection.turns.pending.filter { $0.number >= exchange.number }.map { $0.pieces + $0.retransmissions }
      .reduce(0, +)
  }

  func wasRepeated(_ exchange: Exchange) -> Bool {
    guard let last = exchange.lastRetransmission else { return false }
    return exchange.retransmissions > 0 && last.time.since(exchange.first.time) > Judge.retransmissionTime
  }

  func judgeHalfClose(
    _ exchange: Exchange, fin: Mark, isDelivered: Bool, _ reset: Reset?, _ evidence: [EvidenceItem]
  ) -> CaptureFinding {
    var finding = Finding(
      kind: .crossingHalfClose, confidence: isDelivered ? .proved : .likely,
      summary:
        "\(described(exchange)) crossed the FIN of a server that kept reading\(idleText(exchange)): it was received and "
        + (reset == nil ? "cannot be answered" : "the connection reset"))
    finding.evidence = evidence
    if isDelivered { finding.evidence.append(deliveredItem(exchange)) }
    if let reset { finding.evidence.append(item(reset.mark, "RST that acknowledges bytes of the request")) }
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  func judgeHandling(
    _ exchange: Exchange, ended: Mark, isReset: Bool, confidence: Confidence, doubt: String?
  ) -> CaptureFinding {
    let strangeness = isReset ? strangeness(ended, exchange) : []
    let since = exchange.delivered ?? exchange.first
    let unfinished = exchange.speech == .http1 && !exchange.requestIsComplete && !exchange.isCut
    let what = unfinished ? "the beginning of \(described(exchange))" : described(exchange)
    var finding = Finding(
      kind: .closedWhileHandling, confidence: strangeness.isEmpty ? confidence : .likely,
      summary:
        "the server received \(what) and \(isReset ? "reset" : "closed") the connection without an answer, "
        + "\(Display.duration(ended.time.since(exchange.first.time))) after its first byte")
    finding.evidence = [requestItem(exchange)]
    if since != exchange.first { finding.evidence.append(deliveredItem(exchange)) }
    if let interim = exchange.interim {
      finding.evidence.append(item(interim, "an interim response (1xx), no answer yet"))
    }
    finding.evidence.append(
      item(
        ended,
        "the server's \(isReset ? "RST" : "FIN")"
          + (ended.acknowledges.map {
            " acknowledges \($0) bytes of the client; the request begins at \(exchange.start)"
          }
            ?? "")
          + strangeText(strangeness)
      ))
    if let doubt { finding.missing.append(doubt) }
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, ended))
  }
}
