/// An upstream: a group of servers that can answer the same requests.
package struct UpstreamSettings: Sendable, Hashable {
  /// Unique among the upstreams. What is learned and counted is kept under it over a reload.
  package var name = "upstream"
  package var servers: [ServerSettings] = []
  package var balance = Balance.roundRobin
  /// Keeps a client with the server that it first got, as long as that one is healthy.
  package var sticky: StickyCookie?
  package var health: ActiveHealthSettings?
  package var ejection: EjectionSettings? = EjectionSettings()
  /// A server that is new, or healthy again, gets its full share only after this time; zero: at once.
  package var slowStart = Nanoseconds.zero
  package var pool = PoolLimits()
  /// How long the servers are known to keep idle connections; the pool's idle age is below it. nil: not known.
  package var keepsIdle: Nanoseconds?
  /// Learn and honour how long each server keeps idle connections.
  package var idleWindow = true
  package var replay = ReplaySettings()
  package var retry = RetrySettings()
  /// How often names are resolved anew.
  package var resolvePeriod = Nanoseconds.seconds(30)
  /// Sent at the beginning of each connection, for the client whose request opened it. Such connections serve that client
  /// only, so they are not reused for others.
  package var proxyProtocol = ProxyProtocolOut.off
  /// What is sent as Host.
  package var host = HostPolicy.preserve
  /// How TLS is spoken to the servers that speak it.
  package var tls = UpstreamTLS()
  package init() {}

  /// The servers as addresses; to set them gives each the weight 1.
  package var origins: [OriginAddress] {
    get { servers.map(\.origin) }
    set { servers = newValue.map { ServerSettings(origin: $0) } }
  }

  package enum ProxyProtocolOut: Sendable, Hashable, CaseIterable {
    case off, version1, version2
  }

  package enum HostPolicy: Sendable, Hashable {
    /// What the client asked for.
    case preserve
    /// The server's own name and port, as the settings have it.
    case server
    case fixed(String)
  }

  /// Limits of the pool of one server, for the whole process; each thread has its share.
  package struct PoolLimits: Sendable, Hashable {
    package var reuse = true
    /// Connections open at once, which is also how many requests the server has at once; nil: any number.
    package var connections: Int?
    package var idleConnections = 1_024
    /// Idle age beyond which a connection is not leased, whatever was learned.
    package var idleAge = Nanoseconds.seconds(60)
    /// Age beyond which a connection is closed when it comes back.
    package var connectionAge = Nanoseconds.seconds(3_600)
    /// Requests after which a connection is closed.
    package var requestsPerConnection = 100_000
    /// Requests that may wait for a connection, and for how long (503).
    package var waitingRequests = 1_024
    package var waitingTime = Nanoseconds.seconds(10)
    package init() {}
  }

  package struct ReplaySettings: Sendable, Hashable {
    /// Replay non-idempotent requests when it is proven that the server did not get them.
    package var nonIdempotentOnProof = true
    /// Replays of one exchange.
    package var limit = 3
    /// Replay them as well when the server says in HTTP/2 that it has not acted on them.
    package var believesRefusals = true
    package init(nonIdempotentOnProof: Bool = true, limit: Int = 3) {
      self.nonIdempotentOnProof = nonIdempotentOnProof
      self.limit = limit
    }
  }
}

/// One server as the settings name it: a host may resolve to several addresses, all of which are used.
package struct ServerSettings: Sendable, Hashable {
  package var origin: OriginAddress
  /// Share of the requests beside the other servers; 0: gets none (it is drained).
  package var weight: UInt32 = 1
  /// Only asked when no other server can be.
  package var isBackup = false
  /// Whether TLS is spoken to it.
  package var isTLS = false
  /// Whether HTTP/2 is spoken to it from the first byte on, without TLS (RFC 9113 section 3.3).
  package var isHTTP2 = false
  package init(origin: OriginAddress, weight: UInt32 = 1, isBackup: Bool = false, isTLS: Bool = false) {
    self.origin = origin
    self.weight = weight
    self.isBackup = isBackup
    self.isTLS = isTLS
  }
}

/// One origin as the user names it.
package enum OriginAddress: Hashable, Sendable {
  case tcp(host: String, port: UInt16)
  case unix(path: String)
}

/// How a request finds its server.
package enum Balance: Sendable, Hashable {
  /// By turns, as their weights have it, evenly spread.
  case roundRobin
  /// The server with the fewest requests under way for its weight.
  case leastRequests
  /// The better of two drawn at random, by requests under way for their weight.
  case powerOfTwo
  /// The same key comes to the same server as long as that one is healthy; when one goes, only its keys move.
  case hash(HashKey)

  package enum HashKey: Sendable, Hashable {
    case header(name: String)
    case cookie(name: String)
    case clientAddress
    /// Path and query.
    case target
  }
}

/// A cookie of this proxy's that names a server by an opaque token.
package struct StickyCookie: Sendable, Hashable {
  package var name: String
  /// Seconds that the client keeps it; nil: for its session.
  package var maximumAgeSeconds: UInt32?
  package var path = "/"
  package var isSecure = false
  package var isHTTPOnly = true
  /// `Lax`, `Strict` or `None`; nil writes none.
  package var sameSite: String?
  package init(name: String) { self.name = name }
}

/// Asks each server at intervals whether it is well.
package struct ActiveHealthSettings: Sendable, Hashable {
  /// Path and query of the request. Without one a connection that opens is enough.
  package var path: String? = "/"
  package var method = "GET"
  /// What is sent as Host; nil: the server's name.
  package var host: String?
  /// Statuses that say that the server is well.
  package var statuses: ClosedRange<UInt16> = 200...399
  package var interval = Nanoseconds.seconds(5)
  package var timeout = Nanoseconds.seconds(2)
  /// Successes in a row that make a server healthy, and failures in a row that make it unhealthy. At least 1.
  package var rise: UInt32 = 2
  package var fall: UInt32 = 3
  package init() {}
}

/// Takes a server out for a while when requests to it fail. A death on a reused connection does not count.
package struct EjectionSettings: Sendable, Hashable {
  /// Failures in a row: connects that failed, responses that did not come, and the statuses.
  package var consecutiveFailures: UInt32 = 5
  /// Statuses of responses that count as failures.
  package var statuses: [UInt16] = []
  /// The first ejection; each further one is twice as long, jittered, up to the longest.
  package var baseTime = Nanoseconds.seconds(10)
  package var longestTime = Nanoseconds.seconds(300)
  /// Never more of the servers than this share, in per cent; one server alone is never ejected.
  package var largestSharePercent: UInt32 = 50
  package init() {}
}

/// Sends a request again when the answer says that it failed: what a client would do that knows how to.
package struct RetrySettings: Sendable, Hashable {
  /// Retries of one exchange; 0: off.
  package var limit = 0
  package var statuses: [UInt16] = [502, 503, 504]
  /// Methods that are not idempotent are retried when the request carries `Idempotency-Key`: the upstream honours it.
  package var honoursIdempotencyKey = false
  /// A random time up to this, doubled with each retry, up to the longest.
  package var baseBackoff = Nanoseconds.milliseconds(25)
  package var longestBackoff = Nanoseconds.seconds(1)
  /// A Retry-After that asks for more than this ends the retries: the answer is passed on.
  package var longestRetryAfter = Nanoseconds.seconds(2)
  package init() {}
}
