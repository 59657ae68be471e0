/// The host and port of a Host field or a target: `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2).
enum Authority {
  /// Whether `range` is a host with an optional port.
  ///
  /// Stricter than the RFC where that costs nothing: the host is not empty, there is no user information, no comma, no
  /// IPvFuture and no IPv6 zone; the port, which may be empty, is at most 65535.
  static func isValid(_ bytes: RawSpan, _ range: ByteRange) -> Bool {
    guard !range.isEmpty else { return false }
    let start = range.start
    let end = range.end
    var position = start
    if bytes.byte(at: start) == UInt8(ascii: "[") {
      position = start + 1
      while position < end, bytes.byte(at: position) != UInt8(ascii: "]") { position += 1 }
      guard position < end, isIPv6(bytes, from: start + 1, to: position) else { return false }
      position += 1
    } else {
      while position < end {
        let byte = bytes.byte(at: position)
        guard ByteClass.isRegisteredName(byte) else { break }
        if byte == UInt8(ascii: "%") {
          guard position + 2 < end, ByteClass.hexadecimalValue(bytes.byte(at: position + 1)) != nil,
            ByteClass.hexadecimalValue(bytes.byte(at: position + 2)) != nil
          else { return false }
        }
        position += 1
      }
      guard position > start else { return false }
    }
    guard position < end else { return true }
    return isPort(bytes, from: position, to: end)
  }

  /// A colon and at most 65535 behind it.
  private static func isPort(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
    guard bytes.byte(at: start) == UInt8(ascii: ":"), end - start <= 6 else { return false }
    var port = 0
    for offset in (start + 1)..<end {
      let byte = bytes.byte(at: offset)
      guard ByteClass.isDigit(byte) else { return false }
      port = port * 10 + Int(byte - 0x30)
    }
    return port <= 65_535
  }

  /// IPv6address of RFC 3986: eight groups, one run of them left out as "::", the last two perhaps as an IPv4 address.
  private static func isIPv6(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
    var groups = 0
    var hasGap = false
    var position = start
    guard end - start >= 2, end - start <= 45 else { return false }
    if bytes.byte(at: start) == UInt8(ascii: ":") {
      guard bytes.byte(at: start + 1) == UInt8(ascii: ":") else { return false }
      hasGap = true
      position = start + 2
    }
    while position < end {
      var digits = 0
      let groupStart = position
      while position < end, ByteClass.hexadecimalValue(bytes.byte(at: position)) != nil {
        digits += 1
        position += 1
      }
      guard digits > 0 else { return false }
      if position < end, bytes.byte(at: position) == UInt8(ascii: ".") {
        guard isIPv4(bytes, from: groupStart, to: end) else { return false }
        groups += 2
        break
      }
      guard digits <= 4 else { return false }
      groups += 1
      guard position < end else { break }
      guard bytes.byte(at: position) == UInt8(ascii: ":"), position + 1 < end else { return false }
      position += 1
      if bytes.byte(at: position) == UInt8(ascii: ":") {
        guard !hasGap else { return false }
        hasGap = true
        position += 1
      }
    }
    return hasGap ? groups < 8 : groups == 8
  }

  private static func isIPv4(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
    var parts = 0
    var position = start
    while true {
      var value = 0
      var digits = 0
      while position < end, ByteClass.isDigit(bytes.byte(at: position)), digits < 4 {
        value = value * 10 + Int(bytes.byte(at: position) - 0x30)
        digits += 1
        position += 1
      }
      guard digits >= 1, digits <= 3, value <= 255 else { return false }
      guard digits == 1 || bytes.byte(at: position - digits) != 0x30 else { return false }
      parts += 1
      guard position < end else { return parts == 4 }
      guard bytes.byte(at: position) == UInt8(ascii: "."), parts < 4 else { return false }
      position += 1
    }
  }
}
