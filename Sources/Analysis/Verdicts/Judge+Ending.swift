import Core

extension Judge {
  // MARK: - The server ended the connection behind the request

  /// - Parameters:
  ///   - ended: what ended the connection: a FIN that acknowledges the request, or a reset.
  ///   - reset: the reset, or the one behind the FIN that nothing of the client caused.
  func judgeEnding(_ exchange: Exchange, ended: Mark, reset: Reset?) -> CaptureFinding? {
    switch debt(exchange) {
    case .owed: break
    case .nothing: return nil
    case .unknown(let missing):
      return inconclusive(
        exchange, suspected: exchange.crossingWords == nil ? .closedWhileHandling : .resetUnread, missing: [missing])
    }
    if let finding = judgeHiddenGoAway(exchange, ended: ended) { return finding }
    let facts = facts(exchange, ended: ended, reset: reset)
    let last = reset?.mark ?? ended
    switch EndingRule.judge(facts) {
    case .forgottenFlow: return strangeReset(exchange, last)
    case .resetUnread: return unread(exchange, ended: ended, reset: last, facts)
    case .crossingHalfClose: return farewellAndClose(exchange, ended: ended)
    case .closedWhileHandling(let confidence):
      var finding = judgeHandling(
        exchange, ended: ended, isReset: reset?.mark == ended, confidence: confidence, doubt: handlingDoubt(facts))
      finding.endedAtOnce = facts.pace == .atOnce && facts.before == .idle
      return finding
    case .inconclusive: return openEnding(exchange, last, facts)
    }
  }

  private func facts(_ exchange: Exchange, ended: Mark, reset: Reset?) -> EndingRule.Facts {
    let form: EndingRule.Form
    if let reset { form = reset.mark.acknowledges == nil ? .bareReset : .unread } else { form = .read }
    let isStrange = reset.map { !strangeness($0.mark, exchange).isEmpty } ?? false
    let gap = ended.time.since((exchange.delivered ?? exchange.first).time)
    let quick = max((connection.roundTrip ?? .zero) * 2 + .milliseconds(2), .milliseconds(5))
    let isPartial = historyIsPartial || connection.roundTrip == nil
    let pace: EndingRule.Pace =
      gap <= quick ? .atOnce : isPartial && gap <= max(quick, .milliseconds(300)) ? .unknown : .later
    let before: EndingRule.Before =
      isPartial || !exchange.idleAgeIsKnown ? .unknown : exchange.idleAge >= Judge.idling ? .idle : .busy
    return EndingRule.Facts(
      sender: isStrange ? .elsewhere : .server, saidGoodbye: exchange.crossingWords != nil, form: form, pace: pace,
      before: before)
  }

  private func handlingDoubt(_ facts: EndingRule.Facts) -> String? {
    switch facts.form {
    case .unread, .bareReset:
      "whether the program had read the request: a reset that nothing of the client caused says that bytes lay unread, or that the "
        + "program asked for it"
    case .read where facts.pace == .atOnce && facts.before == .idle:
      "whether the program had looked at the request: its timer for idle connections can have fired in the same moment"
    case .read: nil
    }
  }

