/// Whom a request comes from when trusted proxies stand between: the right-most address that none of them has.
///
/// ```
/// let proxies = TrustedProxies(settings.forwarding.trustedPeers)
/// let client = proxies.client(behind: peer, inbound.readable, fields)    // for limits, hash keys and logs
/// ```
///
/// Each proxy writes down who spoke to it, behind what was there. So the list is read from its end as long as the address that
/// said so is trusted; what stands further left may be anyone's invention.
///
/// | X-Forwarded-For | Forwarded | taken |
/// |---|---|---|
/// | there | not there | X-Forwarded-For |
/// | not there | there | Forwarded (RFC 7239) |
/// | there | there, the same client | that |
/// | there | there, another client | the peer: a proxy writes one of them and passes the other one on as the client made it up |
package struct TrustedProxies: Sendable {
  private let blocks: AddressBlocks

  /// Elements that are looked at, from the end: more proxies in a row nobody has.
  package static let maximumHops = 64

  package init(_ blocks: [AddressBlock]) {
    self.blocks = AddressBlocks(blocks)
  }

  /// - Parameters:
  ///   - peer: the address at the other end of the connection, or the one that the PROXY protocol names.
  ///   - bytes: what the head was parsed from.
  package func client(behind peer: IPAddress, _ bytes: RawSpan, _ fields: borrowing FieldTable) -> IPAddress {
    if blocks.isEmpty || !blocks.contains(peer) { return peer }
    let hasList = fields.contains(.xForwardedFor)
    let hasForwarded = fields.contains(.forwarded)
    if !hasList && !hasForwarded { return peer }
    let fromList = hasList ? walk(.xForwardedFor, from: peer, bytes, fields) : nil
    let fromForwarded = hasForwarded ? walk(.forwarded, from: peer, bytes, fields) : nil
    guard let fromList, let fromForwarded else { return fromList ?? fromForwarded ?? peer }
    return fromList == fromForwarded ? fromList : peer
  }

  private func walk(
    _ known: KnownField, from peer: IPAddress, _ bytes: RawSpan, _ fields: borrowing FieldTable
  ) -> IPAddress {
    var last = peer
    var hops = 0
    for line in stride(from: fields.count - 1, through: 0, by: -1) where fields[line].known == known {
      let value = fields[line].value
      var end = value.end
      while end >= value.start, hops < Self.maximumHops {
        let start = Self.startOfElement(bytes, value, endingAt: end)
        let element = bytes.trimmed(start, end)
        end = start - 1
        if element.isEmpty { continue }
        hops += 1
        let node = known == .forwarded ? Self.forNode(bytes, element) : element
        // A name that is hidden, or what is no address: whom it hides is not known, so the proxy that said it stands for it.
        guard let node, let address = Self.address(bytes, node) else { return last }
        last = address
        if !blocks.contains(address) { return last }
      }
    }
    return last
  }

  /// Where the element begins that ends at `end`: behind the last comma outside of quotes.
  private static func startOfElement(_ bytes: RawSpan, _ value: ByteRange, endingAt end: Int) -> Int {
    var position = end
    var isQuoted = false
    while position > value.start {
      let byte = bytes.byte(at: position - 1)
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      if byte == UInt8(ascii: ","), !isQuoted { break }
      position -= 1
    }
    return position
  }

  /// The value of `for` in an element of Forwarded, without its quotes.
  private static func forNode(_ bytes: RawSpan, _ element: ByteRange) -> ByteRange? {
    var start = element.start
    while start < element.end {
      var end = start
      while end < element.end, bytes.byte(at: end) != UInt8(ascii: ";") { end += 1 }
      let pair = bytes.trimmed(start, end)
      if pair.count > 4, bytes.spells("for", at: ByteRange(offset: pair.start, count: 3)),
        bytes.byte(at: pair.start + 3) == UInt8(ascii: "=")
      {
        let node = ByteRange(offset: pair.start + 4, count: pair.count - 4)
        guard node.count >= 2, bytes.byte(at: node.start) == UInt8(ascii: "\""),
          bytes.byte(at: node.end - 1) == UInt8(ascii: "\"")
        else { return node }
        return ByteRange(offset: node.start + 1, count: node.count - 2)
      }
      start = end + 1
    }
    return nil
  }

  /// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
  static func address(_ bytes: RawSpan, _ node: ByteRange) -> IPAddress? {
    guard node.count >= 2 else { return nil }
    if bytes.byte(at: node.start) == UInt8(ascii: "[") {
      var close = node.start
      while close < node.end, bytes.byte(at: close) != UInt8(ascii: "]") { close += 1 }
      guard close < node.end, isPortOrNothing(bytes, close + 1, node.end) else { return nil }
      let address = IPAddress(bytes, ByteRange(offset: node.start + 1, count: close - node.start - 1))
      return address
    }
    var colon = node.start
    while colon < node.end, bytes.byte(at: colon) != UInt8(ascii: ":") { colon += 1 }
    if isPortOrNothing(bytes, colon, node.end),
      let address = IPAddress(bytes, ByteRange(offset: node.start, count: colon - node.start))
    {
      return address
    }
    return IPAddress(bytes, node)
  }

  private static func isPortOrNothing(_ bytes: RawSpan, _ start: Int, _ end: Int) -> Bool {
    if start == end { return true }
    guard bytes.byte(at: start) == UInt8(ascii: ":") else { return false }
    let port = ByteRange(offset: start + 1, count: end - start - 1)
    return (bytes.decimal(port) ?? .max) <= 65_535
  }
}
