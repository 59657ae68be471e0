import Core

/// What the idle window must have come to when the world ends.
extension World {
  /// So many closes of idle connections are enough to have learned from.
  static let closesToLearnFrom = 4
  /// After a change of the timeout, so many with the new one; and so many when no two are alike. Two of those that happen at
  /// about the same time are taken for a restart, which is right more often than not, so it takes some more.
  static let closesToLearnAnew = 8

  /// The closes of idle connections that the proxy saw.
  struct SeenCloses {
    var count = 0
    var lowestAge = Nanoseconds.unlimited
    /// Those at the idle timeout that holds since it changed.
    var countAnew = 0
  }

  func noteSeenClose(_ facts: LeaseFacts) {
    guard facts.isReused else { return }
    seenCloses.count += 1
    seenCloses.lowestAge = min(seenCloses.lowestAge, facts.idleAge)
    guard let changed = scenario.server.changedIdleTimeout, now >= scenario.server.changesAt else { return }
    let tolerance = changed / 20 + scenario.proxy.latency + scenario.path.jitter * 2
    if facts.idleAge >= changed - tolerance, facts.idleAge <= changed + tolerance { seenCloses.countAnew += 1 }
  }

  func checkWindow() {
    guard scenario.proxy.window.isOn, scenario.serverOnlyClosesIdle, !scenario.losesSegments,
      scenario.server.idleClose != .vanish, scenario.server.maximumRequests == .max,
      scenario.server.maximumAge == .unlimited, scenario.server.hint != .lying,
      seenCloses.count >= Self.closesToLearnFrom
    else { return }
    if scenario.server.changedIdleTimeout != nil {
      checkWindowAfterChange()
    } else if scenario.server.idleJitter > .zero {
      checkJitteredWindow()
    } else {
      checkSteadyWindow()
    }
  }

  private var roundTrip: Nanoseconds { scenario.path.oneWayDelay * 2 }

  /// Below the one timeout that there is, by a round trip; and not so far below that nothing is reused.
  private func checkSteadyWindow() {
    let timeout = scenario.server.idleTimeout
    guard timeout < scenario.proxy.window.configuredLimit else { return }
    expectWindow(below: timeout)
    let limit = window.bounds.leaseLimit
    let slack = scenario.path.jitter * 2 + scenario.proxy.latency
    if limit < timeout / 2 - roundTrip * 2 - .milliseconds(50) - slack {
      ledger.violate(
        "the window shrank to \(limit.inSeconds) s; the server closes after \(timeout.inSeconds) s, the round trip is \(roundTrip.inSeconds) s"
      )
      return
    }
    coverage.saw(.windowConverged)
  }

  /// Below the least timeout that was met.
  private func checkJitteredWindow() {
    guard seenCloses.lowestAge < scenario.proxy.window.configuredLimit, seenCloses.count >= Self.closesToLearnAnew
    else { return }
    expectWindow(below: seenCloses.lowestAge)
    coverage.saw(.windowConvergedWithJitter)
  }

  /// Below the new timeout, once it was met often enough.
  private func checkWindowAfterChange() {
    guard let timeout = scenario.server.changedIdleTimeout, timeout < scenario.proxy.window.configuredLimit,
      scenario.server.idleJitter == .zero, seenCloses.countAnew >= Self.closesToLearnAnew
    else { return }
    expectWindow(below: timeout)
    coverage.saw(.windowConvergedAnew)
  }

  private func expectWindow(below timeout: Nanoseconds) {
    let limit = window.bounds.leaseLimit
    if limit > max(.zero, timeout - roundTrip) {
      ledger.violate(
        "\(seenCloses.count) closes were seen and the window is \(limit.inSeconds) s; the server closes after \(timeout.inSeconds) s, the round trip is \(roundTrip.inSeconds) s"
      )
    }
  }
}