  private func unread(_ exchange: Exchange, ended: Mark, reset: Mark, _ facts: EndingRule.Facts) -> CaptureFinding {
    let gap = ended.time.since((exchange.delivered ?? exchange.first).time)
    let how = reset == ended ? "reset" : "closed"
    var finding = Finding(
      kind: .resetUnread, confidence: .likely,
      summary:
        facts.saidGoodbye
        ? "the server had begun to say goodbye before it received \(described(exchange))\(idleText(exchange)), and \(how) the "
          + "connection with the request unread"
        : "the server \(how) the connection \(Display.duration(gap)) after it had received \(described(exchange))"
          + "\(idleText(exchange)): closed with the request unread")
    finding.evidence = [requestItem(exchange)]
    if reset != ended {
      finding.evidence.append(
        item(
          ended,
          "the server's FIN acknowledges \(ended.acknowledges ?? 0) bytes of the client; the request begins at "
            + "\(exchange.start)"))
      finding.evidence.append(
        item(
          reset,
          "RST behind the FIN, which acknowledges \(reset.acknowledges ?? 0) bytes and no FIN of the client: nothing of the client "
            + "caused it, bytes lay unread when the server closed"))
    } else {
      finding.evidence.append(
        item(
          reset,
          "RST that acknowledges \(reset.acknowledges ?? 0) bytes: the kernel had taken bytes of the request, which begins "
            + "at \(exchange.start)"))
    }
    if let words = exchange.crossingWords { finding.evidence.append(wordsItem(words)) }
    if let advertised = connection.turns.lastAdvertisedTimeout {
      finding.evidence.append(
        EvidenceItem(
          text: "the server advertises that it closes after \(advertised) s of idling; the request came after "
            + Display.duration(exchange.idleAge)))
    }
    finding.missing = ["whether the application read the request: only its own log can tell"]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, ended))
  }

  // MARK: - The server took its leave

  /// The server's timer for idle connections fired after its kernel had taken the request, and the server says so.
  func judgeIdleFarewell(_ exchange: Exchange) -> CaptureFinding? {
    guard let words = exchange.idleFarewell, let answer = exchange.answerFirst, let ending = connection.serverEnding,
      exchange.idleAge >= Judge.idling
    else { return nil }
    var finding = Finding(
      kind: .resetUnread, confidence: .likely,
      summary:
        "the server answered \(described(exchange))\(idleText(exchange)) with why it closes (\(words)), and closed: with the request "
        + "unread")
    finding.evidence = [
      requestItem(exchange), item(answer, "the server says: \(words)"), endItem(ending, of: .server),
    ]
    finding.missing = ["whether the application read the request: only its own log can tell"]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, answer))
  }

  /// The client left, or the capture tells no more: what the server had said before it received the request was not its answer.
  func judgeWords(_ exchange: Exchange, ended: Mark) -> CaptureFinding? {
    if let finding = judgeHiddenGoAway(exchange, ended: ended) { return finding }
    guard let words = exchange.crossingWords, (ended.acknowledges ?? 0) > words.start else { return nil }
    if words.isAlert { return farewellAndClose(exchange, ended: nil) }
    guard exchange.speech == .tls || connection.turns.foreign?.answersEachRequest == true else { return nil }
    var finding = Finding(
      kind: .unaskedAnswer, confidence: .likely,
      summary:
        "\(described(exchange)) was met by \(words.end - words.start) bytes that the server had sent before it received any byte "
        + "of the request; the client then left")
    finding.evidence = [requestItem(exchange), wordsItem(words)]
    addEnds(to: &finding)
    finding.missing = ["what these bytes say: mostly why the server closes"]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, ended))
  }

  /// Under TLS a GOAWAY shows as a record of its size, which answers nothing, and behind which nothing is answered.
  func judgeHiddenGoAway(_ exchange: Exchange, ended: Mark) -> CaptureFinding? {
    guard exchange.speech == .tls, let words = exchange.unasked, !exchange.mayBeControl else { return nil }
    if words.isAlert, exchange.crossingWords == nil { return closeNotifyIgnored(exchange, words) }
    guard words.mayBeGoAway else { return nil }
    let isCrossing = exchange.crossingWords != nil
    guard isCrossing || words.goAway == .exact else { return nil }
    var finding = Finding(
      kind: isCrossing ? .crossingGOAWAY : .closeIgnored, confidence: .likely,
      summary: isCrossing
        ? "\(described(exchange)) crossed what looks like the server's GOAWAY\(idleText(exchange)), and was never answered"
        : "\(described(exchange)) was sent behind what looks like the server's GOAWAY, and was never answered")
    finding.evidence = [
      requestItem(exchange), wordsItem(words),
      EvidenceItem(
        text: "the client offered HTTP/2, and nothing that came behind the request can hold an answer to it"),
    ]
    addEnds(to: &finding)
    finding.missing = [
      "what the record says: it is encrypted, and a PING is as long; a log of the server or client tells"
    ]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, ended))
  }

  private func closeNotifyIgnored(_ exchange: Exchange, _ words: UnaskedAnswer) -> CaptureFinding {
    var finding = Finding(
      kind: .closeIgnored, confidence: .likely,
      summary:
        "\(described(exchange)) was sent \(Display.duration(exchange.first.time.since(words.last.time))) after the server's "
        + "close_notify, which the client's kernel had taken")
    finding.evidence = [
      item(words.first, "an alert of TLS, mostly close_notify; the request acknowledges it"), requestItem(exchange),
    ]
    if exchange.delivered != nil { finding.evidence.append(deliveredItem(exchange)) }
    addEnds(to: &finding)
    finding.missing = ["what the alert says: it is encrypted"]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: endDuration(exchange))
  }

  /// The server had taken its leave, read on, and closed: the request came too late to be answered.
  private func farewellAndClose(_ exchange: Exchange, ended: Mark?) -> CaptureFinding {
    var finding = Finding(
      kind: .crossingHalfClose, confidence: .likely,
      summary:
        "\(described(exchange)) crossed the farewell of a server that kept reading\(idleText(exchange)): its kernel received it, and "
        + "it cannot be answered")
    finding.evidence = [requestItem(exchange)]
    if let words = exchange.crossingWords { finding.evidence.append(wordsItem(words)) }
    if exchange.delivered != nil { finding.evidence.append(deliveredItem(exchange)) }
    if let ended {
      finding.evidence.append(
        item(ended, "the server's FIN acknowledges \(ended.acknowledges ?? 0) bytes of the client"))
    } else {
      addEnds(to: &finding)
    }
    finding.missing = ["whether the application read the request: only its own log can tell"]
    let length = ended.map { duration(exchange, $0) } ?? endDuration(exchange)
    return wrap(finding, exchange: exchange, time: exchange.first, duration: length)
  }

  private func strangeReset(_ exchange: Exchange, _ reset: Mark) -> CaptureFinding {
    var finding = Finding(
      kind: .forgottenFlow, confidence: .likely,
      summary: "\(described(exchange)) was answered by a reset from something on the path\(idleText(exchange))")
    finding.evidence = [
      requestItem(exchange),
      item(
        reset,
        "RST\(reset.acknowledges.map { " that acknowledges \($0) bytes" } ?? "")"
          + strangeText(strangeness(reset, exchange))),
    ]
    finding.missing = ["a capture at the server, which would not hold this reset"]
    return wrap(finding, exchange: exchange, time: exchange.first, duration: duration(exchange, reset))
  }

  private func openEnding(
    _ exchange: Exchange, _ reset: Mark, _ facts: EndingRule.Facts
  ) -> CaptureFinding {
    if facts.form == .bareReset {
      return inconclusive(
        exchange, suspected: .resetUnread,
        missing: [
          "what closed the connection: the server's kernel took bytes of the request, and then knew no such connection; a FIN or "
            + "reset between the two is not in the capture"
        ],
        evidence: [
          requestItem(exchange), deliveredItem(exchange), item(reset, "RST without an acknowledgement"),
        ])
    }
    return inconclusive(
      exchange, suspected: facts.form == .read ? .closedWhileHandling : .resetUnread,
      missing: ["the beginning of the connection: for how long it had been idle, and how long a round trip takes"])
  }

  func wordsItem(_ words: UnaskedAnswer) -> EvidenceItem {
    let what =
      words.isAlert
      ? "an alert of TLS, mostly close_notify"
      : words.mayBeGoAway
        ? "a record of \(words.end - words.start) bytes, as long as a GOAWAY or PING of HTTP/2"
        : "\(words.end - words.start) bytes that the server said of its own accord, mostly why it closes"
    return item(
      words.first, "\(what): it acknowledges \(words.acknowledges) bytes of the client, nothing of the request")
  }
}
