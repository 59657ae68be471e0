import Core
import Foundation
import Host
import Support
import Testing

/// `photofinish probe` against servers that others wrote, at known timeouts.
@Suite struct ProbeCommandTests {
  /// A server, set to a known idle timeout.
  struct Peer: Sendable, CustomTestStringConvertible {
    var name: String
    /// The least idle age at which it closes, in seconds.
    var timeout: Double
    /// What it writes into its configuration file; `%PORT` and `%DIR` are replaced.
    var file: (name: String, text: String)
    var command: [String]
    /// What becomes of a request behind its FIN: Apache lingers, reads it, and says nothing.
    var late = "reset"
    var testDescription: String { "\(name), \(timeout) s" }
  }

  static let peers: [Peer] =
    [1_000, 2_500].map { announced in
      Peer(
        name: "Node", timeout: Double(announced) / 1_000 + nodesExtra,
        file: (
          "server.js",
          "const s=require('http').createServer((q,r)=>r.end('ok'));s.keepAliveTimeout=\(announced);"
            + "s.listen(%PORT,'127.0.0.1')"
        ),
        command: ["node", "%DIR/server.js"])
    } + [
      // Gunicorn's threaded worker looks about once a second, so that it closes up to a second late.
      Peer(
        name: "gunicorn", timeout: 2, file: ("app.py", wsgi),
        command: [
          "gunicorn", "--chdir", "%DIR", "-b", "127.0.0.1:%PORT", "--worker-class", "gthread", "--threads", "16",
          "--keep-alive", "2", "app:app",
        ]),
      Peer(
        name: "uvicorn", timeout: 2, file: ("app.py", asgi),
        command: [
          "uvicorn", "--app-dir", "%DIR", "--host", "127.0.0.1", "--port", "%PORT", "--timeout-keep-alive", "2",
          "app:app",
        ]),
      Peer(
        name: "nginx", timeout: 3,
        file: (
          "nginx.conf",
          """
          daemon off; pid %DIR/pid; error_log %DIR/log;
          events {}
          http { access_log off; keepalive_timeout 3s; client_body_temp_path %DIR/b; proxy_temp_path %DIR/p;
            fastcgi_temp_path %DIR/f; uwsgi_temp_path %DIR/u; scgi_temp_path %DIR/s;
            server { listen 127.0.0.1:%PORT; location / { return 200 ok; } } }
          """
        ),
        command: ["nginx", "-p", "%DIR", "-c", "%DIR/nginx.conf"]),
      Peer(
        name: "Apache", timeout: 2,
        file: (
          "httpd.conf",
          """
          ServerRoot %DIR
          ServerName sample
          PidFile %DIR/pid
          ErrorLog %DIR/log
          Listen 127.0.0.1:%PORT
          LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
          LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
          KeepAlive On
          KeepAliveTimeout 2
          MaxKeepAliveRequests 1000
          """
        ),
        command: ["apache2", "-X", "-f", "%DIR/httpd.conf"], late: "silence"),
    ]

  /// Node 20 adds a second of its own to what it announces, Node 18 nothing, and later ones what `keepAliveTimeoutBuffer` says.
  private static let nodesExtra: Double = {
    let script = """
      const extra = require('http').createServer().keepAliveTimeoutBuffer;
      console.log(extra ?? (parseInt(process.versions.node) < 20 ? 0 : 1000));
      """
    guard let directory = try? TemporaryDirectory() else { return 1 }
    let log = directory.path + "/node"
    let node = try? ChildProcess(["node", "-e", script], output: .file(path: log))
    _ = node?.wait(atMost: .seconds(60))
    let text = BuiltProgram.text(ofFile: log) ?? ""
    return Double(text.split(separator: "\n").first ?? "1000").map { $0 / 1_000 } ?? 1
  }()

