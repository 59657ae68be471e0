import Core
import HTTP2
import Host
import Support
import Testing

/// One end of an HTTP/2 connection over a blocking socket.
final class HTTP2Wire {
  let socket: BlockingSocket
  let session: HTTP2Session
  /// What has happened that no caller has asked for yet.
  private(set) var goAways: [Int32] = []
  private(set) var resets: [Int32: HTTP2ErrorCode] = [:]
  private(set) var opened: [HTTP2Stream] = []
  private(set) var failure: HTTP2Failure?
  private(set) var hasEnded = false
  /// What the last read gave.
  private(set) var lastReceived: [UInt8] = []
  /// As a server: says GOAWAY when it has taken so many streams, and refuses the others.
  var lifetime: Int?
  private var streamCount = 0
  /// Answers to PING that have come.
  private(set) var pongs = 0

  init(_ socket: BlockingSocket, _ session: HTTP2Session) throws {
    self.socket = socket
    self.session = session
    try flush()
  }

  /// A client of a proxy that speaks HTTP/2 beforehand.
  static func client(of proxy: RunningProxy) throws -> HTTP2Wire {
    let wire = try HTTP2Wire(
      try proxy.connect(), HTTP2ClientSession(limits: HTTP2Limits(), now: MonotonicClock.now))
    while wire.client?.hasSettings == false { try wire.turn() }
    return wire
  }

  static func server(
    on connection: BlockingSocket, _ limits: HTTP2Limits = HTTP2Limits()
  ) throws -> HTTP2Wire {
    try HTTP2Wire(connection, HTTP2ServerSession(limits: limits, now: MonotonicClock.now))
  }

  var client: HTTP2ClientSession? { session as? HTTP2ClientSession }
  var server: HTTP2ServerSession? { session as? HTTP2ServerSession }

  func flush() throws {
    guard !hasEnded else { return }
    var buffer = ByteBuffer(capacity: 0)
    while session.produce(into: &buffer) > 0 {
      try socket.send(buffer.copied)
      buffer.removeAll()
    }
  }

  /// Sends what there is to send, then reads once and sends again.
  func turn(atMost limit: Nanoseconds = .seconds(20)) throws {
    try flush()
    follow()
    switch try socket.receiveOnce(atMost: limit) {
    case .bytes(let count):
      let bytes = try socket.receiveBytes(exactly: count)
      lastReceived = bytes
      if lifetime == nil { _ = session.feed(bytes.rawSpan, now: MonotonicClock.now) } else { feedOneByOne(bytes) }
    case .endOfStream, .failed: hasEnded = true
    case .wouldBlock: break
    }
    try? flush()
    follow()
  }

  /// So that no stream is taken beyond the last that a GOAWAY names.
  private func feedOneByOne(_ bytes: [UInt8]) {
    for byte in bytes {
      _ = session.feed([byte].rawSpan, now: MonotonicClock.now)
      follow()
      if streamCount == lifetime { server?.goAway(.final) }
    }
  }

  private func follow() {
    while let event = session.nextEvent() {
      switch event {
      case .opened(let stream):
        opened.append(stream)
        streamCount += 1
      case .reset(let id, let code): resets[id] = code
      case .goAwayReceived(let id, _): goAways.append(id)
      case .ended(let failure): self.failure = failure
      case .pingAnswered: pongs += 1
      case .readable, .writable, .closed, .settingsReceived: break
      }
    }
  }

  /// Breaks the connection at once.
  func die() {
    socket.abort()
    hasEnded = true
  }

  // MARK: - As a client

  /// Sends a request, given as HTTP/1.1.
  func ask(_ text: String) throws -> HTTP2ClientStream {
    let stream = try #require(client?.open(MonotonicClock.now))
    _ = stream.send(Array(text.utf8).rawSpan)
    try flush()
    return stream
  }

  /// The response of a stream to its end, as HTTP/1.1.
  func answer(of stream: HTTP2MessageStream, atMost limit: Nanoseconds = .seconds(20)) throws -> String {
    var bytes = ByteBuffer(capacity: 65_536)
    let deadline = MonotonicClock.now.advanced(by: limit)
    while MonotonicClock.now < deadline {
      switch stream.take(into: &bytes) {
      case .bytes: try flush()
      case .end: return String(decoding: bytes.copied, as: UTF8.self)
      case .reset(let code): return "reset \(code.name)"
      case .wouldBlock:
        if hasEnded { return "closed" }
        try turn(atMost: deadline.since(MonotonicClock.now))
      }
    }
    return "nothing"
  }

  func get(_ path: String = "/") throws -> String { try answer(of: ask("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")) }

  func post(_ content: String, to path: String = "/") throws -> HTTP2ClientStream {
    try ask("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(content.utf8.count)\r\n\r\n\(content)")
  }

  /// Reads until the other side has closed.
  func waitForEnd(atMost limit: Nanoseconds = .seconds(20)) throws {
    while !hasEnded { try turn(atMost: limit) }
  }

  // MARK: - As a server

  /// The next stream that is opened; nil when the connection ends before.
  func next() throws -> HTTP2Stream? {
    if hasEnded { return nil }
    while opened.isEmpty {
      if hasEnded { return nil }
      try turn(atMost: .seconds(30))
    }
    return opened.removeFirst()
  }

  /// The streams that were opened and not asked for yet.
  func takeOpened() -> [HTTP2Stream] {
    defer { opened = [] }
    return opened
  }

  func respond(_ stream: HTTP2Stream, _ text: String) throws {
    _ = stream.send(Array(text.utf8).rawSpan)
    stream.endOfMessage(complete: true)
    try flush()
  }

  /// Answers everything until the connection ends.
  func serve(_ answer: (HTTP2Stream, String) throws -> String?) throws {
    while let stream = try next() {
      let request = try self.answer(of: stream)
      guard let text = try answer(stream, request) else { continue }
      try respond(stream, text)
    }
  }
}

extension ByteBuffer {
  /// What waits to be consumed, copied.
  var copied: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    let readable = readable
    for offset in 0..<count { bytes.append(readable.byte(at: offset)) }
    return bytes
  }
}
