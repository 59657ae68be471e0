/// How large the parts of a chunked body that are not data may be.
package struct ChunkLimits: Hashable, Sendable, BitwiseCopyable {
  /// Bytes of one chunk's extensions.
  package var extensionBytes: Int
  /// Bytes of extensions that a body may have beyond sixteen a chunk and twice its data, so that chunks of one byte cannot
  /// carry a flood of them, while a long upload may sign each of its chunks.
  package var excessExtensionBytes: Int
  /// Bytes of the trailer section with its empty line.
  package var trailerBytes: Int
  /// Number of trailer fields.
  package var trailerCount: Int

  package init(
    extensionBytes: Int = 256, excessExtensionBytes: Int = 16_384, trailerBytes: Int = 8_192, trailerCount: Int = 64
  ) {
    self.extensionBytes = extensionBytes
    self.excessExtensionBytes = excessExtensionBytes
    self.trailerBytes = trailerBytes
    self.trailerCount = trailerCount
  }
}

/// What the next bytes of a chunked body are.
package enum ChunkedStep: Equatable, Sendable, BitwiseCopyable {
  /// Content, as much as is there: perhaps a part of a chunk. Go on at the end of the range.
  case data(ByteRange)
  /// More bytes are needed. Those before `consumedTo` are done with; give the others again, with more behind them.
  case incomplete(consumedTo: Int)
  /// The body is complete, and so is the message. `trailers` is the trailer section without its empty line, perhaps empty.
  case finished(consumedTo: Int, trailers: ByteRange)
  /// The body is malformed; where the message ends is not known, so the connection must be closed.
  case failed(MessageError)
}

