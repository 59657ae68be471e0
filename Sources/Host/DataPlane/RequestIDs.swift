import Core

/// Makes the identifiers of requests that came without one: unique, and not to be guessed from each other's neighbours by accident.
///
/// SplitMix64 over a counter, from a seed of the kernel's randomness: no system call for a request.
struct RequestIDs {
  private var state: UInt64
  private let salt: UInt64

  init(seed: (UInt64, UInt64)) {
    state = seed.0
    salt = seed.1
  }

  mutating func next() -> (UInt64, UInt64) {
    state &+= 0x9e37_79b9_7f4a_7c15
    return (Self.mix(state ^ salt), Self.mix(state &+ salt))
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// Lets so many notices a second through, so that a failure of every request does not become a failure of the log.
struct NoticeLimiter {
  /// Notices a second, and as many at once.
  private static let perSecond = 20

  private var left = NoticeLimiter.perSecond
  private var since = Instant(nanoseconds: 0)
  private(set) var suppressed: UInt64 = 0

  mutating func post(_ now: Instant, _ notice: () -> Void) {
    if now.since(since) >= .seconds(1) {
      since = now
      left = Self.perSecond
    }
    guard left > 0 else {
      suppressed &+= 1
      return
    }
    left -= 1
    notice()
  }
}
