internal import Core
internal import Glibc
internal import TLS

/// What a ``Transport`` keeps while TLS lies between its peer and those who use it.
final class TLSLayer {
  let session: TLSSession
  /// Where ciphertext from the socket is put for a moment; one serves all connections of a thread.
  let scratch: CiphertextBuffer
  /// Bytes of plaintext that were taken since the mark.
  var plaintextSinceMark: UInt64 = 0
  /// Where on the wire the first record behind the mark ends. Before all of it is there nobody can decrypt a byte of the message.
  var firstRecordEnd: UInt64 = 0
  /// Why it cannot go on.
  var failure: TLSFailure?
  /// The FIN follows as soon as the ciphertext is out.
  var endsWhenSent = false
  var hasEnded = false
  /// The end is to look like none in order.
  var isBroken = false

  init(_ session: TLSSession, _ scratch: CiphertextBuffer) {
    self.session = session
    self.scratch = scratch
  }
}

/// A buffer for ciphertext between a socket and a session, which copies what it is fed.
final class CiphertextBuffer {
  static let capacity = 32_768
  /// Fillings of it that may hold no byte of plaintext, one behind the other: far more than tickets, key updates and the longest chain
  /// of certificates need. A peer that sends more keeps the loop busy and has nothing to say.
  static let idleFillings = 16
  private var bytes: ByteBuffer?

  func take() -> ByteBuffer { bytes.take() ?? ByteBuffer(capacity: Self.capacity) }

  func give(_ buffer: consuming ByteBuffer) {
    buffer.removeAll()
    bytes = consume buffer
  }
}

extension TLSSession {
  func feed(from ciphertext: borrowing ByteBuffer) { feed(ciphertext.readable) }
}

// MARK: - Under a transport

extension Transport {
  /// Goes on with the handshake, as a client does before it has anything to say.
  mutating func shakeHands() -> TLSStep {
    guard case .tls(let layer) = layer else { return .bytes(0) }
    for _ in 0..<CiphertextBuffer.idleFillings {
      switch layer.session.handshake() {
      case .bytes(let count):
        flush(layer)
        return .bytes(count)
      case .wouldBlock:
        flush(layer)
        if firstError != 0 { return layer.brokenInHandshake }
        switch feed(layer) {
        case .bytes: continue
        case .ended: continue
        case .wouldBlock: return .wouldBlock
        case .failed: return layer.brokenInHandshake
        }
      case .closeNotify: return layer.brokenInHandshake
      case .failed(let failure):
        layer.failure = failure
        flush(layer)
        return .failed(failure)
      }
    }
    return layer.brokenInHandshake
  }

  mutating func receivePlaintext(into buffer: inout ByteBuffer, _ layer: TLSLayer) -> Received {
    var isDrained = false
    for _ in 0..<CiphertextBuffer.idleFillings {
      switch layer.session.read(into: &buffer) {
      case .bytes(let count):
        flush(layer)
        if isDrained, !layer.session.hasPlaintext { isReadable = false }
        return .bytes(count)
      case .wouldBlock:
        flush(layer)
        switch feed(layer) {
        case .bytes(let count): isDrained = count < CiphertextBuffer.capacity && !peerClosed
        case .wouldBlock: return .wouldBlock
        case .ended: break
        case .failed(let code): return .failed(code)
        }
      case .closeNotify:
        noteEnd()
        flush(layer)
        return .ended
      case .failed(let failure): return failed(layer, failure)
      }
    }
    return saysNothing()
  }

  /// The peer goes on and on with records that carry nothing.
  private mutating func saysNothing() -> Received {
    noteError(EPROTO)
    isReadable = false
    return .failed(EPROTO)
  }

  private mutating func failed(_ layer: TLSLayer, _ failure: TLSFailure) -> Received {
    layer.failure = failure
    // An alert tells the peer why.
    flush(layer)
    switch failure.kind {
    case .truncated, .closedInHandshake:
      noteEnd()
      return .ended
    default:
      noteError(EPROTO)
      isReadable = false
      return .failed(EPROTO)
    }
  }

