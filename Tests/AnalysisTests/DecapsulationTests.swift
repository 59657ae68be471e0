import Analysis
import Core
import Testing

/// Packets within packets: whatever carries TCP over IP, its segment is found.
@Suite struct DecapsulationTests {
  typealias Content = PacketContentTests

  private static let inner = Content.ipv4()
  private static let inner6 = Content.ipv6(6, Content.tcp)

  private static func frame(_ type: UInt16, _ payload: [UInt8], address: UInt8 = 2) -> [UInt8] {
    [UInt8](repeating: address, count: 12) + [UInt8(type >> 8), UInt8(type & 255)] + payload
  }

  private static func ip(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
    var packet = Content.ipv4(payload)
    packet[9] = number
    return packet
  }

  private static func udp(_ port: UInt16, _ payload: [UInt8]) -> [UInt8] {
    let length = payload.count + 8
    return ip(
      17, [0xc0, 1, UInt8(port >> 8), UInt8(port & 255), UInt8(length >> 8), UInt8(length & 255), 0, 0] + payload)
  }

  private static func wireless(_ kind: UInt8, _ flags: UInt8, _ header: Int, _ payload: [UInt8]) -> [UInt8] {
    [kind, flags] + [UInt8](repeating: 0, count: header - 2) + [0xaa, 0xaa, 3, 0, 0, 0, 8, 0] + payload
  }

