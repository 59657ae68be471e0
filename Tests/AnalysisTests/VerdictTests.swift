import Analysis
import Core
import Testing

@Suite struct VerdictTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var capture: String
    var kinds: [FindingKind]
    var testDescription: String { capture }
  }

  /// What each scenario must be judged as, from both sides.
  static let scenarios: [(String, client: [FindingKind], server: [FindingKind])] = [
    ("crossing-fin", [.crossingFIN, .crossingFIN], [.crossingFIN, .crossingFIN]),
    ("crossing-rst", [.crossingRST], [.crossingRST]),
    ("crossing-half-close", [.crossingHalfClose], [.crossingHalfClose]),
    ("reset-unread", [.resetUnread], [.resetUnread]),
    ("stale-reuse", [.staleReuse], [.staleReuse]),
    // Nothing of the failure reaches the server's side.
    ("forgotten-flow", [.forgottenFlow], []),
    ("forgotten-flow-reset", [.forgottenFlow], []),
    (
      "closed-while-handling", [.closedWhileHandling, .closedWhileHandling],
      [.closedWhileHandling, .closedWhileHandling]
    ),
    ("server-timer", [.serverTimer, .serverTimer, .serverTimer], [.serverTimer, .serverTimer, .serverTimer]),
    ("client-gave-up", [.clientGaveUp], [.clientGaveUp]),
    ("refused", [.refused, .refused], [.refused, .refused]),
    ("no-answer-to-syn", [.noAnswerToSYN], []),
    ("truncated-answer", [.truncatedAnswer, .truncatedAnswer], [.truncatedAnswer, .truncatedAnswer]),
    ("unasked-answer", [.unaskedAnswer], [.unaskedAnswer]),
    ("close-ignored", [.closeIgnored], [.closeIgnored]),
    ("not-http", [.notHTTP, .notHTTP], [.notHTTP, .notHTTP]),
    ("clean", [], []),
    ("large", [], []),
    ("opaque-crossing-fin", [.crossingFIN], [.crossingFIN]),
    ("tls-crossing-fin", [.crossingFIN], [.crossingFIN]),
    // Tomcat: a FIN right behind the request, then a reset that nothing of the client caused.
    ("fin-then-reset-unread", [.resetUnread, .resetUnread], [.resetUnread, .resetUnread]),
    // PostgreSQL says why it closes before the query reaches it.
    ("postgres-farewell-unread", [.resetUnread], [.resetUnread]),
    ("h2c-goaway", [.crossingGOAWAY, .closeIgnored], [.crossingGOAWAY, .closeIgnored]),
    // A firewall that answers in the server's name.
    ("firewall-reset", [.forgottenFlow], []),
    ("join-tls", [.crossingFIN], [.crossingFIN]),
    ("join-dnat", [.crossingFIN], [.crossingFIN]),
  ]

  static let cases: [Case] = scenarios.flatMap { name, client, server in
    [Case(capture: name + ".client", kinds: client), Case(capture: name + ".server", kinds: server)]
  }

  @Test(arguments: cases) func judgesTheSampleFromEitherSide(_ sample: Case) throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes(sample.capture))
    #expect(report.findings.map(\.finding.kind) == sample.kinds)
    for finding in report.findings {
      #expect(!finding.finding.evidence.isEmpty)
      #expect(!finding.finding.remedy.isEmpty)
      let side: Vantage = sample.capture.hasSuffix("client") ? .clientSide : .serverSide
      #expect(finding.vantage == side || finding.vantage == .unknown)
    }
  }

  /// The pieces in which a file arrives must not matter.
  @Test(arguments: [1, 7, 100]) func judgesAlikeInPieces(_ pieces: Int) throws {
    for sample in VerdictTests.cases where sample.capture.hasPrefix("c") {
      let report = try CaptureFixtures.report(CaptureFixtures.bytes(sample.capture), pieces: pieces)
      #expect(report.findings.map(\.finding.kind) == sample.kinds, "\(sample.capture)")
    }
  }

  @Test func provesTheRaceByNumbers() throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("crossing-fin.client"))
    let finding = try #require(report.findings.last)
    #expect(finding.finding.confidence == .proved)
    #expect(finding.method == "POST")
    #expect(finding.reuseCount == 3)
    #expect(finding.vantage == .clientSide)
    let frames = finding.finding.evidence.compactMap(\.frame)
    #expect(frames.count >= 3)
    let estimate = try #require(report.servers.first?.estimate)
    #expect(abs(estimate.timeout.inSeconds - 0.48) < 0.1)
    #expect(finding.finding.remedy.contains("hold idle connections at most"))
  }

  /// A GOAWAY that is encrypted shows by its size, and acknowledges nothing of the request.
  @Test func namesAGoAwayUnderTLSByItsSize() throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("tls-h2-goaway.client"))
    let finding = try #require(report.findings.first)
    #expect(report.findings.count == 1)
    #expect(finding.finding.kind == .crossingGOAWAY)
    #expect(finding.finding.confidence == .likely)
    #expect(finding.finding.evidence.contains { $0.frame == 36 })
  }

  /// A server that ends a connection after five requests, when the client has asked for three more: each of their records is as
  /// long as those that were answered.
  @Test func streamsThatOneCloseTakesAreCounted() throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("tls-h2-streams.client"))
    let finding = try #require(report.findings.first)
    #expect(report.findings.count == 1)
    #expect(finding.finding.kind == .crossingHalfClose)
    #expect(finding.streams == 3)
    #expect(finding.request.contains("3 streams"))
    #expect(TextReport(report, ink: Ink(isColoured: false)).answer.contains("3 HTTP/2 streams in all"))
    #expect(JSONReport(report).document().contains("\"http2_streams\":3"))
    let other = try CaptureFixtures.report(CaptureFixtures.bytes("tls-h2-goaway.client"))
    #expect(other.findings.first?.streams == nil)
  }

  /// A close with unread bytes is no proof of handling; the evidence names the reset behind the FIN.
  @Test func aResetBehindTheFINMeansUnreadBytes() throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("fin-then-reset-unread.client"))
    for finding in report.findings {
      #expect(finding.finding.confidence == .likely)
      #expect(finding.finding.evidence.contains { $0.text.contains("RST behind the FIN") })
      #expect(finding.finding.evidence.contains { $0.text.contains("advertises") })
    }
  }

  @Test func aResetOfAMiddleboxIsToldByWhatItLacks() throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("firewall-reset.client"))
    let evidence = try #require(report.findings.first).finding.evidence.map(\.text).joined(separator: "\n")
    #expect(evidence.contains("TTL is 61"))
    #expect(evidence.contains("time stamps"))
    #expect(evidence.contains("round trip"))
  }

  @Test func joinsBothSides() throws {
    let client = try CaptureFixtures.report(CaptureFixtures.bytes("crossing-fin.client"))
    var analyser = CaptureAnalyser(trace: 1)
    var reader = CaptureReader()
    let bytes = try CaptureFixtures.bytes("crossing-fin.server")
    // Safe: every bit of a UInt8 is initialised.
    try unsafe reader.feed(bytes.span.bytes, into: &analyser)
    let joined = client.joined(with: analyser.finish())
    #expect(joined.findings.map(\.finding.kind) == [.crossingFIN, .crossingFIN])
    #expect(joined.findings.allSatisfy { $0.vantage == .bothSides })
    #expect(joined.count(.crossingFIN) == 2)
  }

  /// The capture lost the reset that would prove the race: it is not called proved, and the finding says what is missing.
  @Test func withoutItsProofAVerdictStaysOpen() throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("inconclusive.client"))
    let open = try #require(report.findings.first { $0.finding.kind == .inconclusive })
    #expect(!open.finding.missing.isEmpty)
    // The other connection of the capture keeps its proof.
    #expect(report.findings.contains { $0.finding.kind == .crossingFIN })
  }
}
