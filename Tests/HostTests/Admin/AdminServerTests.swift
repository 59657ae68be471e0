import Analysis
import Core
import Host
import Logging
import Support
import Testing

/// The admin endpoint of a proxy within this process.
private func withAdmin(
  _ address: ListenAddress = .tcp(host: "127.0.0.1", port: 0), token: String? = nil, hosts: [String] = [],
  settings change: (inout ProxySettings) -> Void = { _ in },
  server script: @escaping ScriptedServer.Script = { connection, _, server in
    while let request = try connection.receiveRequestOrEnd() {
      server.note(request)
      try connection.answer(200, "hello")
    }
  },
  _ body: (RunningProxy, ScriptedServer, SocketAddress) throws -> Void
) throws {
  try story(change, server: script) { proxy, server in
    let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let control = ProxyControl(
      proxy.proxy, version: "1.2.3", level: ControlLogLevel(.info), log: log,
      deeds: ProxyControl.Deeds(
        reload: { ReloadOutcome(isSuccess: false, lines: ["not here"]) }, drain: { false },
        upgrade: { .failure(ControlChannel.Failure("not here")) }, replaced: { _ in }))
    var settings = AdminSettings(address)
    settings.token = token
    settings.hosts = hosts
    let admin = try AdminServer(settings, control: control)
    defer { admin.stop() }
    try body(proxy, server, admin.address)
  }
}

private func ask(
  _ address: SocketAddress, _ target: String, _ fields: String = "", method: String = "GET", host: String? = nil,
  body: String = ""
) throws -> Message {
  let client = try BlockingSocket(to: address)
  let length = body.isEmpty ? "" : "Content-Length: \(body.utf8.count)\r\n"
  try client.send("\(method) \(target) HTTP/1.1\r\nHost: \(host ?? "\(address)")\r\n\(length)\(fields)\r\n\(body)")
  return try client.receiveResponse(to: method)
}

@Suite(.onThreads)
struct AdminServerTests {
  // MARK: - Metrics

