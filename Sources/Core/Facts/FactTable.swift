/// The table of facts: every default that the tools assume stands here and nowhere else.
///
/// docs/manual/defaults.md is made from it.
package enum FactTable {
  package static let rows: [TimerFact] = proxies + cloud + servers + paths

  /// The rows about `role` of `software`, in the order of the table: the newest version first.
  package static func rows(_ software: Software, _ role: TimerRole) -> [TimerFact] {
    rows.filter { $0.software == software && $0.role == role }
  }

  /// The row that holds for `version`; where that is not known, the first, and whether others say something else.
  ///
  /// - Parameter condition: a row with this condition goes first; without one, rows without a condition.
  package static func fact(
    _ software: Software, _ role: TimerRole, version: SoftwareVersion? = nil, when condition: String = ""
  ) -> (fact: TimerFact, isUnsure: Bool)? {
    let all = rows(software, role).filter { $0.condition == condition }
    guard let version else {
      return all.first.map { ($0, Set(all.map(\.value)).count > 1) }
    }
    return all.first { $0.versions.contains(version) }.map { ($0, false) }
  }

  /// Servers that keep idle connections for `time` when nobody says otherwise, as they are called.
  package static func servers(keeping time: Nanoseconds, within error: Nanoseconds) -> [String] {
    let room = error + .milliseconds(100)
    var names: [String] = []
    for row in servers + proxies where row.role == .clientIdle {
      guard case .time(let usual) = row.value else { continue }
      // Node.js closes a second later than it announces.
      let closes = row.software == .node || row.software == .fastify ? [usual, usual + .seconds(1)] : [usual]
      guard closes.contains(where: { $0 < time + room && time < $0 + room }) else { continue }
      let name = row.software.title + (row.versions == .all ? "" : " \(row.versions.text)")
      if !names.contains(name) { names.append(name) }
    }
    return names
  }

  /// The default in common use: the newest row without a condition.
  package static func time(_ software: Software, _ role: TimerRole, version: SoftwareVersion? = nil) -> Nanoseconds? {
    fact(software, role, version: version)?.fact.value.time
  }
}
