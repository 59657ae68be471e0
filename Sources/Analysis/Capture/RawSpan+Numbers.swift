import Core

extension RawSpan {
  @inline(__always)
  package func number16(at offset: Int, bigEndian: Bool = true) -> UInt16 {
    let (first, second) = (UInt16(byte(at: offset)), UInt16(byte(at: offset &+ 1)))
    return bigEndian ? first << 8 | second : second << 8 | first
  }

  @inline(__always)
  package func number32(at offset: Int, bigEndian: Bool = true) -> UInt32 {
    let (first, second) = (
      UInt32(number16(at: offset, bigEndian: bigEndian)), UInt32(number16(at: offset &+ 2, bigEndian: bigEndian))
    )
    return bigEndian ? first << 16 | second : second << 16 | first
  }

  @inline(__always)
  package func number64(at offset: Int, bigEndian: Bool = true) -> UInt64 {
    bigEndian ? UInt64(bigEndian: word(at: offset)) : UInt64(littleEndian: word(at: offset))
  }

  /// The first `limit` bytes as text, ill-formed UTF-8 repaired and control characters replaced: safe to print.
  package func text(upTo limit: Int) -> String {
    let whole = text(ByteRange(offset: 0, count: Swift.min(byteCount, limit)))
    guard whole.unicodeScalars.contains(where: { $0.value < 0x20 || ($0.value >= 0x7f && $0.value < 0xa0) }) else {
      return whole
    }
    var safe = String.UnicodeScalarView()
    for scalar in whole.unicodeScalars {
      let isControl = scalar.value < 0x20 || (scalar.value >= 0x7f && scalar.value < 0xa0)
      safe.append(isControl ? "\u{fffd}" : scalar)
    }
    return String(safe)
  }
}
