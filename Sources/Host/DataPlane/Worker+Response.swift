import Core

extension Worker {
  /// Bytes of a response that may wait for the client before no more are read from the server.
  private static let responseHighWater = 40_960
  /// A connection whose server may have been done with its answer for longer than this is not kept: how long it has really been
  /// idle is not known.
  private static let longestHoldBack = Nanoseconds.milliseconds(10)

  /// Reads from the server and moves what is understood towards the client. Returns whether anything moved.
  func readResponse(_ exchange: ActiveExchange) -> Bool {
    guard let upstream = exchange.upstream, !upstream.isConnecting else { return false }
    switch exchange.stage {
    case .leased: break
    case .judging:
      if upstream.transport.isReadable || upstream.transport.peerClosed { judgingStirred(exchange) }
      return false
    case .none, .waiting, .connecting, .backingOff: return false
    }
    switch exchange.responseBody {
    case .awaitingHead: return readResponseHead(exchange, upstream)
    case .counted, .untilClose, .chunked: return readResponseBody(exchange, upstream)
    case .complete: return false
    }
  }

  // MARK: - Head

  private func readResponseHead(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) -> Bool {
    let received = receive(upstream)
    // An interim response may have left the next head in the buffer.
    guard received || exchange.mayHoldHead else {
      if upstream.transport.sawEnd || upstream.transport.firstError != 0 { endedBeforeHead(exchange, upstream) }
      return false
    }
    exchange.mayHoldHead = false
    guard let inbound = upstream.inbound.take() else { return received }
    let hasEnded = upstream.transport.sawEnd || upstream.transport.firstError != 0
    switch parseResponse(inbound, upstream, exchange.method) {
    case .incomplete:
      upstream.inbound = consume inbound
      if !received, hasEnded { endedBeforeHead(exchange, upstream) }
      return received
    case .failed(let error):
      responseIsMalformed(exchange, upstream, inbound, error)
    case .complete(let head):
      upstream.scan = HeadScan()
      if head.isInterim {
        interimArrived(exchange, upstream, inbound, head)
      } else {
        headArrived(exchange, upstream, inbound, head)
      }
    }
    return true
  }

  private func parseResponse(
    _ inbound: borrowing ByteBuffer, _ upstream: UpstreamConnection, _ method: Method
  ) -> HeadParse<ResponseHead> {
    ResponseHead.parse(
      inbound.readable, scan: &upstream.scan, limits: headLimits, requestMethod: method, into: &fields)
  }

  /// Whether the response that has arrived may answer the request.
  private func couldAnswer(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) -> Bool {
    guard exchange.machine.mustCheckAnswer else { return true }
    // A stream's answer has its number on it.
    if upstream.carrier != nil {
      if !exchange.requestBody.isComplete || !(exchange.record?.isEmpty ?? true) { exchange.answerIsEarly = true }
      return true
    }
    // A UNIX socket answers SIOCOUTQ with the memory of messages that were not read to their end: no evidence.
    let unacknowledged =
      upstream.server.record.address.isUnix ? nil : upstream.transport.unacknowledgedBytes
    if !exchange.requestBody.isComplete || !(exchange.record?.isEmpty ?? true) || upstream.transport.isSending
      || unacknowledged ?? 0 > 0
    {
      exchange.answerIsEarly = true
    }
    return EvidenceRule.couldAnswer(
      bytesWritten: upstream.transport.bytesSinceMark, unacknowledgedBytes: unacknowledged)
  }

