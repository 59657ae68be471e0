package import Core

/// Figures of one measurement that several reports show.
extension LabMeasurement {
  /// Between which failures of 1000 the true share lies with a confidence of 95 % (Wilson's interval), were the requests
  /// independent of each other.
  package var failureInterval: (low: Double, high: Double) {
    guard sent > 0 else { return (0, 0) }
    let (count, share, z) = (Double(sent), Double(failed) / Double(sent), 1.959964)
    let middle = share + z * z / (2 * count)
    let half = z * (share * (1 - share) / count + z * z / (4 * count * count)).squareRoot()
    let whole = 1 + z * z / count
    return (max(0, 1_000 * (middle - half) / whole), min(1_000, 1_000 * (middle + half) / whole))
  }

  /// All that the proxy had to do with: the requests under test and those that prepared them.
  private var exchanges: Int { sent + warmUps + retries }

  /// Connections that the server accepted for 1000 requests.
  package var connectionsPerThousand: Double? {
    guard let connections, exchanges > 0 else { return nil }
    return 1_000 * Double(connections) / Double(exchanges)
  }

  package var connectionsPerSecond: Double? {
    guard let connections, duration > .zero else { return nil }
    return Double(connections) / duration.inSeconds
  }

  /// CPU time of the proxy for one request.
  package var processorTimePerRequest: Nanoseconds? {
    guard let processorTime, exchanges > 0 else { return nil }
    return processorTime / Int64(exchanges)
  }

  /// How requests failed: `status 502: 73, reset: 2`.
  package func failureText(limit: Int = 3) -> String {
    failures.prefix(limit).map { "\($0.name): \($0.count)" }.joined(separator: ", ")
  }
}

/// A remedy, measured: what it did to the failures in the race, and what it costs in steady traffic.
package struct LabRemedy: Equatable, Sendable {
  package var label: String
  package var server: String
  package var proxy: String
  /// In the race.
  package var races: [LabResult] = []
  package var steady: LabResult?

  /// The remedies of all scenarios that measure both for each of their labels, in the order of the runs.
  package static func all(in report: LabReport) -> [LabRemedy] {
    var remedies: [LabRemedy] = []
    let measuring = Set(report.results.filter { $0.run.traffic == .steady && $0.run.label != nil }.map(\.run.scenario))
    let results = report.results.filter { measuring.contains($0.run.scenario) }.sorted {
      ($0.run.scenario, $0.run.number) < ($1.run.scenario, $1.run.number)
    }
    for result in results {
      guard let label = result.run.label else { continue }
      let (server, proxy) = (result.run.server?.description ?? "", result.run.proxy?.description ?? "")
      var index = remedies.firstIndex { $0.label == label && $0.server == server }
      if index == nil {
        remedies.append(LabRemedy(label: label, server: server, proxy: proxy))
        index = remedies.count - 1
      }
      guard let index else { continue }
      if result.run.traffic == .steady { remedies[index].steady = result } else { remedies[index].races.append(result) }
    }
    return remedies.filter { $0.steady != nil && !$0.races.isEmpty }
  }

  /// How many milliseconds the median of steady traffic lies above that of the first remedy for the same server, which is none.
  package func addedLatency(to remedies: [LabRemedy]) -> String? {
    guard let first = remedies.first(where: { $0.server == server }), first != self,
      let before = first.steady?.measurement?.medianLatency, let after = steady?.measurement?.medianLatency
    else { return nil }
    let added = Double((after - before).count) / 1e6
    return (added < 0 ? "−" : "+") + Display.decimal(abs(added), digits: 1) + " ms"
  }

  /// The 99th percentile of the requests with a body that were answered in the race, where remedies that try again show.
  package var raceLatency: Nanoseconds? { (race("POST") ?? races.first?.measurement)?.highLatency }

  package func race(_ method: String) -> LabMeasurement? { races.first { $0.run.method == method }?.measurement }

  package var appliedTwice: Int { races.compactMap(\.measurement?.appliedTwice).reduce(0, +) }
}

extension LabReport {
  /// Results by scenario, in the order of the scenarios and their runs.
  package var sections: [(scenario: LabScenario, results: [LabResult])] {
    scenarios.compactMap { scenario in
      let own = results.filter { $0.run.scenario == scenario.name }.sorted { $0.run.number < $1.run.number }
      return own.isEmpty ? nil : (scenario, own)
    }
  }

  /// What other programs did to the machine meanwhile, in a sentence; empty where that is not known.
  package var loadText: String {
    guard let foreignShare else { return "" }
    func percent(_ share: Double) -> String { Display.decimal(100 * share, digits: 0) + " %" }
    let highest = results.compactMap { $0.measurement?.foreignShare }.max() ?? foreignShare
    return
      "Programs that are none of the lab's took \(percent(foreignShare)) of the machine's CPU time meanwhile, at most "
      + "\(percent(highest)) during a run."
  }

  /// What happened, in a sentence.
  package var answer: String {
    var parts = ["\(Display.count(results.count, "run")): \(Display.grouped(asExpected)) as expected"]
    if differed > 0 { parts.append("\(differed) differed") }
    if notRun > 0 { parts.append("\(notRun) not run") }
    if isInterrupted { parts.append("interrupted") }
    return parts.joined(separator: ", ")
  }

  /// What came of the requests of all races in which Photofinish stood, alone or before the server, without failures that died
  /// with the server.
  /// - Parameter forgetful: those with a middlebox that forgets connections on the way, where nothing can be proved; else the others.
  package func photofinishFailures(forgetful: Bool) -> (requests: Int, failed: Int, twice: Int) {
    var sum = (requests: 0, failed: 0, twice: 0)
    for result in results
    where (result.run.proxy?.program == "photofinish" || result.run.isGuarded) && result.run.traffic == .race
      && (result.run.path.forgetAfter != nil) == forgetful
    {
      guard let measurement = result.measurement else { continue }
      sum.requests += measurement.sent
      sum.failed += measurement.failedWithoutDeath
      sum.twice += measurement.appliedTwice
    }
    return sum
  }
}
