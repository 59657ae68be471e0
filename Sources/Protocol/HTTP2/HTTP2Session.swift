internal import CHTTP2
package import Core

/// What happened on a connection; each is told once, in order.
package enum HTTP2Event {
  /// A client opened a stream: its request's head can be taken.
  case opened(HTTP2Stream)
  /// There is something to take, the end included.
  case readable(Int32)
  /// ``Transferred/wouldBlock`` of a send no longer holds.
  case writable(Int32)
  /// The peer reset the stream, or a rule was broken on it.
  case reset(Int32, HTTP2ErrorCode)
  /// The protocol has forgotten the stream. What was received whole can still be taken.
  case closed(Int32)
  /// The answer to ``HTTP2Session/ping()``.
  case pingAnswered
  /// The peer takes no streams above this one any more.
  case goAwayReceived(lastID: Int32, HTTP2ErrorCode)
  /// The peer's first SETTINGS came.
  case settingsReceived
  /// The connection is at its end, with an error. Every stream had its reset before.
  case ended(HTTP2Failure)
}

/// One side of one HTTP/2 connection, in memory: bytes go in by ``feed(_:now:)`` and out by ``produce(into:)``. It knows no
/// socket and no clock. What is different for the two sides is in ``HTTP2ServerSession`` and ``HTTP2ClientSession``.
@safe
package class HTTP2Session {
  let limits: HTTP2Limits
  /// Nil when there was no memory for it.
  private var engine: HTTP2Engine?
  var now: Instant
  private(set) var streams: [Int32: HTTP2MessageStream] = [:]
  package internal(set) var counters = HTTP2Counters()
  /// Why the connection is at its end, if by an error.
  package private(set) var failure: HTTP2Failure?
  /// Bytes ever given by ``produce(into:)``.
  package private(set) var producedOffset: UInt64 = 0
  /// Why the last message that made no sense made none; for a log.
  private(set) var lastFault: HTTP2FieldBlock.Fault?

  var block: HTTP2FieldBlock
  /// What a head that is sent is parsed into.
  var table = FieldTable()
  /// The fields of a head that is sent, while it is handed over.
  var fields = HTTP2FieldList()

  private var events: [HTTP2Event] = []
  private var nextEventIndex = 0
  /// Where ``produce(into:)`` writes, during it.
  private var target: UnsafeMutablePointer<ByteBuffer>?
  private var resets: HTTP2Allowance
  private var provokedResets: HTTP2Allowance
  private var settingsFrames: HTTP2Allowance
  private var pings: HTTP2Allowance
  private var controlFrames: HTTP2Allowance
  private var emptyFrames: HTTP2Allowance
  /// Why a callback has stopped the reading.
  private var stopReason: HTTP2Failure.Reason?
  /// Streams that ended on both sides, or that the peer has reset: a further frame on one is an error (RFC 9113 section 5.1),
  /// other than on those that this side has reset. The last of them only.
  private var finished = HTTP2RecentStreams()
  /// Streams that this side has reset, or has answered without telling anybody.
  private var resetHere = HTTP2RecentStreams()
  /// The highest stream with a HEADERS frame of the peer.
  private var highestHeaders: Int32 = 0
  private let isServer: Bool
  private var scan: HTTP2FrameScan
  /// The stream whose HEADERS are among the bytes that the C library gives next.
  private var sentHeaders: Int32 = 0
  private(set) var isGoAwaySent = false

  init(isServer: Bool, limits: HTTP2Limits, now: Instant) {
    self.limits = limits
    self.now = now
    self.isServer = isServer
    scan = HTTP2FrameScan(isServer: isServer)
    block = HTTP2FieldBlock(isRequest: isServer)
    resets = HTTP2Allowance(limits.resets, now: now)
    provokedResets = HTTP2Allowance(limits.provokedResets, now: now)
    settingsFrames = HTTP2Allowance(limits.settingsFrames, now: now)
    pings = HTTP2Allowance(limits.pings, now: now)
    controlFrames = HTTP2Allowance(limits.controlFrames, now: now)
    emptyFrames = HTTP2Allowance(limits.emptyFrames, now: now)
    engine = HTTP2Engine(isServer: isServer, limits: limits, session: self)
    if engine == nil { failure = HTTP2Failure(code: .internalError, reason: .outOfMemory) }
  }

  /// Takes bytes of the peer, all of them.
  package func feed(_ bytes: RawSpan, now: Instant) -> HTTP2Step {
    self.now = now
    if let failure { return .ended(failure) }
    var given = 0
    var position = 0
    while let header = scan.next(bytes, &position) {
      // A frame is weighed when those before it were read.
      let start = Swift.max(given, position - HTTP2FrameScan.headerByteCount)
      receive(bytes, from: given, to: start)
      given = start
      if failure == nil { weigh(header) }
      if let failure { return .ended(failure) }
    }
    receive(bytes, from: given, to: bytes.byteCount)
    if let queued = engine?.queuedFrames, queued > limits.queuedFrames { end(reason: .tooMuchUnsent) }
    if let failure { return .ended(failure) }
    return .progressed
  }

  private func receive(_ bytes: RawSpan, from start: Int, to end: Int) {
    guard end > start, failure == nil else { return }
    let taken =
      engine?.receive(bytes.part(ByteRange(offset: start, count: end - start)))
      ?? Int64(PHOTOFINISH_HTTP2_OUT_OF_MEMORY)
    if taken < 0 { self.end(reason: reason(ofResult: taken)) }
  }

  private func reason(ofResult result: Int64) -> HTTP2Failure.Reason {
    switch result {
    case Int64(PHOTOFINISH_HTTP2_STOPPED): stopReason ?? .peerBrokeProtocol
    case Int64(PHOTOFINISH_HTTP2_BAD_PREFACE): .prefaceIsWrong
    case Int64(PHOTOFINISH_HTTP2_FLOODED): .headersTooLarge
    default: .outOfMemory
    }
  }

  /// Appends frames to send, until there are none or 64 KiB of them.
  ///
  /// - Returns: the number of bytes appended; 0 when there is nothing now.
  package func produce(into buffer: inout ByteBuffer) -> Int {
    let start = producedOffset
    // Safe: the pointer is used during this call only, by the callback that writes content; nothing else touches the buffer
    // then.
    unsafe withUnsafeMutablePointer(to: &buffer) { pointer in
      unsafe target = pointer
      while producedOffset - start < Self.outputBytes {
        let before = producedOffset
        let count =
          engine?.send { bytes in
            // Safe: as above.
            unsafe pointer.pointee.makeRoom(for: bytes.byteCount)
            unsafe pointer.pointee.append(bytes)
          } ?? 0
        producedOffset += UInt64(count)
        if sentHeaders != 0 {
          headersSent(sentHeaders)
          sentHeaders = 0
        }
        if producedOffset == before { break }
      }
      unsafe target = nil
    }
    return Int(producedOffset - start)
  }

  /// Bytes that one ``produce(into:)`` gives, and a frame at most beyond them.
  private static let outputBytes: UInt64 = 65_536

  /// Whether ``produce(into:)`` would give something.
  package var wantsWrite: Bool { engine?.wantsWrite ?? false }

  package func nextEvent() -> HTTP2Event? {
    guard nextEventIndex < events.count else {
      events.removeAll(keepingCapacity: true)
      nextEventIndex = 0
      return nil
    }
    let event = events[nextEventIndex]
    nextEventIndex += 1
    switch event {
    case .readable(let id): streams[id]?.isReadableTold = false
    case .writable(let id): streams[id]?.isWritableTold = false
    case .opened, .reset, .closed, .pingAnswered, .goAwayReceived, .settingsReceived, .ended: break
    }
    return event
  }

  /// Asks the peer for an answer; ``HTTP2Event/pingAnswered`` tells when it is there.
  package func ping() {
    if failure == nil { engine?.ping() }
  }

  package var openStreams: Int { streams.count }

  /// The highest stream of the peer that was acted upon.
  var lastPeerStream: Int32 { 0 }

  // MARK: - What the sides do

  func fieldsBegan(_ stream: Int32, category: Int) {}
  func fieldsEnded(_ stream: Int32, category: Int, endsStream: Bool) {}
  func headersBegin(_ stream: Int32) {}
  func headersSent(_ stream: Int32) {}
  func goAwayReceived(lastID: Int32, _ code: HTTP2ErrorCode) {}
  func settingsReceived() {}

  // MARK: - Streams

  func add(_ stream: HTTP2MessageStream) {
    streams[stream.id] = stream
  }

  /// A stream was answered that nobody was told of.
  func noteAnswered(_ id: Int32) {
    resetHere.insert(id)
  }

  func tell(_ event: HTTP2Event) {
    events.append(event)
  }

  func tellReadable(_ stream: HTTP2MessageStream) {
    guard !stream.isReadableTold else { return }
    stream.isReadableTold = true
    events.append(.readable(stream.id))
  }

  func tellWritable(_ stream: HTTP2MessageStream) {
    guard !stream.isWritableTold else { return }
    stream.isWritableTold = true
    events.append(.writable(stream.id))
  }

  /// Resets a stream on behalf of this side.
  func reset(_ id: Int32, _ code: HTTP2ErrorCode) {
    resetHere.insert(id)
    if failure == nil { engine?.reset(id, code) }
  }

  /// Resets a stream because its peer broke a rule on it.
  func refuse(_ id: Int32, because fault: HTTP2FieldBlock.Fault) {
    lastFault = fault
    counters.malformedMessages += 1
    reset(id, .protocolError)
  }

  func consume(_ id: Int32, _ count: Int) {
    if count > 0, failure == nil { engine?.consume(id, count) }
  }

  func resume(_ id: Int32) {
    if failure == nil { engine?.resume(id) }
  }

  /// Hands over the fields that were gathered, which point into a text that is still there.
  func submit(_ id: Int32, kind: HTTP2MessagePart) -> Bool {
    failure == nil && engine?.respond(id, fields, kind: kind.rawValue) == true
  }

  /// Opens a stream with the fields that were gathered; nil when the connection has no id left.
  func submitRequest(hasContent: Bool) -> Int32? {
    guard failure == nil, let id = engine?.request(fields, hasContent: hasContent), id > 0 else { return nil }
    return id
  }

  var peerStreamLimit: UInt32 { engine?.peerMaxStreams ?? 0 }

  func sendGoAway(isNotice: Bool, lastID: Int32, _ code: HTTP2ErrorCode) {
    if failure == nil { engine?.goAway(isNotice: isNotice, lastID: lastID, code) }
  }

  /// Ends the connection with an error: GOAWAY waits to be produced, and every stream is reset.
  private func end(reason: HTTP2Failure.Reason) {
    let code: HTTP2ErrorCode =
      switch reason {
      case .peerBrokeProtocol, .prefaceIsWrong: .protocolError
      case .outOfMemory: .internalError
      case .tooManyResets, .tooManySettings, .tooManyPings, .tooManyControlFrames, .tooManyEmptyFrames,
        .headersTooLarge, .tooMuchUnsent:
        .enhanceYourCalm
      }
    end(HTTP2Failure(code: code, reason: reason))
  }

  private func end(_ failure: HTTP2Failure) {
    guard self.failure == nil else { return }
    self.failure = failure
    engine?.terminate(lastID: lastPeerStream, failure.code)
    for id in streams.keys.sorted() {
      streams[id]?.connectionEnded(failure.code)
      events.append(.reset(id, failure.code))
    }
    streams.removeAll()
    events.append(.ended(failure))
  }
}

