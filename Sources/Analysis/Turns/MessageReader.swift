import Core

/// Follows the messages of one direction of an HTTP/1.x connection.
struct MessageReader: Sendable {
  enum State: Sendable {
    /// No message has begun; empty lines are skipped.
    case between
    case head(HeadReader)
    /// A body of known length; nothing of it needs to be looked at.
    case body(remaining: Int64)
    /// In the line that gives a chunk's length.
    case chunkLength(value: Int64, digits: Int, inExtension: Bool)
    /// In a chunk, its line end included.
    case chunk(remaining: Int64)
    /// In the lines behind the last chunk; `lineLength` counts what is on the line.
    case trailer(lineLength: Int)
    /// The message ends with the connection.
    case untilClose
    /// No HTTP any more: after an upgrade or CONNECT.
    case tunnel
    /// Out of step: bytes are missing or are not HTTP. Waits for a segment that starts a message.
    case lost
  }

  enum Step {
    /// Everything was taken; the message goes on.
    case more
    /// A message began at this index.
    case began(at: Int)
    /// The head is complete, with the index behind it; the caller decides about the body.
    case head(HeadReader, next: Int)
    /// The message ended before this index.
    case ended(next: Int)
    /// These bytes are not HTTP.
    case notHTTP(at: Int)
  }

  var state = State.between

  /// Whether it is inside a message.
  var isInMessage: Bool {
    switch state {
    case .between, .tunnel, .lost: false
    case .head, .body, .chunkLength, .chunk, .trailer, .untilClose: true
    }
  }

  mutating func beginBody(_ framing: HeadReader.Framing, hasNoBody: Bool, withoutLength: State) {
    if hasNoBody {
      state = .body(remaining: 0)
    } else if framing.isChunked {
      state = .chunkLength(value: 0, digits: 0, inExtension: false)
    } else if framing.hasOtherCoding {
      state = .untilClose
    } else if let length = framing.contentLength {
      state = .body(remaining: length)
    } else {
      state = withoutLength
    }
  }

  /// Reads on from `start`, until something is to be told or the bytes are used up.
  mutating func read(_ bytes: RawSpan, from start: Int, isRequest: Bool) -> Step {
    var index = start
    while true {
      switch state {
      case .body(remaining: 0):
        state = .between
        return .ended(next: index)
      case .between, .head, .body, .chunkLength, .chunk, .trailer, .untilClose, .tunnel, .lost: break
      }
      guard index < bytes.byteCount else { return .more }
      switch state {
      case .between:
        let byte = bytes.byte(at: index)
        if byte == 0x0d || byte == 0x0a {
          index += 1
          continue
        }
        state = .head(HeadReader())
        return .began(at: index)
      case .head(var reader):
        state = .between
        let (next, isComplete) = reader.take(bytes, from: index)
        index = next
        if isComplete { return .head(reader, next: next) }
        if reader.isTooLong || !MessageReader.canBeginMessage(reader.bytes, isRequest: isRequest) {
          state = .lost
          return .notHTTP(at: index)
        }
        state = .head(reader)
      case .body(let remaining):
        let taken = min(remaining, Int64(bytes.byteCount - index))
        index += Int(taken)
        state = .body(remaining: remaining - taken)
      case .chunkLength(let value, let digits, let inExtension):
        if !readChunkLength(bytes.byte(at: index), value, digits, inExtension) { return .notHTTP(at: index) }
        index += 1
      case .chunk(let remaining):
        let taken = min(remaining, Int64(bytes.byteCount - index))
        index += Int(taken)
        state =
          remaining == taken
          ? .chunkLength(value: 0, digits: 0, inExtension: false) : .chunk(remaining: remaining - taken)
      case .trailer(let lineLength):
        let byte = bytes.byte(at: index)
        index += 1
        if byte == 0x0a {
          if lineLength == 0 {
            state = .between
            return .ended(next: index)
          }
          state = .trailer(lineLength: 0)
        } else if byte != 0x0d {
          state = .trailer(lineLength: lineLength + 1)
        }
      case .untilClose, .tunnel: return .more
      case .lost:
        // Only the start of a segment can be the start of a message.
        let isStart =
          isRequest ? Speech.startsWithMethod(bytes) : Speech.startsWithResponse(bytes)
        guard index == 0, isStart else { return .more }
        state = .between
      }
    }
  }

  private mutating func readChunkLength(_ byte: UInt8, _ value: Int64, _ digits: Int, _ inExtension: Bool) -> Bool {
    if byte == 0x0a {
      guard digits > 0 else {
        state = .lost
        return false
      }
      state = value == 0 ? .trailer(lineLength: 0) : .chunk(remaining: value + 2)
      return true
    }
    if !inExtension, let digit = hexadecimal(byte) {
      guard digits < 15 else {
        state = .lost
        return false
      }
      state = .chunkLength(value: value * 16 + digit, digits: digits + 1, inExtension: false)
      return true
    }
    guard digits > 0 else {
      state = .lost
      return false
    }
    state = .chunkLength(value: value, digits: digits, inExtension: true)
    return true
  }

  /// Takes note of bytes that the capture does not hold. Returns whether the reader still knows where it is, and whether
  /// the message ended within the hole.
  mutating func skip(_ count: Int64) -> (inStep: Bool, ended: Bool) {
    switch state {
    case .body(let remaining) where count <= remaining:
      state = count == remaining ? .between : .body(remaining: remaining - count)
      return (true, count == remaining)
    case .chunk(let remaining) where count < remaining:
      state = .chunk(remaining: remaining - count)
      return (true, false)
    case .untilClose, .tunnel: return (true, false)
    case .between, .head, .body, .chunkLength, .chunk, .trailer, .lost:
      state = .lost
      return (false, false)
    }
  }

  private func hexadecimal(_ byte: UInt8) -> Int64? {
    switch byte {
    case 0x30...0x39: Int64(byte - 0x30)
    case 0x41...0x46: Int64(byte - 0x37)
    case 0x61...0x66: Int64(byte - 0x57)
    default: nil
    }
  }

  /// Whether the first bytes can still become a request line or a status line.
  private static func canBeginMessage(_ bytes: [UInt8], isRequest: Bool) -> Bool {
    if isRequest {
      for byte in bytes.prefix(32) {
        if byte == 0x20 { return true }
        // A token (RFC 9110 section 5.6.2), roughly: what is certainly none tells that this is another protocol.
        if byte <= 0x20 || byte >= 0x7f { return false }
      }
      return bytes.count < 32
    }
    let expected: [UInt8] = [0x48, 0x54, 0x54, 0x50, 0x2f]
    return zip(bytes, expected).allSatisfy { $0 == $1 }
  }
}
