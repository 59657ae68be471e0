import Core

/// What is spoken on a connection.
package enum Speech: String, Sendable {
  case undecided = "unknown"
  case http1 = "HTTP/1"
  case http2 = "HTTP/2"
  case tls = "TLS"
  /// Any other protocol, seen as turns: a request is what one side sends after the other has spoken.
  case other = "other"
}

extension Speech {
  /// The protocol that a client's first bytes show; nil when there are too few to tell.
  static func ofClient(_ bytes: RawSpan) -> Speech? {
    guard bytes.byteCount >= 3 else { return nil }
    if looksLikeRecord(bytes) || lengthOfOldHello(bytes) > 0 { return .tls }
    if bytes.byteCount >= 14, startsWith(bytes, "PRI * HTTP/2.0") { return .http2 }
    return startsWithMethod(bytes) ? .http1 : .other
  }

  /// Who must have sent bytes like these first; nil when they do not tell.
  static func speaker(ofFirstBytes bytes: RawSpan) -> Side? {
    if startsWith(bytes, "HTTP/1.") { return .server }
    if bytes.byteCount >= 6, bytes.byte(at: 0) == 0x16, bytes.byte(at: 1) == 3 {
      switch bytes.byte(at: 5) {
      case 1: return .client
      case 2: return .server
      default: return nil
      }
    }
    return startsWithMethod(bytes) || startsWith(bytes, "PRI * ") ? .client : nil
  }

  static func startsWithResponse(_ bytes: RawSpan) -> Bool {
    startsWith(bytes, "HTTP/1.")
  }

  /// A token of capital letters, a space, and what a request target can start with.
  static func startsWithMethod(_ bytes: RawSpan) -> Bool {
    var index = 0
    let limit = min(bytes.byteCount, 24)
    while index < limit, isMethodByte(bytes.byte(at: index)) { index += 1 }
    guard index >= 3, index < limit, bytes.byte(at: index) == 0x20 else { return false }
    guard index + 1 < bytes.byteCount else { return true }
    switch bytes.byte(at: index + 1) {
    case UInt8(ascii: "/"), UInt8(ascii: "*"): return true
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "["),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      // An absolute target, or an authority after CONNECT: it must end with the version.
      return containsVersion(bytes)
    default: return false
    }
  }

  private static func isMethodByte(_ byte: UInt8) -> Bool {
    (byte >= 0x41 && byte <= 0x5a) || byte == 0x2d || byte == 0x5f
  }

  private static func containsVersion(_ bytes: RawSpan) -> Bool {
    var index = 0
    let limit = min(bytes.byteCount, 8_192)
    while index < limit, bytes.byte(at: index) != 0x0a { index += 1 }
    let end = index > 0 && index < limit && bytes.byte(at: index - 1) == 0x0d ? index - 1 : index
    guard end >= 9 else { return false }
    return startsWith(bytes.extracting((end - 9)..<end), " HTTP/1.")
  }

  /// A command of Redis: an array of strings.
  static func startsWithArray(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 8, bytes.byte(at: 0) == UInt8(ascii: "*") else { return false }
    var index = 1
    while index < 6, index < bytes.byteCount, (0x30...0x39).contains(bytes.byte(at: index)) { index += 1 }
    return index > 1 && startsWith(bytes.extracting(index..<bytes.byteCount), "\r\n$")
  }

  static func startsWith(_ bytes: RawSpan, _ text: String) -> Bool {
    var index = 0
    for expected in text.utf8 {
      guard index < bytes.byteCount, bytes.byte(at: index) == expected else { return false }
      index += 1
    }
    return true
  }
}