  private static func nflog(_ packet: [UInt8], bigEndian: Bool) -> [UInt8] {
    func attribute(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
      let length = UInt8(value.count + 4)
      let padding = [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
      return (bigEndian ? [0, length, 0, type] : [length, 0, type, 0]) + value + padding
    }
    return [2, 0, 0, 5] + attribute(1, [8, 0, 1, 0]) + attribute(10, [0x61, 0]) + attribute(9, packet)
  }

  /// The MPLS labels 16 (not the last) and 17.
  private static let labels: [UInt8] = [0, 1, 0, 64, 0, 1, 0x11, 64]

  static let wrapped: [(String, [UInt8], LinkType)] = [
    ("VXLAN", udp(4_789, [8, 0, 0, 0, 0, 0, 5, 0] + frame(0x0800, inner)), .raw),
    ("VXLAN with group policy, on Linux's port", udp(8_472, [0x88, 0, 0, 7, 0, 0, 5, 0] + frame(0x0800, inner)), .raw),
    (
      "VXLAN within VLANs",
      frame(0x8100, [0, 5, 8, 0] + udp(4_789, [8, 0, 0, 0, 0, 0, 5, 0] + frame(0x8100, [0, 9, 8, 0] + inner))),
      .ethernet
    ),
    ("VXLAN-GPE with IPv4", udp(4_790, [0x0c, 0, 0, 1, 0, 0, 5, 0] + inner), .raw),
    ("VXLAN-GPE with a service header", udp(4_790, [0x0c, 0, 0, 4, 0, 0, 5, 0, 0, 2, 1, 1, 0, 0, 0, 0] + inner), .raw),
    (
      "GENEVE with options", udp(6_081, [2, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 1, 1, 2, 3, 4] + frame(0x0800, inner)),
      .raw
    ),
    ("GENEVE with IPv6", udp(6_081, [0, 0, 0x86, 0xdd, 0, 0, 1, 0] + inner6), .raw),
    ("GRE", ip(47, [0, 0, 8, 0] + inner), .raw),
    ("GRE with checksum, key and number", ip(47, [0xb0, 0, 8, 0] + [UInt8](repeating: 7, count: 12) + inner), .raw),
    ("GRE with a frame", ip(47, [0, 0, 0x65, 0x58] + frame(0x0800, inner)), .raw),
    ("NVGRE", ip(47, [0x20, 0, 0x65, 0x58, 0, 0, 1, 0] + frame(0x0800, inner)), .raw),
    ("PPTP", ip(47, [0x30, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 3, 0, 0x21] + inner), .raw),
    ("WCCP", ip(47, [0, 0, 0x88, 0x3e, 0, 0, 0, 0] + inner), .raw),
    ("ERSPAN 1", ip(47, [0, 0, 0x88, 0xbe] + frame(0x0800, inner)), .raw),
    ("ERSPAN 2", ip(47, [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0] + frame(0x0800, inner)), .raw),
    (
      "ERSPAN 3",
      ip(47, [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0] + frame(0x0800, inner)), .raw
    ),
    (
      "ERSPAN 3 with a subheader",
      ip(
        47,
        [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 8)
          + frame(0x0800, inner)), .raw
    ),
    ("IP in IP", ip(4, inner), .raw),
    ("IP in IP in IP", ip(4, ip(4, inner)), .raw),
    ("IPv6 in IPv4", ip(41, inner6), .raw),
    ("IPv4 in IPv6", Content.ipv6(4, inner), .raw),
    ("IPv6 in IPv6 behind options", Content.ipv6(60, [41, 0, 4, 1, 4, 1, 1, 0] + inner6), .raw),
    ("authentication header", ip(51, [6, 4] + [UInt8](repeating: 0, count: 22) + Content.tcp), .raw),
    (
      "authentication header, IPv6",
      Content.ipv6(51, [60, 4] + [UInt8](repeating: 0, count: 22) + [6, 0, 1, 4, 0, 0, 0, 0] + Content.tcp), .raw
    ),
    ("EtherIP", ip(97, [0x30, 0] + frame(0x0800, inner)), .raw),
    ("MPLS", frame(0x8847, labels + inner), .ethernet),
    ("MPLS, IPv6", frame(0x8847, labels + inner6), .ethernet),
    (
      "MPLS with a pseudowire and a control word",
      frame(0x8847, labels + [0, 0, 0, 1] + frame(0x0800, inner, address: 0)), .ethernet
    ),
    ("MPLS with a pseudowire without one", frame(0x8847, labels + frame(0x0800, inner, address: 0)), .ethernet),
    (
      "MPLS with a frame to an address that begins with 4", frame(0x8847, labels + frame(0x0800, inner, address: 0x40)),
      .ethernet
    ),
    ("MPLS in UDP", udp(6_635, labels + inner), .raw),
    ("MPLS in IP", ip(137, labels + inner), .raw),
    ("MPLS as link", labels + inner, .mpls),
    ("PPPoE", frame(0x8864, [0x11, 0, 0, 1, 0, UInt8(inner.count + 2), 0, 0x21] + inner + [0, 0, 0]), .ethernet),
    ("PPPoE, IPv6", frame(0x8864, [0x11, 0, 0, 1, 0, UInt8(inner6.count + 2), 0, 0x57] + inner6), .ethernet),
    ("PPPoE as link", [0x11, 0, 0, 1, 0, UInt8(inner.count + 2), 0, 0x21] + inner, .pppoe),
    ("PPP", [0, 0x21] + inner, .ppp),
    ("PPP, framed", [0xff, 3, 0, 0x21] + inner, .ppp),
    ("PPP, the number compressed", [0xff, 3, 0x21] + inner, .ppp),
    ("PPP over a serial line", [0xff, 3, 0, 0x21] + inner, .pppHDLC),
    ("Cisco HDLC over a serial line", [0x0f, 0, 8, 0] + inner, .pppHDLC),
    ("Cisco HDLC", [0x0f, 0, 8, 0] + inner, .ciscoHDLC),
    ("PPP of pppd", [1, 0xff, 3, 0, 0x21] + inner, .pppOfPPPD),
    ("PPP with direction", [0, 0xff, 3, 0, 0x21] + inner, .pppWithDirection),
    ("L2TP", udp(1_701, [0x40, 2, 0, 50, 0, 1, 0, 2, 0xff, 3, 0, 0x21] + inner), .raw),
    ("L2TP with numbers and an offset", udp(1_701, [0x0a, 2, 0, 1, 0, 2, 0, 3, 0, 4, 0, 1, 9, 0, 0x21] + inner), .raw),
    ("GTP", udp(2_152, [0x30, 0xff, 0, 50, 0, 0, 0, 1] + inner), .raw),
    ("GTP with an extension", udp(2_152, [0x34, 0xff, 0, 50, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 16, 1, 0] + inner), .raw),
    ("LLC and SNAP", frame(UInt16(inner.count + 8), [0xaa, 0xaa, 3, 0, 0, 0, 8, 0] + inner), .ethernet),
    ("LLC, IP", frame(UInt16(inner.count + 3), [6, 6, 3] + inner), .ethernet),
    ("LLC over ATM", [0xaa, 0xaa, 3, 0, 0, 0, 8, 0] + inner, .atm),
    ("bridged Ethernet over ATM", [0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0] + frame(0x0800, inner), .atm),
    ("LLC, cooked", [UInt8](repeating: 0, count: 14) + [0, 4, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0] + inner, .linuxCooked),
    (
      "PPPoE, cooked",
      [UInt8](repeating: 0, count: 14) + [0x88, 0x64, 0x11, 0, 0, 1, 0, UInt8(inner.count + 2), 0, 0x21] + inner,
      .linuxCooked
    ),
    ("VLAN, cooked 2", [0x81, 0] + [UInt8](repeating: 0, count: 18) + [0, 5, 8, 0] + inner, .linuxCooked2),
    ("nflog", nflog(inner, bigEndian: false), .nflog),
    ("nflog of a big-endian host", nflog(inner, bigEndian: true), .nflog),
    ("pflog", [61, 2, 0, 0] + [UInt8](repeating: 0, count: 60) + inner, .pflog),
    ("VN-Tag", frame(0x8926, [0, 0, 0, 0, 8, 0] + inner), .ethernet),
    ("E-Tag", frame(0x893f, [0, 0, 0, 0, 0, 0, 8, 0] + inner), .ethernet),
    ("provider's backbone", frame(0x88e7, [0, 0, 0, 1] + frame(0x0800, inner)), .ethernet),
    (
      "MACsec that only signs",
      frame(
        0x88e5,
        [0x20, 0, 0, 0, 0, 1] + [UInt8](repeating: 1, count: 8) + [8, 0] + inner + [UInt8](repeating: 0, count: 16)),
      .ethernet
    ),
    ("wireless", wireless(0x08, 1, 24, inner), .wireless),
    ("wireless, quality of service", wireless(0x88, 2, 26, inner), .wireless),
    ("wireless, four addresses", wireless(0x08, 3, 30, inner), .wireless),
    ("radiotap", [0, 0, 9, 0, 2, 0, 0, 0, 0] + wireless(0x08, 1, 24, inner), .radiotap),
    (
      "radiotap with time, two words and padding",
      [0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 12) + [0x20]
        + wireless(0x88, 1, 26, [0, 0]).prefix(26) + [0, 0] + wireless(0x08, 1, 24, inner).dropFirst(24), .radiotap
    ),
    ("a sniffer's report", udp(37_008, [1, 0, 0, 1, 10, 1, 0xd0, 0, 1] + frame(0x0800, inner)), .raw),
    (
      "five tunnels",
      ip(
        47,
        [0, 0, 0x65, 0x58]
          + frame(
            0x8100,
            [0, 5, 8, 0] + udp(4_789, [8, 0, 0, 0, 0, 0, 5, 0] + frame(0x8847, labels + ip(4, ip(41, inner6)))))), .raw
    ),
  ]

  @Test(arguments: wrapped.indices) func findsTheSegment(_ index: Int) throws {
    let (name, bytes, link) = DecapsulationTests.wrapped[index]
    let segment = try #require(
      Content.segment(Content.content(bytes, link)), "\(name): \(Content.content(bytes, link))")
    #expect(segment.source.port == 8_080, "\(name)")
    #expect(segment.destination.port == 80, "\(name)")
    #expect(segment.wireCount == 2, "\(name)")
    #expect(Array(bytes[Int(segment.payload.offset)...].prefix(Int(segment.payload.count))) == [0x68, 0x69], "\(name)")
    #expect(segment.hops == 64, "\(name): of the inner packet")
  }

