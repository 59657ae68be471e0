import Core
import Host
import Support
import Testing

/// The pure parser of addresses against the C library's.
struct IPAddressTextTests {
  /// What the library makes of it, IPv4 addresses in IPv6 ones taken out of them.
  private func library(_ text: String) -> [UInt8]? { SocketAddress(literal: text, port: 0)?.ipBytes }

  private func ours(_ text: String) -> [UInt8]? { (try? AddressBlock(parsing: text))?.bytes }

  @Test(arguments: [
    "1.2.3.4", "0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1..2.3", "01.2.3.4", "a.b.c.d", "",
    ":", "::",
    "::1", "1::", "1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4", "1::2::3", ":::", "1:::2", "12345::", "g::", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
    "1.2.3.4::",
    "::ffff:10.0.0.1", ":1", "1:", "FE80::1",
  ])
  func agreesWithTheLibrary(_ text: String) {
    #expect(ours(text) == library(text))
  }

  @Test func agreesWithTheLibraryOnRandomTexts() {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    let pieces = ["0", "1", "ff", "abcd", ":", ":", "::", ".", "10", "255", "1.2.3.4", "g"]
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 1...12, using: &generator)).map { _ in
        pieces.randomElement(using: &generator) ?? ""
      }.joined()
      #expect(ours(text) == library(text), "seed \(seed): \(text)")
    }
  }

  @Test func readsWhatItWrites() {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<2_000 {
      let bytes = (0..<16).map { _ in Bool.random(using: &generator) ? 0 : UInt8.random(in: 0...3, using: &generator) }
      let text = IPAddressText.write(bytes)
      #expect(IPAddressText.parse(text) == bytes && ours(text) == library(text), "seed \(seed): \(text)")
    }
  }
}
