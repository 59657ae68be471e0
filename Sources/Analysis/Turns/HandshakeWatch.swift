import Core

/// Tells what records of TLS can be, by what is visible of them: type and length. Requests from handshakes and alerts; under
/// HTTP/2 frames that control the connection from those that ask and answer.
struct HandshakeWatch: Sendable {
  /// The client offered HTTP/2: small records can be its control frames.
  var offersHTTP2 = false
  /// What the encryption of a record adds to its content; nil while the cipher is not known, or where it depends.
  private(set) var overhead: Int?
  /// The client's Finished was seen: from there on its records carry what it asks.
  private(set) var isFinished = false
  private var cipherChanged = false

  /// Longest record that holds nothing but control frames, where the overhead is not known.
  private static let maximumControl = 96
  /// Head and payload of GOAWAY without debug data, and of PING, which is as long.
  private static let goAway = 17
  /// Longest debug data of a GOAWAY that is taken for one.
  private static let maximumDebug = 64
  /// Content of frames with which a client controls a connection: an acknowledgement of settings, RST_STREAM or WINDOW_UPDATE,
  /// PING or GOAWAY, and the common pairs of them.
  private static let clientSizes: Set<Int> = [9, 13, 17, 22, 26]
  /// Those of a server, with SETTINGS of up to six values.
  private static let serverSizes: Set<Int> = [9, 13, 15, 17, 21, 22, 26, 27, 33, 39, 45]
  /// What a client still sends when everything is quiet: an acknowledgement of settings, a window, a ping.
  private static let quietSizes: Set<Int> = [9, 13, 17]

  /// What a record of the client is.
  enum Meaning {
    case nothing
    case request
    case smallRequest
    /// Everything before it was the handshake.
    case finished
  }

  /// What a record of the server is.
  enum Answer {
    case alert
    /// It may be nothing but control frames.
    case small
    case answer
  }

  /// - Parameter isQuiet: the connection had been idle before it.
  mutating func meaning(_ record: RecordScanner.Record, isMidstream: Bool, isQuiet: Bool) -> Meaning {
    if record.type == 20 {
      cipherChanged = true
      return .nothing
    }
    if record.type == 22 {
      // TLS 1.2: the handshake message behind the change of cipher is Finished.
      if cipherChanged { isFinished = true }
      return .nothing
    }
    guard record.type == 23, !record.isTLSAlert else { return .nothing }
    // TLS 1.3 hides Finished: a hash of 32 or 48 bytes in a record of its own.
    if !isFinished, !isMidstream, record.length == 53 || record.length == 69 {
      isFinished = true
      return .finished
    }
    return offersHTTP2 && isControl(record, isQuiet: isQuiet) ? .smallRequest : .request
  }

  func answer(_ record: RecordScanner.Record) -> Answer {
    if record.isTLSAlert { return .alert }
    guard record.type == 23, offersHTTP2, let content = content(record) else { return .answer }
    return HandshakeWatch.serverSizes.contains(content) ? .small : .answer
  }

  /// Whether a record that answers nothing is as long as a GOAWAY, without or with debug data.
  func likenessToGoAway(_ record: RecordScanner.Record) -> UnaskedAnswer.Likeness {
    guard record.type == 23, offersHTTP2 else { return .none }
    guard let content = content(record) else {
      return record.length <= HandshakeWatch.maximumControl ? .possible : .none
    }
    if content == HandshakeWatch.goAway { return .exact }
    let isPossible = content > HandshakeWatch.goAway && content <= HandshakeWatch.goAway + HandshakeWatch.maximumDebug
    return isPossible ? .possible : .none
  }

  private func content(_ record: RecordScanner.Record) -> Int? { overhead.map { record.length - $0 } }

  private func isControl(_ record: RecordScanner.Record, isQuiet: Bool) -> Bool {
    guard let content = content(record) else { return record.length <= HandshakeWatch.maximumControl }
    return (isQuiet ? HandshakeWatch.quietSizes : HandshakeWatch.clientSizes).contains(content)
  }

  /// The server's first bytes: its hello names the cipher (RFC 8446 section 4.1.3).
  mutating func readServerHello(_ bytes: RawSpan) {
    guard overhead == nil, bytes.byteCount > 44, bytes.byte(at: 0) == 22, bytes.byte(at: 5) == 2 else { return }
    let cipher = 44 + Int(bytes.byte(at: 43))
    guard cipher + 2 <= bytes.byteCount else { return }
    overhead = HandshakeWatch.overhead(ofCipher: bytes.number16(at: cipher))
  }

  private static func overhead(ofCipher suite: UInt16) -> Int? {
    switch suite {
    // TLS 1.3: the type of the content and a tag.
    case 0x1301...0x1304: 17
    case 0x1305: 9
    // TLS 1.2, GCM: an explicit nonce and a tag (RFC 5288); ChaCha20-Poly1305: a tag (RFC 7905).
    case 0x009c...0x00a7, 0xc02b...0xc032: 24
    case 0xcca8...0xccae: 16
    default: nil
    }
  }
}