  /// A capture with a snap length: the inner packet is known to be longer than what was kept.
  @Test(arguments: wrapped.indices) func isReadWithoutItsLastByte(_ index: Int) throws {
    let (name, bytes, link) = DecapsulationTests.wrapped[index]
    guard link != .nflog, let whole = Content.segment(Content.content(bytes, link)),
      whole.payload.offset + 2 == bytes.count
    else { return }
    let cut = Content.content(Array(bytes.dropLast()), link, wire: bytes.count)
    let segment = try #require(Content.segment(cut), "\(name): \(cut)")
    #expect(segment.wireCount == 2, "\(name)")
    #expect(segment.payload.count == 1, "\(name)")
  }

  /// Wherever it is cut, and whatever a byte is changed to: an answer, and nothing outside the captured bytes.
  @Test(arguments: wrapped.indices) func damageIsNoTrap(_ index: Int) {
    let (name, bytes, link) = DecapsulationTests.wrapped[index]
    for count in 0...bytes.count {
      check(Content.content(Array(bytes.prefix(count)), link, wire: bytes.count), count, name)
      check(Content.content(Array(bytes.prefix(count)), link), count, name)
    }
    for place in bytes.indices {
      for value: UInt8 in [0, 1, 0x11, 0x45, 0x7f, 0x88, 0xff] {
        var damaged = bytes
        damaged[place] = value
        check(Content.content(damaged, link), bytes.count, name)
      }
    }
  }

