/// The identifier of a request that goes from log to log: `X-Request-Id`.
package enum RequestID {
  /// A longer identifier of a client is replaced.
  package static let maximumLength = 128

  /// Whether `range` can serve as an identifier: a token of at most ``maximumLength`` bytes.
  package static func isValid(_ bytes: RawSpan, _ range: ByteRange) -> Bool {
    range.count <= maximumLength && bytes.isToken(range)
  }

  /// The one valid identifier that the message has, or nil when it has none, more than one, or another.
  package static func received(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> ByteRange? {
    guard let value = fields.firstValue(of: .xRequestID), !fields.isRepeated(.xRequestID) else { return nil }
    return isValid(bytes, value) ? value : nil
  }

  /// Writes 128 bits as 32 lower-case hexadecimal digits, as they stand in X-Request-Id.
  package static func write(_ identifier: (UInt64, UInt64), to buffer: inout ByteBuffer) {
    write(identifier.0, to: &buffer)
    write(identifier.1, to: &buffer)
  }

  private static func write(_ half: UInt64, to buffer: inout ByteBuffer) {
    var shift: UInt64 = 60
    while true {
      let digit = UInt8(truncatingIfNeeded: half &>> shift) & 0xf
      buffer.append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
      if shift == 0 { return }
      shift &-= 4
    }
  }
}
