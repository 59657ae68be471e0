/// Languages of one directive a line, with words, quotes and continued lines: HAProxy, Apache, Caddy.
enum LineReader {
  /// The words of each line that has any.
  static func lines(_ file: CheckedFile, braces: Bool = false) -> [[CheckWord]] {
    var lines: [[CheckWord]] = []
    var words: [CheckWord] = []
    var count = 0
    var offset = 0
    let bytes = file.bytes
    while offset < bytes.count, count < CheckLimits.items {
      let byte = bytes[offset]
      switch byte {
      case 0x0a:
        if !words.isEmpty { lines.append(words) }
        words = []
        offset += 1
      case 0x20, 0x09, 0x0d: offset += 1
      case UInt8(ascii: "#"):
        while offset < bytes.count, bytes[offset] != 0x0a { offset += 1 }
      case UInt8(ascii: "\\")
      where offset + 1 < bytes.count && (bytes[offset + 1] == 0x0a || bytes[offset + 1] == 0x0d):
        offset += bytes[offset + 1] == 0x0d ? 3 : 2
      default:
        let (word, end) = word(file, offset)
        words.append(word)
        offset = end
        count += 1
      }
    }
    if !words.isEmpty { lines.append(words) }
    return lines
  }

  private static func word(_ file: CheckedFile, _ start: Int) -> (CheckWord, Int) {
    let bytes = file.bytes
    var text: [UInt8] = []
    var isQuoted = false
    var quote: UInt8?
    var offset = start
    while offset < bytes.count, bytes[offset] != 0x0a {
      let byte = bytes[offset]
      if let open = quote {
        if byte == open {
          quote = nil
        } else if byte == UInt8(ascii: "\\"), open == UInt8(ascii: "\""), offset + 1 < bytes.count,
          bytes[offset + 1] != 0x0a
        {
          offset += 1
          text.append(bytes[offset])
        } else {
          text.append(byte)
        }
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") || byte == UInt8(ascii: "`") {
        quote = byte
        isQuoted = true
      } else if byte == UInt8(ascii: "\\"), offset + 1 < bytes.count {
        if bytes[offset + 1] == 0x0a || bytes[offset + 1] == 0x0d { break }
        offset += 1
        text.append(bytes[offset])
      } else if byte == 0x20 || byte == 0x09 || byte == 0x0d {
        break
      } else {
        text.append(byte)
      }
      offset += 1
    }
    return (CheckWord(String(decoding: text, as: UTF8.self), at: file.place(at: start), isQuoted: isQuoted), offset)
  }
}
