import Analysis
import Foundation
import Testing

/// Against the C library's.
struct RealFunctionsTests {
  @Test func exponentials() {
    for x in stride(from: -740.0, through: 709, by: 0.37) {
      let told = RealFunctions.exponential(x)
      // Subnormal numbers have fewer digits.
      let precision = x < -700 ? 1e-2 : 1e-14
      #expect(abs(told - exp(x)) <= exp(x) * precision + Double.leastNonzeroMagnitude, "\(x)")
    }
    #expect(RealFunctions.exponential(800) == .infinity && RealFunctions.exponential(-800) == 0)
  }

  @Test func logarithms() {
    for power in stride(from: -300.0, through: 300, by: 0.13) {
      let x = pow(10, power)
      #expect(abs(RealFunctions.logarithm(x) - log(x)) <= 1e-14 * max(1, abs(log(x))), "\(x)")
    }
    #expect(RealFunctions.logarithm(1) == 0 && RealFunctions.logarithm(0) == -.infinity)
    #expect(RealFunctions.logarithm(-1).isNaN)
  }

  @Test func factorials() {
    for n in [0, 1, 2, 5, 19, 20, 21, 100, 1_000, 1_000_000] {
      let exact = logGamma(Double(n) + 1)
      #expect(abs(RealFunctions.logarithmOfFactorial(n) - exact) <= 1e-11 * max(1, exact), "\(n)")
    }
  }

  @Test(arguments: [0.01, 0.5, 3, 40, 700, 5_000])
  func poissonSums(mean: Double) {
    let top = Int(mean + 12 * mean.squareRoot() + 20)
    var sum = 0.0
    for n in 0...top {
      sum += exp(Double(n) * log(mean) - mean - logGamma(Double(n) + 1))
      #expect(abs(RealFunctions.poisson(atMost: n, mean: mean) - sum) < 1e-9, "\(n) of \(mean)")
    }
    for share in [0.025, 0.5, 0.975] {
      let n = RealFunctions.poissonQuantile(share, mean: mean)
      #expect(RealFunctions.poisson(atMost: n, mean: mean) >= share)
      #expect(n == 0 || RealFunctions.poisson(atMost: n - 1, mean: mean) < share)
    }
  }
}

private func logGamma(_ x: Double) -> Double {
  var sign: Int32 = 0
  // Safe: the sign is written to a local value.
  return unsafe lgamma_r(x, &sign)
}
