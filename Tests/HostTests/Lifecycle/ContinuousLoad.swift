import Core
import Host
import Support
import Synchronization

/// Clients that never pause, each request with a number of its own, and the server that counts what it applied.
///
/// Some keep their connections and pipeline, some open a connection for each request. A request behind the last answer of a
/// connection was not served, by what HTTP says, and is sent again on the next one.
final class ContinuousLoad: Sendable {
  struct Tally: Sendable {
    var answered = 0
    /// Requests behind a `Connection: close`.
    var repeated = 0
    var connects = 0
    var failures: [String] = []
  }

  let server: ScriptedServer
  private let applied: Ledger
  private let tally = Mutex(Tally())
  private let running = Mutex(0)
  private let isStopped = Mutex(false)
  private let mayBeRefused = Mutex(false)

  private final class Ledger: Sendable {
    let counts = Mutex<[String: Int]>([:])
  }

  init() throws {
    let ledger = Ledger()
    applied = ledger
    server = try ScriptedServer { connection, _, _ in
      while let request = try connection.receiveRequestOrEnd() {
        let id = request["X-Id"] ?? ""
        ledger.counts.withLock { $0[id, default: 0] += 1 }
        try connection.answer(200, id)
      }
    }
  }

  /// Begins to send to `address`.
  func start(to address: SocketAddress, pipelining: Int, persists: Bool, name: String) throws {
    running.withLock { $0 += 1 }
    try Host.Thread.start(named: "load") { [self] in
      var number = 0
      var waiting: [String] = []
      while !isStopped.withLock({ $0 }) || !waiting.isEmpty {
        do {
          tally.withLock { $0.connects += 1 }
          guard let client = try connect(address) else { break }
          var goesOn = true
          while goesOn, !isStopped.withLock({ $0 }) || !waiting.isEmpty {
            while waiting.count < pipelining {
              number += 1
              waiting.append("\(name)-\(number)")
            }
            goesOn = try exchange(&waiting, over: client) && persists
          }
        } catch {
          tally.withLock { $0.failures.append("\(name)-\(number): \(error)") }
          if tally.withLock({ $0.failures.count }) > 20 { break }
          waiting = []
        }
      }
      running.withLock { $0 -= 1 }
    }
  }

  /// nil when nobody listens any more, and that is to be so.
  private func connect(_ address: SocketAddress) throws -> BlockingSocket? {
    do {
      return try BlockingSocket(to: address, atMost: .seconds(20))
    } catch {
      guard mayBeRefused.withLock({ $0 }) else { throw error }
      return nil
    }
  }

  /// From now on a client that cannot connect has reached its end.
  func expectRefusal() { mayBeRefused.withLock { $0 = true } }

  /// Waits until every client has reached its end.
  func ends() -> Bool { eventually(atMost: .seconds(90)) { running.withLock { $0 } == 0 } }

  /// Sends all that waits and takes those that are answered away; says whether the connection goes on.
  private func exchange(_ waiting: inout [String], over client: BlockingSocket) throws -> Bool {
    let requests = waiting.enumerated().map { index, id in
      index % 2 == 0
        ? "GET / HTTP/1.1\r\nHost: a\r\nX-Id: \(id)\r\n\r\n"
        : "POST / HTTP/1.1\r\nHost: a\r\nX-Id: \(id)\r\nContent-Length: 2\r\n\r\nhi"
    }
    try client.send(requests.joined())
    while let id = waiting.first {
      let response = try client.receiveResponse(atMost: .seconds(30))
      guard response.status == 200, response.text == id else {
        throw BlockingSocket.Failure.ended("\(response.status) '\(response.text)' for \(id)")
      }
      waiting.removeFirst()
      tally.withLock { $0.answered += 1 }
      if response["Connection"] == "close" {
        let rest = waiting.count
        tally.withLock { $0.repeated += rest }
        return false
      }
    }
    return true
  }

  var answered: Int { tally.withLock { $0.answered } }

  /// Ends when every request that was sent is answered.
  func stop() -> Tally {
    isStopped.withLock { $0 = true }
    _ = eventually(atMost: .seconds(60)) { running.withLock { $0 } == 0 }
    server.stop()
    return tally.withLock { $0 }
  }

  /// Requests that the server has got more than once.
  var appliedTwice: [String] { applied.counts.withLock { $0.filter { $0.value > 1 }.keys.sorted() } }
  var appliedCount: Int { applied.counts.withLock { $0.count } }
}
