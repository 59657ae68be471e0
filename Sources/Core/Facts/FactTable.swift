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

  /// The default in common use: the newest row without a condition.
  package static func time(_ software: Software, _ role: TimerRole, version: SoftwareVersion? = nil) -> Nanoseconds? {
    fact(software, role, version: version)?.fact.value.time
  }
}
