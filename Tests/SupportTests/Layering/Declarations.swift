/// The names that a Swift file declares outside functions, and the names that it uses.
struct Declarations {
  struct Name: Equatable {
    /// The keyword: `struct`, `func`, `case` and so on.
    var kind: String
    var name: String
    /// Its own, or that of the extension around it; `internal` when neither says anything.
    var access: String
    /// The types around it, outermost first; none at the top level.
    var within: [String]
    /// Of the parameters of a function or a case, `_` for those that have none.
    var labels: [String] = []
    var line: Int

    var isType: Bool { Declarations.typeKeywords.contains(kind) }
    var isTopLevel: Bool { within.isEmpty }
    /// Whether other files see it.
    var isShared: Bool { access != "private" && access != "fileprivate" }
  }

  private(set) var names: [Name] = []
  /// Identifiers that stand behind no dot, with the line of the first use.
  private(set) var uses: [String: Int] = [:]
  /// Those of them that stand before a parenthesis.
  private(set) var calls: Set<String> = []
  /// How often each identifier stands in the file, its declarations and uses behind a dot included.
  private(set) var counts: [String: Int] = [:]

  static let typeKeywords: Set<String> = ["struct", "class", "enum", "protocol", "actor", "typealias"]

  init(_ source: SourceText) {
    var reader = Reader(tokens: source.lines.flatMap { Self.tokens($0.code, line: $0.number) })
    reader.read()
    names = reader.names
    note(reader.tokens)
    note(source.lines.flatMap { Self.tokens($0.interpolations, line: $0.number) })
  }

  private mutating func note(_ tokens: [Token]) {
    for (index, token) in tokens.enumerated() where token.isWord {
      counts[token.text, default: 0] += 1
      guard index == 0 || tokens[index - 1].text != "." else { continue }
      uses[token.text] = uses[token.text] ?? token.line
      if index + 1 < tokens.count, tokens[index + 1].text == "(" { calls.insert(token.text) }
    }
  }

  fileprivate struct Token {
    var text: String
    var line: Int
    var isWord: Bool
  }

  private static func tokens(_ code: String, line: Int) -> [Token] {
    var tokens: [Token] = []
    var word = ""
    func flush() {
      if !word.isEmpty { tokens.append(Token(text: word, line: line, isWord: true)) }
      word = ""
    }
    for character in code where character != "`" {
      if character.isLetter || character.isNumber || character == "_" {
        word.append(character)
      } else {
        flush()
        if !character.isWhitespace { tokens.append(Token(text: String(character), line: line, isWord: false)) }
      }
    }
    flush()
    return tokens
  }
}

private struct Reader {
  private enum Scope {
    case type(name: String, keyword: String, access: String)
    /// A function's body, a closure, an accessor: what it declares is nobody else's.
    case body
  }

  private static let access: Set<String> = ["open", "public", "package", "internal", "fileprivate", "private"]
  private static let modifiers: Set<String> = [
    "static", "final", "mutating", "nonmutating", "lazy", "weak", "unowned", "override", "indirect", "nonisolated",
    "convenience", "required", "consuming", "borrowing", "class", "unsafe",
  ]

  let tokens: [Declarations.Token]
  private(set) var names: [Declarations.Name] = []
  private var index = 0
  private var scopes: [Scope] = []
  /// The type whose brace has not opened yet.
  private var pending: Scope?
  private var currentAccess: String?
  private var parentheses = 0

  init(tokens: [Declarations.Token]) { self.tokens = tokens }

  mutating func read() {
    while index < tokens.count {
      step()
      index += 1
    }
  }

  private mutating func step() {
    let token = tokens[index]
    switch token.text {
    case "{":
      scopes.append(pending ?? .body)
      pending = nil
      currentAccess = nil
    case "}":
      _ = scopes.popLast()
      currentAccess = nil
    case "(", "[": parentheses += 1
    case ")", "]": parentheses -= 1
    case "@": skipAttribute()
    default:
      guard token.isWord, index == 0 || tokens[index - 1].text != "." else { return currentAccess = nil }
      readWord(token)
    }
  }

