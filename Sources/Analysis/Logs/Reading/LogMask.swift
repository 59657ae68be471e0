/// Hides what may be personal in a line that was not understood: addresses, values behind a sign of equality, credentials.
enum LogMask {
  private static let hidden = Array("...".utf8)
  private static let schemes = ["Bearer", "Basic", "Cookie:", "Authorization:"].map { Array($0.utf8) }

  static func masked(_ line: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var at = 0
    var isSecret = false
    while at < line.count {
      guard isPartOfWord(line[at]) else {
        result.append(line[at])
        if line[at] == UInt8(ascii: "="), at + 1 < line.count {
          at = value(line, from: at + 1, &result)
          continue
        }
        at += 1
        continue
      }
      let word = Array(line[at...].prefix(while: isPartOfWord))
      at += word.count
      if isSecret || isAddress(word) { result += hidden } else { result += word }
      isSecret = schemes.contains(word)
    }
    return result
  }

  /// Passes over the value behind `=`, in quotes or not; returns where it ends.
  private static func value(_ line: [UInt8], from start: Int, _ result: inout [UInt8]) -> Int {
    if line[start] == UInt8(ascii: "\"") {
      result += [0x22] + hidden + [0x22]
      return (line[(start + 1)...].firstIndex(of: 0x22) ?? line.count - 1) + 1
    }
    let end = line[start...].firstIndex { $0 <= 0x20 || $0 == 0x22 || $0 == UInt8(ascii: "&") } ?? line.count
    if end > start { result += hidden }
    return end
  }

  private static func isPartOfWord(_ byte: UInt8) -> Bool {
    (0x30...0x3a).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte >= 0x80
      || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: "@")
  }

  /// Of IPv4, of IPv6, with or without a port, or of a mailbox.
  private static func isAddress(_ word: [UInt8]) -> Bool {
    if word.contains(UInt8(ascii: "@")) { return true }
    let host = word.prefix { $0 != UInt8(ascii: ":") }
    let parts = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    if parts.count == 4,
      parts.allSatisfy({ (1...3).contains($0.count) && $0.allSatisfy { (0x30...0x39).contains($0) } })
    {
      return true
    }
    let colons = word.count { $0 == UInt8(ascii: ":") }
    let isHexadecimal = word.allSatisfy {
      (0x30...0x3a).contains($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0)
    }
    // A time of day has two colons.
    return isHexadecimal && (colons > 2 || colons == 2 && word.contains { $0 > 0x3a })
  }
}