/// Takes a chunked body apart (RFC 9112 section 7.1) without holding any of it.
///
/// ```
///  size -> extension -> sizeLineFeed -> data -> dataReturn -> dataLineFeed -> size
///                                    \-> trailers -> finished        (size 0)
/// ```
///
/// Stricter than the RFC: at most sixteen digits. Whitespace passes where the RFC has a recipient parse it (around ";" and "="
/// of extensions), and from an upstream before the line's end as well: some servers pad their sizes.
package struct ChunkedDecoder: Sendable, BitwiseCopyable {
  private enum State: Sendable, BitwiseCopyable {
    /// At the digits of a size, of which so many were read.
    case size(digits: UInt8)
    /// Behind whitespace that follows a size.
    case sizePadding
    /// Within the extensions.
    case inExtension(Extension)
    /// Behind the CR of a size line.
    case sizeLineFeed
    /// Within the data; `remaining` bytes of it are to come.
    case data
    /// Behind the data.
    case dataReturn
    /// Behind the CR that follows the data.
    case dataLineFeed
    /// Within the trailer section.
    case trailers
    case finished
  }

  /// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS ( token / quoted-string ) ] )`
  private enum Extension: UInt8, Sendable, BitwiseCopyable {
    /// Behind ";", before the first byte of the name.
    case nameStart
    case name
    /// Behind whitespace that follows a name.
    case nameEnd
    /// Behind "=".
    case valueStart
    case token
    case quoted
    /// Behind a backslash in a quoted string.
    case escaped
    /// Behind the closing quote.
    case valueEnd
    /// Behind whitespace that follows a value.
    case paddedEnd
  }

  private var state: State
  private var remaining: UInt64
  private var extensionCount: UInt32
  /// Bytes of extensions beyond what the chunks so far excuse.
  private var extensionExcess: UInt32
  /// Bytes and number of the trailer lines that were seen whole.
  private var trailerBytes: UInt32
  private var trailerCount: UInt32
  /// Bytes of the body before those that are given now.
  private var before: UInt64
  private let limits: ChunkLimits
  private let sender: MessageError.Sender

  package init(limits: ChunkLimits = ChunkLimits(), sender: MessageError.Sender) {
    state = .size(digits: 0)
    remaining = 0
    extensionCount = 0
    extensionExcess = 0
    trailerBytes = 0
    trailerCount = 0
    before = 0
    self.limits = limits
    self.sender = sender
  }

  /// Whether the last chunk and the trailers were taken apart.
  package var isFinished: Bool {
    if case .finished = state { return true }
    return false
  }

  /// Takes the next step over the bytes from `offset` on.
  package mutating func next(_ bytes: RawSpan, from offset: Int) -> ChunkedStep {
    let end = bytes.byteCount
    var position = offset
    while position < end {
      switch state {
      case .data:
        let count = Int(Swift.min(remaining, UInt64(end - position)))
        remaining -= UInt64(count)
        if remaining == 0 { state = .dataReturn }
        return .data(ByteRange(offset: position, count: count))
      case .trailers: return nextInTrailers(bytes, from: position)
      case .finished: return .finished(consumedTo: position, trailers: .empty)
      case .size(let digits):
        if let code = readSize(bytes.byte(at: position), digits) { return failed(code, at: position) }
      case .sizePadding:
        if let code = readPadding(bytes.byte(at: position)) { return failed(code, at: position) }
      case .inExtension(let part):
        if let code = readExtension(bytes.byte(at: position), part) { return failed(code, at: position) }
      case .sizeLineFeed:
        guard bytes.byte(at: position) == ByteClass.lineFeed else { return failed(.bareCarriageReturn, at: position) }
        guard weighExtensions() else { return failed(.chunkExtensionTooLong, at: position) }
        state = remaining == 0 ? .trailers : .data
      case .dataReturn:
        guard bytes.byte(at: position) == ByteClass.carriageReturn else {
          return failed(.chunkEndMissing, at: position)
        }
        state = .dataLineFeed
      case .dataLineFeed:
        guard bytes.byte(at: position) == ByteClass.lineFeed else { return failed(.chunkEndMissing, at: position) }
        state = .size(digits: 0)
      }
      position &+= 1
    }
    if case .finished = state { return .finished(consumedTo: position, trailers: .empty) }
    before &+= UInt64(position)
    return .incomplete(consumedTo: position)
  }

  private func failed(_ code: MessageError.Code, at offset: Int) -> ChunkedStep {
    .failed(MessageError(code, at: Int(clamping: before &+ UInt64(offset)), of: .content, from: sender))
  }

  private mutating func readSize(_ byte: UInt8, _ digits: UInt8) -> MessageError.Code? {
    if let value = ByteClass.hexadecimalValue(byte) {
      if digits == 0 { remaining = 0 }
      // Sixteen digits hold every legal size; more of them would be zeros that only serve to hide something.
      guard remaining <= UInt64(Int64.max) >> 4 else { return .chunkSizeOverflow }
      guard digits < 16 else { return .chunkSizeTooLong }
      remaining = remaining << 4 | UInt64(value)
      state = .size(digits: digits + 1)
      return nil
    }
    guard digits > 0 else { return .chunkSizeMalformed }
    switch byte {
    case ByteClass.carriageReturn: state = .sizeLineFeed
    case UInt8(ascii: ";"): return countExtensionByte(.nameStart)
    case ByteClass.lineFeed: return .bareLineFeed
    case ByteClass.space, ByteClass.horizontalTab: return countPaddingByte()
    default: return .chunkSizeMalformed
    }
    return nil
  }

  /// Padding counts as an extension does.
  private mutating func countPaddingByte() -> MessageError.Code? {
    if let code = countExtensionByte(.nameStart) { return code }
    state = .sizePadding
    return nil
  }

  private mutating func readPadding(_ byte: UInt8) -> MessageError.Code? {
    switch byte {
    case ByteClass.space, ByteClass.horizontalTab: return countPaddingByte()
    case UInt8(ascii: ";"): return countExtensionByte(.nameStart)
    case ByteClass.carriageReturn where sender == .upstream:
      state = .sizeLineFeed
      return nil
    default: return .chunkSizeMalformed
    }
  }

  private mutating func countExtensionByte(_ part: Extension) -> MessageError.Code? {
    extensionCount += 1
    guard extensionCount <= limits.extensionBytes else { return .chunkExtensionTooLong }
    state = .inExtension(part)
    return nil
  }

  private mutating func readExtension(_ byte: UInt8, _ part: Extension) -> MessageError.Code? {
    switch part {
    case .nameStart:
      if ByteClass.isWhitespace(byte) { return countExtensionByte(.nameStart) }
      return ByteClass.isToken(byte) ? countExtensionByte(.name) : .chunkExtensionMalformed
    case .name:
      if ByteClass.isToken(byte) { return countExtensionByte(.name) }
      if byte == UInt8(ascii: "=") { return countExtensionByte(.valueStart) }
      if ByteClass.isWhitespace(byte) { return countExtensionByte(.nameEnd) }
      return endExtension(byte)
    case .nameEnd:
      if byte == UInt8(ascii: "=") { return countExtensionByte(.valueStart) }
      if ByteClass.isWhitespace(byte) { return countExtensionByte(.nameEnd) }
      return endPaddedExtension(byte)
    case .valueStart:
      if ByteClass.isWhitespace(byte) { return countExtensionByte(.valueStart) }
      if byte == UInt8(ascii: "\"") { return countExtensionByte(.quoted) }
      return ByteClass.isToken(byte) ? countExtensionByte(.token) : .chunkExtensionMalformed
    case .token:
      if ByteClass.isWhitespace(byte) { return countExtensionByte(.paddedEnd) }
      return ByteClass.isToken(byte) ? countExtensionByte(.token) : endExtension(byte)
    case .quoted:
      if byte == UInt8(ascii: "\"") { return countExtensionByte(.valueEnd) }
      if byte == UInt8(ascii: "\\") { return countExtensionByte(.escaped) }
      return Self.isQuotable(byte) ? countExtensionByte(.quoted) : .chunkExtensionMalformed
    case .escaped:
      return Self.isQuotable(byte) ? countExtensionByte(.quoted) : .chunkExtensionMalformed
    case .valueEnd:
      if ByteClass.isWhitespace(byte) { return countExtensionByte(.paddedEnd) }
      return endExtension(byte)
    case .paddedEnd:
      if ByteClass.isWhitespace(byte) { return countExtensionByte(.paddedEnd) }
      return endPaddedExtension(byte)
    }
  }

  /// Weighs the extensions of a chunk against its data. Returns whether the body is within its limit.
  private mutating func weighExtensions() -> Bool {
    guard extensionCount > 0 || extensionExcess > 0 else { return true }
    let excused = 16 + 2 * Swift.min(remaining, 1 << 30)
    let sum = UInt64(extensionExcess) + UInt64(extensionCount)
    extensionExcess = UInt32(sum > excused ? sum - excused : 0)
    extensionCount = 0
    return extensionExcess <= limits.excessExtensionBytes
  }

  private mutating func endExtension(_ byte: UInt8) -> MessageError.Code? {
    switch byte {
    case ByteClass.carriageReturn:
      state = .sizeLineFeed
      return nil
    case UInt8(ascii: ";"): return countExtensionByte(.nameStart)
    case ByteClass.lineFeed: return .bareLineFeed
    default: return .chunkExtensionMalformed
    }
  }

  /// Whitespace before the end of the line is in no grammar; servers that pad get it read, clients not.
  private mutating func endPaddedExtension(_ byte: UInt8) -> MessageError.Code? {
    byte == ByteClass.carriageReturn && sender == .client ? .chunkExtensionMalformed : endExtension(byte)
  }

  /// No control character, whatever the quoting: HTAB, SP, VCHAR, obs-text.
  private static func isQuotable(_ byte: UInt8) -> Bool {
    byte == ByteClass.horizontalTab || (byte >= ByteClass.space && byte != ByteClass.delete)
  }

  /// The trailer section is short and rare: it is parsed when all of it is there.
  private mutating func nextInTrailers(_ bytes: RawSpan, from start: Int) -> ChunkedStep {
    let end = Swift.min(bytes.byteCount, start + limits.trailerBytes)
    // Lines seen whole in an earlier call are not parsed again.
    var position = start + Int(trailerBytes)
    while true {
      switch FieldSection.line(bytes, from: position, to: end) {
      case .field(_, _, _, let next):
        trailerCount += 1
        guard trailerCount <= limits.trailerCount else { return failed(.trailersTooLarge, at: position) }
        position = next
        trailerBytes = UInt32(position - start)
      case .empty(let sectionEnd):
        state = .finished
        return .finished(
          consumedTo: sectionEnd, trailers: ByteRange(offset: start, count: position - start))
      case .incomplete:
        if bytes.byteCount - start >= limits.trailerBytes { return failed(.trailersTooLarge, at: end) }
        before &+= UInt64(start)
        return .incomplete(consumedTo: start)
      case .failed(let code, let offset): return failed(code, at: offset)
      }
    }
  }
}
