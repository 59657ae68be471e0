import Testing

@testable import Core

@Suite struct LocalResponseTests {
  private func written(
    _ response: LocalResponse, method: Core.Method = .get, version: HTTPVersion = .http11, keepsAlive: Bool = false
  ) -> String {
    var buffer = ByteBuffer(capacity: 0)
    response.write(
      to: &buffer, requestMethod: method, clientVersion: version, clientKeepsAlive: keepsAlive, date: Array("D".utf8))
    return buffer.readable.text(ByteRange(offset: 0, count: buffer.count))
  }

  @Test func writesAnError() {
    let response = LocalResponse(
      status: 503, proxyStatus: Array("p; error=connection_limit_reached".utf8), retryAfter: 2)
    let head =
      "HTTP/1.1 503 Service Unavailable\r\nDate: D\r\nProxy-Status: p; error=connection_limit_reached\r\nRetry-After: 2\r\n"
      + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\nConnection: close\r\n\r\n"
    #expect(written(response) == head + "503 Service Unavailable\n")
    #expect(written(response, method: .head) == head)
  }

  @Test func writesWithoutContent() {
    #expect(
      written(LocalResponse(status: 204), keepsAlive: true) == "HTTP/1.1 204 No Content\r\nDate: D\r\n\r\n")
    #expect(
      written(LocalResponse(status: 200, body: []), version: .http10, keepsAlive: true)
        == "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")
    #expect(written(LocalResponse(status: 405, allow: Array("GET".utf8))).contains("\r\nAllow: GET\r\n"))
  }

  /// What is written must be a response by our own, strict grammar too.
  @Test func everyStatusIsAResponse() throws {
    for status in UInt16(200)..<600 {
      let parsed = try Parsed.response(written(LocalResponse(status: status)))
      #expect(parsed.head.status == status)
    }
  }

  @Test func everyErrorHasWordsAndAStatus() {
    for code in MessageError.Code.allCases {
      let byClient = MessageError(code, at: 7, from: .client)
      #expect([400, 414, 417, 431, 501, 505].contains(byClient.status))
      #expect(byClient.explanation.hasSuffix("at byte 7 of the head that the client sent"))
      #expect(byClient.proxyError == .httpRequestError)
      let byUpstream = MessageError(code, at: 7, from: .upstream)
      #expect(byUpstream.status == 502)
    }
  }
}

@Suite struct ProxyStatusTests {
  @Test func serialisesAsAStructuredField() {
    let status = ProxyStatus(
      error: .connectionTerminated, receivedStatus: 408, nextHop: "10.0.0.1:80", details: "a \"b\" \\ c\u{7f}\n\u{e9}")
    #expect(
      String(decoding: status.fieldValue, as: UTF8.self)
        == #"photofinish; error=connection_terminated; received-status=408; next-hop="10.0.0.1:80"; "#
        + #"details="a \"b\" \\ c??" "#.dropLast(2) + #"??""#)
    #expect(String(decoding: ProxyStatus(pseudonym: "a b").fieldValue, as: UTF8.self) == "\"a b\"")
    #expect(String(decoding: ProxyStatus(pseudonym: "1a").fieldValue, as: UTF8.self) == "\"1a\"")
    #expect(String(decoding: ProxyStatus(pseudonym: "*a/b:c").fieldValue, as: UTF8.self) == "*a/b:c")
    #expect(String(decoding: ProxyStatus(pseudonym: "").fieldValue, as: UTF8.self) == "\"\"")
    let long = ProxyStatus(details: String(repeating: "\"", count: 5_000))
    #expect(long.fieldValue.count < 2 * ProxyStatus.maximumDetailsLength + 64)
  }
}
