/// Tells a request of TLS from handshakes and alerts, by what is visible of its records: type and length.
struct HandshakeWatch: Sendable {
  /// The client offered HTTP/2: small records can be its control frames.
  var offersHTTP2 = false
  /// The client's Finished was seen: from there on its records carry what it asks.
  private(set) var isFinished = false
  private var cipherChanged = false

  /// Longest record that holds nothing but control frames (settings, window updates, pings, resets, an acknowledgement of each),
  /// and the overhead of encryption.
  private static let maximumControl = 96

  /// What a record of the client is.
  enum Meaning {
    case nothing
    case request
    case smallRequest
    /// Everything before it was the handshake.
    case finished
  }

  mutating func meaning(_ record: RecordScanner.Record, isMidstream: Bool) -> Meaning {
    if record.type == 20 {
      cipherChanged = true
      return .nothing
    }
    if record.type == 22 {
      // TLS 1.2: the handshake message behind the change of cipher is Finished.
      if cipherChanged { isFinished = true }
      return .nothing
    }
    guard record.type == 23, record.length != 19 else { return .nothing }
    // TLS 1.3 hides Finished: a hash of 32 or 48 bytes in a record of its own.
    if !isFinished, !isMidstream, record.length == 53 || record.length == 69 {
      isFinished = true
      return .finished
    }
    return offersHTTP2 && record.length <= HandshakeWatch.maximumControl ? .smallRequest : .request
  }
}
