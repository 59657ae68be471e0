import ArgumentParser
import Core
import Host

struct DriveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drive",
    abstract: "Drive a proxy at the keep-alive race and count what it loses.",
    discussion: """
      Sends rounds of requests through the proxy at the moment at which its idle upstream connections end, then
      compares what the clients saw with the upstream's ledger: a server that lists at GET /__ledger, as lines of JSON
      with an "id", every request with an X-Race-Id that it has read ('photofinish origin' is one).
      Exits with 1 when a request failed or was applied twice.
      """)

  @Option(help: "The proxy, for instance http://127.0.0.1:8080.")
  var target: String

  @Option(help: "The upstream, directly, for its ledger: http://10.77.0.2:3000.")
  var ledger: String

  @Option(help: "Method of the requests under test. Warm-ups are GET.")
  var method = "POST"

  @Option(help: "Requests under test.")
  var count = 10_000

  @Option(help: "Client connections, the size of a burst.")
  var connections = 80

  @Option(help: "Idle time at which the upstream closes; 'auto' measures it first.")
  var idle = "2s"

  @Option(help: "Requests are sent at the idle time plus or minus this.", transform: Nanoseconds.init(parsing:))
  var spread = Nanoseconds.milliseconds(25)

  @Option(help: "Whether the requests of a round leave 'together' or 'scattered'.")
  var burst = DriveBurst.together

  @Option(help: "Pause between rounds.", transform: Nanoseconds.init(parsing:))
  var rest = Nanoseconds.milliseconds(100)

  @Option(help: "Seed of the spread.")
  var seed: UInt64 = 1

  @Option(help: "Begins the requests' IDs; different for drives that share a ledger.")
  var idPrefix = "race"

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let proxy = try Self.address(target)
    let upstream = try Self.address(ledger)
    _ = try Fetch.get("/__ledger", from: upstream, atMost: .seconds(20))
    var settings = DriveSettings(target: proxy, host: "race.test")
    settings.idle = idle == "auto" ? try IdleMeasurement.median(of: upstream) : try Nanoseconds(parsing: idle)
    settings.method = method
    settings.count = count
    settings.connections = connections
    settings.spread = spread
    settings.burst = burst
    settings.rest = rest
    settings.seed = seed
    settings.idPrefix = idPrefix
    _ = Machine.raiseDescriptorLimit()
    var driver = try Driver(settings)
    let (outcomes, timing) = driver.run()
    var report = DriveReport(
      outcomes: outcomes, ledger: try Fetch.get("/__ledger", from: upstream, atMost: .seconds(10)))
    report.warmUps = timing.warmUps
    report.warmUpFailures = timing.warmUpFailures
    report.medianLatency = timing.medianLatency
    report.slowestLatency = timing.slowestLatency
    if json {
      announce(report.json)
    } else {
      announce("idle \(settings.idle.text) +- \(spread.text), seed \(seed)\n" + report.text)
    }
    if report.failed > 0 || report.appliedTwice > 0 { throw ExitCode(1) }
  }

  private static func address(_ url: String) throws -> SocketAddress {
    let rest = url.hasPrefix("http://") ? String(url.dropFirst(7)) : url
    let text = rest.hasSuffix("/") ? String(rest.dropLast()) : rest
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
      let address = SocketAddress(literal: String(text[..<colon]), port: port)
    else { throw ValidationError("'\(url)' is not an address; write for instance http://127.0.0.1:8080") }
    return address
  }
}

extension DriveBurst: ExpressibleByArgument {}
