package import Core

/// One drive: what is sent to a target, and when.
///
/// In bursts, each request leaves when the target's upstream connections have been idle for about `idle`:
/// ```
///   round   warm-up requests, all at once        requests under test, around `idle`
///     |      |||||||||                                       |||||||||
///     +------+--------------------------------------+---------------+----> next round
///                                        idle - spread     idle + spread
/// ```
/// In an open loop, requests leave at times that do not depend on when the earlier ones are answered.
package struct DriveSettings: Equatable, Sendable {
  /// Requests of one drive: as many as an origin's ledger keeps.
  package static let countLimit = 2_000_000
  package static let connectionLimit = 20_000
  /// Requests of an open loop that wait for a client connection.
  package static let queueLimit = 100_000

  /// The proxy.
  package var target: SocketAddress
  /// `Host` of the requests.
  package var host: String
  package var method = "POST"
  package var path = "/"
  /// Further header lines, `Name: value`.
  package var headers: [String] = []
  /// Bytes of the body of a request under test; nil for 16 with POST, PUT and PATCH and none with others.
  package var bodyBytes: Int?
  /// Requests under test in all.
  package var count = 10_000
  /// After this time no round and no request of an open loop begins.
  package var timeLimit: Nanoseconds?
  /// Client connections at most; in bursts also the size of a burst.
  package var connections = 80
  package var traffic = DriveTraffic.bursts

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
  /// How often a client sends a request again, on a connection that is new or in order, when it met a socket error or a 502, 503
  /// or 504. The request keeps its ID.
  package var retries = 0
  /// A target that has refused every connection for this long is gone, and the drive ends. One that connects and does not answer
  /// gets three times `patience` on top.
  package var giveUp = Nanoseconds.seconds(5)
  package var seed: UInt64 = 1
  /// Begins each request's ID, so that several drives can share a ledger.
  package var idPrefix = "race"

  package init(target: SocketAddress, host: String) {
    self.target = target
    self.host = host
  }

  /// Settings that make no drive: which, why, and what would do.
  package struct Misuse: Error, Equatable, Sendable, CustomStringConvertible {
    package var setting: String
    package var fact: String
    package var fix: String
    package var description: String { "\(setting) \(fact); \(fix)" }
  }

  /// Bytes of the body of each request under test.
  package var effectiveBodyBytes: Int { bodyBytes ?? (["POST", "PUT", "PATCH"].contains(method) ? 16 : 0) }

  package func check() throws(Misuse) {
    func refuse(_ isWrong: Bool, _ setting: String, _ fact: String, _ fix: String) throws(Misuse) {
      if isWrong { throw Misuse(setting: setting, fact: fact, fix: fix) }
    }
    try refuse(!(1...Self.countLimit).contains(count), "count", "is \(count)", "give 1 to \(Self.countLimit)")
    try refuse(
      !(1...Self.connectionLimit).contains(connections), "connections", "is \(connections)",
      "give 1 to \(Self.connectionLimit)")
    try refuse(
      method.isEmpty || !method.utf8.allSatisfy(Self.isTokenByte), "method", "'\(method)' is no HTTP method",
      "write for instance GET or POST")
    try refuse(method == "CONNECT", "method", "CONNECT opens a tunnel instead of being answered", "choose another one")
    try refuse(
      !path.hasPrefix("/") || !path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }, "path", "'\(path)' is no path",
      "begin it with / and write all but visible ASCII as %XX")
    for header in headers {
      let name = header.prefix { $0 != ":" }
      let isWhole = header.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } && name.utf8.allSatisfy(Self.isTokenByte)
      try refuse(
        !header.contains(":") || name.isEmpty || !isWhole, "header", "'\(header)' is no header line",
        "write Name: value")
    }
    try refuse(!(0...1 << 40).contains(bodyBytes ?? 0), "body", "has \(bodyBytes ?? 0) bytes", "give 0 to 1 TiB")
    try refuse(!(0...100).contains(retries), "retries", "is \(retries)", "give 0 to 100")
    try refuse(patience <= .zero, "patience", "is no time", "give for instance 10s")
    try refuse(
      !idPrefix.utf8.allSatisfy { Self.isTokenByte($0) } || idPrefix.utf8.count > 64, "ID prefix",
      "'\(idPrefix)' cannot stand in a header and a ledger", "use up to 64 letters, digits, '-', '.' and '_'")
    if case .openLoop(let rate, _, _) = traffic {
      try refuse(
        !(rate > 0 && rate <= 1_000_000), "rate", "is \(rate) requests a second", "give more than 0 and up to 1000000")
    } else {
      try refuse(spread > idle, "spread", "is longer than the idle time", "give at most \(idle.text)")
    }
  }

  /// RFC 9110 section 5.6.2.
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}

package enum DriveTraffic: Equatable, Sendable {
  case bursts
  /// - Parameters:
  ///   - requestsPerSecond: mean rate of the arrivals.
  ///   - reuse: which idle client connection a request takes.
  case openLoop(requestsPerSecond: Double, arrivals: DriveArrivals, reuse: DriveReuse)
}

/// When the requests of an open loop leave.
package enum DriveArrivals: String, CaseIterable, Sendable {
  /// At equal intervals.
  case constant
  /// At random: the intervals are drawn from an exponential distribution, as those of many independent users are.
  case poisson
}

/// Which idle connection of a pool the next request takes.
package enum DriveReuse: String, CaseIterable, Sendable {
  /// The one that was used last.
  case newest
  /// The one that has been idle for longest.
  case oldest
  case random
}

/// What the drawn offset from the idle time holds for.
package enum DriveBurst: String, CaseIterable, Sendable {
  /// A whole round: its requests meet connections of one age, and no answer of the round comes in time to make one of them
  /// young again. The harder drive.
  case together
  /// One request.
  case scattered
}
