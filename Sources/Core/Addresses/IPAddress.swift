/// An IP address. An IPv4 address that came in the clothes of IPv6 (`::ffff:192.0.2.1`, as on a socket for both) is IPv4 here, so
/// that a block, a limit or a log knows it however it came.
package struct IPAddress: Hashable, Sendable, BitwiseCopyable {
  /// The first eight bytes of an IPv6 address; 0 for IPv4.
  let high: UInt64
  /// The last eight bytes, or the four of IPv4.
  let low: UInt64
  package let isIPv4: Bool

  init(high: UInt64, low: UInt64) {
    isIPv4 = high == 0 && low >> 32 == 0xffff
    self.high = high
    self.low = isIPv4 ? low & 0xffff_ffff : low
  }

  package init(v4 bits: UInt32) {
    high = 0
    low = UInt64(bits)
    isIPv4 = true
  }

  /// Four or sixteen bytes in network order; nil for any other number.
  package init?(_ bytes: [UInt8]) {
    func word(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
    switch bytes.count {
    case 4: self.init(v4: UInt32(word(0..<4)))
    case 16: self.init(high: word(0..<8), low: word(8..<16))
    default: return nil
    }
  }

  /// Four or sixteen bytes in network order, from `offset` on.
  init(_ bytes: RawSpan, at offset: Int, isIPv4: Bool) {
    if isIPv4 {
      var bits: UInt32 = 0
      for index in 0..<4 { bits = bits << 8 | UInt32(bytes.byte(at: offset + index)) }
      self.init(v4: bits)
    } else {
      self.init(
        high: UInt64(bigEndian: UInt64(littleEndian: bytes.word(at: offset))),
        low: UInt64(bigEndian: UInt64(littleEndian: bytes.word(at: offset + 8))))
    }
  }

  /// Its bytes in network order, 4 or 16. It allocates.
  package var bytes: [UInt8] {
    if isIPv4 { return (0..<4).map { UInt8(truncatingIfNeeded: low >> UInt64(24 - 8 * $0)) } }
    return (0..<16).map { index in
      UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - 8 * (index & 7)))
    }
  }

  /// The sixteen bytes of the address as IPv6.
  var mapped: (high: UInt64, low: UInt64) { isIPv4 ? (0, 0xffff_0000_0000 | low) : (high, low) }
}

// MARK: - Blocks

/// A list of ``AddressBlock`` that is quickly asked.
package struct AddressBlocks: Sendable, Hashable {
  private struct Block: Sendable, Hashable, BitwiseCopyable {
    var address: IPAddress
    var mask: (high: UInt64, low: UInt64)

    static func == (left: Block, right: Block) -> Bool { left.address == right.address && left.mask == right.mask }
    func hash(into hasher: inout Hasher) {
      hasher.combine(address)
      hasher.combine(mask.high)
      hasher.combine(mask.low)
    }
  }

  private var blocks: [Block] = []

  package init(_ blocks: [AddressBlock]) {
    for block in blocks { append(block) }
  }

  package var isEmpty: Bool { blocks.isEmpty }

  package func contains(_ address: IPAddress) -> Bool {
    for block in blocks where block.address.isIPv4 == address.isIPv4 {
      if (block.address.high ^ address.high) & block.mask.high == 0,
        (block.address.low ^ address.low) & block.mask.low == 0
      {
        return true
      }
    }
    return false
  }

  private mutating func append(_ block: AddressBlock) {
    guard let address = IPAddress(block.bytes) else { return }
    if address.isIPv4 {
      // A block of mapped addresses is one of IPv4 when it is narrow enough, else it holds them all.
      let length = block.bytes.count == 4 ? block.prefixLength : max(block.prefixLength - 96, 0)
      blocks.append(Block(address: address, mask: (0, Self.mask(length, of: 32))))
    } else {
      let length = block.prefixLength
      blocks.append(
        Block(address: address, mask: (Self.mask(min(length, 64), of: 64), Self.mask(max(length - 64, 0), of: 64))))
    }
  }

  /// The word of `width` bits whose first `length` are set.
  private static func mask(_ length: Int, of width: Int) -> UInt64 {
    let all: UInt64 = width == 64 ? .max : (1 << UInt64(width)) - 1
    return length >= width ? all : all & ~(all >> UInt64(length))
  }
}
