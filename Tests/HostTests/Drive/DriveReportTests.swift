import Core
import Host
import Testing

struct DriveReportTests {
  private func ledger(_ ends: [DriveEnd]) -> DriveLedger {
    var ledger = DriveLedger(idPrefix: "t")
    ledger.outcomes = ends.enumerated().map { DriveOutcome(number: $0.offset, end: $0.element) }
    return ledger
  }

  @Test func joinsClientsAndLedger() {
    let clients = ledger([.answered, .answered, .status(502), .closed, .reset, .answered])
    let upstream = UpstreamLedger(
      parsing: """
        {"id":"t-0","answer":"answered"}
        {"id":"t-1","answer":"answered"}
        {"id":"t-1","answer":"answered"}
        {"method":"GET","id":"t-3","answer":"half-closed"}
        {"id": "t-4", "answer": "died"}
        {"id":"other","answer":"answered"}
        not JSON at all
        """)
    let report = DriveReport(clients, upstream: upstream)
    #expect(report.sent == 6)
    #expect(report.answered == 3)
    #expect(report.failed == 3)
    #expect(report.failures == [.status(502): 1, .closed: 1, .reset: 1])
    #expect(report.applied == 4)
    #expect(report.appliedTwice == 1)
    #expect(report.lost == 1)
    #expect(report.failedButApplied == 2)
    #expect(report.answeredButNotApplied == 1)
    #expect(report.died == 1)
    #expect(report.failedWithoutDeath == 2)
  }

  @Test func ledgersOfSeveralProcessesAddUp() {
    var upstream = UpstreamLedger(parsing: #"{"id":"t-0"}"#)
    upstream.add(parsing: #"{"id":"t-0"}"# + "\n" + #"{"id":"t-1"}"#)
    let report = DriveReport(ledger([.answered, .answered]), upstream: upstream)
    #expect(report.applied == 2 && report.appliedTwice == 1)
  }

  /// Caddy's access log, of any version, has the fields of the request as they came.
  @Test func anAccessLogWithTheRequestsFieldsIsALedger() {
    let line =
      #"{"msg":"handled request","request":{"headers":{"Accept":["*/*"],"X-Race-Id":["t-1"]}},"user_id":"","status":200}"#
    let upstream = UpstreamLedger(parsing: line + "\n" + line.replacing("t-1", with: "t-0"))
    #expect(upstream.times == ["t-0": 1, "t-1": 1])
  }

  @Test func speaksJSON() {
    let joined = DriveReport(ledger([.status(502)]), upstream: UpstreamLedger())
    #expect(joined.json.contains(#""failed":1,"failures":{"status 502":1},"applied":0,"#))
  }

  @Test func whatCannotBeKnownIsNotClaimed() {
    let report = DriveReport(ledger([.closed]), upstream: nil)
    #expect(report.json.contains(#""applied":null,"applied_twice":null,"lost":null,"#))
    #expect(report.text.contains("is not known") && !report.text.contains("lost 0"))
  }

  @Test func countsFailuresByIdleGap() {
    var clients = DriveLedger(idPrefix: "t")
    for number in 0..<100 {
      let gap = Nanoseconds.milliseconds(1_000 + Int64(number))
      let end = (40..<60).contains(number) ? DriveEnd.closed : .answered
      clients.outcomes.append(DriveOutcome(number: number, end: end, gap: gap))
    }
    let gaps = DriveReport(clients, upstream: nil).gaps
    #expect(gaps.bins.count <= GapHistogram.binLimit && gaps.bins.count > 10)
    #expect(gaps.bins.map(\.sent).reduce(0, +) == 100)
    for bin in gaps.bins {
      let first = bin.from.milliseconds - 1_000
      #expect(bin.failed == ((40..<60).contains(first) ? bin.sent : 0))
    }
  }
}
