package import Core

/// What a wire does to the packets that cross it. Each direction is treated alike.
package struct WireSettings: Equatable, Sendable {
  /// From the packet's leaving one namespace to its arriving in the other.
  package var delay: Nanoseconds
  /// The delay of each packet is drawn evenly from `delay` plus or minus this. Order is kept.
  package var jitter = Nanoseconds.zero
  /// Share of the packets that vanish, 0 to 1.
  package var loss = 0.0
  /// Share of the packets that are held back by `heldBack`, so that later ones overtake them, 0 to 1.
  package var reordering = 0.0
  package var heldBack = Nanoseconds.milliseconds(2)
  /// Nothing passes: a cable pulled out.
  package var isCut = false
  /// A middlebox on the way that forgets flows (NAT, firewall, load balancer).
  package var middlebox: MiddleboxSettings?
  /// Draws jitter, loss and reordering; the same seed and the same packets give the same fates.
  package var seed: UInt64 = 1
  /// Packets on their way in one direction; more are dropped.
  package var packetsInFlight = 65_536

  package init(delay: Nanoseconds) { self.delay = delay }
}

package struct MiddleboxSettings: Equatable, Sendable {
  package enum Answer: Equatable, Sendable {
    /// Packets of a forgotten flow vanish.
    case silence
    /// Their sender gets a RST.
    case reset
  }

  /// A TCP flow without a packet for this long is forgotten.
  package var memory: Nanoseconds
  package var answer: Answer
  /// Flows remembered; a new one beyond that makes the box forget the one that was quiet for longest.
  package var flows = 65_536

  package init(memory: Nanoseconds, answer: Answer) {
    self.memory = memory
    self.answer = answer
  }
}
