import Analysis
import Testing

/// Files of two places hold the same segments; files that follow each other do not.
@Suite struct TrafficSketchTests {
  private static func sketch(_ packets: some Sequence<PacketList.Packet>) -> TrafficSketch {
    var sketch = TrafficSketch()
    for packet in packets {
      // Safe: every bit of a UInt8 is initialised.
      unsafe sketch.packetRead(packet.packet, bytes: packet.bytes.span.bytes)
    }
    return sketch
  }

  @Test(arguments: ["join-tls", "join-dnat", "crossing-fin", "large", "h2c-goaway"])
  func bothSidesHoldTheSame(_ name: String) throws {
    let client = TrafficSketchTests.sketch(try PacketList(CaptureFixtures.bytes(name + ".client")).packets)
    let server = TrafficSketchTests.sketch(try PacketList(CaptureFixtures.bytes(name + ".server")).packets)
    #expect(client.holdsSame(as: server))
    #expect(server.holdsSame(as: client))
  }

  @Test(arguments: ["join-tls", "crossing-fin", "large", "fin-then-reset-unread", "server-timer"])
  func filesThatFollowEachOtherDoNot(_ name: String) throws {
    let packets = try PacketList(CaptureFixtures.bytes(name + ".client")).packets
    for part in 1..<8 {
      let middle = packets.count * part / 8
      let (first, second) = (
        TrafficSketchTests.sketch(packets[..<middle]), TrafficSketchTests.sketch(packets[middle...])
      )
      #expect(!first.holdsSame(as: second), "cut at \(middle) of \(packets.count)")
    }
  }
}
