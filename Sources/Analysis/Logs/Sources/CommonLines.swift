import Core

/// Lines that begin as the Common Log Format does: nginx, ingress-nginx, Apache httpd, Traefik, our own.
enum CommonLines {
  /// What nginx says of the attempts of one request. Ranges are lists as nginx writes them.
  struct Upstream {
    var address = ByteRange.empty
    var status = ByteRange.empty
    var responseTime = ByteRange.empty
    var connectTime = ByteRange.empty
    var headerTime = ByteRange.empty
    var responseLength = ByteRange.empty
    /// The group of servers that was asked for.
    var name = ByteRange.empty
    /// Whether the format has a field for the connect time at all.
    var hasConnectTime = false
  }

  static func record(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    var scanner = LineScanner(line)
    let client = scanner.word(bytes)
    _ = scanner.word(bytes)
    // A user's name may hold blanks; the time is in the first bracket.
    guard scanner.at < line.end,
      let open = bytes.nearby(UInt8(ascii: "["), from: scanner.at, to: min(line.end, scanner.at + 200))
    else { return nil }
    scanner.at = open
    guard let time = scanner.bracketed(bytes), let reading = LogTime.common(bytes, time) ?? LogTime.iso(bytes, time),
      let request = scanner.quoted(bytes)
    else { return nil }
    let status = scanner.word(bytes)
    guard let code = bytes.number(status), code < 1_000 else { return nil }
    let size = scanner.word(bytes)
    var record = LogRecord(.apacheAccess)
    record.client = client
    record.time = reading.nanoseconds
    record.grain = reading.grain
    record.zone = reading.zone
    record.status = code
    RequestLine.read(bytes, request, into: &record)
    record.joinsByRequest = true
    guard scanner.at < line.end, scanner.quoted(bytes) != nil, scanner.quoted(bytes) != nil, scanner.at < line.end
    else {
      plain(&record)
      return record
    }
    if traefik(bytes, scanner, size: size, &record) { return record }
    if ingress(bytes, scanner, &record) { return record }
    if labelled(bytes, scanner, &record) { return record }
    plain(&record)
    return record
  }

  /// Without a word on what the server did, only the proxy's own codes tell.
  static func plain(_ record: inout LogRecord) {
    switch record.status {
    case 499:
      record.source = .nginxAccess
      record.signal = .clientLeft
    case 504: record.signal = .answerTimedOut
    case 502: record.signal = .unexplained
    case 500...: record.signal = .serverError
    default: record.signal = .answered
    }
  }

  // MARK: - ingress-nginx

  /// `312 0.002 [web-app-3000] [] 198.51.100.7:3000 0 0.001 502 9c2f`
  private static func ingress(_ bytes: RawSpan, _ start: LineScanner, _ record: inout LogRecord) -> Bool {
    var scanner = start
    guard bytes.isNumber(scanner.word(bytes)), let total = bytes.decimal(scanner.word(bytes), exponent: 9),
      let name = scanner.bracketed(bytes), scanner.bracketed(bytes) != nil
    else { return false }
    record.source = .nginxAccess
    record.duration = total
    var upstream = Upstream()
    upstream.name = name
    upstream.address = scanner.list(bytes)
    upstream.responseLength = scanner.list(bytes)
    upstream.responseTime = scanner.list(bytes)
    upstream.status = scanner.list(bytes)
    record.identifier = scanner.word(bytes)
    NginxAttempts.judge(bytes, upstream, &record)
    return true
  }

  /// Names and values behind the combined format, as many have added them: `rt=0.002 uct="0.000" urt="0.001" us="502"`.
  private static func labelled(_ bytes: RawSpan, _ start: LineScanner, _ record: inout LogRecord) -> Bool {
    var scanner = start
    var upstream = Upstream()
    var found = false
    while !scanner.isAtEnd {
      let begin = scanner.at
      guard let sign = bytes.nearby(UInt8(ascii: "="), from: begin, to: min(scanner.end, begin + 40)),
        bytes.nearby(0x20, from: begin, to: sign) == nil
      else {
        _ = scanner.field(bytes)
        continue
      }
      let name = ByteRange(from: begin, to: sign)
      scanner.at = sign + 1
      let value =
        scanner.at < scanner.end && bytes.byte(at: scanner.at) == UInt8(ascii: "\"")
        ? scanner.quoted(bytes) ?? scanner.word(bytes) : scanner.list(bytes)
      found = NginxFields.take(bytes, name, value, &upstream, &record) || found
    }
    guard found, !upstream.status.isEmpty || !upstream.responseTime.isEmpty || !upstream.address.isEmpty else {
      return false
    }
    record.source = .nginxAccess
    NginxAttempts.judge(bytes, upstream, &record)
    return true
  }

