import Testing

@testable import Core

@Suite("The idle window, event by event")
struct IdleWindowTests {
  /// A window and a clock, whose events can stand within an expectation.
  private final class Observer {
    var window: IdleWindow
    var now = Instant(nanoseconds: 1_000_000_000)
    let roundTrip: Nanoseconds

    init(roundTrip: Nanoseconds = .milliseconds(1), settings: IdleWindow.Settings = .init()) {
      window = IdleWindow(settings: settings)
      self.roundTrip = roundTrip
    }

    var bounds: IdleBounds { window.bounds }

    func pass(_ span: Nanoseconds) { now = now.advanced(by: span) }

    @discardableResult
    func closed(_ idleAge: Nanoseconds, connectionAge: Nanoseconds? = nil, uses: UInt32 = 3) -> IdleWindow.Change {
      // The connection ages differ, as they do where nothing limits them.
      let age = connectionAge ?? idleAge + .milliseconds(now.nanoseconds / 1_000_000 % 977 * 100)
      return window.idleClosed(
        idleAge: idleAge, connectionAge: age, uses: uses, roundTripTime: roundTrip, how: .fin, now: now)
    }

    @discardableResult
    func reused(_ idleAge: Nanoseconds) -> IdleWindow.Change { window.reuseSucceeded(idleAge: idleAge, now: now) }

    @discardableResult
    func survived(_ idleAge: Nanoseconds) -> IdleWindow.Change { window.sentinelSurvived(idleAge: idleAge, now: now) }

    @discardableResult
    func hinted(_ seconds: Int) -> IdleWindow.Change {
      window.keepAliveHinted(seconds: seconds, maximum: nil, now: now)
    }

    @discardableResult
    func lost(
      _ idleAge: Nanoseconds, closeAge: Nanoseconds, verdict: Verdict, metClose: Bool = false
    ) -> IdleWindow.Change {
      window.raceLost(
        idleAge: idleAge, closeAge: closeAge, connectionAge: idleAge * 3, uses: 4, roundTripTime: roundTrip,
        verdict: verdict, metClose: metClose, now: now)
    }

    @discardableResult
    func refresh() -> IdleWindow.Change { window.refresh(now: now) }
  }

  @Test("Before anything is known")
  func unknown() {
    let observer = Observer()
    #expect(observer.bounds == IdleBounds(leaseLimit: .seconds(60), provenAge: .milliseconds(10)))
    #expect(observer.window.description.source == .configured)
    #expect(observer.bounds.isNews(reuseAt: .milliseconds(31)))
    #expect(!observer.bounds.isNews(reuseAt: .milliseconds(30)))
  }

  @Test("One reuse proves half of its idle age, eight prove it all but a margin")
  func reuses() {
    let observer = Observer()
    observer.reused(.seconds(4))
    #expect(observer.bounds.provenAge == .seconds(2))
    for _ in 0..<6 { observer.reused(.seconds(4)) }
    #expect(observer.bounds.provenAge == .seconds(2))
    observer.reused(.seconds(4))
    #expect(observer.bounds.provenAge == .milliseconds(3_920))
    observer.reused(.seconds(5))
    #expect(observer.bounds.provenAge == .milliseconds(3_920))
    observer.pass(.seconds(901))
    observer.refresh()
    #expect(observer.bounds.provenAge == .milliseconds(10))
  }

  @Test("A connection that waits and is not closed proves as much as a reuse a round trip before")
  func survival() {
    let observer = Observer(roundTrip: .milliseconds(20))
    observer.window.roundTripTimeMeasured(.milliseconds(20))
    observer.survived(.seconds(4))
    // 20 ms and four times a first deviation of 5 ms.
    #expect(observer.bounds.provenAge == .milliseconds(1_980))
    #expect(observer.bounds.leaseLimit == .seconds(60))
  }

  @Test("A close before a refused connect was the server's end, and no timer")
  func refusal() {
    let observer = Observer()
    observer.closed(.seconds(3))
    #expect(observer.bounds.leaseLimit < .seconds(3))
    observer.pass(.milliseconds(900))
    #expect(observer.window.connectRefused(now: observer.now) == .notable)
    #expect(observer.bounds.leaseLimit == .seconds(60))
    #expect(observer.window.description.source == .configured)
    // A reason for caution it stays, for what could still have been a timer: nothing is proved beyond half of it.
    observer.reused(.seconds(5))
    #expect(observer.bounds.provenAge < .seconds(2))
    observer.reused(.seconds(20))
    #expect(observer.bounds.provenAge == .seconds(10), "no timer of 3 s keeps a connection so long")
    #expect(observer.window.connectRefused(now: observer.now) == .unchanged)
  }

