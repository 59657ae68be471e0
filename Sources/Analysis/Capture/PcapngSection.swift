import Core

/// What must be remembered of a pcapng section while its blocks are read.
struct PcapngSection {
  static let sectionHeaderType: UInt32 = 0x0a0d_0d0a

  var isBigEndian: Bool
  var interfaces: [PcapngInterface] = []

  init(isBigEndian: Bool) {
    self.isBigEndian = isBigEndian
  }

  /// Reads byte order and length of a section header and forgets the interfaces of the section before.
  mutating func startSection(_ bytes: RawSpan, offset: Int64) throws(CaptureError) -> Int {
    switch bytes.number32(at: 8, bigEndian: false) {
    case 0x1a2b_3c4d: isBigEndian = false
    case 0x4d3c_2b1a: isBigEndian = true
    case let mark: throw .badByteOrderMark(offset: offset, mark: mark)
    }
    interfaces.removeAll()
    let length = bytes.number32(at: 4, bigEndian: isBigEndian)
    guard length >= 28, length % 4 == 0, length <= CaptureReader.maximumBlock else {
      throw .badBlockLength(offset: offset, length: length)
    }
    return Int(length)
  }

  func checkTrailer(_ bytes: RawSpan, length: Int, offset: Int64) throws(CaptureError) {
    let second = bytes.number32(at: length - 4, bigEndian: isBigEndian)
    guard second == UInt32(length) else {
      throw .blockLengthsDiffer(offset: offset, first: UInt32(length), second: second)
    }
  }

  /// Calls `body` for each option in `start..<end`; stops at the end mark and at the first option that does not fit.
  func eachOption(of bytes: RawSpan, from start: Int, to end: Int, _ body: (UInt16, RawSpan) -> Void) {
    var position = start
    while position + 4 <= end {
      let code = bytes.number16(at: position, bigEndian: isBigEndian)
      let length = Int(bytes.number16(at: position + 2, bigEndian: isBigEndian))
      guard code != 0, position + 4 + length <= end else { return }
      body(code, bytes.extracting((position + 4)..<(position + 4 + length)))
      position += 4 + (length + 3) & ~3
    }
  }
}

/// One interface of a pcapng section.
struct PcapngInterface {
  var link: LinkType
  var snapLength: UInt32
  /// Ticks of the time stamps: a power of ten or of two of a second.
  private var resolution = Resolution.decimal(6)
  /// Seconds to add to every time stamp.
  private var secondsOffset: Int64 = 0

  private enum Resolution {
    case decimal(Int)
    case binary(Int)
  }

  init(link: LinkType, snapLength: UInt32) {
    self.link = link
    self.snapLength = snapLength
  }

  mutating func takeOption(_ code: UInt16, value: RawSpan, isBigEndian: Bool) {
    switch code {
    case 9 where value.byteCount == 1:
      let byte = value.byte(at: 0)
      resolution = byte & 0x80 == 0 ? .decimal(Int(byte)) : .binary(Int(byte & 0x7f))
    case 14 where value.byteCount == 8:
      secondsOffset = Int64(bitPattern: value.number64(at: 0, bigEndian: isBigEndian))
    default: break
    }
  }

  /// Saturates where a resolution or a tick count is absurd: a wrong time is better than a trap.
  func time(ofTicks ticks: UInt64) -> Instant {
    let nanoseconds: UInt64
    switch resolution {
    case .decimal(let digits) where digits <= 9:
      var factor: UInt64 = 1
      for _ in digits..<9 { factor *= 10 }
      let (product, overflow) = ticks.multipliedReportingOverflow(by: factor)
      nanoseconds = overflow ? .max : product
    case .decimal(let digits):
      var divisor: UInt64 = 1
      for _ in 9..<min(digits, 28) { divisor *= 10 }
      nanoseconds = ticks / divisor
    case .binary(let bits):
      guard bits < 64 else { return Instant(nanoseconds: 0) }
      let (whole, rest) = (ticks >> UInt64(bits), ticks & (1 << UInt64(bits) &- 1))
      let fraction = rest.multipliedFullWidth(by: 1_000_000_000)
      let shifted = bits == 0 ? 0 : fraction.high << UInt64(64 - bits) | fraction.low >> UInt64(bits)
      let (product, overflow) = whole.multipliedReportingOverflow(by: 1_000_000_000)
      nanoseconds = overflow ? .max : product.addingReportingOverflow(shifted).partialValue
    }
    let stamp = Nanoseconds(Int64(clamping: nanoseconds)) + .seconds(secondsOffset)
    return Instant(nanoseconds: max(0, stamp.count))
  }
}
