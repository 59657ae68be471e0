package import Core
package import Host

extension BlockingSocket {
  /// Connects, from `namespace` when one is given.
  package convenience init(
    to address: SocketAddress, from namespace: NetworkNamespace?, atMost limit: Nanoseconds = .seconds(20)
  ) throws {
    guard let namespace else {
      try self.init(to: address, atMost: limit)
      return
    }
    self.init(owning: try namespace.perform { try BlockingSocket.connect(to: address, atMost: limit) })
  }

  /// Waits for the peer's FIN or RST without reading anything; tells whether it came.
  package func waitForHangUp(atMost limit: Nanoseconds = .seconds(10)) -> Bool {
    // POLLRDHUP, which needs a feature macro in C.
    Self.wait(for: number, 0x2000, atMost: limit)
  }
}

extension BlockingSocket {
  /// Closes, and returns when the peer's kernel has the FIN.
  ///
  /// A plain `close()` may send it later: a child of this process that another test has just forked holds the socket as well
  /// until it becomes its program, and a busy kernel delivers later than the call returns.
  package func closeAndArrive() throws {
    shutdownWriting()
    // It counts the FIN as a byte.
    guard eventually({ Socket.unacknowledgedBytes(number) == 0 }) else { throw Failure.timedOut("close") }
    close()
  }
}

extension BlockingListener {
  /// Listens in `namespace` when one is given.
  package convenience init(
    on address: SocketAddress = SocketAddress(.ipv4(0x7f00_0001, port: 0)), in namespace: NetworkNamespace?
  ) throws {
    guard let namespace else {
      try self.init(on: address)
      return
    }
    try self.init(owning: try namespace.perform { try Socket.listen(on: address, shared: false) })
  }
}
