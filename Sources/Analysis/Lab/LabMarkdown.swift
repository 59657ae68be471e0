internal import Core

/// The report as Markdown.
package struct LabMarkdown {
  private let report: LabReport

  package init(_ report: LabReport) { self.report = report }

  package func text() -> String {
    var text = "# Results of the lab\n\n\(report.answer).\n\n"
    let own = report.photofinishFailures(forgetful: false)
    if own.requests > 0 {
      text +=
        "Photofinish, in all races in which it stood: \(Display.grouped(own.requests)) requests, \(own.failed) failed "
      text += "(without those that died with the server), \(own.twice) applied twice. "
      let forgotten = report.photofinishFailures(forgetful: true)
      if forgotten.requests > 0 {
        text += "Behind a middlebox that forgets connections, where nothing can be proved: "
        text += "\(Display.grouped(forgotten.requests)), \(forgotten.failed), \(forgotten.twice). "
      }
      text += "\n\n"
    }
    if let limits = report.limits { text += "\(limits).\n\n" }
    text += "```\n\(report.command)\n```\n\n"
    text += "\(Display.dateAndTime(report.began).prefix(10)), \(report.machine). "
    text += report.versions.map { "\($0.name) \($0.text)" }.joined(separator: ", ") + ".\n\n"
    if !report.loadText.isEmpty { text += report.loadText + "\n\n" }
    text += LabMarkdown.legend
    text += matrix()
    text += remedies()
    for section in report.sections { text += self.section(section.scenario, section.results) }
    return text
  }

  private static let legend = """
    A race: rounds of requests, sent all at once when the server is about to close the connections that they will use. So the figures \
    say what is lost in the worst moment, not in a day. *failed* is whatever was not answered with 2xx; behind it the interval in which \
    the share lies with a confidence of 95 %, as if each request had its own fate; those of one round (80 of 400) share much of it. *lost*: failed, and the server never read it. *twice*: read twice by the server. \
    *connections*: how many the server accepted for 1000 requests. *CPU*: of the proxy, for one request.


    """

  // MARK: The overview

  /// Failures per 1000 of each proxy and method, a column for each server: of the scenario with the most proxies.
  private func matrix() -> String {
    guard let overview = report.overview else { return "" }
    var text = "## \(overview.scenario.title)\n\nFailed per 1000.\n\n"
    text += "| proxy |" + overview.columns.map { " \($0.server), \($0.method) |" }.joined() + "\n"
    text += "|---|" + overview.columns.map { _ in "---:|" }.joined() + "\n"
    for row in overview.rows {
      text += "| \(row.proxy) |"
      for cell in row.cells {
        switch cell {
        case nil: text += " |"
        case let result?:
          text += result.measurement.map { " \(Display.decimal($0.failedPerThousand, digits: 1)) |" } ?? " not run |"
        }
      }
      text += "\n"
    }
    return text + "\n"
  }

  private func remedies() -> String {
    let remedies = LabRemedy.all(in: report)
    guard !remedies.isEmpty else { return "" }
    var text = "## Remedies, measured\n\n"
    text +=
      "Failures per 1000 and 99 % of the answers in the race; the rest in steady traffic, *added* being what the median "
    text += "rises by.\n\n"
    text +=
      "| server | remedy | failed, GET | failed, POST | twice | race, 99 % | median | added | 99 % | connections/s | CPU |\n"
    text += "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    for remedy in remedies {
      func failed(_ method: String) -> String {
        remedy.race(method).map { Display.decimal($0.failedPerThousand, digits: 1) } ?? ""
      }
      let steady = remedy.steady?.measurement
      let cells = [
        remedy.server, remedy.label, failed("GET"), failed("POST"), "\(remedy.appliedTwice)",
        remedy.raceLatency.map(Display.duration), steady.map { Display.duration($0.medianLatency) },
        remedy.addedLatency(to: remedies), steady?.highLatency.map(Display.duration),
        steady?.connectionsPerSecond.map { Display.decimal($0, digits: 1) },
        steady?.processorTimePerRequest.map(Display.duration),
      ]
      text += "| " + cells.map { $0 ?? "" }.joined(separator: " | ") + " |\n"
    }
    return text + "\n"
  }

  // MARK: Scenarios

  private func section(_ scenario: LabScenario, _ results: [LabResult]) -> String {
    var text = "## \(scenario.name): \(scenario.title)\n\n\(scenario.says.trimmed)\n\n"
    text += "| | run | sent | failed | per 1000 | lost | twice | median | 99 % | connections | CPU | how |\n"
    text += "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n"
    for result in results { text += row(result) }
    return text + "\n"
  }

  private func row(_ result: LabResult) -> String {
    let title = result.run.title.replacing(" > ", with: " → ").replacing("|", with: "\\|")
    guard let measured = result.measurement else {
      guard case .notRun(let reason) = result.outcome else { return "" }
      return "| not run | \(title) | | | | | | | | | | \(reason.replacing("|", with: "\\|")) |\n"
    }
    let interval = measured.failureInterval
    var mark = "as expected"
    var notes = measured.failureText()
    if case .differed(_, let differences) = result.outcome {
      mark = "**differed**"
      notes = (differences + [notes]).filter { !$0.isEmpty }.joined(separator: "; ")
    }
    var text = "| \(mark) | \(title) | \(measured.sent) | \(measured.failed) "
    text += "| \(Display.decimal(measured.failedPerThousand, digits: 1)) "
    text += "(\(Display.decimal(interval.low, digits: 0))–\(Display.decimal(interval.high, digits: 0))) "
    text += "| \(measured.lost) | \(measured.appliedTwice) | \(Display.duration(measured.medianLatency)) "
    text += "| \(measured.highLatency.map(Display.duration) ?? "") "
    text += "| \(measured.connectionsPerThousand.map { Display.decimal($0, digits: 0) } ?? "") "
    text += "| \(measured.processorTimePerRequest.map(Display.duration) ?? "") | \(notes) |\n"
    return text
  }
}

