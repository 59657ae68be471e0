/// The code of an RST_STREAM or a GOAWAY (RFC 9113 section 7).
package struct HTTP2ErrorCode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  package static let noError = HTTP2ErrorCode(rawValue: 0)
  package static let protocolError = HTTP2ErrorCode(rawValue: 1)
  package static let internalError = HTTP2ErrorCode(rawValue: 2)
  package static let streamClosed = HTTP2ErrorCode(rawValue: 5)
  package static let refusedStream = HTTP2ErrorCode(rawValue: 7)
  package static let cancel = HTTP2ErrorCode(rawValue: 8)
  package static let enhanceYourCalm = HTTP2ErrorCode(rawValue: 11)

  /// The name that the RFC gives the code; an unknown code is shown as its number. For logs: it allocates.
  package var name: String {
    let names = [
      "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
      "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
      "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
    ]
    return rawValue < names.count ? names[Int(rawValue)] : "\(rawValue)"
  }
}

/// Why a connection is over before its streams are.
package struct HTTP2Failure: Error, Equatable, Sendable {
  package enum Reason: UInt8, Sendable, CaseIterable {
    /// The bytes break a rule of the protocol; the code says which kind of rule.
    case peerBrokeProtocol
    /// The first bytes are not the connection preface.
    case prefaceIsWrong
    /// The peer resets streams faster than the limit, or makes this side reset them.
    case tooManyResets
    case tooManySettings
    case tooManyPings
    /// PRIORITY, WINDOW_UPDATE and frames of unknown types, beyond what goes with the content.
    case tooManyControlFrames
    case tooManyEmptyFrames
    /// More CONTINUATION frames, or several times more fields, than the limit.
    case headersTooLarge
    /// What waits to be sent to the peer grows, and it reads nothing.
    case tooMuchUnsent
    case outOfMemory
  }

  package var code: HTTP2ErrorCode
  package var reason: Reason

  /// The reason in words, for a log.
  package var fact: String {
    switch reason {
    case .peerBrokeProtocol: "the peer broke a rule of HTTP/2"
    case .prefaceIsWrong: "the connection does not begin with the preface of HTTP/2"
    case .tooManyResets: "the peer resets streams, or has them reset, faster than the limit"
    case .tooManySettings: "the peer sends SETTINGS faster than the limit"
    case .tooManyPings: "the peer sends PING faster than the limit"
    case .tooManyControlFrames: "the peer sends PRIORITY, WINDOW_UPDATE or unknown frames faster than the limit"
    case .tooManyEmptyFrames: "the peer sends empty DATA frames faster than the limit"
    case .headersTooLarge: "the peer sends a header block several times larger than the limit"
    case .tooMuchUnsent: "the peer causes answers and does not read them"
    case .outOfMemory: "there is no memory"
    }
  }
}

/// What became of the bytes that were fed.
package enum HTTP2Step: Equatable, Sendable {
  case progressed
  /// A connection error. GOAWAY is in what ``HTTP2Session/produce(into:)`` gives; nothing more is read.
  case ended(HTTP2Failure)
}

/// What became of bytes on their way into or out of a stream.
package enum Transferred: Equatable, Sendable, BitwiseCopyable {
  case bytes(Int)
  /// Nothing now; an event tells when there is.
  case wouldBlock
  /// Everything was given.
  case end
  /// The stream was reset, by either side.
  case reset(HTTP2ErrorCode)
}
