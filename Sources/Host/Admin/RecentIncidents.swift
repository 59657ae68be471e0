import Analysis
import Core

/// The last incidents, for those who look at the endpoint.
struct RecentIncidents {
  /// How many are kept.
  static let room = 500

  private let reader: IncidentHub.Reader
  private var kept: [(number: UInt64, incident: Incident)] = []
  private var next: UInt64 = 1

  init(_ reader: IncidentHub.Reader) { self.reader = reader }

  mutating func collect() {
    for incident in reader.takeAll() {
      kept.append((next, incident))
      next += 1
    }
    if kept.count > Self.room { kept.removeFirst(kept.count - Self.room) }
  }

  /// The newest first.
  var json: JSONText {
    .object([
      ("incidents", .array(kept.reversed().map { $0.incident.json(number: $0.number) })),
      ("not_kept", .number(Int64(clamping: reader.lost))),
    ])
  }
}

extension Incident {
  func json(number: UInt64) -> JSONText {
    let milliseconds = { (span: Nanoseconds?) -> JSONText in
      span.map { .decimal(Double($0.count) / 1e6, digits: 3) } ?? .null
    }
    return .object([
      ("number", .number(Int64(clamping: number))),
      ("time", .string(WallTime.text(ofNanoseconds: wallNanoseconds))), ("kind", .string(kind.rawValue)),
      ("route", .string(route)), ("upstream", .string(upstream)), ("server", .string(server)),
      ("request", .string(request)), ("request_id", .string(requestID)),
      ("connection", .string(String(connection, radix: 16))), ("idle_ms", milliseconds(idleAge)),
      ("connection_age_ms", milliseconds(connectionAge)), ("uses", uses.map { .number(Int64($0)) } ?? .null),
      ("evidence", .string(evidence)), ("verdict", .string(verdict)), ("replays", .number(Int64(replays))),
      ("retries", .number(Int64(retries))), ("status", .number(Int64(status))),
      ("duration_ms", milliseconds(duration)), ("explanation", .string(explanation)),
    ])
  }
}
