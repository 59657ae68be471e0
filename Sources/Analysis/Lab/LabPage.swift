internal import Core

/// The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
package struct LabPage {
  /// Small charts of idle gaps.
  private static let maximumGapCharts = 12

  private let report: LabReport

  package init(_ report: LabReport) { self.report = report }

  package func page() -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Photofinish lab: \(Self.escaped(report.answer))</title>
    <style>
    \(LabPage.style)
    </style>
    </head>
    <body>
    <header>
    <p class="mark">photofinish lab</p>
    <h1>\(Self.escaped(headline))</h1>
    \(facts())
    </header>
    <main>
    \(failures())
    \(gapCharts())
    \(latencies())
    \(remedies())
    \(report.sections.map { section($0.scenario, $0.results) }.joined())
    </main>
    </body>
    </html>

    """
  }

  private var headline: String {
    let own = report.photofinishFailures(forgetful: false)
    guard own.requests > 0 else { return report.answer }
    let failed = own.failed == 0 ? "none failed" : "\(own.failed) failed"
    let twice = own.twice == 0 ? "none was applied twice" : "\(own.twice) were applied twice"
    return "\(Display.grouped(own.requests)) requests through Photofinish in the race: \(failed), \(twice)"
  }

  private func facts() -> String {
    let versions = report.versions.map { "\($0.name) \($0.text)" }.joined(separator: ", ")
    return """
      <p class="\(report.differed > 0 ? "bad" : report.notRun > 0 ? "warn" : "good")">\(Self.escaped(report.answer)).</p>
      <p class="warn">\(Self.escaped(report.limits.map { "\($0)." } ?? ""))</p>
      <p class="sample">\(Display.dateAndTime(report.began).prefix(10)), \(Self.escaped(report.machine)).
      \(Self.escaped(versions)).</p>
      <pre>\(Self.escaped(report.command))</pre>
      <p class="sample">\(Self.escaped(report.loadText))</p>
      <p class="sample">In a race, rounds of requests leave all at once when the server is about to close the connections that
      they will use: the figures say what is lost in the worst moment, not in a day. <b>Lost</b>: failed, and the server never read
      it. <b>Twice</b>: read twice by the server. <b>Connections</b>: accepted by the server for 1000 requests. <b>CPU</b>: of the
      proxy, for one request.</p>
      """
  }

  // MARK: Charts

  private func isOurs(_ name: String) -> Bool { name.hasPrefix("photofinish") }

  /// A chart for each server of the overview.
  private func failures() -> String {
    guard let overview = report.overview else { return "" }
    var html = "<section>\n<h2>Failed requests by proxy and method</h2>\n"
    html += "<p class=\"legend\"><span class=\"key get\"></span>GET <span class=\"key post\"></span>POST, "
    html += "failures per 1000 requests in the race</p>\n<div class=\"wide\">\n"
    for server in Set(overview.columns.map(\.server)).sorted() {
      let methods = ["GET", "POST"]
      let places = methods.map { method in overview.columns.firstIndex { $0.server == server && $0.method == method } }
      let rows = overview.rows.compactMap { row -> (name: String, values: [Double?])? in
        let values = places.map { $0.flatMap { row.cells[$0]?.measurement?.failedPerThousand } }
        return values.allSatisfy { $0 == nil } ? nil : (row.proxy, values)
      }
      guard !rows.isEmpty else { continue }
      html += "<figure><figcaption>In front of \(Self.escaped(server))</figcaption>"
      html += LabChart.bars(
        rows, series: [("get", "GET"), ("post", "POST")], label: "failures per 1000 in front of \(server)",
        highlighted: isOurs)
      html += "</figure>\n"
    }
    return html + "</div>\n</section>\n"
  }

  private func gapCharts() -> String {
    let races = report.results.filter {
      $0.run.traffic == .race && $0.run.method != "GET" && ($0.measurement?.gaps.count ?? 0) > 2
    }
    let failing = races.filter { ($0.measurement?.failed ?? 0) > 0 && $0.run.path.forgetAfter == nil }
    let ours = races.filter { isOurs($0.run.proxy?.program ?? "") && ($0.measurement?.failed ?? 0) == 0 }
    let chosen =
      ours.prefix(2)
      + failing.sorted { ($0.measurement?.failed ?? 0) > ($1.measurement?.failed ?? 0) }
      .prefix(Self.maximumGapCharts - 2)
    guard !chosen.isEmpty else { return "" }
    var html = "<section>\n<h2>Failed requests by idle gap</h2>\n"
    html +=
      "<p class=\"legend\"><span class=\"key sent\"></span>sent <span class=\"key post\"></span>failed, by how long the "
    html += "connection had been idle; the dashed line is when the server closes it</p>\n<div class=\"charts\">\n"
    for result in chosen {
      guard let measurement = result.measurement else { continue }
      html += "<figure><figcaption>\(Self.escaped(shortTitle(result.run))) "
      html += "<small>\(measurement.failed) of \(measurement.sent)</small></figcaption>"
      html += LabChart.gaps(measurement.gaps, close: measurement.serverIdle, label: result.run.title) + "</figure>\n"
    }
    return html + "</div>\n</section>\n"
  }

  private func shortTitle(_ run: LabRun) -> String {
    "\(run.proxy?.description ?? "none") → \(run.server?.description ?? "none") \(run.method)"
  }

  private func latencies() -> String {
    guard let overview = report.overview,
      let column = overview.columns.firstIndex(where: { $0.method == "POST" }) ?? overview.columns.indices.first
    else { return "" }
    let rows = overview.rows.compactMap { row -> (name: String, median: Nanoseconds, high: Nanoseconds)? in
      guard let measurement = row.cells[column]?.measurement, let high = measurement.highLatency,
        measurement.answered > 0
      else { return nil }
      return (row.proxy, measurement.medianLatency, high)
    }
    guard !rows.isEmpty else { return "" }
    let place = overview.columns[column]
    var html = "<section>\n<h2>Latency of those that were answered</h2>\n"
    html +=
      "<p class=\"legend\"><span class=\"key get round\"></span>median, to the tick at 99 %; \(Self.escaped(place.method)) in front of "
    html +=
      "\(Self.escaped(place.server)), in the race. A new connection costs one round trip more.</p>\n<div class=\"wide\"><figure>"
    html += LabChart.latencies(rows, label: "latency by proxy", highlighted: isOurs)
    return html + "</figure></div>\n</section>\n"
  }

  // MARK: Tables

  private func remedies() -> String {
    let remedies = LabRemedy.all(in: report)
    guard !remedies.isEmpty else { return "" }
    var html =
      "<section>\n<h2>Remedies, measured</h2>\n<p class=\"sample\">Failures per 1000 and 99 % of the answers "
    html += "in the race; the rest in steady traffic, “added” being what the median rises by.</p>\n"
    html += "<div class=\"scroll\"><table><thead><tr><th>server</th><th>remedy</th><th class=\"n\">failed GET</th>"
    html +=
      "<th class=\"n\">failed POST</th><th class=\"n\">twice</th><th class=\"n\">race, 99 %</th><th class=\"n\">median</th>"
    html +=
      "<th class=\"n\">added</th><th class=\"n\">99 %</th><th class=\"n\">connections/s</th><th class=\"n\">CPU</th></tr></thead>\n<tbody>\n"
    for remedy in remedies {
      let steady = remedy.steady?.measurement
      html += "<tr><td>\(Self.escaped(remedy.server))</td><td>\(Self.escaped(remedy.label))</td>"
      for method in ["GET", "POST"] {
        let failed = remedy.race(method)?.failedPerThousand
        let tone = (failed ?? 0) > 0 ? " bad" : ""
        html += "<td class=\"n\(tone)\">\(failed.map { Display.decimal($0, digits: 1) } ?? "")</td>"
      }
      html += "<td class=\"n\(remedy.appliedTwice > 0 ? " bad" : "")\">\(remedy.appliedTwice)</td>"
      for text in [
        remedy.raceLatency.map(Display.duration), steady.map { Display.duration($0.medianLatency) },
        remedy.addedLatency(to: remedies), steady?.highLatency.map(Display.duration),
        steady?.connectionsPerSecond.map { Display.decimal($0, digits: 1) },
        steady?.processorTimePerRequest.map(Display.duration),
      ] { html += "<td class=\"n\">\(text ?? "")</td>" }
      html += "</tr>\n"
    }
    return html + "</tbody></table></div>\n</section>\n"
  }

  private func section(_ scenario: LabScenario, _ results: [LabResult]) -> String {
    var html = "<section id=\"\(Self.escaped(scenario.name))\">\n<h2>\(Self.escaped(scenario.title))</h2>\n"
    html +=
      "<p class=\"sample\"><code>\(Self.escaped(scenario.name))</code></p>\n<p>\(Self.escaped(scenario.says.trimmed))</p>\n"
    html +=
      "<div class=\"scroll\"><table><thead><tr><th></th><th>proxy</th><th>server</th><th>method</th><th class=\"n\">sent</th>"
    html +=
      "<th class=\"n\">failed</th><th class=\"n\">per 1000</th><th class=\"n\">lost</th><th class=\"n\">twice</th>"
    html +=
      "<th class=\"n\">median</th><th class=\"n\">99 %</th><th class=\"n\">connections</th><th class=\"n\">CPU</th>"
    html += "<th>how they failed</th></tr></thead>\n<tbody>\n"
    for result in results { html += row(result) }
    return html + "</tbody></table></div>\n</section>\n"
  }

  private func row(_ result: LabResult) -> String {
    let run = result.run
    let name = [run.proxy?.description ?? "none", run.isGuarded ? "photofinish" : nil].compactMap { $0 }.joined(
      separator: " → ")
    let label = run.label.map { "<br><small>\(Self.escaped($0))</small>" } ?? ""
    let titles =
      "<td>\(Self.escaped(name))\(label)</td><td>\(Self.escaped(run.server?.description ?? "none"))</td><td>\(run.method)</td>"
    let mark: String
    var notes: String
    switch result.outcome {
    case .notRun(let reason):
      return
        "<tr class=\"warn\"><td title=\"not run\">–</td>\(titles)<td colspan=\"10\">not run: \(Self.escaped(reason))</td></tr>\n"
    case .asExpected(let measurement):
      mark = "<td class=\"good\" title=\"as expected\">✓</td>"
      notes = Self.escaped(measurement.failureText())
    case .differed(let measurement, let differences):
      mark = "<td class=\"bad\" title=\"differed\">✗</td>"
      notes =
        "<b class=\"bad\">\(Self.escaped(differences.joined(separator: "; ")))</b> \(Self.escaped(measurement.failureText()))"
    }
    guard let measured = result.measurement else { return "" }
    let interval = measured.failureInterval
    let bounds = "95 %: \(Display.decimal(interval.low, digits: 1)) to \(Display.decimal(interval.high, digits: 1))"
    let tone = measured.failed > 0 ? " bad" : ""
    var html = "<tr>\(mark)\(titles)<td class=\"n\">\(Display.grouped(measured.sent))</td>"
    html += "<td class=\"n\(tone)\">\(measured.failed)</td>"
    html += "<td class=\"n\(tone)\" title=\"\(bounds)\">\(Display.decimal(measured.failedPerThousand, digits: 1))</td>"
    html +=
      "<td class=\"n\">\(measured.lost)</td><td class=\"n\(measured.appliedTwice > 0 ? " bad" : "")\">\(measured.appliedTwice)</td>"
    for text in [
      Display.duration(measured.medianLatency), measured.highLatency.map(Display.duration),
      measured.connectionsPerThousand.map { Display.decimal($0, digits: 0) },
      measured.processorTimePerRequest.map(Display.duration),
    ] as [String?] { html += "<td class=\"n\">\(text ?? "")</td>" }
    return html + "<td>\(notes)</td></tr>\n"
  }

  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }

  private static let style = """
    :root { --ground: #ffffff; --ink: #1b1f24; --faint: #5b6470; --line: #dfe3e8; --soft: #f4f6f8; --bad: #b3261e;
      --warn: #8a5a00; --good: #1a6b33; --get: #1f5fa8; --post: #d0482f; --sent: #c9d1da; }
    @media (prefers-color-scheme: dark) {
      :root { --ground: #14171a; --ink: #e4e8ec; --faint: #98a2ad; --line: #2c333a; --soft: #1c2126; --bad: #ff8a80;
        --warn: #ffc252; --good: #6fd48b; --get: #7db7f5; --post: #ff7a5c; --sent: #3d4650; }
    }
    * { box-sizing: border-box; }
    body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
      font: 16px/1.5 system-ui, sans-serif; }
    header, section > p, section > h2 { max-width: 60rem; }
    h1 { font-size: 1.6rem; line-height: 1.3; margin: .2rem 0 .6rem; text-wrap: balance; }
    h2 { font-size: 1.15rem; margin: 0 0 .3rem; }
    .mark { margin: 0; color: var(--faint); letter-spacing: .06em; text-transform: uppercase; font-size: .75rem; }
    .sample, .legend, small { color: var(--faint); font-size: .85rem; font-weight: normal; }
    .sample, .legend { margin: .3rem 0; }
    pre { background: var(--soft); padding: .6rem .9rem; border-radius: .4rem; overflow-x: auto; font-size: .85rem; white-space: pre-wrap; }
    code, pre { font-family: ui-monospace, monospace; }
    .bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
    section { margin: 2.2rem 0 0; padding-top: 1.1rem; border-top: 1px solid var(--line); }
    .wide { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(32rem, 100%), 1fr)); gap: 1.2rem 2rem; }
    .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.2rem 1.6rem; margin-top: .8rem; }
    figure { margin: 0; max-width: 46rem; break-inside: avoid; } figcaption { font-size: .85rem; margin-bottom: .3rem; }
    svg { width: 100%; height: auto; display: block; overflow: visible; }
    svg text { fill: var(--faint); font: 11.5px system-ui, sans-serif; }
    svg text.strong { fill: var(--ink); font-weight: 700; } svg text.value { fill: var(--ink); font-size: 10.5px; }
    .get { fill: var(--get); } .post { fill: var(--post); } .sent { fill: var(--sent); }
    .axis { stroke: var(--line); } .base { stroke: var(--faint); } .span { stroke: var(--get); stroke-width: 2; opacity: .6; }
    .tick { stroke: var(--get); stroke-width: 2; } .close { stroke: var(--ink); stroke-dasharray: 3 3; }
    .key { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; vertical-align: -.08rem; margin: 0 .3rem 0 .5rem; }
    .key:first-child { margin-left: 0; } .key.round { border-radius: 50%; }
    .key.get { background: var(--get); } .key.post { background: var(--post); } .key.sent { background: var(--sent); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; }
    th, td { text-align: left; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
    th { color: var(--faint); font-weight: normal; white-space: nowrap; } .n { text-align: right; white-space: nowrap; }
    @media print {
      :root { --ground: #ffffff; --ink: #000000; --faint: #444444; --line: #cccccc; --soft: #f4f4f4; --bad: #9b1c14; --good: #145226;
        --get: #1f5fa8; --post: #d0482f; --sent: #c9d1da; }
      body { max-width: none; font-size: 11px; padding: 0; } table { font-size: 8.5px; } th, td { padding-right: .4rem; }
      tr, figure { break-inside: avoid; } h2 { break-after: avoid; } .scroll { overflow: visible; }
      .get, .post, .sent, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
    }
    """
}
