internal import Core

/// The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
package struct LabPage {
  /// Small charts of idle gaps.
  private static let maximumGapCharts = 12

  private let report: LabReport

  package init(_ report: LabReport) { self.report = report }

  package func page() -> String {
    HTMLPage(
      title: "Photofinish lab: \(report.answer)", mark: "photofinish lab", style: LabPage.style,
      header: "<h1>\(HTMLPage.escaped(headline))</h1>\n\(facts())",
      main: [
        failures(), gapCharts(), latencies(), remedies(),
        report.sections.map { section($0.scenario, $0.results) }.joined(),
      ].joined(separator: "\n")
    ).text()
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
      <p class="\(report.differed > 0 ? "bad" : report.notRun > 0 ? "warn" : "good")">\(HTMLPage.escaped(report.answer)).</p>
      <p class="warn">\(HTMLPage.escaped(report.limits.map { "\($0)." } ?? ""))</p>
      <p class="sample">\(Display.dateAndTime(report.began).prefix(10)), \(HTMLPage.escaped(report.machine)).
      \(HTMLPage.escaped(versions)).</p>
      <pre>\(HTMLPage.escaped(report.command))</pre>
      <p class="sample">\(HTMLPage.escaped(report.loadText))</p>
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
      html += "<figure><figcaption>In front of \(HTMLPage.escaped(server))</figcaption>"
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
      html += "<figure><figcaption>\(HTMLPage.escaped(shortTitle(result.run))) "
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
      "<p class=\"legend\"><span class=\"key get round\"></span>median, to the tick at 99 %; \(HTMLPage.escaped(place.method)) in front of "
    html +=
      "\(HTMLPage.escaped(place.server)), in the race. A new connection costs one round trip more.</p>\n<div class=\"wide\"><figure>"
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
      html += "<tr><td>\(HTMLPage.escaped(remedy.server))</td><td>\(HTMLPage.escaped(remedy.label))</td>"
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
    var html = "<section id=\"\(HTMLPage.escaped(scenario.name))\">\n<h2>\(HTMLPage.escaped(scenario.title))</h2>\n"
    html +=
      "<p class=\"sample\"><code>\(HTMLPage.escaped(scenario.name))</code></p>\n<p>\(HTMLPage.escaped(scenario.says.trimmed))</p>\n"
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
    let label = run.label.map { "<br><small>\(HTMLPage.escaped($0))</small>" } ?? ""
    let titles =
      "<td>\(HTMLPage.escaped(name))\(label)</td><td>\(HTMLPage.escaped(run.server?.description ?? "none"))</td><td>\(run.method)</td>"
    let mark: String
    var notes: String
    switch result.outcome {
    case .notRun(let reason):
      return
        "<tr class=\"warn\"><td title=\"not run\">–</td>\(titles)<td colspan=\"10\">not run: \(HTMLPage.escaped(reason))</td></tr>\n"
    case .asExpected(let measurement):
      mark = "<td class=\"good\" title=\"as expected\">✓</td>"
      notes = HTMLPage.escaped(measurement.failureText())
    case .differed(let measurement, let differences):
      mark = "<td class=\"bad\" title=\"differed\">✗</td>"
      notes =
        "<b class=\"bad\">\(HTMLPage.escaped(differences.joined(separator: "; ")))</b> \(HTMLPage.escaped(measurement.failureText()))"
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

  private static let style = """
    :root { --get: #1f5fa8; --post: #d0482f; --sent: #c9d1da; }
    @media (prefers-color-scheme: dark) { :root { --get: #7db7f5; --post: #ff7a5c; --sent: #3d4650; } }
    body { max-width: 76rem; }
    header, section > p, section > h2 { max-width: 60rem; }
    .legend { color: var(--faint); font-size: .85rem; }
    .sample, .legend { margin: .3rem 0; }
    pre { background: var(--soft); padding: .6rem .9rem; border-radius: .4rem; overflow-x: auto; font-size: .85rem;
      white-space: pre-wrap; }
    .wide { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(32rem, 100%), 1fr)); gap: 1.2rem 2rem; }
    figure { max-width: 46rem; break-inside: avoid; }
    svg { overflow: visible; }
    svg text { font-size: 11.5px; }
    svg text.strong { fill: var(--ink); font-weight: 700; } svg text.value { fill: var(--ink); font-size: 10.5px; }
    .get { fill: var(--get); } .post { fill: var(--post); } .sent { fill: var(--sent); }
    .base { stroke: var(--faint); } .span { stroke: var(--get); stroke-width: 2; opacity: .6; }
    .tick { stroke: var(--get); stroke-width: 2; } .close { stroke: var(--ink); stroke-dasharray: 3 3; }
    .key { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; vertical-align: -.08rem;
      margin: 0 .3rem 0 .5rem; }
    .key:first-child { margin-left: 0; } .key.round { border-radius: 50%; }
    .key.get { background: var(--get); } .key.post { background: var(--post); } .key.sent { background: var(--sent); }
    table { font-size: .84rem; font-variant-numeric: tabular-nums; }
    th { white-space: nowrap; } .n { text-align: right; white-space: nowrap; }
    @media print {
      :root { --ground: #ffffff; --ink: #000000; --faint: #444444; --line: #cccccc; --soft: #f4f4f4; --bad: #9b1c14;
        --good: #145226; --get: #1f5fa8; --post: #d0482f; --sent: #c9d1da; }
      body { font-size: 11px; padding: 0; } table { font-size: 8.5px; } th, td { padding-right: .4rem; }
      tr, figure { break-inside: avoid; } h2 { break-after: avoid; } .scroll { overflow: visible; }
      .get, .post, .sent, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
    }
    """
}
