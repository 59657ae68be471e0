import Core

/// What a line shows, whatever software wrote it.
enum LogSignal: UInt8, Sendable {
  /// The server answered, or the request needed none: nothing failed.
  case answered
  /// The server's own failure: it answered with a 5xx.
  case serverError
  /// The connection ended before the first byte of an answer.
  case closed
  /// As ``closed``, by a reset.
  case reset
  /// The request could not be written.
  case writeFailed
  /// The proxy says that the connection had been idle when the server closed it.
  case closedIdle
  /// An HTTP/2 server announced with GOAWAY that it does not take the request.
  case goneAway
  /// A 502 of the proxy's own that may come from a close or from a refusal: the format does not tell.
  case closedOrRefused
  /// The server proved, or the proxy proved, that the request was received.
  case diedProved
  /// The body could not be passed on, or the server answered before it had it.
  case bodyFailed
  case connectRefused
  case connectTimedOut
  case noServer
  case answerTimedOut
  case tunnelTimedOut
  case clientLeft
  case cut
  case headTooBig
  case wrongProtocol
  case proxyOwn
  /// An attempt failed, another one succeeded.
  case repaired
  /// A failure about which the format says nothing.
  case unexplained
  /// No request: a connection, a notice.
  case noRequest
  /// The server's half of the race: it closed an idle connection.
  case idleClose
}

/// One line, understood. Ranges are within the line.
struct LogRecord {
  var source: LogSource
  var signal = LogSignal.unexplained
  /// End of the request, or its beginning when ``timeIsStart``; nanoseconds since 1970. nil when the line has none.
  var time: Int64?
  var timeIsStart = false
  /// How finely the time is written.
  var grain: Int64 = LogTime.second
  /// What the line's time is ahead of UTC, in nanoseconds; nil when it names no zone.
  var zone: Int64?
  var status = -1
  /// From the request's arrival to its end.
  var duration: Int64?
  /// What the attempt took that failed, or the last one.
  var attemptDuration: Int64?
  /// Whether the connection to the server had been used before; nil when the line does not tell.
  var isReused: Bool?
  /// How long it had been idle; nil when the line does not tell.
  var idleAge: Int64?
  var server = ByteRange.empty
  var client = ByteRange.empty
  var method = ByteRange.empty
  var target = ByteRange.empty
  /// A request or trace ID.
  var identifier = ByteRange.empty
  /// Joins lines about one request; 0 for none.
  var pairKey: UInt64 = 0
  /// Lines about one request are joined by client and request line; the number is made where it is wanted.
  var joinsByRequest = false
  /// A line that says again, in other words, that the request of another line failed.
  var isEcho = false
  /// Attempts that failed before the last.
  var retries = 0
  /// The proxy says that it was the race.
  var isStated = false
  /// The word of the log for it, for the evidence: flags, a code, an error.
  var word = ByteRange.empty

  init(_ source: LogSource) { self.source = source }
}
