import Core
import Glibc
import HTTP2

/// What a client connection has that speaks HTTP/2.
final class ClientStreams {
  let session: HTTP2ServerSession
  let carrier: StreamCarrier
  /// What servers are told of this client, in requests of its streams; changes with the settings.
  var told: ClientConnection.Told
  /// How far its end has come (RFC 9113 section 6.8).
  var farewell = Farewell.none

  enum Farewell {
    case none
    /// The client was told to open no more streams; those that are on their way are served.
    case announced
    /// The last stream that is served was named.
    case final
  }

  init(session: HTTP2ServerSession, carrier: StreamCarrier, told: ClientConnection.Told) {
    self.told = told
    self.session = session
    self.carrier = carrier
  }
}

/// HTTP/2 from clients (RFC 9113). Each stream is a ``ClientConnection`` for one request, so that the exchanges of both protocols go
/// through one pump; the connection under the streams moves frames, and here is how.
extension Worker {
  /// Bytes of frames that may wait for a client before no more are read from it.
  private static let unsentBound = 262_144
  /// How long the answer to a PING is awaited before the last stream is named: a round trip, generously.
  private static let longestRoundTrip = Nanoseconds.seconds(1)

  // MARK: - Beginning

  /// Whether the client speaks HTTP/2; then it has begun.
  func beginsHTTP2(_ client: ClientConnection) -> Bool {
    if client.isSecure {
      guard client.transport.tls?.alpn == .http2 else { return false }
    } else {
      guard client.maySpeakHTTP2, let inbound = client.inbound.take() else { return false }
      let begins = HTTP2Preface.isAtStart(of: inbound)
      client.inbound = consume inbound
      guard begins else { return false }
    }
    let session = HTTP2ServerSession(limits: HTTP2Limits(settings.limits), now: now)
    var forwarding = client.forwarding
    forwarding.isHTTP2 = true
    let streams = ClientStreams(
      session: session, carrier: StreamCarrier(token: client.token, among: waitingCarriers),
      told: ClientConnection.Told(forwarding))
    client.streams = streams
    client.phase = .multiplexing
    counters.http2Connections &+= 1
    expect(.idle, of: client, within: drain == nil ? settings.timeouts.clientIdle : drainGrace)
    if drain != nil { sayFarewell(client) }
    streams.carrier.stir()
    return true
  }

  // MARK: - Reading

  /// Reads frames from the client. Returns whether anything moved.
  func readFrames(_ client: ClientConnection) -> Bool {
    guard let streams = client.streams else { return false }
    streams.carrier.stir()
    // Who does not read what is sent to him is not read either.
    guard (client.outbound?.count ?? 0) < Self.unsentBound else { return false }
    if client.inbound == nil {
      guard receive(client) else {
        if client.phase == .multiplexing, client.transport.isOver { closeClient(client) }
        return false
      }
    }
    guard let inbound = client.inbound.take() else { return false }
    _ = streams.session.feed(from: inbound, now: now)
    recycle(inbound)
    follow(streams, of: client)
    return client.phase == .multiplexing
  }

  /// Does what the protocol says has happened.
  private func follow(_ streams: ClientStreams, of client: ClientConnection) {
    while let event = streams.session.nextEvent() {
      switch event {
      case .opened(let stream): open(stream, streams, of: client)
      case .readable(let id): stir(id, streams) { $0.transport.isReadable = true }
      case .writable(let id): stir(id, streams) { $0.transport.isWritable = true }
      case .reset(let id, let code):
        counters.http2StreamsReset[code.name, default: 0] &+= 1
        guard let stream = streams.carrier.owners[id].flatMap({ clients.element($0) }) else { continue }
        stream.transport.noteError(ECONNRESET)
        clientBroke(stream)
      case .pingAnswered: if streams.farewell == .announced { endFarewell(client, streams) }
      case .closed, .goAwayReceived, .settingsReceived: break
      case .ended(let failure):
        counters.http2Failures["\(failure.reason)", default: 0] &+= 1
        notices.post(now) { log.notice("client \(client.peer): HTTP/2: \(failure.code.name): \(failure.fact)") }
      }
    }
  }

  private func stir(_ id: Int32, _ streams: ClientStreams, _ note: (ClientConnection) -> Void) {
    guard let stream = streams.carrier.owners[id].flatMap({ clients.element($0) }) else { return }
    note(stream)
    queue(stream)
  }

  private func open(_ stream: HTTP2Stream, _ streams: ClientStreams, of client: ClientConnection) {
    let opened = clients.insert { ClientConnection(token: $0, stream: stream, of: client, on: streams.carrier) }
    expectNothing(of: client)
    counters.http2Streams &+= 1
    expect(.requestHead, of: opened, within: settings.timeouts.requestHead)
    queue(opened)
  }

  // MARK: - Writing

