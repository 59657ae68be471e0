import ArgumentParser
import Core
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
        photofinish serve --settings photofinish.yaml
        photofinish serve --demo

      Flags that are given beside a settings file win over it. 'photofinish settings --example' prints such a file.
      Times are written 500ms, 5s, 2m, 1h; sizes in bytes or 64k, 10m, 1g.

      SIGNALS
        TERM, INT   stop accepting, finish what is under way; a second one: exit at once
        HUP         read the settings file anew; one that is not valid is refused, and the old settings stay
        USR1        open the access log file anew (after a rotation)
        USR2        write pools, idle windows and metrics to the log

      With --control the commands 'status', 'reload', 'drain', 'log-level' and 'upgrade' reach it (docs/manual/operating.md).

      EXIT CODES
        0  ended by a signal
        1  cannot start (the line on standard error says why), or ended by a second signal
        2  wrong usage
      """)

  @Option(
    name: [.customShort("c"), .customLong("settings")],
    help: ArgumentHelp(
      "A settings file, which can say all that flags can, and more (docs/manual/settings.md).", valueName: "file"))
  var settingsFile: String?

  @Option(
    help: ArgumentHelp(
      "Where to listen: host:port, :port (all addresses, IPv6 and IPv4), [v6]:port or unix:/path. Repeatable. (default: 127.0.0.1:8080)",
      valueName: "address"),
    transform: { try parsed($0, ListenAddress.init(parsing:)) })
  var listen: [ListenAddress] = []

  @Option(
    help: ArgumentHelp(
      "Serve https: the certificate and those of its issuers, in PEM, for all addresses.", valueName: "file"))
  var tlsChain: String?

  @Option(help: ArgumentHelp("The private key of --tls-chain, in PEM, not encrypted.", valueName: "file"))
  var tlsKey: String?

  @Option(
    help: ArgumentHelp(
      "A server: http://host:port, https://host:port or unix:/path. Repeatable; the servers take turns.",
      valueName: "url"),
    transform: { try parsed($0, ServerSettings.init(parsing:)) })
  var upstream: [ServerSettings] = []

  @Option(
    name: .customLong("upstream-ca"),
    help: ArgumentHelp(
      "The authorities that https:// servers are verified by, or their certificates themselves, in PEM. (default: those of the system)",
      valueName: "file"))
  var upstreamCA: String?

  @Flag(
    help:
      "Don't verify https:// servers: anybody between the proxy and a server can then read and change everything."
  )
  var upstreamInsecure = false

  @Flag(help: "Serve an embedded server that hangs up on connections that were idle for 2 s, to try things out.")
  var demo = false

  @Option(help: ArgumentHelp("Event loops, one thread each. (default: the CPUs this process may use)", valueName: "n"))
  var threads: Int?

  @OptionGroup(title: "The race") var race: ServeOptions.RaceOptions
  @OptionGroup(title: "Pool, per server") var pool: ServeOptions.PoolOptions
  @OptionGroup(title: "Timeouts") var timeouts: ServeOptions.TimeoutOptions
  @OptionGroup(title: "Limits") var limits: ServeOptions.LimitOptions
  @OptionGroup(title: "What the servers are told") var forwarding: ServeOptions.ForwardingOptions
  @OptionGroup(title: "Logs") var logs: ServeOptions.LogOptions
  @OptionGroup(title: "Control") var lifecycle: ServeOptions.LifecycleOptions

  @Argument(help: .hidden) var stray: [String] = []

  // MARK: - Running

  func validate() throws {
    if let first = stray.first {
      throw ValidationError("'\(first)' is no flag; did you mean '--settings \(first)' or '--upstream \(first)'?")
    }
    if demo {
      if !upstream.isEmpty { throw ValidationError("--demo brings its own upstream; leave out --upstream") }
      if settingsFile != nil { throw ValidationError("--demo brings its own upstream; leave out --settings") }
    } else if upstream.isEmpty, settingsFile == nil {
      throw ValidationError(
        "no upstream; name one (--upstream http://127.0.0.1:3000), a settings file (--settings), or take the embedded one (--demo)"
      )
    }
    if (tlsChain == nil) != (tlsKey == nil) {
      throw ValidationError(
        "--tls-chain and --tls-key go together; add \(tlsChain == nil ? "--tls-chain" : "--tls-key")")
    }
    if upstreamInsecure, upstreamCA != nil {
      throw ValidationError("--upstream-insecure verifies nothing, so --upstream-ca has no effect; leave one out")
    }
    try ServeOptions.within(1...1_024, threads, "--threads")
    if logs.accessLogFile != nil, settingsFile == nil, logs.accessLog ?? .off == .off {
      throw ValidationError("--access-log-file without --access-log; add --access-log json or another form")
    }
  }

  func run() throws {
    Signals.block()
    // Before there are threads that could look at the environment.
    let passed: [InheritedListener]
    do throws(ServiceSockets.Failure) {
      passed = try ServiceSockets.take()
    } catch {
      throw CannotStart(description: error.description)
    }
    ServiceSockets.forgetVariables()
    var demoOrigin: Origin?
    if demo {
      do throws(SystemError) {
        demoOrigin = try Origin.start()
      } catch {
        throw CannotStart(description: "the embedded server cannot start: \(error)")
      }
    }
    defer { demoOrigin?.stop() }
    let loaded: SettingsFile.Loaded
    switch load(demoOrigin: demoOrigin.map { .tcp(host: "127.0.0.1", port: $0.port) }) {
    case .success(let result): loaded = result
    case .failure(let errors):
      Terminal.writeError(
        SettingsDisplay(descriptor: 2).text(
          errors, source: settingsFile.flatMap { try? SettingsFile.bytes($0).get() } ?? []))
      throw ExitCode(1)
    }
    let settings = loaded.settings
    let logs: ServeLogs
    do {
      logs = try ServeLogs(settings.logs)
    } catch {
      throw CannotStart(description: "\(error)")
    }
    warn(loaded, logs.log)
    Faults.leaveALine(version: Photofinish.configuration.version)
    let run = try ServeRun(self, logs)
    try run.start(settings, passed: passed)
    logs.log.info("\(Self.greeting(run.proxy, demo: demo))")
    run.serve()
  }

  private static func greeting(_ proxy: Proxy, demo: Bool) -> String {
    let upstreams = proxy.settings.upstreams
    let servers =
      upstreams.allSatisfy(\.servers.isEmpty)
      ? "no upstream"
      : upstreams.count == 1
        ? "upstream " + upstreams[0].servers.map(\.url).joined(separator: ", ")
        : "upstreams " + upstreams.map(\.name).joined(separator: ", ")
    return "photofinish \(Photofinish.configuration.version) listens on "
      + proxy.addresses.map(\.description).joined(separator: ", ")
      + ", \(proxy.settings.threads) thread(s), \(servers)"
      + (demo ? " (embedded, closes idle connections after 2s)" : "")
  }
}

/// Something outside the program keeps it from starting.
struct CannotStart: Error, CustomStringConvertible {
  var description: String
}
