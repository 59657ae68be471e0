import Core
import Glibc

/// From a request to a connection that it may use, and from a connection back to its pool.
extension Worker {
  // MARK: - Acquiring

  /// Asks a pool for a connection.
  func acquire(_ exchange: ActiveExchange) {
    guard let upstream = exchange.route?.upstream else {
      endByFault(exchange, "a connection is asked for, and the route leads to no server")
      return
    }
    if exchange.client.kept != nil, takesKept(exchange, of: upstream) { return }
    guard
      let server = upstream.choose(
        sticky: exchange.stickyServer, refusedBy: exchange.refusedBy, key: exchange.balanceKey, at: now)
    else {
      fail(exchange, exchange.machine.refused(.nameNotFound))
      return
    }
    exchange.server = server
    if exchange.machine.attempts == 0 { server.budget.requestArrived() }
    let admission = server.pool.requestArrived(
      ExchangeID(exchange.token), idempotent: isReplayable(exchange),
      freshOnly: needsFreshConnection(exchange, to: server),
      bounds: bounds(for: exchange, at: server), now: now)
    follow(admission, for: exchange, at: server)
  }

  private func needsFreshConnection(_ exchange: ActiveExchange, to server: Server) -> Bool {
    exchange.machine.needsFreshConnection || server.record.isDoubted(at: now)
  }

  /// Whether a request that meets a close can be sent again whatever the verdict: its method allows it, and all of it is kept.
  private func isReplayable(_ exchange: ActiveExchange) -> Bool {
    exchange.machine.isIdempotent && !exchange.outgrowsRecord
  }

  /// A request that will not be kept whole cannot be sent again, not even on proof: it takes a connection that is as good as
  /// in use, or a fresh one.
  private func bounds(for exchange: ActiveExchange, at server: Server) -> IdleBounds {
    var bounds = server.record.bounds
    if exchange.outgrowsRecord { bounds.provenAge = min(bounds.provenAge, EvidenceRule.unguardedIdleAge) }
    return bounds
  }

  private func follow(_ admission: consuming Pool.Admission, for exchange: ActiveExchange, at server: Server) {
    switch consume admission {
    case .lease(let lease):
      take(lease, for: exchange, at: server)
    case .connect(let id, let victim):
      if let victim { close(victim, of: server, because: .evicted) }
      connect(id, for: exchange, at: server)
    case .wait(let ticket, let deadline):
      exchange.stage = .waiting(ticket, server)
      exchange.hasWaited = true
      expect(.waiting, for: exchange, within: deadline.since(now))
      if server.keptCount > 0 { makeRoom(at: server) }
    case .refused(let refusal):
      let cause: FailureCause =
        switch refusal {
        case .queueFull: .poolQueueFull(limit: server.pool.settings.maximumWaiting)
        case .draining: .poolDraining
        }
      fail(exchange, exchange.machine.refused(cause))
    }
  }

  /// Begins the attempt on a leased connection.
  func take(_ lease: consuming Lease, for exchange: ActiveExchange, at server: Server) {
    let client = exchange.client
    var facts = lease.facts
    guard let upstream = server.connection(facts.connection) else {
      noteFault("the pool of \(server.record.name) leased a connection that is not there")
      giveBack(lease, to: server)
      fail(exchange, exchange.machine.refused(.proxyError(detail: "a leased connection is not there")))
      return
    }
    if let carrier = upstream.carrierFacts {
      facts.idleAge = carrier.idleAge
      facts.connectionAge = carrier.age
      facts.uses = carrier.uses
    }
    exchange.facts = facts
    exchange.leasedAt = now
    exchange.upstreamLogID = upstream.carrier?.logID ?? upstream.logID
    exchange.machine.leased(facts)
    exchange.stage = .leased
    exchange.lease = consume lease
    exchange.upstream = upstream
    upstream.exchange = exchange.token
    if exchange.signsIn, upstream.carrier == nil { upstream.isPrivate = true }
    sendProxyHeader(for: client, on: upstream)
    upstream.transport.mark()
    upstream.scan = HeadScan()
    expect(.sending, for: exchange, within: exchange.bounds.bodyIdle)
    // The lease may have come while another client connection has its turn.
    queue(client)
  }

