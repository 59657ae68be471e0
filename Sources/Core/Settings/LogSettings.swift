/// What is written of each request, and of the proxy itself.
package struct LogSettings: Sendable, Hashable {
  package var access = AccessLogFormat.off
  /// nil: standard output.
  package var accessPath: String?
  /// One of so many ordinary requests is logged; failures, replays and answers of 5xx always are. At least 1.
  package var sampling: UInt32 = 1
  /// What becomes of a query in either log.
  package var query = QueryPolicy.hideValues
  /// Fields of the request that the log shows, in lower case. Those of ``SecretFields`` hide their value.
  package var requestFields: [String] = []
  package var responseFields: [String] = []
  /// Secret fields, in lower case, whose values the log may show.
  package var reveal: [String] = []
  package var level = Level.info

  package init() {}

  package enum AccessLogFormat: Sendable, Hashable {
    case off, text, json
    /// The Common Log Format of the NCSA server.
    case common
    /// The same with Referer and User-Agent.
    case combined
    case custom([Piece])
  }

  /// A piece of a format of the user's own: text, or a name in braces.
  package enum Piece: Sendable, Hashable {
    case text(String)
    case variable(Variable)
    /// `request.NAME`: a field of the request's head, its name in lower case.
    case requestField(String)
    /// `response.NAME`
    case responseField(String)

    /// As it stands between braces; nil for text.
    package var name: String? {
      switch self {
      case .text: nil
      case .variable(let variable): variable.rawValue
      case .requestField(let name): "request.\(name)"
      case .responseField(let name): "response.\(name)"
      }
    }
  }

  /// What a format of the user's own can name, by the names of docs/manual/access-log.md.
  package enum Variable: String, Sendable, Hashable, CaseIterable {
    case time
    case timeLocal = "time_local"
    case timeUnix = "time_unix"
    case client
    case clientRequests = "client_requests"
    case request, method, target, path, query
    case version = "protocol"
    case status
    case requestBodyBytes = "request_body_bytes"
    case responseBodyBytes = "response_body_bytes"
    case durationMilliseconds = "duration_ms"
    case durationSeconds = "duration_s"
    case untilLeasedMilliseconds = "until_leased_ms"
    case untilLeasedSeconds = "until_leased_s"
    case untilHeadMilliseconds = "until_head_ms"
    case untilHeadSeconds = "until_head_s"
    case upstreamSeconds = "upstream_s"
    case server = "upstream"
    case upstreamName = "upstream_name"
    case route
    case connection = "upstream_conn_id"
    case connectionIsReused = "upstream_conn_reused"
    case connectionIdleAge = "upstream_conn_idle_ms"
    case connectionAge = "upstream_conn_age_ms"
    case connectionUses = "upstream_conn_requests"
    case idleWindow = "idle_window_ms"
    case attempts, replays, retries, verdict, error
    case errorDetails = "error_details"
    case notReplayed = "not_replayed"
    case clientLost = "client_lost"
    case requestID = "request_id"
    case sampling
  }

  package enum QueryPolicy: String, Sendable, Hashable, CaseIterable {
    case keep
    /// Names stay, values become `...`.
    case hideValues = "hide-values"
    case drop
  }

  package enum Level: String, Sendable, Hashable, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
  }
}
