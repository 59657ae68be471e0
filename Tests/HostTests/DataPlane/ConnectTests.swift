import Core
import Host
import Support
import Synchronization
import Testing

/// Connects that fail: nothing was sent, so every server may be asked, and one that is there in a moment is waited for.
@Suite(.onThreads)
struct ConnectTests {
  private static let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

  @Test func everyServerIsAskedHoweverManyRefuse() throws {
    let server = try ScriptedServer(answering: { _ in Self.answer })
    defer { server.stop() }
    let gone = (0..<12).map { OriginAddress.tcp(host: "127.0.0.3", port: 20 + $0) }
    let proxy = try RunningProxy(to: gone + [server.origin]) { $0.upstream.ejection = nil }
    let client = try proxy.connect()
    for _ in 0..<20 {
      #expect(try client.get().status == 200)
      #expect(try client.post("/", "x").status == 200)
    }
    #expect(proxy.counters.replays.isEmpty, "nothing was sent, so nothing is sent again")
    #expect(proxy.counters.connectsFailedOver >= 12)
    #expect(proxy.counters.failures.isEmpty)
  }

  @Test func aServerThatStartsAnewIsWaitedFor() throws {
    let server = try KillableServer(on: "127.0.0.5")
    let proxy = try RunningProxy(to: [server.origin]) { $0.timeouts.refused = .seconds(10) }
    let client = try proxy.connect()
    #expect(try client.post("/", "x").status == 200)
    server.kill(isAbrupt: false)
    try client.send("POST / HTTP/1.1\r\nHost: a\r\nX-Id: one\r\nContent-Length: 0\r\n\r\n")
    #expect(eventually { proxy.counters.connectsAwaited > 2 })
    try server.start()
    #expect(try client.receiveResponse().status == 200)
    #expect(server.ledger["one"] == 1)
    #expect(proxy.log.contains { $0.contains("refuses connections; requests wait") })
    server.kill(isAbrupt: false)
  }

  @Test func aServerThatIsGoneIsNotWaitedForAgain() throws {
    let proxy = try RunningProxy(to: [nobody]) { $0.timeouts.refused = .milliseconds(300) }
    let client = try proxy.connect()
    let start = MonotonicClock.now
    #expect(try client.get().status == 502)
    #expect(MonotonicClock.now.since(start) >= .milliseconds(300))
    let awaited = proxy.counters.connectsAwaited
    #expect(awaited > 0)
    for _ in 0..<3 { #expect(try client.get().status == 502) }
    #expect(proxy.counters.connectsAwaited == awaited)
  }

  @Test func aFullListenQueueIsWaitedFor() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/server"
    // Room for one; it is taken by the first request, and nobody accepts.
    let listener = try Socket.listen(on: SocketAddress(.unix(path: path)), shared: false, backlog: 0)
    let proxy = try RunningProxy(to: [.unix(path: path)])
    let clients = try (0..<3).map { _ in try proxy.connect() }
    for client in clients { try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") }
    #expect(eventually { proxy.counters.connectsAwaited > 4 })
    var answered = 0
    #expect(
      try eventually {
        guard let accepted = try Socket.accept(listener.number) else { return false }
        let connection = BlockingSocket(owning: accepted.takeDescriptor())
        _ = try connection.receiveRequest()
        // The next one needs a connection of its own.
        try connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        answered += 1
        return answered == clients.count
      })
    for client in clients { #expect(try client.receiveResponse().status == 200) }
    #expect(proxy.counters.failures.isEmpty)
  }

  @Test func aListenQueueThatStaysFullIsA503() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/server"
    let listener = try Socket.listen(on: SocketAddress(.unix(path: path)), shared: false, backlog: 0)
    let proxy = try RunningProxy(to: [.unix(path: path)]) { $0.timeouts.connect = .milliseconds(100) }
    let first = try proxy.connect()
    try first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(eventually { proxy.counters.upstreamConnectionsOpened == 1 })
    let response = try proxy.connect().get()
    #expect(response.status == 503)
    #expect(proxy.log.contains { $0.contains("listen queue") })
    _ = listener.number
  }

  /// The backup is healthy, and the server has shown twice what it does with this request.
  @Test func whatAServerHasReadAndNotAnsweredGoesToAnotherOneFirst() throws {
    let read = try ScriptedServer { connection, _, server in
      if let request = try connection.receiveRequestOrEnd() { server.note(request) }
    }
    defer { read.stop() }
    let backup = try ScriptedServer(answering: { _ in Self.answer })
    defer { backup.stop() }
    let proxy = try RunningProxy(to: []) { settings in
      settings.upstream.servers = [
        ServerSettings(origin: read.origin), ServerSettings(origin: backup.origin, isBackup: true),
      ]
    }
    #expect(try proxy.connect().get().status == 200)
    #expect(read.requests.count == 1)
    #expect(backup.requests.count == 1)
  }

  /// One of two servers behind one address ends with its connections; the other goes on.
  @Test func postsUseConnectionsAgainSoonAfterARestart() throws {
    let server = try KillableServer(on: "127.0.0.6")
    let proxy = try RunningProxy(to: [server.origin]) { $0.timeouts.refused = .seconds(10) }
    let clients = try (0..<4).map { _ in try proxy.connect() }
    func round() throws {
      for client in clients { try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") }
      for client in clients { #expect(try client.receiveResponse().status == 200) }
    }
    for _ in 0..<20 {
      try round()
      pause(.milliseconds(5))
    }
    server.kill(isAbrupt: false)
    try server.start()
    let restart = MonotonicClock.now
    while MonotonicClock.now.since(restart) < .seconds(1) {
      try round()
      pause(.milliseconds(20))
    }
    let opened = proxy.counters.upstreamConnectionsOpened
    for _ in 0..<50 {
      try round()
      pause(.milliseconds(20))
    }
    let more = proxy.counters.upstreamConnectionsOpened - opened
    #expect(more <= 10, "200 POSTs opened \(more) connections")
    #expect(proxy.pools.reduce(0) { $0 + $1.counts.idle } <= 10)
    server.kill(isAbrupt: false)
  }
}
