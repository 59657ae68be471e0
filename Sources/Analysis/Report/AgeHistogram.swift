package import Core

/// Counts lengths of time in buckets of an eighth of an octave or finer, from a millisecond to some days.
///
/// Fixed memory; what is reported of it is exact to about nine percent, its least and greatest value are exact.
package struct AgeHistogram: Sendable {
  private static let perOctave = 8
  private static let buckets = 28 * perOctave

  private var counts: [UInt32] = []
  package private(set) var count = 0
  package private(set) var least: Nanoseconds?
  package private(set) var greatest: Nanoseconds?

  package init() {}

  package mutating func add(_ age: Nanoseconds) {
    if counts.isEmpty { counts = Array(repeating: 0, count: AgeHistogram.buckets) }
    counts[AgeHistogram.bucket(age)] &+= 1
    count += 1
    least = min(least ?? age, age)
    greatest = max(greatest ?? age, age)
  }

  /// Takes up all that another one counted.
  package mutating func add(_ other: AgeHistogram) {
    guard other.count > 0 else { return }
    if counts.isEmpty { counts = Array(repeating: 0, count: AgeHistogram.buckets) }
    for index in counts.indices { counts[index] &+= other.counts[index] }
    count += other.count
    least = [least, other.least].compactMap(\.self).min()
    greatest = [greatest, other.greatest].compactMap(\.self).max()
  }

  /// How many were at least `age`, to the bucket's precision.
  package func count(atLeast age: Nanoseconds) -> Int {
    guard count > 0 else { return 0 }
    return counts[AgeHistogram.bucket(age)...].reduce(0) { $0 + Int($1) }
  }

  private static func bucket(_ age: Nanoseconds) -> Int {
    let units = UInt64(max(0, age.count) / 1_000_000)
    guard units > 0 else { return 0 }
    let octave = 63 - units.leadingZeroBitCount
    let fraction = octave >= 3 ? Int(units >> UInt64(octave - 3)) & 7 : Int(units << UInt64(3 - octave)) & 7
    return min(buckets - 1, octave * perOctave + fraction)
  }

  private static func lowerBound(_ bucket: Int) -> Nanoseconds {
    let (octave, fraction) = (bucket / perOctave, bucket % perOctave)
    let units = (8.0 + Double(fraction)) / 8.0 * Double(UInt64(1) << UInt64(octave))
    return Nanoseconds(bucket == 0 ? 0 : Int64(units * 1e6))
  }

  package struct Bar: Equatable, Sendable {
    package var from: Nanoseconds
    package var to: Nanoseconds
    package var count: Int
  }

  /// At most about `limit` bars that cover everything counted.
  package func bars(limit: Int = 24) -> [Bar] {
    guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 }) else {
      return []
    }
    var width = 1
    while (last / width) - (first / width) + 1 > limit { width *= 2 }
    var bars: [Bar] = []
    for group in (first / width)...(last / width) {
      let range = (group * width)..<min((group + 1) * width, counts.count)
      bars.append(
        Bar(
          from: AgeHistogram.lowerBound(range.lowerBound), to: AgeHistogram.lowerBound(range.upperBound),
          count: counts[range].reduce(0) { $0 + Int($1) }))
    }
    return bars
  }
}
