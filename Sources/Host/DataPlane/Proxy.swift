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

  package let settings: ProxySettings
  /// The addresses that are listened on, ports filled in.
  package let addresses: [SocketAddress]

  private let mailboxes: [Worker.Mailbox]
  private let running: Mutex<Int>
  private let records: Mutex<[ServerRecord]>
  private let log: Logger
  private let ended: Wakeup

  /// Binds every listener, then starts one thread a worker. When this returns, connections are accepted.
  package init(settings: ProxySettings, log: Logger, accessLog: LogWriter?) throws(StartError) {
    self.settings = settings
    self.log = log
    let descriptorLimit = Machine.raiseDescriptorLimit()
    var bound: [SocketAddress] = []
    var perWorker = [[Worker.Listener]](repeating: [], count: settings.threads)
    for listen in settings.listeners {
      let made = try Self.listeners(for: listen.address, threads: settings.threads)
      bound.append(made.address)
      for index in 0..<settings.threads { perWorker[index].append(made.listeners[index]) }
    }
    addresses = bound
    let records = Self.records(settings, keeping: [], log: log)
    self.records = Mutex(records)
    running = Mutex(settings.threads)
    do throws(SystemError) {
      ended = try Wakeup(isBlocking: true)
      var mailboxes: [Worker.Mailbox] = []
      // The rest is for upstream connections, listeners and logs. Where descriptors are scarce every client may need a
      // connection of its own; where there are many, most clients are idle.
      let reserved = descriptorLimit < 8_192 ? descriptorLimit / 2 : descriptorLimit / 4
      let forClients = min(settings.limits.clientConnections, max(16, descriptorLimit - reserved))
      for index in 0..<settings.threads {
        let ready = try Wakeup(isBlocking: true)
        let listeners = perWorker[index]
        let seed = Self.randomSeed()
        let handover = WorkerHandover()
        try Thread.start(named: "worker-\(index)") { [settings, ended] in
          do throws(SystemError) {
            let worker = try Worker(
              index: index, settings: settings, listeners: listeners, servers: records,
              clientLimit: max(1, forClients / settings.threads), log: log, accessLog: accessLog, seed: seed)
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

  /// Passes the outcome of a worker's start to the thread that started it.
  private final class WorkerHandover: Sendable {
    private let outcome = Mutex<Result<Worker.Mailbox, SystemError>?>(nil)
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

  // MARK: - Names

  private func startResolving() throws(StartError) {
    let hasNames = settings.upstream.origins.contains { origin in
      if case .tcp(let host, let port) = origin { SocketAddress(literal: host, port: port) == nil } else { false }
    }
    guard hasNames else { return }
    let period = settings.upstream.resolvePeriod
    do throws(SystemError) {
      try Thread.start(named: "resolver") { [weak self] in
        while true {
          // Until a name is known for the first time, failures are repeated soon.
          let isEmpty = self?.records.withLock { $0.isEmpty } ?? true
          usleep(UInt32(clamping: isEmpty ? 1_000_000 : period.count / 1_000))
          guard let self else { return }
          self.resolveAnew()
        }
      }
    } catch {
      throw StartError(description: "the resolver cannot start: \(error)")
    }
  }

  private func resolveAnew() {
    let known = records.withLock { $0 }
    let fresh = Self.records(settings, keeping: known, log: log)
    guard !fresh.elementsEqual(known, by: { $0 === $1 }) else { return }
    records.withLock { $0 = fresh }
    log.info("the upstream's servers are now \(fresh.map(\.name).joined(separator: ", "))")
    for mailbox in mailboxes { mailbox.post(.servers(fresh)) }
  }

  /// A record for each address of each origin. A name that cannot be resolved keeps the servers that it had.
  private static func records(_ settings: ProxySettings, keeping known: [ServerRecord], log: Logger) -> [ServerRecord] {
    var records: [ServerRecord] = []
    func add(_ address: SocketAddress, origin: OriginAddress) {
      guard !records.contains(where: { $0.address == address }) else { return }
      if let record = known.first(where: { $0.address == address }) {
        records.append(record)
      } else {
        let window = IdleWindow.Settings(
          configuredLimit: settings.upstream.pool.idleAge, isOn: settings.upstream.idleWindow)
        records.append(ServerRecord(address: address, name: address.description, origin: origin, window: window))
      }
    }
    for origin in settings.upstream.origins {
      switch origin {
      case .unix(let path): add(SocketAddress(.unix(path: path)), origin: origin)
      case .tcp(let host, let port):
        do throws(Resolver.Failure) {
          for address in try Resolver.addresses(of: host, port: port) { add(address, origin: origin) }
        } catch {
          log.warning("\(error); requests for it are answered with 502 until it can be")
          for record in known where record.origin == origin { add(record.address, origin: origin) }
        }
      }
    }
    return records
  }

  private static func randomSeed() -> (UInt64, UInt64) {
    var generator = SystemRandomNumberGenerator()
    return (generator.next(), generator.next())
  }

  // MARK: - Listening

  private static func listeners(
    for listen: ListenAddress, threads: Int
  ) throws(StartError) -> (address: SocketAddress, listeners: [Worker.Listener]) {
    do throws(SystemError) {
      switch listen {
      case .inherited:
        throw SystemError("inherit", EBADF)
      case .unix(let path):
        if !path.hasPrefix("@") { try removeStaleSocket(path) }
        let address = SocketAddress(.unix(path: path))
        let shared = Worker.Listener.Shared(try Socket.listen(on: address, shared: false))
        let listener = Worker.Listener(descriptor: shared, address: address, isUnix: true)
        return (address, Array(repeating: listener, count: threads))
      case .tcp(let host, let port):
        var address: SocketAddress
        if host.isEmpty {
          address = SocketAddress(.ipv6([UInt8](repeating: 0, count: 16), port: port, scope: 0))
        } else {
          guard let found = try? Resolver.addresses(of: host, port: port, passive: true).first else {
            throw SystemError("resolve", EADDRNOTAVAIL)
          }
          address = found
        }
        var listeners: [Worker.Listener] = []
        // Nobody else may listen on a port that we take: the first socket is bound alone, to see whether it is free.
        do throws(SystemError) {
          _ = try Socket.listen(on: address, shared: false, backlog: 1)
        } catch  where host.isEmpty && (error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL) {
          // A machine without IPv6.
          address = SocketAddress(.ipv4(0, port: port))
          _ = try Socket.listen(on: address, shared: false, backlog: 1)
        }
        for _ in 0..<threads {
          let descriptor = try Socket.listen(on: address, shared: true)
          if let actual = Socket.localAddress(descriptor.number) { address = actual }
          listeners.append(
            Worker.Listener(
              descriptor: Worker.Listener.Shared(descriptor), address: address, isUnix: false))
        }
        return (address, listeners)
      }
    } catch {
      throw StartError(description: explain(error, listen))
    }
  }

  /// A socket that a dead process left behind is removed; one that somebody listens on is not.
  private static func removeStaleSocket(_ path: String) throws(SystemError) {
    guard Socket.isSocket(atPath: path) else { return }
    do throws(SystemError) {
      _ = try Socket.connect(to: SocketAddress(.unix(path: path)))
      throw SystemError("bind", EADDRINUSE)
    } catch  where error.code == ECONNREFUSED {
      // Safe: the path is a NUL-terminated copy during the call.
      _ = unsafe unlink(path)
    } catch  where error.code == ENOENT {
      return
    }
  }

  private static func explain(_ error: SystemError, _ listen: ListenAddress) -> String {
    let place: String =
      switch listen {
      case .tcp(let host, let port): "\(host.isEmpty ? "*" : host):\(port)"
      case .unix(let path): "unix:\(path)"
      case .inherited(let name): "the inherited socket '\(name)'"
      }
    switch error.code {
    case EADDRINUSE:
      return "cannot listen on \(place): the address is in use; stop what listens there ('ss -ltnp') or choose another"
    case EACCES:
      return
        "cannot listen on \(place): permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE, a socket a writable folder"
    case EADDRNOTAVAIL:
      return "cannot listen on \(place): this machine has no such address; '*' or ':PORT' listens on all it has"
    default:
      return "cannot listen on \(place): \(error)"
    }
  }
}
