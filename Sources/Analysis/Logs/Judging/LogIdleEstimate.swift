package import Core

/// The idle timeout of a server, as the gaps in front of its failures show it.
///
/// A request that meets the close was sent when the connection had been idle for as long as the server keeps it. So the failures lie
/// at one gap, whatever the traffic's own gaps are.
package struct LogIdleEstimate: Equatable, Sendable {
  package var timeout: Nanoseconds
  package var earliest: Nanoseconds
  package var latest: Nanoseconds
  /// Failures in the cluster, and all whose gap is known.
  package var count: Int
  package var total: Int
  package var confidence: LogConfidence

  /// Shorter gaps are ordinary traffic.
  private static let shortest: Int64 = 400_000_000

  /// - Parameters:
  ///   - gaps: in front of each race, in nanoseconds.
  ///   - grain: how finely the log writes its times.
  ///   - background: the gaps in front of all requests.
  package init?(gaps: [Int64], grain: Int64, background: AgeHistogram) {
    let known = gaps.filter { $0 >= 0 }
    let sorted = known.filter { $0 >= LogIdleEstimate.shortest }.sorted()
    guard sorted.count >= 2 else { return nil }
    var best = (start: 0, count: 0)
    var end = 0
    for start in sorted.indices {
      let width = max(sorted[start] / 12, 2 * grain, 60_000_000)
      while end < sorted.count, sorted[end] - sorted[start] <= width { end += 1 }
      if end - start > best.count { best = (start, end - start) }
    }
    let cluster = sorted[best.start..<(best.start + best.count)]
    guard best.count >= 2, let first = cluster.first, let last = cluster.last else { return nil }
    timeout = Nanoseconds(cluster[cluster.startIndex + cluster.count / 2])
    (earliest, latest) = (Nanoseconds(first), Nanoseconds(last))
    count = best.count
    total = known.count
    let inside = max(0, background.count(atLeast: earliest) - background.count(atLeast: latest + latest / 8))
    // Where most of the traffic has that gap, so have most failures, whatever their cause.
    let isUsual = background.count > 0 && inside * 2 > background.count
    if best.count >= 5, best.count * 2 >= known.count, !isUsual {
      confidence = .high
    } else if best.count >= 3, best.count * 2 >= known.count {
      confidence = isUsual ? .low : .medium
    } else {
      confidence = .low
    }
  }
}
