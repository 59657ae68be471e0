/// The closes of idle connections by one server, and what they contradict: the memory behind ``IdleWindow``.
///
/// Closes that come in one burst are one *episode*, so that ten thousand connections that time out together, or die in
/// one restart, weigh as much as one. An episode whose idle ages agree with its times (or with each other) is what a
/// timeout looks like; one whose ages differ while its times agree is what a restart looks like.
struct CloseHistory: Sendable {
  /// One burst of closes, or one connection that was seen to be kept.
  struct Episode: Sendable, Hashable, BitwiseCopyable {
    enum Kind: UInt8, Sendable, Hashable, BitwiseCopyable {
      /// The idle ages are those of a timer.
      case timeout
      /// Different idle ages at one time: a restart, most likely.
      case sweep
      /// Far sooner than this server keeps connections: one of its workers ended, most likely. Another one like it makes
      /// both a timeout, unless the server was seen in between to keep connections longer.
      case stray
      /// No close was seen: something had forgotten the connection when it was used. Only what came through speaks
      /// against it.
      case forgotten
      /// No close: a connection was still open at this idle age.
      case survival
    }

    var kind: Kind
    var startedAt: Instant
    var endedAt: Instant
    var lowestAge: Nanoseconds
    var highestAge: Nanoseconds
    var lowestConnectionAge: Nanoseconds
    var highestConnectionAge: Nanoseconds
    /// The fewest requests that one of the connections had carried.
    var lowestUses: UInt32 = 0
    var count: UInt32 = 1
    /// Episodes so far, this one included, that closed at about this idle age.
    var support: UInt32 = 1
    /// How often, since the last close at about this age, a connection was kept more than twice as long.
    var contradictions: UInt32 = 0

    var isClose: Bool {
      switch kind {
      case .timeout, .sweep, .stray, .forgotten: true
      case .survival: false
      }
    }

    /// Whether the server was seen to close.
    var isSeenClose: Bool {
      switch kind {
      case .timeout, .sweep, .stray: true
      case .survival, .forgotten: false
      }
    }

    /// Whether these closes were the end of the server, or of a part of it, and no timer's work.
    var isEnd: Bool {
      switch kind {
      case .sweep, .stray: true
      case .timeout, .forgotten, .survival: false
      }
    }

    /// Whether no timer explains the ages, not even one that jitters.
    var isCertainlyEnd: Bool {
      switch kind {
      case .stray: true
      case .sweep: highestAge > lowestAge * CloseHistory.jitterFactor
      case .timeout, .forgotten, .survival: false
      }
    }
  }

  /// Episodes that are remembered, the oldest dropped first.
  static let capacity = 32
  /// Closes no further apart than this belong to one burst.
  static let burstGap = Nanoseconds.milliseconds(50)
  /// By how much timers of one length differ that were set and fired together.
  static let timerSlack = Nanoseconds.milliseconds(10)
  /// A burst is cut after this time, so that a steady stream of closes is more than one episode.
  static let burstLength = Nanoseconds.milliseconds(500)
  /// Survivals no further apart than this are one.
  static let survivalGap = Nanoseconds.seconds(2)
  /// Timers jitter; a server whose closes differ by more than this factor has changed its mind, or has several
  /// timeouts. Plus and minus 30 % is a factor of 1.86.
  static let jitterFactor: Int64 = 2
  /// So many contradictions, and a close that was seen only once is forgotten.
  static let contradictionsOfOne: UInt32 = 3
  /// So many, and a close that was seen repeatedly is forgotten.
  static let contradictionsOfMany: UInt32 = 8
  /// So many later episodes in a row that all lie higher by more than they differ among themselves, and a close is
  /// forgotten.
  static let laterEpisodes = 8

  private(set) var episodes: [Episode] = []

  init() {
    episodes.reserveCapacity(CloseHistory.capacity + 1)
  }

  /// How far apart two idle ages may be and still be called the same.
  static func tolerance(at age: Nanoseconds) -> Nanoseconds { max(burstGap, age / 20) }

  /// Whether a close at this moment belongs to the burst of the one before.
  func isInBurst(_ now: Instant) -> Bool {
    guard let last = episodes.last, last.isSeenClose else { return false }
    return now.since(last.endedAt) <= CloseHistory.burstGap && now.since(last.startedAt) <= CloseHistory.burstLength
  }

