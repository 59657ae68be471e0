import Core

// MARK: - Links

extension PacketOpener {
  mutating func readLink(_ link: LinkType, _ bytes: RawSpan) -> Step {
    switch link {
    case .ethernet: return .inner(.ethernet)
    case .raw, .rawOld, .rawOpenBSD, .ipv4, .ipv6: return .inner(.internet)
    case .null, .loopback:
      guard has(5) else { return short(of: 24) }
      position += 4
      // Other families than those of the Internet pass a loopback, too.
      let version = bytes.byte(at: position) >> 4
      return version == 4 || version == 6 ? .inner(.internet) : .done(.other)
    case .linuxCooked:
      guard has(16) else { return short(of: 16) }
      position += 16
      return cooked(bytes.number16(at: 14))
    case .linuxCooked2:
      guard has(20) else { return short(of: 20) }
      position += 20
      return cooked(bytes.number16(at: 0))
    case .ppp: return .inner(.ppp)
    case .pppHDLC:
      guard has(4) else { return short(of: 4) }
      return bytes.byte(at: 0) == 0xff ? .inner(.ppp) : readCiscoHDLC(bytes)
    case .pppoe: return .inner(.pppoe)
    case .pppOfPPPD, .pppWithDirection:
      position += 1
      return .inner(.ppp)
    case .ciscoHDLC: return readCiscoHDLC(bytes)
    case .atm: return .inner(.logicalLink)
    case .mpls: return .inner(.mpls)
    case .nflog: return readNetfilterLog(bytes)
    case .pflog:
      guard has(1) else { return short(of: 1) }
      position += (Int(bytes.byte(at: 0)) + 3) & ~3
      return .inner(.internet)
    case .wireless: return readWireless(bytes)
    case .radiotap: return readRadiotap(bytes)
    default: return .done(.unread(.link(link.rawValue)))
    }
  }

  /// A cooked capture has an EtherType, or a number for frames without one.
  private func cooked(_ type: UInt16) -> Step {
    if type == 4 { return .inner(.logicalLink) }
    return type < 0x0600 ? .done(.other) : .inner(.etherType(type))
  }

  /// Two bytes of address and control, and an EtherType.
  private mutating func readCiscoHDLC(_ bytes: RawSpan) -> Step {
    guard has(4) else { return short(of: 4) }
    let type = bytes.number16(at: position + 2)
    position += 4
    return type == 0x8035 ? .done(.other) : .inner(.etherType(type))
  }

  /// The header is followed by attributes of which one holds the packet: length and type, in the byte order of the host.
  private mutating func readNetfilterLog(_ bytes: RawSpan) -> Step {
    guard has(8) else { return short(of: 8) }
    position = 4
    // The order is told by the first length, which no attribute of 256 bytes or more precedes.
    let isBigEndian = bytes.number16(at: position, bigEndian: false) > 255
    while has(4) {
      let length = Int(bytes.number16(at: position, bigEndian: isBigEndian))
      let type = bytes.number16(at: position + 2, bigEndian: isBigEndian) & 0x7fff
      guard length >= 4 else { return .done(.malformed) }
      if type == 9 {
        let last = position + length
        position += 4
        captured = min(captured, last)
        // What Netfilter cut off is told nowhere but in the header of IP.
        end = max(last, position + 65_575)
        return .inner(.internet)
      }
      position += (length + 3) & ~3
    }
    return .done(position < end ? .cut : .other)
  }

  // MARK: - Ethernet and what its types name

  mutating func readEthernet(_ bytes: RawSpan) -> Step {
    guard has(14) else { return short(of: 14) }
    let type = bytes.number16(at: position + 12)
    position += 14
    return next(type)
  }

  /// Values below 0x0600 are lengths, before LLC.
  private func next(_ type: UInt16) -> Step {
    type < 0x0600 ? .inner(.logicalLink) : .inner(.etherType(type))
  }

  mutating func readEtherType(_ first: UInt16, _ bytes: RawSpan) -> Step {
    switch first {
    case 0x0800, 0x86dd: return .inner(.internet)
    case 0x8100, 0x88a8, 0x9100, 0x9200: return skip(4, typeAt: 2, bytes)  // VLAN tags.
    case 0x8926: return skip(6, typeAt: 4, bytes)  // VN-Tag.
    case 0x893f: return skip(8, typeAt: 6, bytes)  // E-Tag of IEEE 802.1BR.
    case 0x88e7:
      position += 4  // The service tag of a provider's backbone, before the customer's frame.
      return .inner(.ethernet)
    case 0x8847, 0x8848: return .inner(.mpls)
    case 0x8864: return .inner(.pppoe)
    case 0x880b: return .inner(.ppp)
    case 0x6558: return .inner(.ethernet)
    case 0x894f: return readServiceHeader(bytes)
    case 0x88e5: return readMACsec(bytes)
    // ARP, RARP, AppleTalk, IPX, LACP, EAPOL, LLDP, PPPoE's discovery, loop tests, clocks, connectivity checks, and storage.
    case 0x0806, 0x8035, 0x809b, 0x80f3, 0x8137, 0x8809, 0x888e, 0x88cc, 0x8863, 0x9000, 0x88f7, 0x8902, 0x8906, 0x8914,
      0x88a2, 0x8899, 0x886c, 0x88c7, 0x890d, 0x893a, 0x88e1, 0x8912, 0x88f5, 0x88f6, 0x22f0, 0x22ea, 0x0842, 0x8892,
      0x88a4, 0x88ab, 0x88ba, 0x88b8, 0x88d9, 0x6002, 0x6003:
      return .done(.other)
    default: return .done(.unread(.etherType(first)))
    }
  }

