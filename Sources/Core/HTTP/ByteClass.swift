/// The character classes of RFC 9110 and RFC 3986, as bit masks: no table to load, no global to initialise.
enum ByteClass {
  static let horizontalTab: UInt8 = 0x09
  static let lineFeed: UInt8 = 0x0a
  static let carriageReturn: UInt8 = 0x0d
  static let space: UInt8 = 0x20
  static let delete: UInt8 = 0x7f

  /// tchar: what a token is made of (RFC 9110 section 5.6.2).
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    contains(byte, 0x03ff_6cfa_0000_0000, 0x57ff_ffff_c7ff_fffe)
  }

  /// What a request target may hold: visible ASCII without `"`, `#`, `<`, `>` and `\`.
  ///
  /// RFC 3986 allows less. Browsers leave `^`, a backtick, `{`, `|` and `}` as they are in queries, so those pass; what some
  /// servers take for another character (`\` for `/`), for the end of the target (`#`), or for markup does not, see
  /// ``isQueryOnly(_:)``.
  @inline(__always)
  static func isTarget(_ byte: UInt8) -> Bool {
    contains(byte, 0xaffffff2_00000000, 0x7fff_ffff_efff_ffff)
  }

  /// `"`, `<`, `>` and `\`: browsers, curl and Node's fetch send them in queries, where they mean nothing to anybody on the way.
  @inline(__always)
  static func isQueryOnly(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "<") || byte == UInt8(ascii: ">") || byte == UInt8(ascii: "\\")
  }

  /// What a registered name may hold (RFC 3986 section 3.2.2), without the comma, which would make a list of a Host field.
  @inline(__always)
  static func isRegisteredName(_ byte: UInt8) -> Bool {
    contains(byte, 0x2bff_6ff2_0000_0000, 0x47ff_fffe_87ff_fffe)
  }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  @inline(__always)
  static func isWhitespace(_ byte: UInt8) -> Bool { byte == space || byte == horizontalTab }

  /// The value of a hexadecimal digit, or nil.
  @inline(__always)
  static func hexadecimalValue(_ byte: UInt8) -> UInt8? {
    let digit = byte &- 0x30
    if digit < 10 { return digit }
    let letter = (byte | 0x20) &- 0x61
    return letter < 6 ? letter &+ 10 : nil
  }

  @inline(__always)
  static func lowercased(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
  }

  @inline(__always)
  private static func contains(_ byte: UInt8, _ low: UInt64, _ high: UInt64) -> Bool {
    let half = byte < 64 ? low : high
    return byte < 128 && (half &>> UInt64(byte & 63)) & 1 != 0
  }
}

extension RawSpan {
  /// The first offset in `start..<end` whose byte is a control character (DEL included, HTAB not), or `end`.
  @inline(__always)
  func firstControl(from start: Int, to end: Int) -> Int {
    var position = start
    while position &+ 8 <= end {
      let word = word(at: position)
      // The lowest mark is exact: a borrow can only produce false marks above a true one.
      let low = (word &- 0x2020_2020_2020_2020) & ~word
      let deleted = word ^ 0x7f7f_7f7f_7f7f_7f7f
      let marks = (low | ((deleted &- 0x0101_0101_0101_0101) & ~deleted)) & 0x8080_8080_8080_8080
      if marks == 0 {
        position &+= 8
        continue
      }
      position &+= marks.trailingZeroBitCount &>> 3
      if byte(at: position) != ByteClass.horizontalTab { return position }
      position &+= 1
    }
    while position < end {
      let byte = byte(at: position)
      if (byte < ByteClass.space && byte != ByteClass.horizontalTab) || byte == ByteClass.delete { return position }
      position &+= 1
    }
    return end
  }

  /// The first offset in `start..<end` whose byte is no part of a token, or `end`.
  ///
  /// - Parameter isPlain: set to false when the token holds anything but letters, digits and "-".
  @inline(__always)
  func endOfToken(from start: Int, to end: Int, isPlain: inout Bool) -> Int {
    var position = start
    while position &+ 8 <= end {
      let word = word(at: position)
      // Letters, digits and "-" eight at a time; the sums stay within their bytes because those are below 0x80.
      guard word & 0x8080_8080_8080_8080 == 0 else { break }
      let lower = word | 0x2020_2020_2020_2020
      let letters = (lower &+ 0x1f1f_1f1f_1f1f_1f1f) & ~(lower &+ 0x0505_0505_0505_0505)
      let digits = (word &+ 0x5050_5050_5050_5050) & ~(word &+ 0x4646_4646_4646_4646)
      let dashes = ~((word ^ 0x2d2d_2d2d_2d2d_2d2d) &+ 0x7f7f_7f7f_7f7f_7f7f)
      let others = ~(letters | digits | dashes) & 0x8080_8080_8080_8080
      if others == 0 {
        position &+= 8
        continue
      }
      position &+= others.trailingZeroBitCount &>> 3
      // The rarer characters of a token one by one.
      guard ByteClass.isToken(byte(at: position)) else { return position }
      isPlain = false
      position &+= 1
    }
    return endOfTokenSlowly(from: position, to: end, isPlain: &isPlain)
  }

  @inline(never)
  private func endOfTokenSlowly(from start: Int, to end: Int, isPlain: inout Bool) -> Int {
    isPlain = false
    var position = start
    while position < end, ByteClass.isToken(byte(at: position)) { position &+= 1 }
    return position
  }

  /// `start..<end` without the spaces and tabs at both ends.
  @inline(__always)
  func trimmed(_ start: Int, _ end: Int) -> ByteRange {
    var first = start
    var last = end
    while first < last, ByteClass.isWhitespace(byte(at: first)) { first &+= 1 }
    while first < last, ByteClass.isWhitespace(byte(at: last &- 1)) { last &-= 1 }
    return ByteRange(offset: first, count: last &- first)
  }
}
