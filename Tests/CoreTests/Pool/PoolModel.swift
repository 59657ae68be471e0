@testable import Core

/// A pool as one would write it without a thought of cost: arrays, searched from end to end. The real one must agree
/// with it.
struct PoolModel {
  enum State: Equatable {
    case connecting(ExchangeID?)
    case leased(ExchangeID)
    case idle
    case sentinel(reportAge: Nanoseconds)
  }

  struct Connection {
    var id: ConnectionID
    var state: State
    var openedAt: Instant
    var idleSince: Instant
    var uses: UInt32
    /// Grows with every time that a connection goes idle: the youngest has the greatest.
    var order: Int
    /// An idle connection: when it is told that the server keeps it.
    var reportAge = Nanoseconds.milliseconds(100)
  }

  struct Waiter {
    var exchange: ExchangeID
    var idempotent: Bool
    var freshOnly: Bool
    var deadline: Instant
    var ticket: WaitTicket
  }

  enum Admission: Equatable {
    case lease(LeaseFacts)
    /// The name of the new connection is the pool's to choose.
    case connect(closeFirst: ConnectionID?)
    case wait(until: Instant)
    case refused(Pool.Refusal)
  }

  enum Room: Equatable {
    case unused
    case connect(for: ExchangeID)
  }

  enum Returned: Equatable {
    case keptIdle(close: ConnectionID?)
    case handOver(ExchangeID, LeaseFacts)
    case close(Pool.CloseReason, Room)
  }

  enum Connected: Equatable {
    case lease(ExchangeID, LeaseFacts)
    case keptIdle(close: ConnectionID?)
    case close
  }

  private(set) var settings: PoolSettings
  var connections: [Connection] = []
  var waiters: [Waiter] = []
  var isDraining = false
  private var order = 0

  init(settings: PoolSettings) {
    self.settings = settings
  }

  // MARK: - Events

  /// A reload, and what the host does at once: everything beyond the limits closes, whatever room there is is used.
  mutating func adopt(_ settings: PoolSettings) -> (closed: Set<ConnectionID>, rooms: [ExchangeID]) {
    self.settings = settings
    var closed: Set<ConnectionID> = []
    func limit(_ state: (State) -> Bool, _ isBeyond: (PoolModel) -> Bool, _ model: inout PoolModel) {
      while isBeyond(model), let index = model.oldest(where: state) {
        closed.insert(model.connections.remove(at: index).id)
      }
    }
    limit({ $0.isSentinel }, { $0.connections.count > Int(settings.maximumConnections) }, &self)
    limit({ $0.isSentinel }, { $0.count { $0.isSentinel } > Int(settings.maximumSentinels) }, &self)
    limit({ $0 == .idle }, { $0.connections.count > Int(settings.maximumConnections) }, &self)
    limit(
      { $0 == .idle }, { !settings.reuses || $0.count { $0 == .idle } > Int(settings.maximumIdleConnections) }, &self)
    var rooms: [ExchangeID] = []
    while !isDraining, case .connect(let exchange) = room(besides: rooms.count) { rooms.append(exchange) }
    return (closed, rooms)
  }

  mutating func requestArrived(
    _ exchange: ExchangeID, idempotent: Bool, freshOnly: Bool, bounds: IdleBounds, now: Instant, again: Bool = false
  ) -> Admission {
    if isDraining { return .refused(.draining) }
    if waiters.isEmpty || again {
      if !freshOnly, settings.reuses, let index = bestIdle(idempotent: idempotent, bounds: bounds, now: now) {
        return .lease(lease(index, to: exchange, now: now))
      }
      if connections.count < Int(settings.maximumConnections) {
        let idle = connections.indices.filter { connections[$0].state == .idle }.sorted {
          connections[$0].order < connections[$1].order
        }
        let busy = connections.count - idle.count - count { $0.isSentinel }
        guard !freshOnly, idle.count > busy + 2 else { return .connect(closeFirst: nil) }
        return .connect(closeFirst: connections.remove(at: idle[1]).id)
      }
      if let victim = oldest(where: { $0.isSentinel }) ?? oldest(where: { $0 == .idle }) {
        return .connect(closeFirst: connections.remove(at: victim).id)
      }
      // It had a place before a reload took places away, and keeps it.
      if again { return .connect(closeFirst: nil) }
    }
    if waiters.count >= Int(settings.maximumWaiting) { return .refused(.queueFull) }
    return .wait(until: now.advanced(by: settings.maximumWait))
  }

  /// The pool named the connection that it opens.
  mutating func opened(_ id: ConnectionID, for exchange: ExchangeID) {
    connections.append(
      Connection(
        id: id, state: .connecting(exchange), openedAt: .distantFuture, idleSince: .distantFuture, uses: 0, order: 0))
  }

