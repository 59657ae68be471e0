import Core

/// The header of a pcap file.
struct PcapHeader {
  var isBigEndian: Bool
  var nanosecondsPerFraction: Int64
  var link: LinkType
  /// Bytes before each packet: the format of some old Linux distributions has an interface, a protocol and a type there, too.
  var recordHeader: Int

  /// How the file is written, told by its first four bytes read as a little-endian number.
  struct Order {
    var isBigEndian: Bool
    var isNanoseconds: Bool
    var recordHeader = 16
  }

  static func order(ofMagic magic: UInt32) -> Order? {
    switch magic {
    case 0xa1b2_c3d4: Order(isBigEndian: false, isNanoseconds: false)
    case 0xa1b2_3c4d: Order(isBigEndian: false, isNanoseconds: true)
    case 0xd4c3_b2a1: Order(isBigEndian: true, isNanoseconds: false)
    case 0x4d3c_b2a1: Order(isBigEndian: true, isNanoseconds: true)
    case 0xa1b2_cd34: Order(isBigEndian: false, isNanoseconds: false, recordHeader: 24)
    case 0x34cd_b2a1: Order(isBigEndian: true, isNanoseconds: false, recordHeader: 24)
    default: nil
    }
  }

  init(_ bytes: RawSpan, order: Order) throws(CaptureError) {
    isBigEndian = order.isBigEndian
    recordHeader = order.recordHeader
    nanosecondsPerFraction = order.isNanoseconds ? 1 : 1_000
    let major = bytes.number16(at: 4, bigEndian: isBigEndian)
    let minor = bytes.number16(at: 6, bigEndian: isBigEndian)
    guard major == 2 else { throw .unsupportedVersion(major: major, minor: minor) }
    // The upper bits tell about a frame check sequence behind each packet, which no length of ours depends on.
    link = LinkType(rawValue: UInt16(truncatingIfNeeded: bytes.number32(at: 20, bigEndian: isBigEndian)))
  }
}
