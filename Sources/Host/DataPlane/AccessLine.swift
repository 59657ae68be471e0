package import Core

/// One line of the access log.
package enum AccessLine {
  /// What there is to say about an exchange that is over.
  package struct Record: Sendable {
    package var wallNanoseconds: Int64
    package var client: String
    /// Method and target.
    package var requestLine: String
    /// The identifier that this proxy made, for a request that came without one.
    package var requestID: (UInt64, UInt64)
    /// The identifier that the client sent; empty when it sent none, or one that is not valid.
    package var receivedRequestID: [UInt8]
    package var status: UInt16
    /// Bytes of content.
    package var bytesIn: UInt64
    package var bytesOut: UInt64
    package var duration: Nanoseconds
    /// From the request's head to the lease of the last attempt; nil without one.
    package var untilLeased: Nanoseconds?
    /// From the request's head to the response's; nil without one.
    package var untilHead: Nanoseconds?
    package var server: String?
    package var connection: UInt64
    package var facts: LeaseFacts?
    package var attempts: UInt8
    package var replays: UInt8
    package var retries: UInt8
    package var verdict: Verdict?
    package var failure: Failure?
    package var clientWasLost: Bool
  }

  /// Fields in a fixed order, `name=value` behind the first four.
  package static func appendText(_ record: Record, to line: inout [UInt8]) {
    WallTime.append(record.wallNanoseconds, to: &line)
    line.append(0x20)
    append(record.client, to: &line)
    line.append(0x20)
    quote(record.requestLine, to: &line)
    line.append(0x20)
    append(decimal: Int64(record.status), to: &line)
    field(" bytes_in=", Int64(clamping: record.bytesIn), to: &line)
    field(" bytes_out=", Int64(clamping: record.bytesOut), to: &line)
    time(" duration_ms=", record.duration, to: &line)
    if let span = record.untilLeased { time(" lease_ms=", span, to: &line) }
    if let span = record.untilHead { time(" head_ms=", span, to: &line) }
    if let server = record.server {
      append(" upstream=", to: &line)
      append(server, to: &line)
    }
    if let facts = record.facts {
      append(" conn=", to: &line)
      append(hexadecimal: record.connection, to: &line)
      append(facts.isReused ? " reused=yes" : " reused=no", to: &line)
      time(" idle_ms=", facts.idleAge, to: &line)
      time(" age_ms=", facts.connectionAge, to: &line)
      field(" uses=", Int64(facts.uses), to: &line)
    }
    field(" attempts=", Int64(record.attempts), to: &line)
    if record.replays > 0 { field(" replays=", Int64(record.replays), to: &line) }
    if record.retries > 0 { field(" retries=", Int64(record.retries), to: &line) }
    if let verdict = record.verdict {
      append(" verdict=", to: &line)
      append(verdict.label, to: &line)
    }
    if let failure = record.failure {
      append(" error=", to: &line)
      append("\(failure.proxyStatusError)", to: &line)
      if let reason = failure.notReplayed {
        append(" not_replayed=", to: &line)
        append(reason.label, to: &line)
      }
      append(" details=", to: &line)
      quote(failure.details, to: &line)
    }
    if record.clientWasLost { append(" client=lost", to: &line) }
    append(" id=", to: &line)
    identifier(record, to: &line)
    line.append(0x0a)
  }

  /// One JSON object (RFC 8259). What is not known is left out; times are milliseconds with their fraction.
  package static func appendJSON(_ record: Record, to line: inout [UInt8]) {
    append("{\"time\":\"", to: &line)
    WallTime.append(record.wallNanoseconds, to: &line)
    append("\",\"client\":", to: &line)
    quote(record.client, to: &line)
    append(",\"request\":", to: &line)
    quote(record.requestLine, to: &line)
    append(",\"request_id\":\"", to: &line)
    identifier(record, to: &line)
    field("\",\"status\":", Int64(record.status), to: &line)
    field(",\"request_body_bytes\":", Int64(clamping: record.bytesIn), to: &line)
    field(",\"response_body_bytes\":", Int64(clamping: record.bytesOut), to: &line)
    time(",\"duration_ms\":", record.duration, to: &line)
    if let span = record.untilLeased { time(",\"until_leased_ms\":", span, to: &line) }
    if let span = record.untilHead { time(",\"until_head_ms\":", span, to: &line) }
    if let server = record.server {
      append(",\"upstream\":", to: &line)
      quote(server, to: &line)
    }
    if let facts = record.facts {
      append(",\"upstream_conn_id\":\"", to: &line)
      append(hexadecimal: record.connection, to: &line)
      append(facts.isReused ? "\",\"upstream_conn_reused\":true" : "\",\"upstream_conn_reused\":false", to: &line)
      time(",\"upstream_conn_idle_ms\":", facts.idleAge, to: &line)
      time(",\"upstream_conn_age_ms\":", facts.connectionAge, to: &line)
      field(",\"upstream_conn_requests\":", Int64(facts.uses), to: &line)
    }
    field(",\"attempts\":", Int64(record.attempts), to: &line)
    field(",\"replays\":", Int64(record.replays), to: &line)
    if record.retries > 0 { field(",\"retries\":", Int64(record.retries), to: &line) }
    if let verdict = record.verdict {
      append(",\"verdict\":", to: &line)
      quote(verdict.label, to: &line)
    }
    if let failure = record.failure {
      append(",\"error\":", to: &line)
      quote("\(failure.proxyStatusError)", to: &line)
      append(",\"error_details\":", to: &line)
      quote(failure.details, to: &line)
      if let reason = failure.notReplayed {
        append(",\"not_replayed\":", to: &line)
        quote(reason.label, to: &line)
      }
    }
    if record.clientWasLost { append(",\"client_lost\":true", to: &line) }
    append("}\n", to: &line)
  }

  // MARK: - Pieces

  /// A received identifier is a token, so that it needs no escaping.
  private static func identifier(_ record: Record, to line: inout [UInt8]) {
    guard record.receivedRequestID.isEmpty else {
      line += record.receivedRequestID
      return
    }
    append(paddedHexadecimal: record.requestID.0, to: &line)
    append(paddedHexadecimal: record.requestID.1, to: &line)
  }

  private static func append(_ text: String, to line: inout [UInt8]) {
    line.append(contentsOf: text.utf8)
  }

  private static func field(_ name: String, _ value: Int64, to line: inout [UInt8]) {
    append(name, to: &line)
    append(decimal: value, to: &line)
  }

  private static func append(decimal value: Int64, to line: inout [UInt8]) {
    append("\(value)", to: &line)
  }

  /// Milliseconds with three places.
  private static func time(_ name: String, _ span: Nanoseconds, to line: inout [UInt8]) {
    append(name, to: &line)
    let microseconds = max(span.count, 0) / 1_000
    append(decimal: microseconds / 1_000, to: &line)
    line.append(UInt8(ascii: "."))
    let rest = microseconds % 1_000
    line.append(0x30 + UInt8(rest / 100))
    line.append(0x30 + UInt8(rest / 10 % 10))
    line.append(0x30 + UInt8(rest % 10))
  }

  private static func append(hexadecimal value: UInt64, to line: inout [UInt8]) {
    append(String(value, radix: 16), to: &line)
  }

  private static func append(paddedHexadecimal value: UInt64, to line: inout [UInt8]) {
    for shift in stride(from: 60, through: 0, by: -4) {
      let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 0xf
      line.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
    }
  }

  /// A JSON string: what a peer sent cannot end it or the line.
  private static func quote(_ text: String, to line: inout [UInt8]) {
    line.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        line.append(UInt8(ascii: "\\"))
        line.append(byte)
      case 0..<0x20, 0x7f:
        append("\\u00", to: &line)
        append(byte < 16 ? "0" : "", to: &line)
        append(String(byte, radix: 16), to: &line)
      default:
        line.append(byte)
      }
    }
    line.append(UInt8(ascii: "\""))
  }
}
