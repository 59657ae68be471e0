package import Core

/// A request, or a turn of an unknown protocol, and what came back.
package struct Exchange: Sendable {
  /// Number on its connection, from 1.
  package var number: Int
  package var speech: Speech
  /// Offsets of its first byte, and of the byte behind its last as far as known, in the client's stream.
  package var start: Int64
  package var end: Int64
  /// The request was read to its end.
  package var requestIsComplete = false
  /// The first segment that carried its first byte.
  package var first: Mark
  /// The capture may have missed an earlier sending of its first byte.
  package var firstMayBeMissed: Bool
  package var lastSent: Mark
  /// Further sendings of its first byte.
  package var retransmissions = 0
  package var lastRetransmission: Mark?
  /// The least and the most that sendings of its first byte acknowledge of the server's stream.
  package var leastAcknowledged: Int64?
  package var mostAcknowledged: Int64?
  /// Time since the last payload on the connection; since the handshake for the first exchange.
  package var idleAge: Nanoseconds
  /// Nothing is missing in the capture between that and the request.
  package var idleAgeIsKnown = true
  /// Answered exchanges before it on this connection; counts what the capture shows.
  package var reuseCount: Int
  /// When the server's acknowledgement covered its first byte.
  package var delivered: Mark?
  package var method = ""
  package var target = ""
  /// The request said `Connection: close`, or is HTTP/1.0 without keep-alive.
  package var requestCloses = false
  /// A message before it on this connection announced the close.
  package var afterCloseAnnounced: Mark?

  /// The first and last segment of the answer, and the offsets in the server's stream.
  package var answerFirst: Mark?
  package var answerLast: Mark?
  package var answerStart: Int64 = 0
  package var answerEnd: Int64 = 0
  package var status: Int?
  package var answerIsComplete = false
  /// The answer announced a close.
  package var answerCloses = false
  /// The value of `Keep-Alive: timeout=`, in seconds.
  package var advertisedTimeout: Int?
  /// The answer is not HTTP although the request is.
  package var answerIsNotHTTP = false
  package var requestIsNotHTTP = false
  /// A complete message of the server that was sent before it had received this request.
  package var unasked: UnaskedAnswer?
  /// Bytes of it, or of its answer, are not in the capture, so that its end was not seen.
  package var hasHole = false
  /// Packets of it, or of its answer, were cut by the capture's snap length: they are known to TCP, their content is not.
  package var isCut = false
  /// Turns of TLS and HTTP/2: something was asked, not only handshakes, alerts and settings.
  package var isRequest = true
  /// Whether its records could be control frames of HTTP/2 in TLS just as well as a request.
  package var mayBeControl = false
  /// HTTP/2: its stream, and how that was reset.
  package var stream: UInt32 = 0
  package var streamReset: StreamReset?
  /// HTTP/2 in TLS: the streams that it asks in, where more than one and the lengths of its records tell.
  package var streams: Int?
  /// TLS: what came from the server behind it is so small that it may hold nothing but control frames of HTTP/2.
  package var smallAnswer: Mark?
  /// What came first behind it, where that is no answer but why the server closes: the connection was idle.
  package var idleFarewell: String?
  /// TLS: it was sent behind what an answer answers, without a wait: another request, or the rest of the same.
  package var isRemainder = false
  /// Its last bytes are those with which clients of some protocol take their leave; no answer is owed to them.
  package var isFarewell = false
  /// Segments that brought something new of it.
  package var pieces = 0
  /// An interim response (1xx) came.
  package var interim: Mark?
  /// The bytes right before it are missing in the capture: it may be the rest of another request.
  package var beginsBehindHole = false
  /// Bytes that the client sent before it, that were received, and never answered: a message to which no answer is owed, or
  /// this one's beginning.
  package var unansweredBefore: Int64 = 0
  /// An exchange that it was sent behind, before that was answered, announced the close.
  package var wasPipelinedBehindClose = false

  /// The client says goodbye, and asks nothing.
  package var isLeave: Bool { isFarewell || !isRequest || mayBeControl }

  /// The client itself withdrew it (RST_STREAM).
  package var isCancelled: Bool { streamReset?.side == .client }

  /// What the server had begun to say before it received a byte of this, and the client had not taken when it sent this: why the
  /// server closes, mostly.
  package var crossingWords: UnaskedAnswer? {
    guard let unasked, unasked.acknowledges <= start, (leastAcknowledged ?? .max) < unasked.end else { return nil }
    return unasked
  }

  package var label: String {
    switch speech {
    case .http1: method.isEmpty ? "a request" : target.isEmpty ? method : "\(method) \(target)"
    case .tls: "a request over TLS (\(end - start) bytes\(streams.map { ", \($0) streams" } ?? ""))"
    case .http2:
      stream == 0
        ? "an HTTP/2 turn (\(end - start) bytes)" : "an HTTP/2 request (stream \(stream), \(end - start) bytes)"
    case .other, .undecided: "a turn of \(end - start) bytes"
    }
  }
}

/// Something that the server said of its own accord.
package struct UnaskedAnswer: Sendable {
  package var first: Mark
  package var last: Mark
  package var start: Int64
  package var end: Int64
  package var status: Int?
  package var closes = false
  package var isComplete = false
  package var speech: Speech
  /// The most that any of its segments acknowledges of the client's stream.
  package var acknowledges: Int64
  /// The last payload before it that was part of an exchange.
  package var activityBefore: Instant?
  /// TLS: an alert.
  package var isAlert = false
  /// TLS: a record of the size of a GOAWAY.
  package var goAway = Likeness.none

  package var mayBeGoAway: Bool { goAway > .none }

  /// How like a GOAWAY of HTTP/2 a record is.
  package enum Likeness: UInt8, Comparable, Sendable {
    case none
    /// As one with debug data.
    case possible
    /// As one without.
    case exact

    package static func < (one: Likeness, other: Likeness) -> Bool { one.rawValue < other.rawValue }
  }
}

/// What a connection's turns tell to whoever counts.
package enum TurnEvent: Sendable {
  case requestStarted(Exchange)
  case exchangeCompleted(Exchange)
}
