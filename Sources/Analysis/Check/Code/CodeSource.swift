/// A source as tokens, with what patterns ask for.
package struct CodeSource: Sendable {
  package struct Assignment: Sendable {
    package var name: String
    package var place: CheckPlace
    package var valuePlace: CheckPlace
    package var value: ArraySlice<CodeToken>
  }

  package let file: CheckedFile
  package let dialect: CodeDialect
  package let tokens: [CodeToken]

  package init(_ file: CheckedFile, _ dialect: CodeDialect) {
    self.file = file
    self.dialect = dialect
    var lexer = CodeLexer(file.bytes, dialect)
    tokens = lexer.run()
  }

  package func place(_ index: Int) -> CheckPlace {
    file.place(at: tokens.indices.contains(index) ? tokens[index].offset : file.bytes.count)
  }

  package func text(_ index: Int) -> String { tokens.indices.contains(index) ? tokens[index].text : "" }
  package func isMark(_ index: Int, _ text: String) -> Bool {
    tokens.indices.contains(index) && tokens[index].kind == .mark && tokens[index].text == text
  }
  package func isWord(_ index: Int, _ text: String) -> Bool {
    tokens.indices.contains(index) && tokens[index].kind == .word && tokens[index].text == text
  }

  /// Whether the tokens from `index` on read so.
  package func reads(_ index: Int, _ texts: String...) -> Bool {
    guard index >= 0, index + texts.count <= tokens.count else { return false }
    for (step, text) in texts.enumerated()
    where tokens[index + step].text != text || tokens[index + step].kind == .string { return false }
    return true
  }

  package func mentions(_ word: String) -> Bool { tokens.contains { $0.kind == .word && $0.text == word } }

  /// The expression from `index` to where it ends: a comma, semicolon or closing bracket of its level, or a line that begins
  /// something new.
  package func expression(from index: Int) -> ArraySlice<CodeToken> {
    var depth = 0
    var end = index
    while end < tokens.count, end - index < 4_096 {
      let token = tokens[end]
      if depth == 0, end > index, token.indentation != nil, endsStatement(end) { break }
      if token.kind == .mark {
        if ["(", "[", "{"].contains(token.text) { depth += 1 }
        if [")", "]", "}"].contains(token.text) {
          if depth == 0 { break }
          depth -= 1
        }
        if depth == 0, token.text == "," || token.text == ";" { break }
      }
      end += 1
    }
    return index <= end && index <= tokens.count ? tokens[min(index, tokens.count)..<min(end, tokens.count)] : []
  }

  /// Whether a line break before the token ends what came before it.
  private func endsStatement(_ index: Int) -> Bool {
    let next = tokens[index]
    let last = tokens[index - 1]
    let joins: Set<String> = ["+", "-", "*", "/", "||", "&&", "??", ".", "?.", "=", ":=", "=>", "?", ":", "("]
    if next.kind == .mark, next.text != "{", next.text != "(", next.text != "[",
      joins.contains(next.text) || [")", "]", "}"].contains(next.text)
    {
      return false
    }
    if last.kind == .mark, joins.contains(last.text) || ["(", "[", "{", ","].contains(last.text) { return false }
    return true
  }

  /// The bracket that closes the one at `open`; the end of the tokens where none does.
  package func closing(_ open: Int) -> Int {
    var depth = 0
    var index = open
    while index < tokens.count {
      if tokens[index].kind == .mark {
        if ["(", "[", "{"].contains(tokens[index].text) { depth += 1 }
        if [")", "]", "}"].contains(tokens[index].text) { depth -= 1 }
        if depth == 0 { return index }
      }
      index += 1
    }
    return tokens.count
  }

  /// `name = value` at the left margin, as Python and Ruby have them.
  package func topLevelAssignments(_ name: String) -> [Assignment] {
    tokens.indices.compactMap { index in
      guard tokens[index].indentation == 0, isWord(index, name) else { return nil }
      var equals = index + 1
      // A type between name and value: `keepalive: int = 5`.
      if isMark(equals, ":") {
        while equals < tokens.count, !isMark(equals, "="), tokens[equals].indentation == nil { equals += 1 }
      }
      guard isMark(equals, "=") else { return nil }
      return Assignment(
        name: name, place: place(index), valuePlace: place(equals + 1), value: expression(from: equals + 1))
    }
  }

  /// The value of a constant of this file: `const NAME = ...`, `NAME = ...`, `NAME := ...`; nil where it is assigned more than once.
  package func constant(_ name: String) -> ArraySlice<CodeToken>? {
    var found: ArraySlice<CodeToken>?
    for index in tokens.indices where isWord(index, name) {
      guard !isMark(index - 1, "."), !isMark(index - 1, "?.") else { continue }
      var equals = index + 1
      if isMark(equals, ":"), dialect == .javaScript || dialect == .python {
        equals += 2
      } else if dialect == .go, equals < tokens.count, tokens[equals].kind == .word, tokens[equals].indentation == nil {
        // `const name time.Duration = ...`
        while equals < tokens.count, !isMark(equals, "="), tokens[equals].indentation == nil, equals < index + 6 {
          equals += 1
        }
      }
      guard isMark(equals, "=") || isMark(equals, ":=") else { continue }
      guard found == nil else { return nil }
      found = expression(from: equals + 1)
    }
    return found
  }
}
