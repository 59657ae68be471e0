import Core
import Host
import Support
import Testing

/// Too much at once is refused early, and only that.
@Suite(.onThreads)
struct GuardTests {
  @Test func moreExchangesThanAllowedAreRefusedAtOnce() throws {
    try story(
      { $0.guards.exchangesInFlight = 1 },
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          // The first is answered once the second was refused.
          if request.startLine.contains("/first") { _ = eventually { server.requests.count > 1 } }
          try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
      }
    ) { proxy, server in
      let first = try proxy.connect()
      try first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let second = try proxy.connect()
      try second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
      let refused = try second.receiveResponse()
      #expect(refused.status == 503)
      #expect(refused["Retry-After"] == "1")
      #expect(proxy.counters.refusedByGuards == ["exchanges-in-flight": 1])
      server.note(Message(head: "released\r\n\r\n"))
      #expect(try first.receiveResponse().text == "ok")
      try second.send("GET /third HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try second.receiveResponse().text == "ok")
    }
  }
}
