internal import Core
internal import Yams

/// What is wrong with a text that is no YAML, in words that say what to do.
struct YAMLFault {
  private let lines: [Substring]

  init(_ text: String) {
    lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
  }

  func problem(_ error: YamlError) -> SettingsProblem {
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      return syntax(SettingsPlace(line: mark.line, column: mark.column), problem, context)
    case .duplicatedKeysInMapping(let names, let context):
      return duplicate(names.first ?? "", SettingsPlace(line: context.mark.line, column: context.mark.column))
    case .reader(let problem, _, _, _):
      return SettingsProblem(.error, at: .start, fact: "the file cannot be read: \(problem)", fix: "save it as UTF-8")
    case .memory:
      return SettingsProblem(.error, at: .start, fact: "there is not enough memory to parse it", fix: "free some")
    case .no, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
      return SettingsProblem(.error, at: .start, fact: "cannot be parsed: \(error)", fix: "check that it is YAML")
    }
  }

  // MARK: - Syntax

  private func syntax(
    _ place: SettingsPlace, _ problem: String, _ context: YamlError.Context?
  ) -> SettingsProblem {
    let line = self.line(place.line)
    if let (column, fix) = hint(line, place, problem + (context?.text ?? "")) {
      return SettingsProblem(
        .error, at: SettingsPlace(line: place.line, column: column), fact: "this is not YAML: \(problem)", fix: fix)
    }
    var fact = "this is not YAML: \(problem)"
    // Where the construct begins that went wrong is more telling than where it was noticed.
    if let context, context.mark.line < place.line {
      fact += ", \(context.text) that began in line \(context.mark.line)"
    }
    return SettingsProblem(.error, at: place, fact: fact, fix: fix(problem))
  }

  /// Mistakes that are made often.
  private func hint(_ line: Substring, _ place: SettingsPlace, _ problem: String) -> (column: Int, fix: String)? {
    if let tab = tab(line) { return (tab, "a tab stands here; indent with spaces") }
    if let star = column(of: "*", in: line), problem.contains("alias") {
      return (star, "put a text that begins with an asterisk into quotes: \"*.example.com\"")
    }
    for character in ["@", "`", "%"] {
      if problem.contains("cannot start any token"), let column = column(of: character, in: line) {
        return (column, "put a text that begins with '\(character)' into quotes")
      }
    }
    // `[::1]:8080` is a list and something behind it.
    if let bracket = column(of: "[", in: line), line.contains("]:") || line.contains("[:") {
      return (bracket, "put an address with brackets into quotes: \"[::1]:8080\"")
    }
    if problem.contains("mapping values are not allowed") {
      return (place.column, "put a text with ': ' into quotes, or check the indentation")
    }
    return nil
  }

  private func fix(_ problem: String) -> String {
    if problem.contains("unexpected end of stream") { return "close the quote, bracket or brace" }
    if problem.contains("flow") || problem.contains("',' or") { return "check the brackets, braces and commas" }
    return "check the indentation, and that each key has a colon and a space behind it"
  }

  /// The column of a tab before anything else on the line.
  private func tab(_ line: Substring) -> Int? {
    let blank = line.prefix { $0 == " " || $0 == "\t" }
    return blank.firstIndex(of: "\t").map { line.distance(from: line.startIndex, to: $0) + 1 }
  }

  private func column(of text: String, in line: Substring) -> Int? {
    let characters = line.unicodeScalars
    guard let index = characters.firstIndex(where: { String($0) == text }) else { return nil }
    return characters.distance(from: characters.startIndex, to: index) + 1
  }

  private func line(_ number: Int) -> Substring {
    lines.indices.contains(number - 1) ? lines[number - 1] : ""
  }

  // MARK: - Duplicates

  /// The parser tells where the key first stands. Where it stands again is found by its column, in block style.
  private func duplicate(_ name: String, _ first: SettingsPlace) -> SettingsProblem {
    let shown = "'\(name.prefix(64))'"
    for number in first.line..<max(first.line, lines.count) {
      let line = lines[number]
      let indentation = line.prefix { $0 == " " }.count
      guard !line.dropFirst(indentation).isEmpty, line.dropFirst(indentation).first != "#" else { continue }
      // Less indented: the map has ended, and the key stands twice on one line or in another style.
      guard indentation + 1 >= first.column else { break }
      if indentation + 1 == first.column, isKey(name, line.dropFirst(indentation)) {
        return SettingsProblem(
          .error, at: SettingsPlace(line: number + 1, column: first.column),
          fact: "duplicate key \(shown); the first is in line \(first.line)",
          fix: "leave one out, or join them")
      }
    }
    return SettingsProblem(
      .error, at: first, fact: "the key \(shown) stands more than once in this map", fix: "leave one out, or join them")
  }

  private func isKey(_ name: String, _ line: Substring) -> Bool {
    ["", "\"", "'"].contains { quote in
      let key = quote + name + quote
      return line.hasPrefix(key) && line.dropFirst(key.count).drop { $0 == " " }.first == ":"
    }
  }
}
