internal import Core

extension Prediction {
  package func text(ink: Ink) -> String {
    var lines = [headline(ink)]
    if perDay > 0 {
      lines.append("  on 95 of 100 days \(rangeText); \(Self.number(perThousand)) of 1000 requests; \(every)")
      lines.append(
        "  \(Self.number(notIdempotentPerDay)) of them not idempotent (POST and the like), which nobody may resend blindly"
      )
    }
    if let measurement { lines.append("  " + text(measurement, ink)) }
    lines += ["", ink.bold("Where it comes from")] + reasons
    if !remedies.isEmpty { lines += ["", ink.bold("What would change it")] + remedyLines(ink) }
    lines += ["", ink.bold("Assumed")] + assumptions.map { "  \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  private func headline(_ ink: Ink) -> String {
    guard perDay > 0 else { return ink.green("No failures: the race cannot happen with these times") }
    return ink.bold("\(Self.number(perDay)) failures a day") + " expected, for a proxy that does not repair the race"
  }

  private func text(_ measurement: Measurement, _ ink: Ink) -> String {
    let range = Self.expectation(measured: measurement.failures)
    let agrees = agrees(with: measurement)
    return
      "expected in the time measured: \(Self.number(expected(in: measurement))); measured: \(measurement.failures), which fits an"
      + " expectation of \(Self.number(range.lowerBound)) to \(Self.number(range.upperBound)) (95 %): "
      + (agrees ? ink.green("they agree") : ink.red("they do not agree"))
  }

  private var rangeText: String {
    let range = perDayInterval
    return range.lowerBound == range.upperBound
      ? "\(range.lowerBound)" : "\(Display.grouped(range.lowerBound)) to \(Display.grouped(range.upperBound))"
  }

  private var every: String {
    let seconds = 86_400 / perDay
    if seconds > 2 * 86_400 { return "one in \(Self.number(seconds / 86_400)) days" }
    return "one every \(Display.duration(Nanoseconds(Int64(seconds * 1e9))))"
  }

  private var reasons: [String] {
    let end = settings.serverIdle
    let from = max(.zero, end - settings.riskSpan)
    var lines = [
      "  The server closes after \(Display.duration(end))\(jitterText). A request on a connection that has been idle for"
        + " \(Display.duration(from)) to \(Display.duration(end))",
      "  crosses the close: \(Display.duration(settings.riskSpan)), the round trip and what both sides take to act.",
    ]
    if let proxyIdle = settings.proxyIdle {
      lines.append(
        proxyIdle <= longestSafeHold
          ? "  The proxy holds connections for \(Display.duration(proxyIdle)): it closes them before that."
          : "  The proxy holds connections for \(Display.duration(proxyIdle)): the server is the first to close.")
    }
    if let dominating { lines.append(dominatingText(dominating)) }
    return lines
  }

  private var jitterText: String {
    settings.serverJitter > .zero ? " +- \(Display.duration(settings.serverJitter))" : ""
  }

  private func dominatingText(_ most: Dominating) -> String {
    let share = Display.decimal(most.share * 100, digits: 0)
    switch settings.order {
    case .newest where most.connections == 1:
      return "  \(share) % of the failures are of requests that come alone, after a pause in the traffic."
    case .newest:
      return
        "  \(share) % of the failures are those of the \(Self.ordinal(most.connections)) connection of a pool: it is taken only"
        + " when \(most.connections) requests\n  run at once, \(Self.number(most.takenPerDay)) times a day, and idles in between."
    case .oldest, .random:
      return "  \(share) % of the failures come while a pool has \(Display.count(most.connections, "connection"))."
    }
  }

  private static func ordinal(_ number: Int) -> String {
    let teens = (11...13).contains(number % 100)
    return switch number % 10 {
    case 1 where !teens: "\(number)st"
    case 2 where !teens: "\(number)nd"
    case 3 where !teens: "\(number)rd"
    default: "\(number)th"
    }
  }

  private func remedyLines(_ ink: Ink) -> [String] {
    let width = (remedies.map(\.name.count).max() ?? 0) + 2
    return remedies.map { remedy in
      let figure = Self.number(remedy.perDay)
      let padded = remedy.name + String(repeating: " ", count: width - remedy.name.count)
      let space = String(repeating: " ", count: max(0, 8 - figure.count))
      let coloured = remedy.perDay == 0 ? ink.green(figure) : figure
      return "  \(padded)\(space)\(coloured) a day   \(ink.faint(remedy.cost))"
    }
  }

  private var assumptions: [String] {
    let rate = Self.number(settings.requestsPerSecond)
    let pools = settings.pools == 1 ? "one pool" : "\(settings.pools) pools evenly"
    return [
      "\(rate) requests a second all day, at random times (Poisson), over \(pools)",
      "each under way for \(Display.duration(settings.responseTime)) on average",
      "a pool takes \(settings.order.phrase), keeps at most \(settings.poolSize) idle, and notices a FIN at once",
      "path \(Display.duration(settings.pathDelay)) one way; \(Display.duration(settings.reaction)) for both sides to act",
      "\(Display.decimal(settings.notIdempotent * 100, digits: 0)) % of the methods are not idempotent",
    ]
  }

  /// Three significant digits or so.
  private static func number(_ value: Double) -> String {
    switch value {
    case 0: "0"
    case ..<0.000_001: "less than 0.000001"
    case ..<0.001: Display.decimal(value, digits: 6)
    case ..<0.1: Display.decimal(value, digits: 4)
    case ..<10: Display.decimal(value, digits: 2)
    case ..<100: Display.decimal(value, digits: 1)
    default: Display.grouped(Int(value.rounded()))
    }
  }

  package var json: String {
    let seconds = { (span: Nanoseconds) in JSONText.decimal(span.inSeconds, digits: 6) }
    return JSONText.object([
      ("failures_per_day", .decimal(perDay, digits: 6)),
      (
        "failures_per_day_95",
        .array([.number(Int64(perDayInterval.lowerBound)), .number(Int64(perDayInterval.upperBound))])
      ),
      ("failures_per_1000", .decimal(perThousand, digits: 9)),
      ("not_idempotent_per_day", .decimal(notIdempotentPerDay, digits: 6)),
      ("risk_from_s", seconds(max(.zero, settings.serverIdle - settings.riskSpan))),
      ("risk_to_s", seconds(settings.serverIdle)),
      ("longest_safe_hold_s", seconds(longestSafeHold)),
      ("measurement", measurement.map(json) ?? .null),
      ("dominating", dominating.map(Self.json) ?? .null),
      (
        "remedies",
        .array(
          remedies.map {
            .object([
              ("name", .string($0.name)), ("failures_per_day", .decimal($0.perDay, digits: 6)),
              ("cost", .string($0.cost)),
            ])
          })
      ),
      (
        "assumed",
        .object([
          ("requests_per_second", .decimal(settings.requestsPerSecond, digits: 6)),
          ("pools", .number(Int64(settings.pools))), ("pool_size", .number(Int64(settings.poolSize))),
          ("order", .string(settings.order.rawValue)), ("server_idle_s", seconds(settings.serverIdle)),
          ("server_jitter_s", seconds(settings.serverJitter)),
          ("proxy_idle_s", settings.proxyIdle.map(seconds) ?? .null), ("path_delay_s", seconds(settings.pathDelay)),
          ("reaction_s", seconds(settings.reaction)), ("response_time_s", seconds(settings.responseTime)),
          ("not_idempotent", .decimal(settings.notIdempotent, digits: 4)),
        ])
      ),
    ]).text
  }

  private func json(_ measurement: Measurement) -> JSONText {
    let range = Self.expectation(measured: measurement.failures)
    return .object([
      ("expected", .decimal(expected(in: measurement), digits: 6)), ("measured", .number(Int64(measurement.failures))),
      ("expectation_95", .array([.decimal(range.lowerBound, digits: 6), .decimal(range.upperBound, digits: 6)])),
      ("agrees", .bool(agrees(with: measurement))),
    ])
  }

  private static func json(_ most: Dominating) -> JSONText {
    .object([
      ("connections", .number(Int64(most.connections))), ("taken_per_day", .decimal(most.takenPerDay, digits: 3)),
      ("share", .decimal(most.share, digits: 4)),
    ])
  }
}
