extension LogReport {
  /// Joins what was read of several files. Files that follow each other in time are one stream, in which a server's requests
  /// follow each other, too; files that overlap come from different places.
  package init(
    parts: [(name: String, tally: LogTally, problem: String?)], problems: [String], question: LogQuestion,
    witness: LogWitness? = nil
  ) {
    var notes = parts.map { FileNote(name: $0.name, tally: $0.tally, problem: $0.problem) }
    for problem in problems { notes.append(FileNote(name: problem, tally: LogTally(), problem: problem)) }
    self.init(LogReport.joined(parts), files: notes, question: question, witness: witness)
  }

  /// All parts as one, in order of time.
  private static func joined(_ parts: [(name: String, tally: LogTally, problem: String?)]) -> LogTally {
    var joined = LogTally()
    var last = Int64.min
    let order = parts.indices.sorted { (parts[$0].tally.first, $0) < (parts[$1].tally.first, $1) }
    for index in order {
      var tally = parts[index].tally
      tally.setFile(index)
      if tally.first < last { joined.streamEnded() }
      last = max(last, tally.last)
      joined.append(tally, keepsLines: true)
    }
    return joined
  }

  /// What the log of the layer behind is to be searched for: all but the parts that are of that layer.
  package static func inFront(_ tallies: [LogTally], _ behind: [Int]) -> LogTally {
    var joined = LogTally()
    for index in tallies.indices where !behind.contains(index) { joined.append(tallies[index], keepsLines: true) }
    return joined
  }

  /// The logs among these that are of a layer behind a balancer whose log is there, too: they show what arrived.
  package static func layersBehind(_ tallies: [LogTally]) -> [Int] {
    let balancers: Set<LogSource> = [.alb, .gcp, .cloudfront]
    func isOf(_ tally: LogTally, _ fits: (LogSource) -> Bool) -> Bool {
      LogSource.allCases.contains { fits($0) && tally.bySource[$0.index] > 0 }
    }
    let isBalanced = tallies.contains { isOf($0, balancers.contains) }
    guard isBalanced else { return [] }
    return tallies.indices.filter { index in
      !isOf(tallies[index]) { balancers.contains($0) || $0 == .nlb || $0.tellsCauses }
        && tallies[index].requests > 0
    }
  }

  /// Where a log of causes was read beside a log of requests: the question that asks for the answered requests among them.
  package static func questionForCauses(
    _ tallies: [LogTally], _ question: LogQuestion, companionsFollow: Bool = false
  ) -> LogQuestion? {
    var wanted: Set<UInt64> = []
    var hasCompanion = companionsFollow
    for tally in tallies {
      for failure in tally.failures where failure.source == .nginxError && failure.pairKey != 0 {
        wanted.insert(failure.pairKey)
      }
      hasCompanion =
        hasCompanion || tally.bySource[LogSource.apacheAccess.index] > 0
        || tally.bySource[LogSource.nginxAccess.index] > 0
    }
    guard hasCompanion, !wanted.isSubset(of: question.wanted) else { return nil }
    var again = question
    again.wanted = wanted
    return again
  }
}
