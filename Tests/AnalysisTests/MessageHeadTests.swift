import Core
import Testing

@testable import Analysis

/// Core decides where it can; what it refuses is read leniently, with a note where two readers could disagree.
@Suite struct MessageHeadTests {
  static func request(_ lines: String...) -> MessageHead? {
    MessageHead(request: Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
  }

  static func response(_ text: String, to method: String = "GET") -> MessageHead? {
    MessageHead(response: Array(text.utf8), to: method)
  }

  @Test func readsWhatCoreReads() throws {
    let head = try #require(MessageHeadTests.request("POST /a?b HTTP/1.1", "Host: a", "Content-Length: 5"))
    #expect((head.method, head.target) == ("POST", "/a?b"))
    #expect(head.framing == .length(5))
    #expect(!head.closes && head.ambiguity == nil)
  }

  /// Odd, and yet clear to everybody.
  @Test(arguments: [
    ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", MessageHead.Framing.length(5)),  // No Host.
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", .length(5)),
    ("POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\n", .length(5)),
    ("POST /ü x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .chunked),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: folded\r\n value\r\n\r\n", .none),
  ]) func readsWhatCoreRefuses(_ text: String, _ framing: MessageHead.Framing) throws {
    let head = try #require(MessageHead(request: Array(text.utf8)))
    #expect(head.framing == framing)
    #expect(head.ambiguity == nil)
  }

  @Test(arguments: [
    ("Content-Length: 5\r\nTransfer-Encoding: chunked", MessageError.Code.lengthAndTransferEncoding),
    ("Content-Length: 5\r\nContent-Length: 6", .contentLengthRepeated),
    ("Content-Length: +5", .contentLengthMalformed),
    ("Content-Length: 99999999999999999999", .contentLengthMalformed),
    ("Content-Length : 5", .whitespaceBeforeColon),
    ("X: a\r\n Content-Length: 5", .foldedLine),
    ("Transfer-Encoding: chunked, gzip", .chunkedNotLast),
    ("Transfer-Encoding: chunked, chunked", .chunkedRepeated),
    ("Transfer-Encoding: xchunked", .transferEncodingUnknown),
    ("X: a\rContent-Length: 5", .bareCarriageReturn),
    ("X: a\nContent-Length: 5", .bareLineFeed),
  ]) func notesWhatCanBeReadInTwoWays(_ field: String, _ code: MessageError.Code) throws {
    let head = try #require(MessageHead(request: Array("POST / HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n".utf8)))
    #expect(head.ambiguity == code)
  }

  @Test func knowsResponsesWithoutContent() {
    let length = "Content-Length: 5\r\n\r\n"
    #expect(MessageHeadTests.response("HTTP/1.1 200 OK\r\n" + length)?.framing == .length(5))
    #expect(MessageHeadTests.response("HTTP/1.1 200 OK\r\n" + length, to: "HEAD")?.framing == MessageHead.Framing.none)
    for status in ["204 No Content", "304 Not Modified", "103 Early Hints"] {
      #expect(MessageHeadTests.response("HTTP/1.1 \(status)\r\n" + length)?.framing == MessageHead.Framing.none)
    }
    let open = MessageHeadTests.response("HTTP/1.1 200 OK\r\n\r\n")
    #expect(open?.framing == .untilClose)
    #expect(open?.closes == true)
    #expect(MessageHeadTests.response("HTTP/1.0 200 OK\r\n" + length)?.closes == true)
    #expect(MessageHeadTests.response("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" + length)?.closes == false)
    #expect(
      MessageHeadTests.response("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=9\r\n" + length)?.advertisedTimeout == 5)
  }

  @Test func refusesWhatIsNoHead() {
    #expect(MessageHeadTests.request("hello") == nil)
    #expect(MessageHeadTests.response("220 mail ESMTP\r\n\r\n") == nil)
  }
}
