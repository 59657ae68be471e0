import Core
import Host
import Support
import TLS
import Testing

/// Health checks of servers that speak TLS.
@Suite(.onThreads)
struct SecureHealthTests {
  @Test(arguments: ["/health", nil])
  func aServerIsAskedThroughTLS(path: String?) throws {
    let ground = try SecureGround.shared()
    try secureStory(
      {
        var health = ActiveHealthSettings()
        health.path = path
        health.interval = .milliseconds(50)
        $0.upstream.health = health
      },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          try connection.answer(200, "ok")
        }
      }
    ) { proxy, server, _ in
      #expect(eventually { server.acceptedCount >= 3 })
      if let path { #expect(eventually { server.requests.count { $0.target == path } >= 2 }) }
      #expect(!proxy.log.contains { $0.contains("is unhealthy") }, "\(proxy.log)")
      let got = try proxy.connectSecurely(ground.client).get("/").status
      #expect(got == 200)
    }
  }

  /// A server that speaks no TLS is unhealthy, and the log says what mends it.
  @Test func aServerWithoutTLSIsUnhealthy() throws {
    let ground = try SecureGround.shared()
    try story(
      {
        ground.secureServers(&$0)
        var health = ActiveHealthSettings()
        health.path = "/"
        health.interval = .milliseconds(50)
        $0.upstream.health = health
      },
      server: { connection, _, _ in
        _ = try connection.receiveOnce()
        try connection.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
      }
    ) { proxy, _ in
      #expect(eventually { proxy.log.contains { $0.contains("is unhealthy") && $0.contains("HTTP without TLS") } })
    }
  }
}
