import Core

/// Turns of protocols that are not read: TLS, HTTP/2, databases, caches, anything.
extension TurnTracker {
  /// Quiet for longer than this, behind bytes that were received and not answered: what comes then is another turn.
  private static let pause = Nanoseconds.milliseconds(100)

  /// - Parameter count: bytes on the wire; `bytes` can be fewer.
  mutating func readTurn(_ bytes: RawSpan, count: Int64, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    if pending.isEmpty || pending[0].answerFirst != nil {
      if !pending.isEmpty { completeFirst(events: &events) }
      beginExchange(at: offset, mark: mark, events: &events)
    } else if let last = pending.last, isAnotherTurn(than: last, at: mark.time) {
      let before = last.unansweredBefore + (last.isRequest ? offset - last.start : 0)
      pending.removeLast()
      beginExchange(at: offset, mark: mark, events: &events)
      if !pending.isEmpty { pending[pending.count - 1].unansweredBefore = before }
    }
    guard let last = pending.indices.last else { return }
    pending[last].speech = speech
    pending[last].end = offset + count
    pending[last].lastSent = mark
    pending[last].pieces += 1
    pending[last].isFarewell = Speech.isFarewell(bytes)
    lastActivity = mark.time
    if clientRecords != nil { readClientRecords(bytes, at: offset, mark: mark, events: &events) }
  }

  /// Messages to which no answer is owed (closing a statement, publishing, settings) must not be taken for the beginning of the
  /// request that follows them.
  private func isAnotherTurn(than last: Exchange, at time: Instant) -> Bool {
    guard let (acknowledged, _) = clientAcknowledged, acknowledged >= last.end else { return false }
    return time.since(last.lastSent.time) >= TurnTracker.pause
  }

  private mutating func readClientRecords(
    _ bytes: RawSpan, at offset: Int64, mark: Mark, events: inout [TurnEvent]
  ) {
    var (asks, isSmall) = (false, true)
    let isTLS = speech == .tls
    let isMidstream = !startWasSeen || handshakeMayBeMissed
    var watch = handshake
    clientRecords?.scan(bytes) { record in
      guard isTLS else {
        if record.type == 1 { (asks, isSmall) = (true, false) }
        return
      }
      switch watch.meaning(record, isMidstream: isMidstream) {
      case .nothing: break
      case .smallRequest: asks = true
      case .request: (asks, isSmall) = (true, false)
      case .finished: (asks, isSmall) = (false, true)
      }
    }
    // Before the client's Finished it asks nothing. (Should Finished not look as usual, the third turn is no handshake any more.)
    if isTLS, !isMidstream, !watch.isFinished, exchangesAnswered < 2 { asks = false }
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
    pending[index].mayBeControl = (isNew || pending[index].mayBeControl) && isSmall && isTLS && !isLost
    if isNew { events.append(.requestStarted(pending[index])) }
  }

  mutating func readTurnAnswer(_ bytes: RawSpan, count: Int64, at offset: Int64, mark: Mark) {
    let (isFarewell, answers) = readServerRecords(bytes)
    let received = mark.acknowledges ?? .max
    guard let last = pending.indices.last, received > pending[last].start else {
      if !isFarewell {
        if pending.isEmpty { lastActivity = mark.time }
        noteUnasked(offset, count, mark, received)
      }
      return
    }
    if pending[last].answerFirst == nil {
      if Speech.startsWithResponse(bytes) {
        pending[last].requestIsNotHTTP = true
        pending[last].isRequest = true
      }
      if isFarewell, speech != .tls || exchangesAnswered > 0 { return }
      guard answers || !pending[last].isRequest else {
        lastActivity = mark.time
        return
      }
      pending[last].answerFirst = mark
      pending[last].answerStart = offset
    }
    // A farewell is no part of the answer: idle time goes on.
    if isFarewell { return }
    pending[last].answerLast = mark
    pending[last].answerEnd = offset + count
    lastActivity = mark.time
    if pending[last].isFarewell, closeAnnounced == nil {
      // Some protocols answer a farewell, and close.
      closeAnnounced = mark
      closeAnnouncedEnd = offset + count
    }
  }

  /// Whether the bytes hold nothing but alerts or GOAWAY, and whether they can hold an answer: settings and pings are none.
  private mutating func readServerRecords(_ bytes: RawSpan) -> (isFarewell: Bool, answers: Bool) {
    guard serverRecords != nil else { return (false, true) }
    var (records, alerts) = (0, 0)
    var answers = serverRecords?.isInside ?? true
    let isTLS = speech == .tls
    serverRecords?.scan(bytes) { record in
      records += 1
      if isTLS ? record.isTLSAlert : record.type == 7 { alerts += 1 }
      if isTLS || [0, 1, 3].contains(record.type) { answers = true }
    }
    if serverRecords?.isLost == true { answers = true }
    return (records > 0 && records == alerts, answers)
  }

  /// What a server says of its own accord before it closes: an error about a time limit, mostly.
  private mutating func noteUnasked(_ offset: Int64, _ count: Int64, _ mark: Mark, _ received: Int64) {
    guard speech == .other, exchangesAnswered > 0 else { return }
    let said = UnaskedAnswer(
      first: mark, last: mark, start: offset, end: offset + count, speech: speech, acknowledges: received)
    if pending.isEmpty { unasked = said } else { pending[pending.count - 1].unasked = said }
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
        events.append(.requestStarted(pending[last]))
      }
    } else {
      readTurnAnswer(nothing, count: count, at: offset, mark: mark)
      serverRecords?.skip(count)
    }
  }
}

extension RecordScanner.Record {
  /// An alert, also when TLS 1.3 hides it: two bytes, their type, and a tag of 16.
  var isTLSAlert: Bool { type == 21 || (type == 23 && length == 19) }
}

extension Speech {
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
