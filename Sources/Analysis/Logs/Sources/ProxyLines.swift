import Core

/// HAProxy's lines.
enum HAProxyLines {
  private static let millisecond = 6

  /// What the fields say that HAProxy's own formats and those of its users share.
  struct Fields {
    var server = ByteRange.empty
    var flags = ByteRange.empty
    var connect = ByteRange.empty
    var response = ByteRange.empty
    var total = ByteRange.empty
    var retries = ByteRange.empty
    var reused = ByteRange.empty
  }

  /// `192.0.2.10:54321 [15/Jan/2026:12:30:45.361] web~ app/n1 0/0/0/-1/2 502 208 - - SH-- 12/12/3/1/0 0/0 "POST /orders HTTP/1.1"`
  /// with anything in front.
  static func record(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    guard let open = opening(bytes, line) else { return nil }
    var scanner = LineScanner(ByteRange(from: open, to: line.end))
    guard let time = scanner.bracketed(bytes), let reading = LogTime.common(bytes, time) else { return nil }
    var start = open - 1
    while start > line.start, bytes.byte(at: start - 1) != 0x20 { start -= 1 }
    var record = LogRecord(.haproxy)
    record.client = ByteRange(from: start, to: max(start, open - 1))
    record.time = reading.nanoseconds
    record.grain = reading.grain
    record.timeIsStart = true
    _ = scanner.word(bytes)  // The frontend.
    let place = scanner.word(bytes)
    let timers = scanner.word(bytes)
    var fields = Fields()
    guard let slash = bytes.nearby(UInt8(ascii: "/"), from: place.start, to: place.end) else { return nil }
    fields.server = place
    _ = slash
    let parts = split(bytes, timers)
    guard parts.count >= 3 else { return nil }
    guard parts.count >= 5 else { return tcp(bytes, &scanner, parts, fields, record) }
    (fields.connect, fields.response, fields.total) = (parts[2], parts[3], parts[4])
    let status = scanner.word(bytes)
    record.status = bytes.equals("-1", status) ? -1 : bytes.number(status) ?? -1
    guard record.status >= 0 || bytes.equals("-1", status) else { return nil }
    for _ in 0..<3 { _ = scanner.word(bytes) }
    fields.flags = scanner.word(bytes)
    guard (2...4).contains(fields.flags.count) else { return nil }
    let connections = split(bytes, scanner.word(bytes))
    if let last = connections.last { fields.retries = last }
    _ = scanner.word(bytes)
    request(bytes, scanner, &record)
    judge(bytes, fields, &record)
    if bytes.index(of: "\"<BADREQ>\"", from: scanner.at, to: line.end) != nil, record.signal == .clientLeft {
      // A connection on which no request came.
      record.signal = .noRequest
    }
    return record
  }

  /// The bracket of a date with a fraction or followed by a frontend, and a word in front of it.
  private static func opening(_ bytes: RawSpan, _ line: ByteRange) -> Int? {
    var from = line.start
    while let open = bytes.index(of: UInt8(ascii: "["), from: from, to: min(line.end, line.start + 400)) {
      if open > line.start, open + 22 < line.end, bytes.byte(at: open - 1) == 0x20,
        bytes.byte(at: open + 3) == UInt8(ascii: "/"), bytes.byte(at: open + 7) == UInt8(ascii: "/"),
        bytes.byte(at: open + 12) == UInt8(ascii: ":")
      {
        return open
      }
      from = open + 1
    }
    return nil
  }

  private static func request(_ bytes: RawSpan, _ start: LineScanner, _ record: inout LogRecord) {
    guard let quote = bytes.index(of: UInt8(ascii: "\""), from: start.at, to: start.end) else { return }
    var scanner = start
    scanner.at = quote
    // The line may be cut behind the beginning of the request.
    let request = scanner.quoted(bytes) ?? ByteRange(from: quote + 1, to: start.end)
    RequestLine.read(bytes, request, into: &record)
  }

