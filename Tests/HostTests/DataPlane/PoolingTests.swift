import Core
import Host
import Support
import Testing

/// What becomes of upstream connections between requests, and of requests when there are none to have.
@Suite(.onThreads)
struct PoolingTests {
  private static let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

  // MARK: Idle connections

  enum IdleEnd: String, CaseIterable, CustomTestStringConvertible {
    case close, halfClose, abort, word
    var testDescription: String { rawValue }
  }

  /// Whatever a server does to an idle connection ends it at once, without a request's finding out.
  @Test(arguments: IdleEnd.allCases)
  func anIdleConnectionThatTheServerEndsIsRemovedAtOnce(end: IdleEnd) throws {
    try story(server: { connection, index, server in
      server.note(try connection.receiveRequest())
      try connection.answer(200, "ok")
      if index > 0 {
        _ = try connection.waitForEnd()
        return
      }
      // The proxy has taken the answer, so the connection is idle or about to be.
      #expect(eventually { Socket.unacknowledgedBytes(connection.number) == 0 })
      switch end {
      case .close: connection.close()
      case .halfClose:
        connection.shutdownWriting()
        _ = try connection.waitForEnd()
      case .abort: connection.abort()
      case .word:
        try connection.send("x")
        _ = try connection.waitForEnd()
      }
    }) { proxy, server in
      let client = try proxy.connect()
      #expect(try client.get().text == "ok")
      #expect(eventually { proxy.pools[0].counts.idle == 0 && proxy.pools[0].counts.leased == 0 })
      #expect(try client.post("/", "x").text == "ok", "a POST as well, and without a replay")
      #expect(server.acceptedCount == 2)
      let counters = proxy.counters
      #expect(counters.replays == [:])
      // A word that comes along with the answer is found when the answer is taken apart.
      let surplus = counters.closedByProxy["surplus-bytes", default: 0]
      #expect(counters.closedByServer.values.reduce(surplus, +) == 1, "\(counters.closedByServer)")
      #expect(counters.foundStaleBeforeWrite == 0)
    }
  }

