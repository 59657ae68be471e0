import Core
import Glibc
import HTTP2

/// HTTP/2 to servers (RFC 9113). A stream takes the place of a connection of its own: the pool counts it, an exchange leases it, and
/// it ends with its answer. The connections under the streams are here.
///
/// | the server                          | the streams                                                            |
/// |-------------------------------------|------------------------------------------------------------------------|
/// | GOAWAY                              | those above its stream are refused by its word; the others go on       |
/// | RST_STREAM with REFUSED_STREAM      | is refused by its word                                                 |
/// | closes or breaks the connection     | each by the evidence of the offset at which its HEADERS begin          |
/// | has not been sent the HEADERS       | never sent                                                             |
extension Worker {
  /// Exchanges that cannot be repaired and share a connection: so many can fail by its end.
  private static let unrepairableLimit = 3
  /// Streams of ours on one connection, whatever the server allows.
  private static let streamLimit = 100

  // MARK: - Choosing

  /// Has an exchange use a stream of a connection that is there or being opened. Says whether there is one.
  func joinsCarrier(_ id: ConnectionID, _ exchange: ActiveExchange, at server: Server) -> Bool {
    guard server.speaksHTTP2, server.upstream.settings.proxyProtocol == .off else { return false }
    if let carrier = carrier(for: exchange, at: server) {
      let upstream = streamToBe(id, exchange, at: server)
      if carrier.session.hasSettings {
        open(upstream, on: carrier)
      } else {
        carrier.waiting.append(upstream.token)
        expect(.connect, for: exchange, within: settings.timeouts.connect)
      }
      return true
    }
    let lifetime = Int(server.streamLifetime.limit ?? .max)
    let room = min(exchange.machine.isIdempotent ? Self.streamLimit : Self.unrepairableLimit, lifetime)
    guard let opening = server.opening.first(where: { $0.waitingForStreams.count + 1 < room }) else { return false }
    let upstream = streamToBe(id, exchange, at: server)
    opening.waitingForStreams.append(upstream.token)
    expect(.connect, for: exchange, within: settings.timeouts.connect)
    return true
  }

  private func streamToBe(_ id: ConnectionID, _ exchange: ActiveExchange, at server: Server) -> UpstreamConnection {
    nextUpstreamLogID &+= 1
    let upstream = upstreamConnections.insert {
      UpstreamConnection(token: $0, logID: nextUpstreamLogID, server: server, id: id, now: now)
    }
    server.place(upstream)
    upstream.exchange = exchange.token
    exchange.stage = .connecting
    exchange.hasWaited = true
    exchange.upstream = upstream
    exchange.upstreamLogID = upstream.logID
    return upstream
  }

  /// The connection that an exchange may use a stream of; nil: it takes a new one.
  private func carrier(for exchange: ActiveExchange, at server: Server) -> UpstreamCarrier? {
    let isRepairable = exchange.machine.isIdempotent && !exchange.outgrowsRecord
    // What the server has refused it may take on the same connection; what met an end takes one that was opened behind it.
    let isFresh = exchange.machine.needsFreshConnection && exchange.machine.lastVerdict != .refused
    var chosen: UpstreamCarrier?
    for carrier in server.carriers {
      if carrier.isIdle, carrier.session.hasSettings {
        // What the server has said meanwhile.
        readFrames(carrier)
        if carrier.takesStreams, isOutworn(carrier, at: server) { retire(carrier, because: "idle-window") }
      } else if !carrier.session.hasSettings, now.since(carrier.openedAt) > settings.timeouts.connect {
        retire(carrier, because: "no-settings")
      }
      if carrier.uses >= server.streamLifetime.limit ?? .max { retire(carrier, because: "max-requests") }
      guard carrier.takesStreams, !isFresh || carrier.openedAt > exchange.leasedAt, hasRoom(carrier) else { continue }
      if isRepairable { return carrier }
      guard carrier.unrepairable + carrier.waiting.count < Self.unrepairableLimit,
        isProven(carrier, for: exchange, at: server)
      else { continue }
      if carrier.unrepairable < chosen?.unrepairable ?? .max { chosen = carrier }
    }
    return chosen
  }

