import ArgumentParser
import Core
import Host

/// The flags of `serve` about one matter each. A flag that is not given leaves the settings as they are.
enum ServeOptions {
  struct RaceOptions: ParsableArguments {
    @Option(help: "Learn how long each server keeps idle connections, and lease none beyond that. (default: on)")
    var idleWindow: Switch?

    @Option(
      help: ArgumentHelp(
        "Replay POST and other non-idempotent requests when it is proven that the server did not get them, or never. (default: proven)",
        valueName: "proven|never"))
    var replayNonIdempotent: ReplayChoice?

    @Option(help: ArgumentHelp("Replays of one request. (default: 3)", valueName: "n"))
    var maxReplays: Int?

    @Option(help: ArgumentHelp("Bytes of a request body that are kept for a replay. (default: 64k)", valueName: "size"))
    var replayBuffer: ByteSize?

    func apply(to settings: inout ProxySettings) {
      for index in settings.upstreams.indices {
        if let idleWindow { settings.upstreams[index].idleWindow = idleWindow.isOn }
        if let replayNonIdempotent {
          settings.upstreams[index].replay.nonIdempotentOnProof = replayNonIdempotent == .proven
        }
        if let maxReplays { settings.upstreams[index].replay.limit = maxReplays }
      }
      if let replayBuffer { settings.limits.replayBytes = Int(replayBuffer.bytes) }
    }

    func validate() throws {
      try ServeOptions.within(0...255, maxReplays, "--max-replays")
      if let replayBuffer, replayBuffer.bytes > 1 << 30 {
        throw ValidationError("--replay-buffer is too large; the most is 1g")
      }
    }
  }

  struct PoolOptions: ParsableArguments {
    @Option(help: "Use connections for more than one request. (default: on)")
    var reuse: Switch?

    @Option(help: ArgumentHelp("Longest idle age of a connection that is used again. (default: 1m)", valueName: "time"))
    var upstreamIdle: TimeSpan?

    @Option(help: ArgumentHelp("Age at which a connection is retired. (default: 1h)", valueName: "time"))
    var upstreamMaxAge: TimeSpan?

    @Option(help: ArgumentHelp("Requests after which a connection is retired. (default: 100000)", valueName: "n"))
    var upstreamMaxRequests: Int?

    @Option(help: ArgumentHelp("Connections open at once. (default: no limit)", valueName: "n"))
    var upstreamConnections: Int?

    @Option(help: ArgumentHelp("Idle connections kept. (default: 1024)", valueName: "n"))
    var upstreamIdleConnections: Int?

    @Option(
      help: ArgumentHelp("Requests that may wait for a connection; more get 503. (default: 1024)", valueName: "n"))
    var maxWaiting: Int?

    @Option(help: ArgumentHelp("How long a request waits for a connection (503). (default: 10s)", valueName: "time"))
    var waitTimeout: TimeSpan?

    func apply(to settings: inout ProxySettings) {
      for index in settings.upstreams.indices { apply(to: &settings.upstreams[index].pool) }
    }

    private func apply(to pool: inout UpstreamSettings.PoolLimits) {
      if let reuse { pool.reuse = reuse.isOn }
      if let upstreamIdle { pool.idleAge = upstreamIdle.span }
      if let upstreamMaxAge { pool.connectionAge = upstreamMaxAge.span }
      if let upstreamMaxRequests { pool.requestsPerConnection = upstreamMaxRequests }
      if let upstreamConnections { pool.connections = upstreamConnections }
      if let upstreamIdleConnections { pool.idleConnections = upstreamIdleConnections }
      if let maxWaiting { pool.waitingRequests = maxWaiting }
      if let waitTimeout { pool.waitingTime = waitTimeout.span }
    }

    func validate() throws {
      try ServeOptions.within(1...1_000_000_000, upstreamMaxRequests, "--upstream-max-requests")
      try ServeOptions.within(1...1_000_000, upstreamConnections, "--upstream-connections")
      try ServeOptions.within(0...1_000_000, upstreamIdleConnections, "--upstream-idle-connections")
      try ServeOptions.within(0...1_000_000, maxWaiting, "--max-waiting")
    }
  }

