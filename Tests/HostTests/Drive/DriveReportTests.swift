import Host
import Testing

struct DriveReportTests {
  @Test func joinsClientsAndLedger() {
    let outcomes: [(id: String, end: DriveEnd)] = [
      ("a", .answered), ("b", .answered), ("c", .status(502)), ("d", .closed), ("e", .reset), ("f", .answered),
    ]
    let ledger = """
      {"id":"a","answer":"answered"}
      {"id":"b","answer":"answered"}
      {"id":"b","answer":"answered"}
      {"id":"d","answer":"half-closed"}
      {"id": "e", "answer": "died"}
      {"id":"other","answer":"answered"}
      not JSON at all
      """
    let report = DriveReport(outcomes: outcomes, ledger: ledger)
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

  @Test func speaksJSON() {
    let report = DriveReport(outcomes: [("a", .status(502))], ledger: "")
    #expect(report.json.contains(#""failed":1,"failures":{"status 502":1},"applied":0,"#))
  }
}
