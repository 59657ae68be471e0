import Testing

@testable import Core

@Suite struct RequestLimitsTests {
  let limits = HeadLimits(headBytes: 256, startLineBytes: 64, fieldCount: 4)

  private func status(_ text: String) -> UInt16? {
    do {
      _ = try Parsed.request(text, limits: limits)
      return nil
    } catch let error as MessageError {
      return error.status
    } catch {
      return 0
    }
  }

  @Test func limitsTheStartLine() {
    // "GET /" and " HTTP/1.1\r\n" are 16 bytes.
    #expect(status("GET /\(String(repeating: "a", count: 48)) HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
    #expect(status("GET /\(String(repeating: "a", count: 49)) HTTP/1.1\r\nHost: a\r\n\r\n") == 414)
    #expect(status("GET /\(String(repeating: "a", count: 58))") == 0)
    #expect(status("GET /\(String(repeating: "a", count: 59))") == 414)
    #expect(status(String(repeating: "A", count: 300)) == 414)
  }

  @Test func limitsTheHead() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\nX: "
    let room = 256 - start.utf8.count - 4
    #expect(status(start + String(repeating: "b", count: room) + "\r\n\r\n") == nil)
    #expect(status(start + String(repeating: "b", count: room + 1) + "\r\n\r\n") == 431)
    #expect(status(start + String(repeating: "b", count: 1000)) == 431)
    #expect(status(start + String(repeating: "b", count: room - 1)) == 0)
  }

  @Test func limitsTheFields() {
    let fields = { (count: Int) in (0..<count).map { "X\($0): y\r\n" }.joined() }
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\n\(fields(3))\r\n") == nil)
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\n\(fields(4))\r\n") == 431)
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\n\(fields(4))") == 431)
  }

  @Test func limitsConnectionOptions() throws {
    let options = { (count: Int) in (0..<count).map { "o\($0)" }.joined(separator: ",") }
    _ = try Parsed.request("GET / HTTP/1.1\r\nHost: a\r\nConnection: \(options(64))\r\n\r\n")
    let error = #expect(throws: MessageError.self) {
      try Parsed.request("GET / HTTP/1.1\r\nHost: a\r\nConnection: \(options(65))\r\n\r\n")
    }
    #expect(error?.code == .tooManyConnectionOptions)
  }
}
