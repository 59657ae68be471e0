import Testing

@testable import Core

/// What the upstream gets to see.
@Suite struct RequestWriteTests {
  static func lines(_ text: String) -> [String] {
    text.split(separator: "\r\n", omittingEmptySubsequences: true).map(String.init)
  }

  private func fields(_ fields: String, _ forwarding: Forwarding = Forwarding(fields: [])) throws -> [String] {
    let parsed = try Parsed.request("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
    return Array(Self.lines(parsed.written(forwarding)).dropFirst(2))
  }

  private func peer(_ address: String, trusted: Bool, _ fields: Forwarding.Fields) -> Forwarding {
    Forwarding(clientAddress: Array(address.utf8), peerIsTrusted: trusted, fields: fields)
  }

  @Test func dropsWhatConcernsOneHopOnly() throws {
    let dropped = [
      "Connection: x-a, X-B ,te", "X-A: 1", "x-b: 2", "X-a: 3", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
      "TE: trailers, gzip", "Upgrade: foo", "Proxy-Authorization: Basic x", "Proxy-Authenticate: x",
      "Proxy-Authentication-Info: x", "HTTP2-Settings: AA", "Proxy: http://evil", "Content_Length: 7",
      "Transfer_Encoding: chunked", "X_Forwarded_For: 1", "X-Forwarded_For: 1", "Host_: x", "Trailer: x",
    ].filter { $0 != "Host_: x" }
    let kept = ["Accept: */*", "x_custom: 1", "X-C: \u{f6}\t2", "Empty: ", "A: 1", "A: 2", "traceparent: 00-a-b-01"]
    let all = zip(kept, dropped).flatMap { [$0, $1] } + dropped.dropFirst(kept.count)
    #expect(try fields(all.map { $0 + "\r\n" }.joined()) == kept + ["Connection: TE", "TE: trailers"])
  }

  @Test func connectionCannotStripWhatProtects() throws {
    let parsed = try Parsed.request(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: host, content-length, X-Forwarded-For, via,\r\n"
        + "Connection: x-request-id, Authorization, Cookie, content-type, forwarded, \"x\", a b\r\n"
        + "Via: 1.1 z\r\nX-Request-Id: id\r\nAuthorization: b\r\nCookie: c\r\nContent-Type: d\r\n\r\n")
    let written = Self.lines(parsed.written(peer("192.0.2.1", trusted: false, .standard)))
    #expect(
      written == [
        "POST / HTTP/1.1", "Host: a", "Via: 1.1 z", "X-Request-Id: id", "Authorization: b", "Cookie: c",
        "Content-Type: d",
        "Content-Length: 3", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: a",
        "Via: 1.1 photofinish",
      ])
  }

  @Test func writesTargetAndHost() throws {
    for (line, expected) in [
      ("GET /a?b HTTP/1.1", "GET /a?b HTTP/1.1"), ("GET /?a\\b\"<c>?\\ HTTP/1.1", "GET /?a\\b\"<c>?\\ HTTP/1.1"),
      ("GET http://b?\"\\ HTTP/1.1", "GET /?\"\\ HTTP/1.1"), ("GET http://b/c?d HTTP/1.1", "GET /c?d HTTP/1.1"),
      ("GET http://b HTTP/1.1", "GET / HTTP/1.1"), ("GET http://b?c HTTP/1.1", "GET /?c HTTP/1.1"),
      ("OPTIONS http://b HTTP/1.1", "OPTIONS * HTTP/1.1"), ("OPTIONS http://b/ HTTP/1.1", "OPTIONS / HTTP/1.1"),
      ("OPTIONS http://b?c HTTP/1.1", "OPTIONS /?c HTTP/1.1"), ("OPTIONS * HTTP/1.1", "OPTIONS * HTTP/1.1"),
      ("PURGE /x HTTP/1.0", "PURGE /x HTTP/1.1"),
    ] {
      let parsed = try Parsed.request("\(line)\r\nX: y\r\nHost: a\r\n\r\n")
      let written = Self.lines(parsed.written(Forwarding(fields: [])))
      #expect(written == [expected, line.contains("http:") ? "Host: b" : "Host: a", "X: y"])
      let overridden = Self.lines(parsed.written(Forwarding(fields: [], hostOverride: Array("c:81".utf8))))
      #expect(overridden[1] == "Host: c:81")
    }
    let hostless = try Parsed.request("GET / HTTP/1.0\r\n\r\n")
    #expect(Self.lines(hostless.written(Forwarding(fields: .all))).prefix(2) == ["GET / HTTP/1.1", "Host: "])
  }