  private func interimArrived(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ held: consuming ByteBuffer, _ head: ResponseHead
  ) {
    let client = exchange.client
    var inbound = held
    let couldAnswer = couldAnswer(exchange, upstream)
    let fate = exchange.machine.responseHeadArrived(
      isInterim: true, couldAnswer: couldAnswer, observation: observe(upstream), now: now)
    switch fate {
    case .discard(let deadline):
      recycle(inbound)
      discardResponse(exchange, until: deadline)
      return
    case .passOn: break
    }
    exchange.interimCount &+= 1
    guard exchange.interimCount <= Self.interimLimit else {
      recycle(inbound)
      let end = exchange.machine.responseInvalid(
        .invalidResponse(detail: "more than \(Self.interimLimit) interim responses"), couldAnswer: true,
        observation: observe(upstream), now: now)
      follow(end, for: exchange)
      return
    }
    // RFC 9110 section 15.2: no 1xx to an HTTP/1.0 client.
    if exchange.version == .http11 {
      var outbound = client.outbound.take() ?? buffers.take()
      head.write(
        to: &outbound, bytes: inbound.readable, fields: fields, clientVersion: exchange.version,
        clientKeepsAlive: true, bodyFraming: .none)
      client.outbound = consume outbound
      exchange.machine.interimPassedOn()
      if head.status == 100 { exchange.awaitsContinue = false }
    }
    inbound.consume(head.byteCount)
    exchange.mayHoldHead = !inbound.isEmpty
    if inbound.isEmpty { recycle(inbound) } else { upstream.inbound = consume inbound }
    if exchange.requestBody.isComplete, exchange.record?.isEmpty ?? true {
      // The time runs from the request's last byte: a server that goes on saying that it will answer has not answered.
      if exchange.serverDuty != .responseHead {
        expect(.responseHead, for: exchange, within: exchange.bounds.responseHead)
      }
    } else if exchange.serverDuty == .responseHead, head.status == 100 {
      // After a 100 it is the client's turn.
      expectNothingOfServer(for: exchange)
    }
  }

  /// Interim responses before the final one; more are a fault of the server.
  private static let interimLimit = 128

  private func headArrived(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ held: consuming ByteBuffer, _ head: ResponseHead
  ) {
    var inbound = held
    exchange.answerIsEarly = false
    let couldAnswer = couldAnswer(exchange, upstream)
    let isReplayed: Bool
    if !couldAnswer {
      // The last word of a server that closes is followed by evidence; behind anything else a wait would bring none.
      isReplayed =
        noteUnaskedBytes(inbound.readable, of: upstream, seen: .beforeAcknowledgement) == .answer
        && replaysDoubtedAnswer(exchange, upstream, mayAnswer: false, "a response came before the request had arrived")
    } else {
      isReplayed =
        exchange.facts?.isReused ?? false && replaysDoubtedAnswer(exchange, upstream, inbound, head)
    }
    if isReplayed {
      recycle(inbound)
      return
    }
    switch exchange.machine.responseHeadArrived(
      isInterim: false, couldAnswer: couldAnswer, observation: observe(upstream), now: now)
    {
    case .discard(let deadline):
      recycle(inbound)
      discardResponse(exchange, until: deadline)
      return
    case .passOn: break
    }
    noteOutcome(.answered(status: UInt16(head.status)), at: upstream.server)
    noteAnswer(exchange, upstream, head)
    if upstream.carrier == nil, ConnectionAuthentication.isNamed(inbound.readable, fields) { upstream.isPrivate = true }
    if head.status >= 400, retriesAnswer(exchange, upstream, inbound, head) {
      recycle(inbound)
      return
    }
    exchange.headAt = now
    exchange.status = head.status
    if exchange.loggedFields != nil { noteLoggedFields(exchange, ofResponse: inbound.readable) }
    if head.status == 101 {
      switchProtocols(exchange, upstream, inbound, head)
      return
    }
    passHeadOn(exchange, upstream, &inbound, head)
    if inbound.isEmpty {
      recycle(inbound)
    } else {
      upstream.inbound = consume inbound
    }
    moveBufferedBody(exchange, upstream)
    responseMayBeComplete(exchange, upstream)
  }

