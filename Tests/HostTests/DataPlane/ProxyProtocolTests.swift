import Core
import Host
import Support
import Testing

/// Whose connection it is, told by the proxy before this one, and told on to the server.
@Suite(.onThreads)
struct ProxyProtocolTests {
  private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
  private static let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
  private static let version2 =
    ProxyHeader.bytes2([0x21, 0x11], [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 0x00, 0x50])

  private func required(_ settings: inout ProxySettings, from senders: [AddressBlock] = []) {
    settings.listeners[0].proxyProtocol = .required(from: senders)
  }

  // MARK: - In

  @Test(arguments: [
    (Array("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n".utf8), "192.0.2.1"),
    (Array("PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n".utf8), "2001:db8::1"),
    (Array("PROXY UNKNOWN whatever this is\r\n".utf8), "127.0.0.1"),
    (version2, "192.0.2.1"),
    (ProxyHeader.bytes2([0x20, 0x00], []), "127.0.0.1"),
  ])
  func theHeaderNamesTheClient(_ header: [UInt8], _ client: String) throws {
    try story({ required(&$0) }, answering: { _ in Self.ok }) { proxy, server in
      let connection = try proxy.connect()
      // The first request comes in one piece with the header, the next one without.
      try connection.send(header + Array(Self.request.utf8))
      #expect(try connection.receiveResponse().status == 200)
      #expect(try connection.get().status == 200)
      #expect(server.requests.map { $0["X-Forwarded-For"] } == [client, client])
    }
  }

