import Core
import Host
import Support
import Synchronization
import Testing

/// Servers that come and go behind a name while clients send requests.
@Suite(.onThreads)
struct NamedServersTests {
  /// Servers on several addresses of this machine and one port.
  private final class Fleet: Sendable {
    let servers: [String: ScriptedServer]
    let port: UInt16
    let directory: TemporaryDirectory

    init(_ hosts: [String], extra: String = "", answer: @escaping @Sendable (String, Message) -> Void = { _, _ in })
      throws
    {
      directory = try TemporaryDirectory()
      var servers: [String: ScriptedServer] = [:]
      var port: UInt16 = 0
      for host in hosts {
        let server = try ScriptedServer(on: SocketAddress(literal: host, port: port)!) { connection, _, server in
          while let request = try connection.receiveRequestOrEnd() {
            server.note(request)
            answer(host, request)
            try connection.answer(200, host, extra)
          }
        }
        servers[host] = server
        port = server.address.port
      }
      self.servers = servers
      self.port = port
    }

    func settings(_ names: NameServer) -> (inout ProxySettings) -> Void {
      { settings in
        settings.resolver.servers = [.init(address: "127.0.0.1", port: names.port)]
        settings.resolver.systemFile = self.directory.path + "/none"
        settings.resolver.hostsFile = self.directory.path + "/none"
        settings.resolver.minimumTTL = .milliseconds(100)
        settings.resolver.timeout = .milliseconds(500)
        settings.upstream.resolvePeriod = .milliseconds(100)
      }
    }

    func count(_ host: String) -> Int { servers[host]?.requests.count ?? 0 }
    func stop() { servers.values.forEach { $0.stop() } }
  }

  private final class Gate: Sendable {
    private let held = Atomic(false)
    var isOpen: Bool { held.load(ordering: .acquiring) }
    func open() { held.store(true, ordering: .releasing) }
  }

  /// Clients that send one request after the other on a connection each, until they are told to stop.
  private final class Clients: Sendable {
    private struct State {
      var isStopped = false
      var running = 0
      var answered = 0
      var problems: [String] = []
    }
    private let state = Mutex(State())

    init(_ count: Int, of proxy: RunningProxy) throws {
      for index in 0..<count {
        state.withLock { $0.running += 1 }
        try Thread.start(named: "client") { [self] in
          run(proxy, index)
          state.withLock { $0.running -= 1 }
        }
      }
    }

    private func run(_ proxy: RunningProxy, _ index: Int) {
      do {
        let client = try proxy.connect()
        while !state.withLock({ $0.isStopped }) {
          try client.send("\(index % 2 == 0 ? "GET" : "POST") / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
          let response = try client.receiveResponse(atMost: .seconds(30))
          state.withLock { state in
            state.answered += 1
            if response.status != 200 { state.problems.append("\(response.status) \(response.text)") }
          }
        }
      } catch {
        state.withLock { $0.problems.append("client \(index): \(error)") }
      }
    }

    var answered: Int { state.withLock { $0.answered } }
    var problems: [String] { state.withLock { $0.problems } }

    func stop() -> Bool {
      state.withLock { $0.isStopped = true }
      return eventually(atMost: .seconds(60)) { state.withLock { $0.running == 0 } }
    }
  }

