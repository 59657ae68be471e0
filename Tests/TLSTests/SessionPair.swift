import Core
import Foundation
import TLS

/// A client and a server that are joined by memory.
struct SessionPair {
  let client: TLSSession
  let server: TLSSession

  init(_ clientContext: TLSClientContext, _ serverContext: TLSServerContext, name: String = "www.example.test") {
    client = TLSSession(client: clientContext, serverName: name)
    server = TLSSession(server: serverContext)
  }

  /// Moves all output of one to the other, in pieces of at most `piece` bytes.
  static func move(_ from: TLSSession, _ to: TLSSession, piece: Int = .max) {
    while from.outputCount > 0 {
      let count = min(piece, from.outputCount)
      from.withOutput { to.feed($0.extracting(0..<count)) }
      from.consumeOutput(count)
    }
  }

  /// Shakes hands; the last steps of both.
  @discardableResult
  func shake(piece: Int = .max) -> (client: TLSStep, server: TLSStep) {
    var steps = (client: client.handshake(), server: TLSStep.wouldBlock)
    for _ in 0..<8 {
      Self.move(client, server, piece: piece)
      steps.server = server.handshake()
      Self.move(server, client, piece: piece)
      steps.client = client.handshake()
    }
    return steps
  }
}

extension TLSSession {
  func write(text: String) -> TLSStep { write(Array(text.utf8)[...]) }

  func write(_ bytes: ArraySlice<UInt8>) -> TLSStep {
    // Safe: every bit of a UInt8 is initialised.
    unsafe write(bytes.span.bytes)
  }

  /// All plaintext that is there, and how it ended.
  func readAll() -> (text: String, end: TLSStep) {
    var text = ""
    while true {
      var buffer = ByteBuffer(capacity: 1_000)
      let step = read(into: &buffer)
      guard case .bytes(let count) = step, count > 0 else { return (text, step) }
      text += buffer.readable.text(ByteRange(offset: 0, count: count))
    }
  }

  func feed(_ bytes: [UInt8]) {
    // Safe: as above.
    unsafe feed(bytes.span.bytes)
  }

  func feed(text: String) { feed(Array(text.utf8)) }

  var output: [UInt8] { withOutput { span in (0..<span.byteCount).map { span.byte(at: $0) } } }
}

extension TLSStep {
  var failure: TLSFailure? {
    if case .failed(let failure) = self { return failure }
    return nil
  }
}

/// Seconds since 1970.
var now: Int64 { Int64(Date().timeIntervalSince1970) }
