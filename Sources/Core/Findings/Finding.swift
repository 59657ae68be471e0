/// How far the evidence carries a finding.
package enum Confidence: String, CaseIterable, Sendable {
  /// Nothing else can have produced what was seen.
  case proved
  /// The evidence fits, and what else would fit is unusual.
  case likely
  /// Nothing can be said; see what is missing.
  case open
}

/// Where an observer stands on the path between client and server.
package enum Vantage: String, CaseIterable, Sendable {
  case clientSide = "client-side"
  case serverSide = "server-side"
  /// Both ends are on the capturing host, or captures of both sides were joined.
  case bothSides = "both-sides"
  case unknown
}

/// One fact that supports a finding, and where to find it.
package struct EvidenceItem: Equatable, Sendable {
  /// Number of the packet in its file, from 1; nil for what concerns no single packet.
  package var frame: Int64?
  /// Nanoseconds since 1970.
  package var time: Instant?
  package var text: String

  package init(frame: Int64? = nil, time: Instant? = nil, text: String) {
    self.frame = frame
    self.time = time
    self.text = text
  }
}

/// One conclusion of a tool.
package struct Finding: Equatable, Sendable {
  package var kind: FindingKind
  package var confidence: Confidence
  /// For ``FindingKind/inconclusive``: what it looks like.
  package var suspected: FindingKind?
  /// One sentence about this case.
  package var summary: String
  package var evidence: [EvidenceItem] = []
  /// What the capture would have to hold for a verdict, or for a better one.
  package var missing: [String] = []
  /// What the place of the observer keeps from being known.
  package var limits: String = ""
  /// What to do, with the figures of this case.
  package var remedy: String

  package init(kind: FindingKind, confidence: Confidence, summary: String) {
    self.kind = kind
    self.confidence = confidence
    self.summary = summary
    self.remedy = kind.remedy
  }
}
