import Foundation
import Testing

@testable import Analysis

/// Logs that real proxies wrote before a server that failed on demand: `script/log-samples` makes them. Of each proxy were asked, and
/// the path of a request tells what became of it: 6 POSTs and 3 GETs on a connection that the server closed at once, 2 that it ended after
/// 0.8 s, 1 answer cut off, 1 with a head of 70 KB, 1 that is no HTTP, 2 refused connections, 1 too slow, 1 that the client left.
@Suite struct LogFixtureTests {
  static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appending(
      path: "Fixtures/Logs")

  static func text(_ name: String) throws -> String {
    try String(decoding: Data(contentsOf: folder.appending(path: name)), as: UTF8.self)
  }

  @Test(arguments: [
    (
      ["nginx-access.log", "nginx-error.log"],
      [
        "race": 6, "repaired": 3, "died": 2, "cut": 1, "head-too-big": 1, "wrong-protocol": 1, "refused": 2,
        "timeout": 1,
        "client-gone": 1,
      ]
    ),
    (
      ["nginx-combined.log", "nginx-error.log"],
      // Without durations two requests that died look as the race does.
      [
        "race": 8, "repaired": 3, "cut": 1, "head-too-big": 1, "wrong-protocol": 1, "refused": 2, "timeout": 1,
        "client-gone": 1,
      ]
    ),
    (
      ["haproxy.log"],
      // HAProxy logs a head that is too big as it does an answer that is none.
      ["race": 9, "died": 2, "cut": 1, "wrong-protocol": 2, "refused": 2, "timeout": 1, "client-gone": 1]
    ),
    (
      ["envoy.log"],
      // Envoy says of an answer that was cut off that it broke the protocol; it takes a head of 70 KB.
      ["race": 9, "died": 2, "wrong-protocol": 2, "refused": 2, "timeout": 1, "client-gone": 1]
    ),
    (
      ["traefik-access.json", "traefik-debug.log"],
      // Traefik sends a GET again without a word, and does not log an answer that was cut off.
      ["race": 6, "died": 2, "wrong-protocol": 1, "refused": 2, "timeout": 1, "client-gone": 1]
    ),
    (
      ["caddy-access.json", "caddy-error.json"],
      ["race": 6, "died": 2, "cut": 1, "wrong-protocol": 1, "refused": 2, "timeout": 1, "client-gone": 1]
    ),
    (
      ["apache-access.log", "apache-error.log"],
      // httpd has no duration in these logs: that one of two died is seen, since it began in an earlier second. That the client left
      // it did not notice.
      ["race": 10, "died": 1, "cut": 1, "head-too-big": 1, "refused": 2, "timeout": 2]
    ),
  ])
  func whatTheProxiesWrote(_ names: [String], _ expected: [String: Int]) throws {
    let texts = try names.map { try Self.text($0) }
    let report = LogText.report(texts)
    #expect(LogText.classes(report) == expected, "\(LogTextReport(report, ink: Ink(isColoured: false)).verdicts())")
    #expect(report.unexplained == 0)
    #expect(report.exitCode == 1)
    let backwards = LogText.report(texts.reversed())
    #expect(LogText.classes(backwards) == expected)
  }

  /// What became of each request stands in its path: of the verdicts "race" at least 98 of 100 must be right where the logs have durations and
  /// causes, and none may be missed that a client saw fail. Without durations (nginx's combined format, httpd) a server that died looks the same.
  @Test(arguments: [
    (["nginx-access.log", "nginx-error.log"], 98), (["haproxy.log"], 98), (["envoy.log"], 98),
    (["traefik-access.json", "traefik-debug.log"], 98), (["caddy-access.json", "caddy-error.json"], 98),
    (["nginx-combined.log", "nginx-error.log"], 75), (["apache-access.log", "apache-error.log"], 90),
  ])
  func raceVerdictsAreRight(_ names: [String], _ least: Int) throws {
    let report = LogText.report(try names.map { try Self.text($0) })
    let races = report.failures.filter { $0.kind == .race }.map { report.row($0).target }
    let right = races.filter { $0.hasPrefix("/race") }
    #expect(right.count * 100 >= races.count * least, "\(right.count) of \(races.count): \(races)")
    #expect(right.count >= 6)
  }

  /// Whatever is cut away from the end of a log, what is left is judged as before.
  @Test func aCutLogKeepsItsVerdicts() throws {
    for name in ["haproxy.log", "envoy.log", "nginx-access.log", "caddy-error.json"] {
      let text = try Self.text(name)
      let whole = LogText.report(text).failures
      for part in 1...8 {
        let cut = String(decoding: Array(text.utf8).prefix(text.utf8.count * part / 8), as: UTF8.self)
        let lines = cut.split(separator: "\n", omittingEmptySubsequences: false).count
        let left = LogText.report(cut).failures.filter { $0.line < lines }
        #expect(left.map(\.kind) == whole.filter { $0.line < lines }.map(\.kind), "\(name), \(part) of 8")
      }
    }
  }
}
