package import Core
package import Host
package import TLS

/// TLS over a ``BlockingSocket``: what it sends is encrypted, what it receives was decrypted.
package final class SecureLayer: BlockingSocket.Layer {
  package let session: TLSSession
  /// How the peer's side ended, once it has: in order by close_notify, or why not.
  package private(set) var end: TLSStep?

  package init(_ session: TLSSession) { self.session = session }

  package func wrap(_ bytes: [UInt8]) throws -> [UInt8] {
    var wire: [UInt8] = takeOutput()
    var start = 0
    while start < bytes.count {
      let rest = bytes[start...]
      // Safe: every bit of a UInt8 is initialised.
      let step = unsafe session.write(rest.span.bytes)
      guard case .bytes(let count) = step else { throw BlockingSocket.Failure.ended("TLS: \(step)") }
      start += count
      wire += takeOutput()
    }
    return wire
  }

  package func takeOutput() -> [UInt8] {
    let count = session.outputCount
    guard count > 0 else { return [] }
    // Safe: the bytes are copied during the call.
    let bytes = session.withOutput { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
    session.consumeOutput(count)
    return bytes
  }

  package func feed(_ bytes: borrowing ByteBuffer) { session.feed(bytes.readable) }

  package func feedEnd() { session.feedEnd() }

  package func read(into buffer: inout ByteBuffer) throws -> Transfer {
    switch session.read(into: &buffer) {
    case .bytes(let count): return .bytes(count)
    case .wouldBlock: return .wouldBlock
    case .closeNotify:
      end = .closeNotify
      return .endOfStream
    case .failed(let failure):
      end = .failed(failure)
      if failure.kind == .truncated { return .endOfStream }
      let output = takeOutput()
      throw Failed(failure: failure, alert: output)
    }
  }

  /// TLS with the peer failed.
  package struct Failed: Error, CustomStringConvertible {
    package var failure: TLSFailure
    /// What the peer is still to be told.
    package var alert: [UInt8]
    package var description: String { "TLS: \(failure.detail)" }
  }
}

extension BlockingSocket {
  /// Speaks TLS from here on, as the client. Returns when it is agreed upon.
  @discardableResult
  package func speakTLS(
    _ context: TLSClientContext, name: String = "www.example.test", atMost limit: Nanoseconds = .seconds(10)
  ) throws -> TLSSession {
    try speakTLS(TLSSession(client: context, serverName: name), atMost: limit)
  }

  /// The same as the server.
  @discardableResult
  package func speakTLS(_ context: TLSServerContext, atMost limit: Nanoseconds = .seconds(10)) throws -> TLSSession {
    try speakTLS(TLSSession(server: context), atMost: limit)
  }

  private func speakTLS(_ session: TLSSession, atMost limit: Nanoseconds) throws -> TLSSession {
    let layer = SecureLayer(session)
    let deadline = MonotonicClock.now.advanced(by: limit)
    // What was read along with something in the clear before.
    session.feed(buffer.readable)
    buffer.removeAll()
    while true {
      let step = session.handshake()
      try sendToWire(layer.takeOutput())
      switch step {
      case .bytes:
        self.layer = layer
        return session
      case .wouldBlock: break
      case .closeNotify, .failed: throw Failure.ended("TLS: \(step)")
      }
      switch try receiveOnce(atMost: deadline.since(MonotonicClock.now)) {
      case .bytes:
        session.feed(buffer.readable)
        buffer.removeAll()
      case .wouldBlock: break
      case .endOfStream: session.feedEnd()
      case .failed(let code): throw Failure.failed("handshake", code)
      }
    }
  }

  /// The layer of TLS; nil without it.
  package var secured: SecureLayer? { layer as? SecureLayer }

  /// Says close_notify. Nothing can be sent behind it.
  package func sendCloseNotify() throws {
    guard let secured else { return }
    secured.session.closeNotify()
    try sendToWire(secured.takeOutput())
  }
}
