import Core
import Host
import Support
import Testing

/// Drives the origin without a proxy between, so that what the driver says can be held against what the origin did.
struct DriverTests {
  private func drive(
    _ verbs: [String], change: (inout DriveSettings) -> Void = { _ in }
  ) throws -> (report: DriveReport, ledger: DriveLedger, origin: Origin) {
    let origin = try Origin.start(OriginScript(verbs: verbs))
    var settings = DriveSettings(target: origin.address, host: "a")
    settings.count = 60
    settings.connections = 20
    settings.spread = .zero
    settings.rest = .milliseconds(5)
    settings.patience = .seconds(5)
    change(&settings)
    var driver = try Driver(settings)
    let ledger = driver.run()
    let upstream = UpstreamLedger(parsing: origin.ledger.map { $0.json + "\n" }.joined())
    return (DriveReport(ledger, upstream: upstream), ledger, origin)
  }

  // MARK: Bursts

  @Test func everythingIsAnsweredFarFromTheIdleTime() throws {
    let (report, ledger, origin) = try drive(["idle=30s"]) {
      $0.idle = .milliseconds(20)
      $0.spread = .milliseconds(10)
    }
    #expect(report.answered == 60 && report.failed == 0 && report.applied == 60, "\(report.text)")
    #expect(report.warmUps == 60 && report.failedWarmUps == 0 && report.stop == .completed)
    // Persistent connections, and one request of each kind a round.
    #expect(origin.counters.accepted == 20 && report.connects == 20)
    #expect(ledger.outcomes.allSatisfy { $0.gap.map { $0 >= .milliseconds(10) } ?? false })
    #expect(Set(ledger.outcomes.map(ledger.id(of:))).count == 60)
  }

  @Test func aClosedConnectionIsOpenedAnew() throws {
    let (report, _, origin) = try drive(["idle=30ms"]) { $0.idle = .milliseconds(80) }
    #expect(report.answered == 60, "\(report.text)")
    #expect(origin.counters.idleEnds >= 60 && report.idleCloses >= 60)
  }

  @Test(arguments: [("close", DriveEnd.closed), ("abort", .reset)])
  func deathsAreToldApart(verb: String, end: DriveEnd) throws {
    let (report, _, origin) = try drive(["idle=30s", "die=\(verb)", "share=0.2"]) { $0.idle = .milliseconds(5) }
    #expect(report.failures.keys.allSatisfy { $0 == end } && report.failed > 0, "\(report.text)")
    #expect(report.died == report.failed && report.failedWithoutDeath == 0 && report.lost == 0)
    // The share is drawn for warm-ups too; they are tried again.
    #expect(origin.counters.deaths == report.died + report.failedWarmUps)
  }

