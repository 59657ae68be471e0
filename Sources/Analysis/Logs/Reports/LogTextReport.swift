import Core

/// The report for a terminal: the answer, the evidence, the remedy.
package struct LogTextReport {
  private let report: LogReport
  private let ink: Ink

  package init(_ report: LogReport, ink: Ink) {
    self.report = report
    self.ink = ink
  }

  /// Whether it was the race, in one line.
  package var answer: String {
    let races = report.races
    let requests = report.tally.requests
    let of = requests > 0 ? " of \(Display.grouped(requests))" : ""
    if races > 0, report.neverSeen == races {
      return ink.red("Yes: ")
        + "the application never saw \(Display.count(races, "request"))\(of): lost to the keep-alive race (\(certainty))."
    }
    if races > 0 {
      return ink.red("Yes: ")
        + "\(Display.count(races, "request"))\(of) \(races == 1 ? "was" : "were") lost to the keep-alive race (\(certainty))."
    }
    if report.understoodLines == 0, report.tally.outsideTime > 0 {
      return ink.yellow("Nothing to judge: ") + "no line lies in the time that was asked for."
    }
    if report.understoodLines == 0 { return ink.yellow("Nothing to judge: ") + "no line of a known format." }
    if report.unexplained > 0, report.total == 0 {
      return ink.yellow("Inconclusive: ")
        + "\(Display.count(report.unexplained, "request")) failed, and this format does not say how."
    }
    if requests == 0, report.total == 0 {
      return ink.yellow("Nothing to judge: ") + "these logs have no line about a request's outcome."
    }
    let repaired = report.count(.repaired)
    let others = report.total - repaired
    var text = ink.green("No: ") + "no request\(of) was lost to the keep-alive race"
    if repaired > 0 { text += "; the proxy repaired \(Display.grouped(repaired))" }
    if others > 0 { text += "; \(Display.count(others, "request")) failed otherwise" }
    if report.unexplained > 0 { text += "; of \(Display.grouped(report.unexplained)) the log does not say how" }
    return text + "."
  }

  private var certainty: String {
    let counts = report.confidences[LogClass.race.index]
    let names = ["low", "medium", "high"]
    let parts = [2, 1, 0].filter { counts[$0] > 0 }.map { (rank: $0, count: counts[$0]) }
    if parts.count == 1, let only = parts.first { return "\(names[only.rank]) confidence" }
    return parts.map { "\(Display.grouped($0.count)) with \(names[$0.rank]) confidence" }.joined(separator: ", ")
  }

  package func text() -> String {
    var lines = [answer, ""]
    lines += classLines()
    lines += witnessLines()
    lines += serverLines()
    lines += hourLines()
    lines += remedyLines()
    lines += sampleLines()
    return lines.joined(separator: "\n") + "\n"
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  private func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  // MARK: - Classes

  private func classLines() -> [String] {
    var lines: [String] = []
    for kind in LogClass.allCases where report.count(kind) > 0 {
      let count = right(Display.grouped(report.count(kind)), 8)
      let name = pad(kind.rawValue, 16)
      lines.append(
        count + "  " + (kind == .race ? ink.red(name) : kind == .repaired ? ink.yellow(name) : name) + kind.title)
    }
    if report.unexplained > 0 {
      lines.append(
        right(Display.grouped(report.unexplained), 8) + "  " + pad("unexplained", 16)
          + "the format does not say what failed")
    }
    guard !lines.isEmpty else { return [] }
    lines.append("")
    for kind in LogClass.allCases where report.count(kind) > 0 { lines += evidence(kind) }
    return lines
  }

  /// The surest three of a class.
  private func evidence(_ kind: LogClass) -> [String] {
    let shown = kind == .race ? 5 : 1
    var lines: [String] = []
    for confidence in LogConfidence.allCases where lines.count < shown {
      for failure in report.failures
      where failure.kind == kind && failure.confidence == confidence && lines.count < shown {
        lines.append("  " + line(failure))
      }
    }
    guard let first = report.failures.first(where: { $0.kind == kind }) else { return [] }
    lines.insert(ink.bold(kind.rawValue) + ": " + first.reason.text, at: 0)
    return lines + [""]
  }

  /// One failure in one line.
  package func line(_ failure: LogFailure) -> String {
    let row = report.row(failure)
    var parts = [row.time ?? "no time"]
    if !row.method.isEmpty || !row.target.isEmpty { parts.append("\(row.method) \(row.target)") }
    if let server = row.server { parts.append("-> \(server)") }
    if let status = row.status { parts.append(String(status)) }
    if let duration = row.duration { parts.append("after \(Display.duration(duration))") }
    if let gap = row.gap { parts.append("idle \(Display.duration(gap))") }
    if !row.word.isEmpty { parts.append(String(row.word.prefix(80))) }
    return parts.joined(separator: "  ") + ink.faint("  \(row.file):\(row.line)")
  }

  package func verdicts() -> String {
    var text = ""
    for failure in report.failures {
      let row = report.row(failure)
      text += pad(row.kind, 15) + pad(row.confidence, 8) + line(failure) + "\n"
    }
    return text
  }

  /// Whether the application saw them.
  private func witnessLines() -> [String] {
    guard let witness = report.witness else { return [] }
    var lines: [String] = []
    if report.neverSeen > 0 {
      lines.append(
        ink.red(Display.count(report.neverSeen, "request"))
          + " the application never saw: its log has others of that time, and not "
          + (report.neverSeen == 1 ? "this one" : "these"))
    }
    if report.seen > 0 {
      lines.append(
        "\(Display.count(report.seen, "request")) the application did see, and did not answer: no race")
    }
    return lines + [basis(witness), ""]
  }

  /// By what the two logs were joined, or why they could not be.
  private func basis(_ witness: LogWitness) -> String {
    let size = "the application's log (\(Display.count(witness.lines, "line")))"
    if witness.isSettledByIDs { return ink.faint("\(size) was joined by request ID") }
    guard let match = witness.match else {
      return
        "\(size) has neither an ID of these requests nor time, method and path of any request, so that it settles nothing"
    }
    guard let offset = match.offset else {
      return "\(size) could not be joined: at no distance of the clocks do its lines fit the answered requests"
    }
    var text = "\(size) was joined by time and request line: it has \(Display.grouped(match.found)) of "
    text += "\(Display.grouped(match.answered)) answered requests that were compared"
    let distance = Display.duration(Nanoseconds(abs(offset.count)))
    if abs(offset.count) >= 50_000_000 { text += "; its clock is \(distance) \(offset.count > 0 ? "ahead" : "behind")" }
    if report.seen + report.neverSeen == 0, report.races > 0 {
      text += ". That is too few, or of another time: give the logs of all instances"
    }
    return ink.faint(text)
  }

  // MARK: - Servers

  private func serverLines() -> [String] {
    var lines: [String] = []
    for server in report.servers.prefix(6) where server.count(.race) + server.count(.repaired) > 0 {
      lines.append(
        ink.bold("server \(server.name)") + "  " + Display.count(server.requests, "request") + ", "
          + ink.red("\(server.count(.race)) lost to the race")
          + (server.count(.repaired) > 0 ? ", \(server.count(.repaired)) repaired" : ""))
      if let estimate = server.estimate {
        lines.append(
          "    \(estimate.count) of \(estimate.total) failures came \(Display.duration(estimate.earliest)) to "
            + "\(Display.duration(estimate.latest)) after the previous request: it closes idle connections at about "
            + ink.bold(Display.duration(estimate.timeout)) + " (\(estimate.confidence.rawValue) confidence)")
      }
      if let match = server.defaultMatch { lines.append("    " + match.text) }
      lines += histogram(server)
    }
    if report.tally.connections > 0 { lines += lifetimeLines() }
    if !lines.isEmpty { lines.append("") }
    return lines
  }

  private func histogram(_ server: LogReport.Server) -> [String] {
    let bars = server.gaps.bars(limit: 12)
    guard bars.count > 1, let top = bars.map(\.count).max(), server.raceGaps.count > 0 else { return [] }
    return bars.filter { $0.count > 0 }.map { bar in
      let width = (bar.count * 30 + top - 1) / max(1, top)
      let races = server.raceGaps.count(atLeast: bar.from) - server.raceGaps.count(atLeast: bar.to)
      return "      " + pad(Display.duration(bar.from), 10) + String(repeating: "#", count: width)
        + " \(Display.grouped(bar.count))" + (races > 0 ? ink.red("  \(races) lost") : "")
    }
  }

  private func lifetimeLines() -> [String] {
    let tally = report.tally
    let near = tally.lifetimes.count(atLeast: .seconds(345)) - tally.lifetimes.count(atLeast: .seconds(380))
    var lines = [
      "\(Display.count(tally.connections, "connection")) of a network load balancer: their lines have no status, only lifetimes"
    ]
    if near > 0 {
      lines.append(
        "    \(near) lived for about 350 s: its idle timeout. It forgets the connection without a FIN; the next packet is answered by a reset"
      )
    }
    return lines
  }

  private func hourLines() -> [String] {
    guard let rate = report.rateByTraffic else { return [] }
    func percent(_ value: Double) -> String { Display.decimal(value * 100, digits: 4) + " %" }
    let falls = rate.busy < rate.quiet * 0.8
    return [
      "of the requests in the quieter half of the hours \(percent(rate.quiet)) were lost, in the busier half \(percent(rate.busy))"
        + (falls ? ": the rate falls as traffic rises, as with the race" : ""), "",
    ]
  }

  // MARK: - Remedy

  private func remedyLines() -> [String] {
    let lines = remedy.enumerated().map { ($0 == 0 ? ink.bold("remedy") + "  " : "        ") + $1 }
    return lines.isEmpty ? [] : lines + [""]
  }

  /// What to do, with the figures of this case.
  package var remedy: [String] {
    var lines: [String] = []
    let mainKinds = LogClass.allCases.filter { report.count($0) > 0 }.sorted { report.count($0) > report.count($1) }
    if report.races + report.count(.repaired) > 0 {
      lines.append(raceRemedy)
    } else if let kind = mainKinds.first {
      lines.append(kind.remedy)
    } else if report.unexplained > 0 {
      lines.append(
        "Give the error log as well, or log what the server did: $upstream_status, $upstream_response_time and $upstream_connect_time in nginx."
      )
    }
    if report.restarts > 0 {
      lines.append(
        "\(Display.count(report.restarts, "restart")) of a server: drain it first (stop taking requests, answer with `Connection: close`, then exit)."
      )
    }
    return lines
  }

  private var raceRemedy: String {
    guard let server = report.servers.first(where: { ($0.estimate?.confidence ?? .low) > .low }),
      let estimate = server.estimate
    else { return LogClass.race.remedy }
    let hold = TimeoutEstimate.hold(below: estimate.earliest, roundTrip: .zero)
    return
      "\(server.name) closes idle connections at about \(Display.duration(estimate.timeout)). Let the proxy hold them for at most \(Display.duration(hold)), or raise the server's keep-alive timeout above the proxy's. `photofinish probe \(server.name)` measures it."
  }

  // MARK: - Sample

  private func sampleLines() -> [String] {
    let tally = report.tally
    var lines: [String] = []
    var seen = "\(Display.count(tally.requests, "request"))"
    if tally.first <= tally.last {
      seen +=
        " from \(Display.dateAndTime(Instant(nanoseconds: tally.first))) to \(Display.dateAndTime(Instant(nanoseconds: tally.last)))"
    }
    if tally.serverErrors > 0 { seen += ", \(Display.grouped(tally.serverErrors)) answered by the servers with 5xx" }
    lines.append(ink.faint(seen + "."))
    for file in report.files {
      let name = Display.printable(file.name.utf8)
      if file.lines == 0, file.problem == file.name {
        lines.append(ink.yellow(name))
        continue
      }
      let sources = file.sources.isEmpty ? "no known format" : file.sources.map(\.title).joined(separator: ", ")
      lines.append(ink.faint("\(name): \(Display.count(file.lines, "line")), \(sources)"))
      if file.unknownLines > 0, !file.sources.isEmpty || file.lines > 0 {
        lines.append(ink.yellow("  \(Display.count(file.unknownLines, "line")) not understood"))
        for sample in file.samples { lines.append(ink.faint("  line \(sample.line): \(sample.text)")) }
      }
      if file.overlongLines > 0 {
        lines.append(ink.yellow("  \(Display.count(file.overlongLines, "line")) longer than 1 MiB, passed over"))
      }
      if let problem = file.problem { lines.append(ink.yellow("  \(Display.printable(problem.utf8))")) }
    }
    return lines
  }
}
