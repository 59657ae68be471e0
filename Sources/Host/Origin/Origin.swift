internal import Dispatch
internal import Synchronization

/// An HTTP/1.1 server whose misbehaviour is chosen, with a ledger of the requests that it has read. It runs on a thread of
/// its own until it is stopped or let go of.
///
/// `/` answers `ok`, `/bytes/N` N bytes, `/chunked/N` the same in chunks, `/echo` the request's body, `/__ledger` the
/// ledger as lines of JSON, `/__counters` the counters. The query of a target may hold verbs of ``OriginScript`` that
/// hold for this request alone.
package final class Origin: Sendable {
  package let address: SocketAddress

  private let shared: OriginShared
  private let ended = DispatchSemaphore(value: 0)

  /// - Parameters:
  ///   - address: port 0 for one that is free.
  ///   - namespace: where to listen; nil for that of the process.
  ///   - journal: a file to which each request that enters the ledger is appended before it is answered, so that it outlives a
  ///     process that is killed.
  ///   - watcher: is told on the origin's thread what it does.
  package static func start(
    _ script: OriginScript = OriginScript(), on address: SocketAddress = SocketAddress(.ipv4(0x7f00_0001, port: 0)),
    in namespace: NetworkNamespace? = nil, journal: String? = nil, watcher: (@Sendable (OriginEvent) -> Void)? = nil
  ) throws(SystemError) -> Origin {
    try Origin(
      script, address, namespace, try journal.map { path throws(SystemError) in try TextFile.Appender(path) }, watcher)
  }

  private init(
    _ script: OriginScript, _ address: SocketAddress, _ namespace: NetworkNamespace?, _ journal: TextFile.Appender?,
    _ watcher: (@Sendable (OriginEvent) -> Void)?
  ) throws(SystemError) {
    let listener: Descriptor
    if let namespace {
      listener = try namespace.perform { () throws(SystemError) in try Socket.listen(on: address, shared: false) }
    } else {
      listener = try Socket.listen(on: address, shared: false)
    }
    self.address = Socket.localAddress(listener.number) ?? address
    let shared = try OriginShared(script, listener, journal, watcher)
    self.shared = shared
    let ready = DispatchSemaphore(value: 0)
    let failure = Mutex<SystemError?>(nil)
    let report = Report(failure)
    try Thread.start(named: "origin") { [ended, shared] in
      defer { ended.signal() }
      do throws(SystemError) {
        var loop = try OriginLoop(shared)
        ready.signal()
        loop.run()
      } catch {
        report.failure.withLock { $0 = error }
        ready.signal()
      }
    }
    ready.wait()
    if let error = report.failure.withLock({ $0 }) { throw error }
  }

  /// Carries what went wrong on the thread to whoever started it.
  private final class Report: Sendable {
    let failure: Mutex<SystemError?>
    init(_ failure: consuming Mutex<SystemError?>) { self.failure = failure }
  }

  deinit { stop() }

  package var port: UInt16 { address.port }

  /// Ends the origin: its listener and its connections are closed. May be called several times.
  package func stop() {
    let isFirst = shared.state.withLock { state in
      defer { state.isStopping = true }
      return !state.isStopping
    }
    guard isFirst else { return }
    // The descriptor lives as long as the ledger may be asked for; nobody is to connect to it in that time.
    Socket.stopListening(shared.listener.number)
    shared.wakeup.signal()
    ended.wait()
  }

  /// Changes the behaviour, for requests and idle times that begin from now on.
  package func change(_ body: (inout OriginScript) -> Void) {
    shared.state.withLock { body(&$0.script) }
  }

  /// Readable once a step has made the origin die; for a poller.
  package var deathDescriptor: Int32 { shared.death.number }

  package var counters: OriginCounters { shared.state.withLock { $0.counters } }

  /// Every request with an X-Race-Id that was read completely, in order.
  package var ledger: [LedgerEntry] { shared.state.withLock { $0.ledger } }
}

/// What the origin's thread and its owner both see.
final class OriginShared: Sendable {
  /// Entries of the ledger that are kept.
  static let ledgerLimit = 2_000_000

  struct State {
    var script: OriginScript
    var isStopping = false
    /// A step has ended it.
    var isDead = false
    var counters = OriginCounters()
    var ledger: [LedgerEntry] = []
  }

  let state: Mutex<State>
  let wakeup: Wakeup
  let death: Wakeup
  let listener: Descriptor
  let journal: TextFile.Appender?
  let watcher: (@Sendable (OriginEvent) -> Void)?

  init(
    _ script: OriginScript, _ listener: consuming Descriptor, _ journal: TextFile.Appender?,
    _ watcher: (@Sendable (OriginEvent) -> Void)?
  ) throws(SystemError) {
    state = Mutex(State(script: script))
    self.listener = listener
    self.journal = journal
    self.watcher = watcher
    wakeup = try Wakeup()
    death = try Wakeup()
  }

  var isOver: Bool { state.withLock { $0.isStopping || $0.isDead } }

  /// Ends the origin's thread, and nobody can connect any more.
  func die() {
    state.withLock { $0.isDead = true }
    Socket.stopListening(listener.number)
    death.signal()
  }

  func count(_ body: (inout OriginCounters) -> Void) { state.withLock { body(&$0.counters) } }
}
