import Core

/// Collects a message head and reads what framing needs.
///
/// A proxy must refuse what is ambiguous; an observer must see what the two sides made of it. So this reader takes bare line feeds
/// and odd white space, as most programs do.
struct HeadReader: Sendable {
  static let maximumHead = 64 << 10
  static let maximumTarget = 160

  private(set) var bytes: [UInt8] = []
  private var lineStart = 0

  /// Takes bytes until the empty line. Returns how many it took and whether the head is complete.
  mutating func take(_ input: RawSpan, from start: Int) -> (next: Int, isComplete: Bool) {
    var index = start
    while index < input.byteCount {
      let byte = input.byte(at: index)
      index += 1
      bytes.append(byte)
      guard byte == 0x0a else { continue }
      let length = bytes.count - lineStart
      let isEmpty = length == 1 || (length == 2 && bytes[lineStart] == 0x0d)
      lineStart = bytes.count
      if isEmpty { return (index, true) }
    }
    return (index, false)
  }

  var isTooLong: Bool { bytes.count > HeadReader.maximumHead }

  struct Framing: Sendable {
    var contentLength: Int64?
    var isChunked = false
    var hasOtherCoding = false
    var closes = false
    var keepsAlive = false
    var upgrades = false
    var advertisedTimeout: Int?
  }

  struct RequestLine: Sendable {
    var method: String
    var target: String
    var isVersion10: Bool
  }

  func requestLine() -> RequestLine? {
    let line = firstLine
    let parts = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: true)
    guard parts.count == 3, parts[2].starts(with: [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e]) else { return nil }
    return RequestLine(
      method: text(parts[0].prefix(24)), target: text(parts[1].prefix(HeadReader.maximumTarget)),
      isVersion10: parts[2].last == UInt8(ascii: "0"))
  }

  func statusLine() -> (status: Int, isVersion10: Bool)? {
    let line = firstLine
    guard line.count >= 12, line.starts(with: [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e]) else { return nil }
    let digits = line[(line.startIndex + 9)..<(line.startIndex + 12)]
    guard line[line.startIndex + 8] == 0x20, let status = Int(text(digits)), status >= 100 else { return nil }
    return (status, line[line.startIndex + 7] == UInt8(ascii: "0"))
  }

  func framing() -> Framing {
    var framing = Framing()
    var isFirst = true
    for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: true) {
      if isFirst {
        isFirst = false
        continue
      }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let count = colon - line.startIndex
      // Only the names that matter become text.
      guard [6, 7, 10, 14, 17].contains(count) else { continue }
      let name = text(line[..<colon]).lowercased()
      let value = text(line[(colon + 1)...]).lowercased()
      switch name {
      case "content-length": framing.contentLength = Int64(trimmed(value)).flatMap { $0 >= 0 ? $0 : nil }
      case "transfer-encoding":
        framing.isChunked = value.hasSuffix("chunked") || trimmed(value).hasSuffix("chunked")
        framing.hasOtherCoding = !framing.isChunked
      case "connection":
        for token in value.split(separator: ",") {
          switch trimmed(token) {
          case "close": framing.closes = true
          case "keep-alive": framing.keepsAlive = true
          case "upgrade": framing.upgrades = true
          default: break
          }
        }
      case "keep-alive":
        for token in value.split(separator: ",") where trimmed(token).hasPrefix("timeout=") {
          framing.advertisedTimeout = Int(trimmed(trimmed(token).dropFirst(8)))
        }
      default: break
      }
    }
    return framing
  }

  private var firstLine: ArraySlice<UInt8> {
    let line = bytes.prefix { $0 != 0x0a }
    return line.last == 0x0d ? line.dropLast() : line
  }

  private func text(_ part: ArraySlice<UInt8>) -> String {
    let safe = part.map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: "?") : $0 }
    return String(decoding: safe, as: UTF8.self)
  }

  private func trimmed(_ text: some StringProtocol) -> String {
    var part = Substring(text)
    while let first = part.first, first == " " || first == "\t" || first == "?" { part.removeFirst() }
    while let last = part.last, last == " " || last == "\t" || last == "?" || last == "\r" { part.removeLast() }
    return String(part)
  }
}
