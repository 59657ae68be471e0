internal import Core

/// The first change of each finding that can be written by itself, as a unified diff.
package enum CheckFix {
  /// - Parameter files: those that were checked.
  package static func diff(_ report: CheckReport, _ files: [CheckedFile]) -> String {
    var edits: [String: [Int: String]] = [:]
    var insertions: [String: [Int: String]] = [:]
    let byPath = Dictionary(files.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    for finding in report.findings where finding.level > .note {
      guard let change = finding.changes.first(where: { $0.edit != nil && $0.place != nil }), let place = change.place,
        let edit = change.edit,
        let file = byPath[place.file], let line = file.line(place.line)
      else { continue }
      switch edit {
      case .replace(let old, let new):
        guard edits[place.file]?[place.line] == nil, let changed = replaced(line, from: place.column, old, new) else {
          continue
        }
        edits[place.file, default: [:]][place.line] = changed
      case .insertAfter(let text):
        guard insertions[place.file]?[place.line] == nil else { continue }
        insertions[place.file, default: [:]][place.line] = line.prefix { $0 == " " || $0 == "\t" } + text
      }
    }
    return Set(edits.keys).union(insertions.keys).sorted().compactMap { path in
      byPath[path].map { diff($0, edits[path] ?? [:], insertions[path] ?? [:]) }
    }.joined()
  }

  /// `old` becomes `new` where it first stands at the column or behind it (or right before it, for a word with its blank).
  private static func replaced(_ line: String, from column: Int, _ old: String, _ new: String) -> String? {
    guard !old.isEmpty else { return nil }
    let scalars = Array(line.unicodeScalars)
    let wanted = Array(old.unicodeScalars)
    let start = max(0, column - 2)
    guard scalars.count >= wanted.count, start <= scalars.count - wanted.count else { return nil }
    for index in start...(scalars.count - wanted.count) where Array(scalars[index..<index + wanted.count]) == wanted {
      var result = String.UnicodeScalarView()
      result.append(contentsOf: scalars[..<index])
      result.append(contentsOf: new.unicodeScalars)
      result.append(contentsOf: scalars[(index + wanted.count)...])
      return String(result)
    }
    return nil
  }

  /// One hunk a file, from three lines before the first change to three lines behind the last.
  private static func diff(_ file: CheckedFile, _ edits: [Int: String], _ insertions: [Int: String]) -> String {
    let numbers = Set(edits.keys).union(insertions.keys)
    guard let first = numbers.min(), let last = numbers.max() else { return "" }
    let lines = file.bytes.last == 0x0a ? file.lineCount - 1 : file.lineCount
    let start = max(1, first - 3)
    let end = min(lines, last + 3)
    var text = "--- a/\(file.path)\n+++ b/\(file.path)\n"
    text += "@@ -\(start),\(end - start + 1) +\(start),\(end - start + 1 + insertions.count) @@\n"
    for number in start...end {
      let line = file.line(number) ?? ""
      text += edits[number].map { "-\(line)\n+\($0)\n" } ?? " \(line)\n"
      if let insertion = insertions[number] { text += "+\(insertion)\n" }
    }
    return text
  }
}
