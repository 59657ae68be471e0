package import Logging
internal import Synchronization

/// swift-log's way to a ``LogWriter``: one line an event, the time first, and nothing that could make an event loop wait.
package struct ControlLogHandler: LogHandler {
  package var metadata: Logger.Metadata = [:]
  private let writer: LogWriter
  private let level: ControlLogLevel

  package init(writer: LogWriter, level: ControlLogLevel) {
    self.writer = writer
    self.level = level
  }

  /// One for all loggers that write here.
  package var logLevel: Logger.Level {
    get { level.level }
    set { level.level = newValue }
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var line = WallTime.text(ofNanoseconds: MonotonicClock.wallNanoseconds)
    line += " \(event.level) \(event.message)"
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    for (key, value) in all.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(value)" }
    writer.write(line)
  }
}

/// The least severe level that is written, which can change at any time and holds for every logger at once.
package final class ControlLogLevel: Sendable {
  private let place: Atomic<Int>

  package init(_ level: Logger.Level) { place = Atomic(Self.place(of: level)) }

  package var level: Logger.Level {
    // Relaxed: a line more or less while it changes is no harm.
    get { Logger.Level.allCases[place.load(ordering: .relaxed)] }
    set { place.store(Self.place(of: newValue), ordering: .relaxed) }
  }

  private static func place(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}

/// Wall-clock time as text: RFC 3339 in UTC with milliseconds.
package enum WallTime {
  package static func text(ofNanoseconds nanoseconds: Int64) -> String {
    var bytes: [UInt8] = []
    append(nanoseconds, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends 24 bytes, for instance `2026-01-31T23:59:59.123Z`.
  package static func append(_ nanoseconds: Int64, to bytes: inout [UInt8]) {
    let seconds = nanoseconds.quotient(flooredBy: 1_000_000_000)
    let milliseconds = (nanoseconds - seconds * 1_000_000_000) / 1_000_000
    let days = seconds.quotient(flooredBy: 86_400)
    let second = seconds - days * 86_400
    let (year, month, day) = civil(fromDays: days)
    pad(year, 4, &bytes)
    bytes.append(UInt8(ascii: "-"))
    pad(month, 2, &bytes)
    bytes.append(UInt8(ascii: "-"))
    pad(day, 2, &bytes)
    bytes.append(UInt8(ascii: "T"))
    pad(second / 3_600, 2, &bytes)
    bytes.append(UInt8(ascii: ":"))
    pad(second / 60 % 60, 2, &bytes)
    bytes.append(UInt8(ascii: ":"))
    pad(second % 60, 2, &bytes)
    bytes.append(UInt8(ascii: "."))
    pad(milliseconds, 3, &bytes)
    bytes.append(UInt8(ascii: "Z"))
  }

  /// The form of the Common Log Format, in UTC, for instance `10/Oct/2000:13:55:36 +0000`.
  package static func appendCommon(_ nanoseconds: Int64, to bytes: inout [UInt8]) {
    let seconds = nanoseconds.quotient(flooredBy: 1_000_000_000)
    let days = seconds.quotient(flooredBy: 86_400)
    let second = seconds - days * 86_400
    let (year, month, day) = civil(fromDays: days)
    pad(day, 2, &bytes)
    bytes.append(UInt8(ascii: "/"))
    bytes += Array(months[Int(month) - 1].utf8)
    bytes.append(UInt8(ascii: "/"))
    pad(year, 4, &bytes)
    for part in [second / 3_600, second / 60 % 60, second % 60] {
      bytes.append(UInt8(ascii: ":"))
      pad(part, 2, &bytes)
    }
    bytes += Array(" +0000".utf8)
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The form of the Date field (RFC 9110 section 5.6.7), for instance `Sun, 06 Nov 1994 08:49:37 GMT`.
  package static func httpDate(ofNanoseconds nanoseconds: Int64) -> [UInt8] {
    let seconds = nanoseconds.quotient(flooredBy: 1_000_000_000)
    let days = seconds.quotient(flooredBy: 86_400)
    let second = seconds - days * 86_400
    let (year, month, day) = civil(fromDays: days)
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    var bytes = Array("\(weekdays[Int((days % 7 + 7) % 7)]), ".utf8)
    pad(day, 2, &bytes)
    bytes += Array(" \(months[Int(month) - 1]) ".utf8)
    pad(year, 4, &bytes)
    bytes.append(0x20)
    pad(second / 3_600, 2, &bytes)
    bytes.append(UInt8(ascii: ":"))
    pad(second / 60 % 60, 2, &bytes)
    bytes.append(UInt8(ascii: ":"))
    pad(second % 60, 2, &bytes)
    bytes += Array(" GMT".utf8)
    return bytes
  }

  private static func pad(_ value: Int64, _ width: Int, _ bytes: inout [UInt8]) {
    var divisor: Int64 = 1
    for _ in 1..<width { divisor *= 10 }
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
      divisor /= 10
    }
  }

  /// The Gregorian date of a day counted from 1970-01-01: years are taken to begin in March, so that the leap day is last.
  private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = shifted.quotient(flooredBy: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }
}

extension Int64 {
  fileprivate func quotient(flooredBy divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
