import Core

/// One request to a server and its response. To the pump it is a connection of its own that speaks HTTP/1.1 and carries one
/// request: ``send(_:)`` takes it, ``HTTP2MessageStream/take(into:)`` gives the response.
package final class HTTP2ClientStream: HTTP2MessageStream {
  /// What became of the request, as far as the protocol tells.
  package enum Outcome: Equatable, Sendable {
    case open
    /// Both messages are complete.
    case complete
    /// REFUSED_STREAM: the server has not acted on it.
    case refused
    /// A GOAWAY with a lower id: the server has not acted on it.
    case unprocessed
    case reset(HTTP2ErrorCode)
  }

  /// How far the request is.
  private enum Sending {
    case head
    case counted(UInt64)
    case chunked
    case complete
  }

  private var sending = Sending.head
  private var decoder = ChunkedDecoder(sender: .client)
  /// The beginning of a head or of trailers of which the rest was not given yet.
  private var held = ByteBuffer(capacity: 0)
  private var isHead = false
  private var isFinalHeadReceived = false
  private var isUnprocessed = false
  /// Where in all that the session has produced the HEADERS begin; nil while they wait in this program.
  package internal(set) var headersOffset: UInt64?
  /// Where they end.
  package internal(set) var headersEndOffset: UInt64?

  init(session: HTTP2Session) {
    super.init(id: 0, session: session)
  }

  package var outcome: Outcome {
    if isUnprocessed { return .unprocessed }
    if let resetCode { return resetCode == .refusedStream ? .refused : .reset(resetCode) }
    // A stream without its head is known to nobody, and never will be when the connection takes nothing more.
    if id == 0, (session as? HTTP2ClientSession)?.takesRequests != true { return .unprocessed }
    return inbox.isEnded && (isRequestComplete || isClosed) ? .complete : .open
  }

  /// Whether the request was given whole.
  package var isRequestComplete: Bool {
    if case .complete = sending { return true }
    return false
  }

  /// Takes bytes of the request, all of them or none.
  override package func send(_ request: RawSpan) -> Transferred {
    if let resetCode { return .reset(resetCode) }
    guard let session = session as? HTTP2ClientSession else { return .reset(.cancel) }
    guard id != 0 || session.takesRequests else {
      isUnprocessed = true
      reset(.refusedStream)
      return .reset(.refusedStream)
    }
    // The server has answered and wants no more of the request.
    if isClosed { return .end }
    guard outbox.count <= session.limits.unsentBytes else {
      waitsForRoom = true
      return .wouldBlock
    }
    if held.isEmpty {
      let used = advance(request, session)
      if used < request.byteCount, resetCode == nil {
        held.append(request.part(ByteRange(offset: used, count: request.byteCount - used)))
      }
    } else {
      held.makeRoom(for: request.byteCount)
      held.append(request)
      var joined = ByteBuffer(capacity: 0)
      swap(&held, &joined)
      let used = advance(joined.readable, session)
      joined.consume(used)
      if resetCode == nil { swap(&held, &joined) }
    }
    resumeIfDeferred()
    if let resetCode { return .reset(resetCode) }
    return .bytes(request.byteCount)
  }

  /// The request is complete, or never will be.
  override package func endOfMessage(complete: Bool) {
    switch sending {
    case .complete: break
    case .head, .counted, .chunked: reset(.cancel)
    }
  }

  override package func reset(_ code: HTTP2ErrorCode) {
    // The server knows nothing of a stream without its head.
    if id == 0, resetCode == nil { (session as? HTTP2ClientSession)?.headDropped() }
    super.reset(code)
  }

  deinit {
    if id == 0, resetCode == nil { (session as? HTTP2ClientSession)?.headDropped() }
  }

  private func finish(trailers: [UInt8] = []) {
    sending = .complete
    outbox.finish(trailers: trailers)
  }

  /// - Returns: how many bytes were used; the others are to be given again with more behind them.
  private func advance(_ bytes: RawSpan, _ session: HTTP2ClientSession) -> Int {
    var position = 0
    while position < bytes.byteCount, resetCode == nil {
      let rest = bytes.byteCount - position
      switch sending {
      case .head:
        let count = sendHead(bytes.part(ByteRange(offset: position, count: rest)), session)
        guard count > 0 else { return position }
        position += count
      case .counted(let remaining):
        let count = Int(Swift.min(remaining, UInt64(rest)))
        outbox.append(bytes.part(ByteRange(offset: position, count: count)))
        position += count
        if remaining == UInt64(count) { finish() } else { sending = .counted(remaining - UInt64(count)) }
      case .chunked:
        switch decoder.next(bytes, from: position) {
        case .data(let range):
          outbox.append(bytes.part(range))
          position = range.end
        case .incomplete(let used): return used
        case .finished(let used, let trailers):
          var lines: [UInt8] = []
          for offset in trailers.start..<trailers.end { lines.append(bytes.byte(at: offset)) }
          finish(trailers: lines)
          position = used
        case .failed:
          fail("the chunks of a request are malformed")
          return position
        }
      case .complete:
        fail("a request is longer than it said")
        return position
      }
    }
    return position
  }

  private static let headLimits = HeadLimits(headBytes: 1_048_576, startLineBytes: 262_144, fieldCount: 4_096)

  /// - Returns: the length of the head, or 0 when it is not there in full.
  private func sendHead(_ bytes: RawSpan, _ session: HTTP2ClientSession) -> Int {
    var scan = HeadScan()
    switch RequestHead.parse(bytes, scan: &scan, limits: Self.headLimits, into: &session.table) {
    case .incomplete: return 0
    case .failed:
      fail("the head of a request is malformed")
      return 0
    case .complete(let head):
      send(head, bytes, session)
      return head.byteCount
    }
  }

  private func send(_ head: RequestHead, _ bytes: RawSpan, _ session: HTTP2ClientSession) {
    isHead = head.method == .head
    let hasContent: Bool
    let next: Sending
    switch head.framing {
    case .none, .contentLength(0):
      next = .complete
      hasContent = false
    case .contentLength(let length):
      next = .counted(length)
      hasContent = true
    case .chunked:
      next = .chunked
      hasContent = true
    }
    guard let opened = session.submit(head, bytes, hasContent: hasContent) else {
      return fail("the head of a request was not accepted")
    }
    id = opened
    sending = next
    session.headGiven(self)
  }

  // MARK: - The response

  /// - Returns: what is wrong with it.
  func receive(_ block: inout HTTP2FieldBlock, endsStream: Bool) -> HTTP2FieldBlock.Fault? {
    if isFinalHeadReceived {
      guard endsStream, block.status == nil else { return .messageUnexpected }
      peerEnded(trailers: inbox.framing == .chunked ? block.lines.bytes : [])
      return nil
    }
    guard let status = block.statusCode else { return block.status == nil ? .pseudoFieldMissing : .statusMalformed }
    // 101 belongs to HTTP/1.1 (RFC 9113 section 8.6).
    guard status != 101 else { return .statusMalformed }
    if status < 200 {
      guard !endsStream else { return .messageUnexpected }
      inbox.write(room: block.lines.count + 64) { block.writeResponse(to: &$0, status: status, framing: .none) }
      return nil
    }
    isFinalHeadReceived = true
    let isWithoutContent = isHead || status == 204 || status == 304
    let isChunked = !isWithoutContent && block.contentLength == nil && !endsStream
    inbox.framing = isChunked ? .chunked : .plain
    let framing: HTTP2FieldBlock.Framing =
      isChunked ? .chunked : endsStream && !isWithoutContent && block.contentLength == nil ? .empty : .none
    inbox.write(room: block.lines.count + 128) { block.writeResponse(to: &$0, status: status, framing: framing) }
    if endsStream { peerEnded() }
    return nil
  }

  // MARK: - What the session tells

  /// A GOAWAY with a lower id came.
  func leftUnprocessed() {
    isUnprocessed = true
  }

  override func headersNotSent() {
    // It never left this program: nghttp2 gives it up when the server takes no more streams.
    isUnprocessed = true
  }

  /// A server may answer before it has the whole request, and then ends the stream without an error (RFC 9113 section 8.1).
  override func closed(_ code: HTTP2ErrorCode) -> Bool {
    if code == .noError, inbox.isEnded, resetCode == nil {
      forget()
      return false
    }
    return super.closed(code)
  }
}

