internal import CLinux
package import Core
internal import Glibc

/// Sockets of one listener that another process has opened: the one that this one takes over from, or the service manager.
package struct InheritedListener: Sendable {
  /// What it is called: as the predecessor's settings had it, or `systemd:NAME`.
  package let listen: ListenAddress
  /// Of the first socket.
  package let address: SocketAddress
  let sockets: [Worker.Listener.Shared]
  /// Every worker takes connections from every socket, since they are no group whose queues the kernel fills evenly.
  let isShared: Bool
  /// The service manager holds them as well, and goes on holding them when this process ends.
  package let isManaged: Bool
  /// What was made at the path of a UNIX listener, to be removed when nobody listens any more.
  let file: SocketFile?

  /// - Parameter numbers: descriptors that nobody else owns.
  init(_ listen: ListenAddress, numbers: [Int32], isShared: Bool, isManaged: Bool) throws(SystemError) {
    // Owned first, so that they are closed whatever is thrown.
    sockets = numbers.map { Worker.Listener.Shared(Descriptor(owning: $0), livesOn: isManaged) }
    for number in numbers {
      guard pf_is_listening(number) == 1 else { throw SystemError("accept", EINVAL) }
      let code = pf_adopt_descriptor(number)
      guard code == 0 else { throw SystemError("fcntl", -code) }
    }
    guard let first = numbers.first else { throw SystemError("accept", EBADF) }
    self.listen = listen
    self.isManaged = isManaged
    self.isShared = isShared
    if case .unix(let path) = listen {
      address = SocketAddress(.unix(path: path))
      file = path.hasPrefix("@") || isManaged ? nil : SocketFile(path)
    } else {
      guard let local = Socket.localAddress(first) else { throw SystemError("getsockname", EAFNOSUPPORT) }
      address = local
      file = nil
    }
  }

  /// Whether these are the sockets for what settings call `wanted`.
  package func serves(_ wanted: ListenAddress) -> Bool {
    if wanted == listen { return true }
    guard !isManaged, case .tcp(let host, let port) = wanted, port != 0, port == address.port else { return false }
    switch address.kind {
    case .ipv4(0, _): return host.isEmpty || host == "0.0.0.0"
    case .ipv6(let bytes, _, _) where bytes.allSatisfy({ $0 == 0 }): return host.isEmpty || host == "::"
    case .ipv4, .ipv6: return SocketAddress(literal: host, port: port) == address
    case .unix: return false
    }
  }
}
