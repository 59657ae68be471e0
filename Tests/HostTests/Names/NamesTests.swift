import Core
import Host
import Logging
import Support
import Testing

/// Names against a name server that answers otherwise from time to time, or not at all.
@Suite(.onThreads)
struct NamesTests {
  /// Files of a system that says nothing of its own.
  private struct Surroundings {
    let directory: TemporaryDirectory
    var settings = ResolverSettings()

    init(_ servers: [NameServer], system: String = "", hosts: String = "") throws {
      directory = try TemporaryDirectory()
      settings.systemFile = directory.path + "/resolv.conf"
      settings.hostsFile = directory.path + "/hosts"
      settings.servers = servers.map { ResolverSettings.NameServer(address: "127.0.0.1", port: $0.port) }
      try write(system, to: settings.systemFile)
      try write(hosts, to: settings.hostsFile)
    }

    func write(_ text: String, to path: String) throws {
      let writer = try LogWriter(to: .file(path: path))
      writer.write(text)
      writer.flush()
    }
  }

  private func watching(
    _ host: String, under settings: ResolverSettings, period: Nanoseconds = .seconds(30),
    _ body: (Names) throws -> Void
  ) throws {
    let names = try Names(log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    defer { names.stop() }
    try names.want([Names.Wish(host: host, period: period)], under: settings)
    try body(names)
  }

  private func hosts(_ names: Names, _ host: String) -> [String] { names.addresses(of: host, port: 80).map(\.host) }

  @Test func allAddressesInOneOrder() throws {
    let server = try NameServer(["app.test": .addresses(["127.0.0.9", "127.0.0.2", "::1"])])
    defer { server.stop() }
    try watching("app.test", under: try Surroundings([server]).settings) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      let addresses = names.addresses(of: "app.test", port: 81)
      #expect(addresses.map(\.host).prefix(2) == ["127.0.0.2", "127.0.0.9"])
      // Where the machine has IPv6 at all.
      let hasIPv6 = (try? BlockingListener(on: SocketAddress(literal: "::1", port: 0)!)) != nil
      #expect(addresses.map(\.host).dropFirst(2) == (hasIPv6 ? ["::1"] : []))
      #expect(addresses.allSatisfy { $0.port == 81 })
    }
  }

