package import Core

/// One TCP segment as it was captured, its bytes left in the packet.
package struct TCPSegment: Sendable, BitwiseCopyable {
  package struct Flags: OptionSet, Sendable, BitwiseCopyable {
    package var rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let fin = Flags(rawValue: 0x01)
    package static let syn = Flags(rawValue: 0x02)
    package static let rst = Flags(rawValue: 0x04)
    package static let psh = Flags(rawValue: 0x08)
    package static let ack = Flags(rawValue: 0x10)
  }

  package var source: Endpoint
  package var destination: Endpoint
  package var sequence: UInt32
  package var acknowledgement: UInt32
  package var flags: Flags
  package var window: UInt16
  /// Time to live or hop limit: tells how far away the sender is.
  package var hops: UInt8
  /// Identification of the IPv4 packet; 0 for IPv6.
  package var identification: UInt16
  /// Where the captured payload lies in the packet.
  package var payload: ByteRange
  /// Bytes of payload that were on the wire; the captured ones can be fewer.
  package var wireCount: Int
  /// Value of the time stamp option; 0 when there is none.
  package var timestamp: UInt32
  package var hasTimestamp = false
  /// Shift of the window that the sender of a SYN announces (RFC 7323); nil when it has none.
  package var windowScale: UInt8?
  package var maximumSegmentSize: UInt16
}

extension PacketContent {
  /// Reads the TCP header at `start`, in front of `count` bytes of header and payload that were on the wire.
  static func segment(
    _ bytes: RawSpan, start: Int, count: Int, source: NetworkAddress, destination: NetworkAddress, hops: UInt8,
    identification: UInt16
  ) -> PacketContent {
    guard count >= 20 else { return .malformed }
    guard start + 20 <= bytes.byteCount else { return .cut }
    let headerLength = Int(bytes.byte(at: start + 12) >> 4) * 4
    guard headerLength >= 20, headerLength <= count else { return .malformed }
    let payloadStart = min(start + headerLength, bytes.byteCount)
    let payloadEnd = min(start + count, bytes.byteCount)
    var segment = TCPSegment(
      source: Endpoint(address: source, port: bytes.number16(at: start)),
      destination: Endpoint(address: destination, port: bytes.number16(at: start + 2)),
      sequence: bytes.number32(at: start + 4), acknowledgement: bytes.number32(at: start + 8),
      flags: TCPSegment.Flags(rawValue: bytes.byte(at: start + 13)), window: bytes.number16(at: start + 14),
      hops: hops, identification: identification,
      payload: ByteRange(offset: payloadStart, count: max(0, payloadEnd - payloadStart)),
      wireCount: count - headerLength, timestamp: 0, maximumSegmentSize: 0)
    if headerLength > 20 { readOptions(&segment, bytes, from: start + 20, to: payloadStart) }
    return .segment(segment)
  }

  private static func readOptions(_ segment: inout TCPSegment, _ bytes: RawSpan, from start: Int, to end: Int) {
    var position = start
    while position < end {
      let kind = bytes.byte(at: position)
      if kind == 0 { return }
      if kind == 1 {
        position += 1
        continue
      }
      guard position + 1 < end else { return }
      let length = Int(bytes.byte(at: position + 1))
      guard length >= 2, position + length <= end else { return }
      if kind == 8, length == 10 {
        segment.timestamp = bytes.number32(at: position + 2)
        segment.hasTimestamp = true
      }
      if kind == 3, length == 3 { segment.windowScale = min(14, bytes.byte(at: position + 2)) }
      if kind == 2, length == 4 { segment.maximumSegmentSize = bytes.number16(at: position + 2) }
      position += length
    }
  }
}
