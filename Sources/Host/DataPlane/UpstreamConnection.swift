import Core

/// A connection to a server, as one event loop has it.
final class UpstreamConnection {
  let token: UInt64
  /// Unique within the process; as it stands in the access log.
  let logID: UInt64
  var transport: Transport
  let server: Server
  /// Its name in the server's pool.
  let id: ConnectionID
  var openedAt: Instant

  /// The exchange that leases it, or for which it is being made.
  var exchange: UInt64?
  var isConnecting: Bool
  /// It is open, and TLS is being agreed upon; it still counts as connecting.
  var isShakingHands = false
  /// Exchanges' connections-to-be that wait for this one, which will speak HTTP/2, to carry their streams; tokens.
  var waitingForStreams: [UInt64] = []
  /// The HTTP/2 connection of which it is a stream.
  var carrier: UpstreamCarrier?
  /// Of that, when the stream was opened: how long it had idled, how old it was, and how many streams it had carried.
  var carrierFacts: (idleAge: Nanoseconds, age: Nanoseconds, uses: UInt32)?
  /// Whether its exchange counts as one that could not be sent again.
  var isUnrepairable = false
  /// The worker has let go of it.
  var isDiscarded = false

  /// Since when there has been something to read without a pause: while a client holds us back the server's last byte waits in
  /// the kernel, and the server has been counting its idle time.
  var readableSince = Instant(nanoseconds: 0)
  /// It began with a PROXY header, so it carries the requests of one client and nobody else's.
  var isNamed = false
  /// Somebody signed in on it, or was asked to (``ConnectionAuthentication``): it carries the requests of that client connection
  /// and nobody else's.
  var isPrivate = false
  /// The client connection that keeps it between two requests, and since when.
  var keptBy: UInt64?
  var keptSince = Instant(nanoseconds: 0)
  /// The last answer had no content by rule, whatever it announced (HEAD, 204, 304).
  var lastAnswerWasBare = false

  var inbound: ByteBuffer?
  var scan = HeadScan()

  init(
    token: UInt64, logID: UInt64, descriptor: consuming Descriptor, server: Server, id: ConnectionID,
    isConnecting: Bool, now: Instant
  ) {
    self.token = token
    self.logID = logID
    transport = Transport(descriptor, isWritable: false)
    self.server = server
    self.id = id
    self.isConnecting = isConnecting
    openedAt = now
  }

  /// A stream-to-be of a connection that speaks HTTP/2, or will.
  init(token: UInt64, logID: UInt64, server: Server, id: ConnectionID, now: Instant) {
    self.token = token
    self.logID = logID
    transport = Transport.none()
    self.server = server
    self.id = id
    isConnecting = true
    openedAt = now
  }

  /// Closes the socket. Safe to call again.
  func closeSocket() { transport.close() }
}
