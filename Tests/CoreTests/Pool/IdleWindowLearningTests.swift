import Testing

@testable import Core

/// Servers of every temper, met through a real pool in virtual time. Every world has a fixed seed, which is printed
/// when it fails.
@Suite("What the idle window learns from a server")
struct IdleWindowLearningTests {
  private static func fixed(_ timeout: Nanoseconds) -> KeepAliveWorld.Server {
    KeepAliveWorld.Server(timeout: { _, _ in timeout })
  }

  private static func jittered(_ timeout: Nanoseconds, percent: Int64) -> KeepAliveWorld.Server {
    KeepAliveWorld.Server(timeout: { _, random in
      let span = timeout.count * percent / 100
      return Nanoseconds(timeout.count + Int64.random(in: -span...span, using: &random))
    })
  }

  @Test(
    "A fixed timeout is learned from below, and not needlessly low", arguments: [1_000, 2_000, 5_000, 20_000],
    [0, 1, 10, 50])
  func fixedTimeout(timeoutMilliseconds: Int64, delayMilliseconds: Int64) {
    let timeout = Nanoseconds.milliseconds(timeoutMilliseconds)
    let delay = Nanoseconds.milliseconds(delayMilliseconds)
    for seed in UInt64(1)...3 {
      for aborts in [false, true] {
        var server = Self.fixed(timeout)
        server.aborts = aborts
        var world = KeepAliveWorld(server: server, delay: delay, seed: seed)
        world.bursts(12, of: 8, gap: timeout, jitter: .milliseconds(25), nonIdempotentPercent: 30)
        let learnedAt = world.now
        world.bursts(30, of: 8, gap: timeout, jitter: .milliseconds(25), nonIdempotentPercent: 30)
        let bounds = world.window.bounds
        #expect(bounds.leaseLimit + world.trueRoundTrip < timeout, "seed \(seed)")
        #expect(bounds.leaseLimit * 10 >= timeout * 8, "seed \(seed): \(bounds)")
        #expect(bounds.provenAge * 10 >= timeout * 8, "seed \(seed): \(bounds)")
        let tally = world.tally
        #expect(tally.lastRace < learnedAt, "seed \(seed): a race after \(learnedAt)")
        #expect(tally.lost == 0, "seed \(seed): \(tally)")
      }
    }
  }

  @Test("A timer that jitters by 30 % is undercut", arguments: [2_000, 10_000], [0, 10])
  func jitteredTimeout(timeoutMilliseconds: Int64, delayMilliseconds: Int64) {
    let timeout = Nanoseconds.milliseconds(timeoutMilliseconds)
    for seed in UInt64(1)...5 {
      var server = Self.jittered(timeout, percent: 30)
      server.aborts = true
      var world = KeepAliveWorld(server: server, delay: .milliseconds(delayMilliseconds), seed: seed)
      world.traffic(
        from: world.now, for: timeout * 300, meanGap: timeout * 4 / 10, nonIdempotentPercent: 30)
      world.run(until: world.now.advanced(by: timeout * 300))
      let lowest = timeout * 7 / 10
      let bounds = world.window.bounds
      #expect(bounds.leaseLimit + world.trueRoundTrip < lowest * 105 / 100, "seed \(seed): \(bounds)")
      #expect(bounds.leaseLimit * 10 >= lowest * 8 - world.trueRoundTrip * 20, "seed \(seed): \(bounds)")
      let tally = world.tally
      #expect(tally.lost == 0, "seed \(seed): \(tally)")
      #expect(tally.races * 200 <= tally.requests, "seed \(seed): \(tally)")
    }
  }

  @Test("A timer that fires on a coarse tick is undercut", arguments: [0, 10])
  func coarseTimer(delayMilliseconds: Int64) {
    // gunicorn looks at its idle connections once a second: 2 s means anything from 2 to 3 s.
    for seed in UInt64(1)...5 {
      let server = KeepAliveWorld.Server(
        timeout: { _, random in .seconds(2) + Nanoseconds(Int64.random(in: 0...1_000_000_000, using: &random)) },
        aborts: true)
      var world = KeepAliveWorld(server: server, delay: .milliseconds(delayMilliseconds), seed: seed)
      world.bursts(60, of: 20, gap: .seconds(2), jitter: .milliseconds(25), nonIdempotentPercent: 50)
      let bounds = world.window.bounds
      #expect(bounds.leaseLimit + world.trueRoundTrip < .seconds(2), "seed \(seed): \(bounds)")
      #expect(bounds.leaseLimit >= .milliseconds(1_600), "seed \(seed): \(bounds)")
      let tally = world.tally
      #expect(tally.lost == 0, "seed \(seed): \(tally)")
    }
  }

