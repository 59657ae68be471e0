import Core

/// The proxy's connections: from a request to a lease and from a lease back to its pool, as the data plane does it.
extension World {
  /// Where an exchange stands with its connection.
  enum Stage {
    /// Nothing is asked of a pool.
    case none
    case waiting(WaitTicket)
    case connecting
    case leased
    /// The attempt ended, and the RST that would prove the race is awaited.
    case judging
  }

  /// The proxy's end of a connection.
  struct Upstream {
    let thread: Int32
    let id: ConnectionID
    var request: Int32?
    var isConnecting = true
    var isClosed = false
    var isIdle = false
    var isWakeScheduled = false
    var sawEnd = false
    var firstError: SocketFailure?
    /// Bytes written before the first one of the present request.
    var writtenBefore: Int32 = 0
    /// Its round trip was told to the learner.
    var toldRoundTrip = false
  }

  func requestArrived(_ request: Int32) {
    threads[Int(requests[Int(request)].thread)].budget.requestArrived()
    takeBody(request)
    acquire(request)
  }

  // MARK: Bounds and learning

  /// What the pools are told of the idle window.
  var bounds: IdleBounds {
    var bounds = window.bounds
    if broken == .unprovenAges { bounds.provenAge = .unlimited }
    return bounds
  }

  func learn(_ event: (inout IdleWindow) -> IdleWindow.Change) {
    guard scenario.proxy.window.isOn, broken != .learnsNothing else { return }
    switch event(&window) {
    case .unchanged: break
    case .adjusted, .notable:
      let source = window.description.source
      switch source {
      case .learned, .reusePointless: coverage.saw(.windowLearned)
      case .hint: coverage.saw(.windowHinted)
      case .off, .configured: break
      }
      note(
        "window: \(source), lease below \(window.bounds.leaseLimit.inSeconds) s, proven to \(window.bounds.provenAge.inSeconds) s"
      )
      for thread in threads { scheduleSweep(thread.index) }
    }
  }

  // MARK: Acquiring

  func acquire(_ request: Int32) {
    let at = Int(request)
    let thread = threads[Int(requests[at].thread)]
    let freshOnly = requests[at].machine.needsFreshConnection && broken != .replayOnPooledConnection
    let hadIdle = thread.pool.counts.idle > 0
    let admission = thread.pool.requestArrived(
      ExchangeID(slot: UInt32(request), generation: 0), idempotent: requests[at].machine.isIdempotent,
      freshOnly: freshOnly, bounds: bounds, now: now)
    follow(admission, for: request, hadIdle: hadIdle)
  }

  private func follow(_ admission: consuming Pool.Admission, for request: Int32, hadIdle: Bool = false) {
    let at = Int(request)
    let thread = threads[Int(requests[at].thread)]
    switch consume admission {
    case .lease(let lease): take(lease)
    case .connect(let id, let victim):
      if let victim {
        coverage.saw(.evicted)
        close(victim, of: thread)
      }
      if hadIdle, victim == nil, !requests[at].isIdempotent, !requests[at].machine.needsFreshConnection {
        coverage.saw(.nonIdempotentTookFresh)
      }
      connect(id, for: request, of: thread)
    case .wait(let ticket, let deadline):
      coverage.saw(.waitedForConnection)
      requests[at].stage = .waiting(ticket)
      note("request \(request) waits for a connection")
      events.schedule(.waitDue(thread: thread.index), at: deadline)
      ledger.startedWaiting(request, at: now)
    case .refused(let refusal):
      let cause: FailureCause
      switch refusal {
      case .queueFull:
        coverage.saw(.queueWasFull)
        cause = .poolQueueFull(limit: thread.pool.settings.maximumWaiting)
      case .draining: cause = .poolDraining
      }
      fail(request, requests[at].machine.refused(cause))
    }
    ledger.poolSettled(thread.index)
  }

