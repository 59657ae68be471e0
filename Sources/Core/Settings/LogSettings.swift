/// What is written of each request, and of the proxy itself.
package struct LogSettings: Sendable, Hashable {
  package var access = AccessLogFormat.off
  /// nil: standard output.
  package var accessPath: String?
  /// One of so many ordinary requests is logged; failures, replays and answers of 5xx always are. At least 1.
  package var sampling: UInt32 = 1
  /// What becomes of a query in the log.
  package var query = QueryPolicy.keep
  /// Fields of the request that the log shows, in lower case. Cookies and authorization only if they are named here.
  package var requestFields: [String] = []
  package var responseFields: [String] = []
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

  /// A piece of a format of the user's own: text, or the name of a field of the access log in braces.
  package enum Piece: Sendable, Hashable {
    case text(String)
    /// A field of docs/manual/access-log.md, or `request.NAME`, `response.NAME` for a field of a head.
    case field(String)
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
