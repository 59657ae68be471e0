internal import Core

/// What one event loop has counted of the exchanges of one route or one server.
package struct ExchangeCounts: Sendable {
  /// By the first digit of the status; 0: the client left first.
  package private(set) var byClass = InlineArray<6, UInt64>(repeating: 0)
  package private(set) var duration = SpanCounts.latency
  package private(set) var firstByte = SpanCounts.latency
  package private(set) var requestBytes: UInt64 = 0
  package private(set) var responseBytes: UInt64 = 0

  package init() {}

  /// One exchange that ended.
  struct Ended {
    var status: UInt16
    var wasAborted: Bool
    var duration: Nanoseconds
    /// nil when no head came.
    var firstByte: Nanoseconds?
    var requestBytes: UInt64
    var responseBytes: UInt64
  }

  mutating func record(_ ended: Ended) {
    byClass[ended.wasAborted ? 0 : min(Int(ended.status / 100), 5)] &+= 1
    duration.record(ended.duration)
    if let first = ended.firstByte { firstByte.record(first) }
    requestBytes &+= ended.requestBytes
    responseBytes &+= ended.responseBytes
  }

  package mutating func add(_ other: ExchangeCounts) {
    for place in 0..<6 { byClass[place] &+= other.byClass[place] }
    duration.add(other.duration)
    firstByte.add(other.firstByte)
    requestBytes &+= other.requestBytes
    responseBytes &+= other.responseBytes
  }
}

/// What one event loop has counted of one server and its connections.
package struct ServerCounts: Sendable {
  package var exchanges = ExchangeCounts()
  package var attempts: UInt64 = 0
  package var opened: UInt64 = 0
  package var connectFailures: UInt64 = 0
  package var reused: UInt64 = 0
  /// By how.
  package var closedByServer: [String: UInt64] = [:]
  /// By reason.
  package var closedByProxy: [String: UInt64] = [:]
  package var idleAtReuse = SpanCounts.idleAge
  package var idleAtClose = SpanCounts.idleAge
  /// By how.
  package var racesAvoided: [String: UInt64] = [:]
  /// These by verdict.
  package var racesRepaired: [String: UInt64] = [:]
  package var racesLost: [String: UInt64] = [:]
  package var attemptsFailed: [String: UInt64] = [:]
  package var replays: [String: UInt64] = [:]
  /// By where they were seen.
  package var unasked: [String: UInt64] = [:]

  package init() {}

  package mutating func add(_ other: ServerCounts) {
    exchanges.add(other.exchanges)
    attempts &+= other.attempts
    opened &+= other.opened
    connectFailures &+= other.connectFailures
    reused &+= other.reused
    idleAtReuse.add(other.idleAtReuse)
    idleAtClose.add(other.idleAtClose)
    for path in [
      \ServerCounts.closedByServer, \.closedByProxy, \.racesAvoided, \.racesRepaired, \.racesLost, \.attemptsFailed,
      \.replays, \.unasked,
    ] {
      self[keyPath: path].merge(other[keyPath: path], uniquingKeysWith: &+)
    }
  }
}
