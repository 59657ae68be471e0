import Core
import Host
import Support
import Testing

/// What takes too long: who is blamed, what the other side is told, and that nothing waits for ever.
@Suite(.onThreads)
struct DeadlineTests {
  private static let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
  private static let short = Nanoseconds.milliseconds(80)
  /// A wait that is over at once if the deadline works, and a failure if it does not.
  private static let long = Nanoseconds.seconds(20)

  // MARK: The client

  @Test func aHeadThatDoesNotEndIsA408() throws {
    try story({ $0.timeouts.requestHead = Self.short }, answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost:")
      let response = try client.receiveResponse(atMost: Self.long)
      #expect(response.status == 408)
      #expect(response["Connection"]?.lowercased() == "close")
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(server.acceptedCount == 0)
      #expect(proxy.counters.clientTimeouts == 1)
    }
  }

  /// The exchange is over at the very moment at which the server is late: the client is told all the same.
  @Test func twoDeadlinesAtOnceAreOneAnswer() throws {
    try story(
      {
        var route = RouteSettings(name: "all", action: .forward(upstream: 0, rewrite: .none))
        route.timeouts.exchange = Self.short
        route.timeouts.responseHead = Self.short
        $0.routes = [route]
      },
      server: { connection, _, _ in
        while let request = try connection.receiveRequestOrEnd() {
          if request.target == "/late" { _ = try connection.waitForEnd() } else { try connection.send(Self.answer) }
        }
      }
    ) { proxy, _ in
      for _ in 0..<5 {
        let client = try proxy.connect()
        // A busy machine may be late itself.
        #expect(try [200, 504].contains(client.get().status))
        try client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.receiveResponse(atMost: Self.long).status == 504)
      }
    }
  }

  /// Bytes that trickle do not extend the time for a head.
  @Test func aHeadThatTricklesForTooLongIsA408() throws {
    try story({ $0.timeouts.requestHead = .milliseconds(150) }, answering: { _ in Self.answer }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET /")
      var response: Message?
      for _ in 0..<200 where response == nil {
        try? client.send("a")
        if try !client.staysQuiet(for: .milliseconds(10)) { response = try client.receiveResponse() }
      }
      #expect(response?.status == 408)
    }
  }

  @Test func anIdleClientIsClosedAfterItsTime() throws {
    try story({ $0.timeouts.clientIdle = Self.short }, answering: { _ in Self.answer }) { proxy, _ in
      let client = try proxy.connect()
      #expect(try client.get().text == "ok")
      let since = MonotonicClock.now
      #expect(try client.waitForEnd(atMost: Self.long) == .endOfStream)
      #expect(MonotonicClock.now.since(since) >= .milliseconds(70))
    }
  }

  @Test func aClientThatNeverSpeaksIsClosed() throws {
    try story({ $0.timeouts.requestHead = Self.short }, answering: { _ in Self.answer }) { proxy, _ in
      let client = try proxy.connect()
      #expect(try client.waitForEnd(atMost: Self.long) == .endOfStream)
    }
  }

  @Test(arguments: ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"])
  func aRequestBodyThatStallsIsA408(rest: String) throws {
    try story(
      { $0.timeouts.bodyIdle = Self.short },
      server: { connection, _, _ in
        _ = try connection.waitForEnd()
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\n\(rest)")
      let response = try client.receiveResponse(atMost: Self.long)
      #expect(response.status == 408)
      #expect(
        eventually { server.acceptedCount == 1 && server.openCount == 0 }, "the server is not left with half a request")
    }
  }

  /// A body that comes in pieces is no stall, however long it takes.
  @Test func aRequestBodyThatTricklesIsServed() throws {
    try story({ $0.timeouts.bodyIdle = .seconds(2) }, answering: { _ in Self.answer }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
      for _ in 0..<6 {
        pause(.milliseconds(400))
        try client.send("x")
      }
      #expect(try client.receiveResponse().text == "ok")
    }
  }

  /// In the middle of a response that never ends.
  @Test func aClientThatDoesNotReadIsLetGo() throws {
    try story(
      { $0.timeouts.bodyIdle = Self.short },
      server: { connection, _, _ in
        _ = try connection.receiveRequest()
        try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        // Until it is not taken any more, and then the end.
        while (try? connection.send(SampleBytes.period)) != nil {}
      }
    ) { proxy, server in
      let client = try proxy.connect()
      client.limitReceiveBuffer(to: 8_192)
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually(atMost: Self.long) { proxy.counters.clientConnectionsClosed == 1 })
      #expect(proxy.counters.clientTimeouts == 1)
      #expect(proxy.counters.failures == [:], "the server is not to blame")
      #expect(eventually { server.openCount == 0 })
    }
  }

  /// The last piece of a response arrives at the proxy when the client has already stopped to read.
  @Test(arguments: 0..<6)
  func aClientThatDoesNotReadTheLastPieceIsLetGo(round: Int) throws {
    let half = 10_000 + round * 3_000
    try story(
      { $0.timeouts.bodyIdle = .milliseconds(400) },
      server: { connection, _, _ in
        while try connection.receiveRequestOrEnd() != nil {
          try connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(half * 2)\r\n\r\n")
          try connection.send(SampleBytes.make(half))
          pause(.milliseconds(1))
          try connection.send(SampleBytes.make(half))
        }
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      client.limitReceiveBuffer(to: 8_192)
      try client.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 1_000))
      #expect(eventually(atMost: Self.long) { proxy.counters.clientConnectionsClosed == 1 })
      #expect(proxy.counters.clientTimeouts == 1)
    }
  }

  // MARK: The server

  @Test func aResponseThatDoesNotComeIsA504() throws {
    try story(
      { $0.timeouts.responseHead = Self.short },
      server: { connection, _, _ in
        _ = try connection.receiveRequest()
        _ = try connection.waitForEnd()
      }
    ) { proxy, server in
      for method in ["GET", "POST"] {
        let client = try proxy.connect()
        let response = try client.get(method: method)
        #expect(response.status == 504)
        #expect(response["Proxy-Status"]?.contains("error=http_response_timeout") == true)
        #expect(response["Connection"]?.lowercased() != "close", "the client's connection is none the worse for it")
      }
      #expect(eventually { server.openCount == 0 })
      #expect(server.acceptedCount == 2, "a timeout is not replayed")
    }
  }

  @Test func aResponseThatStallsIsBrokenOff() throws {
    try story(
      { $0.timeouts.bodyIdle = Self.short },
      server: { connection, index, _ in
        _ = try connection.receiveRequest()
        try connection.send(
          index == 0
            ? "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
            : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        _ = try connection.waitForEnd()
      }
    ) { proxy, server in
      for end in ["\r\n\r\nhello", "5\r\nhello\r\n"] {
        let client = try proxy.connect()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.receiveAll(atMost: Self.long).hasSuffix(end))
      }
      #expect(eventually { server.openCount == 0 })
    }
  }

  @Test func aConnectThatDoesNotComeAboutIsA504() throws {
    let full = try FullListener()
    let proxy = try RunningProxy(to: [full.origin]) { $0.timeouts.connect = Self.short }
    let response = try proxy.connect().get()
    #expect(response.status == 504)
    #expect(response["Proxy-Status"]?.contains("error=connection_timeout") == true)
  }

  /// The body that arrives while the connect is under way does not make its end be forgotten.
  @Test func aConnectThatDoesNotComeAboutEndsAlsoWithABody() throws {
    let full = try FullListener()
    let proxy = try RunningProxy(to: [full.origin]) { $0.timeouts.connect = Self.short }
    let client = try proxy.connect()
    try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
    pause(.milliseconds(10))
    try client.send("bo")
    pause(.milliseconds(5))
    try client.send("dy")
    #expect(try client.receiveResponse(atMost: Self.long).status == 504)
  }

  /// The same for a request that waits for a connection.
  @Test func aWaitForAConnectionEndsAlsoWithABody() throws {
    try story(
      {
        $0.upstream.pool.connections = 1
        $0.upstream.pool.waitingTime = Self.short
      },
      server: { connection, _, _ in
        _ = try connection.receiveRequest()
        _ = try connection.waitForEnd()
      }
    ) { proxy, server in
      let first = try proxy.connect()
      try first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.acceptedCount == 1 })
      let second = try proxy.connect()
      try second.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
      pause(.milliseconds(10))
      try second.send("bo")
      pause(.milliseconds(5))
      try second.send("dy")
      let response = try second.receiveResponse(atMost: Self.long)
      #expect(response.status == 503)
      #expect(response["Retry-After"] != nil)
    }
  }

  /// A server that accepts and does not read: the client is stopped, not blamed.
  @Test func aServerThatDoesNotReadIsA504() throws {
    try story(
      { $0.timeouts.bodyIdle = Self.short },
      server: { connection, _, _ in
        connection.limitReceiveBuffer(to: 8_192)
        _ = try? connection.receiveHead()
        pause(.milliseconds(500))
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
      // It goes on with its body until it is answered, as fast as it is let.
      while try client.staysQuiet(for: .zero) { try? client.send(SampleBytes.period, atMost: .milliseconds(20)) }
      let response = try client.receiveResponse(atMost: Self.long)
      #expect(response.status == 504)
      #expect(response["Proxy-Status"]?.contains("error=connection_write_timeout") == true)
    }
  }

  /// The same when the client has said all it has to say and the rest of it waits in the proxy. How much the kernel takes
  /// is not known exactly, so there are several sizes; a UNIX socket's buffer does not grow.
  @Test(arguments: (9...17).map { $0 * 20_000 })
  func aServerThatDoesNotReadTheRestIsA504(size: Int) throws {
    let directory = try TemporaryDirectory()
    let server = try ScriptedServer(on: SocketAddress(.unix(path: directory.path + "/server"))) { connection, _, _ in
      #expect(connection.waitForHangUp())
    }
    defer { server.stop() }
    let proxy = try RunningProxy(to: [server.origin]) {
      $0.timeouts.bodyIdle = Self.short
      $0.timeouts.responseHead = Self.short
    }
    defer { proxy.stop() }
    let client = try proxy.connect()
    try client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
    try client.send(SampleBytes.make(size))
    #expect(try client.receiveResponse(atMost: Self.long).status == 504)
  }
}
