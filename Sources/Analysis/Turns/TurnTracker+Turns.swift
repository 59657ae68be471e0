import Core

/// Turns of protocols that are not read: TLS, databases, caches, anything.
extension TurnTracker {
  /// Quiet for longer than this, behind bytes that were received and not answered: what comes then is another turn.
  private static let pause = Nanoseconds.milliseconds(100)

  /// - Parameter count: bytes on the wire; `bytes` can be fewer.
  mutating func readTurn(_ bytes: RawSpan, count: Int64, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    if clientRecords != nil, exchangesAnswered == turnsBeforeTLS.all, !handshake.offersHTTP2 {
      handshake.offersHTTP2 = Speech.contains(bytes, "\u{2}h2")
    }
    if pending.isEmpty || wasAnswered(for: mark) || wasAnsweredShortly(at: mark.time) {
      if !pending.isEmpty { completeFirst(events: &events) }
      askedAt.removeAll(keepingCapacity: true)
      beginExchange(at: offset, mark: mark, events: &events)
    } else if let last = pending.last, isAnotherTurn(than: last, at: mark.time) {
      // When the server has ended no answer comes any more: what it left open stays open, whatever the client says since.
      let staysOpen = serverHasEnded && last.isRequest
      let before = last.unansweredBefore + (last.isRequest ? offset - last.start : 0)
      if !staysOpen { pending.removeLast() }
      beginExchange(at: offset, mark: mark, events: &events)
      if !pending.isEmpty, !staysOpen { pending[pending.count - 1].unansweredBefore = before }
    }
    guard let last = pending.indices.last else { return }
    pending[last].speech = speech
    pending[last].end = offset + count
    pending[last].lastSent = mark
    pending[last].pieces += 1
    pending[last].isFarewell = Speech.isFarewell(bytes) || (speech == .other && Speech.isAlert(bytes))
    let isQuiet = mark.time.since(lastActivity ?? mark.time) >= Judge.idling
    lastActivity = mark.time
    if clientRecords != nil { readClientRecords(bytes, at: offset, mark: mark, isQuiet: isQuiet, events: &events) }
  }

  /// The client had some of the answer when it went on: another turn. Otherwise these bytes belong to what is answered already.
  private func wasAnswered(for mark: Mark) -> Bool {
    guard let first = pending.first, first.answerFirst != nil else { return false }
    return (mark.acknowledges ?? .max) > first.answerStart || first.hasHole || first.isCut
  }

  /// What came back was so small that it may have been no answer; but the client was content, and asks again later.
  private func wasAnsweredShortly(at time: Instant) -> Bool {
    guard let first = pending.first, first.smallAnswer != nil else { return false }
    return time.since(first.lastSent.time) >= TurnTracker.pause
  }

  /// Messages to which no answer is owed (closing a statement, publishing, settings) must not be taken for the beginning of the
  /// request that follows them.
  private func isAnotherTurn(than last: Exchange, at time: Instant) -> Bool {
    guard let (acknowledged, _) = clientAcknowledged, acknowledged >= last.end else { return false }
    return time.since(last.lastSent.time) >= TurnTracker.pause
  }

  private mutating func readClientRecords(
    _ bytes: RawSpan, at offset: Int64, mark: Mark, isQuiet: Bool, events: inout [TurnEvent]
  ) {
    var (asks, isSmall) = (false, true)
    let isMidstream = !startWasSeen || handshakeMayBeMissed
    var watch = handshake
    var asked = askedAt
    clientRecords?.scan(bytes) { record in
      switch watch.meaning(record, isMidstream: isMidstream, isQuiet: isQuiet) {
      case .nothing: break
      case .smallRequest: asks = true
      case .request:
        (asks, isSmall) = (true, false)
        if asked.count < TurnTracker.maximumAsked { asked.append((offset + Int64(record.start), record.length, mark)) }
      case .finished: (asks, isSmall) = (false, true)
      }
    }
    // Before the client's Finished it asks nothing. (Should Finished not look as usual, the third turn is no handshake any more.)
    if !isMidstream, !watch.isFinished, exchangesAnswered - turnsBeforeTLS.all < 2 { asks = false }
    askedAt = asked
    let finishesNow = watch.isFinished && !handshake.isFinished
    handshake = watch
    guard let last = pending.indices.last else { return }
    if finishesNow, !asks { pending[last].isRequest = false }
    let isLost = clientRecords?.isLost == true
    guard asks || isLost else { return }
    let isNew = !pending[last].isRequest
    if isNew, pending[last].start < offset, pending[last].answerFirst == nil {
      // What came before was handshake or settings: the request begins here.
      pending.removeLast()
      beginExchange(at: offset, mark: mark, events: &events)
      guard !pending.isEmpty else { return }
      let last = pending.count - 1
      pending[last].end = offset + Int64(bytes.byteCount)
      pending[last].pieces = 1
    }
    let index = pending.count - 1
    pending[index].isRequest = true
    pending[index].mayBeControl = (isNew || pending[index].mayBeControl) && isSmall && !isLost
    if isNew { tellStart(pending[index], events: &events) }
  }

