package import Core

/// The expected number of requests that the keep-alive race takes, for a proxy that does not repair it.
package struct Prediction: Equatable, Sendable {
  /// The connections of a pool that meet the race most often.
  package struct Dominating: Equatable, Sendable {
    /// Newest first: the rank in the pool, 1 for the one that is taken first. Else how many connections the pool has.
    package var connections: Int
    /// How often a connection of this rank is taken, or a pool has this size while a request comes; a day, over all pools.
    package var takenPerDay: Double
    /// Of all failures, 0 to 1.
    package var share: Double
  }

  package struct Remedy: Equatable, Sendable {
    package var name: String
    package var perDay: Double
    package var cost: String
  }

  /// Failures that were counted, to be held against the prediction.
  package struct Measurement: Equatable, Sendable {
    package var failures: Int
    package var seconds: Double

    package init(failures: Int, seconds: Double) {
      self.failures = failures
      self.seconds = seconds
    }
  }

  package var settings: PredictionSettings
  package var measurement: Measurement?
  package var perDay: Double
  /// nil when the race cannot happen.
  package var dominating: Dominating?
  package var remedies: [Remedy] = []

  package var perThousand: Double { perDay / (settings.requestsPerSecond * 86.4) }
  package var notIdempotentPerDay: Double { perDay * settings.notIdempotent }

  /// Between these, ends included, lies the number of failures on 95 of 100 days, given that the expectation is right.
  package var perDayInterval: ClosedRange<Int> { Self.interval(expected: perDay) }

  /// The same for any stretch of time in which `expected` failures are expected: failures are rare and independent, so that
  /// their number is Poisson distributed.
  package static func interval(expected: Double) -> ClosedRange<Int> {
    let low = RealFunctions.poissonQuantile(0.025, mean: expected)
    return low...max(low, RealFunctions.poissonQuantile(0.975, mean: expected))
  }

  /// What can have been expected, at 95 %, where `count` failures were measured (Garwood 1936): the bounds are the expectations
  /// at which so many, or so few, would have come in 2.5 % of all measurements.
  package static func expectation(measured count: Int) -> ClosedRange<Double> {
    func solve(_ share: Double, _ atMost: Int) -> Double {
      var low = 0.0
      var high = Double(atMost) * 2 + 20
      for _ in 0..<100 {
        let middle = (low + high) / 2
        if RealFunctions.poisson(atMost: atMost, mean: middle) > share { low = middle } else { high = middle }
      }
      return (low + high) / 2
    }
    let low = count == 0 ? 0 : solve(0.975, count - 1)
    return low...max(low, solve(0.025, count))
  }

  /// Failures expected in the time of the measurement.
  package func expected(in measurement: Measurement) -> Double { perDay / 86_400 * measurement.seconds }

  /// Whether what was expected is among what the measurement leaves possible.
  package func agrees(with measurement: Measurement) -> Bool {
    Self.expectation(measured: measurement.failures).contains(expected(in: measurement))
  }

  package init(_ settings: PredictionSettings) throws(PredictionSettings.Misuse) {
    try settings.check()
    self.settings = settings
    let terms = Self.terms(settings)
    let lost = terms.reduce(0) { $0 + $1.lostPerSecond }
    let perDay = lost * Double(settings.pools) * 86_400
    self.perDay = perDay
    if let most = terms.max(by: { $0.lostPerSecond < $1.lostPerSecond }), lost > 0 {
      dominating = Dominating(
        connections: most.connections, takenPerDay: most.takenPerSecond * Double(settings.pools) * 86_400,
        share: most.lostPerSecond / lost)
    }
    remedies = Self.remedies(settings, perDay)
  }

  /// Points at which a jittering timer is looked at.
  private static let jitterPoints = 25

  private static func terms(_ settings: PredictionSettings) -> [PoolModel.Term] {
    let jitter = settings.serverJitter.inSeconds
    let points = jitter > 0 ? jitterPoints : 1
    let windows = (0..<points).map { index in
      let offset = jitter * ((Double(index) + 0.5) / Double(points) * 2 - 1)
      let serverEnd = settings.serverIdle.inSeconds + offset
      let end = min(serverEnd, settings.proxyIdle?.inSeconds ?? .infinity)
      let riskFrom = max(0, serverEnd - settings.riskSpan.inSeconds)
      return PoolModel.Window(riskFrom: min(riskFrom, end), end: end)
    }
    guard windows.contains(where: { $0.riskFrom < $0.end }) else { return [] }
    let model = PoolModel(
      rate: settings.requestsPerSecond / Double(settings.pools), responseTime: settings.responseTime.inSeconds,
      poolSize: settings.poolSize, windows: windows)
    return switch settings.order {
    case .newest: model.newestFirst()
    case .oldest: model.others(.oldest)
    case .random: model.others(.any)
    }
  }

  private static func perDay(_ settings: PredictionSettings, _ change: (inout PredictionSettings) -> Void) -> Double {
    var changed = settings
    change(&changed)
    return terms(changed).reduce(0) { $0 + $1.lostPerSecond } * Double(changed.pools) * 86_400
  }

  /// The longest that a proxy may hold connections of this server without meeting the race.
  package var longestSafeHold: Nanoseconds { Self.longestSafeHold(settings) }

  private static func longestSafeHold(_ settings: PredictionSettings) -> Nanoseconds {
    max(.zero, settings.serverIdle - settings.serverJitter - settings.riskSpan)
  }

  private static func remedies(_ settings: PredictionSettings, _ perDay: Double) -> [Remedy] {
    guard perDay > 0 else { return [] }
    var remedies: [Remedy] = []
    let hold = longestSafeHold(settings)
    if hold > .zero {
      remedies.append(
        Remedy(
          name: "proxy holds idle connections for less than \(Display.duration(hold))",
          perDay: Self.perDay(settings) { $0.proxyIdle = hold }, cost: "more connects"))
    }
    if let proxyIdle = settings.proxyIdle {
      let needed = proxyIdle + settings.serverJitter + settings.riskSpan
      remedies.append(
        Remedy(
          name: "server keeps them for more than \(Display.duration(needed))",
          perDay: Self.perDay(settings) { $0.serverIdle = needed }, cost: "more open connections at the server"))
    }
    remedies.append(
      Remedy(
        name: "no reuse", perDay: 0,
        cost:
          "\(Display.decimal(settings.requestsPerSecond, digits: settings.requestsPerSecond < 10 ? 1 : 0)) connects a "
          + "second, each request \(Display.duration(settings.pathDelay * 2)) longer"))
    remedies.append(
      Remedy(
        name: "proxy resends idempotent requests", perDay: perDay * settings.notIdempotent,
        cost: "POST and the like still fail"))
    for order in PoolOrder.allCases where order != settings.order {
      remedies.append(
        Remedy(
          name: "pool takes \(order.phrase)", perDay: Self.perDay(settings) { $0.order = order },
          cost: order == .oldest ? "more open connections" : "none"))
    }
    if settings.pathDelay > .zero {
      remedies.append(
        Remedy(
          name: "half the path's delay", perDay: Self.perDay(settings) { $0.pathDelay = $0.pathDelay / 2 },
          cost: "a shorter path"))
    }
    remedies.append(
      Remedy(
        name: "photofinish as the proxy", perDay: 0,
        cost: "none: a request that crosses a FIN is proved unread and sent again"))
    return remedies
  }
}

extension PoolOrder {
  package var phrase: String {
    switch self {
    case .newest: "the newest connection first"
    case .oldest: "the oldest connection first"
    case .random: "any connection"
    }
  }
}
