import Core
import Host
import Support
import Testing

/// Requests and responses with and without content, in every framing.
@Suite(.onThreads)
struct BodyTests {
  @Test(arguments: ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
  func methodAndTargetArePassedOn(method: String) throws {
    try story(
      { $0.upstream.idleWindow = false },
      answering: { request in
        "HTTP/1.1 201 Made\r\nContent-Length: 5\r\nX-From: server\r\n\r\n" + (request.method == "HEAD" ? "" : "hello")
      }
    ) { proxy, server in
      let client = try proxy.connect()
      for round in 1...3 {
        let response = try client.get("/a%20b?c=d;e&f=\(round)", "X-Mine: yes\r\n", method: method)
        #expect(response.startLine == "HTTP/1.1 201 Made")
        #expect(response["X-From"] == "server")
        #expect(response["Content-Length"] == "5")
        #expect(response.text == (method == "HEAD" ? "" : "hello"))
        let request = try #require(server.requests.last)
        #expect(request.startLine == "\(method) /a%20b?c=d;e&f=\(round) HTTP/1.1")
        #expect(request["X-Mine"] == "yes")
        #expect(request["Host"] == "test")
      }
      #expect(server.acceptedCount == 1, "three requests, one upstream connection")
    }
  }

  enum Version: String, CaseIterable { case http10 = "HTTP/1.0", http11 = "HTTP/1.1" }

  /// Answers in the framing that the target names, with what the request brought.
  private static let echo: ScriptedServer.Script = { connection, _, server in
    while let request = try connection.receiveRequestOrEnd() {
      server.note(request)
      let framing: Message.Framing =
        request.target == "/chunked" ? .chunked : request.target == "/close" ? .close : .length(0)
      try connection.send(head: "HTTP/1.1 200 OK\r\n", content: request.content, framing: framing, chunkSize: 3_000)
      if framing == .close { return }
    }
  }

  @Test(arguments: [0, 1, 2, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 1 << 20], Version.allCases)
  func everyFramingCarriesEverySize(size: Int, version: Version) throws {
    let content = SampleBytes.make(size)
    try story(server: Self.echo) { proxy, server in
      var asked = 0
      for answered in ["/length", "/chunked", "/close"] {
        for framing in [Message.Framing.length(0), .chunked] where version == .http11 || framing != .chunked {
          for method in ["POST", "PUT", "GET"] {
            let client = try proxy.connect()
            asked += 1
            try client.send(
              head: "\(method) \(answered) \(version.rawValue)\r\nHost: test\r\n", content: content, framing: framing,
              chunkSize: 5_000)
            let response = try client.receiveResponse(to: method)
            #expect(response.startLine == "HTTP/1.1 200 OK")
            #expect(response.content == content)
            switch response.framing {
            case .length: #expect(answered == "/length")
            case .chunked: #expect(version == .http11 && answered != "/length")
            case .close: #expect(version == .http10 && answered != "/length")
            case .none: Issue.record("\(response)")
            }
            let request = try #require(server.requests.last)
            #expect(request.content == content)
            #expect(request.framing == (framing == .chunked ? .chunked : .length(size)))
            if version == .http10 { #expect(try client.waitForEnd() == .endOfStream) }
          }
        }
      }
      #expect(server.requests.count == asked)
    }
  }

  @Test func trailersArePassedOnBothWays() throws {
    try story(server: { connection, _, server in
      server.note(try connection.receiveRequest())
      try connection.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n")
      _ = try connection.receiveRequestOrEnd()
    }) { proxy, server in
      let client = try proxy.connect()
      try client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00;x\r\nX-Check: 2\r\n\r\n")
      let response = try client.receiveResponse()
      #expect(response.text == "abc")
      #expect(response.trailers.map { "\($0.name)=\($0.value)" } == ["X-Sum=1"])
      let request = try #require(server.requests.first)
      #expect(request.text == "hello")
      #expect(request.trailers.map { "\($0.name)=\($0.value)" } == ["X-Check=2"])
    }
  }

  @Test(arguments: [204, 304])
  func statusesWithoutContentEndWithTheHead(status: Int) throws {
    try story(answering: { request in
      request.target == "/"
        ? "HTTP/1.1 \(status) S\r\n\(status == 304 ? "Content-Length: 1234\r\n" : "")ETag: \"x\"\r\n\r\n"
        : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    }) { proxy, server in
      let client = try proxy.connect()
      for _ in 0..<2 {
        let response = try client.get()
        #expect(response.status == status)
        #expect(response["ETag"] == "\"x\"")
        #expect(response["Transfer-Encoding"] == nil)
        #expect(try client.get("/next").text == "ok")
      }
      #expect(server.acceptedCount == 1)
    }
  }

  @Test func headEndsWithTheHead() throws {
    let answers = [
      "/length": "Content-Length: 1000000\r\n", "/chunked": "Transfer-Encoding: chunked\r\n", "/neither": "",
    ]
    try story(answering: { "HTTP/1.1 200 OK\r\n\(answers[$0.target]!)\r\n" }) { proxy, server in
      let client = try proxy.connect()
      for target in answers.keys.sorted() {
        let response = try client.get(target, method: "HEAD")
        #expect(response.status == 200)
        #expect(try client.staysQuiet(for: .milliseconds(20)))
      }
    }
  }

  /// A body far larger than all buffers, both ways at once, arrives whole and in order.
  @Test(arguments: [Message.Framing.length(0), .chunked])
  func twentyMegabytesStreamThroughBothWays(framing: Message.Framing) throws {
    let size = 20 << 20
    let piece = SampleBytes.period
    try story(server: { connection, _, _ in
      let head = try connection.receiveHead()
      let counted = head["Content-Length"] != nil
      try connection.send(
        "HTTP/1.1 200 OK\r\n\(counted ? "Content-Length: \(size)" : "Transfer-Encoding: chunked")\r\n\r\n")
      // Each piece goes back before the next is read, so nothing can be kept on the way.
      if counted {
        var left = size
        while left > 0 {
          let bytes = try connection.receiveBytes(exactly: min(piece.count, left))
          try connection.send(bytes)
          left -= bytes.count
        }
      } else {
        while true {
          let line = try connection.receive(through: "\r\n")
          let count = Int(line.utf8.count > 2 ? line.prefix { $0.isHexDigit } : "0", radix: 16)!
          let chunk = try connection.receiveBytes(exactly: count + 2)
          try connection.send(Array("\(String(count, radix: 16))\r\n".utf8) + chunk)
          if count == 0 { break }
        }
      }
      _ = try connection.receiveRequestOrEnd()
    }) { proxy, _ in
      let client = try proxy.connect()
      let counted = framing != .chunked
      try client.send(
        "PUT / HTTP/1.1\r\nHost: a\r\n\(counted ? "Content-Length: \(size)" : "Transfer-Encoding: chunked")\r\n\r\n")
      var sent = 0
      var received = 0
      var intact = true
      var head: Message?
      while received < size {
        if sent < size {
          let next = Array(piece.prefix(size - sent))
          if counted {
            try client.send(next)
          } else {
            try client.send(Array("\(String(next.count, radix: 16))\r\n".utf8) + next + [0x0d, 0x0a])
            if sent + next.count == size { try client.send("0\r\n\r\n") }
          }
          sent += next.count
        }
        if head == nil { head = try client.receiveHead() }
        guard counted else {
          // Chunks come back as they are cut on the way.
          while received < sent {
            let line = try client.receive(through: "\r\n")
            let count = Int(line.prefix { $0.isHexDigit }, radix: 16)!
            let back = try client.receiveBytes(exactly: count)
            intact = intact && SampleBytes.match(back, at: received)
            _ = try client.receive(exactly: 2)
            received += count
          }
          continue
        }
        let back = try client.receiveBytes(exactly: sent - received)
        intact = intact && SampleBytes.match(back, at: received)
        received += back.count
      }
      #expect(intact)
      if !counted { #expect(try client.receive(through: "\r\n\r\n") == "0\r\n\r\n") }
      #expect(eventually { proxy.counters.responses[2] == 1 })
    }
  }
}
