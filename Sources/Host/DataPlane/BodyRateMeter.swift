import Core

/// The ``BodyRate`` of one request's content, in a box of its own: only requests under a least rate pay for it.
final class BodyRateMeter {
  private var rate: BodyRate

  init(minimum bytesPerSecond: UInt64, grace: Nanoseconds) {
    rate = BodyRate(minimum: bytesPerSecond, grace: grace)
  }

  func received(_ count: Int, at now: Instant) {
    rate.readingBegan(now)
    rate.received(count)
  }

  /// The server does not take more: the client is held back by us.
  func paused(at now: Instant) { rate.readingPaused(now) }

  /// The rest is awaited: how long until it is too slow if nothing more comes.
  func patience(at now: Instant) -> Nanoseconds {
    rate.readingBegan(now)
    return max(rate.deadline(now).since(now), .zero)
  }

  func isTooSlow(at now: Instant) -> Bool { rate.isTooSlow(now) }
}
