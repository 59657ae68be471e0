import Testing

@testable import Core

@Suite struct RewriteTests {
  /// The request line's target as it goes to the server.
  private func target(_ rewrite: PathRewrite, _ target: String, method: String = "GET") throws -> String {
    let parsed = try Parsed.request("\(method) \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
    let line = parsed.written(RequestChanges(rewrite: rewrite, edits: [.set(name: "x-a", value: [])])).split(
      separator: "\r\n")[0]
    return String(line.split(separator: " ")[1])
  }

  @Test func stripsWholeSegments() throws {
    for (prefix, asked, expected) in [
      ("/api", "/api", "/"), ("/api", "/api/", "/"), ("/api", "/api/x", "/x"), ("/api", "/api?q", "/?q"),
      ("/api", "/apis", "/apis"), ("/api", "/api//evil", "/evil"), ("/api", "/api///evil?//x", "/evil?//x"),
      ("/api/", "/api/x", "/x"), ("/api/", "/api", "/api"), ("/api", "/api/../x", "/../x"),
      ("/api", "/api/%2e", "/%2e"),
      ("/", "//x", "/x"), ("/", "/x", "/x"), ("/api", "http://b/api/x?y", "/x?y"), ("/api", "http://b", "/"),
      ("/api", "http://b?q", "/?q"), ("/api", "//api/x", "//api/x"),
    ] {
      #expect(try target(.stripPrefix(prefix), asked) == expected, "\(prefix) of \(asked)")
    }
    #expect(try target(.stripPrefix("/api"), "*", method: "OPTIONS") == "*")
  }

  @Test func replacesPrefixes() throws {
    for (prefix, other, asked, expected) in [
      ("/api", "/v2", "/api", "/v2"), ("/api", "/v2", "/api/x", "/v2/x"), ("/api", "/v2/", "/api", "/v2/"),
      ("/api", "/v2/", "/api/x", "/v2/x"), ("/api/", "/v2", "/api/x", "/v2/x"), ("/api", "/", "/api//x", "/x"),
      ("/api", "/v2", "/api//x", "/v2//x"), ("/api", "/v2", "/b", "/b"), ("/api", "v2", "/api/x", "/v2/x"),
    ] {
      #expect(try target(.replacePrefix(prefix, with: other), asked) == expected, "\(prefix) of \(asked)")
    }
  }

  @Test func replacesTheWholePath() throws {
    #expect(try target(.replacePath("/x"), "/a/b?c=d") == "/x?c=d")
    #expect(try target(.replacePath("/x?y=1"), "/a/b?c=d") == "/x?y=1&c=d")
    #expect(try target(.replacePath("/x"), "http://b?c") == "/x?c")
    #expect(try target(.replacePath("//x"), "/") == "/x")
  }

  @Test func noChangeWritesWhatWasWrittenBefore() throws {
    for line in ["GET //a/../%2e?b HTTP/1.1", "GET http://b HTTP/1.1", "OPTIONS http://b HTTP/1.1"] {
      let parsed = try Parsed.request("\(line)\r\nHost: a\r\nX:y\r\n\r\n")
      #expect(parsed.written(.none) == parsed.written(Forwarding()))
      var changes = RequestChanges()
      changes.edits = CompiledEdits([.remove(name: "not-there")])
      #expect(parsed.written(changes, Forwarding()) == parsed.written(Forwarding()))
    }
  }

  // MARK: - Redirects

  private func location(
    _ asked: String, host: String = "a.example:8080", _ change: (inout Redirect) -> Void = { _ in }
  ) throws -> String {
    var redirect = Redirect()
    change(&redirect)
    let parsed = try Parsed.request("GET \(asked) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
    let response = CompiledRedirect(redirect).response(parsed.head, parsed.bytes.rawSpan, scheme: Array("http".utf8))
    #expect(response.status == redirect.status)
    return String(decoding: response.location ?? [], as: UTF8.self)
  }

  @Test func redirectsKeepWhatIsNotNamed() throws {
    #expect(try location("/x?y") == "/x?y")
    #expect(try location("/x?y") { $0.keepsQuery = false } == "/x")
    #expect(try location("/x?y") { $0.scheme = "https" } == "https://a.example/x?y")
    #expect(try location("/x?y") { $0.scheme = "http" } == "http://a.example:8080/x?y")
    #expect(try location("/x", host: "[::1]:80") { $0.scheme = "https" } == "https://[::1]/x")
    #expect(try location("/x?y") { $0.host = "b.example" } == "http://b.example/x?y")
    #expect(
      try location("/old/x?y") {
        $0.scheme = "https"
        $0.host = "b.example:8443"
        $0.rewrite = .replacePrefix("/old", with: "/new")
      } == "https://b.example:8443/new/x?y")
    #expect(try location("http://c.example?q") { $0.scheme = "https" } == "https://c.example/?q")
  }

  @Test func redirectsAreNeverOpen() throws {
    for asked in ["//evil.example/x", "///evil.example/x", "/a//evil.example/x"] {
      for rewrite: PathRewrite in [.none, .stripPrefix("/a"), .replacePrefix("/a", with: "/")] {
        let location = try location(asked) { $0.rewrite = rewrite }
        #expect(location.hasPrefix("/") && !location.hasPrefix("//"), "\(location)")
      }
    }
    #expect(try location("//evil.example/x") { $0.scheme = "https" } == "https://a.example/evil.example/x")
  }
}

extension Parsed where Head == RequestHead {
  func written(
    _ changes: RequestChanges, _ forwarding: Forwarding = Forwarding(), values: EditValues = EditValues()
  ) -> String {
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    _ = RequestHead.parse(bytes.rawSpan, scan: &scan, limits: HeadLimits(), into: &table)
    var buffer = ByteBuffer(capacity: 64)
    head.write(
      to: &buffer, bytes: bytes.rawSpan, fields: table, forwarding: forwarding, requestID: (1, 2), changes: changes,
      values: values)
    return buffer.readable.text(ByteRange(offset: 0, count: buffer.count))
  }
}
