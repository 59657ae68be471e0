/// `key = value` lines in sections: ini files, properties, units of systemd, `.env`.
package enum IniReader {
  package struct Entry: Sendable {
    package var section: String
    package var key: String
    package var value: String
    package var place: CheckPlace
    package var valuePlace: CheckPlace
  }

  /// - Parameter separators: what may stand between key and value.
  package static func entries(_ file: CheckedFile, separators: Set<Character> = ["="]) -> [Entry] {
    var section = ""
    var entries: [Entry] = []
    var number = 0
    while number < file.lineCount, entries.count < CheckLimits.items {
      number += 1
      let first = number
      guard var line = file.line(number) else { break }
      // Continued lines, as properties and units have them.
      while line.hasSuffix("\\"), line.utf8.count < 65_536, let next = file.line(number + 1) {
        number += 1
        line = line.dropLast() + " " + next.drop { $0 == " " || $0 == "\t" }
      }
      let trimmed = line.drop { $0 == " " || $0 == "\t" }
      guard let start = trimmed.first, start != "#", start != ";", start != "!" else { continue }
      if start == "[" {
        section = String(trimmed.dropFirst().prefix { $0 != "]" }).lowercased()
        continue
      }
      guard let split = trimmed.firstIndex(where: { separators.contains($0) }) else { continue }
      let key = trimmed[..<split].reversed().drop { $0 == " " || $0 == "\t" }.reversed()
      let rest = trimmed[trimmed.index(after: split)...].drop { $0 == " " || $0 == "\t" }
      let value = rest.reversed().drop { $0 == " " || $0 == "\t" }.reversed()
      let column = line.unicodeScalars.count - trimmed.unicodeScalars.count + 1
      let valueColumn = line.unicodeScalars.count - rest.unicodeScalars.count + 1
      entries.append(
        Entry(
          section: section, key: String(key), value: String(value),
          place: file.place(line: first, column: column),
          valuePlace: file.place(line: first, column: valueColumn)))
    }
    return entries
  }
}
