import Core
import HTTP2
import Testing

/// What a hostile client can cause, and what it cannot.
@Suite struct GuardTests {
  /// Feeds a piece until the connection ends, at most `times`; returns how often it was fed.
  private func flood(_ probe: Probe, _ times: Int, producing: Bool = true, _ piece: (Int) -> [UInt8]) -> Int {
    for index in 0..<times {
      if case .ended = probe.feed(piece(index), producing: producing) { return index }
    }
    return times
  }

  @Test func rapidResetEnds() {
    let probe = Probe()
    probe.feed(Raw.start)
    let count = flood(probe, 1_000) {
      Raw.headers(UInt32(1 + 2 * $0), Raw.get) + Raw.frame(3, 0, UInt32(1 + 2 * $0), Raw.word(8))
    }
    #expect(count == 200)
    #expect(probe.fate == "connection ENHANCE_YOUR_CALM")
    #expect(probe.server.failure?.reason == .tooManyResets)
    #expect(probe.server.counters.resetsReceived == 201)
  }

  @Test func resetsAtAHumanRateDoNot() {
    let probe = Probe()
    probe.feed(Raw.start)
    let count = flood(probe, 1_000) {
      probe.now = probe.now.advanced(by: .milliseconds(50))
      return Raw.headers(UInt32(1 + 2 * $0), Raw.get) + Raw.frame(3, 0, UInt32(1 + 2 * $0), Raw.word(8))
    }
    #expect(count == 1_000)
    #expect(probe.server.openStreams == 0)
  }

  /// Each way makes the server reset the stream that the client opened.
  @Test(arguments: ["window", "length", "field", "pseudo"]) func provokedResetsEnd(_ way: String) {
    let probe = Probe()
    probe.feed(Raw.start)
    let count = flood(probe, 1_000) {
      let id = UInt32(1 + 2 * $0)
      return switch way {
      case "window": Raw.headers(id, Raw.post, 4) + Raw.frame(8, 0, id, Raw.word(0x7fff_ffff))
      case "length": Raw.headers(id, Raw.post + [("content-length", "1")], 4) + Raw.data(id, "ab", 1)
      case "field": Raw.headers(id, Raw.get + [("connection", "x")])
      default: Raw.headers(id, [(":path", "/")])
      }
    }
    #expect(count >= 100 && count <= 102)
    #expect(probe.fate == "connection ENHANCE_YOUR_CALM")
    #expect(probe.server.counters.resetsProvoked == 101)
  }

  @Test(
    arguments: [
      ("SETTINGS", 4, [UInt8]()), ("PING", 6, Array(repeating: 0, count: 8)), ("PRIORITY", 2, [0, 0, 0, 0, 9]),
      ("WINDOW_UPDATE", 8, [0, 0, 0, 1]), ("unknown", 99, [1, 2]),
    ] as [(String, UInt8, [UInt8])])
  func floodsOfControlFramesEnd(_ name: String, _ type: UInt8, _ payload: [UInt8]) {
    let probe = Probe()
    probe.feed(Raw.start)
    let stream: UInt32 = type == 2 ? 1 : 0
    let count = flood(probe, 2_000) { _ in Raw.frame(type, 0, stream, payload) }
    #expect(count < 1_010, "\(name) was taken \(count) times")
    #expect(probe.fate == "connection ENHANCE_YOUR_CALM")
  }

  @Test func anEmptyDataFloodEnds() {
    let probe = Probe()
    probe.feed(Raw.start + Raw.headers(1, Raw.post, 4))
    #expect(flood(probe, 1_000) { _ in Raw.data(1, "") } == 100)
    #expect(probe.server.failure?.reason == .tooManyEmptyFrames)
  }

  @Test func paddingAloneIsEmpty() {
    let probe = Probe()
    probe.feed(Raw.start + Raw.headers(1, Raw.post, 4))
    #expect(flood(probe, 1_000) { _ in Raw.frame(0, 8, 1, [2, 0, 0]) } == 100)
  }

  @Test func aContinuationFloodEnds() {
    let probe = Probe()
    probe.feed(Raw.start + Raw.headers(1, Raw.get, 1))
    let count = flood(probe, 100) { _ in Raw.frame(9, 0, 1, Raw.block([("a", "b")])) }
    #expect(count <= 17)
    #expect(probe.fate == "connection ENHANCE_YOUR_CALM")
  }

