import Analysis
import Core
import Testing

@Suite struct PacketContentTests {
  static let tcp: [UInt8] = [
    0x1f, 0x90, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0, 0x68, 0x69,
  ]

  static func ipv4(_ payload: [UInt8] = tcp, fragment: UInt16 = 0x4000, total: Int? = nil) -> [UInt8] {
    let length = total ?? 20 + payload.count
    return [
      0x45, 0, UInt8(length >> 8), UInt8(length & 255), 0, 7, UInt8(fragment >> 8), UInt8(fragment & 255), 64, 6, 0, 0,
      10, 0, 0, 1, 10, 0, 0, 2,
    ] + payload
  }

  static func ipv6(_ next: UInt8, _ payload: [UInt8]) -> [UInt8] {
    [0x60, 0, 0, 0, UInt8(payload.count >> 8), UInt8(payload.count & 255), next, 64] + [UInt8](repeating: 0, count: 15)
      + [1] + [UInt8](repeating: 0, count: 15) + [2] + payload
  }

  static func content(_ bytes: [UInt8], _ link: LinkType, wire: Int? = nil) -> PacketContent {
    let packet = CapturePacket(frame: 1, time: nil, wireLength: wire ?? bytes.count, link: link)
    // Safe: every bit of a UInt8 is initialised.
    return unsafe PacketContent(bytes.span.bytes, packet: packet)
  }

  static func segment(_ content: PacketContent) -> TCPSegment? {
    if case .segment(let segment) = content { return segment }
    return nil
  }

  static let ethernet = [UInt8](repeating: 2, count: 12)

  static let links: [(String, [UInt8], LinkType)] = [
    ("Ethernet", ethernet + [8, 0] + ipv4(), .ethernet),
    ("VLAN", ethernet + [0x81, 0, 0, 5, 8, 0] + ipv4(), .ethernet),
    ("QinQ", ethernet + [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0] + ipv4(), .ethernet),
    ("Linux cooked", [UInt8](repeating: 0, count: 14) + [8, 0] + ipv4(), .linuxCooked),
    ("Linux cooked 2", [8, 0] + [UInt8](repeating: 0, count: 18) + ipv4(), .linuxCooked2),
    ("raw", ipv4(), .raw),
    ("null", [2, 0, 0, 0] + ipv4(), .null),
    ("loopback", [0, 0, 0, 2] + ipv4(), .loopback),
    ("Ethernet, IPv6", ethernet + [0x86, 0xdd] + ipv6(6, tcp), .ethernet),
    ("hop-by-hop options", ipv6(0, [6, 0, 1, 4, 0, 0, 0, 0] + tcp), .raw),
    ("routing and destination options", ipv6(43, [60, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0] + tcp), .raw),
    ("atomic fragment", ipv6(44, [6, 0, 0, 0, 0, 0, 0, 9] + tcp), .raw),
    ("padded to the least Ethernet frame", ethernet + [8, 0] + ipv4() + [0, 0, 0, 0], .ethernet),
    ("segmented by the card: length 0", ethernet + [8, 0] + ipv4(total: 0), .ethernet),
  ]

  @Test(arguments: links.indices) func findsTheSegment(_ index: Int) throws {
    let (name, bytes, link) = PacketContentTests.links[index]
    let segment = try #require(PacketContentTests.segment(PacketContentTests.content(bytes, link)), "\(name)")
    #expect(segment.source.port == 8_080)
    #expect(segment.wireCount == 2, "\(name)")
    #expect(segment.payload.count == 2)
  }

  @Test func knowsWhatWasCut() throws {
    let bytes = PacketContentTests.ipv4(total: 20 + 20 + 1_000)
    let segment = try #require(PacketContentTests.segment(PacketContentTests.content(bytes, .raw, wire: 1_040)))
    #expect(segment.wireCount == 1_000)
    #expect(segment.payload.count == 2)
  }

  @Test func notesFragmentsAndNonsense() {
    func isFragment(_ content: PacketContent) -> Bool { if case .fragment = content { true } else { false } }
    func isMalformed(_ content: PacketContent) -> Bool { if case .malformed = content { true } else { false } }
    func isCut(_ content: PacketContent) -> Bool { if case .cut = content { true } else { false } }
    #expect(isFragment(PacketContentTests.content(PacketContentTests.ipv4(fragment: 0x2000), .raw)))
    #expect(isFragment(PacketContentTests.content(PacketContentTests.ipv4(fragment: 0x0005), .raw)))
    #expect(
      isFragment(
        PacketContentTests.content(
          PacketContentTests.ipv6(44, [6, 0, 0, 1, 0, 0, 0, 9] + PacketContentTests.tcp), .raw)))
    #expect(isMalformed(PacketContentTests.content(PacketContentTests.ipv4([1, 2, 3]), .raw)))
    #expect(isCut(PacketContentTests.content(Array(PacketContentTests.ipv4().prefix(30)), .raw, wire: 42)))
    // Extension headers without end.
    let endless = [UInt8](repeating: 0, count: 8 * 40)
    #expect(isMalformed(PacketContentTests.content(PacketContentTests.ipv6(0, endless), .raw)))
  }

  @Test(arguments: [
    "10.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:0:0:2", "1:2:3:4:5:6:7:8", "2001:0:0:1::",
  ]) func printsAddressesAsTheyAreWritten(_ text: String) throws {
    let address = try #require(NetworkAddress(text))
    #expect(address.description == (text == "2001:0:0:1::" ? "2001:0:0:1::" : text))
  }
}
