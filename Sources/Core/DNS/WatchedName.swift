/// What is known of one host's addresses, and when to find out anew.
///
/// | the lookup            | addresses                                          | next lookup                            |
/// |-----------------------|----------------------------------------------------|----------------------------------------|
/// | gives addresses       | are these; of a family that failed: those it had   | after their TTL, within the bounds     |
/// | fails                 | stay, however long it lasts                        | after a pause that doubles             |
/// | says that there are none | stay until that has been so for ``absenceHold`` | after a pause that doubles             |
package struct WatchedName: Sendable {
  package struct Bounds: Sendable, Equatable {
    package var minimum: Nanoseconds
    package var maximum: Nanoseconds

    package init(minimum: Nanoseconds, maximum: Nanoseconds) {
      self.minimum = minimum
      self.maximum = max(minimum, maximum)
    }

    func clamp(_ seconds: UInt32) -> Nanoseconds { min(max(.seconds(Int64(seconds)), minimum), maximum) }
  }

  /// For how long it must be said that a name has no addresses before its servers are let go: a zone that is loaded anew, or a
  /// service between two versions, is empty for moments. After it, the addresses may be somebody else's.
  package static let absenceHold = Nanoseconds.seconds(30)
  /// From one answer to the next question at least: a TTL of zero, where the bounds allow it, is no reason to ask without end.
  package static let shortestPeriod = Nanoseconds.milliseconds(100)
  /// Pause behind the first failure; doubles with each further one.
  package static let shortestPause = Nanoseconds.seconds(1)
  package static let longestPause = Nanoseconds.seconds(30)

  /// In order, without repetitions. Empty until the first answer.
  package private(set) var addresses: [DNSAddress] = []
  /// The candidate that gave them.
  package private(set) var answeredAs: DNSName?
  /// Whether a lookup has come to its end, whatever that was.
  package private(set) var isSettled = false
  /// When to look the name up.
  package private(set) var due: Instant
  /// Lookups that gave no addresses, in a row.
  package private(set) var failures = 0
  private var absentSince: Instant?
  package var bounds: Bounds

  package init(bounds: Bounds, now: Instant) {
    self.bounds = bounds
    due = now
  }

  package enum Change: Equatable, Sendable {
    /// The same addresses, whatever their order was.
    case none
    case addresses
    /// There are addresses again behind failures.
    case recovered(changed: Bool)
    /// No answer: the addresses stay, if there are any. Whether the name answered before.
    case failed(isFirst: Bool)
    /// The name has been without addresses for long enough: they are gone.
    case emptied
  }

  package mutating func lookedUp(_ outcome: LookupOutcome, now: Instant) -> Change {
    isSettled = true
    switch outcome {
    case .answered(let name, let ipv4, let ipv6):
      return answered(name, ipv4, ipv6, now)
    case .notFound:
      absentSince = absentSince ?? now
      let change = failed(now)
      guard !addresses.isEmpty, let absentSince, now.since(absentSince) >= Self.absenceHold else { return change }
      addresses = []
      answeredAs = nil
      return .emptied
    case .failed:
      // Nobody says that it has none any more.
      absentSince = nil
      return failed(now)
    }
  }

  /// Lets the name be looked up at once.
  package mutating func lookupWanted(now: Instant) { due = min(due, now) }

  private mutating func failed(_ now: Instant) -> Change {
    let pause = min(Self.shortestPause * (1 << Int64(min(failures, 10))), Self.longestPause)
    due = now.advanced(by: min(max(pause, bounds.minimum), max(bounds.maximum, Self.shortestPause)))
    failures += 1
    return .failed(isFirst: failures == 1)
  }

  private mutating func answered(
    _ name: DNSName, _ ipv4: LookupOutcome.FamilyResult, _ ipv6: LookupOutcome.FamilyResult, _ now: Instant
  ) -> Change {
    var found: [DNSAddress] = []
    var seconds = UInt32.max
    for (result, family) in [(ipv4, DNSAddress.Family.ipv4), (ipv6, .ipv6)] {
      switch result {
      case .addresses(let addresses, let lifetime):
        found += addresses
        seconds = min(seconds, lifetime)
      case .none: break
      case .failed:
        if name == answeredAs { found += addresses.filter { $0.family == family } }
      }
    }
    found = Array(Set(found).sorted().prefix(DNSReply.maximumAddresses))
    due = now.advanced(by: max(bounds.clamp(seconds), Self.shortestPeriod))
    let hadFailed = failures > 0
    failures = 0
    absentSince = nil
    answeredAs = name
    let changed = found != addresses
    addresses = found
    return hadFailed ? .recovered(changed: changed) : changed ? .addresses : .none
  }
}
