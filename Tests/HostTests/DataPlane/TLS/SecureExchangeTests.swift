import Core
import Host
import Support
import TLS
import Testing

/// Requests and answers over TLS on both sides.
@Suite(.onThreads)
struct SecureExchangeTests {
  @Test func requestsGoThroughOnOneConnectionEach() throws {
    try secureStory(server: echoing) { proxy, server, ground in
      let client = try proxy.connectSecurely(ground.client)
      #expect(try client.get("/a").text == "GET /a 0")
      // The server's tickets lie unread on its connection by now: they are no news.
      pause(.milliseconds(50))
      #expect(try client.post("/b", "body", method: "PUT").text == "PUT /b 4")
      #expect(try client.get("/c", method: "HEAD").status == 200)
      #expect(server.acceptedCount == 1)
      #expect(server.requests.allSatisfy { $0["X-Forwarded-Proto"] == "https" })
      let counters = proxy.counters
      #expect(counters.tlsHandshakes == 1 && counters.tlsHandshakesWithServers == 1)
      #expect(counters.closedByServer.isEmpty && counters.unaskedResponses.isEmpty)
    }
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    try secureStory(server: echoing) { proxy, _, ground in
      let client = try proxy.connectSecurely(ground.client)
      try client.send((1...5).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
      for number in 1...5 { #expect(try client.receiveResponse().text == "GET /\(number) 0") }
    }
  }

  @Test(arguments: [Message.Framing.length(0), .chunked])
  func largeBodiesArriveWhole(_ framing: Message.Framing) throws {
    let content = SampleBytes.make(3_000_000)
    try secureStory(server: { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        try connection.send(head: "HTTP/1.1 200 OK\r\n", content: request.content, framing: framing)
      }
    }) { proxy, server, ground in
      let client = try proxy.connectSecurely(ground.client)
      for _ in 0..<2 {
        try client.send(head: "POST / HTTP/1.1\r\nHost: a\r\n", content: content, framing: framing)
        #expect(try client.receiveResponse(atMost: .seconds(60)).content == content)
      }
      #expect(server.requests.allSatisfy { $0.content == content })
    }
  }

  /// The kernel is full, and the end of the answer waits in the proxy: it is not lost when the connection closes behind it.
  @Test(arguments: [false, true])
  func aSlowReaderGetsTheLastAnswerWhole(halfCloses: Bool) throws {
    let content = SampleBytes.make(4_000_000)
    try secureStory(
      { $0.halfClosed = .serve },
      server: { connection, _, server in
        server.note(try connection.receiveRequest())
        try connection.send(
          Array("HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\n\r\n".utf8) + content, atMost: .seconds(30))
      }
    ) { proxy, _, ground in
      let client = try proxy.connect()
      client.limitReceiveBuffer(to: 8_192)
      try client.speakTLS(ground.client)
      try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      if halfCloses {
        try client.sendCloseNotify()
        client.shutdownWriting()
      }
      pause(.milliseconds(300))
      let answer = try client.receiveResponse(atMost: .seconds(60))
      #expect(answer.content == content)
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(client.secured?.end == .closeNotify)
      #expect(eventually { proxy.clientConnections == 0 })
    }
  }

  /// A client that never reads the end of its answer is let go of.
  @Test func whoReadsNothingMoreIsLetGo() throws {
    let content = SampleBytes.make(4_000_000)
    try secureStory(
      {
        $0.timeouts.bodyIdle = .milliseconds(300)
        $0.timeouts.linger = .milliseconds(300)
      },
      server: { connection, _, server in
        server.note(try connection.receiveRequest())
        _ = try? connection.send(
          Array("HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\n\r\n".utf8) + content, atMost: .seconds(5))
      }
    ) { proxy, _, ground in
      let client = try proxy.connect()
      client.limitReceiveBuffer(to: 8_192)
      try client.speakTLS(ground.client)
      try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      #expect(eventually { proxy.clientConnections == 0 })
      withExtendedLifetime(client) {}
    }
  }

  @Test func aServerThatTakesLongToReadGetsTheWholeBody() throws {
    let content = SampleBytes.make(3_000_000)
    try secureStory(server: { connection, _, server in
      let head = try connection.receiveHead()
      pause(.milliseconds(300))
      var request = head
      try connection.receiveContent(of: &request, closeDelimits: false, atMost: .seconds(60))
      server.note(request)
      try connection.answer(200, "\(request.content == content)")
    }) { proxy, _, ground in
      let client = try proxy.connectSecurely(ground.client)
      try client.send(head: "POST / HTTP/1.1\r\nHost: a\r\n", content: content, framing: .length(0))
      #expect(try client.receiveResponse().text == "true")
    }
  }

  @Test func webSocketsGoThroughToTheirLastByte() throws {
    let last = SampleBytes.make(500_000)
    try secureStory(server: { connection, _, server in
      server.note(try connection.receiveHead())
      try connection.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
      )
      let text = try connection.receive(exactly: 5)
      try connection.send("<\(text)>")
      // The client's end comes, and behind it there is still something to say.
      _ = try connection.receiveAll()
      try connection.send(last)
      try connection.sendCloseNotify()
    }) { proxy, _, ground in
      let client = try proxy.connectSecurely(ground.client)
      try client.send(
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
      )
      #expect(try client.receiveHead().status == 101)
      try client.send("hello")
      #expect(try client.receive(exactly: 7) == "<hello>")
      try client.sendCloseNotify()
      client.shutdownWriting()
      pause(.milliseconds(100))
      #expect(try client.receiveAllBytes() == last)
      #expect(client.secured?.end == .closeNotify)
    }
  }

