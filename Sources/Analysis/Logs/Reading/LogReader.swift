import Core

/// Reads whole lines of one log and counts what they tell. Formats are recognised line by line, since one stream may hold several;
/// the one that the last line had is tried first.
///
/// A log may be read in pieces by several readers, whose tallies are joined afterwards, unless ``needsOrder`` says that a line's
/// meaning depends on those before it.
package struct LogReader: Sendable {
  /// Longer lines are passed over; no known format writes such.
  package static let longestLine = 1 << 20

  private enum Shape {
    case alb, common, nginxError, haproxy, envoy, json, w3c, other
  }

  package var question: LogQuestion
  package private(set) var tally = LogTally()
  private var shape = Shape.other
  private var w3c = W3CLines()
  private var members = JSONMembers()
  private var pendingYARP: PendingYARP?
  private var hasSeenYARP = false
  private let formats: [LogLineFormat]
  /// The one that the last line had.
  private var latest = 0

  private struct PendingYARP {
    var signal: LogSignal?
    var time: Int64?
  }

  /// - Parameter formats: are tried before those that are recognised by content.
  package init(_ question: LogQuestion, formats: [LogLineFormat] = []) {
    self.question = question
    self.formats = formats
  }

  /// Whether lines depend on earlier ones: columns that a header names, messages of several lines.
  package var needsOrder: Bool { w3c.isKnown || hasSeenYARP }

  /// Reads lines. The last one may lack its end.
  package mutating func read(_ bytes: RawSpan) {
    var start = 0
    let count = bytes.byteCount
    while start < count {
      let end = bytes.index(of: 0x0a, from: start, to: count) ?? count
      var stop = end
      if stop > start, bytes.byte(at: stop &- 1) == 0x0d { stop &-= 1 }
      tally.lineRead()
      if stop > start { line(bytes, ByteRange(from: start, to: stop)) }
      start = end &+ 1
    }
  }

  /// A line that was too long to be read.
  package mutating func overlongLine() {
    tally.lineRead()
    tally.overlongLines += 1
  }

  /// Hands over what was counted, and begins anew. What the last lines left open is taken up.
  ///
  /// - Parameter goesOn: the next lines follow these in time, so that the first of a server is compared with the last here.
  package mutating func takeTally(goesOn: Bool = false) -> LogTally {
    flushYARP()
    let taken = tally
    tally = goesOn ? LogTally(following: taken) : LogTally()
    return taken
  }

  // MARK: - One line

  private mutating func line(_ bytes: RawSpan, _ line: ByteRange) {
    if line.count > LogReader.longestLine {
      tally.overlongLines += 1
      return
    }
    if let record = usual(bytes, line) {
      if pendingYARP != nil { flushYARP() }
      tally.add(record, bytes, question)
      return
    }
    if unusual(bytes, line, depth: 0) { return }
    tally.unknownLine(bytes, line, question)
  }

  /// The format of the line before.
  @inline(__always)
  private mutating func usual(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    if !formats.isEmpty, let record = named(bytes, line) { return record }
    switch shape {
    case .alb: return BalancerLines.alb(bytes, line, isWhole: question.readsAnswered)
    case .common: return CommonLines.record(bytes, line)
    case .nginxError: return ErrorLines.nginx(bytes, line)
    case .haproxy: return HAProxyLines.record(bytes, line)
    case .envoy: return EnvoyLines.record(bytes, line)
    case .json, .w3c, .other: return nil
    }
  }

  /// A format that the user named.
  private mutating func named(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    if let record = formats[latest].record(bytes, line) { return record }
    for index in formats.indices where index != latest {
      if let record = formats[index].record(bytes, line) {
        latest = index
        return record
      }
    }
    return nil
  }

  /// Any format, within any wrapping. Whether it was understood.
  private mutating func unusual(_ bytes: RawSpan, _ line: ByteRange, depth: Int) -> Bool {
    if let record = recognised(bytes, line) {
      flushYARP()
      tally.add(record, bytes, question)
      return true
    }
    if yarp(bytes, line) { return true }
    if bytes.byte(at: line.start) == UInt8(ascii: "{") { return wrapped(bytes, line, depth: depth) }
    guard depth < 2, let inner = LogWrapping.inner(bytes, line), !inner.isEmpty else { return false }
    if let record = usual(bytes, inner) {
      tally.add(record, bytes, question)
      return true
    }
    return unusual(bytes, inner, depth: depth + 1)
  }

  /// A line of Docker's: the text of the log is a member.
  private mutating func wrapped(_ bytes: RawSpan, _ line: ByteRange, depth: Int) -> Bool {
    guard depth < 2, members.scan(bytes, line) else { return false }
    guard let text = members.first(bytes, ["log", "MESSAGE", "message", "msg", "textPayload", "line"]) else {
      return members.value(bytes, "level") != nil
    }
    let inner = LogWrapping.unescaped(bytes, text)
    guard !inner.isEmpty else { return true }
    // Safe: bytes have no padding.
    let span = unsafe inner.span.bytes
    return unusual(span, span.trimmed(ByteRange(from: 0, to: inner.count)), depth: depth + 1)
  }

  private mutating func recognised(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    let first = bytes.byte(at: line.start)
    switch first {
    case UInt8(ascii: "{"):
      guard members.scan(bytes, line) else { return nil }
      return StructuredLines.record(bytes, members, line)
    case UInt8(ascii: "#"):
      return w3c.directive(bytes, line) ? LogReader.nothing(.iis) : nil
    case UInt8(ascii: "["):
      if let record = EnvoyLines.record(bytes, line) { return found(record, .envoy) }
      return ErrorLines.apache(bytes, line)
    case UInt8(ascii: "t"):
      if let record = BalancerLines.nlb(bytes, line) { return record }
      if let record = TraefikLines.debug(bytes, line) { return record }
    case 0x30...0x39:
      if let record = dated(bytes, line) { return record }
    default: break
    }
    if let record = BalancerLines.alb(bytes, line, isWhole: question.readsAnswered) { return found(record, .alb) }
    if let record = CommonLines.record(bytes, line) { return found(record, .common) }
    if let record = HAProxyLines.record(bytes, line) { return found(record, .haproxy) }
    if bytes.contains("haproxy[", line.limited(to: 200)) { return LogReader.nothing(.haproxy) }
    return pairs(bytes, line)
  }

  /// Names and values, behind a time or not.
  private mutating func pairs(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    guard bytes.contains("=", line), members.scanPairs(bytes, line),
      var record = StructuredLines.record(bytes, members, line), record.source != .traefikDebug
    else { return nil }
    if record.time == nil, let reading = LogTime.search(bytes, line) {
      (record.time, record.grain, record.zone) = (reading.nanoseconds, reading.grain, reading.zone)
    }
    return record
  }

  /// Lines that may begin with a date.
  private mutating func dated(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    guard line.count > 19, bytes.digits(4, at: line.start) != nil else { return nil }
    switch bytes.byte(at: line.start + 4) {
    case UInt8(ascii: "/"):
      guard let record = ErrorLines.nginx(bytes, line) else { return CaddyLines.console(bytes, line, &members) }
      return found(record, .nginxError)
    case UInt8(ascii: "-"):
      if let record = OwnLines.text(bytes, line) { return record }
      if let record = TraefikLines.debug(bytes, line) { return record }
      if w3c.isKnown || w3c.looksLikeCloudFront(bytes, line), let record = w3c.record(bytes, line) { return record }
      return CaddyLines.console(bytes, line, &members)
    default: return nil
    }
  }

  private mutating func found(_ record: LogRecord, _ shape: Shape) -> LogRecord {
    self.shape = shape
    return record
  }

  private static func nothing(_ source: LogSource) -> LogRecord {
    var record = LogRecord(source)
    record.signal = .noRequest
    return record
  }

  // MARK: - YARP

  private mutating func yarp(_ bytes: RawSpan, _ line: ByteRange) -> Bool {
    if YARPLines.isHead(bytes, line) {
      flushYARP()
      let time = LogTime.iso(bytes, line) ?? LogTime.iso(bytes, line.dropping(first: 1))
      hasSeenYARP = true
      pendingYARP = PendingYARP(signal: YARPLines.signal(bytes, line), time: time?.nanoseconds)
      return true
    }
    guard var pending = pendingYARP else { return false }
    let first = bytes.byte(at: line.start)
    guard
      RawSpan.isBlank(first) || first == UInt8(ascii: "-") || bytes.spells("System.", at: line.start, to: line.end)
        || bytes.spells("Request: ", at: line.start, to: line.end)
    else {
      flushYARP()
      return false
    }
    if pending.signal == nil { pending.signal = YARPLines.signal(bytes, line) }
    pendingYARP = pending
    return true
  }

  private mutating func flushYARP() {
    guard let pending = pendingYARP else { return }
    pendingYARP = nil
    var record = LogRecord(.yarp)
    record.time = pending.time
    record.signal = pending.signal ?? .noRequest
    tally.add(record, RawSpan(), question)
  }
}

