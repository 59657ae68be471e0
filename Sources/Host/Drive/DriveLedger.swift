package import Core

/// How a request under test ended at the client.
package enum DriveEnd: Hashable, Comparable, Sendable, CustomStringConvertible {
  case answered
  /// An answer with another status than 2xx.
  case status(Int)
  /// The target closed the connection without an answer.
  case closed
  /// The target closed the connection within the answer.
  case cutOff
  case reset
  case notConnected(Int32)
  case timedOut
  /// What came is no HTTP response.
  case malformed
  /// In an open loop: no client connection was free in time.
  case unsent

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
    case .unsent: "not sent: no client connection was free"
    }
  }

  /// Whether a client that retries would send the request again.
  var invitesRetry: Bool {
    switch self {
    case .closed, .cutOff, .reset, .notConnected, .timedOut, .status(502), .status(503), .status(504): true
    case .answered, .status, .malformed, .unsent: false
    }
  }

  /// Whether the target has said anything at all.
  var isResponse: Bool {
    switch self {
    case .answered, .status: true
    case .closed, .cutOff, .reset, .notConnected, .timedOut, .malformed, .unsent: false
    }
  }
}

/// What became of one request under test, as its client saw it.
package struct DriveOutcome: Equatable, Sendable {
  /// From 0 on; ``DriveLedger/id(of:)`` makes the ID of it.
  package var number: Int
  package var end: DriveEnd
  /// How long the connection had been idle when the request left: in bursts since the warm-up's answer, in an open loop since
  /// the last answer on the client connection that it took; nil on a new one.
  package var gap: Nanoseconds?
  /// From the time at which the request was to leave to its end, so that what holds up the sending counts.
  package var latency: Nanoseconds
  /// How often it was sent again.
  package var retries: Int

  package init(number: Int, end: DriveEnd, gap: Nanoseconds? = nil, latency: Nanoseconds = .zero, retries: Int = 0) {
    self.number = number
    self.end = end
    self.gap = gap
    self.latency = latency
    self.retries = retries
  }
}

/// Why a drive ended.
package enum DriveStop: Equatable, Sendable {
  case completed
  case timeIsUp
  /// Somebody told it to.
  case interrupted
  /// The target stopped answering; how the last request failed.
  case targetGone(DriveEnd)

  package var name: String {
    switch self {
    case .completed: "completed"
    case .timeIsUp: "time is up"
    case .interrupted: "interrupted"
    case .targetGone: "target gone"
    }
  }
}

/// What the clients of a drive saw.
package struct DriveLedger: Equatable, Sendable {
  package var idPrefix: String
  package var outcomes: [DriveOutcome] = []
  /// Requests that made connections ready for those under test, and that are in no ledger of an upstream.
  package var warmUps = 0
  package var warmUpFailures: [DriveEnd: Int] = [:]
  /// Of answered requests, from the time at which they were to leave.
  package var latency = LatencyHistogram()
  /// Of answered requests, from the time at which they did leave.
  package var serviceTime = LatencyHistogram()
  package var connects = 0
  /// Idle client connections that the target closed.
  package var idleCloses = 0
  /// Idle client connections on which something came that nobody had asked for.
  package var unaskedAnswers = 0
  /// Requests under way when the drive was stopped; they are in no count.
  package var abandoned = 0
  package var duration = Nanoseconds.zero
  package var stop = DriveStop.completed

  package init(idPrefix: String) { self.idPrefix = idPrefix }

  package func id(of outcome: DriveOutcome) -> String { "\(idPrefix)-\(outcome.number)" }

  /// A line of JSON for each request.
  package var lines: String {
    var text = ""
    for outcome in outcomes {
      text += "{\"id\":\"\(id(of: outcome))\",\"end\":\"\(outcome.end)\",\"gap_ms\":"
      text += outcome.gap.map { "\(DriveReport.milliseconds($0))" } ?? "null"
      text += ",\"latency_ms\":\(DriveReport.milliseconds(outcome.latency)),\"retries\":\(outcome.retries)}\n"
    }
    return text
  }
}

/// How far a drive is.
package struct DriveProgress: Equatable, Sendable {
  /// Requests under test that have ended.
  package var ended = 0
  package var failed = 0
  package var count: Int
  package var elapsed = Nanoseconds.zero
}
