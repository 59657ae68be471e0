import Core

/// Lines of error logs, which name causes: nginx, Apache httpd.
enum ErrorLines {
  // MARK: - nginx

  /// `2026/01/15 12:30:45 [error] 31#31: *641 upstream prematurely closed connection while ..., client: ..., request: "..."`
  static func nginx(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    guard line.count > 22, bytes.byte(at: line.start + 4) == UInt8(ascii: "/"),
      let reading = LogTime.iso(bytes, line.limited(to: 19)), bytes.byte(at: line.start + 19) == 0x20,
      bytes.byte(at: line.start + 20) == UInt8(ascii: "[")
    else { return nil }
    var record = LogRecord(.nginxError)
    record.time = reading.nanoseconds
    record.grain = reading.grain
    let message = nginxMessage(bytes, line)
    record.signal = nginxSignal(bytes, message)
    guard record.signal != .noRequest else { return record }
    record.word = message
    if let client = value(bytes, ", client: ", line, until: UInt8(ascii: ",")) { record.client = client }
    if let request = value(bytes, ", request: \"", line, until: UInt8(ascii: "\"")) {
      RequestLine.read(bytes, request, into: &record)
      record.pairKey = RequestLine.pairKey(
        bytes, client: record.client, method: record.method, target: record.target)
    }
    if let upstream = value(bytes, ", upstream: \"", line, until: UInt8(ascii: "\"")) {
      record.server = authority(bytes, upstream)
      // uWSGI's protocol and SCGI know no keep-alive, and FastCGI has it only with `fastcgi_keep_conn`.
      for scheme in ["uwsgi", "suwsgi", "scgi", "fastcgi"]
      where bytes.spells(scheme + "://", at: upstream.start, to: upstream.end) {
        record.isReused = false
      }
    }
    return record
  }

  private static func nginxMessage(_ bytes: RawSpan, _ line: ByteRange) -> ByteRange {
    let end = bytes.index(of: ", client: ", from: line.start, to: line.end) ?? line.end
    guard let colon = bytes.index(of: ": ", from: line.start + 20, to: end) else {
      return ByteRange(from: line.start + 20, to: end)
    }
    var start = colon + 2
    if start < end, bytes.byte(at: start) == UInt8(ascii: "*"),
      let blank = bytes.nearby(0x20, from: start, to: end)
    {
      start = blank + 1
    }
    return ByteRange(from: start, to: end)
  }

  private static func nginxSignal(_ bytes: RawSpan, _ message: ByteRange) -> LogSignal {
    func has(_ text: String) -> Bool { bytes.contains(text, message) }
    if has("no live upstreams") || has("could not be resolved") { return .noServer }
    let readsHead = has("while reading response header from upstream")
    if has("upstream timed out") {
      return has("while connecting to upstream") ? .connectTimedOut : .answerTimedOut
    }
    if has("upstream sent goaway") || has("upstream sent GOAWAY") { return .goneAway }
    if has("upstream sent too big header") { return .headTooBig }
    if has("upstream prematurely closed") { return readsHead ? .closed : has("sending request") ? .writeFailed : .cut }
    if has("connect() failed") || has("connect() to ") { return has("timed out") ? .connectTimedOut : .connectRefused }
    let isToUpstream = has("to upstream") || has("from upstream") || has("reading upstream")
    // A handshake is on a fresh connection, and no request was sent.
    if has("SSL handshak"), has("to upstream") { return .wrongProtocol }
    // The body of a request goes out by sendfile(), behind its head.
    if has("sendfile() failed"), has("to upstream") { return .bodyFailed }
    if has("(104: Connection reset by peer)") || has("(32: Broken pipe)") {
      guard isToUpstream || readsHead else { return has("client") ? .clientLeft : .noRequest }
      if has("while sending request to upstream") { return .writeFailed }
      return readsHead ? .reset : .cut
    }
    if has("upstream sent"), has("while reading") { return .wrongProtocol }
    if has("client prematurely closed connection") || has("client closed connection") {
      return has("keepalive") ? .noRequest : .clientLeft
    }
    if has("upstream server temporarily disabled") { return .noRequest }
    return .noRequest
  }

  /// What stands behind `label`, up to a byte.
  static func value(_ bytes: RawSpan, _ label: String, _ line: ByteRange, until stop: UInt8) -> ByteRange? {
    guard let place = bytes.index(of: label, from: line.start, to: line.end) else { return nil }
    let start = place + label.utf8.count
    return ByteRange(from: start, to: bytes.index(of: stop, from: start, to: line.end) ?? line.end)
  }

  /// `198.51.100.7:3000` of `http://198.51.100.7:3000/orders`.
  static func authority(_ bytes: RawSpan, _ link: ByteRange) -> ByteRange {
    var start = link.start
    if let scheme = bytes.index(of: "://", from: link.start, to: min(link.end, link.start + 12)) { start = scheme + 3 }
    if bytes.spells("unix:", at: start, to: link.end) {
      // `unix:/run/app.sock:/orders`
      let end = bytes.nearby(UInt8(ascii: ":"), from: start + 5, to: link.end) ?? link.end
      return ByteRange(from: start, to: end)
    }
    return ByteRange(from: start, to: bytes.nearby(UInt8(ascii: "/"), from: start, to: link.end) ?? link.end)
  }