  @Test func aBombOfFieldsEnds() {
    let probe = Probe()
    // One entry of the dynamic table, then its index over and over.
    var block = Raw.block(Raw.get) + [0x40, 1, 97, 0x7f, 0x81, 0x1e] + Array(repeating: 120, count: 4_000)
    block += Array(repeating: 0xbe, count: 12_000)
    probe.feed(Raw.start + Raw.frame(1, 5, 1, block))
    #expect(probe.fate == "connection ENHANCE_YOUR_CALM")
    #expect(probe.server.failure?.reason == .headersTooLarge)
  }

  @Test(arguments: ["list", "field", "count"]) func aLargeHeadIsAnsweredAndOthersGoOn(_ way: String) {
    let probe = Probe()
    probe.feed(Raw.start)
    let fields: [(String, String)] =
      switch way {
      case "list": (0..<10).map { ("x\($0)", String(repeating: "a", count: 8_000)) }
      case "field": [("x", String(repeating: "a", count: 40_000))]
      default: (0..<300).map { ("x\($0)", "") }
      }
    let block = Raw.block(Raw.get + fields)
    var frames: [UInt8] = []
    var start = 0
    while start < block.count {
      let end = min(start + 16_000, block.count)
      frames += Raw.frame(
        start == 0 ? 1 : 9, (start == 0 ? 1 : 0) | (end == block.count ? 4 : 0), 1,
        Array(block[start..<end]))
      start = end
    }
    probe.feed(frames)
    #expect(probe.streams.isEmpty)
    #expect(probe.server.counters.headersTooLarge == 1)
    #expect(probe.frames.contains { $0.type == 1 && $0.stream == 1 })
    probe.feed(Raw.headers(3, Raw.get))
    #expect(probe.streams[3] != nil)
    #expect(probe.fate == "fine")
  }

  @Test func whoReadsNothingIsLetGo() {
    var limits = HTTP2Limits()
    limits.pings = HTTP2Limits.Rate(burst: 1_000_000, perSecond: 0)
    let probe = Probe(limits)
    probe.feed(Raw.start)
    let count = flood(probe, 10_000, producing: false) { _ in Raw.frame(6, 0, 0, Array(repeating: 1, count: 8)) }
    #expect(count < 5_000)
  }

  @Test func anHonestDownloadMayOpenItsWindowsOften() {
    let pair = Pair()
    let asked = pair.request("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    let stream = pair.opened[1]!  // It was opened.
    stream.send("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
    let block = String(repeating: "x", count: 16_384)
    var received = 0
    for _ in 0..<4_096 {
      #expect(stream.send(block) == .bytes(16_384))
      pair.exchange()
      received += asked.taken().text.utf8.count
    }
    #expect(received > 67_108_864)
    #expect(asked.taken().end == .end)
    #expect(pair.server.failure == nil)
  }

  @Test func everyStreamLearnsThatTheConnectionEnded() {
    let probe = Probe()
    probe.feed(Raw.start + Raw.headers(1, Raw.post, 4) + Raw.headers(3, Raw.get))
    probe.feed(Raw.frame(8, 0, 0, Raw.word(0)))
    #expect(
      probe.events.suffix(3) == [
        "reset 1 PROTOCOL_ERROR", "reset 3 PROTOCOL_ERROR", "ended PROTOCOL_ERROR peerBrokeProtocol",
      ])
    #expect(probe.streams[1]?.taken().end == .reset(.protocolError))
    #expect(probe.streams[3]?.send("HTTP/1.1 204 No Content\r\n\r\n") == .reset(.protocolError))
    #expect(probe.server.failure.map { probe.feed(Raw.frame(6)) == .ended($0) } == true)
    #expect(probe.server.isOver && probe.server.openStreams == 0)
  }

  @Test func aStreamOutlivesItsSession() {
    var probe: Probe? = Probe()
    probe?.feed(Raw.start + Raw.headers(1, Raw.post, 4))
    let stream = probe?.streams[1]
    probe = nil
    _ = stream?.taken()
    #expect(stream?.taken().end == .reset(.cancel))
    #expect(stream?.send("HTTP/1.1 204 No Content\r\n\r\n") == .reset(.cancel))
    stream?.reset(.cancel)
    stream?.endOfMessage(complete: true)
  }
}