  @Test func aliasesAndAnswersThatNeedTCP() throws {
    let many = (1...200).map { "127.1.0.\($0)" }
    let server = try NameServer(["large.test": .overTCP(many), "www.test": .alias("app.test", ["127.0.0.5"])])
    defer { server.stop() }
    let surroundings = try Surroundings([server])
    try watching("large.test", under: surroundings.settings) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      #expect(names.addresses(of: "large.test", port: 80).count == 200)
      #expect(server.queries.contains { $0.isStream })
    }
    try watching("www.test", under: surroundings.settings) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      #expect(hosts(names, "www.test") == ["127.0.0.5"])
    }
  }

  @Test func searchDomainsAreTriedInTheirOrder() throws {
    let server = try NameServer(["api.svc.test": .addresses(["127.0.0.6"])])
    defer { server.stop() }
    let surroundings = try Surroundings([server], system: "search shop.svc.test svc.test test\noptions ndots:5")
    try watching("api", under: surroundings.settings) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      #expect(hosts(names, "api") == ["127.0.0.6"])
      #expect(server.queries.filter { $0.type == 1 }.map(\.name).prefix(2) == ["api.shop.svc.test", "api.svc.test"])
    }
  }

  @Test func theHostsFileComesFirstAndLocalhostNeedsNobody() throws {
    let server = try NameServer(["app.test": .addresses(["127.0.0.6"])])
    defer { server.stop() }
    let surroundings = try Surroundings([server], hosts: "127.0.0.7 app.test")
    try watching("app.test", under: surroundings.settings) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      #expect(hosts(names, "app.test") == ["127.0.0.7"])
    }
    try watching("localhost", under: surroundings.settings) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      #expect(hosts(names, "localhost").first == "127.0.0.1")
    }
    #expect(server.queries.isEmpty)
  }

  @Test func anotherSystemFileIsTakenUp() throws {
    let server = try NameServer(["api.new.test": .addresses(["127.0.0.8"])])
    defer { server.stop() }
    let surroundings = try Surroundings([server], system: "search old.test")
    try watching("api", under: surroundings.settings) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      #expect(hosts(names, "api") == [])
      try surroundings.write("\nsearch new.test", to: surroundings.settings.systemFile)
      #expect(eventually(atMost: .seconds(30)) { hosts(names, "api") == ["127.0.0.8"] })
    }
  }

  @Test func aServerThatIsDeadIsPassedOver() throws {
    let server = try NameServer(["app.test": .addresses(["127.0.0.6"])])
    defer { server.stop() }
    let silent = try NameServer(["app.test": .silence])
    defer { silent.stop() }
    var settings = try Surroundings([silent, server]).settings
    settings.timeout = .milliseconds(200)
    // And one, the first, that nobody listens at: it is refused at once.
    settings.servers.insert(ResolverSettings.NameServer(address: "127.0.0.3", port: 9), at: 0)
    try watching("app.test", under: settings) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      #expect(hosts(names, "app.test") == ["127.0.0.6"])
    }
  }

  @Test func theTTLIsObeyedWithinItsBounds() throws {
    let server = try NameServer([
      "long.test": .addresses(["127.0.0.6"], ttl: 3_600), "zero.test": .addresses(["127.0.0.6"], ttl: 0),
    ])
    defer { server.stop() }
    let names = try Names(log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    defer { names.stop() }
    var settings = try Surroundings([server]).settings
    settings.minimumTTL = .milliseconds(500)
    let begun = MonotonicClock.now
    try names.want(
      [.init(host: "long.test", period: .seconds(3_600)), .init(host: "zero.test", period: .seconds(3_600))],
      under: settings)
    func asked(_ name: String) -> Int { server.queries.count { $0.name == name && $0.type == 1 } }
    #expect(eventually(atMost: .seconds(30)) { asked("zero.test") >= 4 })
    #expect(MonotonicClock.now.since(begun) >= .milliseconds(1_500), "not more often than the least TTL allows")
    #expect(asked("long.test") == 1)
    // A shorter period bounds the TTL.
    try names.want([.init(host: "long.test", period: .milliseconds(500))], under: settings)
    settings.attempts = 1
    try names.want([.init(host: "long.test", period: .milliseconds(500))], under: settings)
    #expect(eventually(atMost: .seconds(30)) { asked("long.test") >= 3 })
  }

  @Test func failureKeepsTheAddresses() throws {
    let server = try NameServer(["app.test": .addresses(["127.0.0.6", "127.0.0.7"])])
    defer { server.stop() }
    var settings = try Surroundings([server]).settings
    settings.minimumTTL = .milliseconds(100)
    settings.timeout = .milliseconds(200)
    try watching("app.test", under: settings, period: .milliseconds(100)) { names in
      #expect(names.waitUntilSettled(atMost: .seconds(20)) == [])
      for answer in [NameServer.Answer.failed, .silence, .notFound] {
        server["app.test"] = answer
        let before = server.queries.count
        #expect(eventually(atMost: .seconds(30)) { server.queries.count >= before + 4 })
        #expect(hosts(names, "app.test") == ["127.0.0.6", "127.0.0.7"], "\(answer)")
      }
      #expect(names.dump().contains { $0.contains("app.test: 127.0.0.6, 127.0.0.7; last lookup:") })
      server["app.test"] = .addresses(["127.0.0.8"])
      #expect(eventually(atMost: .seconds(30)) { hosts(names, "app.test") == ["127.0.0.8"] })
    }
  }
}