  private static func tcp(
    _ bytes: RawSpan, _ scanner: inout LineScanner, _ parts: [ByteRange], _ fields: Fields, _ record: LogRecord
  ) -> LogRecord? {
    var record = record
    let size = scanner.word(bytes)
    let flags = scanner.word(bytes)
    guard bytes.number(size) != nil, flags.count == 2 else { return nil }
    record.server = fields.server
    record.word = flags
    record.duration = bytes.decimal(parts[2], exponent: millisecond)
    // A connection of bytes without requests: only what says that it could not be made is judged.
    let first = bytes.byte(at: flags.start)
    let second = bytes.byte(at: flags.start + 1)
    guard second == UInt8(ascii: "C") else {
      record.signal = .noRequest
      return record
    }
    record.signal =
      first == UInt8(ascii: "S")
      ? .connectRefused
      : first == UInt8(ascii: "s") ? .connectTimedOut : first == UInt8(ascii: "C") ? .clientLeft : .noRequest
    return record
  }

  static func split(_ bytes: RawSpan, _ range: ByteRange) -> [ByteRange] {
    var parts: [ByteRange] = []
    var start = range.start
    for offset in range.start..<range.end where bytes.byte(at: offset) == UInt8(ascii: "/") {
      parts.append(ByteRange(from: start, to: offset))
      start = offset + 1
    }
    parts.append(ByteRange(from: start, to: range.end))
    return parts
  }

  /// The table of termination states (section 8.5 of HAProxy's configuration manual), with the timers.
  static func judge(_ bytes: RawSpan, _ fields: Fields, _ record: inout LogRecord) {
    let name = fields.server
    let hasServer = !bytes.contains("<", name) && !bytes.isAbsent(name)
    if hasServer { record.server = name }
    record.word = fields.flags
    record.duration = bytes.decimal(fields.total, exponent: millisecond)
    record.attemptDuration = record.duration
    var retries = fields.retries
    if !retries.isEmpty, bytes.byte(at: retries.start) == UInt8(ascii: "+") { retries = retries.dropping(first: 1) }
    record.retries = bytes.number(retries) ?? 0
    guard fields.flags.count >= 2 else { return }
    let first = bytes.byte(at: fields.flags.start)
    let second = bytes.byte(at: fields.flags.start + 1)
    record.signal = signal(first, second, record: record, hasServer: hasServer)
    if record.signal == .closed {
      if bytes.equals("1", fields.reused) {
        record.isReused = true
      } else if bytes.equals("0", fields.reused) {
        record.isReused = false
      } else if let connect = bytes.decimal(fields.connect, exponent: millisecond), connect > 0 {
        // A reused connection takes no time to be made.
        record.isReused = false
      }
      if let response = bytes.decimal(fields.response, exponent: millisecond) {
        record.attemptDuration = response
      }
    }
  }

  private static func signal(_ first: UInt8, _ second: UInt8, record: LogRecord, hasServer: Bool) -> LogSignal {
    let isTunnel = record.status == 101
    switch (first, second) {
    case (UInt8(ascii: "-"), _):
      if record.status >= 500 {
        // Without an abnormal end the answer is the server's, or that of a rule.
        return hasServer ? .serverError : .proxyOwn
      }
      return record.retries > 0 && record.status > 0 ? .repaired : .answered
    case (UInt8(ascii: "C"), _): return .clientLeft
    case (UInt8(ascii: "c"), UInt8(ascii: "D")): return isTunnel ? .tunnelTimedOut : .clientLeft
    case (UInt8(ascii: "c"), _): return .clientLeft
    case (UInt8(ascii: "S"), UInt8(ascii: "C")), (UInt8(ascii: "S"), UInt8(ascii: "Q")):
      return hasServer ? .connectRefused : .noServer
    case (UInt8(ascii: "S"), UInt8(ascii: "H")): return .closed
    case (UInt8(ascii: "S"), _): return .cut
    case (UInt8(ascii: "s"), UInt8(ascii: "C")): return hasServer ? .connectTimedOut : .noServer
    case (UInt8(ascii: "s"), UInt8(ascii: "Q")): return .noServer
    case (UInt8(ascii: "s"), UInt8(ascii: "D")), (UInt8(ascii: "s"), UInt8(ascii: "L")):
      return isTunnel ? .tunnelTimedOut : .answerTimedOut
    case (UInt8(ascii: "s"), _): return .answerTimedOut
    case (UInt8(ascii: "D"), _): return .diedProved
    case (UInt8(ascii: "P"), UInt8(ascii: "H")), (UInt8(ascii: "P"), UInt8(ascii: "D")): return .wrongProtocol
    case (UInt8(ascii: "L"), _): return record.status >= 500 ? .proxyOwn : .answered
    case (UInt8(ascii: "P"), _): return record.status < 500 && record.status > 0 ? .answered : .proxyOwn
    default: return .proxyOwn
    }
  }
}

