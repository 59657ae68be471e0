import Core
import Host
import Support
import Testing

/// What a server can do wrong, and what the client is told of it (RFC 9110 section 15.6, RFC 9209).
@Suite(.onThreads)
struct UpstreamFailureTests {
  // MARK: It cannot be reached

  @Test func aRefusedConnectIsA502() throws {
    let proxy = try RunningProxy(to: [nobody])
    let client = try proxy.connect()
    for _ in 0..<2 {
      let response = try client.post("/", "x")
      #expect(response.status == 502)
      #expect(response["Proxy-Status"]?.contains("error=connection_refused") == true)
      #expect(response["Proxy-Status"]?.contains("next-hop=\"127.0.0.3:9\"") == true)
      #expect(response.text.contains("refused"))
      #expect(response["Connection"]?.lowercased() != "close", "the client's connection can go on")
    }
    #expect(proxy.log.contains { $0.contains("POST /") && $0.contains("refused") && $0.contains("Start the server") })
    #expect(proxy.counters.failures["connection_refused"] == 2)
  }

  @Test func aUnixSocketThatIsNotThereIsA502() throws {
    let proxy = try RunningProxy(to: [.unix(path: "/nonexistent/photofinish")])
    let response = try proxy.connect().get()
    #expect(response.status == 502)
    #expect(response["Proxy-Status"]?.contains("error=connection_refused") == true)
  }

  @Test func anUnreachableNetworkIsA502() throws {
    // A namespace that has a loopback interface and no route.
    let namespace = try NetworkNamespace.make()
    let proxy = try RunningProxy(to: [.tcp(host: "192.0.2.1", port: 80)], in: namespace)
    let response = try proxy.connect(from: namespace).get()
    #expect(response.status == 502)
    #expect(response["Proxy-Status"]?.contains("error=destination_ip_unroutable") == true)
  }

  @Test func aNameThatDoesNotResolveIsA502() throws {
    let proxy = try RunningProxy(to: [.tcp(host: "no..such..name", port: 80)])
    let response = try proxy.connect().get()
    #expect(response.status == 502)
    #expect(response["Proxy-Status"]?.contains("error=dns_error") == true)
    #expect(proxy.log.contains { $0.contains("no..such..name") })
  }

