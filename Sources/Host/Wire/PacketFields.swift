/// The fields of a TCP packet that a middlebox reads (RFC 791 section 3.1, RFC 8200 section 3, RFC 9293 section 3.1).
struct PacketFields {
  /// Address and port, in the order in which they are compared.
  struct End: Hashable, Comparable {
    /// The address's 16 bytes; one of IPv4 fills the last four.
    var high: UInt64
    var low: UInt64
    var port: UInt16

    static func < (left: End, right: End) -> Bool {
      (left.high, left.low, left.port) < (right.high, right.low, right.port)
    }
  }

  static let finish: UInt8 = 1
  static let synchronise: UInt8 = 2
  static let reset: UInt8 = 4
  static let acknowledge: UInt8 = 16

  private static let tcp: UInt8 = 6

  var isIPv6: Bool
  var source: End
  var destination: End
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: UInt8
  /// What the segment takes of the sequence space: its bytes, and one each for SYN and FIN.
  var length: UInt32

  /// - Returns: nil for whatever is not TCP; a packet of IPv6 with extension headers, which hosts do not send with TCP, is none.
  init?(_ packet: [UInt8]) {
    func number(_ offset: Int, _ count: Int) -> UInt64 {
      packet[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
    let header: Int
    let total: Int
    switch packet.first.map({ $0 >> 4 }) {
    case 4:
      guard packet.count >= 40, packet[9] == Self.tcp else { return nil }
      header = Int(packet[0] & 15) * 4
      // Only the first fragment has the ports; the others are let pass.
      guard header >= 20, packet.count >= header + 20, packet[6] & 0x1f == 0, packet[7] == 0 else { return nil }
      total = Int(number(2, 2))
      isIPv6 = false
      source = End(high: 0, low: number(12, 4), port: UInt16(number(header, 2)))
      destination = End(high: 0, low: number(16, 4), port: UInt16(number(header + 2, 2)))
    case 6:
      header = 40
      guard packet.count >= header + 20, packet[6] == Self.tcp else { return nil }
      total = header + Int(number(4, 2))
      isIPv6 = true
      source = End(high: number(8, 8), low: number(16, 8), port: UInt16(number(header, 2)))
      destination = End(high: number(24, 8), low: number(32, 8), port: UInt16(number(header + 2, 2)))
    default: return nil
    }
    sequence = UInt32(number(header + 4, 4))
    acknowledgement = UInt32(number(header + 8, 4))
    flags = packet[header + 13]
    let payload = max(0, min(total, packet.count) - header - Int(packet[header + 12] >> 4) * 4)
    length = UInt32(payload) &+ (flags & Self.finish != 0 ? 1 : 0) &+ (flags & Self.synchronise != 0 ? 1 : 0)
  }

  /// The RST that answers this segment, as if from its destination (RFC 9293 section 3.10.7.1).
  func resetBack() -> [UInt8] {
    let header = isIPv6 ? 40 : 20
    var packet = [UInt8](repeating: 0, count: header + 20)
    func put(_ value: UInt64, _ offset: Int, _ count: Int) {
      for index in 0..<count { packet[offset + index] = UInt8(truncatingIfNeeded: value >> ((count - 1 - index) * 8)) }
    }
    let addresses: Range<Int>
    if isIPv6 {
      packet[0] = 0x60
      put(20, 4, 2)
      packet[6] = Self.tcp
      packet[7] = 64
      put(destination.high, 8, 8)
      put(destination.low, 16, 8)
      put(source.high, 24, 8)
      put(source.low, 32, 8)
      addresses = 8..<40
    } else {
      packet[0] = 0x45
      put(40, 2, 2)
      packet[8] = 64
      packet[9] = Self.tcp
      put(destination.low, 12, 4)
      put(source.low, 16, 4)
      put(Self.checksum(packet[0..<20], startingWith: 0), 10, 2)
      addresses = 12..<20
    }
    put(UInt64(destination.port), header, 2)
    put(UInt64(source.port), header + 2, 2)
    if flags & Self.acknowledge != 0 {
      put(UInt64(acknowledgement), header + 4, 4)
      packet[header + 13] = Self.reset
    } else {
      put(UInt64(sequence &+ length), header + 8, 4)
      packet[header + 13] = Self.reset | Self.acknowledge
    }
    packet[header + 12] = 0x50
    // The pseudo header: both addresses, the protocol and the length of the TCP part.
    let pseudo = Self.sum(packet[addresses], startingWith: UInt64(Self.tcp) + 20)
    put(Self.checksum(packet[header...], startingWith: pseudo), header + 16, 2)
    return packet
  }

  /// The Internet checksum of an even number of bytes (RFC 1071).
  private static func checksum(_ bytes: ArraySlice<UInt8>, startingWith start: UInt64) -> UInt64 {
    var sum = sum(bytes, startingWith: start)
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return ~sum & 0xffff
  }

  /// The sum of words of 16 bits, carries and all.
  private static func sum(_ bytes: ArraySlice<UInt8>, startingWith start: UInt64) -> UInt64 {
    var sum = start
    for index in bytes.indices { sum += UInt64(bytes[index]) << ((index - bytes.startIndex) % 2 == 0 ? 8 : 0) }
    return sum
  }
}