  @Test func statusesAreFailures() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=30s"]))
    var settings = DriveSettings(target: origin.address, host: "a")
    settings.count = 10
    settings.connections = 10
    settings.idle = .milliseconds(300)
    try Thread.start(named: "change") {
      pause(.milliseconds(50))
      origin.change { $0.status = 503 }
    }
    var driver = try Driver(settings)
    #expect(driver.run().outcomes.allSatisfy { $0.end == .status(503) })
    #expect(origin.ledger.count == 10)
  }

  @Test func silenceRunsOutOfPatience() throws {
    let listener = try BlockingListener()
    var settings = DriveSettings(target: listener.address, host: "a")
    settings.count = 1
    settings.connections = 1
    settings.idle = .milliseconds(10)
    settings.spread = .zero
    settings.patience = .milliseconds(200)
    try Thread.start(named: "silent") {
      guard let socket = try? listener.accept(), (try? socket.receive(through: "\r\n\r\n")) != nil else { return }
      try? socket.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
      _ = try? socket.waitForEnd()
    }
    var driver = try Driver(settings)
    let ledger = driver.run()
    #expect(ledger.outcomes.map(\.end) == [.timedOut])
    #expect(ledger.outcomes[0].latency >= .milliseconds(200))
  }

  // MARK: Open loop

  @Test(arguments: [DriveArrivals.constant, .poisson])
  func openLoopKeepsItsRate(arrivals: DriveArrivals) throws {
    let (report, ledger, origin) = try drive(["idle=30s"]) {
      $0.traffic = .openLoop(requestsPerSecond: 200, arrivals: arrivals, reuse: .newest)
      $0.count = 200
      $0.method = "GET"
    }
    #expect(report.answered == 200 && report.applied == 200 && report.appliedTwice == 0, "\(report.text)")
    // 200 requests take a second: a drawn one, whose seed is fixed, between a half and two. Later only when the machine is busy.
    #expect(ledger.duration > .milliseconds(500), "\(ledger.duration.text)")
    #expect(report.warmUps == 0 && origin.counters.accepted == report.connects)
  }

  /// A server that stalls once holds up those behind: they were due all the same, and their latency says so.
  @Test func whatWaitsForAClientCountsAsLatency() throws {
    let (report, _, _) = try drive(["idle=30s", "delay=100ms"]) {
      $0.traffic = .openLoop(requestsPerSecond: 1_000, arrivals: .constant, reuse: .newest)
      $0.count = 20
      $0.connections = 1
    }
    #expect(report.answered == 20, "\(report.text)")
    // One after the other at 100 ms each: the last one waited for the nineteen before it.
    #expect(report.latency.longest >= .milliseconds(1_900))
    #expect(report.latency.percentile(0.5) >= .milliseconds(900))
    #expect(report.serviceTime.percentile(0.5) < report.latency.percentile(0.5))
  }

  @Test func aRequestThatFindsNoClientIsNotSent() throws {
    let (report, _, origin) = try drive(["idle=30s", "delay=700ms"]) {
      $0.traffic = .openLoop(requestsPerSecond: 1_000, arrivals: .constant, reuse: .newest)
      $0.count = 3
      $0.connections = 1
      $0.patience = .milliseconds(1_000)
    }
    #expect(report.failures == [.unsent: 1] && report.lost == 1, "\(report.text)")
    #expect(origin.ledger.count == 2)
  }

  @Test(arguments: [DriveReuse.newest, .oldest])
  func reuseChoosesAmongIdleConnections(reuse: DriveReuse) throws {
    let (report, ledger, _) = try drive(["idle=30s", "delay=30ms"]) {
      // Three requests at a time to begin with, then one at a time.
      $0.traffic = .openLoop(requestsPerSecond: 60, arrivals: .constant, reuse: reuse)
      $0.count = 40
      $0.connections = 3
    }
    #expect(report.failed == 0, "\(report.text)")
    let gaps = ledger.outcomes.compactMap(\.gap)
    #expect(gaps.count >= 37 && gaps.allSatisfy { $0 >= .zero })
  }

  // MARK: Requests

  @Test(arguments: ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "PURGE"])
  func anyMethodAndBody(method: String) throws {
    let (report, _, origin) = try drive(["idle=30s"]) {
      $0.method = method
      $0.path = "/chunked/300000"
      $0.bodyBytes = method == "HEAD" ? 0 : 200_000
      $0.headers = ["X-Further: 1"]
      $0.count = 20
      $0.idle = .milliseconds(5)
      $0.spread = .zero
    }
    #expect(report.answered == 20 && report.applied == 20, "\(report.text)")
    #expect(origin.ledger.allSatisfy { $0.method == method })
    #expect(origin.counters.accepted == 20)
  }

  @Test func retriesKeepTheID() throws {
    let (report, ledger, origin) = try drive(["idle=30s", "die=close", "share=0.3", "seed=3"]) {
      $0.idle = .milliseconds(5)
      $0.retries = 20
    }
    #expect(report.failed == 0 && report.retries > 0, "\(report.text)")
    #expect(ledger.outcomes.map(\.retries).reduce(0, +) == report.retries)
    // Whatever died had been read, and so a request that was sent again was applied twice.
    #expect(report.appliedTwice == report.retried && report.died == report.retried)
    #expect(origin.ledger.count == 60 + report.retries)
  }

  // MARK: Ends

  @Test func aTargetThatIsNotThereIsGivenUp() throws {
    let listener = try BlockingListener()
    let address = listener.address
    listener.stop()
    var settings = DriveSettings(target: address, host: "a")
    settings.giveUp = .milliseconds(300)
    var driver = try Driver(settings)
    let ledger = driver.run()
    #expect(ledger.stop == .targetGone(.notConnected(111)))
    #expect(ledger.latency.count == 0 && ledger.abandoned > 0)
  }

  @Test func aTargetThatDiesIsGivenUp() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=30s"]))
    var settings = DriveSettings(target: origin.address, host: "a")
    settings.traffic = .openLoop(requestsPerSecond: 500, arrivals: .poisson, reuse: .newest)
    settings.count = 1_000_000
    settings.giveUp = .milliseconds(300)
    var driver = try Driver(settings)
    var hasStopped = false
    let ledger = driver.run { progress in
      if !hasStopped && progress.ended > 50 {
        hasStopped = true
        origin.stop()
      }
    }
    #expect(ledger.stop == .targetGone(.notConnected(111)))
    #expect(ledger.latency.count > 50 && ledger.outcomes.contains { $0.end != .answered })
  }

  @Test func endsWhenItsTimeIsUp() throws {
    let (report, ledger, _) = try drive(["idle=30s"]) {
      $0.traffic = .openLoop(requestsPerSecond: 100, arrivals: .constant, reuse: .newest)
      $0.count = 1_000_000
      $0.timeLimit = .milliseconds(300)
    }
    #expect(report.stop == .timeIsUp && report.failed == 0 && report.answered > 0, "\(report.text)")
    #expect(ledger.abandoned == 0)
  }

  @Test func endsWhenTold() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=30s"]))
    var settings = DriveSettings(target: origin.address, host: "a")
    settings.idle = .seconds(100)
    let wakeup = try Wakeup()
    var driver = try Driver(settings, stopWhenReadable: wakeup.number)
    try Thread.start(named: "stop") {
      pause(.milliseconds(100))
      wakeup.signal()
    }
    let ledger = driver.run()
    #expect(ledger.stop == .interrupted && ledger.abandoned == 80 && ledger.outcomes.isEmpty)
  }

  @Test func settingsThatMakeNoDriveAreRefused() throws {
    func refusal(_ change: (inout DriveSettings) -> Void) -> String {
      var settings = DriveSettings(target: SocketAddress(.ipv4(0x7f00_0001, port: 1)), host: "a")
      change(&settings)
      do {
        _ = try Driver(settings)
        return "accepted"
      } catch { return "\(error)" }
    }
    #expect(refusal { $0.count = 0 } == "count is 0; give 1 to 2000000")
    #expect(refusal { $0.method = "GE T" }.contains("is no HTTP method"))
    #expect(refusal { $0.method = "CONNECT" }.contains("opens a tunnel"))
    #expect(refusal { $0.path = "x" }.contains("is no path"))
    #expect(refusal { $0.headers = ["a\r\nb: c"] }.contains("is no header line"))
    #expect(refusal { $0.idPrefix = "a b" }.contains("cannot stand in a header"))
    #expect(refusal { $0.spread = .seconds(9) }.contains("is longer than the idle time"))
    #expect(
      refusal { $0.traffic = .openLoop(requestsPerSecond: 0, arrivals: .constant, reuse: .newest) }
        .contains("requests a second"))
    #expect(refusal { $0.connections = 1 << 20 }.contains("give 1 to 20000"))
  }
}