  /// Begins an attempt on a leased connection, whoever it was leased to.
  private func take(_ lease: consuming Lease) {
    let request = Int32(lease.exchange.slot)
    let at = Int(request)
    let thread = threads[Int(requests[at].thread)]
    let facts = lease.facts
    let connection = thread.connection(facts.connection)
    let id = EndpointID(connection, .proxy)
    if upstreams[Int(connection)].isIdle {
      upstreams[Int(connection)].isIdle = false
      ledger.connectionLeftIdle(connection)
    }
    ledger.checkLease(facts, of: connection, request: request, bounds: bounds)
    note(
      "request \(request) gets c\(connection)\(facts.isReused ? ", idle for \(Double(facts.idleAge.count) / 1e6) ms" : "")"
    )
    requests[at].facts = facts
    requests[at].leasedAt = now
    requests[at].machine.leased(facts)
    let look = network.peek(id)
    // A server that ends what it has just accepted is sent to, as the machine says.
    if look == .wouldBlock || !(facts.isReused || facts.idleAge > EvidenceRule.unguardedIdleAge) {
      _ = requests[at].machine.lookedAgain(.quiet)
    } else {
      coverage.saw(.staleAtLook)
      noteIdleEnd(of: connection, facts, look)
      _ = requests[at].machine.lookedAgain(.stale)
      discard(connection)
      let freshOnly = requests[at].machine.needsFreshConnection && broken != .replayOnPooledConnection
      let admission = thread.pool.leaseFoundStale(
        lease, idempotent: requests[at].machine.isIdempotent, freshOnly: freshOnly, bounds: bounds, now: now)
      follow(admission, for: request)
      return
    }
    requests[at].stage = .leased
    requests[at].upstream = connection
    requests[at].sent = 0
    requests[at].response = -1
    requests[at].hasUnparsed = false
    requests[at].holder.lease = consume lease
    upstreams[Int(connection)].request = request
    upstreams[Int(connection)].writtenBefore = network[id].bytesWritten
    let attempt = ledger.attemptStarted(
      request: request, connection: connection, streamStart: network[id].bytesWritten, at: now)
    requests[at].attempt = attempt
    if facts.isReused { coverage.saw(.connectionReused) }
    if broken != .noTimeouts {
      events.schedule(
        .responseDue(request: request, attempt: attempt), at: now.advanced(by: scenario.proxy.responseTimeout))
    }
    if scenario.proxy.latency > .zero {
      events.schedule(
        .proxySends(request: request, attempt: attempt),
        at: now.advanced(by: random.span(.zero, scenario.proxy.latency)))
    } else {
      send(request)
    }
  }

  // MARK: Connecting

  private func connect(_ id: ConnectionID, for request: Int32, of thread: ProxyThread) {
    let connection = network.connect()
    note("request \(request) opens c\(connection)")
    ledger.connectionOpened(connection, thread: thread.index)
    upstreams.append(Upstream(thread: thread.index, id: id, request: request))
    serverConnections.append(ServerConnection())
    thread.place(connection, id)
    requests[Int(request)].stage = .connecting
    requests[Int(request)].upstream = connection
    events.schedule(.connectDue(connection: connection), at: now.advanced(by: scenario.proxy.connectTimeout))
  }

  private func connected(_ connection: Int32) {
    let at = Int(connection)
    let thread = threads[Int(upstreams[at].thread)]
    coverage.saw(.connectionOpened)
    upstreams[at].isConnecting = false
    thread.refusesSince = nil
    if let request = upstreams[at].request { requests[Int(request)].upstream = nil }
    upstreams[at].request = nil
    switch thread.pool.connectSucceeded(upstreams[at].id, bounds: bounds, now: now) {
    case .lease(let lease): take(lease)
    case .keptIdle(let victim):
      if let victim { close(victim, of: thread) }
      becameIdle(connection)
    case .close: discard(connection)
    }
    ledger.poolSettled(thread.index)
  }

  private func connectFailed(_ connection: Int32, _ cause: FailureCause) {
    let at = Int(connection)
    let thread = threads[Int(upstreams[at].thread)]
    let room = thread.pool.connectFailed(upstreams[at].id, now: now)
    let request = upstreams[at].request
    discard(connection)
    if let request {
      requests[Int(request)].upstream = nil
      requests[Int(request)].stage = .none
      connectFailed(request, cause, of: thread)
    }
    use(room, of: thread)
  }

