import Core
import Host
import Support
import Testing

/// How long client connections live and what goes over them: versions, pipelining, half-close.
@Suite(.onThreads)
struct PersistenceTests {
  private static let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

  // MARK: Versions

  @Test func anHTTP10ClientGetsOneAnswerAndTheEnd() throws {
    try story(answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.0\r\n\r\n")
      let response = try client.receiveResponse()
      #expect(response.startLine == "HTTP/1.1 200 OK")
      #expect(response["Connection"] != "keep-alive")
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(server.requests[0].startLine == "GET / HTTP/1.1")
      #expect(server.requests[0]["Host"] != nil, "an HTTP/1.1 request has a Host")
    }
  }

  @Test func anHTTP10ClientMayKeepItsConnection() throws {
    try story(answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      for _ in 0..<3 {
        try client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        let response = try client.receiveResponse()
        #expect(response["Connection"]?.lowercased() == "keep-alive")
        #expect(response.text == "ok")
      }
      try client.send("GET / HTTP/1.0\r\n\r\n")
      #expect(try client.receiveResponse().text == "ok")
      #expect(try client.waitForEnd() == .endOfStream)
    }
  }

  @Test func anHTTP10ClientGetsChunksDecoded() throws {
    try story(answering: { _ in
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: dropped\r\n\r\n"
    }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      let text = try client.receiveAll()
      #expect(text.hasSuffix("\r\n\r\nabcde"))
      #expect(!text.lowercased().contains("keep-alive"), "only the close can end this content")
    }
  }

