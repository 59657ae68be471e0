import Analysis
import Core
import Testing

/// Verdicts on what sample captures do not show: each of these was once judged wrongly, or could be.
@Suite struct ScriptedVerdictTests {
  typealias Options = ScriptedCapture.Options
  typealias Connection = ScriptedCapture.Connection

  private static func play(_ body: (inout ScriptedCapture, inout Connection) -> Void) -> CaptureReport {
    var capture = ScriptedCapture()
    var connection = Connection()
    body(&capture, &connection)
    return capture.report()
  }

  private static func kinds(_ body: (inout ScriptedCapture, inout Connection) -> Void) -> [FindingKind] {
    play(body).findings.map(\.finding.kind)
  }

  // MARK: - HTTP

  @Test func anInterimResponseIsNoAnswer() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.send(
        &connection, .client, [.psh, .ack],
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
      capture.send(&connection, .server, [.psh, .ack], "HTTP/1.1 100 Continue\r\n\r\n")
      capture.send(&connection, .client, [.psh, .ack], "hello")
      capture.send(&connection, .server, .ack)
      capture.closeByServer(&connection, after: .milliseconds(300))
    }
    #expect(kinds == [.closedWhileHandling])
  }

  @Test func anAnswerThatTheClientHadNotWaitedForIsNone() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      capture.send(&connection, .server, .ack)
      capture.send(&connection, .client, [.fin, .ack], [], Options(after: .seconds(3)))
      capture.send(&connection, .server, .ack)
      capture.send(&connection, .server, [.psh, .ack], ScriptedCapture.ok, Options(after: .seconds(1)))
      capture.send(&connection, .client, .rst)
    }
    #expect(kinds == [.clientGaveUp])
  }

  @Test func aClientThatOnlyStopsSendingTakesItsAnswer() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      capture.send(&connection, .client, [.fin, .ack])
      capture.send(&connection, .server, .ack)
      capture.send(&connection, .server, [.psh, .ack], ScriptedCapture.ok, Options(after: .milliseconds(500)))
      capture.send(&connection, .server, [.fin, .ack])
      capture.send(&connection, .client, .ack)
    }
    #expect(kinds == [])
  }

  @Test func pipeliningBehindACloseIsNotHandling() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get + ScriptedCapture.get)
      capture.send(
        &connection, .server, [.psh, .ack], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
      capture.closeByServer(&connection, after: .microseconds(100))
    }
    #expect(kinds == [.closeIgnored])
  }

  @Test func strayBytesAreNoAnswer() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.cross(&connection, saying: "timeout\r\n")
    }
    #expect(kinds == [.unaskedAnswer])
  }

  @Test(arguments: [
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
  ]) func ambiguousFramingProvesNothing(_ first: String) throws {
    let report = ScriptedVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.send(&connection, .client, [.psh, .ack], first + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
      capture.send(&connection, .server, [.psh, .ack], ScriptedCapture.ok)
      capture.send(&connection, .client, .ack)
      capture.closeByServer(&connection, after: .milliseconds(70))
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .inconclusive)
    #expect(finding.finding.missing.contains { $0.contains("framing") })
  }

  @Test func anUpgradedConnectionHasNoIdleTimeout() {
    let report = ScriptedVerdictTests.play { capture, connection in
      for number in UInt16(0)..<5 {
        connection = Connection(clientPort: 41_000 + number)
        capture.open(&connection)
        capture.exchange(
          &connection, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
          "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        capture.exchange(&connection, "\u{1}a", "\u{1}b")
        capture.closeByServer(&connection, after: .seconds(30))
      }
    }
    #expect(report.findings.isEmpty)
    #expect(report.servers.first?.estimate == nil)
    #expect(report.ends["upgraded"] == 5)
  }

  @Test func theProxyProtocolBeforeARequestIsNotTheRequest() {
    let report = ScriptedVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.send(&connection, .client, [.psh, .ack], "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n")
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.cross(&connection)
    }
    #expect(report.findings.map(\.finding.kind) == [.crossingFIN])
    #expect(report.findings.first?.reuseCount == 1)
  }

  // MARK: - TCP

  @Test func dataInTheSYNCountsBehindIt() {
    let report = ScriptedVerdictTests.play { capture, connection in
      capture.send(&connection, .client, .syn, ScriptedCapture.get)
      capture.send(&connection, .server, [.syn, .ack])
      capture.send(&connection, .client, .ack)
      capture.send(&connection, .server, [.psh, .ack], ScriptedCapture.ok)
      capture.send(&connection, .client, .ack)
      capture.wait(.seconds(5))
      capture.cross(&connection)
    }
    #expect(report.findings.map(\.finding.kind) == [.crossingFIN])
    #expect(report.findings.first?.request == "GET /")
  }

  @Test func sequenceNumbersWrap() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      connection = Connection(client: 0xffff_fff0, server: 0xffff_ffe0)
      capture.open(&connection)
      capture.exchange(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.cross(&connection)
    }
    #expect(kinds == [.crossingFIN])
  }

  @Test func aPairOfPortsIsUsedAgain() {
    let report = ScriptedVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.wait(.seconds(5))
      capture.cross(&connection)
      connection = Connection(client: 77_777, server: 999_999)
      capture.open(&connection)
      capture.exchange(&connection)
      capture.closeByClient(&connection)
    }
    #expect(report.findings.map(\.finding.kind) == [.crossingFIN])
    #expect(report.counts.connections == 2)
  }

  @Test func aClosedWindowIsNotAForgottenFlow() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.send(&connection, .server, .ack, [], Options(after: .seconds(1), window: 0))
      let start = connection.client
      for round in 0..<5 {
        capture.send(
          &connection, .client, .ack, "G",
          Options(sequence: start, after: .milliseconds(300 << round)))
        capture.send(&connection, .server, .ack, [], Options(acknowledgement: start, window: 0))
      }
      capture.send(&connection, .client, [.fin, .ack], [], Options(sequence: start, after: .seconds(1)))
    }
    #expect(!kinds.contains(.forgottenFlow))
  }

  @Test func packetsThatNeverArriveOnAFreshConnectionAreNoForgottenFlow() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      let start = connection.client
      for round in 0..<5 {
        capture.send(
          &connection, .client, [.psh, .ack], ScriptedCapture.get,
          Options(sequence: start, after: .milliseconds(round == 0 ? 1 : 200 << round)))
      }
      capture.send(&connection, .client, [.fin, .ack], [], Options(sequence: start + 27, after: .seconds(5)))
    }
    #expect(kinds == [.inconclusive])
  }

  @Test func aProbeThatIsAnsweredByAResetIsNoTimeout() {
    let report = ScriptedVerdictTests.play { capture, connection in
      for number in UInt16(0)..<5 {
        connection = Connection(clientPort: 42_000 + number)
        capture.open(&connection)
        capture.exchange(&connection)
        capture.send(
          &connection, .client, .ack, [], Options(sequence: connection.client - 1, after: .seconds(30)))
        capture.send(&connection, .server, .rst)
      }
    }
    #expect(report.findings.isEmpty)
    #expect(report.servers.first?.estimate == nil)
  }

  /// A snap length hides content, not numbers.
  @Test(arguments: [40, 54]) func cutPacketsAreJudgedByTCP(_ cut: Int) {
    let report = ScriptedVerdictTests.play { capture, connection in
      capture.open(&connection)
      for _ in 0..<3 { capture.exchange(&connection, cut: cut) }
      capture.wait(.seconds(5))
      capture.cross(&connection, cut: cut)
    }
    #expect(report.findings.map(\.finding.kind) == [.crossingFIN])
    #expect(report.findings.first?.reuseCount == 3)
  }

  @Test func anAnswerThatNobodyTakesIsNotCalledDelivered() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      capture.exchange(&connection)
      capture.send(&connection, .client, [.psh, .ack], ScriptedCapture.get)
      let start = connection.server
      for round in 0..<5 {
        capture.send(
          &connection, .server, [.psh, .ack], ScriptedCapture.ok,
          Options(sequence: start, after: .milliseconds(200 << round)))
      }
    }
    #expect(kinds == [.inconclusive])
  }

  // MARK: - Other protocols

  /// What a protocol sends without being owed an answer is no failure.
  @Test(arguments: ["quit\r\n", "*1\r\n$4\r\nQUIT\r\n", "\u{1}\0\0\0\u{1}", "X\0\0\0\u{4}"])
  func aFarewellIsNoRequest(_ farewell: String) {
    let report = ScriptedVerdictTests.play { capture, connection in
      connection.serverPort = 9_000
      capture.open(&connection)
      capture.exchange(&connection, "ask", "tell")
      capture.send(&connection, .client, [.psh, .ack], farewell, Options(after: .seconds(1)))
      capture.closeByServer(&connection, after: .milliseconds(20))
    }
    #expect(report.findings.isEmpty)
    #expect(report.servers.first?.serverCloses.count == 0)
  }

  @Test func oneWayProtocolsOweNothing() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      connection.serverPort = 9_000
      capture.open(&connection)
      for _ in 0..<5 {
        capture.send(&connection, .client, [.psh, .ack], "event event event", Options(after: .seconds(1)))
        capture.send(&connection, .server, .ack)
      }
      capture.closeByClient(&connection)
    }
    #expect(kinds == [])
  }

  /// Closing a statement has no answer in some databases' protocols; the query that comes later is judged for itself.
  @Test func anUnansweredMessageIsNotTheBeginningOfTheNext() throws {
    let report = ScriptedVerdictTests.play { capture, connection in
      connection.serverPort = 9_000
      capture.open(&connection)
      capture.exchange(&connection, "ask", "tell")
      capture.send(&connection, .client, [.psh, .ack], "close statement")
      capture.send(&connection, .server, .ack)
      capture.wait(.seconds(5))
      capture.cross(&connection, "ask again")
    }
    let finding = try #require(report.findings.first)
    #expect(report.findings.count == 1)
    #expect(finding.finding.kind == .crossingFIN)
    #expect(finding.finding.confidence == .likely)
    #expect(!finding.finding.missing.isEmpty)
  }

  @Test func anErrorThatADatabaseSaysBeforeItClosesIsEvidence() throws {
    let report = ScriptedVerdictTests.play { capture, connection in
      connection.serverPort = 3_306
      capture.open(&connection)
      capture.exchange(&connection, "ask", "tell")
      capture.wait(.seconds(8))
      capture.cross(&connection, "ask", saying: "disconnected because of inactivity")
    }
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .crossingFIN)
    #expect(finding.finding.evidence.contains { $0.text.contains("of its own accord") })
  }

  // MARK: - HTTP/2

  private static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt8, _ count: Int) -> String {
    let head: [UInt8] = [0, 0, UInt8(count), type, flags, 0, 0, 0, stream]
    return String(decoding: head + [UInt8](repeating: 0x40, count: count), as: UTF8.self)
  }

  private static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

  @Test func settingsAreNoAnswer() {
    let kinds = ScriptedVerdictTests.kinds { capture, connection in
      capture.open(&connection)
      capture.send(
        &connection, .client, [.psh, .ack],
        ScriptedVerdictTests.preface + ScriptedVerdictTests.frame(4, 0, 0, 0)
          + ScriptedVerdictTests.frame(1, 5, 1, 30))
      capture.send(&connection, .server, [.psh, .ack], ScriptedVerdictTests.frame(4, 0, 0, 0))
      capture.send(&connection, .client, [.psh, .ack], ScriptedVerdictTests.frame(4, 1, 0, 0))
      capture.send(&connection, .server, .ack)
      capture.closeByServer(&connection, after: .milliseconds(370))
    }
    #expect(kinds == [.closedWhileHandling])
  }

  @Test func aGoawayIsNoActivity() throws {
    let report = ScriptedVerdictTests.play { capture, connection in
      capture.open(&connection)
      capture.exchange(
        &connection,
        ScriptedVerdictTests.preface + ScriptedVerdictTests.frame(4, 0, 0, 0)
          + ScriptedVerdictTests.frame(1, 5, 1, 30),
        ScriptedVerdictTests.frame(4, 0, 0, 0) + ScriptedVerdictTests.frame(1, 5, 1, 20))
      capture.send(
        &connection, .server, [.psh, .ack], ScriptedVerdictTests.frame(7, 0, 0, 8), Options(after: .seconds(10)))
      capture.closeByServer(&connection, after: .microseconds(100))
    }
    #expect(report.findings.isEmpty)
    let age = try #require(report.servers.first?.serverCloseAges.first)
    #expect(abs(age.inSeconds - 10) < 0.1)
  }
}
