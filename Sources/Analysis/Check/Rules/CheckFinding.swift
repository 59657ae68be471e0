package import Core

/// How much a finding matters. A note tells something and fails nothing.
package enum CheckLevel: String, Sendable, Comparable, CaseIterable {
  case note
  case warning
  case error

  package static func < (left: CheckLevel, right: CheckLevel) -> Bool { left.rank < right.rank }

  private var rank: Int {
    switch self {
    case .note: 0
    case .warning: 1
    case .error: 2
    }
  }
}

/// One line to change, on either side of a hop. One of the changes of a finding is enough.
package struct CheckChange: Sendable, Hashable {
  package enum Edit: Sendable, Hashable {
    /// The value at the place becomes this: the words from the column to the end of the value.
    case replace(old: String, new: String)
    /// A line behind the one of the place, indented like `indentation`.
    case insertAfter(String)
  }

  /// What to write, and why that figure.
  package var text: String
  package var place: CheckPlace?
  package var edit: Edit?

  package init(_ text: String, at place: CheckPlace? = nil, edit: Edit? = nil) {
    self.text = text
    self.place = place
    self.edit = edit
  }
}

/// Something else that a finding rests on.
package struct CheckEvidence: Sendable, Hashable {
  package var text: String
  package var place: CheckPlace?

  package init(_ text: String, at place: CheckPlace? = nil) {
    self.text = text
    self.place = place
  }
}

/// One conclusion of `check`.
package struct CheckFinding: Sendable, Hashable {
  package var rule: CheckRule
  package var level: CheckLevel
  package var confidence: Confidence
  package var place: CheckPlace
  /// One or two sentences about this case.
  package var message: String
  package var evidence: [CheckEvidence] = []
  package var changes: [CheckChange] = []

  package init(
    _ rule: CheckRule, _ level: CheckLevel, _ confidence: Confidence, at place: CheckPlace, _ message: String,
    evidence: [CheckEvidence] = [], changes: [CheckChange] = []
  ) {
    self.rule = rule
    self.level = level
    self.confidence = confidence
    self.place = place
    self.message = message
    self.evidence = evidence
    self.changes = changes
  }
}

extension CheckFinding {
  /// " Change `keepalive_timeout 4s;` or `server.keepAliveTimeout = 75000;`.", for reports of one paragraph.
  var spokenChanges: String {
    guard !changes.isEmpty else { return "" }
    return " Change " + changes.map { "`\($0.text.replacing("`", with: "'"))`" }.joined(separator: " or ") + "."
  }
}
