/// Everything that the proxy is told. Each value that exists is legal: whoever makes one has checked it.
package struct ProxySettings: Sendable, Hashable {
  package var listeners: [ListenerSettings] = []
  /// What stands before this proxy; ``Timeouts/clientIdle`` is longer than it keeps idle connections.
  package var behind: FrontProxy?
  /// Groups of servers, told apart by their names. One at least, though no route may lead to it.
  package var upstreams: [UpstreamSettings] = [UpstreamSettings()]
  /// Where requests go; empty: all to the first upstream. Of the routes that match a request the most specific is taken
  /// (``RouteMatch``), of equally specific ones the first.
  package var routes: [RouteSettings] = []
  /// Event loops, one thread each; at least 1.
  package var threads = 1
  package var limits = Limits()
  package var timeouts = Timeouts()
  package var forwarding = ForwardingSettings()
  package var guards = GuardSettings()
  package var halfClosed = HalfClosedPolicy.end
  package var errors = ErrorSettings()
  package var logs = LogSettings()
  package var resolver = ResolverSettings()
  /// The path of the control socket; nil: none.
  package var control: String?
  /// The admin endpoint; nil: none.
  package var admin: AdminSettings?
  /// Bytes of ``control``: what the kernel takes for a socket, less what a name beside it needs.
  package static let longestControlPath = ListenAddress.longestSocketPath - 11

  package init() {}

  /// The first upstream: where everything goes that no route leads elsewhere.
  package var upstream: UpstreamSettings {
    get { upstreams[0] }
    set { upstreams[0] = newValue }
  }

  /// Sizes and counts beyond which a client or a server is refused.
  package struct Limits: Sendable, Hashable {
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
    /// Requests that one HTTP/2 connection of a client may have under way.
    package var http2Streams: UInt32 = 128
    package init() {}
  }

  package struct Timeouts: Sendable, Hashable {
    /// From the first byte of a request head to its last (408).
    package var requestHead = Nanoseconds.seconds(30)
    /// How long a client connection may stay idle. Longer than ``advertisedIdleSeconds`` by a grace, so that the client
    /// closes first.
    package var clientIdle = Nanoseconds.seconds(75)
    /// What `Keep-Alive: timeout=` tells the client, in whole seconds; 0: nothing.
    package var advertisedIdleSeconds: UInt32 = 65
    /// Between two pieces of a body, either way (408, 504, or a close).
    package var bodyIdle = Nanoseconds.seconds(60)
    package var connect = Nanoseconds.seconds(5)
    /// How long requests wait for a server that refuses connections, counted from when it began to: it may be starting anew.
    package var refused = Nanoseconds.seconds(3)
    /// From the request's last byte to the response head (504).
    package var responseHead = Nanoseconds.seconds(60)
    /// Silence in both directions of a tunnel.
    package var tunnelIdle = Nanoseconds.seconds(3_600)
    /// Between two pieces of what a client still sends behind its last answer (RFC 9112 section 9.6).
    package var linger = Nanoseconds.seconds(5)
    /// From the signal to stop to the end, whatever is still under way then.
    package var drain = Nanoseconds.seconds(30)
    /// How long idle client connections may still bring a last request while the proxy drains, at most half of ``drain``.
    package var drainGrace = Nanoseconds.seconds(5)
    package init() {}
  }
}

/// What becomes of an exchange whose client sends its FIN behind the request.
package enum HalfClosedPolicy: String, Sendable, Hashable, CaseIterable {
  /// The client has gone: the exchange ends.
  case end
  /// The client only has nothing more to ask (RFC 9112 section 9.6): it gets its answer.
  case serve
}

/// The fields about the path of a request that the proxy writes.
package struct ForwardingSettings: Sendable, Hashable {
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

/// What protects the proxy and its servers from too much at once, and from clients that are too slow.
package struct GuardSettings: Sendable, Hashable {
  /// Requests of one client address; more are answered with 429.
  package var requestRate: RateLimit?
  /// Connections of one client address at once; more are closed when they are accepted. nil: any number.
  package var connectionsPerClient: Int?
  /// Bytes a second that a request's body must come with on average, behind the grace; slower ones get 408. nil: any.
  package var minimumBodyRate: UInt64?
  /// How long a body may take before its rate counts.
  package var minimumBodyRateGrace = Nanoseconds.seconds(10)
  /// Exchanges of the whole process at once; more are answered with 503 and Retry-After. nil: any number.
  package var exchangesInFlight: Int?
  /// Client addresses that no limit holds.
  package var exempt: [AddressBlock] = []
  package init() {}

  /// `rate` requests a second on average, `burst` at once.
  package struct RateLimit: Sendable, Hashable {
    /// Above 0.
    package var perSecond: Double
    /// At least 1.
    package var burst: UInt32
    package init(perSecond: Double, burst: UInt32) {
      self.perSecond = perSecond
      self.burst = burst
    }
  }
}
