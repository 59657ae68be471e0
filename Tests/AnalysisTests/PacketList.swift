import Analysis
import Core

/// The packets of a capture, for a test to change.
struct PacketList: PacketSink, Sendable {
  struct Packet: Sendable {
    var packet: CapturePacket
    var bytes: [UInt8]
  }

  var packets: [Packet] = []

  mutating func packetRead(_ packet: CapturePacket, bytes: RawSpan) {
    var copy: [UInt8] = []
    for index in 0..<bytes.byteCount { copy.append(bytes.byte(at: index)) }
    packets.append(Packet(packet: packet, bytes: copy))
  }

  init() {}

  mutating func append(_ bytes: some Sequence<UInt8>, wireLength: Int, at time: Instant, link: LinkType = .raw) {
    let packet = CapturePacket(frame: Int64(packets.count + 1), time: time, wireLength: wireLength, link: link)
    packets.append(Packet(packet: packet, bytes: Array(bytes)))
  }

  init(_ file: [UInt8]) throws {
    var reader = CaptureReader()
    // Safe: every bit of a UInt8 is initialised.
    try unsafe reader.feed(file.span.bytes, into: &self)
    try reader.finish(into: &self)
  }

  func report(isComplete: Bool = false, trace: Int = 0) -> CaptureReport {
    var analyser = CaptureAnalyser(trace: trace)
    analyser.captureIsComplete = isComplete
    for (index, entry) in packets.enumerated() {
      var packet = entry.packet
      packet.frame = Int64(index + 1)
      // Safe: every bit of a UInt8 is initialised.
      unsafe analyser.packetRead(packet, bytes: entry.bytes.span.bytes)
    }
    return analyser.finish()
  }
}

/// A generator whose seed a failing test can print.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
