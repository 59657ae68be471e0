import Core

/// A server of an upstream, as the settings and the resolver have it now.
package struct UpstreamMember: Sendable {
  package var record: ServerRecord
  package var weight: UInt32
  package var isBackup: Bool
  /// The servers that it is judged with.
  package var group: ServerGroup
  /// nil: HTTP without TLS.
  var tls: ServerTLS?
  /// HTTP/2 is spoken to it from the first byte on.
  var isHTTP2 = false
}

/// An upstream as one event loop has it. It stays the same object over a reload, as long as its name does.
final class Upstream {
  let name: String
  private(set) var settings: UpstreamSettings
  /// The servers that take requests now.
  private(set) var servers: [Server] = []
  /// The Host for requests that name none (HTTP/1.0), and for all where the settings say so: its own.
  private(set) var defaultHost: [UInt8] = []
  /// What requests are hashed by, where the balancing does that.
  private(set) var hashKey: CompiledHashKey?
  /// Keeps clients with their servers, where the settings say so.
  private(set) var stickyCookie: CompiledStickyCookie?
  /// By ``Server/position``.
  private var stickyTokens: [UInt64] = []
  private let hash: StableHash
  private var balancer: Balancer
  private var random: ChoiceRandomness
  private let thread: Int

  init(settings: UpstreamSettings, thread: Int, seed: UInt64) {
    name = settings.name
    self.settings = settings
    self.thread = thread
    defaultHost = Self.defaultHost(of: settings)
    hash = StableHash(upstream: settings.name)
    hashKey = Self.hashKey(of: settings, hash)
    stickyCookie = Self.stickyCookie(of: settings, hash)
    balancer = Balancer(settings.balance, servers: [], thread: thread)
    random = ChoiceRandomness(seed: seed)
  }

  func adopt(_ settings: UpstreamSettings) {
    if settings.balance != self.settings.balance {
      hashKey = Self.hashKey(of: settings, hash)
      balancer = Balancer(settings.balance, servers: identities, thread: thread)
    }
    self.settings = settings
    defaultHost = Self.defaultHost(of: settings)
    stickyCookie = Self.stickyCookie(of: settings, hash)
    prepareCookies()
  }

  func adopt(_ servers: [Server]) {
    // Before there are any, the threads are to begin with different ones.
    let isFirst = self.servers.isEmpty
    self.servers = servers
    for (index, server) in servers.enumerated() { server.position = index }
    if isFirst {
      balancer = Balancer(settings.balance, servers: identities, thread: thread)
    } else {
      balancer.serversChanged(identities)
    }
    prepareCookies()
  }

  /// Whether there is a server that takes requests and is not among those.
  func hasServer(besides tried: TriedServers) -> Bool {
    servers.contains { $0.weight > 0 && !tried.contains($0.position) }
  }

  /// The places of those of some servers that are still here.
  static func tried(_ servers: [Server]) -> TriedServers {
    var tried = TriedServers()
    for server in servers where server.upstream.has(server) { tried.insert(server.position) }
    return tried
  }

  /// Whether it takes requests now; the place of one that has left is another's, or nobody's.
  func has(_ server: Server) -> Bool {
    server.position < servers.count && servers[server.position] === server
  }

  /// The cookie's token and line for each server. Whoever is gone keeps his: he may still owe an answer.
  private func prepareCookies() {
    guard let stickyCookie else {
      stickyTokens = []
      return
    }
    stickyTokens = servers.map { stickyCookie.token(Array($0.record.name.utf8)) }
    for (server, token) in zip(servers, stickyTokens) { server.stickyLine = stickyCookie.line(token) }
  }

  private var identities: [UInt64] { servers.map { hash.hash(Array($0.record.name.utf8)) } }

  private static func hashKey(of settings: UpstreamSettings, _ hash: StableHash) -> CompiledHashKey? {
    if case .hash(let key) = settings.balance { CompiledHashKey(key, hash: hash) } else { nil }
  }

