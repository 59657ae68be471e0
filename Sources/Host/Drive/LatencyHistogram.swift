package import Core

/// How long things took, in buckets that grow with the value: a percentile is exact to less than 1 %, and the memory is the same
/// however many values there are.
///
/// Values below 256 ns have a bucket each; every power of two above is cut into 128 buckets of equal width.
package struct LatencyHistogram: Equatable, Sendable {
  private static let bits = 8
  private static let half = 1 << (bits - 1)
  /// 2^42 ns, 73 minutes: what took longer counts as that long, but ``longest`` tells the truth.
  private static let highestBit = 42

  private var counts = [UInt64](repeating: 0, count: (1 << bits) + (highestBit - bits) * half)
  package private(set) var count: UInt64 = 0
  package private(set) var shortest = Nanoseconds.zero
  package private(set) var longest = Nanoseconds.zero
  private var sum = 0.0

  package init() {}

  /// Spans below zero count as zero.
  package mutating func record(_ span: Nanoseconds) {
    let span = max(span, .zero)
    counts[Self.bucket(of: UInt64(span.count))] += 1
    shortest = count == 0 ? span : min(shortest, span)
    longest = max(longest, span)
    sum += Double(span.count)
    count += 1
  }

  package mutating func merge(_ other: LatencyHistogram) {
    guard other.count > 0 else { return }
    for index in counts.indices { counts[index] += other.counts[index] }
    shortest = count == 0 ? other.shortest : min(shortest, other.shortest)
    longest = max(longest, other.longest)
    sum += other.sum
    count += other.count
  }

  /// Zero when there is no value.
  package var mean: Nanoseconds { count == 0 ? .zero : Nanoseconds(Int64(sum / Double(count))) }

  /// The span that `share` of all values (0 to 1) do not exceed; zero when there is no value.
  package func percentile(_ share: Double) -> Nanoseconds {
    guard count > 0 else { return .zero }
    let rank = max(1, UInt64((share * Double(count)).rounded(.up)))
    var seen: UInt64 = 0
    for index in counts.indices where counts[index] > 0 {
      seen += counts[index]
      if seen >= rank { return max(shortest, min(longest, Nanoseconds(Int64(Self.upperEnd(of: index))))) }
    }
    return longest
  }

  /// Every bucket that holds something: its highest value, and how many it holds.
  package var buckets: [(upTo: Nanoseconds, count: UInt64)] {
    counts.indices.filter { counts[$0] > 0 }.map { (Nanoseconds(Int64(Self.upperEnd(of: $0))), counts[$0]) }
  }

  // MARK: -

  private static func bucket(of value: UInt64) -> Int {
    guard value >= 1 << bits else { return Int(value) }
    let value = min(value, 1 << highestBit - 1)
    // How far the value is shifted until `bits` bits are left, the highest of which is set.
    let shift = UInt64.bitWidth - value.leadingZeroBitCount - bits
    return (1 << bits) + (shift - 1) * half + Int(value >> UInt64(shift)) - half
  }

  private static func upperEnd(of index: Int) -> UInt64 {
    guard index >= 1 << bits else { return UInt64(index) }
    let shift = (index - (1 << bits)) / half + 1
    let lower = UInt64((index - (1 << bits)) % half + half) << UInt64(shift)
    return lower + (1 << UInt64(shift)) - 1
  }
}
