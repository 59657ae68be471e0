import Analysis
import ArgumentParser
import Core
import Glibc
import Host

/// `photofinish probe`: measures a live server.
struct ProbeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe",
    abstract: "Measure a server's idle timeout, and tell how long a proxy may hold its connections.",
    discussion: """
      Opens a handful of connections, each with a plan of its own, and watches what the server does. Its timeout is found by \
      observation, not by what it says. Sends GET, HEAD or OPTIONS only, follows no redirect, and says in its User-Agent \
      what it is. Ctrl-C ends it with what is known so far.

      Examples:
        photofinish probe https://api.example/health --proxy-idle 60s
        photofinish probe http://[::1]:8080/ --max-wait 20s --output json
        photofinish probe unix:/run/app.sock
        photofinish probe --tcp redis.example:6379 --send 'PING\\r\\n'

      Exit code: 0 safe, or no --proxy-idle; 1 --proxy-idle is too long; 2 usage, or the server could not be measured; \
      3 it did not close within --max-wait; 130 interrupted.
      """)

  @Argument(
    help: "http://host[:port]/path, https://..., unix:/path/of/socket; with --tcp, host:port or tls://host:port.")
  var url: String

  @Flag(help: "Any server with an idle timeout: no HTTP is spoken.")
  var tcp = false

  @Option(help: ArgumentHelp("With --tcp: text to send as a request; \\r and \\n are understood.", valueName: "text"))
  var send: String?

  @Option(help: "GET, HEAD or OPTIONS.")
  var method = "GET"

  @Option(help: ArgumentHelp("Longest time to wait for the server to close.", valueName: "time"))
  var maxWait = TimeSpan(.seconds(130))

  @Option(help: ArgumentHelp("Requests on one connection, to find a limit.", valueName: "number"))
  var maxRequests = 110

  @Option(help: ArgumentHelp("Connections that are open at once, 1 to 8.", valueName: "number"))
  var parallel = Prober.maximumConnections

  @Flag(
    help:
      "Leave out the connections that are never used and the half-sent request: each can hold a worker of the server.")
  var gentle = false

  @Option(help: ArgumentHelp("Rounds of idle connections, as far as --max-wait allows.", valueName: "number"))
  var rounds = 3

  @Option(
    help: ArgumentHelp(
      "How long your proxy holds idle connections: gives a verdict and an exit code.", valueName: "time"))
  var proxyIdle: TimeSpan?

  @Flag(help: "Measure in spite of a certificate that is not valid; what is wrong with it is told.")
  var insecure = false

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
  }

  @Option(help: "text or json.")
  var output = Output.text

  @Flag(help: "No progress on standard error.")
  var quiet = false

  func validate() throws {
    _ = try ProbePlace(url, isTCP: tcp)
    guard ["GET", "HEAD", "OPTIONS"].contains(method) else {
      throw ValidationError("--method takes GET, HEAD or OPTIONS: a probe changes nothing at the server")
    }
    guard (1...10_000).contains(maxRequests) else { throw ValidationError("--max-requests takes 1 to 10000") }
    guard (1...Prober.maximumConnections).contains(parallel) else {
      throw ValidationError("--parallel takes 1 to \(Prober.maximumConnections)")
    }
    guard send == nil || tcp else { throw ValidationError("--send belongs to --tcp") }
    guard (1...100).contains(rounds) else { throw ValidationError("--rounds takes 1 to 100") }
  }

  func run() throws {
    let place = try ProbePlace(url, isTCP: tcp)
    let report = ProbeReport(try measure(place), proxyIdle: proxyIdle?.span)
    switch output {
    case .text: Terminal.write(report.text(ink: Ink(isColoured: Terminal.isColoured(descriptor: 1))))
    case .json: Terminal.write(report.json())
    }
    if report.wasInterrupted { throw ExitCode(130) }
    if report.exitCode != 0 { throw ExitCode(report.exitCode) }
  }

  private func measure(_ place: ProbePlace) throws -> ProbeResult {
    let request = ProbeRequest(
      method: method, target: place.target, host: place.authority,
      userAgent: "photofinish-probe/0.1 (measures connection timeouts)",
      other: tcp ? ProbeCommand.unescaped(send ?? "") : nil)
    let addresses: [SocketAddress]
    do {
      addresses = try place.addresses()
    } catch {
      var result = ProbeResult(target: url, isHTTP: !tcp, observations: [], waited: .zero)
      result.obstacle = .unreachable("\(error)")
      return result
    }
    // From here on a signal ends the probe, not the process. A name that cannot be resolved in time must not keep it from that.
    let signals = try SignalDescriptor()
    var setup = ProbeSetup(
      addresses: addresses, serverName: place.isTLS ? place.host : nil, request: request, maximumWait: maxWait.span)
    setup.verifies = !insecure
    setup.maximumRequests = maxRequests
    setup.rounds = rounds
    setup.maximumConnections = parallel
    setup.isGentle = gentle
    setup.interruption = signals.number
    let shows = !quiet && isatty(2) == 1
    let result = try Prober(setup).run(target: url) { progress in
      if shows { Terminal.progress(ProbeCommand.text(progress)) }
    }
    if shows { Terminal.progress("") }
    return result
  }

  private static func text(_ progress: ProbeProgress) -> String {
    let left = Display.duration(Nanoseconds(progress.atMost.count / 1_000_000_000 * 1_000_000_000))
    let known =
      progress.longest.map {
        "\(Display.count(progress.closes, "idle close")), the last after \(Display.duration($0)); "
      } ?? ""
    let what = progress.isMeasuring ? "waiting for" : "now only for limits of unused and half-sent requests:"
    return "\(known)\(what) \(Display.count(progress.waiting, "connection")), \(left) at most (Ctrl-C ends)"
  }

  private static func unescaped(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let next = rest.first else {
        bytes.append(byte)
        continue
      }
      switch next {
      case UInt8(ascii: "r"): bytes.append(0x0d)
      case UInt8(ascii: "n"): bytes.append(0x0a)
      case UInt8(ascii: "\\"): bytes.append(next)
      default:
        bytes.append(byte)
        continue
      }
      rest.removeFirst()
    }
    return bytes
  }
}

