import Analysis
import ArgumentParser
import Core

/// `photofinish predict`: the expected number of failures, from a configuration.
struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Tell how many requests a day the keep-alive race takes, from rate, pool, timeouts and path.",
    discussion: """
      For a proxy that does not repair the race. The model, and how it compares with measurements: docs/manual/prediction.md. \
      'photofinish probe' measures a server's idle time and its jitter.

      A proxy that holds connections for 60 s before a server that closes after 5 s, 2 ms away:
        photofinish predict --rate 20/s --server-idle 5s --proxy-idle 60s --delay 1ms
      The same with 4 worker processes, each with a pool of its own, and many POSTs:
        photofinish predict --rate 20/s --server-idle 5s --proxy-idle 60s --delay 1ms --pools 4 --methods GET:60,POST:40
      """)

  @Option(help: ArgumentHelp("Requests: 20/s, 300/min, 5000/h or 100000/day.", valueName: "rate"))
  var rate: RequestRate

  @Option(help: ArgumentHelp("Idle time after which the server closes.", valueName: "time"))
  var serverIdle: TimeSpan

  @Option(help: ArgumentHelp("The server's idle time varies by plus or minus this.", valueName: "time"))
  var serverJitter: TimeOrZero?

  @Option(
    help: ArgumentHelp("Idle time after which the proxy closes; without it, never.", valueName: "time"))
  var proxyIdle: TimeSpan?

  @Option(help: ArgumentHelp("Path between proxy and server, one way.", valueName: "time"))
  var delay: TimeOrZero = TimeOrZero(.microseconds(250))

  @Option(
    help: ArgumentHelp("What server and proxy take to send a FIN and to notice it.", valueName: "time"))
  var reaction: TimeOrZero = TimeOrZero(.microseconds(50))

  @Option(help: ArgumentHelp("Mean time from a request's leaving the proxy to its response's end.", valueName: "time"))
  var responseTime = TimeSpan(.milliseconds(50))

  @Option(help: "Pools among which requests are spread: worker processes times servers.")
  var pools = 1

  @Option(help: "Idle connections that a pool keeps at most.")
  var poolSize = 1_000

  @Option(help: "Which idle connection a request takes: newest, oldest or random.")
  var reuse = PoolOrder.newest

  @Option(help: ArgumentHelp("Methods and how often they come, for instance GET:80,POST:20.", valueName: "mix"))
  var methods: MethodMix = MethodMix(notIdempotent: 0.2)

  @Option(
    help: ArgumentHelp("Failures that were counted in --seconds: says whether they fit.", valueName: "number"))
  var measured: Int?

  @Option(help: ArgumentHelp("How long --measured was counted.", valueName: "number"))
  var seconds = 86_400.0

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if let measured, measured < 0 { throw ValidationError("--measured is \(measured); give a count") }
    guard seconds > 0 else { throw ValidationError("--seconds is \(seconds); give the length of the measurement") }
  }

  func run() throws {
    var settings = PredictionSettings(requestsPerSecond: rate.perSecond, serverIdle: serverIdle.span)
    settings.serverJitter = serverJitter?.span ?? .zero
    settings.proxyIdle = proxyIdle?.span
    settings.pathDelay = delay.span
    settings.reaction = reaction.span
    settings.responseTime = responseTime.span
    settings.pools = pools
    settings.poolSize = poolSize
    settings.order = reuse
    settings.notIdempotent = methods.notIdempotent
    do throws(PredictionSettings.Misuse) {
      var prediction = try Prediction(settings)
      prediction.measurement = measured.map { Prediction.Measurement(failures: $0, seconds: seconds) }
      let ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
      Terminal.write(json ? prediction.json + "\n" : prediction.text(ink: ink))
    } catch {
      throw ValidationError("\(error)")
    }
  }
}

extension PoolOrder: ExpressibleByArgument {}

/// Requests in a stretch of time: `20/s`, `300/min`.
struct RequestRate: ExpressibleByArgument {
  var perSecond: Double

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    let units = ["s": 1.0, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "day": 86_400]
    guard parts.count <= 2, let number = Double(parts[0]), number > 0, number.isFinite,
      let unit = units[parts.count == 2 ? String(parts[1]) : "s"]
    else { return nil }
    perSecond = number / unit
  }
}

/// Methods with weights; what matters is how many of them are not idempotent (RFC 9110 section 9.2.2).
struct MethodMix: ExpressibleByArgument {
  private static let idempotent: Set<String> = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]

  var notIdempotent: Double

  init(notIdempotent: Double) { self.notIdempotent = notIdempotent }

  init?(argument: String) {
    var all = 0.0
    var others = 0.0
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let words = part.split(separator: ":", omittingEmptySubsequences: false)
      guard words.count <= 2, let name = words.first, !name.isEmpty, name.allSatisfy(\.isLetter),
        let weight = words.count == 2 ? Double(words[1]) : 1, weight >= 0, weight.isFinite
      else { return nil }
      // Weights for some and none for others are a slip.
      guard words.count == argument.split(separator: ",")[0].split(separator: ":").count else { return nil }
      all += weight
      if !Self.idempotent.contains(name.uppercased()) { others += weight }
    }
    guard all > 0 else { return nil }
    notIdempotent = others / all
  }

  var defaultValueDescription: String { "GET:80,POST:20" }
}
