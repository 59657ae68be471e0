import Core
import Host
import Support
import Testing

/// What a client would do that knows how to, done by the proxy: sending a request again that was answered with a failure.
@Suite(.onThreads)
struct RetryTests {
  private static let failure = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
  private static let success = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"

  /// A server that is asked first, and one that is asked when that is not an option.
  private func pair(
    _ change: @escaping (inout ProxySettings) -> Void = { _ in },
    first: @escaping @Sendable (Message) -> String = { _ in RetryTests.failure },
    second: @escaping @Sendable (Message) -> String = { _ in RetryTests.success },
    _ body: (RunningProxy, _ first: ScriptedServer, _ second: ScriptedServer) throws -> Void
  ) throws {
    let servers = (try ScriptedServer(answering: first), try ScriptedServer(answering: second))
    defer {
      servers.0.stop()
      servers.1.stop()
    }
    let proxy = try RunningProxy(to: [servers.0.origin, servers.1.origin]) { settings in
      settings.upstream.servers[1].isBackup = true
      settings.upstream.ejection = nil
      settings.upstream.retry.limit = 2
      settings.upstream.retry.baseBackoff = .milliseconds(2)
      change(&settings)
    }
    defer { proxy.stop() }
    try body(proxy, servers.0, servers.1)
    #expect(servers.0.failures.isEmpty && servers.1.failures.isEmpty)
  }

  // MARK: What is retried

