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

  /// The value of X-Request-Id in a request that this proxy wrote; nil without one.
  ///
  /// - Parameter length: of its head.
  package static func written(_ bytes: RawSpan, within length: Int) -> ByteRange? {
    let name: StaticString = "x-request-id:"
    let end = min(length, bytes.byteCount)
    var start = 0
    while start < end {
      var stop = start
      while stop < end, bytes.byte(at: stop) != ByteClass.carriageReturn { stop += 1 }
      let value = start + name.utf8CodeUnitCount
      if value < stop, bytes.spells(name, at: ByteRange(offset: start, count: name.utf8CodeUnitCount)) {
        return bytes.trimmed(value, stop)
      }
      start = stop + 2
    }
    return nil
  }

  /// Writes 128 bits as 32 lower-case hexadecimal digits, as they stand in X-Request-Id.
  package static func write(_ identifier: (UInt64, UInt64), to buffer: inout ByteBuffer) {
    write(identifier.0, to: &buffer)
    write(identifier.1, to: &buffer)
  }

  /// Sixteen digits, eight at a time: each nibble gets a byte of its own, then each byte becomes a digit.
  private static func write(_ half: UInt64, to buffer: inout ByteBuffer) {
    buffer.append(packed: digits(half &>> 32), count: 8)
    buffer.append(packed: digits(half & 0xffff_ffff), count: 8)
  }

  private static func digits(_ value: UInt64) -> UInt64 {
    var nibbles = (value | value &<< 16) & 0x0000_ffff_0000_ffff
    nibbles = (nibbles | nibbles &<< 8) & 0x00ff_00ff_00ff_00ff
    nibbles = (nibbles | nibbles &<< 4) & 0x0f0f_0f0f_0f0f_0f0f
    // Adding 6 carries into the fourth bit for ten and more: those become letters.
    let letters = ((nibbles &+ 0x0606_0606_0606_0606) &>> 4) & 0x0101_0101_0101_0101
    return (nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).byteSwapped
  }
}
