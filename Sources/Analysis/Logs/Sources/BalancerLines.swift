import Core

/// Lines of AWS load balancers.
enum BalancerLines {
  private static let millisecond: Int64 = 1_000_000

  /// The length of the type that begins an ALB line, or 0.
  @inline(__always)
  static func albType(_ bytes: RawSpan, _ line: ByteRange) -> Int {
    guard line.count > 60 else { return 0 }
    let start = line.start
    switch bytes.byte(at: start) {
    case UInt8(ascii: "h"):
      if bytes.spells("https ", at: start, to: line.end) { return 6 }
      if bytes.spells("h2 ", at: start, to: line.end) { return 3 }
      return bytes.spells("http ", at: start, to: line.end) ? 5 : 0
    case UInt8(ascii: "w"):
      if bytes.spells("wss ", at: start, to: line.end) { return 4 }
      return bytes.spells("ws ", at: start, to: line.end) ? 3 : 0
    case UInt8(ascii: "g"):
      if bytes.spells("grpcs ", at: start, to: line.end) { return 6 }
      return bytes.spells("grpc ", at: start, to: line.end) ? 5 : 0
    default: return 0
    }
  }

  /// An Application Load Balancer's line. Only the head of a line of success is read, unless `isWhole`.
  static func alb(_ bytes: RawSpan, _ line: ByteRange, isWhole: Bool = false) -> LogRecord? {
    let type = albType(bytes, line)
    guard type > 0 else { return nil }
    var scanner = LineScanner(line.dropping(first: type))
    let time = scanner.word(bytes)
    guard let reading = LogTime.iso(bytes, time) else { return nil }
    _ = scanner.word(bytes)  // The balancer.
    var record = LogRecord(.alb)
    record.time = reading.nanoseconds
    record.grain = reading.grain
    record.client = scanner.word(bytes)
    let target = scanner.word(bytes)
    let times = (scanner.word(bytes), scanner.word(bytes), scanner.word(bytes))
    let status = scanner.word(bytes)
    let targetStatus = scanner.word(bytes)
    guard let code = bytes.number(status) ?? (bytes.isAbsent(status) ? 0 : nil) else { return nil }
    record.status = code
    if !bytes.isAbsent(target) { record.server = target }
    let spans = (
      bytes.decimal(times.0, exponent: 9), bytes.decimal(times.1, exponent: 9), bytes.decimal(times.2, exponent: 9)
    )
    record.attemptDuration = spans.1
    if spans.0 != nil || spans.1 != nil || spans.2 != nil {
      record.duration = (spans.0 ?? 0) &+ (spans.1 ?? 0) &+ (spans.2 ?? 0)
    }
    let isOfTarget = !bytes.isAbsent(targetStatus) && bytes.isNumber(targetStatus)
    if isOfTarget {
      record.signal = code >= 500 ? .serverError : .answered
      if isWhole { albRequest(bytes, &scanner, &record) }
      return record
    }
    if code < 400, code > 0 {
      // A redirect or a fixed answer of the balancer.
      record.signal = .answered
      return record
    }
    albFailure(bytes, &scanner, &record)
    return record
  }

  /// From the sizes to the trace ID.
  private static func albRequest(_ bytes: RawSpan, _ scanner: inout LineScanner, _ record: inout LogRecord) {
    _ = scanner.word(bytes)
    _ = scanner.word(bytes)
    if let request = scanner.quoted(bytes) { RequestLine.read(bytes, request, into: &record) }
    _ = scanner.quoted(bytes)  // User agent.
    for _ in 0..<3 { _ = scanner.word(bytes) }
    if let trace = scanner.quoted(bytes) { record.identifier = trace }
  }

  /// The rest of a line whose failure the balancer itself made.
  private static func albFailure(_ bytes: RawSpan, _ scanner: inout LineScanner, _ record: inout LogRecord) {
    albRequest(bytes, &scanner, &record)
    _ = scanner.quoted(bytes)
    _ = scanner.quoted(bytes)
    for _ in 0..<2 { _ = scanner.word(bytes) }
    let actions = scanner.quoted(bytes) ?? .empty
    _ = scanner.quoted(bytes)
    let reason = scanner.quoted(bytes) ?? .empty
    if !bytes.isAbsent(reason) { record.word = reason }
    record.signal = albSignal(bytes, record, actions: actions, reason: reason)
  }

