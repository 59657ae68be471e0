import Core

/// Makes one of the lines that tell of the same request, so that each count is of requests.
///
/// ```
/// Apache httpd   AH01102, then AH00898 by the same thread           the second is an echo
/// nginx          error line, then the access line of that request   the error line has the cause, the access line the rest
/// Caddy          error line and access line                         the same
/// any            the same request ID in logs of two layers          the surer verdict is kept
/// ```
struct LogPairing {
  private static let second: Int64 = 1_000_000_000
  /// How far apart the lines of a pair may be, beyond how finely their times are written.
  private static let slack: Int64 = 1_500_000_000

  /// So many lines of one client and request line are compared with a cause at most.
  private static let maximumCandidates = 4_096

  private var failures: [LogFailure]
  /// Lines that belong to another one.
  private(set) var isAbsorbed: [Bool]
  private var order: [Int]

  init(_ failures: [LogFailure]) {
    self.failures = failures
    isAbsorbed = Array(repeating: false, count: failures.count)
    order = failures.indices.sorted { (failures[$0].time, $0) < (failures[$1].time, $1) }
  }

  /// One failure for each request, in order of time.
  mutating func paired() -> [LogFailure] {
    joinEchoes()
    joinCauses()
    joinLayers()
    return order.filter { !isAbsorbed[$0] && !(failures[$0].isAnswered && failures[$0].kind == nil) }
      .map { failures[$0] }
  }

  // MARK: - Echoes

  private mutating func joinEchoes() {
    guard failures.contains(where: \.isEcho) else { return }
    var latest: [UInt64: [Int]] = [:]
    for index in order where failures[index].source == .apacheError && failures[index].pairKey != 0 {
      let failure = failures[index]
      guard failure.isEcho else {
        // A server with several addresses is tried at each of them.
        if let before = latest[failure.pairKey]?.last, failure.kind == .refused, failures[before].kind == .refused,
          failure.time - failures[before].time < LogPairing.second
        {
          isAbsorbed[index] = true
          continue
        }
        latest[failure.pairKey, default: []].append(index)
        continue
      }
      guard let open = latest[failure.pairKey], let before = open.last,
        failure.time - failures[before].time <= LogPairing.slack
      else {
        // Its first line is missing: it stands for the request.
        latest[failure.pairKey, default: []].append(index)
        continue
      }
      isAbsorbed[index] = true
      if failures[before].targetLength == 0, failure.targetLength > 0 { takeTexts(from: index, into: before) }
      if failures[before].pathKey == 0 { failures[before].pathKey = failure.pathKey }
      if failures[before].clientKey == 0 { failures[before].clientKey = failure.clientKey }
    }
  }

  private mutating func takeTexts(from index: Int, into before: Int) {
    let texts = failures[index]
    failures[before].textStart = texts.textStart
    failures[before].methodLength = texts.methodLength
    failures[before].targetLength = texts.targetLength
    failures[before].wordLength = texts.wordLength
    failures[before].identifierLength = texts.identifierLength
  }

  // MARK: - Causes

  private mutating func joinCauses() {
    let present = Set(failures.map(\.source))
    for source in LogSource.allCases where source.tellsCauses && present.contains(source) {
      let companions = source.companions.filter { present.contains($0) }
      guard !companions.isEmpty else { continue }
      joinCauses(of: source, with: companions)
    }
  }

  private mutating func joinCauses(of source: LogSource, with companions: [LogSource]) {
    var candidates: [UInt64: [Int]] = [:]
    for index in order where companions.contains(failures[index].source) && !isAbsorbed[index] {
      candidates[key(failures[index], for: source), default: []].append(index)
    }
    /// How many causes a line of the access log has taken.
    var taken: [Int: Int32] = [:]
    /// The first candidate of a key that can still take one: both lists are in order of time, so those before it are behind for good.
    var first: [UInt64: Int] = [:]
    for index in order where failures[index].source == source && !isAbsorbed[index] {
      var cause = failures[index]
      let key = key(cause, for: source)
      guard key != 0, cause.hasTime, let open = candidates[key] else { continue }
      var best: (index: Int, distance: Int64)?
      var start = first[key, default: 0]
      while start < open.count, taken[open[start], default: 0] > failures[open[start]].retries { start += 1 }
      first[key] = start
      for candidate in open[start...].prefix(LogPairing.maximumCandidates)
      where taken[candidate, default: 0] <= failures[candidate].retries {
        let request = failures[candidate]
        guard request.hasTime, fits(cause, request) else { continue }
        // They are in order of time: what follows is farther away.
        if let best, request.time - cause.time >= best.distance { break }
        let distance = abs(request.time - cause.time)
        // The line may cover the whole time since the request began.
        var span = max(0, request.duration) + max(request.grain, cause.grain) + LogPairing.slack
        if LogPairing.isOnePath(cause, request), request.time <= cause.time { span += LogPairing.longest(cause) }
        guard LogPairing.fitsPath(cause, request), distance <= span, best.map({ distance < $0.distance }) ?? true else {
          continue
        }
        best = (candidate, distance)
      }
      guard let best else { continue }
      LogPairing.judge(&cause, beside: failures[best.index])
      taken[best.index, default: 0] += 1
      isAbsorbed[index] = true
      merge(cause, into: best.index)
    }
  }

  /// Apache's error log tells the path in the second line about a failure; its access log has the beginning of a request, and not how long it took.
  private static func fitsPath(_ cause: LogFailure, _ request: LogFailure) -> Bool {
    cause.source != .apacheError || cause.pathKey == 0 || cause.pathKey == request.pathKey
  }

