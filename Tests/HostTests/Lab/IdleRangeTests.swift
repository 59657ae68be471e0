import Core
import Host
import Testing

struct IdleRangeTests {
  private func range(_ milliseconds: [Int64]) -> IdleRange { IdleRange(ages: milliseconds.map { .milliseconds($0) }) }

  @Test func fewAgesThatWereSeenLateMoveNothing() {
    let range = range([2_000, 2_001, 2_000, 2_001, 2_000, 2_000, 2_001, 2_000, 2_150, 2_400])
    #expect(range.middle <= .milliseconds(2_001) && range.middle >= .milliseconds(2_000))
    #expect(range.deviation < .milliseconds(1))
  }

  @Test func aServerThatLooksOnceASecondHasAWideRange() {
    let range = range(Array(stride(from: 2_000, through: 3_000, by: 25)))
    #expect(range.middle == .milliseconds(2_500))
    #expect(range.deviation > .milliseconds(100) && range.deviation < .milliseconds(250))
  }

  @Test func oneAgeIsEnough() {
    #expect(range([75_000]).middle == .seconds(75) && range([75_000]).deviation == .zero)
  }
}
