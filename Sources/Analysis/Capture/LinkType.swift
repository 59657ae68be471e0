/// How the packets of an interface begin: the numbers of the tcpdump.org registry.
package struct LinkType: Hashable, Sendable, BitwiseCopyable, RawRepresentable {
  package var rawValue: UInt16

  package init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  /// BSD loopback: the address family in the byte order of the capturing host.
  package static let null = LinkType(rawValue: 0)
  package static let ethernet = LinkType(rawValue: 1)
  /// PPP, with or without the two bytes of HDLC-like framing.
  package static let ppp = LinkType(rawValue: 9)
  /// Raw IP as old systems number it.
  package static let rawOld = LinkType(rawValue: 12)
  package static let rawOpenBSD = LinkType(rawValue: 14)
  /// PPP in HDLC-like framing, or Cisco's HDLC.
  package static let pppHDLC = LinkType(rawValue: 50)
  /// PPPoE without the Ethernet header.
  package static let pppoe = LinkType(rawValue: 51)
  /// LLC and SNAP over ATM (RFC 2684).
  package static let atm = LinkType(rawValue: 100)
  package static let raw = LinkType(rawValue: 101)
  package static let ciscoHDLC = LinkType(rawValue: 104)
  package static let wireless = LinkType(rawValue: 105)
  /// OpenBSD loopback: the address family in network byte order.
  package static let loopback = LinkType(rawValue: 108)
  /// Linux cooked capture, version 1.
  package static let linuxCooked = LinkType(rawValue: 113)
  /// OpenBSD's packet filter log.
  package static let pflog = LinkType(rawValue: 117)
  /// IEEE 802.11 behind a radiotap header.
  package static let radiotap = LinkType(rawValue: 127)
  /// PPP behind a byte that tells the direction: of pppd, and the usual one.
  package static let pppOfPPPD = LinkType(rawValue: 166)
  package static let pppWithDirection = LinkType(rawValue: 204)
  package static let mpls = LinkType(rawValue: 219)
  package static let ipv4 = LinkType(rawValue: 228)
  package static let ipv6 = LinkType(rawValue: 229)
  /// Packets that a rule of Netfilter logged.
  package static let nflog = LinkType(rawValue: 239)
  /// Linux cooked capture, version 2.
  package static let linuxCooked2 = LinkType(rawValue: 276)

  /// What a snoop file numbers otherwise and nothing here reads: its number, in a range that the registry does not use.
  package static func snoop(_ number: UInt32) -> LinkType { LinkType(rawValue: 0xf000 | UInt16(min(number, 0xfff))) }
}
