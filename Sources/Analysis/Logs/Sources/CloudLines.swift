import Core

/// Entries of Google Cloud's load balancers, as Cloud Logging exports them.
enum GoogleLines {
  static func json(_ bytes: RawSpan, _ members: JSONMembers) -> LogRecord {
    var record = LogRecord(.gcp)
    if let time = members.value(bytes, "timestamp"), let reading = LogTime.iso(bytes, time) {
      (record.time, record.grain) = (reading.nanoseconds, reading.grain)
      record.timeIsStart = true
    }
    func request(_ name: String) -> ByteRange? { members.value(bytes, "httpRequest", name) }
    record.status = request("status").flatMap { bytes.number($0) } ?? -1
    if let latency = request("latency"), latency.count > 1, bytes.byte(at: latency.end - 1) == UInt8(ascii: "s") {
      record.duration = bytes.decimal(latency.limited(to: latency.count - 1), exponent: 9)
    }
    record.client = request("remoteIp") ?? .empty
    record.method = request("requestMethod") ?? .empty
    record.target = request("requestUrl").map { RequestLine.path(bytes, $0) } ?? .empty
    record.server =
      request("serverIp") ?? members.value(bytes, "jsonPayload", "backendTargetProjectNumber")
      ?? members.value(bytes, "labels", "backend_service_name") ?? .empty
    if let name = members.value(bytes, "labels", "backend_service_name"), !name.isEmpty { record.server = name }
    record.identifier = members.value(bytes, "trace") ?? members.value(bytes, "insertId") ?? .empty
    let details =
      members.value(bytes, "jsonPayload", "statusDetails") ?? members.value(bytes, "statusDetails") ?? .empty
    record.word = details
    record.attemptDuration = record.duration
    record.signal = signal(bytes, details, record)
    return record
  }

  private static func signal(_ bytes: RawSpan, _ details: ByteRange, _ record: LogRecord) -> LogSignal {
    func says(_ text: String) -> Bool { bytes.contains(text, details) }
    if details.isEmpty { return record.status >= 502 ? .unexplained : record.status >= 500 ? .serverError : .answered }
    if says("response_sent_by_backend") { return record.status >= 500 ? .serverError : .answered }
    if says("backend_connection_closed_before_data_sent") { return .closed }
    if says("backend_connection_closed_after_partial") { return .cut }
    if says("backend_early_response") { return .bodyFailed }
    if says("failed_to_connect_to_backend") { return .connectRefused }
    if says("failed_to_pick_backend") { return .noServer }
    if says("timeout") { return says("client") ? .clientLeft : .answerTimedOut }
    if says("client_disconnected") || says("client_cancelled") { return .clientLeft }
    if says("backend_response_corrupted") || says("backend_invalid") || says("invalid_http_response")
      || says("malformed")
    {
      return .wrongProtocol
    }
    if says("header") && (says("too_large") || says("too_long")) { return .headTooBig }
    return record.status >= 500 ? .proxyOwn : .answered
  }
}

/// Logs in the W3C's extended format, whose `#Fields:` line names the columns: CloudFront, IIS, HTTP.sys.
struct W3CLines: Sendable {
  private enum Column: Sendable {
    case date, time, client, method, target, status, substatus, system, taken, timeTaken, result, detailedResult
    case responseResult, requestID, reason, server, port, queue, host, other
  }

  private var columns: [Column] = []
  private var isCloudFront = false
  private var isHTTPSys = false

  init() {}

  var isKnown: Bool { !columns.isEmpty }

  private static let names: [(String, Column)] = [
    ("date", .date), ("time", .time), ("c-ip", .client), ("cs-method", .method), ("cs-uri-stem", .target),
    ("cs-uri", .target), ("sc-status", .status), ("sc-substatus", .substatus), ("sc-win32-status", .system),
    ("time-taken", .timeTaken), ("x-edge-result-type", .result), ("x-edge-detailed-result-type", .detailedResult),
    ("x-edge-response-result-type", .responseResult), ("x-edge-request-id", .requestID), ("s-reason", .reason),
    ("s-ip", .server), ("s-port", .port), ("s-queuename", .queue), ("x-host-header", .host), ("cs-host", .host),
    ("cs(Host)", .host),
  ]

  private static let cloudFrontNames = [
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status",
    "cs(Referer)", "cs(User-Agent)", "cs-uri-query", "cs(Cookie)", "x-edge-result-type", "x-edge-request-id",
    "x-host-header", "cs-protocol", "cs-bytes", "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher",
    "x-edge-response-result-type", "cs-protocol-version", "fle-status", "fle-encrypted-fields", "c-port",
    "time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len", "sc-range-start",
    "sc-range-end",
  ]

