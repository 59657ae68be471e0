package import Core

/// The idle ages at which a server closes connections. They are made idle as a race makes them, all at once: many servers look
/// at their connections only now and then, and the last request is what sets the time of that look. Servers whose looks come at
/// times of their own show it from one burst to the next.
package struct IdleRange: Equatable, Sendable {
  private static let connections = 12
  /// Bursts, and the pauses before them.
  private static let pauses: [Nanoseconds] = [.zero, .milliseconds(310), .milliseconds(370)]
  /// One burst has to do for a server that takes longer than this.
  private static let enough = Nanoseconds.seconds(10)
  private static let patience = Nanoseconds.seconds(400)

  /// The age in the middle: on a busy machine some are seen late, and those must not move it.
  package let middle: Nanoseconds
  /// By how much the middle third of the ages differs from it.
  package let deviation: Nanoseconds

  init(of address: SocketAddress) throws {
    var ages: [Nanoseconds] = []
    for span in Self.pauses where ages.last.map({ $0 < Self.enough }) ?? true {
      pause(span)
      ages += try Self.burst(address)
    }
    self.init(ages: ages)
  }

  /// - Parameter ages: at least one.
  package init(ages: [Nanoseconds]) {
    let ages = ages.sorted()
    middle = ages[ages.count / 2]
    deviation = (ages[(2 * ages.count - 1) / 3] - ages[ages.count / 3]) / 2
  }

  /// From the answer's arrival to the FIN's, which is the server's own time, since both have travelled as far.
  private static func burst(_ address: SocketAddress) throws -> [Nanoseconds] {
    var sockets: [BlockingSocket] = []
    for _ in 0..<connections { sockets.append(try BlockingSocket(to: address)) }
    for socket in sockets { try socket.send("GET / HTTP/1.1\r\nHost: \(address)\r\n\r\n") }
    var idle: [(socket: BlockingSocket, since: Instant)] = []
    for socket in sockets {
      _ = try socket.receiveOnce()
      idle.append((socket, MonotonicClock.now))
    }
    // They end in the order in which they became idle, or together.
    var ages: [Nanoseconds] = []
    for (socket, since) in idle {
      _ = try socket.waitForEnd(atMost: patience)
      ages.append(MonotonicClock.now.since(since))
    }
    return ages
  }
}
