import Core
import Glibc

/// From a response in the buffer to the client, answers that are made here, and the end of client connections.
extension Worker {
  // MARK: - Sending

  /// Hands what waits for the client to the kernel, and ends the exchange when all of it is gone.
  /// Returns whether anything moved.
  func sendResponse(_ client: ClientConnection) -> Bool {
    if let outbound = client.outbound.take() {
      guard client.isWritable else {
        client.outbound = consume outbound
        if client.clientDuty != .reading { expect(.reading, of: client, within: client.call.bounds.bodyIdle) }
        return false
      }
      return send(client, outbound)
    }
    guard client.call.responseBody.isComplete, client.call.isActive else { return false }
    finish(client)
    return true
  }

  private func send(_ client: ClientConnection, _ held: consuming ByteBuffer) -> Bool {
    var outbound = held
    let waiting = outbound.count
    switch Socket.send(client.number, outbound.readable) {
    case .bytes(let count):
      counters.bytesToClients &+= UInt64(count)
      outbound.consume(count)
      if count < waiting {
        client.isWritable = false
        client.outbound = consume outbound
        expect(.reading, of: client, within: client.call.bounds.bodyIdle)
      } else {
        recycle(outbound)
        if client.clientDuty == .reading { expectNothing(of: client) }
        if client.phase == .exchanging, client.call.responseBody.isComplete, client.call.isActive { finish(client) }
      }
      return true
    case .wouldBlock:
      client.isWritable = false
      client.outbound = consume outbound
      if client.clientDuty != .reading { expect(.reading, of: client, within: client.call.bounds.bodyIdle) }
      return false
    case .endOfStream:
      preconditionFailure("writing does not end a stream")
    case .failed:
      recycle(outbound)
      clientBroke(client)
      return false
    }
  }

  /// The response is on its way in full.
  private func finish(_ client: ClientConnection) {
    endCall(client)
    if let record = client.record.take() { recycle(record) }
    client.exchangeDeadline = .distantFuture
    client.silenceDeadline = .distantFuture
    counters.responses[min(Int(client.call.status / 100), 5)] &+= 1
    client.forgetRequestLine()
    if client.call.closesClient || client.sawEnd {
      closeGently(client)
      return
    }
    client.phase = .idle
    expect(.idle, of: client, within: drain == nil ? settings.timeouts.clientIdle : drainGrace)
  }

  /// Closes so that the last answer arrives: a RST in reply to unread bytes would destroy it (RFC 9112 section 9.6).
  func closeGently(_ client: ClientConnection) {
    let mayHaveMore = client.inbound != nil || !client.call.requestBody.isComplete || client.isReadable
    guard mayHaveMore, !client.sawEnd else {
      closeClient(client)
      return
    }
    Socket.shutdownWriting(client.number)
    client.phase = .lingering
    client.lingersUntil = now.advanced(by: Self.longestLinger)
    expect(.linger, of: client, within: settings.timeouts.linger)
  }

  /// How long a client that goes on sending is read behind its last answer.
  private static let longestLinger = Nanoseconds.seconds(30)

