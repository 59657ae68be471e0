import Testing

@testable import Core

@Suite struct RetryTests {
  private static func policy(_ change: (inout RetrySettings) -> Void = { _ in }) -> RetryPolicy {
    var settings = RetrySettings()
    settings.limit = 2
    change(&settings)
    return RetryPolicy(settings)
  }

  private func context(_ policy: RetryPolicy = policy(), hasKey: Bool = false, random: UInt64 = .max)
    -> Exchange.RetryContext
  {
    Exchange.RetryContext(policy: policy, hasIdempotencyKey: hasKey, random: random, now: Scene.now)
  }

  /// An exchange whose answer's head is here.
  private func answered(idempotent: Bool = true, _ before: (DrivenExchange) -> Void = { _ in }) -> DrivenExchange {
    let driven = Scene.attempt(idempotent: idempotent)
    before(driven)
    #expect(driven.headArrived(couldAnswer: true) == .passOn)
    return driven
  }

  private func answerFails(
    _ driven: DrivenExchange, _ context: Exchange.RetryContext, status: UInt16 = 503, retryAfter: RetryAfter = .notGiven
  ) -> Exchange.RetryDecision {
    driven.exchange.answerFailed(status: status, retryAfter: retryAfter, context, budget: &driven.budget)
  }

  private func fails(
    _ driven: DrivenExchange, _ failure: Failure, _ context: Exchange.RetryContext
  ) -> Exchange.RetryDecision {
    driven.exchange.attemptFailed(failure, context, budget: &driven.budget)
  }

  @Test func isOffByDefault() {
    #expect(RetryPolicy.off.isOff)
    #expect(answerFails(answered(), context(.off)) == .giveUp(.switchedOff))
  }

  /// The rule's words, over everything that they name.
  @Test func isAllowedExactlyWhereTheWordsAllowIt() {
    var retried = 0
    for mask in 0..<256 {
      func flag(_ bit: Int) -> Bool { mask & (1 << bit) != 0 }
      let (idempotent, hasKey, honoursKey) = (flag(0), flag(1), flag(2))
      let (interim, recordLost, named, isAnswer, started) = (flag(3), flag(4), flag(5), flag(6), flag(7))
      let policy = Self.policy {
        $0.honoursIdempotencyKey = honoursKey
        $0.statuses = named ? [500, 502] : [504]
      }
      let driven = Scene.attempt(idempotent: idempotent)
      if interim {
        _ = driven.headArrived(isInterim: true, couldAnswer: true)
        driven.exchange.interimPassedOn()
      }
      if recordLost { driven.exchange.recordLost() }
      let decision: Exchange.RetryDecision
      if isAnswer {
        _ = driven.headArrived(couldAnswer: true)
        if started { driven.exchange.responsePassedOn() }
        decision = answerFails(driven, context(policy, hasKey: hasKey), status: 500)
      } else {
        let cause = FailureCause.invalidResponse(detail: "x")
        let end = driven.exchange.responseInvalid(
          cause, couldAnswer: true, observation: Scene.quiet, now: Scene.now)
        guard case .fail(let failure) = end else {
          Issue.record("\(end)")
          continue
        }
        #expect(driven.exchange.isFinished)
        decision = fails(driven, failure, context(policy, hasKey: hasKey))
      }
      let isAllowed =
        named && (idempotent || (hasKey && honoursKey)) && !interim && !recordLost && !(isAnswer && started)
      if case .retry = decision {
        retried += 1
        #expect(isAllowed, "\(mask)")
        #expect(!driven.exchange.isFinished && driven.exchange.retries == 1)
        driven.leased(Scene.fresh)
        #expect(driven.lookedAgain(.quiet) == .send, "it acquires")
      } else {
        #expect(!isAllowed, "\(mask): \(decision)")
      }
    }
    #expect(retried > 8)
  }

  @Test func retriesAreBoundedAndBackOff() {
    let driven = answered()
    let policy = Self.policy {
      $0.limit = 8
      $0.longestBackoff = .milliseconds(300)
    }
    for milliseconds: Int64 in [25, 50, 100, 200, 300, 300, 300, 300] {
      #expect(answerFails(driven, context(policy)) == .retry(after: .milliseconds(milliseconds)))
      driven.send(on: Scene.fresh)
      _ = driven.headArrived(couldAnswer: true)
    }
    #expect(answerFails(driven, context(policy)) == .giveUp(.tooManyRetries))
    // The answer is still there to be passed on.
    driven.exchange.responsePassedOn()
    driven.exchange.responseEnded()
    #expect(driven.exchange.retries == 8)
    #expect(answerFails(answered(), context(random: 0)) == .retry(after: .zero))
  }

