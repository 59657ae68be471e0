/// A protocol that is not HTTP/1, told by the first bytes that a peer sent.
///
/// It serves explanations only ("the upstream speaks TLS"), so it names a protocol where the bytes allow hardly any
/// other reading, and none otherwise.
package enum ForeignProtocol: String, CaseIterable, Sendable {
  case tls
  case http2
  case http09
  case proxyProtocol
  case socks
  case fastCGI
  case uwsgi
  case ssh
  case smtp
  case ftp
  case pop3
  case imap
  case mysql
  case postgreSQL
  case redis
  case memcached
  case mongoDB
  case amqp
  case mqtt
  case nats
  case rtsp
  case sip
  case vnc
  case telnet
  case microsoftSQLServer
  case cassandra

  /// The name to put into a sentence.
  package var name: String {
    switch self {
    case .tls: "TLS"
    case .http2: "HTTP/2"
    case .http09: "bare HTML without an HTTP head (HTTP/0.9)"
    case .proxyProtocol: "the PROXY protocol"
    case .socks: "SOCKS"
    case .fastCGI: "FastCGI"
    case .uwsgi: "uwsgi"
    case .ssh: "SSH"
    case .smtp: "SMTP"
    case .ftp: "FTP"
    case .pop3: "POP3"
    case .imap: "IMAP"
    case .mysql: "the MySQL protocol"
    case .postgreSQL: "the PostgreSQL protocol"
    case .redis: "the Redis protocol"
    case .memcached: "the memcached protocol"
    case .mongoDB: "the MongoDB protocol"
    case .amqp: "AMQP"
    case .mqtt: "MQTT"
    case .nats: "NATS"
    case .rtsp: "RTSP"
    case .sip: "SIP"
    case .vnc: "RFB (VNC)"
    case .telnet: "telnet"
    case .microsoftSQLServer: "TDS (Microsoft SQL Server)"
    case .cassandra: "the Cassandra protocol"
    }
  }

  /// What an upstream speaks that answered a plain HTTP/1.1 request with these bytes; nil when they don't tell.
  package static func spoken(byUpstream bytes: RawSpan) -> ForeignProtocol? {
    recogniseText(bytes, from: .upstream) ?? recogniseBinary(bytes, from: .upstream)
  }

  /// What a client speaks that opened its connection with these bytes; nil when they don't tell.
  package static func spoken(byClient bytes: RawSpan) -> ForeignProtocol? {
    recogniseText(bytes, from: .client) ?? recogniseBinary(bytes, from: .client)
  }
}

// MARK: - Text

extension ForeignProtocol {
  private static func recogniseText(_ bytes: RawSpan, from sender: MessageError.Sender) -> ForeignProtocol? {
    if bytes.starts(with: "SSH-") { return .ssh }
    if bytes.starts(with: "AMQP") { return .amqp }
    if bytes.starts(with: "RTSP/") { return .rtsp }
    if bytes.starts(with: "SIP/2.0") { return .sip }
    switch sender {
    case .client:
      if bytes.starts(with: "PRI * HTTP/2.0") { return .http2 }
      if bytes.starts(with: "PROXY TCP") || bytes.starts(with: "PROXY UNKNOWN") { return .proxyProtocol }
      if bytes.starts(with: "\r\n\r\n\0\r\nQUIT\n") { return .proxyProtocol }
      if bytes.starts(with: "EHLO ") || bytes.starts(with: "HELO ") { return .smtp }
      return nil
    case .upstream:
      if bytes.starts(with: "RFB 0") { return .vnc }
      if bytes.starts(with: "INFO {") { return .nats }
      if bytes.starts(with: "+OK ") || bytes.starts(with: "+OK\r\n") { return .pop3 }
      if bytes.starts(with: "* OK") { return .imap }
      if bytes.starts(with: "-ERR ") || bytes.starts(with: "-NOAUTH ") || bytes.starts(with: "-DENIED ") {
        return .redis
      }
      if bytes.starts(with: "ERROR\r\n") { return .memcached }
      if bytes.starts(with: "<") && beginsMarkup(bytes) { return .http09 }
      return recogniseGreeting(bytes)
    }
  }

  /// `220 mail.example ESMTP`: servers of SMTP and FTP greet alike, and only the text tells them apart.
  private static func recogniseGreeting(_ bytes: RawSpan) -> ForeignProtocol? {
    guard
      bytes.starts(with: "220 ") || bytes.starts(with: "220-") || bytes.starts(with: "554 ")
        || bytes.starts(with: "421 ")
    else { return nil }
    if bytes.firstLineContains("smtp") || bytes.firstLineContains("mail") { return .smtp }
    if bytes.firstLineContains("ftp") { return .ftp }
    return nil
  }

