internal import Core
internal import Glibc

/// A listener with its sockets: one for each worker, which share a port (SO_REUSEPORT), or one for all (UNIX).
struct BoundListener: Sendable {
  private(set) var settings: ListenerSettings
  /// nil: HTTP without TLS.
  var tls: ListenerContext?
  /// With its port filled in.
  let address: SocketAddress
  let sockets: [Worker.Listener.Shared]
  private let threads: Int
  /// What was made at the path of a UNIX listener.
  private let file: SocketFile?
  /// Every worker takes connections from every socket, instead of each from its own.
  let isShared: Bool
  /// The service manager holds it as well.
  let isManaged: Bool

  /// Takes what another process has opened, or opens it.
  ///
  /// - Parameter inherited: the sockets among which it may be.
  init(
    _ settings: ListenerSettings, threads: Int, inherited: [InheritedListener]
  ) throws(Proxy.StartError) {
    if let found = inherited.first(where: { $0.serves(settings.address) }) {
      self.init(settings, threads: threads, found)
      return
    }
    if case .inherited(let name) = settings.address {
      let names = inherited.filter(\.isManaged).map(\.listen.text)
      throw Proxy.StartError(
        description: "cannot listen on systemd:\(name): the service manager has passed "
          + (names.isEmpty
            ? "no socket; start it by a .socket unit with FileDescriptorName=\(name)"
            : "no socket of that name, but \(names.joined(separator: ", ")); set FileDescriptorName=\(name) in the .socket unit")
      )
    }
    try self.init(settings, threads: threads)
  }

  /// The sockets that were passed, each of them somebody's, however many workers there are.
  private init(_ settings: ListenerSettings, threads: Int, _ found: InheritedListener) {
    self.settings = settings
    self.threads = threads
    address = found.address
    file = found.file
    isManaged = found.isManaged
    var sockets = found.sockets
    var isShared = found.isShared
    while !isShared, sockets.count < threads {
      // More workers than there were: the group grows. Where it may not, they share what there is.
      if let more = try? Socket.listen(on: address, shared: true) {
        sockets.append(Worker.Listener.Shared(more))
      } else {
        isShared = true
      }
    }
    self.sockets = sockets
    self.isShared = isShared
  }

  private init(_ settings: ListenerSettings, threads: Int) throws(Proxy.StartError) {
    self.settings = settings
    self.threads = threads
    (address, sockets) = try Self.bind(settings, threads: threads)
    isShared = address.isUnix
    isManaged = false
    if case .unix(let path) = settings.address, !path.hasPrefix("@") { file = SocketFile(path) } else { file = nil }
  }

  /// The same sockets under other settings.
  func adopting(_ settings: ListenerSettings, _ tls: ListenerContext?) -> BoundListener {
    var copy = self
    copy.settings = settings
    copy.tls = tls
    return copy
  }

  /// Those that a worker takes connections from. Each socket is somebody's: what waits in its queue is waited for.
  func listeners(ofWorker worker: Int) -> [Worker.Listener] {
    sockets.enumerated().filter { isShared || $0.offset % threads == worker }.map {
      Worker.Listener(
        descriptor: $0.element, address: address, settings: settings, isShared: isShared, tls: tls)
    }
  }

  // MARK: - Ending

  /// Lets nobody begin to connect any more, while those who have begun come in: the workers close the sockets a little later
  /// (``Worker/closingTime``), and what is in a socket's queue at that moment is reset by the kernel.
  func turnNewcomersAway() {
    removePath()
    guard !address.isUnix, !livesOn else { return }
    for socket in sockets {
      // Without the filter somebody may begin to connect in the last microseconds, and be reset.
      try? NewcomerFilter.attach(to: socket.number)
    }
  }

  /// Nobody finds the way to a UNIX listener any more. What somebody else has put in its place stays.
  func removePath() {
    if !livesOn { file?.remove() }
  }

  /// Whether another process holds the sockets as well: they are to stay as they are when this one lets go of them.
  var livesOn: Bool {
    get { sockets.allSatisfy(\.livesOn) }
    nonmutating set { for socket in sockets { socket.livesOn = newValue } }
  }

  // MARK: - Binding

  private static func bind(
    _ settings: ListenerSettings, threads: Int
  ) throws(Proxy.StartError) -> (address: SocketAddress, descriptors: [Worker.Listener.Shared]) {
    let listen = settings.address
    do throws(SystemError) {
      switch listen {
      case .inherited:
        throw SystemError("inherit", EBADF)
      case .unix(let path):
        if !path.hasPrefix("@") { try SocketFile.removeStale(path) }
        let address = SocketAddress(.unix(path: path))
        let shared = Worker.Listener.Shared(try Socket.listen(on: address, shared: false))
        return (address, [shared])
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
