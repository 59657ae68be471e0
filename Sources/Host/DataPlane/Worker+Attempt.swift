import Core
import Glibc

/// The end of an attempt: what the socket shows, what that proves, and what follows.
extension Worker {
  /// What the socket shows now. Three system calls, made only when an attempt has ended or a response is doubted.
  func observe(_ upstream: UpstreamConnection) -> Observation {
    if upstream.firstError == 0 {
      let code = Socket.takeError(upstream.number)
      if code != 0 { upstream.noteError(code) }
    }
    var acknowledgement = Acknowledgement.unavailable
    var roundTripTime = Nanoseconds.zero
    var retransmissionTimeout = Nanoseconds.zero
    if let state = Socket.transportState(upstream.number) {
      // The SYN counts as one byte; all earlier requests were answered.
      acknowledgement = state.bytesAcknowledged > upstream.bytesWrittenBefore &+ 1 ? .moved : .unmoved
      roundTripTime = state.roundTripTime
      retransmissionTimeout = state.retransmissionTimeout
    }
    let error: SocketError? =
      switch upstream.firstError {
      case 0: nil
      case EPIPE: .brokenPipe
      case ECONNRESET: .connectionReset
      case ETIMEDOUT: .timedOut
      case let code: .other(code)
      }
    var response = Observation.Response.none
    if !(upstream.inbound?.isEmpty ?? true) {
      response = acknowledgement == .unmoved ? .cannotAnswer : .mayAnswer
    }
    return Observation(
      bytesSent: upstream.requestBytesWritten, reading: upstream.sawEnd ? .endOfFile : error == nil ? .open : .failed,
      error: error, acknowledgement: acknowledgement, response: response, roundTripTime: roundTripTime,
      retransmissionTimeout: retransmissionTimeout)
  }

  /// Reading came to the end of the stream or to an error before the response was whole.
  func attemptEnded(_ client: ClientConnection) {
    guard let upstream = client.upstream else { return }
    let observation = observe(upstream)
    let end = client.call.machine.connectionEnded(observation, budget: &upstream.server.budget, now: now)
    noteAttemptEnd(client, upstream, observation, end)
    follow(end, for: client)
  }

  /// While the RST is awaited the socket showed something new.
  func judgingStirred(_ client: ClientConnection) {
    guard let upstream = client.upstream else { return }
    drainWhileJudging(upstream)
    settleJudging(client, upstream, isOver: false)
  }

  func resetWaitEnded(_ client: ClientConnection) {
    guard case .judging = client.call.stage, let upstream = client.upstream else { return }
    drainWhileJudging(upstream)
    settleJudging(client, upstream, isOver: true)
  }

  private func settleJudging(_ client: ClientConnection, _ upstream: UpstreamConnection, isOver: Bool) {
    let observation = observe(upstream)
    let end = client.call.machine.resetWaitEnded(
      observation, isOver: isOver, until: client.serverDeadline, budget: &upstream.server.budget, now: now)
    if case .awaitReset = end { return }
    noteAttemptEnd(client, upstream, observation, end)
    follow(end, for: client)
  }

  /// Reads to the end of the stream, dropping what comes: none of it can be an answer.
  private func drainWhileJudging(_ upstream: UpstreamConnection) {
    var scratch = buffers.take()
    // Bounded: a server that keeps sending stays unread, and its verdict is not reached.
    for _ in 0..<16 where upstream.isReadable && upstream.firstError == 0 && !upstream.sawEnd {
      scratch.removeAll()
      switch Socket.receive(upstream.number, into: &scratch) {
      case .bytes: break
      case .wouldBlock: upstream.isReadable = false
      case .endOfStream:
        upstream.sawEnd = true
        upstream.isReadable = false
      case .failed(let code):
        upstream.noteError(code)
        upstream.isReadable = false
      }
    }
    recycle(scratch)
  }

