import Core
import Host
import Support
import Synchronization
import Testing

/// Servers that are judged by what becomes of requests.
@Suite(.onThreads)
struct ServerEjectionTests {
  private final class Switch: Sendable {
    private let held = Atomic(false)
    var isOn: Bool {
      get { held.load(ordering: .relaxed) }
      set { held.store(newValue, ordering: .relaxed) }
    }
  }

  private func ejection(_ change: (inout EjectionSettings) -> Void = { _ in }) -> EjectionSettings {
    var ejection = EjectionSettings()
    ejection.consecutiveFailures = 3
    ejection.statuses = [500]
    ejection.baseTime = .milliseconds(600)
    change(&ejection)
    return ejection
  }

  private func isEjected(_ proxy: RunningProxy, _ server: ScriptedServer) -> Bool {
    proxy.pools.contains { $0.server == server.address.description && $0.health.ejectedFor != nil }
  }

  private func good() throws -> ScriptedServer {
    try ScriptedServer(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" })
  }

  @Test func statusesEjectAndASuccessAdmits() throws {
    let fails = Switch()
    let bad = try ScriptedServer(answering: { _ in
      "HTTP/1.1 \(fails.isOn ? "500 Oh" : "200 OK")\r\nContent-Length: 0\r\n\r\n"
    })
    let other = try good()
    defer { [bad, other].forEach { $0.stop() } }
    let proxy = try RunningProxy(to: [bad.origin, other.origin]) { $0.upstream.ejection = ejection() }
    defer { proxy.stop() }
    let client = try proxy.connect()
    fails.isOn = true
    var failed = 0
    let isOut = try eventually(atMost: .seconds(30)) {
      if try client.get().status == 500 { failed += 1 }
      return isEjected(proxy, bad)
    }
    #expect(isOut)
    #expect(failed == 3)
    #expect(
      proxy.log.contains {
        $0.contains("server \(bad.address) of upstream upstream is ejected for") && $0.contains("with the status 500")
      })
    fails.isOn = false
    // It comes back by itself, and the first answer admits it.
    let before = bad.requests.count
    #expect(try eventually(atMost: .seconds(30)) { try client.get().status == 200 && bad.requests.count > before })
    #expect(eventually { proxy.log.contains { $0.contains("has stood the test behind its ejection") } })
  }

  @Test func theOnlyServerIsNeverEjected() throws {
    let server = try ScriptedServer(answering: { _ in "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n" })
    defer { server.stop() }
    let proxy = try RunningProxy(to: [server.origin]) { $0.upstream.ejection = ejection() }
    defer { proxy.stop() }
    let client = try proxy.connect()
    for _ in 0..<10 { #expect(try client.get().status == 500) }
    #expect(!isEjected(proxy, server))
  }

  /// What keep-alive does to servers that close idle connections is no illness.
  @Test func deathsOnReusedConnectionsDoNotCount() throws {
    let bad = try ScriptedServer { connection, _, server in
      // The first request of each connection is answered, the second one is its end.
      guard let first = try connection.receiveRequestOrEnd() else { return }
      server.note(first)
      try connection.answer(200)
      guard let second = try connection.receiveRequestOrEnd() else { return }
      server.note(second)
    }
    let other = try good()
    defer { [bad, other].forEach { $0.stop() } }
    let proxy = try RunningProxy(to: [bad.origin, other.origin]) { settings in
      settings.upstream.ejection = ejection { $0.consecutiveFailures = 1 }
    }
    defer { proxy.stop() }
    let client = try proxy.connect()
    for _ in 0..<20 { #expect(try client.get().status == 200) }
    #expect(proxy.counters.attemptsEndedByVerdict.values.reduce(0, +) > 0, "connections died")
    #expect(!isEjected(proxy, bad))
  }

  @Test func deathsOnFreshConnectionsAndSilenceCount() throws {
    let silent = Switch()
    let bad = try ScriptedServer { connection, _, server in
      guard let request = try connection.receiveRequestOrEnd() else { return }
      server.note(request)
      if silent.isOn { _ = eventually(atMost: .seconds(30)) { !silent.isOn } }
    }
    let other = try good()
    defer { [bad, other].forEach { $0.stop() } }
    for isSilent in [false, true] {
      silent.isOn = isSilent
      let proxy = try RunningProxy(to: [bad.origin, other.origin]) { settings in
        settings.upstream.ejection = ejection()
        settings.timeouts.responseHead = .milliseconds(200)
      }
      defer { proxy.stop() }
      let client = try proxy.connect()
      let isOut = try eventually(atMost: .seconds(30)) {
        _ = try client.get()
        return isEjected(proxy, bad)
      }
      #expect(isOut, "silent: \(isSilent)")
    }
    silent.isOn = false
  }

  @Test func refusedConnectsCountOverAllThreads() throws {
    let other = try good()
    defer { other.stop() }
    let proxy = try RunningProxy(to: [nobody, other.origin]) { settings in
      settings.upstream.ejection = ejection { $0.baseTime = .seconds(60) }
      settings.threads = 2
    }
    defer { proxy.stop() }
    var statuses: Set<Int> = []
    let isKnown = try eventually(atMost: .seconds(30)) {
      let client = try proxy.connect()
      statuses.insert(try client.get().status)
      return proxy.pools.count { $0.health.ejectedFor != nil } == 2
    }
    #expect(isKnown, "both threads know it")
    #expect(statuses == [200])
    #expect(proxy.pools.filter { $0.server == "127.0.0.3:9" }.allSatisfy { $0.health.ejections == 1 })
  }
}
