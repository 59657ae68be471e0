import Core

/// Upgraded connections: bytes both ways, unlooked at (RFC 9110 section 7.8).
///
/// | client          | server          | what happens                                   |
/// |-----------------|-----------------|------------------------------------------------|
/// | open            | open            | both directions are pumped                     |
/// | FIN, all passed | open            | our FIN goes to the server, its side is pumped |
/// | open            | FIN, all passed | our FIN goes to the client, its side is pumped |
/// | FIN             | FIN             | closed                                         |
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
    _ client: ClientConnection, _ upstream: UpstreamConnection, _ held: consuming ByteBuffer, _ head: ResponseHead
  ) {
    var inbound = held
    guard client.call.asksForUpgrade, client.call.requestBody.isComplete, client.record?.isEmpty ?? true,
      head.switches(to: client.call.askedProtocols, inbound.readable)
    else {
      recycle(inbound)
      let end = client.call.machine.responseInvalid(
        .upgradeFailed(detail: "the server switched to a protocol that was not asked for"), couldAnswer: true,
        observation: observe(upstream), now: now)
      client.call.status = 0
      client.call.headAt = nil
      follow(end, for: client)
      return
    }
    var outbound = client.outbound.take() ?? buffers.take()
    head.write(
      to: &outbound, bytes: inbound.readable, fields: fields, clientVersion: client.call.version,
      clientKeepsAlive: true,
      bodyFraming: .none, via: settings.forwarding.via ? viaName : nil, edits: .none, values: EditValues(),
      extraLines: stickyLine(client))
    inbound.consume(head.byteCount)
    outbound.append(inbound.readable)
    recycle(inbound)
    client.outbound = consume outbound
    client.call.machine.responsePassedOn()
    client.call.machine.responseEnded()
    client.call.responseBody = .complete
    counters.tunnels &+= 1
    // The record has been sent; from now on it carries what the client says to the server.
    client.saveRequestLine()
    client.record?.removeAll()
    client.phase = .tunnelling
    expectNothingOfServer(for: client)
    // The exchange was over with the 101; a tunnel has a time of its own.
    client.exchangeDeadline = .distantFuture
    client.silenceDeadline = .distantFuture
    expect(.tunnel, of: client, within: client.call.bounds.tunnelIdle)
  }

  /// Moves what is ready in both directions. Returns whether anything moved.
  func pumpTunnel(_ client: ClientConnection) -> Bool {
    guard let upstream = client.upstream else { return false }
    var moved = false
    if pumpTowardsServer(client, upstream) { moved = true }
    if client.phase == .tunnelling, pumpTowardsClient(client, upstream) { moved = true }
    guard client.phase == .tunnelling else { return moved }
    if client.sawEnd, client.record == nil, client.inbound == nil, !client.call.sentEndToServer {
      client.call.sentEndToServer = true
      Socket.shutdownWriting(upstream.number)
    }
    if upstream.sawEnd, client.outbound == nil, !client.call.sentEndToClient {
      client.call.sentEndToClient = true
      Socket.shutdownWriting(client.number)
    }
    if client.call.sentEndToServer, client.call.sentEndToClient {
      endTunnel(client, .finished)
    } else if moved {
      expect(.tunnel, of: client, within: client.call.bounds.tunnelIdle)
    }
    return moved
  }

  private func pumpTowardsServer(_ client: ClientConnection, _ upstream: UpstreamConnection) -> Bool {
    var moved = false
    var record = client.record.take() ?? buffers.take()
    if var inbound = client.inbound.take() {
      // Bytes that came behind the request belong to the new protocol.
      record.append(inbound.readable)
      inbound.removeAll()
      recycle(inbound)
      moved = true
    }
    if record.writableCount == 0 { record.compact() }
    if record.writableCount > 0, client.isReadable, !client.sawEnd {
      let room = record.writableCount
      switch Socket.receive(client.number, into: &record) {
      case .bytes(let count):
        counters.bytesFromClients &+= UInt64(count)
        client.call.requestBodyBytes &+= UInt64(count)
        if count < room, !client.peerClosed { client.isReadable = false }
        moved = true
      case .wouldBlock: client.isReadable = false
      case .endOfStream:
        client.sawEnd = true
        client.isReadable = false
        moved = true
      case .failed:
        recycle(record)
        endTunnel(client, .reset)
        return false
      }
    }
    if !record.isEmpty, upstream.isWritable {
      let waiting = record.count
      switch Socket.send(upstream.number, record.readable) {
      case .bytes(let count):
        record.consume(count)
        if count < waiting { upstream.isWritable = false }
        moved = true
      case .wouldBlock, .endOfStream: upstream.isWritable = false
      case .failed:
        recycle(record)
        endTunnel(client, .reset)
        return false
      }
    }
    if record.isEmpty { recycle(record) } else { client.record = consume record }
    return moved
  }

  private func pumpTowardsClient(_ client: ClientConnection, _ upstream: UpstreamConnection) -> Bool {
    var moved = false
    var outbound = client.outbound.take() ?? buffers.take()
    if outbound.writableCount == 0 { outbound.compact() }
    if outbound.writableCount > 0, upstream.isReadable, !upstream.sawEnd {
      let room = outbound.writableCount
      switch Socket.receive(upstream.number, into: &outbound) {
      case .bytes(let count):
        client.call.responseBodyBytes &+= UInt64(count)
        if count < room, !upstream.peerClosed { upstream.isReadable = false }
        moved = true
      case .wouldBlock: upstream.isReadable = false
      case .endOfStream:
        upstream.sawEnd = true
        upstream.isReadable = false
        moved = true
      case .failed:
        recycle(outbound)
        endTunnel(client, .reset)
        return false
      }
    }
    if !outbound.isEmpty, client.isWritable {
      let waiting = outbound.count
      switch Socket.send(client.number, outbound.readable) {
      case .bytes(let count):
        counters.bytesToClients &+= UInt64(count)
        outbound.consume(count)
        if count < waiting { client.isWritable = false }
        moved = true
      case .wouldBlock, .endOfStream: client.isWritable = false
      case .failed:
        recycle(outbound)
        endTunnel(client, .reset)
        return false
      }
    }
    if outbound.isEmpty { recycle(outbound) } else { client.outbound = consume outbound }
    return moved
  }

  /// Neither side has said anything for as long as the settings allow.
  func tunnelWasSilent(_ client: ClientConnection) {
    let span = client.call.bounds.tunnelIdle
    noteCut(client, .tunnelTimeout(after: span))
    notices.post(now) {
      log.notice(
        "\(requestLine(client)): the tunnel to \(serverName(client)) is closed: nothing came through it for \(span.text) (timeouts.tunnel-idle)"
      )
    }
    endTunnel(client, .silent)
  }

  /// Closes both sides. Where one broke, the other is to notice that it did not end in order: it gets a RST instead of a FIN.
  func endTunnel(_ client: ClientConnection, _ end: TunnelEnd) {
    counters.tunnelsEnded[end.rawValue, default: 0] &+= 1
    switch end {
    case .finished, .silent: break
    case .reset:
      Socket.abortOnClose(client.number)
      if let upstream = client.upstream { Socket.abortOnClose(upstream.number) }
    }
    returnLease(client, reusable: false)
    endCall(client)
    closeClient(client)
  }
}
