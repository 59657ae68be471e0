import Core

/// The report for programs. What is not known is left out.
package struct LogJSONReport {
  /// Raised when a member changes its meaning or goes away.
  package static let version: Int64 = 1
  private static let maximumFailures = 10_000

  private let report: LogReport

  package init(_ report: LogReport) { self.report = report }

  package func document() -> String {
    JSONText.object([
      ("format", .string("photofinish-logs")), ("version", .number(LogJSONReport.version)), ("summary", summary()),
      ("servers", .array(report.servers.prefix(500).map(server))),
      ("failures", .array(report.failures.prefix(LogJSONReport.maximumFailures).map(failure))),
    ]).text + "\n"
  }

  /// An object a line: failures, servers, the summary, each with its `type`.
  ///
  /// - Parameter hasFailures: false where they were written before.
  package func lines(hasFailures: Bool = true) -> String {
    var text = ""
    for failure in report.failures where hasFailures { typed("failure", self.failure(failure), to: &text) }
    for server in report.servers { typed("server", self.server(server), to: &text) }
    typed("summary", summary(), to: &text)
    return text
  }

  /// One failure in one line.
  package func line(_ failure: LogFailure) -> String {
    var text = ""
    typed("failure", self.failure(failure), to: &text)
    return text
  }

  private func typed(_ type: String, _ value: JSONText, to text: inout String) {
    guard case .object(let members) = value else { return }
    JSONText.object([("type", .string(type))] + members).write(to: &text)
    text += "\n"
  }

  private func number(_ value: Int) -> JSONText { .number(Int64(value)) }

  private func classes(_ counts: [Int]) -> JSONText {
    .object(LogClass.allCases.compactMap { counts[$0.index] > 0 ? ($0.rawValue, number(counts[$0.index])) : nil })
  }

  private func summary() -> JSONText {
    let tally = report.tally
    var members: [(String, JSONText)] = [
      ("answer", .string(LogTextReport(report, ink: Ink(isColoured: false)).answer)),
      ("classes", classes(report.classes)),
      (
        "confidence",
        .object(
          LogClass.allCases.compactMap { kind in
            guard report.count(kind) > 0 else { return nil }
            let counts = report.confidences[kind.index]
            return (
              kind.rawValue,
              .object(
                LogConfidence.allCases.compactMap { confidence in
                  let count = counts[LogReport.rank(confidence)]
                  return count > 0 ? (confidence.rawValue, number(count)) : nil
                })
            )
          })
      ),
      ("unexplained", number(report.unexplained)), ("requests", number(tally.requests)),
      ("server_errors", number(tally.serverErrors)), ("retried_in_vain", number(tally.retriedInVain)),
      ("restarts", number(report.restarts)), ("idle_closes", number(tally.idleCloses)),
      ("connections", number(tally.connections)), ("lines", number(report.files.reduce(0) { $0 + $1.lines })),
      ("unknown_lines", number(report.files.reduce(0) { $0 + $1.unknownLines })),
      ("overlong_lines", number(report.files.reduce(0) { $0 + $1.overlongLines })),
      (
        "sources",
        .object(
          LogSource.allCases.compactMap { source in
            let count = tally.bySource[source.index]
            return count > 0 ? (source.rawValue, number(count)) : nil
          })
      ),
    ]
    if tally.first <= tally.last {
      members.append(("first_utc", .string(Display.dateAndTime(Instant(nanoseconds: tally.first)))))
      members.append(("last_utc", .string(Display.dateAndTime(Instant(nanoseconds: tally.last)))))
    }
    if let witness = report.witness {
      members.append(
        ("joined_by", .string(witness.isSettledByIDs ? "id" : witness.match?.offset == nil ? "nothing" : "time")))
      if let match = witness.match, let offset = match.offset, !witness.isSettledByIDs {
        members.append(("clock_offset_seconds", .decimal(offset.inSeconds, digits: 3)))
        members.append(("compared_requests", number(match.answered)))
        members.append(("compared_requests_found", number(match.found)))
      }
      members.append(("seen_by_application", number(report.seen)))
      members.append(("never_seen_by_application", number(report.neverSeen)))
    }
    if tally.lifetimes.count > 0 { members.append(("connection_lifetime", bars(tally.lifetimes))) }
    members.append(("by_hour", .array(report.hours.map(hour))))
    members.append(("files", .array(report.files.map(file))))
    return .object(members)
  }

  private func hour(_ hour: (hour: Int64, figures: LogTally.Hour)) -> JSONText {
    .object([
      ("hour_utc", .string(Display.dateAndTime(Instant(nanoseconds: hour.hour * 3_600_000_000_000)))),
      ("requests", number(hour.figures.requests)), ("races", number(hour.figures.races)),
      ("failures", number(hour.figures.failures)),
    ])
  }

  private func file(_ file: LogReport.FileNote) -> JSONText {
    var members: [(String, JSONText)] = [
      ("name", .string(file.name)), ("lines", number(file.lines)), ("unknown_lines", number(file.unknownLines)),
      ("sources", .array(file.sources.map { .string($0.rawValue) })),
    ]
    if !file.samples.isEmpty {
      members.append(
        (
          "unknown",
          .array(file.samples.map { .object([("line", number($0.line)), ("text", .string($0.text))]) })
        ))
    }
    if let problem = file.problem { members.append(("problem", .string(problem))) }
    return .object(members)
  }

  private func failure(_ failure: LogFailure) -> JSONText {
    let row = report.row(failure)
    var members: [(String, JSONText)] = [("class", .string(row.kind))]
    func add(_ name: String, _ text: String?) {
      if let text, !text.isEmpty { members.append((name, .string(text))) }
    }
    add("confidence", row.confidence)
    add("reason", row.reason)
    add("time_utc", row.time)
    add("method", row.method)
    add("target", row.target)
    add("server", row.server)
    if let status = row.status { members.append(("status", number(status))) }
    if let duration = row.duration { members.append(("duration_seconds", .decimal(duration.inSeconds, digits: 6))) }
    if let gap = row.gap { members.append(("idle_seconds", .decimal(gap.inSeconds, digits: 6))) }
    add("word", row.word)
    add("id", row.identifier)
    add("source", row.source)
    add("file", row.file)
    members.append(("line", .number(row.line)))
    return .object(members)
  }

  private func server(_ server: LogReport.Server) -> JSONText {
    var members: [(String, JSONText)] = [
      ("server", .string(server.name)), ("requests", number(server.requests)), ("classes", classes(server.classes)),
    ]
    if let estimate = server.estimate {
      members.append(
        (
          "idle_timeout",
          .object([
            ("seconds", .decimal(estimate.timeout.inSeconds, digits: 3)),
            ("earliest_seconds", .decimal(estimate.earliest.inSeconds, digits: 3)),
            ("latest_seconds", .decimal(estimate.latest.inSeconds, digits: 3)),
            ("failures", number(estimate.count)), ("of", number(estimate.total)),
            ("confidence", .string(estimate.confidence.rawValue)),
          ])
        ))
    }
    if let match = server.defaultMatch {
      members.append(
        (
          "default_of",
          .array(
            match.facts.map { fact in
              .object([
                ("software", .string(fact.software.rawValue)), ("setting", .string(fact.setting)),
                ("seconds", .decimal(match.timeout.inSeconds, digits: 3)), ("source", .string(fact.source)),
              ])
            })
        ))
    }
    members.append(("idle_before_request", bars(server.gaps)))
    members.append(("idle_before_race", bars(server.raceGaps)))
    return .object(members)
  }

  private func bars(_ ages: AgeHistogram) -> JSONText {
    .array(
      ages.bars().filter { $0.count > 0 }.map { bar in
        .object([
          ("from_seconds", .decimal(bar.from.inSeconds, digits: 3)),
          ("to_seconds", .decimal(bar.to.inSeconds, digits: 3)), ("count", number(bar.count)),
        ])
      })
  }
}
