package import Core
internal import Glibc
package import Logging
internal import Synchronization
internal import TLS

/// The running proxy: its workers, the threads around them, and what can be asked of it as a whole.
package final class Proxy: Sendable {
  /// Why the proxy cannot start. The text names the place, the fact and the likely fix.
  package struct StartError: Error, CustomStringConvertible {
    package var description: String
  }

  /// What holds at the moment, and what a reload replaces.
  struct State {
    var settings: ProxySettings
    /// Counts the settings that were taken over, from 0.
    var generation: UInt64 = 0
    var members: [[UpstreamMember]]
    /// TLS to the servers of each upstream that has any with it.
    var upstreamContexts: [UpstreamContext?]
    /// None any more once the end has begun.
    var listeners: [BoundListener]
    var isEnding = false
    /// Another process is being given the listeners.
    var isHandingOver = false
  }

  /// Where the access log goes, and what was lost of it.
  struct LogLines {
    private var writer: LogWriter?
    private var lostBefore: UInt64 = 0

    init(writer: LogWriter?) { self.writer = writer }

    mutating func replace(by writer: LogWriter) {
      lostBefore = lost ?? 0
      self.writer = writer
    }

    /// nil where nothing is written.
    var lost: UInt64? { writer.map { lostBefore &+ $0.droppedCount } }
  }

  let state: Mutex<State>
  /// One reload at a time. It may wait for names.
  let reloading = Mutex(())
  /// Held while the settings or the servers are exchanged, which waits for nobody.
  let changing = Mutex(())
  let names: Names
  let checks: HealthChecks
  let contexts: TLSContexts
  let mailboxes: [Worker.Mailbox]
  let clientRoom: Int
  /// The ports that listeners have left of late, and when.
  let leftPorts = Mutex<[UInt16: Instant]>([:])
  let load = SharedLoad()
  /// The sockets that the service manager has passed; settings name them.
  let managed: [InheritedListener]
  let log: Logger
  let logLines: Mutex<LogLines>
  /// How long a drain that has begun may take.
  let drainPatience = Mutex<Nanoseconds?>(nil)
  let ended: Wakeup

  /// Binds every listener, then starts one thread a worker. When this returns, connections are accepted.
  ///
  /// - Parameters:
  ///   - inherited: listeners that other processes have opened; those that the settings name are taken.
  ///   - ticketKeys: the keys of the process that this one takes over from, so that sessions of TLS can be resumed here.
  package init(
    settings: ProxySettings, log: Logger, accessLog: LogWriter?, inherited: [InheritedListener] = [],
    ticketKeys: [UInt8] = []
  ) throws(StartError) {
    self.log = log
    logLines = Mutex(LogLines(writer: accessLog))
    managed = inherited.filter(\.isManaged)
    let descriptorLimit = Machine.raiseDescriptorLimit()
    // The rest is for upstream connections, listeners and logs. Where descriptors are scarce every client may need a
    // connection of its own; where there are many, most clients are idle.
    let reserved = descriptorLimit < 8_192 ? descriptorLimit / 2 : descriptorLimit / 4
    clientRoom = max(16, descriptorLimit - reserved)
    let contexts = try Self.makeContexts(log: log)
    self.contexts = contexts
    if let keys = TicketKeys(bytes: ticketKeys) { contexts.ticketKeys = keys }
    let listenerContexts = try Self.listenerContexts(of: settings, from: contexts)
    let upstreamContexts = try Self.upstreamContexts(of: settings, from: contexts)
    var bound: [BoundListener] = []
    for (listen, context) in zip(settings.listeners, listenerContexts) {
      var listener = try BoundListener(listen, threads: settings.threads, inherited: inherited)
      listener.tls = context
      bound.append(listener)
    }
    let names = try Self.makeNames(settings, log: log)
    self.names = names
    let members = zip(settings.upstreams, upstreamContexts).map {
      Self.members(of: $0, keeping: [], names: names, context: $1)
    }
    state = Mutex(
      State(settings: settings, members: members, upstreamContexts: upstreamContexts, listeners: bound))
    load.limitRequests(to: settings.guards.requestRate)
    do throws(SystemError) {
      checks = try HealthChecks(log: log)
      ended = try Wakeup(isBlocking: true)
      try contexts.start()
      var mailboxes: [Worker.Mailbox] = []
      let clientLimit = Self.clientLimit(settings, room: clientRoom)
      let loopMark = LoopMark(Self.randomSeed().0)
      for index in 0..<settings.threads {
        let ready = try Wakeup(isBlocking: true)
        let seed = Self.randomSeed()
        let handover = WorkerHandover(bound.flatMap { $0.listeners(ofWorker: index) })
        try Thread.start(named: "worker-\(index)") { [ended, load] in
          do throws(SystemError) {
            let worker = try Worker(
              index: index, settings: settings, listeners: handover.takeListeners(), members: members,
              clientLimit: clientLimit, load: load,
              loopMark: loopMark, log: log, accessLog: accessLog, seed: seed)
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
    contexts.stop()
  }

  /// What holds at the moment.
  package var settings: ProxySettings { state.withLock { $0.settings } }
  /// The addresses that are listened on, ports filled in; none any more once the end has begun.
  package var addresses: [SocketAddress] { state.withLock { $0.listeners.map(\.address) } }
  /// How often the settings were replaced.
  package var generation: UInt64 { state.withLock { $0.generation } }

  static func clientLimit(_ settings: ProxySettings, room: Int) -> Int {
    max(1, min(settings.limits.clientConnections, room))
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
    let asked = MonotonicClock.now
    for mailbox in mailboxes {
      mailbox.post(
        .report { report in
          var report = report
          report.lag = MonotonicClock.now.since(asked)
          collected.add(report)
        })
    }
    let deadline = asked.advanced(by: patience)
    while collected.reports.count < mailboxes.count, MonotonicClock.now < deadline { usleep(500) }
    return collected.reports.sorted { $0.index < $1.index }
  }

  private final class Collected: Sendable {
    private let held = Mutex<[WorkerReport]>([])
    var reports: [WorkerReport] { held.withLock { $0 } }
    func add(_ report: WorkerReport) { held.withLock { $0.append(report) } }
  }

  /// What the event loops tell of races and failures.
  package var incidents: IncidentHub { load.incidents }

  /// Lines of the access log that could not be written; nil where there is none.
  package var accessLinesLost: UInt64? { logLines.withLock(\.lost) }

  /// The pools in lines, for people.
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
      lines.append("server \(pool.server): \(pool.window.sentence(at: MonotonicClock.now))")
      lines.append("server \(pool.server): \(pool.health.sentence)")
    }
    return names.dump() + lines
  }
}