  private static func albSignal(
    _ bytes: RawSpan, _ record: LogRecord, actions: ByteRange, reason: ByteRange
  ) -> LogSignal {
    let hasTarget = !record.server.isEmpty
    if !bytes.isAbsent(reason) {
      if bytes.contains("ConnectionTimeout", reason) { return .connectTimedOut }
      if bytes.contains("Timeout", reason) { return .answerTimedOut }
      if bytes.contains("LambdaUnhandled", reason) { return .diedProved }
      return .proxyOwn
    }
    switch record.status {
    case 460, 0: return .clientLeft
    case 464: return .wrongProtocol
    case 502 where hasTarget: return .closed
    case 503:
      if hasTarget || bytes.contains("fixed-response", actions) || bytes.contains("waf", actions) { return .proxyOwn }
      return .noServer
    case 504: return .answerTimedOut
    case 500...: return .proxyOwn
    default: return record.status == 400 && !hasTarget || record.status >= 460 ? .proxyOwn : .answered
    }
  }

  /// A Network Load Balancer's line: one for each connection, without any status.
  static func nlb(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    guard bytes.spells("tls ", at: line.start, to: line.end) else { return nil }
    var scanner = LineScanner(line.dropping(first: 4))
    _ = scanner.word(bytes)
    guard let reading = LogTime.iso(bytes, scanner.word(bytes)) else { return nil }
    for _ in 0..<3 { _ = scanner.word(bytes) }
    var record = LogRecord(.nlb)
    record.signal = .noRequest
    record.server = scanner.word(bytes)
    guard let milliseconds = bytes.decimal(scanner.word(bytes), exponent: 6) else { return nil }
    record.time = reading.nanoseconds
    record.duration = milliseconds
    return record
  }
}

/// `POST /orders HTTP/1.1`, as it stands between quotes in most logs.
enum RequestLine {
  static func read(_ bytes: RawSpan, _ range: ByteRange, into record: inout LogRecord) {
    var scanner = LineScanner(range)
    let method = scanner.word(bytes)
    let target = scanner.word(bytes)
    guard !bytes.isAbsent(method), !target.isEmpty else { return }
    record.method = method
    record.target = RequestLine.path(bytes, target)
  }

  /// Without scheme and host.
  static func path(_ bytes: RawSpan, _ target: ByteRange) -> ByteRange {
    guard target.count > 8, bytes.byte(at: target.start) != UInt8(ascii: "/"),
      let scheme = bytes.index(of: "://", from: target.start, to: min(target.end, target.start + 12))
    else { return target }
    let slash = bytes.nearby(UInt8(ascii: "/"), from: scheme + 3, to: target.end)
    return slash.map { ByteRange(from: $0, to: target.end) } ?? target
  }

  /// A number for a method and a path; a query is often left out in one of two logs.
  static func key(_ bytes: RawSpan, method: ByteRange, target: ByteRange) -> UInt64 {
    bytes.fingerprint(withoutQuery(bytes, target), seed: bytes.fingerprint(method))
  }

  static func withoutQuery(_ bytes: RawSpan, _ target: ByteRange) -> ByteRange {
    let path = RequestLine.path(bytes, target)
    return ByteRange(from: path.start, to: bytes.nearby(UInt8(ascii: "?"), from: path.start, to: path.end) ?? path.end)
  }

  /// A number for a client and its request line, by which lines of two logs are joined.
  static func pairKey(_ bytes: RawSpan, client: ByteRange, method: ByteRange, target: ByteRange) -> UInt64 {
    guard !client.isEmpty, !method.isEmpty else { return 0 }
    let address = LogTally.address(bytes, client)
    return bytes.fingerprint(target, seed: bytes.fingerprint(method, seed: bytes.fingerprint(address)))
  }
}