  // MARK: - Traefik

  /// `71500 "web@docker" "http://198.51.100.7:3000" 1ms`
  private static func traefik(
    _ bytes: RawSpan, _ start: LineScanner, size: ByteRange, _ record: inout LogRecord
  ) -> Bool {
    var scanner = start
    let count = scanner.word(bytes)
    guard bytes.isNumber(count), scanner.quoted(bytes) != nil, let link = scanner.quoted(bytes) else { return false }
    let span = scanner.word(bytes)
    guard span.count > 2, bytes.spells("ms", at: span.end - 2, to: span.end),
      let duration = bytes.decimal(span.limited(to: span.count - 2), exponent: 6)
    else { return false }
    record.source = .traefik
    record.timeIsStart = true
    record.duration = duration
    record.attemptDuration = duration
    if !bytes.isAbsent(link) { record.server = ErrorLines.authority(bytes, link) }
    record.signal = TraefikLines.signal(
      status: record.status, originStatus: nil, originSize: bytes.number(size), hasServer: !record.server.isEmpty,
      retries: 0)
    return true
  }
}

/// Names of nginx's variables, and of the short ones that people give them, in logs of names and values.
enum NginxFields {
  private enum Place: Sendable {
    case address, status, responseTime, connectTime, headerTime, responseLength, name
  }

  private static let names: [(String, Place)] = [
    ("upstream_addr", .address), ("ua", .address), ("upstream", .address), ("upaddr", .address), ("uaddr", .address),
    ("upstream_address", .address), ("upstream_server", .address), ("upstream_host", .address),
    ("upstream_status", .status), ("us", .status), ("ups", .status), ("ustat", .status), ("ustatus", .status),
    ("upstatus", .status), ("upstream_code", .status), ("upstream_status_code", .status),
    ("upstream_response_time", .responseTime), ("urt", .responseTime), ("rtime", .responseTime), ("ut", .responseTime),
    ("upstream_time", .responseTime), ("upstream_resp_time", .responseTime), ("uresp", .responseTime),
    ("upstream_duration", .responseTime),
    ("upstream_connect_time", .connectTime), ("uct", .connectTime), ("upstream_connect", .connectTime),
    ("upstream_header_time", .headerTime), ("uht", .headerTime), ("upstream_header", .headerTime),
    ("upstream_response_length", .responseLength), ("ulen", .responseLength),
    ("upstream_bytes_received", .responseLength),
    ("proxy_upstream_name", .name), ("proxy_host", .name), ("upstream_name", .name),
  ]

  /// Whether `name` is one of them.
  static func take(
    _ bytes: RawSpan, _ name: ByteRange, _ value: ByteRange, _ upstream: inout CommonLines.Upstream,
    _ record: inout LogRecord
  ) -> Bool {
    if let (_, place) = names.first(where: { bytes.equals($0.0, name) }) {
      set(place, value, &upstream)
      return true
    }
    if bytes.equals("request_time", name) || bytes.equals("rt", name) {
      record.duration = bytes.decimal(value, exponent: 9)
      return true
    }
    if ["request_id", "req_id", "rid", "id", "reqid", "trace_id"].contains(where: { bytes.equals($0, name) }) {
      record.identifier = value
      return true
    }
    return false
  }
}

extension NginxFields {
  /// Whether names of JSON or of names and values tell of nginx's attempts: one that no other software has, or two short ones.
  static func isPlausible(_ bytes: RawSpan, _ members: JSONMembers) -> Bool {
    var short = 0
    for member in members.members {
      if bytes.equals("upstream", member.parent) {
        if upstreamNames.contains(where: { bytes.equals($0.0, member.name) }) { return true }
        continue
      }
      guard member.parent.isEmpty, let (name, _) = names.first(where: { bytes.equals($0.0, member.name) }) else {
        continue
      }
      if ["upstream_addr", "upstream_status", "upstream_response_time"].contains(name) { return true }
      short += 1
    }
    return short > 1
  }

