import Analysis
import Core
import Testing

@Suite struct CaptureReaderTests {
  /// Counts what it gets.
  struct Collector: PacketSink {
    var packets: [CapturePacket] = []
    var contents: [[UInt8]] = []

    mutating func packetRead(_ packet: CapturePacket, bytes: RawSpan) {
      packets.append(packet)
      var copy: [UInt8] = []
      for index in 0..<bytes.byteCount { copy.append(bytes.byte(at: index)) }
      contents.append(copy)
    }
  }

  static func read(_ bytes: [UInt8]) throws(CaptureError) -> (Collector, CaptureStatistics) {
    var collector = Collector()
    var reader = CaptureReader()
    // Safe: every bit of a UInt8 is initialised.
    try unsafe reader.feed(bytes.span.bytes, into: &collector)
    try reader.finish(into: &collector)
    return (collector, reader.statistics)
  }

  /// Writes numbers in either byte order.
  struct Writer {
    var bytes: [UInt8] = []
    var isBigEndian: Bool

    mutating func add16(_ value: UInt16) {
      let (low, high) = (UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8))
      bytes += isBigEndian ? [high, low] : [low, high]
    }

    mutating func add32(_ value: UInt32) {
      let (low, high) = (UInt16(truncatingIfNeeded: value), UInt16(truncatingIfNeeded: value >> 16))
      if isBigEndian {
        add16(high)
        add16(low)
      } else {
        add16(low)
        add16(high)
      }
    }

    mutating func block(_ type: UInt32, _ fill: (inout Writer) -> Void) {
      var body = Writer(isBigEndian: isBigEndian)
      fill(&body)
      while body.bytes.count % 4 != 0 { body.bytes.append(0) }
      add32(type)
      add32(UInt32(body.bytes.count + 12))
      bytes += body.bytes
      add32(UInt32(body.bytes.count + 12))
    }

    mutating func option(_ code: UInt16, _ value: [UInt8]) {
      add16(code)
      add16(UInt16(value.count))
      bytes += value
      while bytes.count % 4 != 0 { bytes.append(0) }
    }

