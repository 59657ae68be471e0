/// Runs worlds.
package enum Simulation {
  package struct Outcome: Sendable {
    package var violation: String?
    package var coverage: Coverage
    /// The last events in words, when they were asked for.
    package var trace: [String]
  }

  /// The world of one seed, from beginning to end.
  package static func run(seed: UInt64, broken: BrokenRule? = nil, traced: Bool = false) -> Outcome {
    run(Scenario.drawn(seed: seed), broken: broken, traced: traced)
  }

  package static func run(_ scenario: Scenario, broken: BrokenRule? = nil, traced: Bool = false) -> Outcome {
    let world = World(scenario, broken: broken, traced: traced)
    world.run()
    return Outcome(
      violation: world.ledger.violation, coverage: world.coverage, trace: world.trace?.last(Trace.limit) ?? [])
  }

  /// What a person needs to see of a violation: how to replay it, what was promised, and the events before it.
  package static func report(seed: UInt64, broken: BrokenRule? = nil, events: Int = 100) -> String {
    let outcome = run(seed: seed, broken: broken, traced: true)
    let scenario = Scenario.drawn(seed: seed)
    var text = "seed \(seed): \(outcome.violation ?? "no violation")\n"
    text += "replay: simulate --seed \(seed)\(broken.map { " --broken \($0.rawValue)" } ?? "")\n"
    text +=
      "path: \(scenario.path)\nserver: \(scenario.server)\nclients: \(scenario.clients)\nproxy: \(scenario.proxy)\n"
    for line in outcome.trace.suffix(events) { text += line + "\n" }
    return text
  }

  /// What a range of seeds came to.
  package struct Survey: Sendable {
    package var coverage = Coverage()
    /// The first seed of each kind of violation, and how many more there were, the lowest seed first.
    package private(set) var violations: [(kind: String, seed: UInt64, count: Int)] = []

    package init() {}

    package var firstSeed: UInt64? { violations.map(\.seed).min() }

    package mutating func add(_ other: Survey) {
      coverage.add(other.coverage)
      for violation in other.violations { add(violation.kind, violation.seed, violation.count) }
    }

    mutating func add(_ kind: String, _ seed: UInt64, _ count: Int) {
      if let known = violations.firstIndex(where: { $0.kind == kind }) {
        violations[known].seed = min(violations[known].seed, seed)
        violations[known].count += count
      } else {
        violations.append((kind, seed, count))
      }
    }
  }

  /// Runs `seeds`, until one violates a promise unless it shall go on.
  package static func survey(_ seeds: Range<UInt64>, broken: BrokenRule? = nil, goesOn: Bool = false) -> Survey {
    var survey = Survey()
    for seed in seeds {
      let outcome = run(seed: seed, broken: broken)
      survey.coverage.add(outcome.coverage)
      guard let violation = outcome.violation else { continue }
      // Two violations are of one kind when they differ in figures only.
      survey.add(kind(of: violation), seed, 1)
      if !goesOn { break }
    }
    return survey
  }

  private static func kind(of violation: String) -> String {
    let words = violation.split(separator: " ").map { word in
      word.contains(where: \.isNumber) && !word.contains(where: { $0.isLetter && $0 != "e" }) ? "N" : word
    }
    return words.joined(separator: " ")
  }
}
