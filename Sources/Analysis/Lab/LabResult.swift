package import Core

/// What one run counted.
package struct LabMeasurement: Equatable, Sendable {
  package struct Count: Equatable, Sendable {
    package var name: String
    package var count: Int

    package init(name: String, count: Int) {
      self.name = name
      self.count = count
    }
  }

  /// Requests that left after the same idle time, more or less.
  package struct Gap: Equatable, Sendable {
    package var from: Nanoseconds
    package var width: Nanoseconds
    package var sent: Int
    package var failed: Int

    package init(from: Nanoseconds, width: Nanoseconds, sent: Int, failed: Int) {
      self.from = from
      self.width = width
      self.sent = sent
      self.failed = failed
    }
  }

  package var sent = 0
  package var answered = 0
  package var failed = 0
  /// How requests failed, most often first.
  package var failures: [Count] = []
  package var applied = 0
  package var appliedTwice = 0
  package var lost = 0
  package var failedButApplied = 0
  package var answeredButNotApplied = 0
  package var died = 0
  package var failedWithoutDeath = 0
  package var warmUps = 0
  package var failedWarmUps = 0
  /// Sent again by the clients.
  package var retries = 0
  package var medianLatency = Nanoseconds.zero
  package var highLatency: Nanoseconds?
  package var slowestLatency = Nanoseconds.zero
  package var gaps: [Gap] = []
  /// How long the server was measured to keep idle connections; nil when it was not looked for.
  package var serverIdle: Nanoseconds?
  /// Connections that the server accepted; nil where they cannot be told from others.
  package var connections: Int?
  /// CPU time of the proxy's processes.
  package var processorTime: Nanoseconds?
  /// Of the machine's CPU time meanwhile, what programs had that are none of the lab's; nil when it cannot be told.
  package var foreignShare: Double?
  package var duration = Nanoseconds.zero

  package init() {}

  package var failedPerThousand: Double { sent > 0 ? 1_000 * Double(failed) / Double(sent) : 0 }

  package subscript(measure: LabExpectation.Measure) -> Int? {
    switch measure {
    case .failed: failed
    case .lost: lost
    case .twice: appliedTwice
    case .poisoned: answeredButNotApplied
    case .failedWithoutDeath: failedWithoutDeath
    case .connections: connections
    case .applied: applied
    case .answers: failed
    }
  }
}

/// How one run ended.
package struct LabResult: Equatable, Sendable {
  package enum Outcome: Equatable, Sendable {
    case asExpected(LabMeasurement)
    /// - Parameter differences: a sentence each.
    case differed(LabMeasurement, differences: [String])
    /// It could not be run: why, and what would help.
    case notRun(reason: String)
  }

  package var run: LabRun
  package var outcome: Outcome

  package init(run: LabRun, outcome: Outcome) {
    self.run = run
    self.outcome = outcome
  }

  /// Holds a measurement against what the run expects.
  package init(run: LabRun, measurement: LabMeasurement) {
    self.run = run
    let differences = run.expectations.compactMap { $0.difference(from: measurement) }
    outcome =
      differences.isEmpty ? .asExpected(measurement) : .differed(measurement, differences: differences)
  }

  package var measurement: LabMeasurement? {
    switch outcome {
    case .asExpected(let measurement), .differed(let measurement, _): measurement
    case .notRun: nil
    }
  }
}

/// All of one call of the lab.
package struct LabReport: Equatable, Sendable {
  package struct Version: Equatable, Sendable {
    package var name: String
    package var text: String

    package init(name: String, text: String) {
      self.name = name
      self.text = text
    }
  }

  /// The command line that made it.
  package var command: String
  /// When it began; since 1970.
  package var began: Instant
  package var machine: String
  package var versions: [Version]
  package var scenarios: [LabScenario]
  package var results: [LabResult]
  package var isInterrupted = false
  /// What could not be done on this machine; nil when all could.
  package var limits: String?
  /// Of the machine's CPU time from first to last run, what programs had that are none of the lab's.
  package var foreignShare: Double?

  package init(
    command: String, began: Instant, machine: String, versions: [Version], scenarios: [LabScenario],
    results: [LabResult]
  ) {
    self.command = command
    self.began = began
    self.machine = machine
    self.versions = versions
    self.scenarios = scenarios
    self.results = results
  }

  package var asExpected: Int { results.count { if case .asExpected = $0.outcome { true } else { false } } }
  package var differed: Int { results.count { if case .differed = $0.outcome { true } else { false } } }
  package var notRun: Int { results.count { if case .notRun = $0.outcome { true } else { false } } }

  /// 0 all as expected, 1 something differed, 3 something could not be run.
  package var exitCode: Int32 { differed > 0 ? 1 : notRun > 0 || isInterrupted ? 3 : 0 }
}
