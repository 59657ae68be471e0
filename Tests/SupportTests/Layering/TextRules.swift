import Foundation

/// The rules about text: the length of lines, and links between pages.
extension LayeringRules {
  static let maximumColumns = 120

  /// Lines of code and comments that are too long.
  static func longLines(_ text: String, path: String) -> [Violation] {
    lines(of: text).enumerated().filter { $0.element.count > maximumColumns }.map {
      Violation(place: "\(path):\($0.offset + 1)", fact: "the line has \($0.element.count) columns")
    }
  }

  /// Lines of a Markdown page that are too long. A row of a table cannot be broken, nor a word; what stands between fences
  /// is somebody's output.
  static func longLines(ofPage text: String, path: String) -> [Violation] {
    var isFenced = false
    return lines(of: text).enumerated().compactMap { number, line in
      if line.drop(while: \.isWhitespace).hasPrefix("```") { isFenced.toggle() }
      let start = line.drop { $0.isWhitespace || "->*#".contains($0) }
      guard line.count > maximumColumns, !isFenced, start.first != "|" else { return nil }
      // A link and its address are one word.
      guard start.prefix(maximumColumns).contains(" ") else { return nil }
      return Violation(place: "\(path):\(number + 1)", fact: "the line has \(line.count) columns")
    }
  }

  /// Links of a page to files of the project, and to headings, that are not there.
  ///
  /// - Parameter headings: the anchors of a page by its path; nil when there is no such file, empty when it has none.
  static func deadLinks(inPage text: String, path: String, headings: (String) -> Set<String>?) -> [Violation] {
    var isFenced = false
    return lines(of: text).enumerated().flatMap { number, line -> [Violation] in
      if line.drop(while: \.isWhitespace).hasPrefix("```") { isFenced.toggle() }
      guard !isFenced else { return [] }
      return targets(of: line).filter { !isThere($0, from: path, headings) }.map {
        Violation(place: "\(path):\(number + 1)", fact: "the link to \($0) points nowhere")
      }
    }
  }

  /// Paths of pages, `docs/` and what follows, in other text than pages.
  static func deadPaths(in text: String, path: String, isThere: (String) -> Bool) -> [Violation] {
    lines(of: text).enumerated().flatMap { number, line in
      line.split { !($0.isLetter || $0.isNumber || "/._-".contains($0)) }
        .filter { $0.hasPrefix("docs/") && $0.hasSuffix(".md") && !isThere(String($0)) }
        .map { Violation(place: "\(path):\(number + 1)", subject: String($0), fact: "there is no \($0)") }
    }
  }

  /// The anchors that GitHub gives the headings of a page.
  static func anchors(ofPage text: String) -> Set<String> {
    var isFenced = false
    var anchors: Set<String> = []
    for line in lines(of: text) {
      if line.hasPrefix("```") { isFenced.toggle() }
      guard !isFenced, line.hasPrefix("#") else { continue }
      let title = line.drop { $0 == "#" }.drop(while: \.isWhitespace).lowercased()
      let anchor = String(
        title.compactMap { character -> Character? in
          if character == " " { return "-" }
          return character.isLetter || character.isNumber || character == "-" || character == "_" ? character : nil
        })
      var name = anchor
      var count = 0
      while !anchors.insert(name).inserted {
        count += 1
        name = "\(anchor)-\(count)"
      }
    }
    return anchors
  }

  private static func lines(of text: String) -> [Substring] {
    text.split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// What stands in the parentheses of `[text](target)`, addresses of other sites left out.
  private static func targets(of line: Substring) -> [String] {
    line.components(separatedBy: "](").dropFirst()
      .map { String($0.prefix { $0 != ")" && $0 != " " }) }
      .filter { !$0.contains("://") && !$0.hasPrefix("mailto:") }
  }

  private static func isThere(_ target: String, from path: String, _ headings: (String) -> Set<String>?) -> Bool {
    let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    var folders = path.split(separator: "/").dropLast().map(String.init)
    for step in parts[0].split(separator: "/") {
      if step == ".." {
        guard folders.popLast() != nil else { return false }
      } else if step != "." {
        folders.append(String(step))
      }
    }
    let page = parts[0].isEmpty ? path : folders.joined(separator: "/")
    guard let anchors = headings(page) else { return false }
    return parts.count == 1 || !page.hasSuffix(".md") || anchors.contains(parts[1])
  }
}
