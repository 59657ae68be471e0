import Testing

@testable import Core

@Suite("Authentication of a connection")
struct ConnectionAuthenticationSchemeTests {
  private static func isNamed(_ lines: String) -> Bool {
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n".utf8)
    var fields = FieldTable()
    var scan = HeadScan()
    let span = bytes.rawSpan
    guard case .complete = RequestHead.parse(span, scan: &scan, limits: HeadLimits(), into: &fields) else {
      return false
    }
    return ConnectionAuthentication.isNamed(span, fields)
  }

  @Test(
    "Is found in every form of a challenge",
    arguments: [
      "NTLM", "ntlm TlRMTVNTUAAB", "Negotiate", "NEGOTIATE YII=", "Basic realm=x, NTLM", "Basic realm=\"a\",Negotiate",
      "Basic realm=\"a \\\" b\", \t NTLM", ", NTLM", "Digest a=b, c=\"d\", Negotiate oY==, Basic",
    ])
  func found(value: String) {
    #expect(Self.isNamed("WWW-Authenticate: \(value)\r\n"))
    #expect(Self.isNamed("authorization: \(value)\r\n"))
    #expect(Self.isNamed("WWW-Authenticate: Basic realm=a\r\nWWW-Authenticate: \(value)\r\n"))
    #expect(!Self.isNamed("X-Authenticate: \(value)\r\n"))
  }

  @Test(
    "Is not found where it is not meant",
    arguments: [
      "", "Basic realm=NTLM", "Basic realm=\"NTLM\"", "Basic realm=\"a, Negotiate\"", "NTLMv9", "X-NTLM", "Bearer=ntlm",
      "Basic realm=\"open, NTLM", "Basic realm=\"\\", "Digest",
    ])
  func notFound(value: String) {
    #expect(!Self.isNamed("WWW-Authenticate: \(value)\r\n"))
    #expect(!Self.isNamed("Authorization: \(value)\r\n"))
  }
}
