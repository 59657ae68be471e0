internal import Core

/// How often a mismatch hurts, by the model of `predict`.
package enum CheckPrediction {
  /// Failures a day of one hop at a rate of requests; nil where its timers say nothing to the model.
  package static func perDay(_ hop: CheckHop, requestsPerSecond: Double) -> Double? {
    guard hop.verdict == .race || hop.verdict == .thin, case .time(let server) = hop.server.idle.value, server > .zero
    else { return nil }
    var settings = PredictionSettings(requestsPerSecond: requestsPerSecond, serverIdle: server)
    if case .time(let hold) = hop.pool.idle.value, hold > .zero { settings.proxyIdle = hold }
    do throws(PredictionSettings.Misuse) {
      return try Prediction(settings).perDay
    } catch {
      return nil
    }
  }
}
