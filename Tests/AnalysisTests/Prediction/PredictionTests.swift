import Analysis
import Core
import Testing

struct PredictionTests {
  struct Pool: CustomTestStringConvertible {
    var rate: Double
    var serverIdle: Double
    var risk: Double
    var responseTime: Double
    var order = PoolOrder.newest
    var poolSize = 1_000
    var jitter = 0.0
    var proxyIdle = Double.infinity
    var isSteady = false
    /// By which share model and simulation may differ beyond chance.
    var tolerance = 0.05

    var testDescription: String {
      "\(order) \(rate)/s idle \(serverIdle) +- \(jitter) risk \(risk) response \(responseTime) size \(poolSize) proxy \(proxyIdle)"
    }

    var settings: PredictionSettings {
      var settings = PredictionSettings(requestsPerSecond: rate, serverIdle: Self.span(serverIdle))
      settings.pathDelay = Self.span(risk / 2)
      settings.reaction = .zero
      settings.responseTime = Self.span(responseTime)
      settings.order = order
      settings.poolSize = poolSize
      settings.serverJitter = Self.span(jitter)
      settings.proxyIdle = proxyIdle.isFinite ? Self.span(proxyIdle) : nil
      return settings
    }

    var simulation: PoolSimulation {
      PoolSimulation(
        rate: rate, responseTime: responseTime, isSteady: isSteady, order: order, poolSize: poolSize,
        serverIdle: serverIdle, jitter: jitter, proxyIdle: proxyIdle, risk: risk)
    }

    private static func span(_ seconds: Double) -> Nanoseconds { Nanoseconds(Int64(seconds * 1e9)) }
  }

  /// Model and simulation agree within chance (four standard deviations) and the tolerance.
  @Test(arguments: [
    Pool(rate: 1, serverIdle: 1, risk: 0.02, responseTime: 0.05),
    Pool(rate: 0.2, serverIdle: 5, risk: 0.02, responseTime: 0.1),
    Pool(rate: 10, serverIdle: 1, risk: 0.02, responseTime: 0.05),
    Pool(rate: 50, serverIdle: 1, risk: 0.05, responseTime: 0.1),
    Pool(rate: 100, serverIdle: 1, risk: 0.05, responseTime: 0.1),
    Pool(rate: 10, serverIdle: 1, risk: 0.02, responseTime: 0.05, poolSize: 2),
    Pool(rate: 5, serverIdle: 1, risk: 0.05, responseTime: 0.05, jitter: 0.3),
    Pool(rate: 5, serverIdle: 1, risk: 0.05, responseTime: 0.05, jitter: 0.3, proxyIdle: 0.9),
    // The model takes response times as exponential; when all are alike it is a little off.
    Pool(rate: 10, serverIdle: 1, risk: 0.02, responseTime: 0.05, isSteady: true, tolerance: 0.1),
    Pool(rate: 1, serverIdle: 1, risk: 0.02, responseTime: 0.05, order: .oldest, tolerance: 0.2),
    Pool(rate: 10, serverIdle: 1, risk: 0.02, responseTime: 0.05, order: .oldest, tolerance: 0.2),
    Pool(rate: 1, serverIdle: 1, risk: 0.02, responseTime: 0.05, order: .random, tolerance: 0.2),
    Pool(rate: 10, serverIdle: 1, risk: 0.02, responseTime: 0.05, order: .random, tolerance: 0.2),
    Pool(rate: 50, serverIdle: 1, risk: 0.05, responseTime: 0.1, order: .random, tolerance: 0.2),
    Pool(rate: 10, serverIdle: 1, risk: 0.02, responseTime: 0.05, order: .random, poolSize: 2, tolerance: 0.2),
  ])
  func agreesWithASimulation(pool: Pool) throws {
    let seed: UInt64 = 11
    let (lost, seconds) = pool.simulation.run(count: 300_000, seed: seed)
    let expected = try Prediction(pool.settings).perDay / 86_400 * seconds
    let allowed = 4 * max(expected, 1).squareRoot() + pool.tolerance * expected
    #expect(abs(Double(lost) - expected) <= allowed, "seed \(seed): expected \(expected), simulated \(lost)")
    #expect(lost > 20)
  }

  /// With one request at a time the model is a formula that can be written down.
  @Test func loneRequestsFollowTheExponential() throws {
    let pool = Pool(rate: 0.5, serverIdle: 2, risk: 0.01, responseTime: 1e-6)
    // exp(-0.995) and exp(-1).
    let byHand = 0.5 * (0.36972344440 - 0.36787944117) * 86_400
    for order in PoolOrder.allCases {
      var settings = pool.settings
      settings.order = order
      let perDay = try Prediction(settings).perDay
      // With the oldest or any first, the formula is conditioned by the share of the time in which there is a connection.
      #expect(abs(perDay - byHand) / byHand < 0.01, "\(order): \(perDay), by hand \(byHand)")
    }
  }

