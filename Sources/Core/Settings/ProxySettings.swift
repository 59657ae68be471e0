/// Everything that the data plane is told. Each value that exists is legal: whoever makes one has checked it.
package struct ProxySettings: Sendable {
  package var listeners: [ListenAddress] = []
  package var upstream = UpstreamSettings()
  /// Event loops, one thread each; at least 1.
  package var threads = 1
  package var limits = Limits()
  package var timeouts = Timeouts()
  package var forwarding = ForwardingSettings()
  package var access = AccessLogFormat.off

  package init() {}

  /// Sizes and counts beyond which a client or a server is refused.
  package struct Limits: Sendable {
    /// Bytes of a request or response head, its start line included.
    package var headBytes = 16_384
    /// Bytes of a request line.
    package var startLineBytes = 8_192
    /// Fields of one head.
    package var fieldCount = 100
    /// Bytes of a request's body; nil: any.
    package var bodyBytes: UInt64?
    /// Client connections of the process; more wait in the kernel's queue.
    package var clientConnections = 50_000
    /// Bytes of a request's body that are kept for a replay.
    package var replayBytes = 65_536
    package init() {}
  }

  package struct Timeouts: Sendable {
    /// From the first byte of a request head to its last (408).
    package var requestHead = Nanoseconds.seconds(30)
    /// How long a client connection may stay idle. Longer than ``advertisedIdle`` by a grace, so that the client closes first.
    package var clientIdle = Nanoseconds.seconds(75)
    /// What `Keep-Alive: timeout=` tells the client, in whole seconds; 0: nothing.
    package var advertisedIdleSeconds: UInt32 = 65
    /// Between two pieces of a body, either way (408, 504, or a close).
    package var bodyIdle = Nanoseconds.seconds(60)
    package var connect = Nanoseconds.seconds(5)
    /// From the request's last byte to the response head (504).
    package var responseHead = Nanoseconds.seconds(60)
    /// Silence in both directions of a tunnel.
    package var tunnelIdle = Nanoseconds.seconds(3_600)
    /// Between two pieces of what a client still sends behind its last answer (RFC 9112 section 9.6).
    package var linger = Nanoseconds.seconds(5)
    package init() {}
  }

  package enum AccessLogFormat: String, Sendable, CaseIterable {
    case off, text, json
  }
}

/// Where to listen: `host:port`, `:port`, `[v6]:port` or `unix:/path`.
package enum ListenAddress: Hashable, Sendable {
  /// An empty host listens on all addresses, IPv6 and IPv4.
  case tcp(host: String, port: UInt16)
  case unix(path: String)
}

/// An upstream: a group of servers that can answer the same requests.
package struct UpstreamSettings: Sendable {
  package var origins: [OriginAddress] = []
  package var pool = PoolLimits()
  /// Learn and honour how long each server keeps idle connections.
  package var idleWindow = true
  package var replay = ReplaySettings()
  /// How often names are resolved anew.
  package var resolvePeriod = Nanoseconds.seconds(30)
  package init() {}

  /// Limits of the pool of one server, for the whole process; each thread has its share.
  package struct PoolLimits: Sendable {
    package var reuse = true
    /// Connections open at once; nil: any number.
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

  package struct ReplaySettings: Sendable {
    /// Replay non-idempotent requests when it is proven that the server did not get them.
    package var nonIdempotentOnProof = true
    /// Replays of one exchange.
    package var limit = 3
    package init() {}
  }
}

/// One origin as the user names it.
package enum OriginAddress: Hashable, Sendable {
  case tcp(host: String, port: UInt16)
  case unix(path: String)
}

/// The fields about the path of a request that the proxy writes.
package struct ForwardingSettings: Sendable {
  package var xForwarded = true
  package var forwarded = true
  package var via = true
  package var requestID = true
  /// The pseudonym of this proxy in `Via` and `Proxy-Status`: a token.
  package var name = "photofinish"
  /// Peers whose own forwarding fields are believed.
  package var trustedPeers: [AddressBlock] = []
  package init() {}
}
