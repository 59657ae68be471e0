import Core
import Glibc

/// Whom a connection is passed on for, as proxies tell each other (the PROXY protocol, versions 1 and 2).
extension Worker {
  // MARK: - In

  /// Whether the peer may say whom its connection is for; else the connection is closed. Who comes by a UNIX socket may: its
  /// permissions say who can.
  func maySendProxyHeader(_ client: ClientConnection, _ senders: [AddressBlock]) -> Bool {
    if senders.isEmpty || client.peer.isUnix { return true }
    let bytes = client.peer.ipBytes
    if senders.contains(where: { $0.contains(bytes) }) { return true }
    counters.malformedRequests &+= 1
    notices.post(now) {
      log.notice(
        "client \(client.peer): closed: it is none of those that listen.proxy-protocol lets send a PROXY header")
    }
    closeClient(client)
    return false
  }

  /// Reads the header that the connection begins with. Nothing is answered to a peer that sends none: whoever it is, it is no
  /// proxy of ours. Returns whether anything moved.
  func readProxyHeader(_ client: ClientConnection) -> Bool {
    guard receive(client) else {
      // A port that is looked at and nothing more is what load balancers do.
      if client.transport.sawEnd { closeClient(client) }
      return false
    }
    guard var inbound = client.inbound.take() else { return false }
    switch ProxyHeader.parse(inbound.readable) {
    case .incomplete:
      client.inbound = consume inbound
    case .complete(let header, let byteCount):
      inbound.consume(byteCount)
      if inbound.isEmpty { recycle(inbound) } else { client.inbound = consume inbound }
      client.awaitsProxyHeader = false
      if let source = header.source {
        client.peer = SocketAddress(source)
        client.forwarding = forwarding(for: client.peer, isSecure: client.isSecure)
        client.hostUpstream = nil
        client.namedDestination = header.destination.map { NamedDestination($0) }
      }
      beginTLSBehindHeader(client)
      guard countConnection(of: client) else { return true }
      expect(.idle, of: client, within: drain == nil ? settings.timeouts.requestHead : drainGrace)
    case .failed(let error):
      recycle(inbound)
      counters.malformedRequests &+= 1
      notices.post(now) { log.notice("client \(client.peer): closed: \(error)") }
      closeClient(client)
    }
    return true
  }

  // MARK: - Out

  /// Begins a new connection with the header that names the client, where the server wants one. The evidence of what arrived
  /// counts from behind it.
  func sendProxyHeader(for client: ClientConnection, on upstream: UpstreamConnection) {
    guard upstream.transport.bytesWritten == 0 else { return }
    let version = upstream.server.upstream.settings.proxyProtocol
    guard version != .off, upstream.carrier == nil else { return }
    upstream.isNamed = true
    var bytes = buffers.take()
    let header = proxyHeader(for: client)
    switch version {
    case .version1: header.writeVersion1(to: &bytes)
    case .version2: header.writeVersion2(to: &bytes)
    case .off: break
    }
    let wanted = bytes.count
    switch upstream.transport.send(bytes.readable) {
    case .bytes(let count):
      // No kernel has so little room in a new connection; a request behind half a header would be taken for its rest.
      if count < wanted { proxyHeaderFailed(upstream, ENOBUFS) }
    case .wouldBlock: proxyHeaderFailed(upstream, ENOBUFS)
    case .failed(let code): proxyHeaderFailed(upstream, code)
    }
    recycle(bytes)
  }

  /// Nothing of the request goes out; reading finds the error and ends the attempt.
  private func proxyHeaderFailed(_ upstream: UpstreamConnection, _ code: Int32) {
    upstream.transport.noteError(code)
    upstream.transport.isWritable = false
    upstream.transport.isReadable = true
  }

  private func proxyHeader(for client: ClientConnection) -> ProxyHeader {
    guard let address = client.peer.ipAddress else { return .none }
    let source = ProxyHeader.Endpoint(address: address, port: client.peer.port)
    if let named = client.namedDestination { return ProxyHeader(source: source, destination: named.endpoint) }
    guard let local = client.transport.localAddress, let destination = local.ipAddress else {
      // The connection came by a UNIX socket, from a proxy that told whose it is and not whereto.
      let family = address.isIPv4 ? IPAddress(v4: 0) : IPAddress([UInt8](repeating: 0, count: 16))
      return ProxyHeader(source: source, destination: family.map { ProxyHeader.Endpoint(address: $0, port: 0) })
    }
    return ProxyHeader(source: source, destination: ProxyHeader.Endpoint(address: destination, port: local.port))
  }
}

/// What a client connected to, by the word of the proxy before this one. In a box of its own: few connections have it.
final class NamedDestination {
  let endpoint: ProxyHeader.Endpoint
  init(_ endpoint: ProxyHeader.Endpoint) { self.endpoint = endpoint }
}

extension SocketAddress {
  /// nil for UNIX-domain sockets. IPv4 mapped into IPv6 is IPv4.
  var ipAddress: IPAddress? {
    switch kind {
    case .ipv4(let bits, _): IPAddress(v4: bits)
    case .ipv6(let bytes, _, _): IPAddress(bytes)
    case .unix: nil
    }
  }

  init(_ endpoint: ProxyHeader.Endpoint) {
    let bytes = endpoint.address.bytes
    self.init(
      endpoint.address.isIPv4
        ? .ipv4(bytes.reduce(0) { $0 << 8 | UInt32($1) }, port: endpoint.port)
        : .ipv6(bytes, port: endpoint.port, scope: 0))
  }
}
