package import Core

/// What must hold of bytes that peers other than clients and servers of HTTP send: PROXY headers, answers of name servers, and
/// addresses in forwarding fields. The first byte of an input says which.
package enum PeerOracle {
  /// - Returns: the rule that is broken; nil when all hold.
  package static func check(_ bytes: [UInt8]) -> String? {
    guard let kind = bytes.first else { return nil }
    let input = Array(bytes.dropFirst())
    switch kind {
    case UInt8(ascii: "P"): return checkHeader(input)
    case UInt8(ascii: "D"): return checkReply(input)
    case UInt8(ascii: "A"): return checkAddress(input)
    default: return nil
    }
  }

  /// The name whose address the answers are about.
  package static let query: DNSQuery = {
    guard let name = DNSName("app.test") else { preconditionFailure("a legal name") }
    return DNSQuery(id: 0x1234, name: name, family: .ipv4)
  }()

  private static func checkHeader(_ input: [UInt8]) -> String? {
    guard case .complete(let header, let byteCount) = ProxyHeader.parse(input.rawSpan) else { return nil }
    guard byteCount > 0, byteCount <= input.count else {
      return "a PROXY header of \(byteCount) of \(input.count) bytes"
    }
    for count in 0..<byteCount where ProxyHeader.parse(Array(input[..<count]).rawSpan) != .incomplete {
      return "\(count) of the \(byteCount) bytes of a PROXY header are not taken for its beginning"
    }
    guard ProxyHeader.parse(Array(input[..<byteCount]).rawSpan) == .complete(header, byteCount: byteCount) else {
      return "what stands behind a PROXY header changes it"
    }
    for isText in [true, false] {
      var written = ByteBuffer(capacity: 256)
      if isText { header.writeVersion1(to: &written) } else { header.writeVersion2(to: &written) }
      guard case .complete(let again, written.count) = ProxyHeader.parse(written.readable), again == header else {
        return "a PROXY header does not read as it was written: \(header)"
      }
    }
    return nil
  }

  private static func checkReply(_ input: [UInt8]) -> String? {
    switch DNSReply(input.rawSpan, to: query) {
    case .addresses(let addresses, _):
      if addresses.isEmpty { return "an answer without addresses is taken for one with some" }
      if addresses.count > DNSReply.maximumAddresses { return "\(addresses.count) addresses" }
      // It must be an answer to this query.
      return input[0] == 0x12 && input[1] == 0x34 && input[2] & 0x80 != 0
        ? nil : "addresses from a message that is no answer"
    case .noAddresses, .nameNotFound, .truncated, .failed, .stray: return nil
    }
  }

  private static func checkAddress(_ input: [UInt8]) -> String? {
    let all = ByteRange(offset: 0, count: input.count)
    guard let address = IPAddress(input.rawSpan, all) else { return nil }
    return IPAddress(address.description) == address ? nil : "\(address) does not read as it was written"
  }
}
