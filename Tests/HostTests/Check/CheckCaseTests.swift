import Analysis
import Core
import Foundation
import Host
import Support
import Testing

/// Small configurations of all languages, each with the lines about which something must be said, and nothing else.
struct CheckCaseTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures").path

  struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var expected: Set<String> = []
    var notes: Set<String> = []
    var files: [(path: String, text: String)] = []
    var testDescription: String { name }
  }

  static let cases: [Case] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root + "/Cases")) ?? []
    return names.filter { $0.hasSuffix(".txt") }.sorted().flatMap { read(root + "/Cases/" + $0) }
  }()

  private static func read(_ path: String) -> [Case] {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return text.components(separatedBy: "##### ").dropFirst().map { part in
      let files = part.components(separatedBy: "\n=== ")
      let head = files[0].components(separatedBy: "\n")
      var made = Case(name: head[0])
      for line in head.dropFirst() {
        let words = line.components(separatedBy: " ")
        guard words.count == 3 else { continue }
        if words[0] == "expect" { made.expected.insert("\(words[1]) \(words[2])") }
        if words[0] == "note" { made.notes.insert("\(words[1]) \(words[2])") }
      }
      made.files = files.dropFirst().map { file in
        let lines = file.components(separatedBy: "\n")
        let body = lines.dropFirst().joined(separator: "\n")
        return (lines[0], body.hasSuffix("\n") ? body : body + "\n")
      }
      return made
    }
  }

  @Test func thereAreManyOfThem() {
    #expect(Self.cases.count >= 170)
    #expect(Set(Self.cases.map(\.name)).count == Self.cases.count)
  }

  @Test(arguments: cases)
  func saysExactlyThis(_ expected: Case) throws {
    let directory = try TemporaryDirectory()
    for file in expected.files {
      let path = directory.path + "/" + file.path
      try FileManager.default.createDirectory(
        atPath: URL(filePath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
      try file.text.write(toFile: path, atomically: false, encoding: .utf8)
    }
    var input = CheckFiles()
    input.add(directory.path)
    var run = CheckRun(input.files, readYAML: YAMLTreeReader.read)
    var report = run.run()
    report.dropCommented(input.files)
    func told(_ findings: [CheckFinding]) -> Set<String> {
      Set(
        findings.map { finding in
          "\(finding.rule.rawValue) \(finding.place.file.dropFirst(directory.path.count + 1)):\(finding.place.line)"
        })
    }
    let chains = report.hops.map { "\($0.verdict.rawValue): \($0.pool.title) > \($0.server.title), \($0.reason)" }
    #expect(told(report.findings.filter { $0.level > .note }) == expected.expected, "\(chains)")
    #expect(told(report.findings.filter { $0.level == .note }).isSuperset(of: expected.notes), "\(chains)")
    let all = CheckJSON.document(report) + CheckText(report, ink: Ink(isColoured: false)).text()
    #expect(!all.contains("never-to-be-printed"))
  }
}
