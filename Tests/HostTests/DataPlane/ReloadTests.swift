import Core
import Host
import Support
import Testing

/// Other settings while clients are connected: nothing that is open ends, and a bad one changes nothing.
@Suite(.onThreads)
struct ReloadTests {
  private static func answer(_ text: String) -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
  }

  @Test func aClientConnectionLivesOnUnderOtherServers() throws {
    let other = try ScriptedServer(answering: { _ in Self.answer("second") })
    defer { other.stop() }
    try story(answering: { _ in Self.answer("first") }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.receiveResponse().text == "first")
      var settings = proxy.proxy.settings
      settings.upstream.origins = [other.origin]
      #expect(try proxy.proxy.reload(settings) == [])
      #expect(proxy.proxy.generation == 1)
      #expect(eventually { proxy.pools.contains { $0.isActive && $0.server == other.address.description } })
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.receiveResponse().text == "second")
    }
  }

  @Test func anExchangeUnderWayEndsAsItBegan() throws {
    try story(server: { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        _ = eventually { server.requests.count > 1 || request.startLine.contains("second") }
        try connection.send(Self.answer("ok"))
      }
    }) { proxy, server in
      let first = try proxy.connect()
      try first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      var settings = proxy.proxy.settings
      settings.upstream.name = "renamed"
      settings.timeouts.responseHead = .seconds(7)
      _ = try proxy.proxy.reload(settings)
      let second = try proxy.connect()
      try second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try second.receiveResponse().text == "ok")
      #expect(try first.receiveResponse().text == "ok")
    }
  }

  /// It has no connection when its upstream leaves the settings, and still has to get one.
  @Test func anExchangeThatWaitsForItsRetryIsServedWhenItsUpstreamIsGone() throws {
    try story(
      {
        $0.upstream.retry.limit = 1
        $0.upstream.retry.longestRetryAfter = .seconds(5)
      },
      answering: { request in
        request.target == "/first"
          ? "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n" : Self.answer("second")
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { proxy.counters.retries == ["503": 1] })
      var settings = proxy.proxy.settings
      settings.upstream.name = "renamed"
      _ = try proxy.proxy.reload(settings)
      // That of the server, not a 502 of ours.
      #expect(try client.receiveResponse().status == 503)
      #expect(server.requests.count == 2)
      #expect(proxy.counters.failures.isEmpty)
    }
  }

  @Test func listenersComeAndGo() throws {
    try story(answering: { _ in Self.answer("ok") }) { proxy, _ in
      let early = try proxy.connect()
      let gone = proxy.address
      var settings = proxy.proxy.settings
      settings.listeners = [ListenerSettings(.tcp(host: "127.0.0.2", port: 0))]
      _ = try proxy.proxy.reload(settings)
      #expect(proxy.address.host == "127.0.0.2")
      let late = try proxy.connect()
      for client in [early, late] {
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.receiveResponse().text == "ok")
      }
      // A listener that nobody accepts from would still let clients connect, and never answer them.
      #expect(eventually { (try? BlockingListener(on: gone, in: nil)) != nil }, "the old port is free")
    }
  }

  /// A port that was just given up is still being closed.
  @Test func aPortCanBeLeftAndTakenAgain() throws {
    try story(answering: { _ in Self.answer("ok") }) { proxy, _ in
      let free = try BlockingListener().address.port
      let one = proxy.proxy.settings
      var two = one
      two.listeners.append(ListenerSettings(.tcp(host: "127.0.0.1", port: free)))
      for _ in 0..<3 {
        _ = try proxy.proxy.reload(two)
        let client = try BlockingSocket(to: SocketAddress(.ipv4(0x7f00_0001, port: free)))
        #expect(try client.get().text == "ok")
        _ = try proxy.proxy.reload(one)
        #expect(try client.get().text == "ok")
      }
    }
  }

  @Test func aTakenPortIsRefusedAndNothingChanges() throws {
    try story(answering: { _ in Self.answer("ok") }) { proxy, server in
      let before = proxy.proxy.settings
      var settings = before
      settings.listeners.append(ListenerSettings(.tcp(host: "127.0.0.1", port: server.address.port)))
      settings.upstream.origins = [nobody]
      let error = #expect(throws: Proxy.StartError.self) { try proxy.proxy.reload(settings) }
      #expect(error?.description.contains("in use") == true)
      #expect(proxy.proxy.settings == before)
      #expect(proxy.proxy.generation == 0)
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.receiveResponse().text == "ok")
    }
  }

  @Test func whatWasLearnedOfAServerStays() throws {
    try story(
      { $0.upstream.pool.idleAge = .seconds(30) },
      answering: { _ in
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=7\r\nContent-Length: 0\r\n\r\n"
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      _ = try client.receiveResponse()
      #expect(eventually { proxy.pools.contains { $0.window.hintSeconds == 7 } })
      var settings = proxy.proxy.settings
      settings.upstream.pool.idleAge = .seconds(20)
      _ = try proxy.proxy.reload(settings)
      #expect(proxy.pools.contains { $0.window.hintSeconds == 7 })
    }
  }
}
