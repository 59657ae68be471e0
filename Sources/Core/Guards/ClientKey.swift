/// Whom a limit counts as one client: an IPv4 address, or a /64 of IPv6, which is what one customer gets and can change within.
package struct ClientKey: Hashable, Sendable, BitwiseCopyable {
  private let value: UInt64
  private let isIPv4: Bool

  package init(_ address: IPAddress) {
    isIPv4 = address.isIPv4
    value = address.isIPv4 ? address.low : address.high
  }

  /// The shard, of so many, whose lock guards this client.
  package func shard(of count: Int) -> Int {
    var mixed = value &+ (isIPv4 ? 0x9E37_79B9_7F4A_7C15 : 0)
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int(truncatingIfNeeded: (mixed ^ (mixed >> 31)) % UInt64(count))
  }
}
