import Core

/// The header of a pcap file.
struct PcapHeader {
  var isBigEndian: Bool
  var nanosecondsPerFraction: Int64
  var link: LinkType
  /// Bytes before each packet. Some writers have more there than the usual 16.
  var recordHeader: Int

  /// How the file is written, told by its first four bytes read as a little-endian number.
  struct Order {
    var isBigEndian: Bool
    var isNanoseconds = false
    /// What can be before each packet with this mark, the usual first: Red Hat 6.1 and Nokia add to it and say nothing of it.
    var recordHeaders = [16, 24, 20]
    /// An interface, a protocol and a type more, and with SuSE 6.3 four bytes on top.
    static let modified = [24, 28]
  }

  static func order(ofMagic magic: UInt32) -> Order? {
    switch magic {
    case 0xa1b2_c3d4: Order(isBigEndian: false)
    case 0xa1b2_3c4d: Order(isBigEndian: false, isNanoseconds: true, recordHeaders: [16])
    case 0xd4c3_b2a1: Order(isBigEndian: true)
    case 0x4d3c_b2a1: Order(isBigEndian: true, isNanoseconds: true, recordHeaders: [16])
    case 0xa1b2_cd34: Order(isBigEndian: false, recordHeaders: Order.modified)
    case 0x34cd_b2a1: Order(isBigEndian: true, recordHeaders: Order.modified)
    default: nil
    }
  }

  init(_ bytes: RawSpan, order: Order) throws(CaptureError) {
    isBigEndian = order.isBigEndian
    recordHeader = order.recordHeaders[0]
    nanosecondsPerFraction = order.isNanoseconds ? 1 : 1_000
    let major = bytes.number16(at: 4, bigEndian: isBigEndian)
    let minor = bytes.number16(at: 6, bigEndian: isBigEndian)
    guard major == 2 else { throw .unsupportedVersion(major: major, minor: minor) }
    // The upper bits tell about a frame check sequence behind each packet, which no length of ours depends on.
    link = LinkType(rawValue: UInt16(truncatingIfNeeded: bytes.number32(at: 20, bigEndian: isBigEndian)))
  }

  // MARK: - Which dialect it is

  private enum Fit { case no, yes, undecided }

  /// What is before each packet, told by the first two records; nil while there are too few bytes to tell.
  ///
  /// - Parameters:
  ///   - bytes: what follows the file's header.
  ///   - isWhole: nothing comes behind them.
  func recordHeader(of candidates: [Int], in bytes: RawSpan, isWhole: Bool) -> Int? {
    guard candidates.count > 1 else { return candidates.first }
    var undecided: Int?
    for candidate in candidates {
      switch fit(candidate, bytes, isWhole: isWhole) {
      case .yes: return candidate
      case .undecided:
        guard isWhole else { return nil }
        undecided = undecided ?? candidate
      case .no: break
      }
    }
    return undecided ?? candidates.first
  }

  private func fit(_ candidate: Int, _ bytes: RawSpan, isWhole: Bool) -> Fit {
    guard bytes.byteCount >= 16 else { return .undecided }
    guard isRecord(bytes, at: 0) else { return .no }
    let second = candidate + Int(bytes.number32(at: 8, bigEndian: isBigEndian))
    if isWhole, second == bytes.byteCount { return .yes }
    guard second + 16 <= bytes.byteCount else { return .undecided }
    guard isRecord(bytes, at: second) else { return .no }
    let times = [0, second].map { Int64(bytes.number32(at: $0, bigEndian: isBigEndian)) }
    return abs(times[1] - times[0]) <= PcapHeader.longestPause ? .yes : .no
  }

  /// Seconds between two packets of one file that are believed while it is not known how it is written.
  private static let longestPause: Int64 = 30 * 86_400

  private func isRecord(_ bytes: RawSpan, at start: Int) -> Bool {
    let fraction = bytes.number32(at: start + 4, bigEndian: isBigEndian)
    let captured = bytes.number32(at: start + 8, bigEndian: isBigEndian)
    let wire = bytes.number32(at: start + 12, bigEndian: isBigEndian)
    return Int64(fraction) * nanosecondsPerFraction < 1_000_000_000 && captured <= CaptureReader.maximumPacket
      && captured <= wire && wire <= CaptureReader.maximumPacket
  }
}
