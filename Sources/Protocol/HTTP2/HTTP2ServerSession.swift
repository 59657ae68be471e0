package import Core

/// The connection of one client.
package final class HTTP2ServerSession: HTTP2Session {
  /// Whether the final GOAWAY was asked for: its id stands, whatever arrives before it leaves.
  private var isLeaving = false
  private var isAnnounced = false
  /// The highest stream that was acted upon.
  private var lastAccepted: Int32 = 0
  /// A header block whose stream is beyond the final GOAWAY.
  private var isRefusing = false

  package init(limits: HTTP2Limits, now: Instant) {
    super.init(isServer: true, limits: limits, now: now)
  }

  package enum GoAway: Sendable {
    /// The first of two, with the highest id: the client opens no more streams, those on their way are taken.
    case announce
    /// With the id of the last stream that was acted upon; streams that cross it are refused.
    case final
  }

  /// RFC 9113 section 6.8: the two come a round trip apart.
  package func goAway(_ phase: GoAway) {
    switch phase {
    case .announce:
      guard !isAnnounced, !isLeaving else { return }
      isAnnounced = true
      sendGoAway(isNotice: true, lastID: 0, .noError)
    case .final:
      guard !isLeaving else { return }
      isLeaving = true
      sendGoAway(isNotice: false, lastID: lastAccepted, .noError)
    }
  }

  /// Whether the final GOAWAY was sent and no stream is left, or the connection has failed.
  package var isOver: Bool { failure != nil || (isLeaving && isGoAwaySent && openStreams == 0) }

  override var lastPeerStream: Int32 { lastAccepted }

  override func fieldsBegan(_ stream: Int32, category: Int) {
    block.begin()
    isRefusing = category == 0 && isLeaving
  }

  override func fieldsEnded(_ id: Int32, category: Int, endsStream: Bool) {
    guard category == 0 else { return trailersReceived(id, endsStream: endsStream) }
    if isRefusing {
      counters.streamsRefused += 1
      return reset(id, .refusedStream)
    }
    lastAccepted = Swift.max(lastAccepted, id)
    if block.fault == nil, block.isTooLarge {
      counters.headersTooLarge += 1
      return answer(id, "431", endsStream: endsStream)
    }
    if let fault = block.fault ?? block.requestFault { return refuse(id, because: fault) }
    if let asked = block.tunnelProtocol, !block.values.readable.part(asked).isSameIgnoringCase(as: "websocket") {
      counters.tunnelsRefused += 1
      return answer(id, "501", endsStream: endsStream)
    }
    open(id, endsStream: endsStream)
  }

  private func open(_ id: Int32, endsStream: Bool) {
    let isTunnel = block.tunnelProtocol != nil
    let stream = HTTP2Stream(
      id: id, session: self, isHead: block.methodIs("HEAD"), asksForTunnel: isTunnel)
    let isChunked = !isTunnel && !endsStream && block.contentLength == nil
    stream.inbox.framing = isChunked ? .chunked : .plain
    let key = isTunnel ? HTTP2TunnelKey(id: id, now: now) : nil
    let text = block.requestByteCount
    stream.inbox.write(room: text) { block.writeRequest(to: &$0, isChunked: isChunked, key: key) }
    if endsStream { stream.peerEnded() }
    add(stream)
    counters.streamsOpened += 1
    tell(.opened(stream))
  }

  /// A trailer section ends the request. Its fields go on where the content is chunked.
  private func trailersReceived(_ id: Int32, endsStream: Bool) {
    guard let stream = streams[id] else { return }
    block.checkTrailers()
    if let fault = block.fault ?? (endsStream ? nil : .messageUnexpected) {
      stream.isBroken = true
      return refuse(id, because: fault)
    }
    let isKept = stream.inbox.framing == .chunked && !block.isTooLarge
    stream.peerEnded(trailers: isKept ? block.lines.bytes : [])
    tellReadable(stream)
  }

  /// Answers without asking anybody.
  private func answer(_ id: Int32, _ status: StaticString, endsStream: Bool) {
    fields.removeAll()
    fields.append(":status", status)
    fields.append("content-length", "0")
    _ = submit(id, kind: .headWithoutContent)
    noteAnswered(id)
    // The rest of the request is not taken (RFC 9113 section 8.1).
    if !endsStream { unasked.append(id) }
  }

  /// Streams that were answered here while their requests go on: reset when the answer has left.
  private var unasked: [Int32] = []

  override func headersSent(_ stream: Int32) {
    guard let index = unasked.firstIndex(of: stream) else { return }
    unasked.remove(at: index)
    reset(stream, .noError)
  }
}

/// The nonce of a WebSocket handshake that a client did not send, because HTTP/2 has none (RFC 8441 section 5). It keeps
/// servers and caches that do not know WebSocket from answering; it is no secret.
struct HTTP2TunnelKey {
  let high: UInt64
  let low: UInt64

