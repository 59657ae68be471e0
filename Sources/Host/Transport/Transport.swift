import Core
import Glibc
import HTTP2
import TLS

/// A peer's byte stream: the socket under it, its readiness, how it ended, and which bytes of it went out on the wire.
///
/// It fills a buffer with what the peer sent, and takes a buffer's bytes to send. Only here and in the loop are sockets
/// called, so that whoever uses a transport does not see what lies between: nothing, TLS
/// (``TLSLayer``), or an HTTP/2 connection of which it is one stream (``StreamLayer``).
///
/// Readiness is edge-triggered: events set it, a short count or EAGAIN clears it.
struct Transport: ~Copyable {
  /// What ``receive(into:)`` gave.
  enum Received: Equatable {
    case bytes(Int)
    /// Nothing now; an event will tell.
    case wouldBlock
    /// The peer's end of the stream: no byte will come any more.
    case ended
    /// An errno.
    case failed(Int32)
  }

  /// What became of ``send(_:)``.
  enum Sent: Equatable {
    /// So many bytes are on their way.
    case bytes(Int)
    /// None now; an event will tell.
    case wouldBlock
    /// An errno.
    case failed(Int32)
  }

  /// What is known of the bytes since the mark.
  struct Evidence {
    var error: SocketError?
    var acknowledgement: Acknowledgement
    var roundTripTime: Nanoseconds
    var retransmissionTimeout: Nanoseconds
  }

  /// What lies between the socket and those who use the transport.
  enum Layer {
    case none
    case tls(TLSLayer)
    case stream(StreamLayer)
  }

  /// As the poller knows it. It stays readable when the socket is closed.
  let number: Int32
  private var descriptor: Descriptor?

  /// Something may be there to be read.
  var isReadable = false
  /// Something may be written.
  var isWritable: Bool
  /// The peer's FIN was announced by the poller: reading goes on until it is reached.
  private(set) var peerClosed = false
  /// The end of the stream was read, before any error was.
  private(set) var sawEnd = false
  /// The first error that any call reported; 0: none. Later ones say nothing (docs/decisions/0002-replay-on-proof.md).
  private(set) var firstError: Int32 = 0

  /// Bytes that the kernel took in the connection's life.
  private(set) var bytesWritten: UInt64 = 0
  /// The same at the mark: with the SYN, what `tcpi_bytes_acked` shows at most by then.
  private var marked: UInt64 = 0
  private(set) var layer = Layer.none

  init(_ descriptor: consuming Descriptor, isWritable: Bool) {
    number = descriptor.number
    self.descriptor = consume descriptor
    self.isWritable = isWritable
  }

  /// Nothing: closed.
  private init() {
    number = -1
    descriptor = nil
    isWritable = false
  }

  static func none() -> Transport { Transport() }

  /// One stream of an HTTP/2 connection.
  ///
  /// - Parameters:
  ///   - owner: the token of whoever uses it.
  ///   - number: the connection's, for what is asked of it by number, as addresses are.
  init(_ stream: HTTP2MessageStream, on carrier: StreamCarrier, owner: UInt64, number: Int32) {
    self.number = number
    descriptor = nil
    isWritable = true
    isReadable = true
    layer = .stream(StreamLayer(stream, on: carrier, owner: owner))
  }

  /// The stream that it is; nil for a connection.
  var stream: HTTP2MessageStream? { if case .stream(let layer) = layer { layer.stream } else { nil } }

  // MARK: - TLS

  /// From here on the peer speaks TLS.
  ///
  /// - Parameter session: it may have been fed what was read already.
  mutating func beginTLS(_ session: TLSSession, _ scratch: CiphertextBuffer) {
    layer = .tls(TLSLayer(session, scratch))
    isReadable = true
  }

  /// TLS has failed, and the peer is to be told so in the clear.
  mutating func abandonTLS() { layer = .none }

  /// What TLS has made out with the peer; nil without it.
  var tls: TLSSession? { if case .tls(let layer) = layer { layer.session } else { nil } }

