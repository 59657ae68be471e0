import Core
import Host
import Support
import Synchronization
import Testing

/// Three servers, one of which is always being killed or started: no idempotent request fails, no other is applied twice.
@Suite(.onThreads)
struct KilledServersTests {
  private struct Tally {
    var isStopped = false
    var running = 0
    var sent = 0
    var answered: [String] = []
    var failedPosts: [String] = []
    var problems: [String] = []
  }

  /// Requests one after the other on one connection, each with an id of its own, until told to stop.
  private final class Clients: Sendable {
    private let tally = Mutex(Tally())

    init(_ count: Int, of proxy: RunningProxy) throws {
      for index in 0..<count {
        tally.withLock { $0.running += 1 }
        try Thread.start(named: "client") { [self] in
          run(proxy, index)
          tally.withLock { $0.running -= 1 }
        }
      }
    }

    private func run(_ proxy: RunningProxy, _ index: Int) {
      let isPost = index % 2 == 1
      var number = 0
      do {
        let client = try proxy.connect()
        while !tally.withLock({ $0.isStopped }) {
          number += 1
          let id = "\(isPost ? "post" : "get")-\(index)-\(number)"
          tally.withLock { $0.sent += 1 }
          try client.send(
            "\(isPost ? "POST" : "GET") / HTTP/1.1\r\nHost: test\r\nX-Id: \(id)\r\nContent-Length: 0\r\n\r\n")
          let response = try client.receiveResponse(atMost: .seconds(30))
          tally.withLock { tally in
            if response.status == 200 {
              tally.answered.append(id)
              if response.text != id { tally.problems.append("\(id): the answer to \(response.text)") }
            } else if isPost {
              tally.failedPosts.append(id)
            } else {
              tally.problems.append("\(id): \(response.status) \(response["Proxy-Status"] ?? "")")
            }
          }
        }
      } catch {
        tally.withLock { $0.problems.append("client \(index), request \(number): \(error)") }
      }
    }

    var answeredCount: Int { tally.withLock { $0.answered.count } }

    func stop() -> (answered: [String], failedPosts: [String], problems: [String])? {
      tally.withLock { $0.isStopped = true }
      guard eventually(atMost: .seconds(60), { tally.withLock { $0.running == 0 } }) else { return nil }
      return tally.withLock { ($0.answered, $0.failedPosts, $0.problems) }
    }
  }

  @Test(arguments: [true, false]) func noneFailsAndNoneIsAppliedTwice(isChecked: Bool) throws {
    let servers = try (41...43).map { try KillableServer(on: "127.0.0.\($0)") }
    defer { servers.forEach { $0.kill(isAbrupt: false) } }
    let proxy = try RunningProxy(to: servers.map(\.origin)) { settings in
      if isChecked {
        var health = ActiveHealthSettings()
        health.interval = .milliseconds(50)
        health.fall = 1
        health.rise = 1
        settings.upstream.health = health
      }
    }
    defer { proxy.stop() }
    let clients = try Clients(8, of: proxy)
    for round in 0..<18 {
      let server = servers[round % 3]
      let before = clients.answeredCount
      #expect(eventually(atMost: .seconds(60)) { clients.answeredCount > before + 100 })
      server.kill(isAbrupt: round % 2 == 0)
      let alone = clients.answeredCount
      #expect(eventually(atMost: .seconds(60)) { clients.answeredCount > alone + 100 }, "the others serve")
      try server.start()
    }
    guard let (answered, failedPosts, problems) = clients.stop() else {
      Issue.record("clients do not end")
      return
    }
    #expect(problems == [])
    var ledger: [String: Int] = [:]
    for server in servers { ledger.merge(server.ledger, uniquingKeysWith: +) }
    #expect(ledger.filter { $0.key.hasPrefix("post") && $0.value > 1 }.isEmpty, "applied twice")
    #expect(answered.filter { ledger[$0] == nil }.isEmpty, "answered, not applied")
    // Those that were being answered when the server was killed, and nothing but those: at most one for each client and kill.
    #expect(failedPosts.count <= 4 * 18, "\(failedPosts.count) of \(answered.count) failed")
    #expect(servers.allSatisfy { !$0.ledger.isEmpty })
  }
}
