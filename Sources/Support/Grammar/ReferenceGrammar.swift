import Core
import Glibc

/// The same grammar a second time: slow, over arrays, and written without a look at the first, as a model to check it by.
///
/// It needs a whole message and knows no limits.
package enum ReferenceGrammar {
  package struct Field: Equatable {
    package var name: String
    package var value: [UInt8]

    var folded: String { name.lowercased() }
  }

  package enum Framing: Equatable {
    case none
    case length(UInt64)
    case chunked
  }

  package struct Request: Equatable {
    package var method: String
    package var target: String
    package var isHTTP10: Bool
    package var host: String
    /// Path and query as they go on.
    package var path: String
    package var framing: Framing
    package var keepsAlive: Bool
    package var fields: [Field]
    package var length: Int
  }

  package struct Response: Equatable {
    package var status: Int
    package var isHTTP10: Bool
    /// As the fields declare it, whatever status and method make of it.
    package var framing: Framing
    package var closes: Bool
    package var keepsAlive: Bool
    package var fields: [Field]
    package var length: Int
  }

  package enum Outcome<Head: Equatable>: Equatable {
    /// There is no end of the head.
    case incomplete
    case refused
    case accepted(Head)
  }

  package static func request(_ bytes: [UInt8]) -> Outcome<Request> {
    let skipped = bytes.starts(with: [13, 10]) ? 2 : 0
    guard let (lines, length) = headLines(Array(bytes[skipped...])) else { return .incomplete }
    guard let lines, let first = lines.first, let fields = fields(lines.dropFirst()) else { return .refused }
    let parts = first.split(separator: 32, omittingEmptySubsequences: false).map(Array.init)
    guard parts.count == 3, isToken(parts[0]), let isHTTP10 = version(parts[2]) else { return .refused }
    let method = String(decoding: parts[0], as: UTF8.self)
    guard let (authority, path) = target(parts[1], method) else { return .refused }
    let hosts = fields.filter { $0.folded == "host" }
    guard hosts.count <= 1, isHTTP10 || hosts.count == 1, hosts.allSatisfy({ isAuthority($0.value) }) else {
      return .refused
    }
    guard let framing = framing(fields, isHTTP10), let options = options(fields) else { return .refused }
    let hasContent = framing != .none && framing != .length(0)
    if method == "TRACE" && hasContent { return .refused }
    if !isHTTP10 {
      for field in fields where field.folded == "expect" {
        if String(decoding: field.value, as: UTF8.self).lowercased() != "100-continue" { return .refused }
      }
    }
    let closes = options.contains("close")
    return .accepted(
      Request(
        method: method, target: String(decoding: parts[1], as: UTF8.self), isHTTP10: isHTTP10,
        host: String(decoding: authority ?? hosts.first?.value ?? [], as: UTF8.self), path: path, framing: framing,
        keepsAlive: !closes && (!isHTTP10 || options.contains("keep-alive")), fields: fields,
        length: skipped + length))
  }

  package static func response(_ bytes: [UInt8]) -> Outcome<Response> {
    guard let (lines, length) = headLines(bytes) else { return .incomplete }
    guard let lines, let first = lines.first, let fields = fields(lines.dropFirst()) else { return .refused }
    guard first.count >= 12, let isHTTP10 = version(Array(first[..<8])), first[8] == 32,
      let status = Int(String(decoding: first[9..<12], as: UTF8.self)), first[9] != UInt8(ascii: "+"),
      (100...999).contains(status), first.count == 12 || first[12] == 32
    else { return .refused }
    guard let framing = framing(fields, isHTTP10), let options = options(fields) else { return .refused }
    let closes = options.contains("close")
    return .accepted(
      Response(
        status: status, isHTTP10: isHTTP10, framing: framing, closes: closes,
        keepsAlive: !closes && (!isHTTP10 || options.contains("keep-alive")), fields: fields, length: length))
  }

  /// A whole chunked body: its data, its trailers, and how long it is. Nil when it is refused or not complete.
  ///
  /// - Parameter padded: whether whitespace may stand before the end of a size line, as from a server.
  package static func chunked(_ bytes: [UInt8], padded: Bool = false) -> (
    data: [UInt8], trailers: [Field], length: Int
  )? {
    var rest = bytes[...]
    var data: [UInt8] = []
    while true {
      guard let end = firstLineEnd(rest) else { return nil }
      var line = Array(rest[rest.startIndex..<end])
      rest = rest[(end + 2)...]
      if padded { line = withoutPadding(line) }
      let digits = line.prefix { isHexadecimal($0) }
      guard (1...16).contains(digits.count) else { return nil }
      guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
      guard areExtensions(Array(line.dropFirst(digits.count))) else { return nil }
      if size == 0 { break }
      guard rest.count >= 2, size <= rest.count - 2 else { return nil }
      data += rest.prefix(size)
      rest = rest.dropFirst(size)
      guard rest.starts(with: [13, 10]) else { return nil }
      rest = rest.dropFirst(2)
    }
    var lines: [[UInt8]] = []
    while true {
      guard let end = firstLineEnd(rest) else { return nil }
      let line = Array(rest[rest.startIndex..<end])
      rest = rest[(end + 2)...]
      if line.isEmpty { break }
      lines.append(line)
    }
    guard lines.allSatisfy({ !hasControl($0) }), let trailers = fields(lines[...]) else { return nil }
    return (data, trailers, bytes.count - rest.count)
  }

  /// The options of all Connection fields in lower case, or nil when there are more than 64.
  package static func options(_ fields: [Field]) -> [String]? {
    let options = fields.filter { $0.folded == "connection" }.flatMap { list($0.value) }.filter { !$0.isEmpty }
    return options.count > 64 ? nil : options.map { String(decoding: $0, as: UTF8.self).lowercased() }
  }
}

