internal import Analysis
internal import Core

/// The traffic of one run.
struct LabDrive {
  private let run: LabRun
  private let ground: LabGround
  private let settings: DriveSettings

  init(_ run: LabRun, ground: LabGround, idle: IdleRange?, settings bench: LabBench.Settings) {
    self.run = run
    self.ground = ground
    let target = run.proxy == nil ? (run.isGuarded ? ground.guardian : ground.server) : ground.proxy
    var settings = DriveSettings(target: target, host: "race.test")
    settings.method = run.method
    settings.count = bench.count ?? run.count
    settings.connections = min(run.connections, settings.count)
    settings.spread = run.spread
    settings.patience = run.patience
    settings.retries = run.clientRetries
    settings.seed = bench.seed
    switch run.aim {
    // The middle of the interval in which FIN and request cross: the FIN needs one delay to the proxy, the request one back.
    case .close:
      settings.idle = (idle?.middle ?? .seconds(2)) - (ground.wire == nil ? .zero : run.path.delay)
      settings.spread = settings.spread + (idle?.deviation ?? .zero)
    case .after(let span): settings.idle = span
    }
    if run.traffic == .steady {
      settings.traffic = .openLoop(requestsPerSecond: Double(run.rate), arrivals: .poisson, reuse: .newest)
    }
    self.settings = settings
  }

  /// - Parameter progress: called with the number of requests that have ended.
  func drive(_ progress: (Int) -> Void) throws -> DriveLedger {
    try ground.near {
      switch run.traffic {
      case .plain: return PlainTraffic(settings).drive(progress)
      case .race, .steady:
        var driver = try Driver(settings)
        return driver.run { progress($0.ended) }
      case .redis: return try PooledRedis(settings, values: run.values).drive(progress)
      }
    }
  }
}

extension LabMeasurement {
  init(_ ledger: DriveLedger, joinedWith upstream: UpstreamLedger) {
    let report = DriveReport(ledger, upstream: upstream)
    self.init()
    sent = report.sent
    answered = report.answered
    failed = report.failed
    failures = report.failures.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { Count(name: "\($0.key)", count: $0.value) }
    applied = report.applied
    appliedTwice = report.appliedTwice
    lost = report.lost
    failedButApplied = report.failedButApplied
    answeredButNotApplied = report.answeredButNotApplied
    died = report.died
    failedWithoutDeath = report.failedWithoutDeath
    warmUps = report.warmUps
    failedWarmUps = report.failedWarmUps
    retries = report.retries
    medianLatency = report.latency.percentile(0.5)
    highLatency = report.latency.percentile(0.99)
    slowestLatency = report.latency.longest
    gaps = report.gaps.bins.map { Gap(from: $0.from, width: report.gaps.width, sent: $0.sent, failed: $0.failed) }
    duration = report.duration
  }
}
