internal import Core
internal import Glibc

/// A listener with its sockets: one for each worker, which share a port (SO_REUSEPORT), or one for all (UNIX).
struct BoundListener: Sendable {
  private(set) var settings: ListenerSettings
  /// With its port filled in.
  let address: SocketAddress
  /// One a worker.
  private(set) var listeners: [Worker.Listener]

  init(_ settings: ListenerSettings, threads: Int) throws(Proxy.StartError) {
    let bound = try Self.bind(settings, threads: threads)
    self.settings = settings
    address = bound.address
    listeners = bound.descriptors.map {
      Worker.Listener(descriptor: $0, address: bound.address, settings: settings, isUnix: bound.address.isUnix)
    }
  }

  /// The same sockets under other settings.
  func adopting(_ settings: ListenerSettings) -> BoundListener {
    var copy = self
    copy.settings = settings
    copy.listeners = listeners.map {
      Worker.Listener(descriptor: $0.descriptor, address: address, settings: settings, isUnix: $0.isUnix)
    }
    return copy
  }

  private static func bind(
    _ settings: ListenerSettings, threads: Int
  ) throws(Proxy.StartError) -> (address: SocketAddress, descriptors: [Worker.Listener.Shared]) {
    let listen = settings.address
    do throws(SystemError) {
      switch listen {
      case .inherited:
        throw SystemError("inherit", EBADF)
      case .unix(let path):
        if !path.hasPrefix("@") { try removeStaleSocket(path) }
        let address = SocketAddress(.unix(path: path))
        let shared = Worker.Listener.Shared(try Socket.listen(on: address, shared: false))
        return (address, Array(repeating: shared, count: threads))
      case .tcp(let host, let port):
        var address: SocketAddress
        if host.isEmpty {
          address = SocketAddress(.ipv6([UInt8](repeating: 0, count: 16), port: port, scope: 0))
        } else {
          guard let found = try? Resolver.addresses(of: host, port: port, passive: true).first else {
            throw SystemError("resolve", EADDRNOTAVAIL)
          }
          address = found
        }
        var descriptors: [Worker.Listener.Shared] = []
        // Nobody else may listen on a port that we take: the first socket is bound alone, to see whether it is free.
        do throws(SystemError) {
          _ = try Socket.listen(on: address, shared: false, backlog: 1)
        } catch  where host.isEmpty && (error.code == EAFNOSUPPORT || error.code == EADDRNOTAVAIL) {
          // A machine without IPv6.
          address = SocketAddress(.ipv4(0, port: port))
          _ = try Socket.listen(on: address, shared: false, backlog: 1)
        }
        for _ in 0..<threads {
          let descriptor = try Socket.listen(on: address, shared: true)
          if let actual = Socket.localAddress(descriptor.number) { address = actual }
          descriptors.append(Worker.Listener.Shared(descriptor))
        }
        return (address, descriptors)
      }
    } catch {
      throw Proxy.StartError(description: explain(error, listen))
    }
  }

  /// A socket that a dead process left behind is removed; one that somebody listens on is not.
  private static func removeStaleSocket(_ path: String) throws(SystemError) {
    guard Socket.isSocket(atPath: path) else { return }
    do throws(SystemError) {
      _ = try Socket.connect(to: SocketAddress(.unix(path: path)))
      throw SystemError("bind", EADDRINUSE)
    } catch  where error.code == ECONNREFUSED {
      // Safe: the path is a NUL-terminated copy during the call.
      _ = unsafe unlink(path)
    } catch  where error.code == ENOENT {
      return
    }
  }

  private static func explain(_ error: SystemError, _ listen: ListenAddress) -> String {
    let place: String =
      switch listen {
      case .tcp(let host, let port): "\(host.isEmpty ? "*" : host):\(port)"
      case .unix(let path): "unix:\(path)"
      case .inherited(let name): "the inherited socket '\(name)'"
      }
    switch error.code {
    case EADDRINUSE:
      return "cannot listen on \(place): the address is in use; stop what listens there ('ss -ltnp') or choose another"
    case EACCES:
      return
        "cannot listen on \(place): permission denied; ports below 1024 need root or CAP_NET_BIND_SERVICE, a socket a writable folder"
    case EADDRNOTAVAIL:
      return "cannot listen on \(place): this machine has no such address; '*' or ':PORT' listens on all it has"
    default:
      return "cannot listen on \(place): \(error)"
    }
  }
}
