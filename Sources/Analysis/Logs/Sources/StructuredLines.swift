import Core

/// Lines of JSON, told apart by the names that they have.
enum StructuredLines {
  static func record(_ bytes: RawSpan, _ members: JSONMembers, _ line: ByteRange) -> LogRecord? {
    func has(_ name: String) -> Bool { members.value(bytes, name) != nil }
    if has("httpRequest") || members.value(bytes, "jsonPayload", "statusDetails") != nil {
      return GoogleLines.json(bytes, members)
    }
    if has("DownstreamStatus") || has("OriginStatus") || has("RouterName") { return TraefikLines.json(bytes, members) }
    if has("response_flags") || has("response_code") && has("upstream_host") { return envoy(bytes, members) }
    // Own names for Envoy's operators.
    if members.first(bytes, envoyFlags) != nil, members.first(bytes, envoyStatuses) != nil,
      members.first(bytes, envoyServers) != nil || members.first(bytes, envoyDetails) != nil
    {
      return envoy(bytes, members)
    }
    if has("upstream_conn_id") || has("request_body_bytes") && has("duration_ms") {
      return OwnLines.json(bytes, members)
    }
    if has("logger"), let record = CaddyLines.json(bytes, members) { return record }
    if NginxFields.isPlausible(bytes, members) { return nginx(bytes, members) }
    if let flags = members.first(bytes, ["termination_state", "ts", "tsc", "term_state"]), (2...4).contains(flags.count)
    {
      return haproxy(bytes, members, flags)
    }
    if YARPLines.isHead(bytes, line) { return yarp(bytes, members, line) }
    if has("level"), has("msg") || has("message") {
      let record = TraefikLines.debugJSON(bytes, members, line)
      return record
    }
    return nil
  }

  private static let envoyFlags = ["response_flags", "responseFlags", "flags", "resp_flags", "response_flag"]
  private static let envoyStatuses = ["response_code", "responseCode", "status", "status_code", "code", "resp_code"]
  private static let envoyServers = ["upstream_host", "upstreamHost", "upstream", "upstream_address"]
  private static let envoyDetails = [
    "response_code_details", "responseCodeDetails", "details", "response_details", "code_details",
  ]

  /// The time under one of these names, else the first text that is one.
  private static func setTime(_ bytes: RawSpan, _ members: JSONMembers, _ names: [String], _ record: inout LogRecord) {
    var reading = members.first(bytes, names).flatMap { LogTime.any(bytes, $0) }
    if reading == nil {
      for member in members.members where member.isText && member.value.count >= 19 && reading == nil {
        reading = LogTime.iso(bytes, member.value) ?? LogTime.common(bytes, member.value)
      }
    }
    guard let reading else { return }
    (record.time, record.grain, record.zone) = (reading.nanoseconds, reading.grain, reading.zone)
  }

  private static func envoy(_ bytes: RawSpan, _ members: JSONMembers) -> LogRecord {
    var record = LogRecord(.envoy)
    setTime(bytes, members, ["start_time", "startTime", "timestamp", "time", "@timestamp"], &record)
    record.timeIsStart = true
    record.status = members.first(bytes, envoyStatuses).flatMap { bytes.number($0) } ?? -1
    record.duration = members.first(bytes, ["duration", "duration_ms", "durationMs"]).flatMap {
      bytes.decimal($0, exponent: 6)
    }
    record.method = members.first(bytes, ["method", "request_method"]) ?? .empty
    record.target = members.first(bytes, ["path", "request_path"]) ?? .empty
    record.identifier = members.first(bytes, ["request_id", "x-request-id", "x_request_id", "trace_id"]) ?? .empty
    record.client = members.first(bytes, ["downstream_remote_address", "client"]) ?? .empty
    if let server = members.first(bytes, envoyServers), !bytes.isAbsent(server) { record.server = server }
    let attempts = members.first(bytes, ["upstream_request_attempt_count", "attempt_count"]).flatMap {
      bytes.number($0)
    }
    EnvoyLines.judge(
      bytes, flags: members.first(bytes, envoyFlags) ?? .empty,
      details: members.first(bytes, envoyDetails) ?? .empty, attempts: attempts ?? 1, &record)
    return record
  }

