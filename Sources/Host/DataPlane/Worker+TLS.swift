import Core
import TLS

/// TLS to clients and servers: how it begins, and what is said when it fails.
extension Worker {
  // MARK: - Clients

  func beginTLS(_ client: ClientConnection, _ listener: ListenerContext) {
    client.transport.beginTLS(TLSSession(server: listener.current), ciphertext)
  }

  /// The PROXY header is over: what is there of the client's bytes is its hello.
  func beginTLSBehindHeader(_ client: ClientConnection) {
    guard let listener = client.tlsBehindHeader else { return }
    client.tlsBehindHeader = nil
    let session = TLSSession(server: listener.current)
    guard let inbound = client.inbound.take() else {
      client.transport.beginTLS(session, ciphertext)
      return
    }
    session.feed(from: inbound)
    recycle(inbound)
    client.transport.beginTLS(session, ciphertext)
  }

  /// TLS cannot go on. Who speaks HTTP in the clear is told so in the clear.
  func tlsFailed(_ client: ClientConnection, _ failure: TLSFailure) {
    counters.tlsFailures[failure.kind.rawValue, default: 0] &+= 1
    notices.post(now) { log.notice("client \(client.peer): TLS: \(failure.detail); \(failure.remedy)") }
    guard failure.kind == .plainHTTP, client.phase == .idle else { return clientBroke(client) }
    client.transport.abandonTLS()
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
