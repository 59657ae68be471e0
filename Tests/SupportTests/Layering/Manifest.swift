import Foundation

/// What Package.swift says about its targets, as far as the layers are concerned.
///
/// Reads the text rather than asking the package manager, which may be holding its lock while the tests run. It
/// understands the form in which this package is written: one call per target, names as plain strings.
struct Manifest: Equatable {
  enum Kind: String, CaseIterable {
    case regular = ".target"
    case executable = ".executableTarget"
    case test = ".testTarget"
  }

  struct Target: Equatable {
    var kind: Kind
    var name: String
    var path: String
    /// Names of other targets of this package.
    var targets: [String]
    /// Names of products of other packages, as they are imported.
    var products: [String]
    var isStrict: Bool
  }

  private(set) var targets: [Target] = []

  init(_ text: String) {
    let characters = Array(Self.withoutComments(text))
    var index = 0
    while index < characters.count {
      guard let kind = Kind.allCases.first(where: { Self.matches($0.rawValue + "(", characters, index) }) else {
        index += 1
        continue
      }
      let open = index + kind.rawValue.count
      let close = Self.closing(characters, open)
      targets.append(Self.target(kind, String(characters[open + 1..<close])))
      index = close
    }
  }

  func target(named name: String) -> Target? { targets.first { $0.name == name } }

  private static func target(_ kind: Kind, _ body: String) -> Target {
    let name = string(after: "name:", in: body) ?? ""
    let folder = kind == .test ? "Tests/" : "Sources/"
    var targets: [String] = []
    var products: [String] = []
    for entry in entries(of: list(after: "dependencies:", in: body)) {
      if entry.hasPrefix("\"") {
        targets.append(String(entry.dropFirst().dropLast()))
      } else if entry.hasPrefix(".product("), let product = string(after: "name:", in: entry) {
        products.append(product)
      } else if let target = string(after: "name:", in: entry) {
        targets.append(target)
      }
    }
    return Target(
      kind: kind, name: name, path: string(after: "path:", in: body) ?? folder + name, targets: targets,
      products: products, isStrict: body.contains("swiftSettings: strict"))
  }

  private static func withoutComments(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .filter { !$0.drop(while: \.isWhitespace).hasPrefix("//") }
      .joined(separator: "\n")
  }

  /// The first quoted string behind `label`.
  private static func string(after label: String, in text: String) -> String? {
    guard let start = text.range(of: label) else { return nil }
    let rest = text[start.upperBound...].drop { $0 != "\"" }.dropFirst()
    return rest.isEmpty ? nil : String(rest.prefix { $0 != "\"" })
  }

  /// What stands between the brackets behind `label`.
  private static func list(after label: String, in text: String) -> String {
    guard let start = text.range(of: label) else { return "" }
    let characters = Array(text[start.upperBound...])
    guard let open = characters.firstIndex(of: "[") else { return "" }
    return String(characters[open + 1..<closing(characters, open)])
  }

  /// Splits at the commas that stand in no inner parentheses.
  private static func entries(of list: String) -> [String] {
    var entries = [""]
    var depth = 0
    for character in list {
      if character == "(" { depth += 1 }
      if character == ")" { depth -= 1 }
      if character == ",", depth == 0 {
        entries.append("")
      } else if depth > 0 || !character.isWhitespace {
        entries[entries.count - 1].append(character)
      }
    }
    return entries.filter { !$0.isEmpty }
  }

  /// The offset of the parenthesis or bracket that closes the one at `open`.
  private static func closing(_ characters: [Character], _ open: Int) -> Int {
    var depth = 0
    for index in open..<characters.count {
      if "([".contains(characters[index]) { depth += 1 }
      if ")]".contains(characters[index]) { depth -= 1 }
      if depth == 0 { return index }
    }
    return characters.count
  }

  private static func matches(_ text: String, _ characters: [Character], _ index: Int) -> Bool {
    var position = index
    for character in text {
      guard position < characters.count, characters[position] == character else { return false }
      position += 1
    }
    return true
  }
}