  @Test func writesEveryLineTheSameWay() throws {
    #expect(
      try fields("A:\tb\r\nB:c\r\nC:  d\t \r\nD: e\r\nE:\r\nF: \r\nG:  \r\nH: i j\r\n") == [
        "A: b", "B: c", "C: d", "D: e", "E: ", "F: ", "G: ", "H: i j",
      ])
  }

  @Test func writesOneFramingField() throws {
    for (sent, expected) in [
      ("Content-Length: 0012\r\n", ["Content-Length: 12"]), ("Content-Length: 0\r\n", ["Content-Length: 0"]),
      ("Transfer-Encoding:CHUNKED\r\nTrailer: x\r\n", ["Trailer: x", "Transfer-Encoding: chunked"]), ("", []),
      ("Content-Length: 1\r\nExpect: 100-continue\r\n", ["Content-Length: 1", "Expect: 100-continue"]),
      ("Expect: 100-continue\r\n", []),
    ] {
      #expect(try fields(sent) == expected)
    }
  }

  @Test func namesTheClient() throws {
    let all: Forwarding.Fields = [.xForwardedFor, .xForwardedProto, .xForwardedHost, .forwarded]
    let claims =
      "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n"
      + "Forwarded: for=1.1.1.1\r\nX-Real-IP: 9.9.9.9\r\nX-Forwarded-Prefix: /p\r\n"
    #expect(
      try fields(claims, peer("192.0.2.1", trusted: false, all)) == [
        "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: a",
        "Forwarded: for=192.0.2.1;host=\"a\";proto=http",
      ])
    #expect(
      try fields(claims, peer("192.0.2.1", trusted: true, all)) == [
        "X-Forwarded-Proto: https", "X-Forwarded-Host: h", "X-Real-IP: 9.9.9.9", "X-Forwarded-Prefix: /p",
        "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1",
        "Forwarded: for=1.1.1.1, for=192.0.2.1;host=\"a\";proto=http",
      ])
    #expect(try fields(claims, peer("192.0.2.1", trusted: false, [])) == [])
    #expect(try fields(claims, peer("192.0.2.1", trusted: true, [])).count == 7)
    // Nothing to add to: a trusted peer that says nothing is the client itself.
    #expect(try fields("", peer("192.0.2.1", trusted: true, all)).count == 4)
    #expect(
      try fields("", peer("", trusted: false, [.xForwardedFor, .forwarded])) == [
        "Forwarded: for=unknown;host=\"a\";proto=http"
      ])
    #expect(
      try fields("X-Forwarded-For: \r\n", peer("1.2.3.4", trusted: true, .xForwardedFor)) == [
        "X-Forwarded-For: 1.2.3.4"
      ])
  }

  @Test func quotesAddressesWithColons() throws {
    let forwarding = Forwarding(
      clientAddress: Array("2001:db8::1".utf8), clientPort: 4711, listenerAddress: Array("192.0.2.9".utf8),
      listenerPort: 80, scheme: Array("https".utf8), fields: [.xForwardedFor, .forwarded])
    #expect(
      try fields("", forwarding) == [
        "X-Forwarded-For: 2001:db8::1",
        "Forwarded: for=\"[2001:db8::1]:4711\";by=\"192.0.2.9:80\";host=\"a\";proto=https",
      ])
  }

  @Test func keepsOrMakesTheRequestID() throws {
    let forwarding = Forwarding(fields: .xRequestID)
    let made = ["X-Request-Id: 00000000000000010000000000000002"]
    #expect(try fields("", forwarding) == made)
    #expect(try fields("X-Request-ID: abc-123\r\n", forwarding) == ["X-Request-ID: abc-123"])
    let longest = String(repeating: "a", count: 128)
    #expect(try fields("X-Request-ID: \(longest)\r\n", forwarding) == ["X-Request-ID: \(longest)"])
    #expect(try fields("X-Request-ID: \(longest)a\r\n", forwarding) == made)
    #expect(try fields("X-Request-ID: a b\r\n", forwarding) == made)
    #expect(try fields("X-Request-ID: a\"\r\n", forwarding) == made)
    #expect(try fields("X-Request-ID:\r\n", forwarding) == made)
    #expect(try fields("X-Request-ID: a\r\nX-Request-ID: a\r\n", forwarding) == made)
    var buffer = ByteBuffer(capacity: 0)
    RequestID.write((0x0123_4567_89ab_cdef, .max), to: &buffer)
    #expect(buffer.readable.text(ByteRange(offset: 0, count: buffer.count)) == "0123456789abcdefffffffffffffffff")
  }
}
