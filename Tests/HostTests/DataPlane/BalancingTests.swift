import Core
import Host
import Support
import Testing

/// Which of several servers gets a request.
@Suite(.onThreads)
struct BalancingTests {
  /// Servers that say their letter, with what differs from the defaults, until `body` is through.
  private func serving(
    _ letters: String, _ change: (inout UpstreamSettings) -> Void, threads: Int = 1,
    _ body: (RunningProxy, BlockingSocket) throws -> Void
  ) throws {
    let servers = try letters.map { letter in
      try ScriptedServer(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\(letter)" })
    }
    defer { servers.forEach { $0.stop() } }
    let proxy = try RunningProxy(to: servers.map(\.origin)) { settings in
      change(&settings.upstream)
      settings.threads = threads
    }
    defer { proxy.stop() }
    try body(proxy, try proxy.connect())
  }

  /// How often each letter answered.
  private func answers(_ client: BlockingSocket, _ count: Int, _ extra: String = "") throws -> [String: Int] {
    var answers: [String: Int] = [:]
    for _ in 0..<count { answers[try client.get("/", extra).text, default: 0] += 1 }
    return answers
  }

  @Test(arguments: [Balance.roundRobin, .leastRequests]) func turnsAreTakenByWeight(_ balance: Balance) throws {
    try serving(
      "abc",
      { upstream in
        upstream.balance = balance
        if balance == .roundRobin { upstream.servers[0].weight = 3 }
        upstream.servers[2].weight = 0
      }
    ) { (_, client) throws in
      let expected = balance == .roundRobin ? ["a": 15, "b": 5] : ["a": 10, "b": 10]
      let counts = try answers(client, 20)
      #expect(counts == expected)
    }
  }

  @Test func twoThatAreDrawnAreCompared() throws {
    try serving("abcd", { $0.balance = .powerOfTwo }) { (_, client) throws in
      let counts = try answers(client, 200)
      #expect(counts.count == 4 && counts.values.allSatisfy { $0 > 10 }, "\(counts)")
    }
  }

  @Test func aKeyComesToOneServerOnEveryThread() throws {
    try serving("abcd", { $0.balance = .hash(.header(name: "X-User")) }, threads: 2) { (proxy, _) throws in
      var owners: Set<String> = []
      for user in 0..<24 {
        var seen: Set<String> = []
        for _ in 0..<3 { seen.formUnion(try answers(try proxy.connect(), 2, "x-user: \(user)\r\n").keys) }
        #expect(seen.count == 1, "user \(user) came to \(seen)")
        owners.formUnion(seen)
      }
      #expect(owners.count == 4)
      let others = try answers(try proxy.connect(), 12)
      #expect(others.count == 4, "without a key requests take turns: \(others)")
    }
  }

  @Test func aClientAddressIsAKey() throws {
    try serving("abc", { $0.balance = .hash(.clientAddress) }) { (proxy, client) throws in
      let first = try answers(client, 6)
      let second = try answers(try proxy.connect(), 6)
      #expect(first.count == 1 && first == second)
    }
  }

  @Test func aBackupIsAskedWhenNobodyElseIs() throws {
    let servers = try ["a", "b"].map { letter in
      try ScriptedServer(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n\(letter)"
      })
    }
    defer { servers.forEach { $0.stop() } }
    let proxy = try RunningProxy(to: servers.map(\.origin)) { $0.upstream.servers[1].isBackup = true }
    defer { proxy.stop() }
    let client = try proxy.connect()
    let before = try answers(client, 6)
    #expect(before == ["a": 6])
    servers[0].stop()
    let after = try answers(client, 6)
    #expect(after == ["b": 6])
  }

  @Test func aServerThatJoinsStartsSlowly() throws {
    let newcomer = try ScriptedServer(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz" })
    defer { newcomer.stop() }
    try serving("ab", { $0.slowStart = .seconds(3_600) }) { (proxy, client) throws in
      let before = try answers(client, 20)
      #expect(before == ["a": 10, "b": 10], "those that were there at the start have their full share")
      var settings = proxy.proxy.settings
      settings.upstream.servers.append(ServerSettings(origin: newcomer.origin))
      _ = try proxy.proxy.reload(settings)
      #expect(eventually { proxy.pools.count == 3 })
      let slow = try answers(client, 210)
      // A tenth of the weight of each of the others: 210 / 2.1 x 0.1 = 10.
      #expect((8...12).contains(slow["z"] ?? 0), "\(slow)")
      settings.upstream.slowStart = .zero
      _ = try proxy.proxy.reload(settings)
      _ = try answers(client, 3)
      let full = try answers(client, 30)
      #expect((9...11).contains(full["z"] ?? 0), "\(full)")
    }
  }
}
