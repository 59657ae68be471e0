package import Core

/// What a capture says about one packet, apart from its bytes.
package struct CapturePacket: Equatable, Sendable, BitwiseCopyable {
  /// Number of the packet in its file, from 1, as Wireshark counts.
  package var frame: Int64
  /// When it was captured, in nanoseconds since 1970; nil when the format has no time (simple packet blocks).
  package var time: Instant?
  /// Bytes that the packet had on the wire; the captured ones can be fewer.
  package var wireLength: Int
  package var link: LinkType

  package init(frame: Int64, time: Instant?, wireLength: Int, link: LinkType) {
    self.frame = frame
    self.time = time
    self.wireLength = wireLength
    self.link = link
  }
}

/// Takes packets in the order of the file.
package protocol PacketSink: ~Copyable {
  /// - Parameter bytes: the captured bytes; valid during the call only.
  mutating func packetRead(_ packet: CapturePacket, bytes: RawSpan)
}

/// What the capturing program reported about itself; nil where the file says nothing.
package struct CaptureStatistics: Equatable, Sendable {
  package var packetsReceived: UInt64?
  /// Packets that the interface or the operating system dropped before they could be written.
  package var packetsDropped: UInt64?
  package var application: String?
  package var operatingSystem: String?
  package var comments: [String] = []

  package init() {}
}
