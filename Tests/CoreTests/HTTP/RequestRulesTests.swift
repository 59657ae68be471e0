import Testing

@testable import Core

/// A request that must be refused: what it is, its bytes, the status to answer with, and the rule that it breaks.
struct BadRequest: CustomTestStringConvertible, Sendable {
  var bytes: [UInt8]
  var status: UInt16
  var code: MessageError.Code

  init(_ text: String, _ status: UInt16, _ code: MessageError.Code) {
    bytes = Array(text.utf8)
    self.status = status
    self.code = code
  }

  /// A request line and Host that are fine, with `fields` behind them.
  static func fields(_ fields: String, _ status: UInt16 = 400, _ code: MessageError.Code) -> BadRequest {
    BadRequest("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n", status, code)
  }

  /// A request line, with a Host behind it.
  static func line(_ line: String, _ status: UInt16 = 400, _ code: MessageError.Code) -> BadRequest {
    BadRequest("\(line)\r\nHost: a\r\n\r\n", status, code)
  }

  var testDescription: String { "\(code): " + String(decoding: bytes.prefix(100), as: UTF8.self).debugDescription }
}

@Suite struct RequestRulesTests {
  static let framing: [BadRequest] = [
    .fields("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400, .lengthAndTransferEncoding),
    .fields("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400, .lengthAndTransferEncoding),
    .fields("Transfer-Encoding: identity\r\ncontent-length: 3\r\n", 400, .lengthAndTransferEncoding),
    .fields("Content-Length: 3\r\nContent-Length: 4\r\n", 400, .contentLengthRepeated),
    .fields("Content-Length: 3\r\nContent-Length: 3\r\n", 400, .contentLengthRepeated),
    .fields("Content-Length: 3, 3\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: 3,\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: +3\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: -3\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: 0x3\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: 3.0\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: 1e3\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: 1 2\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: 1_000\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: \"3\"\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: ３\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length:\r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: \t \r\n", 400, .contentLengthMalformed),
    .fields("Content-Length: 9223372036854775808\r\n", 400, .contentLengthOverflow),
    .fields("Content-Length: 18446744073709551616\r\n", 400, .contentLengthOverflow),
    .fields("Content-Length: 18446744073709551619\r\n", 400, .contentLengthOverflow),
    .fields("Content-Length: 99999999999999999999999999999999999\r\n", 400, .contentLengthOverflow),
    .fields("Content-Length: 99999999999999999999999999999999999a\r\n", 400, .contentLengthMalformed),
    .fields("Transfer-Encoding: gzip\r\n", 501, .transferEncodingUnknown),
    .fields("Transfer-Encoding: gzip, chunked\r\n", 501, .transferEncodingUnknown),
    .fields("Transfer-Encoding: identity\r\n", 501, .transferEncodingUnknown),
    .fields("Transfer-Encoding: xchunked\r\n", 501, .transferEncodingUnknown),
    .fields("Transfer-Encoding: chunke\r\n", 501, .transferEncodingUnknown),
    .fields("Transfer-Encoding: chunked, identity\r\n", 400, .chunkedNotLast),
    .fields("Transfer-Encoding: chunked, gzip\r\n", 400, .chunkedNotLast),
    .fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", 400, .chunkedNotLast),
    .fields("Transfer-Encoding: chunked, chunked\r\n", 400, .chunkedRepeated),
    .fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400, .chunkedRepeated),
    .fields("Transfer-Encoding:\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: chunked,\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: ,chunked\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: chunked;q=1\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: chunked;\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: \"chunked\"\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: 'chunked' x\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: chunked x\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: \u{a0}chunked\r\n", 400, .transferEncodingMalformed),
    .fields("Transfer-Encoding: \u{b}chunked\r\n", 400, .controlCharacter),
    .fields("Transfer-Encoding: chunked\u{c}\r\n", 400, .controlCharacter),
    .fields("Transfer-Encoding: \r\n chunked\r\n", 400, .foldedLine),
    .fields("Transfer-Encoding\u{0}: chunked\r\n", 400, .controlCharacter),
    .fields("Transfer-Encoding : chunked\r\n", 400, .whitespaceBeforeColon),
    .fields("Content-Length\t: 3\r\n", 400, .whitespaceBeforeColon),
    BadRequest("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, .transferEncodingInHTTP10),
    BadRequest(
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400, .lengthAndTransferEncoding),
    BadRequest("TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400, .traceWithContent),
    BadRequest("TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400, .traceWithContent),
    .fields("Content-Length: 1\r\nExpect: 200-ok\r\n", 417, .expectationUnknown),
  ]

  static let lines: [BadRequest] = [
    .fields("A: b\n", 400, .bareLineFeed),
    .fields("A: b\nTransfer-Encoding: chunked\r\n", 400, .bareLineFeed),
    .fields("A: b\rTransfer-Encoding: chunked\r\n", 400, .bareCarriageReturn),
    .fields("A: b\r\r\n", 400, .bareCarriageReturn),
    .fields("A: \r\u{0}\n\r\n", 400, .bareCarriageReturn),
    .fields("A: b\u{0}c\r\n", 400, .controlCharacter),
    .fields("A: b\u{1}c\r\n", 400, .controlCharacter),
    .fields("A: b\u{1b}c\r\n", 400, .controlCharacter),
    .fields("A: b\u{7f}c\r\n", 400, .controlCharacter),
    .fields("A: b\r\n c\r\n", 400, .foldedLine),
    .fields("A: b\r\n\tc\r\n", 400, .foldedLine),
    .fields(" A: b\r\n", 400, .foldedLine),
    .fields(": b\r\n", 400, .fieldNameEmpty),
    .fields("A\r\n", 400, .colonMissing),
    .fields("A\n", 400, .bareLineFeed),
    .fields("A\rB: c\r\n", 400, .bareCarriageReturn),
    .fields("A B: c\r\n", 400, .whitespaceBeforeColon),
    .fields("A\u{e9}: b\r\n", 400, .fieldNameMalformed),
    .fields("A(b): c\r\n", 400, .fieldNameMalformed),
    .fields("A{b}: c\r\n", 400, .fieldNameMalformed),
    .fields("\"A\": c\r\n", 400, .fieldNameMalformed),
    .fields("A/b: c\r\n", 400, .fieldNameMalformed),
    .fields("A@b: c\r\n", 400, .fieldNameMalformed),
    .fields("A\u{7f}: c\r\n", 400, .controlCharacter),
    BadRequest("GET / HTTP/1.1\nHost: a\n\n", 400, .bareLineFeed),
    BadRequest("GET / HTTP/1.1\r\nHost: a\r\n\n", 400, .bareLineFeed),
    BadRequest("GET / HTTP/1.1\r\nHost: a\r\n\rX", 400, .bareCarriageReturn),
    BadRequest("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, .whitespaceBeforeFirstField),
    BadRequest("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400, .whitespaceBeforeFirstField),
    BadRequest("GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", 400, .whitespaceBeforeFirstField),
  ]

  static let requestLines: [BadRequest] = [
    BadRequest("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, .emptyLineRepeated),
    BadRequest("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, .bareLineFeed),
    BadRequest("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, .bareCarriageReturn),
    .line(" GET / HTTP/1.1", 400, .methodMalformed),
    .line("\tGET / HTTP/1.1", 400, .controlCharacter),
    .line("G(T / HTTP/1.1", 400, .methodMalformed),
    .line("GET:/ HTTP/1.1", 400, .methodMalformed),
    .line("G\u{c9}T / HTTP/1.1", 400, .methodMalformed),
    .line("\u{0}GET / HTTP/1.1", 400, .controlCharacter),
    .line("GET", 400, .versionMissing),
    .line("GET\t/ HTTP/1.1", 400, .controlCharacter),
    .line("GET  / HTTP/1.1", 400, .targetMalformed),
    .line("GET /", 400, .versionMissing),
    .line("GET / ", 400, .versionMalformed),
    .line("GET /  HTTP/1.1", 400, .versionMalformed),
    .line("GET /\tHTTP/1.1", 400, .controlCharacter),
    .line("GET / HTTP/1.1 ", 400, .versionMalformed),
    .line("GET / HTTP/1.1\t", 400, .versionMalformed),
    .line("GET / HTTP/1.1x", 400, .versionMalformed),
    .line("GET /a b HTTP/1.1", 400, .versionMalformed),
    .line("GET / http/1.1", 400, .versionMalformed),
    .line("GET / HTTP/1", 400, .versionMalformed),
    .line("GET / HTTP/11", 400, .versionMalformed),
    .line("GET / HTTP/1.10", 400, .versionMalformed),
    .line("GET / HTTP/01.1", 400, .versionMalformed),
    .line("GET / HTTP/1,1", 400, .versionMalformed),
    .line("GET / HTTP/+1.1", 400, .versionMalformed),
    .line("GET / HTTPS/1.1", 400, .versionMalformed),
    .line("GET / RTSP/1.0", 400, .versionMalformed),
    .line("GET / HTTP/0.9", 505, .versionUnsupported),
    .line("GET / HTTP/2.0", 505, .versionUnsupported),
    .line("GET / HTTP/3.0", 505, .versionUnsupported),
    BadRequest("OPTIONS * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, .versionUnsupported),
    BadRequest("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, .asteriskWithoutOptions),
    .line("GET foo HTTP/1.1", 400, .targetMalformed),
    .line("GET ?a HTTP/1.1", 400, .targetMalformed),
    .line("GET a:80 HTTP/1.1", 400, .targetMalformed),
    .line("GET http:/a/ HTTP/1.1", 400, .targetMalformed),
    .line("GET http: HTTP/1.1", 400, .targetMalformed),
    .line("GET /a#b HTTP/1.1", 400, .targetMalformed),
    .line("GET /a\\b HTTP/1.1", 400, .targetMalformed),
    .line("GET /a\"b HTTP/1.1", 400, .targetMalformed),
    .line("GET /<a> HTTP/1.1", 400, .targetMalformed),
    .line("GET /\u{e9} HTTP/1.1", 400, .targetMalformed),
    .line("GET /a\\b?c HTTP/1.1", 400, .targetMalformed),
    .line("GET /a?b\\c#d HTTP/1.1", 400, .targetMalformed),
    .line("GET /a?b\"\u{e9} HTTP/1.1", 400, .targetMalformed),
    .line("GET http://a\\b/?c HTTP/1.1", 400, .targetMalformed),
    .line("GET /\u{7f} HTTP/1.1", 400, .controlCharacter),
    .line("GET /\u{0} HTTP/1.1", 400, .controlCharacter),
    .line("GET /a\nb HTTP/1.1", 400, .bareLineFeed),
    .line("GET /a\rb HTTP/1.1", 400, .bareCarriageReturn),
    .line("GET ftp://a/ HTTP/1.1", 400, .targetSchemeUnknown),
    .line("GET ://a/ HTTP/1.1", 400, .targetSchemeUnknown),
    .line("GET file:///etc/passwd HTTP/1.1", 400, .targetSchemeUnknown),
    .line("GET http:/// HTTP/1.1", 400, .targetAuthorityMalformed),
    .line("GET http:///a HTTP/1.1", 400, .targetAuthorityMalformed),
    .line("GET http://?a HTTP/1.1", 400, .targetAuthorityMalformed),
    .line("GET http://u@a/ HTTP/1.1", 400, .targetAuthorityMalformed),
    .line("GET http://u:p@a/ HTTP/1.1", 400, .targetAuthorityMalformed),
    .line("GET http://a:b/ HTTP/1.1", 400, .targetAuthorityMalformed),
    .line("GET http://a:80:80/ HTTP/1.1", 400, .targetAuthorityMalformed),
    .line("GET * HTTP/1.1", 400, .asteriskWithoutOptions),
    .line("OPTIONS ** HTTP/1.1", 400, .targetMalformed),
    .line("CONNECT a:443 HTTP/1.1", 501, .connectRefused),
    .line("CONNECT / HTTP/1.1", 501, .connectRefused),
  ]

  static let hosts: [BadRequest] = [
    BadRequest("GET / HTTP/1.1\r\n\r\n", 400, .hostMissing),
    BadRequest("GET http://a/ HTTP/1.1\r\n\r\n", 400, .hostMissing),
    BadRequest("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", 400, .hostMissing),
    BadRequest("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, .hostRepeated),
    BadRequest("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400, .hostRepeated),
    BadRequest("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400, .hostRepeated),
    BadRequest("GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400, .hostMalformed),
  ]

  static let malformedHosts = [
    "", "a b", "a,b", "a, b", "u@a", "a/b", "a?b", "a#b", "a\\b", "http://a", "a:b", "a:80:80", "a:+80", "a: 80",
    "a:65536",
    "a:000080", "a:99999", ":80", ":", "a%", "a%2", "a%zz", "%", "a\"b", "<a>", "a|b", "a^b", "é", "[", "]", "[]",
    "[::1",
    "::1", "[::1]x", "[::1]:x", "[1]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[:1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:]", "[12345::]", "[::g]", "[::1.2.3]", "[::1.2.3.4.5]", "[::1.2.3.256]", "[::01.2.3.4]",
    "[1:2:3:4:5:6:7:8::]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[v1.a]", "[:::]", "[::1.2.3.4:5]",
    "[1:2:3:4:5:6:7:1.2.3.4]",
    "a\tb", "a;b c",
  ]

  static let legalHosts = [
    "a", "a.example", "a.example.", "A.Example:80", "a:", "a:0", "a:65535", "127.0.0.1", "127.0.0.1:8080", "a_b",
    "a-b.c~d",
    "a%20b", "xn--e1afmkfd.example", "a;b", "a'b", "[::]", "[::1]", "[::1]:80", "[::1]:", "[1:2:3:4:5:6:7:8]",
    "[2001:db8::1]", "[2001:DB8::1:2]:443", "[::ffff:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]", "[1::]", "[1:2:3:4:5:6:7::]",
    "[::2:3:4:5:6:7:8]",
  ]

  @Test(arguments: framing) func refusesAmbiguousFraming(_ request: BadRequest) { expectRefusal(request) }
  @Test(arguments: lines) func refusesMalformedLines(_ request: BadRequest) { expectRefusal(request) }
  @Test(arguments: requestLines) func refusesMalformedRequestLines(_ request: BadRequest) { expectRefusal(request) }
  @Test(arguments: hosts) func refusesMissingAndRepeatedHosts(_ request: BadRequest) { expectRefusal(request) }

  @Test(arguments: malformedHosts) func refusesMalformedHosts(_ host: String) {
    for line in ["GET / HTTP/1.1", "GET / HTTP/1.0", "GET http://fine/ HTTP/1.1"] {
      let bytes = Array("\(line)\r\nHost: \(host)\r\n\r\n".utf8)
      let error = #expect(throws: MessageError.self) { try Parsed.request(bytes) }
      let expected: MessageError.Code = host.contains("\u{0}") ? .controlCharacter : .hostMalformed
      #expect(error?.code == expected)
      #expect(error?.status == 400)
    }
  }

  @Test(arguments: legalHosts) func takesLegalHosts(_ host: String) throws {
    let inField = try Parsed.request("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
    #expect(inField.text(inField.head.host) == host)
    let inTarget = try Parsed.request("GET http://\(host)/x HTTP/1.1\r\nHost: other\r\n\r\n")
    #expect(inTarget.text(inTarget.head.host) == host)
    #expect(inTarget.text(inTarget.head.target.pathAndQuery) == "/x")
  }

  private func expectRefusal(_ request: BadRequest) {
    let error = #expect(throws: MessageError.self) { try Parsed.request(request.bytes) }
    #expect(error?.code == request.code)
    #expect(error?.status == request.status)
    #expect(error?.sender == .client)
    if let error { #expect(error.offset >= 0 && error.offset <= request.bytes.count) }
  }
}
