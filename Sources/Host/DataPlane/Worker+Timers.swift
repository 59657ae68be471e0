import Core

extension Worker {
  /// Entries of the timer queue come up at the latest after this; a later deadline is entered anew then. So a long deadline
  /// that is no longer needed does not stay in the queue for its whole length.
  private static let longestEntry = Nanoseconds.seconds(60)

  private static let restOfProxyHeader = Nanoseconds.milliseconds(100)

  /// Sets what is expected of the client and until when; a later call replaces it.
  func expect(_ duty: ClientConnection.ClientDuty, of client: ClientConnection, within span: Nanoseconds) {
    client.clientDuty = duty
    client.clientDeadline = now.advanced(by: span)
    enter(client, client.clientDeadline)
  }

  /// Sets what is expected of the server and until when; a later call replaces it.
  func expect(_ duty: ActiveExchange.ServerDuty, for exchange: ActiveExchange, within span: Nanoseconds) {
    exchange.serverDuty = duty
    exchange.serverDeadline = now.advanced(by: span)
    enter(exchange, exchange.serverDeadline)
  }

  func expectNothing(of client: ClientConnection) {
    client.clientDuty = .none
    client.clientDeadline = .distantFuture
  }

  func expectNothingOfServer(for exchange: ActiveExchange) {
    exchange.serverDuty = .none
    exchange.serverDeadline = .distantFuture
  }

  /// Sets when the exchange must be over as a whole.
  func limitExchange(of exchange: ActiveExchange, to span: Nanoseconds) {
    exchange.exchangeDeadline = now.advanced(by: span)
    enter(exchange, exchange.exchangeDeadline)
  }

  /// Sets when the worker checks whether the request has arrived.
  func expectArrival(of exchange: ActiveExchange, within span: Nanoseconds) {
    exchange.silenceDeadline = now.advanced(by: span)
    enter(exchange, exchange.silenceDeadline)
  }

  private func enter(_ client: ClientConnection, _ deadline: Instant) {
    guard deadline < client.timerAt else { return }
    let due = min(deadline, now.advanced(by: Self.longestEntry))
    guard due < client.timerAt else { return }
    client.timerAt = due
    timers.schedule(client.token, at: due)
  }

  private func enter(_ exchange: ActiveExchange, _ deadline: Instant) {
    guard deadline < exchange.timerAt else { return }
    let due = min(deadline, now.advanced(by: Self.longestEntry))
    guard due < exchange.timerAt else { return }
    exchange.timerAt = due
    timers.schedule(exchange.token, at: due)
  }

  func timerFired(_ token: UInt64) {
    switch UInt8(token >> 56) {
    case Kind.client:
      guard let client = clients.element(token) else { return }
      clientTimerFired(client)
    case Kind.exchange:
      if let exchange = exchanges.place(token) { exchangeTimerFired(exchange) }
    case Kind.sweep:
      let server = servers[Int(token & 0xffff_ffff)]
      // An entry that was replaced by a sooner one comes up as well.
      if server.sweepAt <= now { sweep(server) }
    case Kind.resumeAccepting:
      do throws(SystemError) {
        try resumeAccepting()
      } catch {
        notices.post(now) { log.error("accepting cannot be resumed: \(error)") }
        timers.schedule(token, at: now.advanced(by: .seconds(1)))
      }
    case Kind.closeListeners: closeLeavingListeners()
    case Kind.drainDeadline:
      break
    case let kind:
      // Unreachable: tokens are made of these kinds, here, and of nothing that comes from outside.
      preconditionFailure("no timer has the kind \(kind)")
    }
  }

  private func clientTimerFired(_ client: ClientConnection) {
    // An entry that was replaced by a sooner one comes up as well: it has nothing to say.
    guard client.timerAt <= now else { return }
    client.timerAt = .distantFuture
    if client.clientDeadline <= now {
      let duty = client.clientDuty
      expectNothing(of: client)
      clientIsLate(client, duty)
    }
    guard client.phase != .closed else { return }
    enter(client, client.clientDeadline)
    advance(client)
  }

  private func exchangeTimerFired(_ exchange: ActiveExchange) {
    guard exchange.timerAt <= now else { return }
    exchange.timerAt = .distantFuture
    guard exchange.isActive else { return }
    // First: what it answers puts an end to the other deadlines, while behind the answer of another it would cut that one off.
    if exchange.exchangeDeadline <= now {
      exchange.exchangeDeadline = .distantFuture
      exchangeTimedOut(exchange)
    }
    if exchange.isActive, exchange.serverDeadline <= now {
      let duty = exchange.serverDuty
      expectNothingOfServer(for: exchange)
      serverIsLate(exchange, duty)
    }
    if exchange.isActive, exchange.silenceDeadline <= now {
      exchange.silenceDeadline = .distantFuture
      silenceLasted(exchange)
    }
    guard exchange.isActive else { return }
    enter(exchange, min(exchange.serverDeadline, exchange.exchangeDeadline, exchange.silenceDeadline))
    advance(exchange.client)
  }

  private func clientIsLate(_ client: ClientConnection, _ duty: ClientConnection.ClientDuty) {
    switch duty {
    case .none: break
    case .idle:
      // A request may have come since the loop last looked; then the client was not idle.
      if client.isShakingHands {
        handshakeIsLate(client)
      } else if client.phase == .multiplexing {
        sayFarewell(client)
      } else if client.phase == .idle, client.transport.glance() == .quiet {
        closeGently(client)
      } else {
        client.transport.isReadable = true
        // A head that has begun gets a time of its own; the rest of a PROXY header must be about to come.
        if client.awaitsProxyHeader { expect(.idle, of: client, within: Self.restOfProxyHeader) }
      }
    case .requestHead:
      counters.clientTimeouts &+= 1
      answerLate(client, "the request head was not complete within \(settings.timeouts.requestHead.text)")
    case .requestBody:
      counters.clientTimeouts &+= 1
      if let exchange = client.exchange { requestBodyIsLate(exchange) }
    case .reading:
      counters.clientTimeouts &+= 1
      clientBroke(client)
    case .tunnel:
      if let exchange = client.exchange { tunnelWasSilent(exchange) }
    case .linger: closeClient(client)
    case .farewell: farewellIsLate(client)
    }
  }

  private func serverIsLate(_ exchange: ActiveExchange, _ duty: ActiveExchange.ServerDuty) {
    let client = exchange.client
    switch duty {
    case .none: break
    case .connect, .handshake: connectTimedOut(exchange)
    case .waiting: waitEnded(exchange)
    case .sending: serverStalled(exchange)
    case .responseHead: responseHeadTimedOut(exchange)
    case .responseBody:
      // A client that does not read is what holds everything up; its own deadline says so.
      if client.clientDuty != .reading { responseBodyStalled(exchange) }
    case .reset: resetWaitEnded(exchange)
    case .backoff: backoffEnded(exchange)
    }
  }
}
