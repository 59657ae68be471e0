import Testing

@testable import Core

@Suite("The budget for replays")
struct ReplayBudgetTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  private func takeAll(_ budget: inout ReplayBudget, proven: Bool, now: Instant) -> Int {
    var count = 0
    while budget.take(proven: proven, now: now) { count += 1 }
    return count
  }

  private func expectTakes(
    _ expected: Int, of budget: inout ReplayBudget, proven: Bool, now: Instant,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let count = takeAll(&budget, proven: proven, now: now)
    #expect(count == expected, sourceLocation: sourceLocation)
  }

  @Test("A burst on a large pool fits, and no more")
  func burst() {
    var budget = ReplayBudget()
    expectTakes(200, of: &budget, proven: false, now: start)
    var proven = ReplayBudget()
    expectTakes(2_000, of: &proven, proven: true, now: start)
  }

  @Test("Ten a second are added, up to the capacity")
  func steadyRate() {
    var budget = ReplayBudget()
    _ = takeAll(&budget, proven: false, now: start)
    expectTakes(0, of: &budget, proven: false, now: start.advanced(by: .milliseconds(99)))
    var slow = ReplayBudget()
    _ = takeAll(&slow, proven: false, now: start)
    expectTakes(30, of: &slow, proven: false, now: start.advanced(by: .seconds(3)))
    expectTakes(200, of: &slow, proven: false, now: start.advanced(by: .seconds(3_600)))
  }

  @Test("Time that is read often adds as much as time that is read seldom")
  func noRoundingAway() {
    var budget = ReplayBudget()
    _ = takeAll(&budget, proven: false, now: start)
    var taken = 0
    for step in 1...100_000 {
      if budget.take(proven: false, now: start.advanced(by: .microseconds(Int64(step) * 10))) { taken += 1 }
    }
    #expect(taken == 10)
  }

  @Test("One request in five may be replayed for ever without proof, and every request on proof")
  func share() {
    var budget = ReplayBudget()
    _ = takeAll(&budget, proven: false, now: start)
    var unproven = 0
    for _ in 0..<1_000 {
      budget.requestArrived()
      if budget.take(proven: false, now: start) { unproven += 1 }
    }
    #expect(unproven == 200)
    for _ in 0..<1_000 {
      budget.requestArrived()
      let taken = budget.take(proven: true, now: start)
      #expect(taken)
    }
  }

  @Test("A clock that stands still or goes back adds nothing")
  func backwards() {
    var budget = ReplayBudget()
    _ = takeAll(&budget, proven: false, now: start)
    expectTakes(0, of: &budget, proven: false, now: Instant(nanoseconds: 0))
  }
}