  /// - Parameter isDoubted: whether the server is known to keep connections far longer.
  /// - Returns: whether it begins an episode of its own.
  mutating func recordClose(
    idleAge: Nanoseconds, connectionAge: Nanoseconds, uses: UInt32, isDoubted: Bool = false, now: Instant
  ) -> Bool {
    if let last = episodes.last, isInBurst(now) {
      // A burst does not speak against itself.
      contradict(episodes.indices.dropLast(), by: idleAge)
      extend(last, idleAge: idleAge, connectionAge: connectionAge, uses: uses, now: now)
      return false
    }
    contradict(episodes.indices, by: idleAge)
    var episode = Episode(
      kind: .timeout, startedAt: now, endedAt: now, lowestAge: idleAge, highestAge: idleAge,
      lowestConnectionAge: connectionAge, highestConnectionAge: connectionAge, lowestUses: uses)
    let support = confirm(idleAge)
    if isDoubted, support == 0 { episode.kind = .stray }
    episode.support = support + 1
    append(episode)
    return true
  }

  /// Whether the latest close was the end of the server or of a part of it.
  var lastIsEnd: Bool { episodes.last?.isEnd ?? false }

  /// The server has ended: closes that began since then were no timeouts.
  ///
  /// - Returns: the idle ages with which those bursts began that passed for timeouts until now.
  mutating func recordEnd(ofClosesSince instant: Instant) -> [Nanoseconds] {
    var ages: [Nanoseconds] = []
    for index in episodes.indices where episodes[index].startedAt >= instant {
      switch episodes[index].kind {
      case .timeout: ages.append(episodes[index].lowestAge)
      case .stray: break
      case .sweep, .forgotten, .survival: continue
      }
      episodes[index].kind = .sweep
    }
    return ages
  }

  /// The server keeps a connection at this idle age: that speaks against the ends that could have been timers.
  mutating func contradictEnds(by idleAge: Nanoseconds) {
    for index in episodes.indices
    where episodes[index].isEnd && episodes[index].highestAge * CloseHistory.jitterFactor < idleAge {
      episodes[index].contradictions += 1
    }
  }

  /// A connection was gone at this idle age, and nothing had told.
  mutating func recordForgotten(idleAge: Nanoseconds, now: Instant) {
    if let last = episodes.last, last.kind == .forgotten, now.since(last.endedAt) <= CloseHistory.burstGap {
      episodes[episodes.count - 1].lowestAge = min(last.lowestAge, idleAge)
      episodes[episodes.count - 1].endedAt = now
      return
    }
    append(
      Episode(
        kind: .forgotten, startedAt: now, endedAt: now, lowestAge: idleAge, highestAge: idleAge,
        lowestConnectionAge: .zero, highestConnectionAge: .unlimited))
  }

  /// A connection was still open at this idle age.
  mutating func recordSurvival(idleAge: Nanoseconds, now: Instant) {
    // All threads let sentinels stand, and those of one time tell one thing.
    if let last = episodes.last, last.kind == .survival, now.since(last.startedAt) <= CloseHistory.survivalGap {
      episodes[episodes.count - 1].lowestAge = max(last.lowestAge, idleAge)
      episodes[episodes.count - 1].highestAge = max(last.highestAge, idleAge)
      episodes[episodes.count - 1].endedAt = now
      return
    }
    contradict(episodes.indices, by: idleAge, isSilent: true)
    // More of them than count would only push out the closes.
    if episodes.count(where: { $0.kind == .survival }) >= CloseHistory.laterEpisodes,
      let oldest = episodes.firstIndex(where: { $0.kind == .survival })
    {
      episodes.remove(at: oldest)
    }
    append(
      Episode(
        kind: .survival, startedAt: now, endedAt: now, lowestAge: idleAge, highestAge: idleAge,
        lowestConnectionAge: idleAge, highestConnectionAge: idleAge))
  }

  /// A response came on a connection reused at this idle age. It contradicts, and is not remembered: there may be many.
  mutating func recordReuse(idleAge: Nanoseconds) {
    contradict(episodes.indices, by: idleAge)
  }

  mutating func forget(endedBefore instant: Instant) {
    episodes.removeAll { $0.endedAt < instant }
  }

  /// Which closes later evidence has outweighed; a bit for each index.
  struct Outweighed: BitwiseCopyable {
    /// Leases need not heed these.
    var forLeases: UInt64 = 0
    /// Requests that cannot be repaired need not heed these either: that takes closes.
    var forProof: UInt64 = 0