  private func hasRoom(_ carrier: UpstreamCarrier) -> Bool {
    let lifetime = carrier.server.streamLifetime.limit ?? .max
    guard carrier.session.hasSettings else { return carrier.waiting.count < min(Self.streamLimit, Int(lifetime)) }
    return carrier.session.canOpen && carrier.session.openStreams < Self.streamLimit
      && carrier.uses < lifetime && carrier.uses < carrier.server.pool.settings.maximumUses
      && carrier.uses < carrier.server.record.bounds.usesLimit
  }

  /// Whether the server may close it at any moment, or has.
  private func isOutworn(_ carrier: UpstreamCarrier, at server: Server) -> Bool {
    let bounds = server.record.bounds
    let pool = server.pool.settings
    let age = now.since(carrier.openedAt)
    return carrier.idleAge(at: now) >= min(bounds.leaseLimit, pool.maximumIdleAge)
      || age >= min(bounds.connectionAgeLimit, pool.maximumConnectionAge) || carrier.uses >= bounds.usesLimit
      || server.record.isDoubted(at: now)
  }

  /// Whether the server has been seen to keep connections that have idled for as long.
  private func isProven(_ carrier: UpstreamCarrier, for exchange: ActiveExchange, at server: Server) -> Bool {
    guard carrier.isIdle else { return true }
    var proven = server.record.bounds.provenAge
    if exchange.outgrowsRecord { proven = min(proven, EvidenceRule.unguardedIdleAge) }
    return carrier.idleAge(at: now) < max(proven, .milliseconds(1))
  }

  // MARK: - Beginning

  /// The connection speaks HTTP/2: from here on it carries streams, and that of its exchange is the first.
  func becomeCarrier(_ upstream: UpstreamConnection) {
    let server = upstream.server
    server.opening.removeAll { $0 === upstream }
    if server.tls != nil { server.choseHTTP2 = true }
    if let exchange = upstream.exchange.flatMap({ exchanges.element($0) }) {
      sendProxyHeader(for: exchange.client, on: upstream)
    }
    let carrier = carriers.insert {
      UpstreamCarrier(
        token: $0, logID: upstream.logID, server: server, isSecure: server.tls != nil, among: waitingCarriers, now: now)
    }
    swap(&carrier.transport, &upstream.transport)
    carrier.waiting = [upstream.token] + upstream.waitingForStreams
    upstream.waitingForStreams = []
    counters.upstreamConnectionsOpened &+= 1
    server.counts.opened &+= 1
    counters.upstreamHTTP2Connections &+= 1
    if server.upstream.settings.proxyProtocol == .off { server.carriers.append(carrier) }
    poller.deregister(carrier.transport.number)
    do throws(SystemError) {
      try poller.register(
        carrier.transport.number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: carrier.token)
    } catch {
      carrier.transport.noteError(error.code)
    }
    carrier.transport.isWritable = true
    carrier.transport.isReadable = true
    carrier.link.stir()
  }

  /// The server's SETTINGS came: whoever waited gets a stream.
  private func serveWaiting(_ carrier: UpstreamCarrier) {
    let waiting = carrier.waiting
    carrier.waiting = []
    for token in waiting {
      guard let upstream = upstreamConnections.element(token), upstream.isConnecting else { continue }
      if carrier.takesStreams, carrier.session.canOpen {
        open(upstream, on: carrier)
      } else {
        connectAgain(upstream)
      }
    }
    if carrier.isIdle { becameIdle(carrier) }
  }