  struct TimeoutOptions: ParsableArguments {
    @Option(help: ArgumentHelp("To read a request head (408). (default: 30s)", valueName: "time"))
    var headTimeout: TimeSpan?

    @Option(
      help: ArgumentHelp(
        "Idle client connections are told 10 s less and closed after this. (default: 75s)", valueName: "time"))
    var clientIdle: TimeSpan?

    @Option(help: ArgumentHelp("To connect to a server (504). (default: 5s)", valueName: "time"))
    var connectTimeout: TimeSpan?

    @Option(
      help: ArgumentHelp("From a request's last byte to the response head (504). (default: 1m)", valueName: "time"))
    var responseTimeout: TimeSpan?

    @Option(help: ArgumentHelp("Between two pieces of a body, either way. (default: 1m)", valueName: "time"))
    var bodyTimeout: TimeSpan?

    @Option(help: ArgumentHelp("Silence in an upgraded connection (WebSocket). (default: 1h)", valueName: "time"))
    var tunnelTimeout: TimeSpan?

    @Option(help: ArgumentHelp("To finish what is under way after a TERM. (default: 30s)", valueName: "time"))
    var drainTimeout: TimeSpan?

    func apply(to settings: inout ProxySettings) {
      if let headTimeout { settings.timeouts.requestHead = headTimeout.span }
      if let clientIdle {
        settings.timeouts.clientIdle = clientIdle.span
        // Clients are to close first: what they are told is less than what they get.
        settings.timeouts.advertisedIdleSeconds = UInt32(clamping: max(0, clientIdle.span.milliseconds / 1_000 - 10))
      }
      if let connectTimeout { settings.timeouts.connect = connectTimeout.span }
      if let responseTimeout { settings.timeouts.responseHead = responseTimeout.span }
      if let bodyTimeout { settings.timeouts.bodyIdle = bodyTimeout.span }
      if let tunnelTimeout { settings.timeouts.tunnelIdle = tunnelTimeout.span }
      if let drainTimeout {
        settings.timeouts.drain = drainTimeout.span
        settings.timeouts.drainGrace = min(settings.timeouts.drainGrace, drainTimeout.span / 2)
      }
    }
  }

  struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A request or response head (431, 502). (default: 16k)", valueName: "size"))
    var maxHead: ByteSize?

    @Option(help: ArgumentHelp("A request line (414). (default: 8k)", valueName: "size"))
    var maxRequestLine: ByteSize?

    @Option(help: ArgumentHelp("Fields of a head (431, 502). (default: 100)", valueName: "n"))
    var maxFields: Int?

    @Option(help: ArgumentHelp("A request body (413). (default: no limit)", valueName: "size"))
    var maxBody: ByteSize?

    @Option(help: ArgumentHelp("Client connections; more wait in the kernel's queue. (default: 50000)", valueName: "n"))
    var maxClients: Int?

    func apply(to settings: inout ProxySettings) {
      if let maxHead { settings.limits.headBytes = Int(maxHead.bytes) }
      if let maxRequestLine { settings.limits.startLineBytes = Int(maxRequestLine.bytes) }
      if let maxFields { settings.limits.fieldCount = maxFields }
      if let maxBody { settings.limits.bodyBytes = maxBody.bytes }
      if let maxClients { settings.limits.clientConnections = maxClients }
    }

