import Core

/// What is to be looked at, and how it is judged.
package struct LogQuestion: Sendable {
  package var judge = LogJudge()
  /// Lines before this are passed over; nanoseconds since 1970.
  package var since: Int64?
  package var until: Int64?
  /// Only requests to these servers: `address:port`, or the address alone.
  package var servers: [String] = []
  /// Queries are kept in what is written.
  package var revealsQueries = false
  /// Requests (client and request line) that a log of causes names: their lines are kept even when they were answered.
  var wanted: Set<UInt64> = []
  /// Lines of success are read whole, since another log is searched for their IDs.
  package var readsAnswered = false
  /// Answered requests that are kept, to be matched with the lines of another log.
  package var wantedRequests: LogRequestSample?

  package init() {}

  func isWanted(server name: [UInt8]) -> Bool {
    servers.isEmpty
      || servers.contains { wanted in
        let wanted = Array(wanted.utf8)
        return name == wanted || name.starts(with: wanted + [UInt8(ascii: ":")])
      }
  }
}

/// What was counted of a part of a log. Parts that follow each other are joined by ``append(_:)``, in their order.
package struct LogTally: Sendable {
  package static let maximumFailures = 1_000_000
  private static let maximumText = 240
  private static let maximumIdentifiers = 1_000
  private static let maximumUnknown = 3
  private static let maximumAnswered = 2_000_000
  private static let hour: Int64 = 3_600 * LogTime.second

  /// Figures of one hour.
  package struct Hour: Sendable {
    package var requests = 0
    package var races = 0
    package var failures = 0
  }

  package private(set) var lines = 0
  package var unknownLines = 0
  package var overlongLines = 0
  /// Lines that were understood and lie outside the time that was asked for.
  package var outsideTime = 0
  /// A few of the lines that were not understood, with their numbers.
  package private(set) var unknownSamples: [(line: Int, text: String)] = []
  package private(set) var bySource = Array(repeating: 0, count: LogSource.allCases.count)
  package private(set) var requests = 0
  package private(set) var serverErrors = 0
  package private(set) var retriedInVain = 0
  package private(set) var idleCloses = 0
  package private(set) var connections = 0
  /// Lifetimes of connections, where a log has only these.
  package private(set) var lifetimes = AgeHistogram()
  package private(set) var failures: [LogFailure] = []
  /// Failures beyond ``maximumFailures``, counted as their line says.
  package private(set) var overflow = Array(repeating: 0, count: LogClass.count)
  package private(set) var overflowUnexplained = 0
  package private(set) var first = Int64.max
  package private(set) var last = Int64.min
  package private(set) var hours: [Int64: Hour] = [:]
  /// What the times of the log of requests are ahead of UTC, when all lines agree; logs of causes name no zone.
  private(set) var zone: Int64?
  private(set) var hasSeveralZones = false
  /// Fingerprints of a few of the answered requests' IDs.
  private(set) var identifierSamples: [UInt64] = []
  /// Those that ``LogQuestion/wantedRequests`` asked for.
  private(set) var answered: [LogAnswered] = []
  private(set) var arena: [UInt8] = []
  private(set) var servers = LogServerTable()
  private var currentHour = Int64.min
  private var current = Hour()

  package init() {}

  /// Empty, but knows when the last request to each server ended.
  init(following before: LogTally) { servers = before.servers.continued() }

  // MARK: - Counting

  mutating func lineRead() { lines &+= 1 }

  mutating func unknownLine(_ bytes: RawSpan, _ line: ByteRange, _ question: LogQuestion) {
    unknownLines += 1
    if unknownSamples.count < LogTally.maximumUnknown {
      let head = bytes.bytes(line.limited(to: 120))
      unknownSamples.append((lines, Display.printable(question.revealsQueries ? head : LogMask.masked(head))))
    }
  }

  mutating func add(_ record: LogRecord, _ bytes: RawSpan, _ question: LogQuestion) {
    let time = record.time
    if let time {
      if question.since.map({ time < $0 }) ?? false || question.until.map({ time > $0 }) ?? false {
        outsideTime &+= 1
        return
      }
      if time < first { first = time }
      if time > last { last = time }
    }
    let source = record.source.index
    bySource[source] &+= 1
    if let seen = record.zone, seen != zone {
      hasSeveralZones = hasSeveralZones || zone != nil
      zone = seen
    }
    switch record.signal {
    case .noRequest:
      if record.source == .nlb {
        connections &+= 1
        if let duration = record.duration { lifetimes.add(Nanoseconds(duration)) }
      }
      return
    case .idleClose:
      idleCloses &+= 1
      return
    case .serverError:
      serverErrors &+= 1
      if record.retries > 0 { retriedInVain &+= 1 }
    default: break
    }
    var server = -1
    if !record.server.isEmpty {
      server = servers.index(bytes, record.server)
      if server >= 0 {
        if servers.tallies[server].requests == 0 {
          servers.tallies[server].isWanted = question.isWanted(server: servers.tallies[server].name)
        }
        guard servers.tallies[server].isWanted else { return }
        servers.tallies[server].requests &+= record.source.tellsCauses ? 0 : 1
        if record.grain > servers.tallies[server].grain { servers.tallies[server].grain = record.grain }
      }
    } else if !question.servers.isEmpty {
      return
    }
    let isAnswered = record.signal == .answered || record.signal == .serverError
    if !record.source.tellsCauses {
      requests &+= 1
      if let time { countHour(time) }
    }
    var end = time ?? LogFailure.noTime
    if let time, record.timeIsStart { end = time &+ (record.duration ?? 0) }
    if isAnswered, identifierSamples.count < LogTally.maximumIdentifiers, !bytes.isAbsent(record.identifier) {
      addIdentifier(bytes, record.identifier)
    }
    if isAnswered, let wanted = question.wantedRequests { keepAnswered(record, bytes, end: end, wanted) }
    let verdict = isAnswered ? nil : question.judge.verdict(record)
    var failure = -1
    if !isAnswered {
      failure = keep(record, verdict, bytes, end: end, server: server, question)
    } else if !question.wanted.isEmpty, question.wanted.contains(LogTally.pairKey(record, bytes)) {
      failure = keep(record, nil, bytes, end: end, server: server, question)
      if failure >= 0 { failures[failure].isAnswered = true }
    }
    if server >= 0, let time, !record.source.tellsCauses {
      let start = record.timeIsStart ? time : time &- (record.duration ?? 0)
      let gap = servers.tallies[server].requestSeen(
        start: start, end: end, isAnswered: isAnswered || record.signal == .repaired, failure: failure)
      if failure >= 0 { failures[failure].gap = gap }
    }
  }

  private mutating func addIdentifier(_ bytes: RawSpan, _ range: ByteRange) {
    let core = LogIdentifier.core(bytes, range)
    if core.count >= LogIdentifier.shortest { identifierSamples.append(bytes.fingerprint(core)) }
  }

  private mutating func keepAnswered(_ record: LogRecord, _ bytes: RawSpan, end: Int64, _ wanted: LogRequestSample) {
    guard answered.count < LogTally.maximumAnswered, let time = record.time, !record.method.isEmpty else { return }
    let key = RequestLine.key(bytes, method: record.method, target: record.target)
    guard wanted.contains(key) else { return }
    let start = record.timeIsStart ? time : time &- (record.duration ?? 0)
    answered.append(LogAnswered(key: key, start: start, end: end))
  }

  private mutating func countHour(_ time: Int64) {
    let hour = time / LogTally.hour
    if hour != currentHour {
      closeHour()
      currentHour = hour
    }
    current.requests &+= 1
  }

  private mutating func closeHour() {
    if currentHour != .min, current.requests > 0 { hours[currentHour, default: Hour()].requests += current.requests }
    current = Hour()
    currentHour = .min
  }

  // MARK: - Failures

  private mutating func keep(
    _ record: LogRecord, _ verdict: LogVerdict?, _ bytes: RawSpan, end: Int64, server: Int,
    _ question: LogQuestion
  ) -> Int {
    guard failures.count < LogTally.maximumFailures else {
      if let kind = verdict?.kind {
        overflow[kind.index] += 1
      } else if record.signal == .unexplained {
        overflowUnexplained += 1
      }
      return -1
    }
    var failure = LogFailure(
      source: record.source, time: end, grain: record.grain, status: Int32(clamping: record.status),
      duration: record.duration ?? -1, attemptDuration: record.attemptDuration ?? -1, idleAge: record.idleAge ?? -1,
      line: Int64(lines), textStart: arena.count)
    if let verdict {
      failure.kind = verdict.kind
      failure.confidence = verdict.confidence
      failure.reason = verdict.reason
    }
    failure.server = Int32(server)
    failure.retries = Int32(clamping: record.retries)
    failure.isEcho = record.isEcho
    failure.pairKey = LogTally.pairKey(record, bytes)
    if !record.client.isEmpty { failure.clientKey = bytes.fingerprint(LogTally.address(bytes, record.client)) }
    if !record.method.isEmpty {
      failure.requestKey = RequestLine.key(bytes, method: record.method, target: record.target)
    }
    if !record.target.isEmpty { failure.pathKey = bytes.fingerprint(RequestLine.withoutQuery(bytes, record.target)) }
    if !bytes.isAbsent(record.identifier) {
      let core = LogIdentifier.core(bytes, record.identifier)
      if core.count >= LogIdentifier.shortestField { failure.identifierKey = bytes.fingerprint(core) }
      failure.isSearchable = core.count >= LogIdentifier.shortest
    }
    failure.isIdempotent = LogTally.isIdempotent(bytes, record.method)
    failure.methodLength = append(bytes.bytes(record.method.limited(to: 20)))
    let target = bytes.bytes(record.target.limited(to: LogTally.maximumText))
    failure.targetLength = append(question.revealsQueries ? target : LogSettings.QueryPolicy.hideValues.shown(target))
    failure.wordLength = append(bytes.bytes(record.word.limited(to: 120)))
    failure.identifierLength = append(bytes.bytes(record.identifier.limited(to: 80)))
    failures.append(failure)
    return failures.count - 1
  }

  private mutating func append(_ text: [UInt8]) -> UInt16 {
    arena += text
    return UInt16(clamping: text.count)
  }

  private static func pairKey(_ record: LogRecord, _ bytes: RawSpan) -> UInt64 {
    guard record.pairKey == 0, record.joinsByRequest else { return record.pairKey }
    return RequestLine.pairKey(bytes, client: record.client, method: record.method, target: record.target)
  }

  /// The address of a client without its port.
  static func address(_ bytes: RawSpan, _ client: ByteRange) -> ByteRange {
    var start = client.start
    var end = client.end
    if start < end, bytes.byte(at: start) == UInt8(ascii: "[") {
      start += 1
      return ByteRange(from: start, to: bytes.nearby(UInt8(ascii: "]"), from: start, to: end) ?? end)
    }
    var colons = 0
    for offset in start..<end where bytes.byte(at: offset) == UInt8(ascii: ":") {
      colons += 1
      if colons == 1 { end = offset }
    }
    if colons > 1 { end = client.end }
    return ByteRange(from: start, to: end)
  }

  private static func isIdempotent(_ bytes: RawSpan, _ method: ByteRange) -> Bool {
    ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"].contains { bytes.equals($0, method) }
  }

  // MARK: - Joining

  /// Takes up what was counted of the part of the log that follows.
  ///
  /// - Parameter keepsLines: the lines are of another file, and keep their numbers.
  package mutating func append(_ next: LogTally, keepsLines: Bool = false) {
    closeHour()
    var next = next
    next.closeHour()
    let arenaBase = arena.count
    var positions: [Int] = []
    for (index, tally) in next.servers.tallies.enumerated() {
      let key = next.servers.keys[index]
      let known = servers.lookUp(key)
      positions.append(known >= 0 ? known : servers.add(key, tally.name))
      guard positions[index] >= 0 else { continue }
      if known < 0 { servers.tallies[positions[index]].isWanted = tally.isWanted }
    }
    var moved: [Int] = []
    for var failure in next.failures {
      guard failures.count < LogTally.maximumFailures else {
        if let kind = failure.kind { overflow[kind.index] += 1 }
        moved.append(-1)
        continue
      }
      failure.textStart += arenaBase
      if !keepsLines { failure.line += Int64(lines) }
      if failure.server >= 0 { failure.server = Int32(positions[Int(failure.server)]) }
      moved.append(failures.count)
      failures.append(failure)
    }
    arena += next.arena
    for (index, tally) in next.servers.tallies.enumerated() where positions[index] >= 0 {
      joinServer(positions[index], tally, moved)
    }
    for (line, text) in next.unknownSamples where unknownSamples.count < LogTally.maximumUnknown {
      unknownSamples.append((line + lines, text))
    }
    lines += next.lines
    joinCounts(next)
  }

  private mutating func joinServer(_ position: Int, _ next: LogServerTally, _ moved: [Int]) {
    servers.tallies[position].requests += next.requests
    servers.tallies[position].grain = max(servers.tallies[position].grain, next.grain)
    let lastEnd = servers.tallies[position].lastEnd
    for pending in next.head {
      let failure = pending.failure >= 0 ? moved[pending.failure] : -1
      if lastEnd != .min {
        let gap = max(0, pending.start &- lastEnd)
        servers.tallies[position].gaps.add(Nanoseconds(gap))
        if failure >= 0 { failures[failure].gap = gap }
      } else if servers.tallies[position].head.count < LogServerTally.maximumPending {
        servers.tallies[position].head.append(LogServerTally.Pending(start: pending.start, failure: failure))
      }
    }
    servers.tallies[position].gaps.add(next.gaps)
    servers.tallies[position].lastEnd = max(lastEnd, next.lastEnd)
  }

  private mutating func joinCounts(_ next: LogTally) {
    unknownLines += next.unknownLines
    overlongLines += next.overlongLines
    outsideTime += next.outsideTime
    for index in bySource.indices { bySource[index] += next.bySource[index] }
    requests += next.requests
    serverErrors += next.serverErrors
    retriedInVain += next.retriedInVain
    idleCloses += next.idleCloses
    connections += next.connections
    lifetimes.add(next.lifetimes)
    for index in overflow.indices { overflow[index] += next.overflow[index] }
    overflowUnexplained += next.overflowUnexplained
    first = min(first, next.first)
    last = max(last, next.last)
    for (hour, value) in next.hours { hours[hour, default: Hour()].requests += value.requests }
    servers.overflow += next.servers.overflow
    hasSeveralZones = hasSeveralZones || next.hasSeveralZones || (zone != nil && next.zone != nil && zone != next.zone)
    zone = zone ?? next.zone
    answered += next.answered.prefix(max(0, LogTally.maximumAnswered - answered.count))
    identifierSamples += next.identifierSamples.prefix(max(0, LogTally.maximumIdentifiers - identifierSamples.count))
  }

  /// Forgets where the last request of each server ended: what follows comes from elsewhere.
  package mutating func streamEnded() {
    for index in servers.tallies.indices {
      servers.tallies[index].lastEnd = .min
      servers.tallies[index].head = []
    }
  }

  /// What stands in front of this part of the log has so many lines.
  package mutating func shiftLines(by count: Int) {
    for index in failures.indices { failures[index].line += Int64(count) }
  }

  /// Marks all failures as of this file.
  package mutating func setFile(_ file: Int) {
    for index in failures.indices { failures[index].file = Int32(clamping: file) }
  }

  /// Logs of causes have local times without a zone: the zone of the log of requests beside them is theirs, too.
  mutating func applyZone() {
    guard let zone, zone != 0, !hasSeveralZones else { return }
    for index in failures.indices where failures[index].hasTime {
      if failures[index].source == .nginxError || failures[index].source == .apacheError {
        failures[index].time -= zone
      }
    }
  }

  /// Closes what is still open, before the figures are read.
  mutating func finish() { closeHour() }

  // MARK: - Texts

  func text(_ failure: LogFailure) -> (method: String, target: String, word: String, identifier: String) {
    var start = failure.textStart
    func next(_ length: UInt16) -> String {
      let end = min(start + Int(length), arena.count)
      defer { start = end }
      return Display.printable(arena[start..<end])
    }
    return (
      next(failure.methodLength), next(failure.targetLength), next(failure.wordLength), next(failure.identifierLength)
    )
  }

  func serverName(_ failure: LogFailure) -> String? {
    failure.server >= 0 ? Display.printable(servers.tallies[Int(failure.server)].name) : nil
  }
}
