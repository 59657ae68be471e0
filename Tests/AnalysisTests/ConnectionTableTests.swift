import Analysis
import Core
import Testing

@Suite struct ConnectionTableTests {
  /// What waits behind holes is bounded for all connections together, not for each alone.
  @Test func givesUpTheQuietestWhenTooMuchIsHeld() {
    let limit = 64 << 10
    var script = ScriptedCapture()
    for number in 0..<100 {
      var connection = ScriptedCapture.Connection(clientPort: UInt16(40_000 + number))
      script.open(&connection)
      // A hole, and 4 KiB behind it that must wait.
      connection.client &+= 1_000
      script.send(&connection, .client, [.psh, .ack], Array(repeating: 0x61, count: 4_096))
    }
    var table = ConnectionTable(trace: 0, maximumHeldBytes: limit)
    var (mostHeld, ended) = (0, 0)
    var events: [TurnEvent] = []
    for entry in script.list.packets {
      guard case .segment(let segment) = PacketContent(entry.bytes.rawSpan, packet: entry.packet) else {
        Issue.record("frame \(entry.packet.frame) is no segment")
        return
      }
      _ = table.take(
        segment, bytes: entry.bytes.rawSpan, frame: entry.packet.frame, time: entry.packet.time!, events: &events
      ) { _ in ended += 1 }
      mostHeld = max(mostHeld, table.heldBytes)
    }
    #expect(mostHeld > limit / 2 && mostHeld <= limit)
    #expect(table.givenUp == ended)
    #expect(table.givenUp > 80)
    table.finish { _ in ended += 1 }
    #expect(ended == 100)
  }
}