  /// Does what the policy core decided about the end of an attempt.
  func follow(_ end: Exchange.AttemptEnd, for client: ClientConnection) {
    switch end {
    case .awaitReset(let deadline):
      client.call.stage = .judging
      expect(.reset, for: client, within: deadline.since(now))
    case .replayAfresh(let verdict):
      // Nothing is sent again, and no connection opened, for a client that has gone.
      if clientLeftWhileWaiting(client) { return }
      counters.replays[verdict.label, default: 0] &+= 1
      client.record?.rewind()
      client.call.hasWaited = true
      client.call.responseBody = .awaitingHead
      client.call.mayHoldHead = false
      client.call.interimCount = 0
      expectNothingOfServer(for: client)
      // What the server did not get it shall have; what killed its worker another one may take.
      if verdict.provesNoDelivery || (client.call.route?.upstream?.servers.count ?? 0) < 2, replayAtSameServer(client) {
        return
      }
      // The one that has read it, or has just failed a fresh connection, comes last now, even behind the backups. What an idle
      // connection died of says nothing of its server.
      if verdict == .delivered || client.call.facts?.isReused == false, let server = client.upstream?.server {
        noteTried(server, by: client)
      }
      returnLease(client, reusable: false)
      acquire(client)
    case .fail(let failure):
      returnLease(client, reusable: false)
      fail(client, failure)
    case .abortClient(let failure):
      returnLease(client, reusable: false)
      noteFailure(client, failure, wasAnswered: true)
      breakOff(client)
    }
  }

  /// Counts, logs what is worth it, and lets the idle window learn.
  private func noteAttemptEnd(
    _ client: ClientConnection, _ upstream: UpstreamConnection, _ observation: Observation, _ end: Exchange.AttemptEnd
  ) {
    let verdict: Verdict
    switch end {
    case .awaitReset: return
    case .replayAfresh(let proven): verdict = proven
    case .fail(let failure), .abortClient(let failure):
      verdict = failure.verdict ?? .unknown
      if let reason = failure.notReplayed { counters.notReplayed[reason.label, default: 0] &+= 1 }
    }
    counters.attemptsEndedByVerdict[verdict.label, default: 0] &+= 1
    let how = observation.error == .connectionReset ? "reset" : observation.reading == .endOfFile ? "fin" : "error"
    let state = client.call.headAt == nil ? "active-before-head" : "active-in-body"
    let wasSilent = client.call.machine.lastEndWasSilent
    if wasSilent { countClose("forgotten") } else { counters.closedByServer["\(state)-\(how)", default: 0] &+= 1 }
    if client.call.headAt == nil { noteFailedAttempt(client, at: upstream.server) }
    guard let facts = client.call.facts, facts.isReused else { return }
    switch end {
    case .abortClient, .awaitReset: return
    case .replayAfresh, .fail: break
    }
    let metClose = client.call.machine.lastEndWasRace
    let closeAge = facts.idleAge + now.since(client.call.leasedAt)
    learn(upstream.server) {
      $0.raceLost(
        idleAge: facts.idleAge, closeAge: closeAge, connectionAge: facts.connectionAge, uses: facts.uses,
        roundTripTime: observation.roundTripTime, verdict: verdict,
        metClose: metClose, wasSilent: wasSilent, now: self.now)
    }
    if case .replayAfresh = end {
      notices.post(now) {
        let age = facts.idleAge.rounded.text
        let what = wasSilent ? "was sent on a forgotten" : "met the close of its"
        log.notice(
          "\(requestLine(client)) \(what) connection to \(upstream.server.record.name) (idle \(age), request \(facts.uses + 1) on it), verdict \(verdict): replayed on a fresh connection"
        )
      }
    }
  }

  // MARK: - Timeouts

  func responseHeadTimedOut(_ client: ClientConnection) {
    timedOut(client, .responseTimeout(after: client.call.bounds.responseHead))
  }

  /// The server takes nothing more of the request.
  func serverStalled(_ client: ClientConnection) {
    timedOut(client, .sendTimeout(after: client.call.bounds.bodyIdle))
  }

  func responseBodyStalled(_ client: ClientConnection) {
    timedOut(client, .idleBodyTimeout(after: client.call.bounds.bodyIdle))
  }

