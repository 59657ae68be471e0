import Core
import Foundation
import Testing

struct FactTableTests {
  @Test(arguments: [
    ("1.29.7-alpine", [1, 29, 7]), ("v20.11", [20, 11]), ("^18", [18]), (">=2.7", [2, 7]), ("~> 7.0", [7, 0]),
    ("26", [26]), ("3.x", [3]),
  ])
  func readsVersions(_ text: String, _ numbers: [Int]) {
    #expect(SoftwareVersion(text)?.numbers == numbers)
  }

  @Test(arguments: ["latest", "", "alpine3.20", "stable", ".", "99999999999999999999"])
  func knowsWhatIsNoVersion(_ text: String) {
    #expect(SoftwareVersion(text) == nil)
  }

  @Test func ordersVersions() {
    #expect(SoftwareVersion(1, 29, 6) < SoftwareVersion(1, 29, 7))
    #expect(!(SoftwareVersion(18) < SoftwareVersion(18, 0, 0)) && !(SoftwareVersion(18, 0, 0) < SoftwareVersion(18)))
    #expect(SoftwareVersion(1, 9) < SoftwareVersion(1, 10))
  }

  @Test func aVersionDecides() throws {
    let old = try #require(FactTable.fact(.node, .clientIdle, version: SoftwareVersion(20, 11)))
    #expect(old.fact.value == .time(.seconds(5)) && !old.isUnsure)
    let new = try #require(FactTable.fact(.node, .clientIdle, version: SoftwareVersion(26)))
    #expect(new.fact.value == .time(.seconds(65)))
    let unknown = try #require(FactTable.fact(.puma, .clientIdle))
    #expect(unknown.isUnsure && unknown.fact.value == .time(.seconds(65)))
  }

  /// For one version of one software, no two rows contradict each other.
  @Test func rowsDoNotContradictEachOther() {
    for row in FactTable.rows {
      let rivals = FactTable.rows(row.software, row.role).filter { $0.condition == row.condition && $0 != row }
      for rival in rivals {
        let probe = row.versions.from ?? SoftwareVersion(0, 0, 1)
        #expect(!rival.versions.contains(probe), "\(row.software.rawValue) \(row.role.rawValue) \(probe.text)")
      }
      #expect(!row.source.isEmpty && !row.place.isEmpty)
      #expect((row.unit == .fixed) == row.setting.isEmpty)
    }
  }

  /// What `keeps-idle` knows is what the table says.
  @Test func agreesWithTheNamesInSettings() {
    for known in ServerSoftware.known {
      let parts = known.name.split(separator: "-")
      let version = parts.count > 1 ? SoftwareVersion(String(parts[1])) : nil
      guard let software = Software(rawValue: String(parts[0])) else {
        Issue.record("\(known.name) is not in the table")
        continue
      }
      let values = FactTable.rows(software, .clientIdle)
        .filter { version == nil || $0.versions.contains(version ?? SoftwareVersion(0)) }.map(\.value)
      #expect(values.contains(.time(known.keepsIdle)), "\(known.name)")
    }
  }

  /// Every name is in the table: a row that went would take its name along.
  @Test func namesInSettingsHaveTheirRows() {
    #expect(
      ServerSoftware.known.map { "\($0.name) \($0.keepsIdle.milliseconds / 1_000)" } == [
        "node 5", "node-26 65", "fastify 72", "bun 10", "gunicorn 2", "uvicorn 5", "hypercorn 5", "puma 20",
        "puma-7 65",
        "apache 5", "nginx 75", "tomcat 20", "kestrel 130",
      ])
    #expect(
      FrontProxy.known.map { "\($0.name) \($0.keepsIdle.milliseconds / 1_000)" } == [
        "aws-alb 60", "gcp-lb 600", "azure 240", "cloudflare 900", "heroku 90", "nginx 60", "haproxy 600", "envoy 3600",
        "traefik 90", "caddy 120",
      ])
  }

  @Test func namesTheServersOfATime() {
    #expect(FactTable.servers(keeping: .milliseconds(2_003), within: .milliseconds(20)) == ["gunicorn"])
    #expect(FactTable.servers(keeping: .seconds(6), within: .milliseconds(20)) == ["Node.js 8 to below 26"])
    #expect(
      FactTable.servers(keeping: .seconds(5), within: .milliseconds(20)) == [
        "Node.js 8 to below 26", "uvicorn", "Hypercorn", "Apache httpd",
      ])
    #expect(FactTable.servers(keeping: .seconds(42), within: .milliseconds(20)).isEmpty)
  }

  /// docs/manual/defaults.md is what `photofinish check --defaults` prints.
  @Test func theManualHasTheSameTable() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/manual/defaults.md"), encoding: .utf8)
    #expect(page == FactTable.markdown)
  }
}
