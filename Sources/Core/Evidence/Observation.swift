/// Whether the peer's kernel acknowledged a byte of this attempt's request.
package enum Acknowledgement: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  /// `tcpi_bytes_acked` is greater than before the first byte of this request.
  case moved
  /// `tcpi_bytes_acked` is what it was before the first byte of this request.
  case unmoved
  /// The socket cannot tell: a UNIX socket, or TCP_INFO failed.
  case unavailable
}

/// An error of a socket, in the distinctions that the evidence rule makes.
package enum SocketError: Sendable, Hashable, BitwiseCopyable {
  /// ECONNRESET: a RST while the connection was open in both directions.
  case connectionReset
  /// EPIPE: a RST after the peer's FIN. The kernel reports it in place of ECONNRESET when the socket is in CLOSE_WAIT.
  case brokenPipe
  /// ETIMEDOUT: the kernel gave up retransmitting.
  case timedOut
  /// Any other `errno`.
  case other(Int32)
}

/// What the proxy's socket showed about an attempt that ended without a usable response.
package struct Observation: Sendable, Hashable, BitwiseCopyable {
  /// How far reading has come.
  package enum Reading: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// The peer's side is still open as far as the socket shows.
    case open
    /// `read` returned 0 before any call reported an error: the peer's FIN was seen first.
    ///
    /// A 0 that comes after an error was reported says nothing: Linux answers so once the error has been fetched.
    case endOfFile
    /// An error was reported and no end of file before it; see ``Observation/error``.
    case failed
  }

  /// What came before the end that could have been a response.
  package enum Response: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    case none
    /// Bytes came that cannot be the answer, because not one byte of the request was acknowledged when they did.
    case cannotAnswer
    /// Bytes came that may be (the beginning of) the answer.
    case mayAnswer
  }

  /// Whether the connection was never established.
  package var connectFailed: Bool
  /// Bytes of this request (head and body) that the kernel accepted.
  package var bytesSent: UInt64
  package var reading: Reading
  /// The first error that any call on the socket reported since this request began (`read`, `write`, SO_ERROR); `nil`
  /// for none.
  ///
  /// Only the first counts. After it was fetched, a `write` fails with EPIPE whatever the cause was.
  package var error: SocketError?
  package var acknowledgement: Acknowledgement
  package var response: Response
  /// What left of the request is of no use to anybody: not one record of TLS is whole, or no HEADERS frame of HTTP/2 has begun.
  package var isWithheld = false
  /// The server says in the protocol that it has not acted on the request: REFUSED_STREAM, or a GOAWAY with a lower stream
  /// (RFC 9113 section 8.7).
  package var isRefused = false
  /// `tcpi_rtt`; zero when unknown.
  package var roundTripTime: Nanoseconds
  /// `tcpi_rto`; zero when unknown.
  package var retransmissionTimeout: Nanoseconds

  package init(
    connectFailed: Bool = false,
    bytesSent: UInt64,
    reading: Reading,
    error: SocketError? = nil,
    acknowledgement: Acknowledgement,
    response: Response = .none,
    roundTripTime: Nanoseconds = .zero,
    retransmissionTimeout: Nanoseconds = .zero
  ) {
    self.connectFailed = connectFailed
    self.bytesSent = bytesSent
    self.reading = reading
    self.error = error
    self.acknowledgement = acknowledgement
    self.response = response
    self.roundTripTime = roundTripTime
    self.retransmissionTimeout = retransmissionTimeout
  }

  /// The connect failed: nothing can have been sent.
  package static let connectFailure = Observation(
    connectFailed: true, bytesSent: 0, reading: .failed, acknowledgement: .unavailable)
}
