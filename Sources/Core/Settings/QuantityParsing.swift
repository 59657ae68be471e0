/// A text that is not the quantity it should be. `fact` says what is wrong, `fix` what would be right.
package struct QuantityError: Error, Equatable, Sendable, CustomStringConvertible {
  package var text: String
  package var fact: String
  package var fix: String
  package var description: String { "'\(text)' \(fact); \(fix)" }
}

extension Nanoseconds {
  /// Parses `250ms`, `5s`, `1.5s`, `2m`, `1h`, `100us`; a bare 0 is zero.
  package init(parsing text: String) throws(QuantityError) {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = text.dropFirst(digits.count)
    guard !digits.isEmpty else {
      throw QuantityError(text: text, fact: "is not a length of time", fix: "write for instance 500ms, 5s, 2m or 1h")
    }
    let scale: Double
    switch unit {
    case "us": scale = 1e3
    case "ms": scale = 1e6
    case "s": scale = 1e9
    case "m": scale = 60e9
    case "h": scale = 3_600e9
    case "" where digits == "0": scale = 1
    default:
      throw QuantityError(
        text: text, fact: unit.isEmpty ? "has no unit" : "has an unknown unit",
        fix: "write for instance 500ms, 5s, 2m or 1h")
    }
    guard let value = Double(digits), value.isFinite, value >= 0 else {
      throw QuantityError(text: text, fact: "is not a length of time", fix: "write for instance 500ms, 5s, 2m or 1h")
    }
    guard value * scale <= 9e18 else {
      throw QuantityError(text: text, fact: "is too long", fix: "the longest is 292 years")
    }
    // Rounded: 0.29 times a billion is not quite 290 million.
    self.init(Int64((value * scale).rounded()))
  }

  /// The shortest exact form with a unit, as ``init(parsing:)`` reads it.
  package var text: String {
    if self == .unlimited { return "unlimited" }
    if count == 0 { return "0s" }
    for (unit, scale) in [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)]
    where count % Int64(scale) == 0 {
      return "\(count / Int64(scale))\(unit)"
    }
    if abs(count) >= 1_000_000_000 { return "\(Self.fixed(inSeconds, 3))s" }
    if abs(count) >= 1_000_000 { return "\(Self.fixed(Double(count) / 1e6, 3))ms" }
    if abs(count) >= 1_000 { return "\(Self.fixed(Double(count) / 1e3, 1))us" }
    return "\(count)ns"
  }

  private static func fixed(_ value: Double, _ places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let rounded = (value * scale).rounded() / scale
    let text = "\(rounded)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

/// Parses `64k`, `10m`, `1g` (powers of 1024) or plain bytes.
package func byteCount(parsing text: String) throws(QuantityError) -> UInt64 {
  let digits = text.prefix { $0.isASCII && $0.isNumber }
  let scale: UInt64
  let unit = text.dropFirst(digits.count)
  guard !digits.isEmpty, unit.first != "." else {
    throw QuantityError(
      text: text, fact: "is not a whole number of bytes", fix: "write bytes, or for instance 64k, 10m, 1g")
  }
  switch unit.lowercased() {
  case "": scale = 1
  case "k", "kb", "kib": scale = 1 << 10
  case "m", "mb", "mib": scale = 1 << 20
  case "g", "gb", "gib": scale = 1 << 30
  default:
    throw QuantityError(text: text, fact: "has an unknown unit", fix: "write bytes, or for instance 64k, 10m, 1g")
  }
  guard let value = UInt64(digits) else {
    throw QuantityError(text: text, fact: "is too large", fix: "write bytes, or for instance 64k, 10m, 1g")
  }
  let (product, overflow) = value.multipliedReportingOverflow(by: scale)
  guard !overflow else { throw QuantityError(text: text, fact: "is too large", fix: "the largest is 2^64 - 1 bytes") }
  return product
}
