import Analysis
import Core
import Host

/// The packets of connections with findings, in a ring of pcapng files. A connection is in one file, as a whole.
struct LiveCaptureFiles: ~Copyable {
  private var ring: FileRing
  private var writer = CaptureWriter()
  private let application: String
  /// Connections that were written.
  private(set) var kept = 0
  /// Connections that could not be.
  private(set) var failed = 0
  private var receivedAtBegin = 0
  private var droppedAtBegin = 0

  init(directory: String, maximumFiles: Int, fileSize: Int, interface: String) throws(FileRing.Failure) {
    ring = try FileRing(directory: directory, maximumFiles: maximumFiles, fileSize: fileSize)
    application = "photofinish capture --live \(interface)"
  }

  /// For the last line of a run.
  func summary(_ directory: String) -> String {
    let text = "; packets of \(Display.count(kept, "connection")) kept in \(directory)"
    return failed == 0 ? text : text + ", of \(failed) they could not be"
  }

  /// Writes one connection. Each request that a finding is about gets a comment.
  ///
  /// - Parameter counts: of the capture up to now, for the statistics at the end of a file.
  /// - Returns: the file.
  mutating func write(
    _ packets: PacketKeeper.Kept, _ findings: [CaptureFinding], counts: PacketRing.Counts, time: Instant
  ) throws(FileRing.Failure) -> String {
    do throws(FileRing.Failure) {
      // A packet costs at most 40 bytes beside its own, a comment at most 4 KiB.
      let size = packets.size + packets.count * 16 + findings.count * 4_200 + 512
      if !ring.hasRoom(for: size) {
        finish(counts: counts, time: time)
        try ring.begin()
        writer = CaptureWriter(application: application)
        (receivedAtBegin, droppedAtBegin) = (counts.seen, counts.dropped)
      }
      encode(packets, findings)
      let path = try ring.write(writer.takeBytes())
      kept += 1
      return path
    } catch {
      failed += 1
      throw error
    }
  }

  mutating func finish(counts: PacketRing.Counts, time: Instant) {
    guard ring.hasCurrent else { return }
    writer.addStatistics(
      received: UInt64(counts.seen - receivedAtBegin), dropped: UInt64(counts.dropped - droppedAtBegin), time: time)
    ring.finish(writer.takeBytes())
  }

  private mutating func encode(_ packets: PacketKeeper.Kept, _ findings: [CaptureFinding]) {
    var open = findings[...]
    packets.forEach { packet, bytes in
      var comment: String?
      if let index = open.firstIndex(where: { $0.time == packet.time }) {
        let finding = open.remove(at: index)
        comment = "photofinish #\(finding.number) \(finding.finding.kind.rawValue): \(finding.finding.summary)"
        if packets.lost > 0 { comment? += " (\(packets.lost) packets before were not kept)" }
      }
      writer.add(packet, bytes: bytes, comment: comment)
    }
  }
}