  /// `<` and then `!`, `?` or a letter.
  private static func beginsMarkup(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount > 1 else { return false }
    let byte = bytes.byte(at: 1)
    return byte == UInt8(ascii: "!") || byte == UInt8(ascii: "?") || ByteClass.lowercased(byte) &- 0x61 < 26
  }
}

// MARK: - Binary

extension ForeignProtocol {
  private static func recogniseBinary(_ bytes: RawSpan, from sender: MessageError.Sender) -> ForeignProtocol? {
    if isTLS(bytes, from: sender) { return .tls }
    switch sender {
    case .client:
      if isFastCGIRequest(bytes) { return .fastCGI }
      if isUwsgiRequest(bytes) { return .uwsgi }
      if isPostgreSQLStartup(bytes) { return .postgreSQL }
      if isMQTTConnect(bytes) { return .mqtt }
      if isSOCKSRequest(bytes) { return .socks }
    case .upstream:
      if isHTTP2Frame(bytes) { return .http2 }
      if isFastCGIRecord(bytes) { return .fastCGI }
      if isMySQLGreeting(bytes) { return .mysql }
      if isPostgreSQLError(bytes) { return .postgreSQL }
      if isMongoDBReply(bytes) { return .mongoDB }
      if isCassandraError(bytes) { return .cassandra }
      if isTDSReply(bytes) { return .microsoftSQLServer }
      if isTelnetNegotiation(bytes) { return .telnet }
    }
    return nil
  }

  /// A record of TLS 1.0 to 1.3 or SSL 3: an alert or a handshake message from a server, a handshake message from a client.
  private static func isTLS(_ bytes: RawSpan, from sender: MessageError.Sender) -> Bool {
    guard bytes.byteCount >= 3, bytes.byte(at: 1) == 3, bytes.byte(at: 2) <= 4 else { return false }
    let type = bytes.byte(at: 0)
    guard type == 0x16 || (type == 0x15 && sender == .upstream) else { return false }
    // A record holds at least two bytes and at most 2^14 and some.
    if bytes.byteCount >= 5 {
      let length = Int(bytes.byte(at: 3)) << 8 | Int(bytes.byte(at: 4))
      return length >= 2 && length <= 0x4800
    }
    return true
  }

  /// A SETTINGS or GOAWAY frame on stream 0, which is how a server of HTTP/2 begins (RFC 9113 section 3.4).
  private static func isHTTP2Frame(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 9 else { return false }
    let length = Int(bytes.byte(at: 0)) << 16 | Int(bytes.byte(at: 1)) << 8 | Int(bytes.byte(at: 2))
    for offset in 4..<9 where bytes.byte(at: offset) != 0 { return false }
    switch bytes.byte(at: 3) {
    case 4: return length % 6 == 0 && length <= 600
    case 7: return length >= 8 && length <= 16_384
    default: return false
    }
  }

  /// FCGI_BEGIN_REQUEST with its fixed length, and a request ID that is not zero.
  private static func isFastCGIRequest(_ bytes: RawSpan) -> Bool {
    bytes.byteCount >= 8 && bytes.byte(at: 0) == 1 && bytes.byte(at: 1) == 1
      && (bytes.byte(at: 2) != 0 || bytes.byte(at: 3) != 0) && bytes.byte(at: 4) == 0 && bytes.byte(at: 5) == 8
      && bytes.byte(at: 7) == 0
  }

  /// FCGI_END_REQUEST, FCGI_STDOUT, FCGI_STDERR or FCGI_UNKNOWN_TYPE, with the reserved byte zero.
  private static func isFastCGIRecord(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 8, bytes.byte(at: 0) == 1, bytes.byte(at: 7) == 0 else { return false }
    let type = bytes.byte(at: 1)
    return type == 3 || type == 6 || type == 7 || type == 11
  }

  /// Modifiers 0, a length, and a first key in capitals, as CGI variables are.
  private static func isUwsgiRequest(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 8, bytes.byte(at: 0) == 0, bytes.byte(at: 3) == 0 else { return false }
    let keyLength = Int(bytes.byte(at: 4)) | Int(bytes.byte(at: 5)) << 8
    let length = Int(bytes.byte(at: 1)) | Int(bytes.byte(at: 2)) << 8
    guard keyLength > 1, keyLength <= 64, keyLength + 4 <= length else { return false }
    return bytes.byte(at: 6) &- 0x41 < 26 && bytes.byte(at: 7) &- 0x41 < 26
  }