  private func check(_ content: PacketContent, _ count: Int, _ name: String) {
    guard case .segment(let segment) = content else { return }
    #expect(Int(segment.payload.offset) + Int(segment.payload.count) <= count, "\(name)")
    #expect(segment.wireCount >= Int(segment.payload.count), "\(name)")
  }

  // MARK: - What cannot be opened

  static let unread: [(String, [UInt8], LinkType, UnreadLayer)] = [
    ("unknown link", [1, 2, 3], LinkType(rawValue: 147), .link(147)),
    ("ESP", ip(50, [UInt8](repeating: 0, count: 40)), .raw, .internetProtocol(50)),
    ("MACsec", frame(0x88e5, [0x2c] + [UInt8](repeating: 0, count: 40)), .ethernet, .etherType(0x88e5)),
    ("an EtherType of nobody", frame(0x1234, inner), .ethernet, .etherType(0x1234)),
    ("encrypted PPP", [0xff, 3, 0, 0x53, 1, 2], .ppp, .ppp(0x53)),
    ("WPA", wireless(0x88, 0x41, 26, inner), .wireless, .encryptedWireless),
    ("aggregated", [0x88, 1] + [UInt8](repeating: 0, count: 22) + [0x80, 0] + inner, .wireless, .aggregatedWireless),
    ("GRE with source routes", ip(47, [0x40, 0, 8, 0, 0, 0, 0, 0] + inner), .raw, .gre),
    ("too deep", (0..<40).reduce(inner) { packet, _ in ip(4, packet) }, .raw, .tooDeep),
  ]

  @Test(arguments: unread.indices) func namesWhatStopsIt(_ index: Int) {
    let (name, bytes, link, layer) = DecapsulationTests.unread[index]
    guard case .unread(let found) = Content.content(bytes, link) else {
      Issue.record("\(name): \(Content.content(bytes, link))")
      return
    }
    #expect(found == layer, "\(name)")
    #expect(!found.text.isEmpty)
  }

  static let without: [(String, [UInt8], LinkType)] = [
    ("ARP", frame(0x0806, [0, 1, 8, 0]), .ethernet), ("DNS", udp(53, [1, 2, 3, 4]), .raw),
    ("a spanning tree", frame(38, [0x42, 0x42, 3] + [UInt8](repeating: 0, count: 35)), .ethernet),
    ("a beacon", [0x80, 0] + [UInt8](repeating: 0, count: 40), .wireless),
    ("no VXLAN in spite of its port", udp(4_789, [0x47, 0x45, 0x54, 0x20, 0, 0, 0, 0, 0, 0, 0, 0]), .raw),
    ("ICMP in GRE", ip(47, [0, 0, 8, 0] + ip(1, [8, 0, 0, 0])), .raw),
    ("PPP's own", [0xff, 3, 0xc0, 0x21, 1, 1], .ppp),
  ]

  @Test(arguments: without.indices) func knowsWhatCarriesNoTCP(_ index: Int) {
    let (name, bytes, link) = DecapsulationTests.without[index]
    guard case .other = Content.content(bytes, link) else {
      Issue.record("\(name): \(Content.content(bytes, link))")
      return
    }
  }

  @Test func aPartOfATunnelledPacketIsAFragment() {
    for (number, payload) in [
      (UInt8(47), Self.inner), (4, Self.inner), (17, [0xc0, 1, 0x12, 0xb5, 0, 20, 0, 0, 8, 0]),
    ] {
      var packet = Content.ipv4(payload, fragment: 0x2000)
      packet[9] = number
      guard case .fragment = Content.content(packet, .raw) else {
        Issue.record("protocol \(number): \(Content.content(packet, .raw))")
        continue
      }
    }
  }
}
