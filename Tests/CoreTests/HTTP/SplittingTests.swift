import Testing

@testable import Core

/// However a message arrives, what is made of it is the same: nothing before enough of it is there, then the same as whole.
@Suite struct SplittingTests {
  static let requests: [[UInt8]] =
    (RequestRulesTests.framing + RequestRulesTests.lines + RequestRulesTests.requestLines + RequestRulesTests.hosts)
    .map(\.bytes)
    + [
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n",
      "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close, x\r\nX: 1\r\n\r\nhello",
      "OPTIONS http://a HTTP/1.0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "long ", count: 60))\r\n\r\n",
      "GET /\(String(repeating: "long", count: 60)) HTTP/1.1\r\nHost: a\r\n\r\n",
    ].map { Array($0.utf8) }

  static let responses: [[UInt8]] =
    ResponseRulesTests.malformed.map(\.bytes)
    + [
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n",
      "HTTP/1.0 404 Not Found\r\nX: \(String(repeating: "long ", count: 60))\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ].map { Array($0.utf8) }

  let limits = HeadLimits(headBytes: 256, startLineBytes: 96, fieldCount: 8)

  @Test(arguments: requests) func requestsParseTheSameInPieces(_ bytes: [UInt8]) {
    expectSameInPieces(bytes) { bytes, scan, table in
      Self.spell(RequestHead.parse(bytes, scan: &scan, limits: limits, into: &table), bytes, table)
    }
  }

  @Test(arguments: responses) func responsesParseTheSameInPieces(_ bytes: [UInt8]) {
    expectSameInPieces(bytes) { bytes, scan, table in
      Self.spell(
        ResponseHead.parse(bytes, scan: &scan, limits: limits, requestMethod: .get, into: &table), bytes, table)
    }
  }

  private func expectSameInPieces(
    _ bytes: [UInt8], _ parse: (RawSpan, inout HeadScan, inout FieldTable) -> String
  ) {
    var table = FieldTable(capacity: 2)
    var scan = HeadScan()
    let whole = parse(bytes.rawSpan, &scan, &table)
    // In two pieces, cut at every place.
    for cut in 0..<bytes.count {
      var scan = HeadScan()
      let first = parse(Array(bytes[..<cut]).rawSpan, &scan, &table)
      if first == "incomplete" {
        #expect(parse(bytes.rawSpan, &scan, &table) == whole, "cut at \(cut)")
      } else {
        #expect(first == whole, "cut at \(cut)")
      }
    }
    // In pieces of one, two and seven bytes.
    for step in [1, 2, 7] {
      var scan = HeadScan()
      var outcome = "incomplete"
      for end in stride(from: step, to: bytes.count + step, by: step) where outcome == "incomplete" {
        outcome = parse(Array(bytes.prefix(end)).rawSpan, &scan, &table)
      }
      #expect(outcome == whole, "in steps of \(step)")
    }
  }

  private static func spell<Head>(
    _ outcome: HeadParse<Head>, _ bytes: RawSpan, _ table: borrowing FieldTable
  ) -> String {
    switch outcome {
    case .incomplete: "incomplete"
    case .failed(let error): "\(error)"
    case .complete(let head): "\(head) \(Parsed<Head>.spell(bytes, table))"
    }
  }
}
