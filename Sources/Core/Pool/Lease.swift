/// The facts of a lease that outlive it: what the exchange, the log and the learner want to know of the connection.
package struct LeaseFacts: Sendable, Hashable, BitwiseCopyable {
  package var connection: ConnectionID
  /// Time since the last byte of the last response on the connection, or since it was opened.
  package var idleAge: Nanoseconds
  /// Time since the connection was opened.
  package var connectionAge: Nanoseconds
  /// Requests that the connection carried before this one.
  package var uses: UInt32

  package init(
    connection: ConnectionID, idleAge: Nanoseconds, connectionAge: Nanoseconds, uses: UInt32
  ) {
    self.connection = connection
    self.idleAge = idleAge
    self.connectionAge = connectionAge
    self.uses = uses
  }

  @inlinable package var isReused: Bool { uses > 0 }
}

/// The right of one attempt to use one upstream connection. Goes back to its pool exactly once, by
/// ``Pool/leaseReturned(_:reusable:idleSince:bounds:now:)`` or
/// ``Pool/leaseFoundStale(_:idempotent:freshOnly:bounds:now:)``.
package struct Lease: ~Copyable {
  package let facts: LeaseFacts
  package let exchange: ExchangeID

  init(facts: LeaseFacts, exchange: ExchangeID) {
    self.facts = facts
    self.exchange = exchange
  }

  package var connection: ConnectionID { facts.connection }

  /// Ends the lease without a trace. Only a pool does this.
  consuming func end() -> LeaseFacts {
    let facts = self.facts
    discard self
    return facts
  }

  deinit {
    assertionFailure("a lease was dropped instead of given back: its connection would be lost to the pool")
  }
}
