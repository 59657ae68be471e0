internal import Core

/// Markdown for a comment on a pull request, and annotations for GitHub's checks.
package enum CheckMarkdown {
  package static func document(_ report: CheckReport) -> String {
    var lines = ["### photofinish check", "", cell(CheckText(report, ink: Ink(isColoured: false)).answer), ""]
    if !report.hops.isEmpty {
      lines += ["| pool | holds | server | keeps | |", "|---|---|---|---|---|"]
      for hop in report.hops {
        lines.append(
          "| \(cell(hop.pool.title)) | \(time(hop.pool.idle)) | \(cell(hop.server.title)) | \(time(hop.server.idle)) | \(hop.verdict.rawValue) |"
        )
      }
      lines.append("")
    }
    for finding in report.findings {
      lines.append(
        "- **\(finding.rule.rawValue)** (\(finding.level.rawValue), \(finding.confidence.rawValue)) `\(code(finding.place.text))`  "
      )
      lines.append("  \(cell(finding.message))")
      for (index, change) in finding.changes.enumerated() {
        let place = change.place.map { " in `\(code("\($0.file):\($0.line)"))`" } ?? ""
        lines.append("  - \(index == 0 ? "change" : "or")\(place): `\(code(change.text))`")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func time(_ timer: CheckTimer) -> String { timer.value.spoken + (timer.isAssumed ? " (default)" : "") }

  /// Nothing of a file becomes markup.
  private static func cell(_ text: String) -> String {
    var result = ""
    for character in CheckText.clean(text) {
      if "<>|[]*_\\&@#".contains(character) { result += "\\" }
      result.append(character)
    }
    return result
  }

  private static func code(_ text: String) -> String { CheckText.clean(text).replacing("`", with: "'") }

  /// `::warning file=...,line=...,col=...,title=...::message`
  package static func annotations(_ report: CheckReport) -> String {
    report.findings.map { finding in
      let level =
        switch finding.level {
        case .note: "notice"
        case .warning: "warning"
        case .error: "error"
        }
      let message = finding.message + finding.spokenChanges
      return "::\(level) file=\(property(finding.place.file)),line=\(finding.place.line),col=\(finding.place.column),"
        + "title=\(finding.rule.rawValue)::\(data(message))\n"
    }.joined()
  }

  private static func data(_ text: String) -> String {
    text.replacing("%", with: "%25").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
  }

  private static func property(_ text: String) -> String {
    data(text).replacing(":", with: "%3A").replacing(",", with: "%2C")
  }
}
