import Core

extension Worker {
  /// Bytes of a request that may wait to be sent before no more are read from the client.
  private static let requestHighWater = 49_152

  // MARK: - Head

  /// Reads and parses a request head. Returns whether anything moved.
  func readHead(_ client: ClientConnection) -> Bool {
    if client.awaitsProxyHeader { return readProxyHeader(client) }
    if client.isShakingHands {
      queueHandshake(client)
      return false
    }
    if client.inbound?.isEmpty ?? true {
      guard receive(client) else {
        if client.transport.sawEnd { closeClient(client) }
        return false
      }
    } else if client.phase == .readingHead {
      // What is there was found incomplete: only more bytes can help.
      guard receive(client) else {
        if client.transport.sawEnd { closeClient(client) }
        return false
      }
    }
    if client.requestsServed == 0, client.carrier == nil, client.isSecure || client.maySpeakHTTP2, beginsHTTP2(client) {
      return true
    }
    guard let inbound = client.inbound.take() else { return false }
    switch parseRequest(inbound, client) {
    case .incomplete:
      client.inbound = consume inbound
      if client.phase == .idle {
        client.phase = .readingHead
        expect(.requestHead, of: client, within: settings.timeouts.requestHead)
      }
    case .failed(let error):
      counters.malformedRequests &+= 1
      refuse(client, inbound, error)
    case .complete(let head):
      begin(client, inbound, head)
    }
    return true
  }

  private func parseRequest(_ inbound: borrowing ByteBuffer, _ client: ClientConnection) -> HeadParse<RequestHead> {
    RequestHead.parse(inbound.readable, scan: &client.scan, limits: headLimits, into: &fields)
  }

  /// Reads what has come from the client behind what is already there. Returns whether there are new bytes.
  func receive(_ client: ClientConnection) -> Bool {
    guard client.transport.isReadable, !client.transport.isOver else { return false }
    var inbound: ByteBuffer
    if let held = client.inbound.take() {
      inbound = held
      if inbound.writableCount == 0 { inbound.compact() }
      if inbound.writableCount == 0 { inbound.reserve(buffers.capacity) }
    } else {
      inbound = buffers.take()
    }
    let result = client.transport.receive(into: &inbound)
    let isEmpty = inbound.isEmpty
    if isEmpty { recycle(inbound) } else { client.inbound = consume inbound }
    switch result {
    case .bytes(let count):
      counters.bytesFromClients &+= UInt64(count)
      return true
    case .wouldBlock, .ended: break
    case .failed:
      if let failure = client.transport.tlsFailure { tlsFailed(client, failure) } else { clientBroke(client) }
    }
    return false
  }

