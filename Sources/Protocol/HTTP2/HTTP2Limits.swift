import Core

/// How much of everything a peer may cause. All have defaults that no honest peer meets.
package struct HTTP2Limits: Sendable {
  /// So many at once, and so many more in each second.
  package struct Rate: Sendable, BitwiseCopyable {
    package var burst: Int64
    package var perSecond: Int64

    package init(burst: Int64, perSecond: Int64) {
      precondition(burst >= 0 && perSecond >= 0, "a rate is not negative")
      self.burst = burst
      self.perSecond = perSecond
    }
  }

  package var concurrentStreams: UInt32 = 128
  /// Bytes of a field section as RFC 9113 section 6.5.2 counts them: names, values, and 32 for each field. Beyond it: 431;
  /// beyond four times of it the connection ends.
  package var headerListBytes = 65_536
  /// Bytes of one field's name and value. Beyond it: 431.
  package var fieldBytes = 32_768
  /// Number of fields in a section. Beyond it: 431.
  package var fieldCount = 256
  package var continuationFrames: UInt32 = 16
  /// Bytes that a stream, and a connection, may send to us before they are taken.
  package var streamWindow: UInt32 = 262_144
  package var connectionWindow: UInt32 = 1_048_576
  /// Bytes of a stream that may wait to be sent.
  package var unsentBytes = 65_536
  /// Frames that may wait to be written beside content.
  package var queuedFrames = 4_096
  /// Streams that the peer resets before they are complete.
  package var resets = Rate(burst: 200, perSecond: 30)
  /// Streams that the peer makes us reset.
  package var provokedResets = Rate(burst: 100, perSecond: 10)
  package var settingsFrames = Rate(burst: 20, perSecond: 1)
  /// Content that is sent earns more of these two: peers measure and open windows while they read.
  package var pings = Rate(burst: 100, perSecond: 10)
  package var controlFrames = Rate(burst: 1_000, perSecond: 200)
  /// DATA frames without a byte that do not end the stream.
  package var emptyFrames = Rate(burst: 100, perSecond: 10)

  package init() {}
}

/// What happened on a connection, counted since it began.
package struct HTTP2Counters: Equatable, Sendable, BitwiseCopyable {
  package var streamsOpened: UInt64 = 0
  /// Streams that were refused: beyond the final GOAWAY.
  package var streamsRefused: UInt64 = 0
  /// Streams that the peer has reset.
  package var resetsReceived: UInt64 = 0
  /// Streams that were reset because the peer broke a rule on them.
  package var resetsProvoked: UInt64 = 0
  /// Messages whose fields are not valid; each is a reset as well.
  package var malformedMessages: UInt64 = 0
  /// Requests that were answered 431 here.
  package var headersTooLarge: UInt64 = 0
  /// Requests for tunnels of an unknown kind that were answered 501 here.
  package var tunnelsRefused: UInt64 = 0
  package var pings: UInt64 = 0
  package var settings: UInt64 = 0
  package var controlFrames: UInt64 = 0
  package var emptyFrames: UInt64 = 0
}

/// What is left of a rate: a bucket of tokens.
struct HTTP2Allowance: Sendable, BitwiseCopyable {
  private let rate: HTTP2Limits.Rate
  /// In millionths of a token.
  private var level: Int64
  private var filledAt: Instant

  private static let token: Int64 = 1_000_000

  init(_ rate: HTTP2Limits.Rate, now: Instant) {
    self.rate = rate
    level = rate.burst * Self.token
    filledAt = now
  }

  /// Adds to what is left, never beyond the burst.
  mutating func earn(_ tokens: Int64) {
    level = Swift.min(rate.burst * Self.token, level + tokens * Self.token)
  }

  /// Whether there was one left.
  mutating func spend(now: Instant) -> Bool {
    // More than a minute fills it anyway.
    let elapsed = Swift.max(0, Swift.min(now.since(filledAt).count, 60_000_000_000))
    if elapsed > 0 {
      level = Swift.min(rate.burst * Self.token, level + elapsed / 1_000 * rate.perSecond)
      filledAt = now
    }
    guard level >= Self.token else { return false }
    level -= Self.token
    return true
  }
}
