package import Core
internal import Glibc
package import Host
internal import Synchronization

/// A server that can be killed, as by SIGKILL, and started again on the same address; its ledger outlives it.
///
/// A request is in the ledger from the moment in which it was read to its end: killed behind that, it was applied, and nobody
/// was told.
package final class KillableServer: Sendable {
  private struct State {
    var server: ScriptedServer?
    /// Of open connections. A number leaves the set before it is closed.
    var numbers: Set<Int32> = []
    var ledger: [String: Int] = [:]
  }

  package let address: SocketAddress
  private let state = Mutex(State())
  private let beforeAnswer: @Sendable (Message) -> Void

  /// - Parameter beforeAnswer: called with each request that is in the ledger and not answered yet.
  package init(on host: String, beforeAnswer: @escaping @Sendable (Message) -> Void = { _ in }) throws {
    // A free port of that address, kept for the whole test.
    guard let wanted = SocketAddress(literal: host, port: 0) else { preconditionFailure("\(host) is an address") }
    let listener = try BlockingListener(on: wanted)
    address = listener.address
    listener.stop()
    self.beforeAnswer = beforeAnswer
    try start()
  }

  package func start() throws {
    let server = try ScriptedServer(on: address) { [weak self] connection, _, _ in
      guard let self else { return }
      let number = connection.number
      state.withLock { _ = $0.numbers.insert(number) }
      defer { state.withLock { _ = $0.numbers.remove(number) } }
      while let request = try connection.receiveRequestOrEnd() {
        if let id = request["X-Id"] { state.withLock { $0.ledger[id, default: 0] += 1 } }
        beforeAnswer(request)
        try connection.answer(200, request["X-Id"] ?? "")
      }
    }
    state.withLock { $0.server = server }
  }

  /// Ends the listening and all connections, whatever they were doing.
  ///
  /// - Parameter isAbrupt: with RSTs at once, as when the machine's memory ran out; else with FINs.
  package func kill(isAbrupt: Bool) {
    state.withLock { state in
      state.server?.stop()
      state.server = nil
      for number in state.numbers.sorted() {
        if isAbrupt { Socket.abortOnClose(number) }
        _ = shutdown(number, Int32(SHUT_RDWR))
      }
    }
    _ = eventually { state.withLock { $0.numbers.isEmpty } }
  }

  /// How often each request was applied.
  package var ledger: [String: Int] { state.withLock { $0.ledger } }
  package var origin: OriginAddress { .tcp(host: address.host, port: address.port) }
}
