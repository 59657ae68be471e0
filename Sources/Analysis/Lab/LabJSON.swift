internal import Core

extension LabReport {
  /// One object: what was run, and each result.
  package var json: String {
    JSONText.object([
      ("command", .string(command)),
      ("began", .string(Display.dateAndTime(began))),
      ("machine", .string(machine)),
      ("versions", .object(versions.map { ($0.name, .string($0.text)) })),
      ("foreign_cpu_share", foreignShare.map { .decimal($0, digits: 3) } ?? .null),
      ("limits", limits.map(JSONText.string) ?? .null),
      ("interrupted", .bool(isInterrupted)),
      ("as_expected", .number(Int64(asExpected))),
      ("differed", .number(Int64(differed))),
      ("not_run", .number(Int64(notRun))),
      ("results", .array(results.map(\.json))),
    ]).text + "\n"
  }
}

extension LabResult {
  fileprivate var json: JSONText {
    var members: [(String, JSONText)] = [
      ("scenario", .string(run.scenario)),
      ("run", .number(Int64(run.number))),
      ("label", run.label.map(JSONText.string) ?? .null),
      ("proxy", run.proxy.map { .string($0.description) } ?? .null),
      ("guarded", .bool(run.isGuarded)),
      ("server", run.server.map { .string($0.description) } ?? .null),
      ("method", .string(run.method)),
      ("traffic", .string(run.traffic.rawValue)),
      ("path", .string(run.path.text)),
      ("expected", .array(run.expectations.map { .string($0.text) })),
    ]
    switch outcome {
    case .asExpected: members.append(("outcome", .string("as expected")))
    case .differed(_, let differences):
      members.append(("outcome", .string("differed")))
      members.append(("differences", .array(differences.map(JSONText.string))))
    case .notRun(let reason):
      members.append(("outcome", .string("not run")))
      members.append(("reason", .string(reason)))
    }
    if let measurement { members.append(("measured", measurement.json)) }
    return .object(members)
  }
}

extension LabMeasurement {
  fileprivate var json: JSONText {
    func count(_ value: Int) -> JSONText { .number(Int64(value)) }
    func milliseconds(_ span: Nanoseconds?) -> JSONText {
      span.map { .decimal(Double($0.count) / 1e6, digits: 3) } ?? .null
    }
    return .object([
      ("sent", count(sent)), ("answered", count(answered)), ("failed", count(failed)),
      ("failed_per_1000", .decimal(failedPerThousand, digits: 2)),
      ("failures", .object(failures.map { ($0.name, count($0.count)) })),
      ("applied", count(applied)), ("applied_twice", count(appliedTwice)), ("lost", count(lost)),
      ("failed_but_applied", count(failedButApplied)), ("answered_but_not_applied", count(answeredButNotApplied)),
      ("died", count(died)), ("failed_without_death", count(failedWithoutDeath)),
      ("warm_ups", count(warmUps)), ("failed_warm_ups", count(failedWarmUps)),
      ("client_retries", count(retries)),
      ("median_ms", milliseconds(medianLatency)), ("p99_ms", milliseconds(highLatency)),
      ("slowest_ms", milliseconds(slowestLatency)), ("server_idle_ms", milliseconds(serverIdle)),
      ("connections", connections.map(count) ?? .null), ("proxy_cpu_ms", milliseconds(processorTime)),
      ("foreign_cpu_share", foreignShare.map { .decimal($0, digits: 3) } ?? .null),
      ("duration_ms", milliseconds(duration)),
      (
        "gaps",
        .array(
          gaps.map {
            .object([
              ("from_ms", milliseconds($0.from)), ("to_ms", milliseconds($0.from + $0.width)),
              ("sent", count($0.sent)), ("failed", count($0.failed)),
            ])
          })
      ),
    ])
  }
}
