package import Core
package import Host
internal import Logging
internal import Synchronization

/// A proxy within this process, on a free port, with one thread unless told otherwise.
package final class RunningProxy: Sendable {
  package let proxy: Proxy
  private let lines: CapturedLines
  private let access: (writer: LogWriter, path: String)?
  private let directory: TemporaryDirectory?
  private let isStopped = Mutex(false)

  /// - Parameters:
  ///   - namespace: where the proxy listens and connects; nil for that of this process.
  ///   - change: what differs from the defaults.
  package init(
    to origins: [OriginAddress], in namespace: NetworkNamespace? = nil,
    _ change: (inout ProxySettings) -> Void = { _ in }
  ) throws {
    var settings = ProxySettings()
    settings.listeners = [ListenerSettings(.tcp(host: "127.0.0.1", port: 0))]
    settings.upstream.origins = origins
    // What refuses a connection in a test does so for good, unless the test says otherwise.
    settings.timeouts.refused = .zero
    // Tests look at what failed.
    settings.errors.details = .all
    change(&settings)
    let lines = CapturedLines()
    self.lines = lines
    let log = Logger(label: "test") { _ in CapturingLogHandler(lines: lines) }
    if settings.logs.access == .off {
      access = nil
      directory = nil
    } else {
      let directory = try TemporaryDirectory()
      let path = directory.path + "/access"
      access = (try LogWriter(to: .file(path: path)), path)
      self.directory = directory
    }
    let writer = access?.writer
    if let namespace {
      // Threads begin in the namespace of the thread that starts them, and so do their sockets.
      var made: Proxy?
      try namespace.perform { made = try Proxy(settings: settings, log: log, accessLog: writer) }
      proxy = made!  // Starting either threw or gave one.
    } else {
      proxy = try Proxy(settings: settings, log: log, accessLog: writer)
    }
  }

  deinit { stop() }

  /// Ends it. Safe to call again.
  package func stop() {
    let wasStopped = isStopped.withLock { isStopped in
      defer { isStopped = true }
      return isStopped
    }
    if !wasStopped { proxy.stop() }
  }

  /// Ends it when what is under way is done. To be called instead of ``stop()``.
  package func drain(atMost patience: Nanoseconds) {
    isStopped.withLock { $0 = true }
    proxy.drain(atMost: patience)
  }

  /// Waits for the end of a drain that was begun. To be called instead of ``stop()``.
  package func waitForEnd() {
    isStopped.withLock { $0 = true }
    proxy.waitForEnd()
  }

  package var address: SocketAddress { proxy.addresses[0] }

  package func connect(from namespace: NetworkNamespace? = nil) throws -> BlockingSocket {
    try BlockingSocket(to: address, from: namespace)
  }

  /// Does something while the only event loop stands still: it gets to know of all that happens here at once.
  package func whileHeldUp(_ body: () throws -> Void) throws {
    lines.setBarrier("the request line ")
    defer { lines.setBarrier(nil) }
    // The loop writes a line about it, and that line waits.
    try connect().send("held up\r\n\r\n")
    guard eventually({ lines.isHeldUp }) else { throw BlockingSocket.Failure.ended("the loop is not held up") }
    try body()
  }

  // MARK: - What it says of itself

  package var counters: Counters {
    var sum = Counters()
    for report in proxy.report() { sum.add(report.counters) }
    return sum
  }

  package var pools: [PoolReport] { proxy.report().flatMap(\.pools) }
  package var clientConnections: Int { proxy.report().reduce(0) { $0 + $1.clientConnections } }

  /// What the control log said so far, a level before each line.
  package var log: [String] { lines.all }

  /// What the access log is written by; nil when it was off from the start.
  package var accessWriter: LogWriter? { access?.writer }

  /// The lines of the access log so far.
  package var accessLines: [String] {
    guard let access else { return [] }
    access.writer.flush()
    return (BuiltProgram.text(ofFile: access.path) ?? "").split(separator: "\n").map(String.init)
  }
}

private final class CapturedLines: Sendable {
  private struct State {
    var lines: [String] = []
    /// Whoever adds a line that contains this waits until it is nil again.
    var barrier: String?
    var isHeldUp = false
  }

  private let state = Mutex(State())

  func add(_ line: String) {
    let isHeldUp = state.withLock { state in
      state.lines.append(line)
      guard let barrier = state.barrier, line.contains(barrier) else { return false }
      state.isHeldUp = true
      return true
    }
    if isHeldUp { _ = eventually(atMost: .seconds(30)) { state.withLock { $0.barrier == nil } } }
  }

  var all: [String] { state.withLock { $0.lines } }
  var isHeldUp: Bool { state.withLock { $0.isHeldUp } }

  func setBarrier(_ text: String?) {
    state.withLock { state in
      state.barrier = text
      state.isHeldUp = false
    }
  }
}

private struct CapturingLogHandler: LogHandler {
  let lines: CapturedLines
  var logLevel: Logger.Level = .trace
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { lines.add("\(event.level) \(event.message)") }
}

/// Waits until something has come about; looks every millisecond.
///
/// - Returns: whether it has.
package func eventually(atMost limit: Nanoseconds = .seconds(20), _ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = MonotonicClock.now.advanced(by: limit)
  while true {
    if try condition() { return true }
    guard MonotonicClock.now < deadline else { return false }
    pause(.milliseconds(1))
  }
}