  @Test("A timeout that falls is learned at its first close", arguments: [0, 10])
  func timeoutFalls(delayMilliseconds: Int64) {
    for seed in UInt64(1)...5 {
      var world = KeepAliveWorld(
        server: Self.fixed(.seconds(30)), delay: .milliseconds(delayMilliseconds), seed: seed)
      world.bursts(10, of: 8, gap: .seconds(30), jitter: .milliseconds(25), nonIdempotentPercent: 30)
      #expect(world.window.bounds.leaseLimit > .seconds(24), "seed \(seed)")
      world.server.timeout = { _, _ in .seconds(5) }
      world.bursts(2, of: 8, gap: .seconds(10), jitter: .milliseconds(25), nonIdempotentPercent: 30)
      #expect(world.window.bounds.leaseLimit + world.trueRoundTrip < .seconds(5), "seed \(seed)")
      #expect(world.window.bounds.provenAge + world.trueRoundTrip < .seconds(5), "seed \(seed)")
      world.bursts(40, of: 8, gap: .seconds(5), jitter: .milliseconds(25), nonIdempotentPercent: 30)
      let bounds = world.window.bounds
      #expect(bounds.leaseLimit >= .seconds(4), "seed \(seed): \(bounds)")
      #expect(bounds.leaseLimit + world.trueRoundTrip < .seconds(5), "seed \(seed): \(bounds)")
    }
  }

  @Test("A timeout that rises is learned from sentinels", arguments: [(5, 30), (5, 8), (2, 55)], [0, 10])
  func timeoutRises(seconds: (Int64, Int64), delayMilliseconds: Int64) {
    for seed in UInt64(1)...3 {
      var world = KeepAliveWorld(
        server: Self.fixed(.seconds(seconds.0)), delay: .milliseconds(delayMilliseconds), seed: seed)
      world.traffic(from: world.now, for: .seconds(120), meanGap: .seconds(1), nonIdempotentPercent: 30)
      world.bursts(20, of: 8, gap: .seconds(seconds.0), jitter: .milliseconds(25), nonIdempotentPercent: 30)
      #expect(world.window.bounds.leaseLimit < .seconds(seconds.0), "seed \(seed)")
      world.server.timeout = { _, _ in .seconds(seconds.1) }
      let raisedAt = world.now
      while world.window.bounds.leaseLimit * 10 < .seconds(seconds.1) * 8, world.now.since(raisedAt) < .seconds(900) {
        world.bursts(1, of: 8, gap: .seconds(seconds.0), jitter: .milliseconds(25), nonIdempotentPercent: 30)
      }
      let span = world.now.since(raisedAt)
      #expect(span < .seconds(300), "seed \(seed): \(world.window.bounds), took \(span.milliseconds) ms")
      #expect(world.window.bounds.leaseLimit + world.trueRoundTrip < .seconds(seconds.1), "seed \(seed)")
    }
  }

  @Test("A restart does not lower the window, and keeps requests that cannot be repaired careful for a minute only")
  func restarts() {
    for seed in UInt64(1)...5 {
      var server = Self.fixed(.seconds(30))
      let start = Instant(nanoseconds: 1_000_000_000)
      server.restarts = [start.advanced(by: .seconds(400)), start.advanced(by: .seconds(700))]
      var world = KeepAliveWorld(server: server, delay: .milliseconds(1), seed: seed)
      // Some depth in the pool, so that a restart meets connections of many idle ages.
      world.traffic(from: world.now, for: .seconds(1_000), meanGap: .milliseconds(700), nonIdempotentPercent: 20)
      for second in 0..<100 {
        world.burst(
          Int(world.random(in: 2...12)), at: start.advanced(by: .seconds(Int64(second) * 10)), idempotent: true)
      }
      world.run(until: start.advanced(by: .seconds(399)))
      let before = world.window.bounds
      #expect(before.leaseLimit > .seconds(24), "seed \(seed): \(before)")
      world.run(until: start.advanced(by: .seconds(402)))
      let after = world.window.bounds
      #expect(after.leaseLimit > .seconds(24), "seed \(seed): \(after)")
      world.run(until: start.advanced(by: .seconds(470)))
      #expect(world.window.bounds.provenAge > .seconds(20), "seed \(seed): \(world.window.bounds)")
    }
  }