  private static func nginx(_ bytes: RawSpan, _ members: JSONMembers) -> LogRecord {
    var record = LogRecord(.nginxAccess)
    setTime(bytes, members, ["msec", "time_iso8601", "time_local", "time", "@timestamp", "timestamp"], &record)
    record.status = members.first(bytes, ["status", "response_status"]).flatMap { bytes.number($0) } ?? -1
    record.client = members.first(bytes, ["remote_addr", "client", "client_ip", "clientip"]) ?? .empty
    if let request = members.value(bytes, "request") { RequestLine.read(bytes, request, into: &record) }
    if record.method.isEmpty {
      record.method = members.first(bytes, ["request_method", "method", "verb", "http_method"]) ?? .empty
    }
    if record.target.isEmpty {
      record.target = members.first(bytes, ["request_uri", "uri", "path", "url"]) ?? .empty
    }
    if let request = members.value(bytes, "http_request") ?? members.value(bytes, "request_line"), record.method.isEmpty
    {
      RequestLine.read(bytes, request, into: &record)
    }
    record.joinsByRequest = true
    var upstream = CommonLines.Upstream()
    for member in members.members {
      if member.parent.isEmpty {
        _ = NginxFields.take(bytes, member.name, member.value, &upstream, &record)
      } else if bytes.equals("upstream", member.parent) {
        NginxFields.take(upstreamMember: member, bytes, &upstream)
      } else if !bytes.isAbsent(member.value) {
        nested(bytes, member, &record)
      }
    }
    NginxAttempts.judge(bytes, upstream, &record)
    return record
  }

  /// `"request": {"method": "POST", "uri": "/orders"}`, `"http": {"status": 502}`.
  private static func nested(_ bytes: RawSpan, _ member: JSONMembers.Member, _ record: inout LogRecord) {
    func isNamed(_ names: String...) -> Bool { names.contains { bytes.equals($0, member.name) } }
    if record.status < 0, isNamed("status", "status_code"), let status = bytes.number(member.value) {
      record.status = status
    } else if record.method.isEmpty, isNamed("method", "verb") {
      record.method = member.value
    } else if record.target.isEmpty, isNamed("uri", "path", "url", "target") {
      record.target = member.value
    } else if record.duration == nil, isNamed("time", "duration", "request_time"),
      !member.isText || member.value.count < 12
    {
      record.duration = bytes.decimal(member.value, exponent: 9)
    }
  }

  private static func haproxy(_ bytes: RawSpan, _ members: JSONMembers, _ flags: ByteRange) -> LogRecord {
    var record = LogRecord(.haproxy)
    setTime(bytes, members, ["time", "timestamp", "date", "@timestamp", "accept_date", "request_date"], &record)
    record.timeIsStart = true
    record.status = members.first(bytes, ["status", "status_code", "http_status"]).flatMap { bytes.number($0) } ?? -1
    record.method = members.first(bytes, ["method", "http_method", "verb"]) ?? .empty
    record.target = members.first(bytes, ["path", "uri", "url", "http_uri"]) ?? .empty
    record.client = members.first(bytes, ["client", "client_ip", "src", "clientip"]) ?? .empty
    record.identifier = members.first(bytes, ["request_id", "unique_id", "id"]) ?? .empty
    if let request = members.first(bytes, ["request", "http_request"]) {
      RequestLine.read(bytes, request, into: &record)
    }
    var fields = HAProxyLines.Fields()
    fields.flags = flags
    fields.server = members.first(bytes, ["server", "server_name", "srv"]) ?? .empty
    fields.connect = members.first(bytes, ["tc", "Tc", "time_connect", "connect_time"]) ?? .empty
    fields.response = members.first(bytes, ["tr", "Tr", "time_response", "response_time"]) ?? .empty
    fields.total = members.first(bytes, ["ta", "Ta", "tt", "Tt", "time_total", "total_time", "duration"]) ?? .empty
    fields.retries = members.first(bytes, ["retries", "rc"]) ?? .empty
    fields.reused = members.first(bytes, ["bc_reused", "reused"]) ?? .empty
    HAProxyLines.judge(bytes, fields, &record)
    return record
  }

  private static func yarp(_ bytes: RawSpan, _ members: JSONMembers, _ line: ByteRange) -> LogRecord {
    var record = LogRecord(.yarp)
    setTime(bytes, members, ["Timestamp", "@t", "timestamp", "time"], &record)
    record.word = members.first(bytes, ["Message", "@m", "message"]) ?? .empty
    record.signal = YARPLines.signal(bytes, line) ?? .noRequest
    return record
  }
}
