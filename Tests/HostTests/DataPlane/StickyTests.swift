import Core
import Host
import Support
import Testing

/// Clients that a cookie keeps with their server.
@Suite(.onThreads)
struct StickyTests {
  /// Servers that say their letter, until `body` is through.
  private func serving(
    _ letters: String, _ change: (inout ProxySettings) -> Void = { _ in },
    answering answer: @escaping @Sendable (Message, Character) -> String = { _, letter in StickyTests.answer(letter) },
    _ body: (RunningProxy, [ScriptedServer]) throws -> Void
  ) throws {
    let servers = try letters.map { letter in try ScriptedServer(answering: { answer($0, letter) }) }
    defer { servers.forEach { $0.stop() } }
    let proxy = try RunningProxy(to: servers.map(\.origin)) { settings in
      settings.upstream.sticky = StickyCookie(name: "stay")
      change(&settings)
    }
    defer { proxy.stop() }
    try body(proxy, servers)
  }

  private static func answer(_ letter: Character) -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n\(letter)"
  }

  /// Name and value of the cookie that a response sets; nil when it sets none.
  private func cookie(_ response: Message) -> String? {
    response["Set-Cookie"]?.split(separator: ";").first.map(String.init)
  }

  @Test func aClientStaysOnEveryThread() throws {
    try serving("abcd", { $0.threads = 2 }) { (proxy, _) throws in
      var owners: Set<String> = []
      for _ in 0..<8 {
        let first = try proxy.connect().get()
        let given = try #require(cookie(first))
        #expect(given.hasPrefix("stay=") && given.utf8.count == 21, "\(given)")
        #expect(first["Set-Cookie"]?.hasSuffix("; Path=/; HttpOnly") == true)
        owners.insert(first.text)
        for _ in 0..<6 {
          let next = try proxy.connect().get("/", "Cookie: a=b; \(given)\r\n")
          #expect(next.text == first.text)
          #expect(next["Set-Cookie"] == nil, "it has it already")
        }
      }
      #expect(owners.count > 1, "those without a cookie take turns")
    }
  }

  @Test(arguments: ["stay=0123456789abcdef", "stay=", "stay=127.0.0.1:80", "stray=1"])
  func aCookieThatNamesNobodyIsReplaced(_ value: String) throws {
    try serving("ab") { (proxy, _) throws in
      let response = try proxy.connect().get("/", "Cookie: \(value)\r\n")
      let given = try #require(cookie(response))
      #expect(try proxy.connect().get("/", "Cookie: \(given)\r\n").text == response.text)
    }
  }

  @Test func aServerThatIsGoneIsReplaced() throws {
    try serving("ab") { (proxy, servers) throws in
      let first = try proxy.connect().get()
      let old = try #require(cookie(first))
      servers[first.text == "a" ? 0 : 1].stop()
      let next = try proxy.connect().get("/", "Cookie: \(old)\r\n")
      #expect(next.status == 200 && next.text != first.text)
      let new = try #require(cookie(next))
      #expect(new != old)
      #expect(try proxy.connect().get("/", "Cookie: \(new)\r\n").text == next.text)
    }
  }

  @Test func aServerThatIsDrainedIsReplaced() throws {
    try serving("ab") { (proxy, _) throws in
      let first = try proxy.connect().get()
      let old = try #require(cookie(first))
      var settings = proxy.proxy.settings
      settings.upstream.servers[first.text == "a" ? 0 : 1].weight = 0
      _ = try proxy.proxy.reload(settings)
      #expect(try eventually { try proxy.connect().get("/", "Cookie: \(old)\r\n").text != first.text })
    }
  }

  @Test func aRetryGoesElsewhereAndStaysThere() throws {
    try serving(
      "ab",
      { settings in
        settings.upstream.retry.limit = 1
        settings.upstream.retry.baseBackoff = .zero
      },
      answering: { request, letter in
        let isFailing = request.target == "/failing-\(letter)"
        return isFailing
          ? "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" : StickyTests.answer(letter)
      }
    ) { (proxy, _) throws in
      let first = try proxy.connect().get()
      let old = try #require(cookie(first))
      let next = try proxy.connect().get("/failing-\(first.text)", "Cookie: \(old)\r\n")
      #expect(next.status == 200 && next.text != first.text)
      #expect(try #require(cookie(next)) != old)
    }
  }

  @Test func aReloadBeginsAndEndsIt() throws {
    try serving("ab", { $0.upstream.sticky = nil }) { (proxy, _) throws in
      #expect(try proxy.connect().get()["Set-Cookie"] == nil)
      var settings = proxy.proxy.settings
      var sticky = StickyCookie(name: "other")
      sticky.isSecure = true
      settings.upstream.sticky = sticky
      _ = try proxy.proxy.reload(settings)
      #expect(try eventually { cookie(try proxy.connect().get())?.hasPrefix("other=") == true })
      #expect(try proxy.connect().get()["Set-Cookie"]?.contains("; Secure") == true)
      settings.upstream.sticky = nil
      _ = try proxy.proxy.reload(settings)
      #expect(try eventually { try proxy.connect().get()["Set-Cookie"] == nil })
    }
  }

  @Test func theServersCookiesAndARoutesEditsAreKept() throws {
    try serving(
      "a",
      { settings in
        var route = RouteSettings(name: "all", action: .forward(upstream: 0, rewrite: .none))
        route.responseEdits = [.set(name: "X-Edit", value: [.text("yes")])]
        settings.routes = [route]
      },
      answering: { _, _ in "HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 0\r\n\r\n" }
    ) { (proxy, _) throws in
      let response = try proxy.connect().get()
      #expect(response["X-Edit"] == "yes")
      let cookies = response.fields.filter { $0.name == "Set-Cookie" }.map(\.value)
      #expect(cookies.count == 2 && cookies.contains("session=1") && cookies.contains { $0.hasPrefix("stay=") })
    }
  }

  @Test func aHandshakeGetsIt() throws {
    try story(
      { $0.upstream.sticky = StickyCookie(name: "stay") },
      server: { connection, _, _ in
        _ = try connection.receiveHead()
        try connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello")
        _ = try connection.waitForEnd()
      }
    ) { (proxy, _) throws in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
      let response = try client.receiveHead()
      #expect(response.status == 101 && cookie(response)?.hasPrefix("stay=") == true)
      #expect(try client.receive(exactly: 5) == "hello")
    }
  }
}
