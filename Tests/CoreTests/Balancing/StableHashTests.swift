import Testing

@testable import Core

@Suite struct StableHashTests {
  @Test func isSipHash13() {
    // Key 00 01 ... 0f; messages of 0, 1, 2 and 3 bytes 00 01 02: the published vectors of SipHash-1-3.
    let hash = StableHash(key0: 0x0706_0504_0302_0100, key1: 0x0f0e_0d0c_0b0a_0908)
    let vectors: [UInt64] = [
      0xabac_0158_050f_c4dc, 0xc9f4_9bf3_7d57_ca93, 0x82cb_9b02_4dc7_d44d, 0x8bf8_0ab8_e7dd_f7fb,
    ]
    for (count, expected) in vectors.enumerated() {
      #expect(hash.hash((0..<count).map { UInt8($0) }) == expected, "\(count)")
    }
  }

  @Test func upstreamsDiffer() {
    let key = Array("key".utf8)
    #expect(StableHash(upstream: "a").hash(key) == StableHash(upstream: "a").hash(key))
    #expect(StableHash(upstream: "a").hash(key) != StableHash(upstream: "b").hash(key))
    // To change these is to move every key and every sticky client.
    #expect(StableHash(upstream: "api").hash(Array("10.0.0.1:80".utf8)) == 2_575_776_381_084_544_834)
  }

  private func key(_ key: Balance.HashKey, _ head: String, client: [UInt8] = []) throws -> UInt64? {
    let bytes = Array((head + "\r\n\r\n").utf8)
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    guard
      case .complete(let parsed) = RequestHead.parse(
        bytes.rawSpan, scan: &scan, limits: HeadLimits(), into: &table)
    else { throw Incomplete.incomplete }
    return CompiledHashKey(key, hash: StableHash(upstream: "a")).key(
      parsed, bytes.rawSpan, table, clientAddress: client)
  }

  @Test func keysAreTakenFromTheRequest() throws {
    let hash = StableHash(upstream: "a")
    func hashed(_ text: String) -> UInt64 { hash.hash(Array(text.utf8)) }
    let head =
      "GET /a?b HTTP/1.1\r\nHost: a\r\nX-User: u\r\nCookie: sid2=x; sid = y;sid=z; sid=w\r\nCookie: t=\r\nx-user: v"
    #expect(try key(.header(name: "x-user"), head) == hashed("u"))
    #expect(try key(.header(name: "x-other"), head) == nil)
    #expect(try key(.cookie(name: "sid"), head) == hashed("z"))
    #expect(try key(.cookie(name: "sid2"), head) == hashed("x"))
    #expect(try key(.cookie(name: "t"), head) == hashed(""))
    #expect(try key(.cookie(name: "id"), head) == nil)
    #expect(try key(.target, head) == hashed("/a?b"))
    #expect(try key(.clientAddress, head, client: [10, 0, 0, 1]) == hash.hash([10, 0, 0, 1]))
    #expect(try key(.clientAddress, head) == nil)
  }
}
