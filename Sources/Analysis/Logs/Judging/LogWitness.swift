import Core

/// Which of the requests that failed at a balancer or proxy the log of the layer behind it has.
///
/// A request ID or trace ID that the application logs anywhere in a line settles it: what is in there was received. What is not in there was
/// never seen, provided that the log has such IDs of requests that succeeded and covers that time. Where the two logs share no ID, requests are
/// matched by their time and request line (``LogClockMatch``).
package struct LogWitness: Sendable {
  /// IDs of answered requests that are looked for, to see whether the application logs IDs at all.
  private static let maximumSamples = 2_000
  /// Lines of requests whose time is kept.
  private static let maximumHeard = 2_000_000

  private let failed: Set<UInt64>
  private let answered: Set<UInt64>
  package let sample: LogRequestSample
  package private(set) var seenFailed: Set<UInt64> = []
  package private(set) var seenAnswered = 0
  package private(set) var lines = 0
  package private(set) var first = Int64.max
  package private(set) var last = Int64.min
  /// When the application had each of these requests, by method and path.
  private var heard: [UInt64: [Int64]] = [:]
  private var heardCount = 0
  private var grain: Int64 = 1
  private var members = JSONMembers()
  package private(set) var match: LogClockMatch?

  package init(_ tally: LogTally) {
    failed = Set(tally.failures.filter(\.isSearchable).map(\.identifierKey))
    answered = Set(tally.identifierSamples.prefix(LogWitness.maximumSamples))
    sample = LogRequestSample(
      keys: Set(tally.failures.map(\.requestKey).filter { $0 != 0 }), requests: tally.requests)
  }

  /// Whether the two logs share IDs.
  package var isSettledByIDs: Bool { !failed.isEmpty && (seenAnswered > 0 || !seenFailed.isEmpty) }
  /// Whether requests can be matched by time and request line: the application's lines have both.
  package var canMatch: Bool { heardCount > 0 }

  /// Reads whole lines of the application's log, of any form.
  package mutating func read(_ bytes: RawSpan) {
    var start = 0
    let count = bytes.byteCount
    while start < count {
      let end = bytes.index(of: 0x0a, from: start, to: count) ?? count
      lines += 1
      line(bytes, ByteRange(from: start, to: end))
      start = end &+ 1
    }
  }

  private mutating func line(_ bytes: RawSpan, _ line: ByteRange) {
    var start = line.start
    var offset = line.start
    while offset <= line.end {
      if offset < line.end, LogWitness.isPartOfID(bytes.byte(at: offset)) {
        offset &+= 1
        continue
      }
      if offset &- start >= LogIdentifier.shortest { look(bytes, ByteRange(from: start, to: offset)) }
      offset &+= 1
      start = offset
    }
    guard !line.isEmpty else { return }
    let isJSON = bytes.byte(at: line.start) == UInt8(ascii: "{") && members.scan(bytes, line)
    guard let reading = isJSON ? ApplicationLine.time(bytes, members) : LogTime.search(bytes, line) else { return }
    first = min(first, reading.nanoseconds)
    last = max(last, reading.nanoseconds)
    guard let key = isJSON ? ApplicationLine.key(bytes, members) : ApplicationLine.key(bytes, line),
      sample.contains(key),
      heardCount < LogWitness.maximumHeard
    else { return }
    grain = max(grain, reading.grain)
    heardCount += 1
    heard[key, default: []].append(reading.nanoseconds)
  }

  private mutating func look(_ bytes: RawSpan, _ word: ByteRange) {
    let key = bytes.fingerprint(word)
    if failed.contains(key) { seenFailed.insert(key) } else if answered.contains(key) { seenAnswered += 1 }
  }

  private static func isPartOfID(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
      || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }

  /// Matches by time and request line.
  ///
  /// - Parameter tally: of the balancer's log, read with ``sample`` as its question's `wantedRequests`.
  package mutating func matchClocks(_ tally: LogTally) {
    match = LogClockMatch(heard: heard, heardGrain: grain, answered: tally.answered, failures: tally.failures)
  }

  /// The verdict on one failure: true, the application has it; false, it never saw it; nil, the log does not tell.
  func saw(_ failure: LogFailure) -> (seen: Bool, isByID: Bool)? {
    if failure.isSearchable, isSettledByIDs {
      if seenFailed.contains(failure.identifierKey) { return (true, true) }
      if failure.hasTime, first <= last, failure.time < first || failure.time > last { return nil }
      return (false, true)
    }
    return match?.saw(failure).map { ($0, false) }
  }
}

/// The requests whose answered lines are kept: those whose method and path a failed one has, and a sample of all.
package struct LogRequestSample: Sendable {
  private static let wished = 20_000
  var keys: Set<UInt64>
  private let mask: UInt64

  init(keys: Set<UInt64>, requests: Int) {
    self.keys = keys
    var mask: UInt64 = 0
    while requests / (Int(mask) + 1) > LogRequestSample.wished { mask = mask << 1 | 1 }
    self.mask = mask
  }

  func contains(_ key: UInt64) -> Bool { key & mask == 0 || keys.contains(key) }
}

