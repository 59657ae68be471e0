internal import Core
internal import Synchronization

/// What all workers count together: for limits that hold for the whole process.
final class SharedLoad: Sendable {
  private let exchanges = Atomic<Int>(0)
  private let clients = Atomic<Int>(0)
  private let connections = (0..<SharedLoad.shardCount).map { _ in ConnectionShard() }

  private let cutExchanges = Atomic<Int>(0)
  private let cutTunnels = Atomic<Int>(0)
  private let rates = Mutex<ClientRates?>(nil)
  let incidents = IncidentHub()

  static let shardCount = 16

  /// Holds clients to this rate from now on; what they have used up stays when it is the same as before.
  func limitRequests(to limit: GuardSettings.RateLimit?) {
    rates.withLock { rates in
      if rates?.limit != limit { rates = limit.map { ClientRates($0) } }
    }
  }

  /// To be kept by whoever asks for each request.
  var clientRates: ClientRates? { rates.withLock { $0 } }

  private final class ConnectionShard: Sendable {
    let limiter = Mutex(ConnectionLimiter())
  }

  /// Counts an exchange if there are fewer than `limit`.
  func exchangeBegins(limit: Int) -> Bool {
    // Relaxed: nothing else is published with the count.
    let before = exchanges.add(1, ordering: .relaxed).oldValue
    if before < limit { return true }
    exchanges.subtract(1, ordering: .relaxed)
    return false
  }

  func exchangeEnded() { exchanges.subtract(1, ordering: .relaxed) }

  /// The end of the process cuts it off.
  func exchangeWasCutOff(isTunnel: Bool) {
    if isTunnel { cutTunnels.add(1, ordering: .relaxed) } else { cutExchanges.add(1, ordering: .relaxed) }
  }

  /// In words; nil when all could be done.
  var cutOff: String? {
    let (exchanges, tunnels) = (cutExchanges.load(ordering: .relaxed), cutTunnels.load(ordering: .relaxed))
    let parts = [(exchanges, "request"), (tunnels, "tunnel")].compactMap { count, name in
      count == 0 ? nil : "\(count) \(name)\(count == 1 ? "" : "s")"
    }
    return parts.isEmpty ? nil : parts.joined(separator: " and ")
  }

  /// Counts a client connection if there are fewer than `limit`. The kernel spreads them over the workers as it likes: a share
  /// for each would turn clients away from one worker while there is room at another.
  func clientArrives(limit: Int) -> Bool {
    let before = clients.add(1, ordering: .relaxed).oldValue
    if before < limit { return true }
    clients.subtract(1, ordering: .relaxed)
    return false
  }

  /// One that has to be let in, whatever the limit.
  func clientArrives() { clients.add(1, ordering: .relaxed) }
  func clientLeft() { clients.subtract(1, ordering: .relaxed) }
  var clientCount: Int { clients.load(ordering: .relaxed) }

  /// Counts a connection of a client if it has fewer than `limit`.
  func connectionOpened(_ client: ClientKey, limit: Int) -> Bool {
    connections[client.shard(of: Self.shardCount)].limiter.withLock { $0.opened(client, limit: limit) }
  }

  /// One that was counted is closed.
  func connectionClosed(_ client: ClientKey) {
    connections[client.shard(of: Self.shardCount)].limiter.withLock { $0.closed(client) }
  }
}

/// The requests of each client against a rate: shared by all workers, since the kernel spreads a client's connections over them.
final class ClientRates: Sendable {
  let limit: GuardSettings.RateLimit
  private let shards: [Shard]

  private final class Shard: Sendable {
    let limiter: Mutex<RateLimiter>
    init(_ limit: GuardSettings.RateLimit) {
      limiter = Mutex(RateLimiter(limit, capacity: RateLimiter.standardCapacity / SharedLoad.shardCount))
    }
  }

  init(_ limit: GuardSettings.RateLimit) {
    self.limit = limit
    shards = (0..<SharedLoad.shardCount).map { _ in Shard(limit) }
  }

  func requestArrived(_ client: ClientKey, now: Instant) -> RateLimiter.Verdict {
    shards[client.shard(of: shards.count)].limiter.withLock { $0.requestArrived(client, now: now) }
  }
}