/// Envoy's lines, and Istio's.
enum EnvoyLines {
  /// `[2026-01-15T12:30:45.123Z] "POST /orders HTTP/1.1" 503 UC upstream_reset... 312 95 1 - "-" "curl/8" "9c2f" "shop.example" "198.51.100.7:3000"`
  ///
  /// Between flags and bytes there may be nothing, the details, or the details and more: they are told apart by what they are.
  static func record(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    var scanner = LineScanner(line)
    guard let time = scanner.bracketed(bytes), let reading = LogTime.iso(bytes, time),
      let request = scanner.quoted(bytes)
    else { return nil }
    let code = scanner.word(bytes)
    guard let status = bytes.number(code), status < 1_000 else { return nil }
    var record = LogRecord(.envoy)
    record.time = reading.nanoseconds
    record.grain = reading.grain
    record.timeIsStart = true
    record.status = status
    RequestLine.read(bytes, request, into: &record)
    let flags = scanner.word(bytes)
    var details = ByteRange.empty
    while !scanner.isAtEnd {
      let before = scanner.at
      let field = scanner.field(bytes)
      if bytes.isNumber(field), bytes.byte(at: before) != UInt8(ascii: "\"") { break }
      if details.isEmpty, !bytes.isAbsent(field) { details = field }
    }
    _ = scanner.word(bytes)  // Bytes sent; those received ended the loop.
    let duration = scanner.word(bytes)
    record.duration = bytes.decimal(duration, exponent: 6)
    _ = scanner.word(bytes)  // The server's own time.
    var texts: [ByteRange] = []
    while texts.count < 5, let text = scanner.quoted(bytes) { texts.append(text) }
    if texts.count >= 3 { record.identifier = texts[2] }
    if texts.count >= 5, !bytes.isAbsent(texts[4]) { record.server = texts[4] }
    judge(bytes, flags: flags, details: details, attempts: 1, &record)
    return record
  }

  static func judge(_ bytes: RawSpan, flags: ByteRange, details: ByteRange, attempts: Int, _ record: inout LogRecord) {
    // In a line of text the details stand right behind the flags.
    let isNext = !details.isEmpty && details.start > flags.end && details.start - flags.end <= 2
    record.word = details.isEmpty ? flags : isNext ? ByteRange(from: flags.start, to: details.end) : details
    if record.word.count > 200 { record.word = details }
    record.attemptDuration = record.duration
    record.signal = signal(bytes, flags: flags, details: details, record)
    record.retries = max(0, attempts - 1)
    if record.retries > 0, record.signal == .answered, record.status > 0 { record.signal = .repaired }
  }

  /// The names that `%RESPONSE_FLAGS%` has for what went wrong, one of a list that commas separate.
  private static func has(_ bytes: RawSpan, _ flag: String, _ flags: ByteRange) -> Bool {
    var start = flags.start
    for offset in start..<flags.end where bytes.byte(at: offset) == UInt8(ascii: ",") {
      if bytes.equals(flag, ByteRange(from: start, to: offset)) { return true }
      start = offset + 1
    }
    return bytes.equals(flag, ByteRange(from: start, to: flags.end))
  }

