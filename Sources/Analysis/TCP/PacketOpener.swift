import Core

/// Opens a packet layer by layer, through tags and tunnels, down to the TCP segment that it carries.
///
/// Every length is one that a peer or a damaged file may have written: whatever it says, reading stays within the captured bytes.
struct PacketOpener {
  /// Layers that are opened at most: a packet through VLAN, MPLS, two tunnels and IP has a dozen.
  static let maximumLayers = 32
  /// IPv6 extension headers, MPLS labels and tags of one layer that are followed at most.
  static let maximumExtensions = 16

  /// What begins at ``position``.
  enum Layer: Equatable {
    case link(LinkType)
    case ethernet
    /// What the EtherType names.
    case etherType(UInt16)
    case logicalLink
    case ppp
    case pppoe
    case mpls
    /// IPv4 or IPv6, as its first digit says.
    case internet
    /// What the protocol number of IP names.
    case transport(UInt8, Addresses)
  }

  /// What TCP needs to know of the IP header before it.
  struct Addresses: Equatable {
    var source: NetworkAddress
    var destination: NetworkAddress
    var hops: UInt8
    var identification: UInt16
  }

  enum Step {
    case inner(Layer)
    case done(PacketContent)
  }

  /// Where the layer begins that is read next.
  var position = 0
  /// End of the packet as it was on the wire; narrowed by each layer that knows its length.
  var end: Int
  /// End of the captured bytes that belong to the packet.
  var captured = 0

  init(wireLength: Int) {
    end = wireLength
  }

  mutating func open(_ bytes: RawSpan, _ link: LinkType) -> PacketContent {
    captured = bytes.byteCount
    end = max(end, captured)
    var layer = Layer.link(link)
    for _ in 0..<PacketOpener.maximumLayers {
      switch read(layer, bytes) {
      case .inner(let next): layer = next
      case .done(let content): return content
      }
    }
    return .unread(.tooDeep)
  }

  private mutating func read(_ layer: Layer, _ bytes: RawSpan) -> Step {
    switch layer {
    case .link(let link): readLink(link, bytes)
    case .ethernet: readEthernet(bytes)
    case .etherType(let type): readEtherType(type, bytes)
    case .logicalLink: readLogicalLink(bytes)
    case .ppp: readPPP(bytes)
    case .pppoe: readPPPoE(bytes)
    case .mpls: readLabels(bytes)
    case .internet: readInternet(bytes)
    case .transport(let number, let addresses): readTransport(number, addresses, bytes)
    }
  }

  /// Whether `count` bytes from here on were captured.
  func has(_ count: Int) -> Bool { position + count <= captured }

  /// Whether what is not here was there: a packet that the capture has cut, or one that was never longer.
  func short(of count: Int) -> Step { .done(position + count <= end ? .cut : .malformed) }
}

// MARK: - IP

extension PacketOpener {
  /// The rest of `bytes` begins with the header of IP.
  private mutating func readInternet(_ bytes: RawSpan) -> Step {
    guard has(1) else { return short(of: 20) }
    return switch bytes.byte(at: position) >> 4 {
    case 4: readInternet4(bytes)
    case 6: readInternet6(bytes)
    default: .done(.malformed)
    }
  }

  private mutating func readInternet4(_ bytes: RawSpan) -> Step {
    guard has(20) else { return .done(.cut) }
    let start = position
    let headerLength = Int(bytes.byte(at: start) & 15) * 4
    guard headerLength >= 20 else { return .done(.malformed) }
    let number = bytes.byte(at: start + 9)
    let fragment = bytes.number16(at: start + 6)
    position = start + headerLength
    guard fragment & 0x3fff == 0 else {
      return .done(fragmentContent(number, isFirst: fragment & 0x1fff == 0, bytes))
    }
    var total = Int(bytes.number16(at: start + 2))
    // A network card that segments for the kernel gets packets above 64 KiB whose length field is zero.
    if total == 0 { total = end - start }
    guard total >= headerLength else { return .done(.malformed) }
    guard start + total <= end else { return .done(.cut) }
    end = start + total
    return .inner(
      .transport(
        number,
        Addresses(
          source: NetworkAddress(ipv4: bytes.number32(at: start + 12)),
          destination: NetworkAddress(ipv4: bytes.number32(at: start + 16)),
          hops: bytes.byte(at: start + 8), identification: bytes.number16(at: start + 4))))
  }

