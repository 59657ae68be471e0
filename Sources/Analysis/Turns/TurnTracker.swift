package import Core

/// Follows what client and server say to each other on one connection: exchanges of HTTP/1.x, turns of anything else.
///
/// It gets the bytes of each direction in order, and is told what the capture does not hold.
package struct TurnTracker: Sendable {
  /// Requests that may wait for their answers at once; more are not told apart.
  static let maximumPending = 64

  package internal(set) var speech = Speech.undecided
  /// What is spoken where the first bytes tell, for protocols that are followed as turns only.
  package internal(set) var foreign: ForeignProtocol?
  /// Exchanges without a complete answer, in order of their requests.
  package internal(set) var pending: [Exchange] = []
  /// The last exchange that was answered.
  package internal(set) var lastCompleted: Exchange?
  /// What the server said last without having been asked, while no request had come that it could belong to.
  package internal(set) var unasked: UnaskedAnswer?
  package internal(set) var exchangesStarted = 0
  package internal(set) var exchangesAnswered = 0
  /// As ``exchangesAnswered``, handshakes and settings not counted.
  package internal(set) var requestsAnswered = 0
  /// Requests that were told of, and those among them on a connection that had answered before.
  package private(set) var requestsStarted = 0
  package private(set) var requestsReused = 0
  /// The last payload of either side that was part of an exchange; at first the end of the handshake.
  package internal(set) var lastActivity: Instant?
  /// Set when a message announced that the connection will be closed.
  package internal(set) var closeAnnounced: Mark?
  /// Where the announcing exchange ended in the server's stream.
  package internal(set) var closeAnnouncedEnd: Int64 = 0
  package internal(set) var lastAdvertisedTimeout: Int?
  /// An upgrade or CONNECT succeeded: what follows is no HTTP.
  package internal(set) var isTunnel = false
  package internal(set) var answersToUnseen = 0
  /// The first head or body whose end two readers could see in different places, and the exchange that it belongs to.
  package internal(set) var ambiguity: (code: MessageError.Code, exchange: Int)?
  var startWasSeen = false
  var clientReader = MessageReader()
  var serverReader = MessageReader()
  /// HTTP/2 in the clear; nil when its frames cannot be followed.
  var frames: (client: FrameReader, server: FrameReader)?
  var lastClientStream: UInt32 = 0
  /// What the server said of its going, the first few.
  package internal(set) var goAways: [GoAway] = []
  var clientRecords: RecordScanner?
  var serverRecords: RecordScanner?
  var handshake = HandshakeWatch()
  /// Turns that were answered before TLS began: of STARTTLS.
  var turnsBeforeTLS = (all: 0, requests: 0)
  private(set) var serverHasEnded = false
  /// TLS: where the records of the last turn begin that ask something, for telling which of them an answer belongs to.
  var askedAt: [(offset: Int64, length: Int, mark: Mark)] = []
  static let maximumAsked = 64
  /// HTTP/2 in TLS: lengths of records that were a whole request, and answered.
  var requestLengths: [Int] = []
  private static let maximumLengths = 16
  /// Bytes of the client are missing, which can have been its handshake.
  var handshakeMayBeMissed = false
  /// The message that the server is sending answers nothing that was asked.
  var currentIsUnasked = false
  /// The message that the server is sending answers a request that the capture does not show.
  var currentAnswersUnseen = false
  /// The server's reader lost its place because packets were cut, not because they are missing.
  var serverIsCut = false
  /// End of the requests that were answered, in the client's stream.
  var answeredThrough: Int64 = 0
  var clientAcknowledged: (offset: Int64, mark: Mark)?
  private var preface = ProxyPreface()
  /// What the server began to say after a long silence, when nothing was to be answered: the end of a slow answer, or a
  /// farewell.
  /// Bytes are missing since the last payload that was seen: how long the connection was idle is not known.
  var activityIsUncertain = false
  /// The end of the last bytes of the client that are missing.
  private var clientHoleEnd: Int64?
  private var late: (start: Instant, activityBefore: Instant, count: Int)?

  init() {}

  /// TLS: the client offered HTTP/2, in which many requests are under way at once.
  package var offersHTTP2: Bool { speech == .tls && handshake.offersHTTP2 }

  /// What it holds besides itself, roughly, in bytes.
  var footprint: Int {
    pending.count * MemoryLayout<Exchange>.stride + clientReader.bytesHeld + serverReader.bytesHeld
  }

  mutating func connected(at time: Instant) {
    startWasSeen = true
    if lastActivity == nil || exchangesStarted == 0 { lastActivity = time }
  }

  mutating func acknowledged(_ side: Side, upTo offset: Int64, mark: Mark) {
    guard side == .client else { return }
    clientAcknowledged = (offset, mark)
    for index in pending.indices where pending[index].delivered == nil && pending[index].start < offset {
      pending[index].delivered = mark
    }
  }

  mutating func retransmitted(_ side: Side, from: Int64, to end: Int64, mark: Mark) {
    guard side == .client else { return }
    for index in pending.indices where pending[index].start >= from && pending[index].start < end {
      pending[index].retransmissions += 1
      pending[index].lastRetransmission = mark
      noteAcknowledged(mark.acknowledges, at: index)
    }
  }

  private mutating func noteAcknowledged(_ offset: Int64?, at index: Int) {
    guard let offset else { return }
    pending[index].leastAcknowledged = min(pending[index].leastAcknowledged ?? offset, offset)
    pending[index].mostAcknowledged = max(pending[index].mostAcknowledged ?? offset, offset)
  }

  mutating func received(
    _ bytes: RawSpan, at offset: Int64, from side: Side, mark: Mark, events: inout [TurnEvent]
  ) {
    guard side == .client, speech == .undecided, startWasSeen else {
      take(bytes, at: offset, from: side, mark: mark, events: &events)
      return
    }
    // A load balancer may begin with a line about the client before it; what it forwards comes behind that.
    let skipped = preface.take(bytes)
    guard skipped < bytes.byteCount else { return }
    take(
      bytes.extracting(skipped..<bytes.byteCount), at: offset + Int64(skipped), from: side, mark: mark,
      events: &events)
  }

  private static let silence = Nanoseconds.seconds(1)
  static let farewellTime = Nanoseconds.milliseconds(50)
  private static let maximumFarewell = 512

  private mutating func noteLateness(_ count: Int, at time: Instant) {
    if let known = late, time.since(known.start) < TurnTracker.farewellTime {
      late = (known.start, known.activityBefore, known.count + count)
    } else if let lastActivity, time.since(lastActivity) >= TurnTracker.silence,
      pending.first.map({ $0.answerFirst != nil }) ?? true
    {
      late = (time, lastActivity, count)
    } else {
      late = nil
    }
  }

  /// The server closed or reset. A few bytes that it said just before, after a silence, were its farewell (GOAWAY, an error
  /// about a time limit): the connection had been idle all the while.
  mutating func serverEnded(at time: Instant) {
    serverHasEnded = true
    for index in pending.indices {
      guard let words = pending[index].unasked, words.end - words.start <= Int64(TurnTracker.maximumFarewell),
        time.since(words.last.time) <= TurnTracker.farewellTime, let before = words.activityBefore
      else { continue }
      pending[index].idleAge = max(.zero, pending[index].first.time.since(before))
    }
    guard let late, speech != .http1, late.count <= TurnTracker.maximumFarewell,
      time.since(late.start) <= TurnTracker.farewellTime, let lastActivity, lastActivity >= late.start
    else { return }
    self.lastActivity = late.activityBefore
  }

  private mutating func take(
    _ bytes: RawSpan, at offset: Int64, from side: Side, mark: Mark, events: inout [TurnEvent]
  ) {
    decideSpeech(bytes, from: side)
    defer { activityIsUncertain = false }
    if side == .client { late = nil } else if speech != .http1 { noteLateness(bytes.byteCount, at: mark.time) }
    switch (speech, side) {
    case (.http1, .client): readRequests(bytes, at: offset, mark: mark, events: &events)
    case (.http1, .server): readAnswers(bytes, at: offset, mark: mark, events: &events)
    case (.http2, .client) where frames != nil: readStreams(bytes, at: offset, mark: mark, events: &events)
    case (.http2, .server) where frames != nil: readStreamAnswers(bytes, at: offset, mark: mark, events: &events)
    case (.tls, .client), (.http2, .client), (.other, .client), (.undecided, .client):
      readTurn(bytes, count: Int64(bytes.byteCount), at: offset, mark: mark, events: &events)
    case (.tls, .server), (.http2, .server), (.other, .server), (.undecided, .server):
      readTurnAnswer(bytes, count: Int64(bytes.byteCount), at: offset, mark: mark, events: &events)
    }
  }

  /// Takes note of bytes that the capture does not hold.
  ///
  /// - Parameter isCut: their packet is in the capture, cut short; nil bytes were lost on the way into it.
  mutating func skipped(
    _ count: Int64, at offset: Int64, from side: Side, mark: Mark, isCut: Bool, events: inout [TurnEvent]
  ) {
    if side == .client, !handshake.isFinished { handshakeMayBeMissed = true }
    if !isCut { activityIsUncertain = true }
    if !isCut, side == .client { clientHoleEnd = offset + count }
    if frames != nil {
      skippedInFrames(count, at: offset, from: side, mark: mark, isCut: isCut, events: &events)
      return
    }
    guard speech == .http1 else {
      skippedInTurn(count, at: offset, from: side, mark: mark, isCut: isCut, events: &events)
      return
    }
    if side == .client {
      skippedInRequest(count, at: offset, mark: mark, isCut: isCut, events: &events)
    } else {
      skippedInAnswer(count, at: offset, mark: mark, isCut: isCut, events: &events)
    }
  }

  // MARK: - What is spoken

  private mutating func decideSpeech(_ bytes: RawSpan, from side: Side) {
    switch speech {
    case .undecided:
      if side == .client {
        speech = Speech.ofClient(bytes) ?? (Speech.startsWithMethod(bytes) ? .http1 : .other)
      } else {
        speech = Speech.startsWithResponse(bytes) ? .http1 : Speech.looksLikeRecord(bytes) ? .tls : .other
      }
      if speech == .other, FrameReader.looksLikeFrames(bytes), !startWasSeen || side == .server && isSettings(bytes) {
        speech = .http2
      }
      // Of a request that goes on only the rest may come.
      if speech == .http1, side == .server, !startWasSeen || handshakeMayBeMissed { clientReader.state = .lost }
      if speech == .tls { beginRecords(skipping: side == .client ? Speech.lengthOfOldHello(bytes) : 0) }
      if speech == .http2 { beginFrames(from: side, hasPreface: startWasSeen || Speech.startsWith(bytes, "PRI * ")) }
      if speech == .other, startWasSeen {
        foreign =
          side == .server
          ? .spoken(byUpstream: bytes) : Speech.startsWithArray(bytes) ? .redis : .spoken(byClient: bytes)
      }
    case .other where side == .client && Speech.isClientHello(bytes) && !isTunnel:
      // STARTTLS, the SSLRequest of databases, or a proxy's words before it: from here on it is TLS.
      speech = .tls
      pending.removeAll()
      unasked = nil
      beginRecords(skipping: 0)
    case .other where !startWasSeen || handshakeMayBeMissed:
      // The capture may have begun within a message, or lost the beginning of one: the next one tells.
      let isHTTP = side == .client ? Speech.startsWithMethod(bytes) : Speech.startsWithResponse(bytes)
      guard isHTTP, !isTunnel else { return }
      speech = .http1
      clientReader.state = .lost
      serverReader.state = .lost
      pending.removeAll()
      (exchangesStarted, exchangesAnswered, requestsAnswered) = (0, 0, 0)
      unasked = nil
    case .other, .http1, .http2, .tls: break
    }
  }

  private mutating func beginRecords(skipping count: Int64) {
    (clientRecords, serverRecords) = (RecordScanner(skipping: count), RecordScanner())
    handshake = HandshakeWatch()
    turnsBeforeTLS = (exchangesAnswered, requestsAnswered)
  }

  /// SETTINGS, with which a server of HTTP/2 begins.
  private func isSettings(_ bytes: RawSpan) -> Bool { bytes.byteCount >= 9 && bytes.byte(at: 3) == 4 }

  // MARK: - Exchanges of any kind

  mutating func beginExchange(at start: Int64, mark: Mark, events: inout [TurnEvent]) {
    // An answer whose end the capture does not hold was complete for the client when it goes on to ask.
    while let first = pending.first, first.hasHole || first.isCut,
      first.answerFirst != nil || first.number < exchangesStarted - 1
    {
      completeFirst(events: &events)
    }
    guard pending.count < TurnTracker.maximumPending else {
      clientReader.state = .lost
      return
    }
    exchangesStarted += 1
    var exchange = newExchange(at: start, mark: mark)
    if start < answeredThrough { exchange.hasHole = true }
    exchange.isRequest = clientRecords == nil
    pending.append(exchange)
    if exchange.isRequest { tellStart(exchange, events: &events) }
  }

  /// An exchange that begins now, its number already counted.
  mutating func newExchange(at start: Int64, mark: Mark) -> Exchange {
    var exchange = Exchange(
      number: exchangesStarted, speech: speech, start: start, end: start, first: mark,
      firstMayBeMissed: mark.isLate, lastSent: mark, idleAge: idleAge(at: mark.time),
      reuseCount: requestsAnswered)
    exchange.idleAgeIsKnown = !activityIsUncertain
    exchange.beginsBehindHole = start == clientHoleEnd
    exchange.leastAcknowledged = mark.acknowledges
    exchange.mostAcknowledged = mark.acknowledges
    exchange.afterCloseAnnounced = closeAnnounced
    if let (acknowledged, seen) = clientAcknowledged, acknowledged > start {
      exchange.delivered = seen
      exchange.firstMayBeMissed = true
    }
    if let unasked, unasked.acknowledges <= start {
      exchange.unasked = unasked
      self.unasked = nil
      // What crossed the request was no activity that the client could know of.
      if let words = exchange.crossingWords, let before = words.activityBefore {
        exchange.idleAge = max(.zero, mark.time.since(before))
      }
    }
    return exchange
  }

  private func idleAge(at time: Instant) -> Nanoseconds {
    guard let lastActivity else { return .zero }
    return max(.zero, time.since(lastActivity))
  }

  /// Tells of a request, and counts it.
  mutating func tellStart(_ exchange: Exchange, events: inout [TurnEvent]) {
    requestsStarted += 1
    if exchange.reuseCount > 0 { requestsReused += 1 }
    events.append(.requestStarted(exchange))
  }

  private mutating func noteRequestLength(of exchange: Exchange) {
    guard offersHTTP2, exchange.isRequest, exchange.answerFirst != nil, !exchange.hasHole, !exchange.isCut else {
      return
    }
    let records = askedAt.filter { $0.offset >= exchange.start && $0.offset < exchange.end }
    guard let only = records.first, records.count == 1, requestLengths.count < TurnTracker.maximumLengths,
      !requestLengths.contains(only.length)
    else { return }
    requestLengths.append(only.length)
  }

  /// How many streams an unanswered exchange asks in, as far as the lengths of its records tell: each is as long as one that was
  /// a whole request before. nil where they don't tell.
  package func streams(of exchange: Exchange) -> Int? {
    guard offersHTTP2, exchange.number == pending.last?.number, !exchange.hasHole, !exchange.isCut else { return nil }
    let records = askedAt.filter { $0.offset >= exchange.start && $0.offset < exchange.end }
    guard records.count > 1, records.count < TurnTracker.maximumAsked,
      records.allSatisfy({ requestLengths.contains($0.length) })
    else { return nil }
    return records.count
  }

  mutating func completeFirst(events: inout [TurnEvent]) {
    let exchange = pending.removeFirst()
    noteRequestLength(of: exchange)
    exchangesAnswered += 1
    answeredThrough = max(answeredThrough, exchange.end)
    if exchange.isRequest {
      requestsAnswered += 1
      events.append(.exchangeCompleted(exchange))
    }
    lastCompleted = exchange
  }

  mutating func noteAmbiguity(_ code: MessageError.Code?, exchange: Int) {
    guard let code, ambiguity == nil else { return }
    ambiguity = (code, exchange)
  }
}
