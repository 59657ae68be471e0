import Core

/// One direction of a connection: what was sent, seen and acknowledged, as offsets from its first byte.
///
/// Offsets are 64-bit, so that sequence numbers may wrap any number of times. Offset 0 is the first byte after the SYN, or
/// the first byte that the capture shows.
package struct SegmentStream: Sendable {
  /// Bytes that wait for a hole to be filled, and the segments that hold them.
  static let maximumHeldBytes = 128 << 10
  static let maximumHeldSegments = 128
  /// Farther ahead than any window (RFC 7323 allows 1 GiB): not of this connection.
  static let maximumDistance: Int64 = 1 << 30

  struct Held: Sendable {
    var offset: Int64
    var wireCount: Int64
    var bytes: [UInt8]
    var mark: Mark
    var end: Int64 { offset + wireCount }
  }

  /// Sequence number of offset 0; nil until anything tells it.
  private(set) var base: UInt32?
  /// The SYN was seen, so offset 0 is the first byte of the connection.
  package private(set) var startWasSeen = false
  /// End of what was handed on, or skipped, in order.
  package var delivered: Int64 = 0
  /// End of the highest byte that was captured.
  package var highest: Int64 = 0
  /// Highest offset that the sender's own segments, also empty ones, show it to have reached.
  package var reached: Int64 = 0
  /// What the other side has acknowledged; one more than the last byte when it has acknowledged the FIN.
  package var acknowledged: Int64 = 0
  package var acknowledgedMark: Mark?
  package var fin: Mark?
  /// Offset of the FIN: the number of bytes in the stream.
  package var finOffset: Int64?
  package var resets: [Reset] = []
  /// Bytes that were on the wire and not in the capture.
  package var missingBytes: Int64 = 0
  package var segments = 0
  package var retransmissions = 0
  package var duplicates = 0
  package var outOfOrder = 0
  package var keepAliveProbes = 0
  package var zeroWindows = 0
  package var lastPayload: Mark?
  /// Hops of its first segment, and of the last one that was no reset: a proxy may answer the handshake in the server's name.
  package var hops: UInt8 = 0
  package var lastHops: UInt8 = 0
  /// Segments with and without time stamps, resets not counted.
  package var timestamped = (with: 0, without: 0)
  /// What the sender last said that it can take, in bytes; its scale is known where its SYN was seen.
  var window: Int64 = 0
  var windowScale: UInt8?
  var held: [Held] = []
  var heldBytes = 0
  private var lastSequence: UInt32 = 0
  private var lastCount = 0
  private var lastAcknowledgement: UInt32 = 0
  private var lastTime = Instant(nanoseconds: 0)

  var isAnchored: Bool { base != nil }

  /// Every segment of it, resets aside, carries time stamps (RFC 7323 section 3.2).
  package var usesTimestamps: Bool { timestamped.with > 0 && timestamped.without == 0 }

  /// The number on the wire of an offset, the same wherever the connection is captured; nil when no number is known.
  package func sequence(ofOffset offset: Int64) -> UInt32? {
    base.map { $0 &+ UInt32(truncatingIfNeeded: offset) }
  }

  /// The end of everything that the capture can account for, the FIN included.
  var accountedEnd: Int64 {
    if let finOffset, finOffset <= delivered { return finOffset + 1 }
    return delivered
  }

  mutating func anchor(atSequence sequence: UInt32, afterSYN: Bool) {
    base = sequence
    if afterSYN { startWasSeen = true }
  }

  /// Moves offset 0 of a stream of which nothing was seen but empty segments.
  mutating func moveAnchor(to sequence: UInt32) {
    base = sequence
    (delivered, highest, reached) = (0, 0, 0)
    acknowledged = min(acknowledged, 0)
  }

  /// The offset of a sequence number: the one nearest to the highest that was seen.
  func offset(ofSequence sequence: UInt32) -> Int64? {
    guard let base else { return nil }
    let reference = max(highest, reached)
    let expected = base &+ UInt32(truncatingIfNeeded: reference)
    return reference + Int64(Int32(bitPattern: sequence &- expected))
  }

  /// Whether the capture holds the same packet twice (a mirror port, or an interface and its bridge).
  mutating func isCopyOfLast(_ segment: TCPSegment, time: Instant, previousIdentification: UInt16?) -> Bool {
    let isSame =
      segment.sequence == lastSequence && segment.wireCount == lastCount
      && segment.acknowledgement == lastAcknowledgement && segments > 0
    let gap = time.since(lastTime)
    (lastSequence, lastCount, lastAcknowledgement) = (segment.sequence, segment.wireCount, segment.acknowledgement)
    lastTime = time
    guard isSame, segment.wireCount > 0 || segment.flags.contains(.fin) else { return false }
    if let previousIdentification, previousIdentification != 0,
      previousIdentification == segment.identification
    {
      return true
    }
    return gap < .milliseconds(1)
  }

  /// Keeps a segment until the bytes before it come. Returns whether there was room.
  mutating func hold(_ segment: Held) -> Bool {
    guard held.count < SegmentStream.maximumHeldSegments,
      heldBytes + segment.bytes.count <= SegmentStream.maximumHeldBytes
    else { return false }
    var index = held.count
    while index > 0, held[index - 1].offset > segment.offset { index -= 1 }
    if index > 0, held[index - 1].end >= segment.end { return true }
    held.insert(segment, at: index)
    heldBytes += segment.bytes.count
    return true
  }

  mutating func takeFirstHeld() -> Held {
    let first = held.removeFirst()
    heldBytes -= first.bytes.count
    return first
  }

  func holds(_ offset: Int64, to end: Int64) -> Bool {
    held.contains { $0.offset <= offset && $0.end >= end }
  }
}
