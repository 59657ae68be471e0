/// Languages whose sources are read by patterns.
package enum CodeDialect: Sendable {
  case javaScript
  case python
  case go
  case ruby
  case terraform
  case cSharp
}

/// A piece of a source: comments are gone, strings are one token.
package struct CodeToken: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    case word
    case number
    case string
    case mark
  }

  package var kind: Kind
  package var text: String
  package var offset: Int
  /// It is the first on its line, at this indentation.
  package var indentation: Int?
}

/// Splits sources into tokens. It knows enough of each language not to take a comment or a string for code.
struct CodeLexer {
  private let bytes: [UInt8]
  private let dialect: CodeDialect
  private var offset = 0
  private var tokens: [CodeToken] = []
  private var lineStart = 0
  private var isLineStart = true

  init(_ bytes: [UInt8], _ dialect: CodeDialect) {
    self.bytes = bytes
    self.dialect = dialect
  }

  mutating func run() -> [CodeToken] {
    while offset < bytes.count, tokens.count < CheckLimits.items { step() }
    return tokens
  }

  private func byte(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }
  private func isWord(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "_") || byte >= 0x80
      || (byte == UInt8(ascii: "$") && dialect == .javaScript)
  }

  private mutating func step() {
    let current = bytes[offset]
    switch current {
    case 0x0a:
      offset += 1
      lineStart = offset
      isLineStart = true
    case 0x20, 0x09, 0x0d: offset += 1
    case UInt8(ascii: "/") where dialect != .python && dialect != .ruby && byte(offset + 1) == UInt8(ascii: "/"):
      skipLine()
    case UInt8(ascii: "/") where dialect != .python && dialect != .ruby && byte(offset + 1) == UInt8(ascii: "*"):
      skipBlockComment()
    case UInt8(ascii: "/") where dialect == .javaScript && mayBeginExpression: regularExpression()
    case UInt8(ascii: "#") where dialect == .python || dialect == .ruby || dialect == .terraform: skipLine()
    case UInt8(ascii: "<") where dialect == .terraform && byte(offset + 1) == UInt8(ascii: "<"): heredoc()
    case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "`"): string(current)
    case 0x30...0x39: number()
    default:
      if isWord(current) { word() } else { mark() }
    }
  }

  private mutating func append(_ kind: CodeToken.Kind, _ text: String, _ start: Int) {
    tokens.append(CodeToken(kind: kind, text: text, offset: start, indentation: isLineStart ? start - lineStart : nil))
    isLineStart = false
  }

  private mutating func skipLine() {
    while offset < bytes.count, bytes[offset] != 0x0a { offset += 1 }
  }

  private mutating func skipBlockComment() {
    offset += 2
    while offset < bytes.count, !(bytes[offset] == UInt8(ascii: "*") && byte(offset + 1) == UInt8(ascii: "/")) {
      offset += 1
    }
    offset = min(offset + 2, bytes.count)
  }

  /// Whether a `/` here begins a regular expression rather than dividing.
  private var mayBeginExpression: Bool {
    guard let last = tokens.last else { return true }
    switch last.kind {
    case .number, .string: return false
    case .word:
      return ["return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else"].contains(last.text)
    case .mark: return ![")", "]", "}"].contains(last.text)
    }
  }

  private mutating func regularExpression() {
    let start = offset
    var index = offset + 1
    var isInClass = false
    while index < bytes.count, bytes[index] != 0x0a {
      if bytes[index] == UInt8(ascii: "\\") {
        index += 1
      } else if bytes[index] == UInt8(ascii: "[") {
        isInClass = true
      } else if bytes[index] == UInt8(ascii: "]") {
        isInClass = false
      } else if bytes[index] == UInt8(ascii: "/"), !isInClass {
        offset = index + 1
        while offset < bytes.count, isWord(bytes[offset]) { offset += 1 }
        append(.string, "", start)
        return
      }
      index += 1
    }
    offset += 1
    append(.mark, "/", start)
  }

  private mutating func string(_ quote: UInt8) {
    let start = offset
    if dialect == .python, byte(offset + 1) == quote, byte(offset + 2) == quote {
      offset += 3
      let textStart = offset
      while offset < bytes.count, !(bytes[offset] == quote && byte(offset + 1) == quote && byte(offset + 2) == quote) {
        offset += bytes[offset] == UInt8(ascii: "\\") ? 2 : 1
      }
      let end = min(offset, bytes.count)
      offset = min(offset + 3, bytes.count)
      append(.string, String(decoding: bytes[textStart..<end], as: UTF8.self), start)
      return
    }
    let spansLines = quote == UInt8(ascii: "`")
    offset += 1
    var text: [UInt8] = []
    while offset < bytes.count, bytes[offset] != quote {
      if bytes[offset] == 0x0a, !spansLines { break }
      if bytes[offset] == UInt8(ascii: "\\"), !(spansLines && dialect == .go), offset + 1 < bytes.count {
        offset += 1
      }
      text.append(bytes[offset])
      offset += 1
    }
    if offset < bytes.count, bytes[offset] == quote { offset += 1 }
    append(.string, String(decoding: text, as: UTF8.self), start)
  }

  /// `<<-EOT` up to the line that holds nothing but the word.
  private mutating func heredoc() {
    let start = offset
    offset += byte(offset + 2) == UInt8(ascii: "-") ? 3 : 2
    let tagStart = offset
    while offset < bytes.count, isWord(bytes[offset]) { offset += 1 }
    let tag = bytes[tagStart..<offset]
    guard !tag.isEmpty else { return }
    skipLine()
    while offset < bytes.count {
      offset += 1
      let lineStart = offset
      skipLine()
      let line = bytes[lineStart..<offset].drop { $0 == 0x20 || $0 == 0x09 }
      if line.starts(with: tag), line.dropFirst(tag.count).allSatisfy({ $0 == 0x0d || $0 == 0x20 }) { break }
    }
    append(.string, "", start)
  }

  private mutating func number() {
    let start = offset
    while offset < bytes.count,
      isWord(bytes[offset]) || (bytes[offset] == UInt8(ascii: ".") && (0x30...0x39).contains(byte(offset + 1)))
    {
      offset += 1
    }
    append(.number, String(decoding: bytes[start..<offset], as: UTF8.self), start)
  }

  private mutating func word() {
    let start = offset
    while offset < bytes.count, isWord(bytes[offset]) { offset += 1 }
    append(.word, String(decoding: bytes[start..<offset], as: UTF8.self), start)
  }

  private static let pairs: Set<String> = [
    ":=", "==", "!=", "<=", ">=", "=>", "&&", "||", "??", "?.", "**", "+=", "-=", "::", "->", "//",
  ]

  private mutating func mark() {
    let start = offset
    if offset + 1 < bytes.count {
      let pair = String(decoding: bytes[offset..<offset + 2], as: UTF8.self)
      if Self.pairs.contains(pair) {
        offset += 2
        append(.mark, pair, start)
        return
      }
    }
    offset += 1
    append(.mark, String(decoding: [bytes[start]], as: UTF8.self), start)
  }
}
