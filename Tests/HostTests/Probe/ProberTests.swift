import Core
import Foundation
import Host
import Testing

@Suite struct ProberTests {
  /// A server that somebody else wrote, set to a known idle timeout.
  struct Peer: Sendable, CustomTestStringConvertible {
    var name: String
    /// Between these, in seconds, it closes: some look at their clocks only now and then.
    var timeout: ClosedRange<Double>
    /// What it writes into its configuration file; `%PORT` and `%DIR` are replaced.
    var file: (name: String, text: String)
    var command: [String]
    /// What becomes of a request behind its FIN: Apache lingers, reads it, and says nothing.
    var late = LateAnswer.reset
    var testDescription: String { name }
  }

  static let peers: [Peer] = [
    // Node adds a second of its own.
    Peer(
      name: "Node", timeout: 2.0...2.1,
      file: (
        "server.js",
        "const s=require('http').createServer((q,r)=>r.end('ok'));s.keepAliveTimeout=1000;s.listen(%PORT,'127.0.0.1')"
      ),
      command: ["node", "%DIR/server.js"]),
    // Gunicorn's threaded worker looks about once a second.
    Peer(
      name: "gunicorn", timeout: 2.0...3.2, file: ("app.py", ProberTests.wsgi),
      command: [
        "gunicorn", "--chdir", "%DIR", "-b", "127.0.0.1:%PORT", "--worker-class", "gthread", "--threads", "16",
        "--keep-alive",
        "2", "app:app",
      ]),
    Peer(
      name: "uvicorn", timeout: 2.0...2.1, file: ("app.py", ProberTests.asgi),
      command: [
        "uvicorn", "--app-dir", "%DIR", "--host", "127.0.0.1", "--port", "%PORT", "--timeout-keep-alive", "2",
        "app:app",
      ]),
    Peer(
      name: "nginx", timeout: 2.0...2.1,
      file: (
        "nginx.conf",
        """
        daemon off; pid %DIR/pid; error_log %DIR/log;
        events {}
        http { access_log off; keepalive_timeout 2s; client_body_temp_path %DIR/b; proxy_temp_path %DIR/p;
          fastcgi_temp_path %DIR/f; uwsgi_temp_path %DIR/u; scgi_temp_path %DIR/s;
          server { listen 127.0.0.1:%PORT; location / { return 200 ok; } } }
        """
      ),
      command: ["nginx", "-p", "%DIR", "-c", "%DIR/nginx.conf"]),
    Peer(
      name: "Apache", timeout: 2.0...2.1,
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
      command: ["apache2", "-X", "-f", "%DIR/httpd.conf"], late: .silence),
  ]

  static let wsgi =
    "def app(environ, start):\n    start('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"
  static let asgi = """
    async def app(scope, receive, send):
        if scope['type'] != 'http': return
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'2')]})
        await send({'type': 'http.response.body', 'body': b'ok'})
    """

  /// A port that nobody listens on.
  static func freePort() throws -> UInt16 {
    let listener = try Socket.listen(on: try #require(SocketAddress(literal: "127.0.0.1", port: 0)), shared: false)
    return try #require(Socket.localAddress(listener.number)).port
  }

  static func plan(_ port: UInt16, wait: Nanoseconds, other: [UInt8]? = nil) throws -> Prober.Plan {
    Prober.Plan(
      address: try #require(SocketAddress(literal: "127.0.0.1", port: port)), serverName: nil, verifies: true,
      request: ProbeRequest(method: "GET", target: "/", host: "127.0.0.1:\(port)", userAgent: "test", other: other),
      maximumWait: wait, maximumRequests: 20, rounds: 2)
  }

  @Test(arguments: peers) func findsTheTimeoutOf(_ peer: Peer) throws {
    let port = try ProberTests.freePort()
    let folder = FileManager.default.temporaryDirectory.appending(path: "photofinish-probe-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func filled(_ text: String) -> String {
      text.replacingOccurrences(of: "%PORT", with: String(port)).replacingOccurrences(of: "%DIR", with: folder.path)
    }
    try Data(filled(peer.file.text).utf8).write(to: folder.appending(path: peer.file.name))
    let process = try ChildProcess(peer.command.map(filled), output: .discarded)
    defer { _ = process.end() }
    try ProberTests.waitUntilListening(port)
    let result = try Prober(ProberTests.plan(port, wait: .seconds(9))).run(target: peer.name) { _, _ in }
    let ages = result.idleAges.map(\.inSeconds)
    #expect(ages.count >= 3, "\(result.observations)")
    // The stated error, and what a machine that runs many tests at once takes from the servers and from the prober.
    let error = result.error.inSeconds + 0.15
    for age in ages {
      #expect(age > peer.timeout.lowerBound - error && age < peer.timeout.upperBound + error, "\(ages)")
    }
    #expect(result.observations.compactMap(\.late) == [peer.late])
    #expect(result.observations.contains { $0.plan == .requests(limit: 20) && $0.answers == 20 })
  }

  /// Tries until the server accepts; a server that never does fails the test.
  static func waitUntilListening(_ port: UInt16) throws {
    let address = try #require(SocketAddress(literal: "127.0.0.1", port: port))
    for _ in 0..<400 {
      let descriptor = try Socket.connect(to: address).takeDescriptor()
      var poller = try Poller(batch: 1)
      try poller.register(descriptor.number, for: .writable, trigger: .level, token: 0)
      if poller.wait(atMost: .seconds(1)) > 0, Socket.takeError(descriptor.number) == 0 { return }
      // Not for luck: the next try is only made a little later.
      usleep(50_000)
    }
    Issue.record("nothing listens on port \(port)")
  }

  @Test func tellsThatNothingListens() throws {
    let port = try ProberTests.freePort()
    let result = try Prober(ProberTests.plan(port, wait: .seconds(2))).run(target: "nobody") { _, _ in }
    #expect(result.observations.allSatisfy { $0.connectTime == nil && $0.problem != nil })
  }
}
