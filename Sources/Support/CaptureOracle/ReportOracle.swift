package import Analysis
import Core

/// Holds what is written about a capture to its form: whatever a hostile packet says must not get out of it.
package enum ReportOracle {
  /// Findings of which every form is looked at: drawing takes longer than judging.
  private static let maximumDrawn = 12

  package static func check(_ report: CaptureReport) -> String? {
    let ink = Ink(isColoured: false)
    let text = TextReport(report, ink: ink)
    var written = text.summary() + text.verdicts()
    for finding in report.findings.prefix(maximumDrawn) {
      written += Ladder(finding).text(ink: ink) + text.detail(finding).joined(separator: "\n")
    }
    if let control = written.unicodeScalars.first(where: isControl) {
      return "the text holds the control character \(control.value)"
    }
    let json = JSONReport(report)
    if let violation = JSONOracle.check(json.document()) { return "the JSON document: \(violation)" }
    for line in json.lines().split(separator: "\n") {
      if let violation = JSONOracle.check(String(line)) { return "a line of JSON: \(violation)" }
    }
    // Without requests and findings the page is always the same.
    return report.total + report.counts.requests == 0 ? nil : checkMarkup(HTMLReport(report).page())
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar != "\n" && scalar != "\t" && (scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value))
  }

  /// Elements that a page may hold. None of them runs anything or loads anything.
  private static let elements: Set<String> = [
    "!doctype", "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "div", "span", "section",
    "article", "header", "footer", "main", "nav", "table", "thead", "tbody", "tr", "th", "td", "caption", "ul", "ol",
    "li", "dl", "dt", "dd", "details", "summary", "code", "pre", "strong", "em", "a", "b", "br", "small", "figure",
    "figcaption", "svg", "g", "rect", "line", "path", "text", "tspan", "polyline", "polygon", "circle", "defs",
    "marker",
  ]

  private static func checkMarkup(_ page: String) -> String? {
    let bytes = Array(page.utf8)
    var index = 0
    while index < bytes.count {
      if bytes[index] < 0x20, bytes[index] != 0x0a { return "the page holds the control character \(bytes[index])" }
      guard bytes[index] == UInt8(ascii: "<") else {
        index += 1
        continue
      }
      index += 1
      if index < bytes.count, bytes[index] == UInt8(ascii: "/") { index += 1 }
      var name = ""
      while index < bytes.count, bytes[index] > 0x20, bytes[index] != UInt8(ascii: ">"),
        bytes[index] != UInt8(ascii: "/")
      {
        name.append(Character(Unicode.Scalar(bytes[index] | 0x20)))
        index += 1
      }
      // `!` and digits have that bit already.
      guard elements.contains(name) else { return "the page holds an element <\(name)>" }
      // Within quotes anything may stand but a quote.
      var isQuoted = false
      while index < bytes.count, isQuoted || bytes[index] != UInt8(ascii: ">") {
        if bytes[index] == UInt8(ascii: "\"") { isQuoted.toggle() }
        if bytes[index] == UInt8(ascii: "<") { return "the page holds < within an element" }
        index += 1
      }
    }
    return nil
  }
}

/// Whether a text is JSON (RFC 8259); written apart from what writes it.
enum JSONOracle {
  static func check(_ text: String) -> String? {
    var rest = Array(text.utf8)[...]
    if let violation = value(&rest, depth: 0) { return violation }
    spaces(&rest)
    return rest.isEmpty ? nil : "\(rest.count) bytes behind its end"
  }

  private static func spaces(_ rest: inout ArraySlice<UInt8>) {
    while let byte = rest.first, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { rest.removeFirst() }
  }

  private static func value(_ rest: inout ArraySlice<UInt8>, depth: Int) -> String? {
    spaces(&rest)
    guard depth < 32, let first = rest.first else { return "it ends early, or is too deep" }
    switch first {
    case UInt8(ascii: "{"): return members(&rest, depth: depth, end: UInt8(ascii: "}"), isNamed: true)
    case UInt8(ascii: "["): return members(&rest, depth: depth, end: UInt8(ascii: "]"), isNamed: false)
    case UInt8(ascii: "\""): return string(&rest)
    default:
      let word = rest.prefix {
        $0 > 0x20 && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "]") && $0 != UInt8(ascii: "}")
      }
      rest.removeFirst(word.count)
      let name = String(decoding: word, as: UTF8.self)
      guard name == "true" || name == "false" || name == "null" || isNumber(word) else { return "no value: \(name)" }
      return nil
    }
  }

  private static func isNumber(_ word: ArraySlice<UInt8>) -> Bool {
    var digits = word
    if digits.first == UInt8(ascii: "-") { digits.removeFirst() }
    guard let first = digits.first, (0x30...0x39).contains(first) else { return false }
    if first == 0x30, digits.count > 1, (0x30...0x39).contains(digits[digits.startIndex + 1]) { return false }
    return Double(String(decoding: word, as: UTF8.self))?.isFinite == true
  }

  private static func members(
    _ rest: inout ArraySlice<UInt8>, depth: Int, end: UInt8, isNamed: Bool
  ) -> String? {
    rest.removeFirst()
    spaces(&rest)
    if rest.first == end {
      rest.removeFirst()
      return nil
    }
    while true {
      if isNamed {
        spaces(&rest)
        if let violation = string(&rest) { return violation }
        spaces(&rest)
        guard rest.popFirst() == UInt8(ascii: ":") else { return "no colon behind a name" }
      }
      if let violation = value(&rest, depth: depth + 1) { return violation }
      spaces(&rest)
      let next = rest.popFirst()
      if next == end { return nil }
      guard next == UInt8(ascii: ",") else { return "neither comma nor end behind a value" }
    }
  }

  private static func string(_ rest: inout ArraySlice<UInt8>) -> String? {
    guard rest.popFirst() == UInt8(ascii: "\"") else { return "no string where one must be" }
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\"") { return nil }
      if byte < 0x20 { return "a control character within a string" }
      guard byte == UInt8(ascii: "\\") else { continue }
      guard let escaped = rest.popFirst() else { break }
      if escaped == UInt8(ascii: "u") {
        guard rest.prefix(4).count == 4, rest.prefix(4).allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
          return "\\u without four digits"
        }
        rest.removeFirst(4)
      } else if !Array("\"\\/bfnrt".utf8).contains(escaped) {
        return "an unknown escape"
      }
    }
    return "a string without an end"
  }
}
