/// Writes settings as YAML.
package enum SettingsText {
  /// The lines of a map, each ended by a newline.
  package static func write(_ node: SettingsNode, indentation: Int = 0) -> String {
    switch node.content {
    case .nothing: "{}\n"
    case .scalar, .list: blanks(indentation) + inline(node) + "\n"
    case .map(let entries): entries.map { entry($0, indentation) }.joined()
    }
  }

  private static func entry(_ entry: SettingsNode.Entry, _ indentation: Int) -> String {
    let key = blanks(indentation) + quotedIfNeeded(entry.key) + ":"
    switch entry.value.content {
    case .nothing, .scalar: return "\(key) \(inline(entry.value))\n"
    case .map(let entries):
      return entries.isEmpty ? "\(key) {}\n" : "\(key)\n" + write(entry.value, indentation: indentation + 2)
    case .list(let items):
      let isShort = items.allSatisfy { if case .scalar = $0.content { true } else { false } }
      let line = "\(key) \(inline(entry.value))\n"
      if isShort, line.count <= 100 || items.isEmpty { return line }
      return "\(key)\n" + items.map { item($0, indentation + 2) }.joined()
    }
  }

  private static func item(_ node: SettingsNode, _ indentation: Int) -> String {
    guard case .map = node.content else { return blanks(indentation) + "- " + inline(node) + "\n" }
    // The first key stands behind the dash.
    return blanks(indentation) + "- " + write(node, indentation: indentation + 2).dropFirst(indentation + 2)
  }

  /// On one line.
  package static func inline(_ node: SettingsNode) -> String {
    switch node.content {
    case .nothing: "~"
    case .scalar(let scalar): quotedIfNeeded(escaped(scalar.text))
    case .list(let items): "[" + items.map(inline).joined(separator: ", ") + "]"
    case .map(let entries):
      "{" + entries.map { "\(quotedIfNeeded($0.key)): \(inline($0.value))" }.joined(separator: ", ") + "}"
    }
  }

  private static func blanks(_ count: Int) -> String { String(repeating: " ", count: count) }

  /// What would be taken for a variable of the environment.
  private static func escaped(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let character = rest.first {
      result += rest.hasPrefix("${") ? "$$" : String(character)
      rest = rest.dropFirst()
    }
    return result
  }

  /// Plain where that is beyond doubt, in double quotes otherwise.
  private static func quotedIfNeeded(_ text: String) -> String {
    let isSafe = { (byte: UInt8) in
      ByteClass.isDigit(byte) || ByteClass.lowercased(byte) &- 0x61 < 26
        || [0x2d, 0x2e, 0x2f, 0x5f, 0x25].contains(byte)
    }
    // Within a text a colon that no space follows, as in URLs, spaces, and commas outside brackets are plain, too; only
    // the colon is worth having.
    let isPlain =
      text.utf8.first.map { isSafe($0) && $0 != 0x2d && $0 != 0x25 } == true
      && text.utf8.allSatisfy { isSafe($0) || $0 == 0x3a || $0 == 0x20 } && !text.contains(": ") && !text.hasSuffix(":")
      && !text.hasSuffix(" ") && !["null", "Null", "NULL"].contains(text)
    return isPlain ? text : quoted(text)
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _
      where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.value == 0xfeff
        || (0x2028...0x2029).contains(scalar.value):
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
