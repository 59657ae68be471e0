import Testing

@testable import Core

@Suite struct ProxyHeaderTests {
  private static func endpoint(_ address: String, _ port: UInt16) -> ProxyHeader.Endpoint {
    .init(address: IPAddress(address)!, port: port)
  }

  private static func header(_ source: String, _ sourcePort: UInt16, _ destination: String, _ port: UInt16)
    -> ProxyHeader
  {
    ProxyHeader(source: endpoint(source, sourcePort), destination: endpoint(destination, port))
  }

  private func parse(_ bytes: [UInt8]) -> ProxyHeader.Outcome { ProxyHeader.parse(bytes.rawSpan) }
  private func parse(_ text: String) -> ProxyHeader.Outcome { parse(Array(text.utf8)) }

  /// However the bytes are cut, the outcome is that of the whole, and comes with the last byte of the header at the latest.
  private func isSameHoweverCut(_ bytes: [UInt8], _ expected: ProxyHeader.Outcome) {
    #expect(parse(bytes + Array("GET".utf8)) == expected)
    for count in 0..<bytes.count {
      let outcome = parse(Array(bytes.prefix(count)))
      if case .failed = expected, outcome == expected { continue }
      #expect(outcome == .incomplete, "\(count) of \(bytes.count)")
    }
  }

  // MARK: - Version 1

  @Test func readsLines() {
    for (line, header) in [
      (
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
        Self.header("255.255.255.255", 65_535, "255.255.255.255", 65_535)
      ),
      ("PROXY TCP4 192.0.2.1 192.0.2.2 0 80", Self.header("192.0.2.1", 0, "192.0.2.2", 80)),
      (
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8::1 65535 443",
        Self.header("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65_535, "2001:db8::1", 443)
      ),
      ("PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2", Self.header("10.0.0.1", 1, "::1", 2)),
      ("PROXY UNKNOWN", .none),
      (
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
        .none
      ),
    ] {
      isSameHoweverCut(Array("\(line)\r\n".utf8), .complete(header, byteCount: line.utf8.count + 2))
    }
  }

  @Test func refusesLines() {
    for (line, error) in [
      ("GET / HTTP/1.1\r\n", ProxyHeaderError.notThere), ("PROXx TCP4\r\n", .notThere),
      ("PROXY  TCP4\r\n", .lineMalformed),
      ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", .lineMalformed), ("PROXY \r\n", .lineMalformed),
      ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", .lineMalformed), ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", .lineMalformed),
      ("PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", .lineMalformed), ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", .lineMalformed),
      ("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", .familyUnknown), ("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", .familyUnknown),
      ("PROXY TCP4 ::1 ::1 1 2\r\n", .addressMalformed), ("PROXY TCP6 1.1.1.1 ::1 1 2\r\n", .addressMalformed),
      ("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", .addressMalformed),
      ("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", .addressMalformed),
      ("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", .portMalformed),
      ("PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n", .portMalformed),
      ("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", .portMalformed), ("PROXY TCP4 1.1.1.1 2.2.2.2 1 0x2\r\n", .portMalformed),
      ("PROXY UNKNOWN " + String(repeating: "x", count: 92) + "\r\n", .lineTooLong),
      ("PROXY TCP4 1.1.1.1 2.2.2.2 1 \u{1}2\r\n", .portMalformed),
    ] {
      isSameHoweverCut(Array(line.utf8), .failed(error))
    }
    let longest = "PROXY UNKNOWN " + String(repeating: "x", count: 91) + "\r\n"
    #expect(parse(longest) == .complete(.none, byteCount: 107))
  }

  // MARK: - Version 2

  private func version2(_ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil) -> [UInt8] {
    let length = length ?? rest.count
    return ProxyHeader.signature + [command, family, UInt8(length >> 8), UInt8(length & 0xff)] + rest
  }