  @Test func theHeaderMayComeByteByByte() throws {
    try story({ required(&$0) }, answering: { _ in Self.ok }) { proxy, server in
      let connection = try proxy.connect()
      for byte in Self.version2 + Array(Self.request.utf8) { try connection.send([byte]) }
      #expect(try connection.receiveResponse().status == 200)
      #expect(server.requests.map { $0["X-Forwarded-For"] } == ["192.0.2.1"])
    }
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 300.0.0.1 192.0.2.2 4711 80\r\n", "PROXY TCP4\r\n",
  ])
  func withoutAHeaderNothingIsAnswered(_ text: String) throws {
    try story({ required(&$0) }, answering: { _ in Self.ok }) { proxy, server in
      let connection = try proxy.connect()
      try connection.send(text)
      #expect(try connection.receiveAll() == "")
      #expect(server.requests.isEmpty)
      #expect(eventually { proxy.clientConnections == 0 })
      #expect(proxy.log.contains { $0.contains("PROXY header") })
    }
  }

  @Test func anUnfinishedHeaderIsNotWaitedForLong() throws {
    try story(
      {
        required(&$0)
        $0.timeouts.requestHead = .milliseconds(50)
      }, answering: { _ in Self.ok }
    ) { proxy, _ in
      let connection = try proxy.connect()
      try connection.send("PROXY TCP4 192.0")
      #expect(try connection.receiveAll() == "")
    }
  }

  @Test func whoMayNotSendOneIsClosedAtOnce() throws {
    let other = try #require(AddressBlock(bytes: [192, 0, 2, 0], prefixLength: 24))
    try story({ required(&$0, from: [other]) }, answering: { _ in Self.ok }) { proxy, server in
      let connection = try proxy.connect()
      #expect(connection.waitForHangUp())
      #expect(server.requests.isEmpty)
    }
  }

  @Test func limitsHoldTheClientThatTheHeaderNames() throws {
    try story(
      {
        required(&$0)
        $0.guards.connectionsPerClient = 1
        $0.guards.requestRate = .init(perSecond: 0.001, burst: 1)
      }, answering: { _ in Self.ok }
    ) { proxy, _ in
      func connect(_ client: String) throws -> BlockingSocket {
        let connection = try proxy.connect()
        try connection.send("PROXY TCP4 \(client) 192.0.2.200 1 80\r\n")
        return connection
      }
      let first = try connect("192.0.2.1")
      #expect(try first.get().status == 200)
      #expect(try first.get().status == 429)
      #expect(try connect("192.0.2.1").waitForEnd() == .endOfStream)
      let second = try connect("192.0.2.2")
      #expect(try second.get().status == 200)
    }
  }

  // MARK: - Out

  /// Reads the header of version 2, or the line of version 1, that a connection begins with.
  private static func receiveHeader(_ connection: BlockingSocket, isText: Bool) throws -> ProxyHeader {
    let bytes =
      isText
      ? try connection.receiveBytes(through: [0x0a])
      : try {
        let fixed = try connection.receiveBytes(exactly: 16)
        return fixed + (try connection.receiveBytes(exactly: Int(fixed[14]) << 8 + Int(fixed[15])))
      }()
    guard case .complete(let header, bytes.count) = ProxyHeader.parse(bytes.rawSpan) else {
      throw BlockingSocket.Failure.ended("no PROXY header: \(bytes)")
    }
    return header
  }

  @Test(arguments: [true, false])
  func eachConnectionBeginsWithTheClient(isText: Bool) throws {
    try story(
      { $0.upstream.proxyProtocol = isText ? .version1 : .version2 },
      server: { connection, _, server in
        let header = try Self.receiveHeader(connection, isText: isText)
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          try connection.answer(200, header.source.map { "\($0.address):\($0.port)" } ?? "nobody")
        }
      }
    ) { proxy, _ in
      let clients = try [proxy.connect(), proxy.connect()]
      for _ in 0..<2 {
        for client in clients {
          let port = try #require(Socket.localAddress(client.number)).port
          #expect(try client.get().text == "127.0.0.1:\(port)")
        }
      }
      #expect(proxy.counters.upstreamConnectionsReused == 0)
    }
  }

  /// The settings drop the header while a connection that began with one is in use: nobody else may come by it.
  @Test func aConnectionInAClientsNameCarriesNobodyElseAfterAReload() throws {
    try story(
      { $0.upstream.proxyProtocol = .version1 },
      server: { connection, index, server in
        if index == 0 { _ = try Self.receiveHeader(connection, isText: true) }
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          if request.target == "/slow" { _ = eventually { server.requests.count > 1 } }
          try connection.answer(200, "\(index)")
        }
      }
    ) { proxy, server in
      let first = try proxy.connect()
      try first.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      var settings = proxy.proxy.settings
      settings.upstream.proxyProtocol = .off
      _ = try proxy.proxy.reload(settings)
      // Opens the second connection, and lets the first one answer.
      let second = try proxy.connect()
      #expect(try second.get().text == "1")
      #expect(try first.receiveResponse().text == "0")
      #expect(eventually { proxy.pools.allSatisfy { $0.counts.leased == 0 } })
      #expect(proxy.pools.reduce(0) { $0 + $1.counts.idle } == 1)
      for _ in 0..<3 { #expect(try second.get().text == "1") }
    }
  }

  /// The other way round: what was opened without a header names nobody, and is not used any more.
  @Test func idleConnectionsWithoutAHeaderEndWhenTheSettingsWantOne() throws {
    try story(server: { connection, index, _ in
      if index > 0 { _ = try Self.receiveHeader(connection, isText: true) }
      while try connection.receiveRequestOrEnd() != nil { try connection.answer(200, "\(index)") }
    }) { proxy, _ in
      let client = try proxy.connect()
      #expect(try client.get().text == "0")
      #expect(eventually { proxy.pools[0].counts.idle == 1 })
      var settings = proxy.proxy.settings
      settings.upstream.proxyProtocol = .version1
      _ = try proxy.proxy.reload(settings)
      #expect(eventually { proxy.pools[0].counts.idle == 0 })
      #expect(try client.get().text == "1")
    }
  }

  @Test func whatCameInGoesOut() throws {
    try story(
      {
        required(&$0)
        $0.upstream.proxyProtocol = .version2
      },
      server: { connection, _, server in
        let header = try Self.receiveHeader(connection, isText: false)
        while try connection.receiveRequestOrEnd() != nil {
          let both = [header.source, header.destination].map { $0.map { "\($0.address) \($0.port)" } ?? "-" }
          try connection.answer(200, both.joined(separator: " "))
        }
      }
    ) { proxy, _ in
      let connection = try proxy.connect()
      try connection.send("PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n")
      #expect(try connection.get().text == "2001:db8::1 4711 2001:db8::2 80")
    }
  }

  /// The evidence counts from behind the header: a server that took that and nothing else has not read the request.
  @Test func aHeaderThatArrivedIsNoRequestThatDid() throws {
    try story(
      { $0.upstream.proxyProtocol = .version1 },
      server: { connection, index, server in
        _ = try Self.receiveHeader(connection, isText: true)
        guard let request = try connection.receiveRequestOrEnd() else { return }
        server.note(request)
        // It read all of the request and died: whether it did its work nobody knows.
        if index == 0 { return connection.abort() }
        try connection.answer(200, "ok")
      }
    ) { proxy, server in
      let client = try proxy.connect()
      #expect(try client.post("/", "content").status == 502)
      #expect(server.requests.count == 1)
      #expect(try client.post("/", "content").status == 200)
    }
  }
}

extension ProxyHeader {
  fileprivate static func bytes2(_ kind: [UInt8], _ addresses: [UInt8]) -> [UInt8] {
    [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a] + kind
      + [UInt8(addresses.count >> 8), UInt8(addresses.count & 0xff)] + addresses
  }
}
