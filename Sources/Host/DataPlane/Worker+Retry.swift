import Core
import Logging

/// Retries, where the settings ask for them: a failed answer is dropped, or a failure is not told, and after a while another
/// server is asked. What may be retried is decided in `Exchange+Retry`.
extension Worker {
  /// Takes note of what lets a request be retried whatever its method, where that plays a part.
  func noteIdempotencyKey(_ exchange: ActiveExchange, _ inbound: borrowing ByteBuffer) {
    guard let policy = exchange.route?.retryPolicy, !policy.isOff, policy.honoursIdempotencyKey else { return }
    exchange.hasIdempotencyKey = IdempotencyKey.isPresent(inbound.readable, fields)
  }

  /// The head of an answer says that the server failed, and nothing of it was passed on.
  ///
  /// - Parameter inbound: the head, and what came behind it.
  /// - Returns: whether the answer was dropped and the request will be sent again.
  func retriesAnswer(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ inbound: borrowing ByteBuffer, _ head: ResponseHead
  ) -> Bool {
    guard let context = retryContext(exchange), context.policy.names(status: head.status) else { return false }
    let server = upstream.server
    let decision = exchange.machine.answerFailed(
      status: head.status, retryAfter: RetryAfter(inbound.readable, fields), context, budget: &server.budget)
    switch decision {
    case .giveUp(let reason):
      noteNotRetried(reason)
      return false
    case .retry(let delay):
      counters.retries["\(head.status)", default: 0] &+= 1
      tellRetry(exchange, "\(head.status): \(server.record.name) answered so", context.policy, delay)
      dropAnswer(exchange, upstream, head, isWhole: isWhole(head, bytesThere: inbound.count))
      backOff(exchange, from: server, delay)
      return true
    }
  }

  /// The exchange failed, and the client was not told. It leases nothing any more.
  ///
  /// - Returns: whether the request will be sent again.
  func retriesFailure(_ exchange: ActiveExchange, _ failure: Failure) -> Bool {
    guard let context = retryContext(exchange), let server = exchange.server else { return false }
    switch exchange.machine.attemptFailed(failure, context, budget: &server.budget) {
    case .giveUp(let reason):
      noteNotRetried(reason)
      return false
    case .retry(let delay):
      counters.retries["\(failure.proxyStatusError)", default: 0] &+= 1
      tellRetry(
        exchange, "\(failure.status): \(failure.sentence(server: server.record.name))", context.policy, delay)
      backOff(exchange, from: server, delay)
      return true
    }
  }

  /// nil where nothing is retried, which costs a look at the route.
  private func retryContext(_ exchange: ActiveExchange) -> Exchange.RetryContext? {
    guard let policy = exchange.route?.retryPolicy, !policy.isOff else { return nil }
    return Exchange.RetryContext(
      policy: policy, hasIdempotencyKey: exchange.hasIdempotencyKey, random: backoffRandomness.next(), now: now,
      deadline: min(exchange.exchangeDeadline, drain?.deadline ?? .distantFuture))
  }

  // MARK: - The answer that nobody gets

  /// Whether the whole answer is here, and nothing behind it.
  private func isWhole(_ head: ResponseHead, bytesThere: Int) -> Bool {
    let contentBytes = UInt64(bytesThere - head.byteCount)
    return switch head.framing {
    // One that announces content and has none may yet be followed by some.
    case .none: contentBytes == 0 && head.declaredLength ?? 0 == 0 && !fields.contains(.transferEncoding)
    case .contentLength(let length): contentBytes == length
    case .chunked, .untilClose: false
    }
  }

  /// Gives the connection back when that takes no more reading, and closes it else: an error page is not worth a wait.
  private func dropAnswer(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ head: ResponseHead, isWhole: Bool
  ) {
    let requestIsSent = exchange.requestBody.isComplete && (exchange.record?.isEmpty ?? true)
    let isReusable =
      isWhole && head.keepsAlive && requestIsSent && !exchange.answerIsEarly && upstream.transport.firstError == 0
    if !isReusable {
      countClose(
        !requestIsSent ? "request-unfinished" : head.keepsAlive ? "answer-dropped" : "last-answer", of: upstream.server)
    }
    // A FIN that came with the response is the end of an idle connection: it is counted and learned from as such.
    if upstream.transport.sawEnd || upstream.transport.peerClosed { upstream.transport.isReadable = true }
    returnLease(exchange, reusable: isReusable)
  }

  // MARK: - The time until the retry

  /// Leaves `server` alone, and asks for a connection, to another one if there is one, when `delay` has passed.
  private func backOff(_ exchange: ActiveExchange, from server: Server, _ delay: Nanoseconds) {
    noteTried(server, by: exchange)
    exchange.record?.rewind()
    exchange.responseBody = .awaitingHead
    exchange.mayHoldHead = false
    exchange.interimCount = 0
    exchange.silenceDeadline = .distantFuture
    exchange.stage = .backingOff
    exchange.hasWaited = true
    expect(.backoff, for: exchange, within: delay)
  }

  /// Whoever left meanwhile has taken the deadline with him.
  func backoffEnded(_ exchange: ActiveExchange) {
    guard case .backingOff = exchange.stage else { return }
    exchange.stage = .none
    acquire(exchange)
  }

  // MARK: - Telling

  private func tellRetry(_ exchange: ActiveExchange, _ what: String, _ policy: RetryPolicy, _ delay: Nanoseconds) {
    notices.post(now) {
      let number = exchange.machine.retries
      log.notice(
        "\(requestLine(exchange)): \(what); retry \(number) of \(policy.maximumRetries) in \(delay.rounded.text)")
    }
  }

  private func noteNotRetried(_ reason: NotRetried) {
    switch reason {
    case .switchedOff, .statusNotNamed: break
    default: counters.notRetried[reason.label, default: 0] &+= 1
    }
  }

  /// The exchange is over; what came of its retries?
  func noteRetried(_ exchange: ActiveExchange) {
    guard !exchange.clientWasLost else { return }
    let isFailure =
      exchange.failure != nil || exchange.route?.retryPolicy.names(status: exchange.status) ?? false
    if isFailure { counters.retriesFailed &+= 1 } else { counters.retriesAnswered &+= 1 }
  }
}

extension NotRetried {
  /// As it stands in counters.
  var label: String {
    switch self {
    case .switchedOff: "switched-off"
    case .statusNotNamed: "status-not-named"
    case .notTheServer: "not-the-server"
    case .notIdempotent: "not-idempotent"
    case .responsePassedOn: "response-passed-on"
    case .bodyNotKept: "body-not-kept"
    case .tooManyRetries: "too-many-retries"
    case .retryAfterTooLong: "retry-after-too-long"
    case .noTimeLeft: "no-time-left"
    case .budgetExhausted: "budget-exhausted"
    }
  }
}