  mutating func readTurnAnswer(
    _ bytes: RawSpan, count: Int64, at offset: Int64, mark: Mark, events: inout [TurnEvent]
  ) {
    let said = readServerRecords(bytes)
    if said.answers { divideTurn(for: mark, at: offset, events: &events) }
    let received = mark.acknowledges ?? .max
    guard let last = pending.indices.last, received > pending[last].start else {
      noteUnasked(offset, count, mark, received, said)
      if !said.isFarewell, pending.isEmpty { lastActivity = mark.time }
      return
    }
    if pending[last].answerFirst != nil || pending[last].isLeave, said.isFarewell || isLate(at: mark.time) {
      // The rest of a slow answer, or what a server says before it closes: what the client does next tells.
      noteUnasked(offset, count, mark, received, said)
    }
    if pending[last].answerFirst == nil {
      if Speech.startsWithResponse(bytes) {
        pending[last].requestIsNotHTTP = true
        pending[last].isRequest = true
      }
      if said.isFarewell, speech != .tls || exchangesAnswered > 0 { return }
      guard said.answers || !pending[last].isRequest else {
        pending[last].smallAnswer = mark
        lastActivity = mark.time
        return
      }
      pending[last].answerFirst = mark
      pending[last].answerStart = offset
    }
    // A farewell is no part of the answer: idle time goes on.
    if said.isFarewell { return }
    if speech == .other, pending[last].answerFirst == mark { pending[last].idleFarewell = Speech.idleFarewell(bytes) }
    pending[last].answerLast = mark
    pending[last].answerEnd = offset + count
    lastActivity = mark.time
    if pending[last].isFarewell, closeAnnounced == nil {
      // Some protocols answer a farewell, and close.
      closeAnnounced = mark
      closeAnnouncedEnd = offset + count
    }
  }

  /// Under HTTP/2 a client asks on without waiting. What the server had not received when it answered is another turn.
  private mutating func divideTurn(for mark: Mark, at offset: Int64, events: inout [TurnEvent]) {
    guard offersHTTP2, let received = mark.acknowledges, let last = pending.indices.last, pending[last].isRequest,
      received > pending[last].start, received < pending[last].end,
      let rest = askedAt.first(where: { $0.offset >= received && $0.offset > pending[last].start })
    else { return }
    let end = pending[last].end
    let lastSent = pending[last].lastSent
    let before = askedAt.last { $0.offset < rest.offset }?.mark ?? pending[last].first
    pending[last].end = rest.offset
    pending[last].answerFirst = pending[last].answerFirst ?? mark
    if pending[last].answerStart == 0 { pending[last].answerStart = offset }
    pending[last].answerLast = mark
    pending[last].answerEnd = offset
    lastActivity = mark.time
    completeFirst(events: &events)
    exchangesStarted += 1
    var exchange = newExchange(at: rest.offset, mark: rest.mark)
    exchange.idleAge = max(.zero, rest.mark.time.since(before.time))
    exchange.isRemainder = true
    exchange.end = end
    exchange.lastSent = lastSent
    exchange.pieces = askedAt.count { $0.offset >= rest.offset }
    pending.append(exchange)
    askedAt.removeAll { $0.offset < rest.offset }
    tellStart(exchange, events: &events)
  }

  /// What bytes of the server can be, as far as their records show it.
  private struct Said {
    /// Nothing but alerts.
    var isFarewell = false
    /// Something that can be an answer: more than control frames.
    var answers = true
    var goAway = UnaskedAnswer.Likeness.none
  }

