import Core
import Host
import Testing

@Suite struct SpanCountsTests {
  /// Every span is in the first bucket whose bound it does not exceed.
  @Test(arguments: [0, 1, 249_999, 250_000, 250_001, 500_000, 500_001, 3_000_000, 1 << 60, .max, -5])
  func countsUpToTheBound(_ nanoseconds: Int64) {
    var counts = SpanCounts.latency
    counts.record(Nanoseconds(nanoseconds))
    let span = Double(max(nanoseconds, 0)) / 1e9
    let expected = (0..<SpanCounts.size - 1).first { span <= counts.bound(of: $0) } ?? SpanCounts.size - 1
    #expect((0..<SpanCounts.size).filter { counts[$0] == 1 } == [expected])
    #expect(counts.count == 1 && counts.sum == Nanoseconds(max(nanoseconds, 0)))
  }

  @Test func boundsDouble() {
    #expect(SpanCounts.idleAge.bound(of: 0) == 0.001 && SpanCounts.idleAge.bound(of: 20) == 1048.576)
    #expect(SpanCounts.latency.bound(of: 2) == 0.001)
  }
}
