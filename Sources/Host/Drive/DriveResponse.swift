internal import Core

/// As much of a response as the driver must understand: its status, and where it ends. Deliberately not the proxy's grammar:
/// what the proxy sends is read by other code than what wrote it. Nothing of a body is kept.
struct DriveResponse {
  private enum State {
    case head
    case body(OriginBody)
    /// The body ends with the connection.
    case untilEnd
    case finished
  }

  enum Progress: Equatable {
    case incomplete
    case finished
    case malformed
  }

  /// What may come before the head's end.
  private static let headLimit = 65_536

  private var state = State.head
  private let isHead: Bool
  private(set) var status = 0
  /// Another request may follow on the connection.
  private(set) var keepsOpen = true

  /// - Parameter method: of the request, since HEAD has answers without a body.
  init(to method: String) { isHead = method == "HEAD" }

  /// Whether some of the response has come, beside what is in the buffer.
  var hasBegun: Bool {
    if case .head = state { false } else { true }
  }

  /// Takes what there is out of `buffer`.
  /// - Parameter isEnded: the target has sent its FIN.
  mutating func read(_ buffer: inout ByteBuffer, isEnded: Bool) -> Progress {
    while true {
      switch state {
      case .finished: return .finished
      case .untilEnd:
        buffer.removeAll()
        if !isEnded { return .incomplete }
        state = .finished
      case .body(var body):
        var kept: [UInt8]?
        let progress = body.read(&buffer, keepingIn: &kept)
        state = progress == .finished ? .finished : .body(body)
        switch progress {
        case .finished: continue
        case .incomplete: return .incomplete
        case .malformed: return .malformed
        }
      case .head:
        guard let length = Self.headLength(buffer.readable) else {
          return buffer.count > Self.headLimit || !Self.mayBeginResponse(buffer.readable) ? .malformed : .incomplete
        }
        let text = buffer.readable.text(ByteRange(offset: 0, count: length))
        buffer.consume(length)
        guard take(text) else { return .malformed }
      }
    }
  }

  /// What does not begin like a response need not be waited for.
  private static func mayBeginResponse(_ bytes: RawSpan) -> Bool {
    let mark = Array("HTTP/1.".utf8)
    return (0..<min(mark.count, bytes.byteCount)).allSatisfy { bytes.byte(at: $0) == mark[$0] }
  }

  /// Bytes up to the end of the first empty line.
  private static func headLength(_ bytes: RawSpan) -> Int? {
    var lineStart = 0
    for index in 0..<bytes.byteCount where bytes.byte(at: index) == 0x0a {
      let isEmpty = index == lineStart || (index == lineStart + 1 && bytes.byte(at: lineStart) == 0x0d)
      if isEmpty { return index + 1 }
      lineStart = index + 1
    }
    return nil
  }

  /// Reads a head; false when it is none.
  private mutating func take(_ head: String) -> Bool {
    let lines = head.utf8.split(separator: UInt8(ascii: "\n")).map { line in
      String(line.last == UInt8(ascii: "\r") ? line.dropLast() : line) ?? ""
    }
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let number = Int(words[1]), (100...999).contains(number)
    else { return false }
    // An interim response: the answer follows. After 101 comes another protocol, and no further request.
    if number < 200 && number != 101 { return true }
    status = number
    var length: Int?
    var isChunked = false
    var saysClose = words[0] == "HTTP/1.0"
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let value = line[line.index(after: colon)...].lowercased().filter { $0 != " " && $0 != "\t" }
      switch line[..<colon].lowercased() {
      case "content-length": length = Int(value)
      case "transfer-encoding": isChunked = value.hasSuffix("chunked")
      case "connection" where value.contains("close"): saysClose = true
      case "connection" where value.contains("keep-alive"): saysClose = false
      default: break
      }
    }
    keepsOpen = !saysClose && number != 101
    state = body(length, isChunked)
    if case .untilEnd = state { keepsOpen = false }
    return true
  }

  private func body(_ length: Int?, _ isChunked: Bool) -> State {
    if isHead || status == 101 || status == 204 || status == 304 { return .finished }
    if isChunked { return .body(.chunkSize) }
    guard let length, length >= 0 else { return .untilEnd }
    return length == 0 ? .finished : .body(.counted(length))
  }
}
