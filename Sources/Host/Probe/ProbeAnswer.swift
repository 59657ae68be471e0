import Core

/// Reads one answer and throws its content away.
struct ProbeAnswer {
  private enum State {
    case head(HeadScan)
    case content(remaining: UInt64)
    case chunks(ChunkedDecoder)
    case untilClose
    case complete
  }

  private var state = State.head(HeadScan())
  private let isHead: Bool
  private let isHTTP: Bool
  private(set) var status: Int?
  private(set) var timeout: Int?
  private(set) var maximum: Int?
  private(set) var keepsAlive = true
  private(set) var bytes = 0
  private(set) var problem: String?
  private(set) var location: String?
  /// What came instead of an answer is TLS.
  private(set) var speaksTLS = false

  init(isHead: Bool, isHTTP: Bool) {
    self.isHead = isHead
    self.isHTTP = isHTTP
  }

  var endsWithClose: Bool {
    if case .untilClose = state { return true }
    return false
  }

  mutating func closed() { state = .complete }

  /// Takes what is there. Returns whether the answer is complete.
  mutating func take(_ input: inout ByteBuffer) -> Bool {
    guard isHTTP else {
      // Any bytes are an answer.
      input.removeAll()
      state = .complete
      return true
    }
    while problem == nil {
      switch state {
      case .complete: return true
      case .head:
        if !takeHead(&input) { return false }
      case .content(let remaining):
        let count = min(remaining, UInt64(input.count))
        input.consume(Int(count))
        bytes += Int(count)
        state = remaining == count ? .complete : .content(remaining: remaining - count)
        if remaining != count { return false }
      case .chunks(var decoder):
        if !takeChunks(&decoder, &input) { return false }
      case .untilClose:
        bytes += input.count
        input.removeAll()
        return false
      }
    }
    return false
  }

  /// Returns whether it is complete.
  private mutating func takeHead(_ input: inout ByteBuffer) -> Bool {
    var fields = FieldTable()
    var scan = HeadScan()
    let parse = ResponseHead.parse(
      input.readable, scan: &scan, limits: HeadLimits(headBytes: 65_536), requestMethod: isHead ? .head : .get,
      into: &fields)
    switch parse {
    case .incomplete: return false
    case .failed(let error):
      problem = ProbeAnswer.describe(input.readable, error)
      speaksTLS = ForeignProtocol.spoken(byUpstream: input.readable) == .tls
      return false
    case .complete(let head):
      if head.isInterim {
        input.consume(head.byteCount)
        return true
      }
      status = Int(head.status)
      timeout = head.keepAliveTimeoutSeconds.map(Int.init)
      maximum = head.keepAliveMax.map(Int.init)
      keepsAlive = head.keepsAlive
      location = fields.firstValue(of: .location).map { input.readable.text($0) }
      input.consume(head.byteCount)
      switch head.framing {
      case .none: state = .complete
      case .contentLength(let count): state = count == 0 ? .complete : .content(remaining: count)
      case .chunked: state = .chunks(ChunkedDecoder(sender: .upstream))
      case .untilClose: state = .untilClose
      }
      return true
    }
  }

  private mutating func takeChunks(_ decoder: inout ChunkedDecoder, _ input: inout ByteBuffer) -> Bool {
    var offset = 0
    while true {
      switch decoder.next(input.readable, from: offset) {
      case .data(let range):
        bytes += range.count
        offset = range.end
      case .incomplete(let consumed):
        input.consume(consumed)
        state = .chunks(decoder)
        return false
      case .finished(let consumed, _):
        input.consume(consumed)
        state = .complete
        return true
      case .failed(let error):
        problem = "the answer's chunks are malformed: \(error)"
        return false
      }
    }
  }

  /// What speaks there instead of HTTP/1.
  private static func describe(_ bytes: RawSpan, _ error: MessageError) -> String {
    if let name = ForeignProtocol.spoken(byUpstream: bytes)?.name { return "it speaks \(name), not HTTP/1" }
    var text = ""
    for index in 0..<min(40, bytes.byteCount) {
      let byte = bytes.byte(at: index)
      guard byte != 0x0a, byte != 0x0d else { break }
      text.unicodeScalars.append(byte > 0x1f && byte < 0x7f ? Unicode.Scalar(byte) : ".")
    }
    return "its answer is not HTTP/1 (it begins with '\(text)')"
  }

  /// The status of a response that begins these bytes; nil when they are none.
  static func status(_ bytes: RawSpan) -> Int? {
    var fields = FieldTable()
    var scan = HeadScan()
    let parse = ResponseHead.parse(
      bytes, scan: &scan, limits: HeadLimits(), requestMethod: .get, into: &fields)
    if case .complete(let head) = parse { return Int(head.status) }
    return nil
  }
}

/// What a probe sends.
package struct ProbeRequest: Sendable {
  package var method: String
  package var target: String
  package var host: String
  package var userAgent: String
  /// Bytes to send instead, to a server that does not speak HTTP; nil for HTTP.
  package var other: [UInt8]?

  package init(method: String, target: String, host: String, userAgent: String, other: [UInt8]? = nil) {
    self.method = method
    self.target = target
    self.host = host
    self.userAgent = userAgent
    self.other = other
  }

  var isHTTP: Bool { other == nil }
  /// Whether a request is sent at all.
  var asks: Bool { other.map { !$0.isEmpty } ?? true }
  var usesHead: Bool { method == "HEAD" }

  func bytes(for plan: ProbePlan) -> [UInt8] {
    if let other { return other }
    switch plan {
    case .version10(let keepAlive): return text(method, "1.0", keepAlive ? "Connection: keep-alive\r\n" : "")
    case .head: return text("HEAD", "1.1", "")
    case .idle, .lateRequest, .unused, .halfSent, .requests, .reuse: return text(method, "1.1", "")
    }
  }

  /// A request line and half of a field.
  var half: [UInt8] { other ?? Array("\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\nUser-Ag".utf8) }

  private func text(_ method: String, _ version: String, _ extra: String) -> [UInt8] {
    Array(
      "\(method) \(target) HTTP/\(version)\r\nHost: \(host)\r\nUser-Agent: \(userAgent)\r\nAccept: */*\r\n\(extra)\r\n"
        .utf8)
  }
}
