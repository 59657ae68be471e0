import Core
import Host
import Support
import Testing

/// Clients that close, or half-close, behind their whole request (`client-half-close`).
@Suite(.onThreads)
struct ClosedClientTests {
  private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
  private static let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"

  /// How a client shows that it has nothing more to say.
  enum Farewell: CaseIterable {
    case closes, halfCloses

    func say(_ client: BlockingSocket) {
      switch self {
      case .closes: client.close()
      case .halfCloses: client.shutdownWriting()
      }
    }
  }

  @Test(arguments: [get, post], Farewell.allCases)
  func aClientThatClosesBeforeItsAnswerEndsTheServersWork(request: String, farewell: Farewell) throws {
    try story(
      { $0.logs.access = .text },
      server: { connection, _, server in
        server.note(try connection.receiveRequest())
        _ = try connection.waitForEnd()
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send(request)
      #expect(eventually { server.requests.count == 1 })
      farewell.say(client)
      #expect(eventually { server.openCount == 0 && proxy.clientConnections == 0 })
      let counters = proxy.counters
      #expect(counters.clientAborts == 1 && counters.clientCloses == 1)
      #expect(counters.closedByProxy["client-left"] == 1 && counters.failures.isEmpty)
      #expect(eventually { proxy.accessLines.count == 1 })
      let line = try #require(proxy.accessLines.first)
      #expect(line.contains(" 499 ") && line.contains("client=lost"), "\(line)")
    }
  }

  /// A stream of events that has nothing to tell for a while.
  @Test(arguments: ["Content-Length: 1000\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n", "\r\nsome"])
  func aClientThatClosesInAQuietStreamEndsIt(answer: String) throws {
    try story(
      { $0.logs.access = .text },
      server: { connection, _, server in
        server.note(try connection.receiveRequest())
        try connection.send("HTTP/1.1 200 OK\r\n\(answer)")
        _ = try connection.waitForEnd()
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.get)
      _ = try client.receive(through: "some")
      client.close()
      #expect(eventually { server.openCount == 0 && proxy.clientConnections == 0 })
      #expect(proxy.counters.clientCloses == 1)
      #expect(eventually { proxy.accessLines.count == 1 })
      let line = try #require(proxy.accessLines.first)
      #expect(line.contains(" 200 ") && line.contains("client=lost"), "\(line)")
    }
  }

  /// What the client pipelined behind its request hides its FIN from whoever only reads.
  @Test func aFINBehindFurtherRequestsIsSeen() throws {
    try story(server: { connection, _, server in
      server.note(try connection.receiveRequest())
      _ = try connection.waitForEnd()
    }) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.get)
      #expect(eventually { server.requests.count == 1 })
      try client.send(Self.get + Self.get)
      client.close()
      #expect(eventually { server.openCount == 0 && proxy.clientConnections == 0 })
      #expect(server.acceptedCount == 1 && proxy.counters.clientCloses == 1)
    }
  }

  /// Their FINs and the connection that becomes free are there at once, in either order: the loop stands still meanwhile.
  @Test(arguments: [true, false])
  func nothingIsSentForClientsThatClosedInTheQueue(closeFirst: Bool) throws {
    try story(
      { $0.upstream.pool.connections = 1 },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          if request.target == "/held" { #expect(eventually { server.requests.contains { $0.target == "/go" } }) }
          try connection.answer(200, request.target)
          guard request.target == "/held" else { continue }
          #expect(eventually { Socket.unacknowledgedBytes(connection.number) == 0 })
          server.note(Message(head: "NOTE /answered"))
        }
      }
    ) { proxy, server in
      let holder = try proxy.connect()
      try holder.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let waiting = try (0..<5).map { _ in try proxy.connect() }
      for client in waiting { try client.send(Self.post) }
      #expect(eventually { proxy.pools[0].counts.waiting == 5 })
      try proxy.whileHeldUp {
        if closeFirst { for client in waiting { try client.closeAndArrive() } }
        server.note(Message(head: "NOTE /go"))
        #expect(eventually { server.requests.contains { $0.target == "/answered" } })
        if !closeFirst { for client in waiting { try client.closeAndArrive() } }
      }
      #expect(try holder.receiveResponse().text == "/held")
      #expect(try proxy.connect().get("/later").text == "/later")
      #expect(!server.requests.contains { $0.method == "POST" })
      #expect(eventually { proxy.clientConnections == 1 && proxy.counters.clientCloses == 5 })
      #expect(proxy.pools[0].counts.waiting == 0)
    }
  }

  /// Request and FIN come together, before the proxy looked.
  @Test(arguments: [get, post])
  func nothingIsSentForAClientThatClosedAtOnce(request: String) throws {
    try story(answering: { "HTTP/1.1 200 OK\r\nContent-Length: \($0.target.utf8.count)\r\n\r\n\($0.target)" }) {
      proxy, server in
      // The worker is held up by its mailbox until both are here.
      try proxy.whileHeldUp {
        let client = try proxy.connect()
        try client.send(request)
        try client.closeAndArrive()
      }
      #expect(eventually { proxy.counters.clientCloses == 1 })
      #expect(try proxy.connect().get("/later").text == "/later")
      #expect(server.requests.map(\.target) == ["/later"])
    }
  }

  @Test func aClientThatClosesDuringTheConnectLeavesNoTrace() throws {
    let full = try FullListener()
    let proxy = try RunningProxy(to: [full.origin])
    let client = try proxy.connect()
    try client.send(Self.post)
    #expect(eventually { proxy.pools[0].counts.connecting == 1 })
    client.close()
    #expect(eventually { proxy.pools[0].counts.connecting == 0 && proxy.clientConnections == 0 })
    #expect(proxy.counters.clientCloses == 1)
  }

  /// The server ends its connection without an answer, and the client had closed before.
  @Test func nothingIsSentAgainForAClientThatClosed() throws {
    try story(server: { connection, index, server in
      server.note(try connection.receiveRequest())
      if index == 0 {
        try connection.answer(200, "first")
        server.note(try connection.receiveRequest())
        #expect(eventually { server.requests.contains { $0.target == "closed" } })
      }
    }) { proxy, server in
      let client = try proxy.connect()
      #expect(try client.get("/1").text == "first")
      try client.send(Self.get)
      #expect(eventually { server.requests.count == 2 })
      try proxy.whileHeldUp {
        try client.closeAndArrive()
        server.note(Message(head: "GET closed"))
        #expect(eventually { server.openCount == 0 })
      }
      #expect(eventually { proxy.clientConnections == 0 })
      #expect(proxy.counters.clientCloses == 1)
      #expect(server.acceptedCount == 1 && server.requests.count == 3)
    }
  }

  /// The answer is whole, or made here: there is nothing to end.
  @Test func aClientThatHalfClosesReadsWhatIsThere() throws {
    let content = SampleBytes.make(4 << 20)
    try story(
      {
        $0.routes = [
          RouteSettings(name: "here", action: .respond(FixedResponse(status: 200, body: Array("here".utf8)))),
          RouteSettings(name: "there", action: .forward(upstream: 0, rewrite: .none)),
        ]
        $0.routes[0].match.paths = [.exact("/here")]
      },
      server: { connection, _, _ in
        while try connection.receiveRequestOrEnd() != nil {
          try connection.send(head: "HTTP/1.1 200 OK\r\n", content: content, framing: .length(content.count))
        }
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET /here HTTP/1.1\r\nHost: a\r\n\r\n")
      client.shutdownWriting()
      #expect(try client.receiveResponse().text == "here")
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(proxy.counters.clientAborts == 0)
    }
  }

  // MARK: To serve them

  @Test(arguments: [get, post])
  func aClientThatHalfClosesIsServedWhereTheSettingsSaySo(request: String) throws {
    try story(
      { $0.halfClosed = .serve },
      server: { connection, _, server in
        server.note(try connection.receiveRequest())
        #expect(eventually { server.requests.contains { $0.target == "closed" } })
        pause(.milliseconds(20))
        try connection.answer(200, "served")
        _ = try connection.waitForEnd()
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send(request)
      #expect(eventually { server.requests.count == 1 })
      client.shutdownWriting()
      server.note(Message(head: "GET closed"))
      #expect(try client.receiveResponse().text == "served")
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(proxy.counters.clientAborts == 0)
    }
  }

  /// Requests, a FIN, and every answer.
  @Test func aClientThatPipelinesAndHalfClosesGetsAllItsAnswers() throws {
    try story(
      { $0.halfClosed = .serve },
      answering: { "HTTP/1.1 200 OK\r\nContent-Length: \($0.target.utf8.count)\r\n\r\n\($0.target)" }
    ) { proxy, server in
      let client = try proxy.connect()
      // More than one buffer holds.
      let padding = String(repeating: "x", count: 1_000)
      let targets = (0..<20).map { "/\($0)/\(padding)" }
      try client.send(targets.map { "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
      client.shutdownWriting()
      for target in targets { #expect(try client.receiveResponse().text == target) }
      #expect(try client.waitForEnd() == .endOfStream)
    }
  }

  // MARK: What is another matter

  /// A tunnel has two ends for each side (RFC 9110 section 7.8).
  @Test func aHalfClosedTunnelGoesOn() throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveHead()
      try connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
      #expect(try connection.receiveAllBytes() == [])
      try connection.send("more")
    }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
      _ = try client.receiveHead()
      client.shutdownWriting()
      #expect(try client.receive(exactly: 4) == "more")
    }
  }

  /// A reload changes it for those who are here, too.
  @Test func aReloadDecidesForRequestsUnderWay() throws {
    try story(server: { connection, _, server in
      server.note(try connection.receiveRequest())
      _ = try connection.waitForEnd()
    }) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.get)
      #expect(eventually { server.requests.count == 1 })
      var settings = proxy.proxy.settings
      settings.halfClosed = .serve
      _ = try proxy.proxy.reload(settings)
      client.shutdownWriting()
      #expect(try client.staysQuiet(for: .milliseconds(50)) && proxy.clientConnections == 1)
      settings.halfClosed = .end
      _ = try proxy.proxy.reload(settings)
      let other = try proxy.connect()
      try other.send(Self.get)
      #expect(eventually { server.requests.count == 2 })
      other.shutdownWriting()
      #expect(eventually { server.openCount == 1 })
    }
  }
}
