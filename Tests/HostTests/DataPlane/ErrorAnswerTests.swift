import Core
import Host
import Support
import Testing

/// What clients see of failures, and how the line in the log is found.
@Suite(.onThreads)
struct ErrorAnswerTests {
  private static let failing: @Sendable (inout ProxySettings) -> Void = {
    $0.errors = ErrorSettings()
    $0.logs.access = .text
  }

  /// The default: nothing of the inside, and the request's identifier, which both logs have.
  @Test func aFailureNamesNothingOfTheInside() throws {
    let proxy = try RunningProxy(to: [nobody], Self.failing)
    defer { proxy.stop() }
    for own in ["", "mine-17"] {
      let response = try proxy.connect().get("/x", own.isEmpty ? "" : "X-Request-Id: \(own)\r\n")
      #expect(response.status == 502)
      #expect(response["Proxy-Status"] == "photofinish; error=connection_refused")
      let lines = response.text.split(separator: "\n").map(String.init)
      #expect(lines.count == 2 && lines[0] == "502 Bad Gateway" && lines[1].hasPrefix("Request ID: "), "\(lines)")
      let id = String(lines[1].dropFirst("Request ID: ".count))
      #expect(own.isEmpty ? id.count == 32 : id == own)
      #expect(
        eventually { proxy.accessLines.contains { $0.hasSuffix(" id=\(id)") && $0.contains("upstream=127.0.0.3:9") } })
      #expect(proxy.log.contains { $0.contains("GET /x: 502: 127.0.0.3:9 refused") && $0.hasSuffix("(request \(id))") })
    }
  }

  /// Without an access log nothing is kept of the client's identifier, and the failure has it all the same.
  @Test(arguments: [0, 200_000]) func theIdentifierIsTheClientsWithoutAnAccessLogToo(contentLength: Int) throws {
    try story(
      { $0.errors = ErrorSettings() },
      server: { connection, _, _ in
        _ = try connection.receiveRequest()
      }
    ) { proxy, _ in
      let client = try proxy.connect()
      try client.send(
        head: "POST / HTTP/1.1\r\nHost: a\r\nx-REQUEST-id: mine-17\r\n", content: SampleBytes.make(contentLength),
        framing: .length(contentLength))
      let response = try client.receiveResponse()
      #expect(response.status == 502 && response.text == "502 Bad Gateway\nRequest ID: mine-17\n", "\(response.text)")
    }
  }

  @Test(arguments: [(ErrorSettings.Details.log, false), (.trusted, true), (.all, true)])
  func theSettingsSayWhoIsTold(details: ErrorSettings.Details, isTold: Bool) throws {
    let loopback = try AddressBlock(parsing: "127.0.0.0/8")
    let proxy = try RunningProxy(to: [nobody]) {
      $0.errors.details = details
      $0.forwarding.trustedPeers = [loopback]
    }
    defer { proxy.stop() }
    let response = try proxy.connect().get()
    #expect(response.text.contains("127.0.0.3:9") == isTold)
    #expect(response["Proxy-Status"]?.contains("next-hop=\"127.0.0.3:9\"") == isTold)
    #expect(response["Proxy-Status"]?.contains("details=") == isTold)
    // Peers that are not trusted are not told.
    let strict = try RunningProxy(to: [nobody]) { $0.errors.details = details }
    defer { strict.stop() }
    #expect(try strict.connect().get().text.contains("127.0.0.3:9") == (details == .all))
  }

  /// What is wrong with a request is told to whoever sent it.
  @Test func aFaultOfTheRequestIsTold() throws {
    try story({ $0.errors = ErrorSettings() }, answering: { _ in "" }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
      let response = try client.receiveResponse()
      #expect(response.status == 400 && response.text.hasPrefix("there is more than one Host field"))
      #expect(response.text.contains("\nRequest ID: "))
    }
  }

  // MARK: Pages

  private static func paged(_ settings: inout ProxySettings) {
    settings.errors = ErrorSettings()
    var own = ErrorPage(.one(502))
    own.html = Array("<p>{status} {reason} {request-id} {details} {x}</p>".utf8)
    own.json = Array(#"{"status": {status}, "id": "{request-id}"}"#.utf8)
    var others = ErrorPage(.all(ofClass: 4))
    others.text = Array("{status}!".utf8)
    settings.errors.pages = [others, own]
    settings.routes = [RouteSettings(name: "app", action: .forward(upstream: 0, rewrite: .none))]
    settings.routes[0].match.paths = [.prefix("/app")]
  }

  @Test(arguments: [
    ("", "text/html; charset=utf-8"), ("Accept: */*\r\n", "text/html; charset=utf-8"),
    ("Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", "text/html; charset=utf-8"),
    ("Accept: application/json\r\n", "application/json"),
    ("accept: APPLICATION/JSON;q=0.5, text/*;q=0.1\r\n", "application/json"),
    ("Accept: application/*, text/html;q=0\r\n", "application/json"),
    ("Accept: image/png\r\n", "text/html; charset=utf-8"),
    ("Accept: text/html;q=0.3\r\nAccept: application/problem+json;v=1;q=0.31\r\n", "application/json"),
  ])
  func acceptChoosesTheForm(accept: String, type: String) throws {
    let proxy = try RunningProxy(to: [nobody], Self.paged)
    defer { proxy.stop() }
    let response = try proxy.connect().get("/app", "X-Request-Id: a'&b\r\n\(accept)")
    #expect(response.status == 502 && response["Content-Type"] == type)
    #expect(
      response.text
        == (type == "application/json"
          ? #"{"status": 502, "id": "a'&b"}"# : "<p>502 Bad Gateway a&#39;&amp;b  {x}</p>"))
  }

  @Test func statusesHaveTheirPages() throws {
    let proxy = try RunningProxy(to: [nobody], Self.paged)
    defer { proxy.stop() }
    let client = try proxy.connect()
    #expect(try client.get("/none").text == "404!")
    try client.send("nonsense\r\n\r\n")
    #expect(try client.receiveResponse().text == "400!")
    // A reload changes them.
    var settings = proxy.proxy.settings
    settings.errors.pages = []
    _ = try proxy.proxy.reload(settings)
    #expect(try proxy.connect().get("/app").text.hasPrefix("502 Bad Gateway\n"))
  }

  /// What the proxy would say of itself can be taken away.
  @Test func proxyStatusAndViaCanBeRemoved() throws {
    try story(
      {
        $0.routes = [RouteSettings(name: "app", action: .forward(upstream: 0, rewrite: .none))]
        $0.routes[0].responseEdits = [.remove(name: "Proxy-Status"), .remove(name: "Via")]
      },
      server: { connection, _, _ in
        while let request = try connection.receiveRequestOrEnd() {
          guard request.target == "/ok" else { return }
          try connection.send("HTTP/1.1 200 OK\r\nProxy-Status: inner\r\nVia: 1.1 inner\r\nContent-Length: 0\r\n\r\n")
        }
      }
    ) { proxy, _ in
      for target in ["/ok", "/fail"] {
        let response = try proxy.connect().post(target)
        #expect(response.status == (target == "/ok" ? 200 : 502))
        #expect(response["Proxy-Status"] == nil && response["Via"] == nil)
      }
    }
  }
}
