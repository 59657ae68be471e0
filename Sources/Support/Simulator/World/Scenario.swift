package import Core

/// What a server does to a connection whose idle timeout has passed: the rows of the evidence table.
package enum IdleClose: UInt8, Sendable, CaseIterable {
  /// `close()`: a FIN, and a RST for whatever comes after it.
  case close
  /// `close()` with SO_LINGER 0: a RST.
  case abort
  /// `shutdown(SHUT_WR)`, then it reads on, and applies what it reads, until the peer closes.
  case halfClose
  /// An unasked 408 with `Connection: close`, then `close()`.
  case farewell
  /// A firewall or a NAT forgets the connection: nothing is sent, later segments meet no socket.
  case vanish
}

package enum Hint: UInt8, Sendable, CaseIterable {
  case none
  /// `Keep-Alive: timeout=N` with the true timeout, in whole seconds.
  case truthful
  /// A hint of more than the true timeout.
  case lying
}

/// How a server ends all its connections at once.
package enum RestartKind: UInt8, Sendable, CaseIterable {
  /// The process ends: its kernel closes every socket.
  case close
  case abort
  /// The machine loses its power.
  case vanish
}

package struct Restart: Sendable {
  package var at: Instant
  package var downtime: Nanoseconds
  package var kind: RestartKind
  package var whileDown: Network.Listener
}

/// What one server of a world does. Chances are of 1,000.
package struct ServerProfile: Sendable {
  package var idleTimeout: Nanoseconds = .seconds(2)
  /// Each idle period gets up to this much more.
  package var idleJitter: Nanoseconds = .zero
  /// From then on ``idleTimeout`` is this.
  package var changedIdleTimeout: Nanoseconds?
  package var changesAt: Instant = .distantFuture
  package var idleClose = IdleClose.close
  package var hint = Hint.none
  package var hintSeconds: Int32 = 0
  /// It closes after so many requests.
  package var maximumRequests: Int32 = .max
  /// Whether its last response says `Connection: close`.
  package var announcesClose = true
  /// It closes idle connections that are older.
  package var maximumAge: Nanoseconds = .unlimited
  /// From the arrival of bytes until the application reads them.
  package var readDelay: Nanoseconds = .zero
  package var shortestWork: Nanoseconds = .microseconds(100)
  package var longestWork: Nanoseconds = .milliseconds(2)
  /// Of answering only after the proxy's patience is over.
  package var slowAnswer: Int64 = 0
  package var readThenClose: Int64 = 0
  package var readThenAbort: Int64 = 0
  package var closeUnread: Int64 = 0
  package var partialResponse: Int64 = 0
  /// Of answering after the head and closing with the body unread.
  package var earlyResponse: Int64 = 0
  /// Of sending an interim response (1xx) first.
  package var interimResponse: Int64 = 0
  /// It acts on a request as soon as it has read its head.
  package var appliesAtHead = false
  package var restarts: [Restart] = []

  package init() {}
}

/// How clients behave. Chances are of 1,000.
package struct ClientProfile: Sendable {
  package enum Pacing: UInt8, Sendable {
    /// Each client waits for its own answer, then its own gap.
    case independent
    /// All start their next requests at the same instants.
    case rounds
  }

  package var count: Int32 = 1
  package var requestsEach: Int32 = 20
  package var pacing = Pacing.independent
  package var nonIdempotent: Int64 = 500
  /// Of having a body, and of a body larger than the replay limit.
  package var body: Int64 = 300
  package var largeBody: Int64 = 0
  /// Of sending the body in pieces with pauses.
  package var trickles: Int64 = 0
  package var leaves: Int64 = 0
  /// Whether clients pause no longer than some milliseconds.
  package var isHasty = false

  package init() {}
}

/// Other settings for the proxy, while it works.
package struct Reload: Sendable {
  package var at: Instant
  package var pool: PoolSettings
  /// Whether the settings still name the server. What began before goes on with it all the same, as it does when an upstream
  /// leaves the settings.
  package var isNamed: Bool
  /// What it waits for, from then on, so that the two meet.
  package var meets: Moment?

  package enum Moment: UInt8, Sendable, CaseIterable {
    /// An attempt is being judged.
    case judging
    /// A request waits for a server that refuses connections.
    case connectWait
  }
}

