import Testing

@testable import Core

@Suite struct RequestHeadTests {
  @Test func parsesAnOrdinaryRequest() throws {
    let text = "GET /search?q=1 HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent:  curl/8 \r\nX: \r\n\r\nrest"
    let parsed = try Parsed.request(text)
    let head = parsed.head
    #expect(head.method == .get)
    #expect(parsed.text(head.target.range) == "/search?q=1")
    #expect(parsed.text(head.target.path(parsed.bytes.rawSpan)) == "/search")
    #expect(head.version == .http11)
    #expect(parsed.text(head.host) == "example.com:8080")
    #expect(head.framing == .none)
    #expect(head.keepsAlive)
    #expect(!head.expectsContinue)
    #expect(head.byteCount == text.utf8.count - 4)
    #expect(parsed.fields == ["Host: example.com:8080", "User-Agent: curl/8", "X: "])
  }

  @Test func writesWhatTheUpstreamGets() throws {
    let parsed = try Parsed.request(
      "POST http://a.example?x HTTP/1.0\r\nHost: b.example\r\nConnection: keep-alive, X-Hop, Host\r\nX-Hop: 1\r\n"
        + "Content-Length: 007\r\nX-Forwarded-For: 6.6.6.6\r\nA:  b\t\r\n\r\n")
    #expect(parsed.head.keepsAlive)
    let forwarding = Forwarding(clientAddress: Array("192.0.2.1".utf8))
    #expect(
      parsed.written(forwarding) == """
        POST /?x HTTP/1.1\r
        Host: a.example\r
        A: b\r
        Content-Length: 7\r
        X-Forwarded-For: 192.0.2.1\r
        X-Forwarded-Proto: http\r
        X-Forwarded-Host: a.example\r
        Via: 1.0 photofinish\r
        X-Request-Id: 00000000000000010000000000000002\r
        \r\n
        """)
  }
}
