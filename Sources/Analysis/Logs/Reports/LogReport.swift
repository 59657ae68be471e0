import Core

/// All that the logs say: what every output shows.
package struct LogReport: Sendable {
  package struct FileNote: Sendable {
    package var name: String
    package var lines: Int
    package var unknownLines: Int
    package var overlongLines: Int
    package var samples: [(line: Int, text: String)]
    package var sources: [LogSource]
    package var problem: String?

    package init(name: String, tally: LogTally, problem: String?) {
      self.name = name
      lines = tally.lines
      unknownLines = tally.unknownLines
      overlongLines = tally.overlongLines
      samples = tally.unknownSamples
      sources = LogSource.allCases.filter { tally.bySource[$0.index] > 0 }
      self.problem = problem
    }
  }

  package struct Server: Sendable {
    package var name: String
    package var requests: Int
    package var classes: [Int]
    package var gaps: AgeHistogram
    package var raceGaps: AgeHistogram
    package var estimate: LogIdleEstimate?
    /// Whose default the estimate comes near.
    package var defaultMatch: LogDefaultMatch?
    package func count(_ kind: LogClass) -> Int { classes[kind.index] }
    package var failures: Int { classes.reduce(0, +) }
  }

  package private(set) var tally: LogTally
  package var files: [FileNote]
  package private(set) var failures: [LogFailure]
  package private(set) var classes = Array(repeating: 0, count: LogClass.count)
  package private(set) var confidences: [[Int]]
  package private(set) var unexplained = 0
  package private(set) var servers: [Server] = []
  package private(set) var restarts = 0
  package private(set) var hours: [(hour: Int64, figures: LogTally.Hour)] = []
  package let question: LogQuestion
  package let witness: LogWitness?
  /// Of the requests that might have been lost to the race: how many the application's log has, and how many it has not.
  package private(set) var seen = 0
  package private(set) var neverSeen = 0

  /// - Parameter witness: what the application's own log has of the failed requests; nil when none was given.
  package init(_ tally: LogTally, files: [FileNote], question: LogQuestion, witness: LogWitness? = nil) {
    var tally = tally
    tally.finish()
    tally.applyZone()
    self.witness = witness
    self.files = files
    self.question = question
    var pairing = LogPairing(tally.failures)
    var failures = pairing.paired()
    restarts = LogRestarts.mark(&failures)
    if let witness { (seen, neverSeen) = LogReport.hear(witness, &failures) }
    confidences = Array(repeating: Array(repeating: 0, count: 3), count: LogClass.count)
    for failure in failures {
      guard let kind = failure.kind else {
        unexplained += 1
        continue
      }
      classes[kind.index] += 1
      confidences[kind.index][LogReport.rank(failure.confidence)] += 1
    }
    for index in classes.indices { classes[index] += tally.overflow[index] }
    unexplained += tally.overflowUnexplained
    self.failures = failures
    self.tally = tally
    servers = LogReport.servers(tally, failures)
    hours = LogReport.hours(tally, failures)
  }

  /// What the application never saw was not handled; what it has in its log was.
  private static func hear(_ witness: LogWitness, _ failures: inout [LogFailure]) -> (seen: Int, neverSeen: Int) {
    var counts = (seen: 0, neverSeen: 0)
    for index in failures.indices where failures[index].kind == .race {
      guard let (isSeen, isByID) = witness.saw(failures[index]) else { continue }
      if isSeen {
        counts.seen += 1
        failures[index].kind = .died
        failures[index].confidence = isByID ? .high : .medium
        failures[index].reason = .seenByApplication
      } else {
        counts.neverSeen += 1
        failures[index].confidence = isByID ? .high : max(failures[index].confidence, .medium)
        failures[index].reason = .neverSeenByApplication
      }
    }
    return counts
  }

  package static func rank(_ confidence: LogConfidence) -> Int {
    switch confidence {
    case .low: 0
    case .medium: 1
    case .high: 2
    }
  }

  package func count(_ kind: LogClass) -> Int { classes[kind.index] }
  package var total: Int { classes.reduce(0, +) }
  package var races: Int { count(.race) }
  package var understoodLines: Int { tally.bySource.reduce(0, +) }

  /// 0 no race, 1 a race, 2 nothing readable, 3 nothing that could be judged.
  package var exitCode: Int32 {
    if races > 0 { return 1 }
    if understoodLines == 0 { return tally.outsideTime > 0 ? 3 : 2 }
    if total > 0 { return 0 }
    return unexplained > 0 || tally.requests == 0 ? 3 : 0
  }

  private static func servers(_ tally: LogTally, _ failures: [LogFailure]) -> [Server] {
    var servers = tally.servers.tallies.map { server in
      Server(
        name: Display.printable(server.name), requests: server.requests,
        classes: Array(repeating: 0, count: LogClass.count), gaps: server.gaps, raceGaps: AgeHistogram())
    }
    var gaps: [Int32: [Int64]] = [:]
    for failure in failures where failure.server >= 0 {
      guard let kind = failure.kind else { continue }
      let index = Int(failure.server)
      servers[index].classes[kind.index] += 1
      guard kind == .race else { continue }
      let age = failure.idleAge >= 0 ? failure.idleAge : failure.gap
      if age >= 0 {
        servers[index].raceGaps.add(Nanoseconds(age))
        gaps[failure.server, default: []].append(age)
      }
    }
    for (index, values) in gaps {
      servers[Int(index)].estimate = LogIdleEstimate(
        gaps: values, grain: tally.servers.tallies[Int(index)].grain, background: servers[Int(index)].gaps)
      servers[Int(index)].defaultMatch = servers[Int(index)].estimate.flatMap {
        LogDefaultMatch($0, grain: tally.servers.tallies[Int(index)].grain)
      }
    }
    return servers.filter { $0.requests > 0 || $0.failures > 0 }
      .sorted {
        ($1.count(.race), $1.failures, $1.requests, $0.name) < ($0.count(.race), $0.failures, $0.requests, $1.name)
      }
  }

  private static func hours(_ tally: LogTally, _ failures: [LogFailure]) -> [(hour: Int64, figures: LogTally.Hour)] {
    var hours = tally.hours
    for failure in failures where failure.hasTime {
      let hour = failure.time / 3_600_000_000_000
      hours[hour, default: LogTally.Hour()].failures += 1
      if failure.kind == .race { hours[hour, default: LogTally.Hour()].races += 1 }
    }
    return hours.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// Races per request in the quieter and in the busier half of the hours; nil when there are too few of either.
  package var rateByTraffic: (quiet: Double, busy: Double)? {
    let busyFirst = hours.filter { $0.figures.requests > 0 }.sorted {
      ($0.figures.requests, $0.hour) < ($1.figures.requests, $1.hour)
    }
    guard busyFirst.count >= 6, races >= 10 else { return nil }
    func rate(_ part: ArraySlice<(hour: Int64, figures: LogTally.Hour)>) -> Double {
      let requests = part.reduce(0) { $0 + $1.figures.requests }
      return Double(part.reduce(0) { $0 + $1.figures.races }) / Double(max(1, requests))
    }
    let middle = busyFirst.count / 2
    return (rate(busyFirst[..<middle]), rate(busyFirst[middle...]))
  }
}