extension String {
  var trimmed: String {
    let start = drop(while: \.isWhitespace)
    return String(start.reversed().drop(while: \.isWhitespace).reversed())
  }
}

/// Proxies against servers and methods: of the scenario in which most proxies stand.
struct LabOverview {
  struct Column: Hashable {
    var server: String
    var method: String
  }

  struct Row {
    var proxy: String
    var cells: [LabResult?]
  }

  var scenario: LabScenario
  var columns: [Column]
  var rows: [Row]
}

extension LabReport {
  /// Nil when there is nothing to compare.
  var overview: LabOverview? {
    func proxies(_ results: [LabResult]) -> Int {
      Set(results.filter { $0.run.label == nil && $0.run.traffic == .race }.compactMap(\.run.proxy)).count
    }
    let candidates = sections.map { ($0.scenario, $0.results, proxies($0.results)) }
    guard let most = candidates.map(\.2).max(), most >= 3,
      let (scenario, results, _) = candidates.first(where: { $0.2 == most })
    else { return nil }
    var columns: [LabOverview.Column] = []
    var rows: [LabOverview.Row] = []
    for result in results where result.run.label == nil {
      let column = LabOverview.Column(server: result.run.server?.description ?? "none", method: result.run.method)
      if !columns.contains(column) { columns.append(column) }
    }
    columns.sort { ($0.server, $0.method) < ($1.server, $1.method) }
    for result in results where result.run.label == nil {
      guard let proxy = result.run.proxy?.description,
        let column = columns.firstIndex(
          of: LabOverview.Column(server: result.run.server?.description ?? "none", method: result.run.method))
      else { continue }
      if !rows.contains(where: { $0.proxy == proxy }) {
        rows.append(LabOverview.Row(proxy: proxy, cells: Array(repeating: nil, count: columns.count)))
      }
      if let row = rows.firstIndex(where: { $0.proxy == proxy }) { rows[row].cells[column] = result }
    }
    return LabOverview(scenario: scenario, columns: columns, rows: rows)
  }
}