  private mutating func skip(_ count: Int, typeAt offset: Int, _ bytes: RawSpan) -> Step {
    guard has(count) else { return short(of: count) }
    let type = bytes.number16(at: position + offset)
    position += count
    return next(type)
  }

  /// MACsec (IEEE 802.1AE) that only signs can be read, that which encrypts cannot.
  private mutating func readMACsec(_ bytes: RawSpan) -> Step {
    guard has(1) else { return short(of: 6) }
    let control = bytes.byte(at: position)
    guard control & 0x0c == 0 else { return .done(.unread(.etherType(0x88e5))) }
    return control & 0x20 == 0 ? skip(8, typeAt: 6, bytes) : skip(16, typeAt: 14, bytes)
  }

  /// RFC 8300: what a chain of services puts before a packet.
  mutating func readServiceHeader(_ bytes: RawSpan) -> Step {
    guard has(4) else { return short(of: 8) }
    let length = Int(bytes.number16(at: position) & 0x3f) * 4
    let kind = bytes.byte(at: position + 3)
    guard length >= 8 else { return .done(.malformed) }
    position += length
    return next(ofService: kind)
  }

  /// The numbers that NSH and VXLAN-GPE share.
  func next(ofService kind: UInt8) -> Step {
    switch kind {
    case 1, 2: .inner(.internet)
    case 3: .inner(.ethernet)
    case 4: .inner(.etherType(0x894f))
    case 5: .inner(.mpls)
    default: .done(.other)
    }
  }

  mutating func readLogicalLink(_ bytes: RawSpan) -> Step {
    guard has(3) else { return short(of: 3) }
    switch bytes.number16(at: position) {
    case 0xaaaa:
      guard has(8) else { return short(of: 8) }
      let organisation = bytes.number32(at: position + 2) & 0x00ff_ffff
      let type = bytes.number16(at: position + 6)
      position += 8
      switch organisation {
      case 0, 0x0000f8: return type < 0x0600 ? .done(.other) : .inner(.etherType(type))
      case 0x0080c2 where type == 1 || type == 7:
        position += 2  // Bridged Ethernet over ATM: padding before the frame (RFC 2684).
        return .inner(.ethernet)
      default: return .done(.other)
      }
    case 0x0606:
      position += 3
      return .inner(.internet)
    default: return .done(.other)  // Spanning trees, routing, IPX.
    }
  }

  // MARK: - PPP

  mutating func readPPPoE(_ bytes: RawSpan) -> Step {
    guard has(6) else { return short(of: 6) }
    guard bytes.byte(at: position) == 0x11, bytes.byte(at: position + 1) == 0 else { return .done(.other) }
    let length = Int(bytes.number16(at: position + 4))
    position += 6
    end = min(end, position + length)
    return .inner(.ppp)
  }

  mutating func readPPP(_ bytes: RawSpan) -> Step {
    if has(2), bytes.number16(at: position) == 0xff03 { position += 2 }
    guard has(1) else { return short(of: 2) }
    // The first byte of a protocol number is even; a peer may leave it out when it is zero (RFC 1661 section 6.5).
    let isShort = bytes.byte(at: position) & 1 == 1
    guard isShort || has(2) else { return short(of: 2) }
    let number = isShort ? UInt16(bytes.byte(at: position)) : bytes.number16(at: position)
    position += isShort ? 1 : 2
    switch number {
    case 0x0021, 0x0057: return .inner(.internet)
    case 0x0281, 0x0283: return .inner(.mpls)
    // Compressed headers, compressed or encrypted packets, several in one, bridged frames.
    case 0x002d, 0x002f, 0x0031, 0x003d, 0x0053, 0x0055, 0x00fb, 0x00fd: return .done(.unread(.ppp(number)))
    default: return .done(.other)
    }
  }

  // MARK: - Wireless

  private mutating func readRadiotap(_ bytes: RawSpan) -> Step {
    guard has(8) else { return short(of: 8) }
    var length = Int(bytes.number16(at: 2, bigEndian: false))
    guard length >= 8 else { return .done(.malformed) }
    // Bit 31 of each word says that another follows.
    var fields = 8
    let present = bytes.number32(at: 4, bigEndian: false)
    var word = present
    while word >> 31 == 1, fields + 4 <= min(length, captured) {
      word = bytes.number32(at: fields, bigEndian: false)
      fields += 4
    }
    if present & 1 != 0 { fields = (fields + 7) & ~7 + 8 }
    // Some cards fill the header that follows up to a multiple of four.
    if present & 2 != 0, fields < min(length, captured), bytes.byte(at: fields) & 0x20 != 0 { length |= 1 << 20 }
    position = length & 0xffff
    return readWireless(bytes, isPadded: length >> 20 != 0)
  }

  private mutating func readWireless(_ bytes: RawSpan, isPadded: Bool = false) -> Step {
    guard has(2) else { return short(of: 24) }
    let (kind, flags) = (bytes.byte(at: position), bytes.byte(at: position + 1))
    // Only data frames that hold something: neither beacons, nor acknowledgements, nor empty ones.
    guard kind & 0x0c == 0x08, kind & 0x40 == 0 else { return .done(.other) }
    guard flags & 0x40 == 0 else { return .done(.unread(.encryptedWireless)) }
    var header = flags & 3 == 3 ? 30 : 24
    if kind & 0x80 != 0 {
      guard has(header + 1) else { return short(of: header + 2) }
      guard bytes.byte(at: position + header) & 0x80 == 0 else { return .done(.unread(.aggregatedWireless)) }
      header += flags & 0x80 == 0 ? 2 : 6
    }
    position += isPadded ? (header + 3) & ~3 : header
    return .inner(.logicalLink)
  }
}
