import Core

/// The server's application.
extension World {
  struct ServerConnection {
    enum Phase: UInt8 {
      /// No connection was accepted. Next: idle.
      case none
      /// Waits for a request. Next: reading, halfClosed, closed.
      case idle
      /// Has a part of a request. Next: working, closed.
      case reading
      /// Has a request and owes the answer. Next: idle, closed.
      case working
      /// Has ended its own side and reads on. Next: closed.
      case halfClosed
      /// Its descriptor is closed.
      case closed
    }

    /// How it ended, for the coverage.
    enum End: UInt8 {
      case open
      case closedIdle
      case abortedIdle
      case halfClosed
      case farewell
      case vanished
      case readThenClosed
      case readThenAborted
      case closedUnread
      case cutOff
      case restarted
      case done
    }

    var phase = Phase.none
    var end = End.open
    /// Timers of an older generation say nothing.
    var generation: Int32 = 0
    var acceptedAt = Instant(nanoseconds: 0)
    var requests: Int32 = 0
    var attempt: Int32 = -1
    var hasHead = false
    var bodyLeft: Int32 = 0
    var isReadScheduled = false
    /// Bytes of the answer that are still to be written, and what they belong to.
    var responseLeft: Int32 = 0
    var response: Int32 = -1
    var willBeCutOff = false
  }

  /// The idle timeout that holds now.
  var idleTimeoutNow: Nanoseconds {
    if let changed = scenario.server.changedIdleTimeout, now >= scenario.server.changesAt { return changed }
    return scenario.server.idleTimeout
  }

  func serverAccepted(_ connection: Int32) {
    note("server accepts c\(connection)")
    serverConnections[Int(connection)].acceptedAt = now
    serverBecameIdle(connection)
  }

  func wakeServer(_ connection: Int32) {
    let at = Int(connection)
    switch serverConnections[at].phase {
    case .none, .closed, .working: return
    case .idle, .reading, .halfClosed: break
    }
    if scenario.server.readDelay <= .zero {
      serverReads(connection)
      return
    }
    guard !serverConnections[at].isReadScheduled else { return }
    serverConnections[at].isReadScheduled = true
    events.schedule(
      .serverReads(connection: connection), at: now.advanced(by: random.span(.zero, scenario.server.readDelay)))
  }

  // MARK: Reading

  func serverReads(_ connection: Int32) {
    let at = Int(connection)
    let id = EndpointID(connection, .server)
    if serverConnections[at].phase == .idle, network[id].unread > 0,
      random.chance(perMille: scenario.server.closeUnread)
    {
      note("server closes c\(connection) with the request unread")
      serverCloses(connection, .closedUnread)
      return
    }
    while true {
      switch serverConnections[at].phase {
      case .none, .closed, .working: return
      case .idle, .reading, .halfClosed: break
      }
      switch network.read(id) {
      case .bytes(let count, let tag, let isLast): serverGot(connection, count, runs[Int(tag)], isLast)
      case .endOfFile, .failed:
        serverCloses(connection, .done)
        return
      case .wouldBlock: return
      }
    }
  }

  private func serverGot(_ connection: Int32, _ count: Int32, _ run: Run, _ isLast: Bool) {
    let at = Int(connection)
    let attempt = run.owner
    ledger.wasRead(attempt)
    if serverConnections[at].phase == .idle {
      serverConnections[at].phase = .reading
      serverConnections[at].generation += 1
    }
    let request = Int(ledger.attempts[Int(attempt)].request)
    if !serverConnections[at].hasHead {
      guard run.kind == .requestHead else {
        ledger.violate("the server was sent a body without its head on c\(connection)")
        return
      }
      guard isLast else { return }
      serverConnections[at].hasHead = true
      serverConnections[at].attempt = attempt
      let withHead = run.count - requests[request].headBytes
      serverConnections[at].bodyLeft = requests[request].bodyBytes - withHead
      if serverGotHead(connection, request) { return }
    } else {
      if attempt != serverConnections[at].attempt {
        ledger.violate("two requests are mixed up on c\(connection)")
      }
      serverConnections[at].bodyLeft -= count
    }
    if serverConnections[at].bodyLeft == 0 { serverGotRequest(connection) }
  }

