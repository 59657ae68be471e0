@testable import Core

/// A small generator with a seed, so that a failing run can be repeated (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// One server, one pool and one idle window in virtual time: requests come, connections idle, the server closes as it
/// pleases.
///
/// The network has one fixed delay and loses nothing. A request that arrives after the server closed is a race lost.
struct KeepAliveWorld: ~Copyable {
  /// How the server treats its connections.
  struct Server {
    /// The timeout of a connection that goes idle now.
    var timeout: (Instant, inout SeededGenerator) -> Nanoseconds
    /// Closes a connection at this age, whatever it does.
    var maximumConnectionAge = Nanoseconds.unlimited
    /// Closes right after this many requests, without saying so.
    var maximumUses = UInt32.max
    /// All connections die at these times.
    var restarts: [Instant] = []
    var hintSeconds: Int?
    /// Idle closes abort (RST) instead of closing in order (FIN).
    var aborts = false
  }

  struct Tally {
    var requests = 0
    var connects = 0
    var races = 0
    var racesNotIdempotent = 0
    var lastRace = Instant(nanoseconds: 0)
    var lastRaceNotIdempotent = Instant(nanoseconds: 0)
    /// The race of the kind that cannot be repaired: not idempotent, and a RST.
    var lost = 0
  }

  private enum Event {
    case request(idempotent: Bool)
    case response(ConnectionID)
    case connected(ConnectionID)
    case closeSeen(ConnectionID, epoch: Int)
    case raceSeen(ConnectionID)
    case sweep
  }

  private struct Wire {
    var openedAt: Instant
    /// When the server closes it, as things stand.
    var closesAt: Instant
    /// Counts idle spans, so that a close that was overtaken by a request is ignored.
    var epoch = 0
    var uses: UInt32 = 0
    var idempotent = true
    var lostAt: Instant?
    var idleSince: Instant
  }

  private(set) var now = Instant(nanoseconds: 1_000_000_000)
  var server: Server
  private(set) var window: IdleWindow
  private(set) var tally = Tally()
  private var pool: Pool
  private var wires: [ConnectionID: Wire] = [:]
  private var leases: [UInt32: LeaseBox] = [:]
  private var events: [(at: Instant, order: Int, event: Event)] = []
  private var order = 0
  private var random: SeededGenerator
  private let delay: Nanoseconds
  /// How the server takes to answer.
  private let service = Nanoseconds.milliseconds(2)
  private var exchangeCount: UInt32 = 0
  private var refreshedAt = Instant(nanoseconds: 0)
  private(set) var changes: [String] = []

  final class LeaseBox {
    var lease: Lease?
    init(_ lease: consuming Lease) { self.lease = consume lease }
  }

  init(
    server: Server, delay: Nanoseconds, seed: UInt64, settings: PoolSettings = PoolSettings(),
    window: IdleWindow.Settings = .init()
  ) {
    self.server = server
    self.delay = delay
    pool = Pool(settings: settings)
    self.window = IdleWindow(settings: window)
    random = SeededGenerator(seed: seed)
    schedule(.sweep, at: now)
  }

  deinit {
    for box in leases.values { if let lease = box.lease.take() { _ = lease.end() } }
  }

  var trueRoundTrip: Nanoseconds { delay * 2 }

