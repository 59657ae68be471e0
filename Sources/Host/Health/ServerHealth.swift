package import Core
internal import Synchronization

/// What all threads know of one server's health: published by those who judge it, read at each choice of a server.
package final class ServerHealth: Sendable {
  private let unhealthy = Atomic(false)
  private let ejectedUntilNanoseconds = Atomic<Int64>(.min)
  private let wantsSuccess = Atomic(false)
  private let warmingSince = Atomic<Int64>(.min)
  private let lastSuccessNanoseconds = Atomic<Int64>(.min)
  private let reason = Mutex<String?>(nil)

  private let succeeded = Atomic<UInt64>(0)
  private let failed = Atomic<UInt64>(0)
  private let timesUnhealthy = Atomic<UInt64>(0)
  private let ejections = Atomic<UInt64>(0)

  package init() {}

  // All loads and stores are relaxed: each word stands for itself, and a choice that comes a moment too early is as good as
  // one that was made before the news.

  /// Whether the health checks say so.
  package var isUnhealthy: Bool { unhealthy.load(ordering: .relaxed) }
  package var ejectedUntil: Instant { Instant(nanoseconds: ejectedUntilNanoseconds.load(ordering: .relaxed)) }
  /// Whether the ejection has to be told of a success; else it would change nothing.
  package var needsSuccess: Bool { wantsSuccess.load(ordering: .relaxed) }

  /// Neither unhealthy nor ejected.
  package func isAvailable(at now: Instant) -> Bool { !isUnhealthy && ejectedUntil <= now }

  /// The share of its weight that it gets while it starts slowly.
  package func share(of span: Nanoseconds, now: Instant) -> UInt16 {
    guard span > .zero else { return Candidate.wholeShare }
    let since = warmingSince.load(ordering: .relaxed)
    guard since > .min else { return Candidate.wholeShare }
    var start = SlowStart(span)
    start.begin(at: Instant(nanoseconds: since))
    return start.share(now: now)
  }

  // MARK: - Those who judge

  func becameUnhealthy(because text: String) {
    reason.withLock { $0 = text }
    if !unhealthy.exchange(true, ordering: .relaxed) { timesUnhealthy.wrappingAdd(1, ordering: .relaxed) }
  }

  func becameHealthy() {
    reason.withLock { $0 = nil }
    unhealthy.store(false, ordering: .relaxed)
  }

  /// When a health check last succeeded.
  package var lastSuccess: Instant { Instant(nanoseconds: lastSuccessNanoseconds.load(ordering: .relaxed)) }

  func checkEnded(isSuccess: Bool, now: Instant) {
    if isSuccess { lastSuccessNanoseconds.store(now.nanoseconds, ordering: .relaxed) }
    if isSuccess { succeeded.wrappingAdd(1, ordering: .relaxed) } else { failed.wrappingAdd(1, ordering: .relaxed) }
  }

  func warms(since start: Instant) { warmingSince.store(start.nanoseconds, ordering: .relaxed) }

  func publish(_ ejection: Ejection?) {
    ejectedUntilNanoseconds.store(ejection?.ejectedUntil.nanoseconds ?? .min, ordering: .relaxed)
    wantsSuccess.store(ejection?.needsSuccess ?? false, ordering: .relaxed)
  }

  func wasEjected() { ejections.wrappingAdd(1, ordering: .relaxed) }

  // MARK: - Asking

  package struct Description: Sendable, Equatable {
    /// Why the health checks say that it is unhealthy; nil when they do not.
    package var unhealthyBecause: String?
    /// For how long it gets no requests because too many failed; nil when it is not ejected.
    package var ejectedFor: Nanoseconds?
    package var checksSucceeded: UInt64
    package var checksFailed: UInt64
    package var timesUnhealthy: UInt64
    package var ejections: UInt64
  }

  package func description(at now: Instant) -> Description {
    let left = ejectedUntil > now ? ejectedUntil.since(now) : nil
    return Description(
      unhealthyBecause: isUnhealthy ? reason.withLock { $0 } ?? "" : nil, ejectedFor: left,
      checksSucceeded: succeeded.load(ordering: .relaxed), checksFailed: failed.load(ordering: .relaxed),
      timesUnhealthy: timesUnhealthy.load(ordering: .relaxed), ejections: ejections.load(ordering: .relaxed))
  }
}

extension ServerHealth.Description {
  /// In words, for people.
  package var sentence: String {
    var parts: [String] = []
    if let unhealthyBecause { parts.append("unhealthy: \(unhealthyBecause)") }
    if let ejectedFor { parts.append("ejected for another \(ejectedFor.rounded.text) because requests to it failed") }
    if parts.isEmpty { parts.append("healthy") }
    if checksSucceeded + checksFailed > 0 {
      parts.append(
        "\(checksSucceeded) checks succeeded and \(checksFailed) failed, unhealthy \(timesUnhealthy) time(s)")
    }
    if ejections > 0 { parts.append("ejected \(ejections) time(s)") }
    return parts.joined(separator: "; ")
  }
}