  private func timedOut(_ client: ClientConnection, _ cause: FailureCause) {
    guard let upstream = client.upstream, client.lease != nil else { return }
    let observation = observe(upstream)
    let end = client.call.machine.timedOut(cause, waited: now.since(client.call.sentAt), observation: observation)
    if client.call.machine.lastEndWasSilent, let facts = client.call.facts { learnOfSilence(client, upstream, facts) }
    counters.closedByProxy["timeout", default: 0] &+= 1
    noteLateness(client, cause, at: upstream.server)
    follow(end, for: client)
  }

  private func learnOfSilence(_ client: ClientConnection, _ upstream: UpstreamConnection, _ facts: LeaseFacts) {
    learn(upstream.server) {
      $0.raceLost(
        idleAge: facts.idleAge, closeAge: facts.idleAge, connectionAge: facts.connectionAge, uses: facts.uses,
        roundTripTime: .zero, verdict: .unknown, wasSilent: true, now: self.now)
    }
  }

  /// Looks whether anything of the request has arrived: a connection that something on the way has forgotten never tells.
  func silenceLasted(_ client: ClientConnection) {
    guard case .leased = client.call.stage, client.call.responseBody.isAwaited, let upstream = client.upstream else {
      return
    }
    let observation = observe(upstream)
    switch client.call.machine.silenceLasted(observation, budget: &upstream.server.budget, now: now) {
    case .wait: return
    case .end(let end):
      noteAttemptEnd(client, upstream, observation, end)
      follow(end, for: client)
    }
  }

  /// The exchange as a whole took too long, whatever it was doing.
  func exchangeTimedOut(_ client: ClientConnection) {
    guard client.call.isActive, let span = client.call.bounds.exchange else { return }
    let cause = FailureCause.exchangeTimeout(after: span)
    switch client.call.stage {
    case .leased, .judging: timedOut(client, cause)
    case .waiting, .connecting, .backingOff:
      let failure = client.call.machine.refused(cause)
      abandonExchange(client)
      fail(client, failure)
    case .none:
      // All that is left is for the client to take its answer.
      if client.call.responseBody.isComplete { clientBroke(client) }
    }
  }

  /// The pool's queue had no connection for the exchange in time.
  func waitEnded(_ client: ClientConnection) {
    guard case .waiting(let ticket, let server) = client.call.stage else { return }
    server.pool.waitingExchangeLeft(ticket)
    client.call.stage = .none
    fail(client, client.call.machine.refused(.waitTimeout(after: server.pool.settings.maximumWait)))
  }

  // MARK: - The client goes

  /// Ends the exchange without an answer: nobody is there to read one.
  func abandonExchange(_ client: ClientConnection) {
    guard client.call.isActive else { return }
    switch client.call.stage {
    case .none, .backingOff: break
    case .waiting(let ticket, let server): server.pool.waitingExchangeLeft(ticket)
    case .connecting:
      if let upstream = client.upstream {
        client.upstream = nil
        let server = upstream.server
        let room = server.pool.connectFailed(upstream.id, now: now)
        discard(upstream)
        client.call.stage = .none
        use(room, of: server)
      }
    case .leased, .judging:
      counters.closedByProxy["client-left", default: 0] &+= 1
      returnLease(client, reusable: false)
    }
    client.call.stage = .none
    if !client.call.machine.isFinished { _ = client.call.machine.clientLeft() }
  }
}

extension Verdict {
  /// As it stands in counters, logs and Proxy-Status.
  var label: String {
    switch self {
    case .neverSent: "never-sent"
    case .neverDelivered: "never-delivered"
    case .delivered: "delivered"
    case .unknown: "unknown"
    }
  }
}

extension NotReplayed {
  /// As it stands in counters and logs.
  var label: String {
    switch self {
    case .notIdempotent: "not-idempotent"
    case .switchedOff: "switched-off"
    case .responsePassedOn: "response-passed-on"
    case .bodyNotKept: "body-not-kept"
    case .tooManyReplays: "too-many-replays"
    case .tooManyFreshLosses: "too-many-fresh-losses"
    case .budgetExhausted: "budget-exhausted"
    case .connectFailed: "connect-failed"
    case .timedOut: "timed-out"
    case .invalidResponse: "invalid-response"
    }
  }
}
