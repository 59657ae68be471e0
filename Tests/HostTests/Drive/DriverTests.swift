import Core
import Host
import Support
import Testing

/// Drives the origin without a proxy between, so that what the driver says can be held against what the origin did.
struct DriverTests {
  private func drive(
    _ verbs: [String], count: Int = 60, idle: Nanoseconds, spread: Nanoseconds = .zero
  ) throws -> (report: DriveReport, origin: Origin) {
    let origin = try Origin.start(OriginScript(verbs: verbs))
    var settings = DriveSettings(target: origin.address, host: "a")
    settings.count = count
    settings.connections = 20
    settings.idle = idle
    settings.spread = spread
    settings.rest = .milliseconds(5)
    settings.patience = .seconds(2)
    var driver = try Driver(settings)
    let (outcomes, timing) = driver.run()
    let ledger = origin.ledger.map { $0.json + "\n" }.joined()
    var report = DriveReport(outcomes: outcomes, ledger: ledger)
    report.warmUps = timing.warmUps
    report.warmUpFailures = timing.warmUpFailures
    return (report, origin)
  }

  @Test func everythingIsAnsweredFarFromTheIdleTime() throws {
    let (report, origin) = try drive(["idle=5s"], idle: .milliseconds(20), spread: .milliseconds(10))
    #expect(report.answered == 60 && report.failed == 0 && report.applied == 60, "\(report.text)")
    #expect(report.warmUps == 60 && report.failedWarmUps == 0)
    // Persistent connections, and one request of each kind a round.
    #expect(origin.counters.accepted == 20)
  }

  @Test func aClosedConnectionIsOpenedAnew() throws {
    let (report, origin) = try drive(["idle=30ms"], idle: .milliseconds(80))
    #expect(report.answered == 60, "\(report.text)")
    #expect(origin.counters.idleEnds >= 60)
  }

  @Test(arguments: [("close", DriveEnd.closed), ("abort", .reset)])
  func deathsAreToldApart(verb: String, end: DriveEnd) throws {
    let (report, origin) = try drive(["idle=5s", "die=\(verb)", "share=0.2"], idle: .milliseconds(5))
    #expect(report.failures.keys.allSatisfy { $0 == end } && report.failed > 0, "\(report.text)")
    #expect(report.died == report.failed && report.failedWithoutDeath == 0 && report.lost == 0)
    // The share is drawn for warm-ups too; they are tried again.
    #expect(origin.counters.deaths == report.died + report.failedWarmUps)
  }

  @Test func statusesAreFailures() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=5s"]))
    var settings = DriveSettings(target: origin.address, host: "a")
    settings.count = 10
    settings.connections = 10
    settings.idle = .milliseconds(300)
    var driver = try Driver(settings)
    try Thread.start(named: "change") {
      pause(.milliseconds(50))
      origin.change { $0.status = 503 }
    }
    let (outcomes, _) = driver.run()
    #expect(outcomes.allSatisfy { $0.end == .status(503) })
    #expect(origin.ledger.count == 10)
  }

  @Test func silenceRunsOutOfPatience() throws {
    let listener = try BlockingListener()
    var settings = DriveSettings(target: listener.address, host: "a")
    settings.count = 1
    settings.connections = 1
    settings.idle = .milliseconds(10)
    settings.patience = .milliseconds(200)
    try Thread.start(named: "silent") {
      guard let socket = try? listener.accept(), (try? socket.receive(through: "\r\n\r\n")) != nil else { return }
      try? socket.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
      _ = try? socket.waitForEnd()
    }
    var driver = try Driver(settings)
    let (outcomes, _) = driver.run()
    #expect(outcomes.map(\.end) == [.timedOut])
  }
}
