import ArgumentParser
import Core
import Host

/// `photofinish drive`: traffic aimed at the race, or at random, and a ledger of what became of it.
struct DriveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drive",
    abstract: "Send a proxy requests at the moment at which its upstream hangs up, and count what it loses.",
    discussion: """
      Any proxy will do. Without --rate it sends bursts: a warm-up on each client connection, nothing for --idle plus or minus \
      --spread, then the request under test. With --rate it sends an open loop: requests that leave when their time has come, \
      however long the earlier ones take.

      Every request under test has an ID of its own in X-Race-Id. With --ledger, what the clients saw is joined with what the \
      upstream has read: 'lost' was neither answered nor read, 'applied twice' was read twice. A ledger is a file, or a server \
      that gives one at GET /__ledger, of lines of JSON that each have an "id"; 'photofinish origin' gives one.

      A server that closes after 2 s, a proxy before it, and 800 POSTs that meet the close:
        photofinish origin --listen 127.0.0.1:3000 idle=2s
        photofinish serve --listen 127.0.0.1:8080 --upstream http://127.0.0.1:3000
        photofinish drive --target http://127.0.0.1:8080 --ledger http://127.0.0.1:3000 --count 800 --idle 2s
      200 GETs a second for a minute, at random times:
        photofinish drive --target http://127.0.0.1:8080 --method GET --rate 200 --time 1m

      Exit code: 0 everything was answered; 1 a request failed or was applied twice; 2 misuse, or the target or the ledger cannot be \
      reached; 128 and the signal when it was interrupted.
      """)

  @Option(help: ArgumentHelp("The proxy, with a path if you like: http://127.0.0.1:8080/path.", valueName: "url"))
  var target: String

  @Option(
    help: ArgumentHelp(
      "The upstream's ledger: its address (http://10.77.0.2:3000), or a file. May be given several times.",
      valueName: "url-or-file"))
  var ledger: [String] = []

  @Option(help: "Method of the requests under test. Warm-ups are GET.")
  var method = "POST"

  @Option(
    name: .customLong("body"),
    help: ArgumentHelp("Size of each request's body; 16 for POST, PUT and PATCH, else none.", valueName: "size"))
  var body: ByteSize?

  @Option(help: ArgumentHelp("A further header line of the requests under test.", valueName: "Name: value"))
  var header: [String] = []

  @Option(help: ArgumentHelp("Requests under test; with --rate and --time as many as fit.", valueName: "number"))
  var count: Int?

  @Option(help: ArgumentHelp("No further request begins after this.", valueName: "time"))
  var time: TimeSpan?

  @Option(
    help: ArgumentHelp("Client connections at most; without --rate the size of a burst.", valueName: "number"))
  var connections = 80

  @Option(help: ArgumentHelp("Bursts: idle time at which the upstream closes; 'auto' measures it.", valueName: "time"))
  var idle: String?

  @Option(help: ArgumentHelp("Bursts: requests leave at the idle time plus or minus this.", valueName: "time"))
  var spread: TimeOrZero?

  @Option(help: "Bursts: whether the requests of a round leave 'together' or 'scattered'.")
  var burst: DriveBurst?

  @Option(help: ArgumentHelp("Bursts: pause between rounds.", valueName: "time"))
  var rest: TimeOrZero?

  @Option(help: ArgumentHelp("Open loop: requests a second.", valueName: "number"))
  var rate: Double?

  @Option(help: "Open loop: 'poisson' draws the intervals between requests, 'constant' makes them equal.")
  var arrivals: DriveArrivals?

  @Option(help: "Open loop: which idle client connection a request takes: newest, oldest or random.")
  var reuse: DriveReuse?

  @Option(help: ArgumentHelp("A request without an answer for this long has failed.", valueName: "time"))
  var patience = TimeSpan(.seconds(10))

  @Option(help: ArgumentHelp("How often a client sends a request that failed again.", valueName: "number"))
  var retries = 0

  @Option(help: "Seed of all that is drawn.")
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("Begins the requests' IDs; by default different for each drive.", valueName: "text"))
  var idPrefix: String?

  @Option(help: ArgumentHelp("Write a line of JSON for each request to this file.", valueName: "file"))
  var requests: String?

  @Flag(help: "Print the result as a line of JSON.")
  var json = false

  @Flag(help: "No progress on standard error.")
  var quiet = false

  /// The value of --idle that has it measured.
  private static let measuredIdle = "auto"

  func validate() throws {
    if idle == Self.measuredIdle, ledger.first?.hasPrefix("http://") != true {
      throw ValidationError("--idle auto measures the upstream, whose address --ledger gives; give --ledger http://...")
    }
    if rate != nil {
      let strange = [
        ("--idle", idle != nil), ("--spread", spread != nil), ("--burst", burst != nil), ("--rest", rest != nil),
      ]
      for (name, isGiven) in strange where isGiven {
        throw ValidationError("\(name) shapes bursts, and --rate asks for an open loop; give one of them")
      }
      if count == nil && time == nil {
        throw ValidationError("--rate has no end; say how many with --count, or how long with --time")
      }
    } else if arrivals != nil || reuse != nil {
      throw ValidationError("--arrivals and --reuse shape an open loop; give --rate too")
    }
  }

  func run() throws {
    let place = try ProbePlace(target, isTCP: false)
    guard !place.isTLS else {
      throw ValidationError("--target \(target) asks for TLS, which the driver does not speak")
    }
    do {
      var settings = try settings(place)
      let ledgers = try ledger.map(UpstreamLedgerPlace.init)
      // Servers take their time to start; what they tell now is of no interest.
      for ledger in ledgers { _ = try ledger.read(atMost: .seconds(20)) }
      if idle == Self.measuredIdle { settings.idle = try measuredIdle(ledgers[0]) }
      try settings.check()
      try drive(settings, ledgers)
    } catch let misuse as DriveSettings.Misuse {
      throw ValidationError("\(misuse)")
    } catch let unreadable as UpstreamLedgerPlace.Unreadable {
      Terminal.complain("drive: \(unreadable)")
      throw ExitCode(2)
    } catch let failure as Resolver.Failure {
      Terminal.complain("drive: \(failure)")
      throw ExitCode(2)
    } catch let error as SystemError {
      Terminal.complain("drive: \(error)")
      throw ExitCode(2)
    }
  }

  private func settings(_ place: ProbePlace) throws -> DriveSettings {
    guard let address = try Resolver.addresses(of: place.host, port: place.port).first else {
      throw ValidationError("\(place.host) has no address")
    }
    var settings = DriveSettings(target: address, host: place.authority)
    settings.path = place.target
    settings.method = method
    settings.bodyBytes = body.map { Int(clamping: $0.bytes) }
    settings.headers = header
    settings.count = count ?? (time == nil ? 10_000 : DriveSettings.countLimit)
    settings.timeLimit = time?.span
    settings.connections = connections
    if let rate {
      settings.traffic = .openLoop(requestsPerSecond: rate, arrivals: arrivals ?? .poisson, reuse: reuse ?? .newest)
    }
    if let span = spread?.span { settings.spread = span }
    if let burst { settings.burst = burst }
    if let span = rest?.span { settings.rest = span }
    settings.patience = patience.span
    settings.retries = retries
    settings.seed = seed
    settings.idPrefix = idPrefix ?? "d\(MonotonicClock.now.nanoseconds / 1000)"
    if let idle, idle != Self.measuredIdle {
      do { settings.idle = try Nanoseconds(parsing: idle) } catch { throw ValidationError("--idle \(error)") }
    }
    try settings.check()
    return settings
  }

  private func measuredIdle(_ place: UpstreamLedgerPlace) throws -> Nanoseconds {
    guard case .server(let address, _, _) = place else { preconditionFailure("validate() saw to it") }
    do {
      return try IdleMeasurement.median(of: address)
    } catch {
      throw UpstreamLedgerPlace.Unreadable(
        place: ledger[0], reason: "its idle time cannot be measured (\(error)); give --idle")
    }
  }

  private func drive(_ settings: DriveSettings, _ ledgers: [UpstreamLedgerPlace]) throws {
    _ = Machine.raiseDescriptorLimit()
    let signals = try SignalDescriptor()
    var driver = try Driver(settings, stopWhenReadable: signals.number)
    let shows = !quiet && Terminal.isColoured(descriptor: 2)
    let ledger = driver.run { progress in
      guard shows else { return }
      let seconds = progress.elapsed.milliseconds / 1000
      Terminal.progress("\(progress.ended) of \(progress.count), \(progress.failed) failed, \(seconds) s")
    }
    if shows { Terminal.progress("") }
    if case .targetGone(let end) = ledger.stop, ledger.latency.count == 0 {
      Terminal.complain("drive: \(target) answers nothing: \(end); is the proxy running?")
      throw ExitCode(2)
    }
    if let requests, let problem = OutputFile.write(ledger.lines, to: requests) {
      Terminal.complain("drive: \(problem)")
    }
    var upstream: UpstreamLedger?
    for place in ledgers {
      if upstream == nil { upstream = UpstreamLedger() }
      upstream?.add(parsing: try place.read(atMost: .seconds(10)))
    }
    let report = DriveReport(ledger, upstream: upstream)
    Terminal.write((json ? report.json : heading(settings) + report.text) + "\n")
    if ledger.stop == .interrupted { throw ExitCode(128 + (signals.take() ?? 2)) }
    if case .targetGone = ledger.stop { throw ExitCode(2) }
    if report.failed > 0 || report.appliedTwice > 0 { throw ExitCode(1) }
  }

  private func heading(_ settings: DriveSettings) -> String {
    switch settings.traffic {
    case .bursts:
      "\(settings.method) \(target), bursts of \(settings.connections) at \(settings.idle.text) +- \(settings.spread.text),"
        + " seed \(settings.seed)\n"
    case .openLoop(let rate, let arrivals, _):
      "\(settings.method) \(target), \(rate) a second (\(arrivals.rawValue)), seed \(settings.seed)\n"
    }
  }
}

extension DriveBurst: ExpressibleByArgument {}
extension DriveArrivals: ExpressibleByArgument {}
extension DriveReuse: ExpressibleByArgument {}