    func validate() throws {
      try ServeOptions.within(1...10_000, maxFields, "--max-fields")
      try ServeOptions.within(1...10_000_000, maxClients, "--max-clients")
      if let maxHead, !(256...1 << 20).contains(maxHead.bytes) {
        throw ValidationError("--max-head \(maxHead.bytes) is out of range; it is 256 to 1m bytes")
      }
      if let maxRequestLine, !(64...1 << 20).contains(maxRequestLine.bytes) {
        throw ValidationError("--max-request-line \(maxRequestLine.bytes) is out of range; it is 64 to --max-head")
      }
    }
  }

  struct ForwardingOptions: ParsableArguments {
    @Option(help: "Write X-Forwarded-For, -Proto and -Host. (default: on)")
    var xForwarded: Switch?

    @Option(help: "Write Forwarded (RFC 7239). (default: on)")
    var forwarded: Switch?

    @Option(help: "Write Via. (default: on)")
    var via: Switch?

    @Option(help: "Write X-Request-Id where the client sent none. (default: on)")
    var requestId: Switch?

    @Option(
      help: ArgumentHelp(
        "A proxy in front of this one, whose forwarding fields are believed: 10.0.0.0/8, ::1. Repeatable.",
        valueName: "block"))
    var trust: [TrustedBlock] = []

    @Option(
      help: ArgumentHelp("The name of this proxy in Via and Proxy-Status. (default: photofinish)", valueName: "token"))
    var name: String?

    func apply(to settings: inout ProxySettings) {
      if let xForwarded { settings.forwarding.xForwarded = xForwarded.isOn }
      if let forwarded { settings.forwarding.forwarded = forwarded.isOn }
      if let via { settings.forwarding.via = via.isOn }
      if let requestId { settings.forwarding.requestID = requestId.isOn }
      if let name { settings.forwarding.name = name }
      if !trust.isEmpty { settings.forwarding.trustedPeers = trust.map(\.block) }
    }

    func validate() throws {
      if let name, !isToken(name) {
        throw ValidationError("--name '\(name)' is not a token; use letters, digits, '-', '_' and '.'")
      }
    }
  }

  struct LifecycleOptions: ParsableArguments {
    @Option(
      help: ArgumentHelp(
        "A UNIX socket for 'photofinish status', 'reload', 'drain', 'log-level' and 'upgrade'. (default: none)",
        valueName: "path"))
    var control: String?

    @Option(
      help: ArgumentHelp(
        "Take the listeners over from the running proxy that has this control socket, which then drains; and the socket, unless --control names another.",
        valueName: "path"))
    var takeOver: String?

    @Option(
      help: ArgumentHelp(
        "Show metrics and status over HTTP here: 127.0.0.1:9180 or unix:/path. (default: off)", valueName: "address"),
      transform: { try parsed($0, ListenAddress.init(parsing:)) })
    var admin: ListenAddress?

    func apply(to settings: inout ProxySettings) {
      if let admin {
        var merged = settings.admin ?? AdminSettings(admin)
        merged.address = admin
        settings.admin = merged
      }
      if let control { settings.control = control }
      if settings.control == nil, let takeOver { settings.control = takeOver }
    }
  }

  struct LogOptions: ParsableArguments {
    @Option(
      help: ArgumentHelp(
        "Write a line for each request: off, text, json, common, combined, or a format with names in braces. (default: off)",
        valueName: "form"),
      transform: { try parsed($0, LogSettings.AccessLogFormat.init(parsing:)) })
    var accessLog: LogSettings.AccessLogFormat?

    @Option(help: ArgumentHelp("Append the access log to this file instead of standard output.", valueName: "path"))
    var accessLogFile: String?

    @Option(help: ArgumentHelp("Least severe lines on standard error. (default: info)", valueName: "level"))
    var logLevel: LogLevel?

    func apply(to settings: inout ProxySettings) {
      if let accessLog { settings.logs.access = accessLog }
      if let accessLogFile { settings.logs.accessPath = accessLogFile }
      if let logLevel { settings.logs.level = logLevel.settings }
    }
  }

  static func within(_ range: ClosedRange<Int>, _ value: Int?, _ flag: String) throws {
    guard let value else { return }
    if value < range.lowerBound {
      throw ValidationError("\(flag) \(value) is too small; the least is \(range.lowerBound)")
    }
    if value > range.upperBound {
      throw ValidationError("\(flag) \(value) is too large; the most is \(range.upperBound)")
    }
  }
}