  /// An upstream that is absent at the start is served as soon as it comes.
  @Test func aServerThatComesLaterIsServed() throws {
    // An address of its own, so that no other test gets the port in between.
    let listener = try BlockingListener(on: SocketAddress(.ipv4(0x7f00_0004, port: 0)))
    let address = listener.address
    listener.stop()
    let proxy = try RunningProxy(to: [.tcp(host: "127.0.0.4", port: address.port)])
    let client = try proxy.connect()
    #expect(try client.get().status == 502)
    let server = try ScriptedServer(on: address, answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" })
    #expect(try client.get().status == 200)
    server.stop()
  }

  // MARK: It does not answer

  enum End: String, CaseIterable, CustomTestStringConvertible {
    case close, abort, closeUnread
    var testDescription: String { rawValue }
  }

  /// On a fresh connection: a GET is sent once more, a POST is not, since the server may have applied it.
  @Test(arguments: End.allCases, ["GET", "POST"])
  func anEndBeforeTheResponseIsA502(end: End, method: String) throws {
    try story(server: { connection, _, server in
      if end == .closeUnread {
        // Some of it has arrived, and is not read.
        #expect(eventually { Socket.glance(connection.number) != .quiet })
        return
      }
      server.note(try connection.receiveRequest())
      if end == .abort { connection.abort() }
    }) { proxy, server in
      let client = try proxy.connect()
      let response = try client.post("/", "x", method: method)
      #expect(response.status == 502)
      #expect(response["Proxy-Status"]?.contains("error=connection_terminated") == true)
      let attempts = server.acceptedCount
      #expect(method == "POST" ? attempts == 1 : attempts > 1 && attempts <= 4, "\(attempts) attempts")
      #expect(proxy.counters.failures["connection_terminated"] == 1)
      if method == "POST" { #expect(proxy.counters.notReplayed["not-idempotent"] == 1) }
    }
  }

  // MARK: It answers something else

  static let malformed: [(response: String, error: String)] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "http_protocol_error"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "http_protocol_error"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "http_protocol_error"),
    ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "http_protocol_error"),
    ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", "http_protocol_error"),
    ("HTTP/1.1 200 OK\r\nX : b\r\n\r\n", "http_protocol_error"),
    ("HTTP/1.1 99 Low\r\n\r\n", "http_protocol_error"),
    ("HTTP/1.1 2000 High\r\n\r\n", "http_protocol_error"),
    ("HTTP/2.0 200 OK\r\n\r\n", "http_protocol_error"),
    ("HTTP/0.9 200 OK\r\n\r\n", "http_protocol_error"),
    ("<html>I was here before HTTP/1.0</html>\r\n\r\n", "http_protocol_error"),
    (
      "HTTP/1.1 200 OK\r\n\(String(repeating: "X: \(String(repeating: "y", count: 1_000))\r\n", count: 20))\r\n",
      "http_response_header_section_size"
    ),
    ("HTTP/1.1 200 OK\r\nX: \(String(repeating: "y", count: 40_000))", "http_response_header_section_size"),
    ("\r\n\r\n\r\n\r\n", "http_protocol_error"),
  ]

  @Test(arguments: malformed.indices)
  func aMalformedResponseIsA502(index: Int) throws {
    let (response, error) = Self.malformed[index]
    try story(server: { connection, _, server in
      server.note(try connection.receiveRequest())
      try connection.send(response)
      _ = try connection.waitForEnd()
    }) { proxy, server in
      let client = try proxy.connect()
      let answer = try client.get()
      #expect(answer.status == 502, "\(response.debugDescription)")
      #expect(answer["Proxy-Status"]?.contains("error=\(error)") == true, "\(answer["Proxy-Status"] ?? "")")
      #expect(answer["X"] == nil)
      #expect(eventually { server.openCount == 0 }, "a connection that spoke so is not used again")
      #expect(server.requests.count == 1, "and the request not sent again")
    }
  }

  static let foreign: [(name: String, bytes: [UInt8])] = [
    ("TLS", [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x16]),
    ("SSH", Array("SSH-2.0-OpenSSH_9.2p1 Debian\r\n".utf8)),
    ("HTTP/2", [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]),
    ("Redis", Array("-ERR unknown command 'GET'\r\n".utf8)),
    ("SMTP", Array("220 mail.example ESMTP Postfix\r\n".utf8)),
  ]

  @Test(arguments: foreign.indices)
  func anotherProtocolIsNamed(index: Int) throws {
    let (name, bytes) = Self.foreign[index]
    try story(server: { connection, _, _ in
      _ = try connection.receiveRequest()
      try connection.send(bytes)
      // Real servers of these protocols hang up on what they do not understand.
    }) { proxy, _ in
      let answer = try proxy.connect().get()
      #expect(answer.status == 502)
      #expect(answer["Proxy-Status"]?.contains("error=http_protocol_error") == true, "\(answer["Proxy-Status"] ?? "")")
      #expect(answer.text.contains(name), "\(answer.text)")
    }
  }

  /// A server that greets before it is asked (SMTP, MySQL, SSH): its greeting is no answer either.
  @Test func aGreetingIsNoAnswer() throws {
    try story(server: { connection, _, _ in
      try connection.send("SSH-2.0-OpenSSH_9.2p1 Debian\r\n")
      _ = try connection.waitForEnd()
    }) { proxy, _ in
      let answer = try proxy.connect().get()
      #expect(answer.status == 502)
      #expect(answer.text.contains("SSH"), "\(answer.text)")
    }
  }

  // MARK: It breaks off

  /// The client can tell that a response was cut.
  @Test(arguments: End.allCases.filter { $0 != .closeUnread })
  func aResponseThatIsCutIsSeenToBeCut(end: End) throws {
    let heads = [
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello",
    ]
    for head in heads {
      for version in ["1.0", "1.1"] {
        try story(server: { connection, _, server in
          server.note(try connection.receiveRequest())
          try connection.send(head)
          if end == .abort {
            // The RST must not overtake what was sent.
            #expect(eventually { server.requests.contains { $0.target == "/read" } })
            connection.abort()
          }
        }) { proxy, server in
          let client = try proxy.connect()
          try client.send("GET / HTTP/\(version)\r\nHost: a\r\n\r\n")
          let response = try client.receiveHead()
          #expect(response.status == 200)
          let last: Transfer
          if response["Content-Length"] != nil {
            #expect(try client.receive(exactly: 5) == "hello")
            server.note(Message(head: "NOTE /read"))
            last = try client.waitForEnd()
          } else if response["Transfer-Encoding"] != nil {
            #expect(try client.receive(exactly: 10) == "5\r\nhello\r\n")
            #expect(client.received == "", "no last chunk")
            server.note(Message(head: "NOTE /read"))
            last = try client.waitForEnd()
          } else {
            #expect(try client.receive(exactly: 5) == "hello")
            server.note(Message(head: "NOTE /read"))
            // Only a RST says that the close is not the end of the content.
            last = try client.waitForEnd()
            #expect(last == .failed(104))
          }
          #expect(last == .endOfStream || last == .failed(104))
          #expect(
            server.requests.count { $0.method == "GET" } == 1, "what the client has a part of is not asked for again")
          #expect(proxy.counters.failures["http_response_incomplete"] == 1)
        }
      }
    }
  }

  /// Bytes behind a complete response belong to nobody: the connection is not used again, and they reach no other client.
  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
  ])
  func surplusBytesReachNobody(response: String) throws {
    try story(server: { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        try connection.send(response)
      }
    }) { proxy, server in
      let client = try proxy.connect()
      for _ in 0..<3 {
        let answer = try client.get()
        #expect(answer.text == (answer.status == 204 ? "" : "ok"))
      }
      #expect(server.acceptedCount == 3)
      #expect(server.requests.count == 3)
    }
  }

  /// The same, when they come a moment later.
  @Test func bytesThatNobodyAskedForEndAnIdleConnection() throws {
    try story(server: { connection, index, server in
      _ = try connection.receiveRequest()
      try connection.answer(200, "ok")
      #expect(eventually { server.requests.count == 1 })
      if index == 0 { try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison") }
      _ = try connection.waitForEnd()
    }) { proxy, server in
      let client = try proxy.connect()
      #expect(try client.get().text == "ok")
      server.note(Message(head: "NOTE /answered"))
      #expect(eventually { proxy.counters.closedByServer["idle-unasked-bytes"] == 1 })
      #expect(try client.get().text == "ok")
      #expect(server.acceptedCount == 2)
    }
  }
}
