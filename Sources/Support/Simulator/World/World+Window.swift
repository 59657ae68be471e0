import Core

/// What the idle window must have come to when the world ends.
extension World {
  /// So many closes of idle connections are enough to have learned from.
  static let closesToLearnFrom = 4

  func checkWindow() {
    guard scenario.proxy.window.isOn, scenario.serverOnlyClosesIdle, scenario.idleTimeoutIsSteady,
      !scenario.losesSegments, scenario.server.idleClose != .vanish, scenario.server.maximumRequests == .max,
      idleClosesSeen >= Self.closesToLearnFrom
    else { return }
    let timeout = scenario.server.idleTimeout
    guard timeout < scenario.proxy.window.configuredLimit else { return }
    let limit = window.bounds.leaseLimit
    let roundTrip = scenario.path.oneWayDelay * 2
    if limit > max(.zero, timeout - roundTrip) {
      ledger.violate(
        "\(idleClosesSeen) closes were seen and the window is \(limit.inSeconds) s; the server closes after \(timeout.inSeconds) s, the round trip is \(roundTrip.inSeconds) s"
      )
      return
    }
    let slack = scenario.path.jitter * 2 + scenario.proxy.latency
    if limit < timeout / 2 - roundTrip * 2 - .milliseconds(50) - slack {
      ledger.violate(
        "the window shrank to \(limit.inSeconds) s; the server closes after \(timeout.inSeconds) s, the round trip is \(roundTrip.inSeconds) s"
      )
      return
    }
    coverage.saw(.windowConverged)
  }
}
