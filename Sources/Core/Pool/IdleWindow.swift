/// What is believed of one server's patience with idle connections, learned from what it says and does.
///
/// A value; the host keeps one for each server behind a lock and publishes ``bounds`` as atomics. No method is on the
/// hot path.
///
/// ```
///   server   t0: response sent                          t0+T: timer fires, FIN sent
///             \                                          \
///   proxy    t0+d: idle age 0           request at age a  t0+d+T: FIN seen at idle age T
///                                        \
///   server                                t0+2d+a: must be before t0+T, so a < T - 2d = T - RTT
/// ```
///
/// So the idle age at which a FIN is seen is the server's own timeout, and a lease is safe below it less one round trip
/// and a margin.
///
/// Pessimism is cheap here: a window too low costs some connections, one too high costs requests. So a single credible
/// close lowers the window at once; it rises again only when several observations outweigh what lowered it. The rules,
/// each with its named number:
///
/// | seen                                                    | believed                                                           |
/// |---------------------------------------------------------|--------------------------------------------------------------------|
/// | `Keep-Alive: timeout=N`                                 | N s; closes seen earlier beat it, two of them break it              |
/// | a close at idle age T                                   | a timeout of T; less by the spread of such closes, more so when few |
/// | closes at one time, at different idle ages              | a restart: no timeout, but a reason for caution until a connection  |
/// |                                                         | has answered or waited since, a hint was said, or a minute is over  |
/// | a close far sooner than connections are kept or a hint  | the end of a worker: the same; two alike are a timeout              |
/// | says                                                    |                                                                    |
/// | a close, and then a refused connect                     | the server's end: as such closes                                   |
/// | closes at one connection age, at different idle ages    | a limit of the connection age                                      |
/// | closes right after responses, after the same many uses  | a limit of the uses                                                |
/// | closes right after first responses, nothing else        | that reuse is pointless                                            |
/// | a connection gone without a word when it was used       | that something on the way forgets; less than that idle age         |
/// | a connection kept more than twice as long as a close    | after several: that the close was a stray, or is history; then a   |
/// |                                                         | timeout of no more than what was seen to be kept                   |
package struct IdleWindow: Sendable {
  package struct Settings: Sendable, Hashable, BitwiseCopyable {
    /// No connection is leased from this idle age on, whatever is learned.
    package var configuredLimit: Nanoseconds
    /// Off: nothing is learned and nothing avoided; the race is only repaired.
    package var isOn: Bool

    package init(configuredLimit: Nanoseconds = .seconds(60), isOn: Bool = true) {
      self.configuredLimit = configuredLimit
      self.isOn = isOn
    }
  }

  /// What an event did to the bounds.
  package enum Change: UInt8, Sendable, Hashable, BitwiseCopyable {
    case unchanged
    /// Publish the bounds.
    case adjusted
    /// Publish the bounds and log the description: something was learned or unlearned, or the window moved by more than
    /// a tenth.
    case notable
  }

  /// How the server's close showed.
  package enum CloseKind: UInt8, Sendable, Hashable, BitwiseCopyable {
    case fin
    case reset
  }

  private struct Hint: Sendable, Hashable, BitwiseCopyable {
    var seconds: Int
    var maximum: Int?
    var saidAt: Instant
    /// Closes that came earlier than it promised, as episodes.
    var refutations = 0

    var promise: Nanoseconds { .seconds(Int64(seconds)) }
  }

  /// Closes right after a response, without a warning in it.
  private struct ImmediateClose: Sendable, Hashable, BitwiseCopyable {
    /// Requests that the connection had carried; zero when closes of one burst differ in it.
    var uses: UInt32
    var at: Instant
    /// A connection was reused, or kept, since.
    var isContradicted: Bool
    /// A connection was seen since that had carried more.
    var isOutlived = false
  }

  /// A connection that the server had kept when it was this old: it answered on it, or had not closed it.
  private struct Kept: Sendable, Hashable, BitwiseCopyable {
    var idleAge: Nanoseconds
    var at: Instant
  }

  /// An idle age below this is no timeout: the server closed because of the response that it had just sent.
  package static let immediateAge = Nanoseconds.milliseconds(10)
  /// So many immediate closes after equally many uses make a limit of uses, or show that reuse is pointless.
  static let immediateClosesThatAgree = 3
  static let immediateCapacity = 8
  /// How long an immediate close, or a restart, keeps requests that cannot be repaired on their guard at most: nothing
  /// was seen since that speaks for the server.
  static let suspicionSpan = Nanoseconds.seconds(60)
  /// How long after a restart only connections are trusted that have answered since: whatever else ends with it has ended
  /// by then.
  static let trustSpan = Nanoseconds.seconds(1)
  /// A first close at a lower idle age is not believed to be a timeout where connections are kept twice as long, or so
  /// the server says: few timeouts are so short, and a worker that ends closes what has just been used.
  static let doubtfulAge = Nanoseconds.milliseconds(250)
  /// How long a close lowers the window when nothing contradicts it.
  static let closeSpan = Nanoseconds.seconds(3_600)
  /// How long a hint, a reuse or a close proves that the server keeps connections, and an immediate close counts at
  /// all.
  static let proofSpan = Nanoseconds.seconds(900)
  /// So many closes earlier than a hint promised, and it proves nothing any more, however often it is said again.
  static let refutationsThatBreak = 2
  /// Different hints that are heard at the same time come from different servers behind one address: the lowest of this
  /// time counts.
  static let hintSpan = Nanoseconds.seconds(90)
  static let hintCapacity = 4
  /// A refused connect explains closes that came at most this long before it, and those that are noticed so long after it.
  package static let refusalSpan = Nanoseconds.seconds(1)
  /// Timeouts that make a known range, with which a burst of different ages is compared.
  static let episodesThatEstablish = 3
  /// Episodes at one connection age that make it a limit, and how far their connection ages may differ.
  static let connectionAgesThatAgree = 4
  static let connectionAgeTolerance: Int64 = 20
  /// What waits without a sign proves no more than this.
  static let silentAge = Nanoseconds.seconds(15)
  /// So many connections kept to an idle age prove it in full; a single one proves half of it.
  static let keptThatProve = 8
  /// A request that was lost slower than this, beyond two round trips, was not lost to the race but to whoever had read
  /// it.
  static let raceSpan = Nanoseconds.milliseconds(50)

  package private(set) var settings: Settings
  package private(set) var bounds: IdleBounds

  private var history = CloseHistory()
  private var immediate: [ImmediateClose] = []
  private var hints: [Hint] = []
  /// The greatest idle ages at which connections were kept, the greatest first.
  private var kept: [Kept] = []
  /// The greatest of them, restarts or not: what the server does when it is well.
  private var longestKept: Kept?
  /// When the server last seemed to restart: nothing is proved by what was seen before.
  private var restartedAt = Instant(nanoseconds: .min)
  /// When a connect was last refused.
  private var refusedAt: Instant?
  private var smoothedRoundTrip = Nanoseconds.zero
  private var roundTripDeviation = Nanoseconds.zero
  private var learned: Learned
  private var notedLimit: Nanoseconds
  private var since: Instant?

  /// What follows from everything remembered, beside the bounds.
  private struct Learned: Sendable, Hashable {
    var source: Source
    var estimate: Nanoseconds?
    var jitter = Nanoseconds.zero
    var samples = 0
    var hint: Hint?
    var suspicion: Suspicion?
  }

  package init(settings: Settings) {
    self.settings = settings
    if settings.isOn {
      bounds = .unknown(configuredLimit: settings.configuredLimit)
      learned = Learned(source: .configured)
    } else {
      bounds = .unguarded(configuredLimit: settings.configuredLimit)
      learned = Learned(source: .off)
    }
    notedLimit = settings.configuredLimit
  }

  /// Other settings. What was learned stays, unless learning is switched on or off.
  package mutating func settingsChanged(_ settings: Settings, now: Instant) -> Change {
    guard settings != self.settings else { return .unchanged }
    guard settings.isOn, self.settings.isOn else {
      self = IdleWindow(settings: settings)
      return .adjusted
    }
    self.settings = settings
    switch update(now) {
    case .notable: return .notable
    case .adjusted, .unchanged: return .adjusted
    }
  }

  /// Room for the server's timer and for scheduling, at a timeout of `age`: 2 % of it, at least 20 ms.
  package static func timerMargin(at age: Nanoseconds) -> Nanoseconds { max(.milliseconds(20), age / 50) }

  // MARK: - Events

  /// The round-trip time to the server, from TCP_INFO. Tell it with the first response of a connection.
  package mutating func roundTripTimeMeasured(_ time: Nanoseconds) {
    guard time > .zero else { return }
    // RFC 6298 section 2: smoothed by an eighth, the deviation by a quarter.
    if smoothedRoundTrip == .zero {
      smoothedRoundTrip = time
      roundTripDeviation = time / 4
      return
    }
    let difference = time > smoothedRoundTrip ? time - smoothedRoundTrip : smoothedRoundTrip - time
    roundTripDeviation = (roundTripDeviation * 3 + difference) / 4
    smoothedRoundTrip = (smoothedRoundTrip * 7 + time) / 8
  }

  /// The server said `Keep-Alive: timeout=seconds, max=maximum`. Tell it when the time changes on any connection, and
  /// once a minute.
  ///
  /// - Parameter maximum: how many more requests the connection takes, for the dump. A server that counts says `close`
  ///   with the last.
  package mutating func keepAliveHinted(seconds: Int, maximum: Int?, now: Instant) -> Change {
    guard settings.isOn, seconds >= 0 else { return .unchanged }
    var hint = Hint(seconds: seconds, maximum: maximum, saidAt: now)
    if let known = hints.firstIndex(where: { $0.seconds == seconds }) {
      hint.refutations = hints.remove(at: known).refutations
    }
    hints.append(hint)
    if hints.count > IdleWindow.hintCapacity { hints.removeFirst() }
    return update(now)
  }

  /// The server closed an idle connection (a sentinel, too).
  ///
  /// - Parameters:
  ///   - idleAge: the idle age at which the FIN or RST was seen.
  ///   - uses: requests that the connection had carried. One that carried none tells nothing: other timers rule it.
  package mutating func idleClosed(
    idleAge: Nanoseconds, connectionAge: Nanoseconds, uses: UInt32, roundTripTime: Nanoseconds, how: CloseKind,
    now: Instant
  ) -> Change {
    guard settings.isOn, uses > 0 else { return .unchanged }
    roundTripTimeMeasured(roundTripTime)
    recordClose(idleAge: idleAge, connectionAge: connectionAge, uses: uses, now: now)
    return update(now)
  }

  /// A request met the close: its attempt on a reused connection ended without a response, and the server is not known
  /// to have read it.
  ///
  /// - Parameters:
  ///   - idleAge: the connection's idle age when the request was sent.
  ///   - closeAge: the time from the connection's last response to the end that was seen.
  ///   - metClose: whether the exchange called it a race (``Exchange/lastEndWasRace``) although the request was
  ///     delivered in the end: a server that half-closed and read on.
  ///   - wasSilent: whether the connection had been forgotten (``Exchange/lastEndWasSilent``).
  package mutating func raceLost(
    idleAge: Nanoseconds, closeAge: Nanoseconds, connectionAge: Nanoseconds, uses: UInt32,
    roundTripTime: Nanoseconds, verdict: Verdict, metClose: Bool = false, wasSilent: Bool = false, now: Instant
  ) -> Change {
    guard settings.isOn, uses > 0 else { return .unchanged }
    if wasSilent {
      // It was forgotten at some time between the longest that came through and now.
      let longest = kept.first { $0.idleAge < idleAge }?.idleAge ?? .zero
      history.recordForgotten(idleAge: (longest + idleAge) / 2, now: now)
      return update(now)
    }
    roundTripTimeMeasured(roundTripTime)
    switch verdict {
    case .refused: return .unchanged
    case .delivered: guard metClose else { return .unchanged }
    case .neverSent, .neverDelivered: break
    case .unknown:
      guard closeAge - idleAge <= roundTripTime * 2 + IdleWindow.raceSpan else { return .unchanged }
    }
    // The server closed before the request reached it, half a round trip after it was sent; its clock runs half a one
    // ahead of ours.
    let age = min(max(closeAge, idleAge), idleAge + roundTripTime)
    recordClose(idleAge: age, connectionAge: connectionAge, uses: uses, now: now)
    return update(now)
  }

  /// A response came on a connection that was reused at this idle age. Tell it only when
  /// ``IdleBounds/isNews(reuseAt:)`` says so.
  ///
  /// - Parameter uses: requests that the connection had carried, this one not counted; zero when not known.
  package mutating func reuseSucceeded(idleAge: Nanoseconds, uses: UInt32 = 0, now: Instant) -> Change {
    guard settings.isOn else { return .unchanged }
    contradictImmediateCloses()
    outliveImmediateCloses(uses: uses &+ 1)
    history.recordReuse(idleAge: idleAge)
    recordKept(idleAge, now: now)
    return update(now)
  }

  /// The server still keeps a connection open at this idle age: a sentinel, or one that waits within the window.
  package mutating func sentinelSurvived(idleAge: Nanoseconds, now: Instant) -> Change {
    guard settings.isOn else { return .unchanged }
    contradictImmediateCloses()
    // A FIN that is on its way to us would be met by a request: what is open here was open there a round trip ago. And
    // a middlebox may have forgotten the connection without a word: silence proves only as much as none of them is
    // known to break.
    // Since a restart it proves no more than the time that has passed since.
    var waited = idleAge
    if restartedAt.nanoseconds != .min { waited = min(waited, now.since(restartedAt)) }
    if smoothedRoundTrip > .zero, waited > roundTripMargin {
      recordKept(min(waited - roundTripMargin, IdleWindow.silentAge), now: now)
    }
    history.contradictEnds(by: waited)
    // One that waits within the window says nothing against what made it so narrow.
    if idleAge >= bounds.leaseLimit { history.recordSurvival(idleAge: idleAge, now: now) }
    return update(now)
  }

  /// Time has passed: old observations lose their weight. Call about once a second.
  package mutating func refresh(now: Instant) -> Change {
    settings.isOn ? update(now) : .unchanged
  }

  /// A connect was refused: nobody listens at the server's address. What it closed a moment ago it closed because it ended, and no
  /// timer of its own did: the idle ages of those closes say nothing.
  package mutating func connectRefused(now: Instant) -> Change {
    guard settings.isOn else { return .unchanged }
    refusedAt = now
    let since = now.advanced(by: .zero - IdleWindow.refusalSpan)
    let ages = history.recordEnd(ofClosesSince: since)
    // They go on keeping requests on their guard, but say nothing of a limit.
    var isNews = !ages.isEmpty
    for index in immediate.indices where immediate[index].at >= since && immediate[index].uses > 0 {
      immediate[index].uses = 0
      isNews = true
    }
    guard isNews else { return .unchanged }
    for age in ages {
      // It broke no promise: it did not live to keep it.
      for index in hints.indices where age + CloseHistory.tolerance(at: age) < hints[index].promise {
        hints[index].refutations = max(0, hints[index].refutations - 1)
      }
    }
    restartedAt = now
    kept.removeAll(keepingCapacity: true)
    return update(now)
  }

  // MARK: - Remembering

  private mutating func recordClose(
    idleAge: Nanoseconds, connectionAge: Nanoseconds, uses: UInt32, now: Instant
  ) {
    outliveImmediateCloses(uses: uses)
    if idleAge < IdleWindow.immediateAge, !history.isInBurst(now) {
      recordImmediateClose(uses: uses, now: now)
      return
    }
    let isNew = history.recordClose(
      idleAge: idleAge, connectionAge: connectionAge, uses: uses, isDoubted: isDoubtful(idleAge, now), now: now)
    if let refusedAt, now.since(refusedAt) <= IdleWindow.refusalSpan, connectionAge >= now.since(refusedAt) {
      // Of the server that ended: another thread sees it late, or the wait for a RST held it up.
      _ = history.recordEnd(ofClosesSince: now)
    }
    if history.lastIsEnd {
      // A restart, most likely, and with it what was true before may have ended.
      restartedAt = now
      kept.removeAll(keepingCapacity: true)
    } else if isNew {
      for index in hints.indices where idleAge + CloseHistory.tolerance(at: idleAge) < hints[index].promise {
        hints[index].refutations += 1
      }
    }
  }

  /// Whether the server is known to keep connections far longer than this.
  private func isDoubtful(_ idleAge: Nanoseconds, _ now: Instant) -> Bool {
    guard idleAge < IdleWindow.doubtfulAge else { return false }
    let age = idleAge * CloseHistory.jitterFactor
    if let hint = effectiveHint(now), hint.refutations < IdleWindow.refutationsThatBreak, age < hint.promise {
      return true
    }
    guard let longestKept, now.since(longestKept.at) <= IdleWindow.proofSpan else { return false }
    return age < longestKept.idleAge
  }

  private mutating func recordImmediateClose(uses: UInt32, now: Instant) {
    if let last = immediate.last, now.since(last.at) <= CloseHistory.burstGap {
      let agreed = last.uses == uses ? uses : 0
      immediate[immediate.count - 1] = ImmediateClose(uses: agreed, at: now, isContradicted: false)
      return
    }
    immediate.append(ImmediateClose(uses: uses, at: now, isContradicted: false))
    if immediate.count > IdleWindow.immediateCapacity { immediate.removeFirst() }
  }

  private mutating func recordKept(_ idleAge: Nanoseconds, now: Instant) {
    let place = kept.firstIndex { $0.idleAge < idleAge } ?? kept.count
    kept.insert(Kept(idleAge: idleAge, at: now), at: place)
    if kept.count > IdleWindow.keptThatProve { kept.removeLast() }
    if let longest = longestKept, longest.idleAge > idleAge, now.since(longest.at) <= IdleWindow.proofSpan { return }
    longestKept = Kept(idleAge: idleAge, at: now)
  }

  private mutating func outliveImmediateCloses(uses: UInt32) {
    for index in immediate.indices where immediate[index].uses < uses { immediate[index].isOutlived = true }
  }

  private mutating func contradictImmediateCloses() {
    for index in immediate.indices { immediate[index].isContradicted = true }
  }

  // MARK: - Concluding

  private mutating func update(_ now: Instant) -> Change {
    history.forget(endedBefore: now.advanced(by: .zero - IdleWindow.closeSpan))
    immediate.removeAll { now.since($0.at) > IdleWindow.proofSpan }
    hints.removeAll { now.since($0.saidAt) > IdleWindow.proofSpan }
    kept.removeAll { now.since($0.at) > IdleWindow.proofSpan }

    let connectionAgeLimit = connectionAgeLimit()
    let usesLimit = usesLimit()
    let effectiveHint = effectiveHint(now)
    let outweighed = history.outweighed()
    let lease = leaseLimit(hint: effectiveHint?.promise, connectionAgeLimit: connectionAgeLimit, outweighed: outweighed)
    let suspicion = suspicion(usesLimit: usesLimit, now)
    var new = IdleBounds(
      leaseLimit: lease.limit,
      provenAge: provenAge(
        hint: effectiveHint, connectionAgeLimit: connectionAgeLimit, suspicion: suspicion, outweighed: outweighed,
        now: now),
      connectionAgeLimit: connectionAgeLimit.map { less($0) } ?? .unlimited,
      usesLimit: usesLimit ?? .max, trustedSince: trustedSince(now))
    new.provenAge = min(new.provenAge, new.leaseLimit)

    let old = bounds
    let oldSource = learned.source
    let wasSuspected = learned.suspicion != nil
    bounds = new
    learned = lease.learned
    learned.hint = effectiveHint
    learned.suspicion = suspicion
    let tenth = notedLimit / 10
    let moved = new.leaseLimit > notedLimit ? new.leaseLimit - notedLimit : notedLimit - new.leaseLimit
    if oldSource != learned.source || moved > tenth || old.usesLimit != new.usesLimit
      || (old.connectionAgeLimit == .unlimited) != (new.connectionAgeLimit == .unlimited)
      || wasSuspected != (suspicion != nil)
    {
      notedLimit = new.leaseLimit
      since = now
      return .notable
    }
    return old == new ? .unchanged : .adjusted
  }

  /// A timeout of the server's less what a request needs to be in time; never below zero.
  private func less(_ age: Nanoseconds, guarded guardSpan: Nanoseconds = .zero) -> Nanoseconds {
    max(.zero, age - guardSpan - roundTripMargin - IdleWindow.timerMargin(at: age))
  }

  /// The round trip as it may be at worst (RFC 6298: four deviations above the smoothed one).
  private var roundTripMargin: Nanoseconds { smoothedRoundTrip + roundTripDeviation * 4 }

  private func effectiveHint(_ now: Instant) -> Hint? {
    guard var effective = hints.last else { return nil }
    for hint in hints where now.since(hint.saidAt) <= IdleWindow.hintSpan && hint.seconds < effective.seconds {
      effective = hint
    }
    return effective
  }

  // MARK: The lease limit

  /// The closes that look like one timeout: from the lowest up to the factor that jitter can explain.
  private struct Cluster {
    var lowest = Nanoseconds.unlimited
    var highest = Nanoseconds.zero
    var episodes = 0

    var spread: Nanoseconds { episodes == 0 ? .zero : highest - lowest }
  }

  private func cluster(where counts: (Int, CloseHistory.Episode) -> Bool) -> Cluster? {
    var cluster = Cluster()
    var members: UInt64 = 0
    for index in history.episodes.indices where counts(index, history.episodes[index]) {
      members |= 1 << index
      cluster.lowest = min(cluster.lowest, history.episodes[index].lowestAge)
    }
    guard members != 0 else { return nil }
    let reach = cluster.lowest * CloseHistory.jitterFactor
    for index in history.episodes.indices where members & (1 << index) != 0 {
      let episode = history.episodes[index]
      guard episode.lowestAge <= reach else { continue }
      cluster.highest = max(cluster.highest, min(episode.highestAge, reach))
      cluster.episodes += 1
    }
    return cluster
  }

  private func leaseLimit(
    hint: Nanoseconds?, connectionAgeLimit: Nanoseconds?, outweighed: CloseHistory.Outweighed
  ) -> (limit: Nanoseconds, learned: Learned) {
    if isReusePointless { return (.zero, Learned(source: .reusePointless, samples: immediate.count)) }
    var limit = settings.configuredLimit
    var result = Learned(source: .configured)
    if let hint, less(hint) < limit {
      limit = less(hint)
      result.source = .hint
    }
    let established = establishedLowest(connectionAgeLimit, outweighed)
    let closes = cluster { index, episode in
      isTimeout(episode, established: established) && !outweighed.forLeases(index)
        && !isExplained(episode, by: connectionAgeLimit)
    }
    if let seen = longestKeptSinceOutweighed(connectionAgeLimit, outweighed), less(seen) < limit {
      limit = less(seen)
      result.source = .learned
    }
    if let closes {
      result.estimate = closes.lowest
      result.jitter = closes.spread
      result.samples = closes.episodes
      let learnedLimit = less(
        closes.lowest, guarded: IdleWindow.leaseGuard(closes.lowest, closes.spread, closes.episodes))
      if learnedLimit < limit {
        limit = learnedLimit
        result.source = .learned
      }
    }
    return (limit, result)
  }

  /// How far below the lowest of a few closes the next one may lie: a share of their spread that shrinks with their
  /// number, and while there are very few a share of the age itself, since they have shown little of their spread.
  private static func leaseGuard(_ lowest: Nanoseconds, _ spread: Nanoseconds, _ count: Int) -> Nanoseconds {
    let percent: Int64 =
      switch count {
      case ...1: 10
      case 2: 6
      case 3: 4
      default: 0
      }
    return max(spread * 2 / Int64(max(count, 1)), lowest * percent / 100)
  }

  /// The same for requests that cannot be repaired: down to half of what was seen a few times only, since plus and
  /// minus 30 % may hide behind it.
  private static func proofGuard(_ lowest: Nanoseconds, _ spread: Nanoseconds, _ count: Int) -> Nanoseconds {
    let percent: Int64 =
      switch count {
      case ...4: 50
      case 5: 35
      case 6: 25
      case 7: 15
      default: 5
      }
    // Of timers that are spread evenly, one in a hundred lies further below the lowest of eight than their spread.
    let wanted = max(spread * 8 / Int64(max(count, 1)), lowest * percent / 100)
    return min(wanted, lowest / CloseHistory.jitterFactor)
  }

  /// The lowest close that timeouts vouch for, with which a burst of different ages is compared.
  private func establishedLowest(
    _ connectionAgeLimit: Nanoseconds?, _ outweighed: CloseHistory.Outweighed
  ) -> Nanoseconds? {
    var lowest = Nanoseconds.unlimited
    var count = 0
    for index in history.episodes.indices {
      let episode = history.episodes[index]
      guard episode.kind == .timeout, !outweighed.forLeases(index), !isExplained(episode, by: connectionAgeLimit)
      else { continue }
      count += 1
      lowest = min(lowest, episode.lowestAge)
    }
    return count >= IdleWindow.episodesThatEstablish ? lowest : nil
  }

  /// When a close was outweighed: the longest that a connection was seen to be kept since. The window rises no further
  /// than that.
  private func longestKeptSinceOutweighed(
    _ connectionAgeLimit: Nanoseconds?, _ outweighed: CloseHistory.Outweighed
  ) -> Nanoseconds? {
    var longest: Nanoseconds?
    for index in history.episodes.indices {
      let episode = history.episodes[index]
      if let seen = longest {
        longest = max(seen, episode.highestAge)
      } else if episode.kind == .timeout, outweighed.forLeases(index), !isExplained(episode, by: connectionAgeLimit) {
        longest = .zero
      }
    }
    return longest
  }

  /// Whether an episode looks like timers firing. A burst of different ages does when all of them lie where timeouts
  /// were seen anyway.
  private func isTimeout(_ episode: CloseHistory.Episode, established: Nanoseconds?) -> Bool {
    switch episode.kind {
    case .timeout, .forgotten: return true
    case .sweep:
      guard let established else { return false }
      return episode.lowestAge * 10 >= established * 9
    case .survival, .stray: return false
    }
  }

  // MARK: What may be relied on

  /// After a restart only connections that have answered since are trusted, for a moment.
  private func trustedSince(_ now: Instant) -> Instant {
    restartedAt.advanced(by: IdleWindow.trustSpan) > now ? restartedAt : Instant(nanoseconds: .min)
  }

  /// What keeps requests that cannot be repaired on their guard, and until when it does if nothing speaks against it.
  private func suspicion(usesLimit: UInt32?, _ now: Instant) -> Suspicion? {
    var latest: Suspicion?
    for episode in history.episodes where isSuspected(episode, now) {
      latest = Suspicion(
        cause: .end(lowestAge: episode.lowestAge, highestAge: episode.highestAge, connections: episode.count),
        until: episode.endedAt.advanced(by: IdleWindow.suspicionSpan))
    }
    for close in immediate where !close.isContradicted && now.since(close.at) <= IdleWindow.suspicionSpan {
      // After any response the next close may follow at once, unless a limit of uses explains it and avoids it.
      if usesLimit == nil || close.uses != usesLimit {
        latest = Suspicion(cause: .closeAfterResponse, until: close.at.advanced(by: IdleWindow.suspicionSpan))
      }
    }
    return latest
  }

  /// Whether the server, or a part of it, ended, and nothing has shown since that what is left keeps connections.
  private func isSuspected(_ episode: CloseHistory.Episode, _ now: Instant) -> Bool {
    guard episode.isEnd, now.since(episode.endedAt) <= IdleWindow.suspicionSpan else { return false }
    // Kept twice as long as these: no timer, however it jitters, closed them.
    if episode.contradictions > 0 { return false }
    guard episode.isCertainlyEnd else { return true }
    if kept.contains(where: { $0.at > episode.endedAt }) { return false }
    return !hints.contains { $0.saidAt > episode.endedAt && $0.refutations < IdleWindow.refutationsThatBreak }
  }

  private func provenAge(
    hint: Hint?, connectionAgeLimit: Nanoseconds?, suspicion: Suspicion?,
    outweighed: CloseHistory.Outweighed, now: Instant
  ) -> Nanoseconds {
    if case .closeAfterResponse? = suspicion?.cause { return .zero }
    var proof = IdleBounds.provenAgeFloor
    if let hint, hint.refutations < IdleWindow.refutationsThatBreak, hint.saidAt > restartedAt {
      proof = max(proof, less(hint.promise))
    }
    // One connection that was kept may have been lucky, as jitter goes; many were not.
    if let longest = kept.first { proof = max(proof, longest.idleAge / CloseHistory.jitterFactor) }
    if kept.count == IdleWindow.keptThatProve, let least = kept.last {
      proof = max(proof, least.idleAge - IdleWindow.timerMargin(at: least.idleAge))
    }
    for index in history.episodes.indices {
      let episode = history.episodes[index]
      guard episode.kind == .timeout, episode.endedAt > restartedAt else { continue }
      if now.since(episode.endedAt) <= IdleWindow.proofSpan { proof = max(proof, less(episode.highestAge)) }
    }
    let closes = cluster { index, episode in
      guard episode.isClose, !outweighed.forProof(index) else { return false }
      // A close lowers for as long as leases heed it, a stray one for a quarter of that.
      if outweighed.forLeases(index), now.since(episode.endedAt) > IdleWindow.proofSpan { return false }
      if isExplained(episode, by: connectionAgeLimit) { return false }
      // A close that honours the hint says nothing against it.
      if let hint, episode.lowestAge >= hint.promise { return false }
      return !episode.isEnd || isSuspected(episode, now)
    }
    guard let closes else { return proof }
    let cap = less(closes.lowest, guarded: IdleWindow.proofGuard(closes.lowest, closes.spread, closes.episodes))
    return min(proof, max(cap, .zero))
  }

  // MARK: Limits that are no timeouts

  /// Whether a close came at the server's limit of the connection age.
  private func isExplained(_ episode: CloseHistory.Episode, by connectionAgeLimit: Nanoseconds?) -> Bool {
    guard let limit = connectionAgeLimit, episode.isClose else { return false }
    let tolerance = limit / IdleWindow.connectionAgeTolerance
    return episode.lowestConnectionAge >= limit - tolerance && episode.highestConnectionAge <= limit + tolerance
  }

  /// The connection age at which the server closes, when several closes agree in it and their idle ages differ by more
  /// than jitter explains.
  private func connectionAgeLimit() -> Nanoseconds? {
    guard history.episodes.count >= IdleWindow.connectionAgesThatAgree else { return nil }
    // The latest few candidates are enough: a limit that holds shows again and again.
    for index in history.episodes.indices.suffix(IdleWindow.connectionAgesThatAgree).reversed() {
      if let limit = connectionAgeLimit(near: history.episodes[index]) { return limit }
    }
    return nil
  }

  private func connectionAgeLimit(near candidate: CloseHistory.Episode) -> Nanoseconds? {
    guard candidate.isSeenClose else { return nil }
    let age = candidate.lowestConnectionAge
    let tolerance = age / IdleWindow.connectionAgeTolerance
    var members = 0
    var idleAges = Extremes()
    var lowest = Nanoseconds.unlimited
    for index in history.episodes.indices {
      let episode = history.episodes[index]
      guard episode.isSeenClose else { continue }
      // A connection that lived longer is not bound by it.
      if episode.highestConnectionAge > age + tolerance * 2 { return nil }
      guard episode.lowestConnectionAge >= age - tolerance, episode.highestConnectionAge <= age + tolerance else {
        continue
      }
      lowest = min(lowest, episode.lowestConnectionAge)
      // One that carried a single request is as old as it is idle, and agrees with its like in both.
      guard episode.lowestUses > 1 else { continue }
      members += 1
      idleAges.include(episode.lowestAge)
    }
    guard members >= IdleWindow.connectionAgesThatAgree else { return nil }
    return idleAges.secondLowest * CloseHistory.jitterFactor < idleAges.secondHighest ? lowest : nil
  }

  /// The second smallest and second largest of some lengths: what is left of their range without one outlier on each
  /// side.
  private struct Extremes {
    private var lowest = Nanoseconds.unlimited
    private var highest = Nanoseconds.zero
    var secondLowest = Nanoseconds.unlimited
    var secondHighest = Nanoseconds.zero

    mutating func include(_ length: Nanoseconds) {
      secondLowest = min(secondLowest, max(lowest, length))
      lowest = min(lowest, length)
      secondHighest = max(secondHighest, min(highest, length))
      highest = max(highest, length)
    }
  }

  /// After so many uses the server closes without saying so.
  private func usesLimit() -> UInt32? {
    for candidate in immediate.reversed() where candidate.uses > 1 {
      let agreeing = immediate.count { $0.uses == candidate.uses && !$0.isOutlived }
      if agreeing >= IdleWindow.immediateClosesThatAgree { return candidate.uses }
    }
    return nil
  }

  /// The server closes after every first response.
  private var isReusePointless: Bool {
    immediate.count { $0.uses == 1 && !$0.isContradicted } >= IdleWindow.immediateClosesThatAgree
  }
}

