import ArgumentParser
import Core
import Glibc
import Host
import Logging

/// `photofinish serve`: the reverse proxy.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Run the reverse proxy.",
    discussion: """
      Takes HTTP/1.1 (and 1.0) requests on the --listen addresses and passes them to the --upstream servers over a pool \
      of keep-alive connections. It learns when each server closes idle connections and keeps out of the way of that \
      moment; where a request meets a close all the same, the kernel's evidence decides whether it may be sent again.

      EXAMPLES
        photofinish serve --upstream http://127.0.0.1:3000
        photofinish serve --listen :80 --upstream http://app1:3000 --access-log json
        photofinish serve --demo

      Times are written 500ms, 5s, 2m, 1h; sizes in bytes or 64k, 10m, 1g.

      SIGNALS
        TERM, INT   stop accepting, finish what is under way; again: exit at once
        USR1        open the access log file anew (after a rotation)
        USR2        write pools, idle windows and counters to the log

      EXIT CODES
        0  ended by a signal
        1  cannot start (the line on standard error says why), or ended by a second signal
        64 wrong usage
      """)

  @Option(
    help: ArgumentHelp(
      "Where to listen: host:port, :port (all addresses, IPv6 and IPv4), [v6]:port or unix:/path. Repeatable. (default: 127.0.0.1:8080)",
      valueName: "address"),
    transform: ListenAddress.init(parsing:))
  var listen: [ListenAddress] = []

  @Option(
    help: ArgumentHelp(
      "A server: http://host:port or unix:/path. Repeatable; the servers take turns.", valueName: "url"),
    transform: OriginAddress.init(parsing:))
  var upstream: [OriginAddress] = []

  @Flag(help: "Serve an embedded server that hangs up on connections that were idle for 2 s, to try things out.")
  var demo = false

  @Option(help: ArgumentHelp("Event loops, one thread each. (default: the CPUs this process may use)", valueName: "n"))
  var threads: Int?

  @OptionGroup(title: "The race") var race: RaceOptions
  @OptionGroup(title: "Pool, per server") var pool: PoolOptions
  @OptionGroup(title: "Timeouts") var timeouts: TimeoutOptions
  @OptionGroup(title: "Limits") var limits: LimitOptions
  @OptionGroup(title: "What the servers are told") var forwarding: ForwardingOptions
  @OptionGroup(title: "Logs") var logs: LogOptions

  struct RaceOptions: ParsableArguments {
    @Option(help: "Learn how long each server keeps idle connections, and lease none beyond that.")
    var idleWindow: Switch = .on

    @Option(
      help: ArgumentHelp(
        "Replay POST and other non-idempotent requests when it is proven that the server did not get them, or never.",
        valueName: "proven|never"))
    var replayNonIdempotent: ReplayChoice = .proven

    @Option(help: ArgumentHelp("Replays of one request.", valueName: "n"))
    var maxReplays: Int = 3

    @Option(help: ArgumentHelp("Bytes of a request body that are kept for a replay.", valueName: "size"))
    var replayBuffer: ByteSize = ByteSize(bytes: 65_536)
  }

  struct PoolOptions: ParsableArguments {
    @Option(help: "Use connections for more than one request.")
    var reuse: Switch = .on

    @Option(help: ArgumentHelp("Longest idle age of a connection that is used again.", valueName: "time"))
    var upstreamIdle: TimeSpan = TimeSpan(.seconds(60))

    @Option(help: ArgumentHelp("Age at which a connection is retired.", valueName: "time"))
    var upstreamMaxAge: TimeSpan = TimeSpan(.seconds(3_600))

    @Option(help: ArgumentHelp("Requests after which a connection is retired.", valueName: "n"))
    var upstreamMaxRequests: Int = 100_000

    @Option(help: ArgumentHelp("Connections open at once. (default: no limit)", valueName: "n"))
    var upstreamConnections: Int?

    @Option(help: ArgumentHelp("Idle connections kept.", valueName: "n"))
    var upstreamIdleConnections: Int = 1_024

    @Option(help: ArgumentHelp("Requests that may wait for a connection; more get 503.", valueName: "n"))
    var maxWaiting: Int = 1_024

    @Option(help: ArgumentHelp("How long a request waits for a connection (503).", valueName: "time"))
    var waitTimeout: TimeSpan = TimeSpan(.seconds(10))
  }

  struct TimeoutOptions: ParsableArguments {
    @Option(help: ArgumentHelp("To read a request head (408).", valueName: "time"))
    var headTimeout: TimeSpan = TimeSpan(.seconds(30))

    @Option(help: ArgumentHelp("Idle client connections are told 10 s less and closed after this.", valueName: "time"))
    var clientIdle: TimeSpan = TimeSpan(.seconds(75))

    @Option(help: ArgumentHelp("To connect to a server (504).", valueName: "time"))
    var connectTimeout: TimeSpan = TimeSpan(.seconds(5))

    @Option(help: ArgumentHelp("From a request's last byte to the response head (504).", valueName: "time"))
    var responseTimeout: TimeSpan = TimeSpan(.seconds(60))

    @Option(help: ArgumentHelp("Between two pieces of a body, either way.", valueName: "time"))
    var bodyTimeout: TimeSpan = TimeSpan(.seconds(60))

    @Option(help: ArgumentHelp("Silence in an upgraded connection (WebSocket).", valueName: "time"))
    var tunnelTimeout: TimeSpan = TimeSpan(.seconds(3_600))

    @Option(help: ArgumentHelp("To finish what is under way after a TERM.", valueName: "time"))
    var drainTimeout: TimeSpan = TimeSpan(.seconds(30))
  }

  struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A request or response head (431, 502).", valueName: "size"))
    var maxHead: ByteSize = ByteSize(bytes: 16_384)

    @Option(help: ArgumentHelp("A request line (414).", valueName: "size"))
    var maxRequestLine: ByteSize = ByteSize(bytes: 8_192)

    @Option(help: ArgumentHelp("Fields of a head (431, 502).", valueName: "n"))
    var maxFields: Int = 100

    @Option(help: ArgumentHelp("A request body (413). (default: no limit)", valueName: "size"))
    var maxBody: ByteSize?

    @Option(help: ArgumentHelp("Client connections; more wait in the kernel's queue.", valueName: "n"))
    var maxClients: Int = 50_000
  }

  struct ForwardingOptions: ParsableArguments {
    @Option(help: "Write X-Forwarded-For, -Proto and -Host.")
    var xForwarded: Switch = .on

    @Option(help: "Write Forwarded (RFC 7239).")
    var forwarded: Switch = .on

    @Option(help: "Write Via.")
    var via: Switch = .on

    @Option(help: "Write X-Request-Id where the client sent none.")
    var requestId: Switch = .on

    @Option(
      help: ArgumentHelp(
        "A proxy in front of this one, whose forwarding fields are believed: 10.0.0.0/8, ::1. Repeatable.",
        valueName: "block"))
    var trust: [TrustedBlock] = []

    @Option(help: ArgumentHelp("The name of this proxy in Via and Proxy-Status.", valueName: "token"))
    var name: String = "photofinish"
  }

  struct LogOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Write a line for each request.", valueName: "off|text|json"))
    var accessLog: AccessChoice = .off

    @Option(help: ArgumentHelp("Append the access log to this file instead of standard output.", valueName: "path"))
    var accessLogFile: String?

    @Option(help: ArgumentHelp("Least severe lines on standard error.", valueName: "level"))
    var logLevel: LogLevel = .info
  }

  // MARK: - Running

  func validate() throws {
    if upstream.isEmpty, !demo {
      throw ValidationError(
        "no upstream; name one (--upstream http://127.0.0.1:3000), or take the embedded one (--demo)")
    }
    if !upstream.isEmpty, demo { throw ValidationError("--demo brings its own upstream; leave out --upstream") }
    if let threads, !(1...1_024).contains(threads) {
      throw ValidationError("--threads \(threads) is out of range; it is 1 to 1024")
    }
    func atLeast(_ least: Int, _ value: Int, _ name: String) throws {
      if value < least { throw ValidationError("\(name) \(value) is too small; the least is \(least)") }
    }
    try atLeast(0, race.maxReplays, "--max-replays")
    if race.maxReplays > 255 { throw ValidationError("--max-replays \(race.maxReplays) is too large; the most is 255") }
    try atLeast(1, pool.upstreamMaxRequests, "--upstream-max-requests")
    if let connections = pool.upstreamConnections { try atLeast(1, connections, "--upstream-connections") }
    try atLeast(0, pool.upstreamIdleConnections, "--upstream-idle-connections")
    try atLeast(0, pool.maxWaiting, "--max-waiting")
    try atLeast(1, limits.maxFields, "--max-fields")
    try atLeast(1, limits.maxClients, "--max-clients")
    let head = limits.maxHead.bytes
    if head < 256 || head > 1 << 20 {
      throw ValidationError("--max-head \(head) is out of range; it is 256 to 1m bytes")
    }
    if limits.maxRequestLine.bytes < 64 || limits.maxRequestLine.bytes > head {
      throw ValidationError(
        "--max-request-line \(limits.maxRequestLine.bytes) is out of range; it is 64 to --max-head (\(head))")
    }
    if race.replayBuffer.bytes > 1 << 30 { throw ValidationError("--replay-buffer is too large; the most is 1g") }
    let isToken = forwarding.name.utf8.allSatisfy { byte in
      (0x61...0x7a).contains(byte | 0x20) || (0x30...0x39).contains(byte)
        || Array("!#$%&'*+-.^_`|~".utf8).contains(byte)
    }
    if forwarding.name.isEmpty || !isToken {
      throw ValidationError("--name '\(forwarding.name)' is not a token; use letters, digits, '-', '_' and '.'")
    }
    if logs.accessLogFile != nil, logs.accessLog == .off {
      throw ValidationError("--access-log-file without --access-log; add --access-log json or text")
    }
  }

  func run() throws {
    Signals.block()
    let errors: LogWriter
    var access: LogWriter?
    do {
      errors = try LogWriter(number: 2)
      if logs.accessLog != .off {
        access = try logs.accessLogFile.map { try LogWriter(path: $0) } ?? LogWriter(number: 1)
      }
    } catch {
      throw CannotStart(description: "\(error)")
    }
    var handler = ControlLogHandler(writer: errors)
    handler.logLevel = logs.logLevel.level
    let log = Logger(label: "photofinish") { [handler] _ in handler }
    var demoOrigin: Origin?
    if demo {
      do throws(SystemError) {
        demoOrigin = try Origin.start()
      } catch {
        throw CannotStart(description: "the embedded server cannot start: \(error)")
      }
    }
    defer { demoOrigin?.stop() }
    let origins = demoOrigin.map { [OriginAddress.tcp(host: "127.0.0.1", port: $0.port)] } ?? upstream
    let proxy: Proxy
    do throws(Proxy.StartError) {
      proxy = try Proxy(settings: settings(origins), log: log, accessLog: access)
    } catch {
      throw CannotStart(description: error.description)
    }
    log.info(
      "photofinish \(Photofinish.configuration.version) listens on \(proxy.addresses.map(\.description).joined(separator: ", ")), \(proxy.settings.threads) thread(s), upstream \(origins.map(\.text).joined(separator: ", "))\(demo ? " (embedded, closes idle connections after 2s)" : "")"
    )
    wait(proxy, log, errors, access)
  }

  /// Serves until a signal ends it.
  private func wait(_ proxy: Proxy, _ log: Logger, _ errors: LogWriter, _ access: LogWriter?) {
    while true {
      switch Signals.next() {
      case .report:
        errors.write(proxy.dump().joined(separator: "\n"))
      case .reopenLogs:
        do {
          try access?.reopen()
          log.info("logs are opened anew")
        } catch {
          log.error("the access log cannot be opened anew, the old file stays in use: \(error)")
        }
      case .reload:
        log.info("SIGHUP: the settings come from the command line, so there is nothing to reload")
      case .terminate:
        log.info("stopping: no new connections; what is under way has \(timeouts.drainTimeout.span.text)")
        errors.flush()
        try? Thread.start(named: "second-signal") {
          while Signals.next() != .terminate {}
          _exit(1)
        }
        proxy.drain(atMost: timeouts.drainTimeout.span)
        log.info("stopped")
        access?.flush()
        errors.flush()
        return
      }
    }
  }

  private func settings(_ origins: [OriginAddress]) -> ProxySettings {
    var settings = ProxySettings()
    settings.listeners = (listen.isEmpty ? [.tcp(host: "127.0.0.1", port: 8080)] : listen).map { ListenerSettings($0) }
    settings.threads = threads ?? Machine.availableProcessors
    settings.logs.access = logs.accessLog.format

    settings.upstream.origins = origins
    settings.upstream.idleWindow = race.idleWindow.isOn
    settings.upstream.replay.nonIdempotentOnProof = race.replayNonIdempotent == .proven
    settings.upstream.replay.limit = race.maxReplays
    settings.upstream.pool.reuse = pool.reuse.isOn
    settings.upstream.pool.idleAge = pool.upstreamIdle.span
    settings.upstream.pool.connectionAge = pool.upstreamMaxAge.span
    settings.upstream.pool.requestsPerConnection = pool.upstreamMaxRequests
    settings.upstream.pool.connections = pool.upstreamConnections
    settings.upstream.pool.idleConnections = pool.upstreamIdleConnections
    settings.upstream.pool.waitingRequests = pool.maxWaiting
    settings.upstream.pool.waitingTime = pool.waitTimeout.span

    settings.timeouts.requestHead = timeouts.headTimeout.span
    settings.timeouts.clientIdle = timeouts.clientIdle.span
    // Clients are to close first: what they are told is less than what they get.
    settings.timeouts.advertisedIdleSeconds = UInt32(
      clamping: max(0, timeouts.clientIdle.span.milliseconds / 1_000 - 10))
    settings.timeouts.connect = timeouts.connectTimeout.span
    settings.timeouts.responseHead = timeouts.responseTimeout.span
    settings.timeouts.bodyIdle = timeouts.bodyTimeout.span
    settings.timeouts.tunnelIdle = timeouts.tunnelTimeout.span

    settings.limits.headBytes = Int(limits.maxHead.bytes)
    settings.limits.startLineBytes = Int(limits.maxRequestLine.bytes)
    settings.limits.fieldCount = limits.maxFields
    settings.limits.bodyBytes = limits.maxBody?.bytes
    settings.limits.clientConnections = limits.maxClients
    settings.limits.replayBytes = Int(race.replayBuffer.bytes)

    settings.forwarding.xForwarded = forwarding.xForwarded.isOn
    settings.forwarding.forwarded = forwarding.forwarded.isOn
    settings.forwarding.via = forwarding.via.isOn
    settings.forwarding.requestID = forwarding.requestId.isOn
    settings.forwarding.name = forwarding.name
    settings.forwarding.trustedPeers = forwarding.trust.map(\.block)
    return settings
  }
}

/// Something outside the program keeps it from starting.
struct CannotStart: Error, CustomStringConvertible {
  var description: String
}