  /// Writes the head to the client and prepares for its content.
  private func passHeadOn(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ inbound: inout ByteBuffer, _ head: ResponseHead
  ) {
    let client = exchange.client
    let framing = head.framing(forClient: exchange.version)
    // A client that is still sending would have its request taken for the next one; it is told that this is the end.
    let persists = exchange.clientKeepsAlive && exchange.requestBody.isComplete && servesFurther(client)
    let via = settings.forwarding.via ? viaName : nil
    let date = fields.contains(.date) ? nil : dateValue
    var outbound = client.outbound.take() ?? buffers.take()
    let cookie = stickyLine(exchange)
    if let route = exchange.route, route.changesResponses || !cookie.isEmpty {
      head.write(
        to: &outbound, bytes: inbound.readable, fields: fields, clientVersion: exchange.version,
        clientKeepsAlive: persists, bodyFraming: framing, keepAliveTimeout: advertisedIdle, via: via, date: date,
        edits: route.responseEdits, values: editValues(exchange, route.responseEdits.variables), extraLines: cookie)
    } else {
      head.write(
        to: &outbound, bytes: inbound.readable, fields: fields, clientVersion: exchange.version,
        clientKeepsAlive: persists, bodyFraming: framing, keepAliveTimeout: advertisedIdle, via: via, date: date)
    }
    client.outbound = consume outbound
    exchange.machine.responsePassedOn()
    switch framing {
    case .none, .contentLength:
      exchange.closesClient = !persists
      exchange.sendsChunks = false
      exchange.isDelimitedByClose = false
    case .chunked:
      exchange.closesClient = !persists
      exchange.sendsChunks = true
      exchange.isDelimitedByClose = false
    case .untilClose:
      exchange.closesClient = true
      exchange.sendsChunks = false
      exchange.isDelimitedByClose = true
    }
    exchange.upstreamFate = head.keepsAlive ? .stays : .lastAnswer
    exchange.answerIsBare = false
    inbound.consume(head.byteCount)
    switch head.framing {
    case .none:
      exchange.answerIsBare = true
      exchange.responseBody = .complete
    case .contentLength(let length): exchange.responseBody = length == 0 ? .complete : .counted(length)
    case .chunked: exchange.responseBody = .chunked(ChunkedDecoder(sender: .upstream))
    case .untilClose: exchange.responseBody = .untilClose
    }
    exchange.awaitsContinue = false
    expect(.responseBody, for: exchange, within: exchange.bounds.bodyIdle)
  }

  private var advertisedIdle: UInt32? {
    settings.timeouts.advertisedIdleSeconds == 0 ? nil : settings.timeouts.advertisedIdleSeconds
  }

  /// A hint that ends a suspicion is passed on this often at most.
  private static let shortestHintPeriod = Nanoseconds.milliseconds(100)

  /// Lets the idle window learn from an answer: a hint, or a reuse at an idle age that was not proven.
  private func noteAnswer(_ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ head: ResponseHead) {
    let server = upstream.server
    if exchange.facts?.uses == 0, now.since(server.roundTripMeasuredAt) > .seconds(1),
      let time = upstream.transport.path?.roundTripTime
    {
      server.roundTripMeasuredAt = now
      learn(server) { window in
        window.roundTripTimeMeasured(time)
        return .unchanged
      }
    }
    if let facts = exchange.facts, facts.isReused, server.record.bounds.isNews(reuseAt: facts.idleAge) {
      learn(server) { $0.reuseSucceeded(idleAge: facts.idleAge, uses: facts.uses, now: self.now) }
    }
    // The same hint again is no news, and one that changes with every response is not worth more than a look a second.
    guard let seconds = head.keepAliveTimeoutSeconds else { return }
    let sinceTold = now.since(server.hintToldAt)
    // While something is suspected of the server, what it says now ends that.
    let isSuspected = sinceTold > Self.shortestHintPeriod && server.record.bounds.provenAge == .zero
    guard seconds != server.lastHint ? sinceTold > .seconds(1) : sinceTold > .seconds(60) || isSuspected else { return }
    server.lastHint = seconds
    server.hintToldAt = now
    let roundTripTime = upstream.transport.path?.roundTripTime
    learn(server) { window in
      if let roundTripTime { window.roundTripTimeMeasured(roundTripTime) }
      return window.keepAliveHinted(seconds: Int(seconds), maximum: head.keepAliveMax.map { Int($0) }, now: self.now)
    }
  }