  private static let upstreamNames: [(String, Place)] = [
    ("addr", .address), ("address", .address), ("status", .status), ("status_code", .status),
    ("response_time", .responseTime), ("time", .responseTime), ("connect_time", .connectTime),
    ("header_time", .headerTime), ("response_length", .responseLength), ("bytes_received", .responseLength),
  ]

  /// A member of an object named `upstream`.
  static func take(upstreamMember member: JSONMembers.Member, _ bytes: RawSpan, _ upstream: inout CommonLines.Upstream)
  {
    if let (_, place) = upstreamNames.first(where: { bytes.equals($0.0, member.name) }) {
      set(place, member.value, &upstream)
    }
  }

  /// As ``take(_:_:_:_:_:)`` for a name that a format has.
  static func take(_ name: String, _ bytes: RawSpan, _ value: ByteRange, _ upstream: inout CommonLines.Upstream) {
    if let (_, place) = names.first(where: { $0.0 == name }) { set(place, value, &upstream) }
  }

  private static func set(_ place: Place, _ value: ByteRange, _ upstream: inout CommonLines.Upstream) {
    switch place {
    case .address: upstream.address = value
    case .status: upstream.status = value
    case .responseTime: upstream.responseTime = value
    case .connectTime:
      upstream.connectTime = value
      upstream.hasConnectTime = true
    case .headerTime: upstream.headerTime = value
    case .responseLength: upstream.responseLength = value
    case .name: upstream.name = value
    }
  }
}

/// What nginx's lists of attempts say.
enum NginxAttempts {
  static func judge(_ bytes: RawSpan, _ upstream: CommonLines.Upstream, _ record: inout LogRecord) {
    if record.status < 500, record.status != 499, upstream.status.count == 3, bytes.isNumber(upstream.status) {
      // One attempt, which was answered: nearly every line.
      record.server = upstream.address
      record.signal = .answered
      return
    }
    let statuses = parts(bytes, upstream.status)
    let addresses = parts(bytes, upstream.address)
    let times = parts(bytes, upstream.responseTime)
    if let last = addresses.last, !bytes.isAbsent(last) { record.server = last }
    record.word = upstream.status
    record.retries = max(0, statuses.count - 1)
    guard let last = statuses.last else {
      withoutStatus(bytes, upstream, addresses: addresses, times: times, &record)
      return
    }
    record.attemptDuration = times.last.flatMap { bytes.decimal($0, exponent: 9) } ?? record.duration
    if record.status < 500, record.status != 499 {
      guard let failed = statuses.dropLast().firstIndex(where: { isFailure(bytes, $0) }) else {
        record.signal = .answered
        return
      }
      record.signal = .repaired
      record.isReused =
        failed < addresses.count && addresses.count > 1
          && equal(bytes, addresses[failed], addresses[addresses.count - 1]) ? true : nil
      record.attemptDuration = failed < times.count ? bytes.decimal(times[failed], exponent: 9) : nil
      return
    }
    record.signal = failure(bytes, upstream, record, lastStatus: last, attempt: statuses.count - 1)
    if record.signal == .closed { record.isReused = isReused(bytes, upstream, attempt: statuses.count - 1) }
  }

  /// A format without `$upstream_status`. A time shows that there was an attempt; two show that the first one failed.
  private static func withoutStatus(
    _ bytes: RawSpan, _ upstream: CommonLines.Upstream, addresses: [ByteRange], times: [ByteRange],
    _ record: inout LogRecord
  ) {
    let attempts = max(addresses.count, times.count)
    guard let time = times.last, !bytes.isAbsent(time) else {
      record.signal = withoutUpstream(bytes, upstream, record)
      return
    }
    record.retries = max(0, attempts - 1)
    record.attemptDuration = bytes.decimal(time, exponent: 9) ?? record.duration
    if record.status < 500, record.status != 499 {
      record.signal = attempts > 1 ? .repaired : .answered
      if attempts > 1 { record.attemptDuration = times.first.flatMap { bytes.decimal($0, exponent: 9) } }
      return
    }
    // Whether a 502 is the server's own, only its status or the time of its head would say.
    record.signal = failure(bytes, upstream, record, lastStatus: time, attempt: attempts - 1)
    if record.signal == .closed {
      record.isReused = isReused(bytes, upstream, attempt: attempts - 1)
      if upstream.headerTime.isEmpty, upstream.connectTime.isEmpty { record.signal = .closedOrRefused }
    }
  }

