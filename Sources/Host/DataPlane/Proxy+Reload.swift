package import Core
internal import Synchronization

/// Other settings, and the end.
extension Proxy {
  // MARK: - Ending

  /// Stops accepting, serves what is under way, and returns when all is done or `patience` is over.
  package func drain(atMost patience: Nanoseconds) {
    beginDrain(atMost: patience)
    waitForEnd()
  }

  /// Stops accepting and lets what is under way come to its end; ``waitForEnd()`` returns when it has, or when `patience` is
  /// over. Says whether this call was the one that began it.
  @discardableResult
  package func beginDrain(atMost patience: Nanoseconds) -> Bool {
    guard let listeners = endListening() else { return false }
    for listener in listeners { listener.turnNewcomersAway() }
    let deadline = MonotonicClock.now.advanced(by: patience)
    drainPatience.withLock { $0 = patience }
    for mailbox in mailboxes { mailbox.post(.drain(until: deadline)) }
    return true
  }

  /// Ends at once, whatever is under way.
  package func stop() {
    for listener in endListening() ?? [] { listener.removePath() }
    for mailbox in mailboxes { mailbox.post(.stop) }
    waitForEnd()
  }

  /// Lets go of the listeners, which the workers still hold, for good; nil when that has been done already.
  func endListening() -> [BoundListener]? {
    changing.withLock { _ in
      state.withLock { state in
        guard !state.isEnding else { return nil }
        state.isEnding = true
        defer { state.listeners = [] }
        return state.listeners
      }
    }
  }

  /// Whether the end has begun.
  package var isEnding: Bool { state.withLock { $0.isEnding } }

  /// Whether every worker's loop turns; it is asked and has `patience`. Those that have ended in order count.
  package func isAlive(atMost patience: Nanoseconds) -> Bool {
    let proofs = ProofCount()
    for mailbox in mailboxes { mailbox.post(.prove { proofs.add() }) }
    let deadline = MonotonicClock.now.advanced(by: patience)
    while proofs.count < mailboxes.count(where: { !$0.isClosed }) {
      guard MonotonicClock.now < deadline else { return false }
      pause(.milliseconds(1))
    }
    return true
  }

  private final class ProofCount: Sendable {
    private let proven = Atomic<Int>(0)
    var count: Int { proven.load(ordering: .relaxed) }
    func add() { proven.add(1, ordering: .relaxed) }
  }

  /// To be called once.
  package func waitForEnd() {
    for _ in mailboxes { ended.waitOne() }
    if let cutOff = load.cutOff {
      let reason = drainPatience.withLock { $0 }.map { "the drain ended after \($0.text) (timeouts.drain)" }
      log.warning("\(reason ?? "the proxy was stopped") with \(cutOff) under way, cut off")
    }
    names.stop()
    checks.stop()
    contexts.stop()
  }

  // MARK: - Reloading

  /// Replaces the settings: no request and no connection is lost, on either side. Nothing changes when it throws.
  ///
  /// New listeners are bound first; those that are named no more stop accepting. The number of threads stays.
  /// - Parameter accessLog: where the access log goes under them; nil where it stays. Each worker takes it up with the settings:
  ///   a line of the old form goes to the old place, and one of the new form to the new one.
  /// - Returns: what could not be taken over while running, in words.
  package func reload(_ wanted: ProxySettings, accessLog: LogWriter? = nil) throws(StartError) -> [String] {
    var notes: [String] = []
    var failure: StartError?
    reloading.withLock { _ in
      do throws(StartError) {
        try Self.checkMayChange(state.withLock { $0 })
        // The names of both, until it is certain which of them hold.
        try prepareNames(of: [settings, wanted], under: wanted.resolver)
        try changing.withLock { _ throws(StartError) in notes = try replaceSettings(wanted, accessLog) }
        try prepareNames(of: [wanted], under: wanted.resolver)
      } catch {
        try? prepareNames(of: [settings], under: settings.resolver)
        failure = error
      }
    }
    if let failure { throw failure }
    return notes
  }

  /// How long a port that the proxy itself has just left is waited for: its sockets close a little later
  /// (``Worker/closingTime``), by loops that may be busy.
  private static let portPatience = Nanoseconds.seconds(3)

  private func bind(_ listen: ListenerSettings, threads: Int) throws(StartError) -> BoundListener {
    while true {
      do throws(StartError) {
        return try BoundListener(listen, threads: threads, inherited: managed)
      } catch {
        guard case .tcp(_, let port) = listen.address, let leftAt = leftPorts.withLock({ $0[port] }),
          MonotonicClock.now < leftAt.advanced(by: Self.portPatience)
        else { throw error }
        pause(.milliseconds(10))
      }
    }
  }

  private static func checkMayChange(_ state: State) throws(StartError) {
    if state.isEnding {
      throw StartError(
        description: "the proxy is draining and takes no other settings any more; start it anew with them")
    }
    if state.isHandingOver {
      throw StartError(description: "another process is taking over at the moment; give it the settings")
    }
  }

  private func replaceSettings(_ wanted: ProxySettings, _ accessLog: LogWriter?) throws(StartError) -> [String] {
    let before = state.withLock { $0 }
    try Self.checkMayChange(before)
    var settings = wanted
    var notes: [String] = []
    if settings.threads != before.settings.threads {
      notes.append(
        "threads: \(settings.threads) is taken up at the next start or upgrade; until then there are \(before.settings.threads)"
      )
      settings.threads = before.settings.threads
    }
    let listenerContexts = try Self.listenerContexts(of: settings, from: contexts)
    let upstreamContexts = try Self.upstreamContexts(of: settings, from: contexts)
    var left = before.listeners
    var listeners: [BoundListener] = []
    for (listen, context) in zip(settings.listeners, listenerContexts) {
      if let index = left.firstIndex(where: { $0.settings.address == listen.address }) {
        listeners.append(left.remove(at: index).adopting(listen, context))
      } else {
        var listener = try bind(listen, threads: settings.threads)
        listener.tls = context
        listeners.append(listener)
      }
    }
    let members = zip(settings.upstreams, upstreamContexts).map { upstream, context in
      let index = before.settings.upstreams.firstIndex { $0.name == upstream.name }
      return Self.members(of: upstream, keeping: index.map { before.members[$0] } ?? [], names: names, context: context)
    }
    let generation = before.generation + 1
    state.withLock { state in
      state = State(
        settings: settings, generation: generation, members: members, upstreamContexts: upstreamContexts,
        listeners: listeners)
    }
    contexts.keep(settings.listeners.compactMap(\.tls), settings.upstreams.map(\.tls))
    load.limitRequests(to: settings.guards.requestRate)
    if let accessLog { logLines.withLock { $0.replace(by: accessLog) } }
    for listener in left {
      listener.turnNewcomersAway()
      leftPorts.withLock { $0[listener.address.port] = MonotonicClock.now }
    }
    checkHealth(of: members, under: settings)
    let clientLimit = Self.clientLimit(settings, room: clientRoom)
    for (index, mailbox) in mailboxes.enumerated() {
      mailbox.post(
        .reload(
          Worker.Reload(
            settings: settings, generation: generation, members: members,
            listeners: listeners.flatMap { $0.listeners(ofWorker: index) }, clientLimit: clientLimit,
            accessLog: accessLog)))
    }
    return notes
  }
}
