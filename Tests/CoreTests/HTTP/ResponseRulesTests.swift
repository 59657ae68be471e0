import Testing

@testable import Core

@Suite struct ResponseRulesTests {
  struct Malformed: CustomTestStringConvertible, Sendable {
    var bytes: [UInt8]
    var code: MessageError.Code

    init(_ text: String, _ code: MessageError.Code) {
      bytes = Array(text.utf8)
      self.code = code
    }

    static func fields(_ fields: String, _ code: MessageError.Code) -> Malformed {
      Malformed("HTTP/1.1 200 OK\r\n\(fields)\r\n", code)
    }

    static func line(_ line: String, _ code: MessageError.Code) -> Malformed {
      Malformed("\(line)\r\nA: b\r\n\r\n", code)
    }

    var testDescription: String { "\(code): " + String(decoding: bytes.prefix(100), as: UTF8.self).debugDescription }
  }

  static let malformed: [Malformed] = [
    .line("HTTP/1.1", .startLineMalformed),
    .line("HTTP/1.1200 OK", .startLineMalformed),
    .line("HTTP/1.1  200 OK", .statusMalformed),
    .line("HTTP/1.1 20 OK", .statusMalformed),
    .line("HTTP/1.1 2000 OK", .statusMalformed),
    .line("HTTP/1.1 2OO OK", .statusMalformed),
    .line("HTTP/1.1 +20 OK", .statusMalformed),
    .line("HTTP/1.1 099 OK", .statusMalformed),
    .line("HTTP/1.1 000 OK", .statusMalformed),
    .line("HTTP/1.1 200\tOK", .statusMalformed),
    .line("HTTP/1.1 OK", .statusMalformed),
    .line("HTTP/1.1 200 O\u{0}K", .controlCharacter),
    .line("HTTP/1.1 200 O\u{7f}K", .controlCharacter),
    .line("HTTP/1.1 200 O\rK", .bareCarriageReturn),
    .line("HTTP/1.1 200 O\nK", .bareLineFeed),
    .line("http/1.1 200 OK", .startLineMalformed),
    .line("HTTP/2.0 200 OK", .versionUnsupported),
    .line("HTTP/2 200 OK", .startLineMalformed),
    .line("HTTP/0.9 200 OK", .versionUnsupported),
    .line("ICY 200 OK", .startLineMalformed),
    .line(" HTTP/1.1 200 OK", .startLineMalformed),
    .line("\r\nHTTP/1.1 200 OK", .startLineMalformed),
    .line("<html>", .startLineMalformed),
    Malformed("HTTP/1.1 200 OK\nContent-Length: 0\n\n", .bareLineFeed),
    Malformed("HTTP/1.1 200\nContent-Length: 0\n\n", .bareLineFeed),
    Malformed("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", .whitespaceBeforeFirstField),
    .fields("A: b\r\n c\r\n", .foldedLine),
    .fields("A : b\r\n", .whitespaceBeforeColon),
    .fields(": b\r\n", .fieldNameEmpty),
    .fields("A\r\n", .colonMissing),
    .fields("A: b\u{0}\r\n", .controlCharacter),
    .fields("A: b\r\r\n", .bareCarriageReturn),
    .fields("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", .lengthAndTransferEncoding),
    .fields("Content-Length: 1\r\nContent-Length: 2\r\n", .contentLengthRepeated),
    .fields("Content-Length: 1\r\nContent-Length: 1\r\n", .contentLengthRepeated),
    .fields("Content-Length: 1, 1\r\n", .contentLengthMalformed),
    .fields("Content-Length: -1\r\n", .contentLengthMalformed),
    .fields("Content-Length: 9223372036854775808\r\n", .contentLengthOverflow),
    .fields("Transfer-Encoding: gzip\r\n", .transferEncodingUnknown),
    .fields("Transfer-Encoding: identity\r\n", .transferEncodingUnknown),
    .fields("Transfer-Encoding: gzip, chunked\r\n", .transferEncodingUnknown),
    .fields("Transfer-Encoding: chunked, gzip\r\n", .chunkedNotLast),
    .fields("Transfer-Encoding: chunked, chunked\r\n", .chunkedRepeated),
    .fields("Transfer-Encoding: ,\r\n", .transferEncodingMalformed),
    Malformed("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncodingInHTTP10),
    Malformed("HTTP/1.1 304 No\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .lengthAndTransferEncoding),
    Malformed("HTTP/1.1 204 No\r\nContent-Length: x\r\n\r\n", .contentLengthMalformed),
  ]

  @Test(arguments: malformed) func refuses(_ response: Malformed) {
    let error = #expect(throws: MessageError.self) { try Parsed.response(response.bytes) }
    #expect(error?.code == response.code)
    #expect(error?.status == 502)
    #expect(error?.sender == .upstream)
  }

  struct Framed: CustomTestStringConvertible, Sendable {
    var line: String
    var fields: String
    var method: Core.Method = .get
    var framing: ResponseFraming
    var keepsAlive: Bool
    var declared: UInt64?
    var testDescription: String { "\(method) \(line) \(fields)" }
  }

  static let framed: [Framed] = [
    Framed(line: "1.1 200", fields: "", framing: .untilClose, keepsAlive: false),
    Framed(line: "1.1 200", fields: "Content-Length: 0\r\n", framing: .contentLength(0), keepsAlive: true),
    Framed(
      line: "1.1 200", fields: "Content-Length: 9223372036854775807\r\n", framing: .contentLength(UInt64(Int64.max)),
      keepsAlive: true),
    Framed(
      line: "1.1 200", fields: "Content-Length: 5\r\nConnection: close\r\n", framing: .contentLength(5),
      keepsAlive: false),
    Framed(
      line: "1.1 200", fields: "Content-Length: 5\r\nConnection: keep-alive, CLOSE\r\n", framing: .contentLength(5),
      keepsAlive: false),
    Framed(line: "1.1 200", fields: "Transfer-Encoding: Chunked\r\n", framing: .chunked, keepsAlive: true),
    Framed(line: "1.0 200", fields: "Content-Length: 5\r\n", framing: .contentLength(5), keepsAlive: false),
    Framed(
      line: "1.0 200", fields: "Content-Length: 5\r\nConnection: Keep-Alive\r\n", framing: .contentLength(5),
      keepsAlive: true),
    Framed(line: "1.0 200", fields: "Connection: keep-alive\r\n", framing: .untilClose, keepsAlive: false),
    Framed(
      line: "1.1 200", fields: "Content-Length: 5\r\n", method: .head, framing: .none, keepsAlive: true, declared: 5),
    Framed(line: "1.1 200", fields: "Transfer-Encoding: chunked\r\n", method: .head, framing: .none, keepsAlive: true),
    Framed(line: "1.1 200", fields: "", method: .head, framing: .none, keepsAlive: true),
    Framed(line: "1.1 304", fields: "Content-Length: 5\r\n", framing: .none, keepsAlive: true, declared: 5),
    Framed(line: "1.1 304", fields: "", framing: .none, keepsAlive: true),
    Framed(line: "1.1 204", fields: "", framing: .none, keepsAlive: true),
    Framed(line: "1.1 204", fields: "Content-Length: 5\r\n", framing: .none, keepsAlive: true),
    Framed(line: "1.1 204", fields: "Transfer-Encoding: chunked\r\n", framing: .none, keepsAlive: true),
    Framed(line: "1.1 205", fields: "Content-Length: 0\r\n", framing: .contentLength(0), keepsAlive: true),
    Framed(line: "1.1 100", fields: "Content-Length: 5\r\n", framing: .none, keepsAlive: true),
    Framed(line: "1.1 101", fields: "", framing: .none, keepsAlive: true),
    Framed(line: "1.1 103", fields: "Link: x\r\n", framing: .none, keepsAlive: true),
    Framed(line: "1.9 200", fields: "Content-Length: 1\r\n", framing: .contentLength(1), keepsAlive: true),
  ]

  @Test(arguments: framed) func findsTheEndOfTheContent(_ response: Framed) throws {
    let parsed = try Parsed.response("HTTP/\(response.line) X\r\n\(response.fields)\r\n", to: response.method)
    #expect(parsed.head.framing == response.framing)
    #expect(parsed.head.keepsAlive == response.keepsAlive)
    #expect(parsed.head.declaredLength == response.declared)
  }

  @Test func toleratesWhatIsHarmlessInAStatusLine() throws {
    for (line, reason) in [
      ("HTTP/1.1 200", ""), ("HTTP/1.1 200 ", ""), ("HTTP/1.1 200  OK ", "OK"),
      ("HTTP/1.1 404 n\u{f6}\tt", "n\u{f6}\tt"),
    ] {
      let parsed = try Parsed.response("\(line)\r\n\r\n")
      #expect(parsed.text(parsed.head.reason) == reason)
    }
  }

  @Test func limitsTheHead() {
    let limits = HeadLimits(headBytes: 128, startLineBytes: 64, fieldCount: 2)
    let cases: [(String, MessageError.Code)] = [
      ("HTTP/1.1 200 \(String(repeating: "x", count: 100))", .startLineTooLong),
      ("HTTP/1.1 200 OK\r\nA: \(String(repeating: "x", count: 200))", .headTooLarge),
      ("HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\nA: b\r\n", .tooManyFields),
    ]
    for (text, code) in cases {
      let error = #expect(throws: MessageError.self) { try Parsed.response(text, limits: limits) }
      #expect(error?.code == code)
      #expect(error?.status == 502)
    }
  }

  @Test func readsTheKeepAliveHint() throws {
    for (value, timeout, maximum) in [
      ("timeout=5, max=100", 5, 100), ("timeout=5", 5, nil), ("max=1", nil, 1), ("Timeout = 7 ,x, MAX=0", 7, 0),
      ("timeout=\"5\"", nil, nil), ("timeout=-5", nil, nil), ("timeout=99999999999", nil, nil), ("timeout", nil, nil),
      ("", nil, nil), ("timeout=5;max=3", nil, nil),
    ] as [(String, UInt32?, UInt32?)] {
      let parsed = try Parsed.response("HTTP/1.1 200 OK\r\nKeep-Alive: \(value)\r\nContent-Length: 0\r\n\r\n")
      #expect(parsed.head.keepAliveTimeoutSeconds == timeout, "\(value)")
      #expect(parsed.head.keepAliveMax == maximum, "\(value)")
    }
  }

  @Test func tellsInterimResponsesFromFinalOnes() throws {
    for (status, isInterim) in [(100, true), (101, false), (102, true), (103, true), (199, true), (200, false)] {
      let parsed = try Parsed.response("HTTP/1.1 \(status) X\r\n\r\n")
      #expect(parsed.head.isInterim == isInterim)
    }
  }

  /// Outside the classes of RFC 9110, and in use: 999 by some, 600 and more in tests.
  @Test(arguments: [600, 666, 999]) func takesEveryStatusOfThreeDigits(status: Int) throws {
    let parsed = try Parsed.response("HTTP/1.1 \(status) X\r\nContent-Length: 0\r\n\r\n")
    #expect(parsed.head.status == status)
  }

  @Test func switchesOnlyToWhatWasAsked() throws {
    let cases: [(String, String, Bool)] = [
      ("websocket", "websocket", true), ("WebSocket", "websocket", true), ("a, websocket", "websocket", true),
      ("websocket", "h2c", false), ("websocket", "websocket, h2c", false), ("", "websocket", false),
      ("a/1, a/2", "a/2", true), ("a/1", "a/2", false), ("a/1", "a", true), ("a", "a/1", true),
    ]
    for (asked, switched, isRight) in cases {
      #expect(try switches(to: asked, "Upgrade: \(switched)\r\n") == isRight, "\(asked): \(switched)")
    }
    #expect(try switches(to: "a, b", "Upgrade: a\r\nUpgrade: b\r\n"))
    #expect(try !switches(to: "a, b", "Upgrade: a\r\nUpgrade: c\r\n"))
  }

  private func switches(to asked: String, _ fields: String) throws -> Bool {
    let bytes = Array("HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\(fields)\r\n".utf8)
    var scan = HeadScan()
    var table = FieldTable()
    guard
      case .complete(let head) = ResponseHead.parse(
        bytes.rawSpan, scan: &scan, limits: HeadLimits(), requestMethod: .get, into: &table)
    else { throw Incomplete.incomplete }
    return head.switches(to: Array(asked.utf8), bytes.rawSpan, table)
  }

  @Test func seesTheUpgrade() throws {
    let accepted = try Parsed.response(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
    )
    #expect(accepted.text(accepted.head.upgrade) == "websocket")
    #expect(
      accepted.written()
        == "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    )
    let unnamed = try Parsed.response("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n")
    #expect(unnamed.head.upgrade.isEmpty)
  }
}
