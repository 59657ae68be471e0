import Analysis
import Core
import Foundation
import Host
import Testing

/// Configurations as people have them, each with what must be said of it, and what must not.
struct CheckFixtureTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .appending(path: "Fixtures/Check").path

  struct Expectation: CustomTestStringConvertible, Sendable {
    var folder: String
    /// Rules with warnings or errors: exactly these.
    var rules: Set<CheckRule>
    /// Rules that are told as notes: at least these.
    var notes: Set<CheckRule> = []
    var verdicts: [HopVerdict] = []
    var testDescription: String { folder }
  }

  static let expectations: [Expectation] = [
    Expectation(folder: "01-nginx-uwsgi", rules: [.holdLongerThanServer], notes: [.assumedDefault], verdicts: [.race]),
    Expectation(
      folder: "02-nginx-gunicorn-template",
      rules: [.holdLongerThanServer, .poolWithoutEffect, .versionFlipsDefault, .secondTimer],
      verdicts: [.versionDecides]),
    Expectation(folder: "05-ingress-nest", rules: [.holdLongerThanServer], notes: [.assumedDefault], verdicts: [.race]),
    Expectation(folder: "06-go-read-header", rules: [], notes: [.notAnIdleTimeout], verdicts: [.safe]),
    Expectation(folder: "06-go-idle-two-minutes", rules: [.holdLongerThanServer], verdicts: [.race]),
    Expectation(
      folder: "08-express-application", rules: [.settingOnWrongObject], notes: [.assumedDefault]),
    Expectation(folder: "09-nest-headers-timeout", rules: [.secondTimer], notes: [.versionFlipsDefault]),
    Expectation(folder: "10-equal-headers-timeout", rules: [.secondTimer], notes: [.versionFlipsDefault]),
    Expectation(
      folder: "11-gunicorn-gthread-alb", rules: [.holdLongerThanServer], notes: [.assumedDefault], verdicts: [.race]),
    Expectation(folder: "11-gunicorn-equal-alb", rules: [.equalOrThinMargin], verdicts: [.thin]),
    Expectation(folder: "13-ecs-margin-of-one", rules: [.equalOrThinMargin], verdicts: [.thin]),
    Expectation(folder: "15-gunicorn-eventlet", rules: [], notes: [.holdLongerThanServer, .assumedDefault]),
    Expectation(
      folder: "15-gunicorn-eventlet-alb", rules: [.holdLongerThanServer], notes: [.assumedDefault], verdicts: [.race]),
    Expectation(folder: "17-server-returned", rules: [], notes: [.assumedDefault]),
    Expectation(folder: "18-haproxy-no-tunnel", rules: [.tunnelFallsBack], notes: [.notAnIdleTimeout]),
    Expectation(folder: "19-haproxy-heartbeat", rules: [.tunnelFallsBack]),
    Expectation(folder: "21-alb-istio", rules: [], verdicts: [.safe]),
    Expectation(folder: "21-alb-istio-puma", rules: [.holdLongerThanServer], verdicts: [.safe, .race]),
    Expectation(
      folder: "23-alb-nginx-fpm", rules: [.holdLongerThanServer], notes: [.assumedDefault], verdicts: [.race]),
    Expectation(folder: "24-unknown-argument", rules: [.settingOnWrongObject]),
    Expectation(folder: "25-spring-tomcat", rules: [], notes: [.holdLongerThanServer, .assumedDefault]),
    Expectation(folder: "25-spring-tomcat-ingress", rules: [.holdLongerThanServer], verdicts: [.race]),
    Expectation(folder: "27-spring-invented-keys", rules: [.settingOnWrongObject]),
    Expectation(folder: "29-nginx-close-map", rules: []),
    Expectation(folder: "29-nginx-close-map-puma", rules: [], verdicts: [.noReuse]),
    Expectation(folder: "31-nlb-annotation", rules: [.settingOnWrongObject, .middleboxBetween]),
    Expectation(folder: "32-google-client-side", rules: [.settingOnWrongObject]),
    Expectation(folder: "34-nginx-below-node", rules: []),
    Expectation(folder: "34-nginx-below-node-both", rules: [], verdicts: [.safe]),
    Expectation(folder: "35-gunicorn-sync-dead-setting", rules: [.settingOnWrongObject], notes: [.versionFlipsDefault]),
    Expectation(folder: "35-gunicorn-gthread", rules: [], notes: [.holdLongerThanServer, .secondTimer]),
    Expectation(folder: "37-node-drain", rules: [.blindDrain]),
    Expectation(folder: "37-node-drain-done", rules: []),
    Expectation(folder: "40-nginx-non-idempotent", rules: [.retryAppliesTwice]),
    Expectation(folder: "41-nginx-early-data", rules: [.earlyData]),
    Expectation(folder: "41-nginx-early-data-told", rules: []),
  ]

  static func report(_ folder: String, chain: [String] = []) -> CheckReport {
    var input = CheckFiles()
    input.add(Self.folder + "/" + folder)
    var run = CheckRun(input.files, readYAML: YAMLTreeReader.read)
    return run.run(chain: chain)
  }

  @Test(arguments: expectations)
  func saysWhatIsThere(_ expected: Expectation) {
    let report = Self.report(expected.folder)
    let told = report.findings.map { "\($0.level) \($0.rule.rawValue) \($0.place.line)" }
    #expect(Set(report.findings.filter { $0.level > .note }.map(\.rule)) == expected.rules, "\(told)")
    #expect(Set(report.findings.filter { $0.level == .note }.map(\.rule)).isSuperset(of: expected.notes), "\(told)")
    #expect(report.hops.map(\.verdict.rawValue).sorted() == expected.verdicts.map(\.rawValue).sorted())
  }

  /// Every folder of fixtures has its line above.
  @Test func everyFixtureIsExpected() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.folder)
    #expect(Set(folders) == Set(Self.expectations.map(\.folder)))
  }

  @Test func printsNoSecret() {
    for expected in Self.expectations {
      let report = Self.report(expected.folder)
      let all = CheckJSON.document(report) + CheckText(report, ink: Ink(isColoured: false)).text()
      #expect(!all.contains("never-to-be-printed"))
    }
  }
}
