internal import Analysis
internal import Core
internal import Dispatch
internal import Synchronization

/// The programs of one run.
final class LabStage: Sendable {
  private struct Player: Sendable {
    var name: String
    var process: ChildProcess
    var log: String
  }

  private struct Players {
    var server: Player?
    var guardian: Player?
    var proxy: Player?

    /// In the order in which they are ended.
    var all: [Player] { [proxy, guardian, server].compactMap { $0 } }
  }

  private let run: LabRun
  private let bench: LabBench
  private let ground: LabGround
  private let folder: String
  private let players = Mutex(Players())

  init(run: LabRun, bench: LabBench, ground: LabGround, folder: String) {
    self.run = run
    self.bench = bench
    self.ground = ground
    self.folder = folder
  }

  private var ledger: String { folder + "/ledger" }

  /// Starts the server, and what stands before it.
  func start() throws {
    try LabFolder.write("", to: ledger)
    if let choice = run.server {
      let server = try player(.server, choice, at: ground.server, upstream: ground.server, isNear: false)
      players.withLock { $0.server = server }
      try waitUntilReady(server, ground.server)
    }
    if run.isGuarded {
      let guardian = try player(
        .proxy, LabChoice("photofinish"), at: ground.guardian, upstream: ground.server, isNear: false, name: "guard")
      players.withLock { $0.guardian = guardian }
      try waitUntilReady(guardian, ground.guardian)
    }
  }

  func startProxy() throws {
    guard let choice = run.proxy else { return }
    let upstream = run.isGuarded ? ground.guardian : ground.server
    let proxy = try player(.proxy, choice, at: ground.proxy, upstream: upstream, isNear: true)
    players.withLock { $0.proxy = proxy }
    try waitUntilReady(proxy, ground.proxy)
    try waitUntilServing(proxy, ground.proxy)
  }

  /// CPU time of the proxy so far, with that of the Photofinish before the server.
  var proxyTime: Nanoseconds? {
    let roots = players.withLock { [$0.proxy, $0.guardian].compactMap { $0?.process.processID } }
    return roots.isEmpty ? nil : ProcessTable.processorTime(ofTrees: roots)
  }

  /// A program that ended on its own takes what was measured with it.
  func checkAlive() throws {
    for player in players.withLock({ $0.all }) {
      if let status = player.process.status { throw death(of: player, status) }
    }
  }

  /// Ends all, and returns what the server has written into its ledger.
  func endAndReadLedger() -> UpstreamLedger {
    end()
    return UpstreamLedger(parsing: LabFolder.text(of: ledger) ?? "")
  }

  func end() {
    let ending = players.withLock { players in
      defer { players = Players() }
      return players.all
    }
    for player in ending { end(player) }
  }

  private func end(_ player: Player) {
    player.process.end(grace: .seconds(5))
    bench.scratch.forget(player.process.processID)
  }

  // MARK: Restarts

  /// Ends the server and starts it again every now and then, as deployments do, while `body` runs. The interval begins when the
  /// server listens: one that needs longer to start than that would be ended each time before it served anybody.
  func restartingServer<Result>(every interval: Nanoseconds?, during body: () throws -> Result) throws -> Result {
    guard let interval else { return try body() }
    let isOver = DispatchSemaphore(value: 0)
    let hasEnded = DispatchSemaphore(value: 0)
    try Thread.start(named: "restarts") { [self] in
      let limit = DispatchTimeInterval.nanoseconds(Int(interval.count))
      while isOver.wait(timeout: .now() + limit) == .timedOut {
        restartServer()
        awaitListeningServer(unless: isOver)
      }
      hasEnded.signal()
    }
    defer {
      isOver.signal()
      hasEnded.wait()
    }
    return try body()
  }

  private func restartServer() {
    guard let choice = run.server, let old = players.withLock({ $0.server }) else { return }
    end(old)
    // One that does not start again is seen by its death, or by every request that fails.
    let new = try? player(.server, choice, at: ground.server, upstream: ground.server, isNear: false)
    players.withLock { $0.server = new ?? old }
  }

