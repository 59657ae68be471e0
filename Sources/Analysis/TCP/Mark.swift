package import Core

/// The two directions of a connection, named by who sends.
package enum Side: UInt8, Sendable, BitwiseCopyable {
  case client
  case server

  package var other: Side { self == .client ? .server : .client }
}

/// Where something was seen, and what its segment says about the other direction.
package struct Mark: Equatable, Sendable, BitwiseCopyable {
  package var frame: Int64
  package var time: Instant
  /// How much of the other side's stream the sender had received, as an offset in that stream; nil without an ACK.
  package var acknowledges: Int64?
  package var hops: UInt8
  package var identification: UInt16
  /// The sender had already shown that it was further: this is a repetition, or came out of order.
  package var isLate = false
  /// Its segment carries the time stamp option.
  package var hasTimestamp = false
}

/// A reset, with the numbers that tell what caused it.
package struct Reset: Equatable, Sendable, BitwiseCopyable {
  package var mark: Mark
  /// Its sequence number, as an offset in the sender's stream. A kernel without a socket takes it from the
  /// acknowledgement of the segment that it answers (RFC 9293 section 3.10.7.1).
  package var offset: Int64
}

/// A segment of the last ones of a connection, kept for the ladder.
package struct LadderStep: Equatable, Sendable, BitwiseCopyable {
  package var frame: Int64
  package var time: Instant
  package var side: Side
  package var flags: TCPSegment.Flags
  package var offset: Int64
  package var count: Int32
  package var acknowledges: Int64?
  package var nature: Nature

  package enum Nature: UInt8, Sendable, BitwiseCopyable {
    case plain
    case retransmission
    case outOfOrder
    case duplicate
    case keepAliveProbe
  }
}