  mutating func connectSucceeded(_ id: ConnectionID, bounds: IdleBounds, now: Instant) -> Connected {
    let index = index(of: id)
    guard case .connecting(let owner) = connections[index].state else { preconditionFailure("not connecting") }
    connections[index].openedAt = now
    connections[index].idleSince = now
    var exchange = owner
    let isFull = connections.count > Int(settings.maximumConnections)
    if exchange == nil, !isFull, !waiters.isEmpty { exchange = waiters.removeFirst().exchange }
    if let exchange { return .lease(exchange, lease(index, to: exchange, now: now)) }
    if isDraining || isFull || !settings.reuses || bounds.leaseLimit <= .zero || settings.maximumIdleConnections == 0 {
      connections.remove(at: index)
      return .close
    }
    return .keptIdle(close: becomeIdle(id, now: now))
  }

  mutating func connectFailed(_ id: ConnectionID) -> Room {
    connections.remove(at: index(of: id))
    return room()
  }

  mutating func connectingExchangeLeft(_ id: ConnectionID) {
    connections[index(of: id)].state = .connecting(nil)
  }

  mutating func leaseReturned(_ id: ConnectionID, reusable: Bool, bounds: IdleBounds, now: Instant) -> Returned {
    let index = index(of: id)
    connections[index].idleSince = now
    let connection = connections[index]
    if let reason = reasonToClose(connection, reusable: reusable, bounds: bounds, now: now) {
      if reason == .learnedLimit, bounds.leaseLimit == .zero, waiters.isEmpty,
        count({ $0.isSentinel }) < Int(settings.maximumSentinels)
      {
        order += 1
        connections[index].order = order
        connections[index].state = .sentinel(reportAge: .milliseconds(200))
        return .keptIdle(close: nil)
      }
      connections.remove(at: index)
      return .close(reason, room())
    }
    if !waiters.isEmpty {
      let waiter = waiters.removeFirst()
      return .handOver(waiter.exchange, lease(index, to: waiter.exchange, now: now))
    }
    return .keptIdle(close: becomeIdle(id, now: now))
  }

  mutating func connectionClosed(_ id: ConnectionID) -> Room {
    connections.remove(at: index(of: id))
    return room()
  }

  /// Everything that one round of sweeping closes or reports, in no particular order.
  mutating func sweep(bounds: IdleBounds, now: Instant) -> Set<Pool.Sweep> {
    var steps: Set<Pool.Sweep> = []
    for connection in connections.filter({ $0.state == .idle }).sorted(by: { $0.order < $1.order }) {
      let age = now.since(connection.idleSince)
      if age >= settings.maximumIdleAge {
        steps.insert(.close(connection.id, .maximumIdleAge))
        connections.removeAll { $0.id == connection.id }
      } else if age >= bounds.leaseLimit {
        if count({ $0.isSentinel }) >= Int(settings.maximumSentinels), let served = relieved() {
          steps.insert(.close(served, .idleWindow))
          connections.removeAll { $0.id == served }
        }
        if count({ $0.isSentinel }) < Int(settings.maximumSentinels) {
          let reportAge = max(bounds.leaseLimit * 22 / 10, bounds.leaseLimit + .milliseconds(200))
          order += 1
          connections[self.index(of: connection.id)].order = order
          connections[self.index(of: connection.id)].state = .sentinel(reportAge: reportAge)
        } else {
          steps.insert(.close(connection.id, .idleWindow))
          connections.removeAll { $0.id == connection.id }
        }
      }
    }
    let waiting = connections.filter { $0.state == .idle }
    if let oldest = waiting.min(by: { $0.order < $1.order }), oldest.uses > 0 {
      let age = now.since(oldest.idleSince)
      if age >= oldest.reportAge, bounds.isNews(reuseAt: age) {
        steps.insert(.sentinelSurvived(oldest.id, idleAge: age, close: false))
        connections[self.index(of: oldest.id)].reportAge = age * 5 / 4
      }
    }
    for connection in connections {
      guard case .sentinel(let reportAge) = connection.state else { continue }
      let age = now.since(connection.idleSince)
      if age >= settings.maximumIdleAge {
        steps.insert(.sentinelSurvived(connection.id, idleAge: age, close: true))
        connections.removeAll { $0.id == connection.id }
      } else if age >= reportAge {
        steps.insert(.sentinelSurvived(connection.id, idleAge: age, close: false))
        connections[self.index(of: connection.id)].state = .sentinel(reportAge: .unlimited)
      }
    }
    return steps
  }