  private func open(_ upstream: UpstreamConnection, on carrier: UpstreamCarrier) {
    let idleAge = carrier.idleAge(at: now)
    guard let stream = carrier.session.open(now) else {
      connectAgain(upstream)
      return
    }
    upstream.transport = Transport(
      stream, on: carrier.link, owner: upstream.token, number: carrier.transport.number)
    upstream.carrier = carrier
    upstream.carrierFacts = (idleAge, now.since(carrier.openedAt), carrier.uses)
    carrier.users += 1
    carrier.uses &+= 1
    counters.upstreamHTTP2Streams &+= 1
    if let exchange = upstream.exchange.flatMap({ exchanges.element($0) }) {
      if !exchange.machine.isIdempotent || exchange.outgrowsRecord {
        upstream.isUnrepairable = true
        carrier.unrepairable += 1
      }
      // The lease comes at once, maybe within the turn of its client.
      queueAgain(exchange.client)
    }
    opened(upstream)
  }

  /// What it waited for came to nothing: it opens a connection of its own.
  func connectAgain(_ upstream: UpstreamConnection) {
    guard !upstream.isDiscarded else { return }
    let server = upstream.server
    let exchange = upstream.exchange.flatMap { exchanges.element($0) }
    exchange?.upstream = nil
    forget(upstream)
    connect(upstream.id, for: exchange, at: server)
  }

  // MARK: - Moving frames

  func carrierEvent(_ carrier: UpstreamCarrier, _ readiness: Readiness) {
    carrier.transport.noteReadiness(readiness)
    carrier.link.stir()
    guard carrier.link.end == nil else {
      // Somebody may await the RST that proves the race.
      stirAll(carrier)
      return
    }
    readFrames(carrier)
  }

  /// Reads what has come, and does what it says.
  func readFrames(_ carrier: UpstreamCarrier) {
    var rounds = 0
    while carrier.transport.isReadable, !carrier.transport.isOver, carrier.link.end == nil, rounds < 16 {
      rounds += 1
      var inbound = mediumBuffers.take()
      let result = carrier.transport.receive(into: &inbound)
      _ = carrier.session.feed(from: inbound, now: now)
      recycle(inbound)
      follow(carrier)
      guard case .bytes = result else { break }
    }
    carrier.link.stir()
    if carrier.transport.isOver { ended(carrier) }
  }

  private func follow(_ carrier: UpstreamCarrier) {
    while let event = carrier.session.nextEvent() {
      switch event {
      case .readable(let id), .reset(let id, _): stir(id, carrier) { $0.transport.isReadable = true }
      case .writable(let id): stir(id, carrier) { $0.transport.isWritable = true }
      case .settingsReceived: serveWaiting(carrier)
      case .goAwayReceived(let lastID, let code):
        if code == .noError, lastID < .max, carrier.takesStreams {
          carrier.server.streamLifetime.ended(after: UInt32(lastID &+ 1) / 2)
        }
        counters.upstreamGoAways[code.name, default: 0] &+= 1
        leave(carrier, how: "goaway")
      case .ended(let failure):
        notices.post(now) {
          log.warning("server \(carrier.server.record.name): HTTP/2: \(failure.code.name): \(failure.fact)")
        }
        carrier.link.end = .broken(EPROTO)
        leave(carrier, how: nil)
        stirAll(carrier)
      case .opened, .closed, .pingAnswered: break
      }
    }
  }

  private func stir(_ id: Int32, _ carrier: UpstreamCarrier, _ note: (UpstreamConnection) -> Void) {
    guard let upstream = carrier.link.owners[id].flatMap({ upstreamConnections.element($0) }) else { return }
    note(upstream)
    if let exchange = upstream.exchange.flatMap({ exchanges.element($0) }) { queue(exchange.client) }
  }

  private func stirAll(_ carrier: UpstreamCarrier) {
    for id in carrier.link.owners.keys.sorted() { stir(id, carrier) { $0.transport.isReadable = true } }
  }

