import Core
import HTTP2
import Testing

/// Requests and responses through both sessions: HTTP/1.1 text goes in at one end and comes out at the other.
@Suite struct ExchangeTests {
  @Test func aRequestAndItsResponseGoThrough() {
    let pair = Pair()
    let asked = pair.request("GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: text/html\r\nCookie: a=1\r\n\r\n")
    let stream = pair.opened[1]!  // It was opened.
    let (text, end) = stream.taken()
    #expect(text == "GET /a?b=c HTTP/1.1\r\nHost: example.org\r\naccept: text/html\r\nCookie: a=1\r\n\r\n")
    #expect(end == .end)
    stream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\nServer: x\r\n\r\nhello")
    stream.endOfMessage(complete: true)
    pair.exchange()
    let (answer, answerEnd) = asked.taken()
    #expect(answer == "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nserver: x\r\n\r\nhello")
    #expect(answerEnd == .end)
    #expect(asked.outcome == .complete)
    #expect(pair.server.openStreams == 0 && pair.client.openStreams == 0)
    #expect(pair.steps.allSatisfy { $0 == .progressed })
    #expect(pair.serverEvents == ["opened 1", "closed 1"])
  }

  @Test func chunksAndTrailersGoBothWays() {
    let pair = Pair()
    let asked = pair.request(
      "POST /grpc HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nx-sum: 4\r\n\r\n"
    )
    let stream = pair.opened[1]!  // It was opened.
    #expect(
      stream.taken().text
        == "POST /grpc HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nx-sum: 4\r\n\r\n"
    )
    stream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n3\r\nxyz\r\n")
    pair.exchange()
    #expect(asked.taken().text.hasSuffix("Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n"))
    // In pieces, as they come from a socket.
    for piece in ["2\r", "\nuv\r\n0\r\ngrpc-", "status: 0\r\n\r", "\n"] { stream.send(piece) }
    stream.endOfMessage(complete: true)
    pair.exchange()
    #expect(asked.taken().text == "2\r\nuv\r\n0\r\ngrpc-status: 0\r\n\r\n")
    #expect(asked.taken().end == .end)
    #expect(asked.outcome == .complete)
  }

  @Test func trailersOnlyResponsesGoThrough() {
    let pair = Pair()
    let asked = pair.request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
    pair.opened[1]?.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\ngrpc-status: 12\r\n\r\n")
    pair.exchange()
    #expect(asked.taken() == ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ngrpc-status: 12\r\n\r\n", .end))
  }

  @Test func interimResponsesGoThrough() {
    let pair = Pair()
    let asked = pair.request("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    let stream = pair.opened[1]!  // It was opened.
    #expect(stream.taken().text.contains("expect: 100-continue\r\n"))
    stream.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    pair.exchange()
    #expect(asked.taken().text == "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
    asked.send("abc")
    pair.exchange()
    #expect(stream.taken() == ("abc", .end))
    stream.send("HTTP/1.1 204 No Content\r\n\r\n")
    pair.exchange()
    #expect(asked.taken() == ("HTTP/1.1 204 No Content\r\n\r\n", .end))
  }

  @Test(arguments: [
    ("HEAD", "200 OK\r\nContent-Length: 700", "200 OK\r\ncontent-length: 700"),
    ("GET", "304 Not Modified\r\nContent-Length: 700", "304 Not Modified\r\ncontent-length: 700"),
    ("GET", "204 No Content", "204 No Content"),
  ])
  func someResponsesHaveNoContent(_ method: String, _ sent: String, _ received: String) {
    let pair = Pair()
    let asked = pair.request("\(method) / HTTP/1.1\r\nHost: h\r\n\r\n")
    pair.opened[1]?.send("HTTP/1.1 \(sent)\r\n\r\n")
    pair.exchange()
    #expect(asked.taken() == ("HTTP/1.1 \(received)\r\n\r\n", .end))
    #expect(pair.server.openStreams == 0)
  }

  @Test func contentUntilTheCloseEndsWithThePump() {
    let pair = Pair()
    let asked = pair.request("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    let stream = pair.opened[1]!  // It was opened.
    stream.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")
    pair.exchange()
    #expect(asked.taken() == ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", .wouldBlock))
    stream.endOfMessage(complete: true)
    pair.exchange()
    #expect(asked.taken() == ("0\r\n\r\n", .end))
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
  ])
  func aResponseThatStopsIsAReset(_ text: String) {
    let pair = Pair()
    let asked = pair.request("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    pair.opened[1]?.send(text)
    pair.exchange()
    pair.opened[1]?.endOfMessage(complete: true)
    pair.exchange()
    #expect(asked.taken().end == .reset(.internalError))
    #expect(asked.outcome == .reset(.internalError))
    #expect(pair.server.openStreams == 0 && pair.client.openStreams == 0)
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "garbage\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
  ])
  func aMalformedResponseIsOurOwnFault(_ text: String) {
    let pair = Pair()
    _ = pair.request("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(pair.opened[1]?.send(text) == .reset(.internalError))
    #expect(pair.opened[1]?.fault != nil)
  }

  @Test func aSlowReaderStopsTheSenderAndNobodyElse() {
    let pair = Pair()
    let slow = pair.request("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    let stream = pair.opened[1]!  // It was opened.
    let block = String(repeating: "x", count: 16_384)
    stream.send("HTTP/1.1 200 OK\r\nContent-Length: 16384000\r\n\r\n")
    var sent = 0
    while case .bytes(let count) = stream.send(block) {
      sent += count
      pair.exchange()
    }
    // The client's window and what may wait here, no more.
    #expect(sent >= 262_144 && sent <= 262_144 + 65_536 + 2 * 16_384)
    let other = pair.request("GET /other HTTP/1.1\r\nHost: h\r\n\r\n")
    pair.opened[3]?.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    pair.exchange()
    #expect(other.taken().text.hasSuffix("ok"))
    pair.serverEvents.removeAll()
    var received = slow.taken().text.utf8.count
    pair.exchange()
    received += slow.taken().text.utf8.count
    #expect(pair.serverEvents.contains("writable 1"))
    #expect(received > 262_144)
  }

  @Test func contentThatNobodyTakesFillsTheWindowOnly() {
    let pair = Pair()
    let asked = pair.request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 16384000\r\n\r\n")
    let block = String(repeating: "x", count: 16_384)
    var sent = 0
    while case .bytes(let count) = asked.send(block) {
      sent += count
      pair.exchange()
    }
    #expect(sent <= 262_144 + 65_536 + 2 * 16_384)
    var total = 0
    let stream = pair.opened[1]!  // It was opened.
    for _ in 0..<100 {
      total += stream.taken().text.utf8.count
      pair.exchange()
      while case .bytes = asked.send(block), total < 2_000_000 { pair.exchange() }
    }
    #expect(total > 1_000_000)
  }

  @Test func aRefusedStreamSaysSo() {
    let pair = Pair()
    let asked = pair.request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
    pair.opened[1]?.reset(.refusedStream)
    pair.exchange()
    #expect(asked.outcome == .refused)
    #expect(pair.clientEvents.suffix(2) == ["reset 1 REFUSED_STREAM", "closed 1"])
    #expect(pair.server.openStreams == 0)
  }

  @Test func offsetsOfHeadersAreExact() throws {
    let pair = Pair()
    let first = try #require(pair.client.open(pair.now))
    #expect(first.headersOffset == nil)
    let before = pair.client.producedOffset
    first.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    #expect(first.headersOffset == nil)
    let second = try #require(pair.client.open(pair.now))
    second.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
    var buffer = ByteBuffer(capacity: 0)
    while pair.client.produce(into: &buffer) > 0 {}
    #expect(first.headersOffset == before)
    let end = try #require(first.headersEndOffset)
    #expect(second.headersOffset == end)
    let bytes = buffer.readable
    // Each offset is that of a HEADERS frame of its stream.
    for stream in [first, second] {
      let offset = Int(try #require(stream.headersOffset) - before)
      let length = Int(try #require(stream.headersEndOffset) - before) - offset
      #expect(bytes.byte(at: offset + 3) == 1 && bytes.byte(at: offset + 8) == UInt8(stream.id))
      #expect(Int(bytes.byte(at: offset + 2)) + 9 == length)
    }
  }

  @Test func theServersLimitOfStreamsHolds() {
    var limits = HTTP2Limits()
    limits.concurrentStreams = 3
    let pair = Pair(server: limits)
    #expect(pair.client.peerMaxStreams == 3)
    for _ in 0..<3 { _ = pair.request("GET / HTTP/1.1\r\nHost: h\r\n\r\n") }
    #expect(pair.client.open(pair.now) == nil)
    pair.opened[1]?.send("HTTP/1.1 204 No Content\r\n\r\n")
    pair.exchange()
    #expect(pair.client.open(pair.now) != nil)
  }

  @Test func nothingIsOpenedBeforeSettings() {
    let client = HTTP2ClientSession(limits: HTTP2Limits(), now: Instant(nanoseconds: 0))
    #expect(client.open(Instant(nanoseconds: 0)) == nil)
  }

  @Test func twoGoAwaysLoseNothing() {
    let pair = Pair()
    let first = pair.request("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
    pair.server.goAway(.announce)
    // Crosses the announcement.
    let crossing = pair.client.open(pair.now)!  // The announcement has not left yet.
    crossing.send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
    pair.exchange()
    #expect(pair.client.goAwayLastID == Int32.max)
    #expect(pair.client.open(pair.now) == nil)
    pair.server.goAway(.final)
    pair.exchange()
    #expect(pair.client.goAwayLastID == 3)
    for (id, asked) in [(Int32(1), first), (3, crossing)] {
      pair.opened[id]?.send("HTTP/1.1 204 No Content\r\n\r\n")
      pair.exchange()
      #expect(asked.outcome == .open || asked.outcome == .complete)
      #expect(asked.taken().text.hasPrefix("HTTP/1.1 204"))
    }
    #expect(pair.server.isOver && pair.client.isOver)
  }

  @Test func aStreamBeyondTheFinalGoAwayIsUnprocessed() {
    let pair = Pair()
    let first = pair.request("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
    pair.server.goAway(.final)
    let crossing = pair.client.open(pair.now)!  // The GOAWAY has not left yet.
    crossing.send("POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
    pair.exchange()
    #expect(pair.opened[3] == nil, "a stream that the GOAWAY denies was handed over")
    #expect(pair.client.goAwayLastID == 1)
    #expect(crossing.outcome == .unprocessed)
    #expect(first.outcome == .open)
    pair.opened[1]?.send("HTTP/1.1 204 No Content\r\n\r\n")
    pair.exchange()
    #expect(first.taken().end == .end)
    #expect(pair.server.isOver)
  }

  @Test func pingIsAnswered() {
    let pair = Pair()
    pair.server.ping()
    pair.client.ping()
    pair.exchange()
    #expect(pair.serverEvents.contains("ping answered") && pair.clientEvents.contains("ping answered"))
  }

  @Test func anEarlyAnswerStopsTheRequest() {
    let pair = Pair()
    let asked = pair.request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nabc")
    let stream = pair.opened[1]!  // It was opened.
    stream.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    stream.endOfMessage(complete: true)
    pair.exchange()
    #expect(asked.taken() == ("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n", .end))
    #expect(asked.send("def") == .end)
    #expect(pair.server.openStreams == 0 && pair.client.openStreams == 0)
    #expect(pair.server.counters.resetsProvoked == 0)
  }
}
