import Core

/// Which of the requests that failed at a balancer or proxy the application's own log has.
///
/// A request ID or trace ID that the application logs anywhere in a line settles it: what is in there was received. What is not in there was
/// never seen, provided that the log has such IDs of requests that succeeded and covers that time.
package struct LogWitness: Sendable {
  /// IDs of answered requests that are looked for, to see whether the application logs IDs at all.
  private static let maximumSamples = 2_000

  private let failed: Set<UInt64>
  private let answered: Set<UInt64>
  package private(set) var seenFailed: Set<UInt64> = []
  package private(set) var seenAnswered = 0
  package private(set) var lines = 0
  package private(set) var first = Int64.max
  package private(set) var last = Int64.min

  package init(_ tally: LogTally) {
    failed = Set(tally.failures.map(\.identifierKey).filter { $0 != 0 })
    answered = Set(tally.identifierSamples.prefix(LogWitness.maximumSamples))
  }

  package var hasIDs: Bool { !failed.isEmpty }

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
    let head = bytes.trimmed(line.limited(to: 40))
    if let reading = LogTime.any(bytes, head) {
      first = min(first, reading.nanoseconds)
      last = max(last, reading.nanoseconds)
    }
  }

  private mutating func look(_ bytes: RawSpan, _ word: ByteRange) {
    let key = bytes.fingerprint(word)
    if failed.contains(key) { seenFailed.insert(key) } else if answered.contains(key) { seenAnswered += 1 }
  }

  private static func isPartOfID(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
      || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }

  package mutating func append(_ next: LogWitness) {
    seenFailed.formUnion(next.seenFailed)
    seenAnswered += next.seenAnswered
    lines += next.lines
    first = min(first, next.first)
    last = max(last, next.last)
  }

  /// The verdict on one failure: true, the application has it; false, it never saw it; nil, the log does not tell.
  func saw(_ failure: LogFailure) -> Bool? {
    guard failure.identifierKey != 0 else { return nil }
    if seenFailed.contains(failure.identifierKey) { return true }
    guard seenAnswered > 0 || !seenFailed.isEmpty else { return nil }
    if failure.hasTime, first <= last, failure.time < first || failure.time > last { return nil }
    return false
  }
}

/// The part of a request or trace ID that other logs write, too.
enum LogIdentifier {
  /// Shorter words are too common to be taken for an ID.
  static let shortest = 8

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
