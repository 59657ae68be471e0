package import Core
package import Logging
internal import Synchronization

/// Knows the addresses of names and keeps them up to date, without anybody waiting for a name server.
///
/// A name is looked for in the hosts file, then by the name servers, then, where the system has further sources (mDNS, a
/// directory), by the C library on a thread of its own. One thread asks the name servers; it exists once there are names.
package final class Names: Sendable {
  /// A name that somebody needs, and how old its addresses may become.
  package struct Wish: Hashable, Sendable {
    package var host: String
    package var period: Nanoseconds
    package init(host: String, period: Nanoseconds) {
      self.host = host
      self.period = period
    }
  }

  /// Names that are watched; further ones are not resolved, and the log says so.
  package static let maximumNames = 1_024

  struct Known: Sendable {
    var addresses: [SocketAddress] = []
    /// Whether a lookup has come to its end.
    var isSettled = false
    /// Why the last lookup gave no addresses.
    var problem: String?
  }

  struct Shared {
    var wishes: [Wish] = []
    var settings = ResolverSettings()
    var known: [String: Known] = [:]
    /// Answers of the C library that the thread has not taken yet.
    var systemAnswers: [(host: String, outcome: LookupOutcome)] = []
    /// Counts the changes of wishes and settings.
    var edition: UInt64 = 0
    var isRunning = false
    var isStopped = false
    var changed: (@Sendable () -> Void)?
  }

  let shared = Mutex(Shared())
  let wakeup: Wakeup
  let log: Logger

  package init(log: Logger) throws(SystemError) {
    self.log = log
    wakeup = try Wakeup()
  }

  /// - Parameter changed: called on the thread of the names when some name's addresses are others than before.
  package func tell(changed: @escaping @Sendable () -> Void) { shared.withLock { $0.changed = changed } }

  /// Replaces what is watched. What is known of names that stay is kept.
  package func want(_ wishes: [Wish], under settings: ResolverSettings) throws(SystemError) {
    let ordered = Self.ordered(wishes)
    if ordered.count < Set(wishes.map(\.host)).count {
      log.error("more than \(Self.maximumNames) names are to be resolved; the last of them are not, name fewer servers")
    }
    let starts = shared.withLock { shared in
      shared.settings = settings
      shared.wishes = ordered
      shared.edition += 1
      let hosts = Set(ordered.map(\.host))
      shared.known = shared.known.filter { hosts.contains($0.key) }
      for host in hosts where shared.known[host] == nil { shared.known[host] = Known() }
      defer { if !ordered.isEmpty { shared.isRunning = true } }
      return !ordered.isEmpty && !shared.isRunning
    }
    if starts {
      let loop = try NameLoop(names: self)
      let handover = Handover(loop)
      try Thread.start(named: "names") { handover.take()?.run() }
    }
    wakeup.signal()
  }

  /// Each host once, with the shortest period that anybody wants, in the order of their first mention.
  private static func ordered(_ wishes: [Wish]) -> [Wish] {
    var ordered: [Wish] = []
    var places: [String: Int] = [:]
    for wish in wishes {
      if let place = places[wish.host] {
        ordered[place].period = min(ordered[place].period, wish.period)
      } else if ordered.count < maximumNames {
        places[wish.host] = ordered.count
        ordered.append(wish)
      }
    }
    return ordered
  }

  /// The loop is made where errors can be thrown and then belongs to its thread alone.
  private final class Handover: Sendable {
    private let loop: Mutex<NameLoop?>
    init(_ loop: sending NameLoop) { self.loop = Mutex(loop) }
    func take() -> sending NameLoop? { loop.withLock { $0.take() } }
  }

  package func stop() {
    shared.withLock { $0.isStopped = true }
    wakeup.signal()
  }

  // MARK: - Asking

  /// The addresses of a host, in order; none while they are not known. Never waits.
  package func addresses(of host: String, port: UInt16) -> [SocketAddress] {
    if let literal = SocketAddress(literal: host, port: port) { return [literal] }
    return shared.withLock { $0.known[host]?.addresses ?? [] }.map { $0.withPort(port) }
  }

  /// Waits until every name has been looked up once, whatever came of it, but not longer than `patience`.
  ///
  /// - Returns: the names that are still being looked up.
  package func waitUntilSettled(atMost patience: Nanoseconds) -> [String] {
    let deadline = MonotonicClock.now.advanced(by: patience)
    while true {
      let waiting = shared.withLock { shared in
        shared.wishes.map(\.host).filter { shared.known[$0]?.isSettled != true }
      }
      guard !waiting.isEmpty, MonotonicClock.now < deadline else { return waiting }
      pause(.milliseconds(1))
    }
  }

  /// What is known, a line each name, for people.
  package func dump() -> [String] {
    shared.withLock { shared in
      shared.wishes.map { wish in
        let known = shared.known[wish.host] ?? Known()
        let addresses = known.addresses.isEmpty ? "no addresses" : known.addresses.map(\.host).joined(separator: ", ")
        return "name \(wish.host): \(addresses)\(known.problem.map { "; last lookup: \($0)" } ?? "")"
      }
    }
  }
}