  private func connectFailed(_ request: Int32, _ cause: FailureCause, of thread: ProxyThread) {
    let at = Int(request)
    requests[at].failedConnects += 1
    var patience = Exchange.ConnectPatience.none
    if cause == .connectRefused {
      let since = thread.refusesSince ?? now
      thread.refusesSince = since
      patience = .until(since.advanced(by: scenario.proxy.refusedPatience))
    }
    let end = requests[at].machine.connectFailed(
      cause, othersLeft: requests[at].failedConnects <= scenario.proxy.furtherServers, patience: patience, now: now)
    switch end {
    case .askAnother:
      coverage.saw(.connectFailedOver)
      acquire(request)
    case .askAgain(let delay):
      coverage.saw(.connectAwaited)
      note("request \(request) waits for the server to accept")
      let number = Int32(requests[at].failedConnects)
      requests[at].connectWait = number
      events.schedule(.connectAgain(request: request, number: number), at: now.advanced(by: delay))
      began(.connectWait)
    case .fail(let failure):
      coverage.saw(.verdictNeverSent)
      fail(request, failure)
    }
  }

  func connectAgain(_ request: Int32, _ number: Int32) {
    guard requests[Int(request)].connectWait == number, !isResolved(request) else { return }
    requests[Int(request)].connectWait = nil
    acquire(request)
  }

  // MARK: Reloads

  /// One that is to meet something waits for that.
  func reloadIsDue(_ index: Int) {
    if let moment = scenario.proxy.reloads[index].meets, !isNow(moment) {
      waitingReloads.append(index)
    } else {
      reload(scenario.proxy.reloads[index])
    }
  }

  private func isNow(_ moment: Reload.Moment) -> Bool {
    requests.indices.contains { request in
      guard !isResolved(Int32(request)) else { return false }
      switch (moment, requests[request].stage) {
      case (.judging, .judging): return true
      case (.connectWait, .none): return requests[request].connectWait != nil
      case (.judging, _), (.connectWait, _): return false
      }
    }
  }

  /// What waits for this moment comes soon: within the shortest wait for a RST, or for a server.
  func began(_ moment: Reload.Moment) {
    for index in waitingReloads where scenario.proxy.reloads[index].meets == moment {
      events.schedule(.reload(index), at: now.advanced(by: .microseconds(10)))
    }
    waitingReloads.removeAll { scenario.proxy.reloads[$0].meets == moment }
  }

  private func reload(_ reload: Reload) {
    coverage.saw(.reloaded)
    note("a reload: \(reload.pool.maximumConnections) connections, \(reload.pool.maximumIdleConnections) idle")
    for request in requests.indices where !isResolved(Int32(request)) {
      switch requests[request].stage {
      case .judging: coverage.saw(.reloadWhileJudging)
      case .waiting: coverage.saw(.reloadWhileWaiting)
      case .none: if requests[request].connectWait != nil { coverage.saw(.reloadWhileConnectAwaited) }
      case .connecting, .leased: break
      }
    }
    isNamed = reload.isNamed
    if !isNamed { coverage.saw(.serverUnnamed) }
    ledger.reloaded(reload.pool)
    for thread in threads {
      if thread.pool.counts.leased > reload.pool.maximumConnections { coverage.saw(.reloadBelowLeased) }
      let idle = thread.pool.counts.idle
      thread.pool.adopt(reload.pool)
      if broken != .idleBeyondLimits {
        thread.sweepAt = now
        sweep(thread.index)
      }
      if !isNamed { closeIdle(of: thread) }
      if thread.pool.counts.idle < idle { coverage.saw(.reloadClosedIdle) }
      while case .connect(let id, let exchange) = thread.pool.roomForWaiting() {
        coverage.saw(.reloadMadeRoom)
        connect(id, for: Int32(exchange.slot), of: thread)
      }
      ledger.poolSettled(thread.index)
    }
  }

  private func closeIdle(of thread: ProxyThread) {
    for connection in upstreams.indices
    where upstreams[connection].thread == thread.index && thread.pool.isIdle(upstreams[connection].id)
      && !upstreams[connection].isClosed
    {
      let room = thread.pool.connectionClosed(upstreams[connection].id, now: now)
      discard(Int32(connection))
      use(room, of: thread)
    }
  }

  /// Nobody waits for it any more, and it is not wanted for others.
  func abandonConnect(_ connection: Int32) {
    let thread = threads[Int(upstreams[Int(connection)].thread)]
    let room = thread.pool.connectFailed(upstreams[Int(connection)].id, now: now)
    discard(connection)
    use(room, of: thread)
  }

