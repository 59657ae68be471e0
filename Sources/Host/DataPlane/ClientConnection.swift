import Core
import HTTP2

/// A connection to a client. While it is idle it holds no buffer and no exchange.
///
/// Buffers are borrowed when bytes come and given back when they are empty.
final class ClientConnection {
  /// What the connection is doing.
  enum Phase {
    /// Between requests, or before the first. -> readingHead on the first byte, closed.
    case idle
    /// Some bytes of a head have come. -> exchanging on the last one or when the head is malformed or late, closed.
    case readingHead
    /// A request is being served. -> idle when the connection persists, tunnelling, lingering, closed.
    case exchanging
    /// Bytes go both ways without being looked at (RFC 9110 section 7.8). -> closed.
    case tunnelling
    /// The last answer was sent and our FIN with it; what the client still sends is dropped. -> closed.
    case lingering
    /// HTTP/2 is spoken, and streams carry the requests. -> lingering, closed.
    case multiplexing
    case closed
  }

  /// What is expected of the client until ``clientDeadline``.
  enum ClientDuty {
    case none
    /// A request, or nothing any more.
    case idle
    /// The rest of a request head.
    case requestHead
    /// More of the request's content, which this proxy is ready to read.
    case requestBody
    /// To read what waits for it.
    case reading
    /// Bytes either way through the tunnel.
    case tunnel
    /// To notice that this connection ends.
    case linger
    /// To open no more streams: it was told so.
    case farewell
  }

  let token: UInt64
  var transport: Transport
  /// Who is at the other end, or whom the PROXY protocol names.
  var peer: SocketAddress
  /// The connection begins with a header of the PROXY protocol, which has not come in whole yet.
  var awaitsProxyHeader = false
  /// TLS begins behind that header.
  var tlsBehindHeader: ListenerContext?
  /// What the client connected to, where a proxy before this one says so.
  var namedDestination: NamedDestination?
  /// The HTTP/2 connection of which it is a stream; nil for a connection.
  let carrier: ClientConnection?
  /// Its streams, once it speaks HTTP/2.
  var streams: ClientStreams?
  /// Whether it may speak HTTP/2 without TLS, known to do so beforehand (RFC 9113 section 3.3).
  var maySpeakHTTP2 = false
  /// TLS is being agreed upon; the connection counts as idle meanwhile.
  var isShakingHands = false
  /// In the list of those whose handshake gets a step.
  var awaitsHandshakeTurn = false
  /// The lines that tell servers of the certificate that it has shown.
  var certificateLines: [UInt8] = []
  /// Whether it came in by TLS.
  let isSecure: Bool
  /// Whether ``SharedLoad`` counts this connection under its peer's address.
  var isCounted = false
  /// What servers are told of this client; changes with the settings.
  var told: Told
  /// Whose Host ``told`` carries.
  var hostUpstream: Upstream?

  var phase = Phase.idle
  var inbound: ByteBuffer?
  var outbound: ByteBuffer?
  var scan = HeadScan()
  var requestsServed = 0
  /// When lingering ends at the latest.
  var lingersUntil = Instant(nanoseconds: 0)
  /// The last answer is still on its way out of this process: how much had gone when something last went.
  var lingersAt: UInt64?

  var clientDeadline = Instant.distantFuture
  var clientDuty = ClientDuty.none
  /// When the earliest entry in the timer queue comes up; for a later deadline no new entry is needed.
  var timerAt = Instant.distantFuture
  /// In the list of connections that get another turn before the loop waits.
  var isQueued = false

  /// The exchange that it carries; nil between requests.
  var exchange: ActiveExchange?
  /// The connection to a server that is its own between two requests, because somebody signed in on it.
  var kept: UpstreamConnection?
  /// The right to use ``kept``; given back exactly once.
  var keptLease: Lease?

  var forwarding: Forwarding {
    get { told.forwarding }
    set { told = Told(newValue) }
  }

  /// A ``Forwarding`` in a box: writing a request reads it in place, where a copy would count up and down all that is in it.
  final class Told {
    let forwarding: Forwarding
    init(_ forwarding: Forwarding) { self.forwarding = forwarding }

    // Inlined, it would be a copy again.
    @inline(never)
    func write(
      _ head: RequestHead, to record: inout ByteBuffer, _ bytes: RawSpan, _ fields: borrowing FieldTable,
      _ requestID: (UInt64, UInt64)
    ) {
      head.write(to: &record, bytes: bytes, fields: fields, forwarding: forwarding, requestID: requestID)
    }
  }

  init(
    token: UInt64, descriptor: consuming Descriptor, peer: SocketAddress, isSecure: Bool, forwarding: Forwarding
  ) {
    self.token = token
    self.isSecure = isSecure
    carrier = nil
    transport = Transport(descriptor, isWritable: true)
    self.peer = peer
    told = Told(forwarding)
  }

  /// A stream of a connection that speaks HTTP/2.
  init(token: UInt64, stream: HTTP2Stream, of connection: ClientConnection, on carrier: StreamCarrier) {
    self.token = token
    self.carrier = connection
    isSecure = connection.isSecure
    transport = Transport(stream, on: carrier, owner: token, number: connection.transport.number)
    peer = connection.peer
    namedDestination = connection.namedDestination
    told = connection.streams?.told ?? connection.told
    certificateLines = connection.certificateLines
  }

  /// Closes the socket. Safe to call again.
  func closeSocket() {
    transport.close()
    phase = .closed
  }
}
