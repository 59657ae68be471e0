import Core
import Foundation
import Host
import Support
import Testing

/// Settings that the manual shows have to be valid, and without a warning.
struct ManualExamplesTests {
  /// A block that a page fences with ```` ```yaml ````.
  struct Example: Sendable, CustomTestStringConvertible {
    var page: String
    var line: Int
    var text: String
    var testDescription: String { "\(page):\(line)" }
  }

  private static let manual = URL(filePath: BuiltProgram.fixtures).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "docs/manual")

  /// Pages whose YAML is of another kind: the lab's own files.
  private static let others = ["lab.md"]

  private static let examples: [Example] = {
    let pages = ((try? FileManager.default.contentsOfDirectory(atPath: manual.path)) ?? []).sorted()
    return pages.filter { $0.hasSuffix(".md") && !others.contains($0) }.flatMap { page -> [Example] in
      guard let text = try? String(contentsOf: manual.appending(path: page), encoding: .utf8) else { return [] }
      return examples(in: text, page)
    }
  }()

  private static func examples(in text: String, _ page: String) -> [Example] {
    var found: [Example] = []
    var open: Example?
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line == "```yaml" {
        open = Example(page: page, line: index + 2, text: "")
      } else if line == "```", let example = open {
        found.append(example)
        open = nil
      } else {
        open?.text += line + "\n"
      }
    }
    return found
  }

  @Test func areFound() {
    #expect(Self.examples.count >= 20)
    #expect(
      Set(Self.examples.map(\.page)).isSuperset(of: [
        "settings.md", "behind.md", "retry.md", "sticky.md", "routing.md", "balancing.md",
      ]))
  }

  /// Where a block shows a part of a file, the rest is what every file needs.
  private static func completed(_ text: String) -> String {
    let keys = text.split(separator: "\n").filter { !$0.hasPrefix(" ") && !$0.hasPrefix("#") }
      .map { $0.prefix { $0 != ":" } }
    var whole = text
    if !keys.contains("listen") { whole += "listen: \":8080\"\n" }
    if !keys.contains("upstreams") { whole += "upstreams: {app: \"http://127.0.0.1:3000\"}\n" }
    return whole
  }

  @Test(arguments: examples)
  func isValid(_ example: Example) {
    let whole = Self.completed(example.text)
    let result = SettingsFile.parse(Array(whole.utf8), file: example.page) { _ in
      // Long enough for a token.
      "0123456789abcdef0123456789abcdef"
    }
    switch result {
    case .failure(let errors):
      Issue.record("\(example.testDescription): \(errors.lines.joined(separator: "\n"))\n\(whole)")
    case .success(let loaded):
      #expect(loaded.warnings.isEmpty, "\(example.testDescription): \(loaded.warningLines)")
    }
  }
}
