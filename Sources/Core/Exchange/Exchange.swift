/// One request with all its attempts: what to do next, and when to give up.
///
/// ```
///                 leased             response head may answer
///   acquiring ------------> attempting ----------------------> answering ---> passingOn ---> finished
///       ^                    |      |                              |              |
///       |                    |      | end, RST missing             |              |
///       |       end, settled |      v                              |              |
///       |                    |   judging                           |              |
///       |                    v      | RST came, or the wait ended  |              |
///       +--- replay <--------+------+------------------------------+              |
///                            |                                                    |
///                            +-----> finished (failed)    finished (aborted) <----+
/// ```
///
/// The data plane and the simulator drive it with events and carry out what each returns. It allocates nothing before a
/// failure. Whenever an attempt ends, its upstream connection is closed: none of the ends leaves it usable. Only
/// ``responseEnded()`` leaves that question to the host, which knows the framing.
///
/// An event that its state does not allow is a fault of the host's. It ends this exchange and nothing else (``fault``).
package struct Exchange: Sendable {
  /// One sending of the request on one connection.
  private struct Attempt: Sendable, BitwiseCopyable {
    var lease: LeaseFacts
    var bytesWritten: UInt64 = 0
    /// A response came that cannot be the answer.
    var sawUnaskedResponse = false
    /// The server's FIN came while not one byte of the request was acknowledged: it had left before the request
    /// arrived.
    var metClose = false
    /// When its end was seen first; what followed was waiting.
    var endSeenAt: Instant?
  }

  private enum State: Sendable, BitwiseCopyable {
    /// Asks for a connection, waits for one or has one opened. Next: attempting; finished when there is none to have.
    case acquiring
    /// The request is being sent, or its response awaited. Next: answering, judging, acquiring (replay), finished.
    case attempting(Attempt)
    /// The attempt ended, or a response came that cannot be its answer; what the wire still brings decides the verdict.
    /// Next: acquiring (replay), finished.
    case judging(Attempt)
    /// The head of the answer is here and no byte of it was passed on. Next: passingOn, acquiring (replay), finished.
    case answering(Attempt)
    /// The client has bytes of the response. Next: finished.
    case passingOn(Attempt)
    /// It failed, and the client has no byte of a final response. Next: acquiring, when the policy allows a retry; else final.
    case failed
    /// Answered, broken off, or left by the client. Final.
    case finished
  }

  private var state = State.acquiring
  package let isIdempotent: Bool
  private let outgrowsRecord: Bool
  package let policy: ReplayPolicy
  /// Whether all that was taken from the client of this request is still kept, so that it can be sent again.
  package private(set) var isRecordWhole = true
  /// Attempts begun, failed connects included.
  package private(set) var attempts: UInt8 = 0
  package private(set) var replays: UInt8 = 0
  /// When a connect failed first since this exchange began to ask for its present connection, and how often it has waited
  /// since then for one to succeed.
  private var connectsFailSince: Instant?
  private var connectWaits: UInt8 = 0
  private var freshLosses: UInt8 = 0
  /// Attempts that the server refused by its own word.
  private var refusals: UInt8 = 0
  private var staleLooks: UInt8 = 0
  private(set) var hasPassedInterim = false
  /// Retries begun: further tries of a request that was answered, or failed, with a status that the settings name.
  package private(set) var retries: UInt8 = 0
  /// The verdict on the last attempt that ended without a response.
  package private(set) var lastVerdict: Verdict?

  /// Whether that attempt met the close of a reused connection: what
  /// ``IdleWindow`` asks of a lost race.
  package private(set) var lastEndWasRace = false

  /// When the end of that attempt was seen, the wait for the RST not counted: less the beginning of the lease, and with
  /// its idle age, that is the idle age at which the server closed.
  package private(set) var lastEndSeenAt: Instant?

  /// Whether that attempt met silence: sent on a reused connection, and not one byte of it acknowledged however often
  /// the kernel sent it again. The connection had been forgotten, by the server or by something on the way; no FIN will
  /// ever tell.
  package private(set) var lastEndWasSilent = false

  /// The first event that came in a state that does not allow it. From then on everything ends the exchange; the host closes the
  /// client's connection and names the fault in the log.
  package private(set) var fault: ExchangeFault?

  /// After so many connections that were found stale in a row a fresh one is taken: the rest of the pool is most likely
  /// as old.
  package static let maximumStaleLooks: UInt8 = 2

  /// - Parameter outgrowsRecord: whether it is known beforehand that the request is larger than what is kept for a
  ///   replay. It could not be repaired, so it takes a fresh connection, which knows no race.
  package init(isIdempotent: Bool, outgrowsRecord: Bool = false, policy: ReplayPolicy) {
    self.isIdempotent = isIdempotent
    self.outgrowsRecord = outgrowsRecord
    self.policy = policy
  }

  // MARK: - Acquiring a connection

  /// Whether the pool must be asked for a connection that carried nothing before.
  package var needsFreshConnection: Bool { outgrowsRecord || replays > 0 || staleLooks >= Exchange.maximumStaleLooks }

  /// A connection is there: from the pool, handed over, or just opened. Just before the first byte is written, peek at the
  /// socket and tell ``lookedAgain(_:)``.
  package mutating func leased(_ lease: LeaseFacts) {
    switch state {
    case .acquiring: break
    case .attempting, .judging, .answering, .passingOn, .failed, .finished: return noteFault(.leased)
    }
    attempts &+= 1
    connectsFailSince = nil
    connectWaits = 0
    state = .attempting(Attempt(lease: lease))
  }

  package enum Look: UInt8, Sendable, Hashable, BitwiseCopyable {
    /// Open, and nothing to read.
    case quiet
    /// End of file or an error.
    case stale
    /// Bytes that nobody asked for: whatever they are, they are not the answer to a request that was not written yet.
    case spoken
  }

  package enum AfterLook: UInt8, Sendable, Hashable, BitwiseCopyable {
    case send
    /// Give the lease back as stale and ask for another, with ``needsFreshConnection``.
    case acquireAnother
    /// The connection is fresh, and so would the next one be: tell ``spokenToFirst(_:budget:now:)``.
    case judge
  }

  package mutating func lookedAgain(_ look: Look) -> AfterLook {
    guard case .attempting(let attempt) = state, attempt.bytesWritten == 0 else {
      noteFault(.lookedAgain)
      return .judge
    }
    switch look {
    case .quiet: return .send
    case .stale, .spoken:
      // A server that closes what it has just accepted, or speaks first, would be asked again without end. Send, and
      // let the evidence judge: that counts as an attempt and is bounded as one.
      if !attempt.lease.isReused, attempt.lease.idleAge <= EvidenceRule.unguardedIdleAge {
        return look == .stale ? .send : .judge
      }
      staleLooks &+= 1
      attempts &-= 1
      state = .acquiring
      return .acquireAnother
    }
  }

  /// The server spoke on a fresh connection before a byte of the request was written. Nothing of the request is sent there.
  ///
  /// - Parameter cause: another protocol's greeting, or `.unaskedResponse`: another connection may do better.
  package mutating func spokenToFirst(
    _ cause: FailureCause, budget: inout ReplayBudget, now: Instant
  ) -> AttemptEnd {
    guard case .attempting(let attempt) = state, attempt.bytesWritten == 0 else { return faulted(.spokenToFirst) }
    freshLosses &+= 1
    lastVerdict = .neverSent
    lastEndSeenAt = now
    lastEndWasSilent = false
    lastEndWasRace = false
    var reason = objection(to: .neverSent)
    if reason == nil, cause != .unaskedResponse { reason = .invalidResponse }
    if reason == nil, !budget.take(proven: true, now: now) { reason = .budgetExhausted }
    if let reason { return fail(cause, verdict: .neverSent, lease: attempt.lease, notReplayed: reason) }
    replays &+= 1
    state = .acquiring
    return .replayAfresh(.neverSent)
  }

  // MARK: - The end of an attempt

  /// What follows the end of an attempt. The upstream connection is closed in every case but `awaitReset`, which closes
  /// it later.
  package enum AttemptEnd: Sendable, Hashable {
    /// Keep the socket and observe it again when it shows something new, at the latest then; tell
    /// ``Exchange/resetWaitEnded(_:isOver:until:budget:now:)``.
    case awaitReset(until: Instant)
    /// Close, and ask for a fresh connection.
    case replayAfresh(Verdict)
    /// Close, and answer the client with the failure.
    case fail(Failure)
    /// Close, and break off the client's response so that it cannot be taken for whole: it has a part of it.
    case abortClient(Failure)
  }

  /// What follows a connect that failed. Nothing was sent, so the method plays no part, and a further connect is no replay.
  package enum ConnectEnd: Sendable, Hashable {
    /// Ask a server that this exchange has not asked yet.
    case askAnother
    /// All were asked. One may be there in a moment: ask all of them again when so much time has passed.
    case askAgain(after: Nanoseconds)
    /// Answer the client with the failure.
    case fail(Failure)
  }

  /// How long an exchange goes on asking when no server takes its connection.
  package enum ConnectPatience: Sendable, Hashable, BitwiseCopyable {
    /// Asking again would help nobody.
    case none
    /// The server began to refuse a while ago; from then on it is taken for gone.
    case until(Instant)
    /// Counted from this exchange's first connect that failed.
    case forSpan(Nanoseconds)
  }

  /// The connect failed or took too long, or there was no descriptor for it.
  ///
  /// Neither the limit of replays nor their budget plays a part: the next server is asked instead of this one, so that
  /// nobody's work is multiplied, and there are only so many of them. Where these could run out, requests would fail
  /// beside servers that are well.
  ///
  /// - Parameter othersLeft: whether there is a server that this exchange has not asked.
  package mutating func connectFailed(
    _ cause: FailureCause, othersLeft: Bool, patience: ConnectPatience = .none, now: Instant
  ) -> ConnectEnd {
    switch state {
    case .acquiring: break
    case .attempting, .judging, .answering, .passingOn, .failed, .finished:
      noteFault(.connectFailed)
      return .fail(faultFailure)
    }
    if attempts < .max { attempts += 1 }
    lastVerdict = .neverSent
    lastEndWasRace = false
    lastEndWasSilent = false
    if othersLeft { return .askAnother }
    let since = connectsFailSince ?? now
    connectsFailSince = since
    let end: Instant =
      switch patience {
      case .none: now
      case .until(let instant): instant
      case .forSpan(let span): since.advanced(by: span)
      }
    guard now < end else {
      let failure = failure(cause, verdict: .neverSent, lease: nil, notReplayed: .connectFailed)
      state = .failed
      return .fail(failure)
    }
    let wait = min(Exchange.shortestConnectWait * (1 << Int64(min(connectWaits, 16))), Exchange.longestConnectWait)
    if connectWaits < .max { connectWaits += 1 }
    // The last time at the very end.
    return .askAgain(after: min(wait, end.since(now)))
  }

  /// A full backlog has room again when the server accepts, which it does all the time; a server that starts anew takes a
  /// while. Each wait is twice as long as the one before.
  package static let shortestConnectWait = Nanoseconds.milliseconds(1)
  package static let longestConnectWait = Nanoseconds.milliseconds(100)

  /// The pool had no connection to give: the queue is full, the wait is over, it drains, or there is no descriptor.
  package mutating func refused(_ cause: FailureCause) -> Failure {
    switch state {
    case .acquiring: break
    case .attempting, .judging, .answering, .passingOn, .failed, .finished:
      noteFault(.refused)
      return faultFailure
    }
    state = .failed
    return Failure(cause, verdict: .neverSent, attempts: attempts)
  }

  /// The kernel accepted bytes of the request on this attempt.
  package mutating func requestBytesWritten(_ count: Int) {
    switch state {
    case .attempting(var attempt):
      attempt.bytesWritten &+= UInt64(count)
      state = .attempting(attempt)
    case .answering(var attempt):
      attempt.bytesWritten &+= UInt64(count)
      state = .answering(attempt)
    case .passingOn(var attempt):
      attempt.bytesWritten &+= UInt64(count)
      state = .passingOn(attempt)
    case .acquiring, .judging, .failed, .finished: noteFault(.requestBytesWritten)
    }
  }

  /// Bytes of the request were taken from the client and not kept: it outgrew the record. It can no longer be replayed.
  package mutating func recordLost() {
    isRecordWhole = false
  }

  /// The attempt's connection ended (end of file or an error, in reading or writing) before a whole response.
  ///
  /// Not for a response that is delimited by the close: that one ended well, see ``responseEnded()``.
  package mutating func connectionEnded(
    _ observation: Observation, budget: inout ReplayBudget, now: Instant
  ) -> AttemptEnd {
    switch state {
    case .attempting(var attempt):
      let observation = completed(observation, of: attempt)
      switch EvidenceRule.judge(observation) {
      case .awaitReset(let span):
        attempt.metClose = true
        attempt.endSeenAt = now
        state = .judging(attempt)
        return .awaitReset(until: now.advanced(by: span))
      case .verdict(let verdict):
        return settle(attempt, verdict: verdict, observation: observation, budget: &budget, now: now)
      }
    case .answering(let attempt):
      return settle(attempt, verdict: .delivered, observation: observation, budget: &budget, now: now)
    case .passingOn(let attempt):
      state = .finished
      lastVerdict = .delivered
      return .abortClient(
        failure(
          withinResponse(observation), verdict: .delivered, lease: attempt.lease, notReplayed: .responsePassedOn))
    case .acquiring, .judging, .failed, .finished: return faulted(.connectionEnded)
    }
  }

  /// While the confirming RST is awaited the socket showed something new, or the wait is over.
  ///
  /// - Parameter isOver: whether the wait is over. When it is not and the evidence is still open, the wait goes on.
  package mutating func resetWaitEnded(
    _ observation: Observation, isOver: Bool, until deadline: Instant, budget: inout ReplayBudget, now: Instant
  ) -> AttemptEnd {
    guard case .judging(let attempt) = state else { return faulted(.resetWaitEnded) }
    let observation = completed(observation, of: attempt)
    if !isOver, case .awaitReset = EvidenceRule.judge(observation) { return .awaitReset(until: deadline) }
    let verdict = EvidenceRule.judgeAfterWait(observation)
    return settle(attempt, verdict: verdict, observation: observation, budget: &budget, now: now)
  }

  // MARK: - The response

  /// Whether the host has to measure SIOCOUTQ for the response head that just arrived.
  package var mustCheckAnswer: Bool {
    if case .attempting = state { true } else { false }
  }

  package enum ResponseFate: Sendable, Hashable {
    /// It is the answer (or may be): pass it on.
    case passOn
    /// It cannot be the answer: pass nothing on, read nothing more as a response, observe the socket, and tell
    /// ``resetWaitEnded(_:isOver:until:budget:now:)`` at the latest then.
    case discard(until: Instant)
  }

  /// A response head is here, an interim one (1xx) included.
  ///
  /// - Parameters:
  ///   - isInterim: a 1xx other than 101; another head follows.
  ///   - couldAnswer: what ``EvidenceRule/couldAnswer(bytesWritten:unacknowledgedBytes:)`` says, or true where
  ///     ``mustCheckAnswer`` asks for no check.
  ///   - observation: of the socket as it is now; only used when it cannot be the answer.
  package mutating func responseHeadArrived(
    isInterim: Bool, couldAnswer: Bool, observation: @autoclosure () -> Observation, now: Instant
  ) -> ResponseFate {
    switch state {
    case .attempting(var attempt):
      guard couldAnswer, attempt.bytesWritten > 0 else {
        attempt.sawUnaskedResponse = true
        let wait = EvidenceRule.resetWait(completed(observation(), of: attempt))
        state = .judging(attempt)
        return .discard(until: now.advanced(by: wait))
      }
      if !isInterim { state = .answering(attempt) }
      return .passOn
    case .passingOn:
      // The final head after an interim one that was passed on.
      return .passOn
    case .acquiring, .judging, .answering, .failed, .finished:
      noteFault(.responseHeadArrived)
      return .discard(until: now)
    }
  }

  /// An interim response (1xx) was handed to the client's side. From here on nothing can be replayed, but the client
  /// can still be answered: a final response may follow, an error as well.
  package mutating func interimPassedOn() {
    switch state {
    case .attempting: hasPassedInterim = true
    case .acquiring, .judging, .answering, .passingOn, .failed, .finished: noteFault(.interimPassedOn)
    }
  }

  /// A byte of the final response was handed to the client's side. From here on nothing can be replayed.
  package mutating func responsePassedOn() {
    switch state {
    case .attempting(let attempt), .answering(let attempt), .passingOn(let attempt):
      state = .passingOn(attempt)
    case .acquiring, .judging, .failed, .finished: noteFault(.responsePassedOn)
    }
  }

  /// The whole response is here. The exchange is over as far as the upstream is concerned.
  package mutating func responseEnded() {
    switch state {
    case .answering, .passingOn: state = .finished
    case .acquiring, .attempting, .judging, .failed, .finished: noteFault(.responseEnded)
    }
  }

  /// What arrived on a reused connection may belong to an earlier request: it is no response at all, another answer came
  /// with it, or the server has just been seen to send answers that nobody had asked for. Where the request may be sent
  /// again it is, on a fresh connection, where there is no earlier request.
  ///
  /// - Parameter verdict: delivered where the response may be the answer, else unknown.
  /// - Returns: nil where it may not: the host goes on as without the doubt.
  package mutating func answerDoubted(
    _ verdict: Verdict, budget: inout ReplayBudget, now: Instant
  ) -> AttemptEnd? {
    guard case .attempting(let attempt) = state, attempt.lease.isReused, objection(to: verdict) == nil,
      budget.take(proven: false, now: now)
    else { return nil }
    lastVerdict = verdict
    lastEndSeenAt = now
    lastEndWasSilent = false
    lastEndWasRace = false
    replays &+= 1
    state = .acquiring
    return .replayAfresh(verdict)
  }

  /// What came is no response: it breaks the grammar or is another protocol.
  ///
  /// - Parameter couldAnswer: as for ``responseHeadArrived(isInterim:couldAnswer:observation:now:)``.
  package mutating func responseInvalid(
    _ cause: FailureCause, couldAnswer: Bool, observation: Observation, now: Instant
  )
    -> AttemptEnd
  {
    switch state {
    case .attempting(var attempt):
      if !couldAnswer {
        attempt.sawUnaskedResponse = true
        let wait = EvidenceRule.resetWait(completed(observation, of: attempt))
        state = .judging(attempt)
        return .awaitReset(until: now.advanced(by: wait))
      }
      lastVerdict = .delivered
      return fail(cause, verdict: .delivered, lease: attempt.lease, notReplayed: .invalidResponse)
    case .answering(let attempt):
      lastVerdict = .delivered
      return fail(cause, verdict: .delivered, lease: attempt.lease, notReplayed: .invalidResponse)
    case .passingOn(let attempt):
      lastVerdict = .delivered
      state = .finished
      return .abortClient(
        failure(cause, verdict: .delivered, lease: attempt.lease, notReplayed: .responsePassedOn))
    case .acquiring, .judging, .failed, .finished: return faulted(.responseInvalid)
    }
  }

  /// Nothing moved for too long: `.sendTimeout` while the request is sent, `.responseTimeout` before the head,
  /// `.idleBodyTimeout` within the response.
  ///
  /// - Parameter waited: how long ago the last byte of the request was written.
  package mutating func timedOut(
    _ cause: FailureCause, waited: Nanoseconds, observation: Observation
  ) -> AttemptEnd {
    switch state {
    case .attempting(let attempt), .judging(let attempt), .answering(let attempt):
      let observation = completed(observation, of: attempt)
      let verdict = EvidenceRule.judgeAfterWait(observation)
      lastVerdict = verdict
      lastEndWasRace = false
      // A kernel may hold an acknowledgement back for a while: only a long silence says that nobody is there.
      lastEndWasSilent =
        waited >= Exchange.patience(retransmissionTimeout: observation.retransmissionTimeout)
        && isSilent(attempt, observation)
      return fail(cause, verdict: verdict, lease: attempt.lease, notReplayed: .timedOut)
    case .passingOn(let attempt):
      lastVerdict = .delivered
      state = .finished
      return .abortClient(
        failure(cause, verdict: .delivered, lease: attempt.lease, notReplayed: .responsePassedOn))
    case .acquiring, .failed, .finished: return faulted(.timedOut)
    }
  }

  // MARK: - Silence

  /// When to look whether the request of an attempt arrived at all, counted from its first byte; `nil` when there is no
  /// need.
  ///
  /// A firewall or a NAT forgets connections that idle for long, and says nothing. What is sent on one of them is
  /// neither acknowledged nor reset, and the client would wait for the whole response timeout. A server's kernel
  /// acknowledges within a round trip and some milliseconds, however busy its application is.
  ///
  /// - Parameter retransmissionTimeout: `tcpi_rto`.
  package func silencePatience(retransmissionTimeout: Nanoseconds) -> Nanoseconds? {
    guard case .attempting(let attempt) = state, isIdempotent, attempt.lease.isReused,
      attempt.lease.idleAge >= Exchange.forgettingAge
    else { return nil }
    return Exchange.patience(retransmissionTimeout: retransmissionTimeout)
  }

  /// Three transmissions and their time: two losses in a row are no proof of anything, but silence then is more than loss,
  /// and more than a delayed acknowledgement (40 to 500 ms).
  private static func patience(retransmissionTimeout: Nanoseconds) -> Nanoseconds {
    min(max(retransmissionTimeout * 3, minimumPatience), maximumPatience)
  }

  /// What idled for less is taken for remembered: no middlebox forgets so soon, and a busy pool, which reuses within
  /// milliseconds, does not pay for the look.
  package static let forgettingAge = Nanoseconds.seconds(1)
  package static let minimumPatience = Nanoseconds.seconds(1)
  package static let maximumPatience = Nanoseconds.seconds(5)

  package enum AfterSilence: Sendable, Hashable {
    /// Bytes arrived, or the request cannot be replayed: go on waiting for the response.
    case wait
    case end(AttemptEnd)
  }

  /// The time of ``silencePatience(retransmissionTimeout:)`` is over and no byte of a response has come.
  package mutating func silenceLasted(
    _ observation: Observation, budget: inout ReplayBudget, now: Instant
  ) -> AfterSilence {
    guard case .attempting(let attempt) = state else { return .wait }
    let observation = completed(observation, of: attempt)
    guard isSilent(attempt, observation), observation.reading == .open, observation.error == nil,
      objection(to: .unknown) == nil, budget.take(proven: false, now: now)
    else { return .wait }
    lastVerdict = .unknown
    lastEndWasRace = false
    lastEndWasSilent = true
    replays &+= 1
    state = .acquiring
    return .end(.replayAfresh(.unknown))
  }

  private func isSilent(_ attempt: Attempt, _ observation: Observation) -> Bool {
    attempt.lease.isReused && observation.bytesSent > 0 && observation.acknowledgement == .unmoved
      && !attempt.sawUnaskedResponse
  }

  // MARK: - Retries (Exchange+Retry.swift)

  /// What a retry could follow.
  enum RetryPoint: UInt8 {
    /// The head of an answer that was not passed on.
    case answer
    case failure
  }

  var retryPoint: RetryPoint? {
    switch state {
    case .answering: .answer
    case .failed: .failure
    case .acquiring, .attempting, .judging, .passingOn, .finished: nil
    }
  }

  mutating func retryBegan() {
    retries &+= 1
    state = .acquiring
  }

  // MARK: - The client

  package enum ClientDeparture: UInt8, Sendable, Hashable, BitwiseCopyable {
    /// Leave the pool's queue, or the connect.
    case stopAcquiring
    /// Close the upstream connection: nobody wants the rest.
    case closeConnection
    case nothing
  }

  /// The client went away.
  package mutating func clientLeft() -> ClientDeparture {
    defer { state = .finished }
    switch state {
    case .acquiring: return .stopAcquiring
    case .attempting, .judging, .answering, .passingOn: return .closeConnection
    case .failed, .finished: return .nothing
    }
  }

  package var isFinished: Bool {
    switch state {
    case .failed, .finished: true
    case .acquiring, .attempting, .judging, .answering, .passingOn: false
    }
  }

  /// Bytes of the request that the kernel accepted on the present attempt.
  package var bytesWritten: UInt64 {
    switch state {
    case .attempting(let attempt), .judging(let attempt), .answering(let attempt), .passingOn(let attempt):
      attempt.bytesWritten
    case .acquiring, .failed, .finished: 0
    }
  }

  /// Whether a server may have got some of the request, on this attempt or an earlier one.
  package var mayHaveArrived: Bool {
    bytesWritten > 0 || retries > 0 || !(lastVerdict?.provesNoDelivery ?? true)
  }

  // MARK: - Faults

  /// Nothing of what the host has done so far is known to be right: the client's connection cannot go on either.
  private mutating func faulted(_ event: ExchangeFault.Event) -> AttemptEnd {
    noteFault(event)
    return .abortClient(faultFailure)
  }

  @inline(never)
  private mutating func noteFault(_ event: ExchangeFault.Event) {
    let point: ExchangeFault.Point =
      switch state {
      case .acquiring: .acquiring
      case .attempting: .attempting
      case .judging: .judging
      case .answering: .answering
      case .passingOn: .passingOn
      case .failed: .failed
      case .finished: .finished
      }
    fault = fault ?? ExchangeFault(event: event, point: point)
    state = .finished
  }

  private var faultFailure: Failure {
    Failure(
      .proxyError(detail: fault?.description ?? ""), verdict: lastVerdict, attempts: attempts, notReplayed: nil)
  }

  // MARK: - Deciding

  /// The host observes the socket; what the exchange itself knows it need not repeat.
  private func completed(_ observation: Observation, of attempt: Attempt) -> Observation {
    var observation = observation
    observation.bytesSent = attempt.bytesWritten
    if attempt.sawUnaskedResponse { observation.response = .cannotAnswer }
    return observation
  }

  /// Attempts of one exchange that may end by the server's refusal and are followed by another.
  private static let maximumRefusals: UInt8 = 12

  private mutating func settle(
    _ attempt: Attempt, verdict: Verdict, observation: Observation, budget: inout ReplayBudget, now: Instant
  ) -> AttemptEnd {
    lastVerdict = verdict
    lastEndSeenAt = attempt.endSeenAt ?? now
    lastEndWasSilent = observation.error == .timedOut && isSilent(attempt, observation)
    lastEndWasRace = !lastEndWasSilent && isRace(attempt, verdict)
    if verdict == .refused, refusals < .max { refusals += 1 }
    let isLoss = !verdict.provesNoDelivery
    if isLoss, !attempt.lease.isReused { freshLosses &+= 1 }
    if let reason = objection(to: verdict) {
      return fail(
        cause(of: attempt, observation: observation, verdict: verdict), verdict: verdict, lease: attempt.lease,
        notReplayed: reason)
    }
    guard budget.take(proven: verdict.provesNoDelivery, now: now) else {
      return fail(
        cause(of: attempt, observation: observation, verdict: verdict), verdict: verdict, lease: attempt.lease,
        notReplayed: .budgetExhausted)
    }
    replays &+= 1
    state = .acquiring
    return .replayAfresh(verdict)
  }

  private func objection(to verdict: Verdict) -> NotReplayed? {
    if hasPassedInterim { return .responsePassedOn }
    if !isIdempotent {
      if !verdict.provesNoDelivery { return .notIdempotent }
      switch policy.nonIdempotent {
      case .proven: break
      case .never: return .switchedOff
      }
      if verdict == .refused, !policy.believesRefusals { return .switchedOff }
    }
    if !isRecordWhole { return .bodyNotKept }
    // A server that says GOAWAY after some streams refuses in bursts what it takes on the next connection.
    if verdict == .refused
      ? policy.maximumReplays == 0 || refusals > Self.maximumRefusals : replays >= policy.maximumReplays &+ refusals
    {
      return .tooManyReplays
    }
    if freshLosses >= policy.maximumFreshLosses { return .tooManyFreshLosses }
    return nil
  }

  private func cause(of attempt: Attempt, observation: Observation, verdict: Verdict) -> FailureCause {
    if case .answering = state { return withinResponse(observation) }
    if attempt.sawUnaskedResponse { return .unaskedResponse }
    if lastEndWasSilent { return .forgotten }
    if verdict == .refused { return .streamRefused }
    if isRace(attempt, verdict) { return .race }
    switch observation.reading {
    case .endOfFile: return .closedBeforeResponse
    case .open, .failed: return .resetBeforeResponse
    }
  }

  /// Whether a request met the close of a connection that had idled. A server that half-closes in idleness and reads on
  /// gets the request all the same: a race lost, and delivered.
  private func isRace(_ attempt: Attempt, _ verdict: Verdict) -> Bool {
    guard attempt.lease.isReused, verdict != .refused else { return false }
    if case .answering = state { return false }
    return attempt.metClose || verdict != .delivered
  }

  private func withinResponse(_ observation: Observation) -> FailureCause {
    switch observation.reading {
    case .endOfFile: .closedWithinResponse
    case .open, .failed: .resetWithinResponse
    }
  }

  private func failure(
    _ cause: FailureCause, verdict: Verdict, lease: LeaseFacts?, notReplayed: NotReplayed?
  ) -> Failure {
    Failure(cause, verdict: verdict, lease: lease, attempts: attempts, notReplayed: notReplayed)
  }

  private mutating func fail(
    _ cause: FailureCause, verdict: Verdict, lease: LeaseFacts?, notReplayed: NotReplayed
  ) -> AttemptEnd {
    let failure = failure(cause, verdict: verdict, lease: lease, notReplayed: notReplayed)
    state = .failed
    return .fail(failure)
  }
}
