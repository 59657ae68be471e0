package import Core
package import Host

extension BlockingSocket {
  /// Connects, from `namespace` when one is given.
  package convenience init(
    to address: SocketAddress, from namespace: NetworkNamespace?, atMost limit: Nanoseconds = .seconds(5)
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
