import Core
import Host
import Support
import TLS
import Testing

/// What is said when TLS is not agreed upon, with servers and with clients.
@Suite(.onThreads)
struct SecureFailureTests {
  /// A server that no handshake succeeds with, or none that the proxy may accept.
  enum Trouble: String, CaseIterable, Sendable {
    case expired, otherName, unknownIssuer, selfSigned, plainHTTP, notTLS, wantsCertificate, closes, silent

    /// The type of RFC 9209, and words of the sentence that clients and the log get.
    var expected: (status: Int, error: String, words: String) {
      switch self {
      case .expired: (502, "tls_certificate_error", "has expired")
      case .otherName: (502, "tls_certificate_error", "other.example.test")
      case .unknownIssuer: (502, "tls_certificate_error", "issuer that is not trusted")
      case .selfSigned: (502, "tls_certificate_error", "self-signed")
      case .plainHTTP: (502, "tls_protocol_error", "HTTP without TLS")
      case .notTLS: (502, "tls_protocol_error", "does not speak TLS")
      case .wantsCertificate: (502, "tls_alert_received", "wants a certificate")
      case .closes: (502, "connection_terminated", "closed the connection in the handshake")
      case .silent: (504, "connection_timeout", "did not finish the TLS handshake")
      }
    }
  }

