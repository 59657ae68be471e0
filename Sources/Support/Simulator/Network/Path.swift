package import Core

/// The way between both ends of every connection of a world.
package struct Path: Sendable {
  package var oneWayDelay: Nanoseconds
  /// Added to the delay of a segment, from nothing up to this.
  package var jitter: Nanoseconds
  /// Whether a segment may overtake another one of the same direction. It takes jitter to do it.
  package var reorders: Bool
  /// Of 1,000 segments this many are lost, until ``faultsEnd``.
  package var lossPerMille: Int64
  /// Nothing passes from here on until ``blackoutEnd``.
  package var blackoutStart: Instant
  package var blackoutEnd: Instant
  package var faultsEnd: Instant
  /// How long an end may keep an acknowledgement back; zero acknowledges at once.
  package var delayedAcknowledgment: Nanoseconds

  package init(oneWayDelay: Nanoseconds) {
    self.oneWayDelay = oneWayDelay
    jitter = .zero
    reorders = false
    lossPerMille = 0
    blackoutStart = .distantFuture
    blackoutEnd = .distantFuture
    faultsEnd = Instant(nanoseconds: 0)
    delayedAcknowledgment = .zero
  }

  /// Whether a segment that leaves at `now` gets lost.
  func loses(at now: Instant, by random: inout RandomSource) -> Bool {
    if now >= blackoutStart && now < blackoutEnd { return true }
    return now < faultsEnd && random.chance(perMille: lossPerMille)
  }
}
