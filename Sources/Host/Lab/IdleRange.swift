internal import Core

/// The idle ages at which a server closes connections. Some look at their connections only now and then, so the ages differ by
/// as much as there is between two looks.
struct IdleRange: Equatable, Sendable {
  /// Connections that are watched, and the time over which they become idle one after the other: longer than the second that
  /// servers have between two looks.
  private static let count = 12
  private static let stagger = Nanoseconds.milliseconds(97)
  private static let patience = Nanoseconds.seconds(400)

  let shortest: Nanoseconds
  let longest: Nanoseconds

  /// From the answer's arrival to the FIN's, which is the server's own time, since both have travelled as far.
  init(of address: SocketAddress) throws {
    var idle: [(socket: BlockingSocket, since: Instant)] = []
    for _ in 0..<Self.count {
      let socket = try BlockingSocket(to: address)
      try socket.send("GET / HTTP/1.1\r\nHost: \(address)\r\n\r\n")
      _ = try socket.receiveOnce()
      idle.append((socket, MonotonicClock.now))
      pause(Self.stagger)
    }
    // They end in the order in which they became idle, or together.
    var ages: [Nanoseconds] = []
    for (socket, since) in idle {
      _ = try socket.waitForEnd(atMost: Self.patience)
      ages.append(MonotonicClock.now.since(since))
    }
    ages.sort()
    shortest = ages[0]
    longest = ages[ages.count - 1]
  }

  var middle: Nanoseconds { (shortest + longest) / 2 }
  /// By how much an age may differ from the middle.
  var deviation: Nanoseconds { (longest - shortest) / 2 }
}
