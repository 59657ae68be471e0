package import Analysis
internal import CLinux
package import Core
internal import Glibc
internal import Logging
internal import Synchronization

/// The socket over which a running proxy is told what to do: UNIX, mode 0600, a line of JSON each way.
///
/// Every connection has a thread of its own, of which there are few at once; what they ask for is done by `handler`.
package final class ControlServer: Sendable {
  package enum Reply {
    case line(JSONText)
    /// It was answered by other means.
    case given
    /// The connection ends.
    case end
  }

  /// Answers one request of a connection.
  package typealias Handler = @Sendable (JSONValue, ControlSession) -> Reply

  package struct StartError: Error, CustomStringConvertible {
    package var description: String
  }

  /// Connections at once.
  static let mostConnections = 16
  /// How long a connection may say nothing.
  static let patience = Nanoseconds.seconds(60)

  private static let longestPath = ProxySettings.longestControlPath

  private let listener: Descriptor
  private let file: Mutex<SocketFile?>
  private let connections = Mutex(0)
  private let isStopped = Mutex(false)
  package let path: String

  /// - Parameter replacing: the path belongs to a process that is about to end, and is taken from it.
  package init(path: String, replacing: Bool = false, handler: @escaping Handler) throws(StartError) {
    self.path = path
    guard path.utf8.count <= Self.longestPath else {
      throw StartError(
        description: "the path of the control socket is too long; it may have \(Self.longestPath) bytes: \(path)")
    }
    let temporary = "\(path).\(getpid())"
    do throws(SystemError) {
      if replacing {
        listener = try Socket.listen(on: SocketAddress(.unix(path: temporary)), shared: false, mode: 0o600)
        // Safe: both paths are NUL-terminated copies during the calls.
        guard unsafe rename(temporary, path) == 0 else {
          let code = errno
          _ = unsafe unlink(temporary)
          throw SystemError("rename", code)
        }
      } else {
        try SocketFile.removeStale(path)
        listener = try Socket.listen(on: SocketAddress(.unix(path: path)), shared: false, mode: 0o600)
      }
      file = Mutex(SocketFile(path))
      try Thread.start(named: "control") { [weak self] in
        while let self, self.admitOne(handler) {}
      }
    } catch {
      throw StartError(description: Self.explain(error, path))
    }
  }

  deinit { stop() }

  private static func explain(_ error: SystemError, _ path: String) -> String {
    let place = "cannot listen on the control socket \(path)"
    return switch error.code {
    case EADDRINUSE where SocketFile(path) == nil:
      "\(place): something that is no socket is in its place; choose another path"
    case EADDRINUSE:
      "\(place): another process answers there; take over from it (--take-over \(path)), stop it, or choose another path"
    case ENOENT: "\(place): its folder does not exist; make it"
    case EACCES, EROFS, EPERM:
      "\(place): \(SystemError.text(of: error.code)); choose a folder that this account may write to"
    default: "\(place): \(error)"
    }
  }

  /// Ends the listening and removes the file, unless another process has its own there by now. Safe to call again.
  package func stop() {
    isStopped.withLock { $0 = true }
    file.withLock { $0.take() }?.remove()
    Socket.stopListening(listener.number)
  }

  /// The same, and waits until those who have asked are answered, at most `patience`: the process is about to end.
  package func finish(atMost patience: Nanoseconds = .seconds(1)) {
    stop()
    let deadline = MonotonicClock.now.advanced(by: patience)
    while connections.withLock({ $0 }) > 0, MonotonicClock.now < deadline { pause(.milliseconds(2)) }
  }

  private func admitOne(_ handler: @escaping Handler) -> Bool {
    if isStopped.withLock({ $0 }) { return false }
    guard BlockingSocket.waitForInput(listener.number, atMost: .seconds(1)),
      let accepted = try? Socket.accept(listener.number)
    else { return !isStopped.withLock { $0 } }
    guard connections.withLock({ $0 < Self.mostConnections }) else {
      let channel = ControlChannel(BlockingSocket(owning: accepted.takeDescriptor()))
      try? channel.send(.refusal("\(Self.mostConnections) connections are open already; try again"))
      return true
    }
    connections.withLock { $0 += 1 }
    let handover = Handover(accepted.takeDescriptor())
    do {
      try Thread.start(named: "control-client") { [self] in
        if let descriptor = handover.take() { serve(ControlChannel(BlockingSocket(owning: descriptor)), handler) }
        connections.withLock { $0 -= 1 }
      }
    } catch {
      connections.withLock { $0 -= 1 }
    }
    return true
  }

  private func serve(_ channel: ControlChannel, _ handler: Handler) {
    let session = ControlSession(channel)
    defer { session.end() }
    while true {
      do throws(ControlChannel.Failure) {
        guard let request = try channel.receive(atMost: Self.patience) else { return }
        switch handler(request, session) {
        case .line(let answer): try channel.send(answer)
        case .given: break
        case .end: return
        }
      } catch {
        try? channel.send(.refusal(error.description))
        return
      }
    }
  }

  /// Gives a descriptor to the thread that is to serve it, once.
  private final class Handover: Sendable {
    private let descriptor: Mutex<Descriptor?>
    init(_ descriptor: consuming sending Descriptor) { self.descriptor = Mutex(descriptor) }
    func take() -> Descriptor? { descriptor.withLock { $0.take() } }
  }
}

/// A connection to the control socket, as what answers it sees it.
package final class ControlSession {
  let channel: ControlChannel
  private var endings: [() -> Void] = []

  init(_ channel: ControlChannel) { self.channel = channel }

  /// Has something done when the connection ends, however that comes about.
  func atEnd(_ ending: @escaping () -> Void) { endings.append(ending) }

  func end() {
    for ending in endings { ending() }
    endings = []
  }
}
