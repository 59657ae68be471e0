import Testing

@testable import Core

@Suite struct ForeignProtocolTests {
  static let upstreams: [([UInt8], ForeignProtocol?)] = [
    ([0x15, 3, 1, 0, 2, 2, 70], .tls), ([0x15, 3, 3], .tls), ([0x16, 3, 3, 0, 0x7a, 2], .tls),
    ([0x15, 3, 3, 0xff, 0xff], nil),
    ([0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3], .http2), ([0, 0, 0, 4, 0, 0, 0, 0, 0], .http2),
    ([0, 0, 0, 4, 1, 0, 0, 0, 0], nil),
    ([0, 0, 8, 7, 0, 0, 0, 0, 0], .http2), ([0, 0, 18, 4, 0], nil),
    ([1, 6, 0, 1, 0, 20, 4, 0], .fastCGI), ([1, 3, 0, 1, 0, 8, 0, 0], .fastCGI),
    (Array("SSH-2.0-OpenSSH_9.2p1\r\n".utf8), .ssh), (Array("220 mx.example ESMTP Postfix\r\n".utf8), .smtp),
    (Array("220 (vsFTPd 3.0.3)\r\n".utf8), .ftp), (Array("220 hello\r\n".utf8), nil),
    (Array("+OK ready\r\n".utf8), .pop3),
    (Array("* OK IMAP4rev1\r\n".utf8), .imap),
    ([0x4a, 0, 0, 0, 10] + Array("8.0.36\u{0}".utf8), .mysql),
    ([0x45, 0, 0, 0, 0xff, 0x6a, 4] + Array("Host".utf8), .mysql),
    ([0x4a, 0, 0, 0, 10, 0], nil), (Array("E\u{0}\u{0}\u{0}\u{7f}SFATAL\u{0}".utf8), .postgreSQL),
    (Array("-ERR wrong number of arguments for 'get' command\r\n".utf8), .redis),
    (Array("-NOAUTH Authentication required.\r\n".utf8), .redis), (Array("ERROR\r\n".utf8), .memcached),
    (Array("ERROR: no".utf8), nil), (Array("AMQP\u{0}\u{0}\u{9}\u{1}".utf8), .amqp),
    (Array("INFO {\"server_id\"".utf8), .nats),
    (Array("RFB 003.008\n".utf8), .vnc), (Array("RTSP/1.0 400 Bad Request\r\n".utf8), .rtsp),
    (Array("SIP/2.0 400 Bad Request\r\n".utf8), .sip), ([0xff, 0xfd, 0x18, 0xff, 0xfd, 0x20], .telnet),
    ([36, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0xdd, 7, 0, 0], .mongoDB), ([0x84, 0, 0, 0, 0, 0, 0, 0, 0x30], .cassandra),
    ([4, 1, 0, 0x25, 0, 0, 1, 0], .microsoftSQLServer), (Array("<html><body>".utf8), .http09),
    (Array("<!DOCTYPE".utf8), .http09),
    (Array("< 5".utf8), nil), (Array("HTTP/1.1 200 OK\r\n".utf8), nil), (Array("HTTP/1.1\r\n".utf8), nil), ([], nil),
    ([0], nil),
    (Array("hello".utf8), nil), ([UInt8](repeating: 0, count: 64), nil), ([UInt8](repeating: 0xff, count: 64), nil),
  ]

  static let clients: [([UInt8], ForeignProtocol?)] = [
    ([0x16, 3, 1, 2, 0, 1], .tls), ([0x15, 3, 1, 0, 2], nil), (Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), .http2),
    (Array("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".utf8), .proxyProtocol),
    (Array("\r\n\r\n\u{0}\r\nQUIT\n!".utf8), .proxyProtocol), (Array("SSH-2.0-Go\r\n".utf8), .ssh),
    (Array("EHLO me\r\n".utf8), .smtp), ([1, 1, 0, 1, 0, 8, 0, 0, 0, 1], .fastCGI),
    ([0, 0x2a, 0, 0, 12, 0] + Array("QUERY_STRING".utf8), .uwsgi), ([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f], .postgreSQL),
    ([0, 0, 0, 0x54, 0, 3, 0, 0], .postgreSQL), ([0x10, 0x20, 0, 4] + Array("MQTT".utf8), .mqtt), ([5, 1, 0], .socks),
    ([4, 1, 0, 80, 1, 2, 3, 4, 0], .socks), (Array("GET / HTTP/1.1\r\n".utf8), nil), ([], nil),
    ([UInt8](repeating: 0, count: 64), nil), ([UInt8](repeating: 0xff, count: 64), nil),
  ]

  @Test(arguments: upstreams) func namesWhatAnUpstreamSpeaks(_ bytes: [UInt8], _ expected: ForeignProtocol?) {
    #expect(ForeignProtocol.spoken(byUpstream: bytes.rawSpan) == expected)
  }

  @Test(arguments: clients) func namesWhatAClientSpeaks(_ bytes: [UInt8], _ expected: ForeignProtocol?) {
    #expect(ForeignProtocol.spoken(byClient: bytes.rawSpan) == expected)
  }

  /// With any number of its first bytes a greeting is either not known yet or known for what it is.
  @Test func neverNamesAnotherProtocolOnTheWay() {
    for (bytes, expected) in Self.upstreams {
      for count in 0..<bytes.count {
        let early = ForeignProtocol.spoken(byUpstream: Array(bytes.prefix(count)).rawSpan)
        #expect(early == nil || early == expected || expected == nil)
      }
    }
  }

  @Test func everyProtocolHasAName() {
    #expect(Set(ForeignProtocol.allCases.map(\.name)).count == ForeignProtocol.allCases.count)
  }
}
