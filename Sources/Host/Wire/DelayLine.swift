package import Core
internal import HeapModule

/// One direction of a wire: packets with the instants at which they come out. Reads no clock.
package struct DelayLine {
  package struct Packet: Sendable {
    package var bytes: [UInt8]
    package var release: Instant
  }

  package enum Admission: Equatable, Sendable {
    case delayed
    case lost
    /// More packets than the settings allow are on their way.
    case overflowed
  }

  private struct Entry: Comparable {
    var packet: Packet
    var order: UInt64

    static func < (left: Entry, right: Entry) -> Bool {
      (left.packet.release, left.order) < (right.packet.release, right.order)
    }
    static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
  }

  private var entries = Heap<Entry>()
  private var generator: SeededGenerator
  private var admitted: UInt64 = 0
  /// The latest release of a packet that was not held back; jitter does not let later ones overtake it.
  private var lastInOrder = Instant(nanoseconds: .min)

  package init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  package var count: Int { entries.count }
  package var soonest: Instant? { entries.min?.packet.release }

  package mutating func admit(_ bytes: [UInt8], at now: Instant, _ settings: WireSettings) -> Admission {
    if settings.isCut || generator.chance(settings.loss) { return .lost }
    guard entries.count < settings.packetsInFlight else { return .overflowed }
    var release = now.advanced(by: settings.delay + drawnJitter(settings.jitter))
    if generator.chance(settings.reordering) {
      release = release.advanced(by: settings.heldBack)
    } else {
      release = max(release, lastInOrder)
      lastInOrder = release
    }
    admitted += 1
    entries.insert(Entry(packet: Packet(bytes: bytes, release: release), order: admitted))
    return .delayed
  }

  private mutating func drawnJitter(_ jitter: Nanoseconds) -> Nanoseconds {
    guard jitter > .zero else { return .zero }
    return Nanoseconds(Int64.random(in: -jitter.count...jitter.count, using: &generator))
  }

  /// Takes the next packet whose time has come.
  package mutating func nextDue(at now: Instant) -> Packet? {
    guard let soonest, soonest <= now else { return nil }
    return entries.removeMin().packet
  }
}
