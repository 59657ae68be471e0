package import Core

/// Follows what client and server say to each other on one connection: exchanges of HTTP/1.x, turns of anything else.
///
/// It gets the bytes of each direction in order, and is told what the capture does not hold.
package struct TurnTracker: Sendable {
  /// Requests that may wait for their answers at once; more are not told apart.
  static let maximumPending = 64

  package private(set) var speech = Speech.undecided
  /// Exchanges without a complete answer, in order of their requests.
  package private(set) var pending: [Exchange] = []
  /// What the server said last without having been asked, while no request had come that it could belong to.
  package private(set) var unasked: UnaskedAnswer?
  package private(set) var exchangesStarted = 0
  package private(set) var exchangesAnswered = 0
  /// The last payload of either side that was part of an exchange; at first the end of the handshake.
  package private(set) var lastActivity: Instant?
  /// Set when a message announced that the connection will be closed.
  package private(set) var closeAnnounced: Mark?
  /// Where the announcing exchange ended in the server's stream.
  package private(set) var closeAnnouncedEnd: Int64 = 0
  package private(set) var lastAdvertisedTimeout: Int?
  /// An upgrade or CONNECT succeeded: what follows is no HTTP.
  package private(set) var isTunnel = false
  package private(set) var answersToUnseen = 0
  private var startWasSeen = false
  private var clientReader = MessageReader()
  private var serverReader = MessageReader()
  private var clientRecords: RecordScanner?
  private var serverRecords: RecordScanner?
  /// The message that the server is sending answers nothing that was asked.
  private var currentIsUnasked = false
  /// The message that the server is sending answers a request that the capture does not show.
  private var currentAnswersUnseen = false
  /// End of the requests that were answered, in the client's stream.
  private var answeredThrough: Int64 = 0
  private var clientAcknowledged: (offset: Int64, mark: Mark)?

  init() {}

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
    decideSpeech(bytes, from: side)
    switch (speech, side) {
    case (.http1, .client): readRequests(bytes, at: offset, mark: mark, events: &events)
    case (.http1, .server): readAnswers(bytes, at: offset, mark: mark, events: &events)
    case (.tls, .client), (.http2, .client), (.other, .client), (.undecided, .client):
      readTurn(bytes, at: offset, mark: mark, events: &events)
    case (.tls, .server), (.http2, .server), (.other, .server), (.undecided, .server):
      readTurnAnswer(bytes, at: offset, mark: mark)
    }
  }

  mutating func skipped(
    _ count: Int64, at offset: Int64, from side: Side, mark: Mark, isCut: Bool, events: inout [TurnEvent]
  ) {
    guard speech == .http1 else {
      skippedInTurn(count, at: offset, from: side, mark: mark)
      return
    }
    if side == .client {
      let wasInMessage = clientReader.isInMessage
      let (inStep, ended) = clientReader.skip(count)
      guard wasInMessage, !pending.isEmpty else { return }
      let last = pending.count - 1
      pending[last].end = offset + count
      if ended { pending[last].requestIsComplete = true }
      if !inStep { pending[last].hasHole = true }
    } else {
      let (inStep, ended) = serverReader.skip(count)
      if ended {
        completeAnswer(at: offset + count, mark: mark, events: &events)
      } else if !inStep {
        for index in pending.indices { pending[index].hasHole = true }
      } else if !pending.isEmpty {
        lastActivity = mark.time
        pending[0].answerLast = mark
      }
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
      if speech == .tls { (clientRecords, serverRecords) = (RecordScanner(.tls), RecordScanner(.tls)) }
      if speech == .http2 {
        (clientRecords, serverRecords) = (RecordScanner(.http2, skipping: 24), RecordScanner(.http2))
      }
    case .other where !startWasSeen:
      // The capture may have begun within a message: the next one tells.
      let isHTTP = side == .client ? Speech.startsWithMethod(bytes) : Speech.startsWithResponse(bytes)
      guard isHTTP, !isTunnel else { return }
      speech = .http1
      clientReader.state = .lost
      serverReader.state = .lost
      pending.removeAll()
    case .other, .http1, .http2, .tls: break
    }
  }

  // MARK: - HTTP/1.x

  private mutating func readRequests(_ bytes: RawSpan, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    var index = 0
    reading: while true {
      switch clientReader.read(bytes, from: index, isRequest: true) {
      case .more: break reading
      case .began(let start):
        index = start
        beginExchange(at: offset + Int64(start), mark: mark, events: &events)
      case .head(let reader, let next):
        index = next
        takeRequestHead(reader, events: &events)
      case .ended(let next):
        index = next
        if let last = pending.indices.last {
          pending[last].requestIsComplete = true
          pending[last].end = offset + Int64(next)
        }
      case .notHTTP(let next):
        index = next
        if let last = pending.indices.last { pending[last].requestIsNotHTTP = true }
      }
    }
    if let last = pending.indices.last, clientReader.isInMessage || pending[last].requestIsNotHTTP {
      pending[last].end = offset + Int64(bytes.byteCount)
    }
    if let last = pending.indices.last { pending[last].lastSent = mark }
    lastActivity = mark.time
  }

  private mutating func beginExchange(at start: Int64, mark: Mark, events: inout [TurnEvent]) {
    // An answer whose end the capture does not hold was complete for the client when it goes on to ask.
    while let first = pending.first, first.hasHole, first.answerFirst != nil || first.number < exchangesStarted - 1 {
      completeFirst(events: &events)
    }
    guard pending.count < TurnTracker.maximumPending else {
      clientReader.state = .lost
      return
    }
    exchangesStarted += 1
    var exchange = Exchange(
      number: exchangesStarted, speech: speech, start: start, end: start, first: mark,
      firstMayBeMissed: mark.isLate, lastSent: mark, idleAge: idleAge(at: mark.time),
      reuseCount: exchangesAnswered)
    exchange.leastAcknowledged = mark.acknowledges
    exchange.mostAcknowledged = mark.acknowledges
    exchange.afterCloseAnnounced = closeAnnounced
    if start < answeredThrough { exchange.hasHole = true }
    if let (acknowledged, seen) = clientAcknowledged, acknowledged > start {
      exchange.delivered = seen
      exchange.firstMayBeMissed = true
    }
    if let unasked, unasked.acknowledges <= start {
      exchange.unasked = unasked
      self.unasked = nil
    }
    pending.append(exchange)
    events.append(.requestStarted(exchange))
  }

  private func idleAge(at time: Instant) -> Nanoseconds {
    guard let lastActivity else { return .zero }
    return max(.zero, time.since(lastActivity))
  }

  private mutating func takeRequestHead(_ reader: HeadReader, events: inout [TurnEvent]) {
    guard let last = pending.indices.last else { return }
    guard let line = reader.requestLine() else {
      pending[last].requestIsNotHTTP = true
      clientReader.state = .lost
      return
    }
    let framing = reader.framing()
    pending[last].method = line.method
    pending[last].target = line.target
    pending[last].requestCloses = framing.closes || (line.isVersion10 && !framing.keepsAlive)
    clientReader.beginBody(framing, hasNoBody: false, withoutLength: .body(remaining: 0))
    if line.method == "CONNECT" { clientReader.state = .body(remaining: 0) }
  }

  private mutating func readAnswers(_ bytes: RawSpan, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    if isTunnel {
      lastActivity = mark.time
      return
    }
    var index = 0
    let startsMessage = Speech.startsWithResponse(bytes)
    if case .lost = serverReader.state, !startsMessage { noteAnswerBytes(offset, bytes, mark) }
    // The answer to a request that was not seen may be one to HEAD, and have no body in spite of its length.
    if currentAnswersUnseen, startsMessage, case .body = serverReader.state { serverReader.state = .between }
    reading: while true {
      switch serverReader.read(bytes, from: index, isRequest: false) {
      case .more: break reading
      case .began(let start):
        index = start
        beginAnswer(at: offset + Int64(start), mark: mark, events: &events)
      case .head(let reader, let next):
        index = next
        takeAnswerHead(reader, mark: mark, events: &events)
        if isTunnel { break reading }
      case .ended(let next):
        index = next
        completeAnswer(at: offset + Int64(next), mark: mark, events: &events)
      case .notHTTP(let next):
        index = next
        if !currentIsUnasked, !currentAnswersUnseen, !pending.isEmpty { pending[0].answerIsNotHTTP = true }
      }
    }
    if serverReader.isInMessage { noteProgress(offset + Int64(bytes.byteCount), mark: mark) }
  }

  /// Bytes while the reader is out of step: the answer to any request that the server had received can be among them.
  private mutating func noteAnswerBytes(_ offset: Int64, _ bytes: RawSpan, _ mark: Mark) {
    lastActivity = mark.time
    for index in pending.indices where pending[index].start < mark.acknowledges ?? .max {
      pending[index].hasHole = true
    }
    guard !pending.isEmpty, pending[0].hasHole else { return }
    if pending[0].answerFirst == nil {
      pending[0].answerFirst = mark
      pending[0].answerStart = offset
    }
    pending[0].answerEnd = offset + Int64(bytes.byteCount)
    pending[0].answerLast = mark
  }

  private mutating func noteProgress(_ end: Int64, mark: Mark) {
    if currentIsUnasked {
      updateUnasked { answer in
        answer.end = end
        answer.last = mark
        answer.acknowledges = max(answer.acknowledges, mark.acknowledges ?? 0)
      }
      return
    }
    lastActivity = mark.time
    guard !currentAnswersUnseen, !pending.isEmpty else { return }
    pending[0].answerEnd = end
    pending[0].answerLast = mark
  }

  private mutating func updateUnasked(_ change: (inout UnaskedAnswer) -> Void) {
    if unasked != nil {
      change(&unasked!)  // Safe: tested in the line above.
    } else if let first = pending.indices.first, pending[first].unasked != nil {
      change(&pending[first].unasked!)  // Safe: tested in the line above.
    }
  }

  private mutating func beginAnswer(at start: Int64, mark: Mark, events: inout [TurnEvent]) {
    currentIsUnasked = false
    currentAnswersUnseen = false
    let received = mark.acknowledges ?? .max
    // Answers that the capture missed: the server goes on with a later one.
    while pending.count > 1, pending[0].hasHole, pending[1].start < received { completeFirst(events: &events) }
    if let first = pending.first, first.start < received {
      if pending[0].answerFirst == nil {
        pending[0].answerFirst = mark
        pending[0].answerStart = start
      }
      return
    }
    guard received <= answeredThrough, startWasSeen || exchangesStarted > 0 else {
      currentAnswersUnseen = true
      return
    }
    currentIsUnasked = true
    let answer = UnaskedAnswer(
      first: mark, last: mark, start: start, end: start, speech: speech, acknowledges: received)
    if pending.isEmpty { unasked = answer } else { pending[0].unasked = answer }
  }

  private mutating func takeAnswerHead(_ reader: HeadReader, mark: Mark, events: inout [TurnEvent]) {
    guard let (status, isVersion10) = reader.statusLine() else {
      serverReader.state = .lost
      if !currentIsUnasked, !currentAnswersUnseen, !pending.isEmpty { pending[0].answerIsNotHTTP = true }
      return
    }
    if status < 200, status != 101 { return }  // Interim: the final answer follows (RFC 9110 section 15.2).
    let framing = reader.framing()
    let closes = framing.closes || (isVersion10 && !framing.keepsAlive)
    if let timeout = framing.advertisedTimeout { lastAdvertisedTimeout = timeout }
    if currentIsUnasked {
      updateUnasked { answer in
        answer.status = status
        answer.closes = closes
      }
      serverReader.beginBody(framing, hasNoBody: status == 204 || status == 304, withoutLength: .untilClose)
      return
    }
    let method = currentAnswersUnseen ? "" : pending.first?.method ?? ""
    if status == 101 || (method == "CONNECT" && (200..<300).contains(status)) {
      isTunnel = true
      clientReader.state = .tunnel
      serverReader.state = .tunnel
    }
    if !currentAnswersUnseen, !pending.isEmpty {
      pending[0].status = status
      pending[0].answerCloses = closes
      pending[0].advertisedTimeout = framing.advertisedTimeout
    }
    if isTunnel {
      completeAnswer(at: pending.first?.answerStart ?? 0, mark: mark, events: &events)
      // What the client has sent meanwhile belongs to the tunnel.
      pending.removeAll()
      return
    }
    let hasNoBody = method == "HEAD" || status == 204 || status == 304
    serverReader.beginBody(framing, hasNoBody: hasNoBody, withoutLength: .untilClose)
  }

  private mutating func completeAnswer(at end: Int64, mark: Mark, events: inout [TurnEvent]) {
    noteProgress(end, mark: mark)
    if currentIsUnasked {
      updateUnasked { $0.isComplete = true }
      currentIsUnasked = false
      return
    }
    if currentAnswersUnseen {
      currentAnswersUnseen = false
      answersToUnseen += 1
      exchangesAnswered += 1
      answeredThrough = max(answeredThrough, mark.acknowledges ?? 0)
      return
    }
    guard !pending.isEmpty else { return }
    pending[0].answerIsComplete = true
    if pending[0].answerCloses || pending[0].requestCloses {
      closeAnnounced = closeAnnounced ?? mark
      closeAnnouncedEnd = end
    }
    completeFirst(events: &events)
  }

  private mutating func completeFirst(events: inout [TurnEvent]) {
    let exchange = pending.removeFirst()
    exchangesAnswered += 1
    answeredThrough = max(answeredThrough, exchange.end)
    events.append(.exchangeCompleted(exchange))
  }

  /// The server closed in order: an answer that lasts until the close is complete.
  mutating func serverClosed(at mark: Mark, events: inout [TurnEvent]) {
    guard speech == .http1, case .untilClose = serverReader.state else { return }
    serverReader.state = .between
    completeAnswer(at: pending.first?.answerEnd ?? 0, mark: mark, events: &events)
  }

  // MARK: - Turns of other protocols

  private mutating func readTurn(_ bytes: RawSpan, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    if pending.isEmpty || pending[0].answerFirst != nil {
      if !pending.isEmpty { completeFirst(events: &events) }
      beginExchange(at: offset, mark: mark, events: &events)
      // Whether something was asked shows only in the records.
      if clientRecords != nil, !pending.isEmpty { pending[0].isRequest = false }
    }
    guard let last = pending.indices.last else { return }
    pending[last].speech = speech
    pending[last].end = offset + Int64(bytes.byteCount)
    pending[last].lastSent = mark
    lastActivity = mark.time
    guard clientRecords != nil else { return }
    var asks = false
    let isTLS = speech == .tls
    let isMidstream = !startWasSeen
    clientRecords?.scan(bytes) { record in
      asks = asks || (isTLS ? record.isTLSRequest(afterHandshake: !isMidstream) : record.type == 1)
    }
    if asks || clientRecords?.isLost == true { pending[last].isRequest = true }
  }

  private mutating func readTurnAnswer(_ bytes: RawSpan, at offset: Int64, mark: Mark) {
    var isFarewell = false
    if serverRecords != nil {
      var (records, alerts) = (0, 0)
      let isTLS = speech == .tls
      serverRecords?.scan(bytes) { record in
        records += 1
        if isTLS ? record.isTLSAlert : record.type == 7 { alerts += 1 }
      }
      isFarewell = records > 0 && records == alerts
    }
    let received = mark.acknowledges ?? .max
    guard let last = pending.indices.last, received > pending[last].start else {
      if !isFarewell, pending.isEmpty { lastActivity = mark.time }
      return
    }
    if pending[last].answerFirst == nil {
      if Speech.startsWithResponse(bytes) {
        pending[last].requestIsNotHTTP = true
        pending[last].isRequest = true
      }
      if isFarewell, speech != .tls || exchangesAnswered > 0 { return }
      pending[last].answerFirst = mark
      pending[last].answerStart = offset
    }
    // A farewell is no part of the answer: idle time goes on.
    if isFarewell { return }
    pending[last].answerLast = mark
    pending[last].answerEnd = offset + Int64(bytes.byteCount)
    lastActivity = mark.time
  }

  private mutating func skippedInTurn(_ count: Int64, at offset: Int64, from side: Side, mark: Mark) {
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
}

extension RecordScanner.Record {
  /// An alert, also when TLS 1.3 hides it: two bytes, their type, and a tag of 16.
  var isTLSAlert: Bool { type == 21 || (type == 23 && length == 19) }

  /// Application data; not an alert, and not the Finished message of TLS 1.3 (a hash of 32 or 48 bytes in its record).
  func isTLSRequest(afterHandshake: Bool) -> Bool {
    type == 23 && length != 19 && !(afterHandshake && (length == 53 || length == 69))
  }
}

extension Speech {
  /// A TLS record of any type, as the first bytes of a capture that starts in the middle show it.
  static func looksLikeRecord(_ bytes: RawSpan) -> Bool {
    bytes.byteCount >= 3 && (0x14...0x17).contains(bytes.byte(at: 0)) && bytes.byte(at: 1) == 3
      && bytes.byte(at: 2) <= 4
  }
}