  /// The server's first packet: sequence number 0, protocol version 10 and a version in digits, or an error.
  private static func isMySQLGreeting(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 7, bytes.byte(at: 1) <= 4, bytes.byte(at: 2) == 0, bytes.byte(at: 3) == 0 else {
      return false
    }
    let length = Int(bytes.byte(at: 0)) | Int(bytes.byte(at: 1)) << 8
    guard length >= 5 else { return false }
    switch bytes.byte(at: 4) {
    case 10: return ByteClass.isDigit(bytes.byte(at: 5))
    // Error numbers of the server are from 1000 to 4999.
    case 0xff:
      let code = Int(bytes.byte(at: 5)) | Int(bytes.byte(at: 6)) << 8
      return code >= 1_000 && code < 5_000
    default: return false
    }
  }

  /// ErrorResponse: `E`, a length, then the severity.
  private static func isPostgreSQLError(_ bytes: RawSpan) -> Bool {
    bytes.byteCount >= 6 && bytes.byte(at: 0) == UInt8(ascii: "E") && bytes.byte(at: 1) == 0 && bytes.byte(at: 2) == 0
      && bytes.byte(at: 5) == UInt8(ascii: "S")
  }

  /// StartupMessage of version 3, SSLRequest or GSSENCRequest.
  private static func isPostgreSQLStartup(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 8, bytes.byte(at: 0) == 0, bytes.byte(at: 1) == 0 else { return false }
    let request = bytes.word(at: 0) &>> 32
    // In memory order: 00 03 00 00, 04 d2 16 2f, 04 d2 16 30.
    return request == 0x0000_0300 || request == 0x2f16_d204 || request == 0x3016_d204
  }

  /// CONNECT with the protocol's name.
  private static func isMQTTConnect(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 8, bytes.byte(at: 0) == 0x10 else { return false }
    return bytes.byte(at: 2) == 0 && bytes.byte(at: 3) == 4 && bytes.packed(at: 4, count: 4) == PackedText.word("MQTT")
  }

  /// Version 5 with a list of methods that ends with the bytes, or version 4 with CONNECT or BIND.
  private static func isSOCKSRequest(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 3 else { return false }
    switch bytes.byte(at: 0) {
    case 5: return bytes.byte(at: 1) > 0 && bytes.byteCount == 2 + Int(bytes.byte(at: 1))
    case 4: return bytes.byteCount >= 9 && (bytes.byte(at: 1) == 1 || bytes.byte(at: 1) == 2)
    default: return false
    }
  }

  /// OP_REPLY or OP_MSG in the fourth word of the header.
  private static func isMongoDBReply(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 16 else { return false }
    let operation = bytes.word(at: 8) &>> 32
    let length = bytes.word(at: 0) & 0xffff_ffff
    return (operation == 1 || operation == 2013) && length >= 16 && length < 48_000_000
  }

  /// ERROR of protocol version 3 to 5.
  private static func isCassandraError(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 9 else { return false }
    let version = bytes.byte(at: 0)
    return version >= 0x83 && version <= 0x85 && bytes.byte(at: 1) <= 1 && bytes.byte(at: 4) == 0
      && bytes.byte(at: 5) == 0 && bytes.byte(at: 6) == 0
  }

  /// A tabular result: type 4, end of message, a length.
  private static func isTDSReply(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= 8, bytes.byte(at: 0) == 4, bytes.byte(at: 1) == 1 else { return false }
    return Int(bytes.byte(at: 2)) << 8 | Int(bytes.byte(at: 3)) >= 8 && bytes.byte(at: 7) == 0
  }

  /// IAC and one of WILL, WONT, DO, DONT, with an option.
  private static func isTelnetNegotiation(_ bytes: RawSpan) -> Bool {
    bytes.byteCount >= 3 && bytes.byte(at: 0) == 0xff && bytes.byte(at: 1) >= 0xfb && bytes.byte(at: 1) <= 0xfe
      && bytes.byte(at: 2) < 64
  }
}

extension RawSpan {
  /// Whether the first bytes are those of `text`, of at most sixteen bytes.
  fileprivate func starts(with text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard byteCount >= count else { return false }
    var index = 0
    while index < count {
      let step = Swift.min(8, count - index)
      if packed(at: index, count: step) != PackedText.word(text, at: index, count: step) { return false }
      index += step
    }
    return true
  }

  /// Whether `text` (lower case letters) stands in the first line, within its first 128 bytes, in any case.
  fileprivate func firstLineContains(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    let end = Swift.min(byteCount, 128)
    var position = 0
    while position + count <= end, byte(at: position) != ByteClass.lineFeed {
      if spells(text, at: ByteRange(offset: position, count: count)) { return true }
      position += 1
    }
    return false
  }
}
