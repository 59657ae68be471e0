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
    try Self.expectSARIF(sarif)
    #expect(try check([folder, "--output", "github"]).output.hasPrefix("::error file="))
    #expect(try check([folder, "--output", "markdown"]).output.contains("| race |"))
    let text = try check([folder]).output
    #expect(text.hasPrefix("1 pool holds connections longer") && text.contains("keepalive_timeout 12s;"))
  }

  /// What the schema of SARIF 2.1.0 requires of the parts that are written.
  private static func expectSARIF(_ document: JSONValue) throws {
    #expect(document["$schema"]?.string == "https://json.schemastore.org/sarif-2.1.0.json")
    for run in try #require(document["runs"]?.array) {
      let driver = try #require(run["tool"]?["driver"])
      #expect(driver["name"]?.string == "photofinish" && driver["version"]?.string?.isEmpty == false)
      #expect(["utf16CodeUnits", "unicodeCodePoints"].contains(run["columnKind"]?.string ?? ""))
      let rules = try #require(driver["rules"]?.array)
      for rule in rules {
        #expect(rule["id"]?.string.flatMap(CheckRule.init) != nil)
        for text in ["shortDescription", "fullDescription", "help"] {
          #expect(rule[text]?["text"]?.string?.isEmpty == false)
        }
      }
      for result in try #require(run["results"]?.array) {
        let index = try #require(result["ruleIndex"]?.integer)
        #expect(rules.indices.contains(index) && rules[index]["id"]?.string == result["ruleId"]?.string)
        #expect(["none", "note", "warning", "error"].contains(result["level"]?.string ?? ""))
        #expect(result["message"]?["text"]?.string?.isEmpty == false)
        for location in (result["locations"]?.array ?? []) + (result["relatedLocations"]?.array ?? []) {
          let place = try #require(location["physicalLocation"])
          let address = try #require(place["artifactLocation"]?["uri"]?.string)
          #expect(!address.contains(" ") && !address.contains("\\") && URL(string: address) != nil)
          #expect(
            (place["region"]?["startLine"]?.integer ?? 0) >= 1 && (place["region"]?["startColumn"]?.integer ?? 0) >= 1)
        }
      }
    }
  }

  /// A folder of other people's code is passed over, and the report says so; named, it is read.
  @Test func saysWhatWasPassedOver() throws {
    let directory = try TemporaryDirectory()
    for name in ["vendor", "."] {
      try FileManager.default.createDirectory(
        atPath: directory.path + "/" + name, withIntermediateDirectories: true)
    }
    let text = "server { listen 80; keepalive_requests 2; location / { root /srv; } }\n"
    try text.write(toFile: directory.path + "/vendor/nginx.conf", atomically: false, encoding: .utf8)
    try text.write(toFile: directory.path + "/nginx.conf", atomically: false, encoding: .utf8)
    let (_, output) = try check([directory.path])
    #expect(output.contains("1 folder of other people's code or of tests passed over (vendor)"))
    #expect(!output.contains("vendor/nginx.conf"))
    #expect(try check([directory.path + "/vendor"]).output.contains("vendor/nginx.conf:1"))
  }

  /// An application alone is no mistake: what would happen behind a balancer is a note, and the run succeeds.
  @Test func anApplicationAloneFailsNoRun() throws {
    let directory = try TemporaryDirectory()
    try "const app = require('express')()\napp.listen(3000)\n".write(
      toFile: directory.path + "/index.js", atomically: false, encoding: .utf8)
    let (status, output) = try check([directory.path])
    #expect(status == 0 && output.contains("note: assumed-default"))
  }

  /// Hops that follow each other are one chain.
  @Test func drawsTheWholeChain() throws {
    let directory = try TemporaryDirectory()
    let files = [
      "alb.tf": "resource \"aws_lb\" \"web\" {\n  idle_timeout = 60\n}\n",
      "nginx.conf": """
      http {
        upstream app { server 127.0.0.1:8000; keepalive 8; }
        server { listen 80; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }
      }
      """,
      "Procfile": "web: uvicorn app:app --port 8000\n",
    ]
    for (name, text) in files {
      try text.write(toFile: directory.path + "/" + name, atomically: false, encoding: .utf8)
    }
    let lines = try check([directory.path, "--rate", "20/s"]).output.split(separator: "\n").map(String.init)
    let start = try #require(lines.firstIndex { $0.hasPrefix("  ALB web") })
    #expect(lines[start + 1].contains("|  safe") && lines[start + 2].hasPrefix("  nginx  (keeps 75 s"))
    #expect(lines[start + 3].hasPrefix("  nginx, upstream app") && lines[start + 4].contains("|  race"))
    #expect(lines[start + 4].contains("failures a day expected") && lines[start + 5].hasPrefix("  uvicorn  (keeps 5 s"))
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
