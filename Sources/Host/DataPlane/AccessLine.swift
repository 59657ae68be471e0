package import Core

/// One line of the access log, in the forms that are this proxy's own.
package enum AccessLine {
  /// What there is to say about an exchange that is over.
  package struct Record: Sendable {
    package var wallNanoseconds: Int64 = 0
    package var client = ""
    /// Requests on the client's connection, this one included.
    package var clientRequests = 1
    /// Method and target with their query as the settings have it; "-" when no head was understood.
    package var requestLine: [UInt8] = []
    package var version = HTTPVersion.http11
    package var isHTTP2 = false
    /// The one that the client sent, when it is valid, else the one that was made here.
    package var requestID: [UInt8] = []
    package var status: UInt16 = 0
    /// Bytes of content.
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    package var duration = Nanoseconds.zero
    /// From the request's head to the lease of the last attempt; nil without one.
    package var untilLeased: Nanoseconds?
    /// From the request's head to the response's; nil without one.
    package var untilHead: Nanoseconds?
    package var server: String?
    package var upstreamName: String?
    package var route: String?
    package var connection: UInt64 = 0
    package var facts: LeaseFacts?
    /// The age up to which idle connections of the server were leased at the end.
    package var idleWindow: Nanoseconds?
    package var attempts: UInt8 = 0
    package var replays: UInt8 = 0
    package var retries: UInt8 = 0
    package var verdict: Verdict?
    package var failure: Failure?
    package var clientWasLost = false
    /// Of how many requests this line tells; nil where all are logged.
    package var sampling: UInt32?
    /// Values of the fields that the format asks for.
    package var requestFields = CapturedFields()
    package var responseFields = CapturedFields()

    package init() {}
  }

  /// Fields in a fixed order, `name=value` behind the first four.
  package static func appendText(_ record: Record, _ format: AccessFormat, to line: inout [UInt8]) {
    WallTime.append(record.wallNanoseconds, to: &line)
    line.append(0x20)
    line.appendLog(record.client)
    line.append(0x20)
    line.appendLog(quoted: record.requestLine)
    line.append(0x20)
    line.appendLog(decimal: Int64(record.status))
    field(" bytes_in=", Int64(clamping: record.bytesIn), to: &line)
    field(" bytes_out=", Int64(clamping: record.bytesOut), to: &line)
    time(" duration_ms=", record.duration, to: &line)
    if let span = record.untilLeased { time(" lease_ms=", span, to: &line) }
    if let span = record.untilHead { time(" head_ms=", span, to: &line) }
    if let server = record.server {
      line.appendLog(" upstream=")
      line.appendLog(server)
    }
    if let facts = record.facts {
      line.appendLog(" conn=")
      line.appendLog(hexadecimal: record.connection)
      line.appendLog(facts.isReused ? " reused=yes" : " reused=no")
      time(" idle_ms=", facts.idleAge, to: &line)
      time(" age_ms=", facts.connectionAge, to: &line)
      field(" uses=", Int64(facts.uses), to: &line)
    }
    field(" attempts=", Int64(record.attempts), to: &line)
    if record.replays > 0 { field(" replays=", Int64(record.replays), to: &line) }
    if record.retries > 0 { field(" retries=", Int64(record.retries), to: &line) }
    if let verdict = record.verdict {
      line.appendLog(" verdict=")
      line.appendLog(verdict.label)
    }
    if let failure = record.failure {
      line.appendLog(" error=")
      line.appendLog("\(failure.proxyStatusError)")
      if let reason = failure.notReplayed {
        line.appendLog(" not_replayed=")
        line.appendLog(reason.label)
      }
      line.appendLog(" details=")
      line.appendLog(quoted: failure.details.utf8)
    }
    if record.clientWasLost { line.appendLog(" client=lost") }
    fields(" request.", format.requestFields, record.requestFields, to: &line)
    fields(" response.", format.responseFields, record.responseFields, to: &line)
    if let sampling = record.sampling { field(" sampling=", Int64(sampling), to: &line) }
    line.appendLog(" id=")
    line += record.requestID
    line.append(0x0a)
  }

  /// One JSON object (RFC 8259). What is not known is left out; times are milliseconds with their fraction.
  package static func appendJSON(_ record: Record, _ format: AccessFormat, to line: inout [UInt8]) {
    line.appendLog("{\"time\":\"")
    WallTime.append(record.wallNanoseconds, to: &line)
    line.appendLog("\",\"client\":")
    line.appendLog(quoted: record.client.utf8)
    line.appendLog(",\"request\":")
    line.appendLog(quoted: record.requestLine)
    line.appendLog(",\"request_id\":\"")
    line += record.requestID
    field("\",\"status\":", Int64(record.status), to: &line)
    field(",\"request_body_bytes\":", Int64(clamping: record.bytesIn), to: &line)
    field(",\"response_body_bytes\":", Int64(clamping: record.bytesOut), to: &line)
    time(",\"duration_ms\":", record.duration, to: &line)
    if let span = record.untilLeased { time(",\"until_leased_ms\":", span, to: &line) }
    if let span = record.untilHead { time(",\"until_head_ms\":", span, to: &line) }
    if let server = record.server {
      line.appendLog(",\"upstream\":")
      line.appendLog(quoted: server.utf8)
    }
    if let facts = record.facts {
      line.appendLog(",\"upstream_conn_id\":\"")
      line.appendLog(hexadecimal: record.connection)
      line.appendLog(facts.isReused ? "\",\"upstream_conn_reused\":true" : "\",\"upstream_conn_reused\":false")
      time(",\"upstream_conn_idle_ms\":", facts.idleAge, to: &line)
      time(",\"upstream_conn_age_ms\":", facts.connectionAge, to: &line)
      field(",\"upstream_conn_requests\":", Int64(facts.uses), to: &line)
    }
    field(",\"attempts\":", Int64(record.attempts), to: &line)
    field(",\"replays\":", Int64(record.replays), to: &line)
    if record.retries > 0 { field(",\"retries\":", Int64(record.retries), to: &line) }
    if let verdict = record.verdict {
      line.appendLog(",\"verdict\":")
      line.appendLog(quoted: verdict.label.utf8)
    }
    if let failure = record.failure {
      line.appendLog(",\"error\":")
      line.appendLog(quoted: "\(failure.proxyStatusError)".utf8)
      line.appendLog(",\"error_details\":")
      line.appendLog(quoted: failure.details.utf8)
      if let reason = failure.notReplayed {
        line.appendLog(",\"not_replayed\":")
        line.appendLog(quoted: reason.label.utf8)
      }
    }
    if record.clientWasLost { line.appendLog(",\"client_lost\":true") }
    object(",\"request_fields\":{", format.requestFields, record.requestFields, to: &line)
    object(",\"response_fields\":{", format.responseFields, record.responseFields, to: &line)
    if let sampling = record.sampling { field(",\"sampling\":", Int64(sampling), to: &line) }
    line.appendLog("}\n")
  }

  // MARK: - Pieces

  private static func field(_ name: String, _ value: Int64, to line: inout [UInt8]) {
    line.appendLog(name)
    line.appendLog(decimal: value)
  }

  private static func time(_ name: String, _ span: Nanoseconds, to line: inout [UInt8]) {
    line.appendLog(name)
    line.appendLog(milliseconds: span)
  }

  private static func fields(
    _ prefix: String, _ wanted: AccessFields, _ values: CapturedFields, to line: inout [UInt8]
  ) {
    for index in 0..<wanted.names.count {
      guard let value = values[index] else { continue }
      line.appendLog(prefix)
      line.appendLog(wanted.names[index])
      line.append(UInt8(ascii: "="))
      line.appendLog(quoted: value)
    }
  }

  private static func object(
    _ start: String, _ wanted: AccessFields, _ values: CapturedFields, to line: inout [UInt8]
  ) {
    guard !wanted.isEmpty else { return }
    line.appendLog(start)
    var isFirst = true
    for index in 0..<wanted.names.count {
      guard let value = values[index] else { continue }
      if !isFirst { line.append(UInt8(ascii: ",")) }
      isFirst = false
      // A field's name is a token: it needs no escaping.
      line.append(UInt8(ascii: "\""))
      line.appendLog(wanted.names[index])
      line.appendLog("\":")
      line.appendLog(quoted: value)
    }
    line.append(UInt8(ascii: "}"))
  }
}
