/// Colours for a terminal, or none: output to a pipe, and with NO_COLOR, is plain text.
package struct Ink: Sendable {
  package var isColoured: Bool

  package init(isColoured: Bool) {
    self.isColoured = isColoured
  }

  package func red(_ text: String) -> String { paint(text, "31") }
  package func green(_ text: String) -> String { paint(text, "32") }
  package func yellow(_ text: String) -> String { paint(text, "33") }
  package func bold(_ text: String) -> String { paint(text, "1") }
  package func faint(_ text: String) -> String { paint(text, "2") }

  private func paint(_ text: String, _ code: String) -> String {
    isColoured ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
  }
}
