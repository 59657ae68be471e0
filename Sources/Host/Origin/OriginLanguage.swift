/// What an origin says that does not speak HTTP/1.1.
extension OriginScript.Language {
  /// What it says before it is spoken to.
  var greeting: [UInt8]? {
    switch self {
    case .http, .tls, .redis: nil
    case .ssh: Array("SSH-2.0-OpenSSH_9.2\r\n".utf8)
    case .smtp: Array("220 mail.example ESMTP\r\n".utf8)
    // An empty SETTINGS frame (RFC 9113 section 6.5).
    case .http2: [0, 0, 0, 4, 0, 0, 0, 0, 0]
    }
  }

  /// What it answers to whatever it does not understand, before it closes.
  var answer: [UInt8] {
    switch self {
    case .http: []
    // A fatal alert, "unexpected message".
    case .tls: [21, 3, 3, 0, 2, 2, 10]
    case .ssh: Array("Protocol mismatch.\r\n".utf8)
    case .smtp: Array("502 5.5.2 Error: command not recognized\r\n".utf8)
    case .redis: Array("-ERR unknown command\r\n".utf8)
    // GOAWAY with PROTOCOL_ERROR (RFC 9113 section 6.8).
    case .http2: [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    }
  }
}
