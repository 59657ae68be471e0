package import Core
package import Host
internal import Synchronization

/// A server that does what a test says, each connection in a thread of its own: also what no sane server would do.
package final class ScriptedServer: Sendable {
  /// What happens on one connection, the first having the index 0. It is closed in order when the script returns.
  package typealias Script =
    @Sendable (_ connection: BlockingSocket, _ index: Int, _ server: ScriptedServer) throws -> Void

  private struct State {
    var accepted = 0
    var open = 0
    var requests: [Message] = []
    var failures: [String] = []
    var isStopped = false
  }

  package let address: SocketAddress
  private let listener: BlockingListener
  private let state = Mutex(State())

  package init(
    on address: SocketAddress = SocketAddress(.ipv4(0x7f00_0001, port: 0)), in namespace: NetworkNamespace? = nil,
    _ script: @escaping Script
  ) throws {
    listener = try BlockingListener(on: address, in: namespace)
    self.address = address.isUnix ? address : listener.address
    try Thread.start(named: "server") { [self] in
      while true {
        do { begin(try listener.accept(atMost: .seconds(3_600)), script) } catch { return }
      }
    }
  }

  /// A server that keeps its connections and answers each request with what `answer` returns: a whole response.
  package convenience init(
    on address: SocketAddress = SocketAddress(.ipv4(0x7f00_0001, port: 0)),
    answering answer: @escaping @Sendable (Message) -> String
  ) throws {
    try self.init(on: address) { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        try connection.send(answer(request))
      }
    }
  }

  private func begin(_ socket: sending BlockingSocket, _ script: @escaping Script) {
    let index = state.withLock { state in
      state.accepted += 1
      state.open += 1
      return state.accepted - 1
    }
    let handover = Handover(socket)
    do {
      try Thread.start(named: "script") { [self] in
        do {
          if let socket = handover.take() { try script(socket, index, self) }
        } catch {
          state.withLock { if !$0.isStopped { $0.failures.append("connection \(index): \(error)") } }
        }
        state.withLock { $0.open -= 1 }
      }
    } catch {
      state.withLock { $0.failures.append("\(error)") }
    }
  }

  private final class Handover: Sendable {
    private let socket: Mutex<BlockingSocket?>
    init(_ socket: sending BlockingSocket) { self.socket = Mutex(socket) }
    func take() -> sending BlockingSocket? { socket.withLock { $0.take() } }
  }

  /// Refuses further connections. What goes wrong in a script from now on is no failure.
  package func stop() {
    state.withLock { $0.isStopped = true }
    listener.stop()
  }

  package var origin: OriginAddress {
    switch address.kind {
    case .ipv4, .ipv6: .tcp(host: address.host, port: address.port)
    case .unix(let path): .unix(path: path)
    }
  }

  // MARK: - What it saw

  /// Notes a request that was read, so that it counts as applied.
  package func note(_ request: Message) { state.withLock { $0.requests.append(request) } }

  /// The requests that were noted, in the order of their being read.
  package var requests: [Message] { state.withLock { $0.requests } }
  package var acceptedCount: Int { state.withLock { $0.accepted } }
  /// Connections whose script goes on.
  package var openCount: Int { state.withLock { $0.open } }
  /// Scripts that met something that they had not expected.
  package var failures: [String] { state.withLock { $0.failures } }
}
