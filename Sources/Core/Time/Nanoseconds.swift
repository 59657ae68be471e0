/// A length of time in nanoseconds: one machine word, so that the data plane compares and adds without 128-bit arithmetic.
///
/// Holds up to 292 years. Arithmetic saturates instead of trapping, since lengths come from settings and peers.
package struct Nanoseconds: Comparable, Hashable, Sendable, BitwiseCopyable {
  package var count: Int64

  @inlinable package init(_ count: Int64) {
    self.count = count
  }

  @inlinable package static var zero: Nanoseconds { Nanoseconds(0) }
  /// Longer than anything that is waited for: "no limit".
  @inlinable package static var unlimited: Nanoseconds { Nanoseconds(.max) }

  package static func microseconds(_ value: Int64) -> Nanoseconds { scaled(value, 1_000) }
  package static func milliseconds(_ value: Int64) -> Nanoseconds { scaled(value, 1_000_000) }
  package static func seconds(_ value: Int64) -> Nanoseconds { scaled(value, 1_000_000_000) }

  static func scaled(_ value: Int64, _ unit: Int64) -> Nanoseconds {
    let (product, overflow) = value.multipliedReportingOverflow(by: unit)
    return Nanoseconds(overflow ? (value < 0 ? .min : .max) : product)
  }

  /// Whole milliseconds, rounded towards zero.
  package var milliseconds: Int64 { count / 1_000_000 }

  /// Seconds with their fraction, for people to read.
  package var inSeconds: Double { Double(count) / 1e9 }

  // The one that the compiler makes is called through a table from other modules.
  @inlinable package static func == (left: Nanoseconds, right: Nanoseconds) -> Bool { left.count == right.count }
  @inlinable package static func < (left: Nanoseconds, right: Nanoseconds) -> Bool { left.count < right.count }

  @inlinable package static func + (left: Nanoseconds, right: Nanoseconds) -> Nanoseconds {
    let (sum, overflow) = left.count.addingReportingOverflow(right.count)
    return Nanoseconds(overflow ? (right.count < 0 ? .min : .max) : sum)
  }

  @inlinable package static func - (left: Nanoseconds, right: Nanoseconds) -> Nanoseconds {
    let (difference, overflow) = left.count.subtractingReportingOverflow(right.count)
    return Nanoseconds(overflow ? (right.count > 0 ? .min : .max) : difference)
  }

  package static func * (left: Nanoseconds, right: Int64) -> Nanoseconds { scaled(left.count, right) }

  package static func / (left: Nanoseconds, right: Int64) -> Nanoseconds { Nanoseconds(left.count / right) }
}
