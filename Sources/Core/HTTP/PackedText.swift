/// Words that hold short text in memory order, so that names are compared eight bytes at a time.
///
/// The literals are folded into constants by the optimiser.
enum PackedText {
  /// Bytes `offset..<offset + count` of `text`, at most eight, the rest zero.
  @inline(__always)
  static func word(_ text: StaticString, at offset: Int, count: Int) -> UInt64 {
    precondition(count >= 0 && count <= 8 && offset >= 0 && offset + count <= text.utf8CodeUnitCount)
    var packed: UInt64 = 0
    var index = 0
    while index < count {
      // Safe: within the literal, as checked above; literals live as long as the program.
      packed |= UInt64(unsafe text.utf8Start[offset &+ index]) &<< UInt64(index &* 8)
      index &+= 1
    }
    return packed
  }

  /// `text`, of at most eight bytes.
  @inline(__always)
  static func word(_ text: StaticString) -> UInt64 {
    word(text, at: 0, count: text.utf8CodeUnitCount)
  }
}

extension RawSpan {
  /// The first `count` bytes from `offset` on (at most eight), in memory order, the rest zero.
  @inline(__always)
  func packed(at offset: Int, count: Int) -> UInt64 {
    if offset &+ 8 <= byteCount {
      let mask = count >= 8 ? UInt64.max : (UInt64(1) &<< UInt64(count &* 8)) &- 1
      return word(at: offset) & mask
    }
    return packedAtEnd(offset, count)
  }

  /// Less than a word is left: byte by byte.
  @inline(never)
  private func packedAtEnd(_ offset: Int, _ count: Int) -> UInt64 {
    var packed: UInt64 = 0
    var index = 0
    while index < count {
      packed |= UInt64(byte(at: offset &+ index)) &<< UInt64(index &* 8)
      index &+= 1
    }
    return packed
  }

  /// As ``packed(at:count:)``, with bit 0x20 set in every byte: letters come out in lower case, digits, "-" and "/" as they are.
  ///
  /// Other bytes change too ("_" becomes DEL), so compare the result only with text of letters, digits, "-" and "/".
  @inline(__always)
  func packedLowercase(at offset: Int, count: Int) -> UInt64 {
    let mask = count >= 8 ? UInt64.max : (UInt64(1) &<< UInt64(count &* 8)) &- 1
    return packed(at: offset, count: count) | (0x2020_2020_2020_2020 & mask)
  }

  /// As ``packedLowercase(at:count:)`` for the bytes of a token, with "_" replaced by "-" when `dashing`.
  @inline(__always)
  func packedName(at offset: Int, count: Int, dashing: Bool) -> UInt64 {
    let word = packedLowercase(at: offset, count: count)
    guard dashing else { return word }
    // In a token only "_" comes out as DEL; the sum carries into the top bit of just those bytes.
    let underscores = ((word & 0x7f7f_7f7f_7f7f_7f7f) &+ 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    return word ^ ((underscores &>> 7) &* UInt64(0x7f ^ 0x2d))
  }

  /// Whether the bytes of `range` spell `text`, letters compared without case.
  ///
  /// - Parameter text: lower case letters, digits, "-" and "/" only.
  @inline(__always)
  package func spells(_ text: StaticString, at range: ByteRange) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    var index = 0
    while index < range.count {
      let step = Swift.min(8, range.count &- index)
      let wanted = PackedText.word(text, at: index, count: step)
      if packedLowercase(at: range.start &+ index, count: step) != wanted { return false }
      index &+= step
    }
    return true
  }

  /// Whether the bytes of two ranges are the same name, letters compared without case.
  func sameName(_ left: ByteRange, _ right: ByteRange) -> Bool {
    guard left.count == right.count else { return false }
    for index in 0..<left.count {
      let one = ByteClass.lowercased(byte(at: left.start &+ index))
      if one != ByteClass.lowercased(byte(at: right.start &+ index)) { return false }
    }
    return true
  }
}
