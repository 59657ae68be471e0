import Testing

@testable import Core

@Suite struct RouterTests {
  private func forward(_ name: String, _ change: (inout RouteMatch) -> Void = { _ in }) -> RouteSettings {
    var route = RouteSettings(name: name, action: .forward(upstream: 0, rewrite: .none))
    change(&route.match)
    return route
  }

  /// The name of the route that a request finds.
  private func found(_ routes: [RouteSettings], _ head: String) throws -> String? {
    let bytes = Array((head + "\r\n\r\n").utf8)
    return try Self.index(Router(routes), bytes).map { routes[$0].name }
  }

  static func index(_ router: Router, _ bytes: [UInt8]) throws -> Int? {
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    switch RequestHead.parse(bytes.rawSpan, scan: &scan, limits: HeadLimits(), into: &table) {
    case .incomplete: throw Incomplete.incomplete
    case .failed(let error): throw error
    case .complete(let head): return router.route(head, bytes.rawSpan, table)
    }
  }

  @Test func noRoutesMatchNothing() throws {
    #expect(Router([]).isEmpty)
    #expect(try found([], "GET / HTTP/1.1\r\nHost: a") == nil)
  }

  @Test func ofTwoCatchAllsTheFirstIsTaken() throws {
    #expect(try found([forward("a"), forward("b")], "GET /x HTTP/1.1\r\nHost: a") == "a")
  }

  @Test func hostsGoExactThenLongestWildcardThenAny() throws {
    let routes = [
      forward("any"), forward("wide") { $0.hosts = [.suffix(".example.com")] },
      forward("deep") { $0.hosts = [.suffix(".b.example.com")] },
      forward("exact") { $0.hosts = [.exact("a.b.example.com"), .exact("[::1]")] },
    ]
    for (host, expected) in [
      ("a.b.example.com", "exact"), ("A.B.Example.COM:8080", "exact"), ("a.b.example.com.", "exact"),
      ("a.b.example.com.:80", "exact"), ("c.b.example.com", "deep"), ("x.a.b.example.com", "deep"),
      ("b.example.com", "wide"), ("c.example.com:1", "wide"), ("example.com", "any"), (".example.com", "any"),
      ("notexample.com", "any"), ("[::1]:80", "exact"), ("[::2]", "any"), ("10.0.0.1:80", "any"),
    ] {
      #expect(try found(routes, "GET / HTTP/1.1\r\nHost: \(host)") == expected, "\(host)")
    }
    #expect(try found(routes, "GET http://a.b.example.com/ HTTP/1.1\r\nHost: other") == "exact")
    #expect(try found(routes, "GET / HTTP/1.0") == "any")
    #expect(try found(Array(routes.dropFirst()), "GET / HTTP/1.1\r\nHost: other") == nil)
  }

  @Test func prefixesEndAtSegments() throws {
    let routes = [
      forward("api") { $0.paths = [.prefix("/api")] }, forward("slash") { $0.paths = [.prefix("/api/")] },
      forward("exact") { $0.paths = [.exact("/api/x")] }, forward("deep") { $0.paths = [.prefix("/api/x/y")] },
    ]
    for (path, expected) in [
      ("/api", "api"), ("/api?x", "api"), ("/api/", "slash"), ("/api/z", "slash"), ("/api/x", "exact"),
      ("/api/x?q", "exact"), ("/api/x/", "slash"), ("/api/x/y", "deep"), ("/api/x/y/z", "deep"), ("/api/x/yz", "slash"),
      ("/apis", nil), ("/API", nil), ("/%61pi", nil), ("//api", nil), ("/./api", nil), ("/api/../z", "slash"),
      ("/", nil),
      ("/api//x", "slash"),
    ] {
      #expect(try found(routes, "GET \(path) HTTP/1.1\r\nHost: a") == expected, "\(path)")
    }
  }

  @Test func absoluteFormWithoutPathIsTheRoot() throws {
    let routes = [
      forward("root") { $0.paths = [.exact("/")] }, forward("star") { $0.paths = [.exact("*")] }, forward("any"),
    ]
    #expect(try found(routes, "GET http://a HTTP/1.1\r\nHost: a") == "root")
    #expect(try found(routes, "GET http://a?q HTTP/1.1\r\nHost: a") == "root")
    #expect(try found(routes, "OPTIONS http://a HTTP/1.1\r\nHost: a") == "star")
    #expect(try found(routes, "OPTIONS * HTTP/1.1\r\nHost: a") == "star")
    #expect(try found([forward("slash") { $0.paths = [.prefix("/")] }], "OPTIONS * HTTP/1.1\r\nHost: a") == nil)
  }