  @Test func retryAfterIsRespected() {
    #expect(answerFails(answered(), context(), retryAfter: .seconds(2)) == .retry(after: .seconds(2)))
    #expect(answerFails(answered(), context(), retryAfter: .seconds(0)) == .retry(after: .milliseconds(25)))
    #expect(answerFails(answered(), context(), retryAfter: .seconds(3)) == .giveUp(.retryAfterTooLong))
    #expect(answerFails(answered(), context(), retryAfter: .other) == .giveUp(.retryAfterTooLong))
  }

  @Test func aRetryThatWouldComeTooLateIsNone() {
    var late = context()
    late.deadline = Scene.now.advanced(by: .seconds(1))
    let driven = answered()
    let budget = driven.budget
    #expect(answerFails(driven, late, retryAfter: .seconds(1)) == .giveUp(.noTimeLeft))
    #expect(driven.budget == budget, "it costs nothing")
    #expect(answerFails(driven, late) == .retry(after: .milliseconds(25)))
  }

  @Test func retriesAndReplaysShareABudget() {
    let driven = answered()
    let policy = Self.policy { $0.limit = 255 }
    var retries = 0
    while case .retry = answerFails(driven, context(policy)) {
      retries += 1
      driven.send(on: Scene.fresh)
      _ = driven.headArrived(couldAnswer: true)
    }
    #expect(retries == 200)
    #expect(answerFails(driven, context(policy)) == .giveUp(.budgetExhausted))
    let isLeft = driven.budget.take(proven: false, now: Scene.now)
    #expect(!isLeft)
  }

  @Test func whatIsNotTheServersIsNotRetried() {
    for cause: FailureCause in [.nameNotFound, .poolDraining, .descriptorLimit] {
      let driven = DrivenExchange(idempotent: true)
      let failure = driven.exchange.refused(cause)
      let statuses = Self.policy { $0.statuses = [502, 503, 504] }
      #expect(
        fails(driven, failure, context(statuses)) == .giveUp(.notTheServer))
      #expect(driven.exchange.isFinished)
    }
  }

  @Test func refusalsAndFailedConnectsAreRetried() {
    for cause: FailureCause in [.poolQueueFull(limit: 1), .waitTimeout(after: .seconds(1))] {
      let driven = DrivenExchange(idempotent: true)
      let failure = driven.exchange.refused(cause)
      #expect(
        fails(driven, failure, context()) == .retry(after: .milliseconds(25)))
    }
    let driven = DrivenExchange(idempotent: true)
    guard
      case .fail(let failure) = driven.exchange.connectFailed(.connectRefused, othersLeft: false, now: Scene.now)
    else {
      Issue.record("a connect is not replayed when the policy allows none")
      return
    }
    #expect(
      fails(driven, failure, context()) == .retry(after: .milliseconds(25)))
    #expect(driven.exchange.attempts == 1)
  }

  @Test func aTimeoutMayBeRetriedAndAClientThatLeftMayNot() {
    let driven = Scene.attempt(idempotent: true)
    guard
      case .fail(let failure) = driven.exchange.timedOut(
        .responseTimeout(after: .seconds(1)), waited: .seconds(1), observation: Scene.quiet)
    else {
      Issue.record("a timeout fails")
      return
    }
    let left = DrivenExchange(idempotent: true)
    left.exchange = driven.exchange
    #expect(
      fails(driven, failure, context()) == .retry(after: .milliseconds(25)))
    let departure = driven.exchange.clientLeft()
    #expect(departure == .stopAcquiring)
    let other = left.exchange.clientLeft()
    #expect(other == .nothing)
    #expect(fails(left, failure, context()) == .giveUp(.responsePassedOn))
  }

  @Test func readsTheFields() throws {
    func read(_ fields: String) throws -> (RetryAfter, Bool) {
      let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n".utf8)
      var table = FieldTable(capacity: 4)
      var scan = HeadScan()
      _ = RequestHead.parse(bytes.rawSpan, scan: &scan, limits: HeadLimits(), into: &table)
      return (RetryAfter(bytes.rawSpan, table), IdempotencyKey.isPresent(bytes.rawSpan, table))
    }
    #expect(try read("") == (.notGiven, false))
    #expect(try read("Retry-After: 7\r\nidempotency-KEY: \"x\"\r\n") == (.seconds(7), true))
    #expect(try read("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nIdempotency-Key:\r\n") == (.other, false))
    #expect(try read("Retry-After: -1\r\n") == (.other, false))
  }

  @Test func everyStatusHasItsBit() {
    for status in 400..<600 as Range<UInt16> {
      let policy = Self.policy { $0.statuses = [status] }
      for other in 0..<1_000 as Range<UInt16> { #expect(policy.names(status: other) == (other == status)) }
    }
  }
}
