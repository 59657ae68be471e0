import Analysis
import Core

/// Shows problems of settings: a line each, and on a terminal the line of the file that it is about, with a caret.
struct SettingsDisplay {
  private let ink: Ink
  private let showsSource: Bool

  init(descriptor: Int32) {
    let isTerminal = Terminal.isTerminal(descriptor: descriptor)
    ink = Ink(isColoured: Terminal.isColoured(descriptor: descriptor))
    showsSource = isTerminal
  }

  func text(_ errors: SettingsErrors, source: [UInt8]) -> String {
    let lines = showsSource ? Self.lines(source) : []
    var text = ""
    for problem in errors.problems {
      let place = problem.position(in: errors.file)
      let isWarning = problem.severity == .warning
      let word = isWarning ? ink.yellow("warning: ") : showsSource ? ink.red("error: ") : ""
      text += "\(ink.bold(place)) \(word)\(problem.message)\n"
      if lines.indices.contains(problem.place.line - 1) { text += excerpt(lines[problem.place.line - 1], problem) }
    }
    if errors.untoldCount > 0 { text += "\(errors.file): and \(errors.untoldCount) more\n" }
    return text
  }

  /// Columns of a line that are shown.
  private static let width = 100

  private func excerpt(_ line: String, _ problem: SettingsProblem) -> String {
    let scalars = Array(line.unicodeScalars)
    let caret = problem.place.column - 1
    guard caret <= scalars.count, !scalars.isEmpty else { return "" }
    let start = max(0, min(caret - Self.width / 2, scalars.count - Self.width))
    let shown = scalars[start..<min(scalars.count, start + Self.width)]
    let clean = String(String.UnicodeScalarView(shown.map { $0.value < 0x20 || $0.value == 0x7f ? " " : $0 }))
    let number = String(problem.place.line)
    let mark = problem.severity == .warning ? ink.yellow("^") : ink.red("^")
    return ink.faint("  \(number) | ") + clean + "\n"
      + ink.faint(String(repeating: " ", count: number.count + 3) + "| ") + String(repeating: " ", count: caret - start)
      + mark + "\n"
  }

  private static func lines(_ source: [UInt8]) -> [String] {
    var text = String(decoding: source, as: UTF8.self)
    if text.unicodeScalars.first == "\u{feff}" { text.unicodeScalars.removeFirst() }
    return text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }.map(String.init)
  }
}