extension HTTP2ClientSession {
  fileprivate func submit(_ head: RequestHead, _ bytes: RawSpan, hasContent: Bool) -> Int32? {
    // Safe: the fields point into the bytes during this closure, and are handed over and copied within it.
    unsafe bytes.withUnsafeBytes { raw in
      fields.removeAll()
      // Safe: as above.
      unsafe fields.append(":method", raw, head.methodRange)
      fields.append(":scheme", isSecure ? "https" : "http")
      // Safe: as above.
      unsafe fields.append(":authority", raw, head.host)
      let path = head.target.pathAndQuery
      // Safe: as above. A target in absolute-form may lack its path.
      if path.isEmpty { fields.append(":path", "/") } else { unsafe fields.append(":path", raw, path) }
      for index in 0..<table.count {
        let field = table[index]
        guard !field.isNominated else { continue }
        switch field.known {
        case .host, .connection, .keepAlive, .proxyConnection, .transferEncoding, .transferCodings, .upgrade,
          .http2Settings:
          continue
        // Safe: as above.
        default: unsafe fields.append(raw, field.name, field.value)
        }
      }
      if head.takesTrailers { fields.append("te", "trailers") }
      return submitRequest(hasContent: hasContent)
    }
  }
}

extension HTTP2FieldBlock {
  enum Framing {
    /// As the fields say, or there is no content.
    case none
    case empty
    case chunked
  }

  /// 100 to 599; nil when it is none.
  var statusCode: UInt16? {
    guard let status, status.count == 3 else { return nil }
    var code: UInt16 = 0
    for offset in status.start..<status.end {
      let digit = values.readable.byte(at: offset) &- 0x30
      guard digit < 10 else { return nil }
      code = code * 10 + UInt16(digit)
    }
    return code >= 100 && code < 600 ? code : nil
  }

  func writeResponse(to buffer: inout ByteBuffer, status: UInt16, framing: Framing) {
    buffer.append("HTTP/1.1 ")
    buffer.append(decimal: UInt64(status))
    buffer.append(" ")
    buffer.append(ReasonPhrase.standard(for: status))
    buffer.append("\r\n")
    buffer.append(lines.readable)
    switch framing {
    case .none: break
    case .empty: buffer.append("Content-Length: 0\r\n")
    case .chunked: buffer.append("Transfer-Encoding: chunked\r\n")
    }
    buffer.append("\r\n")
  }
}
