internal import Core

/// The table of the lab, row by row, as a terminal shows it.
package struct LabTable: Sendable {
  private let ink: Ink
  private let titleWidth: Int

  /// - Parameter runs: all that will get a row.
  package init(_ runs: [LabRun], ink: Ink) {
    self.ink = ink
    titleWidth = min(80, max(24, runs.map(\.title.count).max() ?? 0))
  }

  package func heading(_ scenario: LabScenario) -> String {
    "\n" + ink.bold(scenario.name) + ink.faint("  " + scenario.title)
  }

  package var columns: String {
    ink.faint(
      "  " + padded("", titleWidth) + right("sent", 7) + right("failed", 8) + right("per 1000", 10) + right("lost", 7)
        + right("twice", 7) + right("median", 10) + "  ")
  }

  package func row(_ result: LabResult) -> String {
    let title = padded(result.run.title, titleWidth)
    switch result.outcome {
    case .notRun(let reason): return ink.yellow("- ") + title + "  " + ink.yellow("not run: ") + reason
    case .asExpected(let measurement): return ink.green("+ ") + title + figures(measurement)
    case .differed(let measurement, let differences):
      return ink.red("x ") + title + figures(measurement) + "\n"
        + differences.map { "    " + ink.red($0) }.joined(separator: "\n")
    }
  }

  private func figures(_ measurement: LabMeasurement) -> String {
    let failed =
      right("\(measurement.failed)", 8) + right(Display.decimal(measurement.failedPerThousand, digits: 1), 10)
    var text = right("\(measurement.sent)", 7) + (measurement.failed > 0 ? ink.red(failed) : failed)
    text += right("\(measurement.lost)", 7)
    let twice = right("\(measurement.appliedTwice)", 7)
    text += measurement.appliedTwice > 0 ? ink.red(twice) : twice
    text += right(Display.duration(measurement.medianLatency), 10)
    let kinds = measurement.failures.prefix(3).map { "\($0.name): \($0.count)" }.joined(separator: ", ")
    return text + "  " + ink.faint(kinds)
  }

  /// The last line.
  package func summary(_ report: LabReport) -> String {
    var parts = ["\(Display.count(report.results.count, "run")): \(report.asExpected) as expected"]
    if report.differed > 0 { parts.append(ink.red("\(report.differed) differed")) }
    if report.notRun > 0 { parts.append(ink.yellow("\(report.notRun) not run")) }
    if report.isInterrupted { parts.append(ink.yellow("interrupted")) }
    return parts.joined(separator: ", ")
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text.count >= width ? text : text + String(repeating: " ", count: width - text.count)
  }

  private func right(_ text: String, _ width: Int) -> String {
    text.count >= width ? text : String(repeating: " ", count: width - text.count) + text
  }
}
