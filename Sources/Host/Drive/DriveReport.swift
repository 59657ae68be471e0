package import Core

/// What a drive found, once what its clients saw is joined with the upstream's ledger.
package struct DriveReport: Equatable, Sendable {
  /// Requests under test.
  package var sent = 0
  package var answered = 0
  /// Not answered with 2xx, whatever came instead.
  package var failed = 0
  /// Failed, by how.
  package var failures: [DriveEnd: Int] = [:]
  /// Whether an upstream's ledger was there: without one, the figures up to `failedWithoutDeath` say nothing.
  package var isJoined = true
  /// Different requests that the upstream has read completely.
  package var applied = 0
  package var appliedTwice = 0
  /// Neither answered nor applied: nobody has the request.
  package var lost = 0
  package var failedButApplied = 0
  package var answeredButNotApplied = 0
  /// Applied, and then died with the upstream by its script.
  package var died = 0
  /// Failed although the upstream did not die with them.
  package var failedWithoutDeath = 0
  /// Warm-up requests that were not answered.
  package var warmUpFailures: [DriveEnd: Int] = [:]
  package var warmUps = 0
  /// Of answered requests, from the time at which they were to leave.
  package var latency = LatencyHistogram()
  /// Of answered requests, from the time at which they did leave.
  package var serviceTime = LatencyHistogram()
  /// Requests that were sent more than once by their client.
  package var retried = 0
  package var retries = 0
  package var connects = 0
  package var idleCloses = 0
  package var unaskedAnswers = 0
  package var abandoned = 0
  package var duration = Nanoseconds.zero
  package var stop = DriveStop.completed
  package var gaps = GapHistogram()

  package var failedWarmUps: Int { warmUpFailures.values.reduce(0, +) }
  package var failedPerThousand: Double { sent == 0 ? 0 : 1000 * Double(failed) / Double(sent) }

  package init() {}

  /// - Parameter upstream: nil when there is no ledger to join with.
  package init(_ ledger: DriveLedger, upstream: UpstreamLedger?) {
    isJoined = upstream != nil
    warmUps = ledger.warmUps
    warmUpFailures = ledger.warmUpFailures
    latency = ledger.latency
    serviceTime = ledger.serviceTime
    connects = ledger.connects
    idleCloses = ledger.idleCloses
    unaskedAnswers = ledger.unaskedAnswers
    abandoned = ledger.abandoned
    duration = ledger.duration
    stop = ledger.stop
    for outcome in ledger.outcomes { count(outcome) }
    gaps = GapHistogram(ledger.outcomes)
    guard let upstream else { return }
    for outcome in ledger.outcomes { join(outcome.end, id: ledger.id(of: outcome), upstream) }
  }

  private mutating func count(_ outcome: DriveOutcome) {
    sent += 1
    if outcome.end == .answered {
      answered += 1
    } else {
      failed += 1
      failures[outcome.end, default: 0] += 1
    }
    if outcome.retries > 0 {
      retried += 1
      retries += outcome.retries
    }
  }

  private mutating func join(_ end: DriveEnd, id: String, _ upstream: UpstreamLedger) {
    let timesApplied = upstream.times[id] ?? 0
    let hasDied = upstream.deaths.contains(id)
    if timesApplied > 0 { applied += 1 }
    if timesApplied > 1 { appliedTwice += 1 }
    if hasDied { died += 1 }
    if end == .answered {
      if timesApplied == 0 { answeredButNotApplied += 1 }
    } else {
      if timesApplied == 0 { lost += 1 } else { failedButApplied += 1 }
      if !hasDied { failedWithoutDeath += 1 }
    }
  }
}

/// Requests and their failures by the idle gap at which they left, for a chart.
package struct GapHistogram: Equatable, Sendable {
  package struct Bin: Equatable, Sendable {
    /// Holds gaps from here on, up to the next bin's.
    package var from: Nanoseconds
    package var sent = 0
    package var failed = 0
  }

  package static let binLimit = 50

  package private(set) var width = Nanoseconds.zero
  /// From the shortest gap to the longest, empty ones included.
  package private(set) var bins: [Bin] = []

  init() {}

  /// Bins of the smallest round width with which there are not too many.
  init(_ outcomes: [DriveOutcome]) {
    let gaps = outcomes.compactMap(\.gap)
    guard let shortest = gaps.min(), let longest = gaps.max() else { return }
    width = Self.roundWidth(longest - shortest)
    let first = shortest.count / width.count
    let last = longest.count / width.count
    bins = (first...last).map { Bin(from: Nanoseconds($0 * width.count)) }
    for outcome in outcomes {
      guard let gap = outcome.gap else { continue }
      let index = Int(gap.count / width.count - first)
      bins[index].sent += 1
      if outcome.end != .answered { bins[index].failed += 1 }
    }
  }

  /// 1, 2 or 5 times a power of ten, at least 100 us.
  private static func roundWidth(_ range: Nanoseconds) -> Nanoseconds {
    var unit: Int64 = 100_000
    while true {
      for step in [1, 2, 5] as [Int64] where range.count / (unit * step) < Int64(binLimit) - 1 {
        return Nanoseconds(unit * step)
      }
      unit *= 10
    }
  }
}