  @Test("What the server that ended closed, and is noticed late, is no timer either")
  func lateClose() {
    let observer = Observer()
    _ = observer.window.connectRefused(now: observer.now)
    observer.pass(.milliseconds(300))
    observer.closed(.milliseconds(40), connectionAge: .seconds(2))
    #expect(observer.bounds.leaseLimit == .seconds(60))
    // Of the next server: it was opened since.
    observer.pass(.milliseconds(400))
    observer.closed(.milliseconds(40), connectionAge: .milliseconds(500))
    #expect(observer.bounds.leaseLimit < .milliseconds(40))
  }

  @Test("A refused connect explains neither older closes nor those that timeouts vouch for")
  func refusalAfterATimer() {
    let observer = Observer()
    observer.closed(.seconds(3))
    let limit = observer.bounds.leaseLimit
    observer.pass(.milliseconds(1_100))
    #expect(observer.window.connectRefused(now: observer.now) == .unchanged)
    #expect(observer.bounds.leaseLimit == limit)
    for _ in 0..<3 {
      observer.pass(.seconds(5))
      observer.closed(.seconds(3))
    }
    let known = observer.bounds.leaseLimit
    _ = observer.window.connectRefused(now: observer.now)
    #expect(observer.bounds.leaseLimit == known)
  }

  @Test("Servers that are killed right after their first responses do not make reuse pointless")
  func refusalsAfterImmediateCloses() {
    let observer = Observer()
    for _ in 0..<4 {
      observer.closed(.milliseconds(2), uses: 1)
      _ = observer.window.connectRefused(now: observer.now)
      observer.pass(.seconds(1))
    }
    #expect(observer.bounds.leaseLimit == .seconds(60))
    #expect(observer.bounds.provenAge == .zero)
  }

  @Test("Without a sign of life nothing is proved beyond a quarter of a minute, however many wait")
  func silentSurvival() {
    let observer = Observer()
    observer.window.roundTripTimeMeasured(.milliseconds(1))
    for _ in 0..<20 { observer.survived(.seconds(50)) }
    #expect(observer.bounds.provenAge == .milliseconds(14_700))
  }

  @Test("A connection that was forgotten lowers the window to between what came through and what did not")
  func forgotten() {
    let observer = Observer()
    observer.reused(.seconds(10))
    let change = observer.window.raceLost(
      idleAge: .seconds(40), closeAge: .seconds(100), connectionAge: .seconds(120), uses: 3, roundTripTime: .zero,
      verdict: .unknown, wasSilent: true, now: observer.now)
    #expect(change == .notable)
    #expect(observer.bounds.leaseLimit == .milliseconds(25_000 - 2_500 - 500))
    #expect(observer.bounds.provenAge < .milliseconds(12_500))
    // Sentinels on such a path look alive for ever.
    for _ in 0..<40 { observer.survived(.seconds(58)) }
    #expect(observer.bounds.leaseLimit < .seconds(25))
    // What comes through does not only look it.
    for _ in 0..<3 { observer.reused(.seconds(55)) }
    #expect(observer.bounds.leaseLimit > .seconds(50))
  }

  @Test("A first close lowers the window at once, to a tenth below it, and half of it is proved")
  func firstClose() {
    let observer = Observer()
    #expect(observer.closed(.seconds(5)) == .notable)
    // Less the round trip of 1 ms, four times a deviation of a quarter of it, and 2 %.
    #expect(observer.bounds.leaseLimit == .milliseconds(4_500 - 2 - 100))
    #expect(observer.bounds.provenAge == .milliseconds(2_500 - 2 - 100))
    let description = observer.window.description
    #expect(description.source == .learned)
    #expect(description.estimate == .seconds(5))
    #expect(description.samples == 1)
    #expect(description.since == observer.now)
  }