  /// Returns whether the server is done with the request already.
  private func serverGotHead(_ connection: Int32, _ request: Int) -> Bool {
    let at = Int(connection)
    if scenario.server.appliesAtHead { apply(connection) }
    guard serverConnections[at].bodyLeft > 0, serverConnections[at].phase != .halfClosed else { return false }
    if random.chance(perMille: scenario.server.readThenClose / 2) {
      note("server closes c\(connection) within the request")
      serverCloses(connection, .readThenClosed)
      return true
    }
    if random.chance(perMille: scenario.server.earlyResponse) {
      note("server answers on c\(connection) before it has the body")
      coverage.saw(.earlyResponse)
      serverConnections[at].phase = .working
      answer(connection, closes: true)
      return true
    }
    return false
  }

  private func serverGotRequest(_ connection: Int32) {
    let at = Int(connection)
    let profile = scenario.server
    serverConnections[at].requests += 1
    serverConnections[at].hasHead = false
    if !profile.appliesAtHead { apply(connection) }
    if serverConnections[at].phase == .halfClosed { return }
    if random.chance(perMille: profile.readThenClose) {
      note("server has read the request and closes c\(connection)")
      serverCloses(connection, .readThenClosed)
      return
    }
    if random.chance(perMille: profile.readThenAbort) {
      note("server has read the request and aborts c\(connection)")
      serverConnections[at].phase = .closed
      serverConnections[at].end = .readThenAborted
      network.abort(EndpointID(connection, .server))
      return
    }
    serverConnections[at].phase = .working
    serverConnections[at].generation += 1
    var work = random.span(profile.shortestWork, profile.longestWork)
    if random.chance(perMille: profile.slowAnswer) { work = work + scenario.proxy.responseTimeout }
    events.schedule(
      .serverWorked(connection: connection, generation: serverConnections[at].generation), at: now.advanced(by: work))
  }

  private func apply(_ connection: Int32) {
    let attempt = serverConnections[Int(connection)].attempt
    note("server applies request \(ledger.attempts[Int(attempt)].request) on c\(connection)")
    ledger.wasApplied(attempt)
  }

  // MARK: Answering

  func serverWorked(_ connection: Int32, _ generation: Int32) {
    let at = Int(connection)
    guard serverConnections[at].phase == .working, serverConnections[at].generation == generation else { return }
    if serverConnections[at].responseLeft > 0 {
      writeOn(connection)
      return
    }
    let isLast = serverConnections[at].requests >= scenario.server.maximumRequests
    if isLast { coverage.saw(.maximumRequestsReached) }
    serverConnections[at].willBeCutOff = random.chance(perMille: scenario.server.partialResponse)
    answer(connection, closes: isLast && scenario.server.announcesClose)
  }

  private func answer(_ connection: Int32, closes: Bool) {
    let at = Int(connection)
    let request = ledger.attempts[Int(serverConnections[at].attempt)].request
    if random.chance(perMille: scenario.server.interimResponse) { sayInterim(connection, request) }
    let head = Int32(random.between(60, 300))
    let body = random.chance(perMille: 800) ? Int32(random.below(2_000)) : 0
    let received = network[EndpointID(connection, .server)].bytesReceived
    responses.append(
      Response(request: request, headBytes: head, bodyBytes: body, closes: closes, received: received))
    serverConnections[at].response = Int32(responses.count - 1)
    serverConnections[at].responseLeft = head + body
    writeOn(connection)
  }

  private func sayInterim(_ connection: Int32, _ request: Int32) {
    let id = EndpointID(connection, .server)
    coverage.saw(.interimResponse)
    responses.append(
      Response(
        request: request, headBytes: 40, bodyBytes: 0, closes: false, isInterim: true,
        received: network[id].bytesReceived))
    runs.append(Run(kind: .response, owner: Int32(responses.count - 1), offset: 0, count: 40))
    // Whether it can be written shows when the answer is.
    _ = network.write(id, count: 40, tag: Int32(runs.count - 1))
  }

  /// Writes the next piece of the answer, and ends it or comes back later.
  private func writeOn(_ connection: Int32) {
    let at = Int(connection)
    let id = EndpointID(connection, .server)
    let response = serverConnections[at].response
    let total = responses[Int(response)].headBytes + responses[Int(response)].bodyBytes
    let left = serverConnections[at].responseLeft
    var count = left
    if left > 1, serverConnections[at].willBeCutOff || random.chance(perMille: 100) {
      count = Int32(random.between(1, Int64(left - 1)))
    }
    runs.append(Run(kind: .response, owner: response, offset: total - left, count: count))
    if network.write(id, count: count, tag: Int32(runs.count - 1)) != nil {
      serverCloses(connection, .done)
      return
    }
    serverConnections[at].responseLeft -= count
    if serverConnections[at].responseLeft > 0 {
      if serverConnections[at].willBeCutOff {
        note("server cuts its answer off on c\(connection)")
        serverCloses(connection, .cutOff)
        return
      }
      serverConnections[at].generation += 1
      events.schedule(
        .serverWorked(connection: connection, generation: serverConnections[at].generation),
        at: now.advanced(by: random.span(.zero, .milliseconds(30))))
      return
    }
    note("server has answered request \(responses[Int(response)].request ?? -1) on c\(connection)")
    let isLast = serverConnections[at].requests >= scenario.server.maximumRequests
    if responses[Int(response)].closes || isLast {
      serverCloses(connection, .done)
      return
    }
    serverBecameIdle(connection)
    // What came meanwhile was announced while nobody looked.
    if network[id].unread > 0 || network[id].state != .established { wakeServer(connection) }
  }