  private static func signal(
    _ bytes: RawSpan, flags: ByteRange, details: ByteRange, _ record: LogRecord
  ) -> LogSignal {
    func flag(_ short: String, _ long: String) -> Bool { has(bytes, short, flags) || has(bytes, long, flags) }
    func says(_ text: String) -> Bool { bytes.contains(text, details) }
    if bytes.isAbsent(flags) {
      if record.status == 0 || says("remote_reset") || says("downstream_remote_disconnect") { return .clientLeft }
      return record.status >= 500 ? .serverError : .answered
    }
    if flag("UC", "UpstreamConnectionTermination") {
      return says("after_response_started") ? .cut : .closed
    }
    if flag("UF", "UpstreamConnectionFailure") {
      if says("timeout") || says("_110") { return .connectTimedOut }
      return says("TLS_error") ? .wrongProtocol : .connectRefused
    }
    if flag("UPE", "UpstreamProtocolError") {
      return says("headers_count") || says("too_big") || says("too_large") ? .headTooBig : .wrongProtocol
    }
    if flag("UR", "UpstreamRemoteReset") {
      if says("after_response_started") { return .cut }
      return says("refused") ? .goneAway : .diedProved
    }
    if flag("UH", "NoHealthyUpstream") { return .noServer }
    if flag("UT", "UpstreamRequestTimeout") || flag("DT", "DurationTimeout") { return .answerTimedOut }
    if flag("UMSDR", "UpstreamMaxStreamDurationReached") { return .answerTimedOut }
    if flag("SI", "StreamIdleTimeout") { return record.status == 101 ? .tunnelTimedOut : .answerTimedOut }
    if flag("DC", "DownstreamConnectionTermination") || flag("DR", "DownstreamRemoteReset") { return .clientLeft }
    if flag("DPE", "DownstreamProtocolError") { return .proxyOwn }
    if flag("URX", "UpstreamRetryLimitExceeded") {
      return says("via_upstream") || details.isEmpty ? .serverError : .closed
    }
    if record.status >= 400 || record.status == 0 { return .proxyOwn }
    return .answered
  }
}

/// Traefik's lines.
enum TraefikLines {
  /// The length of "Bad Gateway", which Traefik writes as the whole body of its own 502.
  private static let ownBody = 11

  static func signal(
    status: Int, originStatus: Int?, originSize: Int?, hasServer: Bool, retries: Int
  ) -> LogSignal {
    switch status {
    case 499: return .clientLeft
    case 502:
      if let originSize, originSize != ownBody, originSize > 0 { return .serverError }
      return hasServer ? .closedOrRefused : .proxyOwn
    case 503: return hasServer || originStatus ?? 0 > 0 ? .serverError : .noServer
    case 504: return .answerTimedOut
    case 500...: return .serverError
    case 0: return .clientLeft
    default: return retries > 0 ? .repaired : .answered
    }
  }

