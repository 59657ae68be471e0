/// An IPv4 or IPv6 address: IPv4 in its mapped form (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2).
package struct NetworkAddress: Hashable, Sendable, BitwiseCopyable, Comparable {
  package var high: UInt64
  package var low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  package init(ipv4: UInt32) {
    high = 0
    low = 0xffff_0000_0000 | UInt64(ipv4)
  }

  package var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }

  /// 4 bytes for IPv4, 16 for IPv6, as they stand in a packet.
  package var networkBytes: [UInt8] {
    func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
    }
    return isIPv4 ? bytes(low, 4) : bytes(high, 8) + bytes(low, 8)
  }

  package static func < (left: NetworkAddress, right: NetworkAddress) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  /// Reads the usual notations; nil when the text is no address.
  package init?(_ text: some StringProtocol) {
    if text.contains(":") {
      self.init(ipv6Text: String(text))
    } else {
      let parts = text.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 4 else { return nil }
      var value: UInt32 = 0
      for part in parts {
        guard let byte = UInt8(part) else { return nil }
        value = value << 8 | UInt32(byte)
      }
      self.init(ipv4: value)
    }
  }

  private init?(ipv6Text text: String) {
    func groups(_ text: Substring) -> [UInt16]? {
      if text.isEmpty { return [] }
      var result: [UInt16] = []
      for part in text.split(separator: ":", omittingEmptySubsequences: false) {
        guard let group = UInt16(part, radix: 16) else { return nil }
        result.append(group)
      }
      return result
    }
    var all: [UInt16]
    if let gap = NetworkAddress.position(ofDoubleColonIn: text) {
      let after = text.index(gap, offsetBy: 2)
      guard let left = groups(text[..<gap]), let right = groups(text[after...]) else { return nil }
      guard left.count + right.count < 8 else { return nil }
      all = left + Array(repeating: 0, count: 8 - left.count - right.count) + right
    } else {
      guard let groups = groups(text[...]), groups.count == 8 else { return nil }
      all = groups
    }
    var (high, low): (UInt64, UInt64) = (0, 0)
    for index in 0..<4 {
      high = high << 16 | UInt64(all[index])
      low = low << 16 | UInt64(all[index + 4])
    }
    self.init(high: high, low: low)
  }

  private static func position(ofDoubleColonIn text: String) -> String.Index? {
    var previous: String.Index?
    for index in text.indices {
      if text[index] == ":" {
        if let previous { return previous }
        previous = index
      } else {
        previous = nil
      }
    }
    return nil
  }
}

extension NetworkAddress: CustomStringConvertible {
  /// The notation of RFC 5952.
  package var description: String {
    if isIPv4 {
      let value = UInt32(truncatingIfNeeded: low)
      return "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    }
    let groups = (0..<8).map { index in
      UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - 16 * (index % 4)))
    }
    var (bestStart, bestCount) = (0, 0)
    var start = 0
    while start < 8 {
      var end = start
      while end < 8, groups[end] == 0 { end += 1 }
      if end - start > bestCount { (bestStart, bestCount) = (start, end - start) }
      start = max(end, start + 1)
    }
    func joined(_ part: ArraySlice<UInt16>) -> String {
      part.map { String($0, radix: 16) }.joined(separator: ":")
    }
    guard bestCount > 1 else { return joined(groups[...]) }
    return joined(groups[..<bestStart]) + "::" + joined(groups[(bestStart + bestCount)...])
  }
}

/// One end of a connection.
package struct Endpoint: Hashable, Sendable, BitwiseCopyable, Comparable {
  package var address: NetworkAddress
  package var port: UInt16

  package init(address: NetworkAddress, port: UInt16) {
    self.address = address
    self.port = port
  }

  package static func < (left: Endpoint, right: Endpoint) -> Bool {
    left.address == right.address ? left.port < right.port : left.address < right.address
  }
}

extension Endpoint: CustomStringConvertible {
  package var description: String {
    address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
  }
}
