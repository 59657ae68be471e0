import Core

/// The report for programs. Every length and time names its unit; what is not known is left out, never a magic number.
package struct JSONReport {
  /// Raised when a member changes its meaning or goes away.
  package static let version: Int64 = 1

  private let report: CaptureReport

  package init(_ report: CaptureReport) {
    self.report = report
  }

  package func document() -> String {
    JSONText.object([
      ("format", .string("photofinish-capture")), ("version", .number(JSONReport.version)), ("summary", summary()),
      ("findings", .array(report.findings.map(JSONReport.finding))), ("servers", .array(report.servers.map(server))),
    ]).text + "\n"
  }

  /// One object a line: findings, then servers, then the summary, each with its `type`.
  ///
  /// - Parameter listsFindings: false where each was told when it was found.
  package func lines(listsFindings: Bool = true) -> String {
    var text = ""
    for finding in report.findings where listsFindings { text += JSONReport.line(finding) }
    for statistics in report.servers { text += JSONReport.typed("server", server(statistics)) }
    return text + JSONReport.typed("summary", summary())
  }

  /// One finding in one line.
  package static func line(_ finding: CaptureFinding, kept file: String? = nil) -> String {
    guard let file, case .object(let members) = JSONReport.finding(finding) else {
      return typed("finding", JSONReport.finding(finding))
    }
    return typed("finding", .object(members + [("kept_in", .string(file))]))
  }

  private static func typed(_ type: String, _ value: JSONText) -> String {
    guard case .object(let members) = value else { return "" }
    return JSONText.object([("type", .string(type))] + members).text + "\n"
  }

  private func summary() -> JSONText {
    let counts = report.counts
    var members: [(String, JSONText)] = [
      ("answer", .string(TextReport(report, ink: Ink(isColoured: false)).answer)),
      ("could_be_judged", .bool(report.obstacle == nil)),
      ("races", number(report.races)), ("findings", number(report.total)),
      (
        "by_kind",
        .object(
          FindingKind.allCases.compactMap { kind in
            report.count(kind) > 0 ? (kind.rawValue, number(report.count(kind))) : nil
          })
      ),
      ("vantage", .string(report.vantage.rawValue)), ("frames", number(counts.frames)),
      ("captured_bytes", .number(counts.bytes)), ("segments", number(counts.segments)),
      ("connections", number(counts.connections)), ("connections_from_the_middle", number(counts.midstream)),
      ("connections_given_up", number(counts.givenUp)), ("requests", number(counts.requests)),
      ("requests_on_reused_connections", number(counts.reused)),
      ("requests_unfinished_at_end", number(counts.unfinished)), ("retransmissions", number(counts.retransmissions)),
      ("out_of_order", number(counts.outOfOrder)), ("captured_twice", number(counts.duplicates)),
      ("keep_alive_probes", number(counts.keepAliveProbes)), ("zero_windows", number(counts.zeroWindows)),
      ("resets", number(counts.resets)), ("stream_bytes_not_captured", .number(counts.missingBytes)),
      ("fragments", number(counts.fragments)), ("cut_packets", number(counts.cut)),
      ("malformed_packets", number(counts.malformed)), ("packets_not_read", number(report.unreadPackets)),
      (
        "packets_not_read_by_layer",
        .array(
          report.unreadLayers.map { .object([("layer", .string($0.layer.text)), ("packets", number($0.count))]) })
      ),
      ("packets_without_tcp", number(counts.other)),
      ("connections_with_data", number(counts.talking)),
      ("connections_of_which_one_direction_was_captured", number(counts.oneDirection)),
      ("findings_without_evidence", number(report.findingsDropped)),
      (
        "connection_ends",
        .object(report.ends.sorted { $0.key < $1.key }.map { ($0.key, number($0.value)) })
      ),
    ]
    if !report.gatewayLines.isEmpty {
      members.append(("answers_of_proxies", .array(report.gatewayLines.map { .string($0) })))
      members.append(("gateway_failures_unexplained", number(report.unexplainedGatewayAnswers)))
    }
    if let first = counts.first { members.append(("first_packet_utc", .string(Display.dateAndTime(first)))) }
    if let last = counts.last { members.append(("last_packet_utc", .string(Display.dateAndTime(last)))) }
    members.append(
      (
        "files",
        .array(
          report.files.map { file in
            var members: [(String, JSONText)] = [("name", .string(file.name)), ("frames", .number(file.frames))]
            if let problem = file.problem { members.append(("problem", .string(problem))) }
            if let dropped = file.dropped { members.append(("packets_dropped", .number(Int64(clamping: dropped)))) }
            return .object(members)
          })
      ))
    return .object(members)
  }

  static func finding(_ finding: CaptureFinding) -> JSONText {
    let found = finding.finding
    var members: [(String, JSONText)] = [
      ("number", .number(Int64(finding.number))), ("kind", .string(found.kind.rawValue)),
      ("confidence", .string(found.confidence.rawValue)), ("is_race", .bool(found.kind.isRace)),
      ("time_utc", .string(Display.dateAndTime(finding.time))), ("frame", .number(finding.frame)),
      ("stream", .number(Int64(finding.connection))), ("trace", .number(Int64(finding.trace))),
      ("client", .string(finding.client.description)), ("server", .string(finding.server.description)),
      ("protocol", .string(finding.speech.rawValue)), ("vantage", .string(finding.vantage.rawValue)),
      ("vantage_limits", .string(found.limits)), ("summary", .string(found.summary)),
    ]
    if !finding.request.isEmpty {
      members.append(("request", .string(finding.request)))
      members.append(("exchange_on_connection", .number(Int64(finding.exchange))))
      members.append(("exchanges_before", .number(Int64(finding.reuseCount))))
      if let streams = finding.streams { members.append(("http2_streams", .number(Int64(streams)))) }
      if finding.stream != 0 { members.append(("http2_stream", .number(Int64(finding.stream)))) }
    }
    if let age = finding.idleAge { members.append(("idle_age_seconds", .decimal(age.inSeconds, digits: 6))) }
    if let duration = finding.duration {
      members.append(("duration_seconds", .decimal(duration.inSeconds, digits: 6)))
    }
    if let gateway = finding.gateway {
      members.append(
        (
          "answered_by_proxy",
          .object([
            ("client", .string(gateway.client.description)), ("proxy", .string(gateway.server.description)),
            ("status", .number(Int64(gateway.status))), ("frame", .number(gateway.frame)),
          ])
        ))
    }
    if let suspected = found.suspected { members.append(("looks_like", .string(suspected.rawValue))) }
    members.append(
      (
        "evidence",
        .array(
          found.evidence.map { item in
            var members: [(String, JSONText)] = []
            if let frame = item.frame { members.append(("frame", .number(frame))) }
            if let time = item.time { members.append(("time_utc", .string(Display.dateAndTime(time)))) }
            members.append(("text", .string(item.text)))
            return .object(members)
          })
      ))
    if !found.missing.isEmpty { members.append(("missing", .array(found.missing.map { .string($0) }))) }
    members.append(("explanation", .string(found.kind.explanation)))
    members.append(("remedy", .string(found.remedy)))
    return .object(members)
  }

  private func server(_ server: ServerStatistics) -> JSONText {
    var members: [(String, JSONText)] = [
      ("server", .string(server.server.description)), ("connections", number(server.connections)),
      ("requests", number(server.requests)), ("answered", number(server.answered)),
      ("reused", number(server.reused)), ("lost_to_reuse", number(server.failures)),
      (
        "by_kind",
        .object(
          FindingKind.allCases.compactMap { kind in server.findings[kind].map { (kind.rawValue, number($0)) } })
      ),
    ]
    if !server.statuses.isEmpty {
      members.append(
        (
          "statuses",
          .object(server.statuses.sorted { $0.key < $1.key }.map { ("\($0.key)", number($0.value)) })
        ))
    }
    if !server.otherNames.isEmpty {
      members.append(("also_seen_as", .array(server.otherNames.map { .string($0.description) })))
    }
    if let estimate = server.estimate {
      members.append(
        (
          "idle_timeout",
          .object([
            ("seconds", .decimal(estimate.timeout.inSeconds, digits: 3)),
            ("earliest_seconds", .decimal(estimate.earliest.inSeconds, digits: 3)),
            ("latest_seconds", .decimal(estimate.latest.inSeconds, digits: 3)),
            ("closes", number(estimate.samples)), ("trust", .string(estimate.trust.rawValue)),
            ("recommended_hold_seconds", .decimal(estimate.recommendedHold.inSeconds, digits: 2)),
          ])
        ))
    }
    if let risk = server.requestsAtRisk { members.append(("requests_beyond_recommended_hold", number(risk))) }
    if let timeout = server.advertisedTimeout { members.append(("advertised_timeout_seconds", number(timeout))) }
    if let age = server.survived {
      members.append(("longest_survived_idle_seconds", .decimal(age.inSeconds, digits: 3)))
    }
    if let age = server.clientTimeout {
      members.append(("client_idle_timeout_seconds", .decimal(age.inSeconds, digits: 3)))
    }
    if let time = server.roundTrip { members.append(("round_trip_seconds", .decimal(time.inSeconds, digits: 6))) }
    members.append(("idle_age_at_server_close", bars(server.serverCloses)))
    members.append(("idle_age_at_client_close", bars(server.clientCloses)))
    members.append(("idle_age_at_reuse", bars(server.reuseAges)))
    members.append(
      (
        "reuse_choice",
        .object([
          ("newest", number(server.choices.newest)), ("oldest", number(server.choices.oldest)),
          ("other", number(server.choices.other)),
        ])
      ))
    members.append(("idle_resets", number(server.serverResets)))
    members.append(("closes_noticed_while_idle", number(server.closesNoticed)))
    members.append(
      (
        "by_hour",
        .array(
          server.hours.sorted { $0.key < $1.key }.map { hour, value in
            .object([
              ("hour_utc", .string(Display.dateAndTime(Instant(nanoseconds: hour * 3_600_000_000_000)))),
              ("requests", number(value.requests)), ("lost_to_reuse", number(value.failures)),
            ])
          })
      ))
    return .object(members)
  }

  private func bars(_ ages: AgeHistogram) -> JSONText {
    .array(
      ages.bars().filter { $0.count > 0 }.map { bar in
        .object([
          ("from_seconds", .decimal(bar.from.inSeconds, digits: 3)),
          ("to_seconds", .decimal(bar.to.inSeconds, digits: 3)),
          ("count", number(bar.count)),
        ])
      })
  }

  private func number(_ value: Int) -> JSONText { .number(Int64(value)) }
}