  static func json(_ bytes: RawSpan, _ members: JSONMembers) -> LogRecord {
    var record = LogRecord(.traefik)
    record.timeIsStart = true
    if let start = members.value(bytes, "StartUTC") ?? members.value(bytes, "StartLocal"),
      let reading = LogTime.iso(bytes, start)
    {
      (record.time, record.grain) = (reading.nanoseconds, reading.grain)
    } else if let time = members.value(bytes, "time"), let reading = LogTime.iso(bytes, time) {
      (record.time, record.grain, record.timeIsStart) = (reading.nanoseconds, reading.grain, false)
    }
    func number(_ name: String) -> Int? { members.value(bytes, name).flatMap { bytes.number($0) } }
    record.status = number("DownstreamStatus") ?? number("OriginStatus") ?? -1
    record.duration = number("Duration").map(Int64.init)
    record.attemptDuration = (number("OriginDuration") ?? number("Duration")).map(Int64.init)
    record.client = members.first(bytes, ["ClientHost", "ClientAddr"]) ?? .empty
    record.method = members.value(bytes, "RequestMethod") ?? .empty
    record.target = members.value(bytes, "RequestPath") ?? .empty
    record.identifier = members.first(bytes, ["request_X-Request-Id", "TraceId", "SpanId"]) ?? .empty
    if let link = members.first(bytes, ["ServiceURL", "ServiceAddr"]), !link.isEmpty {
      // Old versions write the parts of the address as an object.
      if bytes.byte(at: link.start) == UInt8(ascii: "{") {
        record.server = members.value(bytes, "ServiceURL", "Host") ?? .empty
      } else {
        record.server = ErrorLines.authority(bytes, link)
      }
    }
    record.retries = number("RetryAttempts") ?? 0
    record.signal = signal(
      status: record.status, originStatus: number("OriginStatus"),
      originSize: number("OriginContentSize") ?? number("DownstreamContentSize"), hasServer: !record.server.isEmpty,
      retries: record.retries)
    return record
  }

  /// `time="..." level=debug msg="'502 Bad Gateway' caused by: EOF"`, and the newer
  /// `2026-01-15T12:30:45Z DBG github.com/... > 502 Bad Gateway error=EOF`.
  static func debug(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    var time = ByteRange.empty
    if bytes.spells("time=\"", at: line.start, to: line.end) {
      time = ErrorLines.value(bytes, "time=\"", line, until: UInt8(ascii: "\"")) ?? .empty
    } else if let blank = bytes.nearby(0x20, from: line.start, to: min(line.end, line.start + 40)),
      [" DBG ", " INF ", " WRN ", " ERR "].contains(where: { bytes.spells($0, at: blank, to: line.end) })
    {
      time = ByteRange(from: line.start, to: blank)
    } else {
      return nil
    }
    var record = LogRecord(.traefikDebug)
    let reading = LogTime.iso(bytes, time)
    (record.time, record.grain) = (reading?.nanoseconds, reading?.grain ?? LogTime.second)
    debugCause(bytes, line, &record)
    return record
  }

  static func debugJSON(_ bytes: RawSpan, _ members: JSONMembers, _ line: ByteRange) -> LogRecord {
    var record = LogRecord(.traefikDebug)
    if let time = members.value(bytes, "time"), let reading = LogTime.iso(bytes, time) {
      (record.time, record.grain) = (reading.nanoseconds, reading.grain)
    }
    debugCause(bytes, line, cause: members.first(bytes, ["error", "err"]), &record)
    return record
  }

  private static func debugCause(
    _ bytes: RawSpan, _ line: ByteRange, cause known: ByteRange? = nil, _ record: inout LogRecord
  ) {
    let codes = [
      ("502 Bad Gateway", 502), ("504 Gateway Timeout", 504), ("499 Client Closed Request", 499),
      ("500 Internal Server Error", 500), ("503 Service Unavailable", 503),
    ]
    guard let (name, code) = codes.first(where: { bytes.contains($0.0, line) }),
      let place = bytes.index(of: name, from: line.start, to: line.end)
    else {
      record.signal = .noRequest
      return
    }
    var start = place + name.utf8.count
    for label in ["caused by: ", "error=\"", "error=", "\"error\":\""] {
      if let cause = bytes.index(of: label, from: line.start, to: line.end) {
        start = cause + label.utf8.count
        break
      }
    }
    var end = line.end
    while end > start, [UInt8(ascii: "\""), UInt8(ascii: "}")].contains(bytes.byte(at: end - 1)) { end -= 1 }
    let cause = known ?? ByteRange(from: start, to: end)
    record.word = cause
    record.status = code
    record.signal =
      GoErrors.signal(bytes, cause) ?? (code == 504 ? .answerTimedOut : code == 499 ? .clientLeft : .unexplained)
    record.server = GoErrors.server(bytes, cause)
  }
}