    mutating func section() {
      block(0x0a0d_0d0a) { body in
        body.add32(0x1a2b_3c4d)
        body.add16(1)
        body.add16(0)
        body.add32(.max)
        body.add32(.max)
      }
    }
  }

  static func pcap(bigEndian: Bool, magic: UInt32, fraction: UInt32, captured: UInt32 = 4, wire: UInt32 = 9) -> [UInt8]
  {
    var writer = Writer(isBigEndian: bigEndian)
    writer.add32(magic)
    writer.add16(2)
    writer.add16(4)
    for value: UInt32 in [0, 0, 65_535, 1] { writer.add32(value) }
    writer.add32(100)
    writer.add32(fraction)
    writer.add32(captured)
    writer.add32(wire)
    writer.bytes += [1, 2, 3, 4]
    return writer.bytes
  }

  @Test(arguments: [true, false], [(UInt32(0xa1b2_c3d4), Int64(1_000)), (0xa1b2_3c4d, 1)])
  func readsPcapInBothOrders(_ bigEndian: Bool, _ format: (magic: UInt32, unit: Int64)) throws {
    let bytes = CaptureReaderTests.pcap(bigEndian: bigEndian, magic: format.magic, fraction: 7)
    let (collector, _) = try CaptureReaderTests.read(bytes)
    let packet = try #require(collector.packets.first)
    #expect(packet.time == Instant(nanoseconds: 100_000_000_000 + 7 * format.unit))
    #expect(packet.wireLength == 9)
    #expect(packet.link == .ethernet)
    #expect(collector.contents == [[1, 2, 3, 4]])
  }

  /// As some old Linux distributions write it: eight more bytes before each packet.
  @Test(arguments: [true, false]) func readsModifiedPcap(_ bigEndian: Bool) throws {
    var bytes = CaptureReaderTests.pcap(bigEndian: bigEndian, magic: 0xa1b2_cd34, fraction: 7)
    bytes.insert(contentsOf: [9, 9, 9, 9, 9, 9, 9, 9], at: 40)
    let (collector, _) = try CaptureReaderTests.read(bytes + bytes[24...])
    #expect(collector.contents == [[1, 2, 3, 4], [1, 2, 3, 4]])
    #expect(collector.packets.first?.time == Instant(nanoseconds: 100_000_007_000))
  }

  /// The dialects of pcap: the mark of the file, and what is before each packet beside the usual 16 bytes. Nokia and Red Hat 6.1
  /// say nothing of it.
  static let dialects: [(name: String, magic: UInt32, extra: Int)] = [
    ("usual", 0xa1b2_c3d4, 0), ("Red Hat 6.1", 0xa1b2_c3d4, 8), ("Nokia", 0xa1b2_c3d4, 4),
    ("modified", 0xa1b2_cd34, 8), ("SuSE 6.3", 0xa1b2_cd34, 12), ("nanoseconds", 0xa1b2_3c4d, 0),
  ]

  private static func pcap(_ list: PacketList, bigEndian: Bool, magic: UInt32, extra: Int) -> [UInt8] {
    var writer = Writer(isBigEndian: bigEndian)
    writer.add32(magic)
    writer.add16(2)
    writer.add16(4)
    for value: UInt32 in [0, 0, 65_535, UInt32(list.packets.first?.packet.link.rawValue ?? 1)] { writer.add32(value) }
    for entry in list.packets {
      let time = entry.packet.time?.nanoseconds ?? 0
      writer.add32(UInt32(time / 1_000_000_000))
      writer.add32(UInt32(time % 1_000_000_000 / (magic == 0xa1b2_3c4d ? 1 : 1_000)))
      writer.add32(UInt32(entry.bytes.count))
      writer.add32(UInt32(entry.packet.wireLength))
      writer.bytes += [0, 0, 0, 2, 8, 0, 4, 0, 0, 0, 0, 0].prefix(extra)
      writer.bytes += entry.bytes
    }
    return writer.bytes
  }

  @Test(arguments: dialects.indices, [true, false]) func tellsDialectsOfPcapApart(_ index: Int, _ bigEndian: Bool)
    throws
  {
    let dialect = CaptureReaderTests.dialects[index]
    for sample in ["crossing-fin.client", "clean.server", "large.client", "tls-crossing-fin.client"] {
      var list = try PacketList(CaptureFixtures.bytes(sample))
      for count in [list.packets.count, 2, 1] {
        list.packets.removeLast(list.packets.count - count)
        let bytes = CaptureReaderTests.pcap(list, bigEndian: bigEndian, magic: dialect.magic, extra: dialect.extra)
        for piece in [1, 1_000, bytes.count] {
          var collector = Collector()
          var reader = CaptureReader()
          for start in stride(from: 0, to: bytes.count, by: piece) {
            // Safe: every bit of a UInt8 is initialised.
            try unsafe reader.feed(bytes[start..<min(start + piece, bytes.count)].span.bytes, into: &collector)
          }
          try reader.finish(into: &collector)
          #expect(collector.contents == list.packets.map(\.bytes), "\(dialect.name), \(sample), \(count), \(piece)")
          #expect(collector.packets.map(\.time) == list.packets.map(\.packet.time), "\(dialect.name), \(sample)")
        }
      }
    }
  }

  static func snoop(_ list: PacketList, link: UInt32 = 4, version: UInt32 = 2, dropped: UInt32 = 0) -> [UInt8] {
    var writer = Writer(isBigEndian: true)
    writer.bytes += Array("snoop\0\0\0".utf8)
    writer.add32(version)
    writer.add32(link)
    for entry in list.packets {
      let time = entry.packet.time?.nanoseconds ?? 0
      let padding = (4 - entry.bytes.count % 4) % 4
      writer.add32(UInt32(entry.packet.wireLength))
      writer.add32(UInt32(entry.bytes.count))
      writer.add32(UInt32(24 + entry.bytes.count + padding))
      writer.add32(dropped)
      writer.add32(UInt32(time / 1_000_000_000))
      writer.add32(UInt32(time % 1_000_000_000 / 1_000))
      writer.bytes += entry.bytes + [UInt8](repeating: 0, count: padding)
    }
    return writer.bytes
  }

  @Test(arguments: [1, 1_000, 1 << 20]) func readsSnoop(_ piece: Int) throws {
    let list = try PacketList(CaptureFixtures.bytes("crossing-fin.client"))
    let bytes = CaptureReaderTests.snoop(list, dropped: 3)
    var collector = Collector()
    var reader = CaptureReader()
    for start in stride(from: 0, to: bytes.count, by: piece) {
      // Safe: every bit of a UInt8 is initialised.
      try unsafe reader.feed(bytes[start..<min(start + piece, bytes.count)].span.bytes, into: &collector)
    }
    try reader.finish(into: &collector)
    #expect(collector.contents == list.packets.map(\.bytes))
    #expect(collector.packets.map(\.time) == list.packets.map(\.packet.time))
    #expect(collector.packets.allSatisfy { $0.link == .ethernet })
    #expect(reader.statistics.packetsDropped == 3)
  }

  @Test func refusesWhatIsNotQuiteSnoop() throws {
    let list = try PacketList(CaptureFixtures.bytes("clean.client"))
    #expect(throws: CaptureError.unsupportedSnoopVersion(4)) {
      try CaptureReaderTests.read(CaptureReaderTests.snoop(list, version: 4))
    }
    var bytes = CaptureReaderTests.snoop(list)
    bytes[24...27] = [0, 0, 0, 1]  // A record that is shorter than its header.
    #expect(throws: CaptureError.packetTooLong(offset: 16, length: 1)) { try CaptureReaderTests.read(bytes) }
    bytes[20...23] = [0xff, 0xff, 0xff, 0xff]
    #expect(throws: CaptureError.packetTooLong(offset: 16, length: .max)) { try CaptureReaderTests.read(bytes) }
    #expect(throws: CaptureError.truncated(offset: 0, missing: 18)) {
      try CaptureReaderTests.read(Array("snoop\0".utf8))
    }
    let (collector, _) = try CaptureReaderTests.read(CaptureReaderTests.snoop(list, link: 8))
    #expect(collector.packets.first?.link == .snoop(8))
  }

  @Test(arguments: [true, false]) func readsPcapngWithSeveralInterfaces(_ bigEndian: Bool) throws {
    var writer = Writer(isBigEndian: bigEndian)
    writer.section()
    // A nanosecond Ethernet interface, and a raw one in units of 2^-10 s that begins 5 s later.
    writer.block(1) { body in
      body.add16(1)
      body.add16(0)
      body.add32(0)
      body.option(9, [9])
      body.option(0, [])
    }
    writer.block(1) { body in
      body.add16(101)
      body.add16(0)
      body.add32(0)
      body.option(9, [0x80 | 10])
      body.option(14, bigEndian ? [0, 0, 0, 0, 0, 0, 0, 5] : [5, 0, 0, 0, 0, 0, 0, 0])
      body.option(0, [])
    }
    func packet(_ interface: UInt32, ticks: UInt32, _ content: [UInt8]) {
      writer.block(6) { body in
        body.add32(interface)
        body.add32(0)
        body.add32(ticks)
        body.add32(UInt32(content.count))
        body.add32(60)
        body.bytes += content
        while body.bytes.count % 4 != 0 { body.bytes.append(0) }
        body.option(1, Array("seen by hand".utf8))
        body.option(0, [])
      }
    }
    packet(0, ticks: 1_234, [1, 2, 3])
    packet(1, ticks: 1_536, [4])
    writer.block(0x0bad) { $0.add32(7) }  // A block that nobody knows.
    writer.block(5) { body in
      body.add32(0)
      body.add32(0)
      body.add32(0)
      body.option(5, [UInt8](repeating: 0, count: 8))
      body.option(0, [])
    }
    let (collector, statistics) = try CaptureReaderTests.read(writer.bytes)
    #expect(collector.packets.map(\.time) == [Instant(nanoseconds: 1_234), Instant(nanoseconds: 6_500_000_000)])
    #expect(collector.packets.map(\.link) == [.ethernet, .raw])
    #expect(collector.contents == [[1, 2, 3], [4]])
    #expect(statistics.comments == ["seen by hand", "seen by hand"])
    #expect(statistics.packetsDropped == 0)
  }

  @Test func readsWhatItWrites() throws {
    var writer = CaptureWriter()
    let packet = CapturePacket(
      frame: 1, time: Instant(nanoseconds: 1_700_000_000_123_456_789), wireLength: 80, link: .raw)
    let content: [UInt8] = [9, 8, 7]
    // Safe: every bit of a UInt8 is initialised.
    unsafe writer.add(packet, bytes: content.span.bytes, comment: "a comment")
    let (collector, statistics) = try CaptureReaderTests.read(writer.takeBytes())
    #expect(collector.packets == [packet])
    #expect(collector.contents == [content])
    #expect(statistics.comments == ["a comment"])
    #expect(statistics.application == "photofinish")
  }

  @Test func refusesWhatIsNoCapture() {
    #expect(throws: CaptureError.notACapture(firstBytes: 0x4745_5420)) {
      try CaptureReaderTests.read(Array("GET / HTTP".utf8))
    }
    #expect(throws: CaptureError.empty) { try CaptureReaderTests.read([]) }
    #expect(throws: CaptureError.truncated(offset: 0, missing: 21)) { try CaptureReaderTests.read([1, 2, 3]) }
  }

  @Test func refusesAbsurdLengths() {
    let long = CaptureReaderTests.pcap(bigEndian: false, magic: 0xa1b2_c3d4, fraction: 0, captured: .max)
    #expect(throws: CaptureError.packetTooLong(offset: 24, length: .max)) { try CaptureReaderTests.read(long) }
    var writer = Writer(isBigEndian: false)
    writer.section()
    writer.add32(6)
    writer.add32(0xffff_fff0)
    writer.add32(0)
    #expect(throws: CaptureError.badBlockLength(offset: 28, length: 0xffff_fff0)) {
      try CaptureReaderTests.read(writer.bytes)
    }
  }

  @Test func tellsWhereAFileEndsTooEarly() {
    let whole = CaptureReaderTests.pcap(bigEndian: false, magic: 0xa1b2_c3d4, fraction: 0)
    #expect(throws: CaptureError.truncated(offset: 24, missing: 1)) { try CaptureReaderTests.read(whole.dropLast()) }
  }

  /// Whatever the bytes are: a clear error or a report, never a trap, and memory within its bounds.
  @Test(arguments: UInt64(1)...12) func survivesMutation(_ seed: UInt64) throws {
    var numbers = SeededNumbers(seed: seed)
    for sample in VerdictTests.cases {
      var bytes = try CaptureFixtures.bytes(sample.capture)
      if seed % 2 == 0 { bytes = try CaptureReaderTests.asPcapng(bytes) }
      for _ in 0..<Int.random(in: 1...24, using: &numbers) {
        let index = Int.random(in: 0..<bytes.count, using: &numbers)
        switch Int.random(in: 0..<4, using: &numbers) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &numbers)
        case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
        case 2: bytes.remove(at: index)
        default: bytes.insert(0xff, at: index)
        }
      }
      do {
        _ = try CaptureFixtures.report(bytes, pieces: Int.random(in: 1...5_000, using: &numbers))
      } catch is CaptureError {
        // A clear error is an answer.
      }
    }
  }

  /// Damage within the packets only, so that TCP and HTTP get all of it.
  @Test(arguments: UInt64(1)...12) func survivesHostilePackets(_ seed: UInt64) throws {
    var numbers = SeededNumbers(seed: seed)
    for sample in VerdictTests.cases {
      var list = try PacketList(CaptureFixtures.bytes(sample.capture))
      guard !list.packets.isEmpty else { continue }
      for _ in 0..<60 {
        let packet = Int.random(in: 0..<list.packets.count, using: &numbers)
        guard !list.packets[packet].bytes.isEmpty else { continue }
        let count = list.packets[packet].bytes.count
        let index = Int.random(in: 0..<count, using: &numbers)
        switch Int.random(in: 0..<3, using: &numbers) {
        case 0: list.packets[packet].bytes[index] = UInt8.random(in: 0...255, using: &numbers)
        case 1: list.packets[packet].bytes.removeLast(Int.random(in: 0..<count, using: &numbers))
        default:
          list.packets[packet].packet.time = Instant(nanoseconds: Int64.random(in: 0...Int64.max, using: &numbers))
        }
      }
      let report = list.report()
      _ = JSONReport(report).document()
      _ = HTMLReport(report).page()
      _ = TextReport(report, ink: Ink(isColoured: false)).summary()
      for finding in report.findings { _ = Ladder(finding).text(ink: Ink(isColoured: false)) }
    }
  }

  /// The same packets in pcapng.
  static func asPcapng(_ pcap: [UInt8]) throws -> [UInt8] {
    let list = try PacketList(pcap)
    var writer = CaptureWriter()
    for entry in list.packets {
      // Safe: every bit of a UInt8 is initialised.
      unsafe writer.add(entry.packet, bytes: entry.bytes.span.bytes)
    }
    return writer.takeBytes()
  }
}