/// The proxy's settings, and how busy its threads are.
package struct ProxyProfile: Sendable {
  package var threads: Int32 = 1
  package var pool = PoolSettings()
  package var window = IdleWindow.Settings()
  package var policy = ReplayPolicy()
  /// Bytes of a request's body that are kept for a replay.
  package var recordLimit: Int32 = 4_096
  /// Further servers that would be asked when a connect fails. The world has only one; it is asked again at once.
  package var furtherServers = 0
  package var refusedPatience = Nanoseconds.zero
  package var reloads: [Reload] = []
  package var connectTimeout = Nanoseconds.seconds(3)
  package var responseTimeout = Nanoseconds.seconds(8)
  /// The longest time between looking at a socket and writing to it, and between an event and its handling.
  package var latency: Nanoseconds = .zero
  /// Whether the sockets tell nothing of acknowledgements, as those of the UNIX family.
  package var isBlind = false
  /// The server is no longer wanted from then on: its pools drain.
  package var drainsAt = Instant.distantFuture

  package init() {}
}

/// One world: everything that a seed decides before the first event.
package struct Scenario: Sendable {
  package var seed: UInt64
  package var path = Path(oneWayDelay: .milliseconds(1))
  package var server = ServerProfile()
  package var clients = ClientProfile()
  package var proxy = ProxyProfile()

  package init(seed: UInt64) {
    self.seed = seed
  }
}

// MARK: - What must hold in which world

extension Scenario {
  package var losesSegments: Bool {
    path.lossPerMille > 0 || path.blackoutStart < .distantFuture || path.reorders
  }

  /// Whether the server never fails a request that it has begun to receive, keeps its word, and is always there.
  package var serverOnlyClosesIdle: Bool {
    server.slowAnswer == 0 && server.readThenClose == 0 && server.readThenAbort == 0 && server.closeUnread == 0
      && server.partialResponse == 0 && server.earlyResponse == 0 && server.restarts.isEmpty
      && server.readDelay == .zero
  }

  /// Whether the server's patience is the same for every connection, all the time.
  package var idleTimeoutIsSteady: Bool {
    server.idleJitter == .zero && server.changedIdleTimeout == nil && server.maximumAge == .unlimited
      && server.hint != .lying && (server.maximumRequests == .max || server.announcesClose)
  }

  /// Whether the server keeps a connection as long as every server is trusted to without having been seen to, as it
  /// looks from the proxy: a round trip is lost on the way.
  package var keepsToTheFloor: Bool {
    let slack = path.jitter * 4 + proxy.latency * 2
    return server.idleTimeout > path.oneWayDelay * 2 + IdleBounds.provenAgeFloor + slack
  }
}

// MARK: - Drawing a world

extension Scenario {
  /// The world of a seed. Many worlds are calm, so that the strict promises are tested; the rest is trouble.
  package static func drawn(seed: UInt64) -> Scenario {
    var random = RandomSource(seed: seed)
    var scenario = Scenario(seed: seed)
    scenario.drawPath(&random)
    scenario.drawServer(&random)
    scenario.drawClients(&random)
    scenario.drawProxy(&random)
    let mood = random.below(1_000)
    if mood < 600 {
      scenario.drawTrouble(&random)
    } else if mood < 750 {
      scenario.drawFickleness(&random)
    }
    return scenario
  }

  private mutating func drawPath(_ random: inout RandomSource) {
    let delay: Nanoseconds = random.pick([
      (3, .microseconds(15)), (2, .microseconds(250)), (2, .milliseconds(1)), (2, .milliseconds(5)),
      (3, .milliseconds(10)), (2, .milliseconds(20)), (1, .milliseconds(60)),
    ])
    path = Path(oneWayDelay: delay)
    path.delayedAcknowledgment = random.chance(perMille: 600) ? .milliseconds(40) : .zero
    if random.chance(perMille: 300) { path.jitter = random.span(.zero, delay / 2) }
  }

  private mutating func drawServer(_ random: inout RandomSource) {
    server.idleTimeout =
      random.chance(perMille: 500)
      ? random.span(.milliseconds(60), .milliseconds(900)) : .seconds(random.between(1, 5))
    server.idleClose = random.pick([
      (5, .close), (3, .abort), (2, .halfClose), (2, .farewell),
    ])
    if server.idleTimeout >= .seconds(1), random.chance(perMille: 300) {
      server.hint = .truthful
      server.hintSeconds = Int32(server.idleTimeout.milliseconds / 1_000)
    }
    if random.chance(perMille: 200) { server.maximumRequests = Int32(random.between(1, 20)) }
    server.longestWork = random.pick([(3, .milliseconds(2)), (1, .milliseconds(30)), (1, .milliseconds(300))])
    server.appliesAtHead = server.idleClose != .halfClose && random.chance(perMille: 300)
  }

