package import Core

/// What traffic a capture file holds, in little: tells files that follow each other from files that were taken at several places,
/// whatever their clocks say.
///
/// It keeps the smallest hash values of segments, of what neither NAT nor the place changes. Two files that hold the same traffic
/// share most of them; rotated files share none, but for what was sent twice.
package struct TrafficSketch: PacketSink {
  private static let maximum = 1_024
  private static let leastCommon = 2

  package private(set) var first: Instant?
  package private(set) var last: Instant?
  /// In ascending order.
  private var smallest: [UInt64] = []

  package init() {}

  package mutating func packetRead(_ packet: CapturePacket, bytes: RawSpan) {
    if let time = packet.time {
      if first == nil { first = time }
      last = max(last ?? time, time)
    }
    guard case .segment(let segment) = PacketContent(bytes, packet: packet),
      segment.wireCount > 0 || segment.flags.contains(.syn)
    else { return }
    add(TrafficSketch.hash(segment))
  }

  /// Whether both hold the same segments, as captures of two places on one path do.
  package func holdsSame(as other: TrafficSketch) -> Bool {
    let limit = min(reach, other.reach)
    let (here, there) = (smallest.prefix { $0 <= limit }, other.smallest.prefix { $0 <= limit })
    var (common, one, two) = (0, here.startIndex, there.startIndex)
    while one < here.endIndex, two < there.endIndex {
      if here[one] == there[two] {
        common += 1
        one += 1
        two += 1
      } else if here[one] < there[two] {
        one += 1
      } else {
        two += 1
      }
    }
    return common >= TrafficSketch.leastCommon && common * 3 >= min(here.count, there.count)
  }

  /// Up to which value it knows all.
  private var reach: UInt64 { smallest.count < TrafficSketch.maximum ? .max : smallest[smallest.count - 1] }

  private mutating func add(_ value: UInt64) {
    guard value < reach || smallest.count < TrafficSketch.maximum else { return }
    var (low, high) = (0, smallest.count)
    while low < high {
      let middle = (low + high) / 2
      if smallest[middle] < value { low = middle + 1 } else { high = middle }
    }
    guard low == smallest.count || smallest[low] != value else { return }
    smallest.insert(value, at: low)
    if smallest.count > TrafficSketch.maximum { smallest.removeLast() }
  }

  private static func hash(_ segment: TCPSegment) -> UInt64 {
    let acknowledgement = segment.flags.contains(.ack) ? segment.acknowledgement : 0
    var value = UInt64(segment.sequence) << 32 | UInt64(acknowledgement)
    value ^= UInt64(UInt32(truncatingIfNeeded: segment.wireCount)) &* 0x9e37_79b9_7f4a_7c15
    // SplitMix64.
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
