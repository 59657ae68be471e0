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
      observation, not by what it says. Sends GET, HEAD or OPTIONS only.

      Exit code: 0 safe, or no --proxy-idle; 1 --proxy-idle is too long; 2 usage, or the server could not be measured; \
      3 it did not close within --max-wait.
      """)

  @Argument(help: "http://host[:port]/path or https://...; with --tcp, host:port.")
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

  @Option(help: ArgumentHelp("Rounds of idle connections, as far as --max-wait allows.", valueName: "number"))
  var rounds = 3

  @Option(
    help: ArgumentHelp(
      "How long your proxy holds idle connections: gives a verdict and an exit code.", valueName: "time"))
  var proxyIdle: TimeSpan?

  @Flag(help: "Accept any certificate.")
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
    guard ["GET", "HEAD", "OPTIONS"].contains(method) else {
      throw ValidationError("--method takes GET, HEAD or OPTIONS: a probe changes nothing at the server")
    }
    guard (1...10_000).contains(maxRequests) else { throw ValidationError("--max-requests takes 1 to 10000") }
    guard (1...100).contains(rounds) else { throw ValidationError("--rounds takes 1 to 100") }
  }

  func run() throws {
    let place = try ProbePlace(url, isTCP: tcp)
    let request = ProbeRequest(
      method: method, target: place.target, host: place.authority,
      userAgent: "photofinish-probe/0.1 (measures connection timeouts)",
      other: tcp ? ProbeCommand.unescaped(send ?? "") : nil)
    let result: ProbeResult
    do {
      let addresses = try Resolver.addresses(of: place.host, port: place.port)
      guard let address = addresses.first else { throw ValidationError("\(place.host) has no address") }
      let prober = try Prober(
        Prober.Plan(
          address: address, serverName: place.isTLS ? place.host : nil, verifies: !insecure, request: request,
          maximumWait: maxWait.span, maximumRequests: maxRequests, rounds: rounds))
      let shows = !quiet && isatty(2) == 1
      result = try prober.run(target: url) { waiting, atMost in
        if shows {
          Terminal.progress("waiting for \(waiting) connections to be closed, \(Display.duration(atMost)) at most")
        }
      }
      if shows { Terminal.progress("") }
    } catch let problem as SystemError {
      Terminal.complain("probe: \(url) cannot be reached: \(problem)")
      throw ExitCode(2)
    } catch let problem as Resolver.Failure {
      Terminal.complain("probe: \(problem)")
      throw ExitCode(2)
    }
    let report = ProbeReport(result, proxyIdle: proxyIdle?.span)
    switch output {
    case .text: Terminal.write(report.text(ink: Ink(isColoured: Terminal.isColoured(descriptor: 1))))
    case .json: Terminal.write(report.json())
    }
    if report.exitCode != 0 { throw ExitCode(report.exitCode) }
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

  init(_ text: String, isTCP: Bool) throws {
    var rest = Substring(text)
    if rest.hasPrefix("https://") {
      isTLS = true
      rest = rest.dropFirst(8)
    } else if rest.hasPrefix("http://") {
      rest = rest.dropFirst(7)
    } else if rest.contains("://") {
      throw ValidationError("\(text): only http and https are probed")
    }
    if let slash = rest.firstIndex(of: "/") {
      target = String(rest[slash...].prefix { $0 != "#" })
      rest = rest[..<slash]
    }
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
    guard !name.isEmpty else { throw ValidationError("\(text) names no host") }
    host = String(name)
    if let number {
      guard let value = UInt16(number), value > 0 else { throw ValidationError("\(number) is no port") }
      port = value
    } else if isTCP {
      throw ValidationError("--tcp takes host:port")
    } else {
      port = isTLS ? 443 : 80
    }
  }

  var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
  }
}
