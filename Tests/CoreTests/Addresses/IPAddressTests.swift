import Glibc
import Testing

@testable import Core

@Suite struct IPAddressTests {
  /// What the C library makes of the text: bytes, or nil.
  private func modelled(_ text: String) -> [UInt8]? {
    var v4 = [UInt8](repeating: 0, count: 4)
    // Safe: both arrays have room for an address of their family.
    if unsafe inet_pton(AF_INET, text, &v4) == 1 { return v4 }
    var v6 = [UInt8](repeating: 0, count: 16)
    if unsafe inet_pton(AF_INET6, text, &v6) == 1 {
      return v6.starts(with: Array(repeating: 0, count: 10) + [0xff, 0xff]) ? Array(v6.suffix(4)) : v6
    }
    return nil
  }

  @Test func readsWhatTheLibraryReads() {
    let fixed = [
      "", ":", "::", ":::", "::1", "1::", "1", "1.2.3.4", "01.2.3.4", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4:80",
      "2001:db8::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8:", ":1::8",
      "::ffff:1.2.3.4", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", "fe80::1%lo",
      "12345::", "::g", "1::2::3", "::ffff:1.2.3", "1.2.3.4::", " ::1", "0:0:0:0:0:ffff:102:304",
    ]
    for text in fixed { #expect(IPAddress(text)?.bytes == modelled(text), "\(text)") }
    for seed in 0..<20_000 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let parts = ["1", "0", "ff", "ffff", "1.2.3.4", "2001", ":", "::", ".", "12", "g"]
      var text = ""
      for step in 0..<Int.random(in: 1...9, using: &random) {
        if step > 0, Int.random(in: 0...3, using: &random) > 0 { text += ":" }
        text += parts.randomElement(using: &random)!
      }
      #expect(IPAddress(text)?.bytes == modelled(text), "seed \(seed): \(text)")
    }
  }

  @Test func writesTheShortestForm() {
    for (text, expected) in [
      ("2001:0db8:0:0:0:0:0:1", "2001:db8::1"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
      ("1:0:2:0:0:3:0:0", "1:0:2::3:0:0"),
      ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"), ("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"),
      ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::a:b", "fe80::a:b"),
    ] {
      #expect(IPAddress(text)?.description == expected)
    }
    for seed in 0..<5_000 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let bytes = (0..<16).map { _ in Bool.random(using: &random) ? 0 : UInt8.random(in: 0...255, using: &random) }
      let address = IPAddress(bytes)!
      #expect(IPAddress(address.description) == address, "seed \(seed): \(address)")
      #expect(IPAddress(bytes)?.bytes == bytes)
    }
  }

  @Test func blocksHoldWhatTheirBitsSay() {
    for seed in 0..<3_000 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let width = Bool.random(using: &random) ? 4 : 16
      let bytes = (0..<width).map { _ in UInt8.random(in: 0...255, using: &random) }
      let length = Int.random(in: 0...width * 8, using: &random)
      let block = AddressBlock(bytes: bytes, prefixLength: length)!
      var other = bytes
      let flipped = Int.random(in: 0..<width * 8, using: &random)
      other[flipped / 8] ^= 0x80 >> UInt8(flipped % 8)
      let blocks = AddressBlocks([block])
      #expect(blocks.contains(IPAddress(bytes)!))
      #expect(blocks.contains(IPAddress(other)!) == block.contains(other), "seed \(seed)")
    }
    let v4 = AddressBlocks([AddressBlock(bytes: [10, 0, 0, 0], prefixLength: 8)!])
    #expect(v4.contains(IPAddress("::ffff:10.1.2.3")!))
    #expect(!v4.contains(IPAddress("::10.1.2.3")!))
    #expect(
      !AddressBlocks([AddressBlock(bytes: Array(repeating: 0, count: 16), prefixLength: 0)!]).contains(
        IPAddress("1.2.3.4")!))
  }
}
