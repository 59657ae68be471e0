package import Core

/// What a probe is to measure, and how far it may go.
package struct ProbeSetup: Sendable {
  /// In the order in which they are tried; the first that accepts a connection is measured.
  package var addresses: [SocketAddress]
  /// The name for TLS; nil for plain TCP.
  package var serverName: String?
  /// Whether a certificate that is not valid ends the probe; it is told in any case.
  package var verifies = true
  package var request: ProbeRequest
  /// Longest wait for any close.
  package var maximumWait: Nanoseconds
  /// Requests on one connection.
  package var maximumRequests = 110
  /// Rounds of idle connections, when the server closes soon enough.
  package var rounds = 3
  /// Connections that are open at once.
  package var maximumConnections = Prober.maximumConnections
  /// Whether to open no connection that holds a worker of the server without asking anything of it.
  package var isGentle = false
  /// A descriptor that becomes readable when the probe is to end with what it knows.
  package var interruption: Int32?

  package init(addresses: [SocketAddress], serverName: String?, request: ProbeRequest, maximumWait: Nanoseconds) {
    self.addresses = addresses
    self.serverName = serverName
    self.request = request
    self.maximumWait = maximumWait
  }
}

/// How far a probe has come.
package struct ProbeProgress: Equatable, Sendable {
  /// Plans that are not done.
  package var waiting = 0
  /// Idle closes that were seen, and the longest age among them.
  package var closes = 0
  package var longest: Nanoseconds?
  /// The idle timeout is still being measured; otherwise only limits of other kinds are waited for.
  package var isMeasuring = true
  package var atMost = Nanoseconds.zero
}

/// Plans that are to begin, each at its time.
struct ProbeQueue {
  private struct Entry {
    var plan: ProbePlan
    var due: Instant
  }

  /// Between two connections of a round. Servers that look at their clocks once a second would otherwise close all of them at
  /// one look, and their jitter would not show; the golden section of a second spreads them evenly, however many there are.
  private static let stagger = Nanoseconds.milliseconds(382)

  private var entries: [Entry] = []
  /// Measuring connections of all rounds.
  private var measured: Int64 = 0

  /// - Parameter start: the earliest. A round begins when the one before it was closed, which is when the server looks at its
  ///   clocks; so each goes on in the second where the last one stopped, or all would be measured in the same parts of it.
  mutating func add(_ plans: [ProbePlan], from start: Instant) {
    var due = start
    if plans.contains(where: \.isMeasuring) {
      due = start.advanced(by: Nanoseconds(ProbeQueue.stagger.count * measured % 1_000_000_000))
    }
    for plan in plans {
      entries.append(Entry(plan: plan, due: due))
      guard plan.isMeasuring else { continue }
      due = due.advanced(by: ProbeQueue.stagger)
      measured += 1
    }
  }

  mutating func next(at now: Instant) -> ProbePlan? {
    guard let index = entries.firstIndex(where: { $0.due <= now }) else { return nil }
    return entries.remove(at: index).plan
  }

  var due: Instant? { entries.map(\.due).min() }
  var count: Int { entries.count }
  var isMeasuring: Bool { entries.contains { $0.plan.isMeasuring } }
  var plans: [ProbePlan] { entries.map(\.plan) }
}

extension ProbePlan {
  /// Part of a round: another may follow when all of these are done. The others may last as long as the probe.
  var isMeasuring: Bool {
    switch self {
    case .idle, .lateRequest, .reuse: true
    case .unused, .halfSent, .requests, .version10, .head: false
    }
  }
}
