import Core
import Host
import Support
import Testing

/// The proxy's promise, end to end: real servers at their own idle timeouts behind a 10 ms wire, bursts of requests that
/// meet their closing connections. Needs root. `script/race` is the long form.
struct RaceTests {
  private static let proxyPort: UInt16 = 8080
  private static let upstreamPort: UInt16 = 3000

  enum Upstream: CustomTestStringConvertible {
    case node, gunicorn, uvicorn
    case script([String])

    var testDescription: String {
      switch self {
      case .node: "node"
      case .gunicorn: "gunicorn"
      case .uvicorn: "uvicorn"
      case .script(let verbs): verbs.joined(separator: " ")
      }
    }

    func command(on address: String) -> [String] {
      let servers = BuiltProgram.fixtures + "/servers"
      return switch self {
      case .node: ["node", servers + "/node-server.mjs", address, "3000", "1000"]
      case .gunicorn:
        [
          "gunicorn", "--worker-class", "gthread", "--workers", "1", "--threads", "100", "--keep-alive", "2",
          "--worker-connections", "2000", "--chdir", servers, "--bind", address + ":3000", "wsgi_server:application",
        ]
      case .uvicorn:
        [
          "uvicorn", "--host", address, "--port", "3000", "--timeout-keep-alive", "2", "--no-access-log",
          "--app-dir", servers, "asgi_server:application",
        ]
      case .script(let verbs): [BuiltProgram.photofinish, "origin", "--listen", address + ":3000"] + verbs
      }
    }
  }

  struct Drive {
    var report: DriveReport
    var proxyLog: String
  }

  /// - Parameters:
  ///   - rounds: bursts of 80.
  ///   - early: the bursts leave this long before the idle time, plus or minus `spread`.
  private func drive(
    _ upstream: Upstream, proxy: [String], rounds: Int, method: String = "POST", early: Nanoseconds = .zero,
    spread: Nanoseconds = .milliseconds(25)
  ) throws -> Drive {
    let wire = try Wire(WireSettings(delay: .milliseconds(10)))
    let directory = try TemporaryDirectory()
    let server = try ChildProcess(
      upstream.command(on: wire.farAddress.host), in: wire.far, output: .file(path: directory.path + "/server"))
    let log = directory.path + "/proxy"
    let program = try ChildProcess(proxy, in: wire.near, output: .file(path: log))
    defer {
      program.end()
      server.end()
    }
    return try wire.near.perform {
      let far = SocketAddress(.ipv4(0x0a4d_0002, port: Self.upstreamPort))
      var settings = DriveSettings(target: SocketAddress(.ipv4(0x0a4d_0001, port: Self.proxyPort)), host: "race.test")
      do {
        _ = try Fetch.get("/__ledger", from: far, atMost: .seconds(20))
      } catch {
        throw BlockingSocket.Failure.ended(BuiltProgram.text(ofFile: directory.path + "/server") ?? "\(error)")
      }
      settings.idle = try IdleMeasurement.median(of: far) - early
      settings.count = rounds * settings.connections
      settings.method = method
      settings.spread = spread
      var driver = try Driver(settings)
      let ledger = driver.run()
      let upstream = UpstreamLedger(parsing: try Fetch.get("/__ledger", from: far, atMost: .seconds(10)))
      let report = DriveReport(ledger, upstream: upstream)
      return Drive(report: report, proxyLog: BuiltProgram.text(ofFile: log) ?? "")
    }
  }

  private func photofinish(_ options: String...) -> [String] {
    [BuiltProgram.photofinish, "serve", "--listen", "10.77.0.1:8080", "--upstream", "http://10.77.0.2:3000"] + options
  }

  @Test(arguments: [
    Upstream.node, .gunicorn, .uvicorn, .script(["idle=400ms", "at-idle=close"]),
    .script(["idle=400ms", "at-idle=close", "look=no"]), .script(["idle=400ms", "at-idle=abort"]),
    .script(["idle=400ms", "at-idle=half-close"]), .script(["idle=400ms", "at-idle=farewell"]),
  ])
  func noPostIsLost(upstream: Upstream) throws {
    let rounds = if case .script = upstream { 6 } else { 3 }
    let drive = try drive(upstream, proxy: photofinish(), rounds: rounds)
    #expect(drive.report.failed == 0 && drive.report.appliedTwice == 0, "\(drive.report.text)\n\(drive.proxyLog)")
    #expect(drive.report.answeredButNotApplied == 0)
  }

  /// Proof alone, without avoidance: every burst is aimed at the middle of the interval in which FIN and requests cross.
  @Test func crossingFinsAreProvenAndReplayed() throws {
    let drive = try drive(
      .script(["idle=400ms", "at-idle=close"]), proxy: photofinish("--idle-window", "off"), rounds: 5,
      early: .milliseconds(10), spread: .milliseconds(3))
    #expect(drive.report.failed == 0 && drive.report.appliedTwice == 0, "\(drive.report.text)\n\(drive.proxyLog)")
    #expect(drive.proxyLog.contains("never delivered"), "the race did not happen: \(drive.proxyLog)")
  }

  @Test func requestsThatDieWithTheServerFailAndNoOthers() throws {
    let drive = try drive(.script(["idle=400ms", "die=close", "share=0.1"]), proxy: photofinish(), rounds: 4)
    #expect(drive.report.appliedTwice == 0 && drive.report.failedWithoutDeath == 0, "\(drive.report.text)")
    #expect(drive.report.failed == drive.report.died && drive.report.died > 0)
  }
}
