internal import Glibc

/// Content in which a piece that is lost, repeated or moved shows: it repeats after a number of bytes that no buffer's size is a
/// multiple of.
package enum SampleBytes {
  package static let period = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

  package static func make(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count + period.count <= count { bytes += period }
    return bytes + period.prefix(count - bytes.count)
  }

  /// Whether `bytes` are what stands at `offset` of a long sample.
  package static func match(_ bytes: [UInt8], at offset: Int) -> Bool {
    var checked = 0
    while checked < bytes.count {
      let start = (offset + checked) % period.count
      let count = min(bytes.count - checked, period.count - start)
      // Safe: both ranges lie within their arrays.
      let isSame = unsafe bytes.withUnsafeBytes { mine in
        unsafe period.withUnsafeBytes {
          unsafe memcmp(mine.baseAddress! + checked, $0.baseAddress! + start, count) == 0
        }
      }
      guard isSame else { return false }
      checked += count
    }
    return true
  }
}