    func forLeases(_ index: Int) -> Bool { forLeases & (1 << index) != 0 }
    func forProof(_ index: Int) -> Bool { forProof & (1 << index) != 0 }
  }

  /// The idle ages of later episodes.
  private struct Range {
    var lowest = Nanoseconds.unlimited
    var highest = Nanoseconds.zero
    var count = 0

    mutating func include(_ age: Nanoseconds) {
      lowest = min(lowest, age)
      highest = max(highest, age)
      count += 1
    }

    /// Whether the server has moved up: everything later lies higher by more than it differs in itself.
    func leavesBehind(_ episode: Episode) -> Bool {
      guard count >= CloseHistory.laterEpisodes, episode.kind != .forgotten else { return false }
      let age = episode.lowestAge
      return lowest > age + (highest - lowest) + CloseHistory.tolerance(at: age)
    }
  }

  func outweighed() -> Outweighed {
    var result = Outweighed()
    var later = Range()
    var laterCloses = Range()
    for index in episodes.indices.reversed() {
      let episode = episodes[index]
      let limit = episode.support == 1 ? CloseHistory.contradictionsOfOne : CloseHistory.contradictionsOfMany
      if episode.contradictions >= limit || later.leavesBehind(episode) { result.forLeases |= 1 << index }
      // Only closes: what is merely seen to live is seen because it lives, and beside it another server may go on as
      // before.
      if laterCloses.leavesBehind(episode) { result.forProof |= 1 << index }
      switch episode.kind {
      case .timeout, .forgotten:
        later.include(episode.lowestAge)
        laterCloses.include(episode.lowestAge)
      case .survival: later.include(episode.lowestAge)
      case .sweep, .stray: break
      }
    }
    return result
  }

  /// The server kept a connection to this idle age: that speaks against every close at less than half of it.
  ///
  /// - Parameter isSilent: whether nothing came over the connection; it may have been forgotten as well.
  private mutating func contradict(_ range: Swift.Range<Int>, by idleAge: Nanoseconds, isSilent: Bool = false) {
    for index in range where episodes[index].isClose {
      if isSilent, episodes[index].kind == .forgotten { continue }
      if episodes[index].highestAge * CloseHistory.jitterFactor < idleAge {
        episodes[index].contradictions += 1
      }
    }
  }

  /// A close at this idle age confirms those at about the same; returns the largest support among them.
  private mutating func confirm(_ idleAge: Nanoseconds) -> UInt32 {
    let tolerance = CloseHistory.tolerance(at: idleAge)
    var support: UInt32 = 0
    for index in episodes.indices {
      let episode = episodes[index]
      switch episode.kind {
      case .timeout: break
      case .stray:
        let difference = max(idleAge, episode.lowestAge) - min(idleAge, episode.lowestAge)
        guard episode.contradictions == 0, difference <= max(CloseHistory.timerSlack, idleAge / 20) else { continue }
        episodes[index].kind = .timeout
      case .sweep, .forgotten, .survival: continue
      }
      guard idleAge + tolerance >= episode.lowestAge, idleAge <= episode.highestAge + tolerance else { continue }
      episodes[index].contradictions = 0
      support = max(support, episode.support)
    }
    return support
  }

  private mutating func extend(
    _ last: Episode, idleAge: Nanoseconds, connectionAge: Nanoseconds, uses: UInt32, now: Instant
  ) {
    var episode = last
    // Connections that went idle together and time out with jitter have ages that differ as their times do. Those that die
    // with their server go at one time, whatever their ages.
    let tolerance = now.since(episode.startedAt) + max(CloseHistory.timerSlack, idleAge / 20)
    if idleAge + tolerance < episode.lowestAge || idleAge > episode.highestAge + tolerance { episode.kind = .sweep }
    episode.lowestAge = min(episode.lowestAge, idleAge)
    episode.highestAge = max(episode.highestAge, idleAge)
    episode.lowestConnectionAge = min(episode.lowestConnectionAge, connectionAge)
    episode.highestConnectionAge = max(episode.highestConnectionAge, connectionAge)
    episode.lowestUses = min(episode.lowestUses, uses)
    episode.endedAt = now
    episode.count &+= 1
    episodes[episodes.count - 1] = episode
  }

  private mutating func append(_ episode: Episode) {
    episodes.append(episode)
    if episodes.count > CloseHistory.capacity { episodes.removeFirst() }
  }
}