  /// A server that hangs up right behind some of its answers without saying so: the next request is there before its FIN,
  /// after it, or meets it. No GET suffers. A POST that reaches the socket before the close cannot be proved to be unread;
  /// it may fail, and is never sent twice.
  @Test func aServerThatHangsUpBehindSomeAnswersCostsNoGET() throws {
    try story(server: { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        try connection.answer(200, "ok")
        if request.target == "/close" { return }
      }
    }) { proxy, server in
      let client = try proxy.connect()
      var failed = 0
      for number in 0..<200 {
        #expect(try client.get("/close").text == "ok")
        #expect(try client.get("/\(number)").text == "ok")
        #expect(try client.get("/close").text == "ok")
        if try client.post("/post", "x").status == 502 { failed += 1 }
      }
      #expect(server.requests.count { $0.method == "POST" } == 200 - failed, "what failed was not applied")
      #expect(proxy.counters.failures["connection_terminated", default: 0] == UInt64(failed))
    }
  }

  /// One that does so behind every answer is soon not asked twice on a connection any more.
  @Test func aServerThatHangsUpBehindEachAnswerIsLearned() throws {
    try story(server: { connection, _, server in
      server.note(try connection.receiveRequest())
      try connection.answer(200, "ok")
    }) { proxy, server in
      let client = try proxy.connect()
      var failed = 0
      for _ in 0..<200 where try client.post("/", "x").status == 502 { failed += 1 }
      #expect(failed <= 3, "\(failed) of 200")
      #expect(server.requests.count == 200 - failed, "what failed was not applied")
    }
  }

  @Test func reuseOffMeansAConnectionForEachRequest() throws {
    try story({ $0.upstream.pool.reuse = false }, answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      for _ in 0..<5 { #expect(try client.get().text == "ok") }
      #expect(server.acceptedCount == 5)
      #expect(proxy.counters.upstreamConnectionsReused == 0)
      #expect(proxy.pools[0].counts.idle == 0)
      #expect(server.requests[0]["Connection"]?.lowercased() == "close" || eventually { server.openCount == 0 })
    }
  }

  @Test func aConnectionIsRetiredAfterItsRequests() throws {
    try story({ $0.upstream.pool.requestsPerConnection = 3 }, answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      for _ in 0..<9 { #expect(try client.get().text == "ok") }
      #expect(server.acceptedCount == 3)
      #expect(proxy.counters.closedByProxy["max-requests"] == 3)
    }
  }

  @Test func aConnectionIsRetiredAtItsAge() throws {
    try story({ $0.upstream.pool.connectionAge = .milliseconds(50) }, answering: { _ in Self.answer }) {
      proxy, server in
      let client = try proxy.connect()
      #expect(try client.get().text == "ok")
      pause(.milliseconds(60))
      #expect(try client.get().text == "ok")
      #expect(server.acceptedCount == 2)
    }
  }

  @Test func anIdleConnectionIsClosedAtItsIdleAge() throws {
    try story({ $0.upstream.pool.idleAge = .milliseconds(50) }, answering: { _ in Self.answer }) { proxy, server in
      let response = try proxy.connect().get()
      #expect(response.text == "ok")
      #expect(eventually { server.openCount == 0 })
    }
  }

  @Test func onlySoManyConnectionsStayIdle() throws {
    try story(
      { $0.upstream.pool.idleConnections = 2 },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          // All at once, so that each needs a connection of its own.
          #expect(eventually { server.requests.count == 6 })
          try connection.answer(200, "ok")
        }
      }
    ) { proxy, server in
      let clients = try (0..<6).map { _ in try proxy.connect() }
      for client in clients { try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
      for client in clients { #expect(try client.receiveResponse().text == "ok") }
      #expect(eventually { server.openCount == 2 })
      #expect(proxy.pools[0].counts.idle == 2)
    }
  }

  // MARK: Waiting

  @Test func requestsWaitForTheirTurnInOrder() throws {
    try story(
      { $0.upstream.pool.connections = 1 },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          if request.target == "/first" { #expect(eventually { server.requests.count == 2 }) }
          try connection.answer(200, request.target)
        }
      }
    ) { proxy, server in
      let first = try proxy.connect()
      try first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      var clients: [BlockingSocket] = []
      for number in 0..<50 {
        let client = try proxy.connect()
        try client.send(
          number % 2 == 0
            ? "GET /\(number) HTTP/1.1\r\nHost: a\r\n\r\n"
            : "POST /\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        clients.append(client)
        #expect(eventually { proxy.pools[0].counts.waiting == number + 1 })
      }
      server.note(Message(head: "all wait"))
      #expect(try first.receiveResponse().text == "/first")
      for (number, client) in clients.enumerated() { #expect(try client.receiveResponse().text == "/\(number)") }
      #expect(server.requests.dropFirst(2).map(\.target) == (0..<50).map { "/\($0)" })
      #expect(server.acceptedCount == 1)
    }
  }

  @Test func aFullQueueIsA503() throws {
    try story(
      {
        $0.upstream.pool.connections = 1
        $0.upstream.pool.waitingRequests = 2
      },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          if request.target == "/first" { #expect(eventually { server.requests.count == 2 }) }
          try connection.answer(200, "ok")
        }
      }
    ) { proxy, server in
      let clients = try (0..<3).map { _ in try proxy.connect() }
      try clients[0].send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      for number in 1...2 {
        try clients[number].send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { proxy.pools[0].counts.waiting == number })
      }
      let refused = try proxy.connect().get()
      #expect(refused.status == 503)
      #expect(refused["Retry-After"] != nil)
      #expect(refused["Proxy-Status"]?.contains("error=connection_limit_reached") == true)
      server.note(Message(head: "go on"))
      for client in clients { #expect(try client.receiveResponse().status == 200) }
    }
  }

  @Test func aLongWaitIsA503() throws {
    try story(
      {
        $0.upstream.pool.connections = 1
        $0.upstream.pool.waitingTime = .milliseconds(60)
      },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          if request.target == "/first" { #expect(eventually { server.requests.count == 2 }) }
          try connection.answer(200, "ok")
        }
      }
    ) { proxy, server in
      let first = try proxy.connect()
      try first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let second = try proxy.connect()
      let refused = try second.get()
      #expect(refused.status == 503)
      #expect(refused["Retry-After"] != nil)
      server.note(Message(head: "go on"))
      #expect(try first.receiveResponse().status == 200)
      #expect(try second.get().status == 200, "the client may come again")
    }
  }

  /// The room of a connection that fails goes to whoever waits.
  @Test func aConnectionThatDiesMakesRoomForWhoeverWaits() throws {
    try story(
      { $0.upstream.pool.connections = 1 },
      server: { connection, index, server in
        let request = try connection.receiveRequest()
        server.note(request)
        if index == 0 {
          #expect(eventually { server.requests.count == 2 })
          return
        }
        try connection.answer(200, "ok", "Connection: close\r\n")
      }
    ) { proxy, server in
      let clients = try (0..<4).map { _ in try proxy.connect() }
      try clients[0].send("POST /dies HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      for number in 1...3 {
        try clients[number].send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(eventually { proxy.pools[0].counts.waiting == number })
      }
      server.note(Message(head: "go on"))
      #expect(try clients[0].receiveResponse().status == 502)
      for client in clients.dropFirst() { #expect(try client.receiveResponse().text == "ok") }
    }
  }

  /// All that wait for a server that does not come about are told, however many they are.
  @Test func whoWaitsForAServerThatRefusesIsTold() throws {
    let full = try FullListener()
    let proxy = try RunningProxy(to: [full.origin]) {
      $0.upstream.pool.connections = 1
      $0.timeouts.connect = .milliseconds(20)
      $0.upstream.pool.waitingTime = .milliseconds(500)
    }
    let clients = try (0..<40).map { _ in try proxy.connect() }
    for client in clients { try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
    for client in clients {
      let status = try client.receiveResponse().status
      #expect(status == 504 || status == 503)
    }
  }

  // MARK: Several servers

  @Test func serversTakeTurns() throws {
    let servers = try (0..<3).map { number in
      try ScriptedServer(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\(number)" })
    }
    let proxy = try RunningProxy(to: servers.map(\.origin))
    let client = try proxy.connect()
    for _ in 0..<30 { _ = try client.get() }
    for server in servers { #expect(server.requests.count == 10) }
  }

  /// One server of two is gone: nobody notices, and not for as long as it stays away.
  @Test(arguments: ["GET", "POST"])
  func aServerThatIsGoneIsPassedOver(method: String) throws {
    let server = try ScriptedServer(answering: { _ in Self.answer })
    let proxy = try RunningProxy(to: [nobody, server.origin])
    let clients = try (0..<8).map { _ in try proxy.connect() }
    for _ in 0..<200 {
      for client in clients { try client.send("\(method) / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") }
      for client in clients { #expect(try client.receiveResponse().status == 200) }
    }
    #expect(server.requests.count == 1_600)
    #expect(proxy.counters.failures == [:])
  }
}
