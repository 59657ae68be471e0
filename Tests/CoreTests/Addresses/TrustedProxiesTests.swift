import Testing

@testable import Core

@Suite struct TrustedProxiesTests {
  private static let trusted = [
    AddressBlock(bytes: [10, 0, 0, 0], prefixLength: 8)!,
    AddressBlock(bytes: [0xfd] + Array(repeating: 0, count: 15), prefixLength: 8)!,
  ]

  private func client(_ peer: String, _ fields: String, trusted: [AddressBlock] = trusted) throws -> String {
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n".utf8)
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    guard
      case .complete = RequestHead.parse(bytes.rawSpan, scan: &scan, limits: HeadLimits(), into: &table)
    else { throw Incomplete.incomplete }
    return TrustedProxies(trusted).client(behind: IPAddress(peer)!, bytes.rawSpan, table).description
  }

  @Test func onlyTrustedPeersAreBelieved() throws {
    #expect(try client("192.0.2.1", "X-Forwarded-For: 1.1.1.1\r\n") == "192.0.2.1")
    #expect(try client("10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n", trusted: []) == "10.0.0.1")
    #expect(try client("10.0.0.1", "") == "10.0.0.1")
    #expect(try client("::ffff:10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\n") == "1.1.1.1")
  }

  @Test func theListIsReadFromItsEnd() throws {
    for (fields, expected) in [
      ("X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2\r\n", "1.1.1.1"),
      ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"),
      ("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"),
      ("X-Forwarded-For: 10.0.0.3\r\nX-Forwarded-For: \r\nX-Forwarded-For: ,10.0.0.2,\r\n", "10.0.0.3"),
      ("X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.2\r\n", "10.0.0.2"), ("X-Forwarded-For: garbage\r\n", "10.0.0.1"),
      ("X-Forwarded-For: 1.1.1.1:4711\r\n", "1.1.1.1"), ("X-Forwarded-For: [2001:db8::1]:4711\r\n", "2001:db8::1"),
      ("X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"), ("X-Forwarded-For: [2001:db8::1]\r\n", "2001:db8::1"),
      ("X-Forwarded-For: 1.1.1.1:x\r\n", "10.0.0.1"), ("X-Forwarded-For: [2001:db8::1\r\n", "10.0.0.1"),
      ("X-Forwarded-For: 1.1.1.1, fd00::2\r\n", "1.1.1.1"),
    ] {
      #expect(try client("10.0.0.1", fields) == expected, "\(fields)")
    }
  }

  @Test func readsForwarded() throws {
    for (fields, expected) in [
      ("Forwarded: for=6.6.6.6, for=1.1.1.1;proto=http, by=x;For=10.0.0.2\r\n", "1.1.1.1"),
      ("Forwarded: for=\"[2001:db8::1]:4711\";host=\"a,b\"\r\n", "2001:db8::1"),
      ("Forwarded: for=_hidden, for=10.0.0.2\r\n", "10.0.0.2"), ("Forwarded: proto=http\r\n", "10.0.0.1"),
      ("Forwarded: for=\"6.6.6.6, for=1.1.1.1\r\n", "1.1.1.1"), ("Forwarded: for=\"\r\n", "10.0.0.1"),
      ("Forwarded: for=\r\n", "10.0.0.1"),
    ] {
      #expect(try client("10.0.0.1", fields) == expected, "\(fields)")
    }
  }

  @Test func fieldsThatDisagreeAreNotBelieved() throws {
    #expect(try client("10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1:80\r\n") == "1.1.1.1")
    #expect(try client("10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=6.6.6.6\r\n") == "10.0.0.1")
  }

  @Test func longListsCostLittle() throws {
    let list = Array(repeating: "10.0.0.2", count: 900).joined(separator: ", ")
    #expect(try client("10.0.0.1", "X-Forwarded-For: 6.6.6.6, \(list)\r\n") == "10.0.0.2")
  }
}