  func connectTimedOut(_ connection: Int32) {
    guard upstreams[Int(connection)].isConnecting, !upstreams[Int(connection)].isClosed else { return }
    coverage.saw(.connectTimedOut)
    note("connecting c\(connection) takes too long")
    connectFailed(connection, .connectTimeout(after: scenario.proxy.connectTimeout))
  }

  // MARK: Giving back

  /// Gives back the lease of an attempt that is over. A connection that is not reusable is closed.
  func returnLease(_ request: Int32, reusable: Bool) {
    let at = Int(request)
    let thread = threads[Int(requests[at].thread)]
    guard let connection = requests[at].upstream, let lease = requests[at].holder.lease.take() else { return }
    requests[at].upstream = nil
    requests[at].stage = .none
    upstreams[Int(connection)].request = nil
    ledger.attemptEnded(requests[at].attempt)
    if !reusable { discard(connection) }
    switch thread.pool.leaseReturned(lease, reusable: reusable && isNamed, bounds: bounds, now: now) {
    case .keptIdle(let victim):
      if let victim {
        coverage.saw(.evicted)
        close(victim, of: thread)
      }
      becameIdle(connection)
    case .handOver(let next):
      coverage.saw(.handedOver)
      take(next)
    case .close(_, let room):
      discard(connection)
      use(room, of: thread)
    }
    ledger.poolSettled(thread.index)
  }

  private func use(_ room: Pool.Room, of thread: ProxyThread) {
    switch room {
    case .unused: break
    case .connect(let id, let exchange): connect(id, for: Int32(exchange.slot), of: thread)
    }
  }

  /// Closes a connection that the pool named.
  private func close(_ id: ConnectionID, of thread: ProxyThread) {
    discard(thread.connection(id))
  }

  /// Closes a connection that the pool has forgotten.
  private func discard(_ connection: Int32) {
    let at = Int(connection)
    guard !upstreams[at].isClosed else { return }
    note("proxy closes c\(connection)")
    upstreams[at].isClosed = true
    upstreams[at].isIdle = false
    upstreams[at].request = nil
    ledger.connectionClosed(connection)
    network.close(EndpointID(connection, .proxy))
  }

  // MARK: Idle connections

  private func becameIdle(_ connection: Int32) {
    guard isNamed else {
      let thread = threads[Int(upstreams[Int(connection)].thread)]
      let room = thread.pool.connectionClosed(upstreams[Int(connection)].id, now: now)
      discard(connection)
      use(room, of: thread)
      return
    }
    upstreams[Int(connection)].isIdle = true
    ledger.connectionBecameIdle(connection)
    scheduleSweep(upstreams[Int(connection)].thread)
    // The FIN may have come while the connection was leased: no further event will tell.
    idleConnectionStirred(connection)
  }

  /// Something happened at the proxy's end of a connection.
  func upstreamStirred(_ connection: Int32) {
    let at = Int(connection)
    guard !upstreams[at].isClosed else { return }
    if upstreams[at].isConnecting {
      connectProgressed(connection)
    } else if let request = upstreams[at].request {
      attemptStirred(request)
    } else {
      idleConnectionStirred(connection)
    }
  }

  private func connectProgressed(_ connection: Int32) {
    if let error = network.takeError(EndpointID(connection, .proxy)) {
      note("connecting c\(connection) fails: \(error)")
      if error == .connectionRefused {
        coverage.saw(.connectRefused)
        learn { $0.connectRefused(now: now) }
      }
      connectFailed(connection, error == .connectionRefused ? .connectRefused : .connectFailed(errorNumber: 110))
    } else if network[EndpointID(connection, .proxy)].state != .synSent {
      connected(connection)
    }
  }

  /// The server closed a connection that nobody uses, or spoke unasked.
  private func idleConnectionStirred(_ connection: Int32) {
    let at = Int(connection)
    let look = network.peek(EndpointID(connection, .proxy))
    guard look != .wouldBlock else { return }
    let thread = threads[Int(upstreams[at].thread)]
    let facts = thread.pool.facts(of: upstreams[at].id, now: now)
    coverage.saw(.closedWhileIdle)
    noteIdleEnd(of: connection, facts, look)
    let room = thread.pool.connectionClosed(upstreams[at].id, now: now)
    discard(connection)
    use(room, of: thread)
  }

