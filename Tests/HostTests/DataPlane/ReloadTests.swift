import Core
import Host
import Support
import Synchronization
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

  /// Six are being served and two may be: what dies of them is replayed, as if nothing had changed.
  @Test func aLimitBelowWhatIsLeasedCostsNobodyAnything() throws {
    let dies = Mutex(false)
    let answers = Mutex(false)
    try story(
      { $0.upstream.pool.connections = 10 },
      server: { connection, index, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          if index == 0 {
            #expect(eventually { dies.withLock { $0 } })
            return
          }
          #expect(eventually { answers.withLock { $0 } })
          try connection.send(Self.answer("ok"))
        }
      }
    ) { proxy, server in
      let clients = try (0..<6).map { _ in try proxy.connect() }
      for (index, client) in clients.enumerated() {
        try client.send("GET /\(index) HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { server.requests.count == index + 1 })
      }
      var settings = proxy.proxy.settings
      settings.upstream.pool.connections = 2
      _ = try proxy.proxy.reload(settings)
      dies.withLock { $0 = true }
      #expect(eventually { server.requests.count == 7 }, "the first is sent again")
      answers.withLock { $0 = true }
      for client in clients { #expect(try client.receiveResponse().text == "ok") }
      #expect(eventually { proxy.pools.reduce(0) { $0 + $1.counts.idle } <= 2 })
      #expect(eventually { proxy.counters.closedByProxy["max-connections"] == 4 })
    }
  }

  @Test func aHigherLimitLetsThoseInWhoWait() throws {
    let answers = Mutex(false)
    try story(
      { $0.upstream.pool.connections = 1 },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          #expect(request.target != "/long" || eventually { answers.withLock { $0 } })
          try connection.send(Self.answer("ok"))
        }
      }
    ) { proxy, server in
      let long = try proxy.connect()
      try long.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let waiting = try proxy.connect()
      try waiting.send("GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { proxy.pools.contains { $0.counts.waiting == 1 } })
      var settings = proxy.proxy.settings
      settings.upstream.pool.connections = 2
      _ = try proxy.proxy.reload(settings)
      #expect(try waiting.receiveResponse().text == "ok")
      answers.withLock { $0 = true }
      #expect(try long.receiveResponse().text == "ok")
    }
  }

  @Test func whatIdlesBeyondALowerLimitCloses() throws {
    let isFull = Mutex(false)
    try story(server: { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        #expect(eventually { isFull.withLock { $0 } })
        try connection.send(Self.answer("ok"))
      }
    }) { proxy, server in
      let clients = try (0..<5).map { _ in try proxy.connect() }
      for client in clients { try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
      #expect(eventually { server.requests.count == 5 })
      isFull.withLock { $0 = true }
      for client in clients { #expect(try client.receiveResponse().text == "ok") }
      #expect(eventually { proxy.pools.contains { $0.counts.idle == 5 } })
      var settings = proxy.proxy.settings
      settings.upstream.pool.idleConnections = 3
      _ = try proxy.proxy.reload(settings)
      #expect(eventually { proxy.pools.contains { $0.counts.idle == 3 } })
      settings.upstream.pool.connections = 1
      _ = try proxy.proxy.reload(settings)
      #expect(eventually { proxy.pools.contains { $0.counts.idle == 1 } })
      #expect(eventually { server.openCount == 1 })
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