  private mutating func drawClients(_ random: inout RandomSource) {
    clients.count = Int32(random.pick([(2, 1), (2, 2), (2, 4), (1, 8)]))
    clients.requestsEach = Int32(random.between(6, 60)) / clients.count + 3
    clients.pacing = random.chance(perMille: 400) ? .rounds : .independent
    clients.nonIdempotent = random.pick([(1, 0), (4, 500), (2, 1_000)])
    clients.body = random.pick([(1, 0), (2, 300), (1, 900)])
    clients.trickles = random.chance(perMille: 300) ? 300 : 0
  }

  private mutating func drawProxy(_ random: inout RandomSource) {
    proxy.threads = random.chance(perMille: 250) ? 2 : 1
    proxy.window.isOn = random.chance(perMille: 700)
    proxy.latency = random.pick([(2, .zero), (2, .microseconds(50)), (1, .milliseconds(3))])
    proxy.window.configuredLimit = random.pick([(4, .seconds(60)), (1, .seconds(2)), (1, .milliseconds(300))])
    proxy.pool.maximumIdleAge = proxy.window.configuredLimit
    proxy.pool.maximumConnections = UInt32(random.pick([(3, 64), (1, 3), (1, 1)]))
    proxy.pool.maximumIdleConnections = UInt32(random.pick([(4, 64), (1, 2), (1, 1), (1, 0)]))
    if random.chance(perMille: 100) { proxy.pool.maximumUses = UInt32(random.between(1, 5)) }
    if random.chance(perMille: 100) {
      proxy.pool.maximumConnectionAge = random.span(.milliseconds(100), .seconds(5))
    }
    if random.chance(perMille: 50) { proxy.pool.reuses = false }
    let sentinels: [(weight: Int64, choice: UInt32)] = [(4, PoolSettings.defaultSentinels), (1, 0), (1, 1)]
    proxy.pool.maximumSentinels = random.pick(sentinels)
    proxy.pool.maximumWait = .seconds(20)
    if random.chance(perMille: 100) { proxy.policy.nonIdempotent = .never }
    if random.chance(perMille: 100) { proxy.policy.maximumReplays = UInt8(random.below(3)) }
    if random.chance(perMille: 100) { proxy.policy.maximumFreshLosses = UInt8(random.between(1, 5)) }
    if random.chance(perMille: 100) { proxy.furtherServers = Int(random.between(1, 5)) }
    if random.chance(perMille: 300) { proxy.refusedPatience = random.span(.milliseconds(5), .seconds(3)) }
    if random.chance(perMille: 150) { drawReloads(&random) }
  }

  private mutating func drawReloads(_ random: inout RandomSource) {
    var at = Instant(nanoseconds: 0)
    for _ in 0..<random.between(1, 6) {
      at = at.advanced(by: random.span(.milliseconds(1), .seconds(3)))
      var pool = proxy.pool
      pool.maximumConnections = UInt32(random.pick([(2, 1), (2, 2), (1, 4), (1, 64)]))
      pool.maximumIdleConnections = UInt32(random.pick([(1, 0), (2, 1), (1, 2), (2, 64)]))
      if random.chance(perMille: 200) { pool.maximumUses = UInt32(random.between(1, 5)) }
      if random.chance(perMille: 200) {
        pool.maximumIdleAge = random.span(.milliseconds(50), proxy.pool.maximumIdleAge)
      }
      if random.chance(perMille: 200) { pool.maximumConnectionAge = random.span(.milliseconds(50), .seconds(5)) }
      if random.chance(perMille: 200) { pool.maximumWait = random.span(.seconds(5), .seconds(20)) }
      pool.reuses = random.chance(perMille: 850)
      pool.maximumSentinels = UInt32(random.between(0, 2))
      var reload = Reload(at: at, pool: pool, isNamed: random.chance(perMille: 850))
      if random.chance(perMille: 400) { reload.meets = random.pick([(1, .judging), (1, .connectWait)]) }
      proxy.reloads.append(reload)
    }
  }

  /// A server that only closes what idles, but not always after the same time: is its patience learned, and learned anew?
  private mutating func drawFickleness(_ random: inout RandomSource) {
    proxy.window = IdleWindow.Settings()
    proxy.pool = PoolSettings()
    proxy.reloads = []
    server.hint = .none
    server.maximumRequests = .max
    if random.chance(perMille: 500) {
      server.idleJitter = random.span(.milliseconds(1), server.idleTimeout / 3)
    } else {
      server.changedIdleTimeout = random.span(.milliseconds(60), .seconds(4))
      server.changesAt = Instant(nanoseconds: random.below(Nanoseconds.seconds(30).count))
    }
    clients.requestsEach += 10
  }

