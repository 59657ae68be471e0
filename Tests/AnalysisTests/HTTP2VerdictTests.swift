import Analysis
import Core
import Testing

/// Streams of HTTP/2, in the clear and under TLS.
@Suite struct HTTP2VerdictTests {
  typealias Options = ScriptedCapture.Options
  typealias Connection = ScriptedCapture.Connection

  private static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

  static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt8, _ payload: [UInt8]) -> [UInt8] {
    [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, stream] + payload
  }

  static func headers(_ stream: UInt8) -> [UInt8] { frame(1, 5, stream, [UInt8](repeating: 0x82, count: 11)) }
  static func goAway(_ last: [UInt8]) -> [UInt8] { frame(7, 0, 0, last + [0, 0, 0, 0]) }

  private struct Play {
    var capture = ScriptedCapture()
    var connection = Connection()

    init() {
      capture.open(&connection)
      client(Array(HTTP2VerdictTests.preface.utf8) + frame(4, 0, 0, []) + headers(1))
      server(frame(4, 0, 0, []) + frame(4, 1, 0, []) + frame(1, 4, 1, [0x88]) + frame(0, 1, 1, [0x6f, 0x6b]))
      client(frame(4, 1, 0, []))
      server([], .ack)
      capture.wait(.seconds(2))
    }

    mutating func client(_ bytes: [UInt8], _ flags: TCPSegment.Flags = [.psh, .ack], _ options: Options = Options()) {
      capture.send(&connection, .client, flags, bytes, options)
    }

    mutating func server(_ bytes: [UInt8], _ flags: TCPSegment.Flags = [.psh, .ack], _ options: Options = Options()) {
      capture.send(&connection, .server, flags, bytes, options)
    }

    var findings: [CaptureFinding] { capture.report().findings }
  }

  @Test func eachStreamIsJudgedForItself() throws {
    var play = Play()
    let before = (play.connection.client, play.connection.server)
    play.client(HTTP2VerdictTests.headers(3) + HTTP2VerdictTests.headers(5))
    play.server(
      HTTP2VerdictTests.goAway([0, 0, 0, 1]), [.psh, .ack], Options(acknowledgement: before.0, after: .milliseconds(2)))
    play.client([], [.fin, .ack])
    play.server([], [.fin, .ack])
    let findings = play.findings
    #expect(findings.map(\.finding.kind) == [.crossingGOAWAY, .crossingGOAWAY])
    #expect(findings.map(\.stream) == [3, 5])
    #expect(findings.allSatisfy { $0.finding.confidence == .proved })
  }

  @Test func aStreamBelowTheGoAwayIsAnswered() {
    var play = Play()
    let before = play.connection.client
    play.client(HTTP2VerdictTests.headers(3) + HTTP2VerdictTests.headers(5))
    let third = before &+ 20
    play.server(HTTP2VerdictTests.goAway([0, 0, 0, 3]), [.psh, .ack], Options(acknowledgement: third))
    play.server(HTTP2VerdictTests.frame(1, 5, 3, [0x88]))
    play.server([], [.fin, .ack])
    #expect(play.findings.map(\.stream) == [5])
    #expect(play.findings.map(\.finding.kind) == [.crossingGOAWAY])
  }

  /// The first GOAWAY of two only announces; the second names the streams that are lost.
  @Test func theSecondGoAwayDecides() throws {
    var play = Play()
    let before = play.connection.client
    play.client(HTTP2VerdictTests.headers(3))
    play.server(
      HTTP2VerdictTests.goAway([0x7f, 0xff, 0xff, 0xff]), [.psh, .ack],
      Options(acknowledgement: before, after: .milliseconds(1)))
    play.server(
      HTTP2VerdictTests.goAway([0, 0, 0, 1]), [.psh, .ack], Options(acknowledgement: before, after: .milliseconds(1)))
    play.client([], [.fin, .ack])
    let finding = try #require(play.findings.first)
    #expect(finding.finding.kind == .crossingGOAWAY)
    #expect(finding.finding.confidence == .proved)
  }

  @Test func aStreamBehindAGoAwayIgnoresTheClose() {
    var play = Play()
    play.server(HTTP2VerdictTests.goAway([0, 0, 0, 1]))
    play.client([], .ack)
    play.client(HTTP2VerdictTests.headers(3))
    play.client([], [.fin, .ack])
    #expect(play.findings.map(\.finding.kind) == [.closeIgnored])
  }

  @Test func aRefusedStreamIsNoRace() {
    var play = Play()
    play.client(HTTP2VerdictTests.headers(3))
    play.server(HTTP2VerdictTests.frame(3, 0, 3, [0, 0, 0, 7]))
    play.client([], [.fin, .ack])
    #expect(play.findings.map(\.finding.kind) == [.streamRefused])
  }

  @Test func aStreamThatTheServerResetsWasClosedWhileHandling() {
    var play = Play()
    play.client(HTTP2VerdictTests.headers(3))
    play.server(HTTP2VerdictTests.frame(3, 0, 3, [0, 0, 0, 2]))
    play.client([], [.fin, .ack])
    #expect(play.findings.map(\.finding.kind) == [.closedWhileHandling])
  }

  @Test func aStreamThatTheClientWithdrawsIsItsOwn() {
    var play = Play()
    play.client(HTTP2VerdictTests.headers(3))
    play.server([], .ack)
    play.client(HTTP2VerdictTests.frame(3, 0, 3, [0, 0, 0, 8]), [.psh, .ack], Options(after: .seconds(1)))
    play.client(HTTP2VerdictTests.headers(5))
    play.server(HTTP2VerdictTests.frame(1, 5, 5, [0x88]))
    play.client([], [.fin, .ack])
    #expect(play.findings.map(\.finding.kind) == [.clientGaveUp])
    #expect(play.findings.map(\.stream) == [3])
  }

  /// A ping is no answer, and no request.
  @Test func pingsAreNeither() {
    var play = Play()
    play.client(HTTP2VerdictTests.frame(6, 0, 0, [UInt8](repeating: 1, count: 8)))
    play.server(HTTP2VerdictTests.frame(6, 1, 0, [UInt8](repeating: 1, count: 8)))
    play.client([], [.fin, .ack])
    play.server([], [.fin, .ack])
    #expect(play.findings.isEmpty)
    #expect(play.capture.report().counts.requests == 1)
  }

  /// Frames may be cut into segments anywhere.
  @Test func segmentsMayCutFramesAnywhere() {
    for size in 1...24 {
      var play = Play()
      let before = play.connection.client
      let server = play.connection.server
      let request = HTTP2VerdictTests.headers(3)
      for start in stride(from: 0, to: request.count, by: size) {
        play.client(
          Array(request[start..<min(request.count, start + size)]), [.psh, .ack], Options(acknowledgement: server))
      }
      let words = HTTP2VerdictTests.goAway([0, 0, 0, 1])
      for start in stride(from: 0, to: words.count, by: size) {
        play.server(
          Array(words[start..<min(words.count, start + size)]), [.psh, .ack],
          Options(acknowledgement: before, after: .microseconds(10)))
      }
      play.client([], [.fin, .ack])
      #expect(play.findings.map(\.finding.kind) == [.crossingGOAWAY], "\(size) bytes a segment")
    }
  }

  // MARK: - TLS that begins later, or long ago

  private static func record(_ type: UInt8, _ payload: [UInt8]) -> [UInt8] {
    [type, 3, 3, UInt8(payload.count >> 8), UInt8(payload.count & 255)] + payload
  }

  private static func handshake(_ capture: inout ScriptedCapture, _ connection: inout Connection) {
    let hello = record(22, [1, 0, 0, 90] + [UInt8](repeating: 7, count: 90))
    let answer = record(
      22, [2, 0, 0, 70, 3, 3] + [UInt8](repeating: 9, count: 32) + [0, 0xc0, 0x2f] + [UInt8](repeating: 0, count: 35))
    capture.send(&connection, .client, [.psh, .ack], hello)
    capture.send(&connection, .server, [.psh, .ack], answer)
    let finished =
      record(22, [UInt8](repeating: 1, count: 37)) + record(20, [1]) + record(22, [UInt8](repeating: 1, count: 40))
    capture.send(&connection, .client, [.psh, .ack], finished)
    capture.send(&connection, .server, [.psh, .ack], record(20, [1]) + record(22, [UInt8](repeating: 1, count: 40)))
  }

  /// The SSLRequest of PostgreSQL, then TLS: its alert at the end is no request.
  @Test(arguments: ["\0\0\0\u{8}\u{4}\u{d2}\u{16}\u{2f}", "STARTTLS\r\n"]) func anAlertBehindSTARTTLSIsNoRequest(
    _ ask: String
  ) {
    var capture = ScriptedCapture()
    var connection = Connection(serverPort: 5_432)
    capture.open(&connection)
    let request = ask.unicodeScalars.map { UInt8($0.value) }
    capture.send(&connection, .client, [.psh, .ack], request)
    capture.send(&connection, .server, [.psh, .ack], "S")
    HTTP2VerdictTests.handshake(&capture, &connection)
    capture.send(&connection, .client, [.psh, .ack], HTTP2VerdictTests.record(23, [UInt8](repeating: 5, count: 120)))
    capture.send(&connection, .server, [.psh, .ack], HTTP2VerdictTests.record(23, [UInt8](repeating: 5, count: 220)))
    capture.send(
      &connection, .client, [.psh, .ack], HTTP2VerdictTests.record(21, [UInt8](repeating: 5, count: 26)),
      Options(after: .seconds(1)))
    capture.send(&connection, .server, [.fin, .ack])
    let report = capture.report()
    #expect(report.findings.isEmpty)
    #expect(report.servers.first?.serverCloses.count == 0)
  }

  /// The hello of SSL 2 in which old clients offered TLS.
  @Test func anOldHelloBeginsTLS() {
    var capture = ScriptedCapture()
    var connection = Connection(serverPort: 443)
    capture.open(&connection)
    capture.send(&connection, .client, [.psh, .ack], [0x80, 0x2e, 1, 3, 1] + [UInt8](repeating: 4, count: 43))
    capture.send(
      &connection, .server, [.psh, .ack], HTTP2VerdictTests.record(22, [2] + [UInt8](repeating: 0, count: 73)))
    capture.send(
      &connection, .client, [.psh, .ack],
      HTTP2VerdictTests.record(22, [UInt8](repeating: 1, count: 130)) + HTTP2VerdictTests.record(20, [1])
        + HTTP2VerdictTests.record(22, [UInt8](repeating: 1, count: 40)))
    capture.send(
      &connection, .server, [.psh, .ack],
      HTTP2VerdictTests.record(20, [1]) + HTTP2VerdictTests.record(22, [UInt8](repeating: 1, count: 40)))
    capture.send(&connection, .client, [.psh, .ack], HTTP2VerdictTests.record(23, [UInt8](repeating: 5, count: 120)))
    capture.send(&connection, .server, [.psh, .ack], HTTP2VerdictTests.record(23, [UInt8](repeating: 5, count: 220)))
    capture.send(&connection, .client, [.psh, .ack], HTTP2VerdictTests.record(21, [UInt8](repeating: 5, count: 26)))
    capture.send(&connection, .server, [.rst, .ack])
    #expect(capture.report().findings.isEmpty)
    #expect(capture.report().counts.requests == 1)
  }

  /// The alert had come before the request was written: close_notify announces the close.
  @Test func aRequestBehindCloseNotifyIgnoresTheClose() throws {
    var capture = ScriptedCapture()
    var connection = Connection(serverPort: 443)
    capture.open(&connection)
    HTTP2VerdictTests.handshake(&capture, &connection)
    func ask() {
      capture.send(&connection, .client, [.psh, .ack], HTTP2VerdictTests.record(23, [UInt8](repeating: 5, count: 120)))
    }
    ask()
    capture.send(&connection, .server, [.psh, .ack], HTTP2VerdictTests.record(23, [UInt8](repeating: 5, count: 220)))
    capture.send(
      &connection, .server, [.psh, .ack], HTTP2VerdictTests.record(21, [UInt8](repeating: 5, count: 26)),
      Options(after: .seconds(1)))
    capture.send(&connection, .client, .ack)
    ask()
    capture.send(&connection, .server, .ack)
    capture.send(&connection, .server, [.fin, .ack], [], Options(after: .microseconds(100)))
    let finding = try #require(capture.report().findings.first)
    #expect(finding.finding.kind == .closeIgnored)
    #expect(finding.finding.confidence == .likely)
  }
}
