package import Core
internal import Glibc
internal import Logging
internal import Synchronization

/// The admin endpoint of a running proxy: HTTP on a thread of its own, which no event loop ever waits for.
package final class AdminServer: Sendable {
  package struct StartError: Error, CustomStringConvertible {
    package var description: String
  }

  /// Where it listens, the port filled in.
  package let address: SocketAddress
  private let listener: Descriptor
  private let file: Mutex<SocketFile?>
  private let wakeup: Wakeup
  private let isStopped = Atomic(false)

  /// - Parameter replacing: another process listens there and is about to end.
  package init(_ settings: AdminSettings, replacing: Bool = false, control: ProxyControl) throws(StartError) {
    do throws(SystemError) {
      let wakeup = try Wakeup()
      let bound = try Self.bind(settings.address, replacing: replacing)
      address = Socket.localAddress(bound.number).flatMap { $0.isUnix ? nil : $0 } ?? Self.unixAddress(settings.address)
      if case .unix(let path) = address.kind { file = Mutex(SocketFile(path)) } else { file = Mutex(nil) }
      listener = bound
      self.wakeup = wakeup
      let loop = AdminLoopHandover(
        try AdminLoop(listener: listener.number, wakeup: wakeup, settings: settings, control: control))
      try Thread.start(named: "admin") { [weak self] in
        guard let loop = loop.take() else { return }
        loop.run { [weak self] in self?.isStopped.load(ordering: .relaxed) ?? true }
      }
    } catch {
      throw StartError(description: Self.explain(error, settings.address))
    }
  }

  deinit { stop() }

  /// Ends the listening; those who are connected are cut off. Safe to call again.
  package func stop() {
    guard !isStopped.exchange(true, ordering: .relaxed) else { return }
    file.withLock { $0.take() }?.remove()
    Socket.stopListening(listener.number)
    wakeup.signal()
  }

  private static func unixAddress(_ address: ListenAddress) -> SocketAddress {
    if case .unix(let path) = address { return SocketAddress(.unix(path: path)) }
    return SocketAddress(.unix(path: ""))
  }

  private static func bind(_ listen: ListenAddress, replacing: Bool) throws(SystemError) -> Descriptor {
    switch listen {
    case .inherited: throw SystemError("bind", EINVAL)
    case .unix(let path):
      guard replacing else {
        try SocketFile.removeStale(path)
        return try Socket.listen(on: SocketAddress(.unix(path: path)), shared: false, mode: 0o600)
      }
      let temporary = "\(path).\(getpid())"
      let descriptor = try Socket.listen(on: SocketAddress(.unix(path: temporary)), shared: false, mode: 0o600)
      // Safe: both paths are NUL-terminated copies during the call.
      guard unsafe rename(temporary, path) == 0 else {
        let code = errno
        // Safe: as above.
        _ = unsafe unlink(temporary)
        throw SystemError("rename", code)
      }
      return descriptor
    case .tcp(let host, let port):
      let address: SocketAddress
      if host.isEmpty {
        address = SocketAddress(.ipv6([UInt8](repeating: 0, count: 16), port: port, scope: 0))
      } else {
        guard let found = try? Resolver.addresses(of: host, port: port, passive: true).first else {
          throw SystemError("resolve", EADDRNOTAVAIL)
        }
        address = found
      }
      // Shared, so that the process that takes over can listen before this one ends; seen to be free first, so that nobody
      // else shares it.
      if !replacing { _ = try Socket.listen(on: address, shared: false, backlog: 1) }
      return try Socket.listen(on: address, shared: true, backlog: 128)
    }
  }

  private static func explain(_ error: SystemError, _ listen: ListenAddress) -> String {
    let place = "cannot listen on \(listen.text) (admin)"
    return switch error.code {
    case EADDRINUSE: "\(place): another process does; stop it, or choose another address"
    case EACCES, EPERM, EROFS: "\(place): \(SystemError.text(of: error.code)); choose another address"
    case ENOENT: "\(place): its folder does not exist; make it"
    case EADDRNOTAVAIL: "\(place): this machine has no such address"
    default: "\(place): \(error)"
    }
  }

  /// Gives the loop to its thread, once.
  private final class AdminLoopHandover: Sendable {
    private let loop: Mutex<AdminLoop?>
    init(_ loop: consuming sending AdminLoop) { self.loop = Mutex(loop) }
    func take() -> AdminLoop? { loop.withLock { $0.take() } }
  }
}
