/// The log formats that a configuration names: nginx's `log_format`, HAProxy's `log-format`, Apache httpd's `LogFormat` and `CustomLog`, Envoy's
/// text formats.
package enum LogFormatFile {
  private static let maximumFormats = 64
  private static let maximumWords = 200

  /// Names of files that hold configurations, not logs.
  package static func isName(_ path: String) -> Bool {
    [".conf", ".cfg", ".yaml", ".yml"].contains { path.hasSuffix($0) }
  }

  /// All formats in which a failure can be seen, in the order of the text.
  package static func formats(_ text: String) -> [LogLineFormat] {
    let bytes = Array(text.utf8)
    var found: [LogLineFormat] = []
    func add(_ software: LogLineFormat.Software, _ format: String) {
      guard found.count < maximumFormats, let format = try? LogLineFormat(software, format), !found.contains(format)
      else { return }
      found.append(format)
    }
    if text.contains("log_format") { nginx(bytes).forEach { add(.nginx, $0) } }
    for line in lines(bytes) {
      if let rest = behind(line, "log-format") { add(.haproxy, bare(rest)) }
      if let rest = behind(line, "logformat") { add(.apache, bare(rest)) }
      if let rest = behind(line, "customlog"), let quote = rest.firstIndex(of: "\""), rest.contains("%") {
        add(.apache, bare(String(rest[quote...])))
      }
    }
    envoy(bytes).forEach { add(.envoy, $0) }
    return found
  }

  // MARK: - nginx

  private static func nginx(_ bytes: [UInt8]) -> [String] {
    var formats: [String] = []
    var words: [[UInt8]] = []
    var at = 0
    while at < bytes.count {
      switch bytes[at] {
      case UInt8(ascii: "#"):
        at = bytes[at...].firstIndex(of: 0x0a) ?? bytes.count
      case UInt8(ascii: ";"), UInt8(ascii: "{"), UInt8(ascii: "}"):
        if words.first.map({ $0.elementsEqual("log_format".utf8) }) == true, words.count > 2 {
          let parts = words.dropFirst(2).filter { !$0.starts(with: "escape=".utf8) }
          formats.append(String(decoding: parts.joined(), as: UTF8.self))
        }
        words = []
        at += 1
      case 0x00...0x20: at += 1
      default:
        let word = word(bytes, &at)
        if words.count < maximumWords { words.append(word) }
      }
    }
    return formats
  }

  /// A word of nginx's, in quotes or not.
  private static func word(_ bytes: [UInt8], _ at: inout Int) -> [UInt8] {
    var word: [UInt8] = []
    let mark = bytes[at]
    let isQuoted = mark == UInt8(ascii: "'") || mark == UInt8(ascii: "\"")
    if isQuoted { at += 1 }
    while at < bytes.count {
      let byte = bytes[at]
      if isQuoted ? byte == mark : byte <= 0x20 || byte == UInt8(ascii: ";") { break }
      if byte == UInt8(ascii: "\\"), at + 1 < bytes.count {
        let next = bytes[at + 1]
        if next != mark, next != UInt8(ascii: "\\") { word.append(byte) }
        word.append(next)
        at += 2
        continue
      }
      word.append(byte)
      at += 1
    }
    if isQuoted { at += 1 }
    return word
  }

  // MARK: - Lines

  /// Lines without the blanks in front; one that ends with a backslash goes on in the next.
  private static func lines(_ bytes: [UInt8]) -> [String] {
    var lines: [String] = []
    var open = ""
    for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
      var part = line.drop { $0 == 0x20 || $0 == 0x09 }
      if part.last == 0x0d { part = part.dropLast() }
      if part.last == UInt8(ascii: "\\") {
        open += String(decoding: part.dropLast(), as: UTF8.self)
        continue
      }
      lines.append(open + String(decoding: part, as: UTF8.self))
      open = ""
    }
    return lines
  }

  /// What stands behind the keyword.
  private static func behind(_ line: String, _ keyword: String) -> String? {
    let head = line.prefix(keyword.count)
    guard head.lowercased() == keyword, let blank = line.dropFirst(keyword.count).first, blank == " " || blank == "\t"
    else { return nil }
    return String(line.dropFirst(keyword.count).drop { $0 == " " || $0 == "\t" })
  }

  /// Without the quotes around it.
  private static func bare(_ text: String) -> String { LogFormatText.quoted(text, joiningAll: false) ?? text }

  // MARK: - Envoy

  private static func envoy(_ bytes: [UInt8]) -> [String] {
    var formats: [String] = []
    for line in lines(bytes) where line.contains("%") {
      for key in ["inline_string", "text_format", "format"] {
        guard let place = line.firstRange(of: key) else { continue }
        let rest = line[place.upperBound...].drop { $0 == "\"" || $0 == "'" || $0 == " " }
        guard rest.first == ":" else { continue }
        formats.append(yaml(rest.dropFirst().drop { $0 == " " }))
        break
      }
    }
    return formats
  }

  /// A text of YAML or JSON in one line.
  private static func yaml(_ text: Substring) -> String {
    var value = ""
    guard let mark = text.first, mark == "\"" || mark == "'" else { return String(text) }
    var isEscaped = false
    for character in text.dropFirst() {
      if isEscaped {
        value += character == "n" ? "\n" : character == "t" ? "\t" : String(character)
        isEscaped = false
      } else if character == "\\", mark == "\"" {
        isEscaped = true
      } else if character == mark {
        break
      } else {
        value.append(character)
      }
    }
    while value.last == "\n" { value.removeLast() }
    return value
  }
}
