import Core

/// Lines of this proxy's own access log: `text` and `json`.
enum OwnLines {
  private static let exponent = 6

  /// What both forms say.
  private struct Fields {
    var verdict = ByteRange.empty
    var error = ByteRange.empty
    var details = ByteRange.empty
    var replays = 0
    var isClientLost = false
  }

  /// `2026-11-26T13:04:57.864Z 127.0.0.1 "GET /cart" 200 bytes_in=0 bytes_out=3 duration_ms=31.653 ...`
  static func text(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    var scanner = LineScanner(line)
    guard let reading = LogTime.iso(bytes, scanner.word(bytes)) else { return nil }
    var record = LogRecord(.photofinish)
    record.client = scanner.word(bytes)
    guard let request = scanner.quoted(bytes), let status = bytes.number(scanner.word(bytes)),
      bytes.spells("bytes_in=", at: scanner.at, to: line.end)
    else { return nil }
    (record.time, record.grain, record.status) = (reading.nanoseconds, reading.grain, status)
    RequestLine.read(bytes, request, into: &record)
    var fields = Fields()
    while !scanner.isAtEnd {
      let start = scanner.at
      guard let sign = bytes.nearby(UInt8(ascii: "="), from: start, to: min(line.end, start + 64)) else {
        _ = scanner.word(bytes)
        continue
      }
      let name = ByteRange(from: start, to: sign)
      scanner.at = sign + 1
      let value =
        scanner.at < line.end && bytes.byte(at: scanner.at) == UInt8(ascii: "\"")
        ? scanner.quoted(bytes) ?? scanner.word(bytes) : scanner.word(bytes)
      take(bytes, name, value, &fields, &record)
    }
    finish(bytes, fields, &record)
    return record
  }

  private static func take(
    _ bytes: RawSpan, _ name: ByteRange, _ value: ByteRange, _ fields: inout Fields, _ record: inout LogRecord
  ) {
    func named(_ text: String) -> Bool { bytes.equals(text, name) }
    if named("duration_ms") {
      record.duration = bytes.decimal(value, exponent: exponent)
    } else if named("lease_ms") {
      record.attemptDuration = bytes.decimal(value, exponent: exponent)
    } else if named("upstream") {
      record.server = value
    } else if named("reused") {
      record.isReused = bytes.equals("yes", value)
    } else if named("idle_ms") {
      record.idleAge = bytes.decimal(value, exponent: exponent)
    } else if named("replays") {
      fields.replays = bytes.number(value) ?? 0
    } else if named("verdict") {
      fields.verdict = value
    } else if named("error") {
      fields.error = value
    } else if named("details") {
      fields.details = value
    } else if named("client") {
      fields.isClientLost = bytes.equals("lost", value)
    } else if named("id") {
      record.identifier = value
    }
  }

  static func json(_ bytes: RawSpan, _ members: JSONMembers) -> LogRecord {
    var record = LogRecord(.photofinish)
    var fields = Fields()
    if let time = members.value(bytes, "time"), let reading = LogTime.iso(bytes, time) {
      (record.time, record.grain) = (reading.nanoseconds, reading.grain)
    }
    if let request = members.value(bytes, "request") { RequestLine.read(bytes, request, into: &record) }
    record.client = members.value(bytes, "client") ?? .empty
    record.status = members.value(bytes, "status").flatMap { bytes.number($0) } ?? -1
    record.duration = members.value(bytes, "duration_ms").flatMap { bytes.decimal($0, exponent: exponent) }
    record.attemptDuration = members.value(bytes, "until_leased_ms").flatMap { bytes.decimal($0, exponent: exponent) }
    record.server = members.value(bytes, "upstream") ?? .empty
    record.isReused = members.value(bytes, "upstream_conn_reused").map { bytes.equals("true", $0) }
    record.idleAge = members.value(bytes, "upstream_conn_idle_ms").flatMap { bytes.decimal($0, exponent: exponent) }
    record.identifier = members.value(bytes, "request_id") ?? .empty
    fields.replays = members.value(bytes, "replays").flatMap { bytes.number($0) } ?? 0
    fields.verdict = members.value(bytes, "verdict") ?? .empty
    fields.error = members.value(bytes, "error") ?? .empty
    fields.details = members.value(bytes, "error_details") ?? .empty
    fields.isClientLost = members.value(bytes, "client_lost").map { bytes.equals("true", $0) } ?? false
    finish(bytes, fields, &record)
    return record
  }

  private static func finish(_ bytes: RawSpan, _ fields: Fields, _ record: inout LogRecord) {
    // What is left of the duration behind the lease is the last attempt's.
    if let total = record.duration { record.attemptDuration = total - min(total, record.attemptDuration ?? 0) }
    if record.isReused != true { record.idleAge = nil }
    record.retries = fields.replays
    guard !fields.error.isEmpty else {
      if fields.isClientLost || record.status == 499 {
        record.signal = .clientLeft
      } else if fields.replays > 0 {
        record.signal = .repaired
        record.isReused = true
      } else {
        record.signal = record.status >= 500 ? .serverError : .answered
      }
      return
    }
    record.word = fields.error
    record.signal = signal(bytes, fields, &record)
  }

  private static func signal(_ bytes: RawSpan, _ fields: Fields, _ record: inout LogRecord) -> LogSignal {
    func error(_ names: String...) -> Bool { names.contains { bytes.equals($0, fields.error) } }
    if bytes.contains("keep-alive race", fields.details) || bytes.equals("never-delivered", fields.verdict) {
      record.isStated = true
      return .closedIdle
    }
    if error("connection_refused", "destination_ip_unroutable") { return .connectRefused }
    if error("connection_timeout") { return .connectTimedOut }
    if error("http_response_timeout", "connection_read_timeout", "connection_write_timeout") { return .answerTimedOut }
    if error("http_response_incomplete") { return .cut }
    if error("http_response_header_section_size", "http_response_header_size") { return .headTooBig }
    if error("destination_unavailable", "destination_not_found", "dns_error", "dns_timeout") { return .noServer }
    if error("http_protocol_error", "tls_protocol_error", "tls_certificate_error", "http_upgrade_failed") {
      return .wrongProtocol
    }
    if error("connection_terminated") {
      if bytes.equals("delivered", fields.verdict) { return .diedProved }
      return .closed
    }
    return fields.isClientLost ? .clientLeft : .proxyOwn
  }
}
