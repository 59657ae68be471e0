/// What is believed of one server's patience with idle connections, learned from what it says and does.
///
/// A value; the host keeps one for each server behind a lock and publishes ``bounds`` as atomics. No method is on the hot path.
///
/// ```
///   server   t0 response sent                          t0+T: timer fires, FIN sent
///             \                                         \
///   proxy    t0+d: idle age 0           request at a     t0+d+T: FIN seen at idle age T
///                                        \
///   server                                t0+2d+a: must be before t0+T, so a < T - 2d = T - RTT
/// ```
///
/// So the idle age at which a FIN is seen is the server's own timeout, and a lease is safe below it less one round trip and a margin.
package struct IdleWindow: Sendable {
  package struct Settings: Sendable, Hashable, BitwiseCopyable {
    /// No connection is leased from this idle age on, whatever is learned.
    package var configuredLimit: Nanoseconds
    /// Off: nothing is learned and nothing avoided; the race is only repaired.
    package var isOn: Bool

    package init(configuredLimit: Nanoseconds = .seconds(60), isOn: Bool = true) {
      self.configuredLimit = configuredLimit
      self.isOn = isOn
    }
  }

  /// What an event did to the bounds.
  package enum Change: UInt8, Sendable, Hashable, BitwiseCopyable {
    case unchanged
    /// Publish the bounds.
    case adjusted
    /// Publish the bounds and log the description: something was learned, unlearned, or moved by more than a tenth.
    case notable
  }

  /// How the server's close showed.
  package enum CloseKind: UInt8, Sendable, Hashable, BitwiseCopyable {
    case fin
    case reset
  }

  package let settings: Settings
  package private(set) var bounds: IdleBounds

  package init(settings: Settings) {
    self.settings = settings
    bounds =
      settings.isOn
      ? .unknown(configuredLimit: settings.configuredLimit) : .unguarded(configuredLimit: settings.configuredLimit)
  }

  /// Room for the server's timer and for scheduling, at a timeout of `age`: 2 % of it, at least 20 ms.
  package static func timerMargin(at age: Nanoseconds) -> Nanoseconds { max(.milliseconds(20), age / 50) }

  /// The round-trip time to the server, from TCP_INFO. Tell it with the first response of a connection and with every close.
  package mutating func roundTripTimeMeasured(_ time: Nanoseconds) {}

  /// The server said `Keep-Alive: timeout=seconds, max=maximum`. Tell it when it changes, and once a minute.
  package mutating func keepAliveHinted(seconds: Int, maximum: Int?, now: Instant) -> Change { .unchanged }

  /// The server closed an idle connection (a sentinel, too).
  ///
  /// - Parameters:
  ///   - idleAge: the idle age at which the FIN or RST was seen.
  ///   - uses: requests that the connection had carried.
  package mutating func idleClosed(
    idleAge: Nanoseconds, connectionAge: Nanoseconds, uses: UInt32, roundTripTime: Nanoseconds, how: CloseKind,
    now: Instant
  ) -> Change { .unchanged }

  /// A request met the close: its attempt on a reused connection ended without a response, and the server is not known to have read it.
  ///
  /// - Parameters:
  ///   - idleAge: the connection's idle age when the request was sent.
  ///   - closeAge: the time from the connection's last response to the end that was seen.
  package mutating func raceLost(
    idleAge: Nanoseconds, closeAge: Nanoseconds, connectionAge: Nanoseconds, uses: UInt32,
    roundTripTime: Nanoseconds, verdict: Verdict, now: Instant
  ) -> Change { .unchanged }

  /// A response came on a connection that was reused at this idle age. Tell it only when ``IdleBounds/isNews(reuseAt:)`` says so.
  package mutating func reuseSucceeded(idleAge: Nanoseconds, now: Instant) -> Change { .unchanged }

  /// The server still keeps a sentinel open at this idle age.
  package mutating func sentinelSurvived(idleAge: Nanoseconds, now: Instant) -> Change { .unchanged }

  /// Time has passed: old observations lose their weight. Call about once a second.
  package mutating func refresh(now: Instant) -> Change { .unchanged }

  /// Where the bounds come from.
  package enum Source: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    case off
    /// Nothing was seen or said; the configured limit holds.
    case configured
    /// `Keep-Alive: timeout=N`.
    case hint
    /// The idle ages at which the server closed.
    case learned
    /// The server closes after every response, so that there is nothing to reuse.
    case reusePointless
  }

  /// The window for logs and dumps.
  package struct Description: Sendable, Hashable {
    package var source: Source
    package var bounds: IdleBounds
    /// The server's own timeout, as far as it was seen; `nil` when it was not.
    package var estimate: Nanoseconds?
    /// The spread of the closes that the estimate rests on.
    package var jitter: Nanoseconds
    /// Closes that the estimate rests on.
    package var samples: Int
    package var hintSeconds: Int?
    package var roundTripTime: Nanoseconds
    /// When the source or the lease limit last changed notably; `nil`: never.
    package var since: Instant?
  }

  package var description: Description {
    Description(
      source: settings.isOn ? .configured : .off, bounds: bounds, estimate: nil, jitter: .zero, samples: 0,
      hintSeconds: nil, roundTripTime: .zero, since: nil)
  }
}
