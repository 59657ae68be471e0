internal import CTLS
package import Core

/// What became of one step.
package enum TLSStep: Equatable, Sendable {
  /// So many bytes of plaintext were read or written.
  case bytes(Int)
  /// More must come from the peer first; in a write, or the output must become shorter.
  case wouldBlock
  /// The peer's close_notify was read: no plaintext will come.
  case closeNotify
  case failed(TLSFailure)
}

/// One TLS connection over memory: ciphertext goes in by ``feed(_:)`` and comes out by ``withOutput(_:)``. For one thread.
///
/// ```
///            feed                    read
///   socket --------->  ciphertext  --------->  plaintext
///          <---------              <---------
///         withOutput                 write
/// ```
///
/// While it idles it holds no buffer. After a failure the output may hold an alert for the peer.
@safe
package final class TLSSession {
  let session: OpaquePointer
  /// Whether this side is the server.
  package let isServer: Bool
  /// Keeps the context alive, of which the C side has a bare pointer.
  private let owner: AnyObject

  /// Bytes of output beyond which ``write(_:)`` takes nothing.
  package static let outputBound = 64 << 10

  package init(server: TLSServerContext) {
    // Safe: the context lives as long as this object; nil only without memory.
    guard let made = unsafe photofinish_tls_session_server(server.context) else {
      preconditionFailure("there is no memory for a TLS session")
    }
    unsafe session = made
    isServer = true
    owner = server
  }

  /// - Parameter serverName: the name or address that the certificate must be for. A name is also what the server is asked for.
  package init(client: TLSClientContext, serverName: String) {
    // Safe: as above; the string is copied.
    guard let made = unsafe photofinish_tls_session_client(client.context, serverName) else {
      preconditionFailure("there is no memory for a TLS session")
    }
    unsafe session = made
    isServer = false
    owner = client
  }

  /// Offers other protocols than the context does; before the handshake, as a client.
  package func offer(_ protocols: [ApplicationProtocol]) {
    let bytes = wireForm(protocols)
    // Safe: the bytes are copied during the call.
    unsafe bytes.withUnsafeBytes {
      unsafe photofinish_tls_session_offer(
        session, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count)
    }
  }

  deinit {
    // Safe: nobody else holds it.
    unsafe photofinish_tls_session_free(session)
  }

  // MARK: - Ciphertext

  /// Takes what came from the socket. It is copied, and forgotten as it is decrypted; whoever stops reading stops feeding.
  package func feed(_ ciphertext: RawSpan) {
    // Safe: the bytes live as long as the call, which copies them.
    unsafe ciphertext.withUnsafeBytes { unsafe photofinish_tls_feed(session, $0.baseAddress, $0.count) }
  }

  /// The peer's FIN came.
  package func feedEnd() {
    // Safe: the session lives, here and below.
    unsafe photofinish_tls_feed_end(session)
  }

  /// Bytes of ciphertext that wait for the socket.
  package var outputCount: Int {
    // Safe: the session lives.
    unsafe photofinish_tls_output_count(session)
  }

  /// Shows all ciphertext that waits for the socket.
  package func withOutput<Result>(_ body: (RawSpan) -> Result) -> Result {
    // Safe: the C side has so many bytes there until the next call, and `body` cannot keep the span.
    let bytes = unsafe UnsafeRawBufferPointer(start: photofinish_tls_output(session), count: outputCount)
    return unsafe body(RawSpan(_unsafeBytes: bytes))
  }

  /// Forgets the first `count` bytes of the output, which the socket took.
  package func consumeOutput(_ count: Int) {
    precondition(count >= 0 && count <= outputCount, "cannot consume more than is there")
    // Safe: the count is checked.
    unsafe photofinish_tls_consume_output(session, count)
  }

  // MARK: - Plaintext

  /// Goes on with the handshake; `.bytes(0)` when it is done. Reading and writing do so, too.
  package func handshake() -> TLSStep {
    // Safe: the session lives.
    step(unsafe photofinish_tls_handshake(session), 0)
  }

  package var isEstablished: Bool {
    // Safe: the session lives.
    unsafe photofinish_tls_is_established(session) == 1
  }

  /// Fills the writable part of the buffer as far as plaintext is there. How the plaintext ends is told by the call behind its last
  /// bytes.
  package func read(into buffer: inout ByteBuffer) -> TLSStep {
    var status = PHOTOFINISH_TLS_WAIT
    // Safe: the C side fills a prefix of the target and reports its length.
    let count = unsafe buffer.withUnsafeWritable { target in
      var filled = 0
      unsafe status = photofinish_tls_read(session, target.baseAddress, target.count, &filled)
      return filled
    }
    return count > 0 ? .bytes(count) : step(status, 0)
  }

  /// Reads what is no plaintext, as tickets and key updates are, and looks whether plaintext is behind it: then `.bytes(1)`.
  package func peek() -> TLSStep {
    // Safe: the session lives.
    step(unsafe photofinish_tls_peek(session), 1)
  }

  /// Encrypts whole records into the output, each of at most 16 KiB; takes as much as keeps the output within ``outputBound``.
  package func write(_ plaintext: RawSpan) -> TLSStep {
    var taken = 0
    // Safe: the bytes live as long as the call.
    let status = unsafe plaintext.withUnsafeBytes {
      unsafe photofinish_tls_write(session, $0.baseAddress, $0.count, Self.outputBound, &taken)
    }
    return taken > 0 ? .bytes(taken) : step(status, 0)
  }

  /// Whether reading would make progress without anything from the socket.
  package var hasPlaintext: Bool {
    // Safe: the session lives.
    unsafe photofinish_tls_has_plaintext(session) == 1
  }

  /// Puts close_notify into the output; nothing can be written behind it. Reading goes on.
  package func closeNotify() {
    // Safe: the session lives.
    unsafe photofinish_tls_close_notify(session)
  }

  /// Asks the peer for new keys of both directions (RFC 8446 section 4.6.3); nothing happens before TLS 1.3.
  package func requestKeyUpdate() {
    // Safe: the session lives.
    _ = unsafe photofinish_tls_update_keys(session)
  }

  private func step(_ status: photofinish_tls_status, _ count: Int) -> TLSStep {
    switch status {
    case PHOTOFINISH_TLS_DONE: .bytes(count)
    case PHOTOFINISH_TLS_WAIT: .wouldBlock
    case PHOTOFINISH_TLS_NOTIFIED: .closeNotify
    default: .failed(failure)
    }
  }

  private var failure: TLSFailure {
    // Safe: the session lives; the text is copied.
    unsafe TLSFailure(
      kind: TLSFailure.Kind(photofinish_tls_failure_kind(session)),
      text: String(cString: photofinish_tls_failure_text(session)), alertSent: photofinish_tls_alert_sent(session),
      alertReceived: photofinish_tls_alert_received(session), isServer: isServer)
  }
}