/// What Go's HTTP client says of an attempt, in Traefik's, Caddy's and others' logs.
enum GoErrors {
  static func signal(_ bytes: RawSpan, _ text: ByteRange) -> LogSignal? {
    func has(_ text_: String) -> Bool { bytes.contains(text_, text) }
    if has("context canceled") || has("client disconnected") { return .clientLeft }
    if has("server closed idle connection") { return .closedIdle }
    if has("no such host") || has("no upstreams available") || has("no available server") { return .noServer }
    if has("dial ") {
      return has("i/o timeout") || has("timed out") || has("deadline") ? .connectTimedOut : .connectRefused
    }
    if has("connection refused") { return .connectRefused }
    if has("response headers exceeded") || has("headers too large") { return .headTooBig }
    if has("malformed") || has("HTTP response to HTTPS client") || has("does not look like a TLS") || has("x509:")
      || has("tls: ")
    {
      return .wrongProtocol
    }
    if has("GOAWAY") || has("REFUSED_STREAM") { return .goneAway }
    if has("timeout") || has("deadline exceeded") { return .answerTimedOut }
    if has("stream error") { return .diedProved }
    if has("unexpected EOF") { return .cut }
    if has("EOF") { return .closed }
    if has("connection reset by peer") { return .reset }
    if has("broken pipe") || has("use of closed network connection") { return .writeFailed }
    return nil
  }

  /// The address behind `dial tcp` or `->`.
  static func server(_ bytes: RawSpan, _ text: ByteRange) -> ByteRange {
    for label in ["dial tcp ", "->"] {
      guard let place = bytes.index(of: label, from: text.start, to: text.end) else { continue }
      var scanner = LineScanner(ByteRange(from: place + label.utf8.count, to: text.end))
      let word = scanner.word(bytes)
      guard word.count > 1, bytes.byte(at: word.end - 1) == UInt8(ascii: ":") else { continue }
      let address = word.limited(to: word.count - 1)
      if bytes.nearby(UInt8(ascii: ":"), from: address.start, to: address.end) != nil { return address }
    }
    return .empty
  }
}

/// Caddy's lines.
enum CaddyLines {
  /// `2026/01/15 12:30:45.120⇥ERROR⇥http.log.error⇥EOF⇥{"request": {...}, "status": 502}`, its format for terminals.
  static func console(_ bytes: RawSpan, _ line: ByteRange, _ members: inout JSONMembers) -> LogRecord? {
    var parts: [ByteRange] = []
    var start = line.start
    while parts.count < 4, let tab = bytes.nearby(0x09, from: start, to: min(line.end, start + 4_000)) {
      parts.append(ByteRange(from: start, to: tab))
      start = tab + 1
    }
    guard parts.count == 4, parts[0].count >= 19, let reading = LogTime.iso(bytes, parts[0]),
      bytes.spells("http.", at: parts[2].start, to: parts[2].end),
      members.scan(bytes, ByteRange(from: start, to: line.end))
    else { return nil }
    var record = record(bytes, members, logger: parts[2], message: parts[3])
    (record.time, record.grain) = (reading.nanoseconds, reading.grain)
    return record
  }

  static func json(_ bytes: RawSpan, _ members: JSONMembers) -> LogRecord? {
    guard let logger = members.value(bytes, "logger") else { return nil }
    let message = members.first(bytes, ["msg", "message"]) ?? .empty
    return record(bytes, members, logger: logger, message: message)
  }

