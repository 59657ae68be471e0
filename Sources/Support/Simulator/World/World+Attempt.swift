import Core

/// One attempt on a leased connection: sending, reading, and what its end proves.
extension World {
  // MARK: Sending

  /// The client's bytes move into the record; what outgrows it can be sent once only.
  func takeBody(_ request: Int32) {
    let at = Int(request)
    let limit: Int32
    switch requests[at].stage {
    case .leased: limit = .max
    case .none, .waiting, .connecting, .judging: limit = scenario.proxy.recordLimit
    }
    let taken = max(requests[at].takenBody, min(requests[at].arrivedBody, limit))
    guard taken > requests[at].takenBody else { return }
    requests[at].takenBody = taken
    if taken > scenario.proxy.recordLimit, requests[at].machine.isRecordWhole, broken != .replayWithoutBody {
      requests[at].machine.recordLost()
    }
  }

  func bodyArrived(_ request: Int32) {
    takeBody(request)
    switch requests[Int(request)].stage {
    // What was looked at is written to before anything else is.
    case .leased where requests[Int(request)].sent > 0: send(request)
    case .leased, .none, .waiting, .connecting, .judging: break
    }
  }

  func send(_ request: Int32) {
    let at = Int(request)
    guard case .leased = requests[at].stage, let connection = requests[at].upstream,
      upstreams[Int(connection)].firstError == nil
    else { return }
    let id = EndpointID(connection, .proxy)
    takeBody(request)
    if requests[at].sent == 0, network[id].peerHasFinished { coverage.saw(.finUnreadAtWrite) }
    while requests[at].sent < requests[at].takenTotal {
      let isHead = requests[at].sent == 0
      var from = requests[at].sent
      var count = requests[at].takenTotal - from
      if isHead, count > requests[at].headBytes, count > 600 || random.chance(perMille: 500) {
        count = requests[at].headBytes
      } else if !isHead, broken == .replayWithoutBody, requests[at].lostBefore > from {
        from = min(requests[at].lostBefore, requests[at].takenTotal - 1)
        count = requests[at].takenTotal - from
      }
      runs.append(
        Run(kind: isHead ? .requestHead : .requestBody, owner: requests[at].attempt, offset: from, count: count))
      if let error = network.write(id, count: count, tag: Int32(runs.count - 1)) {
        // An answer may have come before the connection broke: reading decides.
        note("writing on c\(connection) fails: \(error)")
        noteError(connection, error)
        attemptStirred(request)
        return
      }
      ledger.bytesHanded(requests[at].attempt, offset: from, count: count)
      requests[at].machine.requestBytesWritten(Int(count))
      requests[at].sent = from + count
      if requests[at].takenBody > scenario.proxy.recordLimit {
        requests[at].lostBefore = max(requests[at].lostBefore, requests[at].sent)
      }
    }
    // What came between the lease and the first byte has waited: no further notice will tell of it.
    attemptStirred(request)
  }

  // MARK: Reading

  func attemptStirred(_ request: Int32) {
    let at = Int(request)
    guard let connection = requests[at].upstream else { return }
    let id = EndpointID(connection, .proxy)
    let attempt = requests[at].attempt
    while requests[at].attempt == attempt {
      let isJudging: Bool
      switch requests[at].stage {
      case .leased: isJudging = false
      case .judging: isJudging = true
      case .none, .waiting, .connecting: return
      }
      // What happens between the lease and the first byte is found when it is written.
      if !isJudging, requests[at].sent == 0, upstreams[Int(connection)].firstError == nil { return }
      switch network.read(id) {
      case .bytes(let count, let tag, _):
        // Behind a response that cannot be the answer nothing is read as one.
        if !isJudging { responseBytesArrived(request, count, runs[Int(tag)].owner) }
        continue
      case .endOfFile:
        if upstreams[Int(connection)].firstError == nil { upstreams[Int(connection)].sawEnd = true }
        ledger.connectionSpent(connection)
      case .failed(let error):
        noteError(connection, error)
      case .wouldBlock:
        if !isJudging { return }
      }
      if isJudging {
        observeAgain(request, isOver: false)
      } else {
        attemptLost(request)
      }
      return
    }
  }

  private func noteError(_ connection: Int32, _ error: SocketFailure) {
    if upstreams[Int(connection)].firstError == nil { upstreams[Int(connection)].firstError = error }
    ledger.connectionSpent(connection)
  }