  func flushFrames(_ carrier: UpstreamCarrier) {
    if carrier.transport.isReadable, carrier.link.end == nil { readFrames(carrier) }
    while carrier.transport.isWritable, carrier.transport.firstError == 0, !carrier.transport.isClosed {
      var outbound = carrier.outbound.take() ?? mediumBuffers.take()
      if outbound.isEmpty {
        let begin = carrier.session.producedOffset
        guard carrier.session.produce(into: &outbound) > 0 else {
          recycle(outbound)
          break
        }
        carrier.noteOffset(ofProduced: begin)
      }
      if case .bytes(let count) = carrier.transport.send(outbound.readable) { outbound.consume(count) }
      if outbound.isEmpty { recycle(outbound) } else { carrier.outbound = consume outbound }
    }
    follow(carrier)
    // Writing found the end; reading tells what came before it.
    if carrier.transport.firstError != 0, carrier.link.end == nil {
      carrier.transport.isReadable = true
      drain(carrier)
      ended(carrier)
    }
    closeIfUnused(carrier)
  }

  /// Reads to the end although an error was met: an answer may have come before it.
  private func drain(_ carrier: UpstreamCarrier) {
    for _ in 0..<64 {
      var inbound = mediumBuffers.take()
      let result = carrier.transport.receive(into: &inbound)
      _ = carrier.session.feed(from: inbound, now: now)
      recycle(inbound)
      follow(carrier)
      guard case .bytes = result else { return }
    }
  }

  // MARK: - Ending

  /// The connection has ended. Its streams have what came before, and then learn of it.
  private func ended(_ carrier: UpstreamCarrier) {
    guard carrier.link.end == nil else { return }
    let code = carrier.transport.firstError
    carrier.link.end = code == 0 ? .inOrder : .broken(code)
    leave(carrier, how: code == 0 ? "fin" : "reset")
    stirAll(carrier)
    let waiting = carrier.waiting
    carrier.waiting = []
    for token in waiting {
      guard let upstream = upstreamConnections.element(token), upstream.isConnecting else { continue }
      connectFailed(upstream, cause: code == 0 ? .closedBeforeResponse : .resetBeforeResponse)
    }
    carrier.link.stir()
  }

  /// No further streams: the server said so, or the connection is over.
  ///
  /// - Parameter how: for the counter and the idle window; nil where it says nothing about the server's habits.
  private func leave(_ carrier: UpstreamCarrier, how: String?) {
    guard carrier.takesStreams else { return }
    if let how {
      let state = carrier.isIdle ? "idle" : "active"
      countRemoteClose("\(state)-\(how)", of: carrier.server)
      if carrier.isIdle, carrier.uses > 0 {
        let idleAge = carrier.idleAge(at: now)
        carrier.server.counts.idleAtClose.record(idleAge)
        let roundTripTime = carrier.transport.path?.roundTripTime ?? .zero
        learn(carrier.server) {
          $0.idleClosed(
            idleAge: idleAge, connectionAge: self.now.since(carrier.openedAt), uses: carrier.uses,
            roundTripTime: roundTripTime, how: how == "reset" ? .reset : .fin, now: self.now)
        }
      }
    }
    forget(carrier)
  }

  private func forget(_ carrier: UpstreamCarrier) {
    carrier.takesStreams = false
    carrier.server.carriers.removeAll { $0 === carrier }
    carrier.link.stir()
  }

  /// We open no further streams on it.
  private func retire(_ carrier: UpstreamCarrier, because reason: String) {
    guard carrier.takesStreams else { return }
    countClose(reason, of: carrier.server)
    let waiting = carrier.waiting
    carrier.waiting = []
    forget(carrier)
    for token in waiting { if let upstream = upstreamConnections.element(token) { connectAgain(upstream) } }
  }

  /// An exchange has let go of its stream.
  func streamLeft(_ upstream: UpstreamConnection) {
    guard let carrier = upstream.carrier else { return }
    upstream.carrier = nil
    carrier.users -= 1
    if upstream.isUnrepairable { carrier.unrepairable -= 1 }
    if carrier.isIdle { becameIdle(carrier) }
    carrier.link.stir()
  }

