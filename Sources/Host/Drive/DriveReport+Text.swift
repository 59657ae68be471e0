internal import Core

extension DriveReport {
  /// Spans are in milliseconds. What cannot be known is null.
  package var json: String {
    func joined(_ value: Int) -> String { isJoined ? "\(value)" : "null" }
    return "{\"sent\":\(sent),\"answered\":\(answered),\"failed\":\(failed),\"failures\":\(Self.object(failures)),"
      + "\"applied\":\(joined(applied)),\"applied_twice\":\(joined(appliedTwice)),\"lost\":\(joined(lost)),"
      + "\"failed_but_applied\":\(joined(failedButApplied)),"
      + "\"answered_but_not_applied\":\(joined(answeredButNotApplied)),"
      + "\"died\":\(joined(died)),\"failed_without_death\":\(joined(failedWithoutDeath)),"
      + "\"warm_ups\":\(warmUps),\"failed_warm_ups\":\(failedWarmUps),"
      + "\"warm_up_failures\":\(Self.object(warmUpFailures)),"
      + "\"retried\":\(retried),\"retries\":\(retries),\"connects\":\(connects),\"idle_closes\":\(idleCloses),"
      + "\"unasked_answers\":\(unaskedAnswers),\"abandoned\":\(abandoned),"
      + "\"median_ms\":\(Self.milliseconds(latency.percentile(0.5))),"
      + "\"slowest_ms\":\(Self.milliseconds(latency.longest)),"
      + "\"latency_ms\":\(Self.percentiles(latency)),\"service_time_ms\":\(Self.percentiles(serviceTime)),"
      + "\"gap_width_ms\":\(Self.milliseconds(gaps.width)),\"gaps\":[\(gapsJSON)],"
      + "\"duration_s\":\(duration.inSeconds),\"stop\":\"\(stop.name)\"}"
  }

  private var gapsJSON: String {
    gaps.bins.map { "{\"from_ms\":\(Self.milliseconds($0.from)),\"sent\":\($0.sent),\"failed\":\($0.failed)}" }
      .joined(separator: ",")
  }

  private static func percentiles(_ latency: LatencyHistogram) -> String {
    let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)]
    return "{\"count\":\(latency.count),\"min\":\(milliseconds(latency.shortest)),"
      + "\"mean\":\(milliseconds(latency.mean)),"
      + shares.map { "\"\($0)\":\(milliseconds(latency.percentile($1)))," }.joined()
      + "\"max\":\(milliseconds(latency.longest))}"
  }

  private static func object(_ counts: [DriveEnd: Int]) -> String {
    "{" + counts.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
  }

  static func milliseconds(_ span: Nanoseconds) -> Double { Double(span.count / 1000) / 1000 }

  package var text: String {
    var lines = ["sent \(sent), answered \(answered), failed \(failed)"]
    if isJoined { lines[0] += ", lost \(lost), applied twice \(appliedTwice)" }
    for (end, count) in failures.sorted(by: { $0.key < $1.key }) { lines.append("  \(end): \(count)") }
    if isJoined {
      lines.append(
        "applied \(applied), failed but applied \(failedButApplied), answered but not applied \(answeredButNotApplied)")
      if died > 0 { lines.append("died with the upstream \(died), failed without that \(failedWithoutDeath)") }
    } else {
      lines.append("whether a request was lost or applied twice is not known: no ledger of the upstream")
    }
    if warmUps > 0 {
      lines.append("warm-ups \(warmUps), failed \(failedWarmUps)")
      for (end, count) in warmUpFailures.sorted(by: { $0.key < $1.key }) { lines.append("  \(end): \(count)") }
    }
    if retries > 0 { lines.append("requests sent again by their client \(retried), \(retries) times in all") }
    if unaskedAnswers > 0 { lines.append("answers that nobody had asked for \(unaskedAnswers)") }
    lines.append(latencyText)
    if failed > 0, gaps.bins.count > 1 { lines += gapLines }
    lines.append("took \(Self.rounded(duration)), client connections \(connects)" + stopText)
    return lines.joined(separator: "\n")
  }

  private var stopText: String {
    let rest = abandoned > 0 ? ", \(abandoned) requests abandoned" : ""
    return switch stop {
    case .completed: ""
    case .timeIsUp: "; stopped when its time was up"
    case .interrupted: "; interrupted\(rest)"
    case .targetGone(let end): "; stopped, since the target no longer answered (\(end))\(rest)"
    }
  }

  private var latencyText: String {
    guard latency.count > 0 else { return "latency: nothing was answered" }
    let parts = [("median", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("99.9 %", 0.999)]
    return "latency: " + parts.map { "\($0) \(Self.rounded(latency.percentile($1)))" }.joined(separator: ", ")
      + ", slowest \(Self.rounded(latency.longest))"
  }

  /// Three digits are enough to read.
  private static func rounded(_ span: Nanoseconds) -> String {
    let unit: Int64 = span.count < 1_000_000 ? 1_000 : span.count < 1_000_000_000 ? 10_000 : 10_000_000
    return Nanoseconds((span.count + unit / 2) / unit * unit).text
  }

  /// Failures by idle gap, as far as there are any: from the bin before the first to the one behind the last.
  private var gapLines: [String] {
    let failing = gaps.bins.indices.filter { gaps.bins[$0].failed > 0 }
    guard let first = failing.first, let last = failing.last else { return [] }
    let shown = max(0, first - 1)...min(gaps.bins.count - 1, last + 1)
    let most = gaps.bins[shown].map { Double($0.failed) / Double(max($0.sent, 1)) }.max() ?? 0
    return ["failed by idle gap (bins of \(gaps.width.text)):"]
      + gaps.bins[shown].map { bin in
        let share = Double(bin.failed) / Double(max(bin.sent, 1))
        let bar = String(repeating: "#", count: Int((share / max(most, 0.001) * 30).rounded()))
        let from = Self.padded(bin.from.text, 10)
        return "  \(from) \(Self.padded("\(bin.failed)", 6)) of \(Self.padded("\(bin.sent)", 6)) \(bar)"
      }
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
