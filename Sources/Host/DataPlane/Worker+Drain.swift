import Core

/// The end in order: nobody new, and whoever is here gets the answers to what has been asked.
extension Worker {
  struct Drain {
    let beganAt: Instant
    /// Whatever is still under way then ends.
    let deadline: Instant
    /// Until then a client that has asked already is answered once more, instead of being told that this was the last answer.
    let graceEnds: Instant
  }

  /// How long a socket that is to close still takes the connections whose handshake has begun: round trips of the clients
  /// that are far away. (Newcomers are turned away by then: ``BoundListener/turnNewcomersAway()``.)
  static let closingTime = Nanoseconds.milliseconds(250)

  /// Takes what waits in the kernel's queues, and answers every further request with `Connection: close`.
  func beginDrain(until deadline: Instant) {
    guard drain == nil else { return }
    let patience = max(deadline.since(now), .zero)
    drain = Drain(
      beganAt: now, deadline: deadline, graceEnds: now.advanced(by: min(settings.timeouts.drainGrace, patience / 2)))
    timers.schedule(UInt64(Kind.drainDeadline) << 56, at: deadline)
    pauseAccepting()
    leave(listeners)
    listeners = []
    for client in clients.all {
      switch client.phase {
      case .idle: expect(.idle, of: client, within: drainGrace)
      case .multiplexing: sayFarewell(client)
      case .readingHead, .exchanging, .tunnelling, .lingering, .closed: break
      }
    }
  }

  /// How long a client connection may stay quiet while the worker drains: a request that is on its way is still served.
  var drainGrace: Nanoseconds {
    guard let drain else { return .zero }
    return min(settings.timeouts.drainGrace, max(drain.deadline.since(now), .zero) / 2)
  }

  /// Whether the connection may go on behind the answer that is about to be written.
  ///
  /// While the worker drains it may when the client has sent its next request already, which would be lost otherwise. Who
  /// never pauses is told all the same once the grace is over.
  func servesFurther(_ client: ClientConnection) -> Bool {
    guard let drain else { return true }
    guard now < drain.graceEnds else { return false }
    if client.inbound != nil { return true }
    if case .bytes = client.transport.glance() { return true }
    return false
  }

  /// The worker ends, and this is still under way. Who has got nothing of an answer gets one that says so.
  func cutOff(_ exchange: ActiveExchange) {
    let client = exchange.client
    noteCut(exchange, drain.map { .drainEnded(after: $0.deadline.since($0.beganAt)) } ?? .stopped)
    load.exchangeWasCutOff(isTunnel: client.phase == .tunnelling)
    if client.phase == .exchanging, exchange.headAt == nil {
      let mayHaveArrived = exchange.machine.mayHaveArrived
      abandonExchange(exchange)
      exchange.clientKeepsAlive = false
      // An invitation to ask again is only for what no server has seen.
      answer(
        exchange,
        mayHaveArrived
          ? ErrorAnswer(
            status: 504, error: .httpResponseTimeout,
            sentence: "504 The proxy is stopping, and the server has not answered.", details: "stopping")
          : ErrorAnswer(
            status: 503, error: .proxyInternalError, sentence: "503 The proxy is stopping.", details: "stopping",
            retryAfter: 1))
    } else {
      abandonExchange(exchange)
    }
    breakOff(exchange)
  }

  // MARK: - Listeners that go

  /// Takes what waits now, and closes a little later. Nobody else would take it, unless another process has the socket, too.
  func leave(_ left: [Listener]) {
    let going = left.filter { !$0.descriptor.livesOn }
    guard !going.isEmpty else { return }
    let closesAt = now.advanced(by: Self.closingTime)
    for listener in going {
      acceptAll(from: listener)
      leaving.append((listener, closesAt))
    }
    timers.schedule(UInt64(Kind.closeListeners) << 56, at: closesAt)
  }

  func closeLeavingListeners() {
    for (listener, closesAt) in leaving where closesAt <= now { acceptAll(from: listener) }
    leaving.removeAll { $0.closesAt <= now }
  }
}