  private func becameIdle(_ carrier: UpstreamCarrier) {
    carrier.idleSince = now
    if carrier.server.isActive { scheduleSweep(of: carrier.server) } else { retire(carrier, because: "draining") }
  }

  private func closeIfUnused(_ carrier: UpstreamCarrier) {
    guard !carrier.takesStreams, carrier.isIdle, !carrier.transport.isClosed else { return }
    if let outbound = carrier.outbound.take() { recycle(outbound) }
    carrier.transport.close()
    carriers.remove(carrier.token)
  }

  /// Closes what has idled too long.
  ///
  /// - Returns: when to look again.
  func sweepCarriers(of server: Server) -> Instant {
    var next = Instant.distantFuture
    for carrier in server.carriers where carrier.isIdle {
      if isOutworn(carrier, at: server) {
        retire(carrier, because: "idle-window")
      } else {
        let limit = min(server.record.bounds.leaseLimit, server.pool.settings.maximumIdleAge)
        next = min(next, carrier.idleSince.advanced(by: limit))
      }
    }
    return next
  }

  func closeIdleCarriers(of server: Server, because reason: String) {
    for carrier in server.carriers where carrier.isIdle { retire(carrier, because: reason) }
  }

  // MARK: - Evidence

  /// What is known of a stream's request.
  func observe(_ upstream: UpstreamConnection, _ stream: HTTP2ClientStream) -> Observation {
    var observation = Observation(
      bytesSent: upstream.transport.bytesSinceMark, reading: .open, acknowledgement: .unavailable)
    if !(upstream.inbound?.isEmpty ?? true) { observation.response = .mayAnswer }
    guard let carrier = upstream.carrier else { return observation }
    switch stream.outcome {
    case .refused, .unprocessed:
      observation.isRefused = true
      observation.reading = .failed
      return observation
    case .reset where carrier.link.end == nil:
      // The server knows the stream.
      observation.acknowledgement = .moved
      observation.reading = .failed
      return observation
    case .reset, .open, .complete: break
    }
    guard let begin = stream.headersOffset, carrier.hasHandedOver(begin) else {
      observation.isWithheld = true
      return observation
    }
    let evidence = carrier.transport.observe(since: carrier.wireOffset(ofProduced: begin))
    if case .inOrder = carrier.link.end {
      observation.reading = .endOfFile
    } else if evidence.error != nil {
      observation.reading = .failed
    }
    observation.error = evidence.error
    observation.acknowledgement = evidence.acknowledgement
    observation.roundTripTime = evidence.roundTripTime
    observation.retransmissionTimeout = evidence.retransmissionTimeout
    return observation
  }

  /// Lets the idle window learn from a request that met the end of its connection, and says so in the log.
  func noteStreamEnd(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ facts: LeaseFacts, _ observation: Observation,
    _ verdict: Verdict, _ end: Exchange.AttemptEnd
  ) {
    let name = upstream.server.record.name
    if facts.idleAge > .milliseconds(1) {
      let closeAge = facts.idleAge + now.since(exchange.leasedAt)
      let metClose = exchange.machine.lastEndWasRace
      learn(upstream.server) {
        $0.raceLost(
          idleAge: facts.idleAge, closeAge: closeAge, connectionAge: facts.connectionAge, uses: facts.uses,
          roundTripTime: observation.roundTripTime, verdict: verdict, metClose: metClose, now: self.now)
      }
    }
    guard case .replayAfresh = end else { return }
    notices.post(now) {
      let what =
        verdict == .refused
        ? "was refused by \(name) in HTTP/2, which has not acted on it"
        : "met the end of its HTTP/2 connection to \(name) (stream \(facts.uses + 1))"
      log.notice("\(requestLine(exchange)) \(what), verdict \(verdict): replayed")
    }
  }
}
