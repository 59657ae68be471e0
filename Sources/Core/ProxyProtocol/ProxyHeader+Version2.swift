// Version 2 is binary:
//
//    0             12       13       14       16
//    +-------------+--------+--------+--------+-----------+------------
//    | signature   | 2, cmd | family | length | addresses | extensions
//    +-------------+--------+--------+--------+-----------+------------
//                                             <------- length -------->

extension ProxyHeader {
  private static let fixedBytes = 16
  /// The extension that holds a CRC-32C of the whole header.
  private static let checksumType: UInt8 = 0x03

  static func parseVersion2(_ bytes: RawSpan) -> Outcome {
    guard startsAs(signature, bytes) else { return .failed(.notThere) }
    let available = bytes.byteCount
    guard available > 12 else { return .incomplete }
    let command = bytes.byte(at: 12)
    guard command == 0x20 || command == 0x21 else { return .failed(.versionUnknown) }
    guard available > 13 else { return .incomplete }
    let family = bytes.byte(at: 13)
    guard family >> 4 <= 3, family & 0xf <= 2 else { return .failed(.familyUnknown) }
    guard available >= fixedBytes else { return .incomplete }
    let end = fixedBytes + Int(bytes.byte(at: 14)) << 8 + Int(bytes.byte(at: 15))
    guard end <= maximumVersion2Bytes else { return .failed(.tooLong) }
    let addressBytes = length(ofFamily: family)
    guard command == 0x20 || end >= fixedBytes + addressBytes else { return .failed(.tooShort) }
    guard available >= end else { return .incomplete }
    // LOCAL, and what has no address that is known here: the connection speaks for itself.
    if command == 0x20 { return .complete(.none, byteCount: end) }
    if let error = checkExtensions(bytes, from: fixedBytes + addressBytes, to: end) { return .failed(error) }
    return .complete(addresses(bytes, family), byteCount: end)
  }

  private static func length(ofFamily family: UInt8) -> Int {
    switch family {
    case 0x11, 0x12: 12
    case 0x21, 0x22: 36
    case 0x31, 0x32: 216
    default: 0
    }
  }

  private static func addresses(_ bytes: RawSpan, _ family: UInt8) -> ProxyHeader {
    let isIPv4: Bool
    switch family {
    case 0x11: isIPv4 = true
    case 0x21: isIPv4 = false
    // UNSPEC, datagrams, UNIX sockets.
    default: return .none
    }
    let width = isIPv4 ? 4 : 16
    func port(_ offset: Int) -> UInt16 { UInt16(bytes.byte(at: offset)) << 8 | UInt16(bytes.byte(at: offset + 1)) }
    let ports = fixedBytes + 2 * width
    return ProxyHeader(
      source: Endpoint(address: IPAddress(bytes, at: fixedBytes, isIPv4: isIPv4), port: port(ports)),
      destination: Endpoint(address: IPAddress(bytes, at: fixedBytes + width, isIPv4: isIPv4), port: port(ports + 2)))
  }

  /// Extensions are passed over, but they must end where the header ends, and a checksum must be right.
  private static func checkExtensions(_ bytes: RawSpan, from start: Int, to end: Int) -> ProxyHeaderError? {
    var position = start
    while position < end {
      guard position + 3 <= end else { return .extensionMalformed }
      let count = Int(bytes.byte(at: position + 1)) << 8 + Int(bytes.byte(at: position + 2))
      let value = position + 3
      guard value + count <= end else { return .extensionMalformed }
      if bytes.byte(at: position) == checksumType {
        guard count == 4 else { return .extensionMalformed }
        var sent: UInt32 = 0
        for offset in value..<(value + 4) { sent = sent << 8 | UInt32(bytes.byte(at: offset)) }
        guard checksum(bytes, to: end, withoutAt: value) == sent else { return .checksumWrong }
      }
      position = value + count
    }
    return nil
  }

  /// CRC-32C of the header, the four bytes at `hole` taken for zero.
  static func checksum(_ bytes: RawSpan, to end: Int, withoutAt hole: Int) -> UInt32 {
    var sum = UInt32.max
    for offset in 0..<end {
      sum ^= hole..<(hole + 4) ~= offset ? 0 : UInt32(bytes.byte(at: offset))
      for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1 == 0 ? 0 : 0x82f6_3b78) }
    }
    return ~sum
  }

  /// Writes the header in version 2. Without both ends it says LOCAL; of mixed families IPv4 goes as mapped IPv6.
  package func writeVersion2(to buffer: inout ByteBuffer) {
    buffer.append(Self.signature)
    guard let source, let destination else {
      buffer.append([0x20, 0x00, 0x00, 0x00])
      return
    }
    let isIPv4 = source.address.isIPv4 && destination.address.isIPv4
    buffer.append(isIPv4 ? [0x21, 0x11, 0x00, 0x0c] : [0x21, 0x21, 0x00, 0x24])
    for address in [source.address, destination.address] {
      if isIPv4 {
        buffer.append(packed: UInt64(UInt32(truncatingIfNeeded: address.low).byteSwapped), count: 4)
      } else {
        let words = address.mapped
        buffer.append(packed: words.high.byteSwapped, count: 8)
        buffer.append(packed: words.low.byteSwapped, count: 8)
      }
    }
    for port in [source.port, destination.port] { buffer.append(packed: UInt64(port.byteSwapped), count: 2) }
  }
}
