import Analysis
import Core
import Testing

/// A 502 is an answer, and a hint where to look.
@Suite struct GatewayAnswerTests {
  private static let badGateway =
    "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"

  @Test func statusesAreCountedAndSaidFirst() throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("front-502.client"))
    #expect(report.findings.isEmpty)
    #expect(report.servers.first?.statuses == [502: 6])
    #expect(report.unexplainedGatewayAnswers == 6)
    let lines = TextReport(report, ink: Ink(isColoured: false)).summary().split(separator: "\n")
    #expect(lines[0].hasPrefix("Not in this capture"))
    #expect(lines[1].contains("6 of 6 answers of 10.78.0.2:9602 are 6 502"))
    #expect(lines[1].contains("Capture between that proxy and its server"))
    let document = JSONReport(report).document()
    #expect(document.contains("\"statuses\":{\"502\":6}"))
    let page = HTMLReport(report).page()
    #expect(page.contains("<p class=\"warn\">6 of 6 answers of 10.78.0.2:9602 are 6 502"))
    #expect(page.contains("<h1 class=\"warn\">Not in this capture"))
  }

  /// Client, proxy and server in one capture: the 502 and the request that was lost behind it are one story.
  @Test func a502IsJoinedWithTheRequestBehindIt() throws {
    var capture = ScriptedCapture()
    // The client 10.0.0.1 speaks to the proxy 10.0.0.2; the proxy speaks from there to a server of its own.
    var front = ScriptedCapture.Connection()
    var behind = ScriptedCapture.Connection(clientPort: 50_000, serverPort: 9_000, client: 70_000, server: 90_000)
    capture.open(&front)
    capture.open(&behind)
    capture.exchange(&behind)
    capture.exchange(&front)
    capture.wait(.seconds(5))
    capture.send(&front, .client, [.psh, .ack], ScriptedCapture.get)
    capture.cross(&behind)
    capture.send(&front, .server, [.psh, .ack], GatewayAnswerTests.badGateway)
    capture.send(&front, .client, .ack)
    let report = capture.report()
    let finding = try #require(report.findings.first)
    #expect(finding.finding.kind == .crossingFIN)
    #expect(finding.gateway?.status == 502)
    #expect(finding.finding.evidence.contains { $0.text.contains("was told 502") })
    #expect(report.unexplainedGatewayAnswers == 0)
    #expect(report.gatewayLines.first?.contains("#1") == true)
  }

  @Test func aFailureOfAnotherTimeIsNotJoined() throws {
    var capture = ScriptedCapture()
    var front = ScriptedCapture.Connection()
    var behind = ScriptedCapture.Connection(clientPort: 50_000, serverPort: 9_000, client: 70_000, server: 90_000)
    capture.open(&front)
    capture.open(&behind)
    capture.exchange(&behind)
    capture.exchange(&front, ScriptedCapture.get, GatewayAnswerTests.badGateway)
    capture.wait(.seconds(5))
    capture.cross(&behind)
    let report = capture.report()
    #expect(report.findings.first?.gateway == nil)
    #expect(report.unexplainedGatewayAnswers == 1)
  }
}