  private func responseBytesArrived(_ request: Int32, _ count: Int32, _ response: Int32) {
    let at = Int(request)
    if requests[at].response != response {
      requests[at].response = response
      requests[at].responseGot = 0
    }
    let message = responses[Int(response)]
    let before = requests[at].responseGot
    requests[at].responseGot += count
    requests[at].hasUnparsed = requests[at].responseGot < message.headBytes
    if before < message.headBytes, requests[at].responseGot >= message.headBytes {
      guard responseHeadArrived(request, response) else { return }
    } else if before >= message.headBytes {
      passOn(request)
    }
    if !message.isInterim, requests[at].responseGot == message.headBytes + message.bodyBytes { responseEnded(request) }
  }

  /// Returns whether it is the answer.
  private func responseHeadArrived(_ request: Int32, _ response: Int32) -> Bool {
    let at = Int(request)
    guard let connection = requests[at].upstream, let facts = requests[at].facts else { return false }
    let message = responses[Int(response)]
    var couldAnswer = true
    if requests[at].machine.mustCheckAnswer, broken != .farewellPassedOn {
      couldAnswer = EvidenceRule.couldAnswer(
        bytesWritten: UInt64(requests[at].sent),
        unacknowledgedBytes: scenario.proxy.isBlind
          ? nil : UInt64(network.outstanding(EndpointID(connection, .proxy))))
    }
    // Observed beforehand: the machine may not be looked at while it decides.
    let observation = couldAnswer && requests[at].sent > 0 ? Observation.connectFailure : observe(request)
    switch requests[at].machine.responseHeadArrived(
      isInterim: message.isInterim, couldAnswer: couldAnswer, observation: observation, now: now)
    {
    case .discard(let deadline):
      note("request \(request) got a response that cannot be its answer")
      coverage.saw(.farewellDiscarded)
      ledger.responseDiscarded(message.request, by: request)
      awaitReset(request, until: deadline)
      return false
    case .passOn where message.isInterim:
      if broken != .interimForgotten { requests[at].machine.responsePassedOn() }
      ledger.interimPassedOn(message.request, to: request)
      return true
    case .passOn:
      if message.closes { ledger.connectionSpent(connection) }
      let idleAge = facts.idleAge
      if facts.isReused, bounds.isNews(reuseAt: idleAge) { learn { $0.reuseSucceeded(idleAge: idleAge, now: now) } }
      learnHint()
      if !upstreams[Int(connection)].toldRoundTrip {
        upstreams[Int(connection)].toldRoundTrip = true
        window.roundTripTimeMeasured(network[EndpointID(connection, .proxy)].smoothedRoundTrip)
      }
      // A client that does not read holds the head back until more comes.
      if message.bodyBytes > 0, random.chance(perMille: 50) { return true }
      passOn(request)
      return true
    }
  }

  private func passOn(_ request: Int32) {
    let at = Int(request)
    guard ledger.requests[at].fate == .pending else { return }
    requests[at].machine.responsePassedOn()
    let response = responses[Int(requests[at].response)]
    let isTellable =
      !scenario.proxy.isBlind && response.received <= ledger.attempts[Int(requests[at].attempt)].streamStart
    if response.request == nil, !isTellable { coverage.saw(.farewellToUnreadRequest) }
    ledger.passedOn(requests[at].response, of: response.request, isTellable: isTellable, to: request)
  }

  private func responseEnded(_ request: Int32) {
    let at = Int(request)
    guard let connection = requests[at].upstream else { return }
    passOn(request)
    requests[at].machine.responseEnded()
    ledger.answered(request)
    note("request \(request) is answered")
    let upstream = upstreams[Int(connection)]
    let reusable =
      !responses[Int(requests[at].response)].closes && requests[at].isSent && !upstream.sawEnd
      && upstream.firstError == nil
    returnLease(request, reusable: reusable)
    clientServed(request)
  }

  private func learnHint() {
    guard scenario.server.hint != .none else { return }
    let seconds = scenario.server.hintSeconds
    if let lastHint, lastHint.seconds == seconds, now.since(lastHint.told) < .seconds(60) { return }
    lastHint = (seconds, now)
    learn { $0.keepAliveHinted(seconds: Int(seconds), maximum: nil, now: now) }
  }

  // MARK: The end of an attempt

