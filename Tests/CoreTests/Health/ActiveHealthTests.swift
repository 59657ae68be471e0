import Testing

@testable import Core

@Suite struct ActiveHealthTests {
  private static func settings(rise: UInt32 = 2, fall: UInt32 = 3) -> ActiveHealthSettings {
    var settings = ActiveHealthSettings()
    settings.rise = rise
    settings.fall = fall
    return settings
  }

  @Test func theFirstCheckDecides() {
    var healthy = ActiveHealth(Self.settings())
    #expect(healthy.isHealthy && healthy.isUnproven)
    #expect(healthy.checked(.answered(status: 200)) == .unchanged)
    #expect(healthy.isHealthy && !healthy.isUnproven)
    var unhealthy = ActiveHealth(Self.settings())
    #expect(unhealthy.checked(.failed) == .becameUnhealthy)
    #expect(!unhealthy.isHealthy)
  }

  /// From the words: unhealthy behind `fall` failures in a row, healthy behind `rise` successes in a row.
  @Test func agreesWithItsWords() {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let settings = Self.settings(
        rise: UInt32.random(in: 1...4, using: &random), fall: UInt32.random(in: 1...4, using: &random))
      var health = ActiveHealth(settings)
      _ = health.checked(.answered(status: 204))
      var isHealthy = true
      var history: [Bool] = []
      for _ in 0..<100 {
        let succeeds = Bool.random(using: &random)
        history.append(succeeds)
        let change = health.checked(
          succeeds
            ? .answered(status: 399) : [.failed, .answered(status: 400), .connected].randomElement(using: &random)!)
        let row = Int(isHealthy ? settings.fall : settings.rise)
        var expected = ActiveHealth.Change.unchanged
        if history.count >= row, history.suffix(row).allSatisfy({ $0 != isHealthy }) {
          isHealthy.toggle()
          expected = isHealthy ? .becameHealthy : .becameUnhealthy
          history = []
        }
        #expect(change == expected, "seed \(seed)")
        #expect(health.isHealthy == isHealthy, "seed \(seed)")
      }
    }
  }

  @Test func aConnectionIsEnoughWithoutAPath() {
    var settings = Self.settings()
    settings.path = nil
    var health = ActiveHealth(settings)
    #expect(health.checked(.connected) == .unchanged)
    #expect(health.isHealthy)
  }

  @Test func checksAreSpread() {
    let health = ActiveHealth(Self.settings())
    let now = Instant(nanoseconds: 1_000)
    #expect(health.firstCheck(now: now, random: 0) == now)
    #expect(health.firstCheck(now: now, random: .max) == now.advanced(by: .seconds(1)))
    #expect(health.nextCheck(now: now, random: 0) == now.advanced(by: .milliseconds(4_500)))
    #expect(health.nextCheck(now: now, random: .max) == now.advanced(by: .milliseconds(5_500)))
    #expect(Jitter.part(of: .unlimited, .max) > .zero)
    #expect(Jitter.part(of: .zero, .max) == .zero)
  }

  @Test func slowStartGrowsToTheWhole() {
    let begin = Instant(nanoseconds: 7)
    var start = SlowStart(.seconds(100))
    #expect(start.share(now: begin) == 1_024)
    start.begin(at: begin)
    var last: UInt16 = 0
    for second in 0...120 {
      let share = start.share(now: begin.advanced(by: .seconds(Int64(second))))
      #expect(share >= last)
      #expect(share >= 102)
      if second >= 10 { #expect(abs(Int(share) - min(1_024, 1_024 * second / 100)) <= 1) }
      last = share
    }
    var off = SlowStart(.zero)
    off.begin(at: begin)
    #expect(off.share(now: begin) == 1_024)
    var endless = SlowStart(.unlimited)
    endless.begin(at: begin)
    #expect(endless.share(now: begin.advanced(by: .seconds(1))) == 102)
  }
}