  // MARK: Idling

  private func serverBecameIdle(_ connection: Int32) {
    let at = Int(connection)
    serverConnections[at].phase = .idle
    serverConnections[at].generation += 1
    if now >= scenario.server.changesAt, serverConnections[at].requests == 1 { coverage.saw(.idleTimeoutChanged) }
    var span = idleTimeoutNow + random.span(.zero, scenario.server.idleJitter)
    if scenario.server.maximumAge < .unlimited {
      let left = scenario.server.maximumAge - now.since(serverConnections[at].acceptedAt)
      if left < span {
        coverage.saw(.maximumAgeReached)
        span = max(.zero, left)
      }
    }
    events.schedule(
      .serverTimer(connection: connection, generation: serverConnections[at].generation), at: now.advanced(by: span))
  }

  /// The idle timeout is over, or the half-closed connection has lingered enough.
  func serverTimerFired(_ connection: Int32, _ generation: Int32) {
    let at = Int(connection)
    guard serverConnections[at].generation == generation else { return }
    let id = EndpointID(connection, .server)
    switch serverConnections[at].phase {
    case .none, .reading, .working, .closed: return
    case .halfClosed:
      serverCloses(connection, .halfClosed)
      return
    case .idle: break
    }
    note("server ends idle c\(connection): \(scenario.server.idleClose)")
    switch scenario.server.idleClose {
    case .close: serverCloses(connection, .closedIdle)
    case .abort:
      serverConnections[at].phase = .closed
      serverConnections[at].end = .abortedIdle
      network.abort(id)
    case .halfClose:
      serverConnections[at].phase = .halfClosed
      serverConnections[at].end = .halfClosed
      serverConnections[at].generation += 1
      network.shutdownWrite(id)
      events.schedule(
        .serverTimer(connection: connection, generation: serverConnections[at].generation),
        at: now.advanced(by: random.span(.milliseconds(500), .seconds(3))))
    case .farewell:
      responses.append(
        Response(request: nil, headBytes: 90, bodyBytes: 0, closes: true, received: network[id].bytesReceived))
      runs.append(Run(kind: .response, owner: Int32(responses.count - 1), offset: 0, count: 90))
      _ = network.write(id, count: 90, tag: Int32(runs.count - 1))
      serverCloses(connection, .farewell)
    case .vanish:
      serverConnections[at].phase = .closed
      serverConnections[at].end = .vanished
      network.vanish(id)
    }
  }

  private func serverCloses(_ connection: Int32, _ end: ServerConnection.End) {
    let at = Int(connection)
    let isUnread = network[EndpointID(connection, .server)].unread > 0
    serverConnections[at].phase = .closed
    if serverConnections[at].end == .open { serverConnections[at].end = isUnread ? .closedUnread : end }
    network.close(EndpointID(connection, .server))
  }

  // MARK: Restarts

  func restart(_ index: Int) {
    let restart = scenario.server.restarts[index]
    note("server restarts: \(restart.kind), down for \(restart.downtime.milliseconds) ms")
    coverage.saw(.serverRestarted)
    for at in serverConnections.indices {
      switch serverConnections[at].phase {
      case .none, .closed: continue
      case .idle, .reading, .working, .halfClosed: break
      }
      let id = EndpointID(Int32(at), .server)
      serverConnections[at].phase = .closed
      if serverConnections[at].end == .open { serverConnections[at].end = .restarted }
      switch restart.kind {
      case .close: network.close(id)
      case .abort: network.abort(id)
      case .vanish: network.vanish(id)
      }
    }
    serverIsUp = restart.downtime == .zero
    network.closeListener(serverIsUp ? .accepting : restart.whileDown)
    if !serverIsUp { events.schedule(.serverUp(index), at: now.advanced(by: restart.downtime)) }
  }

  func serverCameUp(_ index: Int) {
    note("server is back")
    serverIsUp = true
    network.listener = .accepting
  }
}