/// What a probe's argument names.
struct ProbePlace {
  var host: String
  var port: UInt16
  var target = "/"
  var isTLS = false
  private var socketPath: String?

  init(_ text: String, isTCP: Bool) throws {
    var rest = Substring(text)
    if rest.hasPrefix("unix:") {
      let path = String(rest.dropFirst(5))
      guard !path.isEmpty, path.utf8.count <= SocketAddress.longestPath else {
        throw ValidationError("unix: takes the path of a socket, of at most \(SocketAddress.longestPath) bytes")
      }
      (host, port, socketPath) = ("localhost", 80, path)
      return
    }
    if isTCP, rest.hasPrefix("tls://") {
      isTLS = true
      rest = rest.dropFirst(6)
    } else if rest.hasPrefix("https://") {
      isTLS = true
      rest = rest.dropFirst(8)
    } else if rest.hasPrefix("http://") {
      rest = rest.dropFirst(7)
    } else if rest.contains("://") {
      throw ValidationError("\(text): only http and https are probed")
    }
    if let slash = rest.firstIndex(where: { $0 == "/" || $0 == "?" || $0 == "#" }) {
      let behind = String(rest[slash...].prefix { $0 != "#" })
      target = behind.hasPrefix("/") ? behind : "/" + behind
      rest = rest[..<slash]
    }
    guard !rest.contains("@") else { throw ValidationError("\(text): leave user name and password out") }
    guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw ValidationError("\(text): the path may hold visible ASCII only; write the rest as %XX")
    }
    var name = rest
    var number: Substring?
    if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
      name = rest[rest.index(after: rest.startIndex)..<end]
      let behind = rest[rest.index(after: end)...]
      number = behind.hasPrefix(":") ? behind.dropFirst() : nil
    } else if let colon = rest.lastIndex(of: ":") {
      name = rest[..<colon]
      number = rest[rest.index(after: colon)...]
    }
    guard !name.isEmpty, !name.hasPrefix("[") else {
      throw ValidationError("\(text) names no host; an IPv6 address stands in brackets, as in http://[::1]:8080/")
    }
    host = String(name)
    if let number {
      guard let value = UInt16(number), value > 0 else { throw ValidationError("\(text): '\(number)' is no port") }
      port = value
    } else if isTCP {
      throw ValidationError("--tcp takes host:port")
    } else {
      port = isTLS ? 443 : 80
    }
  }

  func addresses() throws(Resolver.Failure) -> [SocketAddress] {
    if let socketPath { return [SocketAddress(.unix(path: socketPath))] }
    return try Resolver.addresses(of: host, port: port)
  }

  var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
  }
}
