import Core
import Host
import Support
import Testing

/// Upgraded connections (RFC 9110 section 7.8), WebSocket above all.
@Suite(.onThreads)
struct TunnelTests {
  private static let handshake =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
  private static let switching =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"

  /// A server that switches, then does what `body` says.
  private static func switched(
    _ body: @escaping @Sendable (BlockingSocket) throws -> Void
  ) -> ScriptedServer.Script {
    { connection, _, server in
      server.note(try connection.receiveHead())
      try connection.send(switching)
      try body(connection)
    }
  }

  @Test func bytesGoBothWays() throws {
    try story(
      server: Self.switched { connection in
        while true {
          let text = try connection.receive(through: "!")
          try connection.send("<\(text)>")
          if text == "bye!" { break }
        }
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.handshake)
      let response = try client.receiveHead()
      #expect(response.status == 101)
      #expect(response["Upgrade"] == "websocket")
      #expect(response["Connection"]?.lowercased().contains("upgrade") == true)
      #expect(response["Sec-WebSocket-Accept"] == "x")
      let request = try #require(server.requests.first)
      #expect(request["Upgrade"] == "websocket")
      #expect(request["Connection"]?.lowercased().contains("upgrade") == true)
      #expect(request["Sec-WebSocket-Key"] == "dGhlIHNhbXBsZSBub25jZQ==")
      for word in ["one!", "GET / HTTP/1.1\r\n\r\n!", "\0\u{1}!", "bye!"] {
        try client.send(word)
        #expect(try client.receive(exactly: word.utf8.count + 2) == "<\(word)>")
      }
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(proxy.counters.tunnels == 1)
    }
  }

