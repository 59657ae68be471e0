import Analysis
import Core
import Foundation
import Host
import Testing

/// YAML of anybody: followed as far as it goes, and bounded.
struct YAMLTreeTests {
  private func read(_ text: String) -> ConfigurationTree {
    YAMLTreeReader.read(CheckedFile(path: "a.yaml", text: text))
  }

  @Test func followsAliasesAndMerges() throws {
    let tree = read("base: &b\n  timeout: 5\nweb:\n  <<: *b\n  port: 80\n---\nkind: Second\n")
    #expect(tree.documents.count == 2 && tree.problems.isEmpty)
    #expect(
      tree.documents.first?["web", "timeout"]?.scalar == "5" && tree.documents.first?["web", "port"]?.scalar == "80")
    let place = try #require(tree.documents.first?["web", "port"]?.place)
    #expect(place == CheckPlace(file: "a.yaml", line: 5, column: 9))
  }

  @Test func aBombIsRefused() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      text +=
        "a\(level): &a\(level) [" + [String](repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "]\n"
    }
    let tree = read(text)
    #expect(tree.problems.count == 1 && tree.documents.isEmpty)
  }

  @Test(arguments: ["[", "{a: ", "- ", "? "])
  func depthIsBounded(_ piece: String) {
    #expect(!read(String(repeating: piece, count: 5_000)).problems.isEmpty)
  }

  @Test func templatesAreReadAround() {
    let tree = read("{{- if .Values.on }}\nkind: Service\nname: {{ .Values.name }}-web\n{{- end }}\n")
    #expect(tree.documents.first?["kind"]?.scalar == "Service" && tree.problems.isEmpty)
  }

  @Test func whatIsNoYAMLIsSaid() {
    let tree = read("kind: Service\n  bad: [\n")
    #expect(tree.problems.count == 1)
  }
}

/// Which files are read, and which are not.
struct CheckFilesTests {
  private func files(_ make: (URL) throws -> Void) throws -> CheckFiles {
    let root = FileManager.default.temporaryDirectory.appending(path: "photofinish-check-\(UUID())")
    defer { try? FileManager.default.removeItem(at: root) }
    try make(root)
    var input = CheckFiles()
    input.add(root.path)
    return input
  }

  private func write(_ text: String, _ path: URL) throws {
    try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: path)
  }

  @Test func passesOverForeignFoldersLinksAndBinaries() throws {
    let input = try files { root in
      for path in ["node_modules/nginx.conf", "deep/er/nginx.conf", ".git/nginx.conf"] {
        try write("server { listen 80; proxy_pass x; }", root.appending(path: path))
      }
      try write("\u{0}\u{1}proxy_pass;", root.appending(path: "binary.conf"))
      try write(String(repeating: "proxy_pass;", count: 200_000), root.appending(path: "large.conf"))
      try FileManager.default.createSymbolicLink(atPath: root.path + "/up.conf", withDestinationPath: "/etc/passwd")
      try FileManager.default.createSymbolicLink(atPath: root.path + "/loop", withDestinationPath: root.path)
    }
    #expect(
      input.files.map { $0.path.split(separator: "/").suffix(3).joined(separator: "/") } == ["deep/er/nginx.conf"])
  }

  @Test func saysWhatCannotBeRead() {
    var input = CheckFiles()
    input.add("/nowhere/at/all")
    #expect(input.files.isEmpty && input.unreadable.count == 1)
  }
}
