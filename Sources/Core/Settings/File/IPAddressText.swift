/// The text forms of IP addresses (RFC 4291 section 2.2, RFC 5952), without a zone.
package enum IPAddressText {
  /// Four or sixteen bytes in network order; nil when `text` is no address.
  package static func parse(_ text: String) -> [UInt8]? {
    text.contains(":") ? parseIPv6(text) : parseIPv4(text[...])
  }

  private static func parseIPv4(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      // A leading zero would be octal to some.
      guard part.utf8.allSatisfy(ByteClass.isDigit), part.count == 1 || !part.hasPrefix("0"), let byte = UInt8(part)
      else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  private static func parseIPv6(_ text: String) -> [UInt8]? {
    guard text.utf8.count <= 45 else { return nil }
    // Split at the first "::"; a second one leaves an empty group, which is none.
    let characters = Array(text)
    let gap = characters.indices.dropLast().first { characters[$0] == ":" && characters[$0 + 1] == ":" }
    guard let gap else {
      let bytes = groups(text[...], mayEndInIPv4: true)
      return bytes?.count == 16 ? bytes : nil
    }
    guard let head = groups(Substring(String(characters[..<gap])), mayEndInIPv4: false),
      let tail = groups(Substring(String(characters[(gap + 2)...])), mayEndInIPv4: true), head.count + tail.count <= 14
    else { return nil }
    return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
  }

  /// The bytes of groups between single colons; the last of the address may be an IPv4 address. None of an empty text.
  private static func groups(_ text: Substring, mayEndInIPv4: Bool) -> [UInt8]? {
    guard !text.isEmpty else { return [] }
    var bytes: [UInt8] = []
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      if part.contains(".") {
        guard mayEndInIPv4, index == parts.count - 1, let address = parseIPv4(part) else { return nil }
        bytes += address
      } else {
        guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ ByteClass.hexadecimalValue($0) != nil }),
          let group = UInt16(part, radix: 16)
        else { return nil }
        bytes += [UInt8(group >> 8), UInt8(group & 0xff)]
      }
    }
    return bytes
  }

  /// As RFC 5952 writes it: the longest run of zero groups is left out.
  package static func write(_ bytes: [UInt8]) -> String {
    guard bytes.count == 16 else { return bytes.map { "\($0)" }.joined(separator: ".") }
    let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
    var longest = 0..<0
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, groups[end] == 0 { end += 1 }
      if end - start > max(longest.count, 1) { longest = start..<end }
      start = max(end, start + 1)
    }
    func text(_ range: Range<Int>) -> String {
      groups[range].map { String($0, radix: 16) }.joined(separator: ":")
    }
    return longest.isEmpty ? text(0..<8) : "\(text(0..<longest.lowerBound))::\(text(longest.upperBound..<8))"
  }
}

extension AddressBlock {
  /// Parses `10.0.0.0/8`, `fd00::/8`, or one address.
  package init(parsing text: String) throws(QuantityError) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let bytes = IPAddressText.parse(String(parts.first ?? "")) else {
      throw QuantityError(
        text: text, fact: "is not a block of IP addresses", fix: "write for instance 10.0.0.0/8, 192.0.2.1 or fd00::/8")
    }
    let length = parts.count == 2 ? Int(parts[1]) : bytes.count * 8
    // The addresses of clients come as IPv4 where they are that.
    let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]
    if let length, bytes.count == 16, (96...128).contains(length), bytes.starts(with: mapped),
      let block = AddressBlock(bytes: Array(bytes[12...]), prefixLength: length - 96)
    {
      self = block
      return
    }
    guard let length, let block = AddressBlock(bytes: bytes, prefixLength: length) else {
      throw QuantityError(
        text: text, fact: "has a prefix length that does not fit",
        fix: "write /0 to /\(bytes.count * 8) behind the address")
    }
    self = block
  }

  /// As ``init(parsing:)`` reads it.
  package var text: String {
    let address = IPAddressText.write(bytes)
    return prefixLength == bytes.count * 8 ? address : "\(address)/\(prefixLength)"
  }
}
