import Core
import Host
import Support
import Testing

/// The limit of client connections holds for the process, however the kernel spreads them over its threads.
@Suite(.onThreads)
struct ClientLimitTests {
  private static let limit = 48
  private static let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

  @Test(arguments: [1, 4]) func allWithinTheLimitAreServedAndTheOthersWait(threads: Int) throws {
    try story(
      {
        $0.threads = threads
        $0.limits.clientConnections = Self.limit
      }, answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" }
    ) { proxy, _ in
      // Of four threads some would have more than a quarter of them.
      var clients: [BlockingSocket] = []
      for _ in 0..<Self.limit {
        let client = try proxy.connect()
        try client.send(Self.request)
        #expect(try client.receiveResponse(atMost: .seconds(20)).text == "ok")
        clients.append(client)
      }
      #expect(proxy.clientConnections == Self.limit)
      let late = try (0..<5).map { _ in
        let client = try proxy.connect()
        try client.send(Self.request)
        return client
      }
      #expect(eventually { proxy.counters.acceptsPaused > 0 })
      #expect(proxy.clientConnections == Self.limit)
      for client in clients {
        try client.send(Self.request)
        #expect(try client.receiveResponse().text == "ok")
      }
      clients = []
      for client in late { #expect(try client.receiveResponse(atMost: .seconds(20)).text == "ok") }
      #expect(eventually { proxy.clientConnections == late.count })
    }
  }
}
