/// What a timer or a limit is for.
package enum TimerRole: String, CaseIterable, Sendable, Hashable {
  /// How long a proxy keeps an idle connection to a server in its pool.
  case upstreamIdle = "upstream-idle"
  /// How long a server (a proxy towards its clients, too) keeps an idle connection of a client.
  case clientIdle = "client-idle"
  /// How many requests a server takes on one connection.
  case clientRequests = "client-requests"
  /// How long the head of a request may take; old software counts it from the last response.
  case requestHead = "request-head"
  /// How long an upgraded connection may be silent.
  case tunnelIdle = "tunnel-idle"
  /// How long something on the path remembers a connection over which nothing goes.
  case pathIdle = "path-idle"

  package var title: String {
    switch self {
    case .upstreamIdle: "holds idle connections to servers"
    case .clientIdle: "keeps idle connections of clients"
    case .clientRequests: "requests on one connection"
    case .requestHead: "waits for the head of a request"
    case .tunnelIdle: "keeps silent tunnels"
    case .pathIdle: "remembers silent connections"
    }
  }
}

/// What software does when nobody says otherwise.
package enum TimerDefault: Sendable, Hashable {
  case time(Nanoseconds)
  case count(Int)
  /// No limit: it keeps them until the other side closes.
  case never
  /// It keeps none: each connection carries one request.
  case none

  package var time: Nanoseconds? {
    switch self {
    case .time(let time): time
    case .never: .unlimited
    case .none, .count: nil
    }
  }
}

/// One row of the table of facts: what a version of some software does by default, and where that is changed.
package struct TimerFact: Sendable, Hashable {
  /// How a value without a unit is meant where the setting is written.
  package enum Unit: String, Sendable, Hashable {
    case seconds = "s"
    case milliseconds = "ms"
    /// A text with its unit, or a value of the language: `60s`, `time.Minute`.
    case duration
    case requests
    /// It cannot be set.
    case fixed
  }

  package var software: Software
  package var role: TimerRole
  package var versions: VersionRange
  /// Under what other setting this row holds; empty for always.
  package var condition: String
  package var value: TimerDefault
  package var unit: Unit
  /// The setting's name; empty where there is none.
  package var setting: String
  /// Where the setting is written.
  package var place: String
  /// Where the figure can be read.
  package var source: String
  /// The figure was read in the source itself.
  package var isVerified: Bool

  init(
    _ software: Software, _ role: TimerRole, _ value: TimerDefault, versions: VersionRange = .all,
    when condition: String = "",
    _ unit: Unit, set setting: String, in place: String, source: String, isVerified: Bool = true
  ) {
    self.software = software
    self.role = role
    self.versions = versions
    self.condition = condition
    self.value = value
    self.unit = unit
    self.setting = setting
    self.place = place
    self.source = source
    self.isVerified = isVerified
  }
}
