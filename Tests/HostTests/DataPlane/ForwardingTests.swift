import Core
import Host
import Support
import Testing

/// Fields that are added, kept and dropped on the way.
@Suite(.onThreads)
struct ForwardingTests {
  private static let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

  /// What the server gets of a request with these fields.
  private func forwarded(
    _ fields: String, version: String = "HTTP/1.1", host: String = "example.org:81",
    _ change: (inout ProxySettings) -> Void = { _ in }
  ) throws -> Message {
    var request: Message?
    try story(change, answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET /path \(version)\r\nHost: \(host)\r\n\(fields)\r\n")
      #expect(try client.receiveResponse().status == 200)
      request = server.requests.first
    }
    return try #require(request)
  }

  private static let trustLoopback: @Sendable (inout ProxySettings) -> Void = {
    $0.forwarding.trustedPeers = [AddressBlock(bytes: [127, 0, 0, 0], prefixLength: 8)!]  // Fits an IPv4 address.
  }

  @Test func theServerLearnsWhoAsks() throws {
    let request = try forwarded("")
    #expect(request["X-Forwarded-For"] == "127.0.0.1")
    #expect(request["X-Forwarded-Proto"] == "http")
    #expect(request["X-Forwarded-Host"] == "example.org:81")
    #expect(request["Forwarded"] == "for=127.0.0.1;host=\"example.org:81\";proto=http")
    #expect(request["Via"] == "1.1 photofinish")
    #expect(request["Host"] == "example.org:81")
    #expect(request["X-Request-Id"]?.utf8.count == 32)
    #expect(try forwarded("", version: "HTTP/1.0")["Via"] == "1.0 photofinish")
  }

  @Test func whatAStrangerClaimsIsDropped() throws {
    let request = try forwarded(
      "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n"
    )
    #expect(request["X-Forwarded-For"] == "127.0.0.1")
    #expect(request["X-Forwarded-Proto"] == "http")
    #expect(request["X-Forwarded-Host"] == "example.org:81")
    #expect(request["Forwarded"]?.contains("6.6.6.6") == false)
    #expect(request["X-Real-IP"] == nil)
  }

  @Test func whatATrustedPeerSaysIsKeptAndAddedTo() throws {
    let request = try forwarded(
      "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1;proto=https\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: outer\r\nVia: 1.1 edge\r\n",
      Self.trustLoopback)
    #expect(request["X-Forwarded-For"] == "192.0.2.1, 127.0.0.1")
    #expect(request["Forwarded"]?.hasPrefix("for=192.0.2.1;proto=https, for=127.0.0.1") == true)
    #expect(request["X-Forwarded-Proto"] == "https")
    #expect(request["X-Forwarded-Host"] == "outer")
    #expect(request["Via"]?.hasSuffix("1.1 photofinish") == true)
    #expect(request["Via"]?.contains("1.1 edge") == true)
  }

