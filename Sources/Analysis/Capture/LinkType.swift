/// How the packets of an interface begin: the numbers of the tcpdump.org registry.
package struct LinkType: Hashable, Sendable, BitwiseCopyable, RawRepresentable {
  package var rawValue: UInt16

  package init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  /// BSD loopback: the address family in the byte order of the capturing host.
  package static let null = LinkType(rawValue: 0)
  package static let ethernet = LinkType(rawValue: 1)
  /// Raw IP as old systems number it.
  package static let rawOld = LinkType(rawValue: 12)
  package static let rawOpenBSD = LinkType(rawValue: 14)
  package static let raw = LinkType(rawValue: 101)
  /// OpenBSD loopback: the address family in network byte order.
  package static let loopback = LinkType(rawValue: 108)
  /// Linux cooked capture, version 1.
  package static let linuxCooked = LinkType(rawValue: 113)
  package static let ipv4 = LinkType(rawValue: 228)
  package static let ipv6 = LinkType(rawValue: 229)
  /// Linux cooked capture, version 2.
  package static let linuxCooked2 = LinkType(rawValue: 276)

  /// VLAN tags that are followed at most.
  private static let maximumTags = 4

  /// Offset of the IP header in a packet of this link type; nil when there is none, or when the type is not known.
  func offsetOfInternetHeader(in bytes: RawSpan) -> Int? {
    switch self {
    case .ethernet:
      guard bytes.byteCount >= 14 else { return nil }
      return LinkType.offset(behindEtherTypeAt: 12, in: bytes)
    case .linuxCooked:
      guard bytes.byteCount >= 16 else { return nil }
      return LinkType.offset(behindEtherTypeAt: 14, in: bytes)
    case .linuxCooked2:
      guard bytes.byteCount >= 20 else { return nil }
      switch bytes.number16(at: 0) {
      case 0x0800, 0x86dd: return 20
      case 0x8100, 0x88a8, 0x9100:
        return bytes.byteCount >= 24 ? LinkType.offset(behindEtherTypeAt: 22, in: bytes) : nil
      default: return nil
      }
    case .null, .loopback: return bytes.byteCount >= 4 ? 4 : nil
    case .raw, .rawOld, .rawOpenBSD, .ipv4, .ipv6: return 0
    default: return nil
    }
  }

  package var isKnown: Bool {
    switch self {
    case .ethernet, .linuxCooked, .linuxCooked2, .null, .loopback, .raw, .rawOld, .rawOpenBSD, .ipv4, .ipv6: true
    default: false
    }
  }

  private static func offset(behindEtherTypeAt start: Int, in bytes: RawSpan) -> Int? {
    var position = start
    for _ in 0...maximumTags {
      guard position + 2 <= bytes.byteCount else { return nil }
      switch bytes.number16(at: position) {
      case 0x0800, 0x86dd: return position + 2
      case 0x8100, 0x88a8, 0x9100: position += 4
      default: return nil
      }
    }
    return nil
  }
}
