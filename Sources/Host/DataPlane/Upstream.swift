import Core

/// A server of an upstream, as the settings and the resolver have it now.
package struct UpstreamMember: Sendable {
  package var record: ServerRecord
  package var weight: UInt32
  package var isBackup: Bool
  /// The servers that it is judged with.
  package var group: ServerGroup
}

/// An upstream as one event loop has it. It stays the same object over a reload, as long as its name does.
final class Upstream {
  let name: String
  private(set) var settings: UpstreamSettings
  /// The servers that take requests now.
  private(set) var servers: [Server] = []
  /// The Host for requests that name none (HTTP/1.0), and for all where the settings say so: its own.
  private(set) var defaultHost: [UInt8] = []
  private var next = 0

  init(settings: UpstreamSettings) {
    name = settings.name
    self.settings = settings
    defaultHost = Self.defaultHost(of: settings)
  }

  func adopt(_ settings: UpstreamSettings) {
    self.settings = settings
    defaultHost = Self.defaultHost(of: settings)
  }

  func adopt(_ servers: [Server]) {
    self.servers = servers
    next = 0
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

  /// What follows from the settings and from how many servers there are.
  func replayPolicy(_ replay: UpstreamSettings.ReplaySettings) -> ReplayPolicy {
    ReplayPolicy(
      nonIdempotent: replay.nonIdempotentOnProof ? .proven : .never,
      maximumReplays: UInt8(clamping: replay.limit),
      // A further server can take what this one refuses; the same one would refuse it again.
      maximumConnectReplays: UInt8(clamping: max(0, servers.count - 1)))
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

  /// The servers take turns; those that refused this exchange, or connects of late, come last.
  func choose(refusedBy refused: UInt64, at now: Instant) -> Server? {
    var fallback: Int?
    var index = next
    for _ in 0..<servers.count {
      index = index + 1 < servers.count ? index + 1 : 0
      let server = servers[index]
      if refused & server.bit == 0 {
        if !server.isAvoided(at: now) {
          server.chosen(at: now)
          next = index
          return server
        }
        // Rather one that was not asked yet than one that has just refused.
        if fallback.map({ refused & servers[$0].bit != 0 }) ?? true { fallback = index }
      } else if fallback == nil {
        fallback = index
      }
    }
    guard let fallback else { return nil }
    // These take turns as well: the one whose turn it is may be the only one that is dead.
    next = fallback
    return servers[fallback]
  }
}

extension Server {
  /// Stands for this server in a set of servers that an exchange has tried.
  var bit: UInt64 { 1 << UInt64(index % 64) }
}
