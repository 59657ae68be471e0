/// Splits nginx's configuration language into words, braces and semicolons.
///
/// It reads templates, too: `${NAME}` and `{{ name }}` are parts of words.
struct NginxLexer {
  enum Token {
    case word(CheckWord)
    case open
    case close
    case end
  }

  let file: CheckedFile
  private(set) var offset = 0
  private var bytes: [UInt8] { file.bytes }

  init(_ file: CheckedFile) { self.file = file }

  mutating func next() -> (token: Token, offset: Int)? {
    skipBlanks()
    guard offset < file.bytes.count else { return nil }
    let start = offset
    switch file.bytes[offset] {
    case UInt8(ascii: "{") where !isTemplate(offset):
      offset += 1
      return (.open, start)
    case UInt8(ascii: "}"):
      offset += 1
      return (.close, start)
    case UInt8(ascii: ";"):
      offset += 1
      return (.end, start)
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return (.word(quoted()), start)
    default: return (.word(bare()), start)
    }
  }

  /// What stands between braces that hold Lua; the brace that opens it has been read. Braces in texts and comments don't count.
  mutating func skipForeignBlock() {
    var depth = 1
    while offset < file.bytes.count, depth > 0 {
      let byte = file.bytes[offset]
      offset += 1
      switch byte {
      case UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "}"): depth -= 1
      case UInt8(ascii: "'"), UInt8(ascii: "\""): skipText(byte)
      case UInt8(ascii: "-") where at(offset) == UInt8(ascii: "-"):
        if at(offset + 1) == UInt8(ascii: "["), at(offset + 2) == UInt8(ascii: "[") {
          skip(behind: "]]")
        } else {
          while offset < file.bytes.count, file.bytes[offset] != UInt8(ascii: "\n") { offset += 1 }
        }
      case UInt8(ascii: "[") where at(offset) == UInt8(ascii: "["): skip(behind: "]]")
      default: break
      }
    }
  }

  private func at(_ index: Int) -> UInt8 { index < file.bytes.count ? file.bytes[index] : 0 }

  /// A text of Lua up to its quote, or to the end of the line.
  private mutating func skipText(_ quote: UInt8) {
    while offset < file.bytes.count, file.bytes[offset] != quote, file.bytes[offset] != UInt8(ascii: "\n") {
      offset += file.bytes[offset] == UInt8(ascii: "\\") ? 2 : 1
    }
    offset = min(offset + 1, file.bytes.count)
  }

  private mutating func skip(behind end: String) {
    offset = file.find(Array(end.utf8), from: offset).map { $0 + end.utf8.count } ?? file.bytes.count
  }

  private mutating func skipBlanks() {
    while offset < file.bytes.count {
      let byte = file.bytes[offset]
      if byte == UInt8(ascii: "#") {
        while offset < file.bytes.count, file.bytes[offset] != UInt8(ascii: "\n") { offset += 1 }
      } else if isBlank(byte) {
        offset += 1
      } else {
        return
      }
    }
  }

  private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

  private func isTemplate(_ index: Int) -> Bool {
    index + 1 < file.bytes.count && file.bytes[index] == UInt8(ascii: "{")
      && (file.bytes[index + 1] == UInt8(ascii: "{") || file.bytes[index + 1] == UInt8(ascii: "%"))
  }

  private mutating func quoted() -> CheckWord {
    let place = file.place(at: offset)
    let quote = file.bytes[offset]
    offset += 1
    var text: [UInt8] = []
    while offset < file.bytes.count, file.bytes[offset] != quote {
      if file.bytes[offset] == UInt8(ascii: "\\"), offset + 1 < file.bytes.count {
        offset += 1
        // The escape of the quote loses its backslash; that of anything else belongs to the text.
        if let plain = unescaped(file.bytes[offset], quote) {
          text.append(plain)
        } else {
          text += [UInt8(ascii: "\\"), file.bytes[offset]]
        }
      } else {
        text.append(file.bytes[offset])
      }
      offset += 1
    }
    offset = min(offset + 1, file.bytes.count)
    return CheckWord(String(decoding: text, as: UTF8.self), at: place, isQuoted: true)
  }

  private func unescaped(_ byte: UInt8, _ quote: UInt8) -> UInt8? { byte == quote ? byte : nil }

  private mutating func bare() -> CheckWord {
    let start = offset
    let place = file.place(at: start)
    while offset < file.bytes.count {
      let byte = file.bytes[offset]
      if byte == UInt8(ascii: "\\"), offset + 1 < file.bytes.count {
        offset += 2
      } else if byte == UInt8(ascii: "$"), offset + 1 < file.bytes.count, file.bytes[offset + 1] == UInt8(ascii: "{") {
        skip(to: [UInt8(ascii: "}")])
      } else if isTemplate(offset) {
        skip(to: file.bytes[offset + 1] == UInt8(ascii: "{") ? Array("}}".utf8) : Array("%}".utf8))
      } else if isBlank(byte) || byte == UInt8(ascii: ";") || byte == UInt8(ascii: "{") {
        break
      } else {
        offset += 1
      }
    }
    if offset == start { offset += 1 }
    return CheckWord(String(decoding: file.bytes[start..<min(offset, file.bytes.count)], as: UTF8.self), at: place)
  }

  /// Behind the next `end` on this line, or one byte on.
  private mutating func skip(to end: [UInt8]) {
    var index = offset + 1
    while index + end.count <= file.bytes.count, file.bytes[index] != UInt8(ascii: "\n") {
      if file.bytes[index..<index + end.count].elementsEqual(end) {
        offset = index + end.count
        return
      }
      index += 1
    }
    offset += 1
  }
}
