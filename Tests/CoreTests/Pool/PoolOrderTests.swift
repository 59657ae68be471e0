import Testing

@testable import Core

/// A pool and its model, given the same events.
private struct PoolPair: ~Copyable {
  var pool: Pool
  var model: PoolModel
  var now = Instant(nanoseconds: 1_000_000_000)
  var nextExchange: UInt32 = 0
  let bounds: IdleBounds
  /// What a reload may bring.
  let reloads: [PoolSettings]

  init(settings: PoolSettings, bounds: IdleBounds, reloads: [PoolSettings] = []) {
    pool = Pool(settings: settings)
    model = PoolModel(settings: settings)
    self.bounds = bounds
    self.reloads = reloads
  }

  private init(
    pool: consuming Pool, model: PoolModel, now: Instant, nextExchange: UInt32, bounds: IdleBounds,
    reloads: [PoolSettings]
  ) {
    self.pool = pool
    self.reloads = reloads
    self.model = model
    self.now = now
    self.nextExchange = nextExchange
    self.bounds = bounds
  }

  borrowing func copy() -> PoolPair {
    PoolPair(pool: pool.copy(), model: model, now: now, nextExchange: nextExchange, bounds: bounds, reloads: reloads)
  }

  enum Event: Hashable {
    case request(idempotent: Bool, freshOnly: Bool)
    case connected(ConnectionID)
    case connectFailed(ConnectionID)
    case connectingLeft(ConnectionID)
    case returned(ConnectionID, reusable: Bool)
    case foundStale(ConnectionID)
    case closed(ConnectionID)
    case waiterLeft(Int)
    case expire
    case sweep
    case pass(Nanoseconds)
    case reload(PoolSettings)
    case drain
  }

  /// What can happen next.
  var events: [Event] {
    var events: [Event] = [
      .request(idempotent: true, freshOnly: false), .request(idempotent: false, freshOnly: false),
      .request(idempotent: true, freshOnly: true),
    ]
    for connection in model.connections {
      switch connection.state {
      case .connecting(let exchange):
        events.append(.connected(connection.id))
        events.append(.connectFailed(connection.id))
        if exchange != nil { events.append(.connectingLeft(connection.id)) }
      case .leased:
        events.append(.returned(connection.id, reusable: true))
        events.append(.returned(connection.id, reusable: false))
        events.append(.foundStale(connection.id))
      case .idle, .sentinel: events.append(.closed(connection.id))
      }
    }
    for index in model.waiters.indices { events.append(.waiterLeft(index)) }
    if !model.waiters.isEmpty { events.append(.expire) }
    events.append(.sweep)
    events.append(.pass(.milliseconds(5)))
    events.append(.pass(.seconds(2)))
    for settings in reloads where settings != model.settings { events.append(.reload(settings)) }
    if !model.isDraining { events.append(.drain) }
    return events
  }

  /// Lets both meet the event; returns what they disagree in.
  mutating func meet(_ event: Event) -> String? {
    let before = pool.connectionCount
    let complaint = dispatch(event)
    if let complaint { return "\(event): \(complaint)" }
    let counts = pool.counts
    let expected = model.counts
    if counts != expected { return "\(event): counts \(counts), expected \(expected)" }
    if pool.connectionCount > max(pool.settings.maximumConnections, before) {
      return "\(event): too many connections"
    }
    if counts.waiting > 0, counts.idle + counts.sentinels > 0 { return "\(event): somebody waits while others idle" }
    for connection in model.connections where !pool.knows(connection.id) {
      return "\(event): \(connection.id) is forgotten"
    }
    if pool.nextWaitExpiry != model.waiters.map(\.deadline).min() { return "\(event): next expiry" }
    return nil
  }

  private mutating func dispatch(_ event: Event) -> String? {
    switch event {
    case .request(let idempotent, let freshOnly): return request(idempotent, freshOnly)
    case .connected(let id): return connected(id)
    case .connectFailed(let id):
      let expected = model.connectFailed(id)
      return compare(pool.connectFailed(id, now: now), expected)
    case .connectingLeft(let id):
      model.connectingExchangeLeft(id)
      pool.connectingExchangeLeft(id)
      return nil
    case .returned(let id, let reusable): return returned(id, reusable)
    case .foundStale(let id): return foundStale(id)
    case .closed(let id):
      let expected = model.connectionClosed(id)
      return compare(pool.connectionClosed(id, now: now), expected)
    case .waiterLeft(let index):
      let waiter = model.waiters.remove(at: index)
      pool.waitingExchangeLeft(waiter.ticket)
      return nil
    case .expire: return expire()
    case .sweep: return sweep()
    case .pass(let span):
      now = now.advanced(by: span)
      return nil
    case .reload(let settings): return reload(settings)
    case .drain: return drain()
    }
  }

