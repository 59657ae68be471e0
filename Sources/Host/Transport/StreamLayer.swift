internal import Core
internal import Glibc
internal import HTTP2

/// What a ``Transport`` keeps whose peer's bytes are those of one stream of an HTTP/2 connection, as HTTP/1.1 text.
final class StreamLayer {
  let stream: HTTP2MessageStream
  let carrier: StreamCarrier
  var isClosed = false
  /// The end is to look like none in order.
  var isBroken = false
  /// The token of whoever uses the stream.
  let owner: UInt64
  private var isKnown = false

  init(_ stream: HTTP2MessageStream, on carrier: StreamCarrier, owner: UInt64) {
    self.stream = stream
    self.carrier = carrier
    self.owner = owner
    noteID()
  }

  /// A stream to a server has its id once its head was given.
  func noteID() {
    guard !isKnown, stream.id != 0 else { return }
    isKnown = true
    carrier.owners[stream.id] = owner
  }

  func forget() {
    isClosed = true
    if carrier.owners[stream.id] == owner { carrier.owners[stream.id] = nil }
  }
}

/// An HTTP/2 connection, as its streams know it. What they do leaves frames to be sent, which go out together before the loop waits.
final class StreamCarrier {
  /// The connection's.
  let token: UInt64
  private let waiting: WaitingCarriers
  fileprivate(set) var isWaiting = false
  /// Whose the streams are that are in use, by their ids.
  var owners: [Int32: UInt64] = [:]
  /// How the connection ended, once it has; what was received before can still be taken.
  var end: End?

  enum End {
    case inOrder
    /// An errno.
    case broken(Int32)
  }

  init(token: UInt64, among waiting: WaitingCarriers) {
    self.token = token
    self.waiting = waiting
  }

  /// There may be something to send.
  func stir() {
    guard !isWaiting else { return }
    isWaiting = true
    waiting.carriers.append(self)
  }
}

/// The connections of a thread that may have something to send.
final class WaitingCarriers {
  fileprivate var carriers: [StreamCarrier] = []

  var isEmpty: Bool { carriers.isEmpty }

  /// Those that wait now; who stirs from now on waits anew.
  func takeAll() -> [StreamCarrier] {
    let taken = carriers
    carriers.removeAll(keepingCapacity: true)
    for carrier in taken { carrier.isWaiting = false }
    return taken
  }
}

// MARK: - Under a transport

extension Transport {
  mutating func receive(into buffer: inout ByteBuffer, _ layer: StreamLayer) -> Received {
    switch layer.stream.take(into: &buffer) {
    case .bytes(let count):
      // Room in the window is told to the peer.
      layer.carrier.stir()
      return .bytes(count)
    case .wouldBlock:
      isReadable = false
      switch layer.carrier.end {
      case nil: return .wouldBlock
      case .inOrder:
        noteEnd()
        return .ended
      case .broken(let code):
        noteError(code)
        return .failed(code)
      }
    case .end:
      noteEnd()
      return .ended
    case .reset:
      noteError(ECONNRESET)
      isReadable = false
      return .failed(ECONNRESET)
    }
  }

  mutating func send(_ bytes: RawSpan, _ layer: StreamLayer) -> Sent {
    switch layer.stream.send(bytes) {
    case .bytes(let count):
      layer.noteID()
      noteWritten(count)
      layer.carrier.stir()
      return .bytes(count)
    case .wouldBlock:
      isWritable = false
      return .wouldBlock
    case .end, .reset:
      noteError(EPIPE)
      isWritable = false
      return .failed(EPIPE)
    }
  }

  mutating func endMessage(_ layer: StreamLayer) {
    if layer.isBroken, layer.stream is HTTP2ClientStream {
      layer.stream.reset(.cancel)
    } else {
      layer.stream.endOfMessage(complete: !layer.isBroken)
    }
    layer.carrier.stir()
  }
}