  private static func isOnePath(_ cause: LogFailure, _ request: LogFailure) -> Bool {
    cause.source == .apacheError && cause.pathKey != 0 && cause.pathKey == request.pathKey
  }

  /// How long a request may have gone on before it failed.
  private static func longest(_ cause: LogFailure) -> Int64 { (cause.kind == .timeout ? 600 : 30) * second }

  /// Where a request began so long before its failure that no rounding explains it, the server had it.
  private static func judge(_ cause: inout LogFailure, beside request: LogFailure) {
    guard isOnePath(cause, request), cause.kind == .race, request.duration < 0,
      cause.time - request.time - request.grain > LogJudge.usualRoundTrip.count
    else { return }
    cause.kind = .died
    cause.reason = .closedAfterWork
    cause.confidence = .medium
  }

  private func key(_ failure: LogFailure, for source: LogSource) -> UInt64 {
    switch source {
    // Apache's error log has no request line; Traefik's has neither that nor the client.
    case .apacheError: failure.clientKey
    case .traefikDebug: 1
    default: failure.pairKey
    }
  }

  /// Whether the cause can be that of the request's status.
  private func fits(_ cause: LogFailure, _ request: LogFailure) -> Bool {
    guard cause.source == .traefikDebug || cause.source == .apacheError else { return true }
    if cause.source == .traefikDebug, cause.status > 0 { return cause.status == request.status }
    return request.status >= 500
  }

  private mutating func merge(_ cause: LogFailure, into index: Int) {
    let isOfAnAttempt = cause.kind == .race || cause.kind == .died || cause.kind == .refused || cause.kind == .timeout
    if failures[index].isAnswered, isOfAnAttempt {
      // The proxy tried again and had an answer in the end.
      failures[index].kind = .repaired
      failures[index].confidence = .high
      failures[index].reason = .repaired
    } else if failures[index].kind == .repaired || failures[index].kind == .clientGone {
      failures[index].confidence = .high
    } else if let kind = cause.kind {
      failures[index].kind = kind
      failures[index].reason = cause.reason
      failures[index].confidence = cause.confidence
      judgeAgain(index)
    }
    if failures[index].server < 0 { failures[index].server = cause.server }
    if failures[index].targetLength > 0 { return }
    takeTexts(from: index, into: index)
  }

  /// The cause was told without its duration, which the other line has.
  private mutating func judgeAgain(_ index: Int) {
    guard failures[index].kind == .race else { return }
    let span = failures[index].attemptDuration >= 0 ? failures[index].attemptDuration : failures[index].duration
    guard span >= 0 else { return }
    if span > LogJudge.usualRoundTrip.count {
      failures[index].kind = .died
      failures[index].reason = .closedAfterWork
      failures[index].confidence = .medium
    } else {
      failures[index].confidence = .high
    }
  }

  // MARK: - Layers

  private mutating func joinLayers() {
    joinByID()
    joinByTime()
  }

  /// The same ID, written by two layers within a minute beside what the request took, is one request.
  private mutating func joinByID() {
    var seen: [UInt64: Int] = [:]
    for index in order where !isAbsorbed[index] && failures[index].identifierKey != 0 {
      let key = failures[index].identifierKey
      guard let before = seen[key], failures[before].source != failures[index].source, areNear(before, index) else {
        seen[key] = index
        continue
      }
      let (kept, dropped) =
        failures[index].confidence > failures[before].confidence && failures[index].kind != nil
        ? (index, before) : (before, index)
      isAbsorbed[dropped] = true
      seen[key] = kept
    }
  }

  private func areNear(_ left: Int, _ right: Int) -> Bool {
    let (first, second) = (failures[left], failures[right])
    guard first.hasTime, second.hasTime else { return true }
    return abs(first.time - second.time) <= 60 * LogPairing.second + max(0, first.duration, second.duration)
  }

  /// A layer in front that gave up, or whose client did, is to the layer behind it a client that left: one request. Without an ID they are
  /// joined by the request line and the time. Other pairs of failures are not: two requests of a busy path may fail at once.
  private mutating func joinByTime() {
    var open: [UInt64: [Int]] = [:]
    for index in order
    where !isAbsorbed[index] && failures[index].kind == .clientGone && failures[index].requestKey != 0 {
      open[failures[index].requestKey, default: []].append(index)
    }
    guard !open.isEmpty else { return }
    for index in order where !isAbsorbed[index] && failures[index].requestKey != 0 && failures[index].hasTime {
      let front = failures[index]
      guard !front.source.tellsCauses, front.kind == .timeout || front.kind == .clientGone,
        let candidates = open[front.requestKey]
      else { continue }
      let best = candidates.filter { candidate in
        let behind = failures[candidate]
        return !isAbsorbed[candidate] && behind.hasTime && behind.file != front.file && behind.source != front.source
          && !behind.source.tellsCauses && (behind.identifierKey == 0 || front.identifierKey == 0)
          && isBehind(behind, front)
      }.min { abs(failures[$0].time - front.time) < abs(failures[$1].time - front.time) }
      if let best { isAbsorbed[best] = true }
    }
  }

  /// The layer behind had the request for no longer than the one in front, and both ended at one time.
  private func isBehind(_ behind: LogFailure, _ front: LogFailure) -> Bool {
    let slack = max(front.grain, behind.grain) + LogPairing.slack
    guard abs(behind.time - front.time) <= slack else { return false }
    // A balancer does not write how long an attempt took that it gave up.
    return behind.duration < 0 || front.attemptDuration < 0 || behind.duration <= front.duration + LogPairing.slack
  }
}
