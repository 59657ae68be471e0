internal import Core

/// What a run came to.
package struct CheckReport: Sendable {
  package var reading: CheckReading
  package var hops: [CheckHop]
  package var findings: [CheckFinding] = []
  /// Pools whose servers are not in these files.
  package var lonelyPools: [CheckedPool] = []
  /// Files of a language that is known.
  package var fileCount: Int
  /// Hops, and servers without a front, about which something could be said.
  package var judged = 0
  /// Requests a second, for the expected number of failures; nil where nobody gave it.
  package var requestsPerSecond: Double?
  /// Findings that a comment in the file or a baseline keeps quiet.
  package var suppressed = 0

  init(reading: CheckReading, hops: [CheckHop], files: Int) {
    self.reading = reading
    self.hops = hops
    fileCount = files
  }

  mutating func judge(_ joiner: ChainJoiner) {
    lonelyPools = joiner.lonelyPools
    var found = reading.findings
    let flipped = Set(
      reading.findings.filter { $0.rule == .poolWithoutEffect || $0.rule == .versionFlipsDefault }.map(\.place))
    for hop in hops {
      if hop.verdict != .open { judged += 1 }
      let isTold =
        flipped.contains {
          $0.file == hop.pool.place.file && $0.line >= hop.pool.place.line - 64 && $0.line <= hop.pool.place.line + 64
        } && hop.pool.title.contains("upstream")
      found += HopRules.findings(hop, hasFlipped: isTold)
    }
    if hops.isEmpty, reading.pools.isEmpty {
      let lonely = joiner.lonelyServers.filter { !$0.isProxy }
      judged += lonely.count { $0.idle.value != .unknown }
      found += LonelyRules.findings(lonely)
    }
    // Nothing is reused, or hardly for as long as any server keeps it.
    judged += joiner.lonelyPools.count {
      $0.use == .unused || !$0.idle.isAssumed && ($0.idle.value.length ?? .unlimited) < .seconds(5)
    }
    found += MiddleboxRules.findings(reading)
    var seen: Set<CheckFinding> = []
    findings = Array(found.filter { seen.insert($0).inserted }.sorted(by: Self.isBefore).prefix(CheckLimits.findings))
  }

  private static func isBefore(_ left: CheckFinding, _ right: CheckFinding) -> Bool {
    if left.level != right.level { return left.level > right.level }
    if left.place != right.place { return left.place < right.place }
    return left.rule.rawValue < right.rule.rawValue
  }

  /// Failures a day that a hop is expected to have.
  package func expected(_ hop: CheckHop) -> Double? {
    requestsPerSecond.flatMap { CheckPrediction.perDay(hop, requestsPerSecond: $0) }
  }

  package var isInconclusive: Bool { judged == 0 && findings.isEmpty }
}