  /// The look before the write found that the connection cannot carry the request: it takes another one.
  func leaseAnother(_ exchange: ActiveExchange, insteadOf upstream: UpstreamConnection) {
    guard let lease = exchange.lease.take() else {
      endByFault(exchange, "a request is to be written without a lease")
      return
    }
    let server = upstream.server
    exchange.upstream = nil
    exchange.stage = .none
    expectNothingOfServer(for: exchange)
    discard(upstream)
    let admission = server.pool.leaseFoundStale(
      lease, idempotent: isReplayable(exchange), freshOnly: needsFreshConnection(exchange, to: server),
      bounds: bounds(for: exchange, at: server), now: now)
    follow(admission, for: exchange, at: server)
  }

  // MARK: - Connecting

  func connect(_ id: ConnectionID, for exchange: ActiveExchange?, at server: Server) {
    if let exchange, joinsCarrier(id, exchange, at: server) { return }
    do throws(SystemError) {
      let connecting = try openSocket(to: server)
      let isFinished = connecting.finished
      var descriptor: Descriptor? = connecting.takeDescriptor()
      nextUpstreamLogID &+= 1
      let upstream = upstreamConnections.insert { token in
        // The slab calls this once; a descriptor has one holder.
        UpstreamConnection(
          token: token, logID: nextUpstreamLogID, descriptor: descriptor.take()!, server: server, id: id,
          isConnecting: true, now: now)
      }
      server.place(upstream)
      if server.speaksHTTP2 { server.opening.append(upstream) }
      upstream.exchange = exchange?.token
      exchange?.stage = .connecting
      exchange?.hasWaited = true
      exchange?.upstream = upstream
      exchange?.upstreamLogID = upstream.logID
      try poller.register(
        upstream.transport.number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: upstream.token)
      if isFinished {
        connected(upstream)
      } else if let exchange {
        expect(.connect, for: exchange, within: settings.timeouts.connect)
      }
    } catch {
      if let upstream = server.connection(id) {
        connectFailed(upstream, errorNumber: error.code)
      } else {
        countConnectFailure(at: server)
        if error.code == ECONNREFUSED || error.code == ENOENT { learn(server) { $0.connectRefused(now: self.now) } }
        let room = server.pool.connectFailed(id, now: now)
        if let exchange { connectFailed(exchange, at: server, cause: cause(ofConnectError: error.code, at: server)) }
        use(room, of: server)
      }
    }
    useRooms()
  }

  /// When no descriptor is left, an idle connection to some server gives way.
  private func openSocket(to server: Server) throws(SystemError) -> Socket.Connecting {
    do throws(SystemError) {
      return try Socket.connect(to: server.record.address)
    } catch {
      guard error.code == EMFILE || error.code == ENFILE, sacrificeIdleConnection() else { throw error }
      return try Socket.connect(to: server.record.address)
    }
  }

  private func sacrificeIdleConnection() -> Bool {
    for server in servers {
      for case .some(let upstream) in server.connections where server.pool.isIdle(upstream.id) {
        let room = server.pool.connectionClosed(upstream.id, now: now)
        countClose("descriptor-limit", of: server)
        discard(upstream)
        // Not at once: the descriptor is for the connect that asked for it.
        if case .connect(let id, let exchange) = room { rooms.append((id, exchange, server)) }
        return true
      }
    }
    return false
  }

  func connectProgressed(_ upstream: UpstreamConnection, _ readiness: Readiness) {
    if upstream.isShakingHands {
      handshakeProgressed(upstream)
      return
    }
    guard !readiness.isDisjoint(with: [.writable, .failed, .hangUp]) else { return }
    let code = upstream.transport.takeError()
    if code != 0 {
      connectFailed(upstream, errorNumber: code)
    } else {
      connected(upstream)
    }
  }

  /// Goes on with TLS, of which the connection is of no use before it is agreed upon.
  private func handshakeProgressed(_ upstream: UpstreamConnection) {
    switch upstream.transport.shakeHands() {
    case .bytes:
      upstream.isShakingHands = false
      counters.tlsHandshakesWithServers &+= 1
      if upstream.transport.tls?.wasResumed ?? false { counters.tlsResumedWithServers &+= 1 }
      opened(upstream)
    case .wouldBlock: break
    case .failed(let failure): connectFailed(upstream, cause: .tlsFailed(failure.trouble))
    case .closeNotify: connectFailed(upstream, cause: .closedBeforeResponse)
    }
  }

