package import Core

/// The defaults of known servers that an estimate of an idle timeout comes near: they tell what to look for, and where it is set.
package struct LogDefaultMatch: Sendable {
  private static let maximumNames = 4

  package let timeout: Nanoseconds
  /// The newest row of each software.
  package let facts: [TimerFact]

  /// nil when the estimate is weak, or no default is near it.
  package init?(_ estimate: LogIdleEstimate, grain: Int64) {
    guard estimate.confidence > .low else { return nil }
    let width = max(grain, estimate.timeout.count / 40, 60_000_000)
    var near: [(distance: Int64, fact: TimerFact)] = []
    for fact in FactTable.rows where fact.role == .clientIdle {
      guard case .time(let time) = fact.value, time.count >= estimate.earliest.count - width,
        time.count <= estimate.latest.count + width
      else { continue }
      near.append((abs(time.count - estimate.timeout.count), fact))
    }
    guard let best = near.map(\.distance).min(), let time = near.first(where: { $0.distance == best })?.fact.value.time
    else { return nil }
    var facts: [TimerFact] = []
    for (_, fact) in near where fact.value.time == time && !facts.contains(where: { $0.software == fact.software }) {
      facts.append(fact)
    }
    timeout = time
    self.facts = facts
  }

  /// `5.00 s is the default of Node.js (keepAliveTimeout), uvicorn (--timeout-keep-alive) and 2 more`
  package var text: String {
    let names = facts.prefix(LogDefaultMatch.maximumNames).map { fact in
      fact.software.title + (fact.setting.isEmpty ? "" : " (\(fact.setting))")
    }
    var list = names.joined(separator: ", ")
    if facts.count > LogDefaultMatch.maximumNames {
      list += " and \(facts.count - LogDefaultMatch.maximumNames) more"
    } else if let last = names.last, names.count > 1 {
      list = names.dropLast().joined(separator: ", ") + " and " + last
    }
    return "\(Display.duration(timeout)) is the default of \(list)"
  }
}
