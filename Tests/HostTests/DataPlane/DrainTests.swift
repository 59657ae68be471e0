import Core
import Glibc
import Host
import Support
import Synchronization
import Testing

/// The end in order: nobody new, and everybody who is here gets an answer.
@Suite(.onThreads)
struct DrainTests {
  private static let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
  private static let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
  private static let refused = BlockingSocket.Failure.failed("connect", ECONNREFUSED)

  /// A server that answers each request for /slow when `go` says so, and others at once.
  private static func gated(_ go: Gate) -> ScriptedServer.Script {
    { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        if request.target == "/slow" { _ = eventually(atMost: .seconds(30)) { go.isOpen } }
        try connection.send(answer)
      }
    }
  }

  private final class Gate: Sendable {
    private let open = Mutex(false)
    var isOpen: Bool { open.withLock { $0 } }
    func pass() { open.withLock { $0 = true } }
  }

  /// Whether nobody listens on the address any more.
  private static func isRefused(_ address: SocketAddress) -> Bool {
    do {
      _ = try BlockingSocket(to: address)
      return false
    } catch let failure as BlockingSocket.Failure {
      return failure == refused
    } catch {
      return error as? SystemError == SystemError("connect", ECONNREFUSED)
        || error as? SystemError == SystemError("connect", ENOENT)
    }
  }

  @Test(arguments: [1, 3]) func newClientsAreRefusedWhileAnExchangeIsUnderWay(threads: Int) throws {
    let go = Gate()
    try story({ $0.threads = threads }, server: Self.gated(go)) { proxy, server in
      let address = proxy.address
      let client = try proxy.connect()
      try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      #expect(proxy.proxy.beginDrain(atMost: .seconds(60)))
      #expect(!proxy.proxy.beginDrain(atMost: .seconds(60)), "there is one end")
      #expect(eventually(atMost: .seconds(20)) { Self.isRefused(address) }, "nobody accepts, and connections are taken")
      #expect(proxy.clientConnections == 1)
      go.pass()
      let response = try client.receiveResponse()
      #expect(response.text == "ok")
      #expect(response["Connection"] == "close")
      proxy.waitForEnd()
    }
  }

  /// They were taken by the kernel and not by the proxy: closing the listener would reset them.
  @Test(arguments: [1, 3]) func clientsInTheKernelsQueueAreServed(threads: Int) throws {
    try story(
      {
        $0.threads = threads
        $0.limits.clientConnections = threads
      }, server: Self.gated(Gate())
    ) { proxy, server in
      var clients: [BlockingSocket] = []
      for _ in 0..<20 { clients.append(try proxy.connect()) }
      for client in clients { try client.send(Self.request) }
      #expect(proxy.clientConnections <= threads)
      #expect(proxy.proxy.beginDrain(atMost: .seconds(60)))
      for client in clients {
        let response = try client.receiveResponse(atMost: .seconds(20))
        #expect(response.text == "ok")
        // Those who were in before may have been answered before, too.
        if response["Connection"] == "close" { #expect(try client.waitForEnd() == .endOfStream) }
      }
      clients = []
      proxy.waitForEnd()
      #expect(server.requests.count == 20)
    }
  }

  /// Clients that connect and ask as fast as they can: who is connected is answered, whenever that was.
  @Test func whoeverGetsInIsAnswered() throws {
    try story({ $0.threads = 2 }, server: Self.gated(Gate())) { proxy, _ in
      let address = proxy.address
      let outcomes = Mutex<(answered: Int, refused: Int, lost: [String])>((0, 0, []))
      let done = Mutex(0)
      for _ in 0..<4 {
        try Host.Thread.start(named: "client") {
          while true {
            let client: BlockingSocket
            do {
              client = try BlockingSocket(to: address, atMost: .seconds(30))
            } catch {
              outcomes.withLock { $0.refused += 1 }
              break
            }
            do {
              try client.send(Self.request)
              let response = try client.receiveResponse(atMost: .seconds(30))
              outcomes.withLock { $0.answered += response.status == 200 ? 1 : 0 }
            } catch {
              outcomes.withLock { $0.lost.append("\(error)") }
            }
          }
          done.withLock { $0 += 1 }
        }
      }
      #expect(eventually(atMost: .seconds(30)) { outcomes.withLock { $0.answered } > 200 })
      proxy.drain(atMost: .seconds(60))
      #expect(eventually(atMost: .seconds(60)) { done.withLock { $0 } == 4 })
      outcomes.withLock {
        #expect($0.lost.isEmpty)
        #expect($0.refused == 4)
      }
    }
  }

  @Test func aReloadIsRefused() throws {
    let go = Gate()
    try story(server: Self.gated(go)) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      let settings = proxy.proxy.settings
      #expect(proxy.proxy.beginDrain(atMost: .seconds(60)))
      let error = #expect(throws: Proxy.StartError.self) { try proxy.proxy.reload(settings) }
      #expect(
        error?.description
          == "the proxy is draining and takes no other settings any more; start it anew with them")
      go.pass()
      #expect(try client.receiveResponse().text == "ok")
      proxy.waitForEnd()
    }
  }

  @Test func anIdleClientIsServedOnceMoreAndToldThatItWasTheLastTime() throws {
    try story({ $0.timeouts.drainGrace = .seconds(20) }, server: Self.gated(Gate())) { proxy, _ in
      let client = try proxy.connect()
      #expect(try client.get()["Connection"] != "close")
      #expect(proxy.proxy.beginDrain(atMost: .seconds(60)))
      #expect(try client.staysQuiet(for: .milliseconds(300)), "idle connections are not closed at once")
      #expect(try client.get()["Connection"] == "close")
      #expect(try client.waitForEnd() == .endOfStream)
      proxy.waitForEnd()
    }
  }

  @Test func idleClientsAreClosedAfterTheGrace() throws {
    try story({ $0.timeouts.drainGrace = .milliseconds(700) }, server: Self.gated(Gate())) { proxy, _ in
      let idle = try proxy.connect()
      _ = try idle.get()
      let silent = try proxy.connect()
      #expect(eventually { proxy.clientConnections == 2 })
      let began = MonotonicClock.now
      proxy.drain(atMost: .seconds(60))
      let took = MonotonicClock.now.since(began)
      #expect(took >= .milliseconds(700) && took < .seconds(50), "\(took)")
      #expect(try idle.waitForEnd() == .endOfStream)
      #expect(try silent.waitForEnd() == .endOfStream)
    }
  }

  /// A close behind the first answer would lose the requests that have come already.
  @Test func pipelinedRequestsThatHaveComeAreAllAnswered() throws {
    let go = Gate()
    try story({ $0.timeouts.drainGrace = .seconds(20) }, server: Self.gated(go)) { proxy, server in
      let client = try proxy.connect()
      let further = (1..<50).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined()
      try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + further)
      #expect(eventually { server.requests.count == 1 })
      #expect(proxy.proxy.beginDrain(atMost: .seconds(60)))
      go.pass()
      for number in 0..<50 {
        let response = try client.receiveResponse()
        #expect(response.text == "ok")
        #expect((response["Connection"] == "close") == (number == 49))
      }
      #expect(try client.waitForEnd() == .endOfStream)
      #expect(server.requests.count == 50)
      proxy.waitForEnd()
    }
  }

  @Test func theDeadlineEndsWhatIsStillUnderWay() throws {
    let go = Gate()
    try story(server: Self.gated(go)) { proxy, server in
      let client = try proxy.connect()
      try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(eventually { server.requests.count == 1 })
      proxy.drain(atMost: .milliseconds(500))
      go.pass()
      #expect(try client.receiveResponse().status == 504)
    }
  }

  @Test func aSocketsPathIsGone() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/socket"
    try story(
      {
        $0.listeners = [ListenerSettings(.unix(path: path))]
        $0.threads = 2
        $0.timeouts.drainGrace = .seconds(20)
      }, server: Self.gated(Gate())
    ) { proxy, _ in
      let client = try BlockingSocket(to: SocketAddress(.unix(path: path)))
      #expect(try client.get().text == "ok")
      #expect(proxy.proxy.beginDrain(atMost: .seconds(60)))
      #expect(Self.isRefused(SocketAddress(.unix(path: path))))
      #expect(SocketFile(path) == nil)
      #expect(try client.get()["Connection"] == "close")
      proxy.waitForEnd()
    }
  }

  @Test func whatTookASocketsPlaceStays() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/socket"
    try story({ $0.listeners = [ListenerSettings(.unix(path: path))] }, server: Self.gated(Gate())) { proxy, _ in
      SocketFile(path)?.remove()
      let other = try BlockingListener(on: SocketAddress(.unix(path: path)))
      proxy.drain(atMost: .seconds(60))
      #expect(SocketFile(path) != nil)
      other.stop()
    }
  }
}