  @Test(arguments: ["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"])
  func contentThatTheCloseEndsBecomesChunked(head: String) throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveRequest()
      try connection.send(head)
      for piece in ["one, ", "two, ", "three"] {
        try connection.send(piece)
        pause(.milliseconds(2))
      }
    }) { proxy, _ in
      let client = try proxy.connect()
      for _ in 0..<2 {
        let response = try client.get()
        #expect(response.framing == .chunked)
        #expect(response.text == "one, two, three")
        #expect(
          response["Connection"]?.lowercased().contains("close") != true, "that was about the server's connection")
      }
    }
  }

  @Test func theClientsCloseIsHonoured() throws {
    try story(answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      let response = try client.get("/", "Connection: close\r\n")
      #expect(response["Connection"]?.lowercased() == "close")
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(server.requests[0]["Connection"]?.lowercased() != "close")
      #expect(try proxy.connect().get().text == "ok")
      #expect(server.acceptedCount == 1, "the server's connection outlives the client's")
    }
  }

  @Test func clientsAreToldHowLongTheirConnectionsLive() throws {
    try story({ $0.timeouts.advertisedIdleSeconds = 7 }, answering: { _ in Self.answer }) { proxy, _ in
      let response = try proxy.connect().get()
      #expect(response["Keep-Alive"]?.contains("timeout=7") == true)
    }
  }

  @Test func theServersKeepAliveIsNotTheClients() throws {
    try story(
      { $0.timeouts.advertisedIdleSeconds = 7 },
      answering: { _ in
        "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=1234\r\nContent-Length: 0\r\n\r\n"
      }
    ) { proxy, _ in
      let response = try proxy.connect().get()
      #expect(response["Keep-Alive"]?.contains("1234") != true)
    }
  }

  // MARK: Pipelining

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    try story(answering: {
      "HTTP/1.1 200 OK\r\nX-Target: \($0.target)\r\nContent-Length: \($0.content.count)\r\n\r\n\($0.text)"
    }) { proxy, server in
      let client = try proxy.connect()
      let count = 200
      var requests = ""
      for number in 0..<count {
        requests +=
          number % 3 == 0
          ? "POST /\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nb\(String(1000 + number).dropFirst())"
          : number % 3 == 1
            ? "PUT /\(number) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
            : "GET /\(number) HTTP/1.1\r\nHost: a\r\n\r\n"
      }
      try client.send(requests)
      for number in 0..<count {
        let response = try client.receiveResponse()
        #expect(response["X-Target"] == "/\(number)")
        #expect(
          response.text == (number % 3 == 0 ? "b\(String(1000 + number).dropFirst())" : number % 3 == 1 ? "x" : ""))
      }
      #expect(server.requests.map(\.target) == (0..<count).map { "/\($0)" })
    }
  }

  /// Wherever the network cuts a stream of requests, the answers are the same.
  @Test func everyCutGivesTheSameAnswers() throws {
    let requests =
      "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n"
      + "PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /c HTTP/1.1\r\nHost: a\r\n\r\n"
    try story(answering: { "HTTP/1.1 200 OK\r\nContent-Length: \($0.content.count + 2)\r\n\r\n\($0.target)\($0.text)" })
    {
      proxy, _ in
      let bytes = Array(requests.utf8)
      for cut in 1..<bytes.count {
        let client = try proxy.connect()
        try client.send(Array(bytes[..<cut]))
        // Segments of their own: the first has reached the proxy's socket when it is acknowledged.
        while (Socket.unacknowledgedBytes(client.number) ?? 0) > 0 { pause(.microseconds(50)) }
        try client.send(Array(bytes[cut...]))
        for expected in ["/aabc", "/bhello", "/c"] {
          #expect(try client.receiveResponse().text == expected, "cut at \(cut)")
        }
      }
    }
  }

  @Test func aHeadThatTricklesIsServed() throws {
    try story(answering: { "HTTP/1.1 200 OK\r\nContent-Length: \($0.content.count)\r\n\r\n\($0.text)" }) {
      proxy, server in
      let client = try proxy.connect()
      for byte in Array("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".utf8) {
        try client.send([byte])
      }
      #expect(try client.receiveResponse().text == "abc")
      #expect(server.requests[0].target == "/slow")
    }
  }

  @Test func aResponseThatTricklesIsPassedOn() throws {
    let response =
      "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n0\r\nT: v\r\n\r\n"
    try story(server: { connection, _, _ in
      while try connection.receiveRequestOrEnd() != nil {
        for byte in Array(response.utf8) { try connection.send([byte]) }
      }
    }) { proxy, server in
      let client = try proxy.connect()
      for _ in 0..<2 {
        #expect(try client.get().status == 103)
        let final = try client.receiveResponse()
        #expect(final.text == "abc")
        #expect(final.trailers.count == 1)
      }
      #expect(server.acceptedCount == 1)
    }
  }

  // MARK: Ends

  @Test func aClientThatHalfClosesGetsItsAnswers() throws {
    try story(
      { $0.halfClosed = .serve },
      answering: { request in "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\(request.target)" }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
      client.shutdownWriting()
      #expect(try client.receiveResponse().text == "/a")
      #expect(try client.receiveResponse().text == "/b")
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(eventually { proxy.clientConnections == 0 })
    }
  }

  @Test func aHalfClosingClientMayWaitForASlowAnswer() throws {
    try story(
      { $0.halfClosed = .serve },
      server: { connection, _, _ in
        _ = try connection.receiveRequest()
        pause(.milliseconds(50))
        try connection.answer(200, "late")
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
      client.shutdownWriting()
      #expect(try client.receiveResponse().text == "late")
    }
  }

  @Test func anEmptyConnectionEndsWithoutAWord() throws {
    try story(answering: { _ in Self.answer }) { proxy, _ in
      let client = try proxy.connect()
      client.shutdownWriting()
      #expect(try client.receiveAll() == "")
      #expect(proxy.counters.requests == 0)
    }
  }

  /// RFC 9112 section 2.2: an empty line before a request is passed over.
  @Test func emptyLinesBeforeARequestArePassedOver() throws {
    try story(answering: { _ in Self.answer }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.receiveResponse().text == "ok")
    }
  }
}
