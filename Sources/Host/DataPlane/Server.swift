import Core

/// A server as one event loop has it: its pool and the connections in it.
final class Server {
  let record: ServerRecord
  /// Its place in ``Worker/servers``, which is its name in timers.
  let index: Int
  /// Its place among the servers of its upstream.
  var position = 0
  /// The upstream that it serves. One that leaves the settings lets go of its servers.
  let upstream: Upstream
  /// The servers that it is judged with.
  let group: ServerGroup
  /// Share of the requests beside the other servers.
  var weight: UInt32
  var isBackup: Bool
  /// nil: HTTP without TLS.
  var tls: ServerTLS?
  /// HTTP/2 is spoken to it from the first byte on, without TLS.
  var isHTTP2: Bool
  /// What ALPN chose on the last connection; nil: not known yet.
  var choseHTTP2: Bool?
  /// Connections that speak HTTP/2 and take further streams.
  var carriers: [UpstreamCarrier] = []
  /// Connections that are being opened and will speak HTTP/2; further requests wait for their streams.
  var opening: [UpstreamConnection] = []

  var streamLifetime = StreamLifetime()

  /// Whether its next connection will speak HTTP/2, as far as is known.
  var speaksHTTP2: Bool { isHTTP2 || (tls != nil && choseHTTP2 == true) }
  /// What keeps a client with it, as a field line; empty where the upstream has no such cookie.
  var stickyLine: [UInt8] = []
  var pool: Pool
  var counts = ServerCounts()
  /// By the slot of their ``ConnectionID``.
  var connections: [UpstreamConnection?] = []
  /// Connections that clients keep for themselves between two requests; the pool counts them as leased.
  var keptCount: UInt32 = 0
  /// Whether the settings still name it and its name still resolves to it.
  var isActive = true
  var sweepAt = Instant.distantFuture
  var budget = ReplayBudget()
  /// Connects that failed in a row, and until when the other servers are preferred for that.
  private var connectFailures = 0
  private var avoidedUntil = Instant(nanoseconds: 0)
  private var connectFailedAt = Instant(nanoseconds: 0)
  /// Since when it refuses connections; nil: the last one was opened, or took too long.
  private(set) var refusesSince: Instant?
  /// It has sent content behind an answer that has none (HEAD, 204, 304): behind such answers its connections end.
  var sendsUnannouncedContent = false
  var roundTripMeasuredAt = Instant(nanoseconds: 0)
  /// The hint that was last passed to the shared record: the same one again is no news.
  var lastHint: UInt32?
  var refreshedAt = Instant(nanoseconds: 0)
  /// When a first close lowered the idle window, which the log does not tell yet: it may turn out to be the server's end.
  var firstCloseAt: Instant?
  var hintToldAt = Instant(nanoseconds: 0)
  /// When the log last said that requests wait for it to accept connections.
  var waitToldAt: Instant?

  init(member: UpstreamMember, index: Int, upstream: Upstream, settings: PoolSettings) {
    record = member.record
    weight = member.weight
    isBackup = member.isBackup
    group = member.group
    tls = member.tls
    isHTTP2 = member.isHTTP2
    self.index = index
    self.upstream = upstream
    pool = Pool(settings: settings)
  }

  private static let shortestAvoidance = Nanoseconds.milliseconds(100)
  private static let longestAvoidance = Nanoseconds.seconds(10)

  /// Whether other servers are to be asked first: this one is unhealthy or ejected, or connects to it have failed of late and no
  /// health check has succeeded since.
  func isAvoided(at now: Instant) -> Bool {
    if now < avoidedUntil, record.health.lastSuccess <= connectFailedAt { return true }
    return !record.health.isAvailable(at: now)
  }

  /// The server was chosen. One that has failed is tried by one request at a time.
  func chosen(at now: Instant) {
    if connectFailures > 0 { avoidedUntil = now.advanced(by: avoidance) }
  }

  func connectFailed(at now: Instant) {
    connectFailures += 1
    connectFailedAt = now
    avoidedUntil = now.advanced(by: avoidance)
  }

  /// Nobody listens at its address.
  func connectWasRefused(at now: Instant) { refusesSince = refusesSince ?? now }

  func connectSucceeded() {
    refusesSince = nil
    waitToldAt = nil
    connectFailures = 0
    avoidedUntil = Instant(nanoseconds: 0)
  }

  /// Of this thread: those that have a connection, wait for one, or have one opened for them.
  var requestsUnderWay: UInt32 {
    let counts = pool.counts
    return counts.leased &- keptCount &+ counts.connecting &+ counts.waiting
  }

  /// Doubles with each failure.
  private var avoidance: Nanoseconds {
    min(Self.shortestAvoidance * (1 << Int64(min(connectFailures, 10))), Self.longestAvoidance)
  }

  func place(_ connection: UpstreamConnection) {
    let slot = Int(connection.id.slot)
    while connections.count <= slot { connections.append(nil) }
    connections[slot] = connection
  }

  func connection(_ id: ConnectionID) -> UpstreamConnection? {
    guard id.slot < connections.count, let connection = connections[Int(id.slot)], connection.id == id else {
      return nil
    }
    return connection
  }

  func remove(_ connection: UpstreamConnection) {
    let slot = Int(connection.id.slot)
    if slot < connections.count, connections[slot] === connection { connections[slot] = nil }
  }
}