  /// A response that cannot be the answer: nothing of it is passed on, and the socket's end is awaited.
  private func discardResponse(_ exchange: ActiveExchange, until deadline: Instant) {
    exchange.stage = .judging
    expect(.reset, for: exchange, within: deadline.since(now))
    judgingStirred(exchange)
  }

  private func endedBeforeHead(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) {
    attemptEnded(exchange)
  }

  private func responseIsMalformed(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ held: consuming ByteBuffer, _ error: MessageError
  ) {
    let inbound = held
    let couldAnswer = couldAnswer(exchange, upstream)
    if couldAnswer, replaysMalformedAnswer(exchange, upstream, inbound, error) {
      recycle(inbound)
      return
    }
    let cause = cause(of: error, inbound)
    let observation = observe(upstream)
    let end = exchange.machine.responseInvalid(cause, couldAnswer: couldAnswer, observation: observation, now: now)
    recycle(inbound)
    noteFailedAttempt(exchange, at: upstream.server)
    follow(end, for: exchange)
  }

  /// What the server speaks if it is not HTTP, else which rule it broke.
  private func cause(of error: MessageError, _ inbound: borrowing ByteBuffer) -> FailureCause {
    if let foreign = ForeignProtocol.spoken(byUpstream: inbound.readable) {
      return .doesNotSpeakHTTP(protocolName: foreign.name)
    }
    if let setting = error.code.setting {
      return .responseTooLarge(detail: "\(error.code.fact) of \(limit(of: error.code))", setting: setting)
    }
    return .invalidResponse(detail: error.explanation)
  }

  // MARK: - Content

  private func readResponseBody(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) -> Bool {
    let client = exchange.client
    guard (client.outbound?.count ?? 0) < Self.responseHighWater else {
      // It is the client that does not take more; the server is held back by us.
      exchange.wasHeldBack = true
      if exchange.serverDuty == .responseBody { expectNothingOfServer(for: exchange) }
      return false
    }
    var moved = false
    if case .counted(let remaining) = exchange.responseBody, upstream.inbound == nil {
      moved = receiveCounted(exchange, upstream, remaining)
    } else if receive(upstream, largely: true) {
      moved = true
      moveBufferedBody(exchange, upstream)
    }
    guard client.phase == .exchanging, exchange.upstream === upstream else { return true }
    if moved {
      expect(.responseBody, for: exchange, within: exchange.bounds.bodyIdle)
      responseMayBeComplete(exchange, upstream)
      return true
    }
    if upstream.transport.sawEnd || upstream.transport.firstError != 0 {
      endedWithinBody(exchange, upstream)
      return true
    }
    if exchange.serverDuty == .none { expect(.responseBody, for: exchange, within: exchange.bounds.bodyIdle) }
    return false
  }

  /// Content of known length goes from the socket into the client's buffer without another copy.
  private func receiveCounted(_ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ remaining: UInt64) -> Bool {
    let client = exchange.client
    guard upstream.transport.isReadable else { return false }
    var outbound = client.outbound.take() ?? bulkBuffer(for: remaining)
    if outbound.writableCount < 1_024 { outbound.makeRoom(for: 4_096) }
    var moved = false
    switch upstream.transport.receive(into: &outbound) {
    case .bytes(let count):
      moved = true
      if UInt64(count) > remaining {
        // More than was announced: the surplus is nobody's, and the connection cannot be trusted any more.
        let surplus = count - Int(remaining)
        noteUnaskedBytes(outbound.readable.extracting(last: surplus), of: upstream, seen: .behindAnswer)
        outbound.removeLast(surplus)
        exchange.upstreamFate = .surplus
        exchange.responseBodyBytes &+= remaining
        exchange.responseBody = .complete
      } else {
        exchange.responseBodyBytes &+= UInt64(count)
        let rest = remaining - UInt64(count)
        exchange.responseBody = rest == 0 ? .complete : .counted(rest)
      }
    case .wouldBlock, .ended, .failed: break
    }
    let isEmpty = outbound.isEmpty
    if isEmpty { recycle(outbound) } else { client.outbound = consume outbound }
    return moved
  }

