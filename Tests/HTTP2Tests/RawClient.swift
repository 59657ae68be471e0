import Core
import HTTP2

/// Frames written by hand, right and wrong ones.
enum Raw {
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  static let endStream: UInt8 = 1
  static let endHeaders: UInt8 = 4

  static func frame(_ type: UInt8, _ flags: UInt8 = 0, _ stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff), type, flags]
      + word(stream) + payload
  }

  static func word(_ value: UInt32) -> [UInt8] {
    [UInt8(value >> 24), UInt8(value >> 16 & 0xff), UInt8(value >> 8 & 0xff), UInt8(value & 0xff)]
  }

  static let settings = frame(4)
  static let start = preface + settings

  static func setting(_ id: UInt16, _ value: UInt32) -> [UInt8] { [UInt8(id >> 8), UInt8(id & 0xff)] + word(value) }

  /// A field block of literals without indexing and without Huffman codes.
  static func block(_ fields: [(String, String)]) -> [UInt8] {
    fields.flatMap { [0] + string($0.0) + string($0.1) }
  }

  private static func string(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
    var length: [UInt8] = [127]
    var rest = bytes.count - 127
    while rest >= 128 {
      length.append(UInt8(rest & 127 | 128))
      rest >>= 7
    }
    return length + [UInt8(rest)] + bytes
  }

  static let get = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "host")]
  static let post = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "host")]

  static func headers(_ stream: UInt32, _ fields: [(String, String)], _ flags: UInt8 = 5) -> [UInt8] {
    frame(1, flags, stream, block(fields))
  }

  static func data(_ stream: UInt32, _ text: String, _ flags: UInt8 = 0) -> [UInt8] {
    frame(0, flags, stream, Array(text.utf8))
  }
}

/// A server's session that gets bytes from a test.
final class Probe {
  let server: HTTP2ServerSession
  var now = Instant(nanoseconds: 5_000_000_000)
  var streams: [Int32: HTTP2Stream] = [:]
  var order: [Int32] = []
  var events: [String] = []
  private(set) var frames: [(type: UInt8, flags: UInt8, stream: UInt32, payload: [UInt8])] = []
  private var output: [UInt8] = []

  init(_ limits: HTTP2Limits = HTTP2Limits()) {
    server = HTTP2ServerSession(limits: limits, now: now)
  }

  @discardableResult
  func feed(_ bytes: [UInt8], producing: Bool = true) -> HTTP2Step {
    let step = server.feed(bytes.rawSpan, now: now)
    if producing { produce() }
    while let event = server.nextEvent() {
      if case .opened(let stream) = event {
        streams[stream.id] = stream
        order.append(stream.id)
      }
      events.append(named(event))
    }
    return step
  }

  func produce() {
    var buffer = ByteBuffer(capacity: 0)
    while server.produce(into: &buffer) > 0 {}
    for offset in 0..<buffer.count { output.append(buffer.readable.byte(at: offset)) }
    while output.count >= 9 {
      let length = Int(output[0]) << 16 | Int(output[1]) << 8 | Int(output[2])
      guard output.count >= 9 + length else { return }
      let stream = output[5..<9].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      frames.append((output[3], output[4], stream, Array(output[9..<9 + length])))
      output.removeFirst(9 + length)
    }
  }

  private func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }

  /// Every GOAWAY as its last id and its code.
  var goAways: [String] {
    frames.filter { $0.type == 7 }.map {
      "\(number($0.payload[0...])) \(HTTP2ErrorCode(rawValue: number($0.payload[4...])).name)"
    }
  }

  /// Every RST_STREAM.
  var resets: [String] {
    frames.filter { $0.type == 3 }.map {
      "\($0.stream) \(HTTP2ErrorCode(rawValue: number($0.payload[0...])).name)"
    }
  }

  /// What became of the connection in one word each: the code of GOAWAY, else of the reset, else "fine".
  var fate: String {
    if let last = goAways.last { return "connection " + last.split(separator: " ")[1] }
    if let last = resets.last { return "stream " + last.split(separator: " ")[1] }
    return "fine"
  }
}
