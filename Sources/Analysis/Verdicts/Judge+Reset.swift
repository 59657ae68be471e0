import Core

extension Judge {
  // MARK: - The server reset

  func judgeReset(_ exchange: Exchange, _ first: Reset) -> CaptureFinding? {
    if let clientEnd = connection.clientEnding, clientEnd.mark.time < first.mark.time,
      (clientEnd.mark.acknowledges ?? 0) <= connection.serverStream.delivered, exchange.delivered != nil
    {
      return judgeDeparture(exchange, clientEnd)
    }
    let resets = resets(of: exchange)
    if let reset = resets.first(where: { ($0.mark.acknowledges ?? 0) > exchange.start }) {
      return judgeEnding(exchange, ended: reset.mark, reset: reset)
    }
    let isDelivered = exchange.delivered != nil
    if let reset = resets.first(where: { $0.mark.acknowledges != nil }), !isDelivered {
      return judgeCrossingReset(exchange, reset)
    }
    if isDelivered { return judgeEnding(exchange, ended: first.mark, reset: first) }
    return judgeBareReset(exchange, first)
  }

  private func judgeCrossingReset(_ exchange: Exchange, _ reset: Reset) -> CaptureFinding {
    let doubts = doubts(exchange)
    let isSure = doubts.isEmpty && strangeness(reset.mark, exchange).isEmpty
    var finding = Finding(
      kind: .crossingRST, confidence: isSure ? .proved : .likely,
      summary:
        "\(described(exchange)) crossed a reset of the idle connection\(idleText(exchange)); the server never received it"
    )
    finding.evidence = [
      item(
        reset.mark,
        "RST that acknowledges \(reset.mark.acknowledges ?? 0) bytes of the client: nothing of the request, which begins "
          + "at \(exchange.start); it was sent before the request arrived" + originText(reset, exchange)),
      requestItem(exchange),
      EvidenceItem(text: "no segment of the server acknowledges any byte of the request"),
    ]
    if let words = exchange.crossingWords { finding.evidence.append(wordsItem(words)) }
    finding.missing = doubts
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, reset.mark))
  }

  /// A reset without an acknowledgement comes from a kernel that has no such connection.
  func judgeBareReset(_ exchange: Exchange, _ reset: Reset) -> CaptureFinding {
    let evidence = [
      requestItem(exchange),
      item(
        reset.mark,
        "RST with sequence \(reset.offset) and without an acknowledgement: who sent it knows no such connection"
          + originText(reset, exchange)),
      EvidenceItem(text: "no FIN of the server is in the capture"),
    ]
    let isFromElsewhere = !strangeness(reset.mark, exchange).isEmpty
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

  // MARK: - Which resets count

  /// How long before a request a reset can have been sent that it crossed, beside round trips.
  private static let crossingTime = Nanoseconds.milliseconds(500)

  /// Resets of the server that can have to do with the request: not of an earlier use of the same pair of ports.
  func resets(of exchange: Exchange) -> [Reset] {
    let slack = (connection.roundTrip ?? .zero) * 2 + Judge.crossingTime
    return connection.serverStream.resets.filter { $0.mark.time.advanced(by: slack) >= exchange.first.time }
  }

  /// A reset behind the FIN that nothing of the client can have caused: it acknowledges, as only a kernel's own does, and no FIN of
  /// the client. Bytes lay unread when the program closed.
  func unprovokedReset(behind fin: Mark, _ exchange: Exchange) -> Reset? {
    guard let offset = connection.serverStream.finOffset else { return nil }
    return resets(of: exchange).first { reset in
      guard let acknowledges = reset.mark.acknowledges, reset.offset > offset else { return false }
      return acknowledges > exchange.start
        && acknowledges <= min(connection.clientStream.highest, connection.clientStream.finOffset ?? .max)
    }
  }

  // MARK: - Who sent it

  /// A reset that comes sooner than a round trip by this part of it was not sent at the other end of the path.
  private static let nearestPart: Int64 = 4
  private static let leastRoundTrip = Nanoseconds.milliseconds(2)

  /// What tells that something else than the server sent a reset; empty when nothing does.
  func strangeness(_ reset: Mark, _ exchange: Exchange) -> [String] {
    let server = connection.serverStream
    var signs: [String] = []
    if server.hops != 0, reset.hops != server.hops, reset.hops != server.lastHops {
      signs.append("its TTL is \(reset.hops) where the server's packets have \(server.lastHops)")
    }
    if reset.acknowledges != nil, !reset.hasTimestamp, server.usesTimestamps, connection.clientStream.usesTimestamps {
      signs.append("it lacks the time stamps of the connection")
    }
    // Only at the client's side is the path between the two; and only what it acknowledges tells what it followed.
    if vantage == .clientSide, let roundTrip = connection.shortestAnswer, roundTrip >= Judge.leastRoundTrip,
      let acknowledges = reset.acknowledges, acknowledges > exchange.start, exchange.retransmissions == 0,
      !exchange.firstMayBeMissed
    {
      let gap = reset.time.since(exchange.first.time)
      if gap >= .zero, gap < roundTrip - roundTrip / Judge.nearestPart {
        signs.append(
          "it came \(Display.duration(gap)) after the request, and a round trip to the server takes "
            + Display.duration(roundTrip))
      }
    }
    return signs
  }

  func strangeText(_ signs: [String]) -> String {
    signs.isEmpty ? "" : "; " + signs.joined(separator: ", ") + ": something else sent it"
  }

  func originText(_ reset: Reset, _ exchange: Exchange) -> String { strangeText(strangeness(reset.mark, exchange)) }
}