  private func observe(_ request: Int32) -> Observation {
    let at = Int(request)
    guard let connection = requests[at].upstream else { preconditionFailure("an attempt has a connection") }
    let id = EndpointID(connection, .proxy)
    if let error = network.takeError(id) { noteError(connection, error) }
    let upstream = upstreams[Int(connection)]
    let socket = network[id]
    var error: SocketError?
    switch upstream.firstError {
    case nil: error = nil
    case .brokenPipe: error = .brokenPipe
    case .connectionReset: error = .connectionReset
    case .timedOut: error = .timedOut
    case .connectionRefused: error = .other(111)
    }
    // The SYN counts as one byte.
    let hasMoved = socket.bytesAcked > Int64(upstream.writtenBefore) + 1
    var observation = Observation(
      bytesSent: UInt64(requests[at].sent),
      reading: upstream.sawEnd ? .endOfFile : upstream.firstError != nil ? .failed : .open,
      error: error, acknowledgement: scenario.proxy.isBlind ? .unavailable : hasMoved ? .moved : .unmoved,
      response: !requests[at].hasUnparsed ? .none : hasMoved || scenario.proxy.isBlind ? .mayAnswer : .cannotAnswer,
      roundTripTime: socket.smoothedRoundTrip, retransmissionTimeout: socket.retransmissionTimeout)
    switch broken {
    case .bareResetIsProof: if observation.error == .connectionReset { observation.error = .brokenPipe }
    case .noWaitForReset: if upstream.sawEnd, error == nil { observation.error = .brokenPipe }
    case .ackedIgnored: observation.acknowledgement = .unmoved
    case .farewellPassedOn, .unprovenAges, .replayOnPooledConnection, .replayWithoutBody, .learnsNothing, .neverReplays,
      .everyMethodIsIdempotent, .interimForgotten, .idleBeyondLimits, .noTimeouts, nil:
      break
    }
    return observation
  }

  /// The connection ended before a whole response.
  private func attemptLost(_ request: Int32) {
    let at = Int(request)
    let thread = threads[Int(requests[at].thread)]
    let observation = observe(request)
    note(
      "request \(request) lost c\(requests[at].upstream ?? -1): \(observation.reading), \(observation.error.map { "\($0)" } ?? "no error"), acked \(observation.acknowledgement)"
    )
    followEnd(requests[at].machine.connectionEnded(observation, budget: &thread.budget, now: now), request)
  }

  private func awaitReset(_ request: Int32, until deadline: Instant) {
    requests[Int(request)].stage = .judging
    requests[Int(request)].resetDeadline = deadline
    coverage.saw(.resetAwaited)
    note("request \(request) awaits the RST for \(deadline.since(now).milliseconds) ms")
    events.schedule(.resetDue(request: request, attempt: requests[Int(request)].attempt), at: deadline)
    began(.judging)
  }

  private func observeAgain(_ request: Int32, isOver: Bool) {
    let at = Int(request)
    let thread = threads[Int(requests[at].thread)]
    let observation = observe(request)
    let deadline = requests[at].resetDeadline
    let end = requests[at].machine.resetWaitEnded(
      observation, isOver: isOver, until: deadline, budget: &thread.budget, now: now)
    if case .awaitReset = end { return }
    coverage.saw(observation.error == .brokenPipe ? .resetCame : .resetStayedAway)
    followEnd(end, request)
  }

  func resetWaitOver(_ request: Int32, _ attempt: Int32) {
    guard requests[Int(request)].attempt == attempt, case .judging = requests[Int(request)].stage else { return }
    observeAgain(request, isOver: true)
  }

  func responseTimedOut(_ request: Int32, _ attempt: Int32) {
    let at = Int(request)
    guard requests[at].attempt == attempt, !requests[at].machine.isFinished else { return }
    switch requests[at].stage {
    case .none, .waiting, .connecting: return
    case .leased, .judging: break
    }
    note("request \(request) waited too long")
    let span = scenario.proxy.responseTimeout
    let cause: FailureCause =
      requests[at].response >= 0 ? .idleBodyTimeout(after: span) : .responseTimeout(after: span)
    followEnd(requests[at].machine.timedOut(cause, waited: span, observation: observe(request)), request)
  }

  /// Carries out what an exchange decided about the end of an attempt or of a connect.
  func followEnd(_ end: Exchange.AttemptEnd, _ request: Int32) {
    let at = Int(request)
    switch end {
    case .awaitReset(let deadline):
      awaitReset(request, until: deadline)
      // The RST may be here already.
      attemptStirred(request)
    case .replayAfresh(let verdict):
      if broken == .neverReplays {
        attemptJudged(request, verdict)
        fail(request, Failure(.race, verdict: verdict, notReplayed: .tooManyReplays))
        return
      }
      attemptJudged(request, verdict)
      note("request \(request) is replayed: \(verdict)")
      coverage.saw(requests[at].isIdempotent ? .replayOfIdempotent : .replayOfNonIdempotent)
      if requests[at].machine.replays > 1 { coverage.saw(.secondReplay) }
      ledger.replayed(request, verdict)
      returnLease(request, reusable: false)
      acquire(request)
    case .fail(let failure):
      if let verdict = failure.verdict { attemptJudged(request, verdict) }
      fail(request, failure)
    case .abortClient(let failure):
      if let verdict = failure.verdict { attemptJudged(request, verdict) }
      note("request \(request) is broken off")
      coverage.saw(.responseBrokenOff)
      returnLease(request, reusable: false)
      ledger.brokenOff(request)
      clientServed(request)
    }
  }