  @Test("A limit of the connection age is learned as one")
  func connectionAge() {
    for seed in UInt64(1)...5 {
      var server = Self.fixed(.seconds(60))
      server.maximumConnectionAge = .seconds(20)
      var world = KeepAliveWorld(server: server, delay: .milliseconds(5), seed: seed)
      world.traffic(from: world.now, for: .seconds(1_200), meanGap: .milliseconds(1_500), nonIdempotentPercent: 20)
      world.run(until: world.now.advanced(by: .seconds(1_200)))
      let bounds = world.window.bounds
      #expect(bounds.connectionAgeLimit < .seconds(20), "seed \(seed): \(bounds)")
      #expect(bounds.connectionAgeLimit > .seconds(16), "seed \(seed): \(bounds)")
      #expect(bounds.leaseLimit > .seconds(16), "seed \(seed): \(bounds)")
      let tally = world.tally
      #expect(tally.lost == 0, "seed \(seed): \(tally)")
    }
  }

  @Test("A limit of the uses is learned as one")
  func uses() {
    for seed in UInt64(1)...5 {
      var server = Self.fixed(.seconds(30))
      server.maximumUses = 10
      var world = KeepAliveWorld(server: server, delay: .milliseconds(5), seed: seed)
      world.traffic(from: world.now, for: .seconds(120), meanGap: .milliseconds(200), nonIdempotentPercent: 20)
      world.run(until: world.now.advanced(by: .seconds(120)))
      let bounds = world.window.bounds
      #expect(bounds.usesLimit == 10, "seed \(seed): \(bounds)")
      #expect(bounds.leaseLimit == .seconds(60), "seed \(seed): \(bounds)")
      #expect(bounds.provenAge >= .milliseconds(100), "seed \(seed): \(bounds)")
    }
  }

  @Test("A server that closes after every response is not asked to keep anything, until it does")
  func pointlessReuse() {
    for seed in UInt64(1)...5 {
      var server = Self.fixed(.seconds(30))
      server.maximumUses = 1
      var world = KeepAliveWorld(server: server, delay: .milliseconds(5), seed: seed)
      world.traffic(from: world.now, for: .seconds(60), meanGap: .milliseconds(200), nonIdempotentPercent: 50)
      world.run(until: world.now.advanced(by: .seconds(30)))
      let bounds = world.window.bounds
      #expect(bounds.leaseLimit == .zero, "seed \(seed): \(bounds)")
      #expect(world.window.description.source == .reusePointless)
      world.server.maximumUses = .max
      world.run(until: world.now.advanced(by: .seconds(30)))
      #expect(world.window.bounds.leaseLimit > .seconds(1), "seed \(seed): \(world.window.bounds)")
    }
  }

  @Test("A hint is used with a margin, whether the server keeps to it or waits a second longer", arguments: [0, 1_000])
  func hint(extraMilliseconds: Int64) {
    for seconds in [Int64(1), 2, 5, 65] {
      for delay in [Int64(0), 10, 50] {
        var server = Self.fixed(.seconds(seconds) + .milliseconds(extraMilliseconds))
        server.hintSeconds = Int(seconds)
        server.aborts = true
        var world = KeepAliveWorld(server: server, delay: .milliseconds(delay), seed: 1)
        world.bursts(1, of: 20, gap: .seconds(seconds), jitter: .milliseconds(25), nonIdempotentPercent: 50)
        let said = world.window.bounds
        let limit = min(Nanoseconds.seconds(seconds), .seconds(60))
        #expect(said.leaseLimit * 10 >= limit * 7 && said.leaseLimit <= limit, "\(seconds) s, \(delay) ms: \(said)")
        #expect(said.provenAge == said.leaseLimit, "a hint proves what it says")
        world.bursts(30, of: 20, gap: .seconds(seconds), jitter: .milliseconds(25), nonIdempotentPercent: 50)
        let bounds = world.window.bounds
        #expect(bounds.leaseLimit * 10 >= limit * 7, "\(seconds) s, \(delay) ms: \(bounds)")
        #expect(bounds.provenAge * 10 >= limit * 7, "\(seconds) s, \(delay) ms: \(bounds)")
        let tally = world.tally
        #expect(tally.races == 0, "\(seconds) s, \(delay) ms: \(tally)")
      }
    }
  }

