package import Core

/// What a system call on a socket reports, as Linux names it.
package enum SocketFailure: UInt8, Sendable {
  /// EPIPE: a RST came after the peer's FIN, or we wrote after the end.
  case brokenPipe
  /// ECONNRESET: a RST came although the peer had sent no FIN.
  case connectionReset
  /// ECONNREFUSED: a RST answered our SYN.
  case connectionRefused
  /// ETIMEDOUT: nothing answered, however often it was sent.
  case timedOut
}

/// The end of a run of bytes in a stream, and what the run is. A tag is the application's own number for it.
package struct StreamMark: Equatable, Sendable {
  package var end: Int32
  package var tag: Int32
}

/// One end of a TCP connection, as Linux keeps it: the kernel's socket and what the application sees of it.
package struct SimulatedSocket: Sendable {
  /// The states of RFC 9293 section 3.3.2.
  package enum State: UInt8, Sendable {
    /// No socket: whatever arrives is answered by a RST. Next: none.
    case closed
    /// The server's end before the SYN. Next: synReceived.
    case listening
    /// The proxy's end before the answer. Next: established, or closed when refused or given up.
    case synSent
    /// The server's end before the handshake's last ACK. Next: established or closed.
    case synReceived
    /// Both directions open. Next: closeWait on the peer's FIN, finWait1 on our own, closed on a RST.
    case established
    /// The peer has ended, we have not. Next: lastAck on our FIN, closed on a RST.
    case closeWait
    /// Both have ended, ours is not acknowledged. Next: closed.
    case lastAck
    /// We have ended, the peer has not, ours is not acknowledged. Next: finWait2, closing, timeWait, closed.
    case finWait1
    /// We have ended and the peer knows it. Next: timeWait, closed.
    case finWait2
    /// Both have ended at the same time. Next: timeWait.
    case closing
    /// Over; kept to answer what is late.
    case timeWait
  }

  /// A run of bytes that arrived before the ones in front of it.
  struct Island: Sendable {
    var start: Int32
    var end: Int32
    /// A FIN follows the last byte.
    var isFinish: Bool
  }

  package internal(set) var state: State

  // Sending. Nothing is held back: there is no window to fill, so all that is written is on the wire at once.
  var sendUnacknowledged: Int32 = 0
  var sendNext: Int32 = 0
  /// The sequence number of our FIN; nil while we have not ended.
  var finishSequence: Int32?
  var marks: [StreamMark] = []
  package internal(set) var bytesAcked: Int64 = 0

  // Receiving.
  var receiveNext: Int32 = 0
  /// What our last segment acknowledged: Linux's `rcv_wup`.
  var acknowledged: Int32 = 0
  var readNext: Int32 = 1
  /// Which of the peer's marks the next unread byte lies in.
  var readMark = 0
  var finishReceived = false
  var islands: [Island] = []

  /// What the next system call reports, once.
  var pendingError: SocketFailure?
  /// The kernel reported, or could have reported, a RST that came after the peer's FIN.
  package internal(set) var wasResetAfterFinish = false
  /// The application has closed it; the kernel finishes alone.
  var isOrphan = false

  // Timers: one event each is in the queue at most; it looks here when it fires.
  var retransmitAt = Instant.distantFuture
  var retransmitScheduled = false
  var retransmissions: Int32 = 0
  /// Up to here everything is sent again, one segment for each acknowledgement.
  var recoverUntil: Int32 = 0
  var acknowledgeAt = Instant.distantFuture
  var acknowledgeScheduled = false

  // Round trips.
  var sampledSequence: Int32 = 0
  var sampledAt: Instant = .distantFuture
  package internal(set) var smoothedRoundTrip: Nanoseconds = .zero

  /// `tcpi_rto`, without the back-off.
  package var retransmissionTimeout: Nanoseconds { smoothedRoundTrip + Network.retransmissionFloor }

  /// When the latest segment for this end arrives: a path that keeps the order lets none arrive before it.
  var latestArrival = Instant(nanoseconds: 0)

  init(state: State) {
    self.state = state
  }

  /// The sequence number after the last byte that can be read.
  var dataEnd: Int32 { finishReceived ? receiveNext - 1 : receiveNext }

  package var unread: Int32 { max(0, dataEnd - readNext) }

  /// Where the next byte that is written stands in the stream, the first one at 0.
  package var bytesWritten: Int32 { max(0, (finishSequence ?? sendNext) - 1) }

  /// How far the peer has acknowledged the stream.
  package var bytesAcknowledged: Int32 { max(0, sendUnacknowledged - 1) }

  /// Whether nobody can read from it any more: what arrives is answered by a RST.
  package var wasClosedBothWays: Bool { isOrphan }

  /// Whether the peer's FIN is here, read or not.
  package var peerHasFinished: Bool { finishReceived }

  /// Whether this end has sent its FIN.
  package var hasFinished: Bool { finishSequence != nil }

  /// How many bytes of the peer's stream this end's kernel has taken, in order.
  package var bytesReceived: Int32 { max(0, dataEnd - 1) }

  /// How many bytes of the peer's stream this end's application has read.
  package var bytesRead: Int32 { readNext - 1 }
}
