import Core

/// Picks out the packets of the connections that findings are about.
package struct FindingCutter: PacketSink, ~Copyable {
  private struct Span {
    var first: Instant
    var last: Instant
    var number: Int
    var requestFrame: Instant
    var comment: String
  }

  private struct Pair: Hashable {
    var low: Endpoint
    var high: Endpoint

    init(_ one: Endpoint, _ other: Endpoint) {
      (low, high) = one < other ? (one, other) : (other, one)
    }
  }

  private var spans: [Pair: [Span]] = [:]
  private var writer = CaptureWriter()
  private var commented: Set<Int> = []
  package private(set) var packets = 0

  package init(_ findings: [CaptureFinding]) {
    for finding in findings {
      guard let first = finding.ladder.first, let last = finding.ladder.last else { continue }
      spans[Pair(finding.client, finding.server), default: []].append(
        Span(
          first: first.time, last: last.time, number: finding.number, requestFrame: finding.time,
          comment: "photofinish #\(finding.number) \(finding.finding.kind.rawValue): \(finding.finding.summary)"))
    }
  }

  package mutating func packetRead(_ packet: CapturePacket, bytes: RawSpan) {
    guard case .segment(let segment) = PacketContent(bytes, packet: packet),
      let found = spans[Pair(segment.source, segment.destination)], let time = packet.time
    else { return }
    guard found.contains(where: { $0.first <= time && time <= $0.last }) else { return }
    var comment: String?
    for span in found where span.requestFrame == time && !commented.contains(span.number) {
      commented.insert(span.number)
      comment = span.comment
    }
    packets += 1
    writer.add(packet, bytes: bytes, comment: comment)
  }

  package mutating func takeBytes() -> [UInt8] { writer.takeBytes() }
}
