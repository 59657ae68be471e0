import Core
import Host
import Support
import Testing

/// Servers that sign in a connection (NTLM, Negotiate): what one client is let in by lets nobody else in.
@Suite(.onThreads)
struct ConnectionAuthenticationTests {
  /// Answers with the name that the connection was signed in by, or asks for it.
  private static func signingIn(challenge: String) -> ScriptedServer.Script {
    { connection, index, server in
      var user: String?
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        if let credentials = request["Authorization"] { user = credentials.split(separator: " ").last.map(String.init) }
        if let user {
          try connection.answer(200, "\(user) on \(index)")
        } else {
          try connection.answer(401, "who?", challenge)
        }
      }
    }
  }

  @Test(arguments: [
    ("WWW-Authenticate: NTLM\r\n", "NTLM"), ("WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n", "Negotiate"),
    ("WWW-Authenticate: Basic realm=\"a, b\", negotiate\r\n", "negotiate"),
  ])
  func nobodyIsTakenForAnotherClient(challenge: String, scheme: String) throws {
    try story(server: Self.signingIn(challenge: challenge)) { proxy, server in
      let alice = try proxy.connect()
      #expect(try alice.get("/1").status == 401)
      let mallory = try proxy.connect()
      #expect(try mallory.get("/2").status == 401)
      #expect(try alice.get("/3", "Authorization: \(scheme) alice\r\n").text == "alice on 0")
      #expect(try mallory.get("/4").status == 401)
      #expect(try proxy.connect().get("/5").status == 401)
      // It stays hers, for requests of either kind, without further credentials.
      #expect(try alice.get("/6").text == "alice on 0")
      #expect(try alice.post("/7", "x").text == "alice on 0")
      #expect(try mallory.get("/8", "Authorization: \(scheme) mallory\r\n").text == "mallory on 1")
      #expect(try alice.get("/9").text == "alice on 0")
      alice.close()
      #expect(eventually { proxy.pools[0].counts.leased == 1 })
      #expect(try proxy.connect().get("/10").status == 401)
    }
  }

  /// A ticket that is sent unasked is answered without a word about authentication.
  @Test func credentialsAloneMakeAConnectionPrivate() throws {
    try story(server: Self.signingIn(challenge: "")) { proxy, server in
      let alice = try proxy.connect()
      #expect(try alice.get("/", "Authorization: Negotiate alice\r\n").text == "alice on 0")
      #expect(try proxy.connect().get().status == 401)
      #expect(try alice.get().text == "alice on 0")
    }
  }

  /// Credentials of a request are nobody's business but the request's.
  @Test(arguments: ["Basic YTpi", "Bearer ntlm", "Digest realm=\"Negotiate\""])
  func otherSchemesShareConnections(credentials: String) throws {
    try story(answering: { _ in
      "HTTP/1.1 200 OK\r\nWWW-Authenticate: Basic realm=\"NTLM, Negotiate\"\r\nContent-Length: 0\r\n\r\n"
    }) { proxy, server in
      for _ in 0..<4 {
        let client = try proxy.connect()
        #expect(try client.get("/", "Authorization: \(credentials)\r\n").status == 200)
      }
      #expect(server.acceptedCount == 1)
    }
  }

  /// The connection closes with its client, and when its server is taken out.
  @Test func aKeptConnectionGoesWithItsClient() throws {
    try story(server: Self.signingIn(challenge: "WWW-Authenticate: NTLM\r\n")) { proxy, server in
      let client = try proxy.connect()
      #expect(try client.get().status == 401)
      #expect(server.openCount == 1)
      client.close()
      #expect(eventually { server.openCount == 0 && proxy.pools[0].counts.leased == 0 })
      let other = try proxy.connect()
      #expect(try other.get().status == 401)
      var settings = proxy.proxy.settings
      settings.upstream.origins = [nobody]
      _ = try proxy.proxy.reload(settings)
      #expect(eventually { server.openCount == 0 })
      #expect(try other.get().status == 502)
    }
  }

  /// The server closes the connection that a client keeps: the next request takes a fresh one, and nothing is left behind.
  @Test func aKeptConnectionThatTheServerClosesIsLetGo() throws {
    try story(server: { connection, index, server in
      server.note(try connection.receiveRequest())
      try connection.answer(401, "\(index)", "WWW-Authenticate: NTLM\r\n")
      #expect(eventually { server.requests.contains { $0.target == "close" } })
    }) { proxy, server in
      let client = try proxy.connect()
      #expect(try client.get().text == "0")
      server.note(Message(head: "GET close"))
      #expect(eventually { proxy.pools[0].counts.leased == 0 })
      #expect(try client.post("/", "x").text == "1")
      #expect(proxy.counters.replays.isEmpty)
    }
  }

  /// Kept connections count against the limit of the pool, and give way to who waits.
  @Test func aKeptConnectionGivesWayToWhoWaits() throws {
    try story(
      { $0.upstream.pool.connections = 2 },
      server: Self.signingIn(challenge: "WWW-Authenticate: NTLM\r\n")
    ) { proxy, server in
      let keepers = try (0..<4).map { _ in try proxy.connect() }
      for _ in 0..<3 {
        for keeper in keepers { #expect(try keeper.get("/", "Authorization: NTLM x\r\n").status == 200) }
      }
      let counts = proxy.pools[0].counts
      #expect(counts.leased == 2 && counts.waiting == 0)
      #expect(proxy.counters.closedByProxy["evicted"] ?? 0 > 0)
    }
  }

  /// A request for another upstream lets go of it.
  @Test func aRequestToAnotherUpstreamLetsGo() throws {
    let other = try ScriptedServer(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother" })
    defer { other.stop() }
    try story(
      {
        $0.upstreams.append(UpstreamSettings())
        $0.upstreams[1].name = "other"
        $0.upstreams[1].origins = [other.origin]
        $0.routes = [
          RouteSettings(name: "other", action: .forward(upstream: 1, rewrite: .none)),
          RouteSettings(name: "here", action: .respond(FixedResponse(status: 200, body: Array("here".utf8)))),
          RouteSettings(name: "all", action: .forward(upstream: 0, rewrite: .none)),
        ]
        $0.routes[0].match.paths = [.exact("/other")]
        $0.routes[1].match.paths = [.exact("/here")]
      },
      server: Self.signingIn(challenge: "WWW-Authenticate: NTLM\r\n")
    ) { proxy, server in
      let client = try proxy.connect()
      #expect(try client.get("/", "Authorization: NTLM a\r\n").text == "a on 0")
      // An answer of the proxy's own is none of its business.
      #expect(try client.get("/here").text == "here")
      #expect(try client.get().text == "a on 0")
      #expect(try client.get("/other").text == "other")
      #expect(eventually { server.openCount == 0 })
      #expect(try client.get().status == 401)
    }
  }
}