  /// Two upstreams share a server: each series is there once, and the linter has nothing to say.
  @Test func aLiveScrapePassesTheLinter() throws {
    let directory = try TemporaryDirectory()
    try withAdmin(settings: { settings in
      var other = settings.upstream
      other.name = "other"
      settings.upstreams.append(other)
      var route = RouteSettings(name: "quo\"ted", action: .forward(upstream: 1, rewrite: .none))
      route.match.paths = [.prefix("/other")]
      settings.routes = [route, RouteSettings(name: "rest", action: .forward(upstream: 0, rewrite: .none))]
    }) { (proxy, server, address) throws in
      let client = try proxy.connect()
      for target in ["/", "/other/x", "/other/y"] { #expect(try client.get(target).status == 200) }
      let page = try ask(address, "/metrics")
      #expect(page.status == 200 && page["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
      let path = directory.path + "/metrics"
      try TextFile.write(page.text, to: path)
      let linter = try ChildProcess(["sh", "-c", "promtool check metrics < \(path) > \(path).said 2>&1"])
      #expect(linter.wait(atMost: .seconds(60)) == 0)
      #expect(BuiltProgram.text(ofFile: path + ".said") == "")
      let lines = page.text.split(separator: "\n").map(String.init)
      let series = lines.filter { !$0.hasPrefix("#") }.map { String($0[..<$0.lastIndex(of: " ")!]) }
      #expect(Set(series).count == series.count)
      let shared = "server=\"\(server.address)\""
      #expect(lines.contains("photofinish_server_requests_total{upstream=\"upstream\",\(shared),class=\"2xx\"} 1"))
      #expect(lines.contains("photofinish_server_requests_total{upstream=\"other\",\(shared),class=\"2xx\"} 2"))
      #expect(lines.contains("photofinish_route_requests_total{route=\"quo\\\"ted\",class=\"2xx\"} 2"))
      #expect(lines.contains("photofinish_server_connections_reused_total{upstream=\"other\",\(shared)} 1"))
      #expect(lines.contains("photofinish_server_idle_at_reuse_seconds_count{upstream=\"other\",\(shared)} 1"))
      #expect(lines.contains("photofinish_server_response_body_bytes_total{upstream=\"other\",\(shared)} 10"))
      #expect(lines.contains("photofinish_workers_heard 1"))
      // Every family is there, whether it has samples or not.
      for metric in Metric.allCases {
        #expect(lines.contains("# TYPE \(metric.sampleName) \(metric.family.kind.rawValue)"))
      }
    }
  }

  @Test(arguments: [
    ("", "text/plain; version=0.0.4"), ("Accept: */*\r\n", "text/plain; version=0.0.4"),
    (
      "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3\r\n",
      "application/openmetrics-text; version=1.0.0"
    ),
    ("Accept: application/openmetrics-text; version=0.0.1,text/plain;q=0.3\r\n", "text/plain; version=0.0.4"),
    ("Accept: text/plain, application/openmetrics-text;q=0.1\r\n", "text/plain; version=0.0.4"),
  ])
  func negotiatesTheForm(_ accept: String, _ type: String) throws {
    try withAdmin { (_, _, address) throws in
      let page = try ask(address, "/metrics", accept)
      #expect(page["content-type"] == "\(type); charset=utf-8")
      #expect(page.text.hasSuffix("# EOF\n") == type.contains("openmetrics"))
    }
  }

  @Test func packsWhereThatIsTaken() throws {
    try withAdmin { (_, _, address) throws in
      let packed = try ask(address, "/metrics", "Accept-Encoding: deflate, gzip;q=0.8\r\n")
      #expect(packed["content-encoding"] == "gzip" && packed.content.starts(with: [0x1f, 0x8b]))
      #expect(packed.content.count < 10_000)
      let plain = try ask(address, "/metrics", "Accept-Encoding: gzip;q=0\r\n")
      #expect(plain["content-encoding"] == nil)
    }
  }

  /// A connection that its server has closed is not used: a race avoided.
  @Test func countsARaceThatWasAvoided() throws {
    try withAdmin(server: { connection, index, server in
      while let request = try connection.receiveRequestOrEnd() {
        try connection.answer(200)
        if request.target == "/last" { return }
      }
    }) { (proxy, server, address) throws in
      let client = try proxy.connect()
      #expect(try client.get("/last").status == 200)
      let before = Metric.racesAvoided.sampleName
      let seen = eventually { server.openCount == 0 }
      #expect(seen && client.received.isEmpty)
      // The FIN may be seen while the connection idles, or by the look before the write: either way it is counted.
      #expect(try client.get("/").status == 200)
      let page = try ask(address, "/metrics").text
      let idle = page.contains("by=\"server\",how=\"idle-fin\"} 1")
      #expect(idle, "\(page)")
      #expect(page.contains(before))
    }
  }

  /// A server that closes without an answer to a request on a used connection: the request is repeated, and answered.
  @Test func countsARaceThatWasRepaired() throws {
    try withAdmin(server: { connection, index, server in
      while let request = try connection.receiveRequestOrEnd() {
        if index == 0, request.target == "/dies" { return connection.abort() }
        try connection.answer(200)
      }
    }) { (proxy, server, address) throws in
      let client = try proxy.connect()
      #expect(try client.get("/").status == 200)
      #expect(try client.get("/dies").status == 200)
      let page = try ask(address, "/metrics").text
      let labels = "upstream=\"upstream\",server=\"\(server.address)\""
      #expect(page.contains("photofinish_races_repaired_total{\(labels),verdict=\"unknown\"} 1"), "\(page)")
      #expect(page.contains("photofinish_server_replays_total{\(labels),verdict=\"unknown\"} 1"))
      #expect(page.contains("photofinish_races_lost_total{\(labels),verdict=\"unknown\"} 0"))
      let told = try JSONValue(parsing: try ask(address, "/incidents").text)["incidents"]?.array
      #expect(told?.count == 1 && told?.first?["kind"]?.string == "repaired")
      #expect(told?.first?["request"]?.string == "GET /dies" && told?.first?["uses"]?.integer == 1)
      #expect(told?.first?["status"]?.integer == 200 && told?.first?["verdict"]?.string == "unknown")
    }
  }

  // MARK: - Who may ask

  @Test(arguments: [
    ("127.0.0.1", 200), ("localhost:9180", 200), ("[::1]:1", 200), ("a.localhost", 200), ("Proxy.Example:80", 200),
    ("evil.example", 421), ("127.0.0.1.evil.example", 421),
  ])
  func refusesForeignNames(_ host: String, _ status: Int) throws {
    try withAdmin(hosts: ["proxy.example"]) { (_, _, address) throws in
      #expect(try ask(address, "/live", host: host).status == status)
    }
  }

  private static let token = "0123456789abcdef0123"

  @Test func changesNeedTheToken() throws {
    try withAdmin { (_, _, address) throws in #expect(try ask(address, "/status", method: "POST").status == 403) }
    try withAdmin(token: Self.token) { (_, _, address) throws in
      #expect(try ask(address, "/status").status == 200)
      let none = try ask(address, "/status", method: "POST")
      #expect(none.status == 401 && none["www-authenticate"] == "Bearer")
      for shown in ["Bearer \(Self.token)x", "Bearer \(Self.token.dropLast())", "Basic \(Self.token)", "Bearer"] {
        #expect(try ask(address, "/status", "Authorization: \(shown)\r\n", method: "POST").status == 401)
      }
      // It is past the guard, and there is nothing to change there.
      let shown = "Authorization: bearer \(Self.token)\r\n"
      #expect(try ask(address, "/status", shown, method: "POST").status == 405)
      // A browser that shows a page of another site is told apart, token or not.
      for foreign in ["Sec-Fetch-Site: cross-site\r\n", "Origin: http://evil.example\r\n", "Origin: null\r\n"] {
        #expect(try ask(address, "/status", shown + foreign, method: "POST").status == 403)
      }
    }
  }

  @Test func whereOthersCanConnectEverythingNeedsTheToken() throws {
    try withAdmin(.tcp(host: "0.0.0.0", port: 0), token: Self.token) { (_, _, bound) throws in
      let address = SocketAddress(.ipv4(0x7f00_0001, port: bound.port))
      #expect(try ask(address, "/metrics").status == 401)
      #expect(try ask(address, "/metrics", "Authorization: Bearer \(Self.token)\r\n").status == 200)
    }
  }

  @Test func aSocketOfUnixIsForItsOwner() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/admin"
    try withAdmin(.unix(path: path)) { (_, _, address) throws in
      #expect(try ask(address, "/status", method: "POST", host: "whatever").status == 405)
      let mode = try ChildProcess(["sh", "-c", "test \"$(stat -c %a '\(path)')\" = 600"])
      #expect(mode.wait(atMost: .seconds(20)) == 0)
    }
    #expect(SocketFile(path) == nil)
  }

  // MARK: - Pages

  @Test func answersSayWhatBrowsersMayDo() throws {
    try withAdmin { (_, _, address) throws in
      for target in ["/live", "/nothing", "/metrics"] {
        let answer = try ask(address, target)
        #expect(answer["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
        #expect(answer["x-content-type-options"] == "nosniff" && answer["cache-control"] == "no-store")
      }
      #expect(try ask(address, "/nothing").status == 404)
      #expect(try ask(address, "/%ff").status == 400)
    }
  }

  @Test func isReadyUntilItDrains() throws {
    try withAdmin { (proxy, _, address) throws in
      #expect(try ask(address, "/ready").text == "ready\n")
      let client = try proxy.connect()
      try client.send("GET / HT")
      #expect(eventually { proxy.clientConnections == 1 })
      proxy.proxy.beginDrain(atMost: .seconds(60))
      let answer = try ask(address, "/ready")
      #expect(answer.status == 503 && answer.text == "not ready: the proxy drains\n")
      #expect(try ask(address, "/live").status == 200)
    }
  }

  // MARK: - Bad input

  @Test(arguments: [
    ("GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), ("\u{0}\u{1}\r\n\r\n", 400),
    ("GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nX: \(String(repeating: "x", count: 20_000))\r\n\r\n", 431),
    ("POST /live HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n", 413),
    ("POST /live HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
  ])
  func refusesWhatItDoesNotTake(_ text: String, _ status: Int) throws {
    try withAdmin { (_, _, address) throws in
      let client = try BlockingSocket(to: address)
      try client.send(text)
      #expect(try client.receiveResponse().status == status)
      // Others are served.
      #expect(try ask(address, "/live").status == 200)
    }
  }

  /// Many requests and no reading: what waits stays bounded, and others are served.
  @Test func whoeverDoesNotReadHoldsUpNobody() throws {
    try withAdmin { (_, _, address) throws in
      let greedy = try BlockingSocket(to: address)
      greedy.limitReceiveBuffer(to: 4_096)
      let request = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
      let many = [UInt8](String(repeating: request, count: 200_000).utf8)
      #expect(try greedy.sendWhatIsTaken(many, atMost: .milliseconds(300)) < many.count)
      for _ in 0..<10 { #expect(try ask(address, "/live").status == 200) }
    }
  }

  @Test func keepsAConnectionAndTakesPiecesOfRequests() throws {
    try withAdmin { (_, _, address) throws in
      let client = try BlockingSocket(to: address)
      for byte in "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n" { try client.send(String(byte)) }
      #expect(try client.receiveResponse().status == 200)
      try client.send(String(repeating: "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n", count: 3))
      for _ in 0..<3 { #expect(try client.receiveResponse().status == 200) }
      try client.send("GET /live HTTP/1.0\r\nHost: localhost\r\n\r\n")
      #expect(try client.receiveResponse().status == 200)
      #expect(try client.waitForEnd() == .endOfStream)
    }
  }

  @Test func moreClientsThanItTakesAreTurnedAway() throws {
    try withAdmin { (_, _, address) throws in
      let clients = try (0..<140).map { _ in try BlockingSocket(to: address) }
      var answered = 0
      for client in clients {
        try? client.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if (try? client.receiveResponse().status) == 200 { answered += 1 }
      }
      #expect(answered == 128)
    }
  }
}
