package import Core
internal import Glibc
internal import Synchronization

/// Tells the service manager how this process is (sd_notify(3)); nothing is told when it does not ask.
package final class ServiceNotifier: Sendable {
  private let socket: Descriptor
  /// How often it wants a sign of life at least; nil: never.
  package let watchdogInterval: Nanoseconds?
  private let isSilent = Atomic(false)

  /// nil when NOTIFY_SOCKET is not set.
  ///
  /// - Parameter environment: the variables of this process.
  package init?(_ environment: (String) -> String? = ServiceSockets.variable) throws(SystemError) {
    guard let path = environment("NOTIFY_SOCKET"), path.hasPrefix("/") || path.hasPrefix("@") else { return nil }
    guard path.utf8.count <= SocketAddress.longestPath else { throw SystemError("connect", ENAMETOOLONG) }
    socket = try Socket.connectDatagrams(to: SocketAddress(.unix(path: path)))
    var interval: Nanoseconds?
    if let microseconds = environment("WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 0 {
      let process = environment("WATCHDOG_PID")
      if process == nil || process == "\(getpid())" { interval = .microseconds(microseconds) }
    }
    watchdogInterval = interval
  }

  // MARK: - What is told

  /// It serves; also behind ``reloading()``.
  package func ready(_ status: String, mainProcess: Int32? = nil) {
    send(["READY=1", "STATUS=\(status)"] + (mainProcess.map { ["MAINPID=\($0)"] } ?? []))
  }

  package func reloading() {
    send([
      "RELOADING=1", "MONOTONIC_USEC=\(MonotonicClock.now.nanoseconds / 1_000)", "STATUS=reading the settings anew",
    ])
  }

  package func stopping(_ status: String) { send(["STOPPING=1", "STATUS=\(status)"]) }

  /// Another process is the service from now on; this one says no more.
  package func replaced(by process: Int32) {
    // With a sign of life, so that the other one has the whole interval for its own.
    send(["MAINPID=\(process)"] + (watchdogInterval == nil ? [] : ["WATCHDOG=1"]))
    isSilent.store(true, ordering: .relaxed)
  }

  package func isWell() { send(["WATCHDOG=1"]) }

  /// Whether ``replaced(by:)`` was called.
  package var isReplaced: Bool { isSilent.load(ordering: .relaxed) }

  /// A service manager that does not read is waited for this long.
  private static let patience = Nanoseconds.seconds(1)

  private func send(_ lines: [String]) {
    guard !isReplaced else { return }
    // One line each: what a status holds comes from settings.
    let text = lines.map { String($0.map { $0.isNewline ? " " : $0 }) }.joined(separator: "\n")
    var bytes = ByteBuffer(capacity: text.utf8.count)
    bytes.append(Array(text.utf8))
    for _ in 0..<2 {
      guard Socket.send(socket.number, bytes.readable) == .wouldBlock else { return }
      _ = BlockingSocket.waitForOutput(socket.number, atMost: Self.patience)
    }
  }

  // MARK: - Watchdog

  /// Gives a sign of life twice in each interval, as long as `isAlive` says so; it is asked for at most a quarter of it.
  package func watch(
    _ isAlive: @escaping @Sendable (_ patience: Nanoseconds) -> Bool, whenNot tell: @escaping @Sendable () -> Void
  ) throws(SystemError) {
    guard let interval = watchdogInterval else { return }
    try Thread.start(named: "watchdog") { [self] in
      while !isReplaced {
        if isAlive(interval / 4) { isWell() } else { tell() }
        pause(interval / 2)
      }
    }
  }
}
