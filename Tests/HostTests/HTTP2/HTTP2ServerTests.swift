import Core
import HTTP2
import Host
import Support
import Synchronization
import Testing

/// HTTP/2 to servers: the race, by streams. What a server has acted upon is noted, so that nothing is acted upon twice unseen.
@Suite(.onThreads)
struct HTTP2ServerTests {
  /// What servers have acted upon.
  private final class Ledger: Sendable {
    private let applied = Mutex<[String: Int]>([:])
    func apply(_ request: String) { applied.withLock { $0[Self.name(request), default: 0] += 1 } }
    var counts: [String: Int] { applied.withLock { $0 } }

    /// The target, which every request of these tests has for itself.
    static func name(_ request: String) -> String { String(request.split(separator: " ")[1]) }
  }

  private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

  private func story(
    _ change: (inout ProxySettings) -> Void = { _ in },
    server script: @escaping @Sendable (HTTP2Wire, Int, Ledger) throws -> Void,
    _ body: (RunningProxy, Ledger) throws -> Void
  ) throws {
    let ledger = Ledger()
    try HostTests.story(
      {
        $0.upstream.servers[0].isHTTP2 = true
        change(&$0)
      },
      server: { connection, index, _ in try script(try HTTP2Wire.server(on: connection), index, ledger) }
    ) { proxy, _ in try body(proxy, ledger) }
  }

