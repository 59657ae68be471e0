internal import ArgumentParser
internal import Simulator

/// Runs simulated worlds by the thousand and stops at the first one that breaks a promise.
@main
struct Simulate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Run the proxy's policy against simulated networks, servers and clients.",
    discussion: """
      Every seed is a world of its own. A violation is printed with its seed and the events that led to it; the same
      seed and the same commit replay it. Exits with 1 on a violation, or when --broken was not caught.
      """)

  @Option(help: "The first seed; without --runs the only one, with all its events.")
  var seed: UInt64?

  @Option(help: "How many seeds to run, from the first one on.")
  var runs: UInt64?

  @Option(help: "Threads to run on.")
  var threads: Int = 1

  @Option(
    help:
      "Break a rule on purpose and expect to be caught: \(BrokenRule.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var broken: BrokenRule?

  @Flag(help: "Go on after a violation, and list all kinds of them at the end.")
  var survey = false

  @Option(help: "Events to print before a violation.")
  var events: Int = 100

  @Flag(help: "Say nothing until the end.")
  var quiet = false

  /// Seeds that one thread runs before it reports.
  private static let batch: UInt64 = 1_000

  func validate() throws {
    if threads < 1 { throw ValidationError("--threads needs at least 1") }
  }

  func run() async throws {
    if let seed, runs == nil {
      let outcome = Simulation.run(seed: seed, broken: broken)
      print(Simulation.report(seed: seed, broken: broken, events: events))
      if outcome.violation != nil { throw ExitCode(1) }
      return
    }
    let first = seed ?? 0
    let total = runs ?? 10_000
    let clock = ContinuousClock()
    let start = clock.now
    var result = Simulation.Survey()
    var lastReport = start
    await withTaskGroup(of: Simulation.Survey.self) { group in
      var next = first
      let end = first + total
      func addBatch() {
        guard next < end, survey || result.firstSeed == nil else { return }
        let range = next..<min(next + Self.batch, end)
        next = range.upperBound
        let broken = broken
        let survey = survey
        group.addTask { Simulation.survey(range, broken: broken, goesOn: survey) }
      }
      for _ in 0..<threads { addBatch() }
      for await found in group {
        result.add(found)
        if !quiet, clock.now - lastReport > .seconds(5) {
          lastReport = clock.now
          let runs = result.coverage.runs
          print("\(runs) of \(total) seeds, \(rate(runs, clock.now - start)) a second")
        }
        addBatch()
      }
    }
    summarise(result.coverage, clock.now - start)
    if survey {
      for violation in result.violations {
        print("\(violation.count) times, first seed \(violation.seed): \(violation.kind)")
      }
    } else if let seed = result.firstSeed {
      print(Simulation.report(seed: seed, broken: broken, events: events))
    }
    let isCaught = result.firstSeed != nil
    if let broken, !isCaught { print("the broken rule \(broken.rawValue) was not caught") }
    if isCaught != (broken != nil) { throw ExitCode(1) }
  }

  private func rate(_ count: Int, _ duration: Duration) -> Int {
    Int(Double(count) / max(1e-9, duration / .seconds(1)))
  }

  private func summarise(_ coverage: Coverage, _ duration: Duration) {
    if quiet, broken != nil { return }
    print(
      "\(coverage.runs) seeds, \(coverage.requests) requests, \(coverage.events) events in "
        + "\(Double(Int(duration / .milliseconds(1))) / 1_000) s: \(rate(coverage.runs, duration)) seeds a second")
    for scene in Scene.allCases {
      let name = "\(scene)"
      print("  \(name)\(String(repeating: " ", count: max(1, 32 - name.count)))\(coverage[scene])")
    }
  }
}

extension BrokenRule: ExpressibleByArgument {}