// MARK: - Lines and fields

extension ReferenceGrammar {
  /// The lines of the head without their ends, and its length; nil lines when a character may not be there; nil when the
  /// head has no end.
  private static func headLines(_ bytes: [UInt8]) -> (lines: [[UInt8]]?, length: Int)? {
    var end = 0
    while end + 4 <= bytes.count, Array(bytes[end..<end + 4]) != [13, 10, 13, 10] { end += 1 }
    guard end + 4 <= bytes.count else { return nil }
    var lines: [[UInt8]] = []
    var rest = bytes[..<(end + 2)]
    while let lineEnd = firstLineEnd(rest) {
      lines.append(Array(rest[rest.startIndex..<lineEnd]))
      rest = rest[(lineEnd + 2)...]
    }
    return (lines.contains(where: hasControl) ? nil : lines, end + 4)
  }

  private static func firstLineEnd(_ bytes: ArraySlice<UInt8>) -> Int? {
    bytes.indices.first { bytes[$0] == 13 && $0 + 1 < bytes.endIndex && bytes[$0 + 1] == 10 }
  }

  private static func hasControl(_ line: [UInt8]) -> Bool {
    line.contains { ($0 < 32 && $0 != 9) || $0 == 127 }
  }

  private static func fields(_ lines: ArraySlice<[UInt8]>) -> [Field]? {
    var fields: [Field] = []
    for line in lines {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), isToken(Array(line[..<colon])) else { return nil }
      fields.append(
        Field(name: String(decoding: line[..<colon], as: UTF8.self), value: trimmed(Array(line[(colon + 1)...]))))
    }
    return fields
  }

  private static func trimmed(_ bytes: [UInt8]) -> [UInt8] {
    var rest = bytes[...]
    while rest.first == 32 || rest.first == 9 { rest = rest.dropFirst() }
    while rest.last == 32 || rest.last == 9 { rest = rest.dropLast() }
    return Array(rest)
  }

  private static func list(_ value: [UInt8]) -> [[UInt8]] {
    value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { trimmed(Array($0)) }
  }

  static func isToken(_ bytes: [UInt8]) -> Bool {
    !bytes.isEmpty
      && bytes.allSatisfy { byte in
        isAlphanumeric(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte)
      }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: false
    }
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool { "0123456789abcdefABCDEF".utf8.contains(byte) }
}

// MARK: - Meaning

extension ReferenceGrammar {
  /// Whether the version is 1.0; nil when it is neither that nor a later 1.x.
  private static func version(_ bytes: [UInt8]) -> Bool? {
    guard bytes.count == 8, bytes.starts(with: "HTTP/1.".utf8), (48...57).contains(bytes[7]) else { return nil }
    return bytes[7] == 48
  }

