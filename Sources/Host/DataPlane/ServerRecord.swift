package import Core
internal import Synchronization

/// What all threads know of one server: a row of the shared table.
///
/// Reading the bounds takes five relaxed loads; learning takes the lock, and happens once for a close or for a longer
/// reuse, not once for a request.
package final class ServerRecord: Sendable {
  package let address: SocketAddress
  /// As it is shown: `host:port`, or the socket's path.
  package let name: String
  /// The origin that resolves to it.
  package let origin: OriginAddress
  package let health = ServerHealth()

  private let window: Mutex<IdleWindow>
  private let leaseLimit: Atomic<Int64>
  private let provenAge: Atomic<Int64>
  private let connectionAgeLimit: Atomic<Int64>
  private let usesLimit: Atomic<UInt32>
  private let trustedSince: Atomic<Int64>
  /// Its answers are doubted until then.
  private let doubtedUntil = Atomic<Int64>(.min)

  package init(address: SocketAddress, name: String, origin: OriginAddress, window settings: IdleWindow.Settings) {
    self.address = address
    self.name = name
    self.origin = origin
    let window = IdleWindow(settings: settings)
    let bounds = window.bounds
    self.window = Mutex(window)
    leaseLimit = Atomic(bounds.leaseLimit.count)
    provenAge = Atomic(bounds.provenAge.count)
    connectionAgeLimit = Atomic(bounds.connectionAgeLimit.count)
    usesLimit = Atomic(bounds.usesLimit)
    trustedSince = Atomic(bounds.trustedSince.nanoseconds)
  }

  package var bounds: IdleBounds {
    // Relaxed: they may come from different moments, each of which was right when it was published.
    IdleBounds(
      leaseLimit: Nanoseconds(leaseLimit.load(ordering: .relaxed)),
      provenAge: Nanoseconds(provenAge.load(ordering: .relaxed)),
      connectionAgeLimit: Nanoseconds(connectionAgeLimit.load(ordering: .relaxed)),
      usesLimit: usesLimit.load(ordering: .relaxed),
      trustedSince: Instant(nanoseconds: trustedSince.load(ordering: .relaxed)))
  }

  /// Whether the server has lately sent an answer that nobody had asked for, so that one on a reused connection may be another
  /// request's.
  func isDoubted(at now: Instant) -> Bool { now.nanoseconds < doubtedUntil.load(ordering: .relaxed) }

  func doubtAnswers(until end: Instant) { doubtedUntil.max(end.nanoseconds, ordering: .relaxed) }

  /// Lets `event` change what is known and publishes the new bounds.
  ///
  /// - Returns: the description to log when something was learned, unlearned, or moved notably; else nil.
  package func learn(_ event: (inout IdleWindow) -> IdleWindow.Change) -> IdleWindow.Description? {
    window.withLock { window in
      let change = event(&window)
      switch change {
      case .unchanged: return nil
      case .adjusted, .notable: break
      }
      let bounds = window.bounds
      leaseLimit.store(bounds.leaseLimit.count, ordering: .relaxed)
      provenAge.store(bounds.provenAge.count, ordering: .relaxed)
      connectionAgeLimit.store(bounds.connectionAgeLimit.count, ordering: .relaxed)
      usesLimit.store(bounds.usesLimit, ordering: .relaxed)
      trustedSince.store(bounds.trustedSince.nanoseconds, ordering: .relaxed)
      return change == .notable ? window.description : nil
    }
  }

  package var description: IdleWindow.Description { window.withLock { $0.description } }
}
