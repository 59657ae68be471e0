import Simulator
import Testing

/// Core's policy in simulated worlds. A failure prints the seed and the events before it; `simulate --seed N` replays it.
struct SimulationTests {
  /// Enough to meet every scene, and done within seconds.
  private static let seeds: Range<UInt64> = 0..<1_000
  /// A broken rule stops at the first world that shows it.
  private static let seedsForBrokenRules: Range<UInt64> = 0..<4_000

  @Test("No world breaks a promise, and every scene is met", .timeLimit(.minutes(5)))
  func fixedSeeds() {
    let survey = Simulation.survey(Self.seeds)
    if let seed = survey.firstSeed { Issue.record("\(Simulation.report(seed: seed))") }
    #expect(survey.coverage.missing == [], "a scene that no world shows is not tested")
  }

  @Test("A seed is a whole run: twice the same, event by event")
  func repeatable() {
    for seed in UInt64(0)..<40 {
      let first = Simulation.run(seed: seed, traced: true)
      let second = Simulation.run(seed: seed, traced: true)
      #expect(first.trace == second.trace, "seed \(seed)")
      #expect(first.coverage.events == second.coverage.events, "seed \(seed)")
    }
  }

  @Test("The ledger catches every rule that is broken on purpose", arguments: BrokenRule.allCases)
  func brokenRule(rule: BrokenRule) {
    let survey = Simulation.survey(Self.seedsForBrokenRules, broken: rule)
    #expect(survey.firstSeed != nil, "\(rule.rawValue) went unnoticed in \(Self.seedsForBrokenRules.count) worlds")
  }
}
