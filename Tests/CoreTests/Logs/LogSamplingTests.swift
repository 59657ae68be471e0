import Core
import Testing

struct LogSamplingTests {
  private let identifiers = (0..<20_000).map { Array("request-\($0)".utf8) }

  @Test func oneOfOneIsAll() {
    #expect(identifiers.allSatisfy(LogSampling(oneOf: 1).takes))
    #expect(identifiers.allSatisfy(LogSampling(oneOf: 0).takes))
  }

  @Test(arguments: [UInt32(2), 10, 100])
  func takesItsShare(_ rate: UInt32) {
    let taken = Double(identifiers.count(where: LogSampling(oneOf: rate).takes))
    let expected = Double(identifiers.count) / Double(rate)
    // Five standard deviations of a fair draw; the draw is fixed, so this passes always or never.
    #expect(abs(taken - expected) < 5 * expected.squareRoot(), "\(taken) of \(expected)")
  }

  @Test func aCoarserSampleIsPartOfAFinerOne() {
    let fine = LogSampling(oneOf: 5)
    #expect(identifiers.filter(LogSampling(oneOf: 10).takes).allSatisfy(fine.takes))
  }

  /// Other machines and later versions must agree.
  @Test func staysTheSame() {
    let taken = (0..<64).filter { LogSampling(oneOf: 8).takes(Array("request-\($0)".utf8)) }
    #expect(taken == Self.known)
  }

  private static let known = [8, 12, 17, 18, 21, 25, 27, 41, 52, 58]
}
