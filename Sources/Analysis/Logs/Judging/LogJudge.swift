package import Core

/// The verdict on one line.
package struct LogVerdict: Equatable, Sendable {
  package var kind: LogClass
  package var confidence: LogConfidence
  package var reason: LogReason
}

/// Why a verdict is what it is. The wording stands in one place.
package enum LogReason: UInt8, Sendable, CaseIterable {
  case closedAtOnce, resetAtOnce, writeFailed, closedWithoutTime, closedOrRefusedAtOnce, goneAway, statedByProxy
  case closedAfterWork, freshConnection, receivedForCertain, bodyNotTaken
  case refused, connectTimedOut, noServer, answerTimedOut, tunnelTimedOut, clientLeft, cut, headTooBig, wrongProtocol
  case proxyOwn, repairedSameServer, repaired
  case restart, seenByApplication, neverSeenByApplication

  package var text: String {
    switch self {
    case .closedAtOnce: "the connection closed before an answer, within a round trip of the request"
    case .resetAtOnce: "the connection was reset before an answer, within a round trip of the request"
    case .writeFailed: "the request could not be written: the connection had just been closed"
    case .closedWithoutTime: "the connection closed before an answer; the line does not say after how long"
    case .closedOrRefusedAtOnce:
      "no answer, within a round trip; this format shows a refused connection in the same way"
    case .goneAway: "the server said GOAWAY and did not take the request"
    case .statedByProxy: "the proxy itself says so"
    case .closedAfterWork: "the connection closed only after a while: the server had the request"
    case .freshConnection: "the connection was fresh, so that it cannot have been closed for idleness"
    case .receivedForCertain: "the server had acknowledged the request"
    case .bodyNotTaken: "the server ended the connection while the request's body was being sent"
    case .refused: "no connection could be made"
    case .connectTimedOut: "no connection was made in time"
    case .noServer: "there was no healthy server"
    case .answerTimedOut: "no answer came in time"
    case .tunnelTimedOut: "a timer of the proxy ended a quiet tunnel or stream"
    case .clientLeft: "the client closed first"
    case .cut: "the connection ended within the answer"
    case .headTooBig: "the head of the answer did not fit"
    case .wrongProtocol: "the answer, or the handshake, broke the protocol"
    case .proxyOwn: "the proxy answered without a server"
    case .repairedSameServer: "an attempt failed, and the same server answered the next at once"
    case .repaired: "an attempt failed, and a further one succeeded"
    case .restart: "part of a cluster around refused connections: the server was restarted"
    case .seenByApplication: "the application's log has this request"
    case .neverSeenByApplication: "the application's log does not have this request"
    }
  }
}

/// From what a line shows to what it means: one table.
///
/// ```
/// signal                      reused or unknown           fresh
/// closed, reset, write failed within a round trip: race   died
///                             later: died                 died
///                             no time: race, weaker       died
/// closed or refused           within a round trip: race, weak; later: died
/// ```
package struct LogJudge: Sendable {
  /// A close within this of the request is a crossing; after longer the server has worked on it. The widest usual round trip
  /// is below it, and so are the 1 to 53 ms that were seen at balancers.
  package static let usualRoundTrip = Nanoseconds.milliseconds(250)

  package var roundTrip: Nanoseconds

  package init(roundTrip: Nanoseconds = LogJudge.usualRoundTrip) { self.roundTrip = roundTrip }

  /// nil when nothing failed, and when the line does not tell what did.
  func verdict(_ record: LogRecord) -> LogVerdict? {
    if record.isStated { return LogVerdict(kind: .race, confidence: .high, reason: .statedByProxy) }
    switch record.signal {
    case .answered, .serverError, .unexplained, .noRequest, .idleClose: return nil
    case .closed: return closed(record, .closedAtOnce, confidence(record, .medium))
    case .reset: return closed(record, .resetAtOnce, confidence(record, .medium))
    case .writeFailed: return closed(record, .writeFailed, confidence(record, .medium))
    case .closedIdle: return LogVerdict(kind: .race, confidence: .high, reason: .statedByProxy)
    case .goneAway: return LogVerdict(kind: .race, confidence: .high, reason: .goneAway)
    case .closedOrRefused: return closed(record, .closedOrRefusedAtOnce, .low)
    case .diedProved: return LogVerdict(kind: .died, confidence: .high, reason: .receivedForCertain)
    case .bodyFailed: return LogVerdict(kind: .died, confidence: .medium, reason: .bodyNotTaken)
    case .connectRefused: return LogVerdict(kind: .refused, confidence: .high, reason: .refused)
    case .connectTimedOut: return LogVerdict(kind: .timeout, confidence: .high, reason: .connectTimedOut)
    case .noServer: return LogVerdict(kind: .noServer, confidence: .high, reason: .noServer)
    case .answerTimedOut: return LogVerdict(kind: .timeout, confidence: .high, reason: .answerTimedOut)
    case .tunnelTimedOut: return LogVerdict(kind: .timeout, confidence: .high, reason: .tunnelTimedOut)
    case .clientLeft: return LogVerdict(kind: .clientGone, confidence: .high, reason: .clientLeft)
    case .cut: return LogVerdict(kind: .cut, confidence: .high, reason: .cut)
    case .headTooBig: return LogVerdict(kind: .headTooBig, confidence: .high, reason: .headTooBig)
    case .wrongProtocol: return LogVerdict(kind: .wrongProtocol, confidence: .high, reason: .wrongProtocol)
    case .proxyOwn: return LogVerdict(kind: .local, confidence: .high, reason: .proxyOwn)
    case .repaired:
      let isSame = record.isReused == true
      return LogVerdict(
        kind: .repaired, confidence: isSame ? .high : .medium, reason: isSame ? .repairedSameServer : .repaired)
    }
  }

  /// What the log carries beside the close makes it surer: that the connection was reused.
  private func confidence(_ record: LogRecord, _ usual: LogConfidence) -> LogConfidence {
    if record.isReused == true { return .high }
    return usual
  }

  private func closed(_ record: LogRecord, _ reason: LogReason, _ confidence: LogConfidence) -> LogVerdict {
    if record.isReused == false { return LogVerdict(kind: .died, confidence: .medium, reason: .freshConnection) }
    guard let span = record.attemptDuration else {
      return LogVerdict(
        kind: .race, confidence: min(confidence, record.source.tellsCauses ? .medium : .low), reason: .closedWithoutTime
      )
    }
    guard span <= roundTrip.count else { return LogVerdict(kind: .died, confidence: .medium, reason: .closedAfterWork) }
    return LogVerdict(kind: .race, confidence: confidence, reason: reason)
  }
}
