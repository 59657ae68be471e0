/// Takes one server out for a while when requests to it fail in a row. One for each server of the process, under a lock.
///
/// ```
/// if outcome.isFailure(settings) || needsSuccess {           // the usual success touches no lock
///   lock { change = ejection.ended(outcome, ejected: ..., servers: ..., now:, random:) }
/// }
/// available = ejection.ejectedUntil <= now                   // publish it as one atomic word
/// ```
///
/// ```
///             failures in a row, and the share allows it
///   admitted --------------------------------------------> ejected
///       ^                                                   |  ^
///       | success                              time is over |  | failure
///       +----------------- on probation <-------------------+  |
///                               |                              |
///                               +------------------------------+
/// ```
///
/// Each ejection is twice as long as the one before, up to the longest; each base time that the server then serves takes one
/// step back. The number of servers that are ejected must be read and changed under one lock for the upstream, or two threads
/// could eject one too many.
package struct Ejection: Sendable {
  private enum State: Sendable, BitwiseCopyable {
    /// It gets requests. `failures` in a row since the last success. Next: ejected.
    case admitted(failures: UInt32)
    /// It gets none until then, unless no other server can be asked. Next: onProbation, when the time is over.
    case ejected(until: Instant)
    /// It gets requests again; a success admits it, one failure ejects it anew. Next: admitted, ejected.
    case onProbation
  }

  package let settings: EjectionSettings
  private var state = State.admitted(failures: 0)
  /// Ejections that count for the length of the next one.
  private var steps: UInt32 = 0
  private var lastReturn = Instant(nanoseconds: .min)

  package init(_ settings: EjectionSettings) {
    self.settings = settings
  }

  /// How one attempt at the server ended.
  package enum Outcome: Sendable, Hashable, BitwiseCopyable {
    case answered(status: UInt16)
    case connectFailed
    /// No response, or none that is one, from a connection that was opened for this request.
    case failedAfresh
    /// The end of a connection that had carried requests before: what servers do with idle connections says nothing of their
    /// health, so this changes nothing.
    case diedOnReuse
    /// No response in time, on whatever connection.
    case timedOut

    /// Whether it counts against the server.
    package func isFailure(_ settings: EjectionSettings) -> Bool {
      switch self {
      case .answered(let status): settings.statuses.contains(status)
      case .connectFailed, .failedAfresh, .timedOut: true
      case .diedOnReuse: false
      }
    }
  }

  package enum Change: Sendable, Hashable, BitwiseCopyable {
    case unchanged
    case ejected(until: Instant)
    /// It stood the test behind an ejection.
    case admitted
  }

  /// Whether a success would change anything. Published, it spares the lock where all is well.
  package var needsSuccess: Bool {
    switch state {
    case .admitted(let failures): failures > 0
    case .ejected, .onProbation: true
    }
  }

  /// Until when it gets no requests; an instant that is past when it is not ejected.
  package var ejectedUntil: Instant {
    switch state {
    case .admitted, .onProbation: Instant(nanoseconds: .min)
    case .ejected(let until): until
    }
  }

  package func isEjected(now: Instant) -> Bool { now < ejectedUntil }

  /// An attempt at the server ended.
  ///
  /// - Parameters:
  ///   - ejected: servers of the upstream that are ejected now, this one left out.
  ///   - servers: servers of the upstream that have a weight, this one included.
  package mutating func ended(
    _ outcome: Outcome, ejected: Int, servers: Int, now: Instant, random: UInt64
  ) -> Change {
    if case .diedOnReuse = outcome { return .unchanged }
    if case .ejected(let until) = state, now >= until {
      lastReturn = until
      state = .onProbation
    }
    return outcome.isFailure(settings)
      ? failed(ejected: ejected, servers: servers, now: now, random: random) : succeeded()
  }

  private mutating func succeeded() -> Change {
    switch state {
    case .admitted:
      state = .admitted(failures: 0)
      return .unchanged
    case .onProbation:
      state = .admitted(failures: 0)
      return .admitted
    case .ejected:
      // Sent before the ejection, or for want of another server: the time goes on.
      return .unchanged
    }
  }

  private mutating func failed(ejected: Int, servers: Int, now: Instant, random: UInt64) -> Change {
    switch state {
    case .admitted(let failures):
      let count = failures == .max ? failures : failures + 1
      guard count >= settings.consecutiveFailures, mayEject(ejected, of: servers) else {
        state = .admitted(failures: count)
        return .unchanged
      }
      return eject(now, random)
    case .onProbation:
      return mayEject(ejected, of: servers) ? eject(now, random) : .unchanged
    case .ejected: return .unchanged
    }
  }

  /// Never the only server, and never more than the share.
  private func mayEject(_ ejected: Int, of servers: Int) -> Bool {
    servers > 1 && (ejected + 1) * 100 <= servers * Int(settings.largestSharePercent)
  }

  private mutating func eject(_ now: Instant, _ random: UInt64) -> Change {
    if steps > 0, settings.baseTime > .zero {
      let served = max(now.since(lastReturn).count / settings.baseTime.count, 0)
      steps = UInt32(max(Int64(steps) - served, 0))
    }
    let longest = max(settings.longestTime, settings.baseTime)
    let time = min(settings.baseTime * (Int64(1) << Int64(min(steps, 40))), longest)
    steps = min(steps + 1, 40)
    // Up to a fifth shorter, so that copies of the proxy do not all come back at once.
    let until = now.advanced(by: time - Jitter.part(of: time / 5, random))
    state = .ejected(until: until)
    return .ejected(until: until)
  }
}
