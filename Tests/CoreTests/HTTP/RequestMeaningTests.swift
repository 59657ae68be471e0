import Testing

@testable import Core

/// What a legal request means for this hop.
@Suite struct RequestMeaningTests {
  private func head(_ line: String = "GET / HTTP/1.1", _ fields: String = "") throws -> Parsed<RequestHead> {
    try Parsed.request("\(line)\r\nHost: a\r\n\(fields)\r\n")
  }

  @Test func knowsTheMethods() throws {
    let names: [(String, Core.Method)] = [
      ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete), ("TRACE", .trace),
      ("OPTIONS", .options), ("PATCH", .patch), ("PROPFIND", .propfind), ("PROPPATCH", .proppatch), ("MKCOL", .mkcol),
      ("COPY", .copy), ("MOVE", .move), ("UNLOCK", .unlock), ("REPORT", .report), ("SEARCH", .search),
      ("get", .other), ("GETS", .other), ("GE", .other), ("PROPPATCX", .other), ("PROPPATCHH", .other),
      ("LOCK", .other),
      ("M-SEARCH", .other), ("X", .other), (String(repeating: "X", count: 100), .other), ("!#$%&'*+-.^_`|~", .other),
    ]
    for (name, method) in names {
      let parsed = try head("\(name) / HTTP/1.1")
      #expect(parsed.head.method == method, "\(name)")
      #expect(parsed.text(parsed.head.methodRange) == name)
    }
    #expect(Set(names.map(\.1)).union([.connect]) == Set(Core.Method.allCases))
  }

  @Test func knowsWhichMethodsAreIdempotent() {
    let unsure: Set<Core.Method> = [.post, .patch, .connect, .other]
    for method in Core.Method.allCases {
      #expect(method.isIdempotent == !unsure.contains(method))
      if method.isSafe { #expect(method.isIdempotent) }
    }
    #expect(Set(Core.Method.allCases.filter(\.isSafe)) == [.get, .head, .options, .trace, .propfind, .report, .search])
  }

  @Test func treatsHigherMinorVersionsAs11() throws {
    for (version, expected) in [("1.0", HTTPVersion.http10), ("1.1", .http11), ("1.2", .http11), ("1.9", .http11)] {
      #expect(try head("GET / HTTP/\(version)").head.version == expected)
    }
  }

  @Test func keepsOrClosesTheConnection() throws {
    let cases: [(String, String, Bool)] = [
      ("1.1", "", true), ("1.1", "close", false), ("1.1", "Close", false), ("1.1", "keep-alive", true),
      ("1.1", "keep-alive, close", false), ("1.1", "x, ,close", false), ("1.1", "closed", true),
      ("1.1", "not-close", true), ("1.0", "", false), ("1.0", "keep-alive", true), ("1.0", "Keep-Alive", true),
      ("1.0", "keep-alive, close", false), ("1.0", "close", false), ("1.0", "x,keep-alive", true),
    ]
    for (version, options, expected) in cases {
      let fields = options.isEmpty ? "" : "Connection: \(options)\r\n"
      #expect(try head("GET / HTTP/\(version)", fields).head.keepsAlive == expected, "\(version) \(options)")
    }
    #expect(try !head("GET / HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n").head.keepsAlive)
    #expect(try head("GET / HTTP/1.1", "Proxy-Connection: close\r\n").head.keepsAlive)
  }

  @Test func findsTheFraming() throws {
    let cases: [(String, RequestFraming)] = [
      ("", .none), ("Content-Length: 0\r\n", .contentLength(0)), ("Content-Length: 00012\r\n", .contentLength(12)),
      ("Content-Length: \t5 \t\r\n", .contentLength(5)),
      ("content-LENGTH:9223372036854775807\r\n", .contentLength(9_223_372_036_854_775_807)),
      ("Transfer-Encoding: chunked\r\n", .chunked), ("transfer-encoding:\tCHUNKED \r\n", .chunked),
    ]
    for (fields, framing) in cases {
      #expect(try head("POST / HTTP/1.1", fields).head.framing == framing, "\(fields)")
    }
  }

  @Test func waitsForContinueOnlyWithContentAndHTTP11() throws {
    let expect = "Expect: 100-Continue\r\n"
    #expect(try head("POST / HTTP/1.1", expect + "Content-Length: 1\r\n").head.expectsContinue)
    #expect(try head("POST / HTTP/1.1", expect + "Transfer-Encoding: chunked\r\n").head.expectsContinue)
    #expect(try !head("POST / HTTP/1.1", expect + "Content-Length: 0\r\n").head.expectsContinue)
    #expect(try !head("POST / HTTP/1.1", expect).head.expectsContinue)
    #expect(try !head("POST / HTTP/1.0", expect + "Content-Length: 1\r\n").head.expectsContinue)
    #expect(try !head("POST / HTTP/1.0", "Expect: else\r\nContent-Length: 1\r\n").head.expectsContinue)
  }

  /// RFC 9110 section 10.1.4: TE is for one hop, and this one passes trailers on.
  @Test func saysWhetherTheClientTakesTrailers() throws {
    for (version, fields, expected) in [
      ("1.1", "TE: trailers\r\n", "Connection: TE\r\nTE: trailers\r\n"),
      ("1.1", "Connection: TE\r\nTE: gzip;q=0.5, Trailers\r\n", "Connection: TE\r\nTE: trailers\r\n"),
      (
        "1.1", "TE: trailers\r\nConnection: upgrade, TE\r\nUpgrade: a\r\n",
        "Connection: upgrade, TE\r\nTE: trailers\r\nUpgrade: a\r\n"
      ),
      ("1.1", "TE: gzip\r\n", ""), ("1.1", "TE:\r\n", ""), ("1.0", "TE: trailers\r\n", ""),
    ] {
      let written = try head("GET / HTTP/\(version)", fields).written(Forwarding(fields: []))
      #expect(expected.isEmpty ? !written.contains("TE") : written.contains(expected), "\(written)")
    }
  }

  @Test func passesOnOnlyUpgradesThatItUnderstands() throws {
    let cases: [(String, String, String)] = [
      ("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "websocket"),
      ("1.1", "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", "websocket"),
      ("1.1", "Connection: upgrade\r\nUpgrade: IRC/6.9, RTA/x11\r\n", "IRC/6.9, RTA/x11"),
      ("1.1", "Upgrade: websocket\r\n", ""),
      ("1.1", "Connection: upgrade\r\n", ""),
      ("1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: other\r\n", "websocket, other"),
      ("1.1", "Connection: upgrade\r\nUpgrade: h2c\r\nX: y\r\nUpgrade: a/1, tls\r\nUpgrade: b\r\n", "a/1, b"),
      ("1.1", "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: tls\r\n", ""),
      ("1.1", "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n", ""),
      ("1.1", "Connection: upgrade\r\nUpgrade: websocket, H2C\r\n", "websocket"),
      ("1.1", "Connection: upgrade\r\nUpgrade: h2c , websocket/13,tls,, a b\r\n", "websocket/13"),
      ("1.1", "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n", ""),
      ("1.1", "Connection: upgrade\r\nUpgrade: a b\r\n", ""),
      ("1.1", "Connection: upgrade\r\nUpgrade: a,\r\n", "a"),
      ("1.1", "Connection: upgrade\r\nUpgrade: a/\r\n", ""),
      ("1.1", "Connection: upgrade\r\nUpgrade:\r\n", ""),
      ("1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", ""),
      ("1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", "websocket"),
      ("1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", ""),
    ]
    for (version, fields, expected) in cases {
      let parsed = try head("GET / HTTP/\(version)", fields)
      #expect(parsed.head.upgrade.isEmpty == expected.isEmpty, "\(fields)")
      let written = parsed.written(Forwarding(fields: []))
      #expect(written.contains("Upgrade: ") == !expected.isEmpty)
      #expect(expected.isEmpty || written.contains("\r\nUpgrade: \(expected)\r\n"), "\(written)")
      #expect(written.contains("Connection: upgrade\r\n") == !expected.isEmpty)
      #expect(!written.lowercased().contains("http2-settings"))
    }
  }

  @Test func countsForwardsOfTraceAndOptions() throws {
    #expect(try head("TRACE / HTTP/1.1", "Max-Forwards: 3\r\n").head.maxForwards == 3)
    #expect(try head("OPTIONS * HTTP/1.1", "Max-Forwards: 0\r\n").head.maxForwards == 0)
    #expect(try head("GET / HTTP/1.1", "Max-Forwards: 3\r\n").head.maxForwards == nil)
    #expect(try head("TRACE / HTTP/1.1", "Max-Forwards: x\r\n").head.maxForwards == nil)
    #expect(
      try head("TRACE / HTTP/1.1", "Max-Forwards: 3\r\n").written(Forwarding(fields: [])).contains(
        "Max-Forwards: 2\r\n"))
    #expect(
      try head("GET / HTTP/1.1", "Max-Forwards: 3\r\n").written(Forwarding(fields: [])).contains("Max-Forwards: 3\r\n"))
  }

  @Test func takesTheFormsOfATarget() throws {
    let cases: [(String, RequestTarget.Form, String, String, String)] = [
      ("GET /", .origin, "/", "", "a"),
      ("GET //b//c?d=/?&e", .origin, "//b//c?d=/?&e", "", "a"),
      ("GET /{x}|^`[]?{|}^`[]%zz", .origin, "/{x}|^`[]?{|}^`[]%zz", "", "a"),
      ("OPTIONS *", .asterisk, "*", "", "a"),
      ("GET http://b:80/c?d", .absolute, "/c?d", "http", "b:80"),
      ("GET HTTPS://b", .absolute, "", "HTTPS", "b"),
      ("GET http://b?c", .absolute, "?c", "http", "b"),
      ("GET http://[::1]:80/", .absolute, "/", "http", "[::1]:80"),
    ]
    for (line, form, path, scheme, host) in cases {
      let parsed = try head("\(line) HTTP/1.1")
      #expect(parsed.head.target.form == form, "\(line)")
      #expect(parsed.text(parsed.head.target.pathAndQuery) == path, "\(line)")
      #expect(parsed.text(parsed.head.target.scheme) == scheme, "\(line)")
      #expect(parsed.text(parsed.head.host) == host, "\(line)")
    }
  }

  @Test func takesExactlyTheLegalCharacters() throws {
    let token = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    for byte in UInt8.min...UInt8.max {
      #expect(ByteClass.isToken(byte) == token.contains(byte), "\(byte)")
      let isTarget = byte > 0x20 && byte < 0x7f && !"\"#<>\\".utf8.contains(byte)
      #expect(ByteClass.isTarget(byte) == isTarget, "\(byte)")
      let inName = Array("GET / HTTP/1.1\r\nHost: a\r\nX".utf8) + [byte] + Array("Y: v\r\n\r\n".utf8)
      #expect(((try? Parsed.request(inName)) != nil) == (token.contains(byte) || byte == UInt8(ascii: ":")), "\(byte)")
      let isValue = byte == 9 || (byte >= 0x20 && byte != 0x7f)
      for length in 0..<10 {
        let padding = [UInt8](repeating: 0x61, count: length)
        let inValue =
          Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + padding + [byte] + padding + Array("\r\n\r\n".utf8)
        #expect(((try? Parsed.request(inValue)) != nil) == isValue, "\(byte)")
      }
    }
  }
}