  // MARK: - Apache httpd

  /// `[Thu Jan 15 12:30:45.123456 2026] [proxy_http:error] [pid 12:tid 140] (104)Connection reset by peer: [client ...] AH01102: ...`
  static func apache(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    var scanner = LineScanner(line)
    guard let time = scanner.bracketed(bytes), let reading = LogTime.apacheError(bytes, time),
      scanner.bracketed(bytes) != nil
    else { return nil }
    var record = LogRecord(.apacheError)
    record.time = reading.nanoseconds
    record.grain = reading.grain
    if let process = scanner.bracketed(bytes), bytes.spells("pid ", at: process.start, to: process.end) {
      record.pairKey = bytes.fingerprint(process)
    }
    if let client = value(bytes, "[client ", line, until: UInt8(ascii: "]")) {
      record.client = client
      if record.pairKey == 0 { record.pairKey = bytes.fingerprint(client) }
    }
    guard let code = apacheCode(bytes, line) else {
      record.signal = .noRequest
      return record
    }
    record.word = ByteRange(from: code, to: min(line.end, code + 110))
    apacheSignal(bytes, line, code: code, &record)
    return record
  }

  /// Where `AH` with five digits and a colon stands.
  private static func apacheCode(_ bytes: RawSpan, _ line: ByteRange) -> Int? {
    var from = line.start
    while let place = bytes.index(of: "AH", from: from, to: line.end) {
      if place + 8 <= line.end, bytes.digits(5, at: place + 2) != nil,
        bytes.byte(at: place + 7) == UInt8(ascii: ":")
      {
        return place
      }
      from = place + 2
    }
    return nil
  }

  private static func apacheSignal(_ bytes: RawSpan, _ line: ByteRange, code: Int, _ record: inout LogRecord) {
    let number = bytes.digits(5, at: code + 2) ?? 0
    let system = systemNumber(bytes, line, before: code)
    let isTimeout = system == 70_007 || system == 110
    let text = ByteRange(from: code, to: line.end)
    switch number {
    case 1102:
      record.signal = isTimeout ? .answerTimedOut : system == 104 || system == 103 ? .reset : .closed
      record.server = behind(bytes, "remote server ", text)
    case 898:
      record.isEcho = true
      record.signal = bytes.contains("reading from remote server", text) ? .closed : .wrongProtocol
      let target = behind(bytes, "returned by ", text)
      if !target.isEmpty { record.target = target }
      if bytes.contains("Timeout", text) { record.signal = .answerTimedOut }
      if bytes.contains("SSL", text) { record.signal = .wrongProtocol }
    case 957, 2454:
      record.signal = isTimeout ? .connectTimedOut : .connectRefused
      record.server = behind(bytes, "attempt to connect to ", text)
    case 1114, 1059, 1079:
      record.isEcho = true
      record.signal = isTimeout ? .connectTimedOut : .connectRefused
      record.server = behind(bytes, "backend: ", text)
    case 1084, 1097, 1086, 1096:
      record.signal = isTimeout ? .answerTimedOut : .bodyFailed
      record.server = behind(bytes, "failed to ", text)
    case 1110, 2609: record.signal = isTimeout ? .answerTimedOut : .cut
    case 1167, 1168: record.signal = .noServer
    case 940, 926: record.signal = .noRequest
    case 1095: record.signal = .clientLeft
    case 1030, 1072, 2429, 10_412: record.signal = .wrongProtocol
    case 10_124: record.signal = .headTooBig
    case 1106, 1103:
      record.isEcho = true
      record.signal = .wrongProtocol
    case 1104, 1105:
      record.isEcho = true
      record.signal = .closed
    default: record.signal = .noRequest
    }
  }

  /// The number of APR or of the system that stands in parentheses in front of the message.
  private static func systemNumber(_ bytes: RawSpan, _ line: ByteRange, before end: Int) -> Int? {
    var from = line.start
    while let open = bytes.index(of: UInt8(ascii: "("), from: from, to: end) {
      if let close = bytes.nearby(UInt8(ascii: ")"), from: open, to: min(end, open + 9)),
        let number = bytes.number(ByteRange(from: open + 1, to: close))
      {
        return number
      }
      from = open + 1
    }
    return nil
  }

  private static func behind(_ bytes: RawSpan, _ label: String, _ text: ByteRange) -> ByteRange {
    guard let place = bytes.index(of: label, from: text.start, to: text.end) else { return .empty }
    var scanner = LineScanner(ByteRange(from: place + label.utf8.count, to: text.end))
    var word = scanner.word(bytes)
    while word.count > 0, [0x2c, 0x3a, 0x29].contains(bytes.byte(at: word.end - 1)) {
      word = word.limited(to: word.count - 1)
    }
    return word
  }
}
