import Analysis
import Core
import Testing

struct LabScenarioTests {
  private func text(_ value: String, line: Int = 1) -> LabNode { LabNode(.text(value), line: line) }

  private func map(_ entries: (String, LabNode)..., line: Int = 1) -> LabNode {
    LabNode(.map(entries.map { LabNode.Entry(key: $0.0, value: $0.1) }), line: line)
  }

  private func list(_ nodes: LabNode...) -> LabNode { LabNode(.list(nodes), line: 1) }

  private func scenario(_ all: LabNode?, _ runs: LabNode...) throws(LabError) -> LabScenario {
    var node = map(("title", text("a title")), ("says", text("what it shows")), ("runs", LabNode(.list(runs), line: 4)))
    if let all, case .map(let entries) = node.content {
      node = LabNode(.map(entries + [LabNode.Entry(key: "all", value: all)]), line: 1)
    }
    return try LabScenario(node, name: "sample", file: "sample.yaml")
  }

  @Test func everyCombinationIsARun() throws {
    let runs = try scenario(
      map(("server", text("node/short")), ("count", text("80"))),
      map(("proxy", list(text("nginx/keepalive"), text("traefik")))),
      map(("proxy", text("none")), ("methods", list(text("POST"))), ("count", text("8")))
    ).runs
    #expect(
      runs.map(\.title) == [
        "nginx/keepalive > node/short GET", "nginx/keepalive > node/short POST", "traefik > node/short GET",
        "traefik > node/short POST", "node/short POST",
      ])
    #expect(runs.map(\.count) == [80, 80, 80, 80, 8])
    #expect(runs.map(\.number) == [1, 2, 3, 4, 5])
  }

  @Test func verbsOfTheOriginArePartOfTheChoice() {
    let choice = LabChoice("origin idle=2s at-idle=abort")
    #expect(choice.program == "origin" && choice.verbs == ["idle=2s", "at-idle=abort"])
    #expect(choice.description == "origin idle=2s at-idle=abort")
  }

  @Test func mistakesAreNamedWithTheirLine() throws {
    let wrong: [(LabNode, String)] = [
      (map(("prxy", text("nginx", line: 7))), "sample.yaml:7: a run has no field 'prxy'"),
      (map(("count", text("many", line: 8))), "sample.yaml:8: 'count' is no number that fits"),
      (map(("spread", text("long", line: 9))), "sample.yaml:9: 'spread' is no length of time"),
      (map(("traffic", text("heavy", line: 3))), "sample.yaml:3: 'heavy' is no kind of traffic"),
      (map(("expect", map(("failed", text("a few")), line: 5))), "sample.yaml:5: 'failed: a few' is no expectation"),
    ]
    for (run, message) in wrong {
      let error = #expect(throws: LabError.self) { try scenario(nil, run) }
      #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "no error")")
    }
  }

  @Test(arguments: [
    ("0", 0, true), ("0", 1, false), ("some", 0, false), ("some", 1, true), ("all", 99, false), ("all", 100, true),
    ("any", 50, true), ("7", 7, true), ("under 50 per 1000", 4, true), ("under 50 per 1000", 5, false),
    ("over 50 per 1000", 5, false), ("over 50 per 1000", 6, true),
  ])
  func expectationsHoldOrNot(text: String, failed: Int, holds: Bool) throws {
    let expectation = try #require(LabExpectation("failed", text))
    var measurement = LabMeasurement()
    measurement.sent = 100
    measurement.failed = failed
    #expect((expectation.difference(from: measurement) == nil) == holds)
  }

  @Test func whatCouldNotBeCountedIsNotAsExpected() throws {
    let expectation = try #require(LabExpectation("connections", "any"))
    #expect(expectation.difference(from: LabMeasurement()) != nil)
    #expect(LabExpectation("failures", "0") == nil)
  }

  @Test func templatesFillNamesAndLeaveOtherAtSigns() throws {
    let values = ["listen": "10.0.0.1:80", "aligned_ms": "900"]
    #expect(
      try LabTemplate.fill("a@b.c @listen@ {@x} @type: 1 @aligned_ms@ms @", values)
        == "a@b.c 10.0.0.1:80 {@x} @type: 1 900ms @")
    #expect(throws: LabTemplate.MissingValue(name: "port")) { try LabTemplate.fill("@port@", values) }
  }

  @Test func theExitCodeTellsWhatHappened() {
    func report(_ outcomes: [LabResult.Outcome]) -> LabReport {
      let run = LabRun(number: 1, scenario: "sample")
      return LabReport(
        command: "", began: Instant(nanoseconds: 0), machine: "", versions: [], scenarios: [],
        results: outcomes.map { LabResult(run: run, outcome: $0) })
    }
    let fine = LabResult.Outcome.asExpected(LabMeasurement())
    let other = LabResult.Outcome.differed(LabMeasurement(), differences: ["expected something else"])
    #expect(report([fine, fine]).exitCode == 0)
    #expect(report([fine, .notRun(reason: "no nginx")]).exitCode == 3)
    #expect(report([other, .notRun(reason: "no nginx"), fine]).exitCode == 1)
  }
}