  @Test func changesAreTakenUpWithoutALostRequest() throws {
    let hosts = ["127.0.0.31", "127.0.0.32", "127.0.0.33"]
    let fleet = try Fleet(hosts)
    defer { fleet.stop() }
    let names = try NameServer(["app.test": .addresses(Array(hosts.prefix(2)))])
    defer { names.stop() }
    let proxy = try RunningProxy(to: [.tcp(host: "app.test", port: fleet.port)], fleet.settings(names))
    defer { proxy.stop() }
    let clients = try Clients(4, of: proxy)
    // Round and round: each time another one is missing.
    for round in 0..<6 {
      let absent = hosts[(round + 2) % 3]
      let present = hosts.filter { $0 != absent }
      names["app.test"] = .addresses(round % 2 == 0 ? present : present.reversed())
      #expect(
        eventually(atMost: .seconds(30)) {
          Set(proxy.pools.filter(\.isActive).map(\.server)) == Set(present.map { "\($0):\(fleet.port)" })
        }, "round \(round)")
      // Those that were under way at it have ended; the worker has no connection to it any more.
      #expect(
        eventually(atMost: .seconds(30)) {
          !proxy.pools.contains { !$0.isActive && $0.counts.leased + $0.counts.idle + $0.counts.connecting > 0 }
        })
      let before = hosts.map(fleet.count)
      #expect(
        eventually(atMost: .seconds(30)) {
          present.allSatisfy { fleet.count($0) >= before[hosts.firstIndex(of: $0)!] + 20 }  // Of the list.
        }, "those that are there get requests")
      #expect(fleet.count(absent) == before[hosts.firstIndex(of: absent)!], "the one that is gone gets none")
    }
    #expect(clients.stop())
    #expect(clients.problems == [])
    #expect(hosts.reduce(0) { $0 + fleet.count($1) } == clients.answered, "each request once")
    #expect(fleet.servers.values.allSatisfy { $0.failures.isEmpty })
    #expect(
      proxy.log.contains { $0.contains("the servers are now 127.0.0.31:\(fleet.port), 127.0.0.33:\(fleet.port)") })
  }

  @Test func whatIsUnderWayAtAServerThatGoesEndsThere() throws {
    let gate = Gate()
    let fleet = try Fleet(["127.0.0.34", "127.0.0.35"]) { host, _ in
      if host == "127.0.0.34" { _ = eventually(atMost: .seconds(60)) { gate.isOpen } }
    }
    defer { fleet.stop() }
    let names = try NameServer(["app.test": .addresses(["127.0.0.34"])])
    defer { names.stop() }
    let proxy = try RunningProxy(to: [.tcp(host: "app.test", port: fleet.port)], fleet.settings(names))
    defer { proxy.stop() }
    let early = try proxy.connect()
    try early.send("POST /early HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
    #expect(eventually { fleet.count("127.0.0.34") == 1 })
    names["app.test"] = .addresses(["127.0.0.35"])
    let late = try proxy.connect()
    #expect(
      eventually(atMost: .seconds(30)) { proxy.pools.contains { $0.isActive && $0.server.hasPrefix("127.0.0.35") } })
    #expect(try late.get().text == "127.0.0.35")
    gate.open()
    #expect(try early.receiveResponse(atMost: .seconds(30)).text == "127.0.0.34")
    #expect(try early.get().text == "127.0.0.35", "the client's connection goes on")
    #expect(fleet.count("127.0.0.34") == 1)
    #expect(
      eventually(atMost: .seconds(30)) { fleet.servers["127.0.0.34"]?.openCount == 0 }, "its connection is closed")
  }

  @Test func slowAndFailingNameServersStallNoRequest() throws {
    let fleet = try Fleet(["127.0.0.36"])
    defer { fleet.stop() }
    let names = try NameServer(["app.test": .addresses(["127.0.0.36"])])
    defer { names.stop() }
    let proxy = try RunningProxy(to: [.tcp(host: "app.test", port: fleet.port)], fleet.settings(names))
    defer { proxy.stop() }
    let clients = try Clients(2, of: proxy)
    for answer in [NameServer.Answer.silence, .failed, .notFound] {
      names["app.test"] = answer
      let queries = names.queries.count
      let answered = clients.answered
      #expect(eventually(atMost: .seconds(30)) { names.queries.count >= queries + 3 })
      #expect(eventually(atMost: .seconds(30)) { clients.answered >= answered + 50 }, "\(answer)")
    }
    #expect(clients.stop())
    #expect(clients.problems == [])
    #expect(proxy.log.contains { $0.contains("'app.test' cannot be resolved") && $0.contains("stay in use") })
  }

  @Test func aNameThatIsNotThereYetIsServedOnceItIs() throws {
    let fleet = try Fleet(["127.0.0.37"])
    defer { fleet.stop() }
    let names = try NameServer()
    defer { names.stop() }
    let proxy = try RunningProxy(to: [.tcp(host: "app.test", port: fleet.port)], fleet.settings(names))
    defer { proxy.stop() }
    let client = try proxy.connect()
    #expect(try client.get().status == 502)
    #expect(proxy.log.contains { $0.contains("'app.test' cannot be resolved") && $0.contains("502") })
    names["app.test"] = .addresses(["127.0.0.37"])
    #expect(try eventually(atMost: .seconds(30)) { try client.get().status == 200 })
  }

  /// Some name servers give another part of a name's addresses each time.
  @Test func whatWasLearnedOfAServerIsKnownWhenItComesBack() throws {
    let fleet = try Fleet(["127.0.0.61", "127.0.0.62"], extra: "Keep-Alive: timeout=7\r\n")
    defer { fleet.stop() }
    let names = try NameServer(["app.test": .addresses(["127.0.0.61"])])
    defer { names.stop() }
    let proxy = try RunningProxy(to: [.tcp(host: "app.test", port: fleet.port)], fleet.settings(names))
    defer { proxy.stop() }
    #expect(try proxy.connect().get().text == "127.0.0.61")
    func knows(_ host: String) -> Bool {
      proxy.pools.contains { $0.isActive && $0.server.hasPrefix(host) && $0.window.hintSeconds == 7 }
    }
    #expect(eventually { knows("127.0.0.61") })
    names["app.test"] = .addresses(["127.0.0.62"])
    #expect(
      eventually(atMost: .seconds(30)) { !proxy.pools.contains { $0.isActive && $0.server.hasPrefix("127.0.0.61") } })
    names["app.test"] = .addresses(["127.0.0.61", "127.0.0.62"])
    #expect(eventually(atMost: .seconds(30)) { knows("127.0.0.61") })
    #expect(!knows("127.0.0.62"))
  }

  @Test func aReloadToANameKeepsOldServersUntilItIsKnown() throws {
    let fleet = try Fleet(["127.0.0.38", "127.0.0.39"])
    defer { fleet.stop() }
    let names = try NameServer(["new.test": .addresses(["127.0.0.39"])])
    defer { names.stop() }
    let proxy = try RunningProxy(to: [.tcp(host: "127.0.0.38", port: fleet.port)], fleet.settings(names))
    defer { proxy.stop() }
    let clients = try Clients(2, of: proxy)
    #expect(eventually(atMost: .seconds(30)) { clients.answered > 20 })
    var settings = proxy.proxy.settings
    settings.upstream.origins = [.tcp(host: "new.test", port: fleet.port)]
    #expect(try proxy.proxy.reload(settings) == [])
    #expect(eventually(atMost: .seconds(30)) { fleet.count("127.0.0.39") > 20 })
    #expect(clients.stop())
    #expect(clients.problems == [])
  }
}
