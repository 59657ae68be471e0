import Core
import Glibc
import HTTP2
import TLS

/// The end of an attempt: what the socket shows, what that proves, and what follows.
extension Worker {
  /// What the socket shows now. Three system calls, made only when an attempt has ended or a response is doubted.
  func observe(_ upstream: UpstreamConnection) -> Observation {
    if let stream = upstream.transport.stream as? HTTP2ClientStream { return observe(upstream, stream) }
    let evidence = upstream.transport.observe()
    var response = Observation.Response.none
    if !(upstream.inbound?.isEmpty ?? true) {
      response = evidence.acknowledgement == .unmoved ? .cannotAnswer : .mayAnswer
    }
    var observation = Observation(
      bytesSent: upstream.transport.bytesSinceMark,
      reading: upstream.transport.sawEnd ? .endOfFile : evidence.error == nil ? .open : .failed,
      error: evidence.error, acknowledgement: evidence.acknowledgement, response: response,
      roundTripTime: evidence.roundTripTime, retransmissionTimeout: evidence.retransmissionTimeout)
    observation.isWithheld = upstream.transport.bytesSinceMark == 0
    return observation
  }

  /// Reading came to the end of the stream or to an error before the response was whole.
  func attemptEnded(_ exchange: ActiveExchange) {
    guard let upstream = exchange.upstream else { return }
    let observation = observe(upstream)
    if let failure = refusalByTLS(exchange, upstream) {
      let end = exchange.machine.responseInvalid(
        .tlsFailed(failure.trouble), couldAnswer: true, observation: observation, now: now)
      noteFailedAttempt(exchange, at: upstream.server)
      follow(end, for: exchange)
      return
    }
    let end = exchange.machine.connectionEnded(observation, budget: &upstream.server.budget, now: now)
    noteAttemptEnd(exchange, upstream, observation, end)
    follow(end, for: exchange)
  }

  /// What the server objects to in TLS. In TLS 1.3 a client is done with the handshake before the server is, so that the request is
  /// on its way when the server refuses the client's certificate, or asks for one.
  private func refusalByTLS(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) -> TLSFailure? {
    guard exchange.headAt == nil, exchange.facts?.isReused == false, let failure = upstream.transport.tlsFailure,
      failure.alertReceived != nil
    else { return nil }
    return failure
  }

  /// While the RST is awaited the socket showed something new.
  func judgingStirred(_ exchange: ActiveExchange) {
    guard let upstream = exchange.upstream else { return }
    drainWhileJudging(upstream)
    settleJudging(exchange, upstream, isOver: false)
  }

  func resetWaitEnded(_ exchange: ActiveExchange) {
    guard case .judging = exchange.stage, let upstream = exchange.upstream else { return }
    drainWhileJudging(upstream)
    settleJudging(exchange, upstream, isOver: true)
  }

  private func settleJudging(_ exchange: ActiveExchange, _ upstream: UpstreamConnection, isOver: Bool) {
    let observation = observe(upstream)
    let end = exchange.machine.resetWaitEnded(
      observation, isOver: isOver, until: exchange.serverDeadline, budget: &upstream.server.budget, now: now)
    if case .awaitReset = end { return }
    noteAttemptEnd(exchange, upstream, observation, end)
    follow(end, for: exchange)
  }

  /// Reads to the end of the stream, dropping what comes: none of it can be an answer.
  private func drainWhileJudging(_ upstream: UpstreamConnection) {
    var scratch = buffers.take()
    // Bounded: a server that keeps sending stays unread, and its verdict is not reached.
    for _ in 0..<16
    where upstream.transport.isReadable && upstream.transport.firstError == 0 && !upstream.transport.sawEnd {
      scratch.removeAll()
      _ = upstream.transport.receive(into: &scratch)
    }
    recycle(scratch)
  }

  /// Does what the policy core decided about the end of an attempt.
  func follow(_ end: Exchange.AttemptEnd, for exchange: ActiveExchange) {
    switch end {
    case .awaitReset(let deadline):
      exchange.stage = .judging
      expect(.reset, for: exchange, within: deadline.since(now))
    case .replayAfresh(let verdict):
      // Nothing is sent again, and no connection opened, for a client that has gone.
      if clientLeftWhileWaiting(exchange) { return }
      counters.replays[verdict.label, default: 0] &+= 1
      exchange.server?.counts.replays[verdict.label, default: 0] &+= 1
      exchange.record?.rewind()
      exchange.hasWaited = true
      exchange.responseBody = .awaitingHead
      exchange.mayHoldHead = false
      exchange.interimCount = 0
      expectNothingOfServer(for: exchange)
      // What the server did not get it shall have; what killed its worker another one may take.
      if verdict.provesNoDelivery || (exchange.route?.upstream?.servers.count ?? 0) < 2, replayAtSameServer(exchange) {
        return
      }
      // The one that has read it, or has just failed a fresh connection, comes last now, even behind the backups. What an idle
      // connection died of says nothing of its server.
      if verdict == .delivered || exchange.facts?.isReused == false, let server = exchange.upstream?.server {
        noteTried(server, by: exchange)
      }
      returnLease(exchange, reusable: false)
      acquire(exchange)
    case .fail(let failure):
      returnLease(exchange, reusable: false)
      fail(exchange, failure)
    case .abortClient(let failure):
      returnLease(exchange, reusable: false)
      noteFailure(exchange, failure, wasAnswered: true)
      breakOff(exchange)
    }
  }

