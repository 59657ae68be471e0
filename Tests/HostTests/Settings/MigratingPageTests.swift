import Core
import Foundation
import Host
import Support
import Testing

/// docs/manual/migrating.md names keys and shows pieces of settings; they have to exist.
struct MigratingPageTests {
  /// What stands in backticks in the second column of the tables.
  private static let pieces: [String] = {
    let path = URL(filePath: BuiltProgram.fixtures).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "docs/manual/migrating.md")
    guard let page = try? String(contentsOf: path, encoding: .utf8) else { return [] }
    return page.split(separator: "\n").filter { $0.hasPrefix("| ") }.flatMap { line -> [String] in
      let cells = line.split(separator: "|", omittingEmptySubsequences: false)
      guard cells.count > 2, cells[2] != " here " else { return [] }
      return cells[2].split(separator: "`", omittingEmptySubsequences: false).enumerated()
        .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }
  }()

  private static let known: Set<String> = {
    func names(_ keys: [SettingsKeyDescription]) -> [String] { keys.flatMap { [$0.name] + names($0.keys) } }
    return Set(names(SettingsParser.keys))
  }()

  @Test func hasTables() { #expect(Self.pieces.count > 150) }

  @Test(arguments: pieces)
  func namesOnlyWhatExists(_ piece: String) throws {
    // Commands, values of 'balance', placeholders of the environment.
    let others = [
      "photofinish", "settings --show", "power-of-two", "least-requests", "round-robin", "hash ", "combined", "on",
      "cookie", "${",
    ]
    guard !others.contains(where: { piece == $0 || (piece.hasPrefix($0) && $0.count > 2) }) else { return }
    guard piece.contains(":") else {
      for name in piece.split(separator: ".") { #expect(Self.known.contains(String(name)), "\(piece)") }
      return
    }
    let node = try YAMLReader.read(Array(piece.replacing("...", with: "x").utf8)).get()
    check(node, piece)
  }

  /// Keys of maps are keys of settings, but below those whose keys people choose.
  private func check(_ node: SettingsNode, _ piece: String) {
    switch node.content {
    case .nothing, .scalar: break
    case .list(let items): for item in items { check(item, piece) }
    case .map(let entries):
      for entry in entries {
        for name in entry.key.split(separator: ".") { #expect(Self.known.contains(String(name)), "\(piece)") }
        let isChosen = ["upstreams", "fields", "set", "add", "replace-prefix"].contains(entry.key)
        if isChosen, case .map(let inner) = entry.value.content {
          for one in inner { check(one.value, piece) }
        } else {
          check(entry.value, piece)
        }
      }
    }
  }
}
