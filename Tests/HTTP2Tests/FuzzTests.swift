import Core
import Foundation
import HTTP2
import Testing

/// Bytes that nobody would send on purpose, to both sides: an error of the protocol's kind at worst, never a crash, and never
/// more held than the windows allow. A failure names its seed.
@Suite struct FuzzTests {
  /// SplitMix64.
  struct Dice: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
      return mixed ^ (mixed >> 31)
    }
  }

  static let rounds = 400

  static let responses = [
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 103 Early Hints\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nraw",
    "HTTP/1.1 204 No Content\r\n\r\n", "nonsense\r\n\r\n",
  ]

  /// Frames of all kinds, most of them plausible.
  private func frame(_ dice: inout Dice) -> [UInt8] {
    let stream = UInt32.random(in: 0...9, using: &dice)
    switch Int.random(in: 0..<12, using: &dice) {
    case 0, 1, 2:
      var fields = Bool.random(using: &dice) ? Raw.get : Raw.post
      if Bool.random(using: &dice) { fields.append(("te", "trailers")) }
      if Int.random(in: 0..<4, using: &dice) == 0 { fields.append(("content-length", "3")) }
      if Int.random(in: 0..<6, using: &dice) == 0 { fields = ConformanceTests.tunnel }
      return Raw.headers(stream | 1, fields, [4, 5, 0, 1].randomElement(using: &dice)!)  // The list has elements.
    case 3, 4: return Raw.data(stream | 1, "abc", UInt8.random(in: 0...1, using: &dice))
    case 5: return Raw.frame(9, UInt8.random(in: 0...4, using: &dice), stream | 1, Raw.block([("a", "b")]))
    case 6: return Raw.frame(3, 0, stream | 1, Raw.word(UInt32.random(in: 0...13, using: &dice)))
    case 7:
      return Raw.frame(
        4, 0, 0, Raw.setting(UInt16.random(in: 1...9, using: &dice), UInt32.random(in: 0...70_000, using: &dice)))
    case 8: return Raw.frame(8, 0, stream, Raw.word(UInt32.random(in: 0...0x7fff_ffff, using: &dice)))
    case 9: return Raw.frame(6, UInt8.random(in: 0...1, using: &dice), 0, Array(repeating: 1, count: 8))
    case 10: return Raw.headers(stream | 1, [("x-sum", "1")])
    default:
      return Raw.frame(
        UInt8.random(in: 0...12, using: &dice), UInt8.random(in: 0...255, using: &dice), stream,
        (0..<Int.random(in: 0...40, using: &dice)).map { _ in UInt8.random(in: 0...255, using: &dice) })
    }
  }

  private func bytes(_ start: [UInt8], _ dice: inout Dice) -> [UInt8] {
    var bytes = start
    for _ in 0..<Int.random(in: 1...30, using: &dice) { bytes += frame(&dice) }
    if Int.random(in: 0..<3, using: &dice) == 0 {
      for _ in 0..<Int.random(in: 1...8, using: &dice) {
        bytes[Int.random(in: 0..<bytes.count, using: &dice)] = UInt8.random(in: 0...255, using: &dice)
      }
    }
    return bytes
  }

  private func pieces(_ bytes: [UInt8], _ dice: inout Dice) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + Int.random(in: 1...120, using: &dice))
      pieces.append(Array(bytes[start..<end]))
      start = end
    }
    return pieces
  }

  @Test(arguments: [UInt64.random(in: 0...UInt64.max), 1, 2]) func aServerStandsAnything(_ seed: UInt64) {
    var dice = Dice(state: seed)
    for round in 0..<Self.rounds {
      let probe = Probe()
      for piece in pieces(bytes(Raw.start, &dice), &dice) {
        probe.feed(piece, producing: Bool.random(using: &dice))
        for id in probe.order {
          guard let stream = probe.streams[id] else { continue }
          switch Int.random(in: 0..<8, using: &dice) {
          case 0: check(stream.taken().text, "seed \(seed), round \(round)")
          case 1: stream.send(Self.responses.randomElement(using: &dice)!)  // The list has elements.
          case 2: stream.endOfMessage(complete: Bool.random(using: &dice))
          case 3 where Int.random(in: 0..<8, using: &dice) == 0: stream.reset(.cancel)
          default: break
          }
        }
        if Int.random(in: 0..<20, using: &dice) == 0 {
          probe.server.goAway(Bool.random(using: &dice) ? .announce : .final)
        }
      }
      probe.produce()
      #expect(probe.server.openStreams <= 128, "seed \(seed), round \(round)")
      // A connection that has failed says so and keeps nothing.
      if probe.server.failure != nil { #expect(probe.server.openStreams == 0, "seed \(seed), round \(round)") }
    }
  }

  /// What the pump gets begins with exactly one request that its grammar takes or refuses; no line of it is of the peer's making.
  private func check(_ text: String, _ place: String) {
    guard let end = text.range(of: "\r\n\r\n") else { return }
    let head = text[..<end.lowerBound]
    guard head.contains(" HTTP/1.1\r\n") else { return }
    #expect(head.split(separator: "\r\n").dropFirst().allSatisfy { $0.contains(": ") }, "\(place): \(head)")
    #expect(head.split(separator: "\r\n").dropFirst().allSatisfy { !$0.contains("HTTP/1.1") }, "\(place): \(head)")
  }

  @Test(arguments: [UInt64.random(in: 0...UInt64.max), 3, 4]) func aClientStandsAnything(_ seed: UInt64) {
    var dice = Dice(state: seed)
    let now = Instant(nanoseconds: 1)
    for round in 0..<Self.rounds {
      let client = HTTP2ClientSession(limits: HTTP2Limits(), now: now)
      var streams: [HTTP2ClientStream] = []
      let settings = Raw.settings
      _ = client.feed(settings.rawSpan, now: now)
      for _ in 0..<3 {
        guard let stream = client.open(now) else { continue }
        stream.send(
          ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", "x"]
            .randomElement(using: &dice)!)  // The list has elements.
        streams.append(stream)
      }
      var given = bytes([], &dice)
      for id in [1, 3, 5] as [UInt32] {
        given += Raw.headers(id, [(":status", "20\(id)"), ("x", "y")], UInt8.random(in: 4...5, using: &dice))
        given += frame(&dice)
      }
      if Bool.random(using: &dice) { given += Raw.frame(7, 0, 0, Raw.word(3) + Raw.word(0)) }
      for piece in pieces(given, &dice) {
        _ = client.feed(piece.rawSpan, now: now)
        var buffer = ByteBuffer(capacity: 0)
        if Bool.random(using: &dice) { _ = client.produce(into: &buffer) }
        while client.nextEvent() != nil {}
        for stream in streams { _ = stream.taken() }
      }
      if client.failure != nil {
        #expect(client.openStreams == 0, "seed \(seed), round \(round)")
        for stream in streams { #expect(stream.outcome != .open, "seed \(seed), round \(round)") }
      }
    }
  }
}
