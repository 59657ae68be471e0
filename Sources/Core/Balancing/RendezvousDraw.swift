/// What a server draws for a key, and how draws of different weights compare.
///
/// With u even in (0, 1), the greatest of `-weight / ln u` falls to each server as often as its weight is in the sum of all
/// (the method of logarithms for weighted rendezvous hashing). The logarithm is computed here from sums and products alone,
/// which IEEE 754 fixes to the bit, so all machines agree.
enum RendezvousDraw {
  @inline(__always)
  static func number(key: UInt64, identity: UInt64) -> UInt64 {
    var mixed = key ^ identity
    mixed = (mixed ^ (mixed &>> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed &>> 27)) &* 0x94D0_49BB_1331_11EB
    mixed = (mixed ^ (mixed &>> 31)) &+ identity
    mixed = (mixed ^ (mixed &>> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed &>> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed &>> 31)
  }

  @inline(__always)
  static func isGreater(_ draw: UInt64, _ weight: UInt64, _ other: UInt64, _ otherWeight: UInt64) -> Bool {
    // Of equal weights the greater number has the greater score.
    if weight == otherWeight { return draw > other }
    return score(draw, weight) > score(other, otherWeight)
  }

  static func score(_ draw: UInt64, _ weight: UInt64) -> Double {
    Double(weight) / -logarithm((Double(draw >> 11) + 0.5) * 0x1p-53)
  }

  /// The natural logarithm of a normal positive number, to about 1e-12.
  static func logarithm(_ value: Double) -> Double {
    var exponent = Double(value.exponent)
    var significand = value.significand
    if significand > 1.414_213_562_373_095_1 {
      significand *= 0.5
      exponent += 1
    }
    // ln m = 2 artanh((m - 1) / (m + 1)), with an argument below 0.1716.
    let argument = (significand - 1) / (significand + 1)
    let square = argument * argument
    var sum = 0.0
    var divisor = 15.0
    while divisor > 0 {
      sum = sum * square + 1 / divisor
      divisor -= 2
    }
    return exponent * 0.693_147_180_559_945_3 + 2 * argument * sum
  }
}
