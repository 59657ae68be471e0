import Core

/// Points of time as logs write them, in nanoseconds since 1970. nil for what is none, and for years out of 1970...2200.
enum LogTime {
  /// A point of time and how finely it was written.
  struct Reading {
    var nanoseconds: Int64
    var grain: Int64
    /// What the written time is ahead of UTC, in nanoseconds; nil when no zone is written.
    var zone: Int64?
  }

  static let second: Int64 = 1_000_000_000

  /// `2026-01-15T12:30:45.123456Z`, a blank for the `T`, no fraction, `+02:00`, `+0000` or no zone (UTC) at the end.
  static func iso(_ bytes: RawSpan, _ range: ByteRange) -> Reading? {
    let start = range.start
    guard range.count >= 19, let year = bytes.digits(4, at: start), let month = bytes.digits(2, at: start + 5),
      let day = bytes.digits(2, at: start + 8), let clock = clock(bytes, at: start + 11)
    else { return nil }
    let separator = bytes.byte(at: start + 4)
    guard separator == bytes.byte(at: start + 7), separator == UInt8(ascii: "-") || separator == UInt8(ascii: "/"),
      let days = days(year, month, day)
    else { return nil }
    return finished(bytes, from: start + 19, to: range.end, days: days, clock: clock)
  }

  /// `15/Jan/2026:12:30:45 +0000`, `15/Jan/2026:12:30:45.361`.
  @inline(__always)
  static func common(_ bytes: RawSpan, _ range: ByteRange) -> Reading? {
    let start = range.start
    guard range.count >= 20, let day = bytes.digits(2, at: start), let month = month(bytes, at: start + 3),
      let year = bytes.digits(4, at: start + 7), let clock = clock(bytes, at: start + 12),
      let days = days(year, month, day)
    else { return nil }
    return finished(bytes, from: start + 20, to: range.end, days: days, clock: clock)
  }

  /// `Thu Jan 15 12:30:45.123456 2026`, as Apache's error log has it. The zone is not written; UTC is assumed.
  static func apacheError(_ bytes: RawSpan, _ range: ByteRange) -> Reading? {
    let start = range.start
    guard range.count >= 24, let month = month(bytes, at: start + 4), let day = bytes.digits(2, at: start + 8),
      let clock = clock(bytes, at: start + 11), let year = bytes.digits(4, at: range.end - 4),
      let days = days(year, month, day)
    else { return nil }
    return finished(bytes, from: start + 19, to: range.end - 5, days: days, clock: clock)
  }

  /// Seconds since 1970 with a fraction: `1768480245.12`; milliseconds when there are more than 11 digits.
  static func unix(_ bytes: RawSpan, _ range: ByteRange) -> Reading? {
    if range.count > 11, let milliseconds = bytes.number(range) {
      guard milliseconds < 9_000_000_000_000 else { return nil }
      return Reading(nanoseconds: Int64(milliseconds) &* 1_000_000, grain: 1_000_000, zone: 0)
    }
    guard let value = bytes.decimal(range, exponent: 9), value >= 0 else { return nil }
    let point = bytes.nearby(UInt8(ascii: "."), from: range.start, to: range.end)
    var grain = second
    if let point { for _ in 0..<Swift.min(9, range.end - point - 1) { grain /= 10 } }
    return Reading(nanoseconds: value, grain: Swift.max(grain, 1), zone: 0)
  }

  /// Whatever of these it is.
  static func any(_ bytes: RawSpan, _ range: ByteRange) -> Reading? {
    guard range.count >= 10 else { return nil }
    if bytes.byte(at: range.start) == UInt8(ascii: "[") { return any(bytes, range.dropping(first: 1)) }
    return iso(bytes, range) ?? common(bytes, range) ?? unix(bytes, range)
  }