// MARK: - Callbacks

extension HTTP2Session {
  func stop(_ reason: HTTP2Failure.Reason) -> Int32 {
    if stopReason == nil { stopReason = reason }
    return Int32(PHOTOFINISH_HTTP2_STOP)
  }

  /// Every frame is weighed before it is read: what breaks a rule that the C library does not know, and what comes too often.
  private func weigh(_ frame: HTTP2FrameScan.Header) {
    switch frame.type {
    case HTTP2FrameType.data:
      if streams[frame.stream] == nil, finished.contains(frame.stream) { broken(.streamClosed) }
    case HTTP2FrameType.headers: weighHeaders(frame.stream)
    case HTTP2FrameType.resetStream, HTTP2FrameType.pushPromise, HTTP2FrameType.goAway, HTTP2FrameType.continuation:
      break
    case HTTP2FrameType.settings:
      counters.settings += 1
      if !settingsFrames.spend(now: now) { end(reason: .tooManySettings) }
    case HTTP2FrameType.ping:
      counters.pings += 1
      if !pings.spend(now: now) { end(reason: .tooManyPings) }
    default:
      counters.controlFrames += 1
      if frame.type == HTTP2FrameType.priority, frame.stream == 0 { return broken(.protocolError) }
      if !controlFrames.spend(now: now) { end(reason: .tooManyControlFrames) }
    }
  }

