import Core

/// Upgraded connections: bytes both ways, unlooked at (RFC 9110 section 7.8).
///
/// | client          | server          | what happens                                   |
/// |-----------------|-----------------|------------------------------------------------|
/// | open            | open            | both directions are pumped                     |
/// | FIN, all passed | open            | our FIN goes to the server, its side is pumped |
/// | open            | FIN, all passed | our FIN goes to the client, its side is pumped |
/// | FIN             | FIN             | closed when all is out                         |
/// | error           | any             | closed with a RST to the other side            |
/// | silent          | silent          | after `timeouts.tunnel-idle` closed, both get a FIN |
extension Worker {
  /// How a tunnel ended, as it stands in counters.
  enum TunnelEnd: String {
    /// Both sides have said all that they had to say.
    case finished
    /// One side broke.
    case reset
    /// Neither said anything for too long.
    case silent
  }

  /// A 101 came: from here on both sides speak the other protocol.
  func switchProtocols(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ held: consuming ByteBuffer, _ head: ResponseHead
  ) {
    let client = exchange.client
    var inbound = held
    guard exchange.asksForUpgrade, exchange.requestBody.isComplete, exchange.record?.isEmpty ?? true,
      head.switches(to: exchange.askedProtocols, inbound.readable, fields)
    else {
      recycle(inbound)
      let end = exchange.machine.responseInvalid(
        .upgradeFailed(detail: "the server switched to a protocol that was not asked for"), couldAnswer: true,
        observation: observe(upstream), now: now)
      exchange.status = 0
      exchange.headAt = nil
      follow(end, for: exchange)
      return
    }
    var outbound = client.outbound.take() ?? buffers.take()
    head.write(
      to: &outbound, bytes: inbound.readable, fields: fields, clientVersion: exchange.version,
      clientKeepsAlive: true,
      bodyFraming: .none, via: settings.forwarding.via ? viaName : nil, edits: .none, values: EditValues(),
      extraLines: stickyLine(exchange))
    inbound.consume(head.byteCount)
    outbound.append(inbound.readable)
    recycle(inbound)
    client.outbound = consume outbound
    exchange.machine.responsePassedOn()
    exchange.machine.responseEnded()
    exchange.responseBody = .complete
    counters.tunnels &+= 1
    // The record has been sent; from now on it carries what the client says to the server.
    exchange.saveRequestLine()
    exchange.record?.removeAll()
    client.phase = .tunnelling
    expectNothingOfServer(for: exchange)
    // The exchange was over with the 101; a tunnel has a time of its own.
    exchange.exchangeDeadline = .distantFuture
    exchange.silenceDeadline = .distantFuture
    expect(.tunnel, of: client, within: exchange.bounds.tunnelIdle)
  }

  /// Moves what is ready in both directions. Returns whether anything moved.
  func pumpTunnel(_ exchange: ActiveExchange) -> Bool {
    let client = exchange.client
    guard let upstream = exchange.upstream else { return false }
    var moved = false
    if pumpTowardsServer(exchange, upstream) { moved = true }
    if client.phase == .tunnelling, pumpTowardsClient(exchange, upstream) { moved = true }
    guard client.phase == .tunnelling else { return moved }
    if client.transport.sawEnd, exchange.record == nil, client.inbound == nil, !exchange.sentEndToServer {
      exchange.sentEndToServer = true
      upstream.transport.endWriting()
    }
    if upstream.transport.sawEnd, client.outbound == nil, !exchange.sentEndToClient {
      exchange.sentEndToClient = true
      client.transport.endWriting()
    }
    if exchange.sentEndToServer, exchange.sentEndToClient, !client.transport.isSending, !upstream.transport.isSending {
      endTunnel(exchange, .finished)
    } else if moved {
      expect(.tunnel, of: client, within: exchange.bounds.tunnelIdle)
    }
    return moved
  }

  private func pumpTowardsServer(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) -> Bool {
    let client = exchange.client
    var moved = false
    var record = exchange.record.take() ?? buffers.take()
    if var inbound = client.inbound.take() {
      // Bytes that came behind the request belong to the new protocol.
      record.append(inbound.readable)
      inbound.removeAll()
      recycle(inbound)
      moved = true
    }
    if record.writableCount == 0 { record.compact() }
    if record.writableCount > 0, client.transport.isReadable, !client.transport.sawEnd {
      switch client.transport.receive(into: &record) {
      case .bytes(let count):
        counters.bytesFromClients &+= UInt64(count)
        exchange.requestBodyBytes &+= UInt64(count)
        moved = true
      case .wouldBlock: break
      case .ended: moved = true
      case .failed:
        recycle(record)
        endTunnel(exchange, .reset)
        return false
      }
    }
    if !record.isEmpty, upstream.transport.isWritable {
      switch upstream.transport.send(record.readable) {
      case .bytes(let count):
        record.consume(count)
        moved = true
      case .wouldBlock: break
      case .failed:
        recycle(record)
        endTunnel(exchange, .reset)
        return false
      }
    }
    if record.isEmpty { recycle(record) } else { exchange.record = consume record }
    return moved
  }

  private func pumpTowardsClient(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) -> Bool {
    let client = exchange.client
    var moved = false
    var outbound = client.outbound.take() ?? buffers.take()
    if outbound.writableCount == 0 { outbound.compact() }
    if outbound.writableCount > 0, upstream.transport.isReadable, !upstream.transport.sawEnd {
      switch upstream.transport.receive(into: &outbound) {
      case .bytes(let count):
        exchange.responseBodyBytes &+= UInt64(count)
        moved = true
      case .wouldBlock: break
      case .ended: moved = true
      case .failed:
        recycle(outbound)
        endTunnel(exchange, .reset)
        return false
      }
    }
    if !outbound.isEmpty, client.transport.isWritable {
      switch client.transport.send(outbound.readable) {
      case .bytes(let count):
        counters.bytesToClients &+= UInt64(count)
        outbound.consume(count)
        moved = true
      case .wouldBlock: break
      case .failed:
        recycle(outbound)
        endTunnel(exchange, .reset)
        return false
      }
    }
    if outbound.isEmpty { recycle(outbound) } else { client.outbound = consume outbound }
    return moved
  }

  /// Neither side has said anything for as long as the settings allow.
  func tunnelWasSilent(_ exchange: ActiveExchange) {
    let span = exchange.bounds.tunnelIdle
    noteCut(exchange, .tunnelTimeout(after: span))
    notices.post(now) {
      log.notice(
        "\(requestLine(exchange)): the tunnel to \(serverName(exchange)) is closed: nothing came through it for \(span.text) (timeouts.tunnel-idle)"
      )
    }
    endTunnel(exchange, .silent)
  }

  /// Closes both sides. Where one broke, the other is to notice that it did not end in order: it gets a RST instead of a FIN.
  func endTunnel(_ exchange: ActiveExchange, _ how: TunnelEnd) {
    let client = exchange.client
    counters.tunnelsEnded[how.rawValue, default: 0] &+= 1
    switch how {
    case .finished, .silent: break
    case .reset:
      client.transport.breakOnClose()
      if let upstream = exchange.upstream { upstream.transport.breakOnClose() }
    }
    returnLease(exchange, reusable: false)
    end(exchange)
    closeClient(client)
  }
}
