import Testing

@testable import Core

@Suite struct GuardsTests {
  private static let start = Instant(nanoseconds: 1_000_000_000_000)

  private static func key(_ number: Int) -> ClientKey {
    ClientKey(IPAddress(v4: UInt32(number)))
  }

  private func allowed(_ limiter: inout RateLimiter, _ key: ClientKey, _ now: Instant) -> Bool {
    limiter.requestArrived(key, now: now) == .allowed
  }

  // MARK: - Keys

  @Test func aClientIsAnAddressOrA64() {
    func key(_ text: String) -> ClientKey { ClientKey(IPAddress(text)!) }
    #expect(key("192.0.2.1") == key("::ffff:192.0.2.1"))
    #expect(key("192.0.2.1") != key("192.0.2.2"))
    #expect(key("2001:db8::1") == key("2001:db8::ffff:1"))
    #expect(key("2001:db8::1") != key("2001:db8:0:1::1"))
    #expect(key("::1") != key("0.0.0.0"))
    let shards = (0..<4_096).map { Self.key($0).shard(of: 16) }
    for shard in 0..<16 { #expect((150...370).contains(shards.filter { $0 == shard }.count)) }
  }

  // MARK: - Rates

  /// A bucket of tokens as everybody draws it, in thousandths of a token and milliseconds.
  private struct Bucket {
    var tokens: Int
    var at: Int
  }

  @Test(arguments: 0..<10 as Range<UInt64>) func agreesWithABucketOfTokens(seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    let rate = [1, 5, 100, 1_000].randomElement(using: &random)!
    let burst = Int.random(in: 1...20, using: &random)
    var limiter = RateLimiter(.init(perSecond: Double(rate), burst: UInt32(burst)), capacity: 64)
    var buckets = Array(repeating: Bucket(tokens: burst * 1_000, at: 0), count: 8)
    var now = 0
    for _ in 0..<3_000 {
      now += Int.random(in: 0...(2_000 / rate + 1), using: &random)
      let client = Int.random(in: 0..<8, using: &random)
      buckets[client].tokens = min(burst * 1_000, buckets[client].tokens + (now - buckets[client].at) * rate)
      buckets[client].at = now
      let expected = buckets[client].tokens >= 1_000
      if expected { buckets[client].tokens -= 1_000 }
      let instant = Self.start.advanced(by: .milliseconds(Int64(now)))
      let verdict = limiter.requestArrived(Self.key(client), now: instant)
      #expect((verdict == .allowed) == expected, "seed \(seed)")
      if case .refused(let wait) = verdict {
        let missing = 1_000 - buckets[client].tokens
        #expect(wait == .microseconds(Int64(missing * 1_000 / rate)), "seed \(seed)")
        var early = limiter
        #expect(!allowed(&early, Self.key(client), instant.advanced(by: wait - Nanoseconds(1))))
        #expect(allowed(&early, Self.key(client), instant.advanced(by: wait)))
      }
    }
  }

  @Test func theTableIsBoundedAndTheOldestGoes() {
    var limiter = RateLimiter(.init(perSecond: 0.001, burst: 1), capacity: 3)
    for client in 0..<3 { #expect(allowed(&limiter, Self.key(client), Self.start)) }
    for client in 0..<3 { #expect(!allowed(&limiter, Self.key(client), Self.start)) }
    // 0 was heard of last, so 1 makes room.
    #expect(!allowed(&limiter, Self.key(0), Self.start))
    #expect(allowed(&limiter, Self.key(3), Self.start))
    #expect(limiter.count == 3)
    #expect(!allowed(&limiter, Self.key(0), Self.start))
    #expect(!allowed(&limiter, Self.key(2), Self.start))
    #expect(allowed(&limiter, Self.key(1), Self.start), "forgotten")
    for client in 0..<10_000 { _ = allowed(&limiter, Self.key(client), Self.start) }
    #expect(limiter.count == 3)
  }

  /// Which clients are remembered, against a plain list.
  @Test func evictionAgreesWithAList() {
    for seed in 0..<20 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let capacity = Int.random(in: 1...6, using: &random)
      var limiter = RateLimiter(.init(perSecond: 1e-6, burst: 1), capacity: capacity)
      var recent: [Int] = []
      for _ in 0..<500 {
        let client = Int.random(in: 0..<10, using: &random)
        let isKnown = recent.contains(client)
        recent.removeAll { $0 == client }
        recent.append(client)
        if recent.count > capacity { recent.removeFirst() }
        #expect(allowed(&limiter, Self.key(client), Self.start) == !isKnown, "seed \(seed)")
      }
    }
  }

  @Test func extremeRatesDoNotTrap() {
    for rate in [1e-300, 1e-9, 1e9, 1e12, 1e300] {
      var limiter = RateLimiter(.init(perSecond: rate, burst: .max), capacity: 2)
      for _ in 0..<3 { _ = limiter.requestArrived(Self.key(1), now: Self.start) }
      var single = RateLimiter(.init(perSecond: rate, burst: 1), capacity: 2)
      #expect(allowed(&single, Self.key(1), Self.start))
      _ = single.requestArrived(Self.key(1), now: Self.start)
    }
  }

  // MARK: - Connections

  @Test func connectionsAreCounted() {
    var limiter = ConnectionLimiter()
    func opened(_ client: Int) -> Bool { limiter.opened(Self.key(client), limit: 2) }
    #expect(opened(1))
    #expect(opened(1))
    #expect(!opened(1))
    #expect(opened(2))
    limiter.closed(Self.key(1))
    #expect(opened(1))
    #expect(limiter.count == 2)
    limiter.closed(Self.key(1))
    limiter.closed(Self.key(1))
    limiter.closed(Self.key(2))
    #expect(limiter.count == 0)
  }

  // MARK: - Bodies

  @Test func aBodyMustComeFastEnough() {
    var rate = BodyRate(minimum: 100, grace: .seconds(10))
    #expect(rate.deadline(Self.start) == .distantFuture)
    rate.readingBegan(Self.start)
    let grace = Self.start.advanced(by: .seconds(10))
    #expect(rate.deadline(Self.start) == grace)
    #expect(!rate.isTooSlow(grace.advanced(by: Nanoseconds(-1))))
    #expect(rate.isTooSlow(grace))
    rate.received(250)
    #expect(!rate.isTooSlow(grace))
    #expect(rate.deadline(grace) == grace.advanced(by: .milliseconds(2_500)))
  }

  @Test func timeWithoutReadingDoesNotCount() {
    var rate = BodyRate(minimum: 100, grace: .seconds(10))
    rate.readingBegan(Self.start)
    var now = Self.start.advanced(by: .seconds(4))
    rate.readingPaused(now)
    now = now.advanced(by: .seconds(3_600))
    #expect(!rate.isTooSlow(now))
    #expect(rate.deadline(now) == .distantFuture)
    rate.readingBegan(now)
    rate.readingBegan(now.advanced(by: .seconds(1)))
    #expect(rate.deadline(now) == now.advanced(by: .seconds(6)))
    rate.received(Int.max)
    #expect(rate.deadline(now) > now.advanced(by: .seconds(1 << 40)) || rate.deadline(now) == .distantFuture)
  }

  @Test func bodyRateAgreesWithItsWords() {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let minimum = UInt64.random(in: 1...1_000, using: &random)
      var rate = BodyRate(minimum: minimum, grace: .seconds(2))
      var now = Self.start
      var (ready, bytes, isReading) = (0.0, 0.0, false)
      for _ in 0..<60 {
        let step = Int64.random(in: 1...500, using: &random)
        now = now.advanced(by: .milliseconds(step))
        if isReading { ready += Double(step) / 1_000 }
        switch Int.random(in: 0...3, using: &random) {
        case 0:
          isReading = true
          rate.readingBegan(now)
        case 1:
          isReading = false
          rate.readingPaused(now)
        default:
          let count = Int.random(in: 0...400, using: &random)
          bytes += Double(count)
          rate.received(count)
        }
        let margin = ready - 2 - bytes / Double(minimum)
        if abs(margin) > 1e-6 { #expect(rate.isTooSlow(now) == (isReading && margin > 0), "seed \(seed)") }
      }
    }
  }
}
