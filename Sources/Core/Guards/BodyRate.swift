/// Whether a request's body comes fast enough: so many bytes a second on average, behind a grace. Time counts only while the
/// proxy is ready to read, so that a client never pays for a server that takes its time.
///
/// ```
/// var rate = BodyRate(minimum: guards.minimumBodyRate, grace: guards.minimumBodyRateGrace)
/// rate.readingBegan(now)          // the body is awaited
/// rate.received(count)            // bytes came
/// rate.readingPaused(now)         // the server does not take more; readingBegan again later
/// set a timer for rate.deadline(now); when it is over and rate.isTooSlow(now): 408
/// ```
package struct BodyRate: Sendable, Hashable, BitwiseCopyable {
  private enum State: Sendable, Hashable, BitwiseCopyable {
    case reading(since: Instant)
    case paused
  }

  private let bytesPerSecond: UInt64
  private let grace: Nanoseconds
  private var state = State.paused
  /// Time that was spent ready to read, up to the last pause.
  private var spent = Nanoseconds.zero
  private var bytes: UInt64 = 0

  /// - Parameter minimum: bytes a second, above 0.
  package init(minimum bytesPerSecond: UInt64, grace: Nanoseconds) {
    self.bytesPerSecond = max(bytesPerSecond, 1)
    self.grace = grace
  }

  package mutating func readingBegan(_ now: Instant) {
    switch state {
    case .reading: break
    case .paused: state = .reading(since: now)
    }
  }

  package mutating func readingPaused(_ now: Instant) {
    spent = timeReady(now)
    state = .paused
  }

  package mutating func received(_ count: Int) {
    bytes &+= UInt64(count)
  }

  /// When it will be too slow if nothing more comes; never while it is paused.
  package func deadline(_ now: Instant) -> Instant {
    switch state {
    case .paused: .distantFuture
    case .reading: now.advanced(by: allowance - timeReady(now))
    }
  }

  package func isTooSlow(_ now: Instant) -> Bool {
    switch state {
    case .paused: false
    case .reading: timeReady(now) >= allowance
    }
  }

  /// What the bytes that came have earned, and the grace.
  private var allowance: Nanoseconds {
    let (product, overflow) = bytes.multipliedReportingOverflow(by: 1_000_000_000)
    let earned =
      overflow
      ? (bytes / bytesPerSecond).multipliedReportingOverflow(by: 1_000_000_000) : (product / bytesPerSecond, false)
    return grace + Nanoseconds(earned.1 ? .max : Int64(clamping: earned.0))
  }

  private func timeReady(_ now: Instant) -> Nanoseconds {
    switch state {
    case .paused: spent
    case .reading(let since): spent + max(now.since(since), .zero)
    }
  }
}
