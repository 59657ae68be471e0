internal import Core

/// The report for people: the answer first, then the chains with their timers, then each finding with what to change.
package struct CheckText {
  private let report: CheckReport
  private let ink: Ink

  package init(_ report: CheckReport, ink: Ink) {
    self.report = report
    self.ink = ink
  }

  package func text() -> String {
    var lines = [ink.bold(answer), ""]
    lines += chains()
    for finding in report.findings { lines += self.finding(finding) + [""] }
    lines += rest()
    while lines.last == "" { lines.removeLast() }
    return lines.joined(separator: "\n") + "\n"
  }

  package var answer: String {
    let races = report.findings.count { $0.rule == .holdLongerThanServer && $0.confidence != .open }
    let others = report.findings.count { $0.level > .note } - races
    if races > 0 {
      return "\(races) pool\(races == 1 ? " holds" : "s hold") connections longer than the server keeps them"
        + (others > 0 ? ", and \(others) other finding\(others == 1 ? "" : "s")." : ".")
    }
    if others > 0 { return "\(others) finding\(others == 1 ? "" : "s")." }
    if report.judged == 0 { return "Nothing could be judged: both sides of a connection are needed." }
    if report.hops.isEmpty {
      return "Nothing is wrong by itself; what stands on the other side of the connections is not in these files."
    }
    return "No mismatch found in \(report.judged) hop\(report.judged == 1 ? "" : "s")."
  }

  // MARK: - Chains

  /// Hops that follow each other are drawn below each other: the server of one is the proxy of the next.
  private func chains() -> [String] {
    var rest = report.hops
    var lines: [String] = []
    while !rest.isEmpty {
      let start = rest.firstIndex { hop in !rest.contains { $0.server.owner == hop.pool.owner } } ?? 0
      var hop = rest.remove(at: start)
      lines += pool(hop)
      lines += server(hop)
      while let next = rest.firstIndex(where: { $0.pool.owner == hop.server.owner }) {
        hop = rest.remove(at: next)
        lines += pool(hop)
        lines += server(hop)
      }
      lines.append("")
    }
    return lines
  }

  private func pool(_ hop: CheckHop) -> [String] {
    let expected =
      report.expected(hop).map { "  \(Display.decimal($0, digits: $0 < 10 ? 2 : 0)) failures a day expected" } ?? ""
    let verdict =
      switch hop.verdict {
      case .race: ink.red("race")
      case .thin: ink.yellow("thin margin")
      case .safe: ink.green("safe")
      case .noReuse: ink.green("no reuse")
      case .versionDecides: ink.yellow("depends on the version")
      case .open: ink.yellow("not known")
      }
    return [
      "  \(Self.clean(hop.pool.title))  "
        + ink.faint("(holds \(hop.pool.idle.value.spoken)\(hop.pool.idle.isAssumed ? ", default" : ""))"),
      "    |  \(verdict)\(expected)" + ink.faint("  \(Self.clean(hop.reason))"),
    ]
  }

  private func server(_ hop: CheckHop) -> [String] {
    [
      "  \(Self.clean(hop.server.title))  "
        + ink.faint(
          "(keeps \(hop.server.idle.value.spoken)\(hop.server.idle.isAssumed ? ", default" : ""))  \(Self.clean(hop.server.place.text))"
        )
    ]
  }

  // MARK: - Findings

  private func finding(_ finding: CheckFinding) -> [String] {
    let level =
      switch finding.level {
      case .error: ink.red("error")
      case .warning: ink.yellow("warning")
      case .note: ink.faint("note")
      }
    var lines = [
      "\(Self.clean(finding.place.text)): \(level): \(ink.bold(finding.rule.rawValue)) (\(finding.confidence.rawValue))"
    ]
    lines += Self.wrapped(Self.clean(finding.message)).map { "  " + $0 }
    for item in finding.evidence {
      lines.append("  - " + Self.clean(item.text + (item.place.map { "  " + $0.text } ?? "")))
    }
    for (index, change) in finding.changes.enumerated() {
      let place = change.place.map { "\($0.file):\($0.line)" } ?? ""
      lines.append(
        "  \(index == 0 ? "change" : "or    ") \(ink.faint(Self.clean(place))): \(ink.green(Self.clean(change.text)))")
    }
    return lines
  }

  private func rest() -> [String] {
    var lines: [String] = []
    for pool in report.lonelyPools.prefix(8) where pool.use != .unused {
      lines.append(
        "\(Self.clean(pool.place.text)): what is behind \(Self.clean(pool.title)) is not in these files (it holds \(pool.idle.value.spoken))"
      )
    }
    for problem in report.reading.problems.prefix(8) {
      lines.append("\(Self.clean(problem.place?.text ?? "-")): \(Self.clean(problem.text))")
    }
    if report.reading.problems.count > 8 {
      lines.append("... and \(report.reading.problems.count - 8) more that could not be read")
    }
    if report.suppressed > 0 { lines.append("\(report.suppressed) suppressed") }
    return lines
  }

  static func wrapped(_ text: String, width: Int = 100) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      if !line.isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    return lines + (line.isEmpty ? [] : [line])
  }

  /// Names of files and values may hold escapes for terminals.
  static func clean(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = ""
    for scalar in text.unicodeScalars { result.unicodeScalars.append(isControl(scalar) ? "?" : scalar) }
    return result
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || scalar.value == 0x7f || (0x80..<0xa0).contains(scalar.value)
      || (0x202a...0x202e).contains(scalar.value)
      || (0x2066...0x2069).contains(scalar.value)
  }
}
