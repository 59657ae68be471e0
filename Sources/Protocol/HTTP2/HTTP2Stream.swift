import Core

/// One request of a client and its response. To the pump it is a connection of its own that speaks HTTP/1.1 and carries one
/// request: ``HTTP2MessageStream/take(into:)`` gives it, ``send(_:)`` takes the response.
package final class HTTP2Stream: HTTP2MessageStream {
  /// How far the response is.
  private enum Sending {
    /// At a head, of an interim response or the final one.
    case head
    case counted(UInt64)
    case chunked
    /// Until ``endOfMessage(complete:)``.
    case untilEnd
    /// Both ways, whatever the bytes are.
    case tunnel
    /// Everything was given.
    case complete
  }

  /// Whether the request is HEAD: the response has no content.
  package let isHead: Bool
  /// Whether the client asks for a tunnel by extended CONNECT (RFC 8441).
  package let asksForTunnel: Bool
  private var sending = Sending.head
  private var decoder = ChunkedDecoder(sender: .upstream)
  /// The beginning of a head or of trailers of which the rest was not given yet.
  private var held = ByteBuffer(capacity: 0)
  private var isPumpDone = false

  init(id: Int32, session: HTTP2Session, isHead: Bool, asksForTunnel: Bool) {
    self.isHead = isHead
    self.asksForTunnel = asksForTunnel
    super.init(id: id, session: session)
  }

  /// A tunnel's bytes wait until it is open.
  override var holdsContent: Bool {
    guard asksForTunnel else { return false }
    if case .tunnel = sending { return false }
    return true
  }

  /// Whether the response was given whole.
  package var isResponseComplete: Bool {
    if case .complete = sending { return true }
    return false
  }

  /// Takes bytes of the response, all of them or none.
  override package func send(_ response: RawSpan) -> Transferred {
    if let resetCode { return .reset(resetCode) }
    guard let session else { return .reset(.cancel) }
    guard outbox.count <= session.limits.unsentBytes else {
      waitsForRoom = true
      return .wouldBlock
    }
    if held.isEmpty {
      let used = advance(response, session)
      if used < response.byteCount, resetCode == nil {
        held.append(response.part(ByteRange(offset: used, count: response.byteCount - used)))
      }
    } else {
      held.makeRoom(for: response.byteCount)
      held.append(response)
      var joined = ByteBuffer(capacity: 0)
      swap(&held, &joined)
      let used = advance(joined.readable, session)
      joined.consume(used)
      if resetCode == nil { swap(&held, &joined) }
    }
    resumeIfDeferred()
    if let resetCode { return .reset(resetCode) }
    return .bytes(response.byteCount)
  }

  override package func endOfMessage(complete: Bool) {
    guard resetCode == nil else { return }
    isPumpDone = true
    switch sending {
    case .complete: break
    case .untilEnd, .tunnel:
      guard complete else { return reset(.internalError) }
      finish()
      resumeIfDeferred()
    case .head, .counted, .chunked: return reset(.internalError)
    }
    resetIfUnasked()
  }

  override func endSent() {
    super.endSent()
    resetIfUnasked()
  }

  /// The response is sent, and nobody will take the rest of the request (RFC 9113 section 8.1).
  private func resetIfUnasked() {
    if isPumpDone, isEndSent, !inbox.isEnded { reset(.noError) }
  }

  private func finish(trailers: [UInt8] = []) {
    sending = .complete
    outbox.finish(trailers: trailers)
  }

  /// - Returns: how many bytes were used; the others are to be given again with more behind them.
  private func advance(_ bytes: RawSpan, _ session: HTTP2Session) -> Int {
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
          fail("the chunks of a response are malformed")
          return position
        }
      case .untilEnd, .tunnel:
        outbox.append(bytes.part(ByteRange(offset: position, count: rest)))
        position += rest
      case .complete:
        fail("a response is longer than it said")
        return position
      }
    }
    return position
  }

  /// - Returns: the length of the head, or 0 when it is not there in full.
  private func sendHead(_ bytes: RawSpan, _ session: HTTP2Session) -> Int {
    var scan = HeadScan()
    switch ResponseHead.parse(
      bytes, scan: &scan, limits: Self.headLimits, requestMethod: isHead ? .head : .get, into: &session.table)
    {
    case .incomplete:
      if bytes.byteCount > Self.headLimits.headBytes { fail("the head of a response is too large") }
      return 0
    case .failed:
      fail("the head of a response is malformed")
      return 0
    case .complete(let head):
      send(head, bytes, session)
      return head.byteCount
    }
  }

  private static let headLimits = HeadLimits(headBytes: 1_048_576, startLineBytes: 65_536, fieldCount: 4_096)

  private func send(_ head: ResponseHead, _ bytes: RawSpan, _ session: HTTP2Session) {
    let isTunnel = head.status == 101
    guard !isTunnel || asksForTunnel else { return fail("101 answers a request that asked for no upgrade") }
    // To the client any 2xx would mean that its tunnel is open.
    let isRefusal = asksForTunnel && head.status >= 200 && head.status < 300
    let kind: HTTP2MessagePart
    if head.isInterim {
      kind = .interim
    } else if isTunnel {
      kind = .headWithContent
      inbox.framing = .plain
      sending = .tunnel
    } else {
      switch head.framing {
      case .none, .contentLength(0):
        sending = .complete
        kind = .headWithoutContent
      case .contentLength(let length):
        sending = .counted(length)
        kind = .headWithContent
      case .chunked:
        sending = .chunked
        kind = .headWithContent
      case .untilClose:
        sending = .untilEnd
        kind = .headWithContent
      }
    }
    let status: StaticString? = isTunnel ? "200" : isRefusal ? "502" : nil
    if !session.submit(head, bytes, id, kind: kind, status: status) { fail("the head of a response was not accepted") }
    if isTunnel, inbox.isReadable { session.tellReadable(self) }
  }
}

extension HTTP2Session {
  /// Sends the head of a response without what belongs to HTTP/1.1 connections (RFC 9113 section 8.2.2).
  ///
  /// - Parameter status: takes the place of the head's own.
  fileprivate func submit(
    _ head: ResponseHead, _ bytes: RawSpan, _ id: Int32, kind: HTTP2MessagePart, status: StaticString?
  ) -> Bool {
    // Safe: the fields point into the bytes during this closure, and are handed over and copied within it.
    unsafe bytes.withUnsafeBytes { raw in
      fields.removeAll()
      // Safe: as above.
      if let status { fields.append(":status", status) } else { unsafe fields.append(":status", raw, Self.statusRange) }
      for index in 0..<table.count {
        let field = table[index]
        guard !field.isNominated else { continue }
        switch field.known {
        case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .http2Settings: continue
        case .contentLength where head.status < 200 || head.status == 204 || status != nil: continue
        // The answer to a key that this side has made up.
        case .other where status != nil && bytes.spells("sec-websocket-accept", at: field.name): continue
        // Safe: as above.
        default: unsafe fields.append(raw, field.name, field.value)
        }
      }
      return submit(id, kind: kind)
    }
  }

  /// `HTTP/1.1 200`
  private static let statusRange = ByteRange(offset: 9, count: 3)
}
