extension IPAddress {
  /// Reads an address as text: `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`. No brackets, no zone, no leading zeros in IPv4.
  package init?(_ bytes: RawSpan, _ range: ByteRange) {
    // The longest is eight groups of four, the last two as IPv4.
    guard range.count >= 2, range.count <= 45 else { return nil }
    var hasColon = false
    for offset in range.start..<range.end where bytes.byte(at: offset) == UInt8(ascii: ":") { hasColon = true }
    if hasColon {
      guard let words = Self.words(bytes, range) else { return nil }
      self.init(high: words.high, low: words.low)
    } else {
      guard let bits = Self.bits(bytes, range) else { return nil }
      self.init(v4: bits)
    }
  }

  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    self.init(bytes.rawSpan, ByteRange(offset: 0, count: bytes.count))
  }

  private static func bits(_ bytes: RawSpan, _ range: ByteRange) -> UInt32? {
    var result: UInt32 = 0
    var part: UInt32 = 0
    var digits = 0
    var parts = 0
    for offset in range.start...range.end {
      if offset == range.end || bytes.byte(at: offset) == UInt8(ascii: ".") {
        guard digits > 0, parts < 4 else { return nil }
        result = result << 8 | part
        parts += 1
        digits = 0
        part = 0
        continue
      }
      let digit = bytes.byte(at: offset) &- 0x30
      guard digit < 10, !(digits > 0 && part == 0) else { return nil }
      part = part * 10 + UInt32(digit)
      digits += 1
      guard part <= 255 else { return nil }
    }
    return parts == 4 ? result : nil
  }

  private static func words(_ bytes: RawSpan, _ range: ByteRange) -> (high: UInt64, low: UInt64)? {
    var groups = Groups()
    var gap: Int?
    var position = range.start
    if bytes.byte(at: position) == UInt8(ascii: ":") {
      guard range.count > 1, bytes.byte(at: position + 1) == UInt8(ascii: ":") else { return nil }
      gap = 0
      position += 2
    }
    while position < range.end {
      let start = position
      var group: UInt64 = 0
      while position < range.end, let digit = ByteClass.hexadecimalValue(bytes.byte(at: position)) {
        group = group << 4 | UInt64(digit)
        position += 1
        guard position - start <= 4 else { return nil }
      }
      if position < range.end, bytes.byte(at: position) == UInt8(ascii: ".") {
        guard let bits = bits(bytes, ByteRange(offset: start, count: range.end - start)) else { return nil }
        guard groups.append(UInt64(bits >> 16)), groups.append(UInt64(bits & 0xffff)) else { return nil }
        position = range.end
        break
      }
      guard position > start, groups.append(group) else { return nil }
      guard position < range.end else { break }
      guard bytes.byte(at: position) == UInt8(ascii: ":"), position + 1 < range.end else { return nil }
      position += 1
      if bytes.byte(at: position) == UInt8(ascii: ":") {
        guard gap == nil else { return nil }
        gap = groups.count
        position += 1
      }
    }
    return groups.filled(at: gap)
  }

  /// Up to eight groups of sixteen bits, as they are read.
  private struct Groups {
    private(set) var count = 0
    private var high: UInt64 = 0
    private var low: UInt64 = 0

    mutating func append(_ group: UInt64) -> Bool {
      guard count < 8 else { return false }
      high = high << 16 | low >> 48
      low = low << 16 | group
      count += 1
      return true
    }

    /// With zeros where "::" stood.
    func filled(at gap: Int?) -> (high: UInt64, low: UInt64)? {
      guard let gap else { return count == 8 ? (high, low) : nil }
      guard count < 8 else { return nil }
      // Groups behind the gap stay at the end, those before it move to the front.
      let behind = count - gap
      let all = UInt128(high) << 64 | UInt128(low)
      let tail = behind == 0 ? 0 : all & (UInt128.max >> UInt128(128 - 16 * behind))
      let head = gap == 0 ? 0 : (all >> UInt128(16 * behind)) << UInt128(128 - 16 * gap)
      let whole = head | tail
      return (UInt64(truncatingIfNeeded: whole >> 64), UInt64(truncatingIfNeeded: whole))
    }
  }
}

// MARK: - Writing

extension ByteBuffer {
  /// Appends the address as text: IPv6 as RFC 5952 has it.
  package mutating func append(_ address: IPAddress) {
    if address.isIPv4 {
      for index in 0..<4 {
        if index > 0 { append(UInt8(ascii: ".")) }
        append(decimal: address.low >> UInt64(24 - 8 * index) & 0xff)
      }
    } else {
      appendIPv6(address.high, address.low)
    }
  }

  /// The longest run of two or more zero groups, the first of equals, becomes "::".
  mutating func appendIPv6(_ high: UInt64, _ low: UInt64) {
    func group(_ index: Int) -> UInt64 { (index < 4 ? high : low) >> UInt64(48 - 16 * (index & 3)) & 0xffff }
    var gap = 0..<0
    var index = 0
    while index < 8 {
      var end = index
      while end < 8, group(end) == 0 { end += 1 }
      if end - index >= 2, end - index > gap.count { gap = index..<end }
      index = end + 1
    }
    index = 0
    while index < 8 {
      if !gap.isEmpty, index == gap.lowerBound {
        append("::")
        index = gap.upperBound
        continue
      }
      if index > 0, index != gap.upperBound || gap.isEmpty { append(UInt8(ascii: ":")) }
      append(hexadecimal: group(index))
      index += 1
    }
  }
}

extension IPAddress: CustomStringConvertible {
  /// As text. It allocates.
  package var description: String {
    var buffer = ByteBuffer(capacity: 48)
    buffer.append(self)
    return buffer.readable.text(ByteRange(offset: 0, count: buffer.count))
  }
}
