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
    var resolvedAt: [Instant]
  }

  private let state: Mutex<State>
  /// One reload at a time, and none while names are resolved anew.
  private let changing = Mutex(())
  private let mailboxes: [Worker.Mailbox]
  private let clientRoom: Int
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
    let members = settings.upstreams.map { Self.members(of: $0, keeping: [], log: log) }
    let resolvedAt = [Instant](repeating: MonotonicClock.now, count: members.count)
    state = Mutex(State(settings: settings, members: members, listeners: bound, resolvedAt: resolvedAt))
    do throws(SystemError) {
      ended = try Wakeup(isBlocking: true)
      var mailboxes: [Worker.Mailbox] = []
      let clientLimit = Self.clientLimit(settings, room: clientRoom)
      for index in 0..<settings.threads {
        let ready = try Wakeup(isBlocking: true)
        let seed = Self.randomSeed()
        let handover = WorkerHandover(bound.map { $0.listeners[index] })
        try Thread.start(named: "worker-\(index)") { [ended] in
          do throws(SystemError) {
            let worker = try Worker(
              index: index, settings: settings, listeners: handover.takeListeners(), members: members,
              clientLimit: clientLimit, log: log,
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
    try startResolving()
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
    for pool in reports.first?.pools ?? [] { lines.append("server \(pool.server): \(pool.window.sentence)") }
    var sum = Counters()
    for report in reports { sum.add(report.counters) }
    return lines + sum.lines()
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
  }

  // MARK: - Reloading

  /// Replaces the settings: no request and no connection is lost, on either side. Nothing changes when it throws.
  ///
  /// New listeners are bound first; those that are named no more stop accepting. The number of threads stays.
  /// - Returns: what could not be taken over while running, in words.
  package func reload(_ wanted: ProxySettings) throws(StartError) -> [String] {
    var notes: [String] = []
    var failure: StartError?
    changing.withLock { _ in
      do throws(StartError) { notes = try replaceSettings(wanted) } catch { failure = error }
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
      return Self.members(of: upstream, keeping: index.map { before.members[$0] } ?? [], log: log)
    }
    let now = MonotonicClock.now
    let generation = before.generation + 1
    state.withLock { state in
      state = State(
        settings: settings, generation: generation, members: members, listeners: listeners,
        resolvedAt: [Instant](repeating: now, count: members.count))
    }
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

  /// How often it is looked whether a name is due.
  private static let resolverPeriod: UInt32 = 500_000

  private func startResolving() throws(StartError) {
    do throws(SystemError) {
      try Thread.start(named: "resolver") { [weak self] in
        while true {
          usleep(Self.resolverPeriod)
          guard let self else { return }
          self.changing.withLock { _ in self.resolveWhatIsDue() }
        }
      }
    } catch {
      throw StartError(description: "the resolver cannot start: \(error)")
    }
  }

  private func resolveWhatIsDue() {
    let before = state.withLock { $0 }
    let now = MonotonicClock.now
    var members = before.members
    var changed = false
    for (index, upstream) in before.settings.upstreams.enumerated() where upstream.hasNames {
      // Until a name is known for the first time, failures are repeated soon.
      let period = members[index].isEmpty ? Nanoseconds.seconds(1) : upstream.resolvePeriod
      guard now.since(before.resolvedAt[index]) >= period else { continue }
      state.withLock { $0.resolvedAt[index] = now }
      let fresh = Self.members(of: upstream, keeping: members[index], log: log)
      guard !fresh.elementsEqual(members[index], by: { $0.record === $1.record }) else { continue }
      members[index] = fresh
      changed = true
      log.info(
        "upstream \(upstream.name): the servers are now \(fresh.map { $0.record.name }.joined(separator: ", "))")
    }
    guard changed else { return }
    state.withLock { $0.members = members }
    for mailbox in mailboxes { mailbox.post(.members(members, generation: before.generation)) }
  }

  /// A record for each address of each server. A name that cannot be resolved keeps the servers that it had.
  private static func members(
    of upstream: UpstreamSettings, keeping known: [UpstreamMember], log: Logger
  ) -> [UpstreamMember] {
    let window = IdleWindow.Settings(configuredLimit: upstream.pool.idleAge, isOn: upstream.idleWindow)
    var members: [UpstreamMember] = []
    func add(_ address: SocketAddress, _ server: ServerSettings) {
      guard !members.contains(where: { $0.record.address == address }) else { return }
      let record: ServerRecord
      if let kept = known.first(where: { $0.record.address == address && $0.record.origin == server.origin }) {
        record = kept.record
        _ = record.learn { $0.settingsChanged(window, now: MonotonicClock.now) }
      } else {
        record = ServerRecord(address: address, name: address.description, origin: server.origin, window: window)
      }
      members.append(UpstreamMember(record: record, weight: server.weight, isBackup: server.isBackup))
    }
    for server in upstream.servers {
      switch server.origin {
      case .unix(let path): add(SocketAddress(.unix(path: path)), server)
      case .tcp(let host, let port):
        do throws(Resolver.Failure) {
          for address in try Resolver.addresses(of: host, port: port) { add(address, server) }
        } catch {
          log.warning("upstream \(upstream.name): \(error); requests for it are answered with 502 until it can be")
          for kept in known where kept.record.origin == server.origin { add(kept.record.address, server) }
        }
      }
    }
    return members
  }

  private static func randomSeed() -> (UInt64, UInt64) {
    var generator = SystemRandomNumberGenerator()
    return (generator.next(), generator.next())
  }
}

extension UpstreamSettings {
  fileprivate var hasNames: Bool {
    origins.contains { origin in
      if case .tcp(let host, let port) = origin { SocketAddress(literal: host, port: port) == nil } else { false }
    }
  }
}
