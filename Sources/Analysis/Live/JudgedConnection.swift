/// A connection that will not change any more, and what was found about it.
package struct JudgedConnection: Sendable {
  /// Number of the connection, from 0.
  package var number: Int
  package var findings: [CaptureFinding]
}

/// What a packet belonged to.
package struct PacketPlace: Equatable, Sendable {
  package var connection: Int
  /// An exchange was complete with it: what came before is no longer needed to judge the next one, but for how long the
  /// connection idled.
  package var completesExchange = false

  package init(connection: Int) { self.connection = connection }

  init(connection: Int, events: [TurnEvent]) {
    self.connection = connection
    for case .exchangeCompleted in events { completesExchange = true }
  }
}