  mutating func random(in range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &random) }

  /// `count` requests at once.
  mutating func burst(_ count: Int, at instant: Instant, idempotent: Bool) {
    for _ in 0..<count { schedule(.request(idempotent: idempotent), at: instant) }
  }

  /// Bursts of requests, each when the connections of the one before have idled for `gap`, give or take `jitter`; runs
  /// through them.
  mutating func bursts(
    _ count: Int, of size: Int, gap: Nanoseconds, jitter: Nanoseconds, nonIdempotentPercent: Int
  ) {
    for _ in 0..<count {
      let idempotent = Int.random(in: 0..<100, using: &random) >= nonIdempotentPercent
      burst(size, at: now, idempotent: idempotent)
      let offset = Nanoseconds(Int64.random(in: -jitter.count...jitter.count, using: &random))
      run(until: now.advanced(by: delay * 2 + service + gap + offset))
    }
  }

  /// Plans requests for a time: each a random time after the one before, a share of them not idempotent.
  mutating func traffic(
    from start: Instant, for span: Nanoseconds, meanGap: Nanoseconds, nonIdempotentPercent: Int
  ) {
    var at = start
    let end = start.advanced(by: span)
    while true {
      let gap = Int64.random(in: 0...(meanGap.count * 2), using: &random)
      at = at.advanced(by: Nanoseconds(gap))
      if at >= end { return }
      let idempotent = Int.random(in: 0..<100, using: &random) >= nonIdempotentPercent
      schedule(.request(idempotent: idempotent), at: at)
    }
  }

  mutating func run(until end: Instant) {
    while let next = events.first, next.at <= end {
      events.removeFirst()
      now = next.at
      handle(next.event)
    }
    now = end
  }

  // MARK: - Inside

  private mutating func schedule(_ event: Event, at instant: Instant) {
    order += 1
    let entry = (at: instant, order: order, event: event)
    var low = 0
    var high = events.count
    while low < high {
      let middle = (low + high) / 2
      if (events[middle].at, events[middle].order) < (instant, order) { low = middle + 1 } else { high = middle }
    }
    events.insert(entry, at: low)
  }

  private mutating func note(_ change: IdleWindow.Change) {
    if change == .notable {
      changes.append("\(now.nanoseconds / 1_000_000) ms: \(window.description)")
    }
  }

  private mutating func handle(_ event: Event) {
    switch event {
    case .request(let idempotent):
      tally.requests += 1
      exchangeCount += 1
      admit(ExchangeID(slot: exchangeCount, generation: 0), idempotent: idempotent, fresh: false)
    case .connected(let id):
      let idempotent = wires[id]!.idempotent
      wires[id] = Wire(
        openedAt: now, closesAt: .distantFuture, idempotent: idempotent, idleSince: now)
      switch pool.connectSucceeded(id, bounds: window.bounds, now: now) {
      case .lease(let lease): send(lease)
      case .keptIdle: preconditionFailure("every connect has an exchange here")
      case .close: preconditionFailure("every connect has an exchange here")
      }
    case .response(let id): responded(id)
    case .closeSeen(let id, let epoch): closeSeen(id, epoch: epoch)
    case .raceSeen(let id): raceSeen(id)
    case .sweep: sweep()
    }
  }

  private mutating func admit(_ exchange: ExchangeID, idempotent: Bool, fresh: Bool) {
    switch pool.requestArrived(
      exchange, idempotent: idempotent, freshOnly: fresh, bounds: window.bounds, now: now)
    {
    case .lease(let lease):
      let connection = lease.connection
      wires[connection]!.idempotent = idempotent
      send(lease)
    case .connect(let id, let victim):
      if let victim { wires[victim] = nil }
      tally.connects += 1
      wires[id] = Wire(openedAt: now, closesAt: .distantFuture, idempotent: idempotent, idleSince: now)
      schedule(.connected(id), at: now.advanced(by: delay * 2))
    case .wait: preconditionFailure("the pool is large enough here")
    case .refused: preconditionFailure("the pool is large enough here")
    }
  }

  private mutating func send(_ lease: consuming Lease) {
    let id = lease.connection
    let facts = lease.facts
    leases[id.slot] = LeaseBox(lease)
    let arrival = now.advanced(by: delay)
    var wire = wires[id]!
    if wire.closesAt <= arrival {
      wire.lostAt = now
      tally.races += 1
      tally.lastRace = now
      if !wire.idempotent {
        tally.racesNotIdempotent += 1
        tally.lastRaceNotIdempotent = now
        if server.aborts { tally.lost += 1 }
      }
      // The FIN or RST arrives when it was sent plus the delay; the answer to our bytes a round trip after they left.
      let seen = max(wire.closesAt.advanced(by: delay), now)
      schedule(.raceSeen(id), at: seen)
    } else {
      wire.uses += 1
      schedule(.response(id), at: arrival.advanced(by: service).advanced(by: delay))
    }
    wire.epoch += 1
    wires[id] = wire
    _ = facts
  }

  private mutating func responded(_ id: ConnectionID) {
    let box = leases.removeValue(forKey: id.slot)!
    let lease = box.lease.take()!
    let facts = lease.facts
    var wire = wires[id]!
    if facts.uses == 0 { window.roundTripTimeMeasured(delay * 2) }
    if let hint = server.hintSeconds, facts.uses == 0 {
      note(window.keepAliveHinted(seconds: hint, maximum: nil, now: now))
    }
    if facts.isReused, window.bounds.isNews(reuseAt: facts.idleAge) {
      note(window.reuseSucceeded(idleAge: facts.idleAge, now: now))
    }
    let servedAt = Instant(nanoseconds: now.nanoseconds - delay.count)
    wire.idleSince = now
    wire.closesAt = servedAt.advanced(by: server.timeout(servedAt, &random))
    if wire.uses >= server.maximumUses { wire.closesAt = servedAt }
    if server.maximumConnectionAge < .unlimited {
      wire.closesAt = min(wire.closesAt, max(servedAt, wire.openedAt.advanced(by: server.maximumConnectionAge)))
    }
    for restart in server.restarts where restart >= servedAt {
      wire.closesAt = min(wire.closesAt, restart)
    }
    switch pool.leaseReturned(lease, reusable: true, bounds: window.bounds, now: now) {
    case .keptIdle(let closed):
      wires[id] = wire
      schedule(.closeSeen(id, epoch: wire.epoch), at: max(now, wire.closesAt.advanced(by: delay)))
      if let closed { wires[closed] = nil }
    case .close: wires[id] = nil
    case .handOver: preconditionFailure("nobody waits here")
    }
  }

  private mutating func closeSeen(_ id: ConnectionID, epoch: Int) {
    guard let wire = wires[id], wire.epoch == epoch, pool.isIdle(id) else { return }
    _ = pool.connectionClosed(id, now: now)
    wires[id] = nil
    note(
      window.idleClosed(
        idleAge: now.since(wire.idleSince), connectionAge: now.since(wire.openedAt), uses: wire.uses,
        roundTripTime: delay * 2, how: server.aborts ? .reset : .fin, now: now))
  }

  private mutating func raceSeen(_ id: ConnectionID) {
    let box = leases.removeValue(forKey: id.slot)!
    let lease = box.lease.take()!
    let wire = wires.removeValue(forKey: id)!
    let facts = lease.facts
    let exchange = lease.exchange
    switch pool.leaseReturned(lease, reusable: false, bounds: window.bounds, now: now) {
    case .keptIdle: preconditionFailure("a broken connection is not kept")
    case .handOver: preconditionFailure("a broken connection is not kept")
    case .close: break
    }
    note(
      window.raceLost(
        idleAge: facts.idleAge, closeAge: now.since(wire.idleSince), connectionAge: now.since(wire.openedAt),
        uses: wire.uses, roundTripTime: delay * 2, verdict: server.aborts ? .unknown : .neverDelivered, now: now))
    if wire.idempotent || !server.aborts { admit(exchange, idempotent: wire.idempotent, fresh: true) }
  }

  private mutating func sweep() {
    if now.since(refreshedAt) >= .seconds(1) {
      refreshedAt = now
      note(window.refresh(now: now))
    }
    while true {
      switch pool.sweep(bounds: window.bounds, now: now) {
      case .close(let id, _): wires[id] = nil
      case .sentinelSurvived(let id, let age, let close):
        if close { wires[id] = nil }
        note(window.sentinelSurvived(idleAge: age, now: now))
      case .done(let next):
        schedule(.sweep, at: min(max(next, now.advanced(by: .milliseconds(10))), now.advanced(by: .seconds(1))))
        return
      }
    }
  }
}
