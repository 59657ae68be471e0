import Core

/// Ports of UDP behind which whole packets travel.
enum TunnelPort: UInt16 {
  case l2tp = 1_701
  case gtp = 2_152
  case vxlan = 4_789
  case vxlanGPE = 4_790
  case geneve = 6_081
  case mpls = 6_635
  /// VXLAN, where Linux is not told another port.
  case vxlanOfLinux = 8_472
  case tzsp = 37_008
}

extension PacketOpener {
  mutating func readDatagram(_ bytes: RawSpan) -> Step {
    guard has(8) else { return short(of: 8) }
    guard let port = TunnelPort(rawValue: bytes.number16(at: position + 2)) else { return .done(.other) }
    let length = Int(bytes.number16(at: position + 4))
    guard length == 0 || length >= 8 else { return .done(.malformed) }
    if length > 0 { end = min(end, position + length) }
    position += 8
    guard has(4) else { return position >= end ? .done(.other) : short(of: 4) }
    switch port {
    case .vxlan, .vxlanOfLinux:
      // The one flag that must be set; the reserved ones are not (RFC 7348), the first is Cisco's group policy.
      guard bytes.byte(at: position) & 0x7f == 0x08 else { return .done(.other) }
      position += 8
      return .inner(.ethernet)
    case .vxlanGPE:
      let (flags, kind) = (bytes.byte(at: position), bytes.byte(at: position + 3))
      guard flags & 0x08 != 0, flags & 0x01 == 0 else { return .done(.other) }
      position += 8
      return flags & 0x04 == 0 ? .inner(.ethernet) : next(ofService: kind)
    case .geneve: return readGeneve(bytes)
    case .mpls: return .inner(.mpls)
    case .gtp: return readGTP(bytes)
    case .l2tp: return readL2TP(bytes)
    case .tzsp: return readTZSP(bytes)
    }
  }

  /// RFC 8926 section 3.4.
  private mutating func readGeneve(_ bytes: RawSpan) -> Step {
    let (first, flags) = (bytes.byte(at: position), bytes.byte(at: position + 1))
    guard first >> 6 == 0, flags & 0x80 == 0 else { return .done(.other) }
    let type = bytes.number16(at: position + 2)
    position += 8 + Int(first & 0x3f) * 4
    return .inner(.etherType(type))
  }

  /// User packets of a mobile network (3GPP TS 29.281).
  private mutating func readGTP(_ bytes: RawSpan) -> Step {
    let flags = bytes.byte(at: position)
    guard flags >> 4 == 3, bytes.byte(at: position + 1) == 0xff else { return .done(.other) }
    guard flags & 0x07 != 0 else {
      position += 8
      return .inner(.internet)
    }
    guard has(12) else { return short(of: 12) }
    var kind = flags & 0x04 == 0 ? 0 : bytes.byte(at: position + 11)
    position += 12
    for _ in 0..<PacketOpener.maximumExtensions where kind != 0 {
      guard has(1) else { return short(of: 4) }
      let length = Int(bytes.byte(at: position)) * 4
      guard length > 0 else { return .done(.malformed) }
      guard has(length) else { return short(of: length) }
      kind = bytes.byte(at: position + length - 1)
      position += length
    }
    return kind == 0 ? .inner(.internet) : .done(.malformed)
  }

  /// RFC 2661 section 3.1: which fields there are, the flags say.
  private mutating func readL2TP(_ bytes: RawSpan) -> Step {
    let flags = bytes.number16(at: position)
    guard flags & 0x000f == 2, flags & 0x8000 == 0 else { return .done(.other) }
    position += 6 + (flags & 0x4000 == 0 ? 0 : 2) + (flags & 0x0800 == 0 ? 0 : 4)
    if flags & 0x0200 != 0 {
      guard has(2) else { return short(of: 2) }
      position += 2 + Int(bytes.number16(at: position))
    }
    return .inner(.ppp)
  }