  @Test("A hint that is not kept is believed once")
  func brokenHint() {
    var server = Self.fixed(.seconds(2))
    server.hintSeconds = 5
    var world = KeepAliveWorld(server: server, delay: .milliseconds(10), seed: 1)
    world.bursts(1, of: 20, gap: .seconds(2), jitter: .milliseconds(0), nonIdempotentPercent: 50)
    world.bursts(30, of: 20, gap: .seconds(2), jitter: .milliseconds(25), nonIdempotentPercent: 50)
    let bounds = world.window.bounds
    #expect(bounds.leaseLimit + world.trueRoundTrip < .seconds(2) && bounds.leaseLimit > .milliseconds(1_600))
    let tally = world.tally
    #expect(tally.races <= 20, "\(tally)")
  }

  @Test("A hint of nothing forbids reuse")
  func hintOfZero() {
    var window = IdleWindow(settings: .init())
    _ = window.keepAliveHinted(seconds: 0, maximum: nil, now: Instant(nanoseconds: 1))
    #expect(window.bounds.leaseLimit == .zero)
    #expect(window.bounds.provenAge == .zero)
  }

  @Test("One stray close is forgotten when others were kept longer")
  func strayClose() {
    for seed in UInt64(1)...5 {
      var world = KeepAliveWorld(server: Self.fixed(.seconds(20)), delay: .milliseconds(1), seed: seed)
      world.bursts(10, of: 8, gap: .seconds(20), jitter: .milliseconds(25), nonIdempotentPercent: 30)
      #expect(world.window.bounds.leaseLimit > .seconds(16), "seed \(seed)")
      world.server.timeout = { _, _ in .milliseconds(300) }
      world.bursts(1, of: 1, gap: .seconds(1), jitter: .zero, nonIdempotentPercent: 0)
      #expect(world.window.bounds.leaseLimit < .milliseconds(300), "seed \(seed): it counts at once")
      world.server.timeout = { _, _ in .seconds(20) }
      world.bursts(60, of: 4, gap: .seconds(1), jitter: .milliseconds(25), nonIdempotentPercent: 30)
      #expect(world.window.bounds.leaseLimit > .seconds(16), "seed \(seed): \(world.window.bounds)")
    }
  }

  @Test("Two servers behind one address: the impatient one rules")
  func twoServers() {
    for seed in UInt64(1)...5 {
      let server = KeepAliveWorld.Server(
        timeout: { _, random in Bool.random(using: &random) ? .seconds(3) : .seconds(30) }, aborts: true)
      var world = KeepAliveWorld(server: server, delay: .milliseconds(1), seed: seed)
      world.bursts(100, of: 8, gap: .seconds(3), jitter: .milliseconds(25), nonIdempotentPercent: 30)
      let bounds = world.window.bounds
      #expect(bounds.leaseLimit < .seconds(3), "seed \(seed): \(bounds)")
      let tally = world.tally
      #expect(tally.lost == 0, "seed \(seed): \(tally)")
      #expect(tally.races <= 16, "seed \(seed): \(tally)")
    }
  }

  @Test("Switched off, nothing is learned and nothing avoided")
  func switchedOff() {
    var world = KeepAliveWorld(
      server: Self.fixed(.seconds(2)), delay: .milliseconds(10), seed: 1,
      window: .init(configuredLimit: .seconds(60), isOn: false))
    world.bursts(20, of: 8, gap: .seconds(2), jitter: .milliseconds(25), nonIdempotentPercent: 50)
    #expect(world.window.bounds == .unguarded(configuredLimit: .seconds(60)))
    #expect(world.window.description.source == .off)
    let tally = world.tally
    #expect(tally.races > 0, "the race is met when nothing avoids it")
  }
}
