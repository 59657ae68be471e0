package import Core

/// What a server's own closes tell about its idle timeout.
package struct TimeoutEstimate: Equatable, Sendable {
  package enum Trust: String, Sendable {
    case high
    case medium
    case low
  }

  /// The idle age at which it closes, and how much it varies.
  package var timeout: Nanoseconds
  package var earliest: Nanoseconds
  package var latest: Nanoseconds
  package var samples: Int
  package var trust: Trust
  /// How long a client or proxy may hold an idle connection.
  package var recommendedHold: Nanoseconds

  /// Closes at younger ages than this are not for idleness.
  private static let youngest = Nanoseconds.milliseconds(200)

  /// - Parameters:
  ///   - ages: idle ages at which the server closed.
  ///   - survived: the greatest idle age at which a request was still answered.
  ///   - advertised: `Keep-Alive: timeout=` in seconds, where the server says it.
  package init?(ages: [Nanoseconds], survived: Nanoseconds?, advertised: Int?, roundTrip: Nanoseconds?) {
    let sorted = ages.filter { $0 >= TimeoutEstimate.youngest }.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    // The lower quarter is what endangers a request; single early closes (a deploy, a full pool) are kept as `earliest`.
    let lower = sorted[sorted.count / 4]
    timeout = lower
    earliest = first
    latest = last
    samples = sorted.count
    let spread = Double(last.count - first.count) / Double(max(1, lower.count))
    let isContradicted = survived.map { $0 > lower + lower / 10 } ?? false
    if isContradicted {
      trust = .low
    } else if sorted.count >= 5, spread < 0.25 {
      trust = .high
    } else if sorted.count >= 3, spread < 0.5 {
      trust = .medium
    } else if sorted.count >= 1, let advertised, abs(lower.inSeconds - Double(advertised)) < 1.5 {
      trust = .medium
    } else {
      trust = .low
    }
    recommendedHold = TimeoutEstimate.hold(below: min(first, lower), roundTrip: roundTrip ?? .zero)
  }

  /// Four fifths of the timeout, or a second and two round trips below it, whichever is less, but of a short timeout a quarter;
  /// rounded down to a tenth of a second, below a second to a hundredth.
  package static func hold(below timeout: Nanoseconds, roundTrip: Nanoseconds) -> Nanoseconds {
    let fifth = Nanoseconds(timeout.count / 5 * 4)
    let second = timeout - .seconds(1) - roundTrip * 2
    let hold = max(.zero, min(fifth, max(second, timeout / 4)))
    let step: Int64 = hold < .seconds(1) ? 10_000_000 : 100_000_000
    return Nanoseconds(hold.count / step * step)
  }
}
