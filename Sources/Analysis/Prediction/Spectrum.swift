/// A symmetric tridiagonal matrix A, taken apart: its eigenvalues, and what two vectors are in the basis of its eigenvectors.
///
/// With it, left' exp(-A t) right is a sum over the eigenvalues for any t at once. Implicit QL with shifts (Golub and Welsch 1969;
/// EISPACK's imtql2), applied to the two vectors instead of to the whole basis, so that it takes n^2 steps and not n^3.
struct Spectrum {
  private(set) var values: [Double]
  private var left: [Double]
  private var right: [Double]

  /// Rotations that one eigenvalue takes at most; three is usual.
  private static let roundLimit = 100

  /// - Parameters:
  ///   - diagonal: n numbers.
  ///   - beside: n - 1 numbers, that at i between i and i + 1.
  init(diagonal: [Double], beside: [Double], left: [Double], right: [Double]) {
    values = diagonal
    self.left = left
    self.right = right
    var beside = beside + [0]
    for low in values.indices {
      for _ in 0..<Self.roundLimit {
        let high = firstNegligible(beside, from: low)
        if high == low { break }
        rotate(&beside, low, high)
      }
    }
  }

  /// What the eigenvalue at `index` weighs.
  func product(_ index: Int) -> Double { left[index] * right[index] }

  private func firstNegligible(_ beside: [Double], from low: Int) -> Int {
    var index = low
    while index < values.count - 1 {
      let scale = abs(values[index]) + abs(values[index + 1])
      if abs(beside[index]) + scale == scale { break }
      index += 1
    }
    return index
  }

  private mutating func rotate(_ beside: inout [Double], _ low: Int, _ high: Int) {
    var g = (values[low + 1] - values[low]) / (2 * beside[low])
    var r = (g * g + 1).squareRoot()
    g = values[high] - values[low] + beside[low] / (g + (g < 0 ? -r : r))
    var sine = 1.0
    var cosine = 1.0
    var p = 0.0
    for index in stride(from: high - 1, through: low, by: -1) {
      let f = sine * beside[index]
      let b = cosine * beside[index]
      r = (f * f + g * g).squareRoot()
      beside[index + 1] = r
      if r == 0 {
        values[index + 1] -= p
        beside[high] = 0
        return
      }
      sine = f / r
      cosine = g / r
      g = values[index + 1] - p
      r = (values[index] - g) * sine + 2 * cosine * b
      p = sine * r
      values[index + 1] = g + p
      g = cosine * r - b
      Self.turn(&left, index, sine, cosine)
      Self.turn(&right, index, sine, cosine)
    }
    values[low] -= p
    beside[low] = g
    beside[high] = 0
  }

  private static func turn(_ vector: inout [Double], _ index: Int, _ sine: Double, _ cosine: Double) {
    let upper = vector[index + 1]
    let lower = vector[index]
    vector[index + 1] = sine * lower + cosine * upper
    vector[index] = cosine * lower - sine * upper
  }

  /// The integral of exp(-value t) over t from `from` to `to`, also for a value that rounding has made zero or less.
  static func integral(_ value: Double, from: Double, to: Double) -> Double {
    let width = to - from
    guard abs(value * width) > 1e-5 else {
      return RealFunctions.exponential(-value * from) * width * (1 - value * width / 2)
    }
    return (RealFunctions.exponential(-value * from) - RealFunctions.exponential(-value * to)) / value
  }
}
