/// Something that a settings file gets wrong: the place, the fact, and the likely fix.
package struct SettingsProblem: Error, Sendable, Hashable {
  package enum Severity: String, Sendable, Hashable {
    /// The file is refused.
    case error
    /// The file is taken, and somebody should know.
    case warning
  }

  package var severity: Severity
  package var place: SettingsPlace
  /// The keys that lead to the value, such as `upstreams.app.pool.idle-age`; empty for the file as a whole.
  package var subject: String
  package var fact: String
  package var fix: String

  package init(
    _ severity: Severity, at place: SettingsPlace, subject: String = "", fact: String, fix: String
  ) {
    self.severity = severity
    self.place = place
    self.subject = subject
    self.fact = fact
    self.fix = fix
  }

  /// Errors and warnings of one file that are told; of more only the number is.
  package static let limit = 100

  /// `subject: fact; fix`.
  package var message: String { (subject.isEmpty ? "" : "\(subject): ") + "\(fact); \(fix)" }

  /// `file:line:column:`, or `file:` for the file as a whole.
  package func position(in file: String) -> String {
    place == .whole ? "\(file):" : "\(file):\(place.line):\(place.column):"
  }

  /// `file:line:column: subject: fact; fix`, with the word "warning" for one.
  package func text(file: String) -> String {
    "\(position(in: file)) \(severity == .warning ? "warning: " : "")\(message)"
  }
}

/// All that is wrong with a settings file, in the order of the file. Not empty.
package struct SettingsErrors: Error, Sendable, Hashable, CustomStringConvertible {
  /// The path as it was given; `-` for standard input.
  package var file: String
  package var problems: [SettingsProblem]
  /// Problems beyond ``SettingsProblem/limit``.
  package var untoldCount: Int

  package init(file: String, problems: [SettingsProblem], untoldCount: Int = 0) {
    self.file = file
    self.problems = problems
    self.untoldCount = untoldCount
  }

  /// A line each.
  package var lines: [String] {
    problems.map { $0.text(file: file) } + (untoldCount > 0 ? ["\(file): and \(untoldCount) more"] : [])
  }

  package var description: String { lines.joined(separator: "\n") }
}
