import Analysis
import Core
import Testing

/// How a connection ended tells of a request only as much as the numbers carry.
@Suite struct EndingVerdictTests {
  typealias Options = ScriptedCapture.Options
  typealias Connection = ScriptedCapture.Connection

  private static func play(_ body: (inout ScriptedCapture, inout Connection) -> Void) -> CaptureReport {
    var capture = ScriptedCapture()
    var connection = Connection()
    body(&capture, &connection)
    return capture.report()
  }

  // MARK: - Resets

  /// A number that is outside every window belongs to another connection.
  @Test(arguments: [UInt32(5_000_000), UInt32(bitPattern: -5_000_000)]) func aResetFarOffIsNone(_ distance: UInt32) {
    let report = EndingVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      capture.send(
        &connection, .server, [.rst, .ack], [],
        Options(sequence: connection.server &+ distance, acknowledgement: connection.client &- 27))
      capture.send(&connection, .server, [.psh, .ack], ScriptedCapture.ok)
      capture.send(&connection, .client, .ack)
    }
    #expect(report.findings.isEmpty)
  }

  @Test func aResetBeforeTheHandshakeIsOfAnotherConnection() {
    let report = EndingVerdictTests.play { capture, connection in
      capture.send(&connection, .client, .syn)
      // It acknowledges what comes before the first byte of this connection.
      capture.send(&connection, .server, [.rst, .ack], [], Options(sequence: 77, acknowledgement: 500))
      capture.send(&connection, .server, [.syn, .ack])
      capture.send(&connection, .client, .ack)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.cross(&connection)
    }
    #expect(report.findings.map(\.finding.kind) == [.crossingFIN])
    #expect(report.findings.first?.finding.evidence.allSatisfy { !$0.text.contains("-1 bytes") } == true)
  }

  /// A reset of a minute ago is no evidence for what came since: the ports are used again, and the handshake is not captured.
  @Test func aResetOfAnEarlierUseIsNoEvidence() {
    let report = EndingVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.send(&connection, .server, [.rst, .ack], [], Options(after: .seconds(1)))
      capture.wait(.seconds(5))
      connection = Connection(client: 900_000_000, server: 2_000_000_000)
      capture.exchange(&connection)
      capture.wait(.seconds(54))
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      capture.wait(.seconds(2))
      capture.send(&connection, .client, .ack)
    }
    #expect(report.counts.connections == 2)
    #expect(!report.findings.contains { $0.finding.kind.isReuseFailure })
  }

  /// The kernel took the request; a kernel that knows no such connection proves nothing about who closed it, and why.
  @Test func aBareResetBehindAnAcknowledgementIsOpen() throws {
    let report = EndingVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      capture.send(&connection, .server, .ack)
      capture.send(&connection, .server, .rst, [], Options(after: .milliseconds(100)))
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .inconclusive)
    #expect(finding.finding.suspected == .resetUnread)
  }

  /// After two seconds of handling it was not the timer for idle connections; but that a program read the request is not proved.
  @Test func aResetBehindALateFINIsNoProofOfHandling() throws {
    let report = EndingVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      capture.send(&connection, .server, .ack)
      capture.send(&connection, .server, [.fin, .ack], [], Options(after: .milliseconds(1_730)))
      capture.send(&connection, .server, [.rst, .ack], [], Options(after: .microseconds(10)))
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .closedWhileHandling)
    #expect(finding.finding.confidence == .likely)
  }

  @Test func anOrdinaryCloseDuringHandlingIsProved() throws {
    let report = EndingVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      capture.send(&connection, .server, .ack)
      capture.send(&connection, .server, [.fin, .ack], [], Options(after: .milliseconds(1_730)))
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .closedWhileHandling)
    #expect(finding.finding.confidence == .proved)
  }

  /// The server closes idle connections after five seconds; one that it closes just then, behind a request, was idle for it.
  @Test func aCloseJustWhenTheTimerFiresIsTheRace() throws {
    let report = EndingVerdictTests.play { capture, connection in
      for number in UInt16(0)..<4 {
        connection = Connection(clientPort: 43_000 + number)
        capture.open(&connection)
        capture.exchange(&connection)
        if number < 3 {
          capture.closeByServer(&connection, after: .seconds(5))
        } else {
          capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get, Options(after: .milliseconds(4_995)))
          capture.send(&connection, .server, [.fin, .ack])
        }
      }
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .crossingHalfClose)
    #expect(finding.finding.confidence == .likely)
    #expect(report.count(.closedWhileHandling) == 0)
  }

  // MARK: - How long it was idle

  /// Four thousand bytes that are not captured can have been anything, also another request.
  @Test func bytesMissingBeforeTheRequestLeaveTheIdleTimeOpen() throws {
    let report = EndingVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      connection.client &+= 4_000
      capture.cross(&connection)
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.confidence != .proved)
    #expect(finding.idleAge == nil)
    #expect(report.servers.first?.estimate == nil)
  }

  /// Where content is not read, microseconds are no idling.
  @Test(arguments: [Nanoseconds.microseconds(50), .milliseconds(10)]) func noIdlingIsNoRace(_ idle: Nanoseconds) throws
  {
    let report = EndingVerdictTests.play { capture, connection in
      connection.serverPort = 6_881
      capture.open(&connection)
      capture.exchange(&connection, "ask", "tell")
      capture.wait(idle)
      capture.cross(&connection, "ask")
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .inconclusive)
    #expect(finding.finding.suspected == .crossingFIN)
  }

  @Test(arguments: ["ask", ScriptedCapture.get]) func aFirstRequestAtOnceIsNoRace(_ request: String) throws {
    let report = EndingVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.cross(&connection, request)
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .inconclusive)
  }

  @Test func aProtocolThatIsNotKnownIsNeverProved() throws {
    let report = EndingVerdictTests.play { capture, connection in
      connection.serverPort = 6_881
      capture.open(&connection)
      capture.exchange(&connection, "ask", "tell")
      capture.wait(.seconds(5))
      capture.cross(&connection, "ask")
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .crossingFIN)
    #expect(finding.finding.confidence == .likely)
  }

  // MARK: - Farewells

  /// The farewell left before the request arrived: who has begun to say goodbye does not close while handling.
  @Test(arguments: [true, false]) func aFarewellBeforeTheRequestMakesItTheRace(_ comesFirst: Bool) throws {
    let farewell = "E\0\0\0\u{20}SFATAL\0C57P05\0Mterminating\0\0"
    let report = EndingVerdictTests.play { capture, connection in
      connection.serverPort = 5_432
      capture.open(&connection)
      capture.exchange(&connection, "ask", "tell")
      capture.wait(.seconds(1))
      let (asked, told) = (connection.client, connection.server)
      func say() {
        capture.send(
          &connection, .server, [.psh, .ack], farewell, Options(acknowledgement: asked, after: .milliseconds(1)))
      }
      func ask() {
        capture.send(&connection, .client, [.psh, .ack], "ask", Options(acknowledgement: told))
      }
      if comesFirst { say() }
      ask()
      if !comesFirst { say() }
      capture.send(&connection, .server, [.rst, .ack], [], Options(after: .milliseconds(60)))
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .resetUnread)
    let idle = try #require(finding.idleAge)
    #expect(abs(idle.inSeconds - 1) < 0.05)
  }

  /// Its kernel had the query, and its timer fired all the same: it says so itself.
  @Test func anAnswerThatSaysIdleTimeoutIsNone() throws {
    let report = EndingVerdictTests.play { capture, connection in
      connection.serverPort = 5_432
      capture.open(&connection)
      capture.exchange(&connection, "ask", "tell")
      capture.wait(.seconds(1))
      capture.send(&connection, .client, [.psh, .ack], "ask")
      capture.send(&connection, .server, [.psh, .ack], "E\0\0\0\u{20}SFATAL\0C57P05\0Mterminating\0\0")
      capture.closeByServer(&connection, after: .microseconds(100))
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .resetUnread)
    #expect(finding.finding.summary.contains("57P05"))
  }

  // MARK: - Remedies

  /// The server's own timeout hides for how long clients hold connections: its figure must not be passed off as theirs.
  @Test func theRemedyDoesNotTakeTheServersTimeoutForTheClients() throws {
    let report = EndingVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.milliseconds(990))
      capture.cross(&connection)
    }
    let remedy = try #require(report.findings.first).finding.remedy
    #expect(remedy.contains("does not show it"))
    #expect(remedy.contains("at most 240 ms"))
  }

  @Test func theHoldFollowsItsRule() {
    func hold(_ timeout: Nanoseconds) -> Nanoseconds {
      TimeoutEstimate.hold(below: timeout, roundTrip: .milliseconds(20))
    }
    #expect(hold(.seconds(1)) == .milliseconds(250))
    #expect(hold(.seconds(5)) == .milliseconds(3_900))
    #expect(hold(.seconds(60)) == .seconds(48))
    #expect(hold(.milliseconds(480)) == .milliseconds(120))
  }
}
