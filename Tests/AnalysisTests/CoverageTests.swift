import Analysis
import Core
import Testing

/// A capture in which nothing could be read is never "No", in no form of the report.
@Suite struct CoverageTests {
  private func answer(_ report: CaptureReport) -> String { TextReport(report, ink: Ink(isColoured: false)).answer }

  private func wrapped(_ sample: String, _ wrap: (PacketList.Packet) -> (bytes: [UInt8], link: LinkType)) throws
    -> PacketList
  {
    var list = try PacketList(CaptureFixtures.bytes(sample))
    for index in list.packets.indices {
      let (bytes, link) = wrap(list.packets[index])
      list.packets[index].packet.wireLength += bytes.count - list.packets[index].bytes.count
      list.packets[index].packet.link = link
      list.packets[index].bytes = bytes
    }
    return list
  }

  private func check(_ report: CaptureReport, says words: String) {
    #expect(report.obstacle != nil)
    #expect(answer(report).contains(words), "\(answer(report))")
    #expect(!answer(report).hasPrefix("No:"))
    #expect(JSONReport(report).document().contains("\"could_be_judged\":false"))
    let page = HTMLReport(report).page()
    #expect(page.contains("<h1 class=\"warn\">") && page.contains(words), "\(page.prefix(2_000))")
  }

  @Test func anUnknownLinkIsNoAnswer() throws {
    let list = try wrapped("crossing-fin.client") { ($0.bytes, LinkType(rawValue: 147)) }
    let report = list.report()
    check(report, says: "link type 147")
    #expect(answer(report).hasPrefix("Nothing could be read: \(list.packets.count) of \(list.packets.count) packets"))
    #expect(report.unreadPackets == list.packets.count)
    #expect(JSONReport(report).document().contains("{\"layer\":\"link type 147\",\"packets\":\(list.packets.count)}"))
  }

  @Test func anEncryptedTunnelIsNoAnswer() throws {
    let list = try wrapped("crossing-fin.client") { packet in
      var outer = PacketContentTests.ipv4(packet.bytes)
      outer[9] = 50
      return (outer, .raw)
    }
    check(list.report(), says: "ESP")
  }

  @Test func packetsCutWithinTheirHeadersAreNoAnswer() throws {
    var list = try PacketList(CaptureFixtures.bytes("crossing-fin.client"))
    for index in list.packets.indices { list.packets[index].bytes = Array(list.packets[index].bytes.prefix(30)) }
    check(list.report(), says: "cut by the capture within the headers")
  }

  /// The race of a sample is found behind each kind of tunnel as it is without one.
  @Test func aTunnelHidesNoRace() throws {
    let plain = try PacketList(CaptureFixtures.bytes("crossing-fin.client")).report()
    let header = [UInt8](repeating: 2, count: 12)
    let list = try wrapped("crossing-fin.client") { packet in
      let frame = header + [8, 0] + Self.internet(packet)
      let length = frame.count + 16
      let datagram: [UInt8] =
        [0xc0, 1, 0x12, 0xb5, UInt8(length >> 8), UInt8(length & 255), 0, 0, 8, 0, 0, 0, 0, 0, 5, 0] + frame
      var outer = PacketContentTests.ipv4(datagram)
      outer[9] = 17
      return (outer, .raw)
    }
    let report = list.report()
    #expect(report.findings.map(\.finding) == plain.findings.map(\.finding))
    #expect(report.obstacle == nil)
  }

  /// The packet from its IP header on.
  private static func internet(_ packet: PacketList.Packet) -> [UInt8] {
    switch packet.packet.link {
    case .ethernet: Array(packet.bytes.dropFirst(14))
    case .linuxCooked: Array(packet.bytes.dropFirst(16))
    case .linuxCooked2: Array(packet.bytes.dropFirst(20))
    default: packet.bytes
    }
  }

  @Test(
    arguments: ["clean.client", "crossing-fin.client", "closed-while-handling.server", "tls-crossing-fin.client"],
    [
      true, false,
    ]) func oneDirectionIsNoAnswer(_ sample: String, keepsClient: Bool) throws
  {
    var list = try PacketList(CaptureFixtures.bytes(sample))
    let servers = Set(list.report().servers.map(\.server))
    list.packets.removeAll { entry in
      // Safe: every bit of a UInt8 is initialised.
      guard case .segment(let segment) = unsafe PacketContent(entry.bytes.span.bytes, packet: entry.packet) else {
        return true
      }
      return servers.contains(segment.source) == keepsClient
    }
    let report = list.report()
    #expect(report.counts.oneDirection == report.counts.talking)
    #expect(report.findings.allSatisfy { $0.finding.kind == .inconclusive }, "\(report.findings.map(\.finding.kind))")
    check(report, says: "one direction")
  }

  /// A few fragments beside a capture that was read are a note, and no obstacle.
  @Test func aHandfulOfUnreadPacketsIsANote() throws {
    var list = try PacketList(CaptureFixtures.bytes("clean.client"))
    list.append([1, 2, 3], wireLength: 3, at: Instant(nanoseconds: 1), link: LinkType(rawValue: 147))
    let report = list.report()
    #expect(answer(report).hasPrefix("No: every one of"))
    #expect(report.obstacle == nil)
    let text = TextReport(report, ink: Ink(isColoured: false)).summary()
    #expect(text.contains("not read: 1 packet of link type 147"), "\(text)")
  }

  @Test func aCaptureWithoutRequestsIsNotGreen() {
    let report = PacketList().report()
    #expect(HTMLReport(report).page().contains("<h1 class=\"warn\">"))
  }
}