  private mutating func readInternet6(_ bytes: RawSpan) -> Step {
    guard has(40) else { return .done(.cut) }
    let start = position
    var total = Int(bytes.number16(at: start + 4))
    if total == 0 { total = end - start - 40 }
    guard start + 40 + total <= end else { return .done(.cut) }
    end = start + 40 + total
    var next = bytes.byte(at: start + 6)
    position = start + 40
    for _ in 0..<PacketOpener.maximumExtensions {
      switch next {
      case 0, 43, 60, 135:
        guard has(8) else { return .done(.cut) }
        next = bytes.byte(at: position)
        position += (Int(bytes.byte(at: position + 1)) + 1) * 8
      case 44:
        guard has(8) else { return .done(.cut) }
        next = bytes.byte(at: position)
        let place = bytes.number16(at: position + 2)
        position += 8
        // An atomic fragment (RFC 6946) is whole.
        guard place & 0xfff9 == 0 else { return .done(fragmentContent(next, isFirst: place & 0xfff8 == 0, bytes)) }
      default:
        return .inner(
          .transport(
            next,
            Addresses(
              source: NetworkAddress(high: bytes.number64(at: start + 8), low: bytes.number64(at: start + 16)),
              destination: NetworkAddress(high: bytes.number64(at: start + 24), low: bytes.number64(at: start + 32)),
              hops: bytes.byte(at: start + 7), identification: 0)))
      }
      guard position <= end else { return .done(.malformed) }
    }
    return .done(.malformed)
  }

  /// A part of an IP packet: it matters where it is of TCP or of a tunnel. Only the first part of a datagram has its ports.
  private func fragmentContent(_ number: UInt8, isFirst: Bool, _ bytes: RawSpan) -> PacketContent {
    switch number {
    case 6, 4, 41, 47, 97, 137: return .fragment
    case 50, 108, 115: return .unread(.internetProtocol(number))
    case 17:
      let isTunnel = isFirst && has(4) && TunnelPort(rawValue: bytes.number16(at: position + 2)) != nil
      return isTunnel ? .fragment : .other
    default: return .other
    }
  }

  private mutating func readTransport(_ number: UInt8, _ addresses: Addresses, _ bytes: RawSpan) -> Step {
    switch number {
    case 6:
      return .done(
        PacketContent.segment(
          bytes.extracting(0..<captured), start: position, count: end - position, source: addresses.source,
          destination: addresses.destination, hops: addresses.hops, identification: addresses.identification))
    case 17: return readDatagram(bytes)
    case 4, 41: return .inner(.internet)
    case 47: return readGRE(bytes)
    case 51:
      // An authentication header says what follows, in clear.
      guard has(8) else { return short(of: 8) }
      let next = bytes.byte(at: position)
      position += (Int(bytes.byte(at: position + 1)) + 2) * 4
      guard position <= end else { return .done(.malformed) }
      return .inner(.transport(next, addresses))
    case 43, 60, 135:
      // Extensions of IPv6 behind an authentication header.
      guard has(8) else { return short(of: 8) }
      let next = bytes.byte(at: position)
      position += (Int(bytes.byte(at: position + 1)) + 1) * 8
      return .inner(.transport(next, addresses))
    case 97:
      // EtherIP (RFC 3378): two bytes before a frame.
      position += 2
      return .inner(.ethernet)
    case 137: return .inner(.mpls)
    case 50, 108, 115: return .done(.unread(.internetProtocol(number)))
    default: return .done(.other)
    }
  }
}
