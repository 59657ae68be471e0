package import Core

/// A box on the way that knows TCP flows and forgets the quiet ones, as a NAT or a stateful firewall does. Reads no clock.
package struct Middlebox {
  package enum Fate: Equatable, Sendable {
    case passes
    case dropped
    /// Dropped, and this packet goes back to the sender.
    case answered([UInt8])
  }

  /// Both directions of a flow have the same key: the lower address and port first.
  struct Flow: Hashable {
    var low: PacketFields.End
    var high: PacketFields.End
  }

  private(set) var lastSeen: [Flow: Instant] = [:]

  package init() {}

  /// Only TCP is looked at, over IPv4 and IPv6; everything else passes.
  package mutating func inspect(_ packet: [UInt8], at now: Instant, _ settings: MiddleboxSettings) -> Fate {
    guard let segment = PacketFields(packet) else { return .passes }
    let flow = Flow(
      low: min(segment.source, segment.destination), high: max(segment.source, segment.destination))
    if segment.flags & PacketFields.synchronise != 0 {
      if lastSeen.count >= settings.flows { forgetQuietest() }
      lastSeen[flow] = now
      return .passes
    }
    if let last = lastSeen[flow], now.since(last) < settings.memory {
      lastSeen[flow] = now
      return .passes
    }
    lastSeen[flow] = nil
    switch settings.answer {
    case .silence: return .dropped
    case .reset: return segment.flags & PacketFields.reset != 0 ? .dropped : .answered(segment.resetBack())
    }
  }

  private mutating func forgetQuietest() {
    // Ties are broken by the flow itself, so that the order of the dictionary does not show.
    let quietest = lastSeen.min { ($0.value, $0.key.low, $0.key.high) < ($1.value, $1.key.low, $1.key.high) }
    if let quietest { lastSeen[quietest.key] = nil }
  }
}
