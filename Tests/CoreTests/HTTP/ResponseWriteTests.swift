import Testing

@testable import Core

/// What the client gets to see.
@Suite struct ResponseWriteTests {
  private func fields(_ written: String) -> [String] { Array(RequestWriteTests.lines(written).dropFirst()) }

  @Test func dropsWhatConcernsOneHopOnly() throws {
    let parsed = try Parsed.response(
      "HTTP/1.0 200 Fine\r\nConnection: x, Set-Cookie\r\nX: 1\r\nSet-Cookie: c\r\nKeep-Alive: timeout=5\r\nUpgrade: h2\r\n"
        + "Proxy-Authenticate: b\r\nProxy-Connection: close\r\nTE: x\r\nContent-Length: 02\r\nTrailer: y\r\nContent_Type: z\r\n\r\n"
    )
    #expect(parsed.written() == "HTTP/1.1 200 Fine\r\nSet-Cookie: c\r\nContent_Type: z\r\nContent-Length: 2\r\n\r\n")
  }

  @Test func framesForTheClient() throws {
    let cases: [(String, HTTPVersion, Bool, [String])] = [
      ("Content-Length: 5", .http11, true, ["Content-Length: 5"]),
      ("Content-Length: 5", .http11, false, ["Content-Length: 5", "Connection: close"]),
      ("Content-Length: 5", .http10, true, ["Content-Length: 5", "Connection: keep-alive"]),
      ("Content-Length: 5", .http10, false, ["Content-Length: 5", "Connection: close"]),
      ("Transfer-Encoding: chunked", .http11, true, ["Transfer-Encoding: chunked"]),
      ("Transfer-Encoding: chunked", .http10, true, ["Connection: close"]),
      ("X: y", .http11, true, ["X: y", "Transfer-Encoding: chunked"]),
      ("X: y", .http11, false, ["X: y", "Transfer-Encoding: chunked", "Connection: close"]),
      ("X: y", .http10, true, ["X: y", "Connection: close"]),
    ]
    for (sent, version, keepsAlive, expected) in cases {
      let parsed = try Parsed.response("HTTP/1.1 200 OK\r\n\(sent)\r\n\r\n")
      #expect(fields(parsed.written(clientVersion: version, clientKeepsAlive: keepsAlive)) == expected)
    }
  }

  @Test func answersWithoutContentKeepTheirLength() throws {
    let toHead = try Parsed.response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", to: .head)
    #expect(fields(toHead.written()) == ["Content-Length: 5"])
    let chunkedToHead = try Parsed.response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", to: .head)
    #expect(fields(chunkedToHead.written()) == [])
    let empty = try Parsed.response("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
    #expect(fields(empty.written()) == [])
    let interim = try Parsed.response("HTTP/1.1 103 Early Hints\r\nLink: a\r\nContent-Length: 5\r\n\r\n")
    #expect(fields(interim.written(clientKeepsAlive: false, date: "now")) == ["Link: a"])
  }

  @Test func addsItsOwnFields() throws {
    let parsed = try Parsed.response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nVia: 1.1 b\r\nProxy-Status: b\r\n\r\n")
    #expect(
      fields(parsed.written(keepAliveTimeout: 75, via: "c", proxyStatus: "c; error=x", date: "today")) == [
        "Via: 1.1 b", "Proxy-Status: b", "Date: today", "Via: 1.0 c", "Proxy-Status: c; error=x", "Content-Length: 0",
        "Connection: keep-alive", "Keep-Alive: timeout=75",
      ])
    let dated = try Parsed.response("HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n")
    #expect(fields(dated.written(date: "today")) == ["Date: yesterday", "Content-Length: 0"])
  }
}
