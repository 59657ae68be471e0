/// Retries: what a client would do that knows how to, done here because the settings ask for it.
///
/// ```
/// // A final response head came, and responseHeadArrived said passOn:
/// if policy.names(status: head.status) {
///   switch call.machine.answerFailed(status: head.status, retryAfter: RetryAfter(bytes, fields), ...) {
///   case .giveUp: // pass the response on, as without a policy
///   case .retry(let delay): // drop the response (its connection goes back if it is whole, else it is closed), rewind the
///                           // request, and after `delay` acquire, another server first
///   }
/// }
/// // An event returned .fail(failure), or refused(_:) returned a failure, and the lease is given back:
/// switch call.machine.attemptFailed(failure, ...) {
/// case .giveUp: // answer the client with the failure, as without a policy
/// case .retry(let delay): // rewind the request, and after `delay` acquire
/// }
/// ```
///
/// A retry is not a replay: the server may well have done what it was asked for, so only what may be done twice is retried,
/// whatever the evidence. Both draw from one budget.
extension Exchange {
  package enum RetryDecision: Sendable, Hashable, BitwiseCopyable {
    case giveUp(NotRetried)
    /// Ask for a connection again when so much time has passed; the exchange acquires.
    case retry(after: Nanoseconds)
  }

  /// What a retry needs to know that the exchange does not.
  package struct RetryContext: Sendable, BitwiseCopyable {
    package var policy: RetryPolicy
    /// Whether the request carries `Idempotency-Key`.
    package var hasIdempotencyKey: Bool
    /// Any random number.
    package var random: UInt64
    package var now: Instant
    /// When the exchange must be over: a retry that would begin only then is none.
    package var deadline: Instant

    package init(
      policy: RetryPolicy, hasIdempotencyKey: Bool, random: UInt64, now: Instant, deadline: Instant = .distantFuture
    ) {
      self.policy = policy
      self.hasIdempotencyKey = hasIdempotencyKey
      self.random = random
      self.now = now
      self.deadline = deadline
    }
  }

  /// The head of the answer says that the server failed.
  ///
  /// - Parameter budget: that of the server which answered.
  package mutating func answerFailed(
    status: UInt16, retryAfter: RetryAfter, _ context: RetryContext, budget: inout ReplayBudget
  ) -> RetryDecision {
    guard retryPoint == .answer else { return .giveUp(.responsePassedOn) }
    return decide(status: status, retryAfter: retryAfter, context, budget: &budget)
  }

  /// The exchange failed, and the client was not told yet.
  ///
  /// - Parameter budget: that of the server which was asked last.
  package mutating func attemptFailed(
    _ failure: Failure, _ context: RetryContext, budget: inout ReplayBudget
  ) -> RetryDecision {
    guard retryPoint == .failure else { return .giveUp(.responsePassedOn) }
    if context.policy.isOff { return .giveUp(.switchedOff) }
    guard failure.cause.isServers else { return .giveUp(.notTheServer) }
    return decide(status: UInt16(failure.status), retryAfter: .notGiven, context, budget: &budget)
  }

  private mutating func decide(
    status: UInt16, retryAfter: RetryAfter, _ context: RetryContext, budget: inout ReplayBudget
  ) -> RetryDecision {
    let policy = context.policy
    if policy.isOff { return .giveUp(.switchedOff) }
    guard policy.names(status: status) else { return .giveUp(.statusNotNamed) }
    guard isIdempotent || (policy.honoursIdempotencyKey && context.hasIdempotencyKey) else {
      return .giveUp(.notIdempotent)
    }
    if hasPassedInterim { return .giveUp(.responsePassedOn) }
    guard isRecordWhole else { return .giveUp(.bodyNotKept) }
    guard retries < policy.maximumRetries else { return .giveUp(.tooManyRetries) }
    var delay = policy.backoff(retriesBefore: retries, random: context.random)
    switch retryAfter {
    case .notGiven: break
    case .seconds(let seconds):
      let asked = Nanoseconds.seconds(Int64(seconds))
      guard asked <= policy.longestRetryAfter else { return .giveUp(.retryAfterTooLong) }
      delay = max(delay, asked)
    case .other: return .giveUp(.retryAfterTooLong)
    }
    guard context.now.advanced(by: delay) < context.deadline else { return .giveUp(.noTimeLeft) }
    guard budget.take(proven: false, now: context.now) else { return .giveUp(.budgetExhausted) }
    retryBegan()
    return .retry(after: delay)
  }
}

extension FailureCause {
  /// Whether the server, or the way to it, is what failed: another server, or the same one later, may do better.
  fileprivate var isServers: Bool {
    switch self {
    case .connectRefused, .unreachable, .connectTimeout, .backlogFull, .connectFailed, .tlsFailed, .tlsTimeout,
      .poolQueueFull, .waitTimeout, .sendTimeout,
      .responseTimeout, .idleBodyTimeout, .race, .forgotten, .closedBeforeResponse, .resetBeforeResponse,
      .streamRefused,
      .closedWithinResponse, .resetWithinResponse, .unaskedResponse, .invalidResponse, .doesNotSpeakHTTP,
      .responseTooLarge:
      true
    // No address, no descriptor, no time left, or a pool that drains: there is nobody to ask, or no more asking.
    case .nameNotFound, .poolDraining, .descriptorLimit, .exchangeTimeout, .upgradeFailed, .tunnelTimeout, .drainEnded,
      .stopped,
      .proxyError:
      false
    }
  }
}