  private mutating func readWord(_ token: Declarations.Token) {
    let next = text(1)
    if Self.access.contains(token.text) || Self.modifiers.contains(token.text) && !isTypeName(next, token.text) {
      if next == "(" {
        skipParentheses()
      } else if Self.access.contains(token.text) {
        currentAccess = token.text
      }
      return
    }
    defer { currentAccess = nil }
    switch token.text {
    case "struct", "class", "enum", "protocol", "actor":
      guard isTypeName(next, token.text) else { return }
      declare(token.text, at: index + 1)
      pending = .type(name: next, keyword: token.text, access: effectiveAccess)
      index += 1
    case "extension":
      guard isTypeName(next, token.text) else { return }
      var name = next
      index += 1
      while text(1) == ".", index + 2 < tokens.count {
        name = text(2)
        index += 2
      }
      pending = .type(name: name, keyword: "extension", access: currentAccess ?? "internal")
    case "typealias", "associatedtype", "func", "let", "var":
      if parentheses == 0, next.first?.isLetter == true || next.first == "_" { declare(token.text, at: index + 1) }
    case "case": declareCases()
    default: break
    }
  }

  /// `case a, b(Int), c` of an enum.
  private mutating func declareCases() {
    guard case .type(_, keyword: "enum", _)? = scopes.last else { return }
    var position = index + 1
    while position < tokens.count, tokens[position].isWord {
      declare("case", at: position)
      position += 1
      if position < tokens.count, tokens[position].text == "(" { position = closing(position) + 1 }
      guard position < tokens.count, tokens[position].text == "," else { return }
      position += 1
    }
  }

  private mutating func declare(_ kind: String, at position: Int) {
    var within: [String] = []
    for scope in scopes {
      guard case .type(let name, _, _) = scope else { return }
      within.append(name)
    }
    let token = tokens[position]
    names.append(
      Declarations.Name(
        kind: kind, name: token.text, access: effectiveAccess, within: within, labels: labels(behind: position),
        line: token.line))
  }

  /// The labels of the parameters of what is declared at `position`.
  private func labels(behind position: Int) -> [String] {
    var open = position + 1
    if open < tokens.count, tokens[open].text == "<" {
      while open < tokens.count, tokens[open].text != "(" { open += 1 }
    }
    guard open < tokens.count, tokens[open].text == "(" else { return [] }
    var labels: [String] = []
    var depth = 0
    for index in open..<closing(open) {
      switch tokens[index].text {
      case "(", "[", "{", "<": depth += 1
      case ")", "]", "}": depth -= 1
      // An arrow closes nothing.
      case ">": depth -= tokens[index - 1].text == "-" ? 0 : 1
      default: break
      }
      let begins = index == open ? depth == 1 : depth == 1 && tokens[index].text == ","
      guard begins, index + 1 < tokens.count, tokens[index + 1].isWord else { continue }
      let isLabel = index + 2 < tokens.count && (tokens[index + 2].isWord || tokens[index + 2].text == ":")
      labels.append(isLabel ? tokens[index + 1].text : "_")
    }
    return labels
  }

  private var effectiveAccess: String {
    if let currentAccess { return currentAccess }
    guard case .type(_, let keyword, let access)? = scopes.last else { return "internal" }
    // Cases and requirements have the access of their type.
    return keyword == "extension" || keyword == "protocol" || access == "private" ? access : "internal"
  }

  private func isTypeName(_ next: String, _ keyword: String) -> Bool {
    guard let first = next.first, first.isUppercase || first == "_" else { return false }
    return keyword == "class" || !Self.modifiers.contains(keyword)
  }

  private func text(_ distance: Int) -> String {
    index + distance < tokens.count ? tokens[index + distance].text : ""
  }

  private mutating func skipAttribute() {
    index += 1
    if text(1) == "(" { skipParentheses() }
  }

  private mutating func skipParentheses() {
    index = closing(index + 1)
  }

  private func closing(_ open: Int) -> Int {
    var depth = 0
    for position in open..<tokens.count {
      if tokens[position].text == "(" { depth += 1 }
      if tokens[position].text == ")" { depth -= 1 }
      if depth == 0 { return position }
    }
    return tokens.count
  }
}
