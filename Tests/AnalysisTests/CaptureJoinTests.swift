import Analysis
import Core
import Testing

/// Captures of both sides are one account of what happened: each connection and each request counts once.
@Suite struct CaptureJoinTests {
  private static func joined(_ one: String, _ other: String) throws -> CaptureReport {
    let first = try CaptureFixtures.report(CaptureFixtures.bytes(one))
    var analyser = CaptureAnalyser(trace: 1)
    var reader = CaptureReader()
    let bytes = try CaptureFixtures.bytes(other)
    // Safe: every bit of a UInt8 is initialised.
    try unsafe reader.feed(bytes.span.bytes, into: &analyser)
    return first.joined(with: analyser.finish())
  }

  struct Pair: Sendable, CustomTestStringConvertible {
    var name: String
    var kinds: [FindingKind]
    var requests: Int
    var connections: Int
    var testDescription: String { name }
  }

  @Test(arguments: [
    // The two sides cut turns differently where content is encrypted.
    Pair(name: "join-tls", kinds: [.crossingFIN], requests: 2, connections: 1),
    // Before and behind a change of the server's address.
    Pair(name: "join-dnat", kinds: [.crossingFIN], requests: 2, connections: 1),
    Pair(name: "h2c-goaway", kinds: [.crossingGOAWAY, .closeIgnored], requests: 4, connections: 2),
    Pair(name: "fin-then-reset-unread", kinds: [.resetUnread, .resetUnread], requests: 8, connections: 3),
    Pair(name: "postgres-farewell-unread", kinds: [.resetUnread], requests: 4, connections: 1),
    Pair(name: "firewall-reset", kinds: [.forgottenFlow], requests: 2, connections: 1),
  ])
  func tellsEachRequestOnce(_ pair: Pair) throws {
    for (one, other) in [(".client", ".server"), (".server", ".client")] {
      let report = try CaptureJoinTests.joined(pair.name + one, pair.name + other)
      #expect(report.findings.map(\.finding.kind) == pair.kinds)
      #expect(report.counts.requests == pair.requests)
      #expect(report.counts.connections == pair.connections)
      #expect(report.total == pair.kinds.count)
    }
  }

  /// One server, though it has two addresses.
  @Test func aServerBehindNATHasOneEntry() throws {
    let report = try CaptureJoinTests.joined("join-dnat.client", "join-dnat.server")
    #expect(report.servers.count == 1)
    #expect(report.servers.first?.otherNames.map(\.description) == ["10.80.0.2:9500"])
  }

  /// A clock that is off by more than the capture is long changes nothing.
  @Test func clocksMayDiffer() throws {
    var list = try PacketList(CaptureFixtures.bytes("join-tls.server"))
    for index in list.packets.indices {
      list.packets[index].packet.time = list.packets[index].packet.time.map { $0.advanced(by: .seconds(7_200)) }
    }
    let client = try CaptureFixtures.report(CaptureFixtures.bytes("join-tls.client"))
    let report = client.joined(with: list.report(trace: 1))
    #expect(report.findings.map(\.finding.kind) == [.crossingFIN])
    #expect(report.counts.requests == 2)
  }

  /// What the server's own capture does not hold was sent by something else.
  @Test func aResetThatTheServerDidNotSendComesFromThePath() throws {
    func side(_ holdsReset: Bool) -> PacketList {
      var capture = ScriptedCapture()
      var connection = ScriptedCapture.Connection()
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(2))
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      if holdsReset { capture.send(&connection, .server, [.rst, .ack]) }
      capture.wait(.seconds(2))
      // Something else goes on, so that the capture is known not to have ended before.
      var other = ScriptedCapture.Connection(clientPort: 40_001)
      capture.open(&other)
      return capture.list
    }
    let client = side(true).report()
    #expect(client.findings.map(\.finding.kind) == [.resetUnread])
    let report = client.joined(with: side(false).report(trace: 1))
    #expect(report.findings.filter { $0.exchange > 0 }.map(\.finding.kind).contains(.forgottenFlow))
    #expect(!report.findings.contains { $0.finding.kind.isRace })
    #expect(report.races == 0)
  }
}