  /// The authority, if the target has one, and what goes on as path and query.
  private static func target(_ bytes: [UInt8], _ method: String) -> (authority: [UInt8]?, path: String)? {
    let path = bytes.prefix { $0 != UInt8(ascii: "?") }
    guard bytes.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "#") }) else { return nil }
    guard !path.contains(where: { "\"<>\\".utf8.contains($0) }) else { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    if text.isEmpty || method == "CONNECT" { return nil }
    if text.hasPrefix("/") { return (nil, text) }
    if text == "*" { return method == "OPTIONS" ? (nil, text) : nil }
    let lower = text.lowercased()
    for scheme in ["http://", "https://"] where lower.hasPrefix(scheme) {
      let rest = text.dropFirst(scheme.count)
      let authority = rest.prefix { $0 != "/" && $0 != "?" }
      guard isAuthority(Array(authority.utf8)) else { return nil }
      let path = String(rest.dropFirst(authority.count))
      if path.isEmpty { return (Array(authority.utf8), method == "OPTIONS" ? "*" : "/") }
      return (Array(authority.utf8), path.hasPrefix("?") ? "/" + path : path)
    }
    return nil
  }

  private static func isAuthority(_ bytes: [UInt8]) -> Bool {
    guard bytes.allSatisfy({ $0 < 128 }) else { return false }
    var host = String(decoding: bytes, as: UTF8.self)
    let colon = host.lastIndex(of: ":")
    if let colon, !host[colon...].contains("]") {
      let port = host[host.index(after: colon)...]
      guard port.count <= 5, port.allSatisfy({ ("0"..."9").contains($0) }), (Int(port) ?? 0) <= 65_535 else {
        return false
      }
      host = String(host[..<colon])
    }
    if host.hasPrefix("[") && host.hasSuffix("]") {
      let address = String(host.dropFirst().dropLast())
      var parsed = in6_addr()
      // Safe: inet_pton writes one in6_addr.
      let isAddress = unsafe inet_pton(AF_INET6, address, &parsed) == 1
      return isAddress && !address.contains("\0")
    }
    guard !host.isEmpty else { return false }
    var rest = Array(host.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%") {
        guard rest.count >= 2, rest.prefix(2).allSatisfy({ isHexadecimal($0) }) else { return false }
        rest = rest.dropFirst(2)
      } else if !isAlphanumeric(byte) && !"-._~!$&'()*+;=".utf8.contains(byte) {
        return false
      }
    }
    return true
  }

  private static func framing(_ fields: [Field], _ isHTTP10: Bool) -> Framing? {
    let lengths = fields.filter { $0.folded == "content-length" }
    let codings = fields.filter { $0.folded == "transfer-encoding" }
    switch (lengths.count, codings.count) {
    case (0, 0): return Framing.none
    case (1, 0):
      guard lengths[0].value.allSatisfy({ (48...57).contains($0) }) else { return nil }
      guard let value = Int(String(decoding: lengths[0].value, as: UTF8.self)) else { return nil }
      return .length(UInt64(value))
    case (0, 1):
      let coding = String(decoding: codings[0].value, as: UTF8.self).lowercased()
      return isHTTP10 || coding != "chunked" ? nil : .chunked
    default: return nil
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }

  private static func withoutPadding(_ line: [UInt8]) -> [UInt8] {
    var line = line
    while let last = line.last, isBlank(last) { line.removeLast() }
    return line
  }

  /// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`
  private static func areExtensions(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      rest = rest.drop(while: isBlank)
      guard rest.popFirst() == UInt8(ascii: ";") else { return false }
      rest = rest.drop(while: isBlank)
      let name = rest.prefix { isToken([$0]) }
      guard !name.isEmpty else { return false }
      rest = rest.dropFirst(name.count)
      let behind = rest.drop(while: isBlank)
      guard behind.first == UInt8(ascii: "=") else { continue }
      rest = behind.dropFirst().drop(while: isBlank)
      if rest.first == UInt8(ascii: "\"") {
        rest = rest.dropFirst()
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
          let quoted = byte == UInt8(ascii: "\\") ? rest.popFirst() : byte
          guard let quoted, quoted == 9 || (quoted >= 32 && quoted != 127), !rest.isEmpty else { return false }
        }
      } else {
        let token = rest.prefix { isToken([$0]) }
        guard !token.isEmpty else { return false }
        rest = rest.dropFirst(token.count)
      }
    }
    return true
  }
}
