// Version 1 is one line: `PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n`.

extension ProxyHeader {
  static func parseVersion1(_ bytes: RawSpan) -> Outcome {
    let limit = min(bytes.byteCount, maximumVersion1Bytes)
    guard startsAs(line, bytes) else { return .failed(.notThere) }
    var end = 0
    while end < limit, bytes.byte(at: end) != ByteClass.lineFeed { end += 1 }
    guard end < limit else { return limit == maximumVersion1Bytes ? .failed(.lineTooLong) : .incomplete }
    guard end > line.count, bytes.byte(at: end - 1) == ByteClass.carriageReturn else { return .failed(.lineMalformed) }
    var words = Words(position: line.count, end: end - 1)
    guard let family = words.next(bytes) else { return .failed(.lineMalformed) }
    // What follows UNKNOWN is to be ignored, whatever it is.
    if bytes.equals(Array("UNKNOWN".utf8), at: family) { return .complete(.none, byteCount: end + 1) }
    let isIPv4 = bytes.equals(Array("TCP4".utf8), at: family)
    guard isIPv4 || bytes.equals(Array("TCP6".utf8), at: family) else { return .failed(.familyUnknown) }
    guard let source = words.next(bytes), let destination = words.next(bytes), let sourcePort = words.next(bytes),
      let destinationPort = words.next(bytes), words.isAtEnd
    else { return .failed(.lineMalformed) }
    guard let from = address(bytes, source, isIPv4: isIPv4), let to = address(bytes, destination, isIPv4: isIPv4)
    else { return .failed(.addressMalformed) }
    guard let fromPort = port(bytes, sourcePort), let toPort = port(bytes, destinationPort) else {
      return .failed(.portMalformed)
    }
    let header = ProxyHeader(
      source: Endpoint(address: from, port: fromPort), destination: Endpoint(address: to, port: toPort))
    return .complete(header, byteCount: end + 1)
  }

  private static let line = Array("PROXY ".utf8)

  /// Whether what is there of the first bytes agrees.
  static func startsAs(_ wanted: [UInt8], _ bytes: RawSpan) -> Bool {
    for index in 0..<min(wanted.count, bytes.byteCount) where bytes.byte(at: index) != wanted[index] { return false }
    return true
  }

  /// Words with one space between them, and nothing else.
  private struct Words {
    var position: Int
    let end: Int
    var isAtEnd: Bool { position > end }

    mutating func next(_ bytes: RawSpan) -> ByteRange? {
      guard position <= end else { return nil }
      let start = position
      while position < end, bytes.byte(at: position) != ByteClass.space { position += 1 }
      let word = ByteRange(offset: start, count: position - start)
      position += 1
      return word.isEmpty ? nil : word
    }
  }

  private static func address(_ bytes: RawSpan, _ range: ByteRange, isIPv4: Bool) -> IPAddress? {
    var hasColon = false
    for offset in range.start..<range.end where bytes.byte(at: offset) == UInt8(ascii: ":") { hasColon = true }
    return hasColon == isIPv4 ? nil : IPAddress(bytes, range)
  }

  /// Decimal, without leading zeros.
  private static func port(_ bytes: RawSpan, _ range: ByteRange) -> UInt16? {
    if range.count > 1, bytes.byte(at: range.start) == UInt8(ascii: "0") { return nil }
    return bytes.decimal(range).flatMap { UInt16(exactly: $0) }
  }

  /// Writes the header in version 1. Without both ends it says UNKNOWN; of mixed families IPv4 goes as mapped IPv6.
  package func writeVersion1(to buffer: inout ByteBuffer) {
    guard let source, let destination else {
      buffer.append("PROXY UNKNOWN\r\n")
      return
    }
    let isIPv4 = source.address.isIPv4 && destination.address.isIPv4
    buffer.append(isIPv4 ? "PROXY TCP4 " : "PROXY TCP6 ")
    for address in [source.address, destination.address] {
      if !isIPv4, address.isIPv4 { buffer.append("::ffff:") }
      buffer.append(address)
      buffer.append(ByteClass.space)
    }
    buffer.append(decimal: UInt64(source.port))
    buffer.append(ByteClass.space)
    buffer.append(decimal: UInt64(destination.port))
    buffer.append("\r\n")
  }
}
