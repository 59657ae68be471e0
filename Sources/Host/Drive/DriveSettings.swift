package import Core

/// One drive at the race: rounds of bursts through a proxy, each request sent when the proxy's upstream connections have
/// been idle for about as long as the upstream keeps them.
///
/// ```
///   round   warm-up requests, all at once        requests under test, around `idle`
///     |      |||||||||                                       |||||||||
///     +------+--------------------------------------+---------------+----> next round
///                                        idle - spread     idle + spread
/// ```
package struct DriveSettings: Equatable, Sendable {
  /// The proxy.
  package var target: SocketAddress
  /// `Host` of the requests.
  package var host: String
  package var method = "POST"
  package var path = "/"
  /// Bytes of the body of a request under test; none for 0.
  package var bodyBytes = 16
  /// Requests under test in all.
  package var count = 10_000
  /// Client connections, which is also the size of a burst.
  package var connections = 80
  /// From the end of a warm-up to the request under test.
  package var idle = Nanoseconds.seconds(2)
  /// The requests under test are sent at `idle` plus or minus this, drawn evenly.
  package var spread = Nanoseconds.milliseconds(25)
  /// Whether the requests of a round leave together, at one drawn time, or each at its own.
  package var burst = DriveBurst.together
  /// Between the last answer of a round and the next warm-up, so that no old upstream connection is left for it.
  package var rest = Nanoseconds.milliseconds(100)
  /// A request without an answer for this long has failed.
  package var patience = Nanoseconds.seconds(10)
  package var seed: UInt64 = 1
  /// Begins each request's ID, so that several drives can share a ledger.
  package var idPrefix = "race"

  package init(target: SocketAddress, host: String) {
    self.target = target
    self.host = host
  }
}

/// What the drawn offset from the idle time holds for.
package enum DriveBurst: String, CaseIterable, Sendable {
  /// A whole round: its requests meet connections of one age, and no answer of the round comes in time to make one of them
  /// young again. The harder drive.
  case together
  /// One request.
  case scattered
}

/// How a request under test ended at the client.
package enum DriveEnd: Hashable, Comparable, Sendable, CustomStringConvertible {
  case answered
  /// An answer with another status than 2xx.
  case status(Int)
  /// The proxy closed the connection without an answer.
  case closed
  /// The proxy closed the connection within the answer.
  case cutOff
  case reset
  case notConnected(Int32)
  case timedOut
  /// What came is no HTTP response.
  case malformed

  package var description: String {
    switch self {
    case .answered: "answered"
    case .status(let status): "status \(status)"
    case .closed: "closed without an answer"
    case .cutOff: "answer cut off"
    case .reset: "reset"
    case .notConnected(let code): "cannot connect: \(SystemError.text(of: code))"
    case .timedOut: "no answer in time"
    case .malformed: "not HTTP"
    }
  }
}