  @Test func aProxyThatClosesFirstLosesNothing() throws {
    var settings = Pool(rate: 20, serverIdle: 5, risk: 0.002, responseTime: 0.05).settings
    #expect(try Prediction(settings).perDay > 1)
    settings.proxyIdle = .milliseconds(4_998)
    #expect(try Prediction(settings).perDay == 0)
    #expect(try Prediction(settings).dominating == nil)
    // Within the risk: less, but not nothing.
    settings.proxyIdle = .milliseconds(4_999)
    let some = try Prediction(settings).perDay
    settings.proxyIdle = .milliseconds(5_000)
    #expect(try some > 0 && some < Prediction(settings).perDay)
  }

  @Test func everyRemedyIsABetterFigureOrSaysSo() throws {
    var settings = Pool(rate: 20, serverIdle: 5, risk: 0.002, responseTime: 0.05).settings
    settings.proxyIdle = .seconds(60)
    let prediction = try Prediction(settings)
    let remedies = Dictionary(uniqueKeysWithValues: prediction.remedies.map { ($0.name, $0.perDay) })
    #expect(remedies["no reuse"] == 0 && remedies["photofinish as the proxy"] == 0)
    #expect(remedies["proxy resends idempotent requests"] == prediction.perDay * 0.2)
    #expect(remedies.contains { $0.key.hasPrefix("proxy holds idle connections for less than") && $0.value == 0 })
    #expect(remedies.contains { $0.key.hasPrefix("server keeps them for more than") && $0.value == 0 })
    let half = try #require(remedies["half the path's delay"])
    #expect(abs(half / prediction.perDay - 0.5) < 0.01)
  }

  /// Pools are alike and do not know of each other.
  @Test func poolsAddUp() throws {
    var settings = Pool(rate: 3, serverIdle: 1, risk: 0.02, responseTime: 0.05).settings
    let one = try Prediction(settings).perDay
    settings.requestsPerSecond = 12
    settings.pools = 4
    #expect(try abs(Prediction(settings).perDay - 4 * one) < 1e-6 * one)
  }

  @Test func intervalsAreThoseOfThePoissonDistribution() {
    // From tables.
    #expect(Prediction.interval(expected: 0) == 0...0)
    #expect(Prediction.interval(expected: 1) == 0...3)
    #expect(Prediction.interval(expected: 10) == 4...17)
    #expect(Prediction.interval(expected: 1_000) == 938...1_062)
    let none = Prediction.expectation(measured: 0)
    #expect(none.lowerBound == 0 && abs(none.upperBound - 3.689) < 0.001)
    let ten = Prediction.expectation(measured: 10)
    #expect(abs(ten.lowerBound - 4.795) < 0.001 && abs(ten.upperBound - 18.391) < 0.001)
  }

  @Test func holdsMeasurementsAgainstThePrediction() throws {
    var settings = PredictionSettings(requestsPerSecond: 2, serverIdle: .milliseconds(500))
    settings.pathDelay = .milliseconds(10)
    let prediction = try Prediction(settings)
    let expected = prediction.perDay / 86.4
    let near = Prediction.Measurement(failures: Int(expected), seconds: 1_000)
    let far = Prediction.Measurement(failures: Int(expected * 3), seconds: 1_000)
    #expect(prediction.agrees(with: near) && !prediction.agrees(with: far))
  }

  @Test func saysWhatIsWrong() {
    func refusal(_ change: (inout PredictionSettings) -> Void) -> String {
      var settings = PredictionSettings(requestsPerSecond: 1, serverIdle: .seconds(5))
      change(&settings)
      do throws(PredictionSettings.Misuse) {
        _ = try Prediction(settings)
        return "accepted"
      } catch { return "\(error)" }
    }
    #expect(refusal { _ in } == "accepted")
    #expect(refusal { $0.requestsPerSecond = 0 }.contains("request rate"))
    #expect(refusal { $0.pools = 0 }.contains("number of pools is 0"))
    #expect(refusal { $0.serverJitter = .seconds(6) }.contains("longer than its idle time"))
    #expect(refusal { $0.requestsPerSecond = 1e6 }.contains("by the number of pools"))
    #expect(refusal { $0.notIdempotent = 2 }.contains("not idempotent"))
  }

  @Test func speaksTextAndJSON() throws {
    var settings = PredictionSettings(requestsPerSecond: 20, serverIdle: .seconds(5))
    settings.proxyIdle = .seconds(60)
    settings.pathDelay = .milliseconds(1)
    let prediction = try Prediction(settings)
    let text = prediction.text(ink: Ink(isColoured: false))
    for words in ["failures a day", "on 95 of 100 days", "5th connection", "What would change it", "Assumed"] {
      #expect(text.contains(words), "\(text)")
    }
    #expect(
      prediction.json.hasPrefix(#"{"failures_per_day":"#) && prediction.json.contains(#""longest_safe_hold_s":4.99795"#)
    )
    settings.proxyIdle = .seconds(4)
    #expect(try Prediction(settings).text(ink: Ink(isColoured: false)).hasPrefix("No failures"))
  }
}
