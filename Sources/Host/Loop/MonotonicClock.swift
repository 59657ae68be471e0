internal import CLinux
package import Core

/// The one place where the data plane reads a clock.
package enum MonotonicClock {
  package static var now: Instant { Instant(nanoseconds: pf_monotonic_nanoseconds()) }
  /// Nanoseconds since 1970 of the wall clock, for logs.
  package static var wallNanoseconds: Int64 { pf_realtime_nanoseconds() }
}
