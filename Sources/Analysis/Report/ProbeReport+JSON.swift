import Core

extension ProbeReport {
  package func json() -> String {
    var members: [(String, JSONText)] = [
      ("format", .string("photofinish-probe")), ("version", .number(1)), ("target", .string(result.target)),
      ("answer", .string(answer(Ink(isColoured: false)))), ("measured", .bool(obstacle == nil)),
      ("interrupted", .bool(result.wasInterrupted)), ("waited_seconds", .decimal(result.waited.inSeconds, digits: 3)),
    ]
    if let obstacle { members.append(("obstacle", .string(obstacle))) }
    if !result.address.isEmpty { members.append(("address", .string(result.address))) }
    if !result.otherAddresses.isEmpty {
      members.append(("other_addresses", .array(result.otherAddresses.map { .string($0) })))
    }
    if let verdict { members.append(("verdict", .string(verdict.rawValue))) }
    if let proxyIdle { members.append(("proxy_idle_seconds", .decimal(proxyIdle.inSeconds, digits: 3))) }
    members.append(("closes_after_each_answer", .bool(closesAfterEachAnswer)))
    if let timeout, let latest {
      members.append(("idle_timeout_seconds", .decimal(timeout.inSeconds, digits: 3)))
      members.append(("idle_timeout_latest_seconds", .decimal(latest.inSeconds, digits: 3)))
      members.append(("error_seconds", .decimal(error.inSeconds, digits: 3)))
      members.append(("jitter_seconds", .decimal(jitter.inSeconds, digits: 3)))
      members.append(("idle_closes", .number(Int64(samples))))
    }
    if let hold {
      members.append(("recommended_hold_seconds", .decimal(hold.inSeconds, digits: 1)))
      members.append(("connections_can_be_held", .bool(canHold)))
      if result.isHTTP, !closesAfterEachAnswer, canHold {
        let lines = ProbeReport.lines(hold: hold).map { ($0.name, JSONText.string($0.line)) }
        members.append(("settings", .object(lines)))
      }
    }
    if let limit = result.unannouncedRequestLimit {
      members.append(("unannounced_request_limit", .number(Int64(limit))))
    }
    if let time = result.roundTrip { members.append(("round_trip_seconds", .decimal(time.inSeconds, digits: 6))) }
    if let problem = result.observations.compactMap(\.certificateProblem).first {
      members.append(("certificate_problem", .string(problem)))
    }
    members.append(("connections_opened", .number(Int64(result.connections))))
    members.append(("requests_sent", .number(Int64(result.requests))))
    members.append(("connections", .array(result.observations.map(ProbeReport.json))))
    return JSONText.object(members).text + "\n"
  }

  private static func json(_ seen: ProbeObservation) -> JSONText {
    var members: [(String, JSONText)] = [
      ("plan", .string(seen.plan.name)), ("requests", .number(Int64(seen.requests))),
      ("answers", .number(Int64(seen.answers))), ("ending", .string(seen.ending.rawValue)),
      ("close_announced", .bool(seen.closeWasAnnounced)),
    ]
    if let status = seen.status { members.append(("status", .number(Int64(status)))) }
    if let location = seen.location { members.append(("location", .string(location))) }
    if let age = seen.age { members.append(("age_seconds", .decimal(age.inSeconds, digits: 3))) }
    if let time = seen.connectTime { members.append(("connect_seconds", .decimal(time.inSeconds, digits: 6))) }
    if let timeout = seen.advertisedTimeout { members.append(("advertised_timeout_seconds", .number(Int64(timeout)))) }
    if let maximum = seen.advertisedMaximum { members.append(("advertised_maximum_requests", .number(Int64(maximum)))) }
    if let status = seen.unaskedStatus { members.append(("unasked_status", .number(Int64(status)))) }
    if seen.hasContentBehindHead { members.append(("content_behind_head", .bool(true))) }
    if let late = seen.late { members.append(("late_request", .string(late.rawValue))) }
    if let name = seen.protocolName { members.append(("alpn", .string(name))) }
    if let problem = seen.problem { members.append(("problem", .string(problem))) }
    return .object(members)
  }
}