  private mutating func reload(_ settings: PoolSettings) -> String? {
    let expected = model.adopt(settings)
    pool.adopt(settings)
    var closed: Set<ConnectionID> = []
    // Only what is beyond the limits: time has not passed, and may have before.
    let patient = IdleBounds(leaseLimit: .unlimited, provenAge: .unlimited)
    sweeping: while true {
      switch pool.sweep(bounds: patient, now: Instant(nanoseconds: 0)) {
      case .close(let id, _): closed.insert(id)
      case .sentinelSurvived: return "a reload makes nobody older"
      case .done: break sweeping
      }
    }
    guard closed == expected.closed else { return "closed \(closed), expected \(expected.closed)" }
    var rooms: [ExchangeID] = []
    while case .connect(let id, let exchange) = pool.roomForWaiting() {
      rooms.append(exchange)
      if let complaint = opened(id, exchange) { return complaint }
    }
    return rooms == expected.rooms ? nil : "room for \(rooms), expected \(expected.rooms)"
  }

  private mutating func request(_ idempotent: Bool, _ freshOnly: Bool) -> String? {
    nextExchange += 1
    let exchange = ExchangeID(slot: nextExchange, generation: 0)
    let expected = model.requestArrived(
      exchange, idempotent: idempotent, freshOnly: freshOnly, bounds: bounds, now: now)
    let admission = pool.requestArrived(
      exchange, idempotent: idempotent, freshOnly: freshOnly, bounds: bounds, now: now)
    return compare(admission, expected, exchange, idempotent, freshOnly)
  }

  private mutating func foundStale(_ id: ConnectionID) -> String? {
    guard let index = model.connections.firstIndex(where: { $0.id == id }),
      case .leased(let exchange) = model.connections[index].state
    else { return "the model lost a lease" }
    model.connections.remove(at: index)
    let expected = model.requestArrived(
      exchange, idempotent: true, freshOnly: false, bounds: bounds, now: now, again: true)
    let admission = pool.leaseFoundStale(
      lease(id, exchange), idempotent: true, freshOnly: false, bounds: bounds, now: now)
    return compare(admission, expected, exchange, true, false)
  }

  private mutating func compare(
    _ admission: consuming Pool.Admission, _ expected: PoolModel.Admission, _ exchange: ExchangeID,
    _ idempotent: Bool, _ freshOnly: Bool
  ) -> String? {
    switch consume admission {
    case .lease(let lease):
      let facts = lease.end()
      return expected == .lease(facts) ? nil : "leased \(facts), expected \(expected)"
    case .connect(let id, let closeFirst):
      guard expected == .connect(closeFirst: closeFirst) else { return "connect, expected \(expected)" }
      return opened(id, exchange)
    case .wait(let ticket, let deadline):
      model.waiters.append(
        PoolModel.Waiter(
          exchange: exchange, idempotent: idempotent, freshOnly: freshOnly, deadline: deadline, ticket: ticket))
      return expected == .wait(until: deadline) ? nil : "wait, expected \(expected)"
    case .refused(let refusal):
      return expected == .refused(refusal) ? nil : "\(refusal), expected \(expected)"
    }
  }

  private mutating func opened(_ id: ConnectionID, _ exchange: ExchangeID) -> String? {
    if model.connections.contains(where: { $0.id.slot == id.slot }) { return "slot \(id.slot) is taken" }
    let limit = reloads.reduce(pool.settings.maximumConnections) { max($0, $1.maximumConnections) }
    if id.slot >= limit { return "slot \(id.slot) is beyond the table" }
    model.opened(id, for: exchange)
    return nil
  }

  private mutating func compare(_ room: Pool.Room, _ expected: PoolModel.Room) -> String? {
    switch room {
    case .unused: return expected == .unused ? nil : "room unused, expected \(expected)"
    case .connect(let id, let exchange):
      guard expected == .connect(for: exchange) else { return "room for \(exchange), expected \(expected)" }
      return opened(id, exchange)
    }
  }

  private mutating func connected(_ id: ConnectionID) -> String? {
    let expected = model.connectSucceeded(id, bounds: bounds, now: now)
    switch pool.connectSucceeded(id, bounds: bounds, now: now) {
    case .lease(let lease):
      let exchange = lease.exchange
      let facts = lease.end()
      return expected == .lease(exchange, facts) ? nil : "leased \(facts), expected \(expected)"
    case .keptIdle(let close): return expected == .keptIdle(close: close) ? nil : "kept idle, expected \(expected)"
    case .close: return expected == .close ? nil : "close, expected \(expected)"
    }
  }

