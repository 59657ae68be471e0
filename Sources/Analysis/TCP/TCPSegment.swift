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
  package var maximumSegmentSize: UInt16
}

/// What became of a packet that was read.
package enum PacketContent: Sendable {
  case segment(TCPSegment)
  /// A fragment of an IP packet that carries TCP: its segment cannot be seen as a whole.
  case fragment
  /// Cut by the capture within its headers.
  case cut
  /// Contradicts itself: lengths that do not fit.
  case malformed
  /// Not TCP over IP, or a link layer that is not known.
  case other
}

extension PacketContent {
  /// IPv6 extension headers that are followed at most.
  private static let maximumExtensions = 16
  private static let tcp: UInt8 = 6

  /// Finds the TCP segment in a packet.
  package init(_ bytes: RawSpan, packet: CapturePacket) {
    guard let start = packet.link.offsetOfInternetHeader(in: bytes) else {
      self = .other
      return
    }
    guard start < bytes.byteCount else {
      self = .cut
      return
    }
    let uncaptured = packet.wireLength - bytes.byteCount
    switch bytes.byte(at: start) >> 4 {
    case 4: self = PacketContent.internet4(bytes, start: start, uncaptured: uncaptured)
    case 6: self = PacketContent.internet6(bytes, start: start, uncaptured: uncaptured)
    default: self = .other
    }
  }

  private static func internet4(_ bytes: RawSpan, start: Int, uncaptured: Int) -> PacketContent {
    guard start + 20 <= bytes.byteCount else { return .cut }
    let headerLength = Int(bytes.byte(at: start) & 15) * 4
    guard headerLength >= 20 else { return .malformed }
    guard bytes.byte(at: start + 9) == tcp else { return .other }
    let fragment = bytes.number16(at: start + 6)
    guard fragment & 0x3fff == 0 else { return .fragment }
    let available = bytes.byteCount - start + uncaptured
    var total = Int(bytes.number16(at: start + 2))
    // A network card that segments for the kernel gets packets above 64 KiB whose length field is zero.
    if total == 0 { total = available }
    guard total >= headerLength, total <= available else { return total < headerLength ? .malformed : .cut }
    return segment(
      bytes, start: start + headerLength, count: total - headerLength,
      source: NetworkAddress(ipv4: bytes.number32(at: start + 12)),
      destination: NetworkAddress(ipv4: bytes.number32(at: start + 16)),
      hops: bytes.byte(at: start + 8), identification: bytes.number16(at: start + 4))
  }

  private static func internet6(_ bytes: RawSpan, start: Int, uncaptured: Int) -> PacketContent {
    guard start + 40 <= bytes.byteCount else { return .cut }
    let available = bytes.byteCount - start - 40 + uncaptured
    var total = Int(bytes.number16(at: start + 4))
    if total == 0 { total = available }
    guard total <= available else { return .cut }
    var next = bytes.byte(at: start + 6)
    var position = start + 40
    let end = position + total
    for _ in 0..<maximumExtensions {
      switch next {
      case tcp:
        return segment(
          bytes, start: position, count: end - position,
          source: NetworkAddress(high: bytes.number64(at: start + 8), low: bytes.number64(at: start + 16)),
          destination: NetworkAddress(high: bytes.number64(at: start + 24), low: bytes.number64(at: start + 32)),
          hops: bytes.byte(at: start + 7), identification: 0)
      case 0, 43, 60, 135:
        guard position + 8 <= bytes.byteCount else { return .cut }
        next = bytes.byte(at: position)
        position += (Int(bytes.byte(at: position + 1)) + 1) * 8
      case 51:
        guard position + 8 <= bytes.byteCount else { return .cut }
        next = bytes.byte(at: position)
        position += (Int(bytes.byte(at: position + 1)) + 2) * 4
      case 44:
        guard position + 8 <= bytes.byteCount else { return .cut }
        next = bytes.byte(at: position)
        // An atomic fragment (RFC 6946) is whole.
        guard bytes.number16(at: position + 2) & 0xfff9 == 0 else { return next == tcp ? .fragment : .other }
        position += 8
      default: return .other
      }
      guard position <= end else { return .malformed }
    }
    return .malformed
  }

  private static func segment(
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
      if kind == 8, length == 10 { segment.timestamp = bytes.number32(at: position + 2) }
      if kind == 2, length == 4 { segment.maximumSegmentSize = bytes.number16(at: position + 2) }
      position += length
    }
  }
}
