/// What the health checks say of one server. One for each server of the process, shared by its threads under a lock; whoever
/// makes the checks drives it, and publishes ``isHealthy`` for the balancers.
///
/// ```
/// at health.firstCheck(now:random:):   connect, send the request of the settings, wait at most settings.timeout
///   let change = health.checked(.answered(status: 200))      // or .failed
///   next check at health.nextCheck(now:random:)
/// ```
///
/// ```
///               succeeded                     fall failures in a row
///   unproven ---------------> healthy ------------------------------> unhealthy
///       |                       ^                                        | ^
///       | failed                +----------------------------------------+ |
///       +-------------------------------------------- rise successes ------+
/// ```
package struct ActiveHealth: Sendable {
  private enum State: Sendable, BitwiseCopyable {
    /// No check came to an end yet: it is taken for healthy, and the first check decides. Next: healthy, unhealthy.
    case unproven
    /// `failures` in a row since the last success. Next: unhealthy, when they are as many as `fall`.
    case healthy(failures: UInt32)
    /// `successes` in a row since the last failure. Next: healthy, when they are as many as `rise`.
    case unhealthy(successes: UInt32)
  }

  package let settings: ActiveHealthSettings
  private var state = State.unproven

  package init(_ settings: ActiveHealthSettings) {
    self.settings = settings
  }

  package var isHealthy: Bool {
    switch state {
    case .unproven, .healthy: true
    case .unhealthy: false
    }
  }

  /// Whether no check has come to an end.
  package var isUnproven: Bool {
    switch state {
    case .unproven: true
    case .healthy, .unhealthy: false
    }
  }

  package enum CheckResult: Sendable, Hashable, BitwiseCopyable {
    /// A whole response head came in time.
    case answered(status: UInt16)
    /// The connection opened, where the settings name no path.
    case connected
    /// It could not be connected to, did not answer in time, or what it said is no response.
    case failed
  }

  package enum Change: UInt8, Sendable, Hashable, BitwiseCopyable {
    case unchanged
    /// It gets requests again, from now on slowly (``SlowStart``).
    case becameHealthy
    case becameUnhealthy
  }

  package mutating func checked(_ result: CheckResult) -> Change {
    isSuccess(result) ? succeeded() : failed()
  }

  private func isSuccess(_ result: CheckResult) -> Bool {
    switch result {
    case .answered(let status): settings.statuses.contains(status)
    case .connected: settings.path == nil
    case .failed: false
    }
  }

  private mutating func succeeded() -> Change {
    switch state {
    case .unproven, .healthy:
      state = .healthy(failures: 0)
      return .unchanged
    case .unhealthy(let successes):
      guard successes &+ 1 >= settings.rise else {
        state = .unhealthy(successes: successes &+ 1)
        return .unchanged
      }
      state = .healthy(failures: 0)
      return .becameHealthy
    }
  }

  private mutating func failed() -> Change {
    switch state {
    case .unproven:
      state = .unhealthy(successes: 0)
      return .becameUnhealthy
    case .healthy(let failures):
      guard failures &+ 1 >= settings.fall else {
        state = .healthy(failures: failures &+ 1)
        return .unchanged
      }
      state = .unhealthy(successes: 0)
      return .becameUnhealthy
    case .unhealthy:
      state = .unhealthy(successes: 0)
      return .unchanged
    }
  }

  // MARK: - When

  /// The first check comes soon, for it decides; spread over a second, so that not all servers are asked at once.
  package func firstCheck(now: Instant, random: UInt64) -> Instant {
    now.advanced(by: Jitter.part(of: min(settings.interval, .seconds(1)), random))
  }

  /// The next one a tenth earlier or later than the interval, so that copies of the proxy do not keep step.
  ///
  /// - Parameter now: when the last one began.
  package func nextCheck(now: Instant, random: UInt64) -> Instant {
    now.advanced(by: Jitter.around(settings.interval, tenths: 1, random))
  }
}

/// Lengths of time with a random part.
package enum Jitter {
  /// From zero up to `span`, any as likely as another.
  package static func part(of span: Nanoseconds, _ random: UInt64) -> Nanoseconds {
    guard span > .zero else { return .zero }
    let bound = UInt64(span.count)
    // Without an overflow at the longest span: the bound itself is left out then, and nobody will see it.
    let count = random.multipliedFullWidth(by: bound == UInt64(Int64.max) ? bound : bound &+ 1).high
    return Nanoseconds(Int64(count))
  }

  /// Up to so many tenths of `span` shorter or longer.
  package static func around(_ span: Nanoseconds, tenths: Int64, _ random: UInt64) -> Nanoseconds {
    let width = (span / 10) * tenths
    return span - width + part(of: width * 2, random)
  }
}