  private mutating func returned(_ id: ConnectionID, _ reusable: Bool) -> String? {
    guard case .leased(let exchange)? = model.connections.first(where: { $0.id == id })?.state else {
      return "the model lost a lease"
    }
    let expected = model.leaseReturned(id, reusable: reusable, bounds: bounds, now: now)
    switch pool.leaseReturned(lease(id, exchange), reusable: reusable, bounds: bounds, now: now) {
    case .keptIdle(let close): return expected == .keptIdle(close: close) ? nil : "kept idle, expected \(expected)"
    case .handOver(let lease):
      let next = lease.exchange
      let facts = lease.end()
      return expected == .handOver(next, facts) ? nil : "handed to \(next), expected \(expected)"
    case .close(let reason, let room):
      guard case .close(let wanted, let wantedRoom) = expected, wanted == reason else {
        return "close because \(reason), expected \(expected)"
      }
      return compare(room, wantedRoom)
    }
  }

  private mutating func expire() -> String? {
    var expired: [ExchangeID] = []
    while let exchange = pool.waitExpired(now: now) { expired.append(exchange) }
    let expected = model.waiters.filter { $0.deadline <= now }.map(\.exchange)
    model.waiters.removeAll { $0.deadline <= now }
    return expired == expected ? nil : "expired \(expired), expected \(expected)"
  }

  private mutating func sweep() -> String? {
    let expected = model.sweep(bounds: bounds, now: now)
    var steps: Set<Pool.Sweep> = []
    while true {
      let step = pool.sweep(bounds: bounds, now: now)
      if case .done(let next) = step {
        if next <= now { return "sweeping is done, and due at once again" }
        break
      }
      guard steps.insert(step).inserted else { return "\(step) twice" }
    }
    return steps == expected ? nil : "\(steps), expected \(expected)"
  }

  private mutating func drain() -> String? {
    let expected = model.drain()
    var closed: Set<ConnectionID> = []
    var failed: Set<ExchangeID> = []
    while true {
      switch pool.drain() {
      case .close(let id): closed.insert(id)
      case .abandonConnect(let id, let exchange):
        closed.insert(id)
        if let exchange { failed.insert(exchange) }
      case .fail(let exchange): failed.insert(exchange)
      case .done:
        if pool.isDrained != model.connections.isEmpty { return "isDrained" }
        return closed == expected.closed && failed == expected.failed ? nil : "drained \(closed) \(failed)"
      }
    }
  }

  private func lease(_ id: ConnectionID, _ exchange: ExchangeID) -> Lease {
    Lease(
      facts: LeaseFacts(connection: id, idleAge: .zero, connectionAge: .zero, uses: 0),
      exchange: exchange)
  }
}

@Suite("The pool in all orders of events")
struct PoolOrderTests {
  struct World: Sendable, CustomTestStringConvertible {
    var name: String
    var settings: PoolSettings
    var bounds: IdleBounds
    var reloads: [PoolSettings] = []
    var testDescription: String { name }
  }

  static let known = IdleBounds(leaseLimit: .seconds(3), provenAge: .milliseconds(4))