/// What others put around the lines of a log.
enum LogWrapping {
  /// The part of the line behind a prefix of a container runtime, of kubectl, or of syslog; nil when there is none.
  static func inner(_ bytes: RawSpan, _ line: ByteRange) -> ByteRange? {
    let first = bytes.byte(at: line.start)
    if first == UInt8(ascii: "[") {
      guard bytes.spells("[pod/", at: line.start, to: line.end),
        let close = bytes.index(of: "] ", from: line.start, to: line.end)
      else { return nil }
      return ByteRange(from: close + 2, to: line.end)
    }
    let head = min(line.end, line.start + 60)
    for mark in [" stdout F ", " stderr F ", " stdout P ", " stderr P "] {
      if let place = bytes.index(of: mark, from: line.start, to: head) {
        return ByteRange(from: place + mark.utf8.count, to: line.end)
      }
    }
    // `web-1  | ...` of Compose.
    if let bar = bytes.index(of: " | ", from: line.start, to: head) { return ByteRange(from: bar + 3, to: line.end) }
    // `Jan 15 12:30:45 host program[12]: ...`
    guard let colon = bytes.index(of: ": ", from: line.start, to: min(line.end, line.start + 160)) else { return nil }
    let rest = ByteRange(from: colon + 2, to: line.end)
    return rest.count > 10 ? rest : nil
  }