  private let v4: [UInt8] = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x67, 0x00, 0x50]

  @Test func readsBinaryHeaders() {
    let header = Self.header("192.0.2.1", 4_711, "192.0.2.2", 80)
    isSameHoweverCut(version2(0x21, 0x11, v4), .complete(header, byteCount: 28))
    let extensions: [UInt8] = [0x02, 0, 3, 0x61, 0x62, 0x63, 0x04, 0, 0, 0xea, 0, 1, 0]
    isSameHoweverCut(version2(0x21, 0x11, v4 + extensions), .complete(header, byteCount: 28 + extensions.count))
    let v6 = IPAddress("2001:db8::1")!.bytes + IPAddress("2001:db8::2")!.bytes + [0x12, 0x67, 0x01, 0xbb]
    isSameHoweverCut(
      version2(0x21, 0x21, v6), .complete(Self.header("2001:db8::1", 4_711, "2001:db8::2", 443), byteCount: 52))
    let unix = [UInt8](repeating: 0x41, count: 216)
    isSameHoweverCut(version2(0x21, 0x31, unix), .complete(.none, byteCount: 232))
    isSameHoweverCut(version2(0x20, 0x00, []), .complete(.none, byteCount: 16))
    // LOCAL: whatever follows is passed over, were it no addresses at all.
    isSameHoweverCut(version2(0x20, 0x11, [1, 2, 3]), .complete(.none, byteCount: 19))
    isSameHoweverCut(version2(0x21, 0x00, []), .complete(.none, byteCount: 16))
    isSameHoweverCut(version2(0x21, 0x12, v4), .complete(.none, byteCount: 28))
  }

  @Test func refusesBinaryHeaders() {
    for (bytes, error) in [
      (version2(0x11, 0x11, v4), ProxyHeaderError.versionUnknown), (version2(0x22, 0x11, v4), .versionUnknown),
      (version2(0x21, 0x41, v4), .familyUnknown), (version2(0x21, 0x13, v4), .familyUnknown),
      (version2(0x21, 0x11, Array(v4.dropLast())), .tooShort), (version2(0x21, 0x21, v4), .tooShort),
      (version2(0x21, 0x11, v4, length: 4_081), .tooLong), (version2(0x20, 0x00, [], length: 65_535), .tooLong),
      (version2(0x21, 0x11, v4 + [0x04]), .extensionMalformed),
      (version2(0x21, 0x11, v4 + [0x04, 0, 1]), .extensionMalformed),
      (version2(0x21, 0x11, v4 + [0x04, 0xff, 0xff, 0]), .extensionMalformed),
      (version2(0x21, 0x11, v4 + [0x03, 0, 3, 0, 0, 0]), .extensionMalformed),
      (version2(0x21, 0x11, v4 + [0x03, 0, 4, 0, 0, 0, 0]), .checksumWrong),
    ] {
      isSameHoweverCut(bytes, .failed(error))
    }
    #expect(parse([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0b]) == .failed(.notThere))
    #expect(parse([0x16, 0x03]) == .failed(.notThere))
  }

  @Test func checksTheChecksum() {
    // The check value of CRC-32C.
    let digits = Array("123456789".utf8)
    #expect(ProxyHeader.checksum(digits.rawSpan, to: 9, withoutAt: 100) == 0xe306_9283)
    var bytes = version2(0x21, 0x11, v4 + [0x01, 0, 1, 0x68, 0x03, 0, 4, 0, 0, 0, 0])
    let sum = ProxyHeader.checksum(bytes.rawSpan, to: bytes.count, withoutAt: bytes.count - 4)
    for index in 0..<4 { bytes[bytes.count - 4 + index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * index)) }
    isSameHoweverCut(bytes, .complete(Self.header("192.0.2.1", 4_711, "192.0.2.2", 80), byteCount: bytes.count))
    for index in [13, 16, 31, bytes.count - 1] {
      var broken = bytes
      broken[index] ^= 1
      #expect(parse(broken) != parse(bytes))
    }
  }

  // MARK: - Writing

  private func written(_ write: (inout ByteBuffer) -> Void) -> [UInt8] {
    var buffer = ByteBuffer(capacity: 8)
    write(&buffer)
    return (0..<buffer.count).map { buffer.readable.byte(at: $0) }
  }

  @Test func whatIsWrittenIsRead() {
    for header in [
      Self.header("192.0.2.1", 4_711, "192.0.2.2", 80), Self.header("2001:db8::1", 65_535, "::1", 1),
      Self.header("192.0.2.1", 1, "2001:db8::1", 2), Self.header("2001:db8::1", 1, "192.0.2.1", 2), .none,
    ] {
      for bytes in [
        written { header.writeVersion1(to: &$0) }, written { header.writeVersion2(to: &$0) },
      ] {
        #expect(parse(bytes) == .complete(header, byteCount: bytes.count))
      }
    }
    let mixed = written { Self.header("192.0.2.1", 1, "2001:db8::1", 2).writeVersion1(to: &$0) }
    #expect(String(decoding: mixed, as: UTF8.self) == "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n")
    #expect(
      written { Self.header("192.0.2.1", 4_711, "192.0.2.2", 80).writeVersion2(to: &$0) } == version2(0x21, 0x11, v4))
  }

  @Test func anyBytesGiveAnOutcome() {
    for seed in 0..<20_000 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      var bytes = version2(
        UInt8.random(in: 0x1f...0x22, using: &random), [0x11, 0x21, 0x31, 0x00].randomElement(using: &random)!,
        (0..<Int.random(in: 0...60, using: &random)).map { _ in UInt8.random(in: 0...5, using: &random) })
      if Bool.random(using: &random) { bytes[Int.random(in: 12..<bytes.count, using: &random)] ^= 1 }
      if case .complete(_, let count) = parse(bytes) { #expect(count >= 16 && count <= bytes.count, "seed \(seed)") }
    }
  }
}
