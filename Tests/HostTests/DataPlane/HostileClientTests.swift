import Core
import Host
import Support
import Testing

/// Requests that are malformed or ambiguous: each is refused, the connection ends, and no byte of it reaches a server.
@Suite(.onThreads)
struct HostileClientTests {
  static let refused: [(request: String, status: Int)] = [
    // Two framings of one message.
    (
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
      400
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 5\r\n\r\nabcde", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nabcd", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4 4\r\n\r\nabcd", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabcd", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabcd", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // Lines.
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("G\u{1}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    // Versions, hosts, targets, methods.
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\nGET", 200),
    ("GET / HTTX/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
    ("PUT / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 1\r\n\r\nx", 417),
    // Limits.
    ("GET /\(String(repeating: "a", count: 9_000)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (
      "GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: \(String(repeating: "y", count: 1_000))\r\n", count: 20))\r\n",
      431
    ),
    ("GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: y\r\n", count: 200))\r\n", 431),
    // Chunks, in the same segment as the head.
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"\nb\"\r\nhello\r\n0\r\n\r\n", 400),
    // Other protocols.
    ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\r\n\r\n", 400),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
  ]

  @Test(arguments: refused.indices)
  func nothingOfItReachesAServer(index: Int) throws {
    let (request, status) = Self.refused[index]
    try story(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }) { proxy, server in
      let client = try proxy.connect()
      try client.send(request.unicodeScalars.map { UInt8($0.value) })
      let response = try client.receiveResponse()
      #expect(response.status == status, "\(request.debugDescription): \(response)")
      if status == 200 { return }
      #expect(response["Connection"]?.lowercased() == "close")
      #expect(response["Proxy-Status"]?.hasPrefix("photofinish; error=http_request_error") == true)
      client.shutdownWriting()
      #expect(try client.receiveAll() == "", "one answer, then the end")
      #expect(proxy.counters.upstreamConnectionsOpened == 0)
      #expect(proxy.counters.malformedRequests == 1)
      #expect(server.acceptedCount == 0)
    }
  }

  /// What follows a request that was refused is no request.
  @Test func nothingBehindARefusedRequestIsServed() throws {
    try story(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }) { proxy, server in
      let client = try proxy.connect()
      try client.send(
        "GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost : a\r\n\r\nGET /third HTTP/1.1\r\nHost: a\r\n\r\n"
      )
      #expect(try client.receiveResponse().status == 200)
      #expect(try client.receiveResponse().status == 400)
      client.shutdownWriting()
      #expect(try client.receiveAll() == "")
      #expect(server.requests.map(\.target) == ["/first"])
    }
  }

  /// Chunks that turn out to be malformed when a part has gone to the server: that part is never completed.
  @Test func aRequestThatBecomesMalformedIsNeverWhole() throws {
    try story(server: { connection, _, server in
      var request = try connection.receiveHead()
      do {
        try connection.receiveContent(of: &request, closeDelimits: false, atMost: .seconds(5))
        server.note(request)
      } catch {
        return
      }
    }) { proxy, server in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
      #expect(eventually { server.acceptedCount == 1 })
      try client.send("zz\r\n0\r\n\r\n")
      let response = try client.receiveResponse()
      #expect(response.status == 400)
      #expect(response["Connection"]?.lowercased() == "close")
      #expect(eventually { server.openCount == 0 })
      #expect(server.requests.isEmpty)
    }
  }

  @Test(arguments: [
    "Content-Length: 2000\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n400\r\n\(String(repeating: "x", count: 1_024))\r\n400\r\n",
  ])
  func aBodyBeyondTheLimitIsA413(rest: String) throws {
    try story(
      { $0.limits.bodyBytes = 1_500 },
      server: { connection, _, _ in
        _ = try? connection.waitForEnd()
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\n\(rest)\(String(repeating: "x", count: 1_024))\r\n")
      let response = try client.receiveResponse()
      #expect(response.status == 413)
      #expect(response["Connection"]?.lowercased() == "close")
    }
  }

  @Test func aBodyWithinTheLimitIsNone() throws {
    try story({ $0.limits.bodyBytes = 1_500 }, answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }) {
      proxy, _ in
      let response = try proxy.connect().post("/", String(repeating: "x", count: 1_500))
      #expect(response.status == 200)
    }
  }

  /// The answer to a refused request arrives although the client goes on sending.
  @Test func aRefusedClientThatSendsOnGetsItsAnswer() throws {
    try story(answering: { _ in "" }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
      for _ in 0..<10 { try client.send(SampleBytes.make(40_000)) }
      #expect(try client.receiveResponse().status == 400)
      client.shutdownWriting()
      #expect(try client.waitForEnd() == .endOfStream)
    }
  }
}
