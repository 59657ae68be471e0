import Core

/// One request that failed, was saved, or that a line says nothing more of. Fixed in size; its texts lie in the tally's arena.
package struct LogFailure: Sendable {
  /// nil: the line shows a failure and not which.
  package var kind: LogClass?
  package var confidence = LogConfidence.low
  package var reason = LogReason.closedAtOnce
  package var source: LogSource
  /// End of the request in nanoseconds since 1970; ``noTime`` when the line has none.
  package var time: Int64
  var grain: Int64
  package var status: Int32
  /// In nanoseconds; -1 when not known.
  package var duration: Int64
  package var attemptDuration: Int64
  /// Time from the end of the previous request to the same server to the beginning of this one; -1 when not known.
  package var gap: Int64 = -1
  /// What the proxy itself says of the connection's idle time; -1 when nothing.
  package var idleAge: Int64
  /// Position among the tally's servers; -1 for none.
  package var server: Int32 = -1
  var clientKey: UInt64 = 0
  /// Method and path.
  var requestKey: UInt64 = 0
  /// The path alone.
  var pathKey: UInt64 = 0
  var identifierKey: UInt64 = 0
  /// The ID is long enough to be searched for in a text.
  var isSearchable = false
  var pairKey: UInt64 = 0
  var isEcho = false
  /// A line of success that belongs to a cause that another log tells.
  var isAnswered = false
  var retries: Int32 = 0
  package var isIdempotent = false
  package var file: Int32 = 0
  /// From 1, in its file.
  package var line: Int64
  /// Method, target, the log's own word and the identifier, in this order.
  var textStart: Int
  var methodLength: UInt16 = 0
  var targetLength: UInt16 = 0
  var wordLength: UInt16 = 0
  var identifierLength: UInt16 = 0

  package static let noTime = Int64.min
  package var hasTime: Bool { time != LogFailure.noTime }

  var textEnd: Int {
    textStart + Int(methodLength) + Int(targetLength) + Int(wordLength) + Int(identifierLength)
  }
}
