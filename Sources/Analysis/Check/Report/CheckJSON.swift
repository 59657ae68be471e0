internal import Core

/// The report for programs. It begins with the findings.
package enum CheckJSON {
  package static func document(_ report: CheckReport) -> String {
    JSONText.object([
      ("findings", .array(report.findings.map(finding))),
      ("chains", .array(report.hops.map { hop($0, report.expected($0)) })),
      ("unjoined", .array(report.lonelyPools.map(pool))),
      ("summary", summary(report)), ("problems", .array(report.reading.problems.map(evidence))),
      ("format", .string("photofinish-check")), ("version", .number(1)),
    ]).text + "\n"
  }

  static func finding(_ finding: CheckFinding) -> JSONText {
    .object([
      ("rule", .string(finding.rule.rawValue)), ("file", .string(finding.place.file)),
      ("line", .number(Int64(finding.place.line))),
      ("column", .number(Int64(finding.place.column))), ("confidence", .string(finding.confidence.rawValue)),
      ("level", .string(finding.level.rawValue)), ("message", .string(finding.message)),
      ("evidence", .array(finding.evidence.map(evidence))),
      (
        "changes",
        .array(
          finding.changes.map { change in
            .object([("write", .string(change.text))] + place(change.place))
          })
      ),
    ])
  }

  private static func evidence(_ item: CheckEvidence) -> JSONText {
    .object([("text", .string(item.text))] + place(item.place))
  }

  private static func place(_ place: CheckPlace?) -> [(String, JSONText)] {
    guard let place else { return [] }
    return [
      ("file", .string(place.file)), ("line", .number(Int64(place.line))), ("column", .number(Int64(place.column))),
    ]
  }

  private static func hop(_ hop: CheckHop, _ expected: Double?) -> JSONText {
    .object([
      ("verdict", .string(hop.verdict.rawValue)), ("link", .string(hop.link.rawValue)),
      ("joined_because", .string(hop.reason)),
      ("expected_failures_per_day", expected.map { .decimal($0, digits: 3) } ?? .null), ("pool", pool(hop.pool)),
      (
        "server",
        .object(
          [
            ("software", .string(hop.server.software.rawValue)), ("title", .string(hop.server.title)),
            ("idle", timer(hop.server.idle)),
          ] + place(hop.server.place))
      ),
    ])
  }

  private static func pool(_ pool: CheckedPool) -> JSONText {
    let use =
      switch pool.use {
      case .used: "used"
      case .unused: "unused"
      case .versions(let range): "used by \(range.text)"
      }
    return .object(
      [
        ("software", .string(pool.software.rawValue)), ("title", .string(pool.title)), ("use", .string(use)),
        ("idle", timer(pool.idle)),
      ] + place(pool.place))
  }

  private static func timer(_ timer: CheckTimer) -> JSONText {
    var members: [(String, JSONText)] = [("setting", .string(timer.setting))]
    switch timer.value {
    case .time(let time): members.append(("seconds", .decimal(time.inSeconds, digits: 3)))
    case .never: members.append(("limit", .string("none")))
    case .none: members.append(("keep_alive", .bool(false)))
    case .unknown: members.append(("unknown", .bool(true)))
    }
    if timer.isAssumed, let fact = timer.fact {
      members.append(
        ("assumed", .object([("versions", .string(fact.versions.text)), ("source", .string(fact.source))])))
    }
    return .object(members + place(timer.place))
  }

  private static func summary(_ report: CheckReport) -> JSONText {
    .object([
      ("files", .number(Int64(report.fileCount))), ("understood", .number(Int64(report.reading.understood.count))),
      ("servers", .number(Int64(report.reading.servers.count))), ("pools", .number(Int64(report.reading.pools.count))),
      ("hops", .number(Int64(report.hops.count))), ("judged", .number(Int64(report.judged))),
      ("suppressed", .number(Int64(report.suppressed))),
    ])
  }
}