  /// The request cannot be answered.
  func fail(_ request: Int32, _ failure: Failure) {
    let at = Int(request)
    note(
      "request \(request) fails: \(failure.cause), \(failure.notReplayed.map { "\($0)" } ?? "no replay in question")")
    switch failure.notReplayed {
    case .notIdempotent: coverage.saw(.failedNotIdempotent)
    case .switchedOff: coverage.saw(.failedSwitchedOff)
    case .bodyNotKept: coverage.saw(.failedBodyNotKept)
    case .tooManyReplays: coverage.saw(.failedTooManyReplays)
    case .tooManyFreshLosses: coverage.saw(.failedTooManyFreshLosses)
    case .budgetExhausted: coverage.saw(.failedBudgetExhausted)
    case .connectFailed: coverage.saw(.failedConnect)
    case .timedOut: coverage.saw(.failedTimeout)
    case .responsePassedOn, .invalidResponse, nil: break
    }
    ledger.failed(request, failure, takenBody: requests[at].takenBody, network: network, at: now)
    returnLease(request, reusable: false)
    clientServed(request)
  }

  /// Compares the verdict with the truth, and lets the idle window learn from a lost race.
  private func attemptJudged(_ request: Int32, _ verdict: Verdict) {
    let at = Int(request)
    switch verdict {
    case .neverSent: coverage.saw(.verdictNeverSent)
    case .neverDelivered: coverage.saw(.verdictNeverDelivered)
    case .delivered: coverage.saw(.verdictDelivered)
    case .unknown: coverage.saw(.verdictUnknown)
    // HTTP/2's word, which no server of these worlds gives.
    case .refused: break
    }
    // A connect that failed is no attempt of the ledger.
    guard let connection = requests[at].upstream, let facts = requests[at].facts else { return }
    ledger.verdictReached(requests[at].attempt, verdict)
    if requests[at].sent > 0 { noteTrueEnd(connection) }
    guard facts.isReused, ledger.requests[at].fate == .pending else { return }
    let metClose = requests[at].machine.lastEndWasRace
    let closeAge = facts.idleAge + now.since(requests[at].leasedAt)
    let roundTrip = network[EndpointID(connection, .proxy)].smoothedRoundTrip
    learn {
      $0.raceLost(
        idleAge: facts.idleAge, closeAge: closeAge, connectionAge: facts.connectionAge, uses: facts.uses,
        roundTripTime: roundTrip, verdict: verdict, metClose: metClose, now: now)
    }
  }

  private func noteTrueEnd(_ connection: Int32) {
    switch serverConnections[Int(connection)].end {
    case .open, .done: break
    case .closedIdle: coverage.saw(.finCrossedRequest)
    case .abortedIdle: coverage.saw(.abortCrossedRequest)
    case .halfClosed: coverage.saw(.halfClosedReadOn)
    case .farewell: coverage.saw(.farewellCrossedRequest)
    case .vanished: coverage.saw(.forgottenConnection)
    case .readThenClosed: coverage.saw(.readThenClosed)
    case .readThenAborted: coverage.saw(.readThenAborted)
    case .closedUnread: coverage.saw(.closedWithRequestUnread)
    case .cutOff: coverage.saw(.responseCutOff)
    case .restarted: coverage.saw(.restartMetRequest)
    }
  }

  // MARK: The client leaves

  func clientLeaves(_ request: Int32) {
    let at = Int(request)
    guard !isResolved(request) else { return }
    note("the client of request \(request) leaves")
    coverage.saw(.clientLeft)
    ledger.clientLeft(request)
    let thread = threads[Int(requests[at].thread)]
    switch requests[at].machine.clientLeft() {
    case .nothing: break
    case .closeConnection: returnLease(request, reusable: false)
    case .stopAcquiring:
      switch requests[at].stage {
      case .waiting(let ticket): thread.pool.waitingExchangeLeft(ticket)
      case .connecting:
        guard let connection = requests[at].upstream else { break }
        requests[at].upstream = nil
        upstreams[Int(connection)].request = nil
        if random.chance(perMille: 500) {
          thread.pool.connectingExchangeLeft(upstreams[Int(connection)].id)
        } else {
          abandonConnect(connection)
        }
      case .none, .leased, .judging: break
      }
      requests[at].stage = .none
    }
    clientServed(request)
  }
}
