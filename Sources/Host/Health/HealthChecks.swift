package import Core
package import Logging
internal import Synchronization

/// Asks servers at intervals whether they are healthy, and publishes what comes of it in their ``ServerHealth``.
///
/// One thread makes all checks, each on a connection of its own that carries nothing else. It exists once there is something
/// to check. A server is taken for healthy until its first check has ended, which is within a second or so and decides alone.
package final class HealthChecks: Sendable {
  /// A server to be checked.
  package struct Target: Sendable {
    package var record: ServerRecord
    package var upstream: String
    package var settings: ActiveHealthSettings
    /// What the connection begins with.
    package var proxyProtocol: UpstreamSettings.ProxyProtocolOut
    /// How TLS is spoken to it; nil: not at all.
    let tls: ServerTLS?

    init(record: ServerRecord, upstream: UpstreamSettings, settings: ActiveHealthSettings, tls: ServerTLS?) {
      self.record = record
      self.upstream = upstream.name
      self.settings = settings
      proxyProtocol = upstream.proxyProtocol
      self.tls = tls
    }
  }

  /// Servers that are checked; further ones are not, and the log says so.
  package static let maximumTargets = 4_096

  struct Shared {
    var targets: [Target] = []
    /// Counts the changes.
    var edition: UInt64 = 0
    var isRunning = false
    var isStopped = false
  }

  let shared = Mutex(Shared())
  let wakeup: Wakeup
  let log: Logger

  package init(log: Logger) throws(SystemError) {
    self.log = log
    wakeup = try Wakeup()
  }

  /// Replaces what is checked. A server that stays, under settings that stay, goes on as it was; one that is not checked any
  /// more is healthy.
  package func check(_ targets: [Target]) throws(SystemError) {
    if targets.count > Self.maximumTargets {
      log.error(
        "more than \(Self.maximumTargets) servers are to be checked; the last of them are not, and count as well")
    }
    let starts = shared.withLock { shared in
      shared.targets = Array(targets.prefix(Self.maximumTargets))
      shared.edition += 1
      defer { if !targets.isEmpty { shared.isRunning = true } }
      return !targets.isEmpty && !shared.isRunning
    }
    if starts {
      let handover = Handover(try HealthLoop(checks: self))
      try Thread.start(named: "health") { handover.take()?.run() }
    }
    wakeup.signal()
  }

  /// The loop is made where errors can be thrown and then belongs to its thread alone.
  private final class Handover: Sendable {
    private let loop: Mutex<HealthLoop?>
    init(_ loop: sending HealthLoop) { self.loop = Mutex(loop) }
    func take() -> sending HealthLoop? { loop.withLock { $0.take() } }
  }

  package func stop() {
    shared.withLock { $0.isStopped = true }
    wakeup.signal()
  }
}