  /// Sends what the streams have left to be sent, of all connections that may have something.
  func flushCarriers() {
    guard !waitingCarriers.isEmpty else { return }
    for carrier in waitingCarriers.takeAll() {
      if UInt8(carrier.token >> 56) == Kind.client {
        if let client = clients.element(carrier.token), client.phase == .multiplexing { flushFrames(client) }
      } else if let connection = carriers.element(carrier.token) {
        flushFrames(connection)
      }
    }
  }

  private func flushFrames(_ client: ClientConnection) {
    guard let streams = client.streams else { return }
    var hasMoved = false
    while client.transport.isWritable, client.transport.firstError == 0 {
      var outbound = client.outbound.take() ?? mediumBuffers.take()
      if outbound.isEmpty, streams.session.produce(into: &outbound) == 0 {
        recycle(outbound)
        break
      }
      let result = client.transport.send(outbound.readable)
      if case .bytes(let count) = result {
        counters.bytesToClients &+= UInt64(count)
        outbound.consume(count)
        hasMoved = true
      }
      if outbound.isEmpty { recycle(outbound) } else { client.outbound = consume outbound }
    }
    follow(streams, of: client)
    guard client.phase == .multiplexing else { return }
    if client.transport.firstError != 0 {
      closeClient(client)
    } else if streams.session.isOver, client.outbound == nil {
      closeGently(client, requestIsComplete: false)
    } else {
      expectOfStreams(client, streams, hasMoved: hasMoved)
    }
  }

  /// What is to be expected of the client now, and for how long.
  private func expectOfStreams(_ client: ClientConnection, _ streams: ClientStreams, hasMoved: Bool) {
    if client.outbound != nil || (streams.carrier.owners.isEmpty && streams.session.openStreams > 0) {
      // It is the client's turn to read, or to open its windows.
      if hasMoved || client.clientDuty != .reading { expect(.reading, of: client, within: defaultBounds.bodyIdle) }
    } else if !streams.carrier.owners.isEmpty {
      if client.clientDuty != .farewell { expectNothing(of: client) }
    } else if streams.farewell == .none {
      if client.clientDuty != .idle {
        expect(.idle, of: client, within: drain == nil ? settings.timeouts.clientIdle : drainGrace)
      }
    } else if client.clientDuty != .farewell {
      expect(.farewell, of: client, within: Self.longestRoundTrip)
    }
  }

  // MARK: - Ending

  /// Begins to close the connection without losing a request that is on its way: the client is told to open no more streams, and
  /// the last one that is served is named a round trip later.
  func sayFarewell(_ client: ClientConnection) {
    guard let streams = client.streams, streams.farewell == .none else { return }
    streams.farewell = .announced
    streams.session.goAway(.announce)
    streams.session.ping()
    streams.carrier.stir()
    expect(.farewell, of: client, within: Self.longestRoundTrip)
  }

  private func endFarewell(_ client: ClientConnection, _ streams: ClientStreams) {
    streams.farewell = .final
    streams.session.goAway(.final)
    streams.carrier.stir()
    expectNothing(of: client)
  }

  /// The answer to the PING did not come in time.
  func farewellIsLate(_ client: ClientConnection) {
    guard let streams = client.streams else { return }
    switch streams.farewell {
    case .none, .announced: endFarewell(client, streams)
    case .final: closeClient(client)
    }
  }

  /// Ends all streams at once, before their connection ends.
  func endStreams(of client: ClientConnection) {
    guard let streams = client.streams else { return }
    client.streams = nil
    for token in streams.carrier.owners.values.sorted() {
      if let stream = clients.element(token) {
        stream.transport.noteError(ECONNRESET)
        clientBroke(stream)
      }
    }
  }

  /// Tells the client that nothing was done of a request, so that it can send it again whatever it asks (RFC 9113 section 8.7).
  func refuseStream(_ exchange: ActiveExchange) {
    let client = exchange.client
    counters.http2StreamsRefused &+= 1
    client.transport.stream?.reset(.refusedStream)
    end(exchange)
    closeClient(client)
  }
}

extension HTTP2Session {
  func feed(from buffer: borrowing ByteBuffer, now: Instant) -> HTTP2Step { feed(buffer.readable, now: now) }
}

extension HTTP2Limits {
  /// Looser than those of heads, which are checked behind them and answered in words.
  init(_ limits: ProxySettings.Limits) {
    self.init()
    concurrentStreams = limits.http2Streams
    fieldBytes = max(fieldBytes, 2 * limits.headBytes)
    fieldCount = max(fieldCount, 2 * limits.fieldCount)
    headerListBytes = max(headerListBytes, 2 * limits.headBytes + 64 * limits.fieldCount)
  }
}

/// What an HTTP/2 connection of a client begins with (RFC 9113 section 3.4).
enum HTTP2Preface {
  private static let text = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  /// Whether the preface, or the part of it that is there and tells it from any request, is what the bytes begin with.
  static func isAtStart(of buffer: borrowing ByteBuffer) -> Bool {
    let bytes = buffer.readable
    guard bytes.byteCount >= 14 else { return false }
    for offset in 0..<min(bytes.byteCount, 24) where bytes.byte(at: offset) != text[offset] { return false }
    return true
  }
}
