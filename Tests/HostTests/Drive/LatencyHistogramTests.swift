import Core
import Host
import Testing

struct LatencyHistogramTests {
  /// Against the sorted values themselves.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func percentilesAreExactToOneInAHundred(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var histogram = LatencyHistogram()
    var values: [Int64] = []
    for _ in 0..<20_000 {
      // From nanoseconds to minutes, evenly over the powers of two.
      let bits = Int64.random(in: 0...36, using: &generator)
      let value = Int64.random(in: 0...(1 << bits), using: &generator)
      values.append(value)
      histogram.record(Nanoseconds(value))
    }
    values.sort()
    for share in [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1] {
      let exact = values[max(0, Int((share * Double(values.count)).rounded(.up)) - 1)]
      let told = histogram.percentile(share).count
      #expect(told >= exact && Double(told) <= Double(exact) * 1.008 + 1, "seed \(seed), share \(share)")
    }
    #expect(histogram.longest.count == values.last && histogram.shortest.count == values.first)
  }

  @Test func emptyOneSaysZero() {
    let histogram = LatencyHistogram()
    #expect(histogram.percentile(0.5) == .zero && histogram.mean == .zero && histogram.buckets.isEmpty)
  }

  @Test func mergesAsIfRecordedInOne() {
    var one = LatencyHistogram()
    var other = LatencyHistogram()
    var both = LatencyHistogram()
    for number in 1...1_000 as ClosedRange<Int64> {
      let span = Nanoseconds(number * number * 1_000)
      if number % 3 == 0 { one.record(span) } else { other.record(span) }
      both.record(span)
    }
    one.merge(other)
    #expect(one.percentile(0.9) == both.percentile(0.9) && one.count == both.count && one.mean == both.mean)
  }

  @Test func whatIsTooLongIsCounted() {
    var histogram = LatencyHistogram()
    histogram.record(.seconds(86_400))
    histogram.record(.zero - .seconds(1))
    #expect(histogram.count == 2 && histogram.longest == .seconds(86_400) && histogram.shortest == .zero)
    #expect(histogram.percentile(1) > .seconds(4_000))
  }
}
