import Testing

@testable import Core

/// What a test needs of leases and observations, in short.
enum Scene {
  static let now = Instant(nanoseconds: 5_000_000_000)
  static let connection = ConnectionID(slot: 3, generation: 1)

  static let fresh = LeaseFacts(
    connection: connection, idleAge: .zero, connectionAge: .zero, uses: 0)
  static let reused = LeaseFacts(
    connection: connection, idleAge: .milliseconds(4_980), connectionAge: .seconds(60), uses: 12)
  static let reusedAtOnce = LeaseFacts(
    connection: connection, idleAge: .microseconds(50), connectionAge: .seconds(60), uses: 12)

  static func observation(
    _ reading: Observation.Reading, _ error: SocketError?, _ acknowledgement: Acknowledgement
  ) -> Observation {
    Observation(
      bytesSent: 0, reading: reading, error: error, acknowledgement: acknowledgement,
      roundTripTime: .milliseconds(20), retransmissionTimeout: .milliseconds(220))
  }

  static let crossedFin = observation(.endOfFile, nil, .unmoved)
  static let crossedFinConfirmed = observation(.endOfFile, .brokenPipe, .unmoved)
  static let closedAfterReading = observation(.endOfFile, nil, .moved)
  static let bareReset = observation(.failed, .connectionReset, .unmoved)
  static let quiet = observation(.open, nil, .unmoved)

  /// An exchange in the middle of an attempt, its whole request of 52 bytes written.
  static func attempt(
    idempotent: Bool, lease: LeaseFacts = reused, policy: ReplayPolicy = ReplayPolicy()
  ) -> DrivenExchange {
    let exchange = DrivenExchange(idempotent: idempotent, policy: policy)
    exchange.send(on: lease)
    return exchange
  }
}

/// An exchange with a budget, at one instant, whose events can stand within an expectation.
final class DrivenExchange {
  var exchange: Exchange
  var budget = ReplayBudget()

  init(idempotent: Bool, policy: ReplayPolicy = ReplayPolicy()) {
    exchange = Exchange(isIdempotent: idempotent, policy: policy)
  }

  func send(on lease: LeaseFacts) {
    exchange.leased(lease)
    _ = exchange.lookedAgain(.quiet)
    exchange.requestBytesWritten(52)
  }

  func leased(_ lease: LeaseFacts) { exchange.leased(lease) }

  func lookedAgain(_ look: Exchange.Look) -> Exchange.AfterLook { exchange.lookedAgain(look) }

  func headArrived(isInterim: Bool = false, couldAnswer: Bool) -> Exchange.ResponseFate {
    exchange.responseHeadArrived(
      isInterim: isInterim, couldAnswer: couldAnswer, observation: Scene.quiet, now: Scene.now)
  }

  func ended(_ observation: Observation) -> Exchange.AttemptEnd {
    exchange.connectionEnded(observation, budget: &budget, now: Scene.now)
  }

  func judged(_ observation: Observation, isOver: Bool = false) -> Exchange.AttemptEnd {
    exchange.resetWaitEnded(observation, isOver: isOver, until: Scene.now, budget: &budget, now: Scene.now)
  }

  func spokenToFirst(_ cause: FailureCause) -> Exchange.AttemptEnd {
    exchange.spokenToFirst(cause, budget: &budget, now: Scene.now)
  }

  func answerDoubted(_ verdict: Verdict) -> Exchange.AttemptEnd? {
    exchange.answerDoubted(verdict, budget: &budget, now: Scene.now)
  }

  func connectFailed(
    _ cause: FailureCause, othersLeft: Bool = false, patience: Exchange.ConnectPatience = .none,
    now: Instant = Scene.now
  ) -> Exchange.ConnectEnd {
    exchange.connectFailed(cause, othersLeft: othersLeft, patience: patience, now: now)
  }

  func timedOut(_ cause: FailureCause) -> Exchange.AttemptEnd {
    exchange.timedOut(cause, waited: .seconds(60), observation: Scene.quiet)
  }