  @Test func bytesSentAlongWithTheHandshakeArrive() throws {
    try story(
      server: { connection, _, _ in
        _ = try connection.receiveHead()
        // The proxy may pass the client's bytes on only once the server has agreed.
        #expect(try connection.staysQuiet(for: .milliseconds(30)))
        try connection.send(Self.switching + "welcome")
        #expect(try connection.receive(exactly: 5) == "early")
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send(Self.handshake + "early")
      _ = try client.receiveHead()
      #expect(try client.receive(exactly: 7) == "welcome")
      #expect(try client.waitForEnd() == .endOfStream)
    }
  }

  @Test func theServerMayDeclineToSwitch() throws {
    try story(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhttp" }) { proxy, _ in
      let client = try proxy.connect()
      for _ in 0..<2 {
        try client.send(Self.handshake)
        #expect(try client.receiveResponse().text == "http")
      }
    }
  }

  /// The client says all it has to say and its FIN; the server answers afterwards.
  @Test func theServerSpeaksOnAfterTheClientsEnd() throws {
    let size = 300_000
    try story(
      server: Self.switched { connection in
        let bytes = try connection.receiveAllBytes()
        #expect(SampleBytes.match(bytes, at: 0) && bytes.count == size)
        try connection.send(bytes)
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send(Self.handshake)
      _ = try client.receiveHead()
      try client.send(SampleBytes.make(size))
      client.shutdownWriting()
      let back = try client.receiveAllBytes()
      #expect(SampleBytes.match(back, at: 0) && back.count == size)
      #expect(eventually { proxy.clientConnections == 0 && proxy.pools[0].counts.leased == 0 })
    }
  }

  /// The other way round: behind the server's FIN the client goes on, and its last bytes and its FIN arrive together.
  @Test func theClientSpeaksOnAfterTheServersEnd() throws {
    let size = 300_000
    try story(
      server: Self.switched { connection in
        connection.shutdownWriting()
        let bytes = try connection.receiveAllBytes()
        #expect(SampleBytes.match(bytes, at: 0) && bytes.count == size)
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.handshake)
      _ = try client.receiveHead()
      #expect(try client.receiveAllBytes() == [])
      try client.send(SampleBytes.make(size))
      client.shutdownWriting()
      #expect(eventually { server.openCount == 0 && proxy.clientConnections == 0 })
    }
  }

  @Test func aResetOnOneSideResetsTheOther() throws {
    try story(
      server: Self.switched { connection in
        _ = try connection.receive(exactly: 2)
        connection.abort()
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send(Self.handshake)
      _ = try client.receiveHead()
      try client.send("go")
      #expect(try client.waitForEnd() == .failed(104))
    }
    try story(
      server: Self.switched { connection in
        try connection.expectReset()
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.handshake)
      _ = try client.receiveHead()
      client.abort()
      #expect(eventually { server.openCount == 0 })
    }
  }

  @Test func silenceEndsATunnel() throws {
    try story(
      {
        $0.timeouts.tunnelIdle = .seconds(1)
        $0.logs.access = .json
      },
      server: Self.switched { connection in
        try connection.send("x")
        #expect(try connection.waitForEnd() == .endOfStream)
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.handshake)
      _ = try client.receiveHead()
      // Each byte is a sign of life.
      var silentSince = MonotonicClock.now
      for _ in 0..<5 {
        pause(.milliseconds(250))
        silentSince = MonotonicClock.now
        try client.send("y")
      }
      // Nobody broke: both get a FIN.
      #expect(try client.waitForEnd() == .endOfStream)
      let silence = MonotonicClock.now.since(silentSince)
      #expect(silence >= .milliseconds(990) && silence < .seconds(20), "\(silence.milliseconds) ms")
      #expect(eventually { server.openCount == 0 })
      #expect(proxy.counters.tunnelsEnded == ["silent": 1])
      #expect(
        proxy.log.contains { $0.hasPrefix("notice GET /chat: the tunnel to") && $0.contains("timeouts.tunnel-idle") })
      #expect(eventually { proxy.accessLines.count == 1 })
      let line = try #require(proxy.accessLines.first)
      #expect(line.contains(#""status":101"#) && line.contains(#""error":"connection_read_timeout""#), "\(line)")
      #expect(line.contains("tunnel silent for") && line.contains("timeouts.tunnel-idle"), "\(line)")
    }
  }

  /// An exchange that has become a tunnel is over when the tunnel is; the worker goes on serving beside it.
  @Test func theTimeOfAnExchangeDoesNotEndATunnel() throws {
    try story(
      {
        var route = RouteSettings(name: "all", action: .forward(upstream: 0, rewrite: .none))
        route.timeouts.exchange = .milliseconds(800)
        $0.routes = [route]
      },
      server: Self.switched { connection in
        while true { try connection.send("<\(try connection.receive(through: "!"))>") }
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send(Self.handshake)
      _ = try client.receiveHead()
      pause(.milliseconds(1_000))
      try client.send("still!")
      #expect(try client.receive(exactly: 8) == "<still!>")
      let other = try proxy.connect()
      try other.send(Self.handshake)
      #expect(try other.receiveHead().status == 101)
      server.stop()
    }
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", switching),
    ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", switching),
    ("GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", switching),
    (handshake, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    (handshake, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
    (handshake, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket, other\r\n\r\n"),
  ])
  func aSwitchThatNobodyAskedForIsA502(request: String, response: String) throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveHead()
      try connection.send(response + "secret")
      _ = try connection.waitForEnd()
    }) { proxy, _ in
      let client = try proxy.connect()
      try client.send(request)
      let answer = try client.receiveResponse()
      #expect(answer.status == 502)
      #expect(answer["Proxy-Status"]?.contains("http_upgrade_failed") == true)
      #expect(!answer.text.contains("secret"))
      #expect(proxy.counters.tunnels == 0)
    }
  }

  /// A side that does not read stops the other one, and nothing piles up between them.
  @Test func aTunnelHoldsBack() throws {
    try story(
      server: Self.switched { connection in
        var sent = 0
        // The client reads nothing until the server is stuck.
        while (try? connection.send(SampleBytes.period, atMost: .milliseconds(300))) != nil, sent < 1_000 { sent += 1 }
        #expect(sent < 500, "\(sent) pieces of 64 KiB were taken from a server whose client reads nothing")
      }
    ) { proxy, server in
      let client = try proxy.connect()
      client.limitReceiveBuffer(to: 65_536)
      try client.send(Self.handshake)
      #expect(eventually { server.acceptedCount == 1 && server.openCount == 0 })
      let bytes = try client.receiveAllBytes()
      #expect(bytes.count > 0)
    }
  }
}

extension BlockingSocket {
  /// Reads until the connection is reset.
  fileprivate func expectReset() throws {
    let end = try waitForEnd()
    #expect(end == .failed(104))
  }
}