  /// Looks from beside: a connection made to find out would count among those of the proxy.
  private func awaitListeningServer(unless isOver: DispatchSemaphore) {
    let deadline = MonotonicClock.now.advanced(by: LabBench.startLimit)
    while !ground.serverListens, MonotonicClock.now < deadline {
      guard isOver.wait(timeout: .now() + .milliseconds(20)) == .timedOut else {
        isOver.signal()
        return
      }
    }
  }

  // MARK: Starting

  private func player(
    _ role: LabProgram.Role, _ choice: LabChoice, at address: SocketAddress, upstream: SocketAddress, isNear: Bool,
    name: String? = nil
  ) throws -> Player {
    guard let program = bench.catalog.program(role, choice.program) else {
      throw LabBench.Obstacle(reason: "'\(choice.program)' is no \(role.rawValue) of the lab")
    }
    guard bench.tools.isInstalled(program) else {
      throw LabBench.Obstacle(reason: "\(program.title) is not installed; \(program.remedy)")
    }
    let name = name ?? "\(role.rawValue)-\(program.name)"
    let home = "\(folder)/\(name)"
    try LabFolder.make(home)
    let values = try LabValues(run: run, catalog: bench.catalog, tools: bench.tools)
      .values(program, choice, at: address, upstream: upstream, folder: home, ledger: ledger)
    let prepared = try LabPreparation(program, values, catalog: bench.catalog, tools: bench.tools)
    try prepared.writeFiles(to: home)
    let log = "\(folder)/\(name).log"
    do {
      let process = try ChildProcess(
        prepared.command + choice.verbs, environment: prepared.environment,
        in: ground.wire.map { isNear ? $0.near : $0.far }, output: .file(path: log),
        // Workers that make a session of their own are to end with the lab as well, even when that is killed. Whoever may make
        // a wire may do that.
        isContained: ground.wire != nil)
      bench.scratch.remember(process.processID)
      return Player(name: program.name, process: process, log: log)
    } catch {
      throw LabBench.Obstacle(reason: "\(program.name): \(error)")
    }
  }

  private func waitUntilReady(_ player: Player, _ address: SocketAddress) throws {
    let deadline = MonotonicClock.now.advanced(by: LabBench.startLimit)
    while MonotonicClock.now < deadline {
      if let status = player.process.status { throw death(of: player, status) }
      let isReady = ground.near { (try? BlockingSocket(to: address, atMost: .milliseconds(500))) != nil }
      if isReady { return }
      _ = player.process.wait(atMost: .milliseconds(50))
    }
    throw LabBench.Obstacle(reason: "\(player.name) did not listen on \(address) in time\(lastWords(of: player))")
  }

  /// Listening is not enough: some proxies listen before they have read their routes, and say 404 until then. In a run about
  /// faults that are always there, any other answer will do; else it takes one of the server's.
  private func waitUntilServing(_ player: Player, _ address: SocketAddress) throws {
    let deadline = MonotonicClock.now.advanced(by: LabBench.serveLimit)
    var answer: DriveEnd
    repeat {
      answer = ground.near { PlainTraffic.answer(of: address) }
      if answer == .answered { return }
      if run.traffic == .plain, case .status(let status) = answer, status != 404 { return }
      if let status = player.process.status { throw death(of: player, status) }
      _ = player.process.wait(atMost: .milliseconds(50))
    } while MonotonicClock.now < deadline
    throw LabBench.Obstacle(reason: "\(player.name) does not serve: \(answer)\(lastWords(of: player))")
  }

  private func death(of player: Player, _ status: Int32) -> LabBench.Obstacle {
    LabBench.Obstacle(reason: "\(player.name) ended with status \(status)\(lastWords(of: player))")
  }

  private func lastWords(of player: Player) -> String {
    let lines = (LabFolder.text(of: player.log) ?? "").split(separator: "\n").filter { !$0.allSatisfy(\.isWhitespace) }
    // What names an error says more than what came last.
    let line = lines.last { $0.lowercased().contains("error") || $0.contains("emerg") } ?? lines.last
    return line.map { ": \($0.prefix(300))" } ?? ", without a word"
  }
}
