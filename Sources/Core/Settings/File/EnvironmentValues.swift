/// Fills `${NAME}` and `${NAME:-default}` in scalars; `$${` stays as `${`. What is filled in is not looked at again.
///
/// The text is put in after the file's structure was understood, so a value can be only a value: whatever it holds, it
/// adds no key and ends no quote.
struct EnvironmentValues {
  /// What the environment says about a name; nil when it has none.
  let value: (String) -> String?

  /// Bytes of a scalar with all its values.
  static let longestScalar = 1 << 20

  func fill(_ node: inout SettingsNode, _ reader: inout SettingsReader) {
    switch node.content {
    case .nothing: break
    case .scalar(var scalar):
      guard scalar.written.utf8.contains(UInt8(ascii: "$")) else { return }
      guard let text = filled(scalar.written, at: node.place, &reader) else { return }
      scalar.text = text
      node.content = .scalar(scalar)
    case .list(var items):
      for index in items.indices { fill(&items[index], &reader) }
      node.content = .list(items)
    case .map(var entries):
      for index in entries.indices { fill(&entries[index].value, &reader) }
      node.content = .map(entries)
    }
  }

  /// nil when a value is missing, which is reported.
  private func filled(_ text: String, at place: SettingsPlace, _ reader: inout SettingsReader) -> String? {
    var result = ""
    var rest = text[...]
    var isComplete = true
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[dollar...]
      if rest.hasPrefix("$${") {
        result += "${"
        rest = rest.dropFirst(3)
      } else if rest.hasPrefix("${") {
        guard let end = rest.firstIndex(of: "}") else {
          reader.reportMissing(
            "\(SettingsReader.shown(text)) has a '${' that no '}' closes",
            fix: "write ${NAME}, or $${ for the characters",
            at: place)
          return nil
        }
        if let value = expanded(rest[rest.index(rest.startIndex, offsetBy: 2)..<end], at: place, &reader) {
          result += value
        } else {
          isComplete = false
        }
        rest = rest[rest.index(after: end)...]
      } else {
        result += "$"
        rest = rest.dropFirst()
      }
    }
    result += rest
    guard isComplete else { return nil }
    guard result.utf8.count <= Self.longestScalar else {
      reader.reportMissing(
        "\(SettingsReader.shown(text)) is too long with its environment variables",
        fix: "at most \(Self.longestScalar) bytes are taken", at: place)
      return nil
    }
    return result
  }

  /// The value of what stands between the braces.
  private func expanded(
    _ inner: Substring, at place: SettingsPlace, _ reader: inout SettingsReader
  ) -> String? {
    let (name, fallback) = Self.parts(inner)
    let isName = !name.isEmpty && name.utf8.allSatisfy { ByteClass.isVariableName($0) } && name.first?.isNumber == false
    guard isName else {
      reader.reportMissing(
        "\(SettingsReader.shown("${\(inner)}")) names no environment variable",
        fix: "write ${NAME} or ${NAME:-default}, with letters, digits and '_'", at: place)
      return nil
    }
    // As in the shell, what is empty counts as missing where there is a default.
    if let value = value(name), fallback == nil || !value.isEmpty { return value }
    if let fallback { return fallback }
    reader.reportMissing(
      "the environment variable \(name) is not set", fix: "set it, or write ${\(name):-default}", at: place)
    return nil
  }

  private static func parts(_ inner: Substring) -> (name: String, fallback: String?) {
    guard let colon = inner.firstIndex(of: ":"), inner[colon...].hasPrefix(":-") else { return (String(inner), nil) }
    return (String(inner[..<colon]), String(inner[colon...].dropFirst(2)))
  }
}

extension ByteClass {
  fileprivate static func isVariableName(_ byte: UInt8) -> Bool {
    isDigit(byte) || lowercased(byte) &- 0x61 < 26 || byte == UInt8(ascii: "_")
  }
}
