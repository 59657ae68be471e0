package import Core

/// Finds out how long a server keeps idle connections, by letting some be idle.
package enum IdleMeasurement {
  /// The idle ages at which `count` connections were closed, in order: from the answer's arrival to the FIN's, which is
  /// the server's own time, since both have travelled as far.
  package static func ages(
    of address: SocketAddress, count: Int = 9, atMost limit: Nanoseconds = .seconds(90)
  ) throws -> [Nanoseconds] {
    var ages: [Nanoseconds] = []
    let sockets = try (0..<count).map { _ in
      let socket = try BlockingSocket(to: address)
      try socket.send("GET / HTTP/1.1\r\nHost: \(address)\r\n\r\n")
      _ = try socket.receiveOnce()
      return (socket, MonotonicClock.now)
    }
    for (socket, answered) in sockets {
      _ = try socket.waitForEnd(atMost: limit)
      ages.append(MonotonicClock.now.since(answered))
    }
    return ages.sorted()
  }

  package static func median(of address: SocketAddress) throws -> Nanoseconds {
    let ages = try ages(of: address)
    return ages[ages.count / 2]
  }
}
