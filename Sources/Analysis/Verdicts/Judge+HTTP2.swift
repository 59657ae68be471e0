import Core

/// Streams of HTTP/2 in the clear.
///
/// ```
///                          a GOAWAY that names a lower stream, or any GOAWAY
///                          sent before the request came   taken by the client before the request
/// crossing-goaway          yes                             no
/// close-ignored            -                               yes
/// ```
extension Judge {
  /// How soon a client that leaves because of a GOAWAY does so, beside round trips.
  private static let leaving = Nanoseconds.milliseconds(500)

  /// An unanswered stream: what the server says of it, before what its FIN or reset shows. nil when it says nothing.
  func judgeStream(_ exchange: Exchange) -> CaptureFinding? {
    if let words = connection.turns.goAways.first(where: { (exchange.leastAcknowledged ?? -1) >= $0.end }) {
      return goAwayIgnored(exchange, words)
    }
    if let words = connection.turns.goAways.last(where: { $0.lastStream < exchange.stream }) {
      return goAwayCrossed(exchange, words)
    }
    if let reset = exchange.streamReset, reset.side == .server { return streamReset(exchange, reset) }
    // It promised to take streams up to a greater number than there are; a client that leaves at once did not wait for that.
    guard let words = connection.turns.goAways.last, (words.mark.acknowledges ?? .max) <= exchange.start,
      let ending = connection.clientEnding, (ending.mark.acknowledges ?? 0) >= words.end,
      ending.mark.time.since(words.mark.time) <= (connection.roundTrip ?? .zero) * 2 + Judge.leaving
    else { return nil }
    return goAwayCrossed(exchange, words)
  }

  private func goAwayItem(_ words: GoAway) -> EvidenceItem {
    item(
      words.mark,
      "GOAWAY with last stream \(words.lastStream) (\(StreamReset.name(words.errorCode))), bytes \(words.start) to \(words.end) of "
        + "the server, acknowledges \(words.mark.acknowledges ?? 0) bytes of the client")
  }

  private func goAwayCrossed(_ exchange: Exchange, _ words: GoAway) -> CaptureFinding {
    let isRefused = words.lastStream < exchange.stream
    let isEarlier = (words.mark.acknowledges ?? .max) <= exchange.start
    var finding = Finding(
      kind: .crossingGOAWAY, confidence: isRefused && isEarlier ? .proved : .likely,
      summary: "\(described(exchange)) crossed the server's GOAWAY\(idleText(exchange))"
        + (isRefused
          ? ": its stream is above the last that the server takes" : ", and the client did not wait for the answer"))
    finding.evidence = [requestItem(exchange), goAwayItem(words)]
    if let least = exchange.leastAcknowledged {
      finding.evidence.append(
        EvidenceItem(
          text: "the request acknowledges \(least) bytes of the server: nothing behind the GOAWAY's beginning"))
    }
    if let reset = exchange.streamReset {
      finding.evidence.append(item(reset.mark, "RST_STREAM (\(StreamReset.name(reset.errorCode)))"))
    }
    if !isEarlier {
      finding.missing = ["whether the program had read the request: its kernel had, when the GOAWAY was sent"]
    }
    if !isRefused { finding.missing = ["whether the server would have answered: the GOAWAY refuses no stream yet"] }
    addEnds(to: &finding)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, words.mark))
  }

  private func goAwayIgnored(_ exchange: Exchange, _ words: GoAway) -> CaptureFinding {
    var finding = Finding(
      kind: .closeIgnored, confidence: .proved,
      summary:
        "\(described(exchange)) was sent \(Display.duration(exchange.first.time.since(words.mark.time))) after the server's "
        + "GOAWAY, which the client's kernel had taken")
    finding.evidence = [goAwayItem(words), requestItem(exchange)]
    if let least = exchange.leastAcknowledged {
      finding.evidence.append(
        EvidenceItem(text: "the request acknowledges \(least) bytes of the server, the GOAWAY among them"))
    }
    addEnds(to: &finding)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  private func streamReset(_ exchange: Exchange, _ reset: StreamReset) -> CaptureFinding {
    let isRefused = reset.errorCode == StreamReset.refused
    let name = StreamReset.name(reset.errorCode)
    var finding = Finding(
      kind: isRefused ? .streamRefused : .closedWhileHandling, confidence: .proved,
      summary: isRefused
        ? "the server refused \(described(exchange)): it says that it processed nothing of it"
        : "the server reset \(described(exchange)) with \(name), without an answer")
    finding.evidence = [requestItem(exchange), item(reset.mark, "the server's RST_STREAM (\(name))")]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, reset.mark))
  }

  /// A stream whose answer has begun, or that the client withdrew.
  func judgeBrokenStream(_ exchange: Exchange) -> CaptureFinding? {
    guard !exchange.hasHole, !exchange.isCut else { return nil }
    if exchange.isCancelled { return exchange.answerFirst == nil ? cancelled(exchange) : nil }
    guard let first = exchange.answerFirst, let last = exchange.answerLast, !serverHasUnseenBytes else { return nil }
    var evidence = [
      requestItem(exchange), item(first, "the answer begins"), item(last, "its last frame; none ends the stream"),
    ]
    let end: Mark
    if let reset = exchange.streamReset {
      guard reset.errorCode != 0 else { return nil }
      evidence.append(item(reset.mark, "the server's RST_STREAM (\(StreamReset.name(reset.errorCode)))"))
      end = reset.mark
    } else {
      guard let serverEnd = connection.serverEnding,
        connection.clientEnding.map({ endedFirst(serverEnd, than: $0) }) ?? true
      else { return nil }
      evidence.append(endItem(serverEnd, of: .server))
      end = serverEnd.mark
    }
    var finding = Finding(
      kind: .truncatedAnswer, confidence: .proved, summary: "the answer to \(described(exchange)) ended before its end")
    finding.evidence = evidence
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, end))
  }

  private func cancelled(_ exchange: Exchange) -> CaptureFinding? {
    guard let reset = exchange.streamReset else { return nil }
    var finding = Finding(
      kind: .clientGaveUp, confidence: .proved,
      summary:
        "the client withdrew \(described(exchange)) after \(Display.duration(reset.mark.time.since(exchange.first.time))), before "
        + "any answer (\(StreamReset.name(reset.errorCode)))")
    finding.evidence = [requestItem(exchange), item(reset.mark, "the client's RST_STREAM")]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, reset.mark))
  }
}