/// Time, method and path of a line that an application wrote, whatever its form.
enum ApplicationLine {
  private static let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
  private static let methodNames = ["method", "request_method", "http_method", "req_method", "verb", "RequestMethod"]
  private static let targetNames = [
    "path", "url", "uri", "target", "request_uri", "request_path", "http_path", "RequestPath", "endpoint",
  ]
  private static let timeNames = ["time", "timestamp", "@timestamp", "ts", "asctime", "datetime", "date", "t", "@t"]

  static func time(_ bytes: RawSpan, _ members: JSONMembers) -> LogTime.Reading? {
    for name in timeNames {
      if let value = members.value(bytes, name), let reading = LogTime.any(bytes, value) { return reading }
    }
    return nil
  }

  static func key(_ bytes: RawSpan, _ members: JSONMembers) -> UInt64? {
    var method = ByteRange.empty
    var target = ByteRange.empty
    for member in members.members where member.isText {
      if method.isEmpty, methodNames.contains(where: { bytes.equals($0, member.name) }) { method = member.value }
      if target.isEmpty, targetNames.contains(where: { bytes.equals($0, member.name) }) { target = member.value }
    }
    if !method.isEmpty, !target.isEmpty { return RequestLine.key(bytes, method: method, target: target) }
    for member in members.members where member.isText {
      if let key = key(bytes, member.value) { return key }
    }
    return nil
  }

  /// `POST /orders`, wherever it stands, or `method=POST path=/orders`.
  static func key(_ bytes: RawSpan, _ line: ByteRange) -> UInt64? {
    var from = line.start
    while let slash = bytes.index(of: UInt8(ascii: "/"), from: from, to: line.end) {
      from = slash + 1
      // In front of the path: a blank and the method, perhaps a quote, perhaps scheme and host.
      var place = slash
      if slash > line.start, bytes.byte(at: slash - 1) == UInt8(ascii: ":") {
        while place > line.start, RawSpan.isNameByte(bytes.byte(at: place - 1)) || bytes.byte(at: place - 1) == 0x3a {
          place -= 1
        }
      }
      if place > line.start, bytes.byte(at: place - 1) == UInt8(ascii: "\"") { place -= 1 }
      guard place > line.start, bytes.byte(at: place - 1) == 0x20 else { continue }
      let end = place - 1
      var start = end
      while start > line.start, (0x41...0x5a).contains(bytes.byte(at: start - 1)) { start -= 1 }
      let method = ByteRange(from: start, to: end)
      guard methods.contains(where: { bytes.equals($0, method) }) else { continue }
      let target = ByteRange(from: bytes.byte(at: end + 1) == 0x22 ? end + 2 : end + 1, to: line.end)
      return RequestLine.key(bytes, method: method, target: word(bytes, target))
    }
    guard let method = labelled(bytes, ["method="], line),
      let target = labelled(bytes, ["path=", "uri=", "url="], line)
    else { return nil }
    return RequestLine.key(bytes, method: method, target: target)
  }

  private static func labelled(_ bytes: RawSpan, _ names: [String], _ line: ByteRange) -> ByteRange? {
    for name in names {
      guard let place = bytes.index(of: name, from: line.start, to: line.end) else { continue }
      var start = place + name.utf8.count
      if start < line.end, bytes.byte(at: start) == UInt8(ascii: "\"") { start += 1 }
      let value = word(bytes, ByteRange(from: start, to: line.end))
      if !value.isEmpty { return value }
    }
    return nil
  }

  /// Up to a blank, a quote, or what ends a target in a sentence.
  private static func word(_ bytes: RawSpan, _ range: ByteRange) -> ByteRange {
    var end = range.start
    while end < range.end {
      let byte = bytes.byte(at: end)
      if byte <= 0x20 || byte == 0x22 || byte == 0x27 || byte == 0x2c || byte == 0x5d || byte == 0x29 { break }
      end += 1
    }
    return ByteRange(from: range.start, to: end)
  }
}

/// The part of a request or trace ID that other logs write, too.
enum LogIdentifier {
  /// Shorter words are too common to be taken for an ID, where nothing says that they are one.
  static let shortest = 8
  /// In a field for IDs.
  static let shortestField = 4

  /// `1-67891233-abcdef012345678912345678` of `Root=1-67891233-abcdef012345678912345678;Parent=...`.
  static func core(_ bytes: RawSpan, _ range: ByteRange) -> ByteRange {
    var start = range.start
    var end = range.end
    if let sign = bytes.nearby(UInt8(ascii: "="), from: start, to: end) { start = sign + 1 }
    if let stop = bytes.nearby(UInt8(ascii: ";"), from: start, to: end) { end = stop }
    // `projects/x/traces/0679686673a`: the last part.
    var place = start
    while let slash = bytes.nearby(UInt8(ascii: "/"), from: place, to: end) { place = slash + 1 }
    return ByteRange(from: place, to: end)
  }
}