  /// Takes up a request whose head is complete.
  private func begin(_ client: ClientConnection, _ held: consuming ByteBuffer, _ parsed: RequestHead) {
    var inbound = held
    var head = parsed
    client.scan = HeadScan()
    client.requestsServed &+= 1
    counters.requests &+= 1
    let requestID = identifiers.next()
    let route = route(for: head, inbound, isSecure: client.isSecure)
    let exchange = beginExchange(client, head, route ?? defaultRoute, requestID)
    if exchange.asksForUpgrade { exchange.askedProtocols = head.askedProtocols(inbound.readable, fields) }
    if client.told.forwarding.peerIsTrusted { noteNamedClient(exchange, inbound) }
    let upstream = route?.upstream
    if let upstream {
      addressTo(upstream, client)
      noteBalanceKey(exchange, head, inbound, upstream)
      noteStickyServer(exchange, inbound, upstream)
      noteIdempotencyKey(exchange, inbound)
    }
    if ConnectionAuthentication.isNamed(inbound.readable, fields) { exchange.signsIn = true }
    noteEditValues(exchange, head, inbound, route)
    if route?.rewrites ?? false || head.target.form == .absolute { exchange.saveRequestLine(head, inbound.readable) }
    if logsFields {
      noteLoggedFields(exchange, ofRequest: inbound.readable)
    }
    if logsRequests, let given = RequestID.received(inbound.readable, fields) {
      exchange.receivedRequestID = Array(inbound.readable.text(given).utf8)
    }

    if hasErrorPages { exchange.acceptedForms = AcceptedForms(inbound.readable, fields) }

    if head.expectsContinue, case .contentLength(0) = head.framing { head.expectsContinue = false }
    var record = buffers.take()
    if let route, route.changesRequests {
      head.write(
        to: &record, bytes: inbound.readable, fields: fields, forwarding: client.forwarding, requestID: requestID,
        changes: route.requestChanges, values: editValues(exchange, route.requestChanges.edits.variables))
    } else {
      client.told.write(head, to: &record, inbound.readable, fields, requestID)
    }
    let ownAnswer = upstream == nil ? ownAnswer(client, head, inbound, route) : nil
    let refusal = hasGuards ? refusal(of: exchange) : nil
    exchange.headLength = record.count
    exchange.record = consume record
    let isLoop = loopMark.isIn(inbound.readable, fields)
    inbound.consume(head.byteCount)
    guard refusal == nil, upstream != nil, !isLoop else {
      if inbound.isEmpty { recycle(inbound) } else { client.inbound = consume inbound }
      exchange.requestBody = head.framing == .none ? .complete : .discarded
      if let refusal {
        refuse(exchange, refusal)
      } else if isLoop {
        refuseLoop(exchange)
      } else if let ownAnswer {
        answerHere(exchange, ownAnswer)
      } else {
        answer(exchange, status: 404, text: "No route matches this request.")
      }
      return
    }
    let refusesBody =
      if let limit = exchange.bounds.bodyBytes, case .contentLength(let length) = head.framing {
        length > limit
      } else {
        false
      }
    if refusesBody || head.maxForwards == 0 {
      if inbound.isEmpty { recycle(inbound) } else { client.inbound = consume inbound }
      exchange.requestBody = head.framing == .none ? .complete : .discarded
      if refusesBody {
        answer(
          exchange, status: 413,
          text: "The request body is larger than the limit of \(exchange.bounds.bodyBytes ?? 0) bytes.")
      } else {
        answerAsFinalRecipient(exchange, head)
      }
      return
    }
    exchange.awaitsContinue = head.expectsContinue
    switch head.framing {
    case .none: exchange.requestBody = .complete
    case .contentLength(let length):
      exchange.requestBody = length == 0 ? .complete : .counted(length)
      exchange.outgrowsRecord = length > UInt64(settings.limits.replayBytes)
    case .chunked:
      exchange.outgrowsRecord = true
      exchange.requestBody = .chunked(ChunkedDecoder(sender: .client))
    }
    if inbound.isEmpty { recycle(inbound) } else { client.inbound = consume inbound }
    exchange.bodyRate = hasGuards ? bodyRateMeter(for: exchange) : nil
    _ = readRequestBody(exchange)
    // Chunked content that is all here and is kept has shown its length.
    if exchange.requestBody.isComplete, exchange.machine.isRecordWhole { exchange.outgrowsRecord = false }
    guard client.phase == .exchanging, exchange.responseBody.isAwaited else { return }
    if client.transport.peerClosed, endsForClosedClient(exchange) { return }
    acquire(exchange)
  }

  private func beginExchange(
    _ client: ClientConnection, _ head: RequestHead, _ route: Route, _ requestID: (UInt64, UInt64)
  ) -> ActiveExchange {
    client.phase = .exchanging
    let exchange = exchanges.take(for: client, bounds: route.bounds)
    client.exchange = exchange
    exchange.begin(
      machine: Exchange(isIdempotent: head.method.isIdempotent, policy: route.replayPolicy), bounds: route.bounds,
      at: now)
    exchange.route = route
    exchange.method = head.method
    exchange.version = head.version
    exchange.requestID = requestID
    // A stream carries one request.
    exchange.clientKeepsAlive = head.keepsAlive && client.carrier == nil
    exchange.asksForUpgrade = !head.upgrade.isEmpty
    expectNothing(of: client)
    if let span = route.bounds.exchange { limitExchange(of: exchange, to: span) }
    return exchange
  }

  // MARK: - Content

