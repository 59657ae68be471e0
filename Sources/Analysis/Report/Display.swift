package import Core

/// Lengths and points of time as people read them; the same in every output.
package enum Display {
  /// Three or four significant digits with a unit: `5.003 s`, `20.4 ms`, `312 us`.
  package static func duration(_ span: Nanoseconds) -> String {
    let count = span.count
    if count < 0 { return "-" + duration(Nanoseconds(count == .min ? .max : -count)) }
    switch count {
    case ..<1_000: return "\(count) ns"
    case ..<1_000_000: return decimal(Double(count) / 1e3, digits: count < 10_000 ? 1 : 0) + " us"
    case ..<1_000_000_000: return decimal(Double(count) / 1e6, digits: count < 100_000_000 ? 1 : 0) + " ms"
    case ..<120_000_000_000: return decimal(Double(count) / 1e9, digits: count < 10_000_000_000 ? 3 : 1) + " s"
    case ..<7_200_000_000_000: return decimal(Double(count) / 60e9, digits: 1) + " min"
    default: return decimal(Double(count) / 3_600e9, digits: 1) + " h"
    }
  }

  package static func decimal(_ value: Double, digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "?" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int64((abs(value) * scale).rounded())
    let whole = scaled / Int64(scale)
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return sign + String(whole) }
    let fraction = String(scaled % Int64(scale))
    return sign + String(whole) + "." + String(repeating: "0", count: digits - fraction.count) + fraction
  }

  /// The time of day in UTC with microseconds.
  package static func timeOfDay(_ time: Instant) -> String {
    let micros = time.nanoseconds / 1_000
    let seconds = micros / 1_000_000 % 86_400
    return "\(padded(seconds / 3_600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
      + ".\(padded(micros % 1_000_000, 6))"
  }

  /// RFC 3339, UTC, microseconds.
  package static func dateAndTime(_ time: Instant) -> String {
    let (year, month, day) = civil(daysSince1970: time.nanoseconds / 86_400_000_000_000)
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(timeOfDay(time))Z"
  }

  /// The point of time that `YYYY-MM-DDTHH:MM:SS[.fraction]Z` names; nil when the text is nothing like it.
  package static func instant(_ text: String) -> Instant? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes.last == UInt8(ascii: "Z") || bytes.last == UInt8(ascii: "z") else { return nil }
    func number(_ start: Int, _ count: Int) -> Int64? {
      var value: Int64 = 0
      for byte in bytes[start..<(start + count)] {
        guard byte >= 0x30, byte <= 0x39 else { return nil }
        value = value * 10 + Int64(byte - 0x30)
      }
      return value
    }
    guard let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
      let minute = number(14, 2), let second = number(17, 2), (1970...2200).contains(year), (1...12).contains(month),
      (1...31).contains(day), hour < 24, minute < 60, second < 61, bytes[4] == 0x2d, bytes[7] == 0x2d,
      bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: " "), bytes[13] == 0x3a, bytes[16] == 0x3a
    else { return nil }
    var fraction: Int64 = 0
    if bytes.count > 20 {
      let digits = min(bytes.count - 21, 9)
      guard bytes[19] == UInt8(ascii: "."), digits > 0, let value = number(20, digits) else { return nil }
      fraction = value
      for _ in digits..<9 { fraction *= 10 }
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
    return Instant(nanoseconds: seconds * 1_000_000_000 + fraction)
  }

  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted % 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  package static func padded(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return digits.count >= width ? digits : String(repeating: "0", count: width - digits.count) + digits
  }

  package static func count(_ count: Int, _ singular: String, _ plural: String? = nil) -> String {
    "\(grouped(count)) \(count == 1 ? singular : plural ?? singular + "s")"
  }

  package static func grouped(_ value: Int) -> String {
    let digits = Array(String(value))
    guard digits.count > 4 else { return String(value) }
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result.append(" ") }
      result.append(digit)
    }
    return result
  }

  /// The Gregorian date of a day number (the usual conversion by eras of 400 years that begin in March).
  private static func civil(daysSince1970: Int64) -> (Int64, Int64, Int64) {
    let shifted = daysSince1970 + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }
}

extension Display {
  /// Bytes of a message as text that is safe to print: control characters become question marks.
  package static func printable(_ bytes: some Sequence<UInt8>) -> String {
    var text = String.UnicodeScalarView()
    for scalar in String(decoding: Array(bytes), as: UTF8.self).unicodeScalars {
      let isControl = scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
      text.append(isControl ? "?" : scalar)
    }
    return String(text)
  }
}