  /// RFC 9113 section 5.1 and 5.1.1: ids only grow, and a stream that is at its end takes nothing more, unless this side has
  /// reset it and the peer did not know yet.
  private func weighHeaders(_ id: Int32) {
    if id > highestHeaders {
      highestHeaders = id
      return
    }
    guard streams[id] == nil else { return }
    if finished.contains(id) { return broken(.streamClosed) }
    if isServer, !resetHere.mayContain(id) { broken(.protocolError) }
  }

  private func broken(_ code: HTTP2ErrorCode) {
    end(HTTP2Failure(code: code, reason: .peerBrokeProtocol))
  }

  func fieldsBegin(_ stream: Int32, category: Int) -> Int32 {
    fieldsBegan(stream, category: category)
    return Int32(PHOTOFINISH_HTTP2_CONTINUE)
  }

  func field(_ name: RawSpan, _ value: RawSpan, isMalformed: Bool) -> Int32 {
    block.append(name: name, value: value, isMalformed: isMalformed, limits: limits)
    if block.listBytes > 4 * limits.headerListBytes { return stop(.headersTooLarge) }
    return Int32(PHOTOFINISH_HTTP2_CONTINUE)
  }

  func dataReceived(_ id: Int32, _ bytes: RawSpan) -> Int32 {
    if let stream = streams[id], stream.takesContent {
      stream.inbox.append(bytes)
    } else {
      // Nobody will take it; the stream's end is on its way.
      consume(id, bytes.byteCount)
    }
    return Int32(PHOTOFINISH_HTTP2_CONTINUE)
  }