  /// Moves content from the client into the record. Returns whether anything moved.
  func readRequestBody(_ exchange: ActiveExchange) -> Bool {
    let client = exchange.client
    guard exchange.requestBody.isExpected else { return dropRequestBody(exchange) }
    guard (exchange.record?.count ?? 0) < Self.requestHighWater else {
      // It is the server that does not take more; the client is held back by us.
      exchange.bodyRate?.paused(at: now)
      if client.clientDuty == .requestBody { expectNothing(of: client) }
      return false
    }
    if client.inbound == nil {
      guard receive(client) else {
        requestBodyIsAwaited(exchange)
        return false
      }
    }
    guard var inbound = client.inbound.take() else { return false }
    var record = exchange.record.take() ?? buffers.take()
    let before = inbound.count
    var failure: MessageError?
    switch exchange.requestBody {
    case .complete, .discarded: break
    case .counted(let remaining):
      let count = Int(min(remaining, UInt64(inbound.count)))
      makeRoom(in: &record, for: count)
      record.append(inbound.readable.extracting(first: count))
      inbound.consume(count)
      exchange.requestBodyBytes &+= UInt64(count)
      exchange.requestBody = remaining == UInt64(count) ? .complete : .counted(remaining - UInt64(count))
    case .chunked(var decoder):
      failure = copyChunks(exchange, &decoder, from: &inbound, to: &record)
    }
    let taken = before - inbound.count
    let moved = taken != 0
    if !moved, inbound.writableCount == 0 { inbound.compact() }
    exchange.record = consume record
    noteRecordSize(exchange)
    if inbound.isEmpty { recycle(inbound) } else { client.inbound = consume inbound }
    if let failure {
      counters.malformedRequests &+= 1
      requestBodyIsMalformed(exchange, failure)
      return true
    }
    if let limit = exchange.bounds.bodyBytes, exchange.requestBodyBytes > limit {
      requestBodyIsTooLarge(exchange, limit)
      return true
    }
    if moved {
      exchange.bodyRate?.received(taken, at: now)
      exchange.awaitsContinue = false
      if exchange.requestBody.isComplete {
        if client.clientDuty == .requestBody { expectNothing(of: client) }
      } else if client.clientDuty != .reading {
        expect(.requestBody, of: client, within: bodyPatience(exchange))
      }
      return true
    }
    // A partial chunk line is all there is: more must come before anything can move.
    if receive(client) { return true }
    requestBodyIsAwaited(exchange)
    return false
  }

  /// A client that sends to the end before it reads must get rid of what nobody wants, or it never reads its answer.
  private func dropRequestBody(_ exchange: ActiveExchange) -> Bool {
    let client = exchange.client
    guard case .discarded = exchange.requestBody, receive(client) else { return false }
    if let inbound = client.inbound.take() { recycle(inbound) }
    return true
  }

  /// Nothing of the content is here: it is the client's turn, or its request ended too early.
  private func requestBodyIsAwaited(_ exchange: ActiveExchange) {
    let client = exchange.client
    guard client.phase == .exchanging else { return }
    if client.transport.sawEnd {
      requestBodyEndedEarly(exchange)
    } else if client.clientDuty == .none, !exchange.awaitsContinue {
      expect(.requestBody, of: client, within: bodyPatience(exchange))
    }
  }

  private func copyChunks(
    _ exchange: ActiveExchange, _ decoder: inout ChunkedDecoder, from inbound: inout ByteBuffer,
    to record: inout ByteBuffer
  ) -> MessageError? {
    // What is here of the content goes on as one chunk, however small the chunks were that it came in.
    var preview = decoder
    var total = 0
    var offset = 0
    while case .data(let range) = preview.next(inbound.readable, from: offset) {
      total += range.count
      offset = range.end
    }
    if total > 0 {
      makeRoom(in: &record, for: total + Self.chunkRoom)
      ChunkedWriter.writeChunkStart(total, to: &record)
    }
    offset = 0
    var rest = total
    while true {
      switch decoder.next(inbound.readable, from: offset) {
      case .data(let range):
        record.append(inbound.readable.part(range))
        rest -= range.count
        if rest == 0 { ChunkedWriter.writeChunkEnd(to: &record) }
        exchange.requestBodyBytes &+= UInt64(range.count)
        offset = range.end
      case .incomplete(let consumed):
        inbound.consume(consumed)
        exchange.requestBody = .chunked(decoder)
        return nil
      case .finished(let consumed, let trailers):
        ChunkedWriter.writeEnd(to: &record, bytes: inbound.readable, trailers: trailers)
        inbound.consume(consumed)
        exchange.requestBody = .complete
        return nil
      case .failed(let error):
        return error
      }
    }
  }