  private mutating func readServerRecords(_ bytes: RawSpan) -> Said {
    guard serverRecords != nil else { return Said() }
    if exchangesAnswered == turnsBeforeTLS.all { handshake.readServerHello(bytes) }
    var (records, alerts) = (0, 0)
    var said = Said(answers: serverRecords?.isInside ?? true)
    let watch = handshake
    serverRecords?.scan(bytes) { record in
      records += 1
      switch watch.answer(record) {
      case .alert: alerts += 1
      case .small: break
      case .answer: said.answers = true
      }
      said.goAway = max(said.goAway, watch.likenessToGoAway(record))
    }
    if serverRecords?.isLost == true { said.answers = true }
    said.isFarewell = records > 0 && records == alerts
    return said
  }

  /// So late that it may be no part of the answer before it.
  private func isLate(at time: Instant) -> Bool {
    if let unasked, time.since(unasked.last.time) <= TurnTracker.farewellTime { return true }
    return lastActivity.map { time.since($0) >= Judge.idling } ?? false
  }

  /// What a server says of its own accord before it closes: an error about a time limit, an alert, a GOAWAY.
  private mutating func noteUnasked(_ offset: Int64, _ count: Int64, _ mark: Mark, _ received: Int64, _ said: Said) {
    let isOpen = pending.last.map { $0.answerFirst == nil && !$0.isLeave } ?? false
    let answered = speech == .other ? exchangesAnswered : requestsAnswered - turnsBeforeTLS.requests
    // An answer of which only the beginning is known to have come counts as one.
    guard answered > 0 || handshakeMayBeMissed || (!isOpen && pending.last?.isRequest == true) else { return }
    let asked = isOpen ? pending.last : nil
    let before = asked.map { Instant(nanoseconds: $0.first.time.nanoseconds - $0.idleAge.count) } ?? lastActivity
    // In the middle of things it is more of what came before, unless its form tells otherwise.
    guard said.isFarewell || said.goAway == .exact || before.map({ mark.time.since($0) >= Judge.idling }) ?? true
    else { return }
    var words = UnaskedAnswer(
      first: mark, last: mark, start: offset, end: offset + count, speech: speech, acknowledges: received,
      activityBefore: before,
      isAlert: said.isFarewell, goAway: said.goAway)
    if let known = isOpen ? asked?.unasked : unasked, known.end == offset,
      mark.time.since(known.last.time) <= TurnTracker.farewellTime
    {
      // It goes on.
      words.first = known.first
      words.start = known.start
      words.activityBefore = known.activityBefore
      words.isAlert = known.isAlert && said.isFarewell
      words.goAway = max(known.goAway, said.goAway)
    }
    if isOpen { pending[pending.count - 1].unasked = words } else { unasked = words }
  }

  mutating func skippedInTurn(
    _ count: Int64, at offset: Int64, from side: Side, mark: Mark, isCut: Bool, events: inout [TurnEvent]
  ) {
    if isCut {
      skippedOfCutTurn(count, at: offset, from: side, mark: mark, events: &events)
      return
    }
    if side == .client {
      clientRecords?.skip(count)
      if let last = pending.indices.last {
        pending[last].end = offset + count
        if clientRecords?.isLost == true { pending[last].isRequest = true }
      }
    } else {
      serverRecords?.skip(count)
      if let last = pending.indices.last {
        // What is missing can have been the answer.
        pending[last].hasHole = true
      }
    }
    lastActivity = mark.time
  }

  private mutating func skippedOfCutTurn(
    _ count: Int64, at offset: Int64, from side: Side, mark: Mark, events: inout [TurnEvent]
  ) {
    // Safe: every bit of a UInt8 is initialised.
    let nothing = unsafe [UInt8]().span.bytes
    if side == .client {
      // The first bytes of the packet were seen just before this, or none were.
      if pending.last?.lastSent.frame != mark.frame {
        readTurn(nothing, count: count, at: offset, mark: mark, events: &events)
      }
      clientRecords?.skip(count)
      guard let last = pending.indices.last else { return }
      pending[last].end = offset + count
      pending[last].isCut = true
      if clientRecords?.isLost == true, !pending[last].isRequest {
        pending[last].isRequest = true
        tellStart(pending[last], events: &events)
      }
    } else {
      readTurnAnswer(nothing, count: count, at: offset, mark: mark, events: &events)
      serverRecords?.skip(count)
    }
  }
}

extension RecordScanner.Record {
  /// An alert, also when TLS 1.3 hides it: two bytes, their type, and a tag of 16.
  var isTLSAlert: Bool { type == 21 || (type == 23 && length == 19) }
}

extension Speech {
  /// A record that begins a handshake, with the hello of a client in it.
  static func isClientHello(_ bytes: RawSpan) -> Bool {
    bytes.byteCount >= 6 && bytes.byte(at: 0) == 22 && bytes.byte(at: 1) == 3 && bytes.byte(at: 2) <= 4
      && bytes.byte(at: 5) == 1
  }