extension IdleWindow {
  /// Where the lease limit comes from.
  package enum Source: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// The window is switched off.
    case off
    /// Nothing was seen or said; the configured limit holds.
    case configured
    /// `Keep-Alive: timeout=N`.
    case hint
    /// The idle ages at which the server closed.
    case learned
    /// The server closes after every response, so that there is nothing to reuse.
    case reusePointless
  }

  /// Why non-idempotent requests use no connections, or hardly any, although the window would let them.
  package struct Suspicion: Sendable, Hashable {
    package enum Cause: Sendable, Hashable {
      /// Connections closed as no timer closes them: the server, or one of its workers, ended.
      case end(lowestAge: Nanoseconds, highestAge: Nanoseconds, connections: UInt32)
      /// A connection closed right after a response that did not say so.
      case closeAfterResponse
    }

    package var cause: Cause
    /// When it ends, if nothing that the server does ends it sooner.
    package var until: Instant
  }

  /// The window for logs and dumps.
  package struct Description: Sendable, Hashable {
    package var source: Source
    package var bounds: IdleBounds
    /// The server's own timeout, as low as it was seen of late; `nil` when it was not.
    package var estimate: Nanoseconds?
    /// The spread of the closes that the estimate rests on.
    package var jitter: Nanoseconds
    /// Bursts of closes that the estimate rests on.
    package var samples: Int
    /// The `Keep-Alive: timeout` that holds, in seconds.
    package var hintSeconds: Int?
    /// The `max` that came with it.
    package var hintMaximum: Int?
    package var roundTripTime: Nanoseconds
    /// When the window last changed notably; `nil`: never.
    package var since: Instant?
    /// `nil`: nothing is suspected of the server.
    package var suspicion: Suspicion?
  }

  package var description: Description {
    Description(
      source: learned.source, bounds: bounds, estimate: learned.estimate, jitter: learned.jitter,
      samples: learned.samples, hintSeconds: learned.hint?.seconds, hintMaximum: learned.hint?.maximum,
      roundTripTime: smoothedRoundTrip, since: since, suspicion: learned.suspicion)
  }
}
