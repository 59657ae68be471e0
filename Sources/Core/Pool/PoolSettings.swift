/// The limits of one pool: one server as seen by one thread.
package struct PoolSettings: Sendable, Hashable, BitwiseCopyable {
  /// Connections in any state, those being opened included. At least 1.
  package var maximumConnections: UInt32
  /// Connections that wait for a request. When one too many comes back, the one idle longest is closed.
  package var maximumIdleConnections: UInt32
  /// A connection is closed at this idle age whatever the server does; also the configured limit of the idle window.
  package var maximumIdleAge: Nanoseconds
  /// A connection is not leased from this age on.
  package var maximumConnectionAge: Nanoseconds
  /// A connection is closed after this many requests. At least 1.
  package var maximumUses: UInt32
  /// Exchanges that wait for a connection when `maximumConnections` are busy.
  package var maximumWaiting: UInt32
  /// How long one of them waits.
  package var maximumWait: Nanoseconds
  /// Off: one connection for each request.
  package var reuses: Bool
  /// Connections kept idle beyond the idle window, never leased, to see whether the server keeps them longer than is
  /// believed.
  package var maximumSentinels: UInt32

  /// Two: one alone could be the one that a restart closes.
  package static let defaultSentinels: UInt32 = 2

  package init(
    maximumConnections: UInt32 = 1_024,
    maximumIdleConnections: UInt32 = 1_024,
    maximumIdleAge: Nanoseconds = .seconds(60),
    maximumConnectionAge: Nanoseconds = .seconds(3_600),
    maximumUses: UInt32 = .max,
    maximumWaiting: UInt32 = 1_024,
    maximumWait: Nanoseconds = .seconds(10),
    reuses: Bool = true,
    maximumSentinels: UInt32 = PoolSettings.defaultSentinels
  ) {
    precondition(maximumConnections >= 1, "a pool without connections cannot serve")
    precondition(maximumUses >= 1, "a connection that carries no request cannot serve")
    self.maximumConnections = maximumConnections
    self.maximumIdleConnections = maximumIdleConnections
    self.maximumIdleAge = maximumIdleAge
    self.maximumConnectionAge = maximumConnectionAge
    self.maximumUses = maximumUses
    self.maximumWaiting = maximumWaiting
    self.maximumWait = maximumWait
    self.reuses = reuses
    self.maximumSentinels = maximumSentinels
  }
}