  /// Counts, logs what is worth it, and lets the idle window learn.
  private func noteAttemptEnd(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ observation: Observation, _ end: Exchange.AttemptEnd
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
    upstream.server.counts.attemptsFailed[verdict.label, default: 0] &+= 1
    let how = observation.error == .connectionReset ? "reset" : observation.reading == .endOfFile ? "fin" : "error"
    let state = exchange.headAt == nil ? "active-before-head" : "active-in-body"
    let wasSilent = exchange.machine.lastEndWasSilent
    if wasSilent {
      countClose("forgotten", of: upstream.server)
    } else {
      countRemoteClose("\(state)-\(how)", of: upstream.server)
    }
    if exchange.headAt == nil { noteFailedAttempt(exchange, at: upstream.server) }
    guard let facts = exchange.facts, facts.isReused else { return }
    if upstream.transport.stream != nil {
      noteStreamEnd(exchange, upstream, facts, observation, verdict, end)
      return
    }
    switch end {
    case .abortClient, .awaitReset: return
    case .replayAfresh, .fail: break
    }
    let metClose = exchange.machine.lastEndWasRace
    tallyRace(exchange, upstream, observation, facts, verdict)
    let closeAge = facts.idleAge + now.since(exchange.leasedAt)
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
          "\(requestLine(exchange)) \(what) connection to \(upstream.server.record.name) (idle \(age), request \(facts.uses + 1) on it), verdict \(verdict): replayed on a fresh connection"
        )
      }
    }
  }

  // MARK: - Timeouts

  func responseHeadTimedOut(_ exchange: ActiveExchange) {
    timedOut(exchange, .responseTimeout(after: exchange.bounds.responseHead))
  }

  /// The server takes nothing more of the request.
  func serverStalled(_ exchange: ActiveExchange) {
    timedOut(exchange, .sendTimeout(after: exchange.bounds.bodyIdle))
  }

  func responseBodyStalled(_ exchange: ActiveExchange) {
    timedOut(exchange, .idleBodyTimeout(after: exchange.bounds.bodyIdle))
  }

  private func timedOut(_ exchange: ActiveExchange, _ cause: FailureCause) {
    let client = exchange.client
    guard let upstream = exchange.upstream, exchange.lease != nil else { return }
    let observation = observe(upstream)
    let end = exchange.machine.timedOut(cause, waited: now.since(exchange.sentAt), observation: observation)
    if exchange.machine.lastEndWasSilent, let facts = exchange.facts { learnOfSilence(client, upstream, facts) }
    countClose("timeout", of: upstream.server)
    noteLateness(exchange, cause, at: upstream.server)
    follow(end, for: exchange)
  }

  private func learnOfSilence(_ client: ClientConnection, _ upstream: UpstreamConnection, _ facts: LeaseFacts) {
    learn(upstream.server) {
      $0.raceLost(
        idleAge: facts.idleAge, closeAge: facts.idleAge, connectionAge: facts.connectionAge, uses: facts.uses,
        roundTripTime: .zero, verdict: .unknown, wasSilent: true, now: self.now)
    }
  }

  /// Looks whether anything of the request has arrived: a connection that something on the way has forgotten never tells.
  func silenceLasted(_ exchange: ActiveExchange) {
    guard case .leased = exchange.stage, exchange.responseBody.isAwaited, let upstream = exchange.upstream else {
      return
    }
    let observation = observe(upstream)
    switch exchange.machine.silenceLasted(observation, budget: &upstream.server.budget, now: now) {
    case .wait: return
    case .end(let end):
      noteAttemptEnd(exchange, upstream, observation, end)
      follow(end, for: exchange)
    }
  }

  /// The exchange as a whole took too long, whatever it was doing.
  func exchangeTimedOut(_ exchange: ActiveExchange) {
    let client = exchange.client
    guard exchange.isActive, let span = exchange.bounds.exchange else { return }
    let cause = FailureCause.exchangeTimeout(after: span)
    switch exchange.stage {
    case .leased, .judging: timedOut(exchange, cause)
    case .waiting, .connecting, .backingOff:
      let failure = exchange.machine.refused(cause)
      abandonExchange(exchange)
      fail(exchange, failure)
    case .none:
      // All that is left is for the client to take its answer.
      if exchange.responseBody.isComplete { clientBroke(client) }
    }
  }

  /// The pool's queue had no connection for the exchange in time.
  func waitEnded(_ exchange: ActiveExchange) {
    guard case .waiting(let ticket, let server) = exchange.stage else { return }
    server.pool.waitingExchangeLeft(ticket)
    exchange.stage = .none
    fail(exchange, exchange.machine.refused(.waitTimeout(after: server.pool.settings.maximumWait)))
  }

  // MARK: - The client goes

  /// Ends the exchange without an answer: nobody is there to read one.
  func abandonExchange(_ exchange: ActiveExchange) {
    guard exchange.isActive else { return }
    switch exchange.stage {
    case .none, .backingOff: break
    case .waiting(let ticket, let server): server.pool.waitingExchangeLeft(ticket)
    case .connecting:
      if let upstream = exchange.upstream {
        exchange.upstream = nil
        let server = upstream.server
        let room = server.pool.connectFailed(upstream.id, now: now)
        discard(upstream)
        exchange.stage = .none
        use(room, of: server)
      }
    case .leased, .judging:
      if let server = exchange.upstream?.server { countClose("client-left", of: server) }
      returnLease(exchange, reusable: false)
    }
    exchange.stage = .none
    if !exchange.machine.isFinished { _ = exchange.machine.clientLeft() }
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
    case .refused: "refused"
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
