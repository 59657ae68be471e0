extension Nanoseconds {
  /// For people, to three figures: `4.98 s`, `25.1 ms`, `0.4 ms`. Seconds up to an hour, then hours.
  package var spoken: String {
    if self == .unlimited { return "no limit" }
    let length = count.magnitude
    let sign = count < 0 ? "-" : ""
    if length >= 3_600_000_000_000 { return sign + Nanoseconds.threeFigures(length, unit: 3_600_000_000_000) + " h" }
    // What would round up to 1000 ms is a second.
    if length >= 999_500_000 { return sign + Nanoseconds.threeFigures(length, unit: 1_000_000_000) + " s" }
    return sign + Nanoseconds.threeFigures(length, unit: 1_000_000) + " ms"
  }

  /// `length` in `unit`s, rounded to three figures and at most two decimals, without trailing zeros.
  private static func threeFigures(_ length: UInt64, unit: UInt64) -> String {
    let decimals: UInt64 = length >= 100 * unit ? 1 : length >= 10 * unit ? 10 : 100
    let scaled = (length / unit) * decimals + ((length % unit) * decimals + unit / 2) / unit
    let whole = scaled / decimals
    let rest = scaled % decimals
    guard rest > 0 else { return "\(whole)" }
    var digits = decimals == 100 && rest < 10 ? "0\(rest)" : "\(rest)"
    if digits.hasSuffix("0") { digits.removeLast() }
    return "\(whole).\(digits)"
  }
}
