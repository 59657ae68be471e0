import Core
import Host
import Support
import Testing

/// The access log of a proxy that serves.
@Suite(.onThreads)
struct AccessLogTests {
  private static func answer(_ request: Message) -> String {
    let status = request.startLine.contains("/fail") ? "500 Oh" : "200 OK"
    return "HTTP/1.1 \(status)\r\nContent-Length: 2\r\nSet-Cookie: a=secret\r\nLocation: /x?code=secret\r\n\r\nok"
  }

  private func lines(
    _ change: (inout ProxySettings) -> Void, count: Int, _ body: (RunningProxy) throws -> Void
  ) throws -> [String] {
    var lines: [String] = []
    try story(change, answering: Self.answer) { (proxy, _) throws in
      try body(proxy)
      #expect(eventually { proxy.accessLines.count >= count })
      lines = proxy.accessLines
      #expect(lines.count == count, "\(lines)")
    }
    return lines
  }

  /// Form and place change together, for each worker: no line is in the wrong one, whatever was under way.
  @Test func aReloadChangesFormAndPlaceAtOnce() throws {
    let directory = try TemporaryDirectory()
    try story(
      {
        $0.threads = 3
        $0.logs.access = .text
      }, answering: Self.answer
    ) { proxy, _ in
      let clients = try (0..<12).map { _ in try proxy.connect() }
      var written = 0
      var writers: [LogWriter] = []
      for round in 0..<6 {
        for client in clients { try client.send("GET /\(round) HTTP/1.1\r\nHost: a\r\n\r\n") }
        var settings = proxy.proxy.settings
        settings.logs.access = round.isMultiple(of: 2) ? .json : .text
        writers.append(try LogWriter(to: .file(path: "\(directory.path)/\(round)")))
        _ = try proxy.proxy.reload(settings, accessLog: writers[round])
        for client in clients { #expect(try client.receiveResponse().status == 200) }
        written += clients.count
      }
      var files: [(isJSON: Bool, lines: [String])] = []
      #expect(
        eventually {
          for writer in writers { writer.flush() }
          files = [(false, proxy.accessLines)]
          for round in 0..<6 {
            let text = BuiltProgram.text(ofFile: "\(directory.path)/\(round)") ?? ""
            files.append((round.isMultiple(of: 2), text.split(separator: "\n").map(String.init)))
          }
          return files.reduce(0) { $0 + $1.lines.count } == written
        })
      for file in files {
        for line in file.lines { #expect(line.hasPrefix("{") == file.isJSON, "\(line)") }
      }
    }
  }

  @Test func combinedAsClientsSentIt() throws {
    let lines = try lines({ $0.logs.access = .combined }, count: 1) { proxy in
      _ = try proxy.connect().get("/a?token=secret&b=c", "Referer: http://r/?s=secret\r\nUser-Agent: \"x\r\n")
    }
    let line = lines.first ?? ""
    #expect(line.hasPrefix("127.0.0.1 - - ["))
    #expect(
      line.hasSuffix(#"] "GET /a?token=...&b=... HTTP/1.1" 200 2 "http://r/?s=..." "\x22x""#), "\(line)")
  }

  @Test func nothingSecretUnlessAskedFor() throws {
    let format = try LogSettings.AccessLogFormat(
      parsing: "{request} {request.authorization} {request.cookie} {response.set-cookie} {response.location}")
    let fields = "Authorization: Bearer secret\r\nCookie: a=secret\r\n"
    for access in [format, .json, .text] {
      let lines = try lines(
        { settings in
          settings.logs.access = access
          settings.logs.requestFields = ["authorization", "cookie"]
          settings.logs.responseFields = ["set-cookie", "location"]
        }, count: 1
      ) { _ = try $0.connect().get("/?a=secret", fields) }
      #expect(!lines[0].contains("secret") && lines[0].contains("..."), "\(lines)")
    }
    let revealing = try lines(
      { settings in
        settings.logs.access = format
        settings.logs.query = .keep
        settings.logs.reveal = ["authorization", "cookie", "set-cookie"]
      }, count: 1
    ) { _ = try $0.connect().get("/?a=secret", fields) }
    #expect(revealing == ["GET /?a=secret HTTP/1.1 Bearer secret a=secret a=secret /x?code=secret"])
  }

  @Test func theControlLogHidesQueriesToo() throws {
    let proxy = try RunningProxy(to: [nobody])
    defer { proxy.stop() }
    _ = try proxy.connect().get("/?a=secret")
    #expect(eventually { proxy.log.contains { $0.contains("GET /?a=...") } })
    #expect(!proxy.log.contains { $0.contains("secret") })
  }

  @Test func whatIsRewrittenIsLoggedAsItWasAskedFor() throws {
    let lines = try lines(
      { settings in
        settings.logs.access = try! LogSettings.AccessLogFormat(parsing: "{request}|{path}|{route}|{upstream_name}")
        settings.routes = [
          RouteSettings(name: "api", action: .forward(upstream: 0, rewrite: .stripPrefix("/api")))
        ]
      }, count: 2
    ) { proxy in
      _ = try proxy.connect().get("/api/x?y=z")
      _ = try proxy.connect().get("http://other/api/x")
    }
    #expect(lines.first == "GET /api/x?y=... HTTP/1.1|/api/x|api|upstream")
    #expect(lines.last == "GET http://other/api/x HTTP/1.1|/api/x|api|upstream")
  }

  @Test func samplingGoesByTheIdentifier() throws {
    let sampling = LogSampling(oneOf: 4)
    let identifiers = (0..<40).map { "request-\($0)" }
    let expected = identifiers.filter { sampling.takes(Array($0.utf8)) }
    #expect(!expected.isEmpty)
    for threads in [1, 2] {
      let lines = try lines(
        { settings in
          settings.threads = threads
          settings.logs.access = try! LogSettings.AccessLogFormat(parsing: "{request_id} {status} {sampling}")
          settings.logs.sampling = 4
        }, count: expected.count + 40
      ) { proxy in
        for identifier in identifiers {
          _ = try proxy.connect().get("/", "X-Request-Id: \(identifier)\r\n")
          _ = try proxy.connect().get("/fail", "X-Request-Id: \(identifier)\r\n")
        }
      }
      #expect(lines.filter { $0.hasSuffix(" 200 4") }.sorted() == expected.map { "\($0) 200 4" }.sorted())
      #expect(lines.filter { $0.hasSuffix(" 500 1") }.count == 40, "failures are never left out")
    }
  }

  @Test func anotherFormatAfterAReload() throws {
    try story({ $0.logs.access = .common }, answering: Self.answer) { (proxy, _) throws in
      let client = try proxy.connect()
      _ = try client.get("/one")
      #expect(eventually { proxy.accessLines.count == 1 })
      var settings = proxy.proxy.settings
      settings.logs.access = try LogSettings.AccessLogFormat(parsing: "{method} {request.x-a}")
      _ = try proxy.proxy.reload(settings)
      #expect(
        try eventually {
          _ = try client.get("/two", "X-A: b\r\n")
          return proxy.accessLines.contains("GET b")
        })
      settings.logs.access = .off
      _ = try proxy.proxy.reload(settings)
      #expect(
        try eventually {
          let before = proxy.accessLines.count
          _ = try client.get("/three")
          _ = proxy.counters
          return proxy.accessLines.count == before
        })
    }
  }
}
