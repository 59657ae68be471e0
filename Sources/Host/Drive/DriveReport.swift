package import Core

/// What a drive found, once its requests are joined with the upstream's ledger.
package struct DriveReport: Equatable, Sendable {
  /// Requests under test.
  package var sent = 0
  package var answered = 0
  /// Not answered with 2xx, whatever came instead.
  package var failed = 0
  /// Failed, by how.
  package var failures: [DriveEnd: Int] = [:]
  /// Different requests that the upstream has read completely.
  package var applied = 0
  package var appliedTwice = 0
  /// Neither answered nor applied: nobody has the request.
  package var lost = 0
  package var failedButApplied = 0
  package var answeredButNotApplied = 0
  /// Applied, and then died with the upstream by its script.
  package var died = 0
  /// Failed although the upstream did not die with them.
  package var failedWithoutDeath = 0
  /// Warm-up requests that were not answered.
  package var warmUpFailures: [DriveEnd: Int] = [:]
  package var warmUps = 0
  /// From a request under test to its answer.
  package var medianLatency = Nanoseconds.zero
  package var slowestLatency = Nanoseconds.zero

  package var failedWarmUps: Int { warmUpFailures.values.reduce(0, +) }

  package init() {}

  /// - Parameters:
  ///   - outcomes: each request's ID and end.
  ///   - ledger: the upstream's lines of JSON.
  package init(outcomes: [(id: String, end: DriveEnd)], ledger: String) {
    var times: [String: Int] = [:]
    var deaths: Set<String> = []
    for line in ledger.split(separator: "\n") {
      guard let id = Self.field("id", in: line) else { continue }
      times[id, default: 0] += 1
      if Self.field("answer", in: line) == "died" { deaths.insert(id) }
    }
    for (id, end) in outcomes {
      sent += 1
      let timesApplied = times[id] ?? 0
      if timesApplied > 0 { applied += 1 }
      if timesApplied > 1 { appliedTwice += 1 }
      if deaths.contains(id) { died += 1 }
      if end == .answered {
        answered += 1
        if timesApplied == 0 { answeredButNotApplied += 1 }
      } else {
        failed += 1
        failures[end, default: 0] += 1
        if timesApplied == 0 { lost += 1 } else { failedButApplied += 1 }
        if !deaths.contains(id) { failedWithoutDeath += 1 }
      }
    }
  }

  /// The text of a field whose value needs no escapes, as the IDs of this driver don't.
  private static func field(_ name: String, in line: Substring) -> String? {
    for mark in ["\"\(name)\":\"", "\"\(name)\": \""] {
      if let range = line.firstRange(of: mark) {
        return String(line[range.upperBound...].prefix { $0 != "\"" })
      }
    }
    return nil
  }

  package var json: String {
    "{\"sent\":\(sent),\"answered\":\(answered),\"failed\":\(failed),\"failures\":\(Self.object(failures)),"
      + "\"applied\":\(applied),\"applied_twice\":\(appliedTwice),\"lost\":\(lost),"
      + "\"failed_but_applied\":\(failedButApplied),\"answered_but_not_applied\":\(answeredButNotApplied),"
      + "\"died\":\(died),\"failed_without_death\":\(failedWithoutDeath),"
      + "\"warm_ups\":\(warmUps),\"failed_warm_ups\":\(failedWarmUps),"
      + "\"warm_up_failures\":\(Self.object(warmUpFailures)),"
      + "\"median_ms\":\(Self.milliseconds(medianLatency)),\"slowest_ms\":\(Self.milliseconds(slowestLatency))}"
  }

  private static func object(_ counts: [DriveEnd: Int]) -> String {
    "{" + counts.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
  }

  private static func milliseconds(_ span: Nanoseconds) -> Double { Double(span.count / 1000) / 1000 }

  package var text: String {
    var lines = [
      "sent \(sent), answered \(answered), failed \(failed), lost \(lost), applied twice \(appliedTwice)"
    ]
    for (end, count) in failures.sorted(by: { $0.key < $1.key }) { lines.append("  \(end): \(count)") }
    lines.append(
      "applied \(applied), failed but applied \(failedButApplied), answered but not applied \(answeredButNotApplied)")
    if died > 0 { lines.append("died with the upstream \(died), failed without that \(failedWithoutDeath)") }
    lines.append("warm-ups \(warmUps), failed \(failedWarmUps)")
    for (end, count) in warmUpFailures.sorted(by: { $0.key < $1.key }) { lines.append("  \(end): \(count)") }
    lines.append("latency: median \(medianLatency.text), slowest \(slowestLatency.text)")
    return lines.joined(separator: "\n")
  }
}