  /// A large body moves in large pieces.
  private func bulkBuffer(for remaining: UInt64) -> ByteBuffer {
    remaining > UInt64(buffers.capacity) ? bulkBuffers.take() : buffers.take()
  }

  /// Moves content that is already here to the client's buffer, decoded and framed anew.
  private func moveBufferedBody(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) {
    let client = exchange.client
    guard var inbound = upstream.inbound.take() else { return }
    var outbound = client.outbound.take() ?? (inbound.count > 2_048 ? bulkBuffers.take() : buffers.take())
    // Framing adds to what came: a chunk's size line and ends, for each chunk again below.
    outbound.makeRoom(for: inbound.count + 32)
    var failure: MessageError?
    switch exchange.responseBody {
    case .awaitingHead, .complete: break
    case .counted(let remaining):
      let count = Int(min(remaining, UInt64(inbound.count)))
      outbound.append(inbound.readable.extracting(first: count))
      inbound.consume(count)
      exchange.responseBodyBytes &+= UInt64(count)
      exchange.responseBody = remaining == UInt64(count) ? .complete : .counted(remaining - UInt64(count))
    case .untilClose:
      let count = inbound.count
      if exchange.sendsChunks, count > 0 {
        ChunkedWriter.writeChunkStart(count, to: &outbound)
        outbound.append(inbound.readable)
        ChunkedWriter.writeChunkEnd(to: &outbound)
      } else {
        outbound.append(inbound.readable)
      }
      exchange.responseBodyBytes &+= UInt64(count)
      inbound.consume(count)
    case .chunked(var decoder):
      failure = copyChunks(exchange, &decoder, from: &inbound, to: &outbound)
    }
    // What is left behind a complete response was not asked for.
    if exchange.responseBody.isComplete, !inbound.isEmpty {
      exchange.upstreamFate = .surplus
      upstream.lastAnswerWasBare = exchange.answerIsBare
      noteUnaskedBytes(inbound.readable, of: upstream, seen: .behindAnswer)
    }
    if inbound.isEmpty || exchange.responseBody.isComplete {
      recycle(inbound)
    } else {
      if inbound.writableCount == 0 { inbound.compact() }
      upstream.inbound = consume inbound
    }
    if outbound.isEmpty { recycle(outbound) } else { client.outbound = consume outbound }
    if let failure {
      let end = exchange.machine.responseInvalid(
        .invalidResponse(detail: failure.explanation), couldAnswer: true, observation: observe(upstream), now: now)
      follow(end, for: exchange)
    }
  }

  private func copyChunks(
    _ exchange: ActiveExchange, _ decoder: inout ChunkedDecoder, from inbound: inout ByteBuffer,
    to outbound: inout ByteBuffer
  ) -> MessageError? {
    var offset = 0
    while true {
      switch decoder.next(inbound.readable, from: offset) {
      case .data(let range):
        outbound.makeRoom(for: range.count + 32)
        if exchange.sendsChunks {
          ChunkedWriter.writeChunkStart(range.count, to: &outbound)
          outbound.append(inbound.readable.part(range))
          ChunkedWriter.writeChunkEnd(to: &outbound)
        } else {
          outbound.append(inbound.readable.part(range))
        }
        exchange.responseBodyBytes &+= UInt64(range.count)
        offset = range.end
      case .incomplete(let consumed):
        inbound.consume(consumed)
        exchange.responseBody = .chunked(decoder)
        return nil
      case .finished(let consumed, let trailers):
        if exchange.sendsChunks {
          ChunkedWriter.writeEnd(to: &outbound, bytes: inbound.readable, trailers: trailers)
        }
        inbound.consume(consumed)
        exchange.responseBody = .complete
        return nil
      case .failed(let error):
        return error
      }
    }
  }

