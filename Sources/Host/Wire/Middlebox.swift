package import Core

/// A box on the way that knows TCP flows and forgets the quiet ones, as a NAT or a stateful firewall does. Reads no clock.
package struct Middlebox {
  package enum Fate: Equatable, Sendable {
    case passes
    case dropped
    /// Dropped, and this packet goes back to the sender.
    case answered([UInt8])
  }

  /// Both directions of a flow have the same key: the lower address and port first.
  private struct Flow: Hashable {
    var low: UInt64
    var high: UInt64
  }

  private var lastSeen: [Flow: Instant] = [:]

  package init() {}

  package var flowCount: Int { lastSeen.count }

  /// Only IPv4 TCP is looked at; everything else passes.
  package mutating func inspect(_ packet: [UInt8], at now: Instant, _ settings: MiddleboxSettings) -> Fate {
    guard let segment = Segment(packet) else { return .passes }
    let flow = Flow(
      low: min(segment.source, segment.destination), high: max(segment.source, segment.destination))
    if segment.flags & Segment.synchronise != 0 {
      if lastSeen.count >= settings.flows { forgetQuietest() }
      lastSeen[flow] = now
      return .passes
    }
    if let last = lastSeen[flow], now.since(last) < settings.memory {
      lastSeen[flow] = now
      return .passes
    }
    lastSeen[flow] = nil
    switch settings.answer {
    case .silence: return .dropped
    case .reset: return segment.flags & Segment.reset != 0 ? .dropped : .answered(segment.resetBack())
    }
  }

  private mutating func forgetQuietest() {
    // Ties are broken by the flow itself, so that the order of the dictionary does not show.
    let quietest = lastSeen.min { ($0.value, $0.key.low, $0.key.high) < ($1.value, $1.key.low, $1.key.high) }
    if let quietest { lastSeen[quietest.key] = nil }
  }
}

/// The fields of an IPv4 TCP packet that a middlebox reads (RFC 791 section 3.1, RFC 9293 section 3.1).
private struct Segment {
  static let finish: UInt8 = 1
  static let synchronise: UInt8 = 2
  static let reset: UInt8 = 4
  static let acknowledge: UInt8 = 16

  /// Address and port: 32 bits, then 16.
  var source: UInt64
  var destination: UInt64
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: UInt8
  /// What the segment takes of the sequence space: its bytes, and one each for SYN and FIN.
  var length: UInt32

  init?(_ packet: [UInt8]) {
    guard packet.count >= 40, packet[0] >> 4 == 4, packet[9] == 6 else { return nil }
    let header = Int(packet[0] & 15) * 4
    // Only the first fragment has the ports; the others are let pass.
    guard header >= 20, packet.count >= header + 20, packet[6] & 0x1f == 0, packet[7] == 0 else { return nil }
    func number(_ offset: Int, _ count: Int) -> UInt64 {
      packet[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
    source = number(12, 4) << 16 | number(header, 2)
    destination = number(16, 4) << 16 | number(header + 2, 2)
    sequence = UInt32(number(header + 4, 4))
    acknowledgement = UInt32(number(header + 8, 4))
    flags = packet[header + 13]
    let total = min(Int(number(2, 2)), packet.count)
    let payload = max(0, total - header - Int(packet[header + 12] >> 4) * 4)
    length = UInt32(payload) &+ (flags & Self.finish != 0 ? 1 : 0) &+ (flags & Self.synchronise != 0 ? 1 : 0)
  }

  /// The RST that answers this segment, as if from its destination (RFC 9293 section 3.10.7.1).
  func resetBack() -> [UInt8] {
    var packet = [UInt8](repeating: 0, count: 40)
    func put(_ value: UInt64, _ offset: Int, _ count: Int) {
      for index in 0..<count { packet[offset + index] = UInt8(truncatingIfNeeded: value >> ((count - 1 - index) * 8)) }
    }
    packet[0] = 0x45
    put(40, 2, 2)
    packet[8] = 64
    packet[9] = 6
    put(destination >> 16, 12, 4)
    put(source >> 16, 16, 4)
    put(Self.checksum(packet[0..<20], startingWith: 0), 10, 2)
    put(destination & 0xffff, 20, 2)
    put(source & 0xffff, 22, 2)
    if flags & Self.acknowledge != 0 {
      put(UInt64(acknowledgement), 24, 4)
      packet[33] = Self.reset
    } else {
      put(UInt64(sequence &+ length), 28, 4)
      packet[33] = Self.reset | Self.acknowledge
    }
    packet[32] = 0x50
    // The pseudo header: both addresses, the protocol and the length of the TCP part.
    let pseudo = packet[12..<20].indices.reduce(UInt64(6 + 20)) {
      $0 + UInt64(packet[$1]) << ($1 % 2 == 0 ? 8 : 0)
    }
    put(Self.checksum(packet[20..<40], startingWith: pseudo), 36, 2)
    return packet
  }

  /// The Internet checksum of an even number of bytes (RFC 1071).
  private static func checksum(_ bytes: ArraySlice<UInt8>, startingWith start: UInt64) -> UInt64 {
    var sum = start
    for index in bytes.indices { sum += UInt64(bytes[index]) << ((index - bytes.startIndex) % 2 == 0 ? 8 : 0) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return ~sum & 0xffff
  }
}
