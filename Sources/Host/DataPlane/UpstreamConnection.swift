import Core

/// A connection to a server, as one event loop has it.
final class UpstreamConnection {
  let token: UInt64
  /// Unique within the process; as it stands in the access log.
  let logID: UInt64
  let number: Int32
  private var descriptor: Descriptor?
  let server: Server
  /// Its name in the server's pool.
  let id: ConnectionID
  var openedAt: Instant

  /// The exchange that leases it, or for which it is being made.
  var exchange: UInt64?
  var isConnecting: Bool

  /// Edge-triggered readiness, as for clients.
  var isReadable = false
  var isWritable = false
  /// The server's FIN was announced by the poller: reading goes on until it is reached.
  var peerClosed = false
  /// The end of the stream was read, before any error was.
  var sawEnd = false
  /// The first error that any call reported; 0: none. Later ones say nothing (docs/decisions/0002-replay-on-proof.md).
  var firstError: Int32 = 0

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

  /// Bytes that the kernel took in the connection's life.
  var bytesWritten: UInt64 = 0
  /// The same before the first byte of the present request: with the SYN, what `tcpi_bytes_acked` shows at most by then.
  var bytesWrittenBefore: UInt64 = 0

  init(
    token: UInt64, logID: UInt64, descriptor: consuming Descriptor, server: Server, id: ConnectionID,
    isConnecting: Bool, now: Instant
  ) {
    self.token = token
    self.logID = logID
    number = descriptor.number
    self.descriptor = consume descriptor
    self.server = server
    self.id = id
    self.isConnecting = isConnecting
    openedAt = now
  }

  var isClosed: Bool { descriptor == nil }

  /// Bytes of the present request that the kernel took.
  var requestBytesWritten: UInt64 { bytesWritten &- bytesWrittenBefore }

  /// Closes the socket. Safe to call again.
  func closeSocket() {
    descriptor = nil
  }

  /// Takes note of an error; only the first is evidence.
  func noteError(_ code: Int32) {
    if firstError == 0 { firstError = code }
  }
}
