import Analysis
import ArgumentParser
import Core

/// `photofinish explain`: tells about each kind of finding.
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Tell what a kind of finding means, and what to do about it.")

  @Argument(help: "The name of a finding; without one, all are listed.")
  var finding: String?

  func run() throws {
    let ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
    guard let finding else {
      Terminal.write(ExplainCommand.list(ink))
      return
    }
    guard let kind = FindingKind(rawValue: finding) else {
      throw ValidationError(
        "there is no finding \(finding); known are " + FindingKind.allCases.map(\.rawValue).joined(separator: ", "))
    }
    Terminal.write(ExplainCommand.page(kind, ink))
  }

  private static func list(_ ink: Ink) -> String {
    FindingKind.allCases.map { kind in
      let name = kind.rawValue
      return "  " + ink.bold(name) + String(repeating: " ", count: 24 - name.count) + kind.title + "\n"
    }.joined() + "\nphotofinish explain NAME tells more.\n"
  }

  private static func page(_ kind: FindingKind, _ ink: Ink) -> String {
    """
    \(ink.bold(kind.rawValue)): \(kind.title)

    \(wrapped(kind.explanation))

    \(ink.bold("What to do"))
    \(wrapped(kind.remedy))

    Counts as the keep-alive race: \(kind.isRace ? "yes" : "no"). A fresh connection heals it: \(kind.isReuseFailure ? "yes" : "no").

    """
  }

  private static func wrapped(_ text: String) -> String {
    var lines: [String] = []
    var line = ""
    for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      if !line.isEmpty, line.count + 1 + word.count > 80 {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return (lines + [line]).joined(separator: "\n")
  }
}
