/// Names one upstream connection of one pool: a slot, and how often the slot was used before.
///
/// Slots are dense from 0 and never exceed the greatest `PoolSettings.maximumConnections` that the pool has had, so a host can
/// index an array with them.
package struct ConnectionID: Hashable, Sendable, BitwiseCopyable {
  package var slot: UInt32
  package var generation: UInt32

  package init(slot: UInt32, generation: UInt32) {
    self.slot = slot
    self.generation = generation
  }

  // The one that the compiler makes is called through a table from other modules.
  @inlinable package static func == (left: ConnectionID, right: ConnectionID) -> Bool {
    left.slot == right.slot && left.generation == right.generation
  }
}

extension ConnectionID: CustomStringConvertible {
  package var description: String { "\(slot).\(generation)" }
}

/// Names one exchange of one thread. The host makes it; the pool only hands it back.
package struct ExchangeID: Hashable, Sendable, BitwiseCopyable {
  package var slot: UInt32
  package var generation: UInt32

  package init(slot: UInt32, generation: UInt32) {
    self.slot = slot
    self.generation = generation
  }
}

extension ExchangeID: CustomStringConvertible {
  package var description: String { "\(slot).\(generation)" }
}

/// A place in the queue for a connection, given by the pool and named to it when the exchange leaves the queue.
package struct WaitTicket: Hashable, Sendable, BitwiseCopyable {
  package var slot: UInt32
  package var generation: UInt32

  package init(slot: UInt32, generation: UInt32) {
    self.slot = slot
    self.generation = generation
  }
}