  @Test func conditionsNarrowARouteAndFallThrough() throws {
    let routes = [
      forward("plain") { $0.paths = [.prefix("/a")] },
      forward("post") {
        $0.paths = [.prefix("/a")]
        $0.methods = ["POST", "PUT"]
      },
      forward("both") {
        $0.paths = [.prefix("/a")]
        $0.methods = ["POST"]
        $0.fields = [.init(name: "x-canary", condition: .equals("yes"))]
      },
      forward("deep") {
        $0.paths = [.prefix("/a/b")]
        $0.fields = [.init(name: "x-beta", condition: .contains("on"))]
      },
      forward("none") {
        $0.paths = [.exact("/n")]
        $0.fields = [.init(name: "cookie", condition: .absent)]
      },
      forward("some") {
        $0.paths = [.exact("/n")]
        $0.fields = [.init(name: "cookie", condition: .present)]
      },
    ]
    #expect(try found(routes, "GET /a HTTP/1.1\r\nHost: a") == "plain")
    #expect(try found(routes, "PUT /a HTTP/1.1\r\nHost: a") == "post")
    #expect(try found(routes, "put /a HTTP/1.1\r\nHost: a") == "plain")
    #expect(try found(routes, "POST /a HTTP/1.1\r\nHost: a\r\nX-Canary: no\r\nx-CANARY: yes") == "both")
    #expect(try found(routes, "POST /a/b HTTP/1.1\r\nHost: a\r\nX-Canary: Yes") == "post")
    #expect(try found(routes, "GET /a/b HTTP/1.1\r\nHost: a\r\nX-Beta: moon") == "deep")
    #expect(try found(routes, "GET /a/b HTTP/1.1\r\nHost: a\r\nX-Beta: o") == "plain")
    #expect(try found(routes, "GET /n HTTP/1.1\r\nHost: a") == "none")
    #expect(try found(routes, "GET /n HTTP/1.1\r\nHost: a\r\nCookie: a=b") == "some")
  }

  // MARK: - Against a slow model

  /// How specific a match is, written from the rule's words. Larger is more specific.
  private struct Rank: Comparable {
    var host: Int
    var path: Int
    var conditions: Int
    var order: Int

    static func < (left: Rank, right: Rank) -> Bool {
      (left.host, left.path, left.conditions, left.order) < (right.host, right.path, right.conditions, right.order)
    }
  }

  private func modelled(_ routes: [RouteSettings], host: String, path: String, method: String, field: String?) -> Int? {
    var best: (rank: Rank, index: Int)?
    for (index, route) in routes.enumerated() {
      let match = route.match
      if !match.methods.isEmpty, !match.methods.contains(method) { continue }
      if !match.fields.allSatisfy({ $0.condition == .present ? field != nil : $0.condition == .equals(field ?? "-") }) {
        continue
      }
      var hostRanks = match.hosts.compactMap { pattern -> Int? in
        switch pattern {
        case .exact(let name): return name == host ? 10_000 : nil
        case .suffix(let suffix): return host.hasSuffix(suffix) && host.count > suffix.count ? suffix.count : nil
        }
      }
      if match.hosts.isEmpty { hostRanks = [0] }
      var pathRanks = match.paths.compactMap { pattern -> Int? in
        switch pattern {
        case .exact(let text): return text == path ? 10_000 : nil
        case .prefix(let text):
          let isThere = text == path || path.hasPrefix(text.hasSuffix("/") ? text : text + "/")
          return isThere ? text.count : nil
        }
      }
      if match.paths.isEmpty { pathRanks = [0] }
      guard let hostRank = hostRanks.max(), let pathRank = pathRanks.max() else { continue }
      let rank = Rank(
        host: hostRank, path: pathRank, conditions: match.fields.count + min(match.methods.count, 1), order: -index)
      if rank > best?.rank ?? Rank(host: -1, path: -1, conditions: -1, order: .min) { best = (rank, index) }
    }
    return best?.index
  }

  @Test(arguments: 0..<8 as Range<UInt64>) func agreesWithASlowModel(seed: UInt64) throws {
    var random = SeededNumbers(seed: seed)
    let labels = ["a", "b", "ab"]
    let segments = ["", "a", "b", "ab", "%61", ".."]
    func host(_ random: inout SeededNumbers) -> String {
      (0..<Int.random(in: 1...4, using: &random)).map { _ in labels.randomElement(using: &random)! }.joined(
        separator: ".")
    }
    func path(_ random: inout SeededNumbers) -> String {
      (0..<Int.random(in: 1...4, using: &random)).map { _ in "/" + segments.randomElement(using: &random)! }.joined()
    }
    for _ in 0..<60 {
      let routes = (0..<Int.random(in: 1...12, using: &random)).map { number in
        forward("\(number)") { match in
          for _ in 0..<Int.random(in: 0...2, using: &random) {
            let name = host(&random)
            match.hosts.append(Bool.random(using: &random) ? .exact(name) : .suffix("." + name))
          }
          for _ in 0..<Int.random(in: 0...2, using: &random) {
            let text = path(&random)
            match.paths.append(Int.random(in: 0...2, using: &random) == 0 ? .exact(text) : .prefix(text))
          }
          if Int.random(in: 0...3, using: &random) == 0 { match.methods = ["PUT"] }
          if Int.random(in: 0...3, using: &random) == 0 {
            match.fields = [.init(name: "x-f", condition: Bool.random(using: &random) ? .present : .equals("1"))]
          }
        }
      }
      let router = Router(routes)
      for _ in 0..<60 {
        let (host, path) = (host(&random), path(&random))
        let method = Bool.random(using: &random) ? "GET" : "PUT"
        let field: String? = [nil, "1", "2"].randomElement(using: &random)!
        let extra = field.map { "X-F: \($0)\r\n" } ?? ""
        let spelled = Bool.random(using: &random) ? host.uppercased() + ":80" : host
        let bytes = Array("\(method) \(path)?/q HTTP/1.1\r\nHost: \(spelled)\r\n\(extra)\r\n".utf8)
        let wanted = modelled(routes, host: host, path: path, method: method, field: field)
        let found = try Self.index(router, bytes)
        #expect(found == wanted, "seed \(seed): \(method) \(host) \(path) \(field ?? "-"): \(routes.map(\.match))")
      }
    }
  }
}