  private func connected(_ upstream: UpstreamConnection) {
    guard let tls = upstream.server.tls else { return opened(upstream) }
    beginTLS(upstream, tls)
    handshakeProgressed(upstream)
  }

  /// A request can go out on it.
  func opened(_ upstream: UpstreamConnection) {
    let server = upstream.server
    if upstream.carrier == nil {
      if server.isHTTP2 || upstream.transport.tls?.alpn == .http2 {
        becomeCarrier(upstream)
        return
      }
      server.choseHTTP2 = false
      counters.upstreamConnectionsOpened &+= 1
      server.counts.opened &+= 1
      server.opening.removeAll { $0 === upstream }
      let waiting = upstream.waitingForStreams
      upstream.waitingForStreams = []
      for token in waiting { if let other = upstreamConnections.element(token) { connectAgain(other) } }
    }
    upstream.isConnecting = false
    upstream.transport.isWritable = true
    upstream.openedAt = now
    server.connectSucceeded()
    if let exchange = upstream.exchange.flatMap({ exchanges.element($0) }), exchange.upstream === upstream {
      exchange.upstream = nil
    }
    upstream.exchange = nil
    switch server.pool.connectSucceeded(upstream.id, bounds: server.record.bounds, now: now) {
    case .lease(let lease):
      guard let exchange = exchanges.element(UInt64(lease.exchange)) else {
        noteFault("the pool of \(server.record.name) leased a connection to an exchange that is over")
        discard(upstream)
        giveBack(lease, to: server)
        return
      }
      take(lease, for: exchange, at: server)
    case .keptIdle(let victim):
      if let victim { close(victim, of: server, because: .maximumIdleConnections) }
      if upstream.carrier == nil {
        becameIdle(upstream)
      } else {
        let room = server.pool.connectionClosed(upstream.id, now: now)
        discard(upstream)
        use(room, of: server)
      }
    case .close:
      countClose("unused", of: server)
      discard(upstream)
    }
  }

  private func connectFailed(_ upstream: UpstreamConnection, errorNumber: Int32) {
    if errorNumber == ECONNREFUSED || errorNumber == ENOENT {
      learn(upstream.server) { $0.connectRefused(now: self.now) }
    }
    connectFailed(upstream, cause: cause(ofConnectError: errorNumber, at: upstream.server))
  }

  func connectFailed(_ upstream: UpstreamConnection, cause: FailureCause) {
    let waiting = upstream.waitingForStreams
    upstream.waitingForStreams = []
    defer {
      for token in waiting {
        if let other = upstreamConnections.element(token) { connectFailed(other, cause: cause) }
      }
    }
    let server = upstream.server
    let exchange = upstream.exchange.flatMap { exchanges.element($0) }
    countConnectFailure(at: server)
    let room = server.pool.connectFailed(upstream.id, now: now)
    discard(upstream)
    if let exchange, exchange.upstream === upstream {
      exchange.upstream = nil
      connectFailed(exchange, at: server, cause: cause)
    }
    use(room, of: server)
  }

  func connectTimedOut(_ exchange: ActiveExchange) {
    guard let upstream = exchange.upstream, upstream.isConnecting else { return }
    let server = upstream.server
    countConnectFailure(at: server)
    let cause: FailureCause =
      upstream.isShakingHands
      ? .tlsTimeout(after: settings.timeouts.connect) : .connectTimeout(after: settings.timeouts.connect)
    let room = server.pool.connectFailed(upstream.id, now: now)
    discard(upstream)
    exchange.upstream = nil
    connectFailed(exchange, at: server, cause: cause)
    use(room, of: server)
  }

