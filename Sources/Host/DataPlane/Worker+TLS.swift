import Core
import TLS

/// TLS to clients and servers: how it begins, and what is said when it fails.
extension Worker {
  // MARK: - Clients

  func beginTLS(_ client: ClientConnection, _ listener: ListenerContext) {
    client.isShakingHands = true
    client.transport.beginTLS(TLSSession(server: listener.current), ciphertext)
  }

  /// The PROXY header is over: what is there of the client's bytes is its hello.
  func beginTLSBehindHeader(_ client: ClientConnection) {
    guard let listener = client.tlsBehindHeader else { return }
    client.tlsBehindHeader = nil
    client.isShakingHands = true
    let session = TLSSession(server: listener.current)
    guard let inbound = client.inbound.take() else {
      client.transport.beginTLS(session, ciphertext)
      return
    }
    session.feed(from: inbound)
    recycle(inbound)
    client.transport.beginTLS(session, ciphertext)
  }

  /// Steps of handshakes in one round of the loop. One costs up to a millisecond (a signature by RSA), so that a flood of newcomers
  /// takes no more than some milliseconds between two looks at those who are connected.
  private static let handshakesPerRound = 8

  /// Something has come on a connection on which TLS is not agreed upon yet.
  func queueHandshake(_ client: ClientConnection) {
    guard client.transport.isReadable, !client.awaitsHandshakeTurn else { return }
    client.awaitsHandshakeTurn = true
    handshakes.append(client.token)
  }

  /// Lets some handshakes have their step; the others wait, behind the events of the next round.
  func takeHandshakeTurns() {
    for _ in 0..<Self.handshakesPerRound {
      guard let token = handshakes.popFirst() else { return }
      // It may have gone meanwhile.
      guard let client = clients.element(token), client.isShakingHands else { continue }
      client.awaitsHandshakeTurn = false
      shakeHands(client)
    }
    if !handshakes.isEmpty { counters.tlsHandshakeRoundsFull &+= 1 }
    now = MonotonicClock.now
  }

  private func shakeHands(_ client: ClientConnection) {
    switch client.transport.shakeHands() {
    case .bytes:
      client.isShakingHands = false
      counters.tlsHandshakes &+= 1
      if client.transport.tls?.wasResumed ?? false { counters.tlsResumed &+= 1 }
      if let certificate = client.transport.tls?.peerCertificate {
        client.certificateLines = ClientCertificateFields.lines(
          base64: certificate.base64, fingerprint: certificate.fingerprint, subject: certificate.subject)
        tellCertificate(of: client)
      }
      // The handshake had its time; the first request has one of its own.
      expect(.idle, of: client, within: drain == nil ? settings.timeouts.requestHead : drainGrace)
      advance(client)
    case .wouldBlock: break
    case .failed(let failure): tlsFailed(client, failure)
    case .closeNotify: clientBroke(client)
    }
  }

  /// Servers are told of the certificate that the client has shown.
  func tellCertificate(of client: ClientConnection) {
    guard !client.certificateLines.isEmpty else { return }
    var forwarding = client.forwarding
    forwarding.clientCertificate = client.certificateLines
    client.forwarding = forwarding
  }

  /// A handshake has its time as the head of a request has.
  func handshakeIsLate(_ client: ClientConnection) {
    guard drain == nil else { return closeClient(client) }
    counters.clientTimeouts &+= 1
    counters.tlsFailures["timeout", default: 0] &+= 1
    notices.post(now) {
      log.notice(
        "client \(client.peer): TLS: the handshake was not complete within \(settings.timeouts.requestHead.text) (timeouts.request-head)"
      )
    }
    closeClient(client)
  }

  /// TLS cannot go on. Who speaks HTTP in the clear is told so in the clear.
  func tlsFailed(_ client: ClientConnection, _ failure: TLSFailure) {
    counters.tlsFailures[failure.kind.rawValue, default: 0] &+= 1
    // Liveness checks and port scans connect and leave.
    if failure.kind != .closedInHandshake {
      notices.post(now) { log.notice("client \(client.peer): TLS: \(failure.detail); \(failure.remedy)") }
    }
    guard failure.kind == .plainHTTP, client.phase == .idle else { return clientBroke(client) }
    client.transport.abandonTLS()
    client.isShakingHands = false
    var bytes = buffers.take()
    LocalResponse(
      status: 400, body: Array("This port speaks HTTPS. Ask for the same address with https:// in front.\n".utf8)
    ).write(
      to: &bytes, requestMethod: .get, clientVersion: .http11, clientKeepsAlive: false, keepAliveTimeout: nil,
      date: dateValue, edits: .none, values: EditValues())
    if case .bytes(let count) = client.transport.send(bytes.readable) { counters.bytesToClients &+= UInt64(count) }
    recycle(bytes)
    closeGently(client, requestIsComplete: false)
  }

  // MARK: - Servers

  /// The connection is open; TLS has to be agreed upon before a request can go out.
  func beginTLS(_ upstream: UpstreamConnection, _ tls: ServerTLS) {
    upstream.isShakingHands = true
    if let exchange = upstream.exchange.flatMap({ exchanges.element($0) }) {
      // The server is to know the client before it speaks TLS.
      sendProxyHeader(for: exchange.client, on: upstream)
      expect(.handshake, for: exchange, within: settings.timeouts.connect)
    }
    upstream.transport.beginTLS(TLSSession(client: tls.context.current, serverName: tls.name), ciphertext)
  }
}

extension TLSFailure {
  /// As it ends an exchange.
  var trouble: TLSTrouble {
    let error: TLSTrouble.ErrorType =
      switch proxyStatusError {
      case .tlsCertificateError: .certificate
      case .tlsAlertReceived: .alert
      case .tlsProtocolError: .protocolError
      case .connectionTerminated: .terminated
      default: .proxyInternal
      }
    return TLSTrouble(detail: detail, remedy: remedy, error: error)
  }
}
