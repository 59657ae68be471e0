internal import Core

/// What a settings file in YAML may be made of, looked at before anybody parses it.
///
/// The parser recurses with the depth of the file, and aliases let a short file stand for a huge one. Both are bounded
/// here by looking at the bytes alone, so that no way of writing YAML gets round it: what is found is never less than
/// what the parser would find.
enum YAMLLimits {
  /// Bytes of a file.
  static let bytes = 1 << 20
  /// Brackets and braces open at once.
  static let openBrackets = 128
  /// Columns before the first thing on a line that is neither a space nor a dash. A level takes a column at least.
  static let indentation = 200
  /// Scalars, lists and maps.
  static let nodes = 200_000

  /// The first thing about `text` that is beyond a limit or no text; nil when there is none.
  static func firstProblem(_ text: [UInt8]) -> SettingsProblem? {
    if let problem = binary(text) { return problem }
    return structure(text) ?? alias(text)
  }

  // MARK: - Text or not

  /// Control characters. That it is UTF-8 has been seen before.
  private static func binary(_ text: [UInt8]) -> SettingsProblem? {
    guard
      let offset = text.firstIndex(where: { ($0 < 0x20 && ![0x09, 0x0a, 0x0d].contains($0)) || $0 == 0x7f })
    else { return nil }
    let code = String(text[offset], radix: 16)
    return problem(
      text, at: offset, "the file holds the control character 0x\(code.count == 1 ? "0" : "")\(code)",
      fix: "settings are text; is this the right file?")
  }

  // MARK: - Depth

  private static func structure(_ text: [UInt8]) -> SettingsProblem? {
    var open = 0
    var column = 0
    var isIndentation = true
    for (offset, byte) in text.enumerated() {
      column += 1
      switch byte {
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        column = 0
        isIndentation = true
        continue
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        open += 1
        guard open <= openBrackets else {
          return problem(
            text, at: offset, "more than \(openBrackets) brackets are open here",
            fix: "settings are not nested so deeply")
        }
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        open = max(0, open - 1)
      default: break
      }
      // What can open a level of block style: "- ", "? ", ": ", and columns before them.
      if isIndentation, column > indentation {
        return problem(
          text, at: offset, "this line is indented by more than \(indentation) columns",
          fix: "settings are not nested so deeply")
      }
      if ![0x20, 0x09, 0x2d, 0x3f, 0x3a].contains(byte) { isIndentation = false }
    }
    return nil
  }

  // MARK: - Aliases

  /// An alias of an anchor. Where the file only looks as if it had one, in a text, `*name` and `&name` stand in it too.
  private static func alias(_ text: [UInt8]) -> SettingsProblem? {
    var anchors: Set<ArraySlice<UInt8>> = []
    for (offset, byte) in text.enumerated() where byte == UInt8(ascii: "&") {
      let name = name(text, offset + 1)
      if !name.isEmpty { anchors.insert(name) }
    }
    guard !anchors.isEmpty else { return nil }
    for (offset, byte) in text.enumerated() where byte == UInt8(ascii: "*") {
      guard anchors.contains(name(text, offset + 1)) else { continue }
      return problem(
        text, at: offset,
        "'*\(String(decoding: name(text, offset + 1), as: UTF8.self))' is an alias, which settings do not take",
        fix: "write out what it stands for")
    }
    return nil
  }

  private static func name(_ text: [UInt8], _ start: Int) -> ArraySlice<UInt8> {
    text[start...].prefix {
      (0x30...0x39).contains($0) || (0x61...0x7a).contains($0 | 0x20) || $0 == UInt8(ascii: "_")
        || $0 == UInt8(ascii: "-")
    }
  }

  // MARK: -

  private static func problem(_ text: [UInt8], at offset: Int, _ fact: String, fix: String) -> SettingsProblem {
    SettingsProblem(.error, at: place(text, offset), fact: fact, fix: fix)
  }

  /// Lines end as YAML has them: LF, CR, or both.
  static func place(_ text: [UInt8], _ offset: Int) -> SettingsPlace {
    var line = 1
    var column = 1
    for index in 0..<min(offset, text.count) {
      let byte = text[index]
      if byte == 0x0a || (byte == 0x0d && (index + 1 == text.count || text[index + 1] != 0x0a)) {
        line += 1
        column = 1
      } else if byte & 0xc0 != 0x80 {
        // Only the first byte of a scalar counts.
        column += 1
      }
    }
    return SettingsPlace(line: line, column: column)
  }
}