  @Test(arguments: Trouble.allCases)
  func troublesWithServersAreToldApart(_ trouble: Trouble) throws {
    let ground = try SecureGround.shared()
    let certificates = ground.certificates
    let strangers = try TestCertificates()
    defer { withExtendedLifetime(strangers) {} }
    let context: TLSServerContext? =
      switch trouble {
      case .expired: try SecureGround.expired()
      case .otherName: try SecureGround.server([certificates.issue("other", for: ["other.example.test"])]) { _ in }
      case .unknownIssuer:
        try SecureGround.server([strangers.issue("stranger", for: ["IP:127.0.0.1"])]) { _ in }
      case .selfSigned: try SecureGround.server([strangers.authority]) { _ in }
      case .wantsCertificate:
        try SecureGround.server([ground.files]) {
          $0.clientCertificates = .required(authorities: certificates.authority.chain)
        }
      case .plainHTTP, .notTLS, .closes, .silent: nil
      }
    let server = try ScriptedServer { connection, _, _ in
      switch trouble {
      case .plainHTTP:
        _ = try connection.receiveOnce()
        try connection.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
      case .notTLS:
        _ = try connection.receiveOnce()
        try connection.send("220 mail.example.test ESMTP\r\n")
      case .closes:
        _ = try connection.receiveOnce()
        return
      case .silent: _ = try? connection.waitForEnd()
      default:
        guard let context else { return }
        // Whoever cannot agree has sent its alert.
        _ = try? connection.speakTLS(context)
      }
      _ = try? connection.waitForEnd()
    }
    defer { server.stop() }
    let proxy = try RunningProxy(to: [server.origin]) {
      ground.secureServers(&$0)
      if trouble == .silent { $0.timeouts.connect = .milliseconds(200) }
    }
    defer { proxy.stop() }
    let answer = try proxy.connect().post("/", "x")
    let expected = trouble.expected
    #expect(answer.status == expected.status)
    #expect(answer["Proxy-Status"]?.contains("error=\(expected.error)") == true, "\(answer.fields)")
    #expect(answer.text.contains(expected.words), "\(answer.text)")
    #expect(
      eventually { proxy.log.contains { $0.hasPrefix("warning") && $0.contains(expected.words) } }, "\(proxy.log)")
  }

  /// `verify: off` takes every certificate.
  @Test func withoutVerificationEveryCertificateIsTaken() throws {
    let strangers = try TestCertificates()
    let stranger = try SecureGround.server([strangers.issue("any", for: ["any.test"])]) { _ in }
    let ground = try SecureGround.shared()
    try story(
      {
        ground.secureServers(&$0)
        $0.upstream.tls.isVerified = false
      },
      server: { connection, index, server in
        try connection.speakTLS(stranger)
        try echoing(connection, index, server)
      }
    ) { proxy, _ in
      let got = try proxy.connect().get("/a").text
      #expect(got == "GET /a 0")
    }
  }

  /// A server that wants the proxy's certificate gets it.
  @Test func theProxyShowsItsCertificate() throws {
    let ground = try SecureGround.shared()
    let own = try ground.certificates.issue("proxy", for: ["proxy.test"])
    let context = try SecureGround.server([ground.files]) {
      $0.clientCertificates = .required(authorities: ground.certificates.authority.chain)
    }
    try story(
      {
        ground.secureServers(&$0)
        $0.upstream.tls.certificate = own
      },
      server: { connection, _, server in
        let session = try connection.speakTLS(context)
        server.note(try connection.receiveRequest())
        try connection.answer(200, session.peerCertificate?.subject ?? "none")
      }
    ) { proxy, _ in
      let got = try proxy.connect().get().text
      #expect(got == "CN=proxy,O=Tests")
    }
  }

  // MARK: - Clients

  @Test func plainHTTPOnThePortGetsAReadableAnswer() throws {
    try secureStory(server: echoing) { proxy, server, _ in
      for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x HTTP/1.0\r\nContent-Length: 100\r\n\r\nsome"] {
        let client = try proxy.connect()
        try client.send(request)
        let answer = try client.receiveResponse()
        #expect(answer.status == 400)
        #expect(answer.text.contains("https://"))
      }
      #expect(server.acceptedCount == 0)
      #expect(eventually { proxy.counters.tlsFailures["plain-http"] == 2 })
    }
  }

  @Test(arguments: ["\u{1}\u{2}nonsense, and more of it", "SSH-2.0-OpenSSH_9.2\r\n"])
  func whatIsNoTLSIsClosed(text: String) throws {
    try secureStory(server: echoing) { proxy, _, _ in
      let client = try proxy.connect()
      try client.send(text)
      _ = try client.waitForEnd()
      #expect(eventually { proxy.counters.tlsFailures["not-tls"] == 1 })
      #expect(eventually { proxy.clientConnections == 0 })
    }
  }

  @Test func aHandshakeHasItsTime() throws {
    try secureStory({ $0.timeouts.requestHead = .milliseconds(500) }, server: echoing) { proxy, _, ground in
      // One says nothing, another the beginning of a hello.
      let silent = try proxy.connect()
      let slow = try proxy.connect()
      try slow.send([0x16, 0x03, 0x01, 0x02, 0x00])
      _ = try silent.waitForEnd()
      _ = try slow.waitForEnd()
      #expect(eventually { proxy.counters.tlsFailures["timeout"] == 2 })
      #expect(proxy.log.contains { $0.contains("the handshake was not complete within") })
      let got = try proxy.connectSecurely(ground.client).get("/a").text
      #expect(got == "GET /a 0")
    }
  }

  @Test func whoLeavesInTheHandshakeIsCounted() throws {
    try secureStory(server: echoing) { proxy, _, _ in
      try proxy.connect().close()
      #expect(eventually { proxy.counters.tlsFailures["closed-in-handshake"] == 1 })
      #expect(!proxy.log.contains { $0.contains("TLS:") })
    }
  }

  /// Newcomers come after those who are connected: handshakes take their turns, some in each round of the loop.
  @Test func aFloodOfHandshakesTakesTurns() throws {
    let ground = try SecureGround.shared()
    // The first listener is the one by which the loop is held up.
    try story(
      {
        ground.secureListener(&$0)
        let secure = $0.listeners[0]
        $0.listeners = [ListenerSettings(secure.address), secure]
      }, server: echoing
    ) { proxy, _ in
      let address = proxy.proxy.addresses[1]
      let connected = try BlockingSocket(to: address)
      try connected.speakTLS(ground.client)
      #expect(try connected.get("/a").text == "GET /a 0")
      var newcomers: [(BlockingSocket, SecureLayer)] = []
      for _ in 0..<80 {
        let layer = SecureLayer(TLSSession(client: ground.client, serverName: "www.example.test"))
        _ = layer.session.handshake()
        newcomers.append((try BlockingSocket(to: address), layer))
      }
      // All hellos are there when the loop looks again, and a request of a client that is connected.
      try proxy.whileHeldUp {
        for (socket, layer) in newcomers { try socket.sendToWire(layer.takeOutput()) }
        try connected.send("GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
      }
      #expect(try connected.receiveResponse().text == "GET /b 0")
      #expect(proxy.counters.tlsHandshakeRoundsFull > 0)
      for (socket, _) in newcomers { #expect(try socket.receiveOnce() != .endOfStream) }
    }
  }
}

extension SecureGround {
  /// The server's certificate has expired; who loads it must not know.
  static func expired() throws -> TLSServerContext {
    let ground = try shared()
    let files = try ground.certificates.issue("expired", for: ["IP:127.0.0.1"])
    try ground.certificates.reissue(
      files, for: ["IP:127.0.0.1"], from: "190101000000Z", until: "200201000000Z")
    var settings = ListenerTLS()
    settings.certificates = [files]
    settings.protocols = [.http11]
    return try TLSServerContext(settings, ticketKeys: nil, now: 1_579_000_000)
  }
}