  /// Sends requests at the same time, each on a connection of its own.
  private func burst(_ proxy: RunningProxy, _ method: String, _ count: Int, name: String = "r") throws -> [Int] {
    let clients = try (0..<count).map { _ in try proxy.connect() }
    for (number, client) in clients.enumerated() {
      try client.send("\(method) /\(name)\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    }
    return try clients.map { try $0.receiveResponse().status }
  }

  private func expectServed(_ statuses: [Int], at location: SourceLocation = #_sourceLocation) {
    #expect(statuses.allSatisfy { $0 == 200 }, "\(statuses)", sourceLocation: location)
  }

  @Test func requestsShareAConnection() throws {
    try story(server: { wire, _, ledger in
      try wire.serve { _, request in
        ledger.apply(request)
        return Self.ok
      }
    }) { proxy, ledger in
      try expectServed(burst(proxy, "GET", 40))
      try expectServed(burst(proxy, "GET", 40, name: "s"))
      #expect(ledger.counts.count == 80)
      #expect(proxy.counters.upstreamHTTP2Connections < 10)
      #expect(proxy.counters.upstreamHTTP2Streams == 80)
    }
  }

  @Test(arguments: ["GET", "POST"]) func aServerMaySayGoAwayAfterEveryFewStreams(_ method: String) throws {
    try story(server: { wire, _, ledger in
      // Streams beyond the fifth are not acted upon, as the GOAWAY says.
      wire.lifetime = 5
      try wire.serve { _, request in
        ledger.apply(request)
        return Self.ok
      }
    }) { proxy, ledger in
      for round in 0..<4 {
        try expectServed(burst(proxy, method, 20, name: "\(round)-"))
      }
      #expect(ledger.counts.count == 80)
      #expect(ledger.counts.values.allSatisfy { $0 == 1 }, "\(ledger.counts)")
    }
  }

  @Test(arguments: ["GET", "POST"]) func whatIsRefusedIsSentAgain(_ method: String) throws {
    let refusals = Mutex<Set<String>>([])
    try story(server: { wire, _, ledger in
      try wire.serve { stream, request in
        let name = Ledger.name(request)
        if name.hasSuffix("3"), refusals.withLock({ $0.insert(name).inserted }) {
          stream.reset(.refusedStream)
          try wire.flush()
          return nil
        }
        ledger.apply(request)
        return Self.ok
      }
    }) { proxy, ledger in
      try expectServed(burst(proxy, method, 40))
      #expect(ledger.counts.count == 40 && ledger.counts.values.allSatisfy { $0 == 1 })
      #expect(proxy.counters.replays["refused"] == 4)
    }
  }

  @Test func theServersWordCanBeDoubted() throws {
    try story(
      { $0.upstream.replay.believesRefusals = false },
      server: { wire, _, _ in
        try wire.serve { stream, _ in
          stream.reset(.refusedStream)
          try wire.flush()
          return nil
        }
      }
    ) { proxy, _ in
      let status = try proxy.connect().post("/", "x").status
      #expect(status == 503)
      #expect(proxy.counters.replays.isEmpty)
    }
  }

  @Test func aServerThatRefusesForEverIsNotAskedForEver() throws {
    let asked = Atomic(0)
    try story(server: { wire, _, _ in
      try wire.serve { stream, _ in
        asked.add(1, ordering: .relaxed)
        stream.reset(.refusedStream)
        try wire.flush()
        return nil
      }
    }) { proxy, _ in
      let status = try proxy.connect().get().status
      #expect(status == 503)
      #expect((2...20).contains(asked.load(ordering: .relaxed)))
    }
  }

  @Test func oneDeathCostsFewPosts() throws {
    let deaths = Atomic(0)
    try story(server: { wire, _, ledger in
      try wire.serve { _, request in
        ledger.apply(request)
        // Each first request of a connection that ends in 7 kills it while it is being acted upon.
        if Ledger.name(request).hasSuffix("7"), deaths.add(1, ordering: .relaxed).oldValue < 2 {
          wire.die()
          return nil
        }
        return Self.ok
      }
    }) { proxy, ledger in
      let statuses = try burst(proxy, "POST", 40)
      #expect(statuses.count { $0 != 200 } <= 6)
      #expect(ledger.counts.values.allSatisfy { $0 == 1 }, "\(ledger.counts)")
    }
  }

  @Test func closesInIdlenessCostNothingAndAreLearned() throws {
    try story(server: { wire, _, ledger in
      // Idle connections end after 60 ms, without GOAWAY.
      while true {
        if wire.opened.isEmpty {
          do { try wire.turn(atMost: .milliseconds(60)) } catch BlockingSocket.Failure.timedOut { return }
        }
        if wire.hasEnded { return }
        for stream in wire.takeOpened() {
          ledger.apply(try wire.answer(of: stream))
          try wire.respond(stream, Self.ok)
        }
      }
    }) { proxy, ledger in
      for round in 0..<12 {
        try expectServed(burst(proxy, "POST", 6, name: "\(round)-"))
        pause(.milliseconds(Int64(50 + 2 * (round % 8))))
      }
      #expect(ledger.counts.count == 72 && ledger.counts.values.allSatisfy { $0 == 1 })
    }
  }

  @Test func contentAndTrailersGoOn() throws {
    let content = String(repeating: "y", count: 300_000)
    try story(server: { wire, _, _ in
      while let stream = try wire.next() {
        let request = try wire.answer(of: stream)
        #expect(request.hasSuffix(content))
        var rest = Array(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n\(content)\r\n0\r\nGrpc-Status: 0\r\n\r\n".utf8
        )[...]
        while !rest.isEmpty {
          switch stream.send(Array(rest.prefix(16_384)).rawSpan) {
          case .bytes(let count): rest = rest.dropFirst(count)
          case .wouldBlock: try wire.turn()
          case .end, .reset: return
          }
          try wire.flush()
        }
        stream.endOfMessage(complete: true)
        try wire.flush()
      }
    }) { proxy, _ in
      let client = try proxy.connect()
      let response = try client.post("/", content)
      #expect(response.status == 200)
      #expect(response.text == content)
    }
  }

  @Test func aSlowAnswerThatIsGivenUpIsCancelled() throws {
    let cancelled = Atomic(false)
    try story(
      { $0.timeouts.responseHead = .milliseconds(100) },
      server: { wire, _, _ in
        while let stream = try wire.next() {
          _ = try wire.answer(of: stream)
          while wire.resets.isEmpty, !wire.hasEnded { try wire.turn() }
          if wire.resets[stream.id] == .cancel { cancelled.store(true, ordering: .relaxed) }
        }
      }
    ) { proxy, _ in
      let status = try proxy.connect().post("/", "x").status
      #expect(status == 504)
      #expect(eventually { cancelled.load(ordering: .relaxed) })
    }
  }
}
