package import Core

/// A histogram of lengths of time with bounds that double: cheap to count in, and small enough for one per server.
package struct SpanCounts: Sendable {
  /// Bucket n holds what is at most `base` times 2^n; the last holds the rest.
  package static let size = 22

  private let base: Int64
  private var buckets = InlineArray<22, UInt64>(repeating: 0)
  package private(set) var sum = Nanoseconds.zero

  /// From a quarter of a millisecond to four minutes: what requests take.
  package static var latency: SpanCounts { SpanCounts(base: 250_000) }
  /// From a millisecond to 17 minutes: what idle connections wait.
  package static var idleAge: SpanCounts { SpanCounts(base: 1_000_000) }

  private init(base: Int64) { self.base = base }

  package mutating func record(_ span: Nanoseconds) {
    let count = max(span.count, 0)
    // Unsigned: the longest span and a base go together.
    let units = (UInt64(count) + UInt64(base) - 1) / UInt64(base)
    let place = units <= 1 ? 0 : 64 - (units - 1).leadingZeroBitCount
    buckets[min(place, Self.size - 1)] &+= 1
    sum = sum + Nanoseconds(count)
  }

  package mutating func add(_ other: SpanCounts) {
    for place in 0..<Self.size { buckets[place] &+= other.buckets[place] }
    sum = sum + other.sum
  }

  package subscript(place: Int) -> UInt64 { buckets[place] }

  package var count: UInt64 {
    var count: UInt64 = 0
    for place in 0..<Self.size { count &+= buckets[place] }
    return count
  }

  /// The upper bound of a bucket but the last, in seconds.
  package func bound(of place: Int) -> Double { Double(base << Int64(place)) / 1e9 }
}