  func frameReceived(_ type: UInt8, flags: UInt8, stream id: Int32, _ first: UInt64, _ second: UInt64) -> Int32 {
    let goOn = Int32(PHOTOFINISH_HTTP2_CONTINUE)
    let endsStream = flags & 1 != 0
    switch type {
    case HTTP2FrameType.data:
      if first == 0, !endsStream {
        counters.emptyFrames += 1
        guard emptyFrames.spend(now: now) else { return stop(.tooManyEmptyFrames) }
      }
      guard let stream = streams[id] else { return goOn }
      if endsStream { stream.peerEnded() }
      if first > 0 || endsStream { tellReadable(stream) }
    case HTTP2FrameType.headers:
      controlFrames.earn(2)
      fieldsEnded(id, category: Int(first), endsStream: endsStream)
    case HTTP2FrameType.resetStream:
      return resetReceived(id, HTTP2ErrorCode(rawValue: UInt32(truncatingIfNeeded: first)))
    case HTTP2FrameType.settings:
      if flags & 1 == 0 { settingsReceived() }
    case HTTP2FrameType.ping:
      if flags & 1 != 0 { tell(.pingAnswered) }
    case HTTP2FrameType.goAway:
      goAwayReceived(
        lastID: Int32(truncatingIfNeeded: first), HTTP2ErrorCode(rawValue: UInt32(truncatingIfNeeded: second)))
    default: break
    }
    return goOn
  }

