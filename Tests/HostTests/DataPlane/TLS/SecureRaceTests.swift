import Core
import Host
import Support
import TLS
import Testing

/// The race over TLS: servers that close at their idle timeout, while a POST is on its way over a path of 10 ms.
@Suite(.onThreads)
struct SecureRaceTests {
  /// What a server does with a connection that was idle for too long.
  enum Ending: String, CaseIterable, Sendable {
    case close, closeNotify, abort, halfClose, farewell
  }

  private static let idleTimeout = Nanoseconds.milliseconds(120)

  /// A server that waits for `idleTimeout` behind each answer, and then ends the connection.
  private static func script(_ ending: Ending, _ context: TLSServerContext) -> ScriptedServer.Script {
    { connection, _, server in
      try connection.speakTLS(context)
      var isFirst = true
      while true {
        if !isFirst, connection.buffer.isEmpty, !hasInput(connection) { break }
        isFirst = false
        guard let request = try connection.receiveRequestOrEnd() else { return }
        server.note(request)
        try connection.answer(200, request.target)
      }
      switch ending {
      case .close: break
      case .closeNotify: try connection.sendCloseNotify()
      case .abort: connection.abort()
      case .halfClose:
        connection.shutdownWriting()
        _ = try? connection.waitForEnd()
      case .farewell:
        try connection.send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        try connection.sendCloseNotify()
      }
    }
  }

  /// Whether a byte of plaintext comes in time.
  private static func hasInput(_ connection: BlockingSocket) -> Bool {
    do {
      return try connection.receiveOnce(atMost: idleTimeout) != .endOfStream
    } catch { return false }
  }

  @Test(arguments: Ending.allCases)
  func noPostIsLostOrAppliedTwice(_ ending: Ending) throws {
    let ground = try SecureGround.shared()
    let wire = try Wire(WireSettings(delay: .milliseconds(10)))
    let files = try ground.certificates.issue("far-\(ending.rawValue)", for: ["far.test"])
    let context = try SecureGround.server([files]) { _ in }
    let server = try ScriptedServer(on: wire.farAddress, in: wire.far, Self.script(ending, context))
    defer { server.stop() }
    let proxy = try RunningProxy(to: [server.origin], in: wire.near) {
      ground.secureServers(&$0)
      $0.upstream.tls.serverName = "far.test"
    }
    defer { proxy.stop() }
    let client = try proxy.connect(from: wire.near)
    var failed = 0
    for number in 0..<40 {
      // Around the moment at which the server closes, as this end sees it.
      pause(Self.idleTimeout + .milliseconds(Int64(-30 + 3 * (number % 16))))
      let answer = try client.post("/\(number)", "x")
      if answer.text != "/\(number)" { failed += 1 }
    }
    let targets = server.requests.map(\.target)
    #expect(failed == 0, "\(proxy.log.suffix(5))")
    #expect(targets.count == Set(targets).count, "applied twice")
    // Something was met, or the test says nothing.
    let counters = proxy.counters
    #expect(
      !counters.closedByServer.isEmpty || !counters.replays.isEmpty || counters.foundStaleBeforeWrite > 0,
      "\(counters)")
  }
}
