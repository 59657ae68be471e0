import Core
import Glibc

/// From a response in the buffer to the client, answers that are made here, and the end of client connections.
extension Worker {
  // MARK: - Sending

  /// Hands what waits for the client to the kernel, and ends the exchange when all of it is gone.
  /// Returns whether anything moved.
  func sendResponse(_ exchange: ActiveExchange) -> Bool {
    let client = exchange.client
    if let outbound = client.outbound.take() {
      guard client.transport.isWritable else {
        client.outbound = consume outbound
        if client.clientDuty != .reading { expect(.reading, of: client, within: exchange.bounds.bodyIdle) }
        return false
      }
      return send(exchange, outbound)
    }
    guard exchange.responseBody.isComplete, exchange.isActive else { return false }
    finish(exchange)
    return true
  }

  private func send(_ exchange: ActiveExchange, _ held: consuming ByteBuffer) -> Bool {
    let client = exchange.client
    var outbound = held
    let waiting = outbound.count
    switch client.transport.send(outbound.readable) {
    case .bytes(let count):
      counters.bytesToClients &+= UInt64(count)
      outbound.consume(count)
      if count < waiting {
        client.outbound = consume outbound
        expect(.reading, of: client, within: exchange.bounds.bodyIdle)
      } else {
        recycle(outbound)
        if client.clientDuty == .reading { expectNothing(of: client) }
        if client.phase == .exchanging, exchange.responseBody.isComplete, exchange.isActive { finish(exchange) }
      }
      return true
    case .wouldBlock:
      client.outbound = consume outbound
      if client.clientDuty != .reading { expect(.reading, of: client, within: exchange.bounds.bodyIdle) }
      return false
    case .failed:
      recycle(outbound)
      clientBroke(client)
      return false
    }
  }

  /// The response is on its way in full.
  private func finish(_ exchange: ActiveExchange) {
    let client = exchange.client
    end(exchange)
    counters.responses[min(Int(exchange.status / 100), 5)] &+= 1
    if exchange.closesClient || client.transport.sawEnd {
      closeGently(client, requestIsComplete: exchange.requestBody.isComplete)
      return
    }
    client.phase = .idle
    expect(.idle, of: client, within: drain == nil ? settings.timeouts.clientIdle : drainGrace)
  }

  /// Closes so that the last answer arrives: a RST in reply to unread bytes would destroy it (RFC 9112 section 9.6).
  ///
  /// - Parameter requestIsComplete: whether all of its last request is here.
  func closeGently(_ client: ClientConnection, requestIsComplete: Bool = true) {
    guard client.carrier == nil else { return closeClient(client) }
    let mayHaveMore = client.inbound != nil || !requestIsComplete || client.transport.isReadable
    // What TLS holds of the answer, because the kernel takes no more yet, would be lost with the connection.
    guard client.transport.isSending || mayHaveMore && !client.transport.sawEnd else {
      closeClient(client)
      return
    }
    client.transport.endWriting()
    client.phase = .lingering
    linger(client)
  }

  private func linger(_ client: ClientConnection) {
    client.lingersAt = client.transport.isSending ? client.transport.bytesWritten : nil
    client.lingersUntil = now.advanced(by: Self.longestLinger)
    expect(
      .linger, of: client, within: client.lingersAt == nil ? settings.timeouts.linger : settings.timeouts.bodyIdle)
  }

  /// How long a client that goes on sending is read behind its last answer.
  private static let longestLinger = Nanoseconds.seconds(30)

  /// Reads and drops what the client still sends: closing with bytes unread would send a RST, which can destroy the answer.
  func readLeftovers(_ client: ClientConnection) -> Bool {
    if let inbound = client.inbound.take() { recycle(inbound) }
    let moved = receive(client)
    guard client.phase == .lingering else { return moved }
    if let before = client.lingersAt {
      // As slow as the client reads, as long as it does.
      if client.transport.bytesWritten != before || !client.transport.isSending { linger(client) }
      guard client.lingersAt == nil else { return moved }
    }
    if client.transport.sawEnd || now >= client.lingersUntil {
      closeClient(client)
    } else if moved {
      expect(.linger, of: client, within: min(settings.timeouts.linger, client.lingersUntil.since(now)))
    }
    return moved
  }

