/// What a scenario expects of one figure of a run.
package struct LabExpectation: Equatable, Sendable {
  package enum Measure: String, CaseIterable, Sendable {
    case failed
    case lost
    case twice
    /// Answered with 2xx, and the server has never read the request.
    case poisoned
    /// Failed although the server did not die with the request, as its script may say.
    case failedWithoutDeath = "failed-without-death"
    /// Connections that the server accepted.
    case connections
    /// Requests that the server read.
    case applied
    /// How requests failed: with which status.
    case answers
  }

  package enum Condition: Equatable, Sendable {
    case any
    case some
    /// Of all requests sent.
    case all
    case exactly(Int)
    case under(perThousand: Double)
    case over(perThousand: Double)
    /// Every failure is an answer with one of these statuses.
    case statuses([Int])
  }

  package var measure: Measure
  package var condition: Condition

  package init(measure: Measure, condition: Condition) {
    self.measure = measure
    self.condition = condition
  }

  /// - Parameter text: `0`, `some`, `all`, `any`, `under 20 per 1000`, `over 20 per 1000`; of answers `status 502 or 503`.
  package init?(_ name: String, _ text: String) {
    guard let measure = Measure(rawValue: name) else { return nil }
    let words = text.split(separator: " ")
    if measure == .answers {
      let numbers = words.dropFirst().filter { $0 != "or" }
      let statuses = numbers.compactMap { Int($0) }
      guard words.first == "status", !statuses.isEmpty, statuses.count == numbers.count else { return nil }
      self.init(measure: measure, condition: .statuses(statuses))
      return
    }
    let condition: Condition? =
      switch (words.first, words.count) {
      case ("any", 1): .any
      case ("some", 1): .some
      case ("all", 1): .all
      case ("under", 4) where words[2...] == ["per", "1000"]: Double(words[1]).map { .under(perThousand: $0) }
      case ("over", 4) where words[2...] == ["per", "1000"]: Double(words[1]).map { .over(perThousand: $0) }
      case (let word?, 1): Int(word).map { .exactly($0) }
      default: nil
      }
    guard let condition else { return nil }
    self.init(measure: measure, condition: condition)
  }

  package var text: String {
    let words =
      switch condition {
      case .any: "any number"
      case .some: "at least one"
      case .all: "all"
      case .exactly(let count): String(count)
      case .under(let share): "under \(Display.decimal(share, digits: 0)) per 1000"
      case .over(let share): "over \(Display.decimal(share, digits: 0)) per 1000"
      case .statuses(let statuses): "with status " + statuses.map(String.init).joined(separator: " or ")
      }
    return "\(measure.rawValue) \(words)"
  }

  /// What differs; nil when the world is as expected.
  package func difference(from measurement: LabMeasurement) -> String? {
    if case .statuses(let statuses) = condition {
      let names = statuses.map { "status \($0)" }
      let others = measurement.failures.filter { !names.contains($0.name) }
      if others.isEmpty { return nil }
      return "expected \(text), got " + others.map { "\($0.name) (\($0.count))" }.joined(separator: ", ")
    }
    guard let count = measurement[measure] else { return "expected \(text), and could not be measured" }
    let perThousand = measurement.sent > 0 ? 1_000 * Double(count) / Double(measurement.sent) : 0
    let holds =
      switch condition {
      case .any: true
      case .some: count > 0
      case .all: count == measurement.sent && count > 0
      case .exactly(let expected): count == expected
      case .under(let share): perThousand < share
      case .over(let share): perThousand > share
      case .statuses: true
      }
    return holds ? nil : "expected \(text), got \(count) of \(measurement.sent)"
  }
}
