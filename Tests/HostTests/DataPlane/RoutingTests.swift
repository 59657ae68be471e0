import Core
import Host
import Support
import Testing

/// Where requests go, and what a route changes about its exchanges.
@Suite(.onThreads)
struct RoutingTests {
  private static func answer(_ text: String) -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
  }

  /// Two upstreams, `one` and `two`, whose servers answer with their names.
  private func two(
    _ change: (inout ProxySettings) -> Void,
    _ body: (RunningProxy, _ one: ScriptedServer, _ two: ScriptedServer) throws -> Void
  ) throws {
    let first = try ScriptedServer(answering: { _ in Self.answer("one") })
    let second = try ScriptedServer(answering: { _ in Self.answer("two") })
    defer {
      first.stop()
      second.stop()
    }
    let proxy = try RunningProxy(to: [first.origin]) { settings in
      settings.upstream.name = "one"
      var other = UpstreamSettings()
      other.name = "two"
      other.origins = [second.origin]
      settings.upstreams.append(other)
      change(&settings)
    }
    defer { proxy.stop() }
    try body(proxy, first, second)
  }

  private static func route(
    _ name: String, to upstream: Int, _ change: (inout RouteSettings) -> Void = { _ in }
  ) -> RouteSettings {
    var route = RouteSettings(name: name, action: .forward(upstream: upstream, rewrite: .none))
    change(&route)
    return route
  }

  @Test func hostsAndPathsLeadToTheirUpstreams() throws {
    try two({ settings in
      settings.routes = [
        Self.route("rest", to: 0),
        Self.route("api", to: 1) { $0.match.paths = [.prefix("/api")] },
        Self.route("host", to: 1) { $0.match.hosts = [.exact("two.example")] },
      ]
    }) { proxy, _, _ in
      let client = try proxy.connect()
      for (target, host, expected) in [
        ("/", "a", "one"), ("/api", "a", "two"), ("/apis", "a", "one"), ("/api/x?y", "a", "two"),
        ("/", "TWO.example:8080", "two"), ("/", "one.example", "one"),
      ] {
        try client.send("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        #expect(try client.receiveResponse().text == expected, "\(host)\(target)")
      }
    }
  }

  @Test func whatNoRouteMatchesIsA404() throws {
    try two({ $0.routes = [Self.route("api", to: 1) { $0.match.paths = [.prefix("/api")] }] }) { proxy, one, two in
      let client = try proxy.connect()
      for _ in 0..<2 {
        try client.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.receiveResponse().status == 404)
      }
      #expect(one.acceptedCount + two.acceptedCount == 0)
    }
  }

  // MARK: - Answers and changes

  @Test func redirects() throws {
    var redirect = Redirect()
    redirect.status = 301
    redirect.scheme = "https"
    redirect.host = "www.example"
    try two({ $0.routes = [RouteSettings(name: "old", action: .redirect(redirect))] }) { proxy, one, two in
      let client = try proxy.connect()
      for _ in 0..<2 {
        try client.send("GET /a?b=c HTTP/1.1\r\nHost: old.example\r\n\r\n")
        let response = try client.receiveResponse()
        #expect(response.status == 301 && response["location"] == "https://www.example/a?b=c")
      }
      #expect(one.acceptedCount + two.acceptedCount == 0)
    }
  }

  @Test func respondsAtOnce() throws {
    let fixed = FixedResponse(status: 418, contentType: "text/html", body: Array("short\n".utf8))
    try two({ settings in
      var route = RouteSettings(name: "teapot", action: .respond(fixed))
      route.responseEdits = [.set(name: "X-Route", value: [.route, .text(" for "), .host])]
      settings.routes = [route]
    }) { proxy, one, two in
      let client = try proxy.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n")
      let response = try client.receiveResponse()
      #expect(response.status == 418 && response.text == "short\n" && response["content-type"] == "text/html")
      #expect(response["x-route"] == "teapot for a.example")
      #expect(one.acceptedCount + two.acceptedCount == 0)
    }
  }

  @Test func changesRequestsAndResponses() throws {
    try story(
      { settings in
        var route = RouteSettings(name: "api", action: .forward(upstream: 0, rewrite: .stripPrefix("/api")))
        route.match.paths = [.prefix("/api")]
        route.requestEdits = [.remove(name: "X-Evil"), .set(name: "X-Client", value: [.clientAddress, .text("!")])]
        route.responseEdits = [
          .remove(name: "Server"), .set(name: "X-Upstream", value: [.upstream, .text(" "), .scheme]),
        ]
        settings.routes = [route]
      }, answering: { _ in "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok" }
    ) { proxy, server in
      let client = try proxy.connect()
      for _ in 0..<2 {
        try client.send("GET /api/x?y HTTP/1.1\r\nHost: a\r\nX-Evil: 1\r\nX-Client: forged\r\n\r\n")
        let response = try client.receiveResponse()
        #expect(response.status == 200 && response.text == "ok" && response["server"] == nil)
        #expect(response["x-upstream"] == "upstream http")
      }
      for request in server.requests {
        #expect(request.startLine == "GET /x?y HTTP/1.1")
        #expect(request["x-evil"] == nil && request["x-client"] == "127.0.0.1!")
      }
      #expect(server.requests.count == 2)
    }
  }

  @Test func aRouteHasItsOwnBodyLimit() throws {
    try two({
      $0.limits.bodyBytes = 1_000
      $0.routes = [
        Self.route("small", to: 0) { $0.bodyBytes = 3 },
        Self.route("large", to: 1) { $0.match.paths = [.exact("/large")] },
      ]
    }) { proxy, one, _ in
      let client = try proxy.connect()
      try client.send("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfour")
      #expect(try client.receiveResponse().text == "two")
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfour")
      #expect(try client.receiveResponse().status == 413)
      #expect(one.acceptedCount == 0)
    }
  }

  @Test func anExchangeThatTakesTooLongAsAWholeIsA504() throws {
    try story(
      {
        $0.routes = [Self.route("all", to: 0) { $0.timeouts.exchange = .milliseconds(120) }]
      },
      server: { connection, _, _ in
        _ = try connection.receiveRequest()
        // Interim responses keep every other timeout from ending this.
        for _ in 0..<400 {
          guard (try? connection.send("HTTP/1.1 103 Early Hints\r\n\r\n")) != nil else { return }
          pause(.milliseconds(10))
        }
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      var response = try client.receiveResponse()
      while response.status < 200 { response = try client.receiveResponse() }
      #expect(response.status == 504)
      #expect(response["Proxy-Status"]?.contains("http_response_timeout") == true)
    }
  }

  @Test func aRouteMayForbidReplays() throws {
    try two({
      $0.routes = [
        Self.route("all", to: 0) { $0.replay = UpstreamSettings.ReplaySettings(nonIdempotentOnProof: false, limit: 0) }
      ]
      $0.upstream.origins = [nobody, nobody]
    }) { proxy, _, _ in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try client.receiveResponse().status == 502)
      #expect(proxy.counters.replays.isEmpty)
    }
  }

  @Test func theHostIsWhatTheUpstreamWants() throws {
    try story({ $0.upstream.host = .fixed("inside.example") }, answering: { _ in Self.answer("ok") }) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: outside.example\r\n\r\n")
      _ = try client.receiveResponse()
      #expect(server.requests[0]["Host"] == "inside.example")
      #expect(server.requests[0]["X-Forwarded-Host"] == "outside.example")
    }
  }
}
