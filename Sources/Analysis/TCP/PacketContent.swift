import Core

/// What became of a packet that was read.
package enum PacketContent: Sendable {
  case segment(TCPSegment)
  /// A fragment of an IP packet that carries TCP, or a tunnel: its segment cannot be seen as a whole.
  case fragment
  /// Cut by the capture within its headers.
  case cut
  /// Contradicts itself: lengths that do not fit.
  case malformed
  /// May carry TCP, and cannot be opened.
  case unread(UnreadLayer)
  /// Carries no TCP.
  case other
}

/// The layer at which the reading of a packet ends, although TCP may be behind it.
package enum UnreadLayer: Hashable, Sendable {
  case link(UInt16)
  case etherType(UInt16)
  /// A protocol over IP that hides what it carries, or wraps it in a way that is not read.
  case internetProtocol(UInt8)
  case ppp(UInt16)
  /// A GRE header with source routes, or of a version that nobody uses.
  case gre
  /// Encrypted frames of IEEE 802.11.
  case encryptedWireless
  /// Several frames of IEEE 802.11 in one.
  case aggregatedWireless
  /// More layers within each other than ``PacketOpener/maximumLayers``.
  case tooDeep

  /// For people: what a packet of this kind is.
  package var text: String {
    switch self {
    case .link(let number) where number >= 0xf000: "link type \(number & 0xfff) of snoop"
    case .link(let number): "link type \(number)"
    case .etherType(0x88e5): "EtherType 0x88e5 (MACsec, encrypted)"
    case .etherType(let type): "EtherType \(UnreadLayer.hexadecimal(type))"
    case .internetProtocol(50): "IP protocol 50 (ESP, encrypted)"
    case .internetProtocol(108): "IP protocol 108 (compressed)"
    case .internetProtocol(115): "IP protocol 115 (L2TP version 3)"
    case .internetProtocol(let number): "IP protocol \(number)"
    case .ppp(0x0053), .ppp(0x0055): "PPP, encrypted"
    case .ppp(0x00fd), .ppp(0x00fb), .ppp(0x002d), .ppp(0x002f): "PPP, compressed"
    case .ppp(let number): "PPP protocol \(UnreadLayer.hexadecimal(number))"
    case .gre: "GRE with source routes or of an unknown version"
    case .encryptedWireless: "encrypted wireless frames"
    case .aggregatedWireless: "aggregated wireless frames"
    case .tooDeep: "tunnels within tunnels, too many to follow"
    }
  }

  private static func hexadecimal(_ value: UInt16) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: 4 - digits.count) + digits
  }
}

extension PacketContent {
  /// Finds the TCP segment in a packet.
  package init(_ bytes: RawSpan, packet: CapturePacket) {
    var opener = PacketOpener(wireLength: packet.wireLength)
    self = opener.open(bytes, packet.link)
  }
}