  static let worlds = [
    World(
      name: "two connections, one waits",
      settings: PoolSettings(
        maximumConnections: 2, maximumIdleConnections: 2, maximumIdleAge: .seconds(9), maximumWaiting: 1,
        maximumWait: .seconds(3)),
      bounds: known),
    World(
      name: "one idle of two, few uses",
      settings: PoolSettings(
        maximumConnections: 2, maximumIdleConnections: 1, maximumIdleAge: .seconds(5), maximumUses: 2,
        maximumWaiting: 2),
      bounds: known),
    World(
      name: "two idle of three",
      settings: PoolSettings(
        maximumConnections: 3, maximumIdleConnections: 2, maximumIdleAge: .seconds(9), maximumWaiting: 1),
      bounds: known),
    World(
      name: "one sentinel, short lives",
      settings: PoolSettings(
        maximumConnections: 3, maximumIdleConnections: 3, maximumIdleAge: .seconds(20),
        maximumConnectionAge: .seconds(5), maximumWaiting: 0, maximumSentinels: 1),
      bounds: IdleBounds(
        leaseLimit: .seconds(1), provenAge: .seconds(1), connectionAgeLimit: .seconds(4), usesLimit: 3)),
    World(
      name: "reuse is pointless",
      settings: PoolSettings(maximumConnections: 2, maximumIdleAge: .seconds(5), maximumWaiting: 1),
      bounds: IdleBounds(leaseLimit: .zero, provenAge: .zero)),
    World(
      name: "nothing is proven, not even a moment",
      settings: PoolSettings(maximumConnections: 1, maximumIdleAge: .seconds(5), maximumWaiting: 2),
      bounds: IdleBounds(leaseLimit: .seconds(5), provenAge: .zero)),
    World(
      name: "reuse is off",
      settings: PoolSettings(maximumConnections: 2, maximumWaiting: 1, reuses: false),
      bounds: .unknown(configuredLimit: .seconds(60))),
    World(
      name: "reloads make it larger and smaller",
      settings: narrow, bounds: known,
      reloads: [
        narrow,
        PoolSettings(
          maximumConnections: 3, maximumIdleConnections: 3, maximumIdleAge: .seconds(9), maximumWaiting: 2,
          maximumWait: .seconds(1)),
      ]),
    World(
      name: "reloads switch reuse off and on",
      settings: PoolSettings(
        maximumConnections: 2, maximumIdleConnections: 1, maximumIdleAge: .seconds(9), maximumWaiting: 1),
      bounds: known,
      reloads: [
        PoolSettings(maximumConnections: 2, maximumWaiting: 1, reuses: false, maximumSentinels: 0),
        PoolSettings(
          maximumConnections: 3, maximumIdleConnections: 0, maximumIdleAge: .seconds(1), maximumWaiting: 0,
          maximumWait: .seconds(1)),
      ]),
  ]

  private static let narrow = PoolSettings(
    maximumConnections: 1, maximumIdleConnections: 1, maximumIdleAge: .seconds(9), maximumWaiting: 1,
    maximumWait: .seconds(3))

  /// How far a life has come before every order is tried: not at all; all connections leased; all of them idle.
  enum Beginning: CaseIterable, Sendable {
    case nothing
    case allLeased
    case allIdle
  }

  @Test("Every order of events, from three beginnings", arguments: worlds, Beginning.allCases)
  func everyOrder(world: World, beginning: Beginning) {
    var paths = 0
    var complaints: [String] = []
    var start = PoolPair(settings: world.settings, bounds: world.bounds, reloads: world.reloads)
    for event in lead(&start, to: beginning) {
      if let complaint = start.meet(event) { complaints.append(complaint) }
    }
    explore(start, depth: beginning == .nothing ? 5 : 4, path: [], paths: &paths, complaints: &complaints)
    #expect(complaints.isEmpty, "\(complaints.first ?? "")")
    #expect(paths > 2_000, "the world is not too small: \(paths)")
  }

  /// Leases all connections; returns what is left to do.
  private func lead(_ pair: inout PoolPair, to beginning: Beginning) -> [PoolPair.Event] {
    guard beginning != .nothing else { return [] }
    for _ in 0..<pair.pool.settings.maximumConnections {
      if let complaint = pair.meet(.request(idempotent: true, freshOnly: true)) { Issue.record("\(complaint)") }
    }
    for id in pair.model.connections.map(\.id) {
      if let complaint = pair.meet(.connected(id)) { Issue.record("\(complaint)") }
    }
    guard beginning == .allIdle else { return [] }
    return pair.model.connections.map { .returned($0.id, reusable: true) }
  }

  private func explore(
    _ pair: borrowing PoolPair, depth: Int, path: [PoolPair.Event], paths: inout Int, complaints: inout [String]
  ) {
    guard depth > 0, complaints.isEmpty else {
      paths += 1
      return
    }
    for event in pair.events {
      var next = pair.copy()
      if let complaint = next.meet(event) {
        complaints.append("after \(path): \(complaint)")
        return
      }
      explore(next, depth: depth - 1, path: path + [event], paths: &paths, complaints: &complaints)
    }
  }

  @Test("Long random lives", arguments: worlds)
  func randomLives(world: World) {
    for seed in UInt64(1)...60 {
      var random = SeededGenerator(seed: seed)
      var pair = PoolPair(settings: world.settings, bounds: world.bounds, reloads: world.reloads)
      for step in 0..<300 {
        var events = pair.events
        // Draining ends what is interesting; let it come late.
        if step < 250 { events.removeAll { $0 == .drain } }
        let event = events[Int(random.next() % UInt64(events.count))]
        if let complaint = pair.meet(event) {
          Issue.record("seed \(seed), step \(step): \(complaint)")
          break
        }
      }
    }
  }
}
