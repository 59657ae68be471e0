import Core
import HTTP2
import Testing

/// What RFC 9113 has a server do with frames that are wrong, section by section.
@Suite struct ConformanceTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var section: String
    var what: String
    var bytes: [UInt8]
    /// "connection CODE", "stream CODE" or "fine"; several where the RFC leaves a choice.
    var fates: [String]
    var testDescription: String { "\(section) \(what)" }

    init(_ section: String, _ what: String, _ bytes: [UInt8], _ fates: String...) {
      self.section = section
      self.what = what
      self.bytes = bytes
      self.fates = fates
    }
  }

  static let open = Raw.start + Raw.headers(1, Raw.post, Raw.endHeaders)
  static let done = Raw.start + Raw.headers(1, Raw.get)

  static func request(_ fields: [(String, String)]) -> [UInt8] { Raw.start + Raw.headers(1, fields) }

  static let frames: [Case] = [
    Case("3.4", "wrong preface", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8), "connection PROTOCOL_ERROR"),
    Case(
      "3.4", "no SETTINGS first", Raw.preface + Raw.frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]),
      "connection PROTOCOL_ERROR"),
    Case("4.1", "unknown type", Raw.start + Raw.frame(22, 0, 0, [1, 2, 3]), "fine"),
    Case("4.1", "undefined flags", Raw.start + Raw.frame(6, 0x16, 0, [0, 0, 0, 0, 0, 0, 0, 0]), "fine"),
    Case("4.1", "reserved bit", Raw.start + Raw.frame(6, 0, 0x8000_0000, [0, 0, 0, 0, 0, 0, 0, 0]), "fine"),
    Case(
      "4.2", "DATA too large", open + Raw.frame(0, 0, 1, Array(repeating: 0, count: 16_385)),
      "connection FRAME_SIZE_ERROR", "stream FRAME_SIZE_ERROR"),
    Case(
      "4.2", "HEADERS too large", Raw.start + Raw.frame(1, 5, 1, Array(repeating: 0, count: 16_385)),
      "connection FRAME_SIZE_ERROR"),
    Case("4.3", "invalid block", Raw.start + Raw.frame(1, 5, 1, [0x40]), "connection COMPRESSION_ERROR"),
    Case("4.3", "invalid index", Raw.start + Raw.frame(1, 5, 1, [0xff, 0xff, 0x7f]), "connection COMPRESSION_ERROR"),
    Case(
      "4.3", "PRIORITY within a block", Raw.start + Raw.headers(1, Raw.get, 1) + Raw.frame(2, 0, 1, [0, 0, 0, 0, 255]),
      "connection PROTOCOL_ERROR"),
    Case(
      "4.3", "HEADERS within a block", Raw.start + Raw.headers(1, Raw.get, 1) + Raw.headers(3, Raw.get),
      "connection PROTOCOL_ERROR"),
    Case("5.1", "idle: DATA", Raw.start + Raw.data(1, "x", 1), "connection PROTOCOL_ERROR", "connection STREAM_CLOSED"),
    Case("5.1", "idle: RST_STREAM", Raw.start + Raw.frame(3, 0, 1, Raw.word(8)), "connection PROTOCOL_ERROR"),
    Case("5.1", "idle: WINDOW_UPDATE", Raw.start + Raw.frame(8, 0, 1, Raw.word(8)), "connection PROTOCOL_ERROR"),
    Case("5.1", "idle: CONTINUATION", Raw.start + Raw.frame(9, 4, 1, Raw.block(Raw.get)), "connection PROTOCOL_ERROR"),
    Case("5.1", "half-closed: DATA", done + Raw.data(1, "x", 1), "connection STREAM_CLOSED", "stream STREAM_CLOSED"),
    Case(
      "5.1", "half-closed: HEADERS", done + Raw.headers(1, Raw.get), "connection STREAM_CLOSED", "stream STREAM_CLOSED"),
    Case(
      "5.1", "half-closed: CONTINUATION", done + Raw.frame(9, 4, 1, Raw.block(Raw.get)), "connection PROTOCOL_ERROR",
      "connection STREAM_CLOSED"),
    Case("5.1", "half-closed: WINDOW_UPDATE", done + Raw.frame(8, 0, 1, Raw.word(8)), "fine"),
    Case(
      "5.1", "reset: DATA", open + Raw.frame(3, 0, 1, Raw.word(8)) + Raw.data(1, "x", 1), "connection STREAM_CLOSED",
      "stream STREAM_CLOSED"),
    Case(
      "5.1", "reset: HEADERS", open + Raw.frame(3, 0, 1, Raw.word(8)) + Raw.headers(1, Raw.get),
      "connection STREAM_CLOSED", "stream STREAM_CLOSED"),
    Case(
      "5.1", "reset: PRIORITY", open + Raw.frame(3, 0, 1, Raw.word(8)) + Raw.frame(2, 0, 1, [0, 0, 0, 0, 9]), "fine"),
    Case("5.1.1", "even id", Raw.start + Raw.headers(2, Raw.get), "connection PROTOCOL_ERROR"),
    Case(
      "5.1.1", "lower id", Raw.start + Raw.headers(5, Raw.get) + Raw.headers(3, Raw.get), "connection PROTOCOL_ERROR"),
    Case("5.1.1", "stream 0", Raw.start + Raw.headers(0, Raw.get), "connection PROTOCOL_ERROR"),
    Case("5.5", "unknown frame on a stream", open + Raw.frame(200, 0, 1, [1]), "fine"),
    Case(
      "5.5", "unknown frame within a block", Raw.start + Raw.headers(1, Raw.get, 1) + Raw.frame(200, 0, 1, [1]),
      "connection PROTOCOL_ERROR"),
    Case("6.1", "stream 0", Raw.start + Raw.data(0, "x"), "connection PROTOCOL_ERROR"),
    Case("6.1", "padding too long", open + Raw.frame(0, 9, 1, [6, 1, 2]), "connection PROTOCOL_ERROR"),
    Case("6.1", "padding all of it", open + Raw.frame(0, 9, 1, [2, 0, 0]), "fine"),
    Case(
      "6.2", "padding too long", Raw.start + Raw.frame(1, 13, 1, [200] + Raw.block(Raw.get)),
      "connection PROTOCOL_ERROR"),
    Case("6.3", "PRIORITY on stream 0", Raw.start + Raw.frame(2, 0, 0, [0, 0, 0, 0, 9]), "connection PROTOCOL_ERROR"),
    Case(
      "6.3", "PRIORITY of wrong size", open + Raw.frame(2, 0, 1, [0, 0, 0, 0]), "connection FRAME_SIZE_ERROR",
      "stream FRAME_SIZE_ERROR"),
    Case("6.4", "RST_STREAM on stream 0", Raw.start + Raw.frame(3, 0, 0, Raw.word(8)), "connection PROTOCOL_ERROR"),
    Case("6.4", "RST_STREAM of wrong size", open + Raw.frame(3, 0, 1, [0, 0, 8]), "connection FRAME_SIZE_ERROR"),
    Case("6.5", "ACK with payload", Raw.start + Raw.frame(4, 1, 0, [0]), "connection FRAME_SIZE_ERROR"),
    Case("6.5", "on a stream", Raw.start + Raw.frame(4, 0, 1), "connection PROTOCOL_ERROR"),
    Case("6.5", "wrong size", Raw.start + Raw.frame(4, 0, 0, [0, 3, 0, 0]), "connection FRAME_SIZE_ERROR"),
    Case("6.5.2", "ENABLE_PUSH 2", Raw.start + Raw.frame(4, 0, 0, Raw.setting(2, 2)), "connection PROTOCOL_ERROR"),
    Case(
      "6.5.2", "window too large", Raw.start + Raw.frame(4, 0, 0, Raw.setting(4, 1 << 31)),
      "connection FLOW_CONTROL_ERROR"),
    Case(
      "6.5.2", "frame size too small", Raw.start + Raw.frame(4, 0, 0, Raw.setting(5, 16_383)),
      "connection PROTOCOL_ERROR"),
    Case(
      "6.5.2", "frame size too large", Raw.start + Raw.frame(4, 0, 0, Raw.setting(5, 1 << 24)),
      "connection PROTOCOL_ERROR"),
    Case("6.5.2", "unknown setting", Raw.start + Raw.frame(4, 0, 0, Raw.setting(99, 7)), "fine"),
    Case(
      "6.6", "PUSH_PROMISE from a client", open + Raw.frame(5, 4, 1, Raw.word(2) + Raw.block(Raw.get)),
      "connection PROTOCOL_ERROR"),
    Case(
      "6.7", "PING on a stream", Raw.start + Raw.frame(6, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0]), "connection PROTOCOL_ERROR"),
    Case("6.7", "PING of wrong size", Raw.start + Raw.frame(6, 0, 0, [0]), "connection FRAME_SIZE_ERROR"),
    Case(
      "6.8", "GOAWAY on a stream", Raw.start + Raw.frame(7, 0, 1, Raw.word(0) + Raw.word(0)),
      "connection PROTOCOL_ERROR"),
    Case("6.9", "window 0 on the connection", Raw.start + Raw.frame(8, 0, 0, Raw.word(0)), "connection PROTOCOL_ERROR"),
    Case(
      "6.9", "window 0 on a stream", open + Raw.frame(8, 0, 1, Raw.word(0)), "stream PROTOCOL_ERROR",
      "connection PROTOCOL_ERROR"),
    Case("6.9", "wrong size", Raw.start + Raw.frame(8, 0, 0, [0, 0, 1]), "connection FRAME_SIZE_ERROR"),
    Case(
      "6.9.1", "window above 2^31-1", Raw.start + Raw.frame(8, 0, 0, Raw.word(0x7fff_ffff)),
      "connection FLOW_CONTROL_ERROR"),
    Case(
      "6.9.1", "stream's window above 2^31-1", open + Raw.frame(8, 0, 1, Raw.word(0x7fff_ffff)),
      "stream FLOW_CONTROL_ERROR"),
    Case(
      "6.9.2", "SETTINGS take a window above 2^31-1",
      open + Raw.frame(8, 0, 1, Raw.word(0x7fff_0000)) + Raw.frame(4, 0, 0, Raw.setting(4, 0x7fff_ffff)),
      // The RFC wants the connection to end; the C library ends the streams.
      "connection FLOW_CONTROL_ERROR", "stream FLOW_CONTROL_ERROR"),
    Case(
      "6.10", "CONTINUATION behind END_HEADERS", open + Raw.frame(9, 4, 1, Raw.block([("a", "b")])),
      "connection PROTOCOL_ERROR"),
    Case(
      "6.10", "CONTINUATION on another stream",
      Raw.start + Raw.headers(1, Raw.get, 1) + Raw.frame(9, 4, 3, Raw.block([("a", "b")])), "connection PROTOCOL_ERROR"),
    Case(
      "6.10", "CONTINUATION", Raw.start + Raw.headers(1, Raw.get, 1) + Raw.frame(9, 4, 1, Raw.block([("a", "b")])),
      "fine"),
    Case("7", "unknown code in RST_STREAM", open + Raw.frame(3, 0, 1, Raw.word(0xff)), "fine"),
    Case("7", "unknown code in GOAWAY", Raw.start + Raw.frame(7, 0, 0, Raw.word(0) + Raw.word(0xff)), "fine"),
  ]

  static let messages: [Case] = [
    Case("8.1", "second HEADERS without END_STREAM", open + Raw.headers(1, [("a", "b")], 4), "stream PROTOCOL_ERROR"),
    Case("8.1", "pseudo field in trailers", open + Raw.headers(1, [(":method", "GET")]), "stream PROTOCOL_ERROR"),
    Case(
      "8.1.1", "less than Content-Length",
      Raw.start + Raw.headers(1, Raw.post + [("content-length", "5")], 4) + Raw.data(1, "abc", 1),
      "stream PROTOCOL_ERROR"),
    Case(
      "8.1.1", "more than Content-Length",
      Raw.start + Raw.headers(1, Raw.post + [("content-length", "1")], 4) + Raw.data(1, "abc", 1),
      "stream PROTOCOL_ERROR"),
    Case(
      "8.1.1", "Content-Length without content", request(Raw.post + [("content-length", "1")]), "stream PROTOCOL_ERROR"),
    Case(
      "8.1.1", "two Content-Lengths", request(Raw.post + [("content-length", "0"), ("content-length", "0")]),
      "stream PROTOCOL_ERROR"),
    Case(
      "8.1.1", "Content-Length with a sign", request(Raw.post + [("content-length", "+0")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "upper case", request(Raw.get + [("X-Test", "a")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "space in a name", request(Raw.get + [("x test", "a")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "colon in a name", request(Raw.get + [("x:test", "a")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "line end in a name", request(Raw.get + [("x\r\ny", "a")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "line end in a value", request(Raw.get + [("x", "a\r\nb: c")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "CR in a value", request(Raw.get + [("x", "a\rb")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "NUL in a value", request(Raw.get + [("x", "a\0b")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "space before a value", request(Raw.get + [("x", " a")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "tab behind a value", request(Raw.get + [("x", "a\t")]), "stream PROTOCOL_ERROR"),
    Case("8.2.1", "empty value", request(Raw.get + [("x", "")]), "fine"),
    Case("8.2.2", "connection", request(Raw.get + [("connection", "keep-alive")]), "stream PROTOCOL_ERROR"),
    Case(
      "8.2.2", "transfer-encoding", Raw.start + Raw.headers(1, Raw.post + [("transfer-encoding", "chunked")], 4),
      "stream PROTOCOL_ERROR"),
    Case("8.2.2", "upgrade", request(Raw.get + [("upgrade", "websocket")]), "stream PROTOCOL_ERROR"),
    Case("8.2.2", "keep-alive", request(Raw.get + [("keep-alive", "1")]), "stream PROTOCOL_ERROR"),
    Case("8.2.2", "proxy-connection", request(Raw.get + [("proxy-connection", "close")]), "stream PROTOCOL_ERROR"),
    Case("8.2.2", "te", request(Raw.get + [("te", "gzip")]), "stream PROTOCOL_ERROR"),
    Case("8.2.2", "te: trailers", request(Raw.get + [("te", "trailers")]), "fine"),
    Case("8.3", "unknown pseudo field", request(Raw.get + [(":test", "a")]), "stream PROTOCOL_ERROR"),
    Case("8.3", "pseudo field of responses", request(Raw.get + [(":status", "200")]), "stream PROTOCOL_ERROR"),
    Case("8.3", "pseudo field behind others", request([("x", "a")] + Raw.get), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "no :method", request(Array(Raw.get[1...])), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "no :scheme", request([Raw.get[0], Raw.get[2], Raw.get[3]]), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "no :path", request([Raw.get[0], Raw.get[1], Raw.get[3]]), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "no :authority and no host", request(Array(Raw.get[..<3])), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "host alone", request(Raw.get[..<3] + [("host", "h")]), "fine"),
    Case("8.3.1", "host that agrees", request(Raw.get + [("host", "HOST")]), "fine"),
    Case("8.3.1", "host that contradicts", request(Raw.get + [("host", "other")]), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "two hosts", request(Raw.get + [("host", "host"), ("host", "host")]), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "two :method", request(Raw.get + [(":method", "GET")]), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "empty :path", request(replacing(":path", "")), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "* with GET", request(replacing(":path", "*")), "stream PROTOCOL_ERROR"),
    Case("8.3.1", ":path without /", request(replacing(":path", "a")), "stream PROTOCOL_ERROR"),
    Case("8.3.1", "absolute :path", request(replacing(":path", "http://a/")), "stream PROTOCOL_ERROR"),
    Case("10.3", "space in :path", request(replacing(":path", "/ HTTP/1.1")), "stream PROTOCOL_ERROR"),
    Case("10.3", "line end in :path", request(replacing(":path", "/\r\nx: y")), "stream PROTOCOL_ERROR"),
    Case("10.3", "fragment in :path", request(replacing(":path", "/#a")), "stream PROTOCOL_ERROR"),
    Case("10.3", "bytes above ASCII in :path", request(replacing(":path", "/\u{e9}")), "stream PROTOCOL_ERROR"),
    Case("10.3", "space in :method", request(replacing(":method", "GET /a")), "stream PROTOCOL_ERROR"),
    Case("10.3", "empty :method", request(replacing(":method", "")), "stream PROTOCOL_ERROR"),
    Case("10.3", "line end in :authority", request(replacing(":authority", "a\r\nx: y")), "stream PROTOCOL_ERROR"),
    Case("10.3", "space in :authority", request(replacing(":authority", "a b")), "stream PROTOCOL_ERROR"),
    Case("10.3", "user in :authority", request(replacing(":authority", "user@host")), "stream PROTOCOL_ERROR"),
    Case("10.3", "path in :authority", request(replacing(":authority", "host/a")), "stream PROTOCOL_ERROR"),
    Case("10.3", "empty :authority", request(replacing(":authority", "")), "stream PROTOCOL_ERROR"),
    Case("10.3", "strange :scheme", request(replacing(":scheme", "ftp")), "stream PROTOCOL_ERROR"),
    Case("10.3", "two slashes", request(replacing(":path", "//a")), "fine"),
  ]

  static func replacing(_ name: String, _ value: String) -> [(String, String)] {
    Raw.get.map { $0.0 == name ? (name, value) : $0 }
  }

  @Test(arguments: frames + messages) func endsAsTheRFCSays(_ given: Case) {
    let probe = Probe()
    probe.feed(given.bytes)
    #expect(given.fates.contains(probe.fate), "it was \(probe.fate): \(probe.events)")
    if given.section.hasPrefix("8.2") || given.section.hasPrefix("10") || given.section.hasPrefix("8.3"),
      given.fates != ["fine"]
    {
      #expect(probe.streams.isEmpty, "a malformed request was handed over")
    }
    if probe.fate.hasPrefix("stream") {
      // Others on the connection go on.
      probe.feed(Raw.headers(7, Raw.get))
      #expect(probe.streams[7]?.taken().text == "GET / HTTP/1.1\r\nHost: host\r\n\r\n")
    }
  }

  @Test(arguments: frames + messages) func byteByByteItIsTheSame(_ given: Case) {
    let probe = Probe()
    for byte in given.bytes { probe.feed([byte]) }
    #expect(given.fates.contains(probe.fate), "it was \(probe.fate)")
  }

  @Test func tooManyStreamsAreRefused() {
    var limits = HTTP2Limits()
    limits.concurrentStreams = 4
    let probe = Probe(limits)
    probe.feed(Raw.start + Raw.frame(4, 1, 0))
    for index in 0..<5 { probe.feed(Raw.headers(UInt32(1 + 2 * index), Raw.get)) }
    #expect(["connection PROTOCOL_ERROR", "stream REFUSED_STREAM", "stream PROTOCOL_ERROR"].contains(probe.fate))
    #expect(probe.order == [1, 3, 5, 7])
  }

  @Test func cookiesAreJoined() {
    let probe = Probe()
    probe.feed(Raw.start + Raw.headers(1, Raw.get + [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]))
    #expect(
      probe.streams[1]?.taken().text == "GET / HTTP/1.1\r\nHost: host\r\nx: y\r\nCookie: a=1; b=2\r\n\r\n")
  }

  @Test func priorityIsPassedOn() {
    let probe = Probe()
    probe.feed(Raw.start + Raw.headers(1, Raw.get + [("priority", "u=1, i")]))
    #expect(probe.streams[1]?.taken().text.contains("priority: u=1, i\r\n") == true)
    #expect(probe.fate == "fine")
  }

  @Test func optionsOfTheServerPass() {
    let probe = Probe()
    probe.feed(
      Raw.start
        + Raw.headers(1, [(":method", "OPTIONS"), (":scheme", "https"), (":path", "*"), (":authority", "h:8443")]))
    #expect(probe.streams[1]?.taken().text == "OPTIONS * HTTP/1.1\r\nHost: h:8443\r\n\r\n")
  }

  @Test func plainConnectIsForThePumpToRefuse() {
    let probe = Probe()
    probe.feed(Raw.start + Raw.headers(1, [(":method", "CONNECT"), (":authority", "h:443")], 4))
    #expect(probe.streams[1]?.taken().text.hasPrefix("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n") == true)
  }

  static let tunnel = [
    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/chat"),
    (":authority", "h"), ("sec-websocket-version", "13"),
  ]

  @Test func extendedConnectBecomesAnUpgrade() throws {
    let probe = Probe()
    probe.feed(Raw.start + Raw.headers(1, Self.tunnel, 4) + Raw.data(1, "early"))
    let stream = try #require(probe.streams[1])
    let (text, end) = stream.taken()
    #expect(text.hasPrefix("GET /chat HTTP/1.1\r\nHost: h\r\nsec-websocket-version: 13\r\nConnection: Upgrade\r\n"))
    #expect(text.contains("Upgrade: websocket\r\nSec-WebSocket-Key: "))
    let key = try #require(text.split(separator: "Sec-WebSocket-Key: ").last).prefix { !$0.isNewline }
    #expect(key.count == 24 && key.hasSuffix("=="))
    #expect(end == .wouldBlock, "bytes of the tunnel before it is open")
    #expect(
      stream.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhi"
      )
        != .wouldBlock)
    probe.produce()
    #expect(stream.taken() == ("early", .wouldBlock))
    #expect(probe.frames.contains { $0.type == 0 && $0.stream == 1 && $0.payload == Array("hi".utf8) })
    probe.feed(Raw.data(1, "bye", 1))
    #expect(stream.taken() == ("bye", .end))
    stream.endOfMessage(complete: true)
    probe.produce()
    #expect(probe.server.openStreams == 0)
    #expect(probe.fate == "fine")
  }

  @Test func anOpenTunnelIsNotPretended() {
    let pair = Probe()
    pair.feed(Raw.start + Raw.headers(1, Self.tunnel, 4))
    pair.streams[1]?.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
    pair.produce()
    // 502 as a literal with the indexed name :status, or as the library writes it: never the index of 200.
    let head = pair.frames.last { $0.type == 1 }
    #expect(head?.payload.first != 0x88)
  }

  @Test func unknownTunnelsAreRefused() {
    let probe = Probe()
    var fields = Self.tunnel
    fields[1].1 = "connect-udp"
    probe.feed(Raw.start + Raw.headers(1, fields, 4))
    #expect(probe.streams.isEmpty)
    #expect(probe.server.counters.tunnelsRefused == 1)
    #expect(probe.frames.contains { $0.type == 1 && $0.stream == 1 && $0.flags & 1 != 0 })
    #expect(probe.resets == ["1 NO_ERROR"])
  }

  @Test func goAwayIsTrueUnderLoad() {
    let probe = Probe()
    probe.feed(Raw.start)
    for index in 0..<20 { probe.feed(Raw.headers(UInt32(1 + 2 * index), Raw.get), producing: false) }
    probe.server.goAway(.final)
    // They arrive while the GOAWAY waits.
    for index in 20..<40 { probe.feed(Raw.headers(UInt32(1 + 2 * index), Raw.get), producing: false) }
    probe.feed([])
    #expect(probe.goAways == ["39 NO_ERROR"])
    #expect(probe.order.max() == 39)
    #expect(probe.server.counters.streamsRefused == 20)
  }
}