  private static func record(
    _ bytes: RawSpan, _ members: JSONMembers, logger: ByteRange, message: ByteRange
  ) -> LogRecord {
    let isHandler = bytes.spells("http.handlers.reverse_proxy", at: logger.start, to: logger.end)
    let isError = bytes.spells("http.log.error", at: logger.start, to: logger.end)
    var record = LogRecord(isHandler || isError ? .caddyError : .caddyAccess)
    if let time = members.first(bytes, ["ts", "time"]), let reading = LogTime.any(bytes, time) {
      (record.time, record.grain) = (reading.nanoseconds, reading.grain)
    }
    guard isHandler || isError || bytes.spells("http.log.access", at: logger.start, to: logger.end) else {
      record.signal = .noRequest
      return record
    }
    request(bytes, members, &record)
    if isError || isHandler {
      error(bytes, members, message: message, isHandler: isHandler, &record)
    } else {
      access(&record)
    }
    return record
  }

  private static func request(_ bytes: RawSpan, _ members: JSONMembers, _ record: inout LogRecord) {
    record.status = members.value(bytes, "status").flatMap { bytes.number($0) } ?? -1
    record.duration = members.value(bytes, "duration").flatMap { seconds(bytes, $0) }
    record.attemptDuration = record.duration
    record.method = members.value(bytes, "request", "method") ?? .empty
    record.target = members.value(bytes, "request", "uri") ?? .empty
    record.client =
      members.value(bytes, "request", "remote_ip") ?? members.value(bytes, "request", "client_ip") ?? .empty
    record.identifier = members.first(bytes, ["uuid", "request_id", "err_id"]) ?? .empty
    let port = members.value(bytes, "request", "remote_port") ?? .empty
    record.pairKey = RequestLine.pairKey(bytes, client: record.client, method: record.method, target: record.target)
    if record.pairKey != 0, !port.isEmpty { record.pairKey = bytes.fingerprint(port, seed: record.pairKey) }
  }

  /// A number of seconds, which Go may write as `1.2e-05`; or `1.2ms`.
  private static func seconds(_ bytes: RawSpan, _ value: ByteRange) -> Int64? {
    if let plain = bytes.decimal(value, exponent: 9) { return plain }
    if let e = bytes.nearby(UInt8(ascii: "e"), from: value.start, to: value.end), e + 2 < value.end,
      bytes.byte(at: e + 1) == UInt8(ascii: "-"), let power = bytes.number(ByteRange(from: e + 2, to: value.end)),
      power <= 9
    {
      return bytes.decimal(ByteRange(from: value.start, to: e), exponent: 9 - power)
    }
    let units = [("ms", 6), ("µs", 3), ("us", 3), ("ns", 0), ("s", 9)]
    for (unit, exponent) in units where value.count > unit.utf8.count {
      let start = value.end - unit.utf8.count
      if bytes.spells(unit, at: start, to: value.end) {
        return bytes.decimal(ByteRange(from: value.start, to: start), exponent: exponent)
      }
    }
    return nil
  }

  private static func access(_ record: inout LogRecord) {
    switch record.status {
    case 499, 0: record.signal = .clientLeft
    case 502: record.signal = .unexplained
    case 504: record.signal = .answerTimedOut
    case 500...: record.signal = .serverError
    default: record.signal = .answered
    }
  }

  private static func error(
    _ bytes: RawSpan, _ members: JSONMembers, message: ByteRange, isHandler: Bool, _ record: inout LogRecord
  ) {
    let error = members.value(bytes, "error") ?? message
    record.word = error
    record.server = GoErrors.server(bytes, error)
    if record.server.isEmpty, let upstream = members.value(bytes, "upstream") { record.server = upstream }
    if bytes.contains("aborting with incomplete response", message) {
      record.signal =
        bytes.contains("context canceled", error) || bytes.contains("client disconnected", error)
        ? .clientLeft : .cut
      return
    }
    guard let signal = GoErrors.signal(bytes, error) else {
      record.signal = record.status == 502 ? .unexplained : .noRequest
      return
    }
    // A line about each attempt that the handler may repeat: the error log has the end of it.
    record.signal = isHandler && record.status < 0 && record.method.isEmpty ? .noRequest : signal
  }
}
