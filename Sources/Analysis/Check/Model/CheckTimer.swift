package import Core

/// What a timer says.
package enum TimerValue: Sendable, Hashable {
  case time(Nanoseconds)
  /// Until the other side closes.
  case never
  /// No connection is kept at all.
  case none
  /// Something that could not be followed: a variable without a value, an expression.
  case unknown

  package init(_ value: TimerDefault) {
    switch value {
    case .time(let time): self = .time(time)
    case .count: self = .unknown
    case .never: self = .never
    case .none: self = .none
    }
  }

  /// For comparisons: never is longer than everything.
  package var length: Nanoseconds? {
    switch self {
    case .time(let time): time
    case .never: .unlimited
    case .none, .unknown: nil
    }
  }

  package var spoken: String {
    switch self {
    case .time(let time): time.spoken
    case .never: "no limit"
    case .none: "no keep-alive"
    case .unknown: "unknown"
    }
  }
}

/// A timer of one party with its value and where that comes from.
package struct CheckTimer: Sendable, Hashable {
  package var value: TimerValue
  /// The setting's name as that software has it.
  package var setting: String
  /// Where it is written; nil where a default was taken.
  package var place: CheckPlace?
  /// The row of the table, where a default was taken.
  package var fact: TimerFact?
  /// What other versions have by default, where the version is not known and they differ.
  package var rivals: [TimerFact] = []
  /// The value as it stands in the file, where it can be replaced; empty where not.
  package var written = ""
  /// A note in words: `halved every 5 s`.
  package var note = ""

  package init(_ value: TimerValue, _ setting: String, at place: CheckPlace?, written: String = "") {
    self.written = written
    self.value = value
    self.setting = setting
    self.place = place
  }

  package var isAssumed: Bool { place == nil }

  /// The default that the table has for what is known of the version: the first row that may hold, and its rivals.
  package init(
    assumed software: Software, _ role: TimerRole, version: VersionRange = .all, when condition: String = ""
  ) {
    let rows = FactTable.rows(software, role).filter { $0.condition == condition && $0.versions.overlaps(version) }
    // Where the version is open, the one that loses requests is assumed: the shortest time of a server.
    let first = role == .clientIdle ? rows.min { Self.order($0) < Self.order($1) } : rows.first
    value = first.map { TimerValue($0.value) } ?? .unknown
    setting = first?.setting ?? ""
    fact = first
    rivals = rows.filter { $0.value != first?.value }
  }

  private static func order(_ fact: TimerFact) -> Nanoseconds { fact.value.time ?? .unlimited }
}