  // MARK: - Answers made here

  /// Answers a request whose head was not understood, and closes.
  func refuse(_ client: ClientConnection, _ held: consuming ByteBuffer, _ error: MessageError) {
    let inbound = held
    let text = explanation(of: error, inbound)
    recycle(inbound)
    client.scan = HeadScan()
    let exchange = beginRefusal(client)
    answer(
      exchange,
      ErrorAnswer(
        status: UInt16(error.status), error: error.proxyError, sentence: text, details: text, isRequestsFault: true))
    notices.post(now) { log.notice("client \(client.peer): \(error.status): \(text)") }
  }

  private func explanation(of error: MessageError, _ inbound: borrowing ByteBuffer) -> String {
    if let foreign = ForeignProtocol.spoken(byClient: inbound.readable) {
      return "this looks like \(foreign.name), and this port speaks HTTP/1.1 without TLS"
    }
    if let setting = error.code.setting { return "\(error.code.fact) of \(limit(of: error.code)) (\(setting))" }
    return error.explanation
  }

  /// What a limit that a message went beyond is now.
  func limit(of code: MessageError.Code) -> String {
    switch code {
    case .tooManyFields: "\(headLimits.fieldCount)"
    case .startLineTooLong: "\(headLimits.startLineBytes) bytes"
    default: "\(headLimits.headBytes) bytes"
    }
  }

  /// The head did not come in time.
  func answerLate(_ client: ClientConnection, _ text: String) {
    if let inbound = client.inbound.take() { recycle(inbound) }
    answer(beginRefusal(client), clientFault(status: 408, text))
  }

  private func beginRefusal(_ client: ClientConnection) -> ActiveExchange {
    client.phase = .exchanging
    let exchange = exchanges.take(for: client, bounds: defaultBounds)
    client.exchange = exchange
    exchange.begin(machine: Exchange(isIdempotent: false, policy: ReplayPolicy()), bounds: defaultBounds, at: now)
    _ = exchange.machine.clientLeft()
    exchange.requestID = identifiers.next()
    exchange.clientKeepsAlive = false
    exchange.requestBody = .discarded
    return exchange
  }

  /// Answers a request with a status and a sentence of ours.
  func answer(_ exchange: ActiveExchange, status: UInt16, text: String) {
    if !exchange.machine.isFinished { _ = exchange.machine.clientLeft() }
    answer(exchange, clientFault(status: status, text))
  }

  /// An answer to a request that is at fault itself (RFC 9209 section 2.3.16).
  private func clientFault(status: UInt16, _ text: String) -> ErrorAnswer {
    ErrorAnswer(status: status, error: .httpRequestError, sentence: text, details: text, isRequestsFault: true)
  }

  /// Answers with a failure, of which the settings say what clients see.
  func answer(_ exchange: ActiveExchange, _ failure: ErrorAnswer) {
    let client = exchange.client
    let tells =
      switch settings.errors.details {
      case .log: false
      case .trusted: client.forwarding.peerIsTrusted
      case .all: true
      }
    let page = settings.errors.page(for: failure.status)
    answer(
      exchange,
      failure.response(
        pseudonym: settings.forwarding.name, requestID: requestID(exchange), tells: tells, page: page,
        accepted: exchange.acceptedForms))
  }

  /// The request has come by here before: somewhere on its way a proxy leads back to this one.
  func refuseLoop(_ exchange: ActiveExchange) {
    _ = exchange.machine.clientLeft()
    let text = "The request came back to this proxy, which had passed it on already."
    counters.failures["proxy_loop_detected", default: 0] &+= 1
    notices.post(now) {
      log.warning(
        "\(requestLine(exchange)): 502: the request came back: the servers of '\(exchange.route?.upstream?.name ?? "")', or proxies behind them, lead to this proxy (CDN-Loop). Correct the addresses of the servers."
      )
    }
    answer(exchange, ErrorAnswer(status: 502, error: .proxyLoopDetected, sentence: text, details: text))
  }