  private func noteIdleEnd(of connection: Int32, _ facts: LeaseFacts, _ look: Network.ReadResult) {
    let how: IdleWindow.CloseKind
    switch look {
    case .wouldBlock: return
    case .bytes, .endOfFile: how = .fin
    case .failed: how = .reset
    }
    noteSeenClose(facts)
    note("c\(connection) is found closed at an idle age of \(Double(facts.idleAge.count) / 1e6) ms")
    let roundTrip = network[EndpointID(connection, .proxy)].smoothedRoundTrip
    learn {
      $0.idleClosed(
        idleAge: facts.idleAge, connectionAge: facts.connectionAge, uses: facts.uses, roundTripTime: roundTrip,
        how: how, now: now)
    }
  }

  // MARK: Time

  func scheduleSweep(_ thread: Int32) {
    let due = now.advanced(by: min(window.bounds.leaseLimit, .seconds(1)))
    let thread = threads[Int(thread)]
    guard due < thread.sweepAt else { return }
    thread.sweepAt = due
    events.schedule(.sweepDue(thread: thread.index), at: due)
  }

  func sweep(_ index: Int32) {
    let thread = threads[Int(index)]
    // An earlier sweep was scheduled meanwhile; this event is the old one.
    guard thread.sweepAt <= now else { return }
    thread.sweepAt = .distantFuture
    while true {
      switch thread.pool.sweep(bounds: bounds, now: now) {
      case .close(let id, _):
        coverage.saw(.sweptByAge)
        close(id, of: thread)
      case .sentinelSurvived(let id, let idleAge, let closes):
        coverage.saw(.sentinelSurvived)
        learn { $0.sentinelSurvived(idleAge: idleAge, now: now) }
        if closes { close(id, of: thread) }
      case .done(let next):
        if next < .distantFuture {
          let due = max(next, now.advanced(by: .milliseconds(10)))
          if due < thread.sweepAt {
            thread.sweepAt = due
            events.schedule(.sweepDue(thread: index), at: due)
          }
        }
        return
      }
    }
  }

  func expireWaits(_ index: Int32) {
    let thread = threads[Int(index)]
    while let exchange = thread.pool.waitExpired(now: now) {
      coverage.saw(.waitExpired)
      let request = Int32(exchange.slot)
      requests[Int(request)].stage = .none
      fail(
        request, requests[Int(request)].machine.refused(.waitTimeout(after: thread.pool.settings.maximumWait)))
    }
  }

  /// The server is no longer wanted, or the world ends: the pool gives up all that it can.
  func drain(_ thread: ProxyThread) {
    while true {
      switch thread.pool.drain() {
      case .close(let id): close(id, of: thread)
      case .abandonConnect(let id, let exchange):
        close(id, of: thread)
        if let exchange { refuse(Int32(exchange.slot)) }
      case .fail(let exchange): refuse(Int32(exchange.slot))
      case .done: return
      }
    }
  }

  private func refuse(_ request: Int32) {
    requests[Int(request)].stage = .none
    requests[Int(request)].upstream = nil
    fail(request, requests[Int(request)].machine.refused(.poolDraining))
  }

  func abandonLease(_ request: Int32) {
    let at = Int(request)
    let thread = threads[Int(requests[at].thread)]
    guard let lease = requests[at].holder.lease.take() else { return }
    _ = thread.pool.leaseReturned(lease, reusable: false, bounds: bounds, now: now)
  }
}

/// The place of a lease: it cannot be copied, and so lies beside the request, not in it.
final class LeaseHolder {
  var lease: Lease?
}

/// What one event loop of the proxy owns: the pool of the one server, and its budget.
final class ProxyThread {
  let index: Int32
  var pool: Pool
  var budget = ReplayBudget()
  var sweepAt = Instant.distantFuture
  /// Since when the server refuses connections.
  var refusesSince: Instant?
  private var connections: [Int32] = []

  init(index: Int32, settings: PoolSettings) {
    self.index = index
    pool = Pool(settings: settings)
  }

  func place(_ connection: Int32, _ id: ConnectionID) {
    while connections.count <= Int(id.slot) { connections.append(-1) }
    connections[Int(id.slot)] = connection
  }

  func connection(_ id: ConnectionID) -> Int32 { connections[Int(id.slot)] }
}