  func silenceLasted(_ observation: Observation) -> Exchange.AfterSilence {
    exchange.silenceLasted(observation, budget: &budget, now: Scene.now)
  }

  func clientLeft() -> Exchange.ClientDeparture { exchange.clientLeft() }
}

@Suite("One exchange and its attempts")
struct ExchangeTests {
  @Test("The ordinary life of a request")
  func ordinary() {
    let exchange = DrivenExchange(idempotent: false)
    #expect(!exchange.exchange.needsFreshConnection)
    exchange.leased(Scene.reusedAtOnce)
    #expect(exchange.lookedAgain(.quiet) == .send)
    exchange.exchange.requestBytesWritten(40)
    exchange.exchange.requestBytesWritten(12)
    #expect(exchange.exchange.bytesWritten == 52)
    let fate = exchange.headArrived(isInterim: false, couldAnswer: true)
    #expect(fate == .passOn)
    exchange.exchange.responsePassedOn()
    exchange.exchange.responseEnded()
    #expect(exchange.exchange.isFinished)
    #expect(exchange.exchange.attempts == 1)
    #expect(exchange.exchange.replays == 0)
  }

  @Test("A connection found stale is no attempt; after two of them a fresh one is wanted")
  func staleLooks() {
    let exchange = DrivenExchange(idempotent: false)
    for looks in 1...3 {
      exchange.leased(Scene.reused)
      #expect(exchange.lookedAgain(.stale) == .acquireAnother)
      #expect(exchange.exchange.attempts == 0)
      #expect(exchange.exchange.needsFreshConnection == (looks >= 2))
    }
  }