  private func connectFailed(_ exchange: ActiveExchange, at server: Server, cause: FailureCause) {
    let client = exchange.client
    exchange.stage = .none
    noteTried(server, by: exchange)
    var patience = Exchange.ConnectPatience.none
    switch cause {
    case .connectRefused:
      server.connectFailed(at: now)
      noteOutcome(.connectFailed, at: server)
      server.connectWasRefused(at: now)
      // What its health checks say to be down, is.
      if !server.record.health.isUnhealthy, let since = server.refusesSince {
        patience = .until(since.advanced(by: settings.timeouts.refused))
      }
    case .unreachable, .connectTimeout, .tlsFailed, .tlsTimeout:
      server.connectFailed(at: now)
      noteOutcome(.connectFailed, at: server)
    case .backlogFull: patience = .forSpan(settings.timeouts.connect)
    default:
      // We are short of something; no server is to blame.
      break
    }
    let othersLeft = exchange.route?.upstream?.hasServer(besides: exchange.refusedBy) ?? false
    switch exchange.machine.connectFailed(cause, othersLeft: othersLeft, patience: patience, now: now) {
    case .askAnother:
      counters.connectsFailedOver &+= 1
      expectNothingOfServer(for: exchange)
      acquire(exchange)
    case .askAgain(let delay):
      counters.connectsAwaited &+= 1
      tellWait(client, server, cause)
      exchange.refusedBy = TriedServers()
      exchange.stage = .backingOff
      // Spread over the second half, or all would come back at once.
      expect(.backoff, for: exchange, within: delay - Jitter.part(of: delay / 2, backoffRandomness.next()))
    case .fail(let failure): fail(exchange, failure)
    }
  }

  /// Takes note that the exchange has asked a server in vain, or is to have another one now.
  func noteTried(_ server: Server, by exchange: ActiveExchange) {
    if exchange.route?.upstream?.has(server) ?? false { exchange.refusedBy.insert(server.position) }
  }

  /// Says once for each server and trouble that requests wait.
  private func tellWait(_ client: ClientConnection, _ server: Server, _ cause: FailureCause) {
    guard server.waitToldAt.map({ now.since($0) >= .seconds(60) }) ?? true else { return }
    server.waitToldAt = now
    notices.post(now) {
      let name = server.record.name
      if case .backlogFull = cause {
        log.notice(
          "server \(name): its listen queue is full; requests wait for up to \(settings.timeouts.connect.text)")
      } else {
        log.notice(
          "server \(name) refuses connections; requests wait for up to \(settings.timeouts.refused.text) (timeouts.refused): it may be starting anew"
        )
      }
    }
  }

  private func cause(ofConnectError code: Int32, at server: Server) -> FailureCause {
    switch code {
    // A UNIX socket that nobody listens on refuses; one that is not there is refused as well, in other words.
    case ECONNREFUSED, ENOENT: .connectRefused
    // What a UNIX listener says whose backlog is full. Of TCP it means that no port is left on this side.
    case EAGAIN where server.record.address.isUnix: .backlogFull(after: settings.timeouts.connect)
    case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: .unreachable
    case ETIMEDOUT: .connectTimeout(after: settings.timeouts.connect)
    case EMFILE, ENFILE: .descriptorLimit
    default: .connectFailed(errorNumber: code)
    }
  }

  // MARK: - Giving back

  /// Gives back the lease of an attempt that is over. A connection that is not reusable is closed.
  func returnLease(_ exchange: ActiveExchange, reusable wanted: Bool) {
    if let upstream = exchange.upstream, upstream.isPrivate, keeps(exchange, upstream, reusable: wanted) { return }
    guard let upstream = exchange.upstream, let lease = exchange.lease.take() else { return }
    let server = upstream.server
    // A reload may have switched the PROXY protocol off meanwhile: the pool would keep it for everybody.
    var reusable =
      wanted && upstream.carrier == nil && !upstream.isPrivate
      && !(upstream.isNamed && server.upstream.settings.proxyProtocol == .off)
    if reusable, server.record.isDoubted(at: now) {
      countClose("answers-doubted", of: server)
      reusable = false
    }
    // A stream that nobody reads any more is of no use to the server.
    if upstream.carrier != nil, !exchange.responseBody.isComplete { upstream.transport.breakOnClose() }
    exchange.upstream = nil
    exchange.stage = .none
    upstream.exchange = nil
    if let inbound = upstream.inbound.take() { recycle(inbound) }
    if !reusable { discard(upstream) }
    switch server.pool.leaseReturned(
      lease, reusable: reusable && server.isActive, bounds: server.record.bounds, now: now)
    {
    case .keptIdle(let victim):
      if let victim { close(victim, of: server, because: .maximumIdleConnections) }
      becameIdle(upstream)
    case .handOver(let next):
      guard let waiting = exchanges.element(UInt64(next.exchange)) else {
        noteFault("the pool of \(server.record.name) handed a connection to an exchange that is over")
        discard(upstream)
        giveBack(next, to: server)
        return
      }
      take(next, for: waiting, at: server)
    case .close(let reason, let room):
      if reusable { countClose(reason.name, of: server) }
      discard(upstream)
      use(room, of: server)
    }
  }