  /// Alerts of TLS, and nothing else: seen where the handshake before them was not.
  static func isAlert(_ bytes: RawSpan) -> Bool {
    guard looksLikeRecord(bytes), bytes.byte(at: 0) == 21, bytes.byteCount >= 7 else { return false }
    return Int(bytes.number16(at: 3)) + 5 == bytes.byteCount
  }

  /// Bytes of a hello in the form of SSL 2, in which old clients offered TLS (RFC 5246 appendix E.2); 0 when it is none.
  static func lengthOfOldHello(_ bytes: RawSpan) -> Int64 {
    guard bytes.byteCount >= 5, bytes.byte(at: 0) & 0x80 != 0, bytes.byte(at: 2) == 1,
      bytes.byte(at: 3) == 3 || (bytes.byte(at: 3) == 0 && bytes.byte(at: 4) == 2)
    else { return 0 }
    return Int64(bytes.number16(at: 0) & 0x7fff) + 2
  }

  /// A TLS record of any type, as the first bytes of a capture that starts in the middle show it.
  static func looksLikeRecord(_ bytes: RawSpan) -> Bool {
    bytes.byteCount >= 3 && (0x14...0x17).contains(bytes.byte(at: 0)) && bytes.byte(at: 1) == 3
      && bytes.byte(at: 2) <= 4
  }

  /// What clients of well-known protocols say and expect nothing for, mostly because it is their last word.
  static func isFarewell(_ bytes: RawSpan) -> Bool {
    switch bytes.byteCount {
    case 0: return false
    case 2: return bytes.byte(at: 0) == 0xe0 && bytes.byte(at: 1) == 0  // MQTT: DISCONNECT
    case 5:
      // PostgreSQL: Terminate. MySQL: COM_QUIT.
      let number = bytes.number32(at: 0)
      return (number == 0x5800_0000 && bytes.byte(at: 4) == 4) || (number == 0x0100_0000 && bytes.byte(at: 4) == 1)
    case 9:
      // MySQL: COM_STMT_CLOSE, which has no answer either.
      return bytes.number32(at: 0) == 0x0500_0000 && bytes.byte(at: 4) == 0x19
    case 7: return bytes.byte(at: 0) == 0x30 && bytes.byte(at: 5) == 0x42  // LDAP: unbind
    default: break
    }
    guard bytes.byteCount <= 16 else { return false }
    if startsWith(bytes, "*1\r\n$4\r\nQUIT") || startsWith(bytes, "*1\r\n$4\r\nquit") { return true }
    return ["quit", "exit", "bye", "logout"].contains { word in
      startsWith(bytes, word + "\r\n") || startsWith(bytes, word + "\n")
        || startsWith(bytes, word.uppercased() + "\r\n")
    }
  }

  /// With what servers of well-known protocols say that they close because the connection was idle; nil for anything else.
  static func idleFarewell(_ bytes: RawSpan) -> String? {
    if bytes.byteCount > 20, bytes.byte(at: 0) == UInt8(ascii: "E"), contains(bytes, "FATAL") {
      // PostgreSQL: the SQLSTATE of ErrorResponse.
      if contains(bytes, "C57P05\0") { return "57P05, idle session timeout" }
      if contains(bytes, "C25P03\0") { return "25P03, idle in transaction" }
      return nil
    }
    // MySQL: an error packet, with the number of the error.
    if bytes.byteCount > 7, bytes.byte(at: 4) == 0xff, bytes.byte(at: 5) == 0xbf, bytes.byte(at: 6) == 0x0f {
      return "4031, disconnected because of inactivity"
    }
    return ["421 ", "* BYE "].first { startsWith(bytes, $0) }.map { _ in
      Display.printable((0..<min(bytes.byteCount, 60)).map { bytes.byte(at: $0) }.prefix { $0 != 0x0d && $0 != 0x0a })
    }
  }

  /// Whether the text stands anywhere in the first bytes.
  static func contains(_ bytes: RawSpan, _ text: String) -> Bool {
    let wanted = Array(text.utf8)
    let limit = min(bytes.byteCount, 2_048) - wanted.count
    guard limit >= 0 else { return false }
    for start in 0...limit {
      var index = 0
      while index < wanted.count, bytes.byte(at: start + index) == wanted[index] { index += 1 }
      if index == wanted.count { return true }
    }
    return false
  }
}