  /// What goes wrong beside the idle closes.
  private mutating func drawTrouble(_ random: inout RandomSource) {
    let end = Instant(nanoseconds: Nanoseconds.seconds(20).count)
    if random.chance(perMille: 300) {
      path.lossPerMille = random.between(1, 120)
      path.faultsEnd = end
    }
    if random.chance(perMille: 100) {
      path.blackoutStart = Instant(nanoseconds: random.below(Nanoseconds.seconds(10).count))
      path.blackoutEnd = path.blackoutStart.advanced(by: random.span(.milliseconds(10), .seconds(3)))
    }
    if random.chance(perMille: 150) {
      path.reorders = true
      path.jitter = path.oneWayDelay
    }
    if random.chance(perMille: 300) { server.idleJitter = random.span(.milliseconds(1), server.idleTimeout / 3) }
    if random.chance(perMille: 200) {
      server.changedIdleTimeout = random.span(.milliseconds(60), .seconds(4))
      server.changesAt = Instant(nanoseconds: random.below(Nanoseconds.seconds(15).count))
    }
    if random.chance(perMille: 100) { server.idleClose = .vanish }
    if server.hint != .none, random.chance(perMille: 300) {
      server.hint = .lying
      server.hintSeconds += Int32(random.between(1, 30))
    }
    if server.maximumRequests < .max { server.announcesClose = random.chance(perMille: 400) }
    if random.chance(perMille: 100) { server.maximumAge = random.span(.milliseconds(200), .seconds(8)) }
    if random.chance(perMille: 300) { server.readDelay = random.span(.microseconds(10), .milliseconds(60)) }
    if random.chance(perMille: 100) { server.slowAnswer = 20 }
    if random.chance(perMille: 250) { server.readThenClose = random.between(5, 150) }
    if random.chance(perMille: 250) { server.readThenAbort = random.between(5, 150) }
    if random.chance(perMille: 250) { server.closeUnread = random.between(5, 150) }
    if random.chance(perMille: 200) { server.partialResponse = random.between(5, 100) }
    if random.chance(perMille: 200) { server.earlyResponse = random.between(5, 200) }
    if random.chance(perMille: 200) { server.interimResponse = random.between(20, 500) }
    if random.chance(perMille: 350) { drawRestarts(&random) }
    if random.chance(perMille: 300) { clients.largeBody = 300 }
    if random.chance(perMille: 250) { clients.leaves = random.between(5, 80) }
    if random.chance(perMille: 100) {
      proxy.pool.maximumWaiting = UInt32(random.between(0, 2))
      proxy.pool.maximumConnections = UInt32(random.between(1, 2))
    }
    if random.chance(perMille: 100) { proxy.pool.maximumWait = random.span(.milliseconds(5), .seconds(1)) }
    if random.chance(perMille: 60) { proxy.isBlind = true }
    if random.chance(perMille: 50) {
      proxy.drainsAt = Instant(nanoseconds: random.below(Nanoseconds.seconds(10).count))
    }
    if random.chance(perMille: 6) { drawStorm() }
  }

  /// A server that dies from almost every request, and clients that ask and ask: replays must not double its work.
  private mutating func drawStorm() {
    server.readThenClose = 900
    server.longestWork = .milliseconds(1)
    server.slowAnswer = 0
    server.restarts = []
    clients = ClientProfile()
    clients.count = 8
    clients.requestsEach = 60
    clients.nonIdempotent = 100
    clients.isHasty = true
    path = Path(oneWayDelay: .microseconds(15))
    proxy.pool.maximumConnections = 64
    proxy.reloads = []
  }

  private mutating func drawRestarts(_ random: inout RandomSource) {
    var at = Instant(nanoseconds: 0)
    for _ in 0..<random.between(1, 4) {
      at = at.advanced(by: random.span(.milliseconds(100), .seconds(6)))
      let downtime = random.chance(perMille: 300) ? Nanoseconds.zero : random.span(.milliseconds(1), .seconds(2))
      server.restarts.append(
        Restart(
          at: at, downtime: downtime, kind: drawRestartKind(&random),
          whileDown: random.pick([(3, .refusing), (1, .silent)])))
      at = at.advanced(by: downtime)
    }
  }

  /// A server that half-closes, reads on, and is aborted before its kernel has acknowledged what it read leaves the
  /// evidence of a crossing FIN. `EvidenceRule` tolerates this; so there is no such world.
  private func drawRestartKind(_ random: inout RandomSource) -> RestartKind {
    if server.idleClose == .halfClose { return .close }
    return random.pick([(3, .close), (1, .abort), (1, .vanish)])
  }
}