  /// Ends a lease that nobody can use.
  func giveBack(_ lease: consuming Lease, to server: Server) {
    switch server.pool.leaseReturned(lease, reusable: false, bounds: server.record.bounds, now: now) {
    case .close(_, let room): use(room, of: server)
    // Not of a connection that cannot be used again.
    case .keptIdle: break
    case .handOver: break
    }
  }

  /// Lets the exchange that waited longest have the room. A connect that fails at once makes room again, which comes to the
  /// end of the list: a long queue is worked off in a loop, not in a recursion as deep as the queue.
  func use(_ room: Pool.Room, of server: Server) {
    guard case .connect(let id, let exchange) = room else { return }
    rooms.append((id, exchange, server))
    useRooms()
  }

  private func useRooms() {
    guard !isUsingRooms, !rooms.isEmpty else { return }
    isUsingRooms = true
    defer { isUsingRooms = false }
    while !rooms.isEmpty {
      let (id, waiting, server) = rooms.removeFirst()
      guard let exchange = exchanges.element(UInt64(waiting)) else {
        noteFault("the pool of \(server.record.name) has a connection opened for an exchange that is over")
        if case .connect(let next, let waiting) = server.pool.connectFailed(id, now: now) {
          rooms.append((next, waiting, server))
        }
        continue
      }
      connect(id, for: exchange, at: server)
    }
  }

  /// The attempt failed in a way that lets the same server have the request again: it keeps its place in the pool, so that
  /// what was raced does not queue up behind everybody else.
  func replayAtSameServer(_ exchange: ActiveExchange) -> Bool {
    guard let upstream = exchange.upstream, upstream.server.isActive, let lease = exchange.lease.take() else {
      return false
    }
    let server = upstream.server
    exchange.upstream = nil
    exchange.stage = .none
    discard(upstream)
    let admission = server.pool.leaseFoundStale(
      lease, idempotent: exchange.machine.isIdempotent, freshOnly: true, bounds: server.record.bounds, now: now)
    follow(admission, for: exchange, at: server)
    return true
  }

  private func close(_ id: ConnectionID, of server: Server, because reason: Pool.CloseReason) {
    guard let upstream = server.connection(id) else {
      noteFault("the pool of \(server.record.name) closes a connection that is not there")
      return
    }
    countClose(reason.name, of: server)
    discard(upstream)
  }

  /// Closes a connection that the pool has forgotten.
  func discard(_ upstream: UpstreamConnection) {
    guard !upstream.isDiscarded else { return }
    forget(upstream)
    let waiting = upstream.waitingForStreams
    upstream.waitingForStreams = []
    for token in waiting { if let other = upstreamConnections.element(token) { connectAgain(other) } }
  }

  /// Lets go of it, whatever its pool knows.
  func forget(_ upstream: UpstreamConnection) {
    upstream.isDiscarded = true
    if let inbound = upstream.inbound.take() { recycle(inbound) }
    if !upstream.server.opening.isEmpty { upstream.server.opening.removeAll { $0 === upstream } }
    upstream.server.remove(upstream)
    upstreamConnections.remove(upstream.token)
    upstream.exchange = nil
    upstream.closeSocket()
    streamLeft(upstream)
  }

  func countClose(_ reason: String, of server: Server) {
    counters.closedByProxy[reason, default: 0] &+= 1
    server.counts.closedByProxy[reason, default: 0] &+= 1
  }

  private func countConnectFailure(at server: Server) {
    counters.upstreamConnectFailures &+= 1
    server.counts.connectFailures &+= 1
  }

