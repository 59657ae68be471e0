/// The functions of real numbers that a prediction needs. This layer knows no C library, so they are worked out here.
package enum RealFunctions {
  private static let logarithmOfTwo = 0.693147180559945309417232121458
  // The same in two parts, the first of which has few enough digits to be multiplied exactly.
  private static let logarithmOfTwoHigh = 0.693147180369123816490
  private static let logarithmOfTwoLow = 1.90821492927058770002e-10

  /// e to the power of `x`, to about 15 digits.
  package static func exponential(_ x: Double) -> Double {
    guard x == x else { return .nan }
    if x > 709.7 { return .infinity }
    if x < -745 { return 0 }
    // x = k ln 2 + r with |r| <= 0.35, where the series converges fast.
    let k = (x / logarithmOfTwo).rounded()
    let r = x - k * logarithmOfTwoHigh - k * logarithmOfTwoLow
    var term = 1.0
    var sum = 1.0
    for n in 1...17 {
      term *= r / Double(n)
      sum += term
    }
    // In two steps, since 2^-1074 is subnormal.
    let half = Int(k) / 2
    return sum * Double(sign: .plus, exponent: half, significand: 1)
      * Double(sign: .plus, exponent: Int(k) - half, significand: 1)
  }

  /// The natural logarithm of a positive number, to about 15 digits; minus infinity for 0.
  package static func logarithm(_ x: Double) -> Double {
    if x == 0 { return -.infinity }
    guard x > 0, x.isFinite else { return x > 0 ? x : .nan }
    var exponent = Int(x.exponent)
    var significand = x.significand
    if significand > 1.4142135623730951 {
      significand /= 2
      exponent += 1
    }
    // ln s = 2 artanh((s - 1) / (s + 1)), with an argument of at most 0.18.
    let t = (significand - 1) / (significand + 1)
    let square = t * t
    var power = t
    var sum = 0.0
    for n in stride(from: 1, through: 25, by: 2) {
      sum += power / Double(n)
      power *= square
    }
    return 2 * sum + Double(exponent) * logarithmOfTwoLow + Double(exponent) * logarithmOfTwoHigh
  }

  /// The logarithm of n!, by Stirling's series with its first corrections where n is large enough for them.
  package static func logarithmOfFactorial(_ n: Int) -> Double {
    if n < 20 {
      var product = 1.0
      for factor in stride(from: 2, through: n, by: 1) { product *= Double(factor) }
      return logarithm(product)
    }
    let x = Double(n)
    let series = 1 / (12 * x) - 1 / (360 * x * x * x) + 1 / (1260 * x * x * x * x * x)
    return x * logarithm(x) - x + 0.5 * logarithm(2 * Double.pi * x) + series
  }

  /// The probability of `n` in a Poisson distribution.
  package static func poisson(_ n: Int, mean: Double) -> Double {
    if n < 0 { return 0 }
    if mean <= 0 { return n == 0 ? 1 : 0 }
    return exponential(Double(n) * logarithm(mean) - mean - logarithmOfFactorial(n))
  }

  /// The probability of `n` or less in a Poisson distribution; 0 for a negative `n`.
  package static func poisson(atMost n: Int, mean: Double) -> Double {
    if n < 0 { return 0 }
    // From the top down, until what is left does not count: the terms fall on the side on which the sum ends.
    if Double(n) < mean {
      var term = poisson(n, mean: mean)
      var sum = 0.0
      for index in stride(from: n, through: 0, by: -1) {
        sum += term
        if term < sum * 1e-17 { break }
        term *= Double(index) / mean
      }
      return sum
    }
    var term = poisson(n + 1, mean: mean)
    var tail = 0.0
    var index = n + 1
    while term > tail * 1e-17, term > 0 {
      tail += term
      index += 1
      term *= mean / Double(index)
    }
    return max(0, 1 - tail)
  }

  /// The smallest number that a Poisson variable does not exceed with probability `share`.
  package static func poissonQuantile(_ share: Double, mean: Double) -> Int {
    if mean <= 0 { return 0 }
    // Near enough by the normal distribution to begin with, then exactly by steps.
    var n = max(0, Int(mean + (share - 0.5) * 4 * mean.squareRoot()))
    while n > 0, poisson(atMost: n - 1, mean: mean) >= share { n -= 1 }
    while poisson(atMost: n, mean: mean) < share { n += 1 }
    return n
  }
}