  private static let wsgi =
    "def app(environ, start):\n    start('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"
  private static let asgi = """
    async def app(scope, receive, send):
        if scope['type'] != 'http': return
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'2')]})
        await send({'type': 'http.response.body', 'body': b'ok'})
    """

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func probe(_ arguments: [String]) throws -> (status: Int32?, text: String) {
    let log = directory.path + "/probe"
    let program = try ChildProcess([BuiltProgram.photofinish, "probe"] + arguments, output: .file(path: log))
    let status = program.wait(atMost: .seconds(60))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  private func json(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  /// A port that nobody listens on.
  private func freePort() throws -> UInt16 {
    let listener = try Socket.listen(on: SocketAddress(.ipv4(0x7f00_0001, port: 0)), shared: false)
    return try #require(Socket.localAddress(listener.number)).port
  }

  /// Starts a program, and waits until it accepts connections; one that never does fails the test.
  private func start(_ peer: Peer, port: UInt16) throws -> ChildProcess {
    let folder = directory.path
    func filled(_ text: String) -> String {
      text.replacingOccurrences(of: "%PORT", with: String(port)).replacingOccurrences(of: "%DIR", with: folder)
    }
    try filled(peer.file.text).write(toFile: folder + "/" + peer.file.name, atomically: true, encoding: .utf8)
    let process = try ChildProcess(peer.command.map(filled), output: .discarded)
    let deadline = MonotonicClock.now.advanced(by: .seconds(30))
    while MonotonicClock.now < deadline {
      if (try? BlockingSocket(to: SocketAddress(.ipv4(0x7f00_0001, port: port)))) != nil { return process }
      pause(.milliseconds(20))
    }
    process.end()
    throw BlockingSocket.Failure.timedOut("start of \(peer.name)")
  }

  @Test(arguments: peers) func measuresWithinItsStatedError(_ peer: Peer) throws {
    let port = try freePort()
    let server = try start(peer, port: port)
    defer { server.end() }
    let (status, text) = try probe(["http://127.0.0.1:\(port)/", "--max-wait", "20s", "--output", "json", "--gentle"])
    #expect(status == 0, "\(text)")
    let result = try json(text)
    let timeout = try #require(result["idle_timeout_seconds"] as? Double)
    let error = try #require(result["error_seconds"] as? Double)
    #expect(result["idle_closes"] as? Int == 9)
    // A machine that runs many tests at once makes servers late, too, which their clients cannot know.
    #expect(timeout > peer.timeout - error && timeout < peer.timeout + error + 0.15, "\(text)")
    let hold = try #require(result["recommended_hold_seconds"] as? Double)
    #expect(hold < peer.timeout)
    let connections = try #require(result["connections"] as? [[String: Any]])
    #expect(connections.compactMap { $0["late_request"] as? String } == [peer.late])
    #expect(connections.contains { $0["plan"] as? String == "requests per connection" && $0["answers"] as? Int == 110 })
  }

  @Test func judgesTheProxy() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=2s"]))
    let common = ["http://\(origin.address)/", "--max-wait", "4s", "--rounds", "1", "--gentle"]
    let tooLong = try probe(common + ["--proxy-idle", "60s"])
    #expect(tooLong.status == 1 && tooLong.text.hasPrefix("Race: "), "\(tooLong.text)")
    let safe = try probe(common + ["--proxy-idle", "300ms"])
    #expect(safe.status == 0 && safe.text.hasPrefix("Safe: "), "\(safe.text)")
    #expect(safe.text.contains("keepalive_timeout") && !safe.text.contains("\u{1b}"))
    let unknown = try probe(["http://\(origin.address)/", "--max-wait", "1s", "--proxy-idle", "60s"])
    #expect(unknown.status == 3 && unknown.text.hasPrefix("Unknown: "), "\(unknown.text)")
    withExtendedLifetime(origin) {}
  }

  @Test func tellsWhatItKnowsWhenInterrupted() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=500ms"]))
    let log = directory.path + "/probe"
    let program = try ChildProcess(
      [BuiltProgram.photofinish, "probe", "http://\(origin.address)/", "--max-wait", "60s", "--rounds", "100"],
      output: .file(path: log))
    pause(.seconds(4))
    program.signal(2)
    #expect(program.wait(atMost: .seconds(20)) == 130)
    let text = BuiltProgram.text(ofFile: log) ?? ""
    #expect(
      text.contains("Interrupted: this is what was known until then.") && text.contains("closes idle connections"))
    withExtendedLifetime(origin) {}
  }

  @Test func probesTLS() throws {
    let port = try freePort()
    let folder = directory.path
    let made = try ChildProcess(
      [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder + "/key", "-out",
        folder + "/certificate",
        "-days", "2", "-subj", "/CN=localhost",
      ], output: .discarded
    ).wait(atMost: .seconds(30))
    try #require(made == 0)
    let server = try start(
      Peer(
        name: "nginx", timeout: 2,
        file: (
          "nginx.conf",
          """
          daemon off; pid %DIR/pid; error_log %DIR/log;
          events {}
          http { access_log off; keepalive_timeout 2s; client_body_temp_path %DIR/b; proxy_temp_path %DIR/p;
            fastcgi_temp_path %DIR/f; uwsgi_temp_path %DIR/u; scgi_temp_path %DIR/s;
            server { listen 127.0.0.1:%PORT ssl; ssl_certificate %DIR/certificate; ssl_certificate_key %DIR/key;
              location / { return 302 https://elsewhere.test/; } } }
          """
        ), command: ["nginx", "-p", "%DIR", "-c", "%DIR/nginx.conf"]), port: port)
    defer { server.end() }
    let refused = try probe(["https://127.0.0.1:\(port)/"])
    #expect(refused.status == 2 && refused.text.contains("its certificate is not accepted: self-signed certificate"))
    let plain = try probe(["http://127.0.0.1:\(port)/"])
    #expect(plain.status == 2 && plain.text.contains("it wants TLS on this port"), "\(plain.text)")
    let measured = try probe(
      ["https://127.0.0.1:\(port)/", "--insecure", "--max-wait", "5s", "--rounds", "1", "--gentle"])
    #expect(measured.status == 0, "\(measured.text)")
    for part in ["http/1.1", "accepted because of --insecure", "302, to https://elsewhere.test/; it was not followed"] {
      #expect(measured.text.contains(part), "\(measured.text)")
    }
  }

  @Test func saysThatThePortIsPlain() throws {
    let origin = try Origin.start(OriginScript(verbs: []))
    let (status, text) = try probe(["https://\(origin.address)/"])
    #expect(status == 2 && text.contains("it does not speak TLS on this port"), "\(text)")
    withExtendedLifetime(origin) {}
  }

  @Test(arguments: [
    (["ftp://x/"], "only http and https"), (["http://x/", "--method", "POST"], "a probe changes nothing"),
    (["--tcp", "127.0.0.1"], "takes host:port"), (["http://u:p@x/"], "leave user name and password out"),
    (["http://x/", "--parallel", "9"], "takes 1 to 8"), (["http://x:0/"], "is no port"), ([], "Missing"),
  ])
  func saysWhatIsWrongWithItsArguments(_ arguments: [String], text: String) throws {
    let (status, output) = try probe(arguments)
    #expect(status == 2 && output.contains(text), "\(output)")
  }

  @Test func saysThatThereIsNoSocket() throws {
    let (status, text) = try probe(["unix:\(directory.path)/none"])
    #expect(status == 2 && text.contains("there is no such socket"), "\(text)")
  }
}
