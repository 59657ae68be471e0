package import Core

/// What a probe's observations mean for a proxy in front of the server.
package struct ProbeReport {
  package enum Verdict: String, Sendable {
    /// The proxy gives connections up well before the server does.
    case safe
    /// It does, but not by a margin that delays and jitter allow for.
    case tight
    /// The server closes first: requests will be lost.
    case race
    /// The server did not close as long as the probe waited.
    case unknown
  }

  private let result: ProbeResult
  private let proxyIdle: Nanoseconds?

  package init(_ result: ProbeResult, proxyIdle: Nanoseconds?) {
    self.result = result
    self.proxyIdle = proxyIdle
  }

  /// The idle age at which the server closes: the least that was seen.
  package var timeout: Nanoseconds? { result.idleAges.min() }
  package var latest: Nanoseconds? { result.idleAges.max() }

  /// How far the timeout may be from the truth: the error of a measured age, and half of what was seen to vary.
  package var error: Nanoseconds { result.error + ((latest ?? .zero) - (timeout ?? .zero)) / 2 }

  package var hold: Nanoseconds? {
    timeout.map { TimeoutEstimate.hold(below: $0, roundTrip: result.roundTrip ?? .zero) }
  }

  package var closesAfterEachAnswer: Bool {
    let used = result.observations.filter { $0.answers > 0 && $0.plan != .version10(keepAlive: false) }
    return !used.isEmpty && used.allSatisfy(\.closeWasAnnounced)
  }

  /// Every connection failed.
  private var couldNotMeasure: Bool { result.observations.allSatisfy { $0.problem != nil } }

  package var verdict: Verdict? {
    guard let proxyIdle else { return nil }
    if closesAfterEachAnswer { return .safe }
    guard let timeout, let hold else { return proxyIdle < result.waited / 5 * 4 ? .safe : .unknown }
    if proxyIdle <= hold { return .safe }
    return proxyIdle + error < timeout ? .tight : .race
  }

  /// 0 safe, or nothing was asked; 1 the proxy's time is too long; 2 the server could not be measured; 3 unknown.
  package var exitCode: Int32 {
    if couldNotMeasure { return 2 }
    switch verdict {
    case .safe?: return 0
    case nil: return timeout != nil || closesAfterEachAnswer ? 0 : 3
    case .tight?, .race?: return 1
    case .unknown?: return 3
    }
  }

  // MARK: - Text

  package func text(ink: Ink) -> String {
    var lines = [answer(ink), ""]
    lines += facts()
    lines.append("")
    lines += settings(ink)
    return lines.joined(separator: "\n") + "\n"
  }

  private func answer(_ ink: Ink) -> String {
    if couldNotMeasure {
      let problem = result.observations.compactMap(\.problem).first ?? "no connection could be made"
      return ink.red("\(result.target) could not be measured: ") + problem
    }
    var line: String
    if closesAfterEachAnswer {
      line = "\(result.target) closes the connection after each answer: there is nothing to reuse, and no race."
    } else if let timeout, let hold {
      line =
        "\(result.target) closes idle connections after \(Display.duration(timeout)) +-\(Display.duration(error)); "
      line += "a proxy may hold them for at most " + ink.bold(Display.duration(hold)) + "."
    } else {
      line = "\(result.target) did not close an idle connection within \(Display.duration(result.waited))."
    }
    guard let verdict, let proxyIdle else { return line }
    let idle = Display.duration(proxyIdle)
    switch verdict {
    case .safe: return ink.green("Safe: ") + "holding idle connections for \(idle) is within the limit. " + line
    case .tight: return ink.yellow("Tight: ") + "\(idle) is below the server's timeout, without a margin. " + line
    case .race: return ink.red("Race: ") + "a proxy that holds idle connections for \(idle) will lose requests. " + line
    case .unknown: return ink.yellow("Unknown: ") + line + " Wait longer (--max-wait)."
    }
  }

  private func facts() -> [String] {
    var lines: [String] = []
    func add(_ name: String, _ text: String) {
      lines.append("  " + name + String(repeating: " ", count: max(1, 26 - name.count)) + text)
    }
    if let time = result.roundTrip { add("round trip", Display.duration(time)) }
    if let name = result.observations.compactMap(\.protocolName).first, !name.isEmpty { add("ALPN", name) }
    let ages = result.idleAges.sorted()
    if ages.count > 1, let first = ages.first, let last = ages.last {
      add(
        "idle closes",
        "\(ages.count), from \(Display.duration(first)) to \(Display.duration(last)): jitter \(Display.duration(last - first))"
      )
    }
    let endings = Set(result.observations.filter { $0.age != nil && $0.plan != .halfSent }.map(\.ending.rawValue))
      .sorted()
    if !endings.isEmpty { add("closes with", endings.joined(separator: ", ")) }
    if let timeout = result.observations.compactMap(\.advertisedTimeout).first {
      add("advertises", "Keep-Alive: timeout=\(timeout)")
    } else if result.isHTTP {
      add("advertises", "no Keep-Alive timeout")
    }
    for seen in result.observations { if let text = fact(seen) { add(seen.plan.name, text) } }
    return lines
  }

  private func fact(_ seen: ProbeObservation) -> String? {
    if let problem = seen.problem { return problem }
    let unasked = seen.unaskedStatus.map { ", with an unasked \($0) first" } ?? ""
    switch seen.plan {
    case .idle:
      return nil
    case .lateRequest:
      guard let late = seen.late else { return nil }
      switch late {
      case .reset: return "is answered by a reset"
      case .answered: return "is answered: the server closes one direction only"
      case .silence: return "is met by silence for a second"
      }
    case .unused:
      return seen.age.map { "closed after \(Display.duration($0)) (\(seen.ending.rawValue))\(unasked)" }
        ?? "stays open for \(Display.duration(result.waited)) at least"
    case .halfSent:
      return seen.age.map { "closed after \(Display.duration($0)) (\(seen.ending.rawValue))\(unasked)" }
        ?? "is waited for, for \(Display.duration(result.waited)) at least"
    case .requests(let limit):
      if seen.answers >= limit { return "at least \(limit)" }
      return "\(seen.answers), then \(seen.closeWasAnnounced ? "Connection: close" : "closed without notice")"
    case .version10:
      return seen.answers == 0
        ? "no answer" : seen.closeWasAnnounced ? "closes behind the answer" : "keeps the connection"
    case .head:
      return seen.answers == 2
        ? "keeps the connection" : seen.closeWasAnnounced ? "closes behind the answer" : "did not answer twice"
    case .reuse:
      return seen.answers == 2 ? "answered" : "failed"
    }
  }

  // MARK: - Settings

  private func settings(_ ink: Ink) -> [String] {
    guard !closesAfterEachAnswer, let hold, result.isHTTP else { return [] }
    guard hold >= .milliseconds(100) else {
      return [
        "  The server closes so soon that no proxy should hold its connections: switch upstream keep-alive off, or raise the",
        "  server's timeout.",
      ]
    }
    return [ink.bold("  Settings for that hold")]
      + ProbeReport.lines(hold: hold).map {
        "  " + $0.name + String(repeating: " ", count: max(1, 13 - $0.name.count)) + $0.line
      }
  }

  /// One line for each proxy.
  package static func lines(hold: Nanoseconds) -> [(name: String, line: String)] {
    let milliseconds = hold.milliseconds
    let seconds = max(1, milliseconds / 1_000)
    let exact = milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
    return [
      ("Photofinish", "photofinish serve --upstream ... --upstream-idle \(exact)"),
      ("nginx", "upstream { ... keepalive_timeout \(exact); }"),
      ("HAProxy", "pool-purge-delay \(exact)     # in the backend's server or default-server line"),
      ("Envoy", "common_http_protocol_options: { idle_timeout: \(Display.decimal(hold.inSeconds, digits: 3))s }"),
      ("Traefik", "serversTransport.forwardingTimeouts.idleConnTimeout = \"\(exact)\""),
      ("Caddy", "transport http { keepalive \(exact) }"),
      (
        "AWS ALB",
        "raise the server's timeout above the ALB's idle_timeout.timeout_seconds (60 by default): its hold cannot be set apart"
          + (seconds < 60 ? "" : "; or set that to \(seconds)")
      ),
    ]
  }

  // MARK: - JSON

  package func json() -> String {
    var members: [(String, JSONText)] = [
      ("format", .string("photofinish-probe")), ("version", .number(1)), ("target", .string(result.target)),
      ("answer", .string(answer(Ink(isColoured: false)))),
      ("waited_seconds", .decimal(result.waited.inSeconds, digits: 3)),
      ("closes_after_each_answer", .bool(closesAfterEachAnswer)),
    ]
    if let verdict { members.append(("verdict", .string(verdict.rawValue))) }
    if let proxyIdle { members.append(("proxy_idle_seconds", .decimal(proxyIdle.inSeconds, digits: 3))) }
    if let timeout, let latest {
      members.append(("idle_timeout_seconds", .decimal(timeout.inSeconds, digits: 3)))
      members.append(("idle_timeout_latest_seconds", .decimal(latest.inSeconds, digits: 3)))
      members.append(("error_seconds", .decimal(error.inSeconds, digits: 3)))
    }
    if let hold { members.append(("recommended_hold_seconds", .decimal(hold.inSeconds, digits: 1))) }
    if let time = result.roundTrip { members.append(("round_trip_seconds", .decimal(time.inSeconds, digits: 6))) }
    members.append(("connections", .array(result.observations.map(ProbeReport.json))))
    return JSONText.object(members).text + "\n"
  }

  private static func json(_ seen: ProbeObservation) -> JSONText {
    var members: [(String, JSONText)] = [
      ("plan", .string(seen.plan.name)), ("answers", .number(Int64(seen.answers))),
      ("ending", .string(seen.ending.rawValue)), ("close_announced", .bool(seen.closeWasAnnounced)),
    ]
    if let status = seen.status { members.append(("status", .number(Int64(status)))) }
    if let age = seen.age { members.append(("age_seconds", .decimal(age.inSeconds, digits: 3))) }
    if let time = seen.connectTime { members.append(("connect_seconds", .decimal(time.inSeconds, digits: 6))) }
    if let timeout = seen.advertisedTimeout { members.append(("advertised_timeout_seconds", .number(Int64(timeout)))) }
    if let maximum = seen.advertisedMaximum { members.append(("advertised_maximum_requests", .number(Int64(maximum)))) }
    if let status = seen.unaskedStatus { members.append(("unasked_status", .number(Int64(status)))) }
    if let late = seen.late { members.append(("late_request", .string(late.rawValue))) }
    if let name = seen.protocolName { members.append(("alpn", .string(name))) }
    if let problem = seen.problem { members.append(("problem", .string(problem))) }
    return .object(members)
  }
}
