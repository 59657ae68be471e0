import Core
import Host
import Support
import Testing

/// Too much at once is refused early, and only that.
@Suite(.onThreads)
struct GuardTests {
  @Test func moreExchangesThanAllowedAreRefusedAtOnce() throws {
    try story(
      { $0.guards.exchangesInFlight = 1 },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          // The first is answered once the second was refused.
          if request.startLine.contains("/first") { _ = eventually { server.requests.count > 1 } }
          try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
      }
    ) { proxy, server in
      let first = try proxy.connect()
      try first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let second = try proxy.connect()
      try second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
      let refused = try second.receiveResponse()
      #expect(refused.status == 503)
      #expect(refused["Retry-After"] == "1")
      #expect(proxy.counters.refusedByGuards == ["exchanges-in-flight": 1])
      server.note(Message(head: "released\r\n\r\n"))
      #expect(try first.receiveResponse().text == "ok")
      try second.send("GET /third HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try second.receiveResponse().text == "ok")
    }
  }

  // MARK: - Rates

  @Test func whoSendsTooManyRequestsIsToldWhenToComeAgain() throws {
    try story({ $0.guards.requestRate = .init(perSecond: 0.001, burst: 2) }, answering: { _ in Self.ok }) {
      proxy, server in
      let client = try proxy.connect()
      for _ in 0..<2 { #expect(try client.get().status == 200) }
      let refused = try client.get()
      #expect(refused.status == 429)
      // 1000 s less what has gone by.
      let wait = try #require(refused["Retry-After"].flatMap { Int($0) })
      #expect((900...1_000).contains(wait))
      #expect(refused["Proxy-Status"]?.contains("http_request_denied") == true)
      // The connection goes on; another one is of the same client.
      #expect(try client.get().status == 429)
      #expect(try proxy.connect().get().status == 429)
      #expect(server.requests.count == 2)
      #expect(proxy.counters.refusedByGuards == ["request-rate": 3])
    }
  }

  @Test func clientsBehindTrustedProxiesAreToldApart() throws {
    try story(
      {
        $0.guards.requestRate = .init(perSecond: 0.001, burst: 1)
        $0.guards.exempt = [try! #require(AddressBlock(bytes: [192, 0, 2, 0], prefixLength: 24))]
        $0.forwarding.trustedPeers = [Self.loopback]
      }, answering: { _ in Self.ok }
    ) { proxy, _ in
      let client = try proxy.connect()
      func status(_ address: String) throws -> Int { try client.get("/", "X-Forwarded-For: \(address)\r\n").status }
      #expect(try status("198.51.100.1") == 200)
      #expect(try status("198.51.100.1") == 429)
      // What the client wrote itself stands further left and makes nobody else of it.
      #expect(try status("203.0.113.7, 198.51.100.1") == 429)
      #expect(try status("198.51.100.2") == 200)
      #expect(try status("192.0.2.9") == 200)
      #expect(try status("192.0.2.9") == 200)
    }
  }

  @Test func theLogShowsWhoseRequestItWas() throws {
    try story(
      {
        $0.logs.access = .text
        $0.forwarding.trustedPeers = [Self.loopback]
      }, answering: { _ in Self.ok }
    ) { proxy, _ in
      let client = try proxy.connect()
      #expect(try client.get("/a", "X-Forwarded-For: 198.51.100.1\r\n").status == 200)
      #expect(try client.get("/b").status == 200)
      #expect(eventually { proxy.accessLines.count == 2 })
      #expect(proxy.accessLines[0].contains("198.51.100.1") && !proxy.accessLines[0].contains("127.0.0.1 "))
      #expect(proxy.accessLines[1].contains("127.0.0.1"))
    }
  }

  @Test func nobodyElseNamesItsAddress() throws {
    try story({ $0.guards.requestRate = .init(perSecond: 0.001, burst: 1) }, answering: { _ in Self.ok }) { proxy, _ in
      let client = try proxy.connect()
      #expect(try client.get("/", "X-Forwarded-For: 198.51.100.1\r\n").status == 200)
      #expect(try client.get("/", "X-Forwarded-For: 198.51.100.2\r\n").status == 429)
    }
  }

  @Test func aRateThatChangesHoldsFromTheReloadOn() throws {
    try story({ $0.guards.requestRate = .init(perSecond: 0.001, burst: 1) }, answering: { _ in Self.ok }) { proxy, _ in
      let client = try proxy.connect()
      #expect(try client.get().status == 200)
      #expect(try client.get().status == 429)
      var settings = proxy.proxy.settings
      settings.guards.requestRate = nil
      _ = try proxy.proxy.reload(settings)
      #expect(eventually { (try? client.get().status) == 200 })
    }
  }

  // MARK: - Connections

  @Test func moreConnectionsOfOneClientAreClosed() throws {
    try story({ $0.guards.connectionsPerClient = 2 }, answering: { _ in Self.ok }) { proxy, _ in
      let first = try proxy.connect()
      let second = try proxy.connect()
      for client in [first, second] { #expect(try client.get().status == 200) }
      #expect(try proxy.connect().waitForEnd() == .endOfStream)
      #expect(proxy.counters.refusedByGuards == ["connections-per-client": 1])
      first.close()
      #expect(eventually { proxy.clientConnections == 1 })
      let third = try proxy.connect()
      #expect(try third.get().status == 200)
      #expect(try second.get().status == 200)
    }
  }

  @Test func connectionsOfTrustedProxiesAreNotCounted() throws {
    try story(
      {
        $0.guards.connectionsPerClient = 1
        $0.forwarding.trustedPeers = [Self.loopback]
      }, answering: { _ in Self.ok }
    ) { proxy, _ in
      let clients = try (0..<3).map { _ in try proxy.connect() }
      for client in clients { #expect(try client.get().status == 200) }
    }
  }

  // MARK: - Slow content

  @Test func contentThatComesTooSlowlyIsRefused() throws {
    try story(
      {
        $0.guards.minimumBodyRate = 1_000_000
        $0.guards.minimumBodyRateGrace = .milliseconds(50)
      },
      server: { connection, _, _ in
        // The head comes, and never the whole content.
        _ = try? connection.receiveRequestOrEnd()
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nbeginning")
      let refused = try client.receiveResponse()
      #expect(refused.status == 408)
      #expect(refused.text.contains("less than 1000000 bytes a second"))
      #expect(proxy.counters.refusedByGuards == ["minimum-body-rate": 1])
    }
  }

  @Test func aServerThatTakesItsTimeIsNotTheClientsFault() throws {
    let content = [UInt8](repeating: 0x61, count: 16_000_000)
    try story(
      {
        // What is in flight earns next to nothing: held back for longer than the grace, the client would be too slow.
        $0.guards.minimumBodyRate = 10_000_000_000
        $0.guards.minimumBodyRateGrace = .seconds(4)
      },
      server: { connection, _, server in
        connection.limitReceiveBuffer(to: 65_536)
        var request = try connection.receiveHead()
        server.note(request)
        // It reads on when the client, which has sent what it could, has been held back for longer than its grace.
        _ = eventually(atMost: .seconds(30)) { server.requests.count == 2 }
        try connection.receiveContent(of: &request, closeDelimits: false, atMost: .seconds(30))
        try connection.answer(200, "\(request.content.count)")
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(content.count)\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let sent = try client.sendWhatIsTaken(content, atMost: .seconds(5))
      server.note(Message(head: "go on\r\n\r\n"))
      try client.send(Array(content[sent...]), atMost: .seconds(30))
      #expect(try client.receiveResponse(atMost: .seconds(30)).text == "\(content.count)")
      #expect(proxy.counters.refusedByGuards == [:])
    }
  }

  private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
  private static let loopback = AddressBlock(bytes: [127, 0, 0, 0], prefixLength: 8)!
}
