import Core

/// A connection to a client, and the exchange that it carries at the moment.
///
/// One object for both, since a client connection carries one exchange at a time (HTTP/1.1): nothing is allocated for a
/// request. Buffers are borrowed when bytes come and given back when they are empty.
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
  }

  /// What is expected of the server until ``serverDeadline``.
  enum ServerDuty {
    case none
    /// To take the connection.
    case connect
    /// To have a connection free.
    case waiting
    /// To take more of the request.
    case sending
    case responseHead
    /// More of the response's content, which this proxy is ready to read.
    case responseBody
    /// The RST that would prove the race.
    case reset
    /// Nothing: it is left alone until a retry.
    case backoff
  }

  let token: UInt64
  let number: Int32
  private var descriptor: Descriptor?
  /// Who is at the other end, or whom the PROXY protocol names.
  var peer: SocketAddress
  /// The connection begins with a header of the PROXY protocol, which has not come in whole yet.
  var awaitsProxyHeader = false
  /// What the client connected to, where a proxy before this one says so.
  var namedDestination: NamedDestination?
  /// Whether ``SharedLoad`` counts this connection under its peer's address.
  var isCounted = false
  /// What servers are told of this client; changes with the settings.
  var told: Told
  /// Whose Host ``told`` carries.
  var hostUpstream: Upstream?

  var phase = Phase.idle
  /// Edge-triggered readiness: set by events, cleared by a short count or EAGAIN.
  var isReadable = false
  var isWritable = true
  /// The client's FIN was announced by the poller: reading goes on until it is reached.
  var peerClosed = false
  /// The end of the stream was read.
  var sawEnd = false

  var inbound: ByteBuffer?
  var outbound: ByteBuffer?
  var scan = HeadScan()
  var requestsServed = 0
  /// Method and target of the present request, for the logs, where the record no longer begins with them.
  private var savedRequestLine: [UInt8] = []
  /// When lingering ends at the latest.
  var lingersUntil = Instant(nanoseconds: 0)

  // Two deadlines, since each side can be late on its own account: one would hide the other.
  var clientDeadline = Instant.distantFuture
  var clientDuty = ClientDuty.none
  var serverDeadline = Instant.distantFuture
  var serverDuty = ServerDuty.none
  /// When the exchange must be over as a whole.
  var exchangeDeadline = Instant.distantFuture
  /// When it is looked whether the request has arrived at all (``Exchange/silencePatience(retransmissionTimeout:)``).
  var silenceDeadline = Instant.distantFuture
  /// When the earliest entry in the timer queue comes up; for a later deadline no new entry is needed.
  var timerAt = Instant.distantFuture
  /// In the list of connections that get another turn before the loop waits.
  var isQueued = false

  var call: Call
  /// The request as it goes to the server, kept whole while it may have to be sent again.
  var record: ByteBuffer?
  var upstream: UpstreamConnection?
  /// The right to use ``upstream``; given back exactly once.
  var lease: Lease?

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
    token: UInt64, descriptor: consuming Descriptor, peer: SocketAddress, forwarding: Forwarding, bounds: RouteBounds
  ) {
    self.token = token
    number = descriptor.number
    self.descriptor = consume descriptor
    self.peer = peer
    told = Told(forwarding)
    call = Call(bounds: bounds)
  }

  /// Bytes of a request line that logs show.
  private static let longestRequestLine = 2_048

  /// Keeps method and target for the logs: the record is about to lose its head, or there will be none.
  func saveRequestLine() {
    guard savedRequestLine.isEmpty, let record = record.take() else { return }
    Self.appendRequestLine(in: record, to: &savedRequestLine)
    self.record = consume record
  }

  /// Keeps method and target as the client sent them: those in the record differ.
  func saveRequestLine(_ head: RequestHead, _ bytes: RawSpan) {
    savedRequestLine.removeAll(keepingCapacity: true)
    for range in [head.methodRange, head.target.range] {
      if range.start > head.methodRange.start { savedRequestLine.append(0x20) }
      let end = min(range.end, range.start + Self.longestRequestLine)
      for offset in range.start..<end { savedRequestLine.append(bytes.byte(at: offset)) }
    }
  }

  /// The X-Request-Id in the first `length` bytes of the record; nil without one.
  func requestID(inHeadOf length: Int) -> [UInt8]? {
    guard let record = record.take() else { return nil }
    let found = Self.requestID(in: record, length)
    self.record = consume record
    return found
  }

  private static func requestID(in record: borrowing ByteBuffer, _ length: Int) -> [UInt8]? {
    let bytes = record.written
    guard let range = RequestID.written(bytes, within: length) else { return nil }
    return Array(bytes.text(range).utf8)
  }

  func forgetRequestLine() {
    if !savedRequestLine.isEmpty { savedRequestLine.removeAll(keepingCapacity: true) }
  }

  /// Method and target as the client sent them, their query as `policy` has it; "-" for a request that was not understood.
  func requestLine(_ policy: LogSettings.QueryPolicy) -> [UInt8] {
    if !savedRequestLine.isEmpty { return policy.shown(savedRequestLine) }
    guard let record = record.take() else { return [UInt8(ascii: "-")] }
    var line: [UInt8] = []
    Self.appendRequestLine(in: record, to: &line)
    self.record = consume record
    return policy.shown(line)
  }

  /// The record up to the second space.
  private static func appendRequestLine(in record: borrowing ByteBuffer, to line: inout [UInt8]) {
    let bytes = record.written
    let limit = min(bytes.byteCount, longestRequestLine)
    var end = 0
    var spaces = 0
    while end < limit {
      if bytes.byte(at: end) == 0x20 { spaces += 1 }
      if spaces == 2 { break }
      end += 1
    }
    line.reserveCapacity(end)
    for offset in 0..<end { line.append(bytes.byte(at: offset)) }
  }

  /// Closes the socket. Safe to call again.
  func closeSocket() {
    descriptor = nil
    phase = .closed
  }
}