  /// The same for closes by the server.
  func countRemoteClose(_ how: String, of server: Server) {
    counters.closedByServer[how, default: 0] &+= 1
    server.counts.closedByServer[how, default: 0] &+= 1
  }

  // MARK: - Idle connections

  private func becameIdle(_ upstream: UpstreamConnection) {
    // It was being opened when its server left: nobody will come for it.
    guard upstream.server.isActive else {
      let room = upstream.server.pool.connectionClosed(upstream.id, now: now)
      countClose(Pool.CloseReason.draining.name, of: upstream.server)
      discard(upstream)
      use(room, of: upstream.server)
      return
    }
    scheduleSweep(of: upstream.server)
    // The FIN may have come while the connection was leased: no further event will tell.
    if upstream.transport.peerClosed || upstream.transport.isReadable { idleConnectionStirred(upstream) }
  }

  /// Something happened on a connection that nobody uses: the server closed it, or spoke unasked.
  func idleConnectionStirred(_ upstream: UpstreamConnection) {
    guard upstream.transport.isReadable, !upstream.transport.isClosed else { return }
    let glance = upstream.transport.glance()
    guard glance != .quiet else { return }
    if let token = upstream.keptBy {
      if let client = clients.element(token) { keptConnectionEnded(client, upstream, glance) }
      return
    }
    let server = upstream.server
    guard server.pool.isIdle(upstream.id) else {
      noteFault("nobody uses a connection to \(server.record.name) that its pool takes for used")
      discard(upstream)
      return
    }
    let facts = server.pool.facts(of: upstream.id, now: now)
    noteIdleEnd(of: upstream, facts, glance)
    if case .bytes = glance { noteUnaskedBytes(of: upstream, seen: .idle) }
    let room = server.pool.connectionClosed(upstream.id, now: now)
    discard(upstream)
    use(room, of: server)
  }

  /// Counts the end of an idle connection and lets the idle window learn from it.
  func noteIdleEnd(of upstream: UpstreamConnection, _ facts: LeaseFacts, _ glance: Glance) {
    let how: IdleWindow.CloseKind
    switch glance {
    case .quiet: return
    case .bytes:
      countRemoteClose("idle-unasked-bytes", of: upstream.server)
      how = .fin
    case .endOfStream:
      countRemoteClose("idle-fin", of: upstream.server)
      how = .fin
    case .failed:
      countRemoteClose("idle-reset", of: upstream.server)
      how = .reset
    }
    // Bytes that nobody asked for say nothing about an idle timeout, unless the end of the stream is behind them.
    if case .bytes = glance, !upstream.transport.peerClosed { return }
    upstream.server.counts.idleAtClose.record(facts.idleAge)
    let roundTripTime = upstream.transport.path?.roundTripTime ?? .zero
    learn(upstream.server) {
      $0.idleClosed(
        idleAge: facts.idleAge, connectionAge: facts.connectionAge, uses: facts.uses, roundTripTime: roundTripTime,
        how: how, now: self.now)
    }
  }

  /// Tells the shared record, and the log when something notable came of it.
  func learn(_ server: Server, _ event: (inout IdleWindow) -> IdleWindow.Change) {
    guard server.upstream.settings.idleWindow else { return }
    if let description = server.record.learn(event) {
      if description.source == .learned, description.samples <= 1 {
        // Obeyed at once, and told once it stands: a burst of closes, or a refused connect, may say that it was no timer.
        server.firstCloseAt = server.firstCloseAt ?? now
      } else if description.source != .configured || server.firstCloseAt == nil {
        tell(description, of: server)
      }
      scheduleSweep(of: server)
    }
  }

  private func tell(_ description: IdleWindow.Description, of server: Server) {
    server.firstCloseAt = nil
    notices.post(now) { log.info("server \(server.record.name): \(description.sentence(at: now))") }
  }

  /// Tells the log what came of a first close; some time later.
  private func tellOfFirstClose(of server: Server) {
    guard let firstCloseAt = server.firstCloseAt, now.since(firstCloseAt) >= Self.settlingTime else { return }
    let description = server.record.description
    if description.source == .learned { tell(description, of: server) } else { server.firstCloseAt = nil }
  }

