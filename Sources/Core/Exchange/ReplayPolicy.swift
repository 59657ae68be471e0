/// When a request may be sent a second time.
package struct ReplayPolicy: Sendable, Hashable, BitwiseCopyable {
  /// What is allowed for methods that are not idempotent (RFC 9110 section 9.2.2).
  ///
  /// The letter of that section is that a proxy must not automatically retry them. A request that is proved never to
  /// have reached the server was not tried; HTTP/2 says the same of REFUSED_STREAM (RFC 9113 section 8.7).
  package enum NonIdempotent: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// Replay on proof that the request was never sent or never delivered.
    case proven
    case never
  }

  package var nonIdempotent: NonIdempotent
  /// Replays of one exchange.
  package var maximumReplays: UInt8
  /// Attempts on a fresh connection that may end without a response and without proof of non-delivery before the
  /// exchange fails: a request that kills every worker that reads it must not be handed round.
  package var maximumFreshLosses: UInt8
  /// Whether the server's own word that it has not acted on a request (``Verdict/refused``) is enough to replay any method.
  package var believesRefusals: Bool

  package init(
    nonIdempotent: NonIdempotent = .proven, believesRefusals: Bool = true,
    maximumReplays: UInt8 = 3,
    maximumFreshLosses: UInt8 = 2
  ) {
    self.nonIdempotent = nonIdempotent
    self.maximumReplays = maximumReplays
    self.maximumFreshLosses = maximumFreshLosses
    self.believesRefusals = believesRefusals
  }
}

/// Why an attempt was not followed by a replay.
package enum NotReplayed: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  /// The method is not idempotent and the verdict proves nothing.
  case notIdempotent
  /// The method is not idempotent and its replay on proof is switched off.
  case switchedOff
  /// A part of the response has been passed on.
  case responsePassedOn
  /// A part of the request was not kept.
  case bodyNotKept
  /// The exchange had its share of replays.
  case tooManyReplays
  /// Fresh connections die from it, too.
  case tooManyFreshLosses
  /// The server's replays have used up their budget.
  case budgetExhausted
  /// No server took the connection, as long as it was asked for.
  case connectFailed
  /// Time ran out: the server has the request, or nobody answers at all. A second wait as long would help nobody.
  case timedOut
  /// The response broke the grammar; the server would say it again.
  case invalidResponse
}
