/// What a pool may lease of one server at this moment: the idle window as five plain numbers, which a host can publish
/// as atomics.
package struct IdleBounds: Sendable, Hashable, BitwiseCopyable {
  /// A connection is leased only below this idle age. Zero: reuse is pointless, this server keeps no connection.
  package var leaseLimit: Nanoseconds
  /// A non-idempotent request takes a connection only below this idle age: the server has been seen to keep connections
  /// so long.
  package var provenAge: Nanoseconds
  /// A connection is leased only below this connection age.
  package var connectionAgeLimit: Nanoseconds
  /// A connection is leased only after fewer requests than this.
  package var usesLimit: UInt32
  /// A non-idempotent request takes only a connection that was opened or has answered since then: the server, or one of
  /// its workers, seemed to end at this moment, and what has been quiet since may be the next to go.
  package var trustedSince: Instant

  @inlinable package init(
    leaseLimit: Nanoseconds,
    provenAge: Nanoseconds,
    connectionAgeLimit: Nanoseconds = .unlimited,
    usesLimit: UInt32 = .max,
    trustedSince: Instant = Instant(nanoseconds: .min)
  ) {
    self.leaseLimit = leaseLimit
    self.provenAge = provenAge
    self.connectionAgeLimit = connectionAgeLimit
    self.usesLimit = usesLimit
    self.trustedSince = trustedSince
  }

  /// A server of which nothing is known: any idle age up to the configured one, and the floor for what cannot be
  /// repaired.
  package static func unknown(configuredLimit: Nanoseconds) -> IdleBounds {
    IdleBounds(leaseLimit: configuredLimit, provenAge: min(provenAgeFloor, configuredLimit))
  }

  /// No avoidance: the race is only repaired.
  package static func unguarded(configuredLimit: Nanoseconds) -> IdleBounds {
    IdleBounds(leaseLimit: configuredLimit, provenAge: .unlimited)
  }

  /// Every server is trusted to keep a connection for this long after a response, unless it has been seen not to.
  package static let provenAgeFloor = Nanoseconds.milliseconds(10)

  /// Whether a response on a connection that was reused at `idleAge` is worth telling the learner: it shows more than
  /// is known.
  ///
  /// One comparison, for the hot path. Most reuses under load are no news.
  package func isNews(reuseAt idleAge: Nanoseconds) -> Bool {
    provenAge == .zero || idleAge > provenAge + IdleWindow.timerMargin(at: idleAge)
  }
}
