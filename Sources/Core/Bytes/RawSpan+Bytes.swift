extension RawSpan {
  /// The byte at `offset`, checked against the bounds.
  @inlinable @inline(__always)
  package func byte(at offset: Int) -> UInt8 {
    // Safe: the load is bounds-checked, and every bit pattern is a UInt8.
    unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }

  /// Eight bytes from `offset` on, in memory order, checked against the bounds.
  @inlinable @inline(__always)
  package func word(at offset: Int) -> UInt64 {
    // Safe: the load is bounds-checked, and every bit pattern is a UInt64.
    unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }

  /// The part of this span that `range` names, checked against the bounds.
  @_lifetime(copy self)
  package func part(_ range: ByteRange) -> RawSpan {
    extracting(range.start..<range.end)
  }

  /// The bytes of `range` as text, ill-formed UTF-8 repaired. For logs and errors: it allocates.
  package func text(_ range: ByteRange) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    for offset in range.start..<range.end { bytes.append(byte(at: offset)) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
