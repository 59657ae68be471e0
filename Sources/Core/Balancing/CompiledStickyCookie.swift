/// The cookie that keeps a client with its server: an opaque token for the server's address, made with the key of the upstream,
/// so that all threads and copies of the proxy read it alike.
///
/// ```
/// let cookie = CompiledStickyCookie(settings.sticky, hash: StableHash(upstream: name))
/// let tokens = servers.map { cookie.token(address as text) }        // when the servers change
/// if let index = cookie.server(tokens, bytes, fields), it is available and not tried { ask it }
/// else { choose one, and give the response extraLines: cookie.line(tokens[index]) }       // kept for each server
/// ```
package struct CompiledStickyCookie: Sendable {
  private let name: [UInt8]
  private let attributes: [UInt8]
  private let hash: StableHash

  package init(_ cookie: StickyCookie, hash: StableHash) {
    name = Array(cookie.name.utf8)
    self.hash = hash
    var attributes = "; Path=\(cookie.path)"
    if let seconds = cookie.maximumAgeSeconds { attributes += "; Max-Age=\(seconds)" }
    if cookie.isHTTPOnly { attributes += "; HttpOnly" }
    if cookie.isSecure { attributes += "; Secure" }
    if let sameSite = cookie.sameSite { attributes += "; SameSite=\(sameSite)" }
    self.attributes = Array(attributes.utf8)
  }

  /// - Parameter address: of the server, as it is shown: `host:port`, or the socket's path.
  package func token(_ address: [UInt8]) -> UInt64 { hash.hash(Array("cookie ".utf8) + address) }

  /// The index of the server that the request's cookie names; nil when it names none of these.
  package func server(_ tokens: [UInt64], _ bytes: RawSpan, _ fields: borrowing FieldTable) -> Int? {
    guard let value = CookieValue.first(named: name, bytes, fields), value.count == 16 else { return nil }
    var token: UInt64 = 0
    for offset in value.start..<value.end {
      guard let digit = ByteClass.hexadecimalValue(bytes.byte(at: offset)) else { return nil }
      token = token << 4 | UInt64(digit)
    }
    for index in 0..<tokens.count where tokens[index] == token { return index }
    return nil
  }

  /// `Set-Cookie: ...` with its line end.
  package func line(_ token: UInt64) -> [UInt8] {
    var buffer = ByteBuffer(capacity: 128)
    buffer.append("Set-Cookie: ")
    buffer.append(asFieldValue: name)
    buffer.append(UInt8(ascii: "="))
    let digits = String(token, radix: 16)
    buffer.append(utf8: String(repeating: "0", count: 16 - digits.count) + digits)
    buffer.append(asFieldValue: attributes)
    buffer.appendLineEnd()
    return (0..<buffer.count).map { buffer.readable.byte(at: $0) }
  }
}