  @Test("A fresh connection on which the server speaks first is never written to, and so few of them are tried")
  func spokenToFirst() {
    let exchange = DrivenExchange(idempotent: false)
    for attempt in 1...2 {
      exchange.leased(Scene.fresh)
      #expect(exchange.lookedAgain(.spoken) == .judge)
      let end = exchange.spokenToFirst(.unaskedResponse)
      if attempt == 1 {
        #expect(end == .replayAfresh(.neverSent))
      } else {
        #expect(
          end
            == .fail(
              Failure(
                .unaskedResponse, verdict: .neverSent, lease: Scene.fresh, attempts: 2,
                notReplayed: .tooManyFreshLosses)))
      }
    }
    let foreign = DrivenExchange(idempotent: true)
    foreign.leased(Scene.fresh)
    _ = foreign.lookedAgain(.spoken)
    let cause = FailureCause.doesNotSpeakHTTP(protocolName: "SSH")
    #expect(
      foreign.spokenToFirst(cause)
        == .fail(
          Failure(cause, verdict: .neverSent, lease: Scene.fresh, attempts: 1, notReplayed: .invalidResponse)))
  }

  @Test("A reused connection on which the server spoke is given up, whatever it said")
  func spokenOnReused() {
    let exchange = DrivenExchange(idempotent: false)
    exchange.leased(Scene.reusedAtOnce)
    #expect(exchange.lookedAgain(.spoken) == .acquireAnother)
    #expect(exchange.exchange.attempts == 0)
  }

  @Test("A doubted answer is given up for a fresh connection where the request may be sent again, and only there")
  func doubtedAnswer() {
    for verdict in [Verdict.delivered, .unknown] {
      let get = Scene.attempt(idempotent: true)
      #expect(get.answerDoubted(verdict) == .replayAfresh(verdict))
      #expect(get.exchange.needsFreshConnection)
      #expect(Scene.attempt(idempotent: false).answerDoubted(verdict) == nil)
      #expect(Scene.attempt(idempotent: true, lease: Scene.fresh).answerDoubted(verdict) == nil)
    }
    let told = Scene.attempt(idempotent: true)
    _ = told.headArrived(isInterim: true, couldAnswer: true)
    told.exchange.interimPassedOn()
    #expect(told.answerDoubted(.delivered) == nil, "the client has heard of this attempt")
    let poor = Scene.attempt(idempotent: true)
    while poor.budget.take(proven: false, now: Scene.now) {}
    #expect(poor.answerDoubted(.delivered) == nil)
  }

  @Test(
    "Only a long silence says that a connection was forgotten", arguments: [(20, false), (999, false), (1_000, true)])
  func shortTimeout(waited: Int64, isSilent: Bool) {
    let exchange = Scene.attempt(idempotent: true)
    var observation = Scene.quiet
    observation.acknowledgement = .unmoved
    _ = exchange.exchange.timedOut(
      .responseTimeout(after: .milliseconds(waited)), waited: .milliseconds(waited), observation: observation)
    #expect(exchange.exchange.lastEndWasSilent == isSilent)
  }

  @Test("A fresh connection that is stale at once is written to and judged, so that it counts as an attempt")
  func staleFresh() {
    let exchange = DrivenExchange(idempotent: false)
    exchange.leased(Scene.fresh)
    #expect(exchange.lookedAgain(.stale) == .send)
    #expect(exchange.exchange.attempts == 1)
    #expect(exchange.ended(Scene.crossedFinConfirmed) == .replayAfresh(.neverSent))
    for _ in 0..<2 {
      exchange.send(on: Scene.fresh)
      #expect(exchange.ended(Scene.crossedFinConfirmed) == .replayAfresh(.neverDelivered))
    }
    exchange.send(on: Scene.fresh)
    guard case .fail(let failure) = exchange.ended(Scene.crossedFinConfirmed) else {
      Issue.record("four attempts are enough")
      return
    }
    #expect(failure.notReplayed == .tooManyReplays)
  }

  @Test("A request that is known to outgrow its record takes a fresh connection")
  func outgrowing() {
    let exchange = Exchange(isIdempotent: false, outgrowsRecord: true, policy: ReplayPolicy())
    #expect(exchange.needsFreshConnection)
  }

  @Test("The race is repaired on proof, once the RST has come", arguments: [false, true])
  func raceRepaired(idempotent: Bool) {
    let exchange = Scene.attempt(idempotent: idempotent)
    let end = exchange.ended(Scene.crossedFin)
    #expect(end == .awaitReset(until: Scene.now.advanced(by: .milliseconds(2 * 20 + 220 + 10))))
    #expect(
      exchange.judged(Scene.crossedFin, isOver: false)
        == .awaitReset(until: Scene.now))
    #expect(
      exchange.judged(Scene.crossedFinConfirmed, isOver: false)
        == .replayAfresh(.neverDelivered))
    #expect(exchange.exchange.lastEndWasRace)
    #expect(exchange.exchange.needsFreshConnection)
    exchange.leased(Scene.fresh)
    #expect(exchange.lookedAgain(.quiet) == .send)
    #expect(exchange.exchange.attempts == 2)
    #expect(exchange.exchange.replays == 1)
  }

  @Test("Without the RST only an idempotent request goes on")
  func resetStaysAway() {
    let post = Scene.attempt(idempotent: false)
    _ = post.ended(Scene.crossedFin)
    let end = post.judged(Scene.crossedFin, isOver: true)
    #expect(
      end
        == .fail(
          Failure(.race, verdict: .unknown, lease: Scene.reused, attempts: 1, notReplayed: .notIdempotent)))
    #expect(post.exchange.isFinished)

    let get = Scene.attempt(idempotent: true)
    _ = get.ended(Scene.crossedFin)
    #expect(
      get.judged(Scene.crossedFin, isOver: true)
        == .replayAfresh(.unknown))
  }

  @Test("Switched off, proof does not help a request that is not idempotent")
  func switchedOff() {
    let exchange = Scene.attempt(idempotent: false, policy: ReplayPolicy(nonIdempotent: .never))
    let end = exchange.ended(Scene.crossedFinConfirmed)
    #expect(
      end
        == .fail(
          Failure(.race, verdict: .neverDelivered, lease: Scene.reused, attempts: 1, notReplayed: .switchedOff)))
  }

  @Test("A request whose body was not kept is not replayed, unless nothing of it was taken yet")
  func recordLost() {
    let exchange = Scene.attempt(idempotent: true)
    exchange.exchange.recordLost()
    let end = exchange.ended(Scene.crossedFinConfirmed)
    #expect(
      end
        == .fail(
          Failure(.race, verdict: .neverDelivered, lease: Scene.reused, attempts: 1, notReplayed: .bodyNotKept)))
  }

  @Test("A farewell is no answer; what follows it decides", arguments: [false, true])
  func farewell(idempotent: Bool) {
    let exchange = Scene.attempt(idempotent: idempotent)
    let fate = exchange.headArrived(isInterim: false, couldAnswer: false)
    #expect(fate == .discard(until: Scene.now.advanced(by: .milliseconds(270))))
    #expect(
      exchange.judged(Scene.crossedFinConfirmed, isOver: false)
        == .replayAfresh(.neverDelivered))
  }

  @Test("Poison on a connection that stays open is not passed on, and a POST is not sent twice for it")
  func poison() {
    let exchange = Scene.attempt(idempotent: false)
    _ = exchange.headArrived(isInterim: false, couldAnswer: false)
    let moved = Scene.observation(.open, nil, .moved)
    let end = exchange.judged(moved, isOver: false)
    #expect(
      end
        == .fail(
          Failure(
            .unaskedResponse, verdict: .delivered, lease: Scene.reused, attempts: 1, notReplayed: .notIdempotent)))
  }

  @Test("Once a byte was passed on, the client's response is broken off")
  func endWithinResponse() {
    let exchange = Scene.attempt(idempotent: true)
    #expect(exchange.headArrived(couldAnswer: true) == .passOn)
    exchange.exchange.responsePassedOn()
    #expect(
      exchange.ended(Scene.closedAfterReading)
        == .abortClient(
          Failure(
            .closedWithinResponse, verdict: .delivered, lease: Scene.reused, attempts: 1,
            notReplayed: .responsePassedOn)))
  }

  @Test("After an interim response the client can still be answered with an error, but nothing is replayed")
  func endAfterInterim() {
    let exchange = Scene.attempt(idempotent: true)
    #expect(exchange.headArrived(isInterim: true, couldAnswer: true) == .passOn)
    exchange.exchange.interimPassedOn()
    #expect(
      exchange.ended(Scene.closedAfterReading)
        == .fail(
          Failure(
            .closedBeforeResponse, verdict: .delivered, lease: Scene.reused, attempts: 1,
            notReplayed: .responsePassedOn)))
    let answered = Scene.attempt(idempotent: true)
    #expect(answered.headArrived(isInterim: true, couldAnswer: true) == .passOn)
    answered.exchange.interimPassedOn()
    #expect(answered.headArrived(couldAnswer: true) == .passOn)
    answered.exchange.responsePassedOn()
    answered.exchange.responseEnded()
    #expect(answered.exchange.isFinished)
  }

  @Test("An answer that broke off before a byte of it was passed on may be asked for again, if idempotent")
  func endBeforePassingOn() {
    let get = Scene.attempt(idempotent: true)
    _ = get.headArrived(isInterim: false, couldAnswer: true)
    #expect(
      get.ended(Scene.closedAfterReading) == .replayAfresh(.delivered))
    #expect(!get.exchange.lastEndWasRace)
    let post = Scene.attempt(idempotent: false)
    _ = post.headArrived(isInterim: false, couldAnswer: true)
    let end = post.ended(Scene.closedAfterReading)
    #expect(
      end
        == .fail(
          Failure(
            .closedWithinResponse, verdict: .delivered, lease: Scene.reused, attempts: 1, notReplayed: .notIdempotent)
        ))
  }

  @Test("A request that kills fresh connections is given up after two of them")
  func queryOfDeath() {
    let exchange = Scene.attempt(idempotent: true)
    #expect(
      exchange.ended(Scene.bareReset) == .replayAfresh(.unknown))
    exchange.leased(Scene.fresh)
    exchange.exchange.requestBytesWritten(52)
    #expect(
      exchange.ended(Scene.closedAfterReading) == .replayAfresh(.delivered))
    exchange.leased(Scene.fresh)
    exchange.exchange.requestBytesWritten(52)
    let end = exchange.ended(Scene.closedAfterReading)
    #expect(
      end
        == .fail(
          Failure(
            .closedBeforeResponse, verdict: .delivered, lease: Scene.fresh, attempts: 3,
            notReplayed: .tooManyFreshLosses)))
  }

  @Test("Every server is asked before a connect that failed fails the request, however many there are")
  func connectFails() {
    let single = DrivenExchange(idempotent: true)
    #expect(
      single.connectFailed(.connectRefused)
        == .fail(Failure(.connectRefused, verdict: .neverSent, attempts: 1, notReplayed: .connectFailed)))
    let several = DrivenExchange(idempotent: false, policy: ReplayPolicy(maximumReplays: 0))
    while several.budget.take(proven: true, now: Scene.now) {}
    for _ in 0..<12 { #expect(several.connectFailed(.connectRefused, othersLeft: true) == .askAnother) }
    #expect(several.exchange.replays == 0, "nothing was sent, so nothing is sent again")
    #expect(!several.exchange.needsFreshConnection)
    #expect(
      several.connectFailed(.connectTimeout(after: .seconds(5)))
        == .fail(
          Failure(
            .connectTimeout(after: .seconds(5)), verdict: .neverSent, attempts: 13, notReplayed: .connectFailed)))
  }

  @Test("A server that refuses for a moment is asked again, after longer and longer waits, until the patience ends")
  func connectIsAwaited() {
    let exchange = DrivenExchange(idempotent: false)
    var now = Scene.now
    let end = now.advanced(by: .milliseconds(500))
    var waits: [Int64] = []
    while case .askAgain(let wait) = exchange.connectFailed(.connectRefused, patience: .until(end), now: now) {
      waits.append(wait.milliseconds)
      now = now.advanced(by: wait)
    }
    #expect(waits == [1, 2, 4, 8, 16, 32, 64, 100, 100, 100, 73])
    #expect(now == end, "it is asked a last time when the patience ends")
    let late = DrivenExchange(idempotent: true)
    #expect(
      late.connectFailed(.connectRefused, patience: .until(end), now: end)
        == .fail(Failure(.connectRefused, verdict: .neverSent, attempts: 1, notReplayed: .connectFailed)))
  }

  @Test("A full backlog is waited for within the time that a connect may take, counted for each exchange")
  func backlogIsAwaited() {
    let cause = FailureCause.backlogFull(after: .seconds(5))
    let exchange = DrivenExchange(idempotent: false)
    let patience = Exchange.ConnectPatience.forSpan(.milliseconds(10))
    #expect(exchange.connectFailed(cause, patience: patience) == .askAgain(after: .milliseconds(1)))
    let later = Scene.now.advanced(by: .milliseconds(9))
    #expect(exchange.connectFailed(cause, patience: patience, now: later) == .askAgain(after: .milliseconds(1)))
    let over = Scene.now.advanced(by: .milliseconds(10))
    #expect(
      exchange.connectFailed(cause, patience: patience, now: over)
        == .fail(Failure(cause, verdict: .neverSent, attempts: 3, notReplayed: .connectFailed)))
  }

  @Test("A timeout is not replayed")
  func timeout() {
    let get = Scene.attempt(idempotent: true)
    #expect(
      get.timedOut(.responseTimeout(after: .seconds(60)))
        == .fail(
          Failure(
            .responseTimeout(after: .seconds(60)), verdict: .unknown, lease: Scene.reused, attempts: 1,
            notReplayed: .timedOut)))
  }

  @Test("When the budget is used up the loss is passed on")
  func budgetExhausted() {
    let exchange = Scene.attempt(idempotent: true)
    while exchange.budget.take(proven: false, now: Scene.now) {}
    while exchange.budget.take(proven: true, now: Scene.now) {}
    let end = exchange.ended(Scene.bareReset)
    #expect(
      end
        == .fail(
          Failure(.race, verdict: .unknown, lease: Scene.reused, attempts: 1, notReplayed: .budgetExhausted)))
  }

  @Test("A server that half-closed in idleness and read on was met by a race, though it has the request")
  func halfClose() {
    let exchange = Scene.attempt(idempotent: false)
    _ = exchange.ended(Scene.crossedFin)
    let end = exchange.judged(Scene.closedAfterReading, isOver: true)
    #expect(
      end
        == .fail(
          Failure(.race, verdict: .delivered, lease: Scene.reused, attempts: 1, notReplayed: .notIdempotent)))
    #expect(exchange.exchange.lastEndWasRace)
  }

  @Test(
    "Silence is looked at where an idempotent request went out on a connection that had idled for long",
    arguments: [
      (true, 12, 1_000, 200, 1_000), (true, 12, 10_000, 600, 1_800), (true, 12, 10_000, 60_000, 5_000),
      (true, 12, 999, 200, nil), (false, 12, 60_000, 200, nil), (true, 0, 60_000, 200, nil),
    ] as [(Bool, UInt32, Int64, Int64, Int64?)])
  func silencePatience(idempotent: Bool, uses: UInt32, idle: Int64, retransmission: Int64, expected: Int64?) {
    let lease = LeaseFacts(
      connection: Scene.connection, idleAge: .milliseconds(idle), connectionAge: .seconds(90), uses: uses)
    let exchange = Scene.attempt(idempotent: idempotent, lease: lease)
    let patience = exchange.exchange.silencePatience(retransmissionTimeout: .milliseconds(retransmission))
    #expect(patience == expected.map { .milliseconds($0) })
  }

  @Test(
    "A forgotten connection is given up early; one that was acknowledged, or whose request cannot be replayed, is not")
  func silence() {
    let forgotten = Scene.attempt(idempotent: true)
    #expect(forgotten.silenceLasted(Scene.quiet) == .end(.replayAfresh(.unknown)))
    #expect(forgotten.exchange.lastEndWasSilent && !forgotten.exchange.lastEndWasRace)
    #expect(forgotten.exchange.needsFreshConnection)

    let arrived = Scene.attempt(idempotent: true)
    #expect(arrived.silenceLasted(Scene.observation(.open, nil, .moved)) == .wait)
    let post = Scene.attempt(idempotent: false)
    #expect(post.silenceLasted(Scene.quiet) == .wait)
    let unkept = Scene.attempt(idempotent: true)
    unkept.exchange.recordLost()
    #expect(unkept.silenceLasted(Scene.quiet) == .wait)
    let closing = Scene.attempt(idempotent: true)
    #expect(closing.silenceLasted(Scene.crossedFin) == .wait, "its end is told by itself")
    let exhausted = Scene.attempt(idempotent: true)
    while exhausted.budget.take(proven: false, now: Scene.now) {}
    #expect(exhausted.silenceLasted(Scene.quiet) == .wait, "better late than never")
  }

  @Test("When the kernel gives up on a connection it was forgotten, not raced")
  func kernelGaveUp() {
    let exchange = Scene.attempt(idempotent: false)
    let gaveUp = Scene.observation(.failed, .timedOut, .unmoved)
    #expect(
      exchange.ended(gaveUp)
        == .fail(
          Failure(.forgotten, verdict: .unknown, lease: Scene.reused, attempts: 1, notReplayed: .notIdempotent)))
    #expect(exchange.exchange.lastEndWasSilent && !exchange.exchange.lastEndWasRace)
  }

  @Test("The client leaves")
  func clientLeaves() {
    let acquiring = DrivenExchange(idempotent: true)
    #expect(acquiring.clientLeft() == .stopAcquiring)
    #expect(acquiring.clientLeft() == .nothing)
    let attempting = Scene.attempt(idempotent: true)
    #expect(attempting.clientLeft() == .closeConnection)
    #expect(attempting.exchange.isFinished)
  }

  @Test("The state of an exchange is small and trivially copied")
  func size() {
    #expect(_isPOD(Exchange.self))
    #expect(MemoryLayout<Exchange>.size <= 128)
  }
}
