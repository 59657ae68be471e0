/// The upstream connections of one server, as one thread has them.
///
/// ```
///             connectSucceeded          leaseReturned
///  connecting ----------------> leased ---------------> closed
///      |                        ^    |                    ^
///      | connectFailed          |    | leaseReturned      | connectionClosed, sweep, eviction
///      v         requestArrived |    v                    |
///    closed                     +-- idle ----------------->+
///                                    | sweep               |
///                                    +-----> sentinel ---->+
/// ```
///
/// A pure state machine: it opens and closes nothing, it says what is to be opened and closed. Whenever an effect names
/// a connection to close, the pool has already forgotten it, and its slot may be given to the next one: act on effects
/// in order, at once. Every method costs a constant time and allocates nothing, but for the growth of the slot table up
/// to its limit.
package struct Pool: ~Copyable {
  /// What a slot holds. `idle` and `sentinel` slots are linked into the list of that name.
  private enum SlotState: BitwiseCopyable {
    /// Free. Next: connecting.
    case closed
    /// A connect is under way; for this exchange, unless it left. Next: leased, idle, closed.
    case connecting(ExchangeID?)
    /// Carries an exchange. Next: idle, leased (handed over), draining, closed.
    case leased
    /// Carries its last exchange: the pool drains. Next: closed.
    case draining
    /// Waits for an exchange. Next: leased, sentinel, closed.
    case idle
    /// Waits for the server to close it; never leased again. Next: closed.
    case sentinel
  }

  private struct Slot: BitwiseCopyable {
    var state: SlotState = .closed
    var generation: UInt32 = 0
    /// Towards the younger neighbour in its list; or the next free slot.
    var previous: UInt32 = Pool.none
    /// Towards the older neighbour in its list.
    var next: UInt32 = Pool.none
    var uses: UInt32 = 0
    var openedAt = Instant(nanoseconds: 0)
    var idleSince = Instant(nanoseconds: 0)
    /// That the server still keeps it is told when it reaches this idle age.
    var reportAge = Nanoseconds.unlimited
  }

  /// A list of slots, the youngest first, linked through the slots.
  private struct SlotList: BitwiseCopyable {
    var youngest: UInt32 = Pool.none
    var oldest: UInt32 = Pool.none
    var count: UInt32 = 0
  }

  private struct Waiter: BitwiseCopyable {
    var exchange: ExchangeID
    /// What the exchange may be given: any connection, one that is proven, or only a fresh one.
    var want: Want
    var isWaiting: Bool
    var generation: UInt32
    var deadline: Instant
    var previous: UInt32
    var next: UInt32
  }

  /// Which connection a waiting exchange takes.
  private enum Want: UInt8, BitwiseCopyable {
    case any
    /// It is not idempotent: one that the server is known to keep, if only for a moment.
    case proven
    case fresh
  }

  private static let none = UInt32.max

  package private(set) var settings: PoolSettings
  private var slots: [Slot] = []
  private var freeSlot = Pool.none
  private var idle = SlotList()
  private var sentinels = SlotList()
  private var connectingCount: UInt32 = 0
  private var leasedCount: UInt32 = 0
  private var waiters: [Waiter] = []
  private var freeWaiter = Pool.none
  private var firstWaiter = Pool.none
  private var lastWaiter = Pool.none
  private var waitingCount: UInt32 = 0
  private var isDraining = false

  package init(settings: PoolSettings) {
    self.settings = settings
  }

  /// Other limits, from now on: those of a reload. Sweep at once, which closes what idles beyond them, and use
  /// ``roomForWaiting()`` until there is none, since there may be more room than before.
  ///
  /// | now beyond the limits | what becomes of it |
  /// |---|---|
  /// | a leased connection | closes when it comes back |
  /// | one that is being opened | serves the exchange that it is opened for, then closes |
  /// | an idle one | closes with the next sweep |
  /// | an exchange whose connection dies or was stale | keeps its place: its next connection replaces the lost one |
  /// | an exchange that waits | keeps its turn and its deadline |
  package mutating func adopt(_ settings: PoolSettings) {
    self.settings = settings
  }

  /// Whether the limit leaves no place for a connection that is in no list and not counted: it was lowered meanwhile.
  private var isFull: Bool { connectionCount >= settings.maximumConnections }

  /// A second pool in the same state, for whoever explores what could happen next. Each goes its own way from here.
  package borrowing func copy() -> Pool {
    var copy = Pool(settings: settings)
    copy.slots = slots
    copy.freeSlot = freeSlot
    copy.idle = idle
    copy.sentinels = sentinels
    copy.connectingCount = connectingCount
    copy.leasedCount = leasedCount
    copy.waiters = waiters
    copy.freeWaiter = freeWaiter
    copy.firstWaiter = firstWaiter
    copy.lastWaiter = lastWaiter
    copy.waitingCount = waitingCount
    copy.isDraining = isDraining
    return copy
  }

  // MARK: - Requests

  /// The fate of an exchange that asks for a connection.
  package enum Admission: ~Copyable {
    /// Send on this connection.
    case lease(Lease)
    /// Open this connection for the exchange; close the other one first, if there is one.
    case connect(ConnectionID, closeFirst: ConnectionID?)
    /// All connections are busy: the exchange waits for its turn, at most until then.
    case wait(WaitTicket, until: Instant)
    /// Fail the exchange.
    case refused(Refusal)
  }

  package enum Refusal: UInt8, Sendable, Hashable, BitwiseCopyable {
    /// As many exchanges wait as may.
    case queueFull
    /// The pool drains and opens nothing any more.
    case draining
  }

  /// An exchange needs a connection.
  ///
  /// - Parameters:
  ///   - idempotent: whether its method is; another one takes no connection beyond `bounds.provenAge`.
  ///   - freshOnly: a replay, or a client that wants no reuse.
  ///   - bounds: the idle window as it is now.
  package mutating func requestArrived(
    _ exchange: ExchangeID, idempotent: Bool, freshOnly: Bool, bounds: IdleBounds, now: Instant
  ) -> Admission {
    if isDraining { return .refused(.draining) }
    if waitingCount == 0 {
      if !freshOnly, let slot = leasableSlot(idempotent: idempotent, bounds: bounds, now: now) {
        Pool.unlink(slot, from: &idle, in: &slots)
        return .lease(lease(slot, to: exchange, now: now))
      }
      if let opening = openConnection(for: exchange, replacesIdle: !freshOnly) {
        return .connect(opening.opened, closeFirst: opening.closed)
      }
    }
    guard waitingCount < settings.maximumWaiting else { return .refused(.queueFull) }
    let deadline = now.advanced(by: settings.maximumWait)
    let want: Want = freshOnly ? .fresh : idempotent ? .any : .proven
    return .wait(enqueue(exchange, want: want, deadline: deadline), until: deadline)
  }

  /// The host looked at a leased connection before writing and found that the server had closed it or had spoken
  /// unasked. The connection is forgotten (close it) and the exchange asks again, in the same step, so that nobody
  /// takes the room.
  package mutating func leaseFoundStale(
    _ lease: consuming Lease, idempotent: Bool, freshOnly: Bool, bounds: IdleBounds, now: Instant
  ) -> Admission {
    let exchange = lease.exchange
    let slot = endLease(lease)
    free(slot)
    if isDraining { return .refused(.draining) }
    if !freshOnly, let younger = leasableSlot(idempotent: idempotent, bounds: bounds, now: now) {
      Pool.unlink(younger, from: &idle, in: &slots)
      return .lease(self.lease(younger, to: exchange, now: now))
    }
    if let opening = openConnection(for: exchange, replacesIdle: !freshOnly) {
      return .connect(opening.opened, closeFirst: opening.closed)
    }
    // The limit was lowered while this exchange had its place. It keeps it: there are not more connections than before.
    return .connect(open(for: exchange), closeFirst: nil)
  }

  /// The fate of a connection that an exchange left to the next one of the same client.
  package enum Renewed: ~Copyable {
    /// Send on it.
    case lease(Lease)
    /// It has been idle, or open, for too long. Give it back, and ask for another.
    case tooOld(Lease)
  }

  /// The next exchange wants the connection that the last one kept its lease of: it belongs to their client alone
  /// (``ConnectionAuthentication``).
  ///
  /// The bounds hold as for any idle connection, but not the proven age, whatever the method: on another connection the client
  /// would have to sign in anew, and one that signs in by POSTs from far away would never come to the end of that.
  ///
  /// - Parameters:
  ///   - exchange: the next exchange.
  ///   - idleSince: when the last response on it ended.
  package mutating func leaseRenewed(
    _ lease: consuming Lease, for exchange: ExchangeID, idleSince: Instant, bounds: IdleBounds, now: Instant
  ) -> Renewed {
    let index = Int(checked(lease.connection))
    guard case .leased = slots[index].state, !isDraining else { return .tooOld(lease) }
    let since = min(idleSince, now)
    guard now.since(since) < min(bounds.leaseLimit, settings.maximumIdleAge),
      now.since(slots[index].openedAt) < min(bounds.connectionAgeLimit, settings.maximumConnectionAge),
      slots[index].uses < min(bounds.usesLimit, settings.maximumUses)
    else { return .tooOld(lease) }
    let slot = endLease(lease)
    slots[Int(slot)].idleSince = since
    return .lease(self.lease(slot, to: exchange, now: now))
  }

  // MARK: - Connections

  /// Room that has become free: the exchange that waited longest gets a connection opened.
  package enum Room: Sendable, Hashable, BitwiseCopyable {
    case unused
    case connect(ConnectionID, for: ExchangeID)
  }

  /// The fate of a connection that was just opened.
  package enum Connected: ~Copyable {
    /// Send the lease's exchange on it. It is the one that asked, or one that waited if that one left.
    case lease(Lease)
    /// Nobody needs it now: watch it as any idle connection. Close the other one, if there is one.
    case keptIdle(close: ConnectionID?)
    /// Nobody needs it and it may not stay: close it.
    case close
  }

  package mutating func connectSucceeded(_ connection: ConnectionID, bounds: IdleBounds, now: Instant) -> Connected {
    let slot = checked(connection)
    guard case .connecting(let owner) = slots[Int(slot)].state else {
      // Unreachable: the host forgets with the first word of a connect's end that it is one.
      preconditionFailure("only a connecting connection can succeed to connect")
    }
    connectingCount -= 1
    slots[Int(slot)].openedAt = now
    slots[Int(slot)].idleSince = now
    if let exchange = owner ?? (isFull ? nil : dequeue()?.exchange) {
      return .lease(lease(slot, to: exchange, now: now))
    }
    guard !isDraining, !isFull, settings.reuses, bounds.leaseLimit > .zero, settings.maximumIdleConnections > 0 else {
      free(slot)
      return .close
    }
    return .keptIdle(close: keepIdle(slot))
  }

  /// The connect failed; the host tells the exchange, if it is still there. The room goes to whoever waits.
  package mutating func connectFailed(_ connection: ConnectionID, now: Instant) -> Room {
    let slot = checked(connection)
    guard case .connecting = slots[Int(slot)].state else {
      // Unreachable: the host forgets with the first word of a connect's end that it is one.
      preconditionFailure("only a connecting connection can fail to connect")
    }
    connectingCount -= 1
    free(slot)
    return useRoom()
  }

  /// The exchange for which a connection is being opened left. The connect goes on: somebody else may use it.
  package mutating func connectingExchangeLeft(_ connection: ConnectionID) {
    let slot = checked(connection)
    guard case .connecting = slots[Int(slot)].state else {
      preconditionFailure("only a connecting connection has an exchange that waits for it")
    }
    slots[Int(slot)].state = .connecting(nil)
  }

  /// Why a connection that came back is not kept.
  package enum CloseReason: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// The exchange left it in a state that cannot carry another one.
    case notReusable
    case reuseOff
    case draining
    /// A reload has lowered the limit.
    case maximumConnections
    case maximumUses
    case maximumConnectionAge
    /// The server closes connections at this age, or after so many requests, or keeps none.
    case learnedLimit
    /// The exchange that waits longest wants a fresh connection.
    case freshWanted
    case maximumIdleConnections
    case maximumIdleAge
    /// Idle beyond the window, and enough sentinels stand.
    case idleWindow
    /// Closed to make room for a fresh one.
    case evicted
  }

  /// The fate of a connection whose lease was given back.
  package enum Returned: ~Copyable {
    /// Watch it as an idle connection. Close the other one, if there is one: too many are idle.
    case keptIdle(close: ConnectionID?)
    /// Send this exchange, which waited, on it.
    case handOver(Lease)
    /// Close it, then use the room.
    case close(CloseReason, Room)
  }

  /// An attempt is over.
  ///
  /// - Parameters:
  ///   - reusable: whether the exchange left the connection ready for the next one: both messages complete, nothing
  ///     said `close`.
  ///   - idleSince: when the last byte of the response arrived, if that was before it was read: a slow client holds the
  ///     reading back, and the server's timer runs meanwhile. `nil`: now.
  package mutating func leaseReturned(
    _ lease: consuming Lease, reusable: Bool, idleSince: Instant? = nil, bounds: IdleBounds, now: Instant
  ) -> Returned {
    let slot = endLease(lease)
    slots[Int(slot)].idleSince = min(idleSince ?? now, now)
    if reusable, !isDraining, isFull {
      free(slot)
      return .close(.maximumConnections, useRoom())
    }
    if let reason = reasonToClose(slots[Int(slot)], reusable: reusable, bounds: bounds, now: now) {
      if reason == .learnedLimit, bounds.leaseLimit == .zero, sentinels.count < settings.maximumSentinels,
        waitingCount == 0
      {
        standSentinel(slot, bounds: bounds)
        return .keptIdle(close: nil)
      }
      free(slot)
      return .close(reason, useRoom())
    }
    if let waiter = dequeue() {
      return .handOver(self.lease(slot, to: waiter.exchange, now: now))
    }
    return .keptIdle(close: keepIdle(slot))
  }

  /// A connection that was idle, or a sentinel, is gone: the server closed it or said something unasked. The host
  /// closes its side.
  package mutating func connectionClosed(_ connection: ConnectionID, now: Instant) -> Room {
    let slot = checked(connection)
    switch slots[Int(slot)].state {
    case .idle: Pool.unlink(slot, from: &idle, in: &slots)
    case .sentinel: Pool.unlink(slot, from: &sentinels, in: &slots)
    case .closed, .connecting, .leased, .draining:
      // Unreachable: the host asks ``isIdle(_:)`` first.
      preconditionFailure("only a connection that nobody uses can close by itself; the others come back as leases")
    }
    free(slot)
    return useRoom()
  }

  /// What is known of a connection, for the learner and the log; ask before ``connectionClosed(_:now:)``.
  package func facts(of connection: ConnectionID, now: Instant) -> LeaseFacts {
    let slot = checked(connection)
    return Pool.facts(of: slots[Int(slot)], at: slot, now: now)
  }

  /// Whether the pool still knows the connection: an event that was under way may name one that is gone.
  package func knows(_ connection: ConnectionID) -> Bool {
    guard connection.slot < slots.count else { return false }
    let slot = slots[Int(connection.slot)]
    guard slot.generation == connection.generation else { return false }
    if case .closed = slot.state { return false }
    return true
  }

  /// Whether the connection is idle or a sentinel: the host watches it for a FIN.
  package func isIdle(_ connection: ConnectionID) -> Bool {
    guard knows(connection) else { return false }
    switch slots[Int(connection.slot)].state {
    case .idle, .sentinel: return true
    case .closed, .connecting, .leased, .draining: return false
    }
  }

  // MARK: - Waiting

  /// An exchange left the queue before its turn: its client went away.
  package mutating func waitingExchangeLeft(_ ticket: WaitTicket) {
    guard waiters[Int(ticket.slot)].generation == ticket.generation, waiters[Int(ticket.slot)].isWaiting else {
      // Unreachable: a ticket is forgotten in the step in which its exchange leaves the queue.
      preconditionFailure("this exchange does not wait any more")
    }
    remove(ticket.slot)
  }

  /// The next exchange whose wait is over; ask until `nil`. Fail it. It looks at the whole queue: a reload may have
  /// shortened the wait of those who came later.
  package mutating func waitExpired(now: Instant) -> ExchangeID? {
    var index = firstWaiter
    while index != Pool.none {
      let waiter = waiters[Int(index)]
      if waiter.deadline <= now {
        remove(index)
        return waiter.exchange
      }
      index = waiter.next
    }
    return nil
  }

  /// When the next wait ends; `nil` when nobody waits.
  package var nextWaitExpiry: Instant? {
    var soonest: Instant?
    var index = firstWaiter
    while index != Pool.none {
      soonest = min(soonest ?? .distantFuture, waiters[Int(index)].deadline)
      index = waiters[Int(index)].next
    }
    return soonest
  }

  /// After a reload: room that was not there before, for the exchange that waits longest; ask until it is unused.
  package mutating func roomForWaiting() -> Room { isDraining ? .unused : useRoom() }

  // MARK: - Time

  /// One step of tidying up.
  package enum Sweep: Sendable, Hashable, BitwiseCopyable {
    /// Close this connection.
    case close(ConnectionID, CloseReason)
    /// Tell the learner that the server still keeps a connection at this idle age: a sentinel, or the one that has
    /// waited longest when that is news. `close` when it has served.
    case sentinelSurvived(ConnectionID, idleAge: Nanoseconds, close: Bool)
    /// Nothing more to do; sweep again then (``Instant/distantFuture``: not before something comes back).
    case done(next: Instant)
  }

  /// Closes what may not be leased any more, one connection a call; call until `done`.
  package mutating func sweep(bounds: IdleBounds, now: Instant) -> Sweep {
    if let beyond = closeBeyondLimits() { return beyond }
    while idle.oldest != Pool.none {
      let slot = idle.oldest
      let age = now.since(slots[Int(slot)].idleSince)
      if age >= settings.maximumIdleAge {
        Pool.unlink(slot, from: &idle, in: &slots)
        return .close(free(slot), .maximumIdleAge)
      }
      guard age >= bounds.leaseLimit else {
        if age >= slots[Int(slot)].reportAge, slots[Int(slot)].uses > 0, bounds.isNews(reuseAt: age) {
          slots[Int(slot)].reportAge = age * 5 / 4
          return .sentinelSurvived(identifier(slot), idleAge: age, close: false)
        }
        break
      }
      if sentinels.count >= settings.maximumSentinels, let served = relievedSentinel() {
        Pool.unlink(served, from: &sentinels, in: &slots)
        return .close(free(served), .idleWindow)
      }
      Pool.unlink(slot, from: &idle, in: &slots)
      guard sentinels.count < settings.maximumSentinels else { return .close(free(slot), .idleWindow) }
      standSentinel(slot, bounds: bounds)
    }
    var next = Instant.distantFuture
    if idle.oldest != Pool.none {
      let limit = min(bounds.leaseLimit, settings.maximumIdleAge)
      let oldest = slots[Int(idle.oldest)]
      next = oldest.idleSince.advanced(by: limit)
      // What it will tell then lets more requests use connections.
      if oldest.uses > 0, bounds.isNews(reuseAt: oldest.reportAge) {
        next = min(next, oldest.idleSince.advanced(by: oldest.reportAge))
      }
    }
    var slot = sentinels.oldest
    while slot != Pool.none {
      let age = now.since(slots[Int(slot)].idleSince)
      if age >= settings.maximumIdleAge {
        Pool.unlink(slot, from: &sentinels, in: &slots)
        return .sentinelSurvived(free(slot), idleAge: age, close: true)
      }
      if age >= slots[Int(slot)].reportAge {
        slots[Int(slot)].reportAge = .unlimited
        return .sentinelSurvived(identifier(slot), idleAge: age, close: false)
      }
      let due = min(slots[Int(slot)].reportAge, settings.maximumIdleAge)
      next = min(next, slots[Int(slot)].idleSince.advanced(by: due))
      slot = slots[Int(slot)].previous
    }
    return .done(next: next)
  }

  /// What idles beyond limits that a reload has lowered.
  private mutating func closeBeyondLimits() -> Sweep? {
    let isBeyond = connectionCount > settings.maximumConnections
    if sentinels.oldest != Pool.none, isBeyond || sentinels.count > settings.maximumSentinels {
      let slot = sentinels.oldest
      Pool.unlink(slot, from: &sentinels, in: &slots)
      return .close(free(slot), isBeyond ? .maximumConnections : .idleWindow)
    }
    guard idle.oldest != Pool.none else { return nil }
    let reason: CloseReason
    if !settings.reuses {
      reason = .reuseOff
    } else if isBeyond {
      reason = .maximumConnections
    } else if idle.count > settings.maximumIdleConnections {
      reason = .maximumIdleConnections
    } else {
      return nil
    }
    let slot = idle.oldest
    Pool.unlink(slot, from: &idle, in: &slots)
    return .close(free(slot), reason)
  }

  /// One step of draining.
  package enum Drain: Sendable, Hashable, BitwiseCopyable {
    case close(ConnectionID)
    /// Abandon this connect; whoever it was for is failed.
    case abandonConnect(ConnectionID, ExchangeID?)
    case fail(ExchangeID)
    /// The rest carry their last exchange; `drained` says when they are done.
    case done
  }

  /// The server is no longer wanted. Call until `done`; leased connections close when they come back.
  package mutating func drain() -> Drain {
    isDraining = true
    if idle.oldest != Pool.none {
      let slot = idle.oldest
      Pool.unlink(slot, from: &idle, in: &slots)
      return .close(free(slot))
    }
    if sentinels.oldest != Pool.none {
      let slot = sentinels.oldest
      Pool.unlink(slot, from: &sentinels, in: &slots)
      return .close(free(slot))
    }
    if let waiter = dequeue() { return .fail(waiter.exchange) }
    for slot in slots.indices {
      switch slots[slot].state {
      case .connecting(let exchange):
        connectingCount -= 1
        return .abandonConnect(free(UInt32(slot)), exchange)
      case .leased: slots[slot].state = .draining
      case .closed, .draining: break
      case .idle, .sentinel: preconditionFailure("all idle connections were closed above")
      }
    }
    return .done
  }

  package var isDrained: Bool { isDraining && connectionCount == 0 && waitingCount == 0 }

  // MARK: - Numbers

  package struct Counts: Sendable, Hashable, BitwiseCopyable {
    package var connecting: UInt32
    package var leased: UInt32
    package var idle: UInt32
    package var sentinels: UInt32
    package var waiting: UInt32
  }

  package var counts: Counts {
    Counts(
      connecting: connectingCount, leased: leasedCount, idle: idle.count, sentinels: sentinels.count,
      waiting: waitingCount)
  }

  package var connectionCount: UInt32 { connectingCount + leasedCount + idle.count + sentinels.count }

  // MARK: - Leasing

  /// How many idle connections one request looks at. The list is nearly in order of idle age, but only roughly of
  /// connection age and not of uses, so one that has had its share of them must not hide the others.
  private static let maximumLooks = 4

  private func leasableSlot(idempotent: Bool, bounds: IdleBounds, now: Instant) -> UInt32? {
    // What idles may have been kept under other settings.
    guard settings.reuses else { return nil }
    var idleLimit = min(bounds.leaseLimit, settings.maximumIdleAge)
    if !idempotent { idleLimit = min(idleLimit, bounds.provenAge) }
    let ageLimit = min(bounds.connectionAgeLimit, settings.maximumConnectionAge)
    let usesLimit = min(bounds.usesLimit, settings.maximumUses)
    var slot = idle.youngest
    var looks = 0
    // Nothing is learned of how long a server waits for the first request of a connection; that one is for what can be
    // repaired.
    while slot != Pool.none, looks < Pool.maximumLooks {
      let candidate = slots[Int(slot)]
      // The list is in the order of coming back. One that came back late from a slow client must not hide those behind
      // it.
      if now.since(candidate.idleSince) < idleLimit, now.since(candidate.openedAt) < ageLimit,
        candidate.uses < usesLimit,
        idempotent
          || candidate.idleSince >= bounds.trustedSince
            && (candidate.uses > 0 || now.since(candidate.idleSince) < IdleBounds.provenAgeFloor)
      {
        return slot
      }
      slot = candidate.next
      looks += 1
    }
    return nil
  }

  private mutating func lease(_ slot: UInt32, to exchange: ExchangeID, now: Instant) -> Lease {
    // Read once and written once: every access to the table is checked.
    var entry = slots[Int(slot)]
    let facts = Pool.facts(of: entry, at: slot, now: now)
    entry.uses += 1
    entry.state = .leased
    slots[Int(slot)] = entry
    leasedCount += 1
    return Lease(facts: facts, exchange: exchange)
  }

  private mutating func endLease(_ lease: consuming Lease) -> UInt32 {
    let slot = checked(lease.end().connection)
    switch slots[Int(slot)].state {
    case .leased, .draining: leasedCount -= 1
    case .closed, .connecting, .idle, .sentinel:
      // Unreachable: a lease cannot be copied, and its connection is leased until it ends.
      preconditionFailure("a lease came back for a connection that is not leased")
    }
    return slot
  }

  private static func facts(of entry: Slot, at slot: UInt32, now: Instant) -> LeaseFacts {
    let idleAge = now.since(entry.idleSince)
    return LeaseFacts(
      connection: ConnectionID(slot: slot, generation: entry.generation), idleAge: idleAge,
      connectionAge: now.since(entry.openedAt), uses: entry.uses)
  }

  private func reasonToClose(_ entry: Slot, reusable: Bool, bounds: IdleBounds, now: Instant) -> CloseReason? {
    if !reusable { return .notReusable }
    if isDraining { return .draining }
    if !settings.reuses { return .reuseOff }
    if entry.uses >= settings.maximumUses { return .maximumUses }
    let age = now.since(entry.openedAt)
    if age >= settings.maximumConnectionAge { return .maximumConnectionAge }
    if bounds.leaseLimit <= .zero || age >= bounds.connectionAgeLimit || entry.uses >= bounds.usesLimit {
      return .learnedLimit
    }
    let idleAge = now.since(entry.idleSince)
    if idleAge >= bounds.leaseLimit || idleAge >= settings.maximumIdleAge { return .idleWindow }
    if firstWaiter != Pool.none {
      switch waiters[Int(firstWaiter)].want {
      case .any: return nil
      // Even an idle age of zero is too old where the server closes right after responses.
      case .proven: return idleAge < bounds.provenAge ? nil : .freshWanted
      case .fresh: return .freshWanted
      }
    }
    return settings.maximumIdleConnections == 0 ? .maximumIdleConnections : nil
  }

  private mutating func keepIdle(_ slot: UInt32) -> ConnectionID? {
    var closed: ConnectionID?
    if idle.count >= settings.maximumIdleConnections {
      let oldest = idle.oldest
      Pool.unlink(oldest, from: &idle, in: &slots)
      closed = free(oldest)
    }
    var entry = slots[Int(slot)]
    entry.state = .idle
    entry.reportAge = Pool.firstReportAge
    Pool.link(slot, entry, into: &idle, in: &slots)
    return closed
  }

  // MARK: - Sentinels

  /// From this idle age on it is told that the server keeps what it was not known to keep.
  private static let firstReportAge = Nanoseconds.milliseconds(100)
  /// A sentinel's survival is news, once, when it is well past twice the timeout that the window implies, and not
  /// before this much more than the window.
  private static let sentinelReportFloor = Nanoseconds.milliseconds(200)

  /// A sentinel that has told what it could makes room for the next: a server that closes late would fill all places
  /// for good, and one beside it that closes early would never be seen. The longest-standing stays, to see how late
  /// that is.
  private func relievedSentinel() -> UInt32? {
    var slot = sentinels.youngest
    while slot != sentinels.oldest {
      if slots[Int(slot)].reportAge == .unlimited { return slot }
      slot = slots[Int(slot)].next
    }
    return nil
  }

  private mutating func standSentinel(_ slot: UInt32, bounds: IdleBounds) {
    var entry = slots[Int(slot)]
    entry.state = .sentinel
    entry.reportAge = max(bounds.leaseLimit * 22 / 10, bounds.leaseLimit + Pool.sentinelReportFloor)
    Pool.link(slot, entry, into: &sentinels, in: &slots)
  }

  // MARK: - Room

  /// Connections that idle beside what the requests under way need, for the next ones and to see how long they are kept.
  static let spareIdleConnections: UInt32 = 2

  /// - Parameter replacesIdle: whether it was looked for an idle connection, and there is none that the request may use.
  ///   Where many idle that nobody may use, they would be more with every request; a server that has a thread or a process
  ///   for each would soon have none left.
  private mutating func openConnection(
    for exchange: ExchangeID, replacesIdle: Bool
  ) -> (opened: ConnectionID, closed: ConnectionID?)? {
    var victim = Pool.none
    if connectionCount >= settings.maximumConnections {
      if sentinels.oldest != Pool.none {
        victim = sentinels.oldest
        Pool.unlink(victim, from: &sentinels, in: &slots)
      } else if idle.oldest != Pool.none {
        victim = idle.oldest
        Pool.unlink(victim, from: &idle, in: &slots)
      } else {
        return nil
      }
    } else if replacesIdle, idle.count > leasedCount + connectingCount + Pool.spareIdleConnections {
      // The one idle longest stays: it shows how long the server keeps connections.
      victim = slots[Int(idle.oldest)].previous
      Pool.unlink(victim, from: &idle, in: &slots)
    }
    let closed = victim == Pool.none ? nil : free(victim)
    return (open(for: exchange), closed)
  }

  private mutating func useRoom() -> Room {
    guard connectionCount < settings.maximumConnections, let waiter = dequeue() else { return .unused }
    return .connect(open(for: waiter.exchange), for: waiter.exchange)
  }

  private mutating func open(for exchange: ExchangeID) -> ConnectionID {
    let slot: UInt32
    if freeSlot != Pool.none {
      slot = freeSlot
      freeSlot = slots[Int(slot)].previous
    } else {
      slot = UInt32(slots.count)
      slots.append(Slot())
    }
    slots[Int(slot)].state = .connecting(exchange)
    slots[Int(slot)].uses = 0
    slots[Int(slot)].previous = Pool.none
    connectingCount += 1
    return identifier(slot)
  }

  /// Forgets a connection that is in no list; returns the name that it had.
  @discardableResult
  private mutating func free(_ slot: UInt32) -> ConnectionID {
    let identifier = identifier(slot)
    slots[Int(slot)].state = .closed
    slots[Int(slot)].generation &+= 1
    slots[Int(slot)].next = Pool.none
    slots[Int(slot)].previous = freeSlot
    freeSlot = slot
    return identifier
  }

  private func identifier(_ slot: UInt32) -> ConnectionID {
    ConnectionID(slot: slot, generation: slots[Int(slot)].generation)
  }

  private func checked(_ connection: ConnectionID) -> UInt32 {
    // Unreachable: leases keep their connections known, and the host forgets the name of every other one with the connection.
    precondition(knows(connection), "the pool does not know this connection (any more)")
    return connection.slot
  }

  // MARK: - Lists

  /// Writes the entry of a slot as the youngest of a list.
  private static func link(_ slot: UInt32, _ unlinked: Slot, into list: inout SlotList, in slots: inout [Slot]) {
    var entry = unlinked
    entry.previous = Pool.none
    entry.next = list.youngest
    slots[Int(slot)] = entry
    if list.youngest != Pool.none {
      slots[Int(list.youngest)].previous = slot
    } else {
      list.oldest = slot
    }
    list.youngest = slot
    list.count += 1
  }

  private static func unlink(_ slot: UInt32, from list: inout SlotList, in slots: inout [Slot]) {
    let previous = slots[Int(slot)].previous
    let next = slots[Int(slot)].next
    if previous != Pool.none { slots[Int(previous)].next = next } else { list.youngest = next }
    if next != Pool.none { slots[Int(next)].previous = previous } else { list.oldest = previous }
    list.count -= 1
  }

  private mutating func enqueue(_ exchange: ExchangeID, want: Want, deadline: Instant) -> WaitTicket {
    let index: UInt32
    if freeWaiter != Pool.none {
      index = freeWaiter
      freeWaiter = waiters[Int(index)].next
    } else {
      index = UInt32(waiters.count)
      waiters.append(
        Waiter(
          exchange: exchange, want: want, isWaiting: false, generation: 0, deadline: deadline,
          previous: Pool.none, next: Pool.none))
    }
    waiters[Int(index)] = Waiter(
      exchange: exchange, want: want, isWaiting: true, generation: waiters[Int(index)].generation,
      deadline: deadline, previous: lastWaiter, next: Pool.none)
    if lastWaiter != Pool.none { waiters[Int(lastWaiter)].next = index } else { firstWaiter = index }
    lastWaiter = index
    waitingCount += 1
    return WaitTicket(slot: index, generation: waiters[Int(index)].generation)
  }

  private mutating func dequeue() -> Waiter? {
    guard firstWaiter != Pool.none else { return nil }
    let waiter = waiters[Int(firstWaiter)]
    remove(firstWaiter)
    return waiter
  }

  private mutating func remove(_ index: UInt32) {
    let previous = waiters[Int(index)].previous
    let next = waiters[Int(index)].next
    if previous != Pool.none { waiters[Int(previous)].next = next } else { firstWaiter = next }
    if next != Pool.none { waiters[Int(next)].previous = previous } else { lastWaiter = previous }
    waiters[Int(index)].isWaiting = false
    waiters[Int(index)].generation &+= 1
    waiters[Int(index)].previous = Pool.none
    waiters[Int(index)].next = freeWaiter
    freeWaiter = index
    waitingCount -= 1
  }
}
