import Core

/// The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
package struct LogHTMLReport {
  private static let maximumRows = 2_000

  private let report: LogReport
  private let text: LogTextReport

  package init(_ report: LogReport) {
    self.report = report
    text = LogTextReport(report, ink: Ink(isColoured: false))
  }

  package func page() -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Photofinish: \(escaped(text.answer))</title>
    <style>
    \(HTMLStyle.text)
    .bar.lost { fill: var(--bad); } td.number { text-align: right; padding-right: 1rem; } td code { overflow-wrap: anywhere; }
    .labels { display: flex; justify-content: space-between; color: var(--faint); font-size: .75rem; }
    .scale { position: relative; height: 1.2rem; color: var(--faint); font-size: .75rem; }
    .scale span { position: absolute; transform: translateX(-50%); }
    .scale span:first-child { transform: none; } .scale span:last-child { right: 0; transform: none; }
    dl { margin-bottom: 1rem; } th, td { white-space: nowrap; }
    td.request, td.why { white-space: normal; min-width: 14rem; } figure svg { height: auto; }
    </style>
    </head>
    <body>
    <header>
    <p class="mark">photofinish logs</p>
    <h1 class="\(tone)">\(escaped(text.answer))</h1>
    \(sample())
    </header>
    <main>
    \(kinds())
    \(remedy())
    \(hours())
    \(servers())
    \(table())
    </main>
    </body>
    </html>

    """
  }

  private var tone: String {
    if report.races > 0 { return "bad" }
    return report.total + report.unexplained > 0 ? "warn" : "good"
  }

  private func sample() -> String {
    let tally = report.tally
    var line = Display.count(tally.requests, "request")
    if tally.first <= tally.last {
      line += ", \(Display.dateAndTime(Instant(nanoseconds: tally.first))) to "
      line += Display.dateAndTime(Instant(nanoseconds: tally.last))
    }
    var html = "<p class=\"sample\">\(escaped(line))</p>\n<p class=\"sample\">"
    for file in report.files.prefix(50) {
      let sources = file.sources.isEmpty ? "no known format" : file.sources.map(\.title).joined(separator: ", ")
      html +=
        "<code>\(escaped(Display.printable(file.name.utf8)))</code>: \(Display.count(file.lines, "line")), \(escaped(sources))"
      if file.unknownLines > 0 { html += ", \(Display.grouped(file.unknownLines)) not understood" }
      if let problem = file.problem {
        html += ", <span class=\"warn\">\(escaped(Display.printable(problem.utf8)))</span>"
      }
      html += "<br>"
    }
    if report.files.count > 50 { html += "and \(report.files.count - 50) more files" }
    return html + "</p>\n"
  }

  private func kinds() -> String {
    var html = "<section class=\"kinds\">\n"
    for kind in LogClass.allCases where report.count(kind) > 0 {
      let tone = kind == .race ? "bad" : kind == .repaired ? "warn" : "plain"
      html += "<div class=\"kind \(tone)\"><b>\(Display.grouped(report.count(kind)))</b><code>\(kind.rawValue)</code>"
      html += "<span>\(escaped(kind.title))</span></div>\n"
    }
    if report.unexplained > 0 {
      html += "<div class=\"kind plain\"><b>\(Display.grouped(report.unexplained))</b><code>unexplained</code>"
      html += "<span>the format does not say what failed</span></div>\n"
    }
    return html + "</section>\n"
  }

  private func remedy() -> String {
    let lines = text.remedy
    guard !lines.isEmpty else { return "" }
    return "<p class=\"remedy\"><b>Remedy.</b> \(lines.map(withCode).joined(separator: "<br>"))</p>\n"
  }

  /// What stands between backticks is code.
  private func withCode(_ line: String) -> String {
    var html = ""
    for (index, part) in line.split(separator: "`", omittingEmptySubsequences: false).enumerated() {
      html += index % 2 == 1 ? "<code>\(escaped(String(part)))</code>" : escaped(String(part))
    }
    return html
  }

  // MARK: - Charts

  private func hours() -> String {
    let hours = report.hours.suffix(24 * 14)
    guard hours.count > 1, let first = hours.first?.hour, let last = hours.last?.hour else { return "" }
    let span = Double(last - first + 1)
    let step = 720 / span
    var html = "<section>\n<h2>By hour</h2>\n<div class=\"charts\">\n"
    let charts: [(String, String, (LogTally.Hour) -> Int)] = [
      ("Lost to the race", "bar lost", { $0.races }), ("All failures", "bar", { $0.failures }),
      ("Requests", "bar", { $0.requests }),
    ]
    for (title, style, value) in charts {
      let top = hours.map { value($0.figures) }.max() ?? 0
      guard top > 0 else { continue }
      html += "<figure><figcaption>\(title) <small>(most: \(Display.grouped(top)))</small></figcaption>"
      html += "<svg viewBox=\"0 0 720 202\" role=\"img\" aria-label=\"\(title) by hour\">"
      for hour in hours where value(hour.figures) > 0 {
        let size = max(1, Double(value(hour.figures)) / Double(top) * 190)
        let x = Double(hour.hour - first) * step
        html +=
          "<rect class=\"\(style)\" x=\"\(number(x))\" y=\"\(number(200 - size))\" width=\"\(number(max(1, step - 4)))\""
        html += " height=\"\(number(size))\"><title>\(time(hour.hour)): \(value(hour.figures))</title></rect>"
      }
      html += "<line class=\"axis\" x1=\"0\" x2=\"720\" y1=\"201\" y2=\"201\"/></svg>"
      html += labels([time(first), time(last)]) + "</figure>\n"
    }
    return html + "</div>\n</section>\n"
  }

  private func time(_ hour: Int64) -> String {
    String(Display.dateAndTime(Instant(nanoseconds: hour * 3_600_000_000_000)).prefix(16)) + "Z"
  }

  private func servers() -> String {
    var html = ""
    for server in report.servers.prefix(24) where server.failures > 0 {
      html += "<section>\n<h2>Server <code>\(escaped(server.name))</code></h2>\n<dl>\n"
      func row(_ term: String, _ value: String) { html += "<div><dt>\(term)</dt><dd>\(escaped(value))</dd></div>\n" }
      row("requests", Display.grouped(server.requests))
      for kind in LogClass.allCases where server.count(kind) > 0 {
        row(kind.rawValue, Display.grouped(server.count(kind)))
      }
      if let estimate = server.estimate {
        row(
          "idle timeout",
          "about \(Display.duration(estimate.timeout)): \(estimate.count) of \(estimate.total) failures "
            + "\(Display.duration(estimate.earliest)) to \(Display.duration(estimate.latest)) after the request before "
            + "(\(estimate.confidence.rawValue) confidence)")
      }
      if let match = server.defaultMatch { row("default", match.text) }
      html += "</dl>\n" + gaps(server) + "</section>\n"
    }
    return html
  }

  /// The time since the previous request, with the failures in it.
  private func gaps(_ server: LogReport.Server) -> String {
    let bars = server.gaps.bars(limit: 24)
    guard let last = bars.last, let top = bars.map(\.count).max(), top > 0 else { return "" }
    let step = 720 / Double(bars.count)
    var svg = "<figure><figcaption>Time since the previous request to it "
    svg += "<small>(all \(Display.grouped(server.gaps.count)) above, those lost below)</small></figcaption>"
    svg += "<svg viewBox=\"0 0 720 166\" role=\"img\" aria-label=\"time since the previous request\">"
    let losses = bars.map { server.raceGaps.count(atLeast: $0.from) - server.raceGaps.count(atLeast: $0.to) }
    let most = max(1, losses.max() ?? 1)
    for (index, bar) in bars.enumerated() {
      let x = number(Double(index) * step + 1)
      let width = number(max(1, step - 2))
      let size = Double(bar.count) / Double(top) * 88
      svg += "<rect class=\"bar\" x=\"\(x)\" y=\"\(number(100 - size))\" width=\"\(width)\" height=\"\(number(size))\">"
      svg += "<title>\(Display.duration(bar.from)) to \(Display.duration(bar.to)): \(bar.count)</title></rect>"
      guard losses[index] > 0 else { continue }
      svg += "<rect class=\"bar lost\" x=\"\(x)\" y=\"102\" width=\"\(width)\" "
      svg += "height=\"\(number(Double(losses[index]) / Double(most) * 60))\"><title>\(Display.duration(bar.from)) to "
      svg += "\(Display.duration(bar.to)): \(losses[index]) lost</title></rect>"
    }
    svg += "<line class=\"axis\" x1=\"0\" x2=\"720\" y1=\"101\" y2=\"101\"/>"
    return svg + "</svg>" + scale(bars.map(\.from) + [last.to]) + "</figure>\n"
  }

  /// About six of the bounds of the bars, each below its place.
  private func scale(_ bounds: [Nanoseconds]) -> String {
    let count = bounds.count - 1
    let every = max(1, (count + 5) / 6)
    var html = "<div class=\"scale\">"
    for index in stride(from: 0, to: count, by: every) where index == 0 || count - index >= every {
      let place = number(Double(index) * 100 / Double(count))
      html += "<span style=\"left: \(place)%\">\(bound(bounds[index]))</span>"
    }
    return html + "<span>\(bound(bounds[count]))</span></div>"
  }

  private func bound(_ time: Nanoseconds) -> String { time == .zero ? "0" : Display.duration(time) }

  /// Below a chart, in letters of the page's size however wide the chart is.
  private func labels(_ texts: [String]) -> String {
    "<div class=\"labels\">" + texts.map { "<span>\(escaped($0))</span>" }.joined() + "</div>"
  }

  private func number(_ value: Double) -> String { Display.decimal(value, digits: 1) }

  // MARK: - Failures

  private func table() -> String {
    guard !report.failures.isEmpty else { return "" }
    var html = "<section>\n<h2>Failures</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>time</th><th>class</th>"
    html += "<th>confidence</th><th>request</th><th>server</th><th>status</th><th>after</th><th>idle</th><th>why</th>"
    html += "<th>line</th></tr></thead>\n<tbody>\n"
    for failure in report.failures.prefix(LogHTMLReport.maximumRows) {
      let row = report.row(failure)
      let tone = failure.kind == .race ? "bad" : failure.kind == .repaired ? "warn" : "plain"
      html +=
        "<tr><td>\(row.time ?? "")</td><td class=\"\(tone)\"><code>\(row.kind)</code></td><td>\(row.confidence)</td>"
      html +=
        "<td class=\"request\"><code>\(escaped(row.method)) \(escaped(row.target))</code></td><td>\(escaped(row.server ?? ""))</td>"
      html += "<td>\(row.status.map(String.init) ?? "")</td><td>\(row.duration.map(Display.duration) ?? "")</td>"
      html += "<td>\(row.gap.map(Display.duration) ?? "")</td><td class=\"why\">\(escaped(row.reason))</td>"
      html += "<td>\(escaped(row.file)):\(row.line)</td></tr>\n"
    }
    html += "</tbody></table></div>\n"
    if report.failures.count > LogHTMLReport.maximumRows {
      html += "<p>\(Display.grouped(report.failures.count - LogHTMLReport.maximumRows)) more are not shown.</p>\n"
    }
    return html + "</section>\n"
  }

  private func escaped(_ text: String) -> String { HTMLPage.escaped(text) }
}
