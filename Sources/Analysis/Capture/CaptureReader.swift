import Core

/// Reads pcap with its dialects, pcapng, in both byte orders, and snoop, from bytes that come in pieces of any size.
///
/// It holds at most one packet or block: ``maximumPacket`` or ``maximumBlock`` bytes plus one piece.
/// pcap is described in draft-ietf-opsawg-pcap, pcapng in draft-ietf-opsawg-pcapng, snoop in RFC 1761.
package struct CaptureReader: ~Copyable {
  /// Longest packet that is believed, in bytes. Larger lengths are a sign of damage.
  package static let maximumPacket = 256 << 10
  /// Longest pcapng block that is believed, in bytes.
  package static let maximumBlock = 16 << 20
  /// Interfaces of one pcapng section.
  package static let maximumInterfaces = 4_096
  /// Comments and names that are kept, and the bytes of each.
  static let maximumComments = 64
  static let maximumText = 512

  private enum Format {
    /// Fewer than four bytes have come.
    case unknown
    /// The file header was read; the first records will show which of these many bytes are before each packet.
    case pcapOfSomeKind(PcapHeader, recordHeaders: [Int])
    /// Packet records follow.
    case pcap(PcapHeader)
    /// The header of a snoop file was read; packet records follow.
    case snoop(LinkType)
    /// A section header was read; blocks follow.
    case pcapng(PcapngSection)
    /// An error was thrown; nothing is read any more.
    case failed
  }

  private var format = Format.unknown
  private var pending = ByteBuffer(capacity: 1 << 16)
  /// Offset in the file of the first pending byte.
  private var position: Int64 = 0
  package private(set) var frames: Int64 = 0
  package private(set) var statistics = CaptureStatistics()

  package init() {}

  /// Bytes of the file that were consumed.
  package var bytesRead: Int64 { position }

  /// Bytes that wait for the rest of their packet or block.
  package var bytesHeld: Int { pending.count }

  /// Takes the next piece of the file and hands every packet that is complete to `sink`.
  package mutating func feed(_ bytes: RawSpan, into sink: inout some PacketSink & ~Copyable) throws(CaptureError) {
    if case .failed = format { return }
    pending.append(bytes)
    try readRecords(isWhole: false, into: &sink)
    pending.compact()
  }

  /// Tells that the file has ended. Packets that waited for what comes behind them go to `sink`.
  ///
  /// - Throws: ``CaptureError/truncated(offset:missing:)`` when it ended inside a packet, ``CaptureError/empty``.
  package mutating func finish(into sink: inout some PacketSink & ~Copyable) throws(CaptureError) {
    try readRecords(isWhole: true, into: &sink)
    switch format {
    case .failed: return
    case .unknown:
      if pending.isEmpty { throw .empty }
      throw .truncated(offset: position, missing: 24 - pending.count)
    case .pcapOfSomeKind, .pcap, .pcapng, .snoop:
      if !pending.isEmpty { throw .truncated(offset: position, missing: 1) }
    }
  }

  private mutating func readRecords(
    isWhole: Bool, into sink: inout some PacketSink & ~Copyable
  ) throws(CaptureError) {
    do {
      try readAllRecords(isWhole: isWhole, into: &sink)
    } catch {
      format = .failed
      throw error
    }
  }

  private mutating func readAllRecords(
    isWhole: Bool, into sink: inout some PacketSink & ~Copyable
  ) throws(CaptureError) {
    while true {
      let consumed: Int
      switch format {
      case .failed: return
      case .unknown:
        guard try recogniseFormat() else { return }
        continue
      case .pcapOfSomeKind(var header, let candidates):
        guard let found = header.recordHeader(of: candidates, in: pending.readable, isWhole: isWhole) else { return }
        header.recordHeader = found
        format = .pcap(header)
        continue
      case .snoop(let link): consumed = try readSnoopRecord(link, into: &sink)
      case .pcap(let header): consumed = try readPcapRecord(header, into: &sink)
      case .pcapng(var section):
        consumed = try readBlock(&section, into: &sink)
        format = .pcapng(section)
      }
      if consumed == 0 { return }
      pending.consume(consumed)
      position += Int64(consumed)
    }
  }

  /// Finds out the format and takes the header of a pcap file. Returns whether enough bytes were there.
  private mutating func recogniseFormat() throws(CaptureError) -> Bool {
    guard pending.count >= 4 else { return false }
    let magic = pending.readable.number32(at: 0, bigEndian: false)
    if magic == PcapngSection.sectionHeaderType {
      format = .pcapng(PcapngSection(isBigEndian: false))
      return true
    }
    if magic == SnoopFormat.magic { return try recogniseSnoop() }
    guard let order = PcapHeader.order(ofMagic: magic) else { throw .notACapture(firstBytes: magic.byteSwapped) }
    guard pending.count >= 24 else { return false }
    format = .pcapOfSomeKind(try PcapHeader(pending.readable, order: order), recordHeaders: order.recordHeaders)
    pending.consume(24)
    position += 24
    return true
  }

  private mutating func recogniseSnoop() throws(CaptureError) -> Bool {
    guard pending.count >= SnoopFormat.headerLength else { return false }
    format = .snoop(try SnoopFormat.link(of: pending.readable))
    pending.consume(SnoopFormat.headerLength)
    position += Int64(SnoopFormat.headerLength)
    return true
  }

  private mutating func readSnoopRecord(
    _ link: LinkType, into sink: inout some PacketSink & ~Copyable
  ) throws(CaptureError) -> Int {
    guard pending.count >= SnoopFormat.recordHeader else { return 0 }
    let record = SnoopFormat.Record(pending.readable)
    guard record.captured <= CaptureReader.maximumPacket else {
      throw .packetTooLong(offset: position, length: UInt32(record.captured))
    }
    guard record.length >= SnoopFormat.recordHeader + record.captured,
      record.length <= CaptureReader.maximumPacket + SnoopFormat.maximumPadding
    else { throw .packetTooLong(offset: position, length: UInt32(record.length)) }
    guard pending.count >= record.length else { return 0 }
    frames += 1
    // Cumulative. Where it is zero nothing is known: converters write that, too.
    if record.dropped > 0 { statistics.packetsDropped = UInt64(record.dropped) }
    let packet = CapturePacket(
      frame: frames, time: record.time, wireLength: max(record.original, record.captured), link: link)
    let bytes = pending.readable
    sink.packetRead(
      packet, bytes: bytes.extracting(SnoopFormat.recordHeader..<(SnoopFormat.recordHeader + record.captured)))
    return record.length
  }

  private mutating func readPcapRecord(
    _ header: PcapHeader, into sink: inout some PacketSink & ~Copyable
  ) throws(CaptureError) -> Int {
    guard pending.count >= header.recordHeader else { return 0 }
    let captured = pending.readable.number32(at: 8, bigEndian: header.isBigEndian)
    let wire = pending.readable.number32(at: 12, bigEndian: header.isBigEndian)
    guard captured <= CaptureReader.maximumPacket else { throw .packetTooLong(offset: position, length: captured) }
    let end = header.recordHeader + Int(captured)
    guard pending.count >= end else { return 0 }
    frames += 1
    let bytes = pending.readable
    let seconds = Int64(bytes.number32(at: 0, bigEndian: header.isBigEndian))
    let fraction = Int64(bytes.number32(at: 4, bigEndian: header.isBigEndian))
    let time = Instant(nanoseconds: seconds * 1_000_000_000 + fraction * header.nanosecondsPerFraction)
    // A wire length below the captured one is damage of the field only; the captured bytes are there.
    let packet = CapturePacket(
      frame: frames, time: time, wireLength: max(Int(wire), Int(captured)), link: header.link)
    sink.packetRead(packet, bytes: bytes.extracting(header.recordHeader..<end))
    return end
  }

  private mutating func readBlock(
    _ section: inout PcapngSection, into sink: inout some PacketSink & ~Copyable
  ) throws(CaptureError) -> Int {
    guard pending.count >= 12 else { return 0 }
    let type = pending.readable.number32(at: 0, bigEndian: section.isBigEndian)
    let length: Int
    if type == PcapngSection.sectionHeaderType {
      length = try section.startSection(pending.readable, offset: position)
    } else {
      let claimed = pending.readable.number32(at: 4, bigEndian: section.isBigEndian)
      guard claimed >= 12, claimed % 4 == 0, claimed <= CaptureReader.maximumBlock else {
        throw .badBlockLength(offset: position, length: claimed)
      }
      length = Int(claimed)
    }
    guard pending.count >= length else { return 0 }
    try section.checkTrailer(pending.readable, length: length, offset: position)
    switch type {
    case PcapngSection.sectionHeaderType:
      readOptions(of: section, from: 24, to: length - 4, kind: .section)
    case 1:
      try readInterface(&section, length: length)
    case 2, 6:
      try readPacketBlock(section, isObsolete: type == 2, length: length, into: &sink)
    case 3:
      try readSimplePacket(section, length: length, into: &sink)
    case 5:
      if length >= 24 { readOptions(of: section, from: 20, to: length - 4, kind: .statistics) }
    default:
      break  // Name resolution, secrets, custom blocks: nothing that a verdict could use.
    }
    return length
  }

  private mutating func readInterface(_ section: inout PcapngSection, length: Int) throws(CaptureError) {
    guard length >= 20 else { throw .badBlockLength(offset: position, length: UInt32(length)) }
    guard section.interfaces.count < CaptureReader.maximumInterfaces else {
      throw .tooManyInterfaces(offset: position)
    }
    let link = LinkType(rawValue: pending.readable.number16(at: 8, bigEndian: section.isBigEndian))
    let snapLength = pending.readable.number32(at: 12, bigEndian: section.isBigEndian)
    var interface = PcapngInterface(link: link, snapLength: snapLength)
    section.eachOption(of: pending.readable, from: 16, to: length - 4) { code, value in
      interface.takeOption(code, value: value, isBigEndian: section.isBigEndian)
    }
    section.interfaces.append(interface)
  }

  private mutating func readPacketBlock(
    _ section: PcapngSection, isObsolete: Bool, length: Int, into sink: inout some PacketSink & ~Copyable
  ) throws(CaptureError) {
    guard length >= 32 else { throw .badBlockLength(offset: position, length: UInt32(length)) }
    let big = section.isBigEndian
    let index =
      isObsolete
      ? UInt32(pending.readable.number16(at: 8, bigEndian: big)) : pending.readable.number32(at: 8, bigEndian: big)
    guard Int(index) < section.interfaces.count else { throw .unknownInterface(offset: position, index: index) }
    let captured = pending.readable.number32(at: 20, bigEndian: big)
    let wire = pending.readable.number32(at: 24, bigEndian: big)
    guard captured <= CaptureReader.maximumPacket, 28 + Int(captured) <= length - 4 else {
      throw .packetTooLong(offset: position, length: captured)
    }
    let end = 28 + Int(captured)
    let padded = (end + 3) & ~3
    if padded + 4 <= length - 4 { readOptions(of: section, from: padded, to: length - 4, kind: .packet) }
    frames += 1
    let bytes = pending.readable
    let interface = section.interfaces[Int(index)]
    let ticks = UInt64(bytes.number32(at: 12, bigEndian: big)) << 32 | UInt64(bytes.number32(at: 16, bigEndian: big))
    let packet = CapturePacket(
      frame: frames, time: interface.time(ofTicks: ticks), wireLength: max(Int(wire), Int(captured)),
      link: interface.link)
    sink.packetRead(packet, bytes: bytes.extracting(28..<end))
  }

  private mutating func readSimplePacket(
    _ section: PcapngSection, length: Int, into sink: inout some PacketSink & ~Copyable
  ) throws(CaptureError) {
    guard length >= 16 else { throw .badBlockLength(offset: position, length: UInt32(length)) }
    guard let interface = section.interfaces.first else { throw .unknownInterface(offset: position, index: 0) }
    let wire = Int(pending.readable.number32(at: 8, bigEndian: section.isBigEndian))
    var captured = min(wire, length - 16)
    if interface.snapLength > 0 { captured = min(captured, Int(interface.snapLength)) }
    guard captured <= CaptureReader.maximumPacket else {
      throw .packetTooLong(offset: position, length: UInt32(truncatingIfNeeded: captured))
    }
    frames += 1
    let bytes = pending.readable
    let packet = CapturePacket(frame: frames, time: nil, wireLength: max(wire, captured), link: interface.link)
    sink.packetRead(packet, bytes: bytes.extracting(12..<(12 + captured)))
  }

  private enum OptionPlace { case section, packet, statistics }

  private mutating func readOptions(of section: PcapngSection, from start: Int, to end: Int, kind: OptionPlace) {
    var found = statistics
    section.eachOption(of: pending.readable, from: start, to: end) { code, value in
      switch (kind, code) {
      case (_, 1):
        if found.comments.count < CaptureReader.maximumComments {
          found.comments.append(value.text(upTo: CaptureReader.maximumText))
        }
      case (.section, 3): found.operatingSystem = value.text(upTo: CaptureReader.maximumText)
      case (.section, 4): found.application = value.text(upTo: CaptureReader.maximumText)
      case (.statistics, 4) where value.byteCount == 8:
        found.packetsReceived = value.number64(at: 0, bigEndian: section.isBigEndian)
      case (.statistics, 5) where value.byteCount == 8, (.statistics, 7) where value.byteCount == 8:
        let count = value.number64(at: 0, bigEndian: section.isBigEndian)
        found.packetsDropped = (found.packetsDropped ?? 0).addingReportingOverflow(count).partialValue
      default: break
      }
    }
    statistics = found
  }
}