  @Test func anotherServerIsAsked() throws {
    try pair({ $0.logs.access = .text }) { (proxy, first, second) throws in
      let client = try proxy.connect()
      let response = try client.get("/a")
      #expect(response.status == 200 && response.text == "fine")
      #expect(first.requests.count == 1 && second.requests.count == 1)
      let counters = proxy.counters
      #expect(counters.retries == ["503": 1] && counters.retriesAnswered == 1 && counters.retriesFailed == 0)
      #expect(counters.failures.isEmpty)
      #expect(eventually { proxy.accessLines.count == 1 })
      let line = proxy.accessLines.first ?? ""
      #expect(line.contains(" 200 ") && line.contains(" attempts=2 retries=1 "), "\(line)")
      #expect(
        proxy.log.contains { $0.contains("notice GET /a: 503: \(first.address)") && $0.contains("retry 1 of 2 in") })
      // The answer was here as a whole: its connection carries the next request.
      #expect(try client.get("/b").status == 200)
      #expect(first.acceptedCount == 1 && first.requests.count == 2)
    }
  }

  @Test func nothingIsRetriedUnlessAskedFor() throws {
    try pair({ $0.upstream.retry = RetrySettings() }) { (proxy, first, second) throws in
      let response = try proxy.connect().get()
      #expect(response.status == 503 && response.text == "busy")
      #expect(first.requests.count == 1 && second.requests.isEmpty)
      #expect(proxy.counters.retries.isEmpty && proxy.counters.notRetried.isEmpty)
    }
  }

  @Test func onlyStatusesThatAreNamedAreRetried() throws {
    try pair(
      { $0.upstream.retry.statuses = [429, 500] },
      first: { $0.target == "/429" ? "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n" : Self.failure }
    ) { (proxy, _, second) throws in
      let client = try proxy.connect()
      #expect(try client.get("/503").status == 503)
      #expect(try client.get("/429").status == 200)
      #expect(second.requests.map(\.target) == ["/429"])
    }
  }

  enum Ask: String, CaseIterable, CustomTestStringConvertible {
    case post, postWithKey, postWithUnhonouredKey, put
    var testDescription: String { rawValue }
    var isRetried: Bool { self == .postWithKey || self == .put }
  }

  @Test(arguments: Ask.allCases) func aPostIsRetriedOnlyWithAKeyThatIsHonoured(_ ask: Ask) throws {
    try pair({ $0.upstream.retry.honoursIdempotencyKey = ask == .postWithKey }) { (proxy, first, second) throws in
      let key = ask == .postWithKey || ask == .postWithUnhonouredKey ? "Idempotency-Key: \"k1\"\r\n" : ""
      let client = try proxy.connect()
      try client.send(
        head: "\(ask == .put ? "PUT" : "POST") / HTTP/1.1\r\nHost: a\r\n\(key)", content: Array("order".utf8),
        framing: .length(5))
      #expect(try client.receiveResponse().status == (ask.isRetried ? 200 : 503))
      #expect(first.requests.count == 1 && second.requests.count == (ask.isRetried ? 1 : 0))
      #expect(second.requests.allSatisfy { $0.text == "order" })
      if ask == .postWithKey { #expect(second.requests.first?["Idempotency-Key"] == "\"k1\"") }
      #expect(proxy.counters.notRetried == (ask.isRetried ? [:] : ["not-idempotent": 1]))
    }
  }

  @Test func aRouteHasTheLastWord() throws {
    try pair({ settings in
      func route(_ path: String, _ retry: RetrySettings?) -> RouteSettings {
        var route = RouteSettings(name: path, action: .forward(upstream: 0, rewrite: .none))
        route.match.paths = [.prefix(path)]
        route.retry = retry
        return route
      }
      settings.routes = [route("/off", RetrySettings()), route("/as-upstream", nil)]
    }) { (proxy, _, second) throws in
      let client = try proxy.connect()
      #expect(try client.get("/off").status == 503)
      #expect(try client.get("/as-upstream").status == 200)
      #expect(second.requests.map(\.target) == ["/as-upstream"])
    }
  }

  /// Failures that have no head: the server never answers, or cannot be reached.
  @Test func aServerThatIsSilentIsPassedOver() throws {
    let silent = try ScriptedServer { connection, _, server in
      server.note(try connection.receiveRequest())
      _ = try connection.waitForEnd()
    }
    let other = try ScriptedServer(answering: { _ in Self.success })
    defer {
      silent.stop()
      other.stop()
    }
    let proxy = try RunningProxy(to: [silent.origin, other.origin]) { settings in
      settings.upstream.servers[1].isBackup = true
      settings.upstream.retry.limit = 1
      settings.timeouts.responseHead = .milliseconds(200)
    }
    defer { proxy.stop() }
    #expect(try proxy.connect().get().status == 200)
    #expect(silent.requests.count == 1)
    #expect(proxy.counters.retries == ["http_response_timeout": 1])
    #expect(proxy.counters.failures.isEmpty, "nobody was told of a failure")
  }

  @Test func aServerThatIsNotThereIsAskedAgainAndThenTheClientIsTold() throws {
    let proxy = try RunningProxy(to: [nobody]) { settings in
      settings.upstream.retry.limit = 3
      settings.upstream.retry.baseBackoff = .milliseconds(1)
      settings.logs.access = .json
    }
    defer { proxy.stop() }
    let client = try proxy.connect()
    #expect(try client.get().status == 502)
    let counters = proxy.counters
    #expect(counters.retries == ["connection_refused": 3] && counters.retriesFailed == 1)
    #expect(counters.failures == ["connection_refused": 1])
    #expect(counters.notRetried == ["too-many-retries": 1])
    #expect(eventually { proxy.accessLines.count == 1 })
    #expect(proxy.accessLines.first?.contains("\"attempts\":4,\"replays\":0,\"retries\":3,") == true)
    #expect(try client.post("/", "x").status == 502)
    #expect(proxy.counters.retries == ["connection_refused": 3])
  }

  // MARK: How often, and when

  @Test func theLimitHoldsAndTheLastAnswerIsPassedOn() throws {
    try pair({ $0.upstream.retry.limit = 3 }, second: { _ in Self.failure }) { (proxy, first, second) throws in
      let response = try proxy.connect().get()
      #expect(response.status == 503 && response.text == "busy")
      #expect(first.requests.count + second.requests.count == 4 && second.requests.count >= 1)
      #expect(proxy.counters.retries == ["503": 3] && proxy.counters.retriesFailed == 1)
      #expect(proxy.counters.notRetried == ["too-many-retries": 1])
    }
  }

  private static func failure(retryAfter: String) -> String {
    "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: \(retryAfter)\r\n\r\n"
  }

  @Test func retryAfterIsWaitedFor() throws {
    try pair(first: { _ in Self.failure(retryAfter: "1") }) { (proxy, _, second) throws in
      let before = MonotonicClock.now
      #expect(try proxy.connect().get().status == 200)
      #expect(MonotonicClock.now.since(before) >= .seconds(1))
      #expect(second.requests.count == 1)
    }
  }

  @Test(arguments: ["60", "Wed, 21 Oct 2065 07:28:00 GMT"]) func aLongRetryAfterIsForTheClient(_ value: String) throws {
    try pair(first: { _ in Self.failure(retryAfter: value) }) { (proxy, _, second) throws in
      let response = try proxy.connect().get()
      #expect(response.status == 503 && response["Retry-After"] == value)
      #expect(second.requests.isEmpty)
      #expect(proxy.counters.notRetried == ["retry-after-too-long": 1])
    }
  }

  @Test func anExchangeThatMustBeOverIsNotRetried() throws {
    try pair(
      { settings in
        var route = RouteSettings(name: "all", action: .forward(upstream: 0, rewrite: .none))
        route.timeouts.exchange = .seconds(1)
        settings.routes = [route]
      }, first: { _ in Self.failure(retryAfter: "2") }
    ) { (proxy, _, second) throws in
      #expect(try proxy.connect().get().status == 503)
      #expect(second.requests.isEmpty && proxy.counters.notRetried == ["no-time-left": 1])
    }
  }

  /// The one connection that the server may have serves somebody else meanwhile.
  @Test func nothingIsHeldInTheBackoff() throws {
    try pair(
      { settings in
        settings.upstream.pool.connections = 1
        settings.upstream.servers[1].weight = 0
      }, first: { $0.target == "/wait" ? Self.failure(retryAfter: "1") : Self.success }
    ) { (proxy, first, _) throws in
      let waiting = try proxy.connect()
      try waiting.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { proxy.counters.retries["503"] == 1 })
      let counts = proxy.pools.map(\.counts)
      #expect(counts.allSatisfy { $0.leased == 0 && $0.connecting == 0 && $0.waiting == 0 })
      #expect(try proxy.connect().get("/other").status == 200)
      #expect(try waiting.receiveResponse(atMost: .seconds(20)).status == 503)
      #expect(first.requests.map(\.target) == ["/wait", "/other", "/wait", "/wait"])
    }
  }

  @Test func aClientThatLeavesInTheBackoffEndsIt() throws {
    try pair({ $0.logs.access = .text }, first: { _ in Self.failure(retryAfter: "1") }) {
      (proxy, first, second) throws in
      let leaver = try proxy.connect()
      try leaver.send("GET /leaver HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { proxy.counters.retries["503"] == 1 })
      leaver.abort()
      #expect(eventually { proxy.clientConnections == 0 })
      #expect(proxy.counters.clientAborts == 1)
      #expect(eventually { proxy.accessLines.count == 1 })
      #expect(proxy.accessLines.first?.contains(" 499 ") == true)
      // Whoever comes later waits as long: when he is served, the time of the first has passed.
      #expect(try proxy.connect().get("/later").status == 200)
      #expect(first.requests.map(\.target) == ["/leaver", "/later"] && second.requests.map(\.target) == ["/later"])
      #expect(proxy.counters.retriesAnswered == 1 && proxy.counters.retriesFailed == 0)
    }
  }

  /// A FIN can say that the client only sends nothing more.
  @Test func aClientThatOnlyStopsSendingGetsItsAnswer() throws {
    try pair({ $0.halfClosed = .serve }, first: { _ in Self.failure(retryAfter: "1") }) { (proxy, _, _) throws in
      let client = try proxy.connect()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { proxy.counters.retries["503"] == 1 })
      client.shutdownWriting()
      #expect(try client.receiveResponse().status == 200)
      #expect(try client.waitForEnd() == .endOfStream)
    }
  }

  /// All requests fail, and each may be retried ten times: the servers get little more than what clients send.
  @Test func aStormIsBoundedByTheBudget() throws {
    try pair(
      { settings in
        settings.upstream.retry.limit = 10
        settings.upstream.retry.baseBackoff = .zero
        settings.upstream.servers.removeLast()
      }
    ) { (proxy, first, _) throws in
      let count = 600
      let before = MonotonicClock.now
      let client = try proxy.connect()
      for _ in 0..<count { #expect(try client.get().status == 503) }
      let seconds = Int(MonotonicClock.now.since(before).milliseconds / 1_000) + 1
      let retries = first.requests.count - count
      // ReplayBudget: 200 saved up, a fifth for each request, ten each second.
      #expect(retries >= 200 && retries <= 200 + count / 5 + 10 * seconds, "\(retries) in \(seconds) s")
      #expect(proxy.counters.retries["503"] == UInt64(retries))
      #expect(proxy.counters.notRetried["budget-exhausted"] ?? 0 > 0)
    }
  }

  // MARK: The request

  @Test(arguments: [Message.Framing.length(0), .chunked]) func contentIsSentAgainAsAWhole(
    _ framing: Message.Framing
  ) throws {
    try pair { (proxy, first, second) throws in
      let content = Array(SampleBytes.period.prefix(40_000))
      let client = try proxy.connect()
      try client.send(head: "PUT /big HTTP/1.1\r\nHost: a\r\n", content: content, framing: framing)
      #expect(try client.receiveResponse().status == 200)
      #expect(first.requests.first?.content == content && second.requests.first?.content == content)
      #expect(try client.get().status == 200, "the connection goes on")
    }
  }

  @Test func contentThatWasNotKeptIsNotSentAgain() throws {
    try pair { (proxy, first, second) throws in
      let content = [UInt8](repeating: 0x61, count: 1_000_000)
      let client = try proxy.connect()
      try client.send(head: "PUT / HTTP/1.1\r\nHost: a\r\n", content: content, framing: .length(content.count))
      #expect(try client.receiveResponse().status == 503)
      #expect(first.requests.first?.content == content && second.requests.isEmpty)
      #expect(proxy.counters.notRetried == ["body-not-kept": 1])
    }
  }

  /// The server refuses after a part of the request; the other one gets that part and the rest.
  @Test func contentThatIsStillComingGoesToTheNextServer() throws {
    let hasty = try ScriptedServer { connection, _, server in
      server.note(try connection.receiveHead())
      _ = try connection.receiveBytes(exactly: 5)
      try connection.send(Self.failure)
      _ = try connection.waitForEnd()
    }
    let other = try ScriptedServer(answering: { _ in Self.success })
    defer {
      hasty.stop()
      other.stop()
    }
    let proxy = try RunningProxy(to: [hasty.origin, other.origin]) { settings in
      settings.upstream.servers[1].isBackup = true
      settings.upstream.retry.limit = 1
    }
    defer { proxy.stop() }
    let client = try proxy.connect()
    try client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    #expect(eventually { proxy.counters.retries["503"] == 1 })
    try client.send("world")
    #expect(try client.receiveResponse().status == 200)
    #expect(other.requests.map(\.text) == ["helloworld"])
    #expect(proxy.counters.closedByProxy["request-unfinished"] == 1)
  }

  // MARK: The answer that is dropped

  static let dropped = [
    "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n",
    "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusyHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
    "HTTP/1.1 503 Busy\r\nContent-Length: 400\r\n\r\nbusy",
    "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nbusy",
  ]

  /// What is left of it reaches nobody: the connection is closed.
  @Test(arguments: dropped) func nothingOfADroppedAnswerIsSeen(_ answer: String) throws {
    try pair(first: { _ in answer }) { (proxy, first, _) throws in
      let client = try proxy.connect()
      for _ in 0..<3 {
        let response = try client.get()
        #expect(response.status == 200 && response.text == "fine")
      }
      #expect(first.acceptedCount == 3)
      #expect(proxy.counters.retriesAnswered == 3)
    }
  }

  @Test func aClientThatHasAnInterimResponseIsNotRetried() throws {
    try pair(first: { _ in "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + Self.failure }) {
      (proxy, _, second) throws in
      let client = try proxy.connect()
      #expect(try client.get().status == 103)
      #expect(try client.receiveResponse().status == 503)
      #expect(second.requests.isEmpty && proxy.counters.notRetried == ["response-passed-on": 1])
    }
  }
}