  /// TRACE and OPTIONS whose Max-Forwards is used up end here (RFC 9110 section 7.6.2).
  func answerAsFinalRecipient(_ exchange: ActiveExchange, _ head: RequestHead) {
    _ = exchange.machine.clientLeft()
    if head.method == .options {
      answer(
        exchange,
        LocalResponse(status: 204, body: [], allow: Array("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".utf8)))
    } else {
      answer(exchange, LocalResponse(status: 405, allow: Array("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".utf8)))
    }
  }

  /// Answers a request that goes to no server with what its route says.
  func answerHere(_ exchange: ActiveExchange, _ response: LocalResponse) {
    if !exchange.machine.isFinished { _ = exchange.machine.clientLeft() }
    answer(exchange, response)
  }

  /// Queues a response of ours as the end of the exchange. Nothing of another response may have been passed on.
  func answer(_ exchange: ActiveExchange, _ response: LocalResponse) {
    let client = exchange.client
    let persists = exchange.clientKeepsAlive && exchange.requestBody.isComplete && servesFurther(client)
    let edits = exchange.route?.responseEdits ?? .none
    var outbound = client.outbound.take() ?? buffers.take()
    response.write(
      to: &outbound, requestMethod: exchange.method, clientVersion: exchange.version, clientKeepsAlive: persists,
      keepAliveTimeout: settings.timeouts.advertisedIdleSeconds == 0 ? nil : settings.timeouts.advertisedIdleSeconds,
      date: dateValue, edits: edits, values: editValues(exchange, edits.variables))
    client.outbound = consume outbound
    exchange.closesClient = !persists
    exchange.status = response.status
    exchange.responseBodyBytes = UInt64(response.body.count)
    exchange.responseBody = .complete
    exchange.stage = .none
    exchange.headAt = exchange.headAt ?? now
    expectNothingOfServer(for: exchange)
    if client.clientDuty != .reading { expectNothing(of: client) }
    queue(client)
  }

  // MARK: - Failures

  /// Answers the exchange with what went wrong at the upstream, unless it is to be retried. It leases nothing any more.
  func fail(_ exchange: ActiveExchange, _ failure: Failure) {
    guard exchange.machine.fault == nil else {
      noteFailure(exchange, failure)
      breakOff(exchange)
      return
    }
    if retriesFailure(exchange, failure) { return }
    noteFailure(exchange, failure)
    if exchange.client.carrier != nil, failure.isProvenUndelivered {
      refuseStream(exchange)
      return
    }
    let server = serverName(exchange)
    // Both lists are those of RFC 9209.
    let error = ProxyStatus.ErrorType(rawValue: "\(failure.proxyStatusError)") ?? .proxyInternalError
    answer(
      exchange,
      ErrorAnswer(
        status: UInt16(failure.status), error: error, nextHop: exchange.server == nil ? nil : server,
        sentence: "\(failure.status) \(failure.sentence(server: server))", details: failure.details,
        retryAfter: failure.status == 503 ? 1 : nil))
  }

  func serverName(_ exchange: ActiveExchange) -> String {
    exchange.server?.record.name ?? exchange.route?.upstream?.name ?? "the upstream"
  }

  /// The client has a part of a response that will not be completed: close so that it cannot take it for whole.
  func breakOff(_ exchange: ActiveExchange) {
    let client = exchange.client
    end(exchange)
    // What is here already may be of use: it is offered once.
    if client.transport.isWritable, var outbound = client.outbound.take() {
      if case .bytes(let count) = client.transport.send(outbound.readable) {
        counters.bytesToClients &+= UInt64(count)
      }
      outbound.removeAll()
      recycle(outbound)
    }
    // The missing rest of chunks or counted content says that there was to be more; a close that ends the content would not.
    if exchange.isDelimitedByClose { client.transport.breakOnClose() }
    closeClient(client)
  }

  // MARK: - The client misbehaves or goes

  func requestBodyIsMalformed(_ exchange: ActiveExchange, _ error: MessageError) {
    endForRequestBody(exchange, status: UInt16(error.status), text: error.explanation)
  }

  func requestBodyIsTooLarge(_ exchange: ActiveExchange, _ limit: UInt64) {
    endForRequestBody(exchange, status: 413, text: "The request body is larger than the limit of \(limit) bytes.")
  }

