package import Core
internal import Host

/// A listener that accepts nothing and whose queue is full: the kernel drops what would connect.
package final class FullListener {
  private let descriptor: Descriptor
  private var fillers: [BlockingSocket] = []
  package let origin: OriginAddress

  package init() throws {
    descriptor = try Socket.listen(on: SocketAddress(.ipv4(0x7f00_0001, port: 0)), shared: false, backlog: 0)
    guard let address = Socket.localAddress(descriptor.number) else {
      throw BlockingSocket.Failure.ended("no address")
    }
    origin = .tcp(host: "127.0.0.1", port: address.port)
    do {
      while true { fillers.append(try BlockingSocket(to: address, atMost: .milliseconds(50))) }
    } catch BlockingSocket.Failure.timedOut {
      return
    }
  }
}
