package import Analysis
import Core

/// Holds the readers of captures, the judge and the reports to what must be true for any bytes whatever. For fuzzing and
/// property tests.
///
/// Each check returns what is violated, in words, or nil.
package enum CaptureOracle {
  /// Takes the bytes for a capture file: read whole and in pieces, judged, written in every form, and written as a capture again.
  package static func checkFile(_ bytes: [UInt8]) -> String? {
    let whole = read(bytes, piece: { bytes.count })
    // Sizes that differ, from one byte to some hundred, so that every field is cut somewhere.
    var size = 1
    let pieces = read(
      bytes,
      piece: {
        size = size * 7 % 613
        return size
      })
    if pieces.packets != whole.packets { return "read in pieces, the packets are not those of the whole file" }
    if pieces.error != whole.error { return "whole, the error is \(whole.error); in pieces it is \(pieces.error)" }
    let bound = CaptureReader.maximumBlock + bytes.count
    if pieces.mostHeld > min(bound, bytes.count) { return "\(pieces.mostHeld) bytes were held" }
    if whole.packets.count * 16 > bytes.count {
      return "\(whole.packets.count) packets from \(bytes.count) bytes"
    }
    if let violation = checkWriting(whole.packets) { return violation }
    return checkReport(of: whole.packets)
  }

  /// Whether the file could be read to its end without an error.
  package static func isWhole(_ bytes: [UInt8]) -> Bool {
    read(bytes, piece: { bytes.count }).error == "none"
  }

  /// Judges packets and looks at everything that is said about them.
  package static func checkReport(of packets: [CapturedPacket]) -> String? {
    var analyser = CaptureAnalyser()
    for entry in packets { analyser.packetRead(entry.packet, bytes: entry.bytes.rawSpan) }
    let report = analyser.finish()
    let counts = report.counts
    let kinds = counts.segments + counts.fragments + counts.cut + counts.malformed + counts.other
    guard counts.frames == packets.count, kinds == counts.frames else {
      return "\(packets.count) packets, \(counts.frames) counted, \(kinds) of them classified"
    }
    for finding in report.findings {
      for item in finding.finding.evidence {
        guard let frame = item.frame else { continue }
        guard frame >= 1, frame <= packets.count else { return "evidence in frame \(frame) of \(packets.count)" }
        let entry = packets[Int(frame) - 1]
        guard case .segment(let segment) = PacketContent(entry.bytes.rawSpan, packet: entry.packet) else {
          return "evidence in frame \(frame), which is no segment"
        }
        let ends = Set([segment.source, segment.destination])
        guard ends == Set([finding.client, finding.server]) else {
          return "evidence about \(finding.client) in frame \(frame), of another connection"
        }
      }
    }
    return ReportOracle.check(report)
  }

  // MARK: -

  /// A packet, kept.
  package struct CapturedPacket: Equatable, Sendable {
    package var packet: CapturePacket
    package var bytes: [UInt8]

    package init(packet: CapturePacket, bytes: [UInt8]) {
      self.packet = packet
      self.bytes = bytes
    }
  }

  private struct Reading {
    var packets: [CapturedPacket]
    var error: String
    var mostHeld: Int
  }

  private struct Keeper: PacketSink {
    var packets: [CapturedPacket] = []

    mutating func packetRead(_ packet: CapturePacket, bytes: RawSpan) {
      packets.append(CapturedPacket(packet: packet, bytes: (0..<bytes.byteCount).map { bytes.byte(at: $0) }))
    }
  }

  private static func read(_ bytes: [UInt8], piece: () -> Int) -> Reading {
    var reader = CaptureReader()
    var keeper = Keeper()
    var (start, mostHeld, error) = (0, 0, "none")
    do throws(CaptureError) {
      while start < bytes.count {
        let end = min(bytes.count, start + max(1, piece()))
        try reader.feed(bytes.rawSpan.extracting(start..<end), into: &keeper)
        mostHeld = max(mostHeld, reader.bytesHeld)
        start = end
      }
      try reader.finish(into: &keeper)
    } catch let problem {
      error = problem.description
    }
    return Reading(packets: keeper.packets, error: error, mostHeld: mostHeld)
  }

  /// What the writer makes of packets must be read as the same packets.
  private static func checkWriting(_ packets: [CapturedPacket]) -> String? {
    guard !packets.isEmpty, packets.count <= 256 else { return nil }
    var writer = CaptureWriter()
    for entry in packets { writer.add(entry.packet, bytes: entry.bytes.rawSpan, comment: "sample") }
    let written = writer.takeBytes()
    let again = read(written, piece: { written.count })
    guard again.error == "none", again.packets.count == packets.count else {
      return "what was written reads as \(again.packets.count) packets of \(packets.count), error \(again.error)"
    }
    for (one, other) in zip(packets, again.packets) {
      let isSame =
        one.bytes == other.bytes && one.packet.wireLength == other.packet.wireLength
        && one.packet.link == other.packet.link
        && (one.packet.time == nil || one.packet.time == other.packet.time)
      guard isSame else { return "a packet was written and reads otherwise: \(one.packet) and \(other.packet)" }
    }
    return nil
  }
}
