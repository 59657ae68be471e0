import Testing

@testable import Core

@Suite struct EditTests {
  private func lines(_ text: String) -> [String] {
    text.split(separator: "\r\n", omittingEmptySubsequences: true).map(String.init)
  }

  private func request(
    _ edits: [FieldEdit], _ fields: String = "", _ forwarding: Forwarding = Forwarding(fields: []),
    values: EditValues = EditValues(), host: UpstreamSettings.HostPolicy = .preserve
  ) throws -> [String] {
    let parsed = try Parsed.request("GET / HTTP/1.1\r\nHost: a:80\r\n\(fields)\r\n")
    let changes = RequestChanges(rewrite: .none, edits: edits, host: host, serverHost: Array("s:81".utf8))
    return Array(lines(parsed.written(changes, forwarding, values: values)).dropFirst())
  }

  private func text(_ text: String) -> [FieldEdit.ValuePart] { [.text(text)] }

  @Test func editsApplyInTheirOrder() throws {
    let fields = "X-A: 1\r\nX-B:2\r\nx-a: 3\r\nX_A: 4\r\n"
    #expect(
      try request([.add(name: "X-A", value: text("n"))], fields).suffix(5) == [
        "X-A: 1", "X-B: 2", "x-a: 3", "X_A: 4", "X-A: n",
      ])
    #expect(try request([.set(name: "X-A", value: text("n"))], fields).dropFirst() == ["X-B: 2", "X-A: n"])
    #expect(try request([.remove(name: "x-a")], fields).dropFirst() == ["X-B: 2"])
    #expect(
      try request(
        [
          .add(name: "x-c", value: text("1")), .set(name: "X-C", value: text("2")), .add(name: "x-c", value: text("3")),
          .set(name: "x-d", value: text("4")), .remove(name: "X-D"),
        ], "X-C: 0\r\nX-D: 0\r\n"
      ).dropFirst() == ["X-C: 2", "x-c: 3"])
  }

  @Test func editsHoldForWhatTheProxyWrites() throws {
    let forwarding = Forwarding(clientAddress: Array("192.0.2.1".utf8), peerIsTrusted: true, fields: .all)
    let all = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via", "x-request-id"]
    let sent = "X-Forwarded-For: 1.1.1.1\r\nVia: 1.1 z\r\nForwarded: for=1.1.1.1\r\nX-Request-Id: id\r\n"
    #expect(try request(all.map { .remove(name: $0) }, sent, forwarding) == ["Host: a:80"])
    #expect(
      try request(
        all.dropFirst().map { .remove(name: $0) } + [.set(name: "X-Forwarded-For", value: [.clientAddress])], sent,
        forwarding, values: values) == ["Host: a:80", "X-Forwarded-For: 192.0.2.7"])
    #expect(
      try request(
        [.remove(name: "user-agent"), .set(name: "Accept", value: text("*/*"))], "User-Agent: u\r\nAccept: a\r\n")
        == ["Host: a:80", "Accept: */*"])
  }

  private var values: EditValues {
    var values = EditValues()
    values.clientAddress = Array("192.0.2.7".utf8)
    values.clientPort = 4_711
    values.host = Array("h.example".utf8)
    values.requestID = (1, 2)
    values.scheme = Array("http".utf8)
    values.server = Array("10.0.0.1:80".utf8)
    values.upstream = Array("up".utf8)
    values.route = Array("ro\r\nute".utf8)
    return values
  }

  private let everything: [FieldEdit.ValuePart] = [
    .text("c="), .clientAddress, .text(" p="), .clientPort, .text(" h="), .host, .text(" i="), .requestID, .text(" s="),
    .scheme, .text(" v="), .server, .text(" u="), .upstream, .text(" r="), .route,
  ]

  @Test func valuesNameWhatIsKnown() throws {
    let edits: [FieldEdit] = [.set(name: "X-All", value: everything)]
    #expect(CompiledEdits(edits).variables.rawValue == 255)
    #expect(CompiledEdits([.set(name: "x", value: [.host, .route])]).variables == [.host, .route])
    let made = "00000000000000010000000000000002"
    let rest = "s=http v=10.0.0.1:80 u=up r=ro??ute"
    #expect(
      try request(edits, values: values).last == "X-All: c=192.0.2.7 p=4711 h=a:80 i=\(made) \(rest)")
    #expect(
      try request(edits, "X-Request-Id: given\r\n", values: values).last
        == "X-All: c=192.0.2.7 p=4711 h=a:80 i=given \(rest)")
  }

  @Test func hostHasItsPlace() throws {
    #expect(try request([], host: .server) == ["Host: s:81"])
    #expect(try request([], host: .fixed("f")) == ["Host: f"])
    #expect(try request([.set(name: "X", value: text("y"))], host: .preserve) == ["Host: a:80", "X: y"])
    #expect(try request([.set(name: "host", value: [.text("e-"), .host])], host: .server) == ["Host: e-a:80"])
    let forwarding = Forwarding(fields: .xForwardedHost)
    #expect(try request([], "", forwarding, host: .server) == ["Host: s:81", "X-Forwarded-Host: a:80"])
  }

  // MARK: - Responses

  private func response(_ edits: [FieldEdit], _ head: String) throws -> [String] {
    let parsed = try Parsed.response("HTTP/1.1 \(head)\r\n\r\n")
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    _ = ResponseHead.parse(
      parsed.bytes.rawSpan, scan: &scan, limits: HeadLimits(), requestMethod: .get, into: &table)
    var buffer = ByteBuffer(capacity: 64)
    parsed.head.write(
      to: &buffer, bytes: parsed.bytes.rawSpan, fields: table, clientVersion: .http11, clientKeepsAlive: true,
      bodyFraming: parsed.head.framing(forClient: .http11), via: Array("p".utf8), proxyStatus: Array("q".utf8),
      date: Array("d".utf8), edits: CompiledEdits(edits), values: values)
    return lines(buffer.readable.text(ByteRange(offset: 0, count: buffer.count)))
  }

  @Test func responsesAreEdited() throws {
    let head = "200 OK\r\nServer: s\r\nX-A: 1\r\nContent-Length: 0"
    #expect(
      try response([], head) == [
        "HTTP/1.1 200 OK", "Server: s", "X-A: 1", "Date: d", "Via: 1.1 p", "Proxy-Status: q", "Content-Length: 0",
      ])
    #expect(
      try response(
        ["server", "date", "via", "proxy-status", "x-a"].map { .remove(name: $0) } + [
          .add(name: "X-All", value: everything)
        ], head) == [
          "HTTP/1.1 200 OK", "Content-Length: 0",
          "X-All: c=192.0.2.7 p=4711 h=h.example i=00000000000000010000000000000002 s=http v=10.0.0.1:80 u=up r=ro??ute",
        ])
    #expect(try response([.set(name: "X", value: text("1"))], "103 Early Hints\r\nLink: l").contains("X: 1") == false)
  }

  @Test func localResponsesAreEdited() throws {
    var answer = LocalResponse(status: 503, proxyStatus: Array("q".utf8), retryAfter: 1, allow: Array("GET".utf8))
    answer.location = Array("/x".utf8)
    func written(_ edits: [FieldEdit]) -> [String] {
      var buffer = ByteBuffer(capacity: 64)
      answer.write(
        to: &buffer, requestMethod: .get, clientVersion: .http11, clientKeepsAlive: true, date: Array("d".utf8),
        edits: CompiledEdits(edits), values: values)
      return lines(buffer.readable.text(ByteRange(offset: 0, count: buffer.count)))
    }
    let body = "503 Service Unavailable\n"
    #expect(
      written([]) == [
        "HTTP/1.1 503 Service Unavailable", "Date: d", "Allow: GET", "Location: /x", "Proxy-Status: q",
        "Retry-After: 1", "Content-Type: text/plain; charset=utf-8", "Content-Length: 24", body,
      ])
    let names = ["date", "allow", "location", "proxy-status", "retry-after", "content-type"]
    #expect(
      written(names.map { .set(name: $0, value: [.upstream]) })
        == ["HTTP/1.1 503 Service Unavailable", "Content-Length: 24"] + names.map { "\($0): up" } + [body])
  }

  @Test func fixedResponsesSayWhatTheSettingsSay() {
    let fixed = LocalResponse(
      FixedResponse(status: 200, contentType: "application/json", body: Array("{}".utf8)))
    var buffer = ByteBuffer(capacity: 64)
    fixed.write(to: &buffer, requestMethod: .get, clientVersion: .http11, clientKeepsAlive: true)
    #expect(
      lines(buffer.readable.text(ByteRange(offset: 0, count: buffer.count))) == [
        "HTTP/1.1 200 OK", "Content-Type: application/json", "Content-Length: 2", "{}",
      ])
  }
}
