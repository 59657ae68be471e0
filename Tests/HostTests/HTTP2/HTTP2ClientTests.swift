import Core
import HTTP2
import Host
import Support
import Synchronization
import Testing

/// HTTP/2 from clients (RFC 9113), to servers that speak HTTP/1.1.
@Suite(.onThreads)
struct HTTP2ClientTests {
  private static func speaksHTTP2(_ settings: inout ProxySettings) { settings.listeners[0].h2c = true }

  private static func ok(_ text: String) -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
  }

  @Test func requestsAreStreamsOfOneConnection() throws {
    try story(Self.speaksHTTP2, answering: { Self.ok("\($0.target) \($0["Via"] ?? "-") \($0["Host"] ?? "-")") }) {
      proxy, _ in
      let client = try HTTP2Wire.client(of: proxy)
      let streams = try (0..<50).map { try client.ask("GET /\($0) HTTP/1.1\r\nHost: example\r\n\r\n") }
      for (number, stream) in streams.enumerated() {
        let answer = try client.answer(of: stream)
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        #expect(answer.hasSuffix("/\(number) 2.0 photofinish example"))
        #expect(!answer.lowercased().contains("connection:"))
      }
      #expect(proxy.counters.http2Connections == 1)
      #expect(proxy.counters.http2Streams == 50)
      #expect(proxy.counters.requests == 50)
    }
  }

  @Test(arguments: [0, 1, 70_000, 1_000_000]) func contentGoesBothWays(_ size: Int) throws {
    try story(Self.speaksHTTP2, answering: { Self.ok(String(decoding: $0.content, as: UTF8.self)) }) { proxy, _ in
      let client = try HTTP2Wire.client(of: proxy)
      let content = String(repeating: "x", count: size)
      let stream = try #require(client.client?.open(MonotonicClock.now))
      var rest = Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n\(content)".utf8)[...]
      while !rest.isEmpty {
        switch stream.send(Array(rest.prefix(16_384)).rawSpan) {
        case .bytes(let count): rest = rest.dropFirst(count)
        case .wouldBlock: try client.turn()
        case .end, .reset:
          Issue.record("the stream ended while the request was sent")
          return
        }
        try client.flush()
      }
      #expect(try client.answer(of: stream).hasSuffix("\r\n\r\n" + content))
    }
  }

  @Test func headAndEmptyAnswersHaveNoContent() throws {
    let answers = [
      "/204": "HTTP/1.1 204 No Content\r\n\r\n", "/304": "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
    ]
    try story(
      Self.speaksHTTP2,
      answering: { request in
        request.method == "HEAD"
          ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" : answers[request.target] ?? Self.ok("other")
      }
    ) { proxy, _ in
      let client = try HTTP2Wire.client(of: proxy)
      #expect(try client.answer(of: client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")).contains("ontent-length: 5\r\n"))
      #expect(try client.get("/204").hasPrefix("HTTP/1.1 204"))
      #expect(try client.get("/304").hasPrefix("HTTP/1.1 304"))
      #expect(try client.get("/").hasSuffix("other"))
    }
  }

  @Test func trailersGoOn() throws {
    try story(
      Self.speaksHTTP2,
      answering: { _ in "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n" }
    ) { proxy, _ in
      let client = try HTTP2Wire.client(of: proxy)
      #expect(try client.get().lowercased().hasSuffix("3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\r\n"))
    }
  }

  @Test func aStreamThatIsResetEndsItsRequestAlone() throws {
    try story(
      Self.speaksHTTP2,
      server: { connection, _, server in
        while let request = try connection.receiveRequestOrEnd() {
          server.note(request)
          if request.target == "/slow" {
            #expect(try connection.waitForEnd(atMost: .seconds(20)) != .wouldBlock)
            return
          }
          try connection.send(Self.ok("fine"))
        }
      }
    ) { proxy, server in
      let client = try HTTP2Wire.client(of: proxy)
      let slow = try client.ask("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.contains { $0.target == "/slow" } })
      slow.reset(.cancel)
      try client.flush()
      #expect(try client.get("/other").hasSuffix("fine"))
      #expect(eventually { proxy.counters.clientAborts == 1 })
    }
  }

  @Test func anIdleConnectionIsEndedInTwoSteps() throws {
    try story(
      {
        Self.speaksHTTP2(&$0)
        $0.timeouts.clientIdle = .milliseconds(100)
      }, answering: { _ in Self.ok("x") }
    ) { proxy, _ in
      let client = try HTTP2Wire.client(of: proxy)
      #expect(try client.get().hasSuffix("x"))
      while client.goAways.isEmpty { try client.turn() }
      #expect(client.goAways == [.max])
      try client.waitForEnd()
      // The library of the client looks at no second GOAWAY when it has no stream: NO_ERROR, and the stream that was served.
      #expect(client.lastReceived == [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    }
  }

  @Test func aDrainServesWhatIsUnderWay() throws {
    let isOpen = Atomic(false)
    try story(
      Self.speaksHTTP2,
      answering: { _ in
        #expect(eventually { isOpen.load(ordering: .acquiring) })
        return Self.ok("late")
      }
    ) { proxy, server in
      let client = try HTTP2Wire.client(of: proxy)
      let stream = try client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      proxy.proxy.beginDrain(atMost: .seconds(20))
      while client.goAways.isEmpty { try client.turn() }
      isOpen.store(true, ordering: .releasing)
      #expect(try client.answer(of: stream).hasSuffix("late"))
      try client.waitForEnd()
      proxy.waitForEnd()
    }
  }

  @Test func withoutTheSettingItIsNoRequest() throws {
    try story(answering: { _ in Self.ok("x") }) { proxy, _ in
      let client = try proxy.connect()
      try client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
      #expect(try client.receiveHead().status >= 400)
    }
  }

  @Test func brokenFramesEndTheConnectionWithAReason() throws {
    try story(Self.speaksHTTP2, answering: { _ in Self.ok("x") }) { proxy, _ in
      let client = try HTTP2Wire.client(of: proxy)
      // DATA on a stream that was never opened (RFC 9113 section 5.1).
      try client.socket.send([0, 0, 1, 0, 0, 0, 0, 0, 9, 0])
      try client.waitForEnd()
      #expect(client.goAways.count == 1)
      #expect(proxy.counters.http2Failures.values.reduce(0, +) == 1)
    }
  }

  @Test func aTunnelIsAWebSocket() throws {
    try story(
      Self.speaksHTTP2,
      server: { connection, _, server in
        server.note(try connection.receiveHead())
        try connection.send(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
        )
        let text = try connection.receive(exactly: 4)
        try connection.send("<\(text)>")
      }
    ) { proxy, server in
      let socket = try proxy.connect()
      // A client session of ours opens no tunnels: the frames are written by hand. SETTINGS, then HEADERS with literal fields.
      var block: [UInt8] = []
      for (name, value) in [
        (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/chat"),
        (":authority", "a"),
      ] {
        block += [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
      }
      let headers: [UInt8] = [0, 0, UInt8(block.count), 1, 4, 0, 0, 0, 1] + block
      let data: [UInt8] = [0, 0, 4, 0, 0, 0, 0, 0, 1] + Array("ping".utf8)
      try socket.send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0] + headers + data)
      _ = try socket.receiveBytes(through: Array("<ping>".utf8))
      #expect(server.requests.first?["Upgrade"] == "websocket")
      #expect(proxy.counters.tunnels == 1)
    }
  }
}