  /// What a sniffer sends home: a header, tags up to the one with number 1, and the frame.
  private mutating func readTZSP(_ bytes: RawSpan) -> Step {
    guard bytes.number16(at: position + 2) == 1 else { return .done(.other) }
    position += 4
    while has(1) {
      let tag = bytes.byte(at: position)
      position += 1
      if tag == 1 { return .inner(.ethernet) }
      guard tag != 0 else { continue }
      guard has(1) else { break }
      position += 1 + Int(bytes.byte(at: position))
    }
    return short(of: 1)
  }

  // MARK: - GRE and ERSPAN

  /// RFC 2784 and 2890; version 1 is that of PPTP (RFC 2637).
  mutating func readGRE(_ bytes: RawSpan) -> Step {
    guard has(4) else { return short(of: 4) }
    let (flags, type) = (bytes.number16(at: position), bytes.number16(at: position + 2))
    let hasNumber = flags & 0x1000 != 0
    switch flags & 7 {
    case 0:
      guard flags & 0x4000 == 0 else { return .done(.unread(.gre)) }
      position += 4 + (flags & 0x8000 == 0 ? 0 : 4) + (flags & 0x2000 == 0 ? 0 : 4) + (hasNumber ? 4 : 0)
    case 1:
      // Without a number it holds an acknowledgement only.
      guard type == 0x880b, hasNumber else { return .done(.other) }
      position += 12 + (flags & 0x0080 == 0 ? 0 : 4)
    default: return .done(.unread(.gre))
    }
    switch type {
    case 0x88be:
      // The first type of ERSPAN has no header of its own, and no number in that of GRE.
      if hasNumber { position += 8 }
      return .inner(.ethernet)
    case 0x22eb: return readERSPAN3(bytes)
    case 0x883e:
      guard has(1) else { return short(of: 4) }
      // WCCP has four bytes before the packet, in its second version.
      if bytes.byte(at: position) >> 4 != 4 { position += 4 }
      return .inner(.internet)
    case 0: return .done(.other)  // A keep-alive of the tunnel.
    default: return .inner(.etherType(type))
    }
  }

  private mutating func readERSPAN3(_ bytes: RawSpan) -> Step {
    guard has(12) else { return short(of: 12) }
    let flags = bytes.number16(at: position + 10)
    position += flags & 1 == 0 ? 12 : 20
    return flags >> 10 & 0x1f == 2 ? .inner(.internet) : .inner(.ethernet)
  }

  // MARK: - MPLS

  /// Nothing in a label says what is behind the last one: the first digit does, as with RFC 4928.
  mutating func readLabels(_ bytes: RawSpan) -> Step {
    for _ in 0..<PacketOpener.maximumExtensions {
      guard has(4) else { return short(of: 4) }
      let isLast = bytes.byte(at: position + 2) & 1 == 1
      position += 4
      if isLast { return behindLabels(bytes) }
    }
    return .done(.malformed)
  }

  private mutating func behindLabels(_ bytes: RawSpan) -> Step {
    guard has(4) else { return short(of: 4) }
    switch bytes.byte(at: position) >> 4 {
    // An Ethernet address can begin with the same digit; the lengths tell.
    case 4 where bytes.byte(at: position) & 15 >= 5 && position + Int(bytes.number16(at: position + 2)) <= end:
      return .inner(.internet)
    case 6 where !has(6) || position + 40 + Int(bytes.number16(at: position + 4)) <= end: return .inner(.internet)
    // The control word of a pseudowire, or an address that begins with that digit.
    case 0 where isFrame(at: position + 4, bytes) || !isFrame(at: position, bytes):
      position += 4
      return .inner(.ethernet)
    case 1 where !isFrame(at: position, bytes): return .done(.other)  // The channel beside a pseudowire.
    default: return .inner(.ethernet)
    }
  }

  /// Whether an EtherType of IP, of ARP or of a tag is where a frame that begins at `start` has it.
  private func isFrame(at start: Int, _ bytes: RawSpan) -> Bool {
    guard start + 14 <= captured else { return false }
    return switch bytes.number16(at: start + 12) {
    case 0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8: true
    default: false
    }
  }
}