  private func endedWithinBody(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) {
    let client = exchange.client
    if case .untilClose = exchange.responseBody, upstream.transport.hasEndedInOrder {
      // The close is the end of the content.
      if exchange.sendsChunks {
        var outbound = client.outbound.take() ?? buffers.take()
        ChunkedWriter.writeEnd(to: &outbound)
        client.outbound = consume outbound
      }
      exchange.upstreamFate = .lastAnswer
      exchange.responseBody = .complete
      responseMayBeComplete(exchange, upstream)
      return
    }
    attemptEnded(exchange)
  }

  /// Gives the connection back as soon as the response is whole, whatever the client still has to read.
  private func responseMayBeComplete(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) {
    let client = exchange.client
    guard client.phase == .exchanging, exchange.responseBody.isComplete, exchange.upstream === upstream else { return }
    if !exchange.machine.isFinished { exchange.machine.responseEnded() }
    let requestIsSent =
      exchange.requestBody.isComplete && (exchange.record?.isEmpty ?? true) && !upstream.transport.isSending
    let isOfUnknownAge = exchange.wasHeldBack && now.since(upstream.readableSince) > Self.longestHoldBack
    let isReusable: Bool
    switch exchange.upstreamFate {
    case .stays:
      let isDoubtful = exchange.answerIsBare && upstream.server.sendsUnannouncedContent
      isReusable =
        requestIsSent && upstream.transport.firstError == 0 && upstream.inbound == nil && !isOfUnknownAge
        && !exchange.answerIsEarly && !isDoubtful
      if !isReusable {
        countClose(
          !requestIsSent
            ? "request-unfinished"
            : exchange.answerIsEarly ? "early-answer" : isDoubtful ? "unannounced-content" : "age-unknown",
          of: upstream.server)
      }
    case .lastAnswer:
      isReusable = false
      countClose("last-answer", of: upstream.server)
    case .surplus:
      isReusable = false
      countClose("surplus-bytes", of: upstream.server)
    }
    // A FIN that came with the response is the end of an idle connection: it is counted and learned from as such.
    if upstream.transport.sawEnd || upstream.transport.peerClosed { upstream.transport.isReadable = true }
    upstream.lastAnswerWasBare = exchange.answerIsBare
    returnLease(exchange, reusable: isReusable)
    expectNothingOfServer(for: exchange)
    // The server has answered without the rest of the request.
    if !exchange.requestBody.isComplete {
      exchange.requestBody = .discarded
      exchange.closesClient = true
    }
  }

  // MARK: - Receiving

  /// Reads what has come from the server behind what is already there. Returns whether there are new bytes.
  func receive(_ upstream: UpstreamConnection) -> Bool {
    receive(upstream, largely: false)
  }

  /// - Parameter largely: whether much is to be expected: a larger buffer saves system calls.
  private func receive(_ upstream: UpstreamConnection, largely: Bool) -> Bool {
    guard upstream.transport.isReadable, !upstream.transport.sawEnd else { return false }
    var inbound: ByteBuffer
    if let held = upstream.inbound.take() {
      inbound = held
      if inbound.writableCount == 0 { inbound.compact() }
      if inbound.writableCount == 0 { inbound.reserve(inbound.capacity) }
    } else {
      inbound = largely ? mediumBuffers.take() : buffers.take()
    }
    let result = upstream.transport.receive(into: &inbound)
    let isEmpty = inbound.isEmpty
    if isEmpty { recycle(inbound) } else { upstream.inbound = consume inbound }
    if case .bytes = result { return true }
    return false
  }
}