  /// The text of a JSON string.
  static func unescaped(_ bytes: RawSpan, _ range: ByteRange) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(range.count)
    var offset = range.start
    while offset < range.end {
      let byte = bytes.byte(at: offset)
      offset += 1
      guard byte == UInt8(ascii: "\\"), offset < range.end else {
        text.append(byte)
        continue
      }
      let escaped = bytes.byte(at: offset)
      offset += 1
      switch escaped {
      case UInt8(ascii: "n"): text.append(0x0a)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "r"): text.append(0x0d)
      case UInt8(ascii: "u"):
        let (value, count) = hexadecimal(bytes, from: offset, to: range.end)
        offset += count
        text += Array(String(Unicode.Scalar(value) ?? "\u{fffd}").utf8)
      default: text.append(escaped)
      }
    }
    while let last = text.last, last == 0x0a || last == 0x0d { text.removeLast() }
    return text
  }

  private static func hexadecimal(_ bytes: RawSpan, from start: Int, to end: Int) -> (UInt32, Int) {
    var value: UInt32 = 0
    var count = 0
    while count < 4, start + count < end {
      let byte = bytes.byte(at: start + count)
      switch byte {
      case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
      case 0x41...0x46: value = value << 4 | UInt32(byte - 0x37)
      case 0x61...0x66: value = value << 4 | UInt32(byte - 0x57)
      default: return (value, count)
      }
      count += 1
    }
    return (value, count)
  }
}
