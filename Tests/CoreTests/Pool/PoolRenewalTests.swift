import Testing

@testable import Core

@Suite("A lease that is kept for the next exchange")
struct PoolRenewalTests {
  private static let start = Instant(nanoseconds: 1_000_000_000)
  private static let exchange = ExchangeID(slot: 1, generation: 0)
  private static let next = ExchangeID(slot: 2, generation: 0)
  private static let bounds = IdleBounds(leaseLimit: .seconds(5), provenAge: .milliseconds(10))

  private static func renewal(
    after age: Nanoseconds, _ settings: PoolSettings = PoolSettings(), _ change: (inout Pool) -> Void = { _ in }
  ) -> (isLease: Bool, facts: LeaseFacts, leased: UInt32) {
    var pool = Pool(settings: settings)
    guard
      case .connect(let id, _) = pool.requestArrived(
        exchange, idempotent: true, freshOnly: false, bounds: bounds, now: start),
      case .lease(let lease) = pool.connectSucceeded(id, bounds: bounds, now: start)
    else { preconditionFailure("there is room") }
    change(&pool)
    let now = start.advanced(by: age)
    switch pool.leaseRenewed(lease, for: next, idleSince: start, bounds: bounds, now: now) {
    case .lease(let renewed):
      #expect(renewed.exchange == next)
      let result = (true, renewed.facts, pool.counts.leased)
      _ = pool.leaseReturned(renewed, reusable: false, bounds: bounds, now: now)
      return result
    case .tooOld(let old):
      let result = (false, old.facts, pool.counts.leased)
      _ = pool.leaseReturned(old, reusable: false, bounds: bounds, now: now)
      return result
    }
  }

  @Test("Carries its idle age and its uses on, beyond the proven age as well")
  func renewed() {
    let (isLease, facts, leased) = Self.renewal(after: .seconds(4))
    #expect(isLease && leased == 1)
    #expect(facts.idleAge == .seconds(4) && facts.uses == 1 && facts.isReused)
  }

  @Test("Ends at the idle window, at the limits of age and uses, and when the pool drains")
  func tooOld() {
    #expect(!Self.renewal(after: .seconds(5)).isLease)
    #expect(!Self.renewal(after: .seconds(2), PoolSettings(maximumIdleAge: .seconds(2))).isLease)
    #expect(!Self.renewal(after: .seconds(2), PoolSettings(maximumConnectionAge: .seconds(1))).isLease)
    #expect(!Self.renewal(after: .zero, PoolSettings(maximumUses: 1)).isLease)
    let drained = Self.renewal(after: .zero) { pool in while pool.drain() != .done {} }
    #expect(!drained.isLease && drained.leased == 1)
  }
}
