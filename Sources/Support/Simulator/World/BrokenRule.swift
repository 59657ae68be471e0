/// A rule of the proxy that is broken on purpose, to see that the ledger notices.
package enum BrokenRule: String, Sendable, CaseIterable {
  /// Any RST is taken for the one that follows a FIN.
  case bareResetIsProof = "bare-reset-is-proof"
  /// The end of the stream is proof; the RST that must confirm it is not awaited.
  case noWaitForReset = "no-wait-for-reset"
  /// Whatever response comes is the answer.
  case farewellPassedOn = "farewell-passed-on"
  /// Acknowledged bytes do not count.
  case ackedIgnored = "acked-ignored"
  /// A non-idempotent request takes a connection of any idle age.
  case unprovenAges = "unproven-ages"
  /// A replay takes a pooled connection.
  case replayOnPooledConnection = "replay-on-pooled-connection"
  /// A request is replayed although a part of its body was not kept.
  case replayWithoutBody = "replay-without-body"
  /// Nothing is learned from closes.
  case learnsNothing = "learns-nothing"
  /// Nothing is ever replayed.
  case neverReplays = "never-replays"
  /// A non-idempotent request is replayed as if it were idempotent.
  case everyMethodIsIdempotent = "every-method-is-idempotent"
  /// What an interim response has passed on is forgotten: the request is replayed after it.
  case interimForgotten = "interim-forgotten"
  /// What idles beyond limits that a reload has lowered stays.
  case idleBeyondLimits = "idle-beyond-limits"
  /// A request waits for its answer for ever.
  case noTimeouts = "no-timeouts"
}