  /// Room without forgetting what was sent: it may have to be sent again.
  private func makeRoom(in record: inout ByteBuffer, for count: Int) {
    if record.writableCount < count { record.reserve(count) }
  }

  private func noteRecordSize(_ exchange: ActiveExchange) {
    guard exchange.machine.isRecordWhole, let size = exchange.record?.writeOffset else { return }
    // Content counts, not the framing of its chunks; of that there may be as much again.
    let limit = settings.limits.replayBytes
    guard exchange.requestBodyBytes > UInt64(limit) || size > exchange.headLength + 2 * limit + Self.chunkRoom
    else { return }
    exchange.saveRequestLine()
    exchange.receivedRequestID = requestID(exchange)
    exchange.machine.recordLost()
  }

  /// Room for the framing of a chunk.
  private static let chunkRoom = 24

  // MARK: - Sending

  /// Hands the record to the kernel, as much as it takes. Returns whether anything moved.
  func sendRequest(_ exchange: ActiveExchange) -> Bool {
    // Most turns find everything sent: that is seen before anything else is touched.
    guard case .leased = exchange.stage, !(exchange.record?.isEmpty ?? true), let upstream = exchange.upstream,
      upstream.transport.isWritable, upstream.transport.firstError == 0
    else { return false }
    if exchange.hasWaited, clientLeftWhileWaiting(exchange) { return true }
    let isFirst = !upstream.transport.hasBegunSinceMark
    if isFirst, !mayWriteRequest(exchange, upstream) { return true }
    guard var record = exchange.record.take() else { return false }
    switch upstream.transport.send(record.readable) {
    case .bytes(let count):
      exchange.machine.requestBytesWritten(count)
      if isFirst { noteReuse(exchange) }
      if exchange.machine.isRecordWhole {
        record.advanceReadOffset(count)
      } else {
        record.advanceReadOffset(count)
        record.compact()
      }
      let isEmpty = record.isEmpty
      exchange.record = consume record
      requestMoved(exchange, isEmpty: isEmpty)
      return true
    case .wouldBlock: break
    case .failed:
      // An answer may have come before the connection broke: reading decides.
      upstream.transport.isReadable = true
      exchange.record = consume record
      return readResponse(exchange)
    }
    exchange.record = consume record
    if exchange.serverDuty == .none { expect(.sending, for: exchange, within: exchange.bounds.bodyIdle) }
    return false
  }

  /// The connection had idled for so long that something on the way may have forgotten it.
  private func doubtArrival(_ exchange: ActiveExchange) {
    guard let upstream = exchange.upstream, let path = upstream.transport.path,
      let patience = exchange.machine.silencePatience(retransmissionTimeout: path.retransmissionTimeout)
    else { return }
    expectArrival(of: exchange, within: patience)
  }

  /// The server took more of the request; what is expected of it now?
  private func requestMoved(_ exchange: ActiveExchange, isEmpty: Bool) {
    guard exchange.responseBody.isAwaited else {
      // Its answer is on the way already; while the request moves, it is not late.
      if exchange.serverDuty == .responseBody { expect(.responseBody, for: exchange, within: exchange.bounds.bodyIdle) }
      return
    }
    if !isEmpty {
      expect(.sending, for: exchange, within: exchange.bounds.bodyIdle)
    } else if exchange.requestBody.isComplete || exchange.awaitsContinue {
      exchange.sentAt = now
      expect(.responseHead, for: exchange, within: exchange.bounds.responseHead)
      if let facts = exchange.facts, facts.idleAge >= Exchange.forgettingAge { doubtArrival(exchange) }
    } else {
      // It is the client's turn.
      expectNothingOfServer(for: exchange)
    }
  }
}

extension ActiveExchange.RequestBody {
  var isComplete: Bool {
    if case .complete = self { true } else { false }
  }

  /// Whether more of it is to be read and used.
  var isExpected: Bool {
    switch self {
    case .counted, .chunked: true
    case .complete, .discarded: false
    }
  }
}

extension ActiveExchange.ResponseBody {
  /// Whether no final head has come yet.
  var isAwaited: Bool {
    if case .awaitingHead = self { true } else { false }
  }

  var isComplete: Bool {
    if case .complete = self { true } else { false }
  }
}
