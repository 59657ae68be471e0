import Testing

@testable import Core

@Suite struct EjectionTests {
  private static let start = Instant(nanoseconds: 1_000_000_000_000)

  private func settings(_ change: (inout EjectionSettings) -> Void = { _ in }) -> EjectionSettings {
    var settings = EjectionSettings()
    settings.consecutiveFailures = 3
    change(&settings)
    return settings
  }

  private func end(
    _ ejection: inout Ejection, _ outcome: Ejection.Outcome, at now: Instant = start, ejected: Int = 0, servers: Int = 4
  ) -> Ejection.Change {
    ejection.ended(outcome, ejected: ejected, servers: servers, now: now, random: 0)
  }

  @Test func failuresInARowEject() {
    var ejection = Ejection(settings { $0.statuses = [503] })
    #expect(!ejection.needsSuccess)
    #expect(end(&ejection, .connectFailed) == .unchanged)
    #expect(ejection.needsSuccess)
    #expect(end(&ejection, .answered(status: 500)) == .unchanged, "not listed: a success")
    #expect(!ejection.needsSuccess)
    for outcome: Ejection.Outcome in [.failedAfresh, .answered(status: 503)] {
      #expect(end(&ejection, outcome) == .unchanged)
    }
    let until = Self.start.advanced(by: .seconds(10))
    #expect(end(&ejection, .timedOut) == .ejected(until: until))
    #expect(ejection.isEjected(now: Self.start))
    #expect(!ejection.isEjected(now: until))
    #expect(ejection.ejectedUntil == until)
  }

  @Test func aDeathOnAReusedConnectionChangesNothing() {
    var ejection = Ejection(settings())
    for _ in 0..<100 { #expect(end(&ejection, .diedOnReuse) == .unchanged) }
    #expect(!ejection.needsSuccess)
    _ = end(&ejection, .connectFailed)
    _ = end(&ejection, .connectFailed)
    _ = end(&ejection, .diedOnReuse)
    #expect(end(&ejection, .connectFailed) != .unchanged, "it is no success either")
  }

  @Test func oneServerAloneIsNeverEjected() {
    var ejection = Ejection(settings { $0.largestSharePercent = 100 })
    for _ in 0..<100 { #expect(end(&ejection, .connectFailed, servers: 1) == .unchanged) }
  }

  @Test(arguments: [0, 10, 33, 34, 50, 99, 100] as [UInt32]) func theShareHolds(percent: UInt32) {
    for servers in 2...12 {
      var all = (0..<servers).map { _ in Ejection(settings { $0.largestSharePercent = percent }) }
      for _ in 0..<10 {
        for index in all.indices {
          let others = all.indices.filter { $0 != index && all[$0].isEjected(now: Self.start) }.count
          _ = end(&all[index], .connectFailed, ejected: others, servers: servers)
        }
      }
      let ejected = all.filter { $0.isEjected(now: Self.start) }.count
      #expect(ejected == servers * Int(percent) / 100, "\(ejected) of \(servers)")
    }
  }

  @Test func eachTimeIsTwiceAsLongUpToTheLongest() {
    var ejection = Ejection(settings())
    var now = Self.start
    for _ in 0..<2 { _ = end(&ejection, .connectFailed, at: now) }
    for seconds: Int64 in [10, 20, 40, 80, 160, 300, 300] {
      // On probation one failure is enough.
      #expect(end(&ejection, .connectFailed, at: now) == .ejected(until: now.advanced(by: .seconds(seconds))))
      #expect(end(&ejection, .connectFailed, at: now) == .unchanged)
      #expect(end(&ejection, .answered(status: 200), at: now) == .unchanged, "the time goes on")
      now = now.advanced(by: .seconds(seconds))
      #expect(!ejection.isEjected(now: now))
    }
  }

  @Test func servingShortensTheNextTime() {
    var ejection = Ejection(settings())
    var now = Self.start
    for _ in 0..<3 { _ = end(&ejection, .connectFailed, at: now) }
    now = now.advanced(by: .seconds(10))
    _ = end(&ejection, .connectFailed, at: now)
    now = now.advanced(by: .seconds(20))
    #expect(end(&ejection, .answered(status: 200), at: now) == .admitted)
    // Two steps, one base time of service: one step is left.
    now = now.advanced(by: .seconds(10))
    for _ in 0..<2 { #expect(end(&ejection, .connectFailed, at: now) == .unchanged) }
    #expect(end(&ejection, .connectFailed, at: now) == .ejected(until: now.advanced(by: .seconds(20))))
    now = now.advanced(by: .seconds(1_000))
    _ = end(&ejection, .answered(status: 200), at: now)
    for _ in 0..<2 { _ = end(&ejection, .connectFailed, at: now) }
    #expect(end(&ejection, .connectFailed, at: now) == .ejected(until: now.advanced(by: .seconds(10))))
  }

  @Test func timesAreJittered() {
    var random = SeededNumbers(seed: 1)
    var seen: Set<Int64> = []
    for _ in 0..<50 {
      var ejection = Ejection(settings { $0.consecutiveFailures = 1 })
      let change = ejection.ended(.connectFailed, ejected: 0, servers: 2, now: Self.start, random: random.next())
      guard case .ejected(let until) = change else {
        Issue.record("\(change)")
        continue
      }
      let time = until.since(Self.start)
      #expect(time >= .seconds(8) && time <= .seconds(10))
      seen.insert(time.count)
    }
    #expect(seen.count > 45)
  }
}
