internal import Core
internal import Glibc

/// The event loop of a scripted origin.
struct OriginLoop: ~Copyable {
  private enum Token {
    static let listener: UInt64 = 0
    static let timer: UInt64 = 1
    static let wakeup: UInt64 = 2
    /// In the timer queue: accept again.
    static let acceptAgain: UInt64 = 3
  }

  private static let connectionKind: UInt8 = 1
  /// For a head that has begun, a body that stalls, a peer that does not end.
  static let patience = Nanoseconds.seconds(30)
  static let drainTime = Nanoseconds.seconds(1)
  /// Before accepting is tried again when descriptors have run out.
  private static let acceptPause = Nanoseconds.milliseconds(20)
  static let farewell: StaticString =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

  let shared: OriginShared
  var poller: Poller
  private var timer: PreciseTimer
  var timers = TimerQueue()
  var connections = Slab<OriginConnection>(kind: OriginLoop.connectionKind)
  var generator: SeededGenerator
  private var accepted = 0

  init(_ shared: OriginShared) throws(SystemError) {
    let poller = try Poller()
    let timer = try PreciseTimer()
    try poller.register(shared.listener.number, for: .readable, trigger: .level, token: Token.listener)
    try poller.register(timer.number, for: .readable, trigger: .level, token: Token.timer)
    try poller.register(shared.wakeup.number, for: .readable, trigger: .level, token: Token.wakeup)
    self.shared = shared
    self.poller = poller
    self.timer = timer
    generator = SeededGenerator(seed: shared.state.withLock { $0.script.seed })
  }

  mutating func run() {
    while !shared.isOver {
      timer.set(timers.soonest)
      let count = poller.wait(atMost: nil)
      for index in 0..<count {
        switch poller.token(at: index) {
        case Token.listener: acceptAll()
        case Token.timer: timer.clear()
        case Token.wakeup: shared.wakeup.clear()
        case let token:
          if let connection = connections.element(token) { descriptorReady(connection, poller.readiness(at: index)) }
        }
      }
      fireTimers()
    }
  }

  // MARK: Connections

  mutating func acceptAll() {
    while true {
      do throws(SystemError) {
        guard let incoming = try Socket.accept(shared.listener.number) else { return }
        accepted += 1
        let number = accepted
        let peer = incoming.peer
        let descriptor = incoming.takeDescriptor()
        Socket.sendPromptly(descriptor.number)
        var holder: Descriptor? = consume descriptor
        let connection = connections.insert { token in
          // The closure runs once.
          OriginConnection(descriptor: holder.take()!, token: token, number: number)
        }
        try poller.register(
          connection.descriptor.number, for: [.readable, .writable, .peerClosed], trigger: .edge,
          token: connection.token)
        shared.count {
          $0.accepted += 1
          $0.open += 1
        }
        note(connection, "accepted from \(peer)")
        opened(connection)
      } catch {
        // Out of descriptors: the listener stays ready, so that asking again at once would spin.
        poller.deregister(shared.listener.number)
        timers.schedule(Token.acceptAgain, at: MonotonicClock.now.advanced(by: Self.acceptPause))
        return
      }
    }
  }

  mutating func opened(_ connection: OriginConnection) {
    let script = shared.state.withLock { $0.script }
    connection.steps = script.plan.steps(for: connection.number)
    if connection.followsSteps {
      connection.phase = .stepping
      return process(connection)
    }
    if let greeting = script.language.greeting {
      connection.output.append(greeting)
      _ = send(connection)
    }
    becomeIdle(connection)
  }

  mutating func close(_ connection: OriginConnection, aborting: Bool = false) {
    if aborting { Socket.abortOnClose(connection.descriptor.number) }
    connections.remove(connection.token)
    shared.count { $0.open -= 1 }
    // The slab held the last reference but the caller's: the descriptor is closed when that is given up.
  }

  /// Tells whoever watches. The text is made only for him.
  func note(_ connection: OriginConnection, _ text: @autoclosure () -> String) {
    guard let watcher = shared.watcher else { return }
    watcher(OriginEvent(connection: connection.number, at: MonotonicClock.now, text: text()))
  }

  // MARK: Timers

  mutating func setDeadline(_ connection: OriginConnection, _ deadline: Instant) {
    connection.deadline = deadline
    guard deadline < connection.armed else { return }
    connection.armed = deadline
    timers.schedule(connection.token, at: deadline)
  }

  mutating func fireTimers() {
    guard let soonest = timers.soonest, soonest <= MonotonicClock.now else { return }
    let now = MonotonicClock.now
    while let token = timers.nextDue(at: now) {
      if token == Token.acceptAgain {
        try? poller.register(shared.listener.number, for: .readable, trigger: .level, token: Token.listener)
        continue
      }
      guard let connection = connections.element(token) else { continue }
      connection.armed = .distantFuture
      if connection.deadline > now {
        setDeadline(connection, connection.deadline)
      } else {
        deadlineReached(connection)
      }
    }
  }

  mutating func deadlineReached(_ connection: OriginConnection) {
    switch connection.phase {
    case .idle: endIdle(connection)
    case .delaying:
      respond(connection)
      process(connection)
    case .trickling:
      trickle(connection)
      process(connection)
    case .pausing:
      connection.phase = .stepping
      process(connection)
    case .readingHead, .readingBody, .writing, .halfClosed, .draining:
      note(connection, "waited too long for the peer; closes")
      close(connection)
    case .stepping, .awaitingBytes: break
    }
  }

  mutating func becomeIdle(_ connection: OriginConnection) {
    connection.phase = .idle
    connection.request = nil
    let script = shared.state.withLock { $0.script }
    guard let idle = script.idle else { return setDeadline(connection, .distantFuture) }
    let jitter = script.jitter.count
    let drawn = jitter > 0 ? idle + Nanoseconds(Int64.random(in: -jitter...jitter, using: &generator)) : idle
    setDeadline(connection, MonotonicClock.now.advanced(by: drawn))
  }

  mutating func endIdle(_ connection: OriginConnection) {
    if shared.state.withLock({ $0.script.looks }), case .bytes = Socket.glance(connection.descriptor.number) {
      setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
      return descriptorReady(connection, [.readable, .peerClosed])
    }
    let way = shared.state.withLock { state in
      state.counters.idleEnds += 1
      if state.script.atIdle == .farewell { state.counters.farewells += 1 }
      return state.script.atIdle
    }
    note(connection, "idle: \(way.rawValue)")
    switch way {
    case .close: close(connection)
    case .abort: close(connection, aborting: true)
    case .farewell:
      connection.output.append(Self.farewell)
      _ = send(connection)
      close(connection)
    case .halfClose, .halfCloseAbort:
      Socket.shutdownWriting(connection.descriptor.number)
      connection.phase = .halfClosed
      setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
    }
  }
}
