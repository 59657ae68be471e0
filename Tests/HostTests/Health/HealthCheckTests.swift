import Core
import Host
import Support
import Synchronization
import Testing

/// Servers that are checked: what makes them unhealthy, what makes them healthy again, and who gets the requests meanwhile.
@Suite(.onThreads)
struct HealthCheckTests {
  /// A server whose answer to checks can be changed, and which says its name to everybody else.
  private final class Patient: Sendable {
    enum Mood: Int { case healthy, unhealthy, silent, babbling }
    private let held = Atomic(0)
    private let asked = Mutex<[Message]>([])
    let name: String

    init(_ name: String) { self.name = name }

    var mood: Mood {
      get { Mood(rawValue: held.load(ordering: .relaxed))! }  // Only moods are stored.
      set { held.store(newValue.rawValue, ordering: .relaxed) }
    }
    var checks: [Message] { asked.withLock { $0 } }

    func serve(on address: SocketAddress = SocketAddress(.ipv4(0x7f00_0001, port: 0))) throws -> ScriptedServer {
      try ScriptedServer(on: address) { [self] connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          guard request["User-Agent"] == "photofinish-health-check" else {
            server.note(request)
            try connection.answer(200, name)
            continue
          }
          asked.withLock { $0.append(request) }
          switch mood {
          case .healthy: try connection.answer(200, "healthy")
          case .unhealthy: try connection.answer(503, "unhealthy")
          case .silent: _ = eventually(atMost: .seconds(30)) { mood != .silent }
          case .babbling: try connection.send("+OK ready\r\n")
          }
          // Checks ask for the connection to be closed.
          return
        }
      }
    }
  }

  private final class Turn: Sendable {
    private let held = Atomic(0)
    var count: Int { held.load(ordering: .relaxed) }
    func next() -> Int { held.wrappingAdd(1, ordering: .relaxed).newValue }
  }

  private func health(_ change: (inout ActiveHealthSettings) -> Void = { _ in }) -> ActiveHealthSettings {
    var health = ActiveHealthSettings()
    health.path = "/healthz"
    health.interval = .milliseconds(20)
    health.timeout = .milliseconds(300)
    change(&health)
    return health
  }

  private func isUnhealthy(_ proxy: RunningProxy, _ server: ScriptedServer) -> Bool {
    proxy.pools.contains { $0.server == server.address.description && $0.health.unhealthyBecause != nil }
  }

  /// Two servers, of which the first is a patient, until `body` is through.
  private func ward(
    _ health: ActiveHealthSettings, _ body: (RunningProxy, Patient, ScriptedServer, BlockingSocket) throws -> Void
  ) throws {
    let patient = Patient("patient")
    let other = Patient("other")
    let servers = [try patient.serve(), try other.serve()]
    defer { servers.forEach { $0.stop() } }
    let proxy = try RunningProxy(to: servers.map(\.origin)) { $0.upstream.health = health }
    defer { proxy.stop() }
    let client = try proxy.connect()
    try body(proxy, patient, servers[0], client)
    #expect(servers.allSatisfy { $0.failures.isEmpty })
  }

  /// Whether some requests go to these servers, to all of them and to no others.
  private func requests(_ client: BlockingSocket, goTo names: String...) throws -> Bool {
    try self.names(client) == names
  }

  private func names(_ client: BlockingSocket, _ count: Int = 8) throws -> [String] {
    var names: Set<String> = []
    for _ in 0..<count { names.insert(try client.get().text) }
    return names.sorted()
  }

  /// It keeps the connection although it is asked to close it: its answer was whole all the same, with content or without.
  @Test(arguments: ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell", "HTTP/1.1 204 No Content\r\n\r\n"])
  func aServerThatDoesNotCloseIsNotWaitedFor(_ answer: String) throws {
    let patience = health { $0.timeout = .seconds(600) }
    try story({ $0.upstream.health = patience }, answering: { _ in answer }) { proxy, server in
      // Each check would take ten minutes otherwise.
      #expect(eventually(atMost: .seconds(30)) { server.requests.count >= 3 })
      #expect(!isUnhealthy(proxy, server))
    }
  }

  @Test func aServerThatSaysSoIsUnhealthyUntilItSaysOtherwise() throws {
    try ward(health()) { (proxy, patient, server, client) throws in
      #expect(eventually(atMost: .seconds(30)) { patient.checks.count >= 3 })
      #expect(try requests(client, goTo: "other", "patient"))
      for _ in 0..<2 {
        patient.mood = .unhealthy
        #expect(eventually(atMost: .seconds(30)) { isUnhealthy(proxy, server) })
        #expect(try requests(client, goTo: "other"))
        patient.mood = .healthy
        #expect(eventually(atMost: .seconds(30)) { !isUnhealthy(proxy, server) })
        #expect(try requests(client, goTo: "other", "patient"))
      }
      let name = "server \(server.address) of upstream upstream"
      #expect(
        proxy.log.contains {
          $0.contains("warning \(name) is unhealthy: health check GET /healthz: status 503, 3 in a row")
        }, "\(proxy.log)")
      #expect(
        proxy.log.contains { $0.contains("\(name) is healthy again: health check GET /healthz succeeded 2 time(s)") })
      let state = proxy.pools.first { $0.server == server.address.description }?.health
      #expect(state?.timesUnhealthy == 2)
      #expect(state.map { $0.checksSucceeded > 4 && $0.checksFailed >= 6 } == true)
      let dump = proxy.proxy.dump()
      #expect(dump.contains { $0.contains("server \(server.address): healthy; ") })
    }
  }

  @Test func aServerThatHangsIsUnhealthy() throws {
    try ward(health { $0.fall = 1 }) { (proxy, patient, server, client) throws in
      #expect(eventually(atMost: .seconds(30)) { patient.checks.count >= 2 })
      patient.mood = .silent
      #expect(eventually(atMost: .seconds(30)) { isUnhealthy(proxy, server) })
      #expect(proxy.log.contains { $0.contains("no response within 300ms, 1 in a row") })
      #expect(try requests(client, goTo: "other"))
      patient.mood = .healthy
      #expect(eventually(atMost: .seconds(30)) { !isUnhealthy(proxy, server) })
    }
  }

  @Test func aServerThatSpeaksSomethingElseIsUnhealthy() throws {
    try ward(health()) { proxy, patient, server, _ in
      patient.mood = .babbling
      #expect(eventually(atMost: .seconds(30)) { isUnhealthy(proxy, server) })
      #expect(proxy.log.contains { $0.contains("what came is no response") })
    }
  }

  @Test func aServerThatFlapsBelowTheCountStaysWell() throws {
    let turn = Turn()
    let server = try ScriptedServer { connection, _, _ in
      while try connection.receiveRequestOrEnd() != nil {
        // Two failures, a success, and so on.
        let count = turn.next()
        try connection.answer(count % 3 == 1 ? 200 : 500)
        return
      }
    }
    defer { server.stop() }
    let proxy = try RunningProxy(to: [server.origin, nobody]) { $0.upstream.health = health() }
    defer { proxy.stop() }
    #expect(eventually(atMost: .seconds(60)) { turn.count > 20 })
    #expect(!proxy.log.contains { $0.contains("\(server.address) of upstream upstream is unhealthy") })
    #expect(
      eventually {
        proxy.log.contains {
          $0.contains(
            "127.0.0.3:9 of upstream upstream is unhealthy: health check GET /healthz: connect: Connection refused, at the first check"
          )
        }
      })
  }

  @Test func whenAllAreUnhealthyTheyAreUsedAnyway() throws {
    let patient = Patient("patient")
    patient.mood = .unhealthy
    let server = try patient.serve()
    defer { server.stop() }
    let proxy = try RunningProxy(to: [server.origin]) { $0.upstream.health = health() }
    defer { proxy.stop() }
    #expect(eventually(atMost: .seconds(30)) { isUnhealthy(proxy, server) })
    #expect(try proxy.connect().get().text == "patient")
  }

  @Test func theRequestIsAsTheSettingsHaveIt() throws {
    try ward(health { $0.path = "/ready?deep=1" }) { _, patient, server, _ in
      #expect(eventually(atMost: .seconds(30)) { !patient.checks.isEmpty })
      let check = patient.checks[0]
      #expect(check.startLine == "GET /ready?deep=1 HTTP/1.1")
      #expect(check["Host"] == "127.0.0.1:\(server.address.port)")
      #expect(check["Connection"] == "close")
    }
    try ward(
      health {
        $0.method = "HEAD"; $0.host = "app.example"; $0.statuses = 503...503
      }
    ) { proxy, patient, server, _ in
      patient.mood = .unhealthy
      #expect(eventually(atMost: .seconds(30)) { patient.checks.count > 6 })
      #expect(patient.checks[0].startLine == "HEAD /healthz HTTP/1.1")
      #expect(patient.checks[0]["Host"] == "app.example")
      #expect(!isUnhealthy(proxy, server), "503 is what is wanted")
    }
  }

  @Test(arguments: [UpstreamSettings.ProxyProtocolOut.version1, .version2])
  func theConnectionBeginsWithTheProxyProtocol(_ version: UpstreamSettings.ProxyProtocolOut) throws {
    let opening =
      version == .version1
      ? Array("PROXY UNKNOWN\r\n".utf8) : [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x20, 0, 0, 0]
    let server = try ScriptedServer { connection, _, server in
      let bytes = try connection.receiveBytes(exactly: opening.count)
      guard bytes == opening, let request = try connection.receiveRequestOrEnd() else { return }
      server.note(request)
      try connection.answer(204)
    }
    defer { server.stop() }
    let proxy = try RunningProxy(to: [server.origin]) { settings in
      settings.upstream.health = health()
      settings.upstream.proxyProtocol = version
    }
    defer { proxy.stop() }
    #expect(eventually(atMost: .seconds(30)) { server.requests.count > 3 })
    #expect(!isUnhealthy(proxy, server))
  }

  @Test func connectingIsEnoughWithoutAPath() throws {
    let server = try ScriptedServer { connection, _, _ in _ = try connection.receiveRequestOrEnd() }
    let proxy = try RunningProxy(to: [server.origin]) { $0.upstream.health = health { $0.path = nil } }
    defer { proxy.stop() }
    #expect(eventually(atMost: .seconds(30)) { server.acceptedCount > 4 })
    #expect(!isUnhealthy(proxy, server))
    server.stop()
    #expect(eventually(atMost: .seconds(30)) { isUnhealthy(proxy, server) })
    #expect(proxy.log.contains { $0.contains("health check connect: connect: Connection refused, 3 in a row") })
  }

  @Test func aUnixSocketIsCheckedAsWell() throws {
    let directory = try TemporaryDirectory()
    let patient = Patient("unix")
    let server = try patient.serve(on: SocketAddress(.unix(path: directory.path + "/socket")))
    defer { server.stop() }
    let proxy = try RunningProxy(to: [server.origin]) { $0.upstream.health = health() }
    defer { proxy.stop() }
    #expect(eventually(atMost: .seconds(30)) { patient.checks.count > 2 })
    #expect(patient.checks[0]["Host"] == "localhost")
    patient.mood = .unhealthy
    #expect(eventually(atMost: .seconds(30)) { isUnhealthy(proxy, server) })
  }

  @Test func aReloadKeepsWhatIsKnown() throws {
    try ward(health()) { (proxy, patient, server, client) throws in
      patient.mood = .unhealthy
      #expect(eventually(atMost: .seconds(30)) { isUnhealthy(proxy, server) })
      var settings = proxy.proxy.settings
      settings.timeouts.responseHead = .seconds(7)
      _ = try proxy.proxy.reload(settings)
      #expect(isUnhealthy(proxy, server))
      #expect(try requests(client, goTo: "other"))
      // Other settings for the checks: what was known holds until the first of them has ended.
      settings.upstream.health?.statuses = 503...503
      _ = try proxy.proxy.reload(settings)
      #expect(eventually(atMost: .seconds(30)) { !isUnhealthy(proxy, server) })
      settings.upstream.health?.statuses = 200...200
      _ = try proxy.proxy.reload(settings)
      #expect(eventually(atMost: .seconds(30)) { isUnhealthy(proxy, server) })
      // No checks: nobody says any more that it is unhealthy.
      settings.upstream.health = nil
      _ = try proxy.proxy.reload(settings)
      #expect(eventually(atMost: .seconds(30)) { !isUnhealthy(proxy, server) })
      let count = patient.checks.count
      #expect(try requests(client, goTo: "other", "patient"))
      #expect(patient.checks.count == count)
    }
  }

  @Test func hundredsOfServersAreChecked() throws {
    let server = try ScriptedServer(on: SocketAddress(.ipv4(0, port: 0))) { connection, _, server in
      guard let request = try connection.receiveRequestOrEnd() else { return }
      server.note(request)
      try connection.answer(200)
    }
    defer { server.stop() }
    let origins = (0..<400).map { index in
      OriginAddress.tcp(host: "127.2.\(index / 200).\(index % 200 + 1)", port: server.address.port)
    }
    let proxy = try RunningProxy(to: origins) { settings in
      settings.upstream.health = health {
        $0.interval = .milliseconds(500)
        $0.timeout = .seconds(20)
      }
    }
    defer { proxy.stop() }
    let hosts = Set(origins.map { if case .tcp(let host, let port) = $0 { "\(host):\(port)" } else { "" } })
    #expect(eventually(atMost: .seconds(60)) { Set(server.requests.compactMap { $0["Host"] }) == hosts })
    #expect(!proxy.log.contains { $0.contains("is unhealthy") })
  }
}