  private func resetReceived(_ id: Int32, _ code: HTTP2ErrorCode) -> Int32 {
    finished.insert(id)
    // nghttp2 closes the stream before this; what was complete is no reset.
    counters.resetsReceived += 1
    return resets.spend(now: now) ? Int32(PHOTOFINISH_HTTP2_CONTINUE) : stop(.tooManyResets)
  }

  /// A rule was broken on a stream, or on the connection.
  func frameRefused(_ type: UInt8, stream id: Int32) -> Int32 {
    streams[id]?.isBroken = true
    resetHere.insert(id)
    return Int32(PHOTOFINISH_HTTP2_CONTINUE)
  }

  func frameBegins(_ type: UInt8, stream: Int32) {
    if type == HTTP2FrameType.headers { headersBegin(stream) }
  }

  func frameSent(_ type: UInt8, flags: UInt8, stream id: Int32, _ first: UInt64, _ second: UInt64) {
    switch type {
    case HTTP2FrameType.data:
      controlFrames.earn(4)
      pings.earn(1)
      if flags & 1 != 0 { streams[id]?.endSent() }
    case HTTP2FrameType.headers:
      sentHeaders = id
      if flags & 1 != 0 { streams[id]?.endSent() }
    case HTTP2FrameType.resetStream:
      let code = HTTP2ErrorCode(rawValue: UInt32(truncatingIfNeeded: first))
      resetHere.insert(id)
      let isOwn = streams[id].map { $0.ownReset == code } ?? (code == .noError || code == .refusedStream)
      if !isOwn {
        counters.resetsProvoked += 1
        // Writing is no place to stop at; the next bytes of this peer are not read.
        if !provokedResets.spend(now: now) { end(HTTP2Failure(code: .enhanceYourCalm, reason: .tooManyResets)) }
      }
    case HTTP2FrameType.goAway:
      isGoAwaySent = true
      let code = HTTP2ErrorCode(rawValue: UInt32(truncatingIfNeeded: second))
      // nghttp2 ends a connection by itself: this is where it shows.
      if failure == nil, code != .noError {
        end(HTTP2Failure(code: code, reason: .peerBrokeProtocol))
      }
    default: break
    }
  }

  func frameNotSent(_ type: UInt8, stream id: Int32) {
    guard type == HTTP2FrameType.headers, let stream = streams[id] else { return }
    stream.headersNotSent()
    streamClosed(id, .refusedStream)
  }

  func streamClosed(_ id: Int32, _ code: HTTP2ErrorCode) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    if stream.isFinished { finished.insert(id) }
    // What nobody took goes back to the connection's window.
    consume(0, stream.inbox.contentCount)
    if stream.closed(code) { events.append(.reset(id, code)) }
    events.append(.closed(id))
  }

  func content(_ id: Int32, limit: Int, end: inout Int32) -> Int64 {
    guard let stream = streams[id] else {
      end = Int32(PHOTOFINISH_HTTP2_CONTENT_ENDS)
      return 0
    }
    return stream.contentToSend(limit: limit, end: &end)
  }

  func writeContent(_ id: Int32, header: RawSpan, count: Int) {
    // Safe: set during ``produce(into:)``, the only one that has content written.
    guard let target = unsafe target else { preconditionFailure("content is written only while bytes are produced") }
    unsafe target.pointee.makeRoom(for: header.byteCount + count)
    unsafe target.pointee.append(header)
    producedOffset += UInt64(header.byteCount + count)
    guard count > 0, let stream = streams[id] else { return }
    // Safe: as above; the outbox and the target are different buffers.
    unsafe stream.outbox.move(count, to: &target.pointee)
    if stream.waitsForRoom, stream.outbox.count <= limits.unsentBytes / 2 {
      stream.waitsForRoom = false
      tellWritable(stream)
    }
  }
}

/// What a HEADERS frame is, as the C library is told.
enum HTTP2MessagePart: Int32, Sendable {
  case interim
  case headWithoutContent
  case headWithContent
  case trailers
}
