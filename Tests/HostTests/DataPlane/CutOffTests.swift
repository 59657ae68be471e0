import Core
import Host
import Support
import Testing

/// What the end of a drain cuts off: it is told to whoever can still be told, and named in the logs.
@Suite(.onThreads)
struct CutOffTests {
  @Test(arguments: [1, 3]) func theEndOfADrainIsNamed(threads: Int) throws {
    try story(
      {
        $0.threads = threads
        $0.logs.access = .json
      },
      server: { connection, _, server in
        let request = try connection.receiveRequest()
        server.note(request)
        switch request.target {
        case "/begun": try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        case "/tunnel":
          try connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        default: break
        }
        _ = try connection.waitForEnd(atMost: .seconds(30))
      }
    ) { proxy, server in
      let silent = try proxy.connect()
      try silent.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n")
      let begun = try proxy.connect()
      try begun.send("GET /begun HTTP/1.1\r\nHost: a\r\n\r\n")
      _ = try begun.receive(through: "some")
      let tunnel = try proxy.connect()
      try tunnel.send("GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
      #expect(try tunnel.receiveHead().status == 101)
      #expect(eventually { server.requests.count == 3 })
      proxy.drain(atMost: .milliseconds(200))
      let response = try silent.receiveResponse()
      #expect(response.status == 504 && response["Connection"] == "close")
      #expect(response["Retry-After"] == nil, "the server may carry it out")
      #expect(try begun.waitForEnd() == .endOfStream)
      #expect(try tunnel.waitForEnd() == .endOfStream)
      #expect(
        proxy.log.last
          == "warning the drain ended after 200ms (timeouts.drain) with 2 requests and 1 tunnel under way, cut off",
        "\(proxy.log)")
      let lines = proxy.accessLines
      #expect(lines.count == 3)
      for line in lines {
        #expect(line.contains("(timeouts.drain)") && !line.contains("client_lost"), "\(line)")
      }
      for status in [504, 200, 101] { #expect(lines.contains { $0.contains("\"status\":\(status),") }, "\(lines)") }
    }
  }

  /// What no server has seen may be asked again.
  @Test func whatWaitsForAConnectionIsToldToComeAgain() throws {
    try story(
      { $0.upstream.pool.connections = 1 },
      server: { connection, _, server in
        // A connection may still be opened for the one that waits; nothing comes on it.
        guard let request = try connection.receiveRequestOrEnd() else { return }
        server.note(request)
        _ = try connection.waitForEnd(atMost: .seconds(30))
      }
    ) { proxy, server in
      let holder = try proxy.connect()
      try holder.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let waiting = try proxy.connect()
      try waiting.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
      #expect(eventually { proxy.pools[0].counts.waiting == 1 })
      proxy.drain(atMost: .milliseconds(200))
      let response = try waiting.receiveResponse()
      #expect(response.status == 503 && response["Retry-After"] == "1")
      #expect(try holder.receiveResponse().status == 504)
      #expect(server.requests.count == 1)
    }
  }

  /// All could be done in time: there is nothing to tell.
  @Test func aDrainThatEndsWellSaysNothing() throws {
    try story(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }) { proxy, _ in
      let client = try proxy.connect()
      #expect(try client.get().status == 200)
      proxy.drain(atMost: .milliseconds(300))
      #expect(!proxy.log.contains { $0.contains("cut off") })
    }
  }

  /// A trailer that breaks the grammar comes behind the head that the client has got: the log says what that was.
  @Test func anAnswerThatIsBrokenOffIsNotCalledA502() throws {
    try story(
      { $0.logs.access = .text },
      server: { connection, _, _ in
        _ = try connection.receiveRequest()
        try connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
        pause(.milliseconds(20))
        try connection.send("0\r\nbad trailer\r\n\r\n")
        _ = try connection.waitForEnd()
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.receiveHead().status == 200)
      #expect(!(String(decoding: try client.receiveAllBytes(), as: UTF8.self).contains("0\r\n\r\n")))
      #expect(eventually { proxy.accessLines.first?.contains(#""GET /x" 200 "#) == true })
      let line = try #require(proxy.log.first { $0.hasPrefix("warning GET /x: 200, broken off: ") }, "\(proxy.log)")
      #expect(line.contains("at byte 15 of the content"), "\(line)")
    }
  }

  /// A head beyond a limit is no fault of the server's: the log names what to raise.
  @Test func aHeadBeyondTheLimitNamesTheSetting() throws {
    let fill = String(repeating: "x", count: 2_000)
    try story(
      { $0.limits.headBytes = 1_024 }, answering: { _ in "HTTP/1.1 200 OK\r\nX: \(fill)\r\nContent-Length: 0\r\n\r\n" }
    ) { proxy, _ in
      let response = try proxy.connect().get("/x")
      #expect(response.status == 502)
      #expect(response["Proxy-Status"]?.contains("error=http_response_header_section_size") == true)
      let line = try #require(proxy.log.first { $0.hasPrefix("warning GET /x: 502:") })
      #expect(
        line.contains("limit of 1024 bytes")
          && line.contains("Raise limits.head, or let the server send a smaller head."))
      #expect(try proxy.connect().get("/y", "X: \(fill)\r\n").status == 431)
      #expect(proxy.log.contains { $0.contains("431:") && $0.contains("1024 bytes (limits.head)") }, "\(proxy.log)")
    }
  }
}