  /// Why TLS cannot go on; nil while it can.
  var tlsFailure: TLSFailure? { if case .tls(let layer) = layer { layer.failure } else { nil } }

  /// Whether the peer has said itself that its stream ends here. In the clear its FIN says so; in TLS its close_notify does, and a
  /// FIN alone can be anybody's.
  var hasEndedInOrder: Bool { sawEnd && firstError == 0 && tlsFailure == nil }

  /// Ciphertext waits for the kernel to take it.
  var isSending: Bool { if case .tls(let layer) = layer { layer.session.outputCount > 0 } else { false } }

  // MARK: - Its state

  var isClosed: Bool {
    if case .stream(let layer) = layer { return layer.isClosed }
    return descriptor == nil
  }

  /// Nothing will be read any more.
  var isOver: Bool { sawEnd || firstError != 0 }

  /// Where on the wire the next byte goes that is handed over.
  var nextOffset: UInt64 {
    if case .tls(let layer) = layer { return bytesWritten &+ UInt64(layer.session.outputCount) }
    return bytesWritten
  }

  /// Bytes since the mark that the kernel took; none while those that it took are of no use to anybody.
  var bytesSinceMark: UInt64 {
    if case .tls(let layer) = layer {
      guard layer.plaintextSinceMark > 0, bytesWritten >= layer.firstRecordEnd else { return 0 }
    }
    return bytesWritten &- marked
  }

  /// Whether anything of the message was handed over, be it that none of it is on the wire yet.
  var hasBegunSinceMark: Bool {
    if case .tls(let layer) = layer { layer.plaintextSinceMark > 0 } else { bytesWritten != marked }
  }

  /// Takes note of what the poller tells.
  mutating func noteReadiness(_ readiness: Readiness) {
    if !readiness.isDisjoint(with: [.readable, .peerClosed, .hangUp, .failed]) { isReadable = true }
    if !readiness.isDisjoint(with: [.peerClosed, .hangUp, .failed]) { peerClosed = true }
    if readiness.contains(.writable) { isWritable = true }
    if case .tls(let layer) = layer, readiness.contains(.writable) { flush(layer) }
  }

  /// The peer has closed, as a look at the socket showed before the poller told.
  mutating func noteClosedPeer() {
    peerClosed = true
    isReadable = true
  }

  /// Takes note of an error; only the first is evidence.
  mutating func noteError(_ code: Int32) {
    if firstError == 0 { firstError = code }
  }

  /// The stream has ended; that is evidence only while no error was reported before it.
  mutating func noteEnd() {
    if firstError == 0 { sawEnd = true }
    isReadable = false
  }

  mutating func noteWritten(_ count: Int) { bytesWritten &+= UInt64(count) }

  // MARK: - Reading and writing

  /// Reads into the writable part of `buffer`, which must not be full. Whoever reads beyond the end is told of it again.
  mutating func receive(into buffer: inout ByteBuffer) -> Received {
    switch layer {
    case .none: break
    case .tls(let layer): return receivePlaintext(into: &buffer, layer)
    case .stream(let layer): return receive(into: &buffer, layer)
    }
    let room = buffer.writableCount
    switch Socket.receive(number, into: &buffer) {
    case .bytes(let count):
      // A short count empties the socket; behind a FIN there is the end of the stream to be read.
      if count < room, !peerClosed { isReadable = false }
      return .bytes(count)
    case .wouldBlock:
      isReadable = false
      return .wouldBlock
    case .endOfStream:
      noteEnd()
      return .ended
    case .failed(let code):
      noteError(code)
      isReadable = false
      return .failed(code)
    }
  }

  /// Sends `bytes`, as many as go now.
  mutating func send(_ bytes: RawSpan) -> Sent {
    switch layer {
    case .none: break
    case .tls(let layer): return sendPlaintext(bytes, layer)
    case .stream(let layer): return send(bytes, layer)
    }
    switch Socket.send(number, bytes) {
    case .bytes(let count):
      noteWritten(count)
      if count < bytes.byteCount { isWritable = false }
      return .bytes(count)
    case .wouldBlock, .endOfStream:
      isWritable = false
      return .wouldBlock
    case .failed(let code):
      noteError(code)
      isWritable = false
      return .failed(code)
    }
  }

