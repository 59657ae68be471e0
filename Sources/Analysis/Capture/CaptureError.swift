/// Why a capture file cannot be read, or can be read no further.
///
/// Whatever was read before the error stays valid: an analyser answers with what it has and says that it is partial.
package enum CaptureError: Error, Equatable, Sendable {
  /// The first bytes are not those of a capture.
  case notACapture(firstBytes: UInt32)
  /// A pcap file of a version that nobody writes.
  case unsupportedVersion(major: UInt16, minor: UInt16)
  /// A snoop file of a version that RFC 1761 does not describe.
  case unsupportedSnoopVersion(UInt32)
  /// A packet claims more bytes than any capture holds.
  case packetTooLong(offset: Int64, length: UInt32)
  /// A pcapng block has a length that cannot be: too short, no multiple of four, or above ``CaptureReader/maximumBlock``.
  case badBlockLength(offset: Int64, length: UInt32)
  /// The length at the end of a pcapng block differs from that at its start.
  case blockLengthsDiffer(offset: Int64, first: UInt32, second: UInt32)
  /// A pcapng section starts with a byte-order mark that means nothing.
  case badByteOrderMark(offset: Int64, mark: UInt32)
  /// A packet names an interface that the section has not described.
  case unknownInterface(offset: Int64, index: UInt32)
  /// More interfaces than ``CaptureReader/maximumInterfaces``.
  case tooManyInterfaces(offset: Int64)
  /// The file ends inside a packet or a block.
  case truncated(offset: Int64, missing: Int)
  /// The file is empty.
  case empty
}

extension CaptureError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notACapture(let first):
      "not a capture: it starts with \(hexadecimal(first)); a pcap, pcapng or snoop file is expected, plain or packed with gzip, zstd or xz"
    case .unsupportedVersion(let major, let minor):
      "pcap version \(major).\(minor) is not supported; version 2.4 is expected"
    case .unsupportedSnoopVersion(let version):
      "snoop version \(version) is not supported; version 2 is expected"
    case .packetTooLong(let offset, let length):
      "at byte \(offset): a packet of \(length) bytes cannot be; the file is damaged from there on"
    case .badBlockLength(let offset, let length):
      "at byte \(offset): a pcapng block of \(length) bytes cannot be; the file is damaged from there on"
    case .blockLengthsDiffer(let offset, let first, let second):
      "at byte \(offset): a pcapng block starts with length \(first) and ends with \(second); the file is damaged there"
    case .badByteOrderMark(let offset, let mark):
      "at byte \(offset): a pcapng section has the byte-order mark \(hexadecimal(mark)), which means nothing"
    case .unknownInterface(let offset, let index):
      "at byte \(offset): a packet names interface \(index), which the file has not described"
    case .tooManyInterfaces(let offset):
      "at byte \(offset): more than \(CaptureReader.maximumInterfaces) interfaces in one section"
    case .truncated(let offset, let missing):
      "the file ends inside a packet at byte \(offset): \(missing) or more bytes are missing"
    case .empty:
      "the file is empty"
    }
  }
}

private func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}