  func requestBodyStalled(_ exchange: ActiveExchange, _ text: String) {
    endForRequestBody(exchange, status: 408, text: text)
  }

  /// The rest of the request is not to be had: the server gets no more of it, and the client an error if it can still be told.
  private func endForRequestBody(_ exchange: ActiveExchange, status: UInt16, text: String) {
    let client = exchange.client
    exchange.requestBody = .discarded
    if exchange.headAt != nil {
      // An answer is on its way and goes out as far as it comes; the server gets no more of the request.
      exchange.closesClient = true
      return
    }
    abandonExchange(exchange)
    notices.post(now) { log.notice("client \(client.peer): \(requestLine(exchange)): \(status): \(text)") }
    answer(exchange, clientFault(status: status, text))
  }

  /// The client's FIN came within its request. It may still read: what has begun to be answered is answered to the end.
  func requestBodyEndedEarly(_ exchange: ActiveExchange) {
    exchange.requestBody = .discarded
    exchange.closesClient = true
    guard exchange.headAt == nil else { return }
    counters.malformedRequests &+= 1
    abandonExchange(exchange)
    answer(exchange, clientFault(status: 400, "The connection ended within the request's content."))
  }

  /// Whether the exchange ends because the client's FIN has come: the whole request is here, and its answer is not.
  ///
  /// A client that closes its connection sends the same FIN as one that only says that it has nothing more to ask. The first
  /// kind is everywhere (a closed tab, an aborted fetch, Ctrl-C), so it is taken for that unless the settings say otherwise. Not
  /// judged here: a request of which a part is missing (``requestBodyEndedEarly(_:)``), an answer of which nothing is missing,
  /// and tunnels.
  func endsForClosedClient(_ exchange: ActiveExchange) -> Bool {
    let client = exchange.client
    guard settings.halfClosed == .end, client.phase == .exchanging, exchange.requestBody.isComplete,
      !exchange.responseBody.isComplete
    else { return false }
    counters.clientCloses &+= 1
    clientBroke(client)
    return true
  }

  /// Before the first byte of a request leaves that had to wait: the client may have gone meanwhile, and the poller not told yet.
  func clientLeftWhileWaiting(_ exchange: ActiveExchange) -> Bool {
    let client = exchange.client
    exchange.hasWaited = false
    guard settings.halfClosed == .end, client.transport.hasClosedPeer else { return false }
    client.transport.noteClosedPeer()
    return endsForClosedClient(exchange)
  }

  /// The client is gone: nobody reads what would come.
  func clientBroke(_ client: ClientConnection) {
    guard client.phase != .closed else { return }
    if let exchange = client.exchange {
      if client.phase == .tunnelling {
        endTunnel(exchange, .reset)
        return
      }
      counters.clientAborts &+= 1
      abandonExchange(exchange)
      exchange.clientWasLost = true
      if exchange.status == 0 { exchange.status = Self.clientClosedRequest }
      end(exchange)
    }
    closeClient(client)
  }

  /// What nginx made customary in logs for a client that left before its answer.
  private static let clientClosedRequest: UInt16 = 499

  /// Closes a client connection that carries no exchange any more.
  func closeClient(_ client: ClientConnection) {
    guard client.phase != .closed else { return }
    endStreams(of: client)
    if let buffer = client.inbound.take() { recycle(buffer) }
    if let buffer = client.outbound.take() { recycle(buffer) }
    if client.kept != nil { releaseKept(client, "client-left") }
    if client.isCounted, let address = client.peer.ipAddress {
      client.isCounted = false
      load.connectionClosed(ClientKey(address))
    }
    client.closeSocket()
    clients.remove(client.token)
    // Of a stream nothing else is counted.
    if client.carrier != nil { return }
    counters.clientConnectionsClosed &+= 1
    load.clientLeft()
    if acceptingIsPaused, drain == nil, load.clientCount < clientLimit - clientLimit / 64 {
      // Room again; the timer that was set when accepting paused takes care of a failure here, and of the other workers.
      try? resumeAccepting()
    }
  }
}