  private static func stickyCookie(of settings: UpstreamSettings, _ hash: StableHash) -> CompiledStickyCookie? {
    settings.sticky.map { CompiledStickyCookie($0, hash: hash) }
  }

  /// The server that the request's cookie names; nil when it names none of those that are here.
  func server(namedIn bytes: RawSpan, _ fields: borrowing FieldTable) -> Server? {
    stickyCookie?.server(stickyTokens, bytes, fields).map { servers[$0] }
  }

  /// What is sent as Host instead of what the client asked for; nil: that.
  var hostOverride: [UInt8]? {
    switch settings.host {
    case .preserve: nil
    case .server: defaultHost
    case .fixed(let host): Array(host.utf8)
    }
  }

  private static func defaultHost(of settings: UpstreamSettings) -> [UInt8] {
    switch settings.origins.first {
    case .tcp(let host, let port): Array((host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)").utf8)
    case .unix, nil: Array("localhost".utf8)
    }
  }

  func replayPolicy(_ replay: UpstreamSettings.ReplaySettings) -> ReplayPolicy {
    ReplayPolicy(
      nonIdempotent: replay.nonIdempotentOnProof ? .proven : .never,
      believesRefusals: replay.believesRefusals, maximumReplays: UInt8(clamping: replay.limit))
  }

  /// Limits of the pool of one server: each of `threads` has its share.
  func poolSettings(threads: Int) -> PoolSettings {
    let limits = settings.pool
    func share(_ total: Int) -> UInt32 { UInt32(clamping: max(1, (total + threads - 1) / threads)) }
    return PoolSettings(
      maximumConnections: limits.connections.map(share) ?? 1 << 20,
      maximumIdleConnections: limits.idleConnections == 0 ? 0 : share(limits.idleConnections),
      maximumIdleAge: limits.idleAge,
      maximumConnectionAge: limits.connectionAge,
      maximumUses: UInt32(clamping: limits.requestsPerConnection),
      maximumWaiting: UInt32(clamping: limits.waitingRequests),
      maximumWait: limits.waitingTime,
      // A connection that was opened in one client's name carries nobody else's requests.
      reuses: limits.reuse && settings.proxyProtocol == .off,
      maximumSentinels: settings.idleWindow ? PoolSettings.defaultSentinels : 0)
  }

  /// The server that gets a request, as the balancing has it. Those that refused this exchange are passed over; those that are
  /// unhealthy or ejected, or refused connects of late, come last.
  ///
  /// - Parameters:
  ///   - sticky: the server that the client is to stay with while that one is healthy. One without a weight is not: it is drained.
  ///   - key: what the request is hashed by, where the balancing does that.
  func choose(sticky: Server?, refusedBy refused: TriedServers, key: UInt64?, at now: Instant) -> Server? {
    if let sticky, sticky.isActive, sticky.weight > 0, !sticky.isAvoided(at: now), !refused.contains(sticky.position) {
      sticky.chosen(at: now)
      return sticky
    }
    // There is no choice: being unhealthy does not matter then.
    if servers.count == 1, refused.isEmpty, servers[0].weight > 0 {
      servers[0].chosen(at: now)
      return servers[0]
    }
    // Rather one that has just refused than none.
    guard let index = choice(refused, key, now) ?? (refused.isEmpty ? nil : choice(TriedServers(), key, now)) else {
      return nil
    }
    let server = servers[index]
    server.chosen(at: now)
    return server
  }

  private func choice(_ refused: TriedServers, _ key: UInt64?, _ now: Instant) -> Int? {
    let servers = servers
    let slowStart = settings.slowStart
    return balancer.choose(tried: refused, key: key, using: &random) { index in
      let server = servers[index]
      return Candidate(
        isAvailable: !server.isAvoided(at: now), isBackup: server.isBackup, weight: server.weight,
        share: server.record.health.share(of: slowStart, now: now), requestsUnderWay: server.requestsUnderWay)
    }
  }
}

/// SplitMix64: chance for choices, which nobody gains anything from guessing.
struct ChoiceRandomness: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
