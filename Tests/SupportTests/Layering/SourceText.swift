/// A Swift file whose every line is split into what the compiler reads and what people read.
///
/// ```
///   let text = "unsafe"  // a word in a string is not code
///   code:    let text = ""
///   comment:                 a word in a string is not code
/// ```
///
/// It knows line comments, nested block comments, one-line, multi-line and raw strings. The contents of strings belong to
/// neither part; the code in their interpolations is a part of its own, in which strings are not told from code. It does
/// not know regular-expression literals that hold a quote.
struct SourceText: Equatable {
  struct Line: Equatable {
    /// From 1, as editors count.
    var number: Int
    var code: String
    /// The text of the comments on this line without their slashes; nil when there is none.
    var comment: String?
    /// The code inside the interpolations of the strings on this line.
    var interpolations = ""

    /// True when nothing but a comment stands on the line.
    var isOnlyComment: Bool { comment != nil && code.allSatisfy(\.isWhitespace) }
    var isBlank: Bool { comment == nil && code.allSatisfy(\.isWhitespace) }
  }

  private(set) var lines: [Line] = []

  init(_ text: String) {
    var splitter = Splitter(text)
    lines = splitter.split()
  }

  /// The code of the whole file, without comments and strings.
  var code: String { lines.map(\.code).joined(separator: "\n") }
}

private struct Splitter {
  private enum Mode {
    case code
    case lineComment
    case blockComment(depth: Int)
    /// Inside a string; `hashes` is the number of # around it.
    case string(hashes: Int, multiline: Bool)
    /// Inside the parentheses of an interpolation, to return to the string when they close.
    indirect case interpolation(depth: Int, within: Mode)
  }

  private let characters: [Character]
  private var index = 0
  private var mode = Mode.code
  private var current = SourceText.Line(number: 1, code: "", comment: nil)
  private var lines: [SourceText.Line] = []

  init(_ text: String) {
    characters = Array(text)
  }

  mutating func split() -> [SourceText.Line] {
    while index < characters.count {
      if characters[index].isNewline {
        endLine()
        index += 1
      } else {
        step()
      }
    }
    endLine()
    return lines
  }

  private mutating func endLine() {
    switch mode {
    case .lineComment: mode = .code
    case .string(_, multiline: false): mode = .code
    case .code, .blockComment, .string, .interpolation: break
    }
    lines.append(current)
    current = SourceText.Line(number: current.number + 1, code: "", comment: nil)
  }

  private mutating func step() {
    switch mode {
    case .code: stepInCode()
    case .lineComment: take(intoComment: 1)
    case .blockComment(let depth): stepInBlockComment(depth)
    case .string(let hashes, let multiline): stepInString(hashes, multiline)
    case .interpolation(let depth, let within): stepInInterpolation(depth, within)
    }
  }

  private mutating func stepInCode() {
    if starts(with: "//") {
      index += 2
      current.comment = current.comment ?? ""
      mode = .lineComment
    } else if starts(with: "/*") {
      index += 2
      current.comment = current.comment ?? ""
      mode = .blockComment(depth: 1)
    } else if let (hashes, multiline, length) = openingQuote() {
      index += length
      current.code.append("\"\"")
      mode = .string(hashes: hashes, multiline: multiline)
    } else {
      current.code.append(characters[index])
      index += 1
    }
  }

  private mutating func stepInBlockComment(_ depth: Int) {
    if starts(with: "/*") {
      mode = .blockComment(depth: depth + 1)
      take(intoComment: 2)
    } else if starts(with: "*/") {
      index += 2
      mode = depth == 1 ? .code : .blockComment(depth: depth - 1)
    } else {
      take(intoComment: 1)
    }
  }

  private mutating func stepInString(_ hashes: Int, _ multiline: Bool) {
    let marks = String(repeating: "#", count: hashes)
    if starts(with: "\\" + marks + "(") {
      index += hashes + 2
      mode = .interpolation(depth: 1, within: mode)
    } else if starts(with: "\\" + marks) {
      index = min(index + hashes + 2, characters.count)
    } else if starts(with: (multiline ? "\"\"\"" : "\"") + marks) {
      index += (multiline ? 3 : 1) + hashes
      mode = .code
    } else {
      index += 1
    }
  }

  private mutating func stepInInterpolation(_ depth: Int, _ within: Mode) {
    let character = characters[index]
    index += 1
    current.interpolations.append(character)
    switch character {
    case "(": mode = .interpolation(depth: depth + 1, within: within)
    case ")": mode = depth == 1 ? within : .interpolation(depth: depth - 1, within: within)
    default: break
    }
  }

  private mutating func take(intoComment count: Int) {
    current.comment = (current.comment ?? "") + String(characters[index..<index + count])
    index += count
  }

  private func openingQuote() -> (hashes: Int, multiline: Bool, length: Int)? {
    var hashes = 0
    while index + hashes < characters.count, characters[index + hashes] == "#" { hashes += 1 }
    let quote = index + hashes
    guard quote < characters.count, characters[quote] == "\"" else { return nil }
    let multiline = quote + 2 < characters.count && characters[quote + 1] == "\"" && characters[quote + 2] == "\""
    return (hashes, multiline, hashes + (multiline ? 3 : 1))
  }

  private func starts(with text: String) -> Bool {
    var position = index
    for character in text {
      guard position < characters.count, characters[position] == character else { return false }
      position += 1
    }
    return true
  }
}
