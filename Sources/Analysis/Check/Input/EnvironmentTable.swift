/// Variables that files set, and what `${NAME:-default}` comes to with them.
///
/// Values may be secrets: they are looked up by those who want a time, and never shown.
package struct EnvironmentTable: Sendable {
  private struct Value {
    var text: String
    var place: CheckPlace
    /// Set for good; a default gives way to it.
    var isDefault: Bool
  }

  private var values: [String: Value] = [:]

  package init() {}

  package mutating func set(_ name: String, _ text: String, at place: CheckPlace, isDefault: Bool = false) {
    guard !name.isEmpty, name.utf8.count <= 128, text.utf8.count <= 4_096 else { return }
    if let known = values[name], !known.isDefault || isDefault { return }
    values[name] = Value(text: text, place: place, isDefault: isDefault)
  }

  package func text(_ name: String) -> String? { values[name]?.text }
  package func place(_ name: String) -> CheckPlace? { values[name]?.place }

  /// `text` with its variables filled in; nil when one of them has no value anywhere.
  package func expand(_ text: String, depth: Int = 0) -> String? {
    guard text.contains("$") else { return text }
    guard depth < CheckLimits.expansions else { return nil }
    var result = ""
    var rest = Substring(text)
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[rest.index(after: dollar)...]
      guard let first = rest.first else {
        result += "$"
        break
      }
      if first == "{" {
        guard let end = Self.closing(rest) else { return nil }
        let body = rest[rest.index(after: rest.startIndex)..<end]
        guard let value = braced(body, depth) else { return nil }
        result += value
        rest = rest[rest.index(after: end)...]
      } else {
        let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        guard !name.isEmpty, let value = values[String(name)]?.text, let value = expand(value, depth: depth + 1) else {
          return nil
        }
        result += value
        rest = rest[name.endIndex...]
      }
      guard result.utf8.count < 65_536 else { return nil }
    }
    return result + rest
  }

  /// The brace that ends the one at the beginning.
  private static func closing(_ text: Substring) -> Substring.Index? {
    var depth = 0
    for index in text.indices {
      if text[index] == "{" { depth += 1 }
      if text[index] == "}" { depth -= 1 }
      if depth == 0 { return index }
    }
    return nil
  }

  /// `NAME`, `NAME:-default`, `NAME-default`, `NAME:default` (Spring), `NAME:=default`.
  private func braced(_ body: Substring, _ depth: Int) -> String? {
    let name = body.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
    if let value = values[String(name)]?.text, !value.isEmpty { return expand(value, depth: depth + 1) }
    var rest = body[name.endIndex...]
    guard !rest.isEmpty else { return nil }
    if rest.hasPrefix(":+") || rest.hasPrefix("+") { return "" }
    if rest.first == ":" { rest = rest.dropFirst() }
    if rest.first == "-" || rest.first == "=" { rest = rest.dropFirst() }
    return rest.first == "?" ? nil : expand(String(rest), depth: depth + 1)
  }
}
