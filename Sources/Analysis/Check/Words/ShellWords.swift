/// Splits text of shells, and of languages that look like it, into commands and words.
package enum ShellWords {
  /// The commands of a script: what stands between line ends, `;`, `&&`, `||` and `|`, with continued lines joined.
  package static func commands(_ file: CheckedFile, from start: Int = 0, to end: Int? = nil) -> [[CheckWord]] {
    var splitter = Splitter(file: file, offset: start, end: min(end ?? file.bytes.count, file.bytes.count))
    return splitter.commands()
  }

  /// The words of one text that stands at `place`; all of them get that place.
  package static func words(_ text: String, at place: CheckPlace) -> [CheckWord] {
    let file = CheckedFile(path: place.file, text: text)
    return commands(file).flatMap(\.self).map { CheckWord($0.text, at: place, isQuoted: $0.isQuoted) }
  }

  /// As ``words(_:at:)``, command by command.
  package static func commands(in text: String, at place: CheckPlace) -> [[CheckWord]] {
    commands(CheckedFile(path: place.file, text: text)).map {
      $0.map { CheckWord($0.text, at: place, isQuoted: $0.isQuoted) }
    }
  }

  private struct Splitter {
    let file: CheckedFile
    var offset: Int
    let end: Int
    var result: [[CheckWord]] = []
    var command: [CheckWord] = []
    var count = 0

    mutating func commands() -> [[CheckWord]] {
      while offset < end, count < CheckLimits.items {
        let byte = file.bytes[offset]
        switch byte {
        case UInt8(ascii: "\n"), UInt8(ascii: ";"), UInt8(ascii: "|"), UInt8(ascii: "&"), UInt8(ascii: "("),
          UInt8(ascii: ")"):
          close()
          offset += 1
        case 0x20, 0x09, 0x0d: offset += 1
        case UInt8(ascii: "#"): skipLine()
        case UInt8(ascii: "\\") where isLineEnd(offset + 1): offset += file.bytes[offset + 1] == 0x0d ? 3 : 2
        default: word()
        }
      }
      close()
      return result
    }

    private func isLineEnd(_ index: Int) -> Bool {
      index < end
        && (file.bytes[index] == 0x0a
          || (file.bytes[index] == 0x0d && index + 1 < end && file.bytes[index + 1] == 0x0a))
    }

    private mutating func close() {
      if !command.isEmpty { result.append(command) }
      command = []
    }

    private mutating func skipLine() {
      while offset < end, file.bytes[offset] != UInt8(ascii: "\n") { offset += 1 }
    }

    private mutating func word() {
      let place = file.place(at: offset)
      var text: [UInt8] = []
      var isQuoted = false
      var quote: UInt8?
      var braces = 0
      while offset < end {
        let byte = file.bytes[offset]
        if let open = quote {
          if byte == open {
            quote = nil
          } else if byte == UInt8(ascii: "\\"), open == UInt8(ascii: "\""), offset + 1 < end {
            offset += 1
            text.append(file.bytes[offset])
          } else {
            text.append(byte)
          }
        } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
          quote = byte
          isQuoted = true
        } else if byte == UInt8(ascii: "\\"), offset + 1 < end {
          if isLineEnd(offset + 1) { break }
          offset += 1
          text.append(file.bytes[offset])
        } else if byte == UInt8(ascii: "$"), offset + 1 < end, file.bytes[offset + 1] == UInt8(ascii: "{") {
          braces += 1
          text += [byte, file.bytes[offset + 1]]
          offset += 1
        } else if byte == UInt8(ascii: "}"), braces > 0 {
          braces -= 1
          text.append(byte)
        } else if braces == 0, "\n \t\r;|&()".utf8.contains(byte) {
          break
        } else if byte == UInt8(ascii: "\n") {
          break
        } else {
          text.append(byte)
        }
        offset += 1
      }
      count += 1
      command.append(CheckWord(String(decoding: text, as: UTF8.self), at: place, isQuoted: isQuoted))
    }
  }
}
