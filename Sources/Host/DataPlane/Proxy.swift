package import Core
internal import Glibc
package import Logging
internal import Synchronization

/// The running proxy: its workers, the threads around them, and what can be asked of it as a whole.
package final class Proxy: Sendable {
  /// Why the proxy cannot start. The text names the place, the fact and the likely fix.
  package struct StartError: Error, CustomStringConvertible {
    package var description: String
  }

  /// What holds at the moment, and what a reload replaces.
  private struct State {
    var settings: ProxySettings
    /// Counts the settings that were taken over, from 0.
    var generation: UInt64 = 0
    var members: [[UpstreamMember]]
    var listeners: [BoundListener]
  }

  private let state: Mutex<State>
  /// One reload at a time. It may wait for names.
  private let reloading = Mutex(())
  /// Held while the settings or the servers are exchanged, which waits for nobody.
  private let changing = Mutex(())
  private let names: Names
  private let checks: HealthChecks
  private let mailboxes: [Worker.Mailbox]
  private let clientRoom: Int
  private let load = SharedLoad()
  private let log: Logger
  private let ended: Wakeup

  /// Binds every listener, then starts one thread a worker. When this returns, connections are accepted.
  package init(settings: ProxySettings, log: Logger, accessLog: LogWriter?) throws(StartError) {
    self.log = log
    let descriptorLimit = Machine.raiseDescriptorLimit()
    // The rest is for upstream connections, listeners and logs. Where descriptors are scarce every client may need a
    // connection of its own; where there are many, most clients are idle.
    let reserved = descriptorLimit < 8_192 ? descriptorLimit / 2 : descriptorLimit / 4
    clientRoom = max(16, descriptorLimit - reserved)
    var bound: [BoundListener] = []
    for listen in settings.listeners { bound.append(try BoundListener(listen, threads: settings.threads)) }
    let names = try Self.makeNames(settings, log: log)
    self.names = names
    let members = settings.upstreams.map { Self.members(of: $0, keeping: [], names: names) }
    state = Mutex(State(settings: settings, members: members, listeners: bound))
    do throws(SystemError) {
      checks = try HealthChecks(log: log)
      ended = try Wakeup(isBlocking: true)
      var mailboxes: [Worker.Mailbox] = []
      let clientLimit = Self.clientLimit(settings, room: clientRoom)
      for index in 0..<settings.threads {
        let ready = try Wakeup(isBlocking: true)
        let seed = Self.randomSeed()
        let handover = WorkerHandover(bound.map { $0.listeners[index] })
        try Thread.start(named: "worker-\(index)") { [ended, load] in
          do throws(SystemError) {
            let worker = try Worker(
              index: index, settings: settings, listeners: handover.takeListeners(), members: members,
              clientLimit: clientLimit, load: load,
              log: log,
              accessLog: accessLog, seed: seed)
            handover.put(.success(worker.mailbox))
            ready.signal()
            worker.run()
          } catch {
            handover.put(.failure(error))
            ready.signal()
          }
          ended.signal()
        }
        ready.waitOne()
        switch handover.take() {
        case .success(let mailbox): mailboxes.append(mailbox)
        case .failure(let error): throw error
        case nil: preconditionFailure("a worker says how its start went before it signals")
        }
      }
      self.mailboxes = mailboxes
    } catch {
      throw StartError(description: "a worker cannot start: \(error)")
    }
    checkHealth(of: members, under: settings)
    names.tell(changed: { [weak self] in self?.namesChanged() })
    // What has changed since they were asked.
    namesChanged()
  }

  deinit {
    names.stop()
    checks.stop()
  }

  /// What holds at the moment.
  package var settings: ProxySettings { state.withLock { $0.settings } }
  /// The addresses that are listened on, ports filled in.
  package var addresses: [SocketAddress] { state.withLock { $0.listeners.map(\.address) } }
  /// How often the settings were replaced.
  package var generation: UInt64 { state.withLock { $0.generation } }

  private static func clientLimit(_ settings: ProxySettings, room: Int) -> Int {
    max(1, min(settings.limits.clientConnections, room) / settings.threads)
  }

  /// Passes the outcome of a worker's start to the thread that started it.
  private final class WorkerHandover: Sendable {
    private let outcome = Mutex<Result<Worker.Mailbox, SystemError>?>(nil)
    private let listeners: Mutex<[Worker.Listener]>

    init(_ listeners: [Worker.Listener]) { self.listeners = Mutex(listeners) }

    /// Not to be held by the thread's closure as well: a listener that a reload lets go of must close.
    func takeListeners() -> [Worker.Listener] {
      listeners.withLock { listeners in
        defer { listeners = [] }
        return listeners
      }
    }

    func put(_ result: Result<Worker.Mailbox, SystemError>) { outcome.withLock { $0 = result } }
    func take() -> Result<Worker.Mailbox, SystemError>? { outcome.withLock { $0 } }
  }

  // MARK: - Asking

  /// What all workers have counted and hold, collected within `patience`; a worker that is too busy is left out.
  package func report(atMost patience: Nanoseconds = .seconds(2)) -> [WorkerReport] {
    let collected = Collected()
    for mailbox in mailboxes { mailbox.post(.report { report in collected.add(report) }) }
    let deadline = MonotonicClock.now.advanced(by: patience)
    while collected.reports.count < mailboxes.count, MonotonicClock.now < deadline { usleep(500) }
    return collected.reports.sorted { $0.index < $1.index }
  }

  private final class Collected: Sendable {
    private let held = Mutex<[WorkerReport]>([])
    var reports: [WorkerReport] { held.withLock { $0 } }
    func add(_ report: WorkerReport) { held.withLock { $0.append(report) } }
  }

  /// The pools and counters in lines, for people.
  package func dump() -> [String] {
    let reports = report()
    var lines: [String] = []
    for report in reports {
      lines.append("worker \(report.index): \(report.clientConnections) client connections")
      for pool in report.pools {
        let counts = pool.counts
        lines.append(
          "worker \(report.index): server \(pool.server)\(pool.isActive ? "" : " (gone from the name)"): \(counts.leased) leased, \(counts.idle) idle, \(counts.sentinels) watched beyond the window, \(counts.connecting) connecting, \(counts.waiting) waiting"
        )
      }
    }
    for pool in reports.first?.pools ?? [] {
      lines.append("server \(pool.server): \(pool.window.sentence)")
      lines.append("server \(pool.server): \(pool.health.sentence)")
      lines += pool.health.lines(of: pool.server)
    }
    var sum = Counters()
    for report in reports { sum.add(report.counters) }
    return names.dump() + lines + sum.lines()
  }

  // MARK: - Ending

  /// Stops accepting, serves what is under way, and returns when all is done or `deadline` has passed.
  package func drain(atMost patience: Nanoseconds) {
    let deadline = MonotonicClock.now.advanced(by: patience)
    for mailbox in mailboxes { mailbox.post(.drain(until: deadline)) }
    waitForEnd()
  }

  package func stop() {
    for mailbox in mailboxes { mailbox.post(.stop) }
    waitForEnd()
  }

  private func waitForEnd() {
    for _ in mailboxes { ended.waitOne() }
    names.stop()
    checks.stop()
  }

  // MARK: - Reloading

  /// Replaces the settings: no request and no connection is lost, on either side. Nothing changes when it throws.
  ///
  /// New listeners are bound first; those that are named no more stop accepting. The number of threads stays.
  /// - Returns: what could not be taken over while running, in words.
  package func reload(_ wanted: ProxySettings) throws(StartError) -> [String] {
    var notes: [String] = []
    var failure: StartError?
    reloading.withLock { _ in
      do throws(StartError) {
        // The names of both, until it is certain which of them hold.
        try prepareNames(of: [settings, wanted], under: wanted.resolver)
        try changing.withLock { _ throws(StartError) in notes = try replaceSettings(wanted) }
        try prepareNames(of: [wanted], under: wanted.resolver)
      } catch {
        try? prepareNames(of: [settings], under: settings.resolver)
        failure = error
      }
    }
    if let failure { throw failure }
    return notes
  }

  private func replaceSettings(_ wanted: ProxySettings) throws(StartError) -> [String] {
    let before = state.withLock { $0 }
    var settings = wanted
    var notes: [String] = []
    if settings.threads != before.settings.threads {
      notes.append(
        "threads: \(settings.threads) is taken up at the next start or upgrade; until then there are \(before.settings.threads)"
      )
      settings.threads = before.settings.threads
    }
    var left = before.listeners
    var listeners: [BoundListener] = []
    for listen in settings.listeners {
      if let index = left.firstIndex(where: { $0.settings.address == listen.address }) {
        listeners.append(left.remove(at: index).adopting(listen))
      } else {
        listeners.append(try BoundListener(listen, threads: settings.threads))
      }
    }
    let members = settings.upstreams.map { upstream in
      let index = before.settings.upstreams.firstIndex { $0.name == upstream.name }
      return Self.members(of: upstream, keeping: index.map { before.members[$0] } ?? [], names: names)
    }
    let generation = before.generation + 1
    state.withLock { state in
      state = State(settings: settings, generation: generation, members: members, listeners: listeners)
    }
    checkHealth(of: members, under: settings)
    let clientLimit = Self.clientLimit(settings, room: clientRoom)
    for (index, mailbox) in mailboxes.enumerated() {
      mailbox.post(
        .reload(
          Worker.Reload(
            settings: settings, generation: generation, members: members,
            listeners: listeners.map { $0.listeners[index] }, clientLimit: clientLimit)))
    }
    return notes
  }

  // MARK: - Names

  /// How long a start or a reload waits for names that nobody knows yet: longer than a name server has to answer, so that one
  /// that is dead is no reason to begin without servers.
  private static let namePatience = Nanoseconds.seconds(6)

  private static func makeNames(_ settings: ProxySettings, log: Logger) throws(StartError) -> Names {
    do throws(SystemError) {
      let names = try Names(log: log)
      try names.want(settings.names, under: settings.resolver)
      warn(of: names.waitUntilSettled(atMost: namePatience), log: log)
      return names
    } catch {
      throw StartError(description: "names cannot be resolved: \(error)")
    }
  }

  private func prepareNames(of settings: [ProxySettings], under resolver: ResolverSettings) throws(StartError) {
    do throws(SystemError) {
      try names.want(settings.flatMap(\.names), under: resolver)
      Self.warn(of: names.waitUntilSettled(atMost: Self.namePatience), log: log)
    } catch {
      throw StartError(description: "names cannot be resolved: \(error)")
    }
  }

  private static func warn(of unsettled: [String], log: Logger) {
    for host in unsettled {
      log.warning(
        "'\(host)' is not resolved yet: no name server has answered within \(namePatience.text); requests for it are answered with 502 until one does"
      )
    }
  }

  /// Called on the thread of the names.
  private func namesChanged() {
    changing.withLock { _ in
      let before = state.withLock { $0 }
      var members = before.members
      var changed = false
      for (index, upstream) in before.settings.upstreams.enumerated() where !upstream.names.isEmpty {
        let fresh = Self.members(of: upstream, keeping: members[index], names: names)
        guard !fresh.elementsEqual(members[index], by: { $0.record === $1.record }) else { continue }
        members[index] = fresh
        changed = true
        let servers = fresh.isEmpty ? "none" : fresh.map { $0.record.name }.joined(separator: ", ")
        log.info("upstream \(upstream.name): the servers are now \(servers)")
      }
      guard changed else { return }
      state.withLock { $0.members = members }
      checkHealth(of: members, under: before.settings)
      for mailbox in mailboxes { mailbox.post(.members(members, generation: before.generation)) }
    }
  }

  /// A record for each address of each server; those that are known stay the same.
  private static func members(
    of upstream: UpstreamSettings, keeping known: [UpstreamMember], names: Names
  ) -> [UpstreamMember] {
    let window = IdleWindow.Settings(configuredLimit: upstream.pool.idleAge, isOn: upstream.idleWindow)
    let group = known.first?.group ?? ServerGroup()
    var members: [UpstreamMember] = []
    func add(_ address: SocketAddress, _ server: ServerSettings) {
      guard !members.contains(where: { $0.record.address == address }) else { return }
      let record: ServerRecord
      if let kept = known.first(where: { $0.record.address == address && $0.record.origin == server.origin })?.record
        ?? group.formerRecord(of: address, server.origin)
      {
        record = kept
        _ = record.learn { $0.settingsChanged(window, now: MonotonicClock.now) }
      } else {
        record = ServerRecord(address: address, name: address.description, origin: server.origin, window: window)
      }
      members.append(UpstreamMember(record: record, weight: server.weight, isBackup: server.isBackup, group: group))
    }
    for server in upstream.servers {
      switch server.origin {
      case .unix(let path): add(SocketAddress(.unix(path: path)), server)
      case .tcp(let host, let port):
        for address in names.addresses(of: host, port: port) { add(address, server) }
      }
    }
    group.adopt(members, under: upstream, now: MonotonicClock.now)
    return members
  }

  private func checkHealth(of members: [[UpstreamMember]], under settings: ProxySettings) {
    var targets: [HealthChecks.Target] = []
    for (upstream, members) in zip(settings.upstreams, members) {
      guard let health = upstream.health else { continue }
      targets += members.map { HealthChecks.Target(record: $0.record, upstream: upstream, settings: health) }
    }
    do throws(SystemError) {
      try checks.check(targets)
    } catch {
      log.error("servers cannot be checked and count as well: \(error)")
    }
  }

  private static func randomSeed() -> (UInt64, UInt64) {
    var generator = SystemRandomNumberGenerator()
    return (generator.next(), generator.next())
  }
}

extension ProxySettings {
  fileprivate var names: [Names.Wish] { upstreams.flatMap(\.names) }
}

extension UpstreamSettings {
  /// The hosts that are no literals.
  fileprivate var names: [Names.Wish] {
    origins.compactMap { origin in
      guard case .tcp(let host, let port) = origin, SocketAddress(literal: host, port: port) == nil else { return nil }
      return Names.Wish(host: host, period: resolvePeriod)
    }
  }
}