  @Test("Closes of one burst are one observation, however many they are")
  func burst() {
    let observer = Observer()
    for _ in 0..<10_000 {
      observer.closed(.seconds(5))
      observer.pass(.microseconds(20))
    }
    #expect(observer.window.description.samples == 1)
  }

  @Test("Connections of different idle ages that close together are a restart")
  func restart() {
    let observer = Observer()
    for age in [3_000, 400, 12_000, 900] {
      observer.closed(.milliseconds(Int64(age)))
      observer.pass(.milliseconds(2))
    }
    #expect(observer.bounds.leaseLimit == .seconds(60))
    #expect(observer.bounds.provenAge < .milliseconds(400))
    observer.pass(.seconds(61))
    observer.refresh()
    #expect(observer.bounds.provenAge == .milliseconds(10), "nothing is known of the server that started")
  }

  /// What a server of several workers shows that is under load: three of its connections close at one time, at all ages.
  private func restarted() -> Observer {
    let observer = Observer()
    for _ in 0..<8 { observer.reused(.seconds(4)) }
    for age in [3_000, 2, 400] {
      observer.closed(.milliseconds(Int64(age)))
      observer.pass(.milliseconds(2))
    }
    return observer
  }

  @Test("A restart keeps requests that cannot be repaired on their guard, and says so")
  func restartIsSuspected() {
    let observer = restarted()
    #expect(observer.bounds.leaseLimit == .seconds(60))
    #expect(observer.bounds.provenAge == .zero)
    #expect(observer.bounds.trustedSince == observer.now.advanced(by: .zero - .milliseconds(2)))
    let ended = observer.now.advanced(by: .zero - .milliseconds(2))
    #expect(
      observer.window.description.suspicion
        == IdleWindow.Suspicion(
          cause: .end(lowestAge: .milliseconds(2), highestAge: .seconds(3), connections: 3),
          until: ended.advanced(by: .seconds(60))))
    observer.pass(.seconds(1))
    observer.refresh()
    #expect(observer.bounds.trustedSince == Instant(nanoseconds: .min), "what else ends with it has ended by now")
    #expect(observer.bounds.provenAge == .zero, "nothing speaks for the server yet")
  }

  @Test("An answer since a restart ends the suspicion")
  func answerEndsSuspicion() {
    let observer = restarted()
    observer.pass(.milliseconds(5))
    #expect(observer.bounds.isNews(reuseAt: .milliseconds(1)))
    #expect(observer.reused(.milliseconds(1)) == .notable)
    #expect(observer.bounds.provenAge == .milliseconds(10))
    #expect(observer.window.description.suspicion == nil)
  }

  @Test("A connection that has merely waited since proves no more than the time that has passed")
  func waitingEndsSuspicion() {
    let observer = restarted()
    observer.pass(.milliseconds(198))
    observer.survived(.seconds(5))
    #expect(observer.bounds.provenAge > .milliseconds(90))
    #expect(observer.bounds.provenAge <= .milliseconds(100))
    #expect(observer.window.description.suspicion == nil)
  }

  @Test("A hint ends it as well")
  func hintEndsSuspicion() {
    let observer = restarted()
    observer.pass(.milliseconds(1))
    observer.hinted(5)
    #expect(observer.bounds.provenAge > .milliseconds(4_800))
    #expect(observer.window.description.suspicion == nil)
  }

  @Test("Ends at ages that a timer could have had are no timer's when a connection is kept twice as long")
  func narrowSweep() {
    let observer = Observer()
    observer.closed(.milliseconds(300))
    observer.closed(.milliseconds(400))
    #expect(observer.bounds.provenAge < .milliseconds(200))
    observer.pass(.milliseconds(500))
    observer.survived(.milliseconds(500))
    #expect(observer.window.description.suspicion != nil, "a timer of 300 ms that jitters could have closed these")
    observer.pass(.milliseconds(500))
    observer.survived(.milliseconds(900))
    #expect(observer.window.description.suspicion == nil)
    #expect(observer.bounds.provenAge > .milliseconds(400))
  }

  @Test("A worker that ends just behind an answer is no timer where connections are kept for long")
  func strayClose() {
    for known in [true, false] {
      let observer = Observer()
      if known { observer.reused(.seconds(4)) } else { observer.hinted(5) }
      observer.closed(.milliseconds(28))
      #expect(observer.bounds.leaseLimit > .seconds(4))
      #expect(observer.bounds.provenAge == .zero)
      observer.pass(.milliseconds(250))
      observer.survived(.milliseconds(250))
      #expect(observer.bounds.provenAge > .milliseconds(100))
      // The next worker ends.
      observer.pass(.seconds(1))
      observer.closed(.milliseconds(28))
      #expect(observer.bounds.leaseLimit > .seconds(4))
    }
  }

  @Test("Two of them alike, and nothing kept in between, are a timer")
  func strayCloseAgain() {
    let observer = Observer()
    observer.reused(.seconds(4))
    observer.closed(.milliseconds(100))
    #expect(observer.bounds.leaseLimit == .seconds(60))
    observer.pass(.seconds(5))
    observer.closed(.milliseconds(101))
    #expect(observer.bounds.leaseLimit < .milliseconds(100))
  }

  @Test("So are those that had idled only a little, each a little longer than the next")
  func restartUnderLoad() {
    let observer = Observer()
    for age in [135, 97, 80, 42, 15] {
      observer.closed(.milliseconds(Int64(age)))
      observer.pass(.microseconds(500))
    }
    #expect(observer.bounds.leaseLimit == .seconds(60))
  }

  @Test("Connections that went idle together and time out with jitter are no restart")
  func jitteredBurst() {
    let observer = Observer()
    for step in 0..<40 {
      observer.closed(.milliseconds(5_000 + Int64(step) * 20))
      observer.pass(.milliseconds(20))
    }
    #expect(observer.bounds.leaseLimit < .seconds(5))
    #expect(observer.bounds.leaseLimit > .seconds(4))
  }

  @Test("A close right after a response takes the proof away, until a reuse gives it back")
  func immediateClose() {
    let observer = Observer()
    for _ in 0..<8 { observer.reused(.seconds(4)) }
    observer.closed(.milliseconds(1), uses: 7)
    #expect(observer.bounds.provenAge == .zero)
    #expect(observer.bounds.leaseLimit == .seconds(60))
    #expect(observer.bounds.isNews(reuseAt: .microseconds(5)), "every reuse is news now")
    observer.reused(.microseconds(5))
    #expect(observer.bounds.provenAge == .milliseconds(3_920))
    observer.pass(.seconds(1))
    observer.closed(.milliseconds(1), uses: 9)
    observer.pass(.seconds(61))
    observer.refresh()
    #expect(observer.bounds.provenAge == .milliseconds(3_920))
  }

  @Test("Three closes right after the hundredth response are a limit")
  func usesLimit() {
    let observer = Observer()
    for count in 1...3 {
      #expect(observer.bounds.usesLimit == .max, "close \(count)")
      observer.closed(.microseconds(200), uses: 100)
      observer.pass(.seconds(5))
    }
    #expect(observer.bounds.usesLimit == 100)
    #expect(observer.bounds.leaseLimit == .seconds(60))
    #expect(observer.bounds.provenAge >= .milliseconds(10), "what is avoided need not be feared")
  }

  @Test("Three closes right after first responses, and reuse is pointless; a sentinel that lives says otherwise")
  func pointless() {
    let observer = Observer()
    for _ in 0..<3 {
      observer.closed(.microseconds(200), uses: 1)
      observer.pass(.seconds(1))
    }
    #expect(observer.bounds.leaseLimit == .zero)
    #expect(observer.window.description.source == .reusePointless)
    #expect(observer.survived(.milliseconds(200)) == .notable)
    #expect(observer.bounds.leaseLimit == .seconds(60))
  }

  @Test("A connection that carried nothing tells nothing")
  func unused() {
    let observer = Observer()
    #expect(observer.closed(.seconds(5), uses: 0) == .unchanged)
    #expect(observer.bounds == .unknown(configuredLimit: .seconds(60)))
  }

  @Test("What a lost race tells")
  func races() {
    let roundTrip = Nanoseconds.milliseconds(20)
    let delivered = Observer(roundTrip: roundTrip)
    #expect(delivered.lost(.seconds(5), closeAge: .milliseconds(5_010), verdict: .delivered) == .unchanged)
    #expect(
      delivered.lost(.seconds(5), closeAge: .milliseconds(5_010), verdict: .delivered, metClose: true) == .notable)

    let slow = Observer(roundTrip: roundTrip)
    #expect(slow.lost(.seconds(5), closeAge: .milliseconds(5_091), verdict: .unknown) == .unchanged)
    #expect(slow.lost(.seconds(5), closeAge: .milliseconds(5_090), verdict: .unknown) == .notable)

    let proven = Observer(roundTrip: roundTrip)
    proven.lost(.seconds(5), closeAge: .milliseconds(5_300), verdict: .neverDelivered)
    #expect(proven.window.description.estimate == .milliseconds(5_020), "the wait for the RST is not the server's")
    proven.pass(.seconds(1))
    proven.lost(.seconds(5), closeAge: .milliseconds(5_006), verdict: .neverDelivered)
    #expect(proven.window.description.estimate == .milliseconds(5_006))
  }

  @Test("Of different hints at the same time the lowest holds; an old one yields")
  func hints() {
    let observer = Observer()
    #expect(observer.hinted(65) == .adjusted, "it lies above the configured limit, and proves it")
    #expect(observer.bounds.provenAge == .seconds(60))
    #expect(observer.hinted(5) == .notable)
    #expect(observer.bounds.leaseLimit == .milliseconds(4_900))
    observer.pass(.seconds(30))
    observer.hinted(65)
    #expect(observer.bounds.leaseLimit == .milliseconds(4_900))
    observer.pass(.seconds(61))
    observer.hinted(65)
    #expect(observer.bounds.leaseLimit == .seconds(60))
    observer.pass(.seconds(901))
    observer.refresh()
    #expect(observer.window.description.hintSeconds == nil)
    #expect(observer.bounds == .unknown(configuredLimit: .seconds(60)))
  }

  @Test("A hint that two closes refuted proves nothing any more, however often it is said")
  func refutedHint() {
    let observer = Observer()
    observer.hinted(60)
    #expect(observer.bounds.provenAge > .seconds(58))
    for _ in 0..<2 {
      observer.pass(.seconds(6))
      observer.closed(.seconds(5))
      observer.hinted(60)
    }
    #expect(observer.bounds.provenAge < .seconds(5))
    for _ in 0..<70 {
      observer.pass(.seconds(60))
      observer.hinted(60)
    }
    #expect(observer.bounds.leaseLimit > .seconds(58), "the closes are history, and leases can be repaired")
    #expect(observer.bounds.provenAge == .milliseconds(10))
    observer.hinted(30)
    observer.pass(.seconds(91))
    observer.hinted(30)
    #expect(observer.bounds.provenAge > .seconds(29), "another promise is a new one")
  }

  @Test("What was proved ends with the process that proved it")
  func restartEndsProof() {
    let observer = Observer()
    observer.hinted(60)
    for _ in 0..<8 { observer.reused(.seconds(40)) }
    for age in [3_000, 400, 12_000] {
      observer.closed(.milliseconds(Int64(age)))
      observer.pass(.milliseconds(2))
    }
    observer.pass(.seconds(61))
    observer.refresh()
    #expect(observer.bounds.provenAge == .milliseconds(10))
    observer.hinted(60)
    #expect(observer.bounds.provenAge > .seconds(58), "the new one says so, too")
  }

  @Test("Survivals of one time, from however many threads, are one; and none of them frees a POST")
  func survivorship() {
    let observer = Observer()
    observer.closed(.seconds(5))
    let narrow = observer.bounds
    observer.pass(.seconds(10))
    for _ in 0..<50 {
      observer.survived(.seconds(12))
      observer.pass(.milliseconds(30))
    }
    #expect(observer.bounds == narrow)
    for _ in 0..<30 {
      observer.pass(.seconds(20))
      observer.survived(.seconds(50))
    }
    #expect(observer.bounds.leaseLimit > .seconds(40))
    #expect(observer.bounds.provenAge < .seconds(3), "one server of several may still close at 5 s")
  }

  @Test("Connections that carry one request each are as old as they are idle: no limit of their age")
  func singleUse() {
    let observer = Observer()
    for (idle, age) in [(71, 211), (211, 213), (72, 210), (72, 210), (78, 212), (90, 212)] {
      observer.pass(.seconds(1))
      observer.closed(.milliseconds(Int64(idle)), connectionAge: .milliseconds(Int64(age)), uses: 1)
    }
    #expect(observer.bounds.connectionAgeLimit == .unlimited)
    #expect(observer.bounds.leaseLimit < .milliseconds(71))
  }

  @Test("A limit of uses falls when a connection is seen that carried more")
  func outlivedLimit() {
    let observer = Observer()
    for _ in 0..<3 {
      observer.closed(.microseconds(200), uses: 2)
      observer.pass(.seconds(5))
    }
    #expect(observer.bounds.usesLimit == 2)
    _ = observer.window.reuseSucceeded(idleAge: .milliseconds(1), uses: 1, now: observer.now)
    #expect(observer.bounds.usesLimit == 2)
    _ = observer.window.reuseSucceeded(idleAge: .milliseconds(1), uses: 2, now: observer.now)
    #expect(observer.bounds.usesLimit == .max)
  }

  @Test("A close is forgotten after an hour, its proof after a quarter of one")
  func forgetting() {
    let observer = Observer()
    for _ in 0..<10 {
      observer.closed(.seconds(5))
      observer.pass(.seconds(6))
    }
    #expect(observer.bounds.leaseLimit > .milliseconds(4_800))
    #expect(observer.bounds.provenAge > .milliseconds(4_500))
    observer.pass(.seconds(901))
    observer.refresh()
    #expect(observer.bounds.leaseLimit > .milliseconds(4_800))
    #expect(observer.bounds.provenAge == .milliseconds(10), "the closes lower it still, and nothing raises it")
    observer.pass(.seconds(2_700))
    observer.refresh()
    #expect(observer.bounds == .unknown(configuredLimit: .seconds(60)))
  }

  @Test("Whatever comes, the bounds keep their order and one fresh close is heeded at once")
  func anything() {
    for seed in UInt64(1)...200 {
      var random = SeededGenerator(seed: seed)
      let observer = Observer(roundTrip: .microseconds(Int64.random(in: 10...80_000, using: &random)))
      for _ in 0..<200 {
        observer.pass(.milliseconds(Int64.random(in: 0...3_000, using: &random)))
        let age = Nanoseconds.microseconds(Int64.random(in: 0...70_000_000, using: &random))
        switch Int.random(in: 0..<7, using: &random) {
        case 0: observer.reused(age)
        case 1: observer.survived(age)
        case 2: observer.hinted(Int.random(in: 0...70, using: &random))
        case 3: observer.lost(age, closeAge: age + .milliseconds(3), verdict: .unknown)
        case 4: observer.pass(.seconds(Int64.random(in: 0...600, using: &random)))
        default:
          // Alone in its time, so that it belongs to no burst.
          observer.pass(.seconds(1))
          let before = observer.bounds
          observer.closed(age, uses: UInt32.random(in: 1...3, using: &random))
          // A sooner one may be the end of a worker.
          guard age >= IdleWindow.doubtfulAge, observer.bounds.connectionAgeLimit == .unlimited else { break }
          #expect(
            observer.bounds.leaseLimit <= max(.zero, age - observer.roundTrip),
            "seed \(seed): \(age) from \(before) to \(observer.bounds)")
        }
        let bounds = observer.bounds
        #expect(bounds.provenAge <= bounds.leaseLimit, "seed \(seed)")
        #expect(bounds.leaseLimit >= .zero && bounds.leaseLimit <= .seconds(60), "seed \(seed)")
        #expect(bounds.provenAge >= .zero, "seed \(seed)")
        #expect(bounds.usesLimit >= 2, "seed \(seed)")
      }
    }
  }

  @Test("A stream of requests that cannot be repaired gets to reuse connections")
  func nonIdempotentOnly() {
    // This server never closes first, so that only survival can prove anything.
    var world = KeepAliveWorld(
      server: .init(timeout: { _, _ in .seconds(120) }), delay: .milliseconds(1), seed: 1)
    world.traffic(from: world.now, for: .seconds(300), meanGap: .seconds(1), nonIdempotentPercent: 100)
    world.run(until: world.now.advanced(by: .seconds(300)))
    let tally = world.tally
    #expect(tally.requests > 250)
    #expect(tally.connects < 40, "\(tally)")
  }
}
