/// The field lines of a head or of a trailer section, up to and with the empty line (RFC 9112 section 5).
enum FieldSection {
  enum Outcome {
    /// The section is complete; `end` is the offset behind its empty line.
    case complete(end: Int)
    /// The bytes end before the section does.
    case incomplete
    case failed(MessageError.Code, at: Int)
  }

  /// One line of the section.
  enum Line {
    /// `isPlain`: the name holds nothing but letters, digits and "-".
    case field(name: ByteRange, value: ByteRange, isPlain: Bool, end: Int)
    /// The empty line that ends the section; `end` is the offset behind it.
    case empty(end: Int)
    case incomplete
    case failed(MessageError.Code, at: Int)
  }

  /// Parses the lines from `start` on and fills `table`.
  ///
  /// - Parameter end: no byte from this offset on is looked at.
  @inline(__always)
  static func parse(
    _ bytes: RawSpan, from start: Int, to end: Int, maximumCount: Int, into table: inout FieldTable
  ) -> Outcome {
    table.removeAll()
    var position = start
    while true {
      switch line(bytes, from: position, to: end) {
      case .field(let name, let value, let isPlain, let next):
        guard table.count < maximumCount else { return .failed(.tooManyFields, at: position) }
        table.append(name: name, value: value, known: KnownField.recognise(bytes, name, isPlain: isPlain))
        position = next
      case .empty(let end): return .complete(end: end)
      case .incomplete: return .incomplete
      case .failed(let code, let offset):
        if position == start && code == .foldedLine { return .failed(.whitespaceBeforeFirstField, at: offset) }
        return .failed(code, at: offset)
      }
    }
  }

  /// Parses the line that begins at `start`.
  @inline(__always)
  static func line(_ bytes: RawSpan, from start: Int, to end: Int) -> Line {
    var isPlain = true
    var position = bytes.endOfToken(from: start, to: end, isPlain: &isPlain)
    guard position < end else { return .incomplete }
    let name = ByteRange(offset: start, count: position &- start)
    guard bytes.byte(at: position) == UInt8(ascii: ":"), !name.isEmpty else {
      return lineWithoutName(bytes, from: start, stoppedAt: position, to: end)
    }
    let valueStart = position &+ 1
    position = bytes.firstControl(from: valueStart, to: end)
    guard position < end else { return .incomplete }
    guard bytes.byte(at: position) == ByteClass.carriageReturn else {
      return .failed(controlCode(bytes.byte(at: position)), at: position)
    }
    guard position &+ 1 < end else { return .incomplete }
    guard bytes.byte(at: position &+ 1) == ByteClass.lineFeed else { return .failed(.bareCarriageReturn, at: position) }
    return .field(name: name, value: bytes.trimmed(valueStart, position), isPlain: isPlain, end: position &+ 2)
  }

  /// The code for a control character that stands where none may.
  static func controlCode(_ byte: UInt8) -> MessageError.Code {
    switch byte {
    case ByteClass.lineFeed: .bareLineFeed
    case ByteClass.carriageReturn: .bareCarriageReturn
    default: .controlCharacter
    }
  }

  /// The empty line, or the reason why the line is none at all.
  @inline(never)
  private static func lineWithoutName(_ bytes: RawSpan, from start: Int, stoppedAt position: Int, to end: Int) -> Line {
    let byte = bytes.byte(at: position)
    switch byte {
    case ByteClass.carriageReturn:
      guard position + 1 < end else { return .incomplete }
      guard bytes.byte(at: position + 1) == ByteClass.lineFeed else {
        return .failed(.bareCarriageReturn, at: position)
      }
      return position == start ? .empty(end: position + 2) : .failed(.colonMissing, at: position)
    case ByteClass.space, ByteClass.horizontalTab:
      return position == start ? .failed(.foldedLine, at: position) : .failed(.whitespaceBeforeColon, at: position)
    case UInt8(ascii: ":"):
      return .failed(.fieldNameEmpty, at: position)
    case 0..<0x20, ByteClass.delete:
      return .failed(controlCode(byte), at: position)
    default:
      return .failed(.fieldNameMalformed, at: position)
    }
  }
}
