import Core
import Testing

/// What the access log keeps of heads.
struct AccessFieldsTests {
  private func captured(
    _ names: [String], _ lines: String, _ change: (inout LogSettings) -> Void = { _ in }
  ) throws -> [String?] {
    var settings = LogSettings()
    change(&settings)
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n".utf8)
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    guard case .complete = RequestHead.parse(bytes.rawSpan, scan: &scan, limits: HeadLimits(), into: &table) else {
      Issue.record("the head is not valid")
      return []
    }
    let values = AccessFields(names, settings).captured(bytes.rawSpan, table)
    return names.indices.map { index in values[index].map { String(decoding: $0, as: UTF8.self) } }
  }

  @Test func takesFieldsInAnyCase() throws {
    #expect(
      try captured(["user-agent", "x-none", "host"], "USER-agent:  a b \r\n") == ["a b", nil, "a"])
  }

  @Test func joinsLinesOfTheSameName() throws {
    #expect(try captured(["accept"], "Accept: a\r\nX: y\r\naccept: b\r\n") == ["a, b"])
  }

  @Test func anEmptyFieldIsThere() throws {
    #expect(try captured(["a", "b"], "A:\r\nB: c\r\n") == ["", "c"])
  }

  @Test(arguments: ["Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "X_Api_Key", "X-Auth-Token"])
  func hidesSecrets(_ name: String) throws {
    let lower = name.lowercased()
    #expect(try captured([lower], "\(name): open sesame\r\n\(name): two\r\n") == ["..."])
    #expect(try captured([lower], "Other: x\r\n") == [nil])
    #expect(try captured([lower], "\(name): open sesame\r\n") { $0.reveal = [lower] } == ["open sesame"])
  }

  @Test func linksLoseTheirQueryAsTheRequestDoes() throws {
    let line = "Referer: https://a/b?c=d\r\n"
    #expect(try captured(["referer"], line) == ["https://a/b?c=..."])
    #expect(try captured(["referer"], line) { $0.query = .drop } == ["https://a/b"])
    #expect(try captured(["referer"], line) { $0.query = .keep } == ["https://a/b?c=d"])
  }

  @Test func cutsWhatIsLong() throws {
    let long = String(repeating: "x", count: 3_000)
    let values = try captured(["a", "b"], "A: \(long)\r\nA: \(long)\r\nB: c\r\n")
    #expect(values[0]?.utf8.count == AccessFields.longestValue)
    #expect(values[1] == "c")
  }
}
