internal import CHTTP2
package import Core

/// What a stream has to send: content without its framing, then perhaps trailers.
struct HTTP2Outbox: ~Copyable {
  private var content = ByteBuffer(capacity: 0)
  /// Whether nothing more is to come.
  private(set) var isFinished = false
  /// Field lines.
  private(set) var trailers: [UInt8] = []
  /// Whether the connection was told that there is nothing to send now.
  var isDeferred = false

  var count: Int { content.count }

  mutating func append(_ bytes: RawSpan) {
    content.makeRoom(for: bytes.byteCount)
    content.append(bytes)
  }

  mutating func finish(trailers lines: [UInt8] = []) {
    isFinished = true
    trailers = lines
  }

  mutating func move(_ count: Int, to target: inout ByteBuffer) {
    target.append(content.readable.part(ByteRange(offset: 0, count: count)))
    content.consume(count)
  }

  mutating func removeAll() {
    content.removeAll()
  }
}

/// A stream as both sides have it: what was received waits in the inbox, what is to be sent in the outbox.
package class HTTP2MessageStream {
  package internal(set) var id: Int32
  private(set) weak var session: HTTP2Session?
  var inbox = HTTP2Inbox()
  var outbox = HTTP2Outbox()

  /// Why the stream is at its end before its messages are; nil while it is not.
  package internal(set) var resetCode: HTTP2ErrorCode?
  /// What this side has reset it with.
  private(set) var ownReset: HTTP2ErrorCode?
  /// What was wrong with a message that was given to be sent: a fault of this program.
  package private(set) var fault: StaticString?
  /// Whether the protocol has forgotten the stream.
  private(set) var isClosed = false
  /// The peer has broken a rule on it; its reset waits to be written.
  var isBroken = false
  /// Whether this side's END_STREAM was sent.
  private(set) var isEndSent = false
  var isReadableTold = false
  var isWritableTold = false
  var waitsForRoom = false

  init(id: Int32, session: HTTP2Session) {
    self.id = id
    self.session = session
  }

  /// Whether content of the peer is to be kept.
  var takesContent: Bool { resetCode == nil && !isBroken }
  /// Whether content is kept back, though it is there.
  var holdsContent: Bool { false }

  /// Takes text of the peer's message, as much as fits. Taking content opens the peer's window again.
  package func take(into buffer: inout ByteBuffer) -> Transferred {
    if let resetCode { return .reset(resetCode) }
    let (count, content) = inbox.take(into: &buffer, isContentHeld: holdsContent)
    if content > 0, !isClosed { session?.consume(id, content) }
    if count > 0 { return .bytes(count) }
    if inbox.isEnded, inbox.contentCount == 0 { return .end }
    return isClosed || session == nil ? .reset(.cancel) : .wouldBlock
  }

  /// Takes bytes of this side's message, all of them or none.
  package func send(_ bytes: RawSpan) -> Transferred { .reset(.internalError) }

  /// Nothing follows of this side's message. Call it once behind every message.
  ///
  /// - Parameter complete: whether content that only this delimits is all there.
  package func endOfMessage(complete: Bool) {}

  /// Ends the stream at once; what waits to be sent on it is dropped.
  package func reset(_ code: HTTP2ErrorCode) {
    guard resetCode == nil, !isClosed else { return }
    resetCode = code
    ownReset = code
    session?.consume(0, inbox.contentCount)
    inbox.removeAll()
    outbox.removeAll()
    if id != 0 { session?.reset(id, code) }
  }

  /// The protocol has forgotten the stream, and nothing was lost.
  func forget() {
    isClosed = true
    outbox.removeAll()
  }

  /// The message that this program gave makes no sense.
  func fail(_ fault: StaticString) {
    self.fault = fault
    reset(.internalError)
  }

  /// Wakes the connection up when it sleeps for want of content.
  func resumeIfDeferred() {
    guard outbox.isDeferred else { return }
    outbox.isDeferred = false
    session?.resume(id)
  }

  // MARK: - What the session tells

  func peerEnded(trailers: [UInt8] = []) {
    inbox.end(trailers: trailers)
  }

  func endSent() {
    isEndSent = true
  }

  func headersNotSent() {}

  /// Whether both sides have ended it, so that any further frame on it breaks a rule.
  var isFinished: Bool { ownReset == nil && inbox.isEnded && isEndSent }

  /// - Returns: whether it ended before its messages did.
  func closed(_ code: HTTP2ErrorCode) -> Bool {
    isClosed = true
    if resetCode != nil { return ownReset == nil }
    guard code != .noError || !inbox.isEnded || !isEndSent else { return false }
    resetCode = code
    inbox.removeAll()
    outbox.removeAll()
    return true
  }

  func connectionEnded(_ code: HTTP2ErrorCode) {
    isClosed = true
    if resetCode == nil { resetCode = code }
    inbox.removeAll()
    outbox.removeAll()
  }

  func contentToSend(limit: Int, end: inout Int32) -> Int64 {
    let count = Swift.min(limit, outbox.count)
    if outbox.isFinished, count == outbox.count {
      end = Int32(PHOTOFINISH_HTTP2_CONTENT_ENDS)
      if !outbox.trailers.isEmpty, sendTrailers() { end |= Int32(PHOTOFINISH_HTTP2_TRAILERS_FOLLOW) }
    } else if count == 0 {
      outbox.isDeferred = true
      return Int64(PHOTOFINISH_HTTP2_NO_CONTENT_NOW)
    }
    return Int64(count)
  }

  private func sendTrailers() -> Bool {
    guard let session else { return false }
    let lines = outbox.trailers
    return session.submitTrailers(id, lines)
  }
}

extension HTTP2Session {
  /// Sends field lines, known to be well formed, as trailers.
  func submitTrailers(_ id: Int32, _ lines: [UInt8]) -> Bool {
    // Safe: the fields point into the lines during the call, which copies them.
    unsafe lines.withUnsafeBytes { raw in
      fields.removeAll()
      var position = 0
      while let line = HTTP2FieldLine(lines, from: position) {
        // Safe: as above.
        unsafe fields.append(raw, line.name, line.value)
        position = line.end
      }
      return !fields.isEmpty && submit(id, kind: .trailers)
    }
  }
}

/// One of several field lines that are known to be well formed.
struct HTTP2FieldLine {
  var name: ByteRange
  var value: ByteRange
  var end: Int

  /// Nil at the end of the lines.
  init?(_ lines: [UInt8], from start: Int) {
    var colon = start
    while colon < lines.count, lines[colon] != UInt8(ascii: ":") { colon += 1 }
    var lineEnd = colon
    while lineEnd < lines.count, lines[lineEnd] != UInt8(ascii: "\n") { lineEnd += 1 }
    guard colon < lines.count, colon > start, lineEnd < lines.count else { return nil }
    name = ByteRange(offset: start, count: colon - start)
    var first = colon + 1
    var last = lineEnd
    if last > first, lines[last - 1] == UInt8(ascii: "\r") { last -= 1 }
    while first < last, HTTP2ByteClass.isWhitespace(lines[first]) { first += 1 }
    while first < last, HTTP2ByteClass.isWhitespace(lines[last - 1]) { last -= 1 }
    value = ByteRange(offset: first, count: last - first)
    end = lineEnd + 1
  }
}
