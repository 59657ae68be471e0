import Core
import Testing

@testable import Analysis

/// The page as it is built; how it looks was seen in a browser.
@Suite struct HTMLReportTests {
  private func page(_ sample: String) throws -> String {
    try HTMLReport(CaptureFixtures.report(CaptureFixtures.bytes(sample))).page()
  }

  private func place(_ text: String, in page: String) throws -> String.Index {
    try #require(page.firstRange(of: text), "\(text)").lowerBound
  }

  /// Thirty servers must not stand in front of what was asked for.
  @Test func findingsComeBeforeServers() throws {
    let page = try page("crossing-fin.client")
    #expect(try place("id=\"findings\"", in: page) < place("id=\"f1\"", in: page))
    #expect(try place("id=\"f2\"", in: page) < place("id=\"servers\"", in: page))
    #expect(page.contains("href=\"#servers\""))
  }

  @Test func olderSegmentsAreFolded() throws {
    let page = try page("crossing-fin.client")
    #expect(page.contains("<summary>6 earlier segments</summary>"), "\(page)")
  }

  /// Arrows of two segments cross where neither acknowledges the other, from whichever side they were seen.
  @Test(arguments: ["client", "server"]) func arrowsCrossWherePacketsCrossed(_ side: String) throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("crossing-fin." + side))
    for finding in report.findings {
      let ladder = Ladder(finding)
      let drawing = LadderDrawing(ladder)
      let request = try #require(ladder.rows.firstIndex { $0.isRequest })
      let other = try #require(drawing.crossings(drawing.shown)[request])
      #expect(ladder.rows[other].step.flags.contains(.fin) && ladder.rows[other].step.side == .server)
      #expect(drawing.crossings(drawing.shown).count == 2, "nothing else crosses")
    }
  }

  @Test func nothingCrossesInOrdinaryTraffic() throws {
    for sample in ["closed-while-handling.client", "stale-reuse.server"] {
      let report = try CaptureFixtures.report(CaptureFixtures.bytes(sample))
      for finding in report.findings {
        let ladder = Ladder(finding)
        let crossings = LadderDrawing(ladder).crossings(0..<ladder.rows.count)
        #expect(crossings.isEmpty, "\(sample): \(crossings)")
      }
    }
  }

  /// One bar says no more than one number.
  @Test func oneBarIsNoHistogram() throws {
    let page = try page("crossing-fin.client")
    #expect(page.contains("<p class=\"single\">Idle age at the server&#39;s own closes: <b>"), "\(page)")
    #expect(page.contains("<figcaption>Idle age at reuse"))
  }

  /// On a narrow screen a row of the table is a block whose last part, what happened, has the whole width.
  @Test func theTableFitsAPhone() throws {
    let page = try page("crossing-fin.client")
    #expect(page.contains("@media (max-width: 40rem)") && page.contains("td class=\"what\""))
    #expect(!page.contains("min-width: 44rem"))
  }
}
