import Core
import Host
import Support
import Testing

/// Clients that leave, and sides that are too slow for the other.
@Suite(.onThreads)
struct DepartureTests {
  // MARK: Leaving

  @Test func aClientThatResetsWithinItsRequestFreesTheServer() throws {
    try story(
      { $0.logs.access = .text },
      server: { connection, _, server in
        server.note(try connection.receiveHead())
        _ = try connection.waitForEnd()
      }
    ) { proxy, server in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
      #expect(eventually { server.requests.count == 1 })
      client.abort()
      #expect(eventually { server.openCount == 0 && proxy.clientConnections == 0 })
      let counters = proxy.counters
      #expect(counters.clientAborts == 1)
      #expect(counters.closedByProxy["client-left"] == 1)
      #expect(proxy.pools[0].counts.leased == 0)
      #expect(eventually { proxy.accessLines.count == 1 })
      #expect(
        proxy.accessLines.first?.contains(" 499 ") == true && proxy.accessLines.first?.contains("client=lost") == true)
    }
  }

  @Test func aClientThatResetsBeforeItsResponseFreesTheServer() throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveRequest()
      _ = try connection.waitForEnd()
    }) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.openCount == 1 })
      client.abort()
      #expect(eventually { server.openCount == 0 })
      #expect(proxy.counters.clientAborts == 1)
    }
  }

  @Test(arguments: [true, false])
  func aClientThatLeavesWithinItsResponseFreesTheServer(resets: Bool) throws {
    try story(server: { connection, _, _ in
      _ = try connection.receiveRequest()
      try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
      while (try? connection.send(SampleBytes.period)) != nil {}
    }) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      _ = try client.receiveBytes(exactly: 100_000)
      if resets { client.abort() } else { client.close() }
      #expect(eventually { server.acceptedCount == 1 && server.openCount == 0 && proxy.clientConnections == 0 })
      #expect(proxy.counters.clientAborts == 1)
    }
  }

  /// One that leaves while it waits in the queue takes its place with it.
  @Test func aClientThatLeavesTheQueueLeavesNoTrace() throws {
    try story(
      { $0.upstream.pool.connections = 1 },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          if request.target == "/slow" { #expect(eventually { server.requests.contains { $0.target == "/go" } }) }
          try connection.answer(200, request.target)
        }
      }
    ) { proxy, server in
      let first = try proxy.connect()
      try first.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let second = try proxy.connect()
      try second.send("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
      let third = try proxy.connect()
      try third.send("GET /third HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { proxy.pools[0].counts.waiting == 2 })
      second.abort()
      #expect(eventually { proxy.pools[0].counts.waiting == 1 })
      server.note(Message(head: "NOTE /go"))
      #expect(try first.receiveResponse().text == "/slow")
      #expect(try third.receiveResponse().text == "/third")
      #expect(server.requests.map(\.target) == ["/slow", "/go", "/third"])
    }
  }

  @Test func aClientThatLeavesDuringTheConnectLeavesNoTrace() throws {
    let full = try FullListener()
    let proxy = try RunningProxy(to: [full.origin])
    let client = try proxy.connect()
    try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(eventually { proxy.pools[0].counts.connecting == 1 })
    client.abort()
    #expect(eventually { proxy.pools[0].counts.connecting == 0 && proxy.clientConnections == 0 })
  }

  // MARK: Slowness

  /// A client that reads nothing: its server is stopped, other clients are served, and then it gets every byte.
  @Test func aSlowClientStopsItsServerAndNobodyElse() throws {
    let size = 64 << 20
    try story(server: { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        guard request.target == "/large" else {
          try connection.answer(200, "small")
          continue
        }
        try connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
        var sent = 0
        var isStuck = false
        while sent < size {
          let offset = sent % SampleBytes.period.count
          let piece = Array(SampleBytes.period[offset...].prefix(size - sent))
          let taken = try connection.sendWhatIsTaken(piece, atMost: isStuck ? .seconds(5) : .milliseconds(200))
          sent += taken
          guard taken < piece.count else { continue }
          if isStuck { throw BlockingSocket.Failure.timedOut("going on") }
          isStuck = true
          #expect(sent < size * 3 / 4, "\(sent) bytes were taken for a client that reads nothing")
          server.note(request)
        }
        #expect(isStuck)
      }
    }) { proxy, server in
      let slow = try proxy.connect()
      slow.limitReceiveBuffer(to: 65_536)
      try slow.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
      let other = try proxy.connect()
      var served = 0
      while server.requests.isEmpty {
        #expect(try other.get("/small").text == "small")
        served += 1
      }
      #expect(served > 3)
      // It wakes up, and nothing is missing.
      slow.limitReceiveBuffer(to: 4 << 20)
      _ = try slow.receiveHead()
      var received = 0
      while received < size {
        let bytes = try slow.receiveBytes(exactly: min(1 << 20, size - received))
        #expect(SampleBytes.match(bytes, at: received))
        received += bytes.count
      }
    }
  }

  /// A server that reads nothing stops its client, and nobody else's; then it gets every byte.
  @Test func aSlowServerStopsItsClientAndNobodyElse() throws {
    let size = 64 << 20
    try story(server: { connection, _, server in
      while true {
        if server.requests.count == 0 { connection.limitReceiveBuffer(to: 65_536) }
        guard let request = try? connection.receiveHead() else { return }
        guard request.target == "/large" else {
          try connection.answer(200, "small")
          continue
        }
        // Until the client says, by another connection, that it is stuck.
        #expect(eventually(atMost: .seconds(20)) { server.requests.count == 1 })
        connection.limitReceiveBuffer(to: 4 << 20)
        var received = 0
        while received < size {
          let bytes = try connection.receiveBytes(exactly: min(1 << 20, size - received))
          #expect(SampleBytes.match(bytes, at: received))
          received += bytes.count
        }
        try connection.answer(200, "large")
      }
    }) { proxy, server in
      let client = try proxy.connect()
      try client.send("PUT /large HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
      var sent = 0
      var isStuck = false
      while sent < size {
        let offset = sent % SampleBytes.period.count
        let piece = Array(SampleBytes.period[offset...].prefix(size - sent))
        let taken = try client.sendWhatIsTaken(piece, atMost: isStuck ? .seconds(5) : .milliseconds(200))
        sent += taken
        guard taken < piece.count else { continue }
        if isStuck { throw BlockingSocket.Failure.timedOut("going on") }
        isStuck = true
        #expect(sent < size * 3 / 4, "\(sent) bytes were taken for a server that reads nothing")
        #expect(try proxy.connect().get("/small").text == "small")
        server.note(Message(head: "stuck"))
      }
      #expect(isStuck)
      #expect(try client.receiveResponse(atMost: .seconds(20)).text == "large")
    }
  }
}
