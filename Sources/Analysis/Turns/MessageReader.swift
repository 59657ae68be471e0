import Core

/// Follows the messages of one direction of an HTTP/1.x connection.
struct MessageReader: Sendable {
  enum State: Sendable {
    /// No message has begun; empty lines are skipped.
    case between
    case head(HeadCollector)
    /// A body of known length; nothing of it needs to be looked at.
    case body(remaining: Int64)
    /// In the line that gives a chunk's length.
    case chunkLength(value: Int64, digits: Int, inExtension: Bool, afterReturn: Bool)
    /// In the data of a chunk.
    case chunk(remaining: Int64)
    /// Behind the data of a chunk, in its line end.
    case chunkEnd
    /// In the lines behind the last chunk; `lineLength` counts what is on the line.
    case trailer(lineLength: Int, afterReturn: Bool)
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
    case head(HeadCollector, next: Int)
    /// The message ended before this index.
    case ended(next: Int)
    /// These bytes are not HTTP.
    case notHTTP(at: Int)
  }

  var state = State.between
  /// The first rule that a chunked body broke in a way in which readers can disagree about where it ends.
  private(set) var irregularity: MessageError.Code?

  var bytesHeld: Int {
    if case .head(let head) = state { return head.bytes.capacity }
    return 0
  }

  /// Method and target of a head of which only the beginning is there.
  var startLine: (method: String, target: String)? {
    guard case .head(let head) = state else { return nil }
    let line = head.bytes.prefix { $0 != 0x0d && $0 != 0x0a }
    let parts = line.split(separator: 0x20, omittingEmptySubsequences: true)
    guard parts.count >= 2 else { return nil }
    return (Display.printable(parts[0].prefix(24)), Display.printable(parts[1].prefix(MessageHead.maximumTarget)))
  }

  /// Whether it is inside a message.
  var isInMessage: Bool {
    switch state {
    case .between, .tunnel, .lost: false
    case .head, .body, .chunkLength, .chunk, .chunkEnd, .trailer, .untilClose: true
    }
  }

  mutating func beginBody(_ framing: MessageHead.Framing) {
    switch framing {
    case .none: state = .body(remaining: 0)
    case .length(let count): state = .body(remaining: count)
    case .chunked: state = MessageReader.chunkStart
    case .untilClose: state = .untilClose
    }
  }

  private static let chunkStart = State.chunkLength(value: 0, digits: 0, inExtension: false, afterReturn: false)

  /// Reads on from `start`, until something is to be told or the bytes are used up.
  mutating func read(_ bytes: RawSpan, from start: Int, isRequest: Bool) -> Step {
    var index = start
    while true {
      switch state {
      case .body(remaining: 0):
        state = .between
        return .ended(next: index)
      case .between, .head, .body, .chunkLength, .chunk, .chunkEnd, .trailer, .untilClose, .tunnel, .lost: break
      }
      guard index < bytes.byteCount else { return .more }
      switch state {
      case .between:
        let byte = bytes.byte(at: index)
        if byte == 0x0d || byte == 0x0a {
          index += 1
          continue
        }
        state = .head(HeadCollector())
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
      case .chunkLength(let value, let digits, let inExtension, let afterReturn):
        if !readChunkLength(bytes.byte(at: index), value, digits, inExtension, afterReturn) {
          return .notHTTP(at: index)
        }
        index += 1
      case .chunk(let remaining):
        let taken = min(remaining, Int64(bytes.byteCount - index))
        index += Int(taken)
        state = remaining == taken ? .chunkEnd : .chunk(remaining: remaining - taken)
      case .chunkEnd:
        let byte = bytes.byte(at: index)
        index += 1
        if byte == 0x0a {
          // Without its carriage return, unless that was the byte before.
          if !chunkEndHasReturn { note(.bareLineFeed) }
          chunkEndHasReturn = false
          state = MessageReader.chunkStart
        } else if byte == 0x0d, !chunkEndHasReturn {
          chunkEndHasReturn = true
        } else {
          state = .lost
          return .notHTTP(at: index)
        }
      case .trailer(let lineLength, let afterReturn):
        let byte = bytes.byte(at: index)
        index += 1
        if byte == 0x0a {
          if !afterReturn { note(.bareLineFeed) }
          if lineLength == 0 {
            state = .between
            return .ended(next: index)
          }
          state = .trailer(lineLength: 0, afterReturn: false)
        } else {
          if afterReturn { note(.bareCarriageReturn) }
          state = .trailer(lineLength: lineLength + (byte == 0x0d ? 0 : 1), afterReturn: byte == 0x0d)
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

  private var chunkEndHasReturn = false

  private mutating func note(_ code: MessageError.Code) {
    irregularity = irregularity ?? code
  }

  private mutating func readChunkLength(
    _ byte: UInt8, _ value: Int64, _ digits: Int, _ inExtension: Bool, _ afterReturn: Bool
  ) -> Bool {
    guard digits > 0 || hexadecimal(byte) != nil else {
      state = .lost
      return false
    }
    if byte == 0x0a {
      if !afterReturn { note(.bareLineFeed) }
      state = value == 0 ? .trailer(lineLength: 0, afterReturn: false) : .chunk(remaining: value)
      return true
    }
    if afterReturn { note(.bareCarriageReturn) }
    if !inExtension, !afterReturn, let digit = hexadecimal(byte) {
      guard digits < 16, value <= .max >> 4 else {
        state = .lost
        return false
      }
      state = .chunkLength(value: value * 16 + digit, digits: digits + 1, inExtension: false, afterReturn: false)
      return true
    }
    // Spaces behind the length are an old habit of servers, and mean nothing to anybody.
    if !inExtension, byte != 0x20, byte != 0x09, byte != UInt8(ascii: ";"), byte != 0x0d { note(.chunkSizeMalformed) }
    state = .chunkLength(value: value, digits: digits, inExtension: true, afterReturn: byte == 0x0d)
    return true
  }

  /// Takes note of bytes that the capture does not hold. Returns whether the reader still knows where it is, and whether
  /// the message ended within the hole.
  mutating func skip(_ count: Int64) -> (inStep: Bool, ended: Bool) {
    switch state {
    case .body(let remaining) where count <= remaining:
      state = count == remaining ? .between : .body(remaining: remaining - count)
      return (true, count == remaining)
    case .chunk(let remaining) where count <= remaining:
      state = count == remaining ? .chunkEnd : .chunk(remaining: remaining - count)
      return (true, false)
    case .untilClose, .tunnel: return (true, false)
    case .between, .head, .body, .chunkLength, .chunk, .chunkEnd, .trailer, .lost:
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
