/// SipHash-1-3 with a key that comes from a name: the same on every thread, process and machine that gives the upstream the
/// same name, so that all copies of the proxy send a key to the same server and read each other's cookies.
///
/// It spreads keys well, and differently for each upstream. The key is no secret: who knows the name of an upstream can choose
/// keys that meet at one server, as with every hash that replicas must agree on without sharing a secret.
package struct StableHash: Sendable, Hashable, BitwiseCopyable {
  private let key0: UInt64
  private let key1: UInt64

  package init(upstream name: String) {
    let seed = StableHash(key0: 0x7068_6f74_6f66_696e, key1: 0x6973_6820_7365_6564)
    let bytes = Array(name.utf8)
    key0 = seed.hash(bytes)
    key1 = seed.hash(bytes + [0])
  }

  /// For the test vectors of SipHash.
  init(key0: UInt64, key1: UInt64) {
    self.key0 = key0
    self.key1 = key1
  }

  package func hash(_ bytes: [UInt8]) -> UInt64 { hash(bytes.rawSpan, ByteRange(offset: 0, count: bytes.count)) }

  package func hash(_ bytes: RawSpan, _ range: ByteRange) -> UInt64 {
    var state = State(key0, key1)
    var offset = range.start
    while offset &+ 8 <= range.end {
      state.absorb(UInt64(littleEndian: bytes.word(at: offset)))
      offset &+= 8
    }
    var last = UInt64(truncatingIfNeeded: range.count) &<< 56
    var shift: UInt64 = 0
    while offset < range.end {
      last |= UInt64(bytes.byte(at: offset)) &<< shift
      shift &+= 8
      offset &+= 1
    }
    state.absorb(last)
    return state.finished()
  }

  private struct State {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    @inline(__always)
    init(_ key0: UInt64, _ key1: UInt64) {
      v0 = key0 ^ 0x736f_6d65_7073_6575
      v1 = key1 ^ 0x646f_7261_6e64_6f6d
      v2 = key0 ^ 0x6c79_6765_6e65_7261
      v3 = key1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    mutating func absorb(_ word: UInt64) {
      v3 ^= word
      round()
      v0 ^= word
    }

    @inline(__always)
    mutating func finished() -> UInt64 {
      v2 ^= 0xff
      round()
      round()
      round()
      return v0 ^ v1 ^ v2 ^ v3
    }

    @inline(__always)
    private mutating func round() {
      v0 = v0 &+ v1
      v1 = rotated(v1, 13) ^ v0
      v0 = rotated(v0, 32)
      v2 = v2 &+ v3
      v3 = rotated(v3, 16) ^ v2
      v0 = v0 &+ v3
      v3 = rotated(v3, 21) ^ v0
      v2 = v2 &+ v1
      v1 = rotated(v1, 17) ^ v2
      v2 = rotated(v2, 32)
    }

    @inline(__always)
    private func rotated(_ word: UInt64, _ count: UInt64) -> UInt64 { (word &<< count) | (word &>> (64 &- count)) }
  }
}
