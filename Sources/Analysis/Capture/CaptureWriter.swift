package import Core

/// Writes pcapng with nanosecond times: one section, one interface for each link type that occurs.
package struct CaptureWriter: ~Copyable {
  private var bytes = ByteBuffer(capacity: 1 << 16)
  private var interfaces: [LinkType] = []

  package init(application: String = "photofinish") {
    var options: [UInt8] = []
    CaptureWriter.addOption(4, Array(application.utf8), to: &options)
    block(type: PcapngSection.sectionHeaderType) { body in
      CaptureWriter.add32(0x1a2b_3c4d, to: &body)
      CaptureWriter.add16(1, to: &body)
      CaptureWriter.add16(0, to: &body)
      body += Array(repeating: 0xff, count: 8)
      body += options
      CaptureWriter.add32(0, to: &body)
    }
  }

  /// Adds a packet.
  ///
  /// - Parameter comment: shown by Wireshark beside the packet.
  package mutating func add(_ packet: CapturePacket, bytes content: RawSpan, comment: String? = nil) {
    let interface = index(of: packet.link)
    let time = UInt64(bitPattern: packet.time?.nanoseconds ?? 0)
    block(type: 6) { body in
      CaptureWriter.add32(UInt32(interface), to: &body)
      CaptureWriter.add32(UInt32(time >> 32), to: &body)
      CaptureWriter.add32(UInt32(truncatingIfNeeded: time), to: &body)
      CaptureWriter.add32(UInt32(content.byteCount), to: &body)
      CaptureWriter.add32(UInt32(clamping: packet.wireLength), to: &body)
      for index in 0..<content.byteCount { body.append(content.byte(at: index)) }
      CaptureWriter.pad(&body)
      if let comment {
        CaptureWriter.addOption(1, Array(comment.utf8.prefix(4_096)), to: &body)
        CaptureWriter.add32(0, to: &body)
      }
    }
  }

  /// Adds what the capturing program knows about itself, behind the last packet.
  package mutating func addStatistics(received: UInt64, dropped: UInt64, time: Instant) {
    guard !interfaces.isEmpty else { return }
    block(type: 5) { body in
      CaptureWriter.add32(0, to: &body)
      CaptureWriter.add32(UInt32(UInt64(bitPattern: time.nanoseconds) >> 32), to: &body)
      CaptureWriter.add32(UInt32(truncatingIfNeeded: time.nanoseconds), to: &body)
      for (code, value) in [(UInt16(4), received), (5, dropped)] {
        CaptureWriter.addOption(code, (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }, to: &body)
      }
      CaptureWriter.add32(0, to: &body)
    }
  }

  /// What was written since the last call.
  package mutating func takeBytes() -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for index in 0..<bytes.count { result.append(bytes.readable.byte(at: index)) }
    bytes.removeAll()
    return result
  }

  private mutating func index(of link: LinkType) -> Int {
    if let index = interfaces.firstIndex(of: link) { return index }
    interfaces.append(link)
    block(type: 1) { body in
      CaptureWriter.add16(link.rawValue, to: &body)
      CaptureWriter.add16(0, to: &body)
      CaptureWriter.add32(0, to: &body)
      CaptureWriter.addOption(9, [9], to: &body)
      CaptureWriter.add32(0, to: &body)
    }
    return interfaces.count - 1
  }

  private mutating func block(type: UInt32, _ fill: (inout [UInt8]) -> Void) {
    var body: [UInt8] = []
    fill(&body)
    var frame: [UInt8] = []
    CaptureWriter.add32(type, to: &frame)
    CaptureWriter.add32(UInt32(body.count + 12), to: &frame)
    bytes.append(frame)
    bytes.append(body)
    var trailer: [UInt8] = []
    CaptureWriter.add32(UInt32(body.count + 12), to: &trailer)
    bytes.append(trailer)
  }

  private static func addOption(_ code: UInt16, _ value: [UInt8], to body: inout [UInt8]) {
    add16(code, to: &body)
    add16(UInt16(value.count), to: &body)
    body += value
    pad(&body)
  }

  private static func pad(_ body: inout [UInt8]) {
    while body.count % 4 != 0 { body.append(0) }
  }

  private static func add16(_ value: UInt16, to body: inout [UInt8]) {
    body.append(UInt8(truncatingIfNeeded: value))
    body.append(UInt8(truncatingIfNeeded: value >> 8))
  }

  private static func add32(_ value: UInt32, to body: inout [UInt8]) {
    add16(UInt16(truncatingIfNeeded: value), to: &body)
    add16(UInt16(truncatingIfNeeded: value >> 16), to: &body)
  }
}