  /// A line that begins with `#`. Whether it is one of this format.
  mutating func directive(_ bytes: RawSpan, _ line: ByteRange) -> Bool {
    guard bytes.byte(at: line.start) == UInt8(ascii: "#") else { return false }
    if bytes.spells("#Fields:", at: line.start, to: line.end) {
      var names: [ByteRange] = []
      let rest = bytes.trimmed(line.dropping(first: 8))
      W3CLines.split(bytes, rest, into: &names, limit: 128)
      set(names.map { bytes.text($0) })
      return true
    }
    return ["#Version", "#Software", "#Date", "#Start", "#End", "#Remark"].contains {
      bytes.spells($0, at: line.start, to: line.end)
    }
  }

  private mutating func set(_ names: [String]) {
    columns = names.map { name in W3CLines.names.first { $0.0 == name }?.1 ?? .other }
    isCloudFront = names.contains { $0.hasPrefix("x-edge-") }
    isHTTPSys = names.contains("s-reason")
  }

  /// Columns at tabs where there are any, else at blanks.
  private static func split(_ bytes: RawSpan, _ line: ByteRange, into fields: inout [ByteRange], limit: Int) {
    let separator: UInt8 = bytes.index(of: 0x09, from: line.start, to: line.end) == nil ? 0x20 : 0x09
    var start = line.start
    while start <= line.end, fields.count < limit {
      let end = bytes.index(of: separator, from: start, to: line.end) ?? line.end
      let field = ByteRange(from: start, to: end)
      if separator == 0x09 || !field.isEmpty { fields.append(bytes.trimmed(field)) }
      start = end + 1
    }
  }

  /// A line of CloudFront whose header was cut away: a date, a time, and the code of an edge location.
  mutating func looksLikeCloudFront(_ bytes: RawSpan, _ line: ByteRange) -> Bool {
    var scanner = LineScanner(line)
    guard line.count > 60, bytes.spells("-", at: line.start + 4, to: line.end) else { return false }
    var fields: [ByteRange] = []
    W3CLines.split(bytes, line, into: &fields, limit: 40)
    _ = scanner.word(bytes)
    guard fields.count >= 26, fields[0].count == 10, fields[1].count == 8, fields[2].count >= 5,
      bytes.nearby(UInt8(ascii: "-"), from: fields[2].start, to: fields[2].end) != nil, bytes.isNumber(fields[3]),
      bytes.digits(3, at: fields[8].start) != nil
    else { return false }
    set(W3CLines.cloudFrontNames)
    return true
  }

  func record(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    var fields: [ByteRange] = []
    W3CLines.split(bytes, line, into: &fields, limit: columns.count + 1)
    guard fields.count >= min(columns.count, 4), fields.count > 1 else { return nil }
    func field(_ column: Column) -> ByteRange? {
      guard let index = columns.firstIndex(where: { $0 == column }), index < fields.count else { return nil }
      return bytes.isAbsent(fields[index]) ? nil : fields[index]
    }
    var record = LogRecord(isCloudFront ? .cloudfront : isHTTPSys ? .httpSys : .iis)
    guard let date = field(.date), let time = field(.time), time.start == date.end + 1,
      let reading = LogTime.iso(bytes, ByteRange(from: date.start, to: time.end))
    else { return nil }
    (record.time, record.grain) = (reading.nanoseconds, reading.grain)
    record.client = field(.client) ?? .empty
    record.method = field(.method) ?? .empty
    record.target = field(.target) ?? .empty
    record.status = field(.status).flatMap { bytes.number($0) } ?? -1
    record.identifier = field(.requestID) ?? .empty
    if isCloudFront {
      record.server = field(.host) ?? .empty
      record.duration = field(.timeTaken).flatMap { bytes.decimal($0, exponent: 9) }
      let detailed = field(.detailedResult) ?? field(.result) ?? .empty
      record.word = detailed
      record.signal = cloudFront(bytes, detailed, record)
    } else if isHTTPSys {
      let reason = field(.reason) ?? .empty
      record.word = reason
      record.server = field(.queue) ?? .empty
      record.signal = httpSys(bytes, reason, hasMethod: !record.method.isEmpty)
    } else {
      record.server = field(.host) ?? field(.server) ?? .empty
      record.duration = field(.timeTaken).flatMap { bytes.decimal($0, exponent: 6) }
      record.word = field(.system) ?? .empty
      record.signal = iis(
        record, substatus: field(.substatus).flatMap { bytes.number($0) } ?? 0,
        system: field(.system).flatMap { bytes.number($0) } ?? 0)
    }
    record.attemptDuration = record.duration
    return record
  }

