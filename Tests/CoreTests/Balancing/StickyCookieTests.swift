import Testing

@testable import Core

@Suite struct StickyCookieTests {
  private static let hash = StableHash(upstream: "a")

  private func found(_ cookie: CompiledStickyCookie, _ tokens: [UInt64], _ fields: String) -> Int? {
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n".utf8)
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    _ = RequestHead.parse(bytes.rawSpan, scan: &scan, limits: HeadLimits(), into: &table)
    return cookie.server(tokens, bytes.rawSpan, table)
  }

  @Test func aClientComesBackToItsServer() {
    let cookie = CompiledStickyCookie(StickyCookie(name: "srv"), hash: Self.hash)
    let tokens = (0..<100).map { cookie.token(Array("10.0.0.\($0):80".utf8)) }
    for (index, token) in tokens.enumerated() {
      let line = String(decoding: cookie.line(token), as: UTF8.self)
      #expect(line.hasPrefix("Set-Cookie: srv=") && line.hasSuffix("; Path=/; HttpOnly\r\n"))
      let pair = line.dropFirst(12).prefix { $0 != ";" }
      #expect(pair.count == 20)
      #expect(!line.contains("10.0.0"))
      #expect(found(cookie, tokens, "Cookie: a=b; \(pair); c=d\r\n") == index)
      #expect(found(cookie, tokens, "Cookie: a=b\r\nCookie: \(pair)\r\n") == index)
    }
    let other = CompiledStickyCookie(StickyCookie(name: "srv"), hash: StableHash(upstream: "b"))
    #expect(other.token(Array("10.0.0.1:80".utf8)) != tokens[1])
  }

  @Test func whatNamesNoServerIsPassedOver() {
    let cookie = CompiledStickyCookie(StickyCookie(name: "srv"), hash: Self.hash)
    for value in [
      "", "srv=", "srv=1", "srv=0000000000000007x", "srv=zzzzzzzzzzzzzzzz", "srv=0000000000000008",
      "SRV=0000000000000007",
    ] {
      #expect(found(cookie, [7], "Cookie: \(value)\r\n") == nil, "\(value)")
    }
    #expect(found(cookie, [7], "") == nil)
    #expect(found(cookie, [6, 7], "Cookie: srv=0000000000000007\r\n") == 1)
  }

  @Test func attributesAreWritten() {
    var settings = StickyCookie(name: "srv")
    settings.maximumAgeSeconds = 60
    settings.path = "/x\r\nSet-Cookie: evil"
    settings.isSecure = true
    settings.isHTTPOnly = false
    settings.sameSite = "None"
    let line = String(
      decoding: CompiledStickyCookie(settings, hash: Self.hash).line(0xabc), as: UTF8.self)
    #expect(
      line == "Set-Cookie: srv=0000000000000abc; Path=/x??Set-Cookie: evil; Max-Age=60; Secure; SameSite=None\r\n")
  }

  @Test func theLineGoesIntoTheResponse() throws {
    let parsed = try Parsed.response("HTTP/1.1 204 No Content\r\n\r\n")
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    _ = ResponseHead.parse(
      parsed.bytes.rawSpan, scan: &scan, limits: HeadLimits(), requestMethod: .get, into: &table)
    var buffer = ByteBuffer(capacity: 64)
    parsed.head.write(
      to: &buffer, bytes: parsed.bytes.rawSpan, fields: table, clientVersion: .http11, clientKeepsAlive: true,
      bodyFraming: .none, edits: .none, values: EditValues(), extraLines: Array("Set-Cookie: a=b\r\n".utf8))
    let text = buffer.readable.text(ByteRange(offset: 0, count: buffer.count))
    #expect(text == "HTTP/1.1 204 No Content\r\nSet-Cookie: a=b\r\n\r\n")
  }
}
