package import Core

/// Times as configurations write them.
package enum DurationText {
  /// `60s`, `1m30s`, `500ms`, `1h`, `2.5s`, or a bare number in `unit`; nil when it is no time.
  ///
  /// - Parameter unit: what a number without a unit counts.
  package static func parse(_ text: String, unit: Nanoseconds) -> Nanoseconds? {
    let bytes = Array(text.utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: " ") })
    guard !bytes.isEmpty, bytes.count <= 32 else { return nil }
    var total = 0.0
    var offset = 0
    while offset < bytes.count {
      let start = offset
      while offset < bytes.count, isDigit(bytes[offset]) || bytes[offset] == UInt8(ascii: ".") { offset += 1 }
      guard offset > start, let number = Double(String(decoding: bytes[start..<offset], as: UTF8.self)) else {
        return nil
      }
      let unitStart = offset
      while offset < bytes.count, !isDigit(bytes[offset]), bytes[offset] != UInt8(ascii: ".") { offset += 1 }
      let name = String(decoding: bytes[unitStart..<offset], as: UTF8.self)
      guard let length = name.isEmpty ? Double(unit.count) : Self.length(name) else { return nil }
      total += number * length
    }
    guard total.isFinite, total < 9e18 else { return .unlimited }
    return Nanoseconds(Int64(total.rounded()))
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  private static func length(_ name: String) -> Double? {
    switch name {
    case "ns": 1
    case "us", "µs": 1e3
    case "ms": 1e6
    case "s", "sec", "secs", "second", "seconds", "S": 1e9
    case "m", "min", "mins", "minute", "minutes", "M": 60e9
    case "h", "hour", "hours", "H": 3_600e9
    case "d", "day", "days": 86_400e9
    case "w": 7 * 86_400e9
    default: nil
    }
  }

  /// `hh:mm:ss`, `d.hh:mm:ss`, as .NET writes it.
  package static func parseSpan(_ text: String) -> Nanoseconds? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 3, let minutes = Double(parts[1]), let seconds = Double(parts[2]) else { return nil }
    let head = parts[0].split(separator: ".")
    guard let hours = head.last.flatMap({ Double($0) }), head.count <= 2 else { return nil }
    let days = head.count == 2 ? Double(head[0]) ?? 0 : 0
    let total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    guard total >= 0, total < 1e9 else { return nil }
    return Nanoseconds(Int64(total * 1e9))
  }

  /// As it is written in a configuration that takes units: `12s`, `1500ms`.
  package static func written(_ time: Nanoseconds) -> String {
    let milliseconds = time.milliseconds
    return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
  }
}