  /// The first time that stands in the head of a line, in brackets or not.
  static func search(_ bytes: RawSpan, _ line: ByteRange) -> Reading? {
    let end = Swift.min(line.end, line.start + 200)
    var offset = line.start
    while offset + 19 <= end {
      let isDigit = bytes.byte(at: offset) &- 0x30 <= 9
      guard isDigit, offset == line.start || bytes.byte(at: offset - 1) &- 0x30 > 9 else {
        offset += 1
        continue
      }
      let part = ByteRange(from: offset, to: Swift.min(line.end, offset + 36))
      if let reading = iso(bytes, part) ?? common(bytes, part) { return reading }
      offset += 1
    }
    let head = ByteRange(from: line.start, to: bytes.nearby(0x20, from: line.start, to: end) ?? line.start)
    return head.count >= 10 ? unix(bytes, head) : nil
  }

  // MARK: - Parts

  @inline(__always)
  private static func clock(_ bytes: RawSpan, at offset: Int) -> Int64? {
    guard let hour = bytes.digits(2, at: offset), let minute = bytes.digits(2, at: offset + 3),
      let second = bytes.digits(2, at: offset + 6), hour < 24, minute < 60, second < 61
    else { return nil }
    return Int64(hour * 3_600 + minute * 60 + second)
  }

  /// Fraction and zone behind the seconds.
  @inline(__always)
  private static func finished(
    _ bytes: RawSpan, from start: Int, to end: Int, days: Int64, clock: Int64
  ) -> Reading? {
    var offset = start
    var fraction: Int64 = 0
    var grain = second
    if offset < end, bytes.byte(at: offset) == UInt8(ascii: ".") || bytes.byte(at: offset) == UInt8(ascii: ",") {
      offset &+= 1
      while offset < end {
        let digit = bytes.byte(at: offset) &- 0x30
        guard digit <= 9 else { break }
        if grain > 1 {
          grain /= 10
          fraction &+= Int64(digit) &* grain
        }
        offset &+= 1
      }
    }
    var zone: Int64?
    if offset < end, bytes.byte(at: offset) == 0x20 { offset &+= 1 }
    if offset &+ 5 <= end {
      let sign = bytes.byte(at: offset)
      if sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), let hours = bytes.digits(2, at: offset &+ 1) {
        let colon = bytes.byte(at: offset &+ 3) == UInt8(ascii: ":") ? 1 : 0
        guard let minutes = bytes.digits(2, at: offset &+ 3 &+ colon), hours < 24, minutes < 60 else { return nil }
        zone = Int64(hours * 3_600 + minutes * 60) * (sign == UInt8(ascii: "-") ? -1 : 1)
      }
    }
    return Reading(
      nanoseconds: (days &* 86_400 &+ clock &- (zone ?? 0)) &* second &+ fraction, grain: grain,
      zone: zone.map { $0 &* second })
  }

  /// Days from 1970 to a date of the Gregorian calendar (eras of 400 years that begin in March).
  @inline(__always)
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64? {
    guard (1970...2200).contains(year), (1...12).contains(month), (1...31).contains(day) else { return nil }
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted % 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return Int64(era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468)
  }

  @inline(__always)
  private static func month(_ bytes: RawSpan, at offset: Int) -> Int? {
    guard offset &+ 3 <= bytes.byteCount else { return nil }
    let name =
      UInt32(bytes.byte(at: offset)) << 16 | UInt32(bytes.byte(at: offset &+ 1)) << 8
      | UInt32(bytes.byte(at: offset &+ 2))
    switch name {
    case 0x4a616e: return 1
    case 0x466562: return 2
    case 0x4d6172: return 3
    case 0x417072: return 4
    case 0x4d6179: return 5
    case 0x4a756e: return 6
    case 0x4a756c: return 7
    case 0x417567: return 8
    case 0x536570: return 9
    case 0x4f6374: return 10
    case 0x4e6f76: return 11
    case 0x446563: return 12
    default: return nil
    }
  }
}