  private func cloudFront(_ bytes: RawSpan, _ result: ByteRange, _ record: LogRecord) -> LogSignal {
    func has(_ text: String) -> Bool { bytes.contains(text, result) }
    if has("ClientCommError") || has("ClientHungUp") || record.status == 0 { return .clientLeft }
    if has("OriginConnectError") { return record.status == 504 ? .connectTimedOut : .connectRefused }
    if has("OriginDnsError") { return .noServer }
    if has("OriginHeaderTooBig") || has("OriginHeaderTooLarge") { return .headTooBig }
    if has("OriginInvalidResponse") { return .wrongProtocol }
    if has("SlowReadOriginError") { return .answerTimedOut }
    if has("OriginReadError") || has("AbortedOrigin") { return .cut }
    if has("OriginCommError") || has("OriginWriteError") {
      if record.status == 504 { return .answerTimedOut }
      return has("Write") ? .writeFailed : .closed
    }
    if has("OriginError") { return record.status >= 500 ? .serverError : .answered }
    if has("CapacityExceeded") || has("LimitExceeded") || has("Lambda") || has("Function") { return .proxyOwn }
    guard record.status >= 500 else { return .answered }
    if record.status == 504 { return .answerTimedOut }
    // An answer of the origin's own is told by its result; "Error" alone says nothing.
    return record.status == 502 && has("Error") ? .unexplained : .serverError
  }

  private func httpSys(_ bytes: RawSpan, _ reason: ByteRange, hasMethod: Bool) -> LogSignal {
    func has(_ text: String) -> Bool { bytes.contains(text, reason) }
    if has("Timer_ConnectionIdle") { return .idleClose }
    if has("Connection_Abandoned") { return .diedProved }
    if has("Connection_Dropped") { return .clientLeft }
    if has("Timer_Response") || has("Timer_AppPool") { return .answerTimedOut }
    if has("Timer_") || has("Client_Reset") { return .clientLeft }
    if has("QueueFull") || has("AppOffline") || has("Disabled") || has("AppShutdown") || has("ConnLimit") || has("N/A")
    {
      return .noServer
    }
    return hasMethod && !reason.isEmpty ? .proxyOwn : .noRequest
  }

  /// `sc-status`, `sc-substatus` and WinHTTP's number, plain or within an HRESULT.
  private func iis(_ record: LogRecord, substatus: Int, system: Int) -> LogSignal {
    let number = system > 0x8007_0000 ? system & 0xffff : system
    guard record.status >= 500 else {
      return number == 64 || number == 1236 ? .clientLeft : .answered
    }
    switch number {
    case 12_030, 12_031: return number == 12_031 ? .reset : .closed
    case 12_002, 121, 258: return .answerTimedOut
    case 12_029, 1225: return .connectRefused
    case 12_007: return .noServer
    case 12_152, 12_175, 12_157, 12_019: return .wrongProtocol
    case 64, 1236, 995: return .clientLeft
    default: break
    }
    switch (record.status, substatus) {
    case (502, 1), (504, _): return .answerTimedOut
    case (502, 4): return .noServer
    case (502, 2): return .wrongProtocol
    case (502, 3), (502, 0): return .unexplained
    case (503, _): return substatus > 0 ? .noServer : .serverError
    default: return .serverError
    }
  }
}

/// YARP's lines: one message may take several of them.
struct YARPLines: Sendable {
  static func isHead(_ bytes: RawSpan, _ line: ByteRange) -> Bool {
    bytes.contains("Yarp.ReverseProxy", line) || bytes.contains("ForwarderError", line)
  }

  /// What one line says; nil when it says nothing of a failure.
  static func signal(_ bytes: RawSpan, _ line: ByteRange) -> LogSignal? {
    func has(_ text: String) -> Bool { bytes.contains(text, line) }
    if has("ResponseEnded") || has("response ended prematurely") { return .closed }
    if has("RequestCanceled") || has("ResponseBodyCanceled") || has("RequestBodyCanceled")
      || has("UpgradeRequestCanceled")
      || has("client disconnected") || has("ResponseBodyClient") || has("RequestBodyClient")
    {
      return .clientLeft
    }
    if has("RequestTimedOut") || has("timed out before") || has("TimeoutException") { return .answerTimedOut }
    if has("NoAvailableDestinations") || has("no available destinations") || has("No available destinations") {
      return .noServer
    }
    if has("Connection refused") || has("actively refused") || has("ConnectionError") { return .connectRefused }
    if has("NameResolutionError") || has("Name or service not known") || has("No such host") { return .noServer }
    if has("SecureConnectionError") || has("InvalidResponse") || has("HttpProtocolError") { return .wrongProtocol }
    if has("ConfigurationLimitExceeded") { return .headTooBig }
    if has("Connection reset by peer") || has("forcibly closed by the remote host") { return .reset }
    if has("Broken pipe") { return .writeFailed }
    if has("ResponseBodyDestination") || has("RequestBodyDestination") || has("ResponseHeaders") {
      return has("RequestBody") ? .bodyFailed : .cut
    }
    return nil
  }
}