  /// Everything that draining does at once; leased connections go on.
  mutating func drain() -> (closed: Set<ConnectionID>, failed: Set<ExchangeID>) {
    isDraining = true
    var closed: Set<ConnectionID> = []
    var failed = Set(waiters.map(\.exchange))
    waiters.removeAll()
    for connection in connections {
      switch connection.state {
      case .leased: continue
      case .connecting(let exchange): if let exchange { failed.insert(exchange) }
      case .idle, .sentinel: break
      }
      closed.insert(connection.id)
    }
    connections.removeAll { closed.contains($0.id) }
    return (closed, failed)
  }

  // MARK: - Queries

  func ids(where matches: (State) -> Bool) -> [ConnectionID] {
    connections.filter { matches($0.state) }.map(\.id)
  }

  func count(_ matches: (State) -> Bool) -> Int { connections.count { matches($0.state) } }

  var counts: Pool.Counts {
    Pool.Counts(
      connecting: UInt32(count { if case .connecting = $0 { true } else { false } }),
      leased: UInt32(count { if case .leased = $0 { true } else { false } }),
      idle: UInt32(count { $0 == .idle }), sentinels: UInt32(count { $0.isSentinel }), waiting: UInt32(waiters.count))
  }

  // MARK: - Parts

  private func index(of id: ConnectionID) -> Int { connections.firstIndex { $0.id == id }! }

  private func bestIdle(idempotent: Bool, bounds: IdleBounds, now: Instant) -> Int? {
    let candidates = connections.indices.filter { index in
      let connection = connections[index]
      let idleAge = now.since(connection.idleSince)
      return connection.state == .idle && idleAge < settings.maximumIdleAge && idleAge < bounds.leaseLimit
        && (idempotent || idleAge < bounds.provenAge)
        && now.since(connection.openedAt) < min(settings.maximumConnectionAge, bounds.connectionAgeLimit)
        && connection.uses < min(settings.maximumUses, bounds.usesLimit)
        && (idempotent || connection.uses > 0 || idleAge < .milliseconds(10))
        && (idempotent || connection.idleSince >= bounds.trustedSince)
    }
    return candidates.max { connections[$0].order < connections[$1].order }
  }

  private func oldest(where matches: (State) -> Bool) -> Int? {
    connections.indices.filter { matches(connections[$0].state) }.min { connections[$0].order < connections[$1].order }
  }

  /// The youngest sentinel that has told of its survival, unless it is the one that stands longest.
  private func relieved() -> ConnectionID? {
    let standing = connections.filter { $0.state.isSentinel }.sorted { $0.order > $1.order }
    return standing.dropLast().first { $0.state == .sentinel(reportAge: .unlimited) }?.id
  }

  private mutating func lease(_ index: Int, to exchange: ExchangeID, now: Instant) -> LeaseFacts {
    let connection = connections[index]
    let idleAge = now.since(connection.idleSince)
    connections[index].uses += 1
    connections[index].state = .leased(exchange)
    return LeaseFacts(
      connection: connection.id, idleAge: idleAge, connectionAge: now.since(connection.openedAt),
      uses: connection.uses)
  }

  private mutating func becomeIdle(_ id: ConnectionID, now: Instant) -> ConnectionID? {
    var closed: ConnectionID?
    if count({ $0 == .idle }) >= Int(settings.maximumIdleConnections), let victim = oldest(where: { $0 == .idle }) {
      closed = connections.remove(at: victim).id
    }
    order += 1
    let index = index(of: id)
    connections[index].state = .idle
    connections[index].idleSince = now
    connections[index].order = order
    connections[index].reportAge = .milliseconds(100)
    return closed
  }

  private mutating func room(besides opened: Int = 0) -> Room {
    if connections.count + opened >= Int(settings.maximumConnections) || waiters.isEmpty { return .unused }
    return .connect(for: waiters.removeFirst().exchange)
  }

  private func reasonToClose(
    _ connection: Connection, reusable: Bool, bounds: IdleBounds, now: Instant
  ) -> Pool.CloseReason? {
    if !reusable { return .notReusable }
    if isDraining { return .draining }
    if connections.count > Int(settings.maximumConnections) { return .maximumConnections }
    if !settings.reuses { return .reuseOff }
    if connection.uses >= settings.maximumUses { return .maximumUses }
    let age = now.since(connection.openedAt)
    if age >= settings.maximumConnectionAge { return .maximumConnectionAge }
    if bounds.leaseLimit <= .zero || age >= bounds.connectionAgeLimit || connection.uses >= bounds.usesLimit {
      return .learnedLimit
    }
    if .zero >= settings.maximumIdleAge { return .idleWindow }
    if let first = waiters.first {
      return first.freshOnly || (!first.idempotent && bounds.provenAge <= .zero) ? .freshWanted : nil
    }
    return settings.maximumIdleConnections == 0 ? .maximumIdleConnections : nil
  }
}

extension PoolModel.State {
  var isSentinel: Bool {
    if case .sentinel = self { true } else { false }
  }
}