  private static func failure(
    _ bytes: RawSpan, _ upstream: CommonLines.Upstream, _ record: LogRecord, lastStatus: ByteRange, attempt: Int
  ) -> LogSignal {
    switch record.status {
    case 499: return .clientLeft
    case 504: return .answerTimedOut
    case 502: break
    default:
      if bytes.isAbsent(lastStatus) { return withoutUpstream(bytes, upstream, record) }
      return .serverError
    }
    if let name = parts(bytes, upstream.address).last,
      bytes.nearby(UInt8(ascii: ":"), from: name.start, to: name.end) == nil,
      !name.isEmpty, !bytes.spells("unix", at: name.start, to: name.end)
    {
      // The name of the group instead of an address: no live upstreams.
      return .noServer
    }
    let lengths = parts(bytes, upstream.responseLength)
    if attempt < lengths.count, let length = bytes.number(lengths[attempt]), length > 0 { return .serverError }
    let headers = parts(bytes, upstream.headerTime)
    if attempt < headers.count, !bytes.isAbsent(headers[attempt]) { return .serverError }
    if upstream.hasConnectTime {
      let connects = parts(bytes, upstream.connectTime)
      if attempt >= connects.count || bytes.isAbsent(connects[attempt]) { return .connectRefused }
    }
    return .closed
  }

  /// The connect time tells: 0.000 is what a reused connection shows (and a near server).
  private static func isReused(_ bytes: RawSpan, _ upstream: CommonLines.Upstream, attempt: Int) -> Bool? {
    let connects = parts(bytes, upstream.connectTime)
    guard attempt < connects.count, let span = bytes.decimal(connects[attempt], exponent: 9) else { return nil }
    return span > 0 ? false : nil
  }

  private static func withoutUpstream(
    _ bytes: RawSpan, _ upstream: CommonLines.Upstream, _ record: LogRecord
  ) -> LogSignal {
    switch record.status {
    case 499: return .clientLeft
    case 503 where !bytes.isAbsent(upstream.name): return .noServer
    case 504: return .answerTimedOut
    case 502: return .noServer
    case 500...: return .proxyOwn
    default: return .answered
    }
  }

  /// The proxy's codes for an attempt that failed: 502, 504, and `-` where it was given up.
  private static func isFailure(_ bytes: RawSpan, _ status: ByteRange) -> Bool {
    bytes.equals("502", status) || bytes.equals("504", status) || bytes.isAbsent(status)
      || bytes.equals("500", status) || bytes.equals("503", status) || bytes.equals("429", status)
  }

  private static func equal(_ bytes: RawSpan, _ left: ByteRange, _ right: ByteRange) -> Bool {
    left.count == right.count && bytes.fingerprint(left) == bytes.fingerprint(right)
  }

  /// The parts of a list: `a, b` are attempts, `a : b` an internal redirect, of which only the last part counts.
  static func parts(_ bytes: RawSpan, _ list: ByteRange) -> [ByteRange] {
    guard !list.isEmpty else { return [] }
    var parts: [ByteRange] = []
    var start = list.start
    var offset = list.start
    while offset < list.end {
      if bytes.byte(at: offset) == UInt8(ascii: ",") {
        parts.append(bytes.trimmed(ByteRange(from: start, to: offset)))
        start = offset + 1
      } else if bytes.spells(" : ", at: offset, to: list.end) {
        parts = []
        start = offset + 3
        offset += 2
      }
      offset += 1
    }
    parts.append(bytes.trimmed(ByteRange(from: start, to: list.end)))
    if parts.count == 1, parts[0].isEmpty || bytes.isAbsent(parts[0]) && list.count == 1 { return [] }
    return parts
  }
}
