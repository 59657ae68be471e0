internal import CLinux
package import Core

/// A timer that a poller waits for. Unlike the poller's own timeout, which counts whole milliseconds, it comes within some
/// tens of microseconds.
package struct PreciseTimer: ~Copyable {
  private let descriptor: Descriptor
  private var armed: Instant?

  package init() throws(SystemError) {
    let number = pf_timer_open()
    guard number >= 0 else { throw SystemError("timerfd_create", -number) }
    descriptor = Descriptor(owning: number)
  }

  /// To be registered as readable, level-triggered.
  package var number: Int32 { descriptor.number }

  /// Makes the timer ready at `instant`, or never. Costs nothing when that is what it is set to already.
  package mutating func set(_ instant: Instant?) {
    guard instant != armed else { return }
    armed = instant
    // 0 would switch the timer off, so an instant before the clock's origin is its first nanosecond.
    _ = pf_timer_set(descriptor.number, instant.map { max($0.nanoseconds, 1) } ?? 0)
  }

  /// To be called when the timer was ready.
  package mutating func clear() {
    armed = nil
    pf_timer_clear(descriptor.number)
  }
}
