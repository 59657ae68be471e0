import Core

/// The report for a terminal.
package struct TextReport {
  private let report: CaptureReport
  private let ink: Ink

  package init(_ report: CaptureReport, ink: Ink) {
    self.report = report
    self.ink = ink
  }

  /// Whether it was the race, in one line.
  package var answer: String {
    let races = report.races
    if let obstacle = report.obstacle { return ink.yellow("\(obstacle.lead): ") + obstacle.text }
    let requests = report.counts.requests
    if races > 0 {
      let proved = report.findings.filter { $0.finding.kind.isRace && $0.finding.confidence == .proved }.count
      let how = proved == races ? "proved" : proved == 0 ? "likely" : "\(proved) proved, the others likely"
      return ink.red("Yes: ")
        + "\(Display.count(races, "request")) of \(Display.grouped(requests)) \(races == 1 ? "was" : "were") lost to the "
        + "keep-alive race (\(how))\(streams)."
    }
    let related = report.findings.filter { $0.finding.kind.isReuseFailure }.count
    let others = report.total - related - report.count(.inconclusive)
    let open = report.count(.inconclusive)
    if related > 0 {
      return ink.yellow("Not the race itself, ")
        + "but \(Display.count(related, "request")) of \(Display.grouped(requests)) failed on "
        + "\(related == 1 ? "a connection" : "connections") that could not be used any more."
    }
    if others > 0 {
      return ink.yellow("No: ")
        + "no request was lost to the keep-alive race; \(Display.count(others, "other failure")) "
        + "\(others == 1 ? "was" : "were") found\(open > 0 ? ", \(open) inconclusive" : "")."
    }
    if open > 0 {
      return ink.yellow("Inconclusive: ")
        + "\(Display.count(open, "request")) without an answer, and the capture does not hold what would tell why."
    }
    if requests == 0 { return ink.yellow("Nothing to judge: ") + "no request is in this capture." }
    if report.files.contains(where: { $0.problem != nil }) {
      return ink.yellow("Nothing found in what could be read: ")
        + "every one of \(Display.count(requests, "request")) was answered or is still under way, but the capture is damaged."
    }
    if report.unexplainedGatewayAnswers > 0 {
      return ink.yellow("Not in this capture: ")
        + "every one of \(Display.count(requests, "request")) was answered or is still under way, "
        + "\(report.unexplainedGatewayAnswers) of them by a proxy whose own server had failed it."
    }
    return ink.green("No: ") + "every one of \(Display.count(requests, "request")) was answered or is still under way."
  }

  /// What looks like one request over TLS can be several streams of HTTP/2.
  private var streams: String {
    let races = report.findings.filter { $0.finding.kind.isRace }
    let count = races.reduce(0) { $0 + ($1.streams ?? 1) }
    return count > races.count ? ", \(Display.grouped(count)) HTTP/2 streams in all" : ""
  }

  package func summary() -> String {
    var lines = [answer] + report.gatewayLines.map { ink.yellow($0 + ".") } + [""]
    lines += findingLines()
    lines += serverLines()
    lines += sampleLines()
    return lines.joined(separator: "\n") + "\n"
  }

  private func findingLines() -> [String] {
    let kinds = FindingKind.allCases.filter { report.count($0) > 0 }
    guard !kinds.isEmpty else { return [] }
    var lines: [String] = []
    for kind in kinds {
      let count = String(report.count(kind))
      let name = kind.rawValue + String(repeating: " ", count: max(0, 22 - kind.rawValue.count))
      lines.append(
        String(repeating: " ", count: max(0, 6 - count.count)) + ink.bold(count) + "  " + paint(kind, name) + kind.title
      )
    }
    lines.append("")
    let shown = report.findings.prefix(3)
    for finding in shown { lines += detail(finding) + [""] }
    if report.total > shown.count {
      lines.append(
        ink.faint(
          "\(report.total - shown.count) more: --verdicts lists all, --ladder N draws one, `photofinish explain` tells."
        ))
      lines.append("")
    }
    return lines
  }

  private func paint(_ kind: FindingKind, _ text: String) -> String { TextReport.paint(kind, text, ink) }

  private static func paint(_ kind: FindingKind, _ text: String, _ ink: Ink) -> String {
    kind.isRace ? ink.red(text) : kind.isReuseFailure ? ink.yellow(text) : text
  }

  /// One finding with its evidence.
  package func detail(_ finding: CaptureFinding) -> [String] {
    let found = finding.finding
    var lines = [
      "#\(finding.number) " + paint(found.kind, found.kind.rawValue) + " (\(found.confidence.rawValue)): "
        + found.summary,
      ink.faint(
        "    \(Display.dateAndTime(finding.time))  \(finding.client) -> \(finding.server)  stream \(finding.connection)"
          + "  \(finding.vantage.rawValue)"),
    ]
    for item in found.evidence {
      let frame = item.frame.map { "frame \($0)" } ?? ""
      let time = item.time.map { relative($0, to: finding.time) } ?? ""
      lines.append("    " + pad(frame, 12) + pad(time, 12) + item.text)
    }
    for missing in found.missing { lines.append("    missing: " + missing) }
    lines.append("    remedy: " + found.remedy)
    return lines
  }

  private func relative(_ time: Instant, to origin: Instant) -> String {
    let span = time.since(origin)
    return (span.count >= 0 ? "+" : "") + Display.duration(span)
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  private func serverLines() -> [String] {
    var lines: [String] = []
    for server in report.servers.prefix(8) where server.requests > 0 || server.failures > 0 {
      lines.append(
        ink.bold("server \(server.server)") + "  " + Display.count(server.connections, "connection") + ", "
          + Display.count(server.requests, "request") + ", \(server.reused) reused"
          + statusText(server) + (server.failures > 0 ? ", " + ink.red("\(server.failures) lost to reuse") : ""))
      if let estimate = server.estimate {
        let range =
          estimate.earliest == estimate.latest
          ? Display.duration(estimate.timeout)
          : "\(Display.duration(estimate.earliest)) to \(Display.duration(estimate.latest))"
        lines.append(
          "    closes idle connections at \(range) (\(Display.count(estimate.samples, "close")), "
            + "\(estimate.trust.rawValue) confidence); hold them at most "
            + ink.bold(Display.duration(estimate.recommendedHold)))
        lines += histogram(server.serverCloses)
        if let risk = server.requestsAtRisk, server.reused > 0 {
          lines.append("    requests sent beyond that hold: \(risk) of \(server.reused) on reused connections")
        }
      }
      if let advertised = server.advertisedTimeout {
        lines.append("    advertises Keep-Alive: timeout=\(advertised)")
      }
      if let survived = server.survived {
        lines.append("    longest idle time that a request survived: \(Display.duration(survived))")
      }
      if let timeout = server.clientTimeout {
        lines.append(
          "    clients close idle connections at about \(Display.duration(timeout)) (\(server.clientCloseAges.count) closes)"
        )
      }
      lines += poolLines(server)
    }
    if report.servers.count > 8 { lines.append("(\(report.servers.count - 8) more servers: --output json)") }
    if !lines.isEmpty { lines.append("") }
    return lines
  }

  private func statusText(_ server: ServerStatistics) -> String {
    let names =
      server.otherNames.isEmpty ? "" : ", also seen as " + server.otherNames.map(\.description).joined(separator: ", ")
    let statuses = server.statuses.sorted { $0.key < $1.key }
    guard statuses.contains(where: { $0.key >= 300 }) else { return names }
    return ", answers " + statuses.map { "\($0.value) x \($0.key)" }.joined(separator: ", ") + names
  }

  private func poolLines(_ server: ServerStatistics) -> [String] {
    var lines: [String] = []
    let choices = server.choices
    let total = choices.newest + choices.oldest + choices.other
    if total >= 3 {
      let order =
        choices.newest * 10 >= total * 8
        ? "the one used last (LIFO)" : choices.oldest * 10 >= total * 8 ? "the one used first (FIFO)" : "no fixed one"
      lines.append("    clients reuse, of several idle connections, \(order)")
    }
    if server.serverResets > 0 {
      lines.append(
        "    resets idle connections: \(server.serverResets) times. A client that writes on one afterwards is told so by its own "
          + "kernel, and no packet shows it")
    }
    let stale = server.findings[.staleReuse] ?? 0
    if stale > 0 {
      lines.append("    clients do not look before they write: \(stale) times on a connection with a FIN already taken")
    } else if server.closesNoticed > 0 {
      lines.append("    clients notice a close while idle: \(server.closesNoticed) times")
    }
    return lines
  }

  private func histogram(_ ages: AgeHistogram) -> [String] {
    let bars = ages.bars(limit: 8)
    guard bars.count > 1, let top = bars.map(\.count).max() else { return [] }
    return bars.map { bar in
      let width = (bar.count * 30 + top - 1) / max(1, top)
      return "      " + pad(Display.duration(bar.from), 10) + String(repeating: "#", count: width)
        + (bar.count > 0 ? " \(bar.count)" : "")
    }
  }

  private func sampleLines() -> [String] {
    let counts = report.counts
    var lines: [String] = []
    var seen =
      "\(Display.count(counts.frames, "frame")), \(Display.count(counts.segments, "TCP segment")), "
      + "\(Display.count(counts.connections, "connection")) (\(counts.midstream) from the middle), "
      + "\(Display.count(counts.requests, "request")), \(Display.grouped(counts.reused)) reused"
    if let first = counts.first, let last = counts.last {
      seen += ", over \(Display.duration(last.since(first)))"
    }
    lines.append(ink.faint(seen + "."))
    lines.append(ink.faint("taken at: \(report.vantage.rawValue). \(report.vantage.limits)"))
    let ends = report.ends.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    if !ends.isEmpty {
      lines.append(ink.faint("connections ended: " + ends.map { "\($0.key) \($0.value)" }.joined(separator: ", ")))
    }
    var notes: [String] = []
    func note(_ count: Int, _ text: String) { if count > 0 { notes.append("\(Display.grouped(count)) \(text)") } }
    note(counts.retransmissions, "retransmissions")
    note(counts.outOfOrder, "out of order")
    note(counts.duplicates, "captured twice")
    note(counts.keepAliveProbes, "keep-alive probes")
    note(counts.zeroWindows, "zero windows")
    note(Int(clamping: counts.missingBytes), "bytes of streams not captured")
    note(counts.givenUp, "connections given up (too many at once)")
    note(counts.unfinished, "requests still under way at the end")
    note(report.findingsDropped, "findings counted without evidence")
    if !notes.isEmpty { lines.append(ink.faint(notes.joined(separator: ", ") + ".")) }
    for text in report.unreadTexts { lines.append(ink.yellow("not read: \(text)")) }
    if let text = report.oneDirectionText { lines.append(ink.yellow(text)) }
    for file in report.files {
      if let problem = file.problem { lines.append(ink.yellow("\(file.name): \(problem)")) }
      if let dropped = file.dropped, dropped > 0 {
        lines.append(ink.yellow("\(file.name): the capturing program dropped \(dropped) packets"))
      }
    }
    return lines
  }

  /// One line for each finding.
  package func verdicts() -> String { report.findings.map { TextReport.verdict($0, ink: ink) }.joined() }

  /// One finding in one line.
  package static func verdict(_ finding: CaptureFinding, ink: Ink) -> String {
    let found = finding.finding
    return "#\(finding.number)\t\(Display.dateAndTime(finding.time))\t" + paint(found.kind, found.kind.rawValue, ink)
      + "\t\(found.confidence.rawValue)\tframe \(finding.frame)\tstream \(finding.connection)"
      + "\t\(finding.client) -> \(finding.server)\t\(found.summary)\n"
  }
}
