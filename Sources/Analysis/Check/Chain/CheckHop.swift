package import Core

/// What a hop comes to.
package enum HopVerdict: String, Sendable, Hashable {
  /// The server closes while the pool still holds.
  case race
  /// The server holds longer, by too little.
  case thin
  case safe
  /// Nothing is reused between them.
  case noReuse = "no-reuse"
  /// Versions decide, and are not known.
  case versionDecides = "version-decides"
  /// One of the timers could not be followed.
  case open
}

/// A pool and a server that it has connections to.
package struct CheckHop: Sendable {
  package var pool: CheckedPool
  package var server: CheckedServer
  /// How sure it is that they belong together.
  package var link: Confidence
  /// Why they were joined: `web:9000 is port 9000 of uWSGI`.
  package var reason: String

  package init(pool: CheckedPool, server: CheckedServer, link: Confidence, reason: String) {
    self.pool = pool
    self.server = server
    self.link = link
    self.reason = reason
  }

  package var verdict: HopVerdict {
    let plain = Self.compare(hold: pool.idle.value, server: server.idle.value)
    if pool.repairs, plain != .open { return .safe }
    switch pool.use {
    case .unused: return .noReuse
    case .used: return plain
    case .versions(_): return plain == .race || plain == .thin ? .versionDecides : plain
    }
  }

  /// The verdict where the pool is used.
  package var whenUsed: HopVerdict { Self.compare(hold: pool.idle.value, server: server.idle.value) }

  package static func compare(hold: TimerValue, server: TimerValue) -> HopVerdict {
    switch (hold, server) {
    case (_, .none), (.none, _): return .noReuse
    case (_, .never): return .safe
    case (.unknown, _), (_, .unknown): return .open
    case (.never, .time): return .race
    case (.time(let hold), .time(let server)):
      if hold > server { return .race }
      return server - hold < margin(of: server) ? .thin : .safe
    }
  }

  /// By how much a server must outlast a pool: 5 s, or a fifth where that is less.
  package static func margin(of server: Nanoseconds) -> Nanoseconds { min(.seconds(5), server / 5) }

  /// A hold that is short enough for a server, in whole seconds where that is possible.
  package static func advisedHold(for server: Nanoseconds) -> Nanoseconds {
    let most = server - margin(of: server)
    return most < .seconds(1) ? .milliseconds(most.milliseconds) : .seconds(most.milliseconds / 1_000)
  }

  /// A keep-alive of a server that is long enough for a hold.
  package static func advisedKeepAlive(for hold: Nanoseconds) -> Nanoseconds {
    .seconds((hold.milliseconds + 999) / 1_000 + (hold >= .seconds(60) ? 15 : 5))
  }
}
