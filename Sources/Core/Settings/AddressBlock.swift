/// A block of IP addresses: `10.0.0.0/8`, `::1`, `fd00::/8`. Bytes in network order, 4 or 16 of them.
package struct AddressBlock: Hashable, Sendable {
  package let bytes: [UInt8]
  /// Leading bits that must agree.
  package let prefixLength: Int

  /// nil when the length does not fit the address.
  package init?(bytes: [UInt8], prefixLength: Int) {
    guard bytes.count == 4 || bytes.count == 16, (0...bytes.count * 8).contains(prefixLength) else { return nil }
    self.bytes = bytes
    self.prefixLength = prefixLength
  }

  package func contains(_ address: [UInt8]) -> Bool {
    guard address.count == bytes.count else { return false }
    var bits = prefixLength
    for (mine, other) in zip(bytes, address) {
      if bits <= 0 { return true }
      let mask: UInt8 = bits >= 8 ? 0xff : ~(0xff >> UInt8(bits))
      if mine & mask != other & mask { return false }
      bits -= 8
    }
    return true
  }
}
