import Core
import Host
import Support
import Testing

/// Interim responses, and final ones that come before the request has ended.
@Suite(.onThreads)
struct InterimTests {
  // PUT: no connection is used again for a POST after a pause, unless the server is known to keep it so long.
  private static let expecting = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

  @Test func theServersContinueReachesTheClient() throws {
    try story(server: { connection, _, server in
      while true {
        var request = try connection.receiveHead()
        #expect(request["Expect"] == "100-continue")
        try connection.send("HTTP/1.1 100 Continue\r\n\r\n")
        try connection.receiveContent(of: &request, closeDelimits: false, atMost: .seconds(5))
        server.note(request)
        try connection.answer(200, "thanks")
        if server.requests.count == 2 { break }
      }
      _ = try connection.receiveRequestOrEnd()
    }) { proxy, server in
      let client = try proxy.connect()
      for _ in 0..<2 {
        try client.send(Self.expecting)
        #expect(try client.receiveResponse().status == 100)
        try client.send("hello")
        #expect(try client.receiveResponse().text == "thanks")
      }
      #expect(server.requests.map(\.text) == ["hello", "hello"])
      #expect(server.acceptedCount == 1)
    }
  }

  /// The time for an answer runs from the request's end, however often the server says that it is at work.
  @Test func interimResponsesDoNotHoldTheTimeForAnAnswer() throws {
    try story(
      { $0.timeouts.responseHead = .milliseconds(300) },
      server: { connection, _, _ in
        _ = try connection.receiveRequest()
        for _ in 0..<100 where !connection.waitForInput(atMost: .milliseconds(50)) {
          guard (try? connection.send("HTTP/1.1 102 Processing\r\n\r\n")) != nil else { return }
        }
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      var interims = 0
      var response = try client.get()
      while response.status == 102 {
        interims += 1
        response = try client.receiveResponse()
      }
      #expect(response.status == 504)
      #expect(interims < 100, "of the 100 that the server has")
    }
  }

  @Test func theServerMayAnswerWithoutWantingTheBody() throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveHead()
      try connection.answer(417, "no")
      _ = try connection.receiveRequestOrEnd()
    }) { proxy, _ in
      let client = try proxy.connect()
      try client.send(Self.expecting)
      let response = try client.receiveResponse()
      #expect(response.status == 417)
      // What the client sends next could be the body or the next request: nobody can tell.
      #expect(response["Connection"]?.lowercased() == "close")
      #expect(try client.waitForEnd() == .endOfStream)
    }
  }

  /// A client that does not wait for the 100 sends its body at once (RFC 9110 section 10.1.1).
  @Test func aClientThatDoesNotWaitIsServed() throws {
    try story(server: { connection, _, server in
      server.note(try connection.receiveRequest())
      try connection.answer(200, "got it")
      _ = try connection.receiveRequestOrEnd()
    }) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.expecting + "hello")
      #expect(try client.receiveResponse().text == "got it")
      #expect(server.requests[0].text == "hello")
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    }
  }

  @Test func hintsArePassedOnButNotToHTTP10() throws {
    try story(answering: { _ in
      "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    }) { proxy, _ in
      let client = try proxy.connect()
      let hint = try client.get()
      #expect(hint.status == 103)
      #expect(hint["Link"] == "</style.css>")
      #expect(try client.receiveResponse()["Link"] == "</b>")
      #expect(try client.receiveResponse().text == "ok")

      let old = try proxy.connect()
      try old.send("GET / HTTP/1.0\r\n\r\n")
      #expect(try old.receiveResponse().status == 200)
    }
  }

  @Test func endlessInterimResponsesAreAFault() throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveRequest()
      // The proxy hangs up in the middle of this.
      for _ in 0..<1_000 { try? connection.send("HTTP/1.1 103 Early Hints\r\n\r\n") }
    }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      var count = 0
      var response = try client.receiveResponse()
      while response.status == 103 {
        count += 1
        response = try client.receiveResponse()
      }
      #expect(count < 200)
      #expect(response.status == 502)
      #expect(eventually { proxy.counters.failures["http_protocol_error"] == 1 })
    }
  }

  /// The server refuses an upload after its head; the client, still sending, has to get to know.
  @Test(arguments: [true, false])
  func anEarlyAnswerReachesAClientThatStillSends(serverCloses: Bool) throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveHead()
      try connection.answer(413, "too much", serverCloses ? "Connection: close\r\n" : "")
      if !serverCloses { _ = try connection.waitForEnd() }
    }) { proxy, _ in
      let client = try proxy.connect()
      let size = 400_000
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
      try client.send(SampleBytes.make(size / 2))
      let response = try client.receiveResponse()
      #expect(response.status == 413)
      #expect(response.text == "too much")
      #expect(response["Connection"]?.lowercased() == "close")
      // The rest of what it sends does no harm, and the end is an orderly one.
      try client.send(SampleBytes.make(size / 2))
      client.shutdownWriting()
      #expect(try client.waitForEnd() == .endOfStream)
    }
  }

  /// The answer begins before the request ends and both go on: neither waits for the other.
  @Test func requestAndResponseMayFlowAtTheSameTime() throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveHead()
      try connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      for number in 0..<20 {
        #expect(try connection.receive(exactly: 4) == "in\(10 + number)")
        try connection.send("5\r\nout\(10 + number)\r\n")
      }
      try connection.send("0\r\n\r\n")
    }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 80\r\n\r\n")
      #expect(try client.receiveHead().status == 200)
      for number in 0..<20 {
        try client.send("in\(10 + number)")
        #expect(try client.receive(exactly: 10) == "5\r\nout\(10 + number)\r\n")
      }
      #expect(try client.receiveAll() == "0\r\n\r\n")
    }
  }
}
