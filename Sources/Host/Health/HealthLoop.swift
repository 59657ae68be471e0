internal import Core
internal import Glibc
internal import Logging

/// The thread that checks servers: many checks at once over non-blocking sockets. When to check, and what a result means, is
/// decided by ``ActiveHealth``.
final class HealthLoop {
  /// A server with what its checks say.
  final class Entry {
    let target: HealthChecks.Target
    var health: ActiveHealth
    var due: Instant
    var check: HealthCheck?
    /// Results of one kind in a row, and whether they are successes.
    var inARow = 0
    var wasSuccess = true

    init(_ target: HealthChecks.Target, due: Instant) {
      self.target = target
      health = ActiveHealth(target.settings)
      self.due = due
    }
  }

  /// Checks under way at once; further ones come late.
  private static let maximumChecks = 256
  /// The longest wait of the loop, in case a wakeup should be missed.
  private static let longestWait = Nanoseconds.seconds(60)

  enum Kind {
    static let wakeup: UInt8 = 0
    static let check: UInt8 = 1
  }

  private let checks: HealthChecks
  private var entries: [Entry] = []
  private var edition: UInt64 = 0
  private var poller: Poller
  private var connections = Slab<HealthCheck>(kind: Kind.check)
  private var now = MonotonicClock.now
  private var generator = SystemRandomNumberGenerator()

  init(checks: HealthChecks) throws(SystemError) {
    self.checks = checks
    poller = try Poller(batch: 256)
    try poller.register(checks.wakeup.number, for: .readable, trigger: .level, token: UInt64(Kind.wakeup) << 56)
  }

  func run() {
    while takeTargets() {
      now = MonotonicClock.now
      for check in connections.all where check.deadline <= now { ended(check, check.late) }
      beginDue()
      let count = poller.wait(atMost: patience)
      now = MonotonicClock.now
      for event in 0..<count {
        let token = poller.token(at: event)
        if UInt8(token >> 56) == Kind.wakeup {
          checks.wakeup.clear()
        } else if let check = connections.element(token), let finding = check.progressed(poller.readiness(at: event)) {
          ended(check, finding)
        }
      }
    }
    for check in connections.all { close(check) }
  }

  /// Begins what is due, as far as there are places: who waits longest comes first.
  private func beginDue() {
    let due = entries.filter { $0.check == nil && $0.due <= now }.sorted { $0.due < $1.due }
    for entry in due.prefix(max(0, Self.maximumChecks - connections.count)) { begin(entry) }
  }

  private var patience: Nanoseconds {
    var soonest = now.advanced(by: Self.longestWait)
    for check in connections.all { soonest = min(soonest, check.deadline) }
    // While all places are taken, the end of a check frees one.
    if connections.count < Self.maximumChecks {
      for entry in entries where entry.check == nil { soonest = min(soonest, entry.due) }
    }
    return max(soonest.since(MonotonicClock.now), .zero)
  }

  /// - Returns: whether to go on.
  private func takeTargets() -> Bool {
    let (isStopped, wanted) = checks.shared.withLock { shared in
      (shared.isStopped, shared.edition == edition ? nil : (shared.edition, shared.targets))
    }
    if let (edition, targets) = wanted {
      self.edition = edition
      now = MonotonicClock.now
      adopt(targets)
    }
    return !isStopped
  }

  private func adopt(_ targets: [HealthChecks.Target]) {
    let known = Dictionary(
      entries.map { (ObjectIdentifier($0.target.record), $0) }, uniquingKeysWith: { first, _ in first })
    let wanted = Set(targets.map { ObjectIdentifier($0.record) })
    entries = targets.map { target in
      let before = known[ObjectIdentifier(target.record)]
      if let before, before.target.isAsked(as: target) {
        return before
      }
      if let check = before?.check { close(check) }
      let entry = Entry(target, due: now)
      entry.due = entry.health.firstCheck(now: now, random: generator.next())
      return entry
    }
    for (record, entry) in known where !wanted.contains(record) {
      if let check = entry.check { close(check) }
      entry.target.record.health.becameHealthy()
    }
  }

  // MARK: - One check

  private func begin(_ entry: Entry) {
    entry.due = entry.health.nextCheck(now: now, random: generator.next())
    let deadline = now.advanced(by: entry.target.settings.timeout)
    do throws(SystemError) {
      var opened: Descriptor? = try Socket.connect(to: entry.target.record.address).takeDescriptor()
      let check = connections.insert { token in
        // The slab calls this once; a descriptor has one holder.
        HealthCheck(token: token, entry: entry, descriptor: opened.take()!, deadline: deadline)
      }
      entry.check = check
      do throws(SystemError) {
        try poller.register(check.number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: check.token)
      } catch {
        close(check)
        throw error
      }
    } catch {
      switch error.code {
      case EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL:
        // It is this machine that is short of something: nothing is known of the server.
        break
      default:
        settle(entry, HealthCheck.Finding(.failed, "connect: \(SystemError.text(of: error.code))"))
      }
    }
  }

  private func ended(_ check: HealthCheck, _ finding: HealthCheck.Finding) {
    guard check.isOpen else { return }
    let entry = check.entry
    close(check)
    settle(entry, finding)
  }

  private func close(_ check: HealthCheck) {
    guard check.isOpen else { return }
    connections.remove(check.token)
    if check.entry.check === check { check.entry.check = nil }
    check.close()
  }

  private func settle(_ entry: Entry, _ finding: HealthCheck.Finding) {
    let isFirst = entry.health.isUnproven
    let change = entry.health.checked(finding.result)
    let record = entry.target.record
    let isSuccess = finding.isSuccess(entry.target.settings)
    record.health.checkEnded(isSuccess: isSuccess, now: now)
    entry.inARow = isSuccess == entry.wasSuccess ? entry.inARow + 1 : 1
    entry.wasSuccess = isSuccess
    let name = "server \(record.name) of upstream \(entry.target.upstream)"
    switch change {
    case .unchanged:
      // One that was unhealthy under other settings.
      if entry.health.isHealthy, record.health.isUnhealthy {
        becameHealthy(entry, "server \(record.name) of upstream \(entry.target.upstream)")
      }
    case .becameHealthy:
      becameHealthy(entry, name)
    case .becameUnhealthy:
      let count = isFirst ? "at the first check" : "\(entry.inARow) in a row"
      let reason = "health check \(entry.target.settings.spoken): \(finding.text), \(count)"
      record.health.becameUnhealthy(because: reason)
      checks.log.warning("\(name) is unhealthy: \(reason); it gets no requests while another server is healthy")
    }
  }

  private func becameHealthy(_ entry: Entry, _ name: String) {
    let health = entry.target.record.health
    health.becameHealthy()
    health.warms(since: now)
    checks.log.info(
      "\(name) is healthy again: health check \(entry.target.settings.spoken) succeeded \(entry.inARow) time(s) in a row"
    )
  }
}

extension HealthChecks.Target {
  /// Whether nothing of what is asked differs.
  fileprivate func isAsked(as other: HealthChecks.Target) -> Bool {
    settings == other.settings && proxyProtocol == other.proxyProtocol && tls?.context === other.tls?.context
      && tls?.name == other.tls?.name
  }
}

extension ActiveHealthSettings {
  /// What is asked, in words.
  fileprivate var spoken: String { path.map { "\(method) \($0)" } ?? "connect" }
}
