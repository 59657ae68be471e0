import Testing

@testable import Core

@Suite("The pool")
struct PoolTests {
  private static let start = Instant(nanoseconds: 1_000_000_000)
  private static let anything = IdleBounds.unguarded(configuredLimit: .seconds(60))

  private static func exchange(_ number: UInt32) -> ExchangeID { ExchangeID(slot: number, generation: 0) }

  /// Gives the pool so many idle connections, each of them used once, the last of them the youngest.
  @discardableResult
  private static func fill(_ pool: inout Pool, idle count: UInt32) -> [ConnectionID] {
    var ids: [ConnectionID] = []
    for number in 0..<count {
      guard
        case .connect(let id, _) = pool.requestArrived(
          exchange(number), idempotent: true, freshOnly: true, bounds: anything, now: start)
      else { preconditionFailure("there is room") }
      ids.append(id)
    }
    for id in ids {
      guard case .lease(let lease) = pool.connectSucceeded(id, bounds: anything, now: start) else {
        preconditionFailure("the exchange waits for it")
      }
      guard case .keptIdle(close: nil) = pool.leaseReturned(lease, reusable: true, bounds: anything, now: start) else {
        preconditionFailure("there is room for idle ones")
      }
    }
    return ids
  }

  @Test("Ten thousand idle connections close in any order")
  func closeAll() {
    let count: UInt32 = 10_000
    let settings = PoolSettings(maximumConnections: count, maximumIdleConnections: count)
    var pool = Pool(settings: settings)
    var ids = Self.fill(&pool, idle: count)
    var random = SeededGenerator(seed: 1)
    ids.shuffle(using: &random)
    for id in ids {
      let room = pool.connectionClosed(id, now: Self.start)
      #expect(room == .unused)
    }
    let left = pool.connectionCount
    #expect(left == 0)
  }

  @Test("Ten thousand idle connections are swept one by one, and the rest is left alone")
  func sweepAll() {
    let count: UInt32 = 10_000
    let settings = PoolSettings(maximumConnections: count, maximumIdleConnections: count)
    var pool = Pool(settings: settings)
    Self.fill(&pool, idle: count)
    let bounds = IdleBounds(leaseLimit: .seconds(5), provenAge: .seconds(5))
    let early = pool.sweep(bounds: bounds, now: Self.start.advanced(by: .seconds(4)))
    #expect(early == .done(next: Self.start.advanced(by: .seconds(5))))
    var closed = 0
    let late = Self.start.advanced(by: .milliseconds(5_001))
    while case .close(_, let reason) = pool.sweep(bounds: bounds, now: late) {
      #expect(reason == .idleWindow)
      closed += 1
    }
    #expect(closed == Int(count) - 2)
    let counts = pool.counts
    #expect(counts.sentinels == 2 && counts.idle == 0)
  }

  @Test("The youngest idle connection is leased first")
  func newestFirst() {
    var pool = Pool(settings: PoolSettings())
    let ids = Self.fill(&pool, idle: 3)
    for expected in ids.reversed() {
      guard
        case .lease(let lease) = pool.requestArrived(
          Self.exchange(9), idempotent: true, freshOnly: false, bounds: Self.anything, now: Self.start)
      else {
        Issue.record("three connections idle")
        return
      }
      let facts = lease.end()
      #expect(facts.connection == expected)
      #expect(facts.isReused)
    }
  }

  @Test(
    "What an idle connection may carry",
    arguments: [
      // idle ms, idempotent, lease limit ms, proven ms -> leased
      (0, true, 1_000, 10, true), (3, true, 1_000, 10, true), (4, true, 1_000, 10, true), (999, true, 1_000, 10, true),
      (1_000, true, 1_000, 10, false), (9, false, 1_000, 10, true), (10, false, 1_000, 10, false),
      (0, false, 1_000, 0, false), (0, true, 0, 0, false),
    ] as [(Int64, Bool, Int64, Int64, Bool)])
  func bounds(idle: Int64, idempotent: Bool, lease: Int64, proven: Int64, isLeased: Bool) {
    var pool = Pool(settings: PoolSettings())
    Self.fill(&pool, idle: 1)
    let bounds = IdleBounds(leaseLimit: .milliseconds(lease), provenAge: .milliseconds(proven))
    let now = Self.start.advanced(by: .milliseconds(idle))
    switch pool.requestArrived(Self.exchange(5), idempotent: idempotent, freshOnly: false, bounds: bounds, now: now) {
    case .lease(let lease):
      let facts = lease.end()
      #expect(isLeased)
      #expect(facts.idleAge == .milliseconds(idle))
    case .connect(_, let victim):
      #expect(!isLeased)
      #expect(victim == nil)
    case .wait: Issue.record("there is room")
    case .refused: Issue.record("there is room")
    }
  }