  /// How long a close may turn out to have been the server's end (``IdleWindow/refusalSpan``).
  private static let settlingTime = IdleWindow.refusalSpan

  // MARK: - Sweeping

  func scheduleSweep(of server: Server) {
    let bounds = server.record.bounds
    // While something is suspected, what idles is looked at soon: that it is kept ends the suspicion.
    let period = bounds.provenAge == .zero ? Self.suspiciousSweepPeriod : Self.sweepPeriod
    let due = now.advanced(by: min(bounds.leaseLimit, period))
    guard due < server.sweepAt else { return }
    server.sweepAt = due
    timers.schedule(UInt64(Kind.sweep) << 56 | UInt64(server.index), at: due)
  }

  private static let sweepPeriod = Nanoseconds.seconds(1)
  private static let suspiciousSweepPeriod = Nanoseconds.milliseconds(100)
  /// Sweeps of one server are at least this far apart.
  private static let shortestSweepPeriod = Nanoseconds.milliseconds(10)

  func sweep(_ server: Server) {
    server.sweepAt = .distantFuture
    if now.since(server.refreshedAt) >= Self.sweepPeriod {
      server.refreshedAt = now
      learn(server) { $0.refresh(now: self.now) }
    }
    tellOfFirstClose(of: server)
    let carriersNext = sweepCarriers(of: server)
    while true {
      switch server.pool.sweep(bounds: server.record.bounds, now: now) {
      case .close(let id, let reason):
        close(id, of: server, because: reason)
      case .sentinelSurvived(let id, let idleAge, let closes):
        learn(server) { $0.sentinelSurvived(idleAge: idleAge, now: self.now) }
        if closes { close(id, of: server, because: .maximumIdleAge) }
      case .done(var next):
        next = min(next, carriersNext)
        if let firstCloseAt = server.firstCloseAt { next = min(next, firstCloseAt.advanced(by: Self.settlingTime)) }
        guard next != .distantFuture else { return }
        let due = min(
          max(next, now.advanced(by: Self.shortestSweepPeriod)), now.advanced(by: Self.sweepPeriod))
        guard due < server.sweepAt else { return }
        server.sweepAt = due
        timers.schedule(UInt64(Kind.sweep) << 56 | UInt64(server.index), at: due)
        return
      }
    }
  }

  /// The limits of the pool changed: what idles beyond them closes, and whoever waits gets what room there is now.
  func settle(_ server: Server) {
    sweep(server)
    while case .connect(let id, let exchange) = server.pool.roomForWaiting() { rooms.append((id, exchange, server)) }
    useRooms()
  }

  /// Closes every connection of a server that nobody uses.
  func closeIdleConnections(of server: Server, because reason: Pool.CloseReason = .draining) {
    for case .some(let upstream) in server.connections where server.pool.isIdle(upstream.id) {
      let room = server.pool.connectionClosed(upstream.id, now: now)
      countClose(reason.name, of: server)
      discard(upstream)
      use(room, of: server)
    }
    closeIdleCarriers(of: server, because: reason.name)
    guard reason == .draining, server.keptCount > 0 else { return }
    for case .some(let upstream) in server.connections {
      if let client = upstream.keptBy.flatMap({ clients.element($0) }) { releaseKept(client, reason.name) }
    }
  }
}

extension ExchangeID {
  /// From the token of the worker's exchange.
  init(_ token: UInt64) { self.init(slot: UInt32(truncatingIfNeeded: token), generation: UInt32(token >> 32)) }
}

extension UInt64 {
  init(_ exchange: ExchangeID) { self = UInt64(exchange.generation) << 32 | UInt64(exchange.slot) }
}

extension Pool.CloseReason {
  /// As it stands in counters.
  var name: String {
    switch self {
    case .notReusable: "not-reusable"
    case .reuseOff: "reuse-off"
    case .draining: "draining"
    case .maximumConnections: "max-connections"
    case .maximumUses: "max-requests"
    case .maximumConnectionAge: "max-age"
    case .learnedLimit: "learned-limit"
    case .freshWanted: "fresh-wanted"
    case .maximumIdleConnections: "max-idle-connections"
    case .maximumIdleAge: "max-idle-age"
    case .idleWindow: "idle-window"
    case .evicted: "evicted"
    }
  }
}