  /// To https, and to nothing else; who has come by https is served.
  @Test func plainRequestsAreRedirected() throws {
    var redirect = Redirect()
    redirect.scheme = "https"
    try secureStory(
      {
        $0.listeners.append(ListenerSettings(.tcp(host: "127.0.0.1", port: 0)))
        $0.routes = [
          RouteSettings(name: "to-https", action: .redirect(redirect)),
          RouteSettings(name: "app", action: .forward(upstream: 0, rewrite: .none)),
        ]
      }, server: echoing
    ) { proxy, server, ground in
      let plain = try BlockingSocket(to: proxy.proxy.addresses[1])
      let answer = try plain.get("/a?b")
      #expect(answer.status == 308 && answer["Location"] == "https://test/a?b")
      #expect(try proxy.connectSecurely(ground.client).get("/a").text == "GET /a 0")
      #expect(server.requests.count == 1)
    }
  }

  // MARK: - How connections end

  /// A FIN can be anybody's: only close_notify says that a body without a length is whole.
  @Test(arguments: [true, false])
  func aBodyUntilTheCloseNeedsCloseNotify(isNotified: Bool) throws {
    try secureStory(server: { connection, _, server in
      server.note(try connection.receiveRequest())
      try connection.send("HTTP/1.1 200 OK\r\n\r\nsome of it")
      if isNotified { try connection.sendCloseNotify() }
    }) { proxy, _, ground in
      let client = try proxy.connectSecurely(ground.client)
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      if isNotified {
        #expect(try client.receiveResponse().text == "some of it")
      } else {
        #expect(throws: BlockingSocket.Failure.self) { _ = try client.receiveResponse() }
        #expect(eventually { proxy.counters.failures["http_response_incomplete"] == 1 })
      }
    }
  }

  /// The server says that it sends nothing more, and leaves its socket open: its connection is not used again.
  @Test func closeNotifyRetiresAnIdleConnection() throws {
    try secureStory(server: { connection, index, server in
      server.note(try connection.receiveRequest())
      try connection.answer(200, "\(index)")
      try connection.sendCloseNotify()
      _ = try? connection.receiveAll()
    }) { proxy, server, ground in
      let client = try proxy.connectSecurely(ground.client)
      #expect(try client.get().text == "0")
      #expect(eventually { proxy.counters.closedByServer["idle-fin"] == 1 })
      #expect(try client.post("/", "x").text == "1")
      #expect(server.acceptedCount == 2 && server.requests.count == 2)
    }
  }

  /// New keys, in the midst of an idle connection and asked back: neither an answer nor a request's byte.
  @Test func newKeysAreNoNews() throws {
    try secureStory(server: { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        try connection.answer(200, "ok")
        guard let secured = connection.secured else { return }
        secured.session.requestKeyUpdate()
        try connection.sendToWire(secured.takeOutput())
      }
    }) { proxy, server, ground in
      let client = try proxy.connectSecurely(ground.client)
      for number in 1...6 {
        #expect(try client.post("/\(number)", "x", method: "PUT").text == "ok")
        pause(.milliseconds(number.isMultiple(of: 2) ? 0 : 20))
        client.secured?.session.requestKeyUpdate()
      }
      #expect(server.acceptedCount == 1)
      #expect(proxy.counters.unaskedResponses.isEmpty)
    }
  }

  @Test func aClientThatSaysCloseNotifyIsClosed() throws {
    try secureStory(server: echoing) { proxy, _, ground in
      let client = try proxy.connectSecurely(ground.client)
      #expect(try client.get("/a").text == "GET /a 0")
      try client.sendCloseNotify()
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(eventually { proxy.clientConnections == 0 })
    }
  }

  // MARK: - The PROXY protocol

  /// The header comes in the clear, before TLS, on both sides.
  @Test func theHeaderComesBeforeTLS() throws {
    let ground = try SecureGround.shared()
    try story(
      {
        ground.secureListener(&$0)
        ground.secureServers(&$0)
        $0.listeners[0].proxyProtocol = .required(from: [])
        $0.upstream.proxyProtocol = .version1
      },
      server: { connection, _, server in
        #expect(try connection.receive(through: "\r\n").hasPrefix("PROXY TCP4 192.0.2.1 "))
        try connection.speakTLS(ground.server)
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          try connection.answer(200, "ok")
        }
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send("PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n")
      try client.speakTLS(ground.client)
      #expect(try client.get().text == "ok")
      #expect(server.requests.map { $0["X-Forwarded-For"] } == ["192.0.2.1"])
    }
  }
}