  /// Looks whether something waits to be read, without taking it.
  mutating func glance() -> Glance {
    switch layer {
    case .none: break
    case .tls(let layer): return glanceAtPlaintext(layer)
    case .stream(let layer): return layer.stream.resetCode == nil ? .quiet : .failed(ECONNRESET)
    }
    let glance = Socket.glance(number)
    if glance == .quiet { isReadable = false }
    return glance
  }

  /// Whether the peer has sent its FIN or a RST, whatever is still to be read before that.
  var hasClosedPeer: Bool {
    // A stream's end says that the request is whole, and no more.
    if case .stream(let layer) = layer { return layer.stream.resetCode != nil }
    return Socket.peerHasClosed(number)
  }

  // MARK: - Evidence

  /// A message begins: what is written from here on is its own.
  mutating func mark() {
    marked = bytesWritten
    if case .tls(let layer) = layer {
      // What still waits belongs to what was before.
      marked &+= UInt64(layer.session.outputCount)
      layer.plaintextSinceMark = 0
    }
  }

  /// The first byte of the message is about to go out: what went before it since the mark was not its own.
  mutating func messageBegins() { marked = bytesWritten }

  /// Reads the outcome of a connect, or an error that no call has reported yet.
  mutating func takeError() -> Int32 {
    let code = Socket.takeError(number)
    if code != 0 { noteError(code) }
    return code
  }

  /// What the socket shows of the bytes since the mark. Two system calls.
  mutating func observe() -> Evidence { observe(since: marked) }

  /// What the socket shows of the bytes behind an offset on the wire. Two system calls.
  mutating func observe(since marked: UInt64) -> Evidence {
    if firstError == 0 { _ = takeError() }
    let error: SocketError? =
      switch firstError {
      case 0: nil
      case EPIPE: .brokenPipe
      case ECONNRESET: .connectionReset
      case ETIMEDOUT: .timedOut
      case let code: .other(code)
      }
    guard let state = Socket.transportState(number) else {
      return Evidence(error: error, acknowledgement: .unavailable, roundTripTime: .zero, retransmissionTimeout: .zero)
    }
    // The SYN counts as one byte; what was written before the mark was answered.
    return Evidence(
      error: error, acknowledgement: state.bytesAcknowledged > marked &+ 1 ? .moved : .unmoved,
      roundTripTime: state.roundTripTime, retransmissionTimeout: state.retransmissionTimeout)
  }

  /// Bytes that the peer has not acknowledged yet; nil when the kernel does not tell.
  var unacknowledgedBytes: UInt64? { Socket.unacknowledgedBytes(number) }

  /// What TCP has measured of the path; nil for other sockets.
  var path: Socket.TransportState? { Socket.transportState(number) }

  /// The address at this end.
  var localAddress: SocketAddress? { Socket.localAddress(number) }

  // MARK: - Ending

  /// Says that nothing more will be sent; what the peer still sends can be read.
  mutating func endWriting() {
    switch layer {
    case .none: Socket.shutdownWriting(number)
    case .tls(let layer):
      layer.session.closeNotify()
      layer.endsWhenSent = true
      flush(layer)
    case .stream(let layer): endMessage(layer)
    }
  }

  /// Closing will tell the peer that the stream did not end in order: a RST, and what was not sent is dropped.
  func breakOnClose() {
    switch layer {
    case .none: break
    case .tls(let layer): layer.isBroken = true
    case .stream(let layer):
      layer.isBroken = true
      return
    }
    Socket.abortOnClose(number)
  }

  /// Closes the socket. Safe to call again.
  mutating func close() {
    switch layer {
    case .none: break
    case .tls(let layer):
      if !isClosed, !layer.isBroken, firstError == 0 {
        layer.session.closeNotify()
        flush(layer)
      }
    case .stream(let layer):
      guard !layer.isClosed else { return }
      endMessage(layer)
      layer.forget()
    }
    descriptor = nil
  }
}
