import Analysis
import Core
import Foundation
import Host
import Support
import Testing

/// The command as people and scripts meet it: exit codes, formats, files.
struct CheckCommandTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/Check").path

  private func check(_ arguments: [String]) throws -> (status: Int32?, output: String) {
    let directory = try TemporaryDirectory()
    let log = directory.path + "/log"
    let program = try ChildProcess([BuiltProgram.photofinish, "check"] + arguments, output: .file(path: log))
    let status = program.wait(atMost: .seconds(60))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  @Test(arguments: [
    ("01-nginx-uwsgi", 1), ("34-nginx-below-node-both", 0), ("29-nginx-close-map", 0), ("06-go-read-header", 0),
    ("24-unknown-argument", 1),
  ])
  func exitCodesTellWhatWasFound(_ folder: String, _ code: Int32) throws {
    #expect(try check([Self.fixtures + "/" + folder, "--output", "json"]).status == code)
  }

  @Test func exitCodesTellWhatCouldNotBeDone() throws {
    #expect(try check([Self.fixtures + "/15-gunicorn-eventlet-alb/alb.tf"]).status == 3)
    #expect(try check(["/nowhere/at/all"]).status == 2)
    #expect(try check([]).status == 2)
    #expect(try check([Self.fixtures, "--fail-on", "nothing"]).status == 2)
    #expect(try check([Self.fixtures + "/01-nginx-uwsgi", "--chain", "nonsense > nginx.conf"]).status == 2)
    #expect(try check([Self.fixtures + "/01-nginx-uwsgi", "--fail-on", "early-data"]).status == 0)
  }

  @Test func jsonBeginsWithItsFindings() throws {
    let (_, output) = try check([Self.fixtures + "/01-nginx-uwsgi", "--output", "json", "--rate", "20/s"])
    #expect(output.hasPrefix("{\"findings\":[{\"rule\":\"hold-longer-than-server\",\"file\":"))
    let json = try JSONValue(parsing: output)
    let finding = try #require(json["findings"]?.array?.first)
    #expect(
      finding["line"]?.integer == 20 && finding["column"]?.integer == 3 && finding["confidence"]?.string == "likely")
    #expect(finding["changes"]?.array?.first?["write"]?.string == "keepalive_timeout 12s;")
    let expected = try #require(json["chains"]?.array?.first?["expected_failures_per_day"]?.number)
    #expect(expected > 0 && expected < 1_000)
  }

  @Test func theOtherFormatsSayTheSame() throws {
    let folder = Self.fixtures + "/01-nginx-uwsgi"
    let sarif = try JSONValue(parsing: try check([folder, "--output", "sarif"]).output)
    #expect(sarif["version"]?.string == "2.1.0")
    let result = try #require(sarif["runs"]?.array?.first?["results"]?.array?.first)
    #expect(result["ruleId"]?.string == "hold-longer-than-server" && result["level"]?.string == "error")
    #expect(try check([folder, "--output", "github"]).output.hasPrefix("::error file="))
    #expect(try check([folder, "--output", "markdown"]).output.contains("| race |"))
    let text = try check([folder]).output
    #expect(text.hasPrefix("1 pool holds connections longer") && text.contains("keepalive_timeout 12s;"))
  }

  @Test func aDiffAppliesAndCures() throws {
    let directory = try TemporaryDirectory()
    for name in ["nginx.conf", "app.conf.example.py"] {
      try FileManager.default.copyItem(
        atPath: Self.fixtures + "/01-nginx-uwsgi/" + name, toPath: directory.path + "/" + name)
    }
    let (status, diff) = try check([directory.path, "--fix"])
    #expect(status == 1)
    let patch = directory.path + "/change.patch"
    try diff.write(toFile: patch, atomically: true, encoding: .utf8)
    let program = try ChildProcess(
      ["/usr/bin/patch", "-p1", "-d", "/", "-i", patch], output: .file(path: directory.path + "/log"))
    #expect(program.wait(atMost: .seconds(20)) == 0)
    #expect(try check([directory.path]).status == 0)
  }

  @Test func explainsEveryRule() throws {
    for rule in CheckRule.allCases { #expect(try check(["--explain", rule.rawValue]).output.contains("What to do")) }
    #expect(try check(["--explain", "nonsense"]).status == 2)
  }

  @Test func acceptsABaseline() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path + "/baseline"
    #expect(try check([Self.fixtures + "/01-nginx-uwsgi", "--write-baseline", file]).status == 0)
    #expect(try check([Self.fixtures + "/01-nginx-uwsgi", "--baseline", file]).status == 0)
    #expect(try check([Self.fixtures + "/11-gunicorn-gthread-alb", "--baseline", file]).status == 1)
  }
}
