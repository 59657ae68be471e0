import Core
import Host
import Support
import Synchronization
import Testing

/// Servers that are unhealthy and healthy by turns, all of them at some moments, while clients ask without a pause.
@Suite(.onThreads)
struct FlappingServersTests {
  private struct State {
    var isUnhealthy = [false, false, false]
    var isStopped = false
    var running = 0
    var answered = 0
    var problems: [String] = []
    /// How often each request was read.
    var ledger: [String: Int] = [:]
  }

  @Test func noRequestIsLostOrReadTwice() throws {
    let state = Mutex(State())
    let servers = try (0..<3).map { index in
      try ScriptedServer { connection, _, _ in
        while let request = try connection.receiveRequestOrEnd() {
          if request["User-Agent"] == "photofinish-health-check" {
            // Checks ask for the connection to be closed.
            return try connection.answer(state.withLock { $0.isUnhealthy[index] } ? 503 : 200)
          }
          let id = request["X-Id"] ?? ""
          state.withLock { $0.ledger[id, default: 0] += 1 }
          try connection.answer(200, id)
        }
      }
    }
    defer { servers.forEach { $0.stop() } }
    let proxy = try RunningProxy(to: servers.map(\.origin)) { settings in
      settings.threads = 2
      var health = ActiveHealthSettings()
      health.path = "/healthz"
      health.interval = .milliseconds(20)
      health.timeout = .milliseconds(500)
      health.rise = 1
      health.fall = 1
      settings.upstream.health = health
    }
    defer { proxy.stop() }

    for client in 0..<4 {
      state.withLock { $0.running += 1 }
      try Host.Thread.start(named: "client") {
        defer { state.withLock { $0.running -= 1 } }
        var number = 0
        do {
          let connection = try proxy.connect()
          while !state.withLock({ $0.isStopped }) {
            number += 1
            let id = "\(client)-\(number)"
            try connection.send(
              "\(number % 2 == 0 ? "GET" : "POST") / HTTP/1.1\r\nHost: a\r\nX-Id: \(id)\r\nContent-Length: 0\r\n\r\n")
            let response = try connection.receiveResponse(atMost: .seconds(30))
            state.withLock { state in
              state.answered += 1
              if response.status != 200 || response.text != id {
                state.problems.append("\(id): \(response.status) \(response.text)")
              }
            }
          }
        } catch {
          state.withLock { $0.problems.append("client \(client), request \(number): \(error)") }
        }
      }
    }
    // Each a different set of them; 7 is all.
    for round in [1, 6, 7, 2, 5, 7, 4, 3, 0] {
      state.withLock { state in for index in 0..<3 { state.isUnhealthy[index] = round & 1 << index != 0 } }
      #expect(
        eventually(atMost: .seconds(30)) {
          servers.indices.allSatisfy { index in
            let isUnhealthy = proxy.pools.contains {
              $0.server == servers[index].address.description && $0.health.unhealthyBecause != nil
            }
            return isUnhealthy == (round & 1 << index != 0)
          }
        }, "round \(round)")
      let before = state.withLock { $0.answered }
      #expect(eventually(atMost: .seconds(30)) { state.withLock { $0.answered } > before + 50 }, "round \(round)")
    }
    state.withLock { $0.isStopped = true }
    #expect(eventually(atMost: .seconds(60)) { state.withLock { $0.running == 0 } })
    #expect(state.withLock { $0.problems } == [])
    #expect(state.withLock { $0.ledger.count == $0.answered })
    #expect(state.withLock { $0.ledger.filter { $0.value != 1 }.isEmpty }, "read once each")
  }
}
