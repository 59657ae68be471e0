import Core

extension Judge {
  // MARK: - The server reset

  func judgeReset(_ exchange: Exchange, _ first: Reset) -> CaptureFinding? {
    if let clientEnd = connection.clientEnding, clientEnd.mark.time < first.mark.time,
      (clientEnd.mark.acknowledges ?? 0) <= connection.serverStream.delivered, exchange.delivered != nil
    {
      return judgeDeparture(exchange, clientEnd)
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

  func judgeCoveringReset(_ exchange: Exchange, _ reset: Reset) -> CaptureFinding? {
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
  func judgeBareReset(_ exchange: Exchange, _ reset: Reset) -> CaptureFinding {
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

  func originText(_ reset: Reset) -> String {
    let expected = connection.serverStream.hops
    guard expected != 0, reset.mark.hops != expected else { return "" }
    return "; its TTL is \(reset.mark.hops) where the server's packets have \(expected): something else sent it"
  }
}
