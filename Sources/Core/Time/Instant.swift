/// A point on a monotonic clock, in nanoseconds since an arbitrary origin.
///
/// Core never reads a clock: whoever drives a state machine passes the instant in.
package struct Instant: Comparable, Hashable, Sendable, BitwiseCopyable {
  package var nanoseconds: Int64

  @inlinable package init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  /// Later than every instant that a clock will show.
  @inlinable package static var distantFuture: Instant { Instant(nanoseconds: .max) }

  @inlinable package static func < (left: Instant, right: Instant) -> Bool {
    left.nanoseconds < right.nanoseconds
  }

  /// The instant that lies `span` after this one; stays at ``distantFuture`` instead of overflowing.
  @inlinable package func advanced(by span: Nanoseconds) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(span.count)
    return Instant(nanoseconds: overflow ? .max : sum)
  }

  /// The time from `earlier` until this instant; negative when `earlier` is later.
  @inlinable package func since(_ earlier: Instant) -> Nanoseconds {
    Nanoseconds(nanoseconds &- earlier.nanoseconds)
  }
}
