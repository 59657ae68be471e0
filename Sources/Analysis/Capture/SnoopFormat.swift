import Core

/// The format of Solaris' snoop (RFC 1761): big-endian, each record filled up to a multiple of four bytes.
enum SnoopFormat {
  /// `snoo`, read as a little-endian number.
  static let magic: UInt32 = 0x6f6f_6e73
  static let headerLength = 16
  static let recordHeader = 24
  /// What a record may hold beside its packet.
  static let maximumPadding = 4_096

  static func link(of bytes: RawSpan) throws(CaptureError) -> LinkType {
    let mark = bytes.number32(at: 4)
    guard mark == 0x7000_0000 else { throw .notACapture(firstBytes: bytes.number32(at: 0)) }
    let version = bytes.number32(at: 8)
    guard version == 2 else { throw .unsupportedSnoopVersion(version) }
    let number = bytes.number32(at: 12)
    return switch number {
    case 0, 4: .ethernet
    default: .snoop(number)
    }
  }

  struct Record {
    var original: Int
    var captured: Int
    /// Of the whole record, with its header and what fills it up.
    var length: Int
    /// Packets lost since the capture began.
    var dropped: UInt32
    var time: Instant

    init(_ bytes: RawSpan) {
      original = Int(bytes.number32(at: 0))
      captured = Int(bytes.number32(at: 4))
      length = Int(bytes.number32(at: 8))
      dropped = bytes.number32(at: 12)
      time = Instant(
        nanoseconds: Int64(bytes.number32(at: 16)) * 1_000_000_000 + Int64(bytes.number32(at: 20)) * 1_000)
    }
  }
}