  @Test("A full pool gives up its longest idle connection for a fresh one")
  func eviction() {
    let settings = PoolSettings(maximumConnections: 2)
    var pool = Pool(settings: settings)
    let ids = Self.fill(&pool, idle: 2)
    guard
      case .connect(let fresh, let victim) = pool.requestArrived(
        Self.exchange(5), idempotent: true, freshOnly: true, bounds: Self.anything, now: Self.start)
    else {
      Issue.record("a fresh connection was wanted")
      return
    }
    #expect(victim == ids[0])
    #expect(fresh.slot == ids[0].slot && fresh.generation != ids[0].generation)
    let knowsOld = pool.knows(ids[0])
    #expect(!knowsOld)
  }

  @Test("A busy pool lets exchanges wait in line, and refuses the one too many")
  func waiting() {
    let settings = PoolSettings(maximumConnections: 1, maximumWaiting: 2, maximumWait: .seconds(1))
    var pool = Pool(settings: settings)
    guard
      case .connect(let id, nil) = pool.requestArrived(
        Self.exchange(0), idempotent: true, freshOnly: false, bounds: Self.anything, now: Self.start),
      case .lease(let first) = pool.connectSucceeded(id, bounds: Self.anything, now: Self.start)
    else {
      Issue.record("the first gets a connection")
      return
    }
    for number in UInt32(1)...2 {
      guard
        case .wait(_, let deadline) = pool.requestArrived(
          Self.exchange(number), idempotent: false, freshOnly: false, bounds: Self.anything, now: Self.start)
      else {
        Issue.record("two may wait")
        return
      }
      #expect(deadline == Self.start.advanced(by: .seconds(1)))
    }
    guard
      case .refused(.queueFull) = pool.requestArrived(
        Self.exchange(3), idempotent: true, freshOnly: false, bounds: Self.anything, now: Self.start)
    else {
      Issue.record("the third may not")
      return
    }
    guard
      case .handOver(let second) = pool.leaseReturned(first, reusable: true, bounds: Self.anything, now: Self.start)
    else {
      Issue.record("the connection is handed over")
      return
    }
    let exchange = second.exchange
    #expect(exchange == Self.exchange(1))
    let late = Self.start.advanced(by: .seconds(1))
    let expired = pool.waitExpired(now: late)
    #expect(expired == Self.exchange(2))
    let another = pool.waitExpired(now: late)
    #expect(another == nil)
    guard case .keptIdle(nil) = pool.leaseReturned(second, reusable: true, bounds: Self.anything, now: late) else {
      Issue.record("nobody waits any more")
      return
    }
  }

