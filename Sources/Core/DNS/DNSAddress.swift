/// An address that a name has. Ordered, IPv4 first, so that a name's addresses have one order whatever the server's is.
package enum DNSAddress: Hashable, Comparable, Sendable {
  /// Host order.
  case ipv4(UInt32)
  /// The two halves, host order.
  case ipv6(UInt64, UInt64)

  package var family: Family {
    switch self {
    case .ipv4: .ipv4
    case .ipv6: .ipv6
    }
  }

  /// Nobody's address (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2): to connect to it reaches this machine, which is not
  /// what the name's owner can mean. Filters answer with it.
  package var isUnspecified: Bool { self == .ipv4(0) || self == .ipv6(0, 0) }

  /// What a name is asked for.
  package enum Family: UInt8, CaseIterable, Sendable {
    case ipv4, ipv6

    /// The type of its records (RFC 1035 section 3.2.2, RFC 3596).
    package var recordType: UInt16 {
      switch self {
      case .ipv4: 1
      case .ipv6: 28
      }
    }
  }
}
