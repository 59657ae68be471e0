package import Analysis
internal import Core
internal import Glibc
internal import Synchronization

/// Runs runs: makes a wire, starts server and proxy at its ends, drives traffic, joins the ledgers, and clears away.
/// Several threads may use one bench.
package final class LabBench: Sendable {
  package struct Settings: Sendable {
    /// Replaces each run's own count of requests.
    package var count: Int?
    package var seed: UInt64 = 1
    /// Without root there are no wires: all is on loopback.
    package var isOnLoopback = false
    /// The logs of every program stay in the scratch folder's place here.
    package var keptLogs: String?

    package init() {}
  }

  /// Why a run cannot be.
  struct Obstacle: Error {
    var reason: String
  }

  /// Servers with large runtimes take their time, on a busy machine above all.
  static let startLimit = Nanoseconds.seconds(60)
  /// From listening to the first answer.
  static let serveLimit = Nanoseconds.seconds(20)

  let catalog: LabCatalog
  let tools: LabTools
  let scratch: LabScratch
  let settings: Settings
  private let measuredIdle = Mutex<[String: IdleRange]>([:])

  package init(catalog: LabCatalog, tools: LabTools, scratch: LabScratch, settings: Settings) {
    self.catalog = catalog
    self.tools = tools
    self.scratch = scratch
    self.settings = settings
  }

  /// - Parameter progress: called with the number of requests that have ended.
  package func result(of run: LabRun, progress: @escaping (Int) -> Void) -> LabResult {
    do {
      return LabResult(run: run, measurement: try measure(run, progress))
    } catch let obstacle as Obstacle {
      return LabResult(run: run, outcome: .notRun(reason: obstacle.reason))
    } catch {
      return LabResult(run: run, outcome: .notRun(reason: "\(error)"))
    }
  }

  private func measure(_ run: LabRun, _ progress: @escaping (Int) -> Void) throws -> LabMeasurement {
    let folder = try scratch.makeFolder()
    defer {
      keepLogs(of: run, folder)
      LabFolder.remove(folder)
    }
    let ground = settings.isOnLoopback ? try LabGround() : try LabGround(run.path, seed: settings.seed)
    let stage = LabStage(run: run, bench: self, ground: ground, folder: folder)
    defer { stage.end() }
    try stage.start()
    let idle = try serverIdle(run, ground)
    try stage.startProxy()
    let load = MachineLoad()
    let before = (ground.acceptedByServer(isGuarded: run.isGuarded), stage.proxyTime)
    let drive = LabDrive(run, ground: ground, idle: idle, settings: settings)
    let seen = try stage.restartingServer(every: run.restartEvery) { try drive.drive(progress) }
    let after = (ground.acceptedByServer(isGuarded: run.isGuarded), stage.proxyTime)
    let foreignShare = load.flatMap { MachineLoad()?.foreignShare(since: $0) }
    if run.restartEvery == nil { try stage.checkAlive() }
    let redis =
      run.traffic == .redis
      ? try ground.near { try PooledRedis.ledger(of: ground.server, idPrefix: seen.idPrefix) } : nil
    let ledger = stage.endAndReadLedger()
    var measurement = LabMeasurement(seen, joinedWith: redis.map { UpstreamLedger(parsing: $0) } ?? ledger)
    measurement.foreignShare = foreignShare
    measurement.serverIdle = idle?.middle
    if let first = before.0, let last = after.0 { measurement.connections = last - first }
    if let first = before.1, let last = after.1 { measurement.processorTime = last - first }
    return measurement
  }

  /// How long the server keeps idle connections: measured once for each of its variants.
  private func serverIdle(_ run: LabRun, _ ground: LabGround) throws -> IdleRange? {
    guard run.aim == .close, run.traffic == .race, let server = run.server else { return nil }
    let name = server.description
    if let known = measuredIdle.withLock({ $0[name] }) { return known }
    do {
      // The first request may have to wait: some servers compile their page then.
      let deadline = MonotonicClock.now.advanced(by: Self.serveLimit)
      while ground.near({ PlainTraffic.answer(of: ground.server) }) != .answered, MonotonicClock.now < deadline {
        pause(.milliseconds(100))
      }
      let range = try ground.near { try IdleRange(of: ground.server) }
      measuredIdle.withLock { $0[name] = range }
      return range
    } catch {
      throw Obstacle(reason: "\(name): it was not seen to close an idle connection (\(error))")
    }
  }

  private func keepLogs(of run: LabRun, _ folder: String) {
    guard let kept = settings.keptLogs else { return }
    let name = "\(run.scenario)-\(run.number)"
    for file in LabFolder.names(in: folder) where file.hasSuffix(".log") || file == "ledger" {
      if let text = LabFolder.text(of: folder + "/" + file) {
        try? LabFolder.write(text, to: "\(kept)/\(name)/\(file)")
      }
    }
  }
}

extension LabBench {
  /// Why no wire can be made here; nil when one can.
  package static func wireProblem() -> String? {
    do throws(WireError) {
      _ = try Wire(WireSettings(delay: .milliseconds(1)))
      return nil
    } catch {
      return error.description
    }
  }
}
