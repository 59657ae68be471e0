import Core

/// Searching and reading numbers in log lines. All offsets are checked against the span; ranges that are out of it are errors of
/// the caller and trap, so callers take theirs from the line that they scan.
extension RawSpan {
  /// The first place of `wanted` in `from..<end`, eight bytes at a time.
  @inline(__always)
  package func index(of wanted: UInt8, from: Int, to end: Int) -> Int? {
    let pattern = UInt64(wanted) &* 0x0101_0101_0101_0101
    var offset = from
    while offset &+ 8 <= end {
      let difference = UInt64(littleEndian: word(at: offset)) ^ pattern
      let zero = (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
      if zero != 0 { return offset &+ zero.trailingZeroBitCount / 8 }
      offset &+= 8
    }
    while offset < end {
      if byte(at: offset) == wanted { return offset }
      offset &+= 1
    }
    return nil
  }

  /// The first place of `wanted` in `from..<end`, for what is a few bytes away.
  @inline(__always)
  func nearby(_ wanted: UInt8, from: Int, to end: Int) -> Int? {
    var offset = from
    while offset < end {
      if byte(at: offset) == wanted { return offset }
      offset &+= 1
    }
    return nil
  }

  /// Whether `text` stands at `offset`, before `end`.
  func spells(_ text: String, at offset: Int, to end: Int) -> Bool {
    let wanted = text.utf8
    guard offset >= 0, offset &+ wanted.count <= end else { return false }
    var place = offset
    for expected in wanted {
      if byte(at: place) != expected { return false }
      place &+= 1
    }
    return true
  }

  /// Whether `range` is `text`.
  func equals(_ text: String, _ range: ByteRange) -> Bool {
    text.utf8.count == range.count && spells(text, at: range.start, to: range.end)
  }

  /// The first place of `text` in `from..<end`.
  func index(of text: String, from: Int, to end: Int) -> Int? {
    guard let first = text.utf8.first else { return from }
    var offset = from
    while let place = index(of: first, from: offset, to: end) {
      if spells(text, at: place, to: end) { return place }
      offset = place &+ 1
    }
    return nil
  }

  func contains(_ text: String, _ range: ByteRange) -> Bool {
    index(of: text, from: range.start, to: range.end) != nil
  }

  /// The digits of `range` as a number; nil when there is anything else, nothing, or too much.
  @inline(__always)
  func number(_ range: ByteRange) -> Int? {
    let count = range.count
    guard count > 0, count <= 18 else { return nil }
    var value = 0
    var offset = range.start
    while offset < range.end {
      let digit = byte(at: offset) &- 0x30
      guard digit <= 9 else { return nil }
      value = value &* 10 &+ Int(digit)
      offset &+= 1
    }
    return value
  }

  /// `count` digits at `offset`; nil when there is anything else.
  @inline(__always)
  func digits(_ count: Int, at offset: Int) -> Int? {
    guard offset >= 0, offset &+ count <= byteCount else { return nil }
    var value = 0
    for place in offset..<(offset &+ count) {
      let digit = byte(at: place) &- 0x30
      guard digit <= 9 else { return nil }
      value = value &* 10 &+ Int(digit)
    }
    return value
  }

  /// A decimal number times 10^`exponent`, as whole units: `0.004` with 9 is 4 000 000. nil for `-`, for what is negative, and
  /// for anything that is no number.
  @inline(__always)
  func decimal(_ range: ByteRange, exponent: Int) -> Int64? {
    var value: Int64 = 0
    var offset = range.start
    let end = range.end
    var seen = 0
    while offset < end {
      let digit = byte(at: offset) &- 0x30
      guard digit <= 9 else { break }
      guard seen < 12 else { return nil }
      value = value &* 10 &+ Int64(digit)
      seen += 1
      offset &+= 1
    }
    guard seen > 0 else { return nil }
    var left = exponent
    if offset < end, byte(at: offset) == UInt8(ascii: ".") {
      offset &+= 1
      while offset < end {
        let digit = byte(at: offset) &- 0x30
        guard digit <= 9 else { break }
        if left > 0 {
          guard value < 900_000_000_000_000_000 else { return nil }
          value = value &* 10 &+ Int64(digit)
          left -= 1
        }
        offset &+= 1
      }
    }
    guard offset == end else { return nil }
    while left > 0 {
      guard value < 900_000_000_000_000_000 else { return nil }
      value &*= 10
      left -= 1
    }
    return value
  }

  /// Whether the bytes are digits, at least one.
  func isNumber(_ range: ByteRange) -> Bool {
    guard !range.isEmpty else { return false }
    for offset in range.start..<range.end where byte(at: offset) &- 0x30 > 9 { return false }
    return true
  }

  /// Whether the range holds nothing, or a single `-`.
  @inline(__always)
  func isAbsent(_ range: ByteRange) -> Bool {
    range.isEmpty || range.count == 1 && byte(at: range.start) == UInt8(ascii: "-")
  }

  /// A number that stands for the bytes of `range`; the same bytes have the same number in every run.
  @inline(__always)
  func fingerprint(_ range: ByteRange, seed: UInt64 = 0) -> UInt64 {
    var state = seed ^ 0x9e37_79b9_7f4a_7c15 ^ UInt64(range.count)
    var offset = range.start
    let end = range.end
    while offset &+ 8 <= end {
      state = RawSpan.mixed(state ^ UInt64(littleEndian: word(at: offset)))
      offset &+= 8
    }
    var rest: UInt64 = 0
    while offset < end {
      rest = rest << 8 | UInt64(byte(at: offset))
      offset &+= 1
    }
    return RawSpan.mixed(state ^ rest)
  }

  @inline(__always)
  private static func mixed(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
    return product.high ^ product.low
  }

  /// `range` without blanks, tabs and carriage returns around it.
  func trimmed(_ range: ByteRange) -> ByteRange {
    var (start, end) = (range.start, range.end)
    while start < end, RawSpan.isBlank(byte(at: start)) { start &+= 1 }
    while end > start, RawSpan.isBlank(byte(at: end &- 1)) { end &-= 1 }
    return ByteRange(offset: start, count: end &- start)
  }

  @inline(__always)
  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }

  /// A byte of a host name or scheme.
  static func isNameByte(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x2e || byte == 0x2d
  }

  func bytes(_ range: ByteRange) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(range.count)
    for offset in range.start..<range.end { result.append(byte(at: offset)) }
    return result
  }
}

extension ByteRange {
  @inline(__always)
  init(from start: Int, to end: Int) { self.init(offset: start, count: Swift.max(0, end &- start)) }

  func dropping(first count: Int) -> ByteRange {
    let count = Swift.min(count, self.count)
    return ByteRange(offset: start + count, count: self.count - count)
  }

  /// The first `count` bytes of it at most.
  func limited(to count: Int) -> ByteRange { ByteRange(offset: start, count: Swift.min(self.count, count)) }
}
