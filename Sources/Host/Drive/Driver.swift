internal import Core
internal import DequeModule

/// Sends the requests of a drive, on the calling thread and from its network namespace.
///
/// ```
///   Driver+Bursts   \   which request, when          the loop     descriptors, timers, and when to stop
///   Driver+OpenLoop  >------------------------>  Driver+Exchange  one request on one connection, and its end
/// ```
package struct Driver: ~Copyable {
  enum Token {
    static let timer = UInt64.max
    static let stop = UInt64.max - 1
    // In the timer queue, where all below are clients.
    static let nextRound = UInt64.max - 2
    static let nextArrival = UInt64.max - 3
    static let queueHead = UInt64.max - 4
    static let timeLimit = UInt64.max - 5
    static let progress = UInt64.max - 6
  }

  private static let progressInterval = Nanoseconds.milliseconds(200)
  /// Failures in a row without any answer before a target can count as gone.
  private static let troubleLimit = 20

  let settings: DriveSettings
  var poller: Poller
  private var timer: PreciseTimer
  var timers = TimerQueue()
  var generator: SeededGenerator
  /// Where in the spread the last round lay, in units of its width; nil before the first.
  var roundPlace: Double?
  var clients: [DriveClient] = []
  var ledger: DriveLedger
  private var failed = 0
  private var started = MonotonicClock.now
  /// Set when no further request is to begin.
  var ending: DriveStop?
  /// Set when nothing is to be waited for any more.
  private var isCut = false
  /// Since when nothing was answered although something should have been, and how often.
  private var trouble: (since: Instant, failures: Int)?

  /// Requests under test that have begun; their number is the next one's.
  var begun = 0
  // In bursts:
  var round = Round()
  // In an open loop:
  var loop = OpenLoop()

  struct Round {
    var size = 0
    var offset = Nanoseconds.zero
    /// Clients whose request under test has not ended.
    var unfinished = 0
  }

  struct OpenLoop {
    var nextArrival = Instant.distantFuture
    var waiting = Deque<DriveClient.Request>()
    /// Connected clients that do nothing, the one that was used last at the end.
    var idle: [Int] = []
    /// Clients without a connection.
    var unconnected: [Int] = []
    var underWay = 0
  }

  /// - Parameter stop: a descriptor that ends the drive when it becomes readable: a ``Wakeup``'s or a ``SignalDescriptor``'s.
  /// - Throws: ``DriveSettings/Misuse`` or ``SystemError``.
  package init(_ settings: DriveSettings, stopWhenReadable stop: Int32? = nil) throws {
    try settings.check()
    let poller = try Poller()
    let timer = try PreciseTimer()
    try poller.register(timer.number, for: .readable, trigger: .level, token: Token.timer)
    if let stop { try poller.register(stop, for: .readable, trigger: .level, token: Token.stop) }
    self.settings = settings
    self.poller = poller
    self.timer = timer
    generator = SeededGenerator(seed: settings.seed)
    ledger = DriveLedger(idPrefix: settings.idPrefix)
    clients = (0..<settings.connections).map(DriveClient.init(index:))
  }

  /// Sends all requests and waits for their ends. Ends by itself: the requests are counted, each has a time limit, and a target
  /// that is gone is given up.
  /// - Parameter progress: called about five times a second, and at the end.
  package mutating func run(progress: (DriveProgress) -> Void = { _ in }) -> DriveLedger {
    started = MonotonicClock.now
    if let limit = settings.timeLimit { timers.schedule(Token.timeLimit, at: started.advanced(by: limit)) }
    timers.schedule(Token.progress, at: started.advanced(by: Self.progressInterval))
    ledger.outcomes.reserveCapacity(settings.count)
    switch settings.traffic {
    case .bursts: beginRound()
    case .openLoop: beginOpenLoop()
    }
    while !isCut && !isFinished { turn(progress) }
    ledger.stop = ending ?? .completed
    ledger.duration = MonotonicClock.now.since(started)
    ledger.abandoned = begun - ledger.outcomes.count
    progress(currentProgress)
    return ledger
  }

  private var isFinished: Bool {
    let isAll = begun == settings.count || ending != nil
    return switch settings.traffic {
    case .bursts: isAll && round.unfinished == 0
    case .openLoop: isAll && loop.underWay == 0 && loop.waiting.isEmpty
    }
  }

  private var currentProgress: DriveProgress {
    DriveProgress(
      ended: ledger.outcomes.count, failed: failed, count: settings.count,
      elapsed: MonotonicClock.now.since(started))
  }

  // MARK: The loop

  private mutating func turn(_ progress: (DriveProgress) -> Void) {
    timer.set(timers.soonest)
    let count = poller.wait(atMost: nil)
    for index in 0..<count {
      switch poller.token(at: index) {
      case Token.timer: timer.clear()
      case Token.stop:
        ending = .interrupted
        isCut = true
      case let token:
        let client = clients[Int(token & 0xffff_ffff)]
        guard client.generation == token >> 32, client.descriptor != nil else { continue }
        descriptorReady(client, poller.readiness(at: index))
      }
    }
    let now = MonotonicClock.now
    while let token = timers.nextDue(at: now) { fire(token, now, progress) }
    dispatch()
  }

  private mutating func fire(_ token: UInt64, _ now: Instant, _ progress: (DriveProgress) -> Void) {
    switch token {
    case Token.nextRound: if ending == nil && begun < settings.count { beginRound() }
    case Token.nextArrival: if ending == nil { arrivalsDue(now) }
    case Token.queueHead: giveUpWaiting(now)
    case Token.timeLimit: if ending == nil { ending = .timeIsUp }
    case Token.progress:
      timers.schedule(Token.progress, at: now.advanced(by: Self.progressInterval))
      progress(currentProgress)
    case let index:
      let client = clients[Int(index)]
      client.armed = .distantFuture
      if client.deadline > now { setDeadline(client, client.deadline) } else { deadlineReached(client) }
    }
  }

  mutating func setDeadline(_ client: DriveClient, _ deadline: Instant) {
    client.deadline = deadline
    guard deadline < client.armed else { return }
    client.armed = deadline
    timers.schedule(UInt64(client.index), at: deadline)
  }

  private mutating func deadlineReached(_ client: DriveClient) {
    let due = client.deadline
    client.deadline = .distantFuture
    switch client.phase {
    case .connecting, .exchanging: requestEnded(client, .timedOut)
    case .closed, .idle: if settings.traffic == .bursts { stepDue(client, due) }
    }
  }

  // MARK: Ends

  /// Counts the end of a request under test.
  mutating func record(_ request: DriveClient.Request, number: Int, _ end: DriveEnd) {
    let now = MonotonicClock.now
    let latency = now.since(request.intended)
    ledger.outcomes.append(
      DriveOutcome(number: number, end: end, gap: request.gap, latency: latency, retries: request.retries))
    if end == .answered {
      ledger.latency.record(latency)
      ledger.serviceTime.record(now.since(request.sentAt))
    } else {
      failed += 1
    }
  }

  /// Watches for a target that has gone: it has answered nothing for a while, and not for want of trying.
  mutating func watch(_ end: DriveEnd) {
    if end.isResponse { return trouble = nil }
    let now = MonotonicClock.now
    let since = trouble?.since ?? now
    let failures = (trouble?.failures ?? 0) + 1
    trouble = (since, failures)
    var limit = settings.giveUp
    if case .notConnected = end {} else { limit = limit + settings.patience * 3 }
    guard failures >= Self.troubleLimit, now.since(since) >= limit else { return }
    ending = .targetGone(end)
    isCut = true
  }
}
