/// A place in a checked file. Lines and columns count from 1, columns in Unicode scalars.
package struct CheckPlace: Sendable, Hashable, Comparable {
  package var file: String
  package var line: Int
  package var column: Int

  package init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  package var text: String { "\(file):\(line):\(column)" }

  package static func < (left: CheckPlace, right: CheckPlace) -> Bool {
    (left.file, left.line, left.column) < (right.file, right.line, right.column)
  }
}
