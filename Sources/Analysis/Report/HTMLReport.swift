import Core

/// The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
package struct HTMLReport {
  /// Findings that are drawn; the others are in the table only.
  private static let maximumLadders = 50
  private static let maximumRows = 2_000
  private static let maximumServers = 24
  private static let openServers = 4

  private let report: CaptureReport
  private let text: TextReport

  package init(_ report: CaptureReport) {
    self.report = report
    text = TextReport(report, ink: Ink(isColoured: false))
  }

  package func page() -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Photofinish: \(escaped(plainAnswer))</title>
    <style>
    \(HTMLReport.style)
    </style>
    </head>
    <body>
    <header>
    <p class="mark">photofinish capture</p>
    <h1 class="\(tone)">\(escaped(plainAnswer))</h1>
    \(gateways())
    \(sample())
    \(contents())
    </header>
    <main>
    \(kinds())
    \(table())
    \(details())
    \(servers())
    </main>
    </body>
    </html>

    """
  }

  private var plainAnswer: String { text.answer }

  private var tone: String {
    if report.races > 0 { return "bad" }
    let isOpen = report.counts.requests == 0 || report.obstacle != nil || report.unexplainedGatewayAnswers > 0
    return report.total > 0 || isOpen ? "warn" : "good"
  }

  private func gateways() -> String {
    report.gatewayLines.map { "<p class=\"warn\">\(escaped($0)).</p>\n" }.joined()
  }

  private func sample() -> String {
    let counts = report.counts
    var line =
      "\(Display.count(counts.frames, "frame")), \(Display.count(counts.connections, "connection")), "
      + "\(Display.count(counts.requests, "request")) (\(Display.grouped(counts.reused)) on reused connections)"
    if let first = counts.first, let last = counts.last {
      line += ", \(Display.dateAndTime(first)), over \(Display.duration(last.since(first)))"
    }
    var html = "<p class=\"sample\">\(escaped(line)).<br>Taken at: <b>\(report.vantage.rawValue)</b>. "
    html += "\(escaped(report.vantage.limits))</p>\n"
    for text in report.unreadTexts { html += "<p class=\"warn\">Not read: \(escaped(text)).</p>\n" }
    if let text = report.oneDirectionText { html += "<p class=\"warn\">\(escaped(text)).</p>\n" }
    for file in report.files {
      if let problem = file.problem { html += "<p class=\"warn\">\(escaped(file.name)): \(escaped(problem))</p>\n" }
      if let dropped = file.dropped, dropped > 0 {
        html += "<p class=\"warn\">\(escaped(file.name)): the capturing program dropped \(dropped) packets</p>\n"
      }
    }
    return html
  }

  /// Where the parts of a long page are.
  private func contents() -> String {
    guard !report.findings.isEmpty, !shownServers.isEmpty else { return "" }
    return "<p><a href=\"#findings\">Findings</a> (\(Display.grouped(report.total))), "
      + "<a href=\"#servers\">servers</a> (\(shownServers.count))</p>"
  }

  private func kinds() -> String {
    let found = FindingKind.allCases.filter { report.count($0) > 0 }
    guard !found.isEmpty else { return "" }
    var html = "<section class=\"kinds\">\n"
    for kind in found {
      let tone = kind.isRace ? "bad" : kind.isReuseFailure ? "warn" : "plain"
      html += "<div class=\"kind \(tone)\"><b>\(Display.grouped(report.count(kind)))</b><code>\(kind.rawValue)</code>"
      html += "<span>\(escaped(kind.title))</span></div>\n"
    }
    return html + "</section>\n"
  }

  // MARK: - Servers

  private var shownServers: [ServerStatistics] {
    report.servers.prefix(HTMLReport.maximumServers).filter { $0.requests > 0 || $0.failures > 0 }
  }

  /// The first are open; a reader with thirty servers opens the others as needed.
  private func servers() -> String {
    let shown = shownServers
    guard !shown.isEmpty else { return "" }
    let (open, folded) = (shown.prefix(HTMLReport.openServers), shown.dropFirst(HTMLReport.openServers))
    var html = "<div id=\"servers\">\n" + open.map(self.server).joined()
    if !folded.isEmpty {
      html += "<details>\n<summary>\(Display.count(folded.count, "more server"))</summary>\n"
      html += folded.map(self.server).joined() + "</details>\n"
    }
    return html + "</div>\n"
  }

  private func server(_ server: ServerStatistics) -> String {
    var html = ""
    html += "<section>\n<h2>Server <code>\(server.server)</code></h2>\n<dl>\n"
    func row(_ term: String, _ value: String) { html += "<div><dt>\(term)</dt><dd>\(escaped(value))</dd></div>\n" }
    row("connections", Display.grouped(server.connections))
    row("requests", "\(Display.grouped(server.requests)), \(Display.grouped(server.reused)) on reused connections")
    row("lost to reuse", Display.grouped(server.failures))
    if let estimate = server.estimate {
      row(
        "idle timeout",
        "\(Display.duration(estimate.timeout)) (seen \(Display.duration(estimate.earliest)) to "
          + "\(Display.duration(estimate.latest)), \(Display.count(estimate.samples, "close")), \(estimate.trust.rawValue) confidence)"
      )
      row("hold idle connections at most", Display.duration(estimate.recommendedHold))
      if let risk = server.requestsAtRisk { row("requests beyond that hold", Display.grouped(risk)) }
    }
    if let timeout = server.advertisedTimeout { row("advertised", "Keep-Alive: timeout=\(timeout)") }
    if let age = server.survived { row("longest survived idle time", Display.duration(age)) }
    if let age = server.clientTimeout { row("clients close at about", Display.duration(age)) }
    html += "</dl>\n<div class=\"charts\">\n"
    html += histogram(
      "Idle age at the server's own closes", server.serverCloses, line: server.estimate?.recommendedHold)
    html += histogram("Idle age at reuse", server.reuseAges, line: server.estimate?.recommendedHold)
    html += histogram("Idle age at the clients' closes", server.clientCloses, line: nil)
    html += hours(server)
    return html + "</div>\n</section>\n"
  }

  private func histogram(_ title: String, _ ages: AgeHistogram, line: Nanoseconds?) -> String {
    let bars = ages.bars(limit: 24)
    guard let first = bars.first, let last = bars.last, let top = bars.map(\.count).max(), top > 0 else { return "" }
    guard bars.count > 1 else {
      // One bar says no more than one number.
      let (least, greatest) = (Display.duration(ages.least ?? first.from), Display.duration(ages.greatest ?? last.to))
      let range = least == greatest ? least : "\(least) to \(greatest)"
      return
        "<p class=\"single\">\(escaped(title)): <b>\(range)</b> <small>(\(Display.grouped(ages.count)))</small></p>\n"
    }
    let (width, height, base) = (360.0, 130.0, 100.0)
    let step = min(45, width / Double(bars.count))
    var svg = "<figure><figcaption>\(escaped(title)) <small>(\(Display.grouped(ages.count)))</small></figcaption>"
    svg += "<svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" aria-label=\"\(escaped(title))\">"
    for (index, bar) in bars.enumerated() {
      let size = Double(bar.count) / Double(top) * 88
      let x = number(Double(index) * step + 1)
      svg += "<rect class=\"bar\" x=\"\(x)\" y=\"\(number(base - size))\" width=\"\(number(max(1, step - 2)))\""
      svg += " height=\"\(number(size))\"><title>\(Display.duration(bar.from)) to \(Display.duration(bar.to)): "
      svg += "\(bar.count)</title></rect>"
    }
    if let line, line > .zero, let index = bars.firstIndex(where: { $0.to > line }), line >= first.from {
      let bar = bars[index]
      let part = Double(line.count - bar.from.count) / Double(max(1, bar.to.count - bar.from.count))
      let x = number((Double(index) + min(max(part, 0), 1)) * step)
      svg += "<line class=\"hold\" x1=\"\(x)\" x2=\"\(x)\" y1=\"4\" y2=\"\(number(base))\"/>"
      svg += "<text class=\"hold\" x=\"\(x)\" y=\"10\" dx=\"3\">hold</text>"
    }
    svg += "<line class=\"axis\" x1=\"0\" x2=\"\(Int(width))\" y1=\"\(number(base))\" y2=\"\(number(base))\"/>"
    svg += "<text x=\"0\" y=\"118\">\(Display.duration(first.from))</text>"
    svg += "<text x=\"\(Int(width))\" y=\"118\" text-anchor=\"end\">\(Display.duration(last.to))</text>"
    svg += "<text x=\"\(Int(width))\" y=\"10\" text-anchor=\"end\">most: \(top)</text>"
    return svg + "</svg></figure>\n"
  }

  private func hours(_ server: ServerStatistics) -> String {
    let hours = server.hours.sorted { $0.key < $1.key }
    guard hours.count > 1, let first = hours.first, let last = hours.last else { return "" }
    let top = hours.map(\.value.failures).max() ?? 0
    let span = Double(last.key - first.key + 1)
    let step = 360 / span
    var svg = "<figure><figcaption>Lost to reuse, by hour</figcaption><svg viewBox=\"0 0 360 130\" role=\"img\">"
    for (hour, value) in hours where value.failures > 0 {
      let size = Double(value.failures) / Double(max(1, top)) * 88
      svg += "<rect class=\"bar bad\" x=\"\(number(Double(hour - first.key) * step))\" y=\"\(number(100 - size))\" "
      svg += "width=\"\(number(max(1, step - 1)))\" height=\"\(number(size))\"><title>"
      svg +=
        "\(Display.dateAndTime(Instant(nanoseconds: hour * 3_600_000_000_000))): \(value.failures) of \(value.requests)"
      svg += "</title></rect>"
    }
    svg += "<line class=\"axis\" x1=\"0\" x2=\"360\" y1=\"100\" y2=\"100\"/>"
    return svg + "</svg></figure>\n"
  }

  // MARK: - Findings

  private func table() -> String {
    guard !report.findings.isEmpty else { return "" }
    var html =
      "<section id=\"findings\">\n<h2>Findings</h2>\n<table>\n<thead><tr><th>#</th><th>time</th><th>kind</th>"
    html += "<th>confidence</th><th>frame</th><th>stream</th><th>what happened</th></tr></thead>\n<tbody>\n"
    for finding in report.findings.prefix(HTMLReport.maximumRows) {
      let kind = finding.finding.kind
      let tone = kind.isRace ? "bad" : kind.isReuseFailure ? "warn" : "plain"
      let number = finding.number
      let link = number <= HTMLReport.maximumLadders ? "<a href=\"#f\(number)\">\(number)</a>" : String(number)
      html +=
        "<tr><td>\(link)</td><td>\(Display.timeOfDay(finding.time))</td><td class=\"\(tone)\"><code>\(kind.rawValue)"
      html += "</code></td><td>\(finding.finding.confidence.rawValue)</td><td class=\"frame\">\(finding.frame)</td>"
      html += "<td class=\"stream\">\(finding.connection)</td>"
      html += "<td class=\"what\">\(escaped(finding.finding.summary))</td></tr>\n"
    }
    html += "</tbody></table>\n"
    if report.total > HTMLReport.maximumRows {
      html += "<p>\(Display.grouped(report.total - HTMLReport.maximumRows)) more are not shown.</p>\n"
    }
    return html + "</section>\n"
  }

  private func details() -> String {
    var html = ""
    for finding in report.findings.prefix(HTMLReport.maximumLadders) { html += detail(finding) }
    return html
  }

  private func detail(_ finding: CaptureFinding) -> String {
    let found = finding.finding
    let tone = found.kind.isRace ? "bad" : found.kind.isReuseFailure ? "warn" : "plain"
    var html =
      "<section id=\"f\(finding.number)\">\n<h2>#\(finding.number) <code class=\"\(tone)\">\(found.kind.rawValue)</code> "
    html += "<small>\(found.confidence.rawValue)</small></h2>\n<p class=\"lead\">\(escaped(found.summary))</p>\n"
    html += "<p class=\"sample\">\(Display.dateAndTime(finding.time)), <code>\(finding.client)</code> to "
    html += "<code>\(finding.server)</code>, stream \(finding.connection), \(finding.vantage.rawValue)</p>\n<ul>\n"
    for item in found.evidence {
      let frame = item.frame.map { "<b>frame \($0)</b> " } ?? ""
      html += "<li>\(frame)\(escaped(item.text))</li>\n"
    }
    for missing in found.missing { html += "<li class=\"warn\">missing: \(escaped(missing))</li>\n" }
    html += "</ul>\n" + drawing(Ladder(finding))
    html +=
      "<p>\(escaped(found.kind.explanation))</p>\n<p class=\"remedy\"><b>Remedy.</b> \(escaped(found.remedy))</p>\n"
    html += "<p class=\"sample\">\(escaped(found.limits))</p>\n"
    return html + "</section>\n"
  }

  /// The ladder in two parts: what was before the last few segments in front of the request is folded away.
  private func drawing(_ ladder: Ladder) -> String {
    guard !ladder.rows.isEmpty else { return "" }
    let drawing = LadderDrawing(ladder)
    var html = ""
    if !drawing.earlier.isEmpty {
      html += "<details>\n<summary>\(Display.count(drawing.earlierCount, "earlier segment"))</summary>\n"
      html += drawing.svg(drawing.earlier)
      if ladder.finding.ladderOmitted > 0 {
        html += "<p class=\"sample\">\(ladder.finding.ladderOmitted) segments behind the first "
        html += "\(min(Connection.ladderHead, ladder.rows.count)) were not kept.</p>\n"
      }
      html += "</details>\n"
    } else if ladder.finding.ladderOmitted > 0 {
      html += "<p class=\"sample\">\(ladder.finding.ladderOmitted) earlier segments were not kept.</p>\n"
    }
    return html + drawing.svg(drawing.shown)
  }

  private func number(_ value: Double) -> String { Display.decimal(value, digits: 1) }

  private func escaped(_ text: String) -> String { HTMLPage.escaped(text) }

  private static let style = """
    :root { --ground: #ffffff; --ink: #1b1f24; --faint: #5b6470; --line: #d5dae0; --soft: #f4f6f8; --bad: #b3261e;
      --warn: #8a5a00; --good: #1a6b33; --blue: #1f5fa8; --band: #fdecea; }
    @media (prefers-color-scheme: dark) {
      :root { --ground: #14171a; --ink: #e4e8ec; --faint: #98a2ad; --line: #343b43; --soft: #1c2126; --bad: #ff8a80;
        --warn: #ffc252; --good: #6fd48b; --blue: #7db7f5; --band: #3a2220; }
    }
    * { box-sizing: border-box; }
    body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
      font: 16px/1.5 system-ui, sans-serif; }
    h1 { font-size: 1.5rem; line-height: 1.3; margin: .2rem 0 .6rem; }
    h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
    .mark { margin: 0; color: var(--faint); letter-spacing: .06em; text-transform: uppercase; font-size: .75rem; }
    .sample, small { color: var(--faint); font-size: .85rem; font-weight: normal; }
    .bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
    section { margin: 2rem 0; padding-top: 1rem; border-top: 1px solid var(--line); }
    .kinds { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .75rem; border: 0; }
    .kind { background: var(--soft); border-radius: .4rem; padding: .7rem .9rem; display: flex; flex-direction: column; }
    .kind b { font-size: 1.6rem; line-height: 1.2; } .kind span { color: var(--ink); font-size: .85rem; }
    code { font-family: ui-monospace, monospace; font-size: .92em; }
    dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .4rem 1.5rem; margin: 0; }
    dt { color: var(--faint); font-size: .8rem; } dd { margin: 0; }
    .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; margin-top: 1rem; }
    figure { margin: 0; } figcaption { font-size: .85rem; margin-bottom: .2rem; }
    svg { width: 100%; height: auto; display: block; }
    svg text { fill: var(--faint); font: 11px system-ui, sans-serif; }
    .bar { fill: var(--blue); } .bar.bad { fill: var(--bad); } .axis { stroke: var(--line); }
    line.hold { stroke: var(--warn); stroke-dasharray: 3 3; } svg text.hold { fill: var(--warn); }
    table { border-collapse: collapse; width: 100%; font-size: .85rem; }
    th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
    th { color: var(--faint); font-weight: normal; } a { color: var(--blue); }
    .lead { margin: .2rem 0; font-weight: 600; } ul { padding-left: 1.2rem; margin: .6rem 0; } li { margin: .15rem 0; }
    .remedy { background: var(--soft); border-left: 3px solid var(--good); padding: .6rem .9rem; }
    .single { font-size: .85rem; margin: 0; } .single b { font-weight: 600; }
    summary { cursor: pointer; color: var(--blue); }
    .ladder { max-width: 36rem; margin: .6rem 0; } .ladder .life { stroke: var(--faint); stroke-width: 1.5; }
    .ladder .band { fill: var(--band); } .ladder text.end { fill: var(--ink); font-weight: 600; }
    .ladder text.label { fill: var(--ink); } .ladder text.state { font: 8px ui-monospace, monospace; }
    .ladder text { paint-order: stroke; stroke: var(--ground); stroke-width: 2px; stroke-linejoin: round; }
    .ladder text.dim { font-size: 8px; } .ladder text.end { font-size: 9px; } .ladder text.label { font-size: 10px; }
    .ladder g line { stroke: var(--faint); stroke-width: 1.2; } .ladder g polygon { fill: var(--faint); }
    .ladder g.bad line { stroke: var(--bad); } .ladder g.bad polygon, .ladder g.bad text.label { fill: var(--bad); }
    .ladder g.fin line { stroke: var(--warn); } .ladder g.fin polygon, .ladder g.fin text.label { fill: var(--warn); }
    .ladder g.request line { stroke: var(--blue); stroke-width: 2.2; }
    .ladder g.request polygon, .ladder g.request text.label { fill: var(--blue); font-weight: 600; }
    @media (max-width: 40rem) {
      thead { display: none; } table, tbody, tr, td { display: block; }
      tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
      td { display: inline; border: 0; padding: 0 .5rem 0 0; overflow-wrap: anywhere; }
      td.what { display: block; font-size: .95rem; padding-top: .2rem; }
      td.frame::before { content: "frame "; color: var(--faint); } td.stream::before { content: "stream "; color: var(--faint); }
      code, li, dd { overflow-wrap: anywhere; }
      .kinds { gap: .3rem; } .kind { flex-flow: row wrap; align-items: baseline; gap: 0 .6rem; padding: .35rem .6rem; }
      .kind b { font-size: 1.1rem; }
    }
    @media print { body { max-width: none; } section { break-inside: avoid; } }
    """
}
