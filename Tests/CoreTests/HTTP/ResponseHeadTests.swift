import Testing

@testable import Core

@Suite struct ResponseHeadTests {
  @Test func parsesAndWritesAnOrdinaryResponse() throws {
    let parsed = try Parsed.response(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=99\r\n"
        + "Content-Length: 3\r\n\r\nabc")
    #expect(parsed.head.status == 200)
    #expect(parsed.text(parsed.head.reason) == "OK")
    #expect(parsed.head.framing == .contentLength(3))
    #expect(parsed.head.keepsAlive)
    #expect(parsed.head.keepAliveTimeoutSeconds == 5)
    #expect(parsed.head.keepAliveMax == 99)
    #expect(
      parsed.written() == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n")
    #expect(
      parsed.written(clientVersion: .http10, keepAliveTimeout: 60)
        == "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: keep-alive\r\n"
        + "Keep-Alive: timeout=60\r\n\r\n")
  }

  @Test func closeDelimitedContentBecomesChunked() throws {
    let parsed = try Parsed.response("HTTP/1.0 200\r\n\r\n")
    #expect(parsed.head.framing == .untilClose)
    #expect(!parsed.head.keepsAlive)
    #expect(parsed.written() == "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n")
    #expect(parsed.written(clientVersion: .http10) == "HTTP/1.1 200 \r\nConnection: close\r\n\r\n")
  }
}
