package import Core

/// An answered request at the balancer, of which the application's log should have a line.
package struct LogAnswered: Sendable {
  /// Method and path.
  var key: UInt64
  var start: Int64
  var end: Int64
}

/// Matches the requests of two logs by their time and request line, when they share no ID.
///
/// ```
/// balancer      a  b  X  c        a, b, c answered, X failed, all of one method and path
/// application     a' b'    c'     the same, by a clock that is ahead
/// ```
/// The distance between the clocks is the one at which most answered requests have their line. Then every answered request takes the lines
/// that are its own; what is left at the place of a failed one is its line, and if nothing is left the application never saw it.
package struct LogClockMatch: Sendable {
  private static let second: Int64 = 1_000_000_000
  private static let slack: Int64 = 500_000_000
  /// Local times without a zone may be this far away.
  private static let furthest: Int64 = 26 * 3_600 * second
  private static let maximumReferences = 400
  private static let maximumVotes = 500
  /// Of the answered requests so many per hundred must have a line; else the log is not of all that is behind the balancer.
  private static let leastCoverage = 90
  private static let leastAnswered = 3

  /// What the application's clock is ahead of the balancer's; nil when no distance fits.
  package private(set) var offset: Nanoseconds?
  /// Answered requests in the time that the application's log covers, and those of them that it has.
  package private(set) var answered = 0
  package private(set) var found = 0
  private var tolerance: Int64 = 0
  private var first = Int64.max
  private var last = Int64.min
  /// Lines that no answered request has taken, by method and path.
  private var left: [UInt64: [Int64]] = [:]
  /// Whether lines of this method and path are in the log at all, or could be.
  private var isCovered: Bool {
    answered >= LogClockMatch.leastAnswered && found * 100 >= answered * LogClockMatch.leastCoverage
  }

  init(heard: [UInt64: [Int64]], heardGrain: Int64, answered requests: [LogAnswered], failures: [LogFailure]) {
    var lines: [UInt64: [Int64]] = [:]
    for (key, times) in heard {
      lines[key] = times.sorted()
      first = min(first, lines[key]?.first ?? .max)
      last = max(last, lines[key]?.last ?? .min)
    }
    let byStart = requests.sorted { ($0.start, $0.key) < ($1.start, $1.key) }
    guard let offset = LogClockMatch.offset(byStart, lines) else { return }
    self.offset = Nanoseconds(offset)
    let grain = failures.map(\.grain).max() ?? 1
    tolerance = max(heardGrain, grain) + LogClockMatch.slack
    take(byStart, &lines, offset)
    left = lines
  }

  // MARK: - The clocks

  private static func offset(_ requests: [LogAnswered], _ lines: [UInt64: [Int64]]) -> Int64? {
    var votes: [Int64: Int] = [:]
    var differences: [Int64] = []
    // Rare requests say most; those of a busy path fit at many distances.
    let known = requests.filter { lines[$0.key] != nil }
    let rare = known.sorted { (lines[$0.key]?.count ?? 0, $0.start) < (lines[$1.key]?.count ?? 0, $1.start) }
    let references = rare.prefix(maximumReferences)
    for request in references {
      let times = lines[request.key] ?? []
      let middle = times.partitioningIndex { $0 >= request.end }
      for time in times[max(0, middle - maximumVotes / 2)..<min(times.count, middle + maximumVotes / 2)] {
        let difference = time - request.end
        guard abs(difference) <= furthest else { continue }
        differences.append(difference)
        votes[(difference - (difference < 0 ? second - 1 : 0)) / second, default: 0] += 1
      }
    }
    var best: (second: Int64, count: Int)?
    for (place, count) in votes {
      // The cluster may lie across a full second. Of equal ones the nearest is taken.
      let sum = count + votes[place + 1, default: 0]
      guard let known = best else {
        best = (place, sum)
        continue
      }
      if (sum, -abs(place), place) > (known.count, -abs(known.second), known.second) { best = (place, sum) }
    }
    guard let best, best.count >= leastAnswered, best.count * 5 >= references.count else { return nil }
    let inside = differences.filter { $0 >= best.second * second && $0 < (best.second + 2) * second }.sorted()
    return inside[inside.count / 2]
  }

  // MARK: - Who has which line

  private mutating func take(_ requests: [LogAnswered], _ lines: inout [UInt64: [Int64]], _ offset: Int64) {
    // Some applications write several lines for each request.
    var perKey: [UInt64: Int] = [:]
    for request in requests where isWithin(request.start + offset, request.end + offset) {
      perKey[request.key, default: 0] += 1
    }
    let covered = perKey.values.reduce(0, +)
    let all = perKey.keys.reduce(0) { $0 + (lines[$1]?.count ?? 0) }
    let each = max(1, covered > 0 ? (all + covered / 2) / covered : 1)
    var places: [UInt64: Int] = [:]
    var taken: [UInt64: [Bool]] = [:]
    for request in requests where isWithin(request.start + offset, request.end + offset) {
      answered += 1
      guard let times = lines[request.key] else { continue }
      if taken[request.key] == nil { taken[request.key] = Array(repeating: false, count: times.count) }
      var place = places[request.key, default: 0]
      while place < times.count, times[place] < request.start + offset - tolerance { place += 1 }
      places[request.key] = place
      var count = 0
      while place < times.count, count < each, times[place] <= request.end + offset + tolerance {
        if taken[request.key]?[place] == false {
          taken[request.key]?[place] = true
          count += 1
        }
        place += 1
      }
      if count > 0 { found += 1 }
    }
    for (key, flags) in taken {
      lines[key] = (lines[key] ?? []).indices.filter { !flags[$0] }.map { lines[key]?[$0] ?? 0 }
    }
  }

  private func isWithin(_ start: Int64, _ end: Int64) -> Bool { start >= first - tolerance && end <= last + tolerance }

  func saw(_ failure: LogFailure) -> Bool? {
    guard let offset, isCovered, failure.requestKey != 0, failure.hasTime else { return nil }
    let start = failure.time - max(0, failure.duration) + offset.count
    let end = failure.time + offset.count
    guard isWithin(start, end) else { return nil }
    let times = left[failure.requestKey] ?? []
    let place = times.partitioningIndex { $0 >= start - tolerance }
    return place < times.count && times[place] <= end + tolerance
  }
}

extension [Int64] {
  /// The first place whose element, and all behind it, fulfil the condition.
  func partitioningIndex(_ isBehind: (Int64) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
