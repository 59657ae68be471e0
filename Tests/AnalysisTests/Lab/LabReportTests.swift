import Analysis
import Core
import Testing

/// What the reports of the lab make of results.
struct LabReportTests {
  private func result(
    _ proxy: String, _ method: String, label: String? = nil, sent: Int = 400, failed: Int = 0, twice: Int = 0,
    change: (inout LabRun, inout LabMeasurement) -> Void = { _, _ in }
  ) -> LabResult {
    var run = LabRun(number: 1, scenario: "sample")
    run.proxy = LabChoice(proxy)
    run.server = LabChoice("node/short")
    run.method = method
    run.label = label
    var measurement = LabMeasurement()
    measurement.sent = sent
    measurement.failed = failed
    measurement.failedWithoutDeath = failed
    measurement.appliedTwice = twice
    change(&run, &measurement)
    return LabResult(run: run, measurement: measurement)
  }

  private func report(_ results: [LabResult]) -> LabReport {
    var numbered = results
    for index in numbered.indices { numbered[index].run.number = index + 1 }
    return LabReport(
      command: "photofinish lab run sample", began: Instant(nanoseconds: 0), machine: "Linux", versions: [],
      scenarios: [], results: numbered)
  }

  private func steady(_ proxy: String, label: String, median: Nanoseconds) -> LabResult {
    result(proxy, "POST", label: label, sent: 1_500) { run, measurement in
      run.traffic = .steady
      measurement.medianLatency = median
      measurement.connections = 30
      measurement.duration = .seconds(15)
    }
  }

  @Test func remediesAreHeldAgainstTheFirst() throws {
    let report = report([
      result("alb", "POST", label: "before", failed: 120), steady("alb", label: "before", median: .milliseconds(21)),
      result("alb/reuse-off", "POST", label: "reuse off"),
      steady("alb/reuse-off", label: "reuse off", median: .microseconds(41_500)),
      result("alb", "POST", label: "in the race alone", failed: 3),
    ])
    let remedies = LabRemedy.all(in: report)
    #expect(remedies.map(\.label) == ["before", "reuse off"])
    #expect(remedies.map { $0.addedLatency(to: remedies) } == [nil, "+20.5 ms"])
    let text = LabMarkdown(report).text()
    #expect(text.contains("| node/short | before |  | 300.0 | 0 |"), "\(text)")
    #expect(text.contains("| +20.5 ms |"))
    #expect(LabPage(report).page().contains("<td class=\"n\">+20.5 ms</td>"))
  }

  @Test func whatPhotofinishLosesIsCountedWhereverItStands() {
    let report = report([
      result("photofinish", "GET", failed: 1), result("nginx", "POST", failed: 99),
      result("alb", "POST", failed: 2, twice: 3) { run, _ in run.isGuarded = true },
      result("photofinish", "POST", failed: 80) { run, _ in run.path.forgetAfter = .seconds(2) },
      steady("photofinish", label: "x", median: .milliseconds(1)),
    ])
    let own = report.photofinishFailures(forgetful: false)
    #expect(own.requests == 800 && own.failed == 3 && own.twice == 3)
    #expect(report.photofinishFailures(forgetful: true).failed == 80)
    #expect(LabMarkdown(report).text().contains("where nothing can be proved: 400, 80, 0."))
  }

  @Test func theMachinesOwnTroublesAreTold() {
    var report = report([
      result("photofinish", "GET") { _, measurement in measurement.foreignShare = 0.43 }
    ])
    #expect(report.loadText.isEmpty)
    report.foreignShare = 0.12
    report.limits = "there is no wire"
    for (text, apostrophe) in [(LabMarkdown(report).text(), "'"), (LabPage(report).page(), "&#39;")] {
      #expect(text.contains("took 12 % of the machine\(apostrophe)s CPU time meanwhile, at most 43 % during a run."))
      #expect(text.contains("there is no wire."))
    }
    #expect(report.json.contains("\"foreign_cpu_share\":0.12"))
    #expect(report.json.contains("\"limits\":\"there is no wire\""))
  }

  /// Names come from files that others wrote. Both kinds of quotes end an attribute.
  @Test func aPageLetsNoMarkupThrough() {
    var report = report([result("alb", "POST")])
    report.machine = "<b class='x'>&\""
    let page = LabPage(report).page()
    #expect(page.contains("&lt;b class=&#39;x&#39;&gt;&amp;&quot;"))
    #expect(!page.contains("<b class='x'>"))
  }
}