  init(id: Int32, now: Instant) {
    high = Self.mixed(UInt64(bitPattern: now.nanoseconds))
    low = Self.mixed(high ^ UInt64(truncatingIfNeeded: id))
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var mixed = value &+ 0x9e37_79b9_7f4a_7c15
    mixed = (mixed ^ (mixed &>> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed &>> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed &>> 31)
  }

  /// Sixteen bytes in base64.
  func write(to buffer: inout ByteBuffer) {
    let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    // 128 bits are 21 digits of six bits, one of two, and two of padding.
    for index in 0..<22 {
      buffer.append(alphabet.byte(at: digit(index)))
    }
    buffer.append("==")
  }

  private func digit(_ index: Int) -> Int {
    var digit = 0
    for bit in (index * 6)..<(index * 6 + 6) {
      let word = bit < 64 ? high : bit < 128 ? low : 0
      digit = digit << 1 | Int(word &>> UInt64(63 - bit & 63) & 1)
    }
    return digit
  }
}

extension HTTP2FieldBlock {
  func methodIs(_ name: StaticString) -> Bool {
    guard let method else { return false }
    return values.readable.part(method).isSame(as: name)
  }

  /// Whether the pseudo fields make a request (RFC 9113 section 8.3.1, RFC 8441 section 4), one that means the same when it is
  /// written as HTTP/1.1.
  var requestFault: Fault? {
    guard let method else { return .pseudoFieldMissing }
    guard values.readable.part(method).isToken else { return .methodMalformed }
    if let authority, !values.readable.part(authority).isAuthority { return .authorityMalformed }
    if let host, !values.readable.part(host).isAuthority { return .authorityMalformed }
    if let authority, let host,
      !values.readable.part(authority).isSameIgnoringCase(as: values.readable.part(host))
    {
      return .hostContradictsAuthority
    }
    let isConnect = methodIs("CONNECT")
    if isConnect, tunnelProtocol == nil {
      guard scheme == nil, path == nil, authority != nil else { return .pseudoFieldMissing }
      return nil
    }
    if let tunnelProtocol {
      guard isConnect, values.readable.part(tunnelProtocol).isToken else { return .pseudoFieldMisplaced }
    }
    guard authority != nil || host != nil else { return .pseudoFieldMissing }
    guard let scheme, let path else { return .pseudoFieldMissing }
    let schemeText = values.readable.part(scheme)
    guard schemeText.isSameIgnoringCase(as: "http") || schemeText.isSameIgnoringCase(as: "https") else {
      return .schemeMalformed
    }
    let pathText = values.readable.part(path)
    guard pathText.isRequestTarget else { return .pathMalformed }
    if pathText.byte(at: 0) != UInt8(ascii: "/") {
      guard pathText.isSame(as: "*"), methodIs("OPTIONS") else { return .pathMalformed }
    }
    return nil
  }

  /// No pseudo fields in trailers (RFC 9113 section 8.1).
  mutating func checkTrailers() {
    if method != nil || path != nil || scheme != nil || authority != nil || status != nil || tunnelProtocol != nil {
      fail(.pseudoFieldMisplaced)
    }
  }

  /// At least the length of what ``writeRequest(to:isChunked:key:)`` writes.
  var requestByteCount: Int { values.count + lines.count + cookies.count + 256 }

  /// Writes the request as HTTP/1.1. Everything was checked: no part of it can end a line or a message.
  func writeRequest(to buffer: inout ByteBuffer, isChunked: Bool, key: HTTP2TunnelKey?) {
    let text = values.readable
    let name = authority ?? host ?? .empty
    if key != nil { buffer.append("GET") } else { buffer.append(text.part(method ?? .empty)) }
    buffer.append(" ")
    // CONNECT alone has no path; it is refused by everybody behind.
    buffer.append(text.part(path ?? name))
    buffer.append(" HTTP/1.1\r\nHost: ")
    buffer.append(text.part(name))
    buffer.append("\r\n")
    buffer.append(lines.readable)
    if !cookies.isEmpty {
      buffer.append("Cookie: ")
      buffer.append(cookies.readable)
      buffer.append("\r\n")
    }
    if let key {
      buffer.append("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ")
      key.write(to: &buffer)
      buffer.append("\r\n")
    } else {
      if takesTrailers { buffer.append("TE: trailers\r\nConnection: TE\r\n") }
      if isChunked { buffer.append("Transfer-Encoding: chunked\r\n") }
    }
    buffer.append("\r\n")
  }
}

extension ByteBuffer {
  /// What waits to be consumed, copied.
  var bytes: [UInt8] {
    var copied: [UInt8] = []
    copied.reserveCapacity(count)
    for offset in 0..<count { copied.append(readable.byte(at: offset)) }
    return copied
  }
}
