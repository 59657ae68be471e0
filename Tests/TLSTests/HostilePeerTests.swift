import Core
import Foundation
import Support
import TLS
import Testing

/// Bytes that no honest peer sends: an error of TLS's own kind, and never a crash, a hang or growing memory.
@Suite struct HostilePeerTests {
  let certificates: TestCertificates
  let client: TLSClientContext
  let server: TLSServerContext

  init() throws {
    certificates = try TestCertificates()
    var upstream = UpstreamTLS()
    upstream.authorities = certificates.authority.chain
    client = try TLSClientContext(upstream, now: now)
    var listener = ListenerTLS()
    listener.certificates = [try certificates.issue("www", for: ["www.example.test"])]
    server = try TLSServerContext(
      listener, ticketKeys: TicketKeyRing(TicketKeys(random: TicketKeysTests.random(1))), now: now)
  }

  /// xorshift64*: a seed is a whole run.
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state >> 12
      state ^= state << 25
      state ^= state >> 27
      return state &* 0x2545_f491_4f6c_dd1d
    }
  }

  @Test func changedBytesEndInAnErrorOfTLS() {
    let seed = UInt64.random(in: 1...UInt64.max)
    print("seed \(seed)")
    var generator = Generator(state: seed)
    var kinds: [TLSFailure.Kind: Int] = [:]
    for round in 0..<1_500 {
      let pair = SessionPair(client, server)
      let turn = Int.random(in: 0..<8, using: &generator)
      for step in 0..<8 {
        let from = step % 2 == 0 ? pair.client : pair.server
        let to = step % 2 == 0 ? pair.server : pair.client
        if step > 4 { _ = from.write(text: "some words") }
        _ = from.handshake()
        var bytes = from.output
        from.consumeOutput(bytes.count)
        if step == turn { change(&bytes, &generator) }
        to.feed(bytes)
        _ = to.readAll()
        #expect(!to.hasPlaintext, "seed \(seed), round \(round)")
      }
      for side in [pair.client, pair.server] {
        side.feedEnd()
        let end = side.readAll().end
        if let failure = end.failure {
          kinds[failure.kind, default: 0] += 1
          #expect(failure.kind != .internalError, "seed \(seed), round \(round): \(failure)")
        } else {
          #expect(end == .closeNotify, "seed \(seed), round \(round)")
        }
        #expect(side.outputCount < 16_384, "seed \(seed), round \(round)")
      }
    }
    #expect(kinds.count > 3, "seed \(seed): \(kinds)")
  }

  @Test func randomBytesEndInAnErrorOfTLS() {
    let seed = UInt64.random(in: 1...UInt64.max)
    print("seed \(seed)")
    var generator = Generator(state: seed)
    for _ in 0..<1_500 {
      let side =
        Bool.random(using: &generator)
        ? TLSSession(server: server) : TLSSession(client: client, serverName: "www.example.test")
      _ = side.handshake()
      var bytes = (0..<Int.random(in: 1...600, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      // Half of them begin as a record does.
      if Bool.random(using: &generator) {
        bytes = [0x16, 3, 1, 0, UInt8.random(in: 0...255, using: &generator)] + bytes
      }
      side.feed(bytes)
      _ = side.readAll()
      side.feedEnd()
      #expect(side.readAll().end.failure != nil, "seed \(seed)")
    }
  }

  private func change(_ bytes: inout [UInt8], _ generator: inout Generator) {
    for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
      let place = Int.random(in: 0..<bytes.count, using: &generator)
      switch Int.random(in: 0..<5, using: &generator) {
      case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
      case 2: bytes.removeLast(bytes.count - place)
      case 3: bytes.insert(contentsOf: bytes[place...], at: place)
      default: bytes.remove(at: place)
      }
    }
  }

  @Test func aFloodOfHandshakesLeavesNoMemory() {
    func flood(_ count: Int) {
      for number in 0..<count {
        let pair = SessionPair(client, server)
        _ = pair.client.handshake()
        SessionPair.move(pair.client, pair.server)
        _ = pair.server.handshake()
        // A third goes away here, a third is established, a third goes on with garbage.
        if number % 3 == 1 { pair.shake() }
        if number % 3 == 2 { pair.server.feed([UInt8](repeating: 0x17, count: 3_000)) }
        _ = pair.server.readAll()
      }
    }
    flood(300)
    let before = residentBytes()
    flood(1_500)
    let grown = residentBytes() - before
    #expect(grown < 4 << 20, "\(grown) bytes")
  }

  @Test func keyUpdatesWithoutEndHaveABound() {
    let pair = SessionPair(client, server)
    pair.shake()
    // Each asks for an answer, and the peer reads none.
    var isBounded = false
    for _ in 0..<20_000 {
      pair.client.requestKeyUpdate()
      SessionPair.move(pair.client, pair.server)
      let end = pair.server.readAll().end
      if end.failure != nil || pair.server.outputCount > 128 << 10 { isBounded = true }
      if end.failure != nil { break }
    }
    #expect(isBounded)
    #expect(pair.server.outputCount < 256 << 10)
    #expect(!pair.server.hasPlaintext)
  }

  /// The resident memory of this process.
  private func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * 4_096
  }
}