  @Test("A sentinel is told of once when it outlives the window, and again when it is let go")
  func sentinel() {
    var pool = Pool(settings: PoolSettings(maximumIdleAge: .seconds(30)))
    let ids = Self.fill(&pool, idle: 1)
    let bounds = IdleBounds(leaseLimit: .seconds(5), provenAge: .seconds(5))
    func at(_ milliseconds: Int64) -> Instant { Self.start.advanced(by: .milliseconds(milliseconds)) }
    let steps = [5_000, 11_000, 11_001, 29_999, 30_000, 30_001].map { pool.sweep(bounds: bounds, now: at($0)) }
    #expect(
      steps == [
        .done(next: at(11_000)),
        .sentinelSurvived(ids[0], idleAge: .seconds(11), close: false),
        .done(next: at(30_000)),
        .done(next: at(30_000)),
        .sentinelSurvived(ids[0], idleAge: .seconds(30), close: true),
        .done(next: .distantFuture),
      ])
  }

  @Test("A connection past its age or its uses does not hide the others")
  func deepLook() {
    var pool = Pool(settings: PoolSettings())
    let ids = Self.fill(&pool, idle: 1)
    let later = Self.start.advanced(by: .milliseconds(1))
    // The older connection carried a second request just now, so it is the youngest by idle age.
    guard
      case .connect(let second, nil) = pool.requestArrived(
        Self.exchange(7), idempotent: true, freshOnly: true, bounds: Self.anything, now: Self.start),
      case .lease(let fresh) = pool.connectSucceeded(second, bounds: Self.anything, now: Self.start),
      case .keptIdle(nil) = pool.leaseReturned(fresh, reusable: true, bounds: Self.anything, now: Self.start)
    else { preconditionFailure("there is room") }
    Self.reuse(&pool, now: later)
    let bounds = IdleBounds(leaseLimit: .seconds(60), provenAge: .seconds(60), usesLimit: 2)
    guard
      case .lease(let lease) = pool.requestArrived(
        Self.exchange(8), idempotent: true, freshOnly: false, bounds: bounds, now: later)
    else {
      Issue.record("the other one may be leased")
      return
    }
    let facts = lease.end()
    #expect(facts.connection == ids[0])
  }

  @Test("The idle age counts from the response's arrival, not from its being read")
  func readLate() {
    var pool = Pool(settings: PoolSettings(maximumConnections: 1))
    Self.fill(&pool, idle: 1)
    let bounds = IdleBounds(leaseLimit: .seconds(5), provenAge: .seconds(1))
    func lease(_ pool: inout Pool, _ now: Instant) -> Lease {
      guard
        case .lease(let lease) = pool.requestArrived(
          Self.exchange(1), idempotent: true, freshOnly: false, bounds: Self.anything, now: now)
      else { preconditionFailure("it is idle") }
      return lease
    }
    let now = Self.start.advanced(by: .seconds(10))
    let first = lease(&pool, now)
    guard
      case .keptIdle(nil) = pool.leaseReturned(
        first, reusable: true, idleSince: Self.start.advanced(by: .seconds(8)), bounds: bounds, now: now)
    else {
      Issue.record("2 s is within the window")
      return
    }
    let second = lease(&pool, now)
    let facts = second.facts
    #expect(facts.idleAge == .seconds(2))
    guard
      case .close(.idleWindow, .unused) = pool.leaseReturned(
        second, reusable: true, idleSince: Self.start.advanced(by: .seconds(5)), bounds: bounds, now: now)
    else {
      Issue.record("5 s is not")
      return
    }
  }

  private static func reuse(_ pool: inout Pool, now: Instant) {
    guard
      case .lease(let lease) = pool.requestArrived(
        exchange(99), idempotent: true, freshOnly: false, bounds: anything, now: now),
      case .keptIdle(nil) = pool.leaseReturned(lease, reusable: true, bounds: anything, now: now)
    else { preconditionFailure("an idle connection is reused") }
  }

  @Test("What nobody may use does not pile up; the one idle longest stays to tell, and a restart's go first")
  func unusableIdleConnections() {
    var pool = Pool(settings: PoolSettings())
    var now = Instant(nanoseconds: 1_000_000_000)
    let bounds = IdleBounds(leaseLimit: .seconds(60), provenAge: .zero)
    var first: ConnectionID?
    for exchange in UInt32(0)..<50 {
      guard
        case .connect(let id, _) = pool.requestArrived(
          ExchangeID(slot: exchange, generation: 0), idempotent: false, freshOnly: false, bounds: bounds, now: now),
        case .lease(let lease) = pool.connectSucceeded(id, bounds: bounds, now: now)
      else {
        Issue.record("nothing is proven, so each opens one")
        return
      }
      first = first ?? id
      now = now.advanced(by: .milliseconds(2))
      _ = pool.leaseReturned(lease, reusable: true, bounds: bounds, now: now)
    }
    #expect(pool.counts.idle == 3)
    #expect(first.map { pool.isIdle($0) } == true)
  }

  @Test("A connection that has been quiet since a restart carries nothing that cannot be repaired")
  func trustedSince() {
    var pool = Pool(settings: PoolSettings())
    let before = Instant(nanoseconds: 1_000_000_000)
    let after = before.advanced(by: .milliseconds(5))
    var bounds = IdleBounds(leaseLimit: .seconds(60), provenAge: .seconds(5))
    guard
      case .connect(let id, _) = pool.requestArrived(
        ExchangeID(slot: 0, generation: 0), idempotent: true, freshOnly: false, bounds: bounds, now: before),
      case .lease(let lease) = pool.connectSucceeded(id, bounds: bounds, now: before)
    else {
      Issue.record("the first one opens a connection")
      return
    }
    _ = pool.leaseReturned(lease, reusable: true, bounds: bounds, now: before)
    bounds.trustedSince = before.advanced(by: .milliseconds(1))
    guard
      case .connect(let other, nil) = pool.requestArrived(
        ExchangeID(slot: 1, generation: 0), idempotent: false, freshOnly: false, bounds: bounds, now: after)
    else {
      Issue.record("a POST takes a fresh one")
      return
    }
    guard
      case .lease(let second) = pool.requestArrived(
        ExchangeID(slot: 2, generation: 0), idempotent: true, freshOnly: false, bounds: bounds, now: after)
    else {
      Issue.record("a GET takes it")
      return
    }
    _ = pool.leaseReturned(second, reusable: true, bounds: bounds, now: after)
    guard
      case .lease(let third) = pool.requestArrived(
        ExchangeID(slot: 3, generation: 0), idempotent: false, freshOnly: false, bounds: bounds, now: after)
    else {
      Issue.record("it has answered since, so a POST takes it, too")
      return
    }
    _ = pool.leaseReturned(third, reusable: true, bounds: bounds, now: after)
    _ = pool.connectFailed(other, now: after)
  }
}
