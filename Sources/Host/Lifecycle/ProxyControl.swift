package import Analysis
internal import Core
internal import Glibc
package import Logging
internal import Synchronization

/// What a control socket can ask of a running proxy, and the answers.
package final class ProxyControl: Sendable {
  /// What is not done here, since it takes the settings' file, or the end of the process. Each is called on the thread of the
  /// connection that asks, and returns when it is done.
  package struct Deeds: Sendable {
    package var reload: @Sendable () -> ReloadOutcome
    /// Begins to drain; false: it does already.
    package var drain: @Sendable () -> Bool
    /// Has another process take over; says with which ID, or why not.
    package var upgrade: @Sendable () -> Result<Int32, ControlChannel.Failure>
    /// The process that serves the listeners now.
    package var replaced: @Sendable (_ process: Int32) -> Void

    package init(
      reload: @escaping @Sendable () -> ReloadOutcome, drain: @escaping @Sendable () -> Bool,
      upgrade: @escaping @Sendable () -> Result<Int32, ControlChannel.Failure>,
      replaced: @escaping @Sendable (_ process: Int32) -> Void
    ) {
      self.reload = reload
      self.drain = drain
      self.upgrade = upgrade
      self.replaced = replaced
    }
  }

  package let proxy: Proxy
  package let history = ReloadHistory()
  package let level: ControlLogLevel
  let version: String
  let began = MonotonicClock.now
  let log: Logger
  private let deeds: Deeds
  private let handOvers = Mutex<[ObjectIdentifier: LentListeners]>([:])

  package init(_ proxy: Proxy, version: String, level: ControlLogLevel, log: Logger, deeds: Deeds) {
    self.proxy = proxy
    self.version = version
    self.level = level
    self.log = log
    self.deeds = deeds
  }

  /// The listeners that another process is being given, and how many of their sockets it has.
  private struct LentListeners {
    var handOver: Proxy.HandOver
    var numbers: [[Int32]]
  }

  package func answer(_ request: JSONValue, in session: ControlSession) -> ControlServer.Reply {
    switch request["do"]?.string {
    case "status": .line(status())
    case "reload": .line(reload())
    case "drain":
      .line(
        .success([
          ("began", .bool(deeds.drain())), ("at_most_ms", .number(proxy.settings.timeouts.drain.milliseconds)),
        ]))
    case "log-level": .line(changeLevel(request["level"]?.string))
    case "upgrade":
      switch deeds.upgrade() {
      case .success(let process): .line(.success([("pid", .number(Int64(process)))]))
      case .failure(let failure): .line(.refusal(failure.description))
      }
    case "take-over": .line(beginTakeOver(session))
    case "sockets": passSockets(session)
    case "taken": .line(endTakeOver(request, session))
    case let other: .line(.refusal("'\(other ?? "")' is nothing that version \(version) can do"))
    }
  }

  private func reload() -> JSONText {
    let outcome = deeds.reload()
    guard outcome.isSuccess else { return .refusal(outcome.lines.joined(separator: "\n")) }
    return .success([
      ("generation", .number(Int64(proxy.generation))), ("notes", .array(outcome.lines.map { .string($0) })),
    ])
  }

  private func changeLevel(_ text: String?) -> JSONText {
    let names = Logger.Level.allCases.map(\.rawValue)
    guard let wanted = text.flatMap(Logger.Level.init(rawValue:)) else {
      return .refusal("'\(text ?? "")' is no level; write one of \(names.joined(separator: ", "))")
    }
    let before = level.level
    level.level = wanted
    // At the level of what changes, so that it is seen.
    log.log(level: max(wanted, .notice), "log level: \(wanted) (it was \(before))")
    return .success([("level", .string(wanted.rawValue)), ("before", .string(before.rawValue))])
  }

  // MARK: - Another process takes over

  private func beginTakeOver(_ session: ControlSession) -> JSONText {
    let handOver: Proxy.HandOver
    do throws(Proxy.StartError) {
      handOver = try proxy.beginHandOver()
    } catch {
      return .refusal(error.description)
    }
    let key = ObjectIdentifier(session)
    let process = session.channel.peerProcess
    log.notice("process \(process) begins to take over")
    handOvers.withLock {
      $0[key] = LentListeners(handOver: handOver, numbers: handOver.listeners.map { $0.sockets.map(\.number) })
    }
    session.atEnd { [self] in
      guard handOvers.withLock({ $0.removeValue(forKey: key) }) != nil else { return }
      proxy.cancelHandOver()
      log.error("process \(process) did not take over; this one goes on as before")
    }
    return .success([
      ("version", .string(version)), ("pid", .number(Int64(getpid()))),
      // So that sessions of TLS go on there. Whoever can open the control socket may stop the process as well.
      ("ticket-keys", .string(Hexadecimal.text(proxy.contexts.ticketKeys.bytes))),
      (
        "listeners",
        .array(
          handOver.listeners.map { listener in
            .object([
              ("listen", .string(listener.settings.address.text)), ("address", .string(listener.address.description)),
              ("sockets", .number(Int64(listener.sockets.count))), ("shared", .bool(listener.isShared)),
              ("managed", .bool(listener.isManaged)),
            ])
          })
      ),
    ])
  }

  /// The next sockets of the listeners, in their order, never those of two listeners at once.
  private func passSockets(_ session: ControlSession) -> ControlServer.Reply {
    let numbers: [Int32] = handOvers.withLock { handOvers in
      let key = ObjectIdentifier(session)
      guard let place = handOvers[key]?.numbers.firstIndex(where: { !$0.isEmpty }) else { return [] }
      let next = Array(handOvers[key]?.numbers[place].prefix(ControlChannel.mostDescriptors) ?? [])
      handOvers[key]?.numbers[place].removeFirst(next.count)
      return next
    }
    guard !numbers.isEmpty else { return .line(.refusal("there are no sockets to be passed")) }
    do throws(ControlChannel.Failure) {
      try session.channel.send(descriptors: numbers)
      return .given
    } catch {
      log.error("\(error)")
      return .end
    }
  }

  private func endTakeOver(_ request: JSONValue, _ session: ControlSession) -> JSONText {
    guard let lent = handOvers.withLock({ $0.removeValue(forKey: ObjectIdentifier(session)) }) else {
      return .refusal("nothing is being taken over")
    }
    let taken = Set((request["listeners"]?.array ?? []).compactMap(\.integer))
    let process = session.channel.peerProcess
    let patience = proxy.settings.timeouts.drain
    let isFirst = proxy.finishHandOver(lent.handOver, taken: taken, atMost: patience)
    log.notice(
      "process \(process) has taken over; what is under way here has \(patience.text)\(isFirst ? "" : ", less what has passed")"
    )
    deeds.replaced(process)
    return .success([])
  }
}