  /// Reads and drops what the client still sends: closing with bytes unread would send a RST, which can destroy the answer.
  func readLeftovers(_ client: ClientConnection) -> Bool {
    if let inbound = client.inbound.take() { recycle(inbound) }
    let moved = receive(client)
    if client.sawEnd || now >= client.lingersUntil {
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
    beginRefusal(client)
    answer(
      client,
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
    beginRefusal(client)
    answer(client, clientFault(status: 408, text))
  }

  private func beginRefusal(_ client: ClientConnection) {
    client.phase = .exchanging
    client.call.reset(machine: Exchange(isIdempotent: false, policy: ReplayPolicy()), bounds: defaultBounds, at: now)
    _ = client.call.machine.clientLeft()
    client.forgetRequestLine()
    client.call.requestID = identifiers.next()
    client.call.clientKeepsAlive = false
    client.call.requestBody = .discarded
  }

  /// Answers a request with a status and a sentence of ours.
  func answer(_ client: ClientConnection, status: UInt16, text: String) {
    if !client.call.machine.isFinished { _ = client.call.machine.clientLeft() }
    answer(client, clientFault(status: status, text))
  }

  /// An answer to a request that is at fault itself (RFC 9209 section 2.3.16).
  private func clientFault(status: UInt16, _ text: String) -> ErrorAnswer {
    ErrorAnswer(status: status, error: .httpRequestError, sentence: text, details: text, isRequestsFault: true)
  }

  /// Answers with a failure, of which the settings say what clients see.
  func answer(_ client: ClientConnection, _ failure: ErrorAnswer) {
    let tells =
      switch settings.errors.details {
      case .log: false
      case .trusted: client.forwarding.peerIsTrusted
      case .all: true
      }
    let page = settings.errors.page(for: failure.status)
    answer(
      client,
      failure.response(
        pseudonym: settings.forwarding.name, requestID: requestID(client), tells: tells, page: page,
        accepted: client.call.acceptedForms))
  }

  /// The request has come by here before: somewhere on its way a proxy leads back to this one.
  func refuseLoop(_ client: ClientConnection) {
    _ = client.call.machine.clientLeft()
    let text = "The request came back to this proxy, which had passed it on already."
    counters.failures["proxy_loop_detected", default: 0] &+= 1
    notices.post(now) {
      log.warning(
        "\(requestLine(client)): 502: the request came back: the servers of '\(client.call.route?.upstream?.name ?? "")', or proxies behind them, lead to this proxy (CDN-Loop). Correct the addresses of the servers."
      )
    }
    answer(client, ErrorAnswer(status: 502, error: .proxyLoopDetected, sentence: text, details: text))
  }

  /// TRACE and OPTIONS whose Max-Forwards is used up end here (RFC 9110 section 7.6.2).
  func answerAsFinalRecipient(_ client: ClientConnection, _ head: RequestHead) {
    _ = client.call.machine.clientLeft()
    if head.method == .options {
      answer(
        client, LocalResponse(status: 204, body: [], allow: Array("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".utf8)))
    } else {
      answer(client, LocalResponse(status: 405, allow: Array("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".utf8)))
    }
  }

  /// Answers a request that goes to no server with what its route says.
  func answerHere(_ client: ClientConnection, _ response: LocalResponse) {
    if !client.call.machine.isFinished { _ = client.call.machine.clientLeft() }
    answer(client, response)
  }

  /// Queues a response of ours as the end of the exchange. Nothing of another response may have been passed on.
  func answer(_ client: ClientConnection, _ response: LocalResponse) {
    let persists = client.call.clientKeepsAlive && client.call.requestBody.isComplete && servesFurther(client)
    let edits = client.call.route?.responseEdits ?? .none
    var outbound = client.outbound.take() ?? buffers.take()
    response.write(
      to: &outbound, requestMethod: client.call.method, clientVersion: client.call.version, clientKeepsAlive: persists,
      keepAliveTimeout: settings.timeouts.advertisedIdleSeconds == 0 ? nil : settings.timeouts.advertisedIdleSeconds,
      date: dateValue, edits: edits, values: editValues(client, edits.variables))
    client.outbound = consume outbound
    client.call.closesClient = !persists
    client.call.status = response.status
    client.call.responseBodyBytes = UInt64(response.body.count)
    client.call.responseBody = .complete
    client.call.stage = .none
    client.call.headAt = client.call.headAt ?? now
    expectNothingOfServer(for: client)
    if client.clientDuty != .reading { expectNothing(of: client) }
    queue(client)
  }

  // MARK: - Failures

  /// Answers the exchange with what went wrong at the upstream, unless it is to be retried. It leases nothing any more.
  func fail(_ client: ClientConnection, _ failure: Failure) {
    if retriesFailure(client, failure) { return }
    noteFailure(client, failure)
    let server = serverName(client)
    // Both lists are those of RFC 9209.
    let error = ProxyStatus.ErrorType(rawValue: "\(failure.proxyStatusError)") ?? .proxyInternalError
    answer(
      client,
      ErrorAnswer(
        status: UInt16(failure.status), error: error, nextHop: client.call.server == nil ? nil : server,
        sentence: "\(failure.status) \(failure.sentence(server: server))", details: failure.details,
        retryAfter: failure.status == 503 ? 1 : nil))
  }

  func serverName(_ client: ClientConnection) -> String {
    client.call.server?.record.name ?? client.call.route?.upstream?.name ?? "the upstream"
  }

  /// The client has a part of a response that will not be completed: close so that it cannot take it for whole.
  func breakOff(_ client: ClientConnection) {
    endCall(client)
    // What is here already may be of use: it is offered once.
    if client.isWritable, var outbound = client.outbound.take() {
      if case .bytes(let count) = Socket.send(client.number, outbound.readable) {
        counters.bytesToClients &+= UInt64(count)
      }
      outbound.removeAll()
      recycle(outbound)
    }
    // The missing rest of chunks or counted content says that there was to be more; a close that ends the content would not.
    if client.call.isDelimitedByClose { Socket.abortOnClose(client.number) }
    closeClient(client)
  }

  // MARK: - The client misbehaves or goes

  func requestBodyIsMalformed(_ client: ClientConnection, _ error: MessageError) {
    endForRequestBody(client, status: UInt16(error.status), text: error.explanation)
  }

  func requestBodyIsTooLarge(_ client: ClientConnection, _ limit: UInt64) {
    endForRequestBody(client, status: 413, text: "The request body is larger than the limit of \(limit) bytes.")
  }

  func requestBodyStalled(_ client: ClientConnection, _ text: String) {
    endForRequestBody(client, status: 408, text: text)
  }

  /// The rest of the request is not to be had: the server gets no more of it, and the client an error if it can still be told.
  private func endForRequestBody(_ client: ClientConnection, status: UInt16, text: String) {
    client.call.requestBody = .discarded
    if client.call.headAt != nil {
      // An answer is on its way and goes out as far as it comes; the server gets no more of the request.
      client.call.closesClient = true
      return
    }
    abandonExchange(client)
    notices.post(now) { log.notice("client \(client.peer): \(requestLine(client)): \(status): \(text)") }
    answer(client, clientFault(status: status, text))
  }

  /// The client's FIN came within its request. It may still read: what has begun to be answered is answered to the end.
  func requestBodyEndedEarly(_ client: ClientConnection) {
    client.call.requestBody = .discarded
    client.call.closesClient = true
    guard client.call.headAt == nil else { return }
    counters.malformedRequests &+= 1
    abandonExchange(client)
    answer(client, clientFault(status: 400, "The connection ended within the request's content."))
  }

  /// Whether the exchange ends because the client's FIN has come: the whole request is here, and its answer is not.
  ///
  /// A client that closes its connection sends the same FIN as one that only says that it has nothing more to ask. The first
  /// kind is everywhere (a closed tab, an aborted fetch, Ctrl-C), so it is taken for that unless the settings say otherwise. Not
  /// judged here: a request of which a part is missing (``requestBodyEndedEarly(_:)``), an answer of which nothing is missing,
  /// and tunnels.
  func endsForClosedClient(_ client: ClientConnection) -> Bool {
    guard settings.halfClosed == .end, client.phase == .exchanging, client.call.requestBody.isComplete,
      !client.call.responseBody.isComplete
    else { return false }
    counters.clientCloses &+= 1
    clientBroke(client)
    return true
  }

  /// Before the first byte of a request leaves that had to wait: the client may have gone meanwhile, and the poller not told yet.
  func clientLeftWhileWaiting(_ client: ClientConnection) -> Bool {
    client.call.hasWaited = false
    guard settings.halfClosed == .end, Socket.peerHasClosed(client.number) else { return false }
    client.peerClosed = true
    client.isReadable = true
    return endsForClosedClient(client)
  }

  /// The client is gone: nobody reads what would come.
  func clientBroke(_ client: ClientConnection) {
    guard client.phase != .closed else { return }
    if client.phase == .tunnelling {
      endTunnel(client, .reset)
      return
    }
    if client.call.isActive {
      counters.clientAborts &+= 1
      abandonExchange(client)
      client.call.clientWasLost = true
      if client.call.status == 0 { client.call.status = Self.clientClosedRequest }
      endCall(client)
    }
    closeClient(client)
  }

  /// What nginx made customary in logs for a client that left before its answer.
  private static let clientClosedRequest: UInt16 = 499

  /// Closes a client connection that carries no exchange any more.
  func closeClient(_ client: ClientConnection) {
    guard client.phase != .closed else { return }
    if let buffer = client.inbound.take() { recycle(buffer) }
    if let buffer = client.outbound.take() { recycle(buffer) }
    if let buffer = client.record.take() { recycle(buffer) }
    if client.upstream != nil { releaseKept(client, "client-left") }
    if client.isCounted, let address = client.peer.ipAddress {
      client.isCounted = false
      load.connectionClosed(ClientKey(address))
    }
    counters.clientConnectionsClosed &+= 1
    client.closeSocket()
    clients.remove(client.token)
    load.clientLeft()
    if acceptingIsPaused, drain == nil, load.clientCount < clientLimit - clientLimit / 64 {
      // Room again; the timer that was set when accepting paused takes care of a failure here, and of the other workers.
      try? resumeAccepting()
    }
  }
}
