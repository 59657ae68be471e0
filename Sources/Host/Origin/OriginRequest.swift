internal import Core

/// The head of a request as a lenient server reads it. Deliberately not the proxy's grammar: what the proxy sends is read
/// by other code than what wrote it.
struct OriginHead {
  /// Bytes of the head, its empty line included.
  var length: Int
  var method: ByteRange
  var target: ByteRange
  var isHTTP10: Bool
  var contentLength: Int?
  var isChunked = false
  var saysClose = false
  var saysKeepAlive = false
  var expectsContinue = false
  var raceID: ByteRange?

  enum Parse {
    case incomplete
    case malformed
    case head(OriginHead)
  }

  static let limit = 65_536

  /// Reads a head from the readable part of `buffer`; ranges count from there.
  static func parse(_ buffer: borrowing ByteBuffer) -> Parse {
    parse(buffer.readable)
  }

  private static func parse(_ bytes: RawSpan) -> Parse {
    var lines = Lines()
    guard let first = lines.next(bytes) else {
      return bytes.byteCount > limit ? .malformed : .incomplete
    }
    guard var head = requestLine(bytes, first) else { return .malformed }
    while let line = lines.next(bytes) {
      if line.isEmpty {
        head.length = lines.offset
        return .head(head)
      }
      guard head.take(bytes, line) else { return .malformed }
    }
    return bytes.byteCount > limit ? .malformed : .incomplete
  }

  private struct Lines {
    var offset = 0

    /// The next line without its end; nil when that is not there yet.
    mutating func next(_ bytes: RawSpan) -> ByteRange? {
      var end = offset
      while end < bytes.byteCount {
        if bytes.byte(at: end) == 0x0a {
          let length = end > offset && bytes.byte(at: end - 1) == 0x0d ? end - 1 - offset : end - offset
          let line = ByteRange(offset: offset, count: length)
          offset = end + 1
          return line
        }
        end += 1
      }
      return nil
    }
  }

  private static func requestLine(_ bytes: RawSpan, _ line: ByteRange) -> OriginHead? {
    guard let first = find(0x20, bytes, line.start, line.end), first > line.start,
      let second = find(0x20, bytes, first + 1, line.end), second > first + 1,
      line.end - second == 9, bytes.byte(at: second + 1) == 0x48  // "H", and the length of " HTTP/1.1".
    else { return nil }
    return OriginHead(
      length: 0, method: ByteRange(offset: line.start, count: first - line.start),
      target: ByteRange(offset: first + 1, count: second - first - 1), isHTTP10: bytes.byte(at: line.end - 1) == 0x30)
  }

  private static func find(_ byte: UInt8, _ bytes: RawSpan, _ start: Int, _ end: Int) -> Int? {
    var index = start
    while index < end {
      if bytes.byte(at: index) == byte { return index }
      index += 1
    }
    return nil
  }

  private mutating func take(_ bytes: RawSpan, _ line: ByteRange) -> Bool {
    guard let colon = Self.find(0x3a, bytes, line.start, line.end), colon > line.start else { return false }
    var start = colon + 1
    var end = line.end
    while start < end, bytes.byte(at: start) == 0x20 || bytes.byte(at: start) == 9 { start += 1 }
    while end > start, bytes.byte(at: end - 1) == 0x20 || bytes.byte(at: end - 1) == 9 { end -= 1 }
    let value = ByteRange(offset: start, count: end - start)
    let name = ByteRange(offset: line.start, count: colon - line.start)
    switch name.count {
    case 6 where Self.equal(bytes, name, "expect"):
      expectsContinue = Self.equal(bytes, value, "100-continue")
    case 9 where Self.equal(bytes, name, "x-race-id"):
      raceID = value
    case 10 where Self.equal(bytes, name, "connection"):
      let options = bytes.text(value).lowercased()
      saysClose = saysClose || options.contains("close")
      saysKeepAlive = saysKeepAlive || options.contains("keep-alive")
    case 14 where Self.equal(bytes, name, "content-length"):
      guard let number = Int(bytes.text(value)), number >= 0 else { return false }
      contentLength = number
    case 17 where Self.equal(bytes, name, "transfer-encoding"):
      isChunked = bytes.text(value).lowercased().hasSuffix("chunked")
    default: break
    }
    return true
  }

  /// Compares without regard to case; `name` is in lower case.
  private static func equal(_ bytes: RawSpan, _ range: ByteRange, _ name: StaticString) -> Bool {
    guard range.count == name.utf8CodeUnitCount else { return false }
    for index in 0..<range.count {
      let byte = bytes.byte(at: range.start + index)
      let lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
      // Safe: the index is below the length, which was compared.
      guard unsafe lower == name.utf8Start[index] else { return false }
    }
    return true
  }
}

/// How far the body of a request is read.
enum OriginBody {
  /// So many bytes are still to come; nothing follows.
  case counted(Int)
  /// A line with a chunk's size is next.
  case chunkSize
  /// So many bytes of a chunk and its line end are still to come.
  case chunk(Int)
  /// Trailer lines, up to an empty one.
  case trailer
  case finished

  enum Progress: Equatable {
    case incomplete
    case finished
    case malformed
  }

  init(_ head: OriginHead) {
    if head.isChunked {
      self = .chunkSize
    } else {
      self = head.contentLength.map { $0 > 0 ? .counted($0) : .finished } ?? .finished
    }
  }

  /// Takes what there is of the body out of `buffer`, and keeps it in `kept` when that is not nil.
  mutating func read(_ buffer: inout ByteBuffer, keepingIn kept: inout [UInt8]?) -> Progress {
    while true {
      switch self {
      case .finished: return .finished
      case .counted(let left):
        let count = min(left, buffer.count)
        Self.take(count, &buffer, &kept)
        self = count == left ? .finished : .counted(left - count)
        if count < left { return .incomplete }
      case .chunk(let left):
        // The last two bytes are the line end, which is no part of the body.
        let data = min(max(left - 2, 0), buffer.count)
        Self.take(data, &buffer, &kept)
        let end = left - data <= 2 ? min(left - data, buffer.count) : 0
        buffer.consume(end)
        let rest = left - data - end
        self = rest == 0 ? .chunkSize : .chunk(rest)
        if rest > 0 { return .incomplete }
      case .chunkSize:
        guard let line = Self.takeLine(&buffer) else { return buffer.count > 4096 ? .malformed : .incomplete }
        guard let size = Int(line.prefix { $0.isHexDigit }, radix: 16), size >= 0, size < 1 << 40 else {
          return .malformed
        }
        self = size == 0 ? .trailer : .chunk(size + 2)
      case .trailer:
        guard let line = Self.takeLine(&buffer) else { return buffer.count > 65_536 ? .malformed : .incomplete }
        if line.isEmpty { self = .finished }
      }
    }
  }

  private static func take(_ count: Int, _ buffer: inout ByteBuffer, _ kept: inout [UInt8]?) {
    if kept != nil {
      let bytes = buffer.readable
      for index in 0..<count { kept?.append(bytes.byte(at: index)) }
    }
    buffer.consume(count)
  }

  private static func takeLine(_ buffer: inout ByteBuffer) -> String? {
    var end = 0
    while end < buffer.count, buffer.readable.byte(at: end) != 0x0a { end += 1 }
    guard end < buffer.count else { return nil }
    var line = buffer.readable.text(ByteRange(offset: 0, count: end))
    if line.unicodeScalars.last == "\r" { line.unicodeScalars.removeLast() }
    buffer.consume(end + 1)
    return line
  }
}