  /// Moves ciphertext from the socket into the session.
  private mutating func feed(_ layer: TLSLayer) -> Received {
    var ciphertext = layer.scratch.take()
    let result = Socket.receive(number, into: &ciphertext)
    layer.session.feed(from: ciphertext)
    layer.scratch.give(ciphertext)
    switch result {
    case .bytes(let count): return .bytes(count)
    case .wouldBlock:
      isReadable = false
      return .wouldBlock
    case .endOfStream:
      layer.session.feedEnd()
      return .ended
    case .failed(let code):
      noteError(code)
      isReadable = false
      return .failed(code)
    }
  }

  mutating func sendPlaintext(_ bytes: RawSpan, _ layer: TLSLayer) -> Sent {
    if layer.session.outputCount > 0 {
      flush(layer)
      guard firstError == 0 else { return .failed(firstError) }
      guard layer.session.outputCount == 0 else { return .wouldBlock }
    }
    switch layer.session.write(bytes) {
    case .bytes(let count):
      if layer.plaintextSinceMark == 0 {
        // What TLS itself said since the mark, as the answer to a key update, is nobody's message.
        messageBegins()
        layer.firstRecordEnd = bytesWritten &+ layer.firstRecordByteCount
      }
      layer.plaintextSinceMark &+= UInt64(count)
      flush(layer)
      return firstError == 0 ? .bytes(count) : .failed(firstError)
    case .wouldBlock:
      flush(layer)
      guard firstError == 0 else { return .failed(firstError) }
      isWritable = false
      return .wouldBlock
    case .closeNotify:
      // Not EPIPE: that is the kernel's word for what it has seen, and evidence.
      noteError(EPROTO)
      return .failed(firstError)
    case .failed(let failure):
      layer.failure = failure
      flush(layer)
      noteError(EPROTO)
      isWritable = false
      return .failed(firstError)
    }
  }

  mutating func glanceAtPlaintext(_ layer: TLSLayer) -> Glance {
    for _ in 0..<CiphertextBuffer.idleFillings {
      switch layer.session.peek() {
      case .bytes(let count): return .bytes(count)
      case .closeNotify: return .endOfStream
      case .failed(let failure):
        if layer.failure == nil { layer.failure = failure }
        return failure.kind == .truncated || failure.kind == .closedInHandshake ? .endOfStream : .failed(EPROTO)
      case .wouldBlock:
        flush(layer)
        switch feed(layer) {
        case .bytes, .ended: continue
        case .wouldBlock: return .quiet
        case .failed(let code): return .failed(code)
        }
      }
    }
    _ = saysNothing()
    return .failed(EPROTO)
  }

  /// Hands ciphertext to the kernel, as much as it takes; behind the last of it goes the FIN, if that was asked for.
  mutating func flush(_ layer: TLSLayer) {
    while layer.session.outputCount > 0, firstError == 0, !isClosed {
      let number = number
      switch layer.session.withOutput({ Socket.send(number, $0) }) {
      case .bytes(let count):
        noteWritten(count)
        layer.session.consumeOutput(count)
      case .wouldBlock, .endOfStream:
        isWritable = false
        return
      case .failed(let code):
        noteError(code)
        isWritable = false
        return
      }
    }
    if layer.endsWhenSent, !layer.hasEnded, layer.session.outputCount == 0, !isClosed {
      layer.hasEnded = true
      Socket.shutdownWriting(number)
    }
  }
}

extension TLSLayer {
  fileprivate var brokenInHandshake: TLSStep {
    let failure = failure ?? TLSFailure.brokenInHandshake(isServer: session.isServer)
    self.failure = failure
    return .failed(failure)
  }

  /// The length of the record that the output begins with (RFC 8446 section 5.1).
  fileprivate var firstRecordByteCount: UInt64 {
    session.withOutput { output in
      output.byteCount < 5 ? UInt64(output.byteCount) : 5 + UInt64(output.byte(at: 3)) << 8 + UInt64(output.byte(at: 4))
    }
  }
}