  @Test func fieldsCanBeSwitchedOff() throws {
    let request = try forwarded("X-Forwarded-For: 6.6.6.6\r\nForwarded: for=x\r\n") {
      $0.forwarding.xForwarded = false
      $0.forwarding.forwarded = false
      $0.forwarding.via = false
      $0.forwarding.requestID = false
    }
    for name in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Via", "X-Request-Id"] {
      #expect(request[name] == nil)
    }
  }

  @Test func aRequestKeepsItsIdentifier() throws {
    #expect(try forwarded("X-Request-Id: abc-123\r\n")["X-Request-Id"] == "abc-123")
    #expect(
      try forwarded("Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n")["Traceparent"] != nil)
    // One that could harm a log is replaced.
    let replaced = try forwarded("X-Request-Id: a\"b c\r\n")["X-Request-Id"]
    #expect(replaced?.utf8.count == 32)
    // Each request has its own.
    #expect(try forwarded("")["X-Request-Id"] != forwarded("")["X-Request-Id"])
  }

  @Test func hopByHopFieldsStayOnTheirHop() throws {
    let request = try forwarded(
      "Connection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\nX-Kept: 1\r\n"
    )
    for name in ["X-Mine", "Keep-Alive", "Proxy-Connection", "Upgrade"] { #expect(request[name] == nil, "\(name)") }
    #expect(request["X-Kept"] == "1")
    #expect(request["Connection"] == "TE", "what is said for the next hop")
    #expect(request["TE"] == "trailers")
  }

  /// What browsers, curl and Node's fetch leave as it is in a query.
  @Test func queriesPassAsTheyAre() throws {
    try story(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }) { proxy, server in
      let client = try proxy.connect()
      for target in ["/?q=a\\b", "/?\"a\"&<b>=c", "/p?x=`{|}^[]"] {
        #expect(try client.get(target).status == 200)
        #expect(server.requests.last?.target == target)
      }
    }
  }

  /// Sizes padded with blanks and extensions with whitespace, as some servers write them; what leaves is written anew.
  @Test func chunksWithWhitespaceAreRead() throws {
    try story(answering: { _ in
      "HTTP/1.1 666 Odd\r\nTransfer-Encoding: chunked\r\n\r\n2; a = b\r\nab\r\n2 ;a=b\r\ncd\r\n2    \r\nef\r\n0  \r\n\r\n"
    }) { proxy, _ in
      let client = try proxy.connect()
      for _ in 0..<2 {
        let response = try client.get()
        #expect(response.status == 666)
        #expect(response.text == "abcdef")
      }
    }
  }

  @Test func hopByHopFieldsOfResponsesStayOnTheirHop() throws {
    try story(answering: { _ in
      "HTTP/1.1 200 OK\r\nConnection: X-Mine, keep-alive\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nX-Kept: 1\r\nProxy-Connection: x\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nVia: 1.1 inner\r\n\r\n"
    }) { proxy, _ in
      let response = try proxy.connect().get()
      for name in ["X-Mine", "Proxy-Connection"] { #expect(response[name] == nil, "\(name)") }
      #expect(response["X-Kept"] == "1")
      #expect(response["Set-Cookie"] == "a=1 | b=2")
      #expect(response["Via"]?.contains("1.1 inner") == true)
      #expect(response["Via"]?.contains("1.1 photofinish") == true)
    }
  }

  /// A field that frames the message or says who asks cannot be taken away by naming it (CVE-2022-1388 and its kin).
  @Test func namingAFieldInConnectionDoesNotStripIt() throws {
    let request = try forwarded(
      "Connection: close, X-Forwarded-For, Host, Authorization, X-Request-Id\r\nAuthorization: Basic eA==\r\n")
    #expect(request["X-Forwarded-For"] == "127.0.0.1")
    #expect(request["Host"] == "example.org:81")
    #expect(request["Authorization"] == "Basic eA==")
    #expect(request["X-Request-Id"] != nil)
  }

  @Test func absoluteFormBecomesOriginForm() throws {
    try story(answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET http://real.example:8080/x?y HTTP/1.1\r\nHost: other\r\n\r\n")
      #expect(try client.receiveResponse().status == 200)
      #expect(server.requests[0].startLine == "GET /x?y HTTP/1.1")
      #expect(server.requests[0]["Host"] == "real.example:8080")
      try client.send("OPTIONS * HTTP/1.1\r\nHost: other\r\n\r\n")
      #expect(try client.receiveResponse().status == 200)
      #expect(server.requests[1].startLine == "OPTIONS * HTTP/1.1")
    }
  }

  @Test func maxForwardsCountsDownAndEndsHere() throws {
    try story(answering: { _ in Self.answer }) { proxy, server in
      let client = try proxy.connect()
      #expect(try client.get("/", "Max-Forwards: 3\r\n", method: "OPTIONS").status == 200)
      #expect(server.requests[0]["Max-Forwards"] == "2")
      #expect(try client.get("/", "Max-Forwards: 0\r\n", method: "OPTIONS").status == 204)
      #expect(try client.get("/", "Max-Forwards: 0\r\n", method: "TRACE").status == 405)
      #expect(server.requests.count == 1)
      #expect(try client.get().status == 200, "and the connection goes on")
    }
  }

  /// All octets that a field value may hold go through unchanged, those beyond ASCII as well.
  @Test func valuesArePassedOnByteForByte() throws {
    let value: [UInt8] = Array(0x21...0x7e) + [0x20, 0x09] + Array(0x80...0xff) + [0x21]
    try story(server: { connection, _, _ in
      let head = try connection.receiveBytes(through: Array("\r\n\r\n".utf8))
      #expect(head.firstRange(of: Array("X-Odd: ".utf8) + value + [0x0d, 0x0a]) != nil)
      try connection.send(
        Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Odd: ".utf8) + value + Array("\r\n\r\n".utf8))
      _ = try connection.waitForEnd()
    }) { proxy, _ in
      let client = try proxy.connect()
      try client.send(Array("GET / HTTP/1.1\r\nHost: a\r\nX-Odd: ".utf8) + value + Array("\r\n\r\n".utf8))
      let head = try client.receiveBytes(through: Array("\r\n\r\n".utf8))
      #expect(head.firstRange(of: Array("X-Odd: ".utf8) + value + [0x0d, 0x0a]) != nil)
    }
  }
}
