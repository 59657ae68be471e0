package import Core
import Logging

/// What a worker says of itself when asked.
package struct WorkerReport: Sendable {
  package var index: Int
  package var clientConnections: Int
  package var exchanges: Int
  package var counters: Counters
  package var pools: [PoolReport]
  /// By the names of the routes.
  package var routes: [(name: String, counts: ExchangeCounts)]
  /// How long the question waited for the event loop.
  package var lag = Nanoseconds.zero
}

/// One server's pool as one worker has it.
package struct PoolReport: Sendable {
  package var upstream: String
  package var record: ServerRecord
  package var isActive: Bool
  package var weight: UInt32
  package var isBackup: Bool
  package var counts: Pool.Counts
  /// Requests that have a connection.
  package var inFlight: UInt32
  package var tally: ServerCounts

  package var server: String { record.name }
  // The same for all workers, so whoever asks looks, and no worker.
  package var window: IdleWindow.Description { record.description }
  package var health: ServerHealth.Description { record.health.description(at: MonotonicClock.now) }
}

extension Worker {
  func report() -> WorkerReport {
    var counters = counters
    counters.noticesSuppressed = notices.suppressed
    return WorkerReport(
      index: index, clientConnections: clients.count, exchanges: exchanges.count,
      counters: counters,
      pools: servers.map {
        let counts = $0.pool.counts
        return PoolReport(
          upstream: $0.upstream.name, record: $0.record, isActive: $0.isActive, weight: $0.weight,
          isBackup: $0.isBackup, counts: counts, inFlight: counts.leased &- $0.keptCount, tally: $0.counts)
      },
      routes: (routes.isEmpty ? [defaultRoute] : routes).map { ($0.name, $0.tally.counts) })
  }

  // MARK: - Failures

  /// Something that only a fault of ours can bring about, in a place where it need not cost more than one exchange.
  func noteFault(_ what: String) {
    counters.faults &+= 1
    log.error("a fault of the proxy: \(what); please report this line")
  }

  /// A fault of the proxy's own costs the exchange that met it, and nothing else.
  func endByFault(_ exchange: ActiveExchange, _ what: String) {
    noteFault("\(requestLine(exchange)): \(what)")
    abandonExchange(exchange)
    breakOff(exchange)
  }

  /// Counts a failure and says in the log what happened and what would prevent it.
  ///
  /// - Parameter wasAnswered: whether the client has got the head of an answer, which was broken off.
  func noteFailure(_ exchange: ActiveExchange, _ failure: Failure, wasAnswered: Bool = false) {
    exchange.failure = failure
    counters.failures["\(failure.proxyStatusError)", default: 0] &+= 1
    if exchange.machine.replays > 0 { counters.replaysFailed &+= 1 }
    notices.post(now) {
      let sentence = failure.sentence(server: serverName(exchange))
      let prevention = failure.prevention(server: serverName(exchange))
      let status = wasAnswered ? "\(exchange.status), broken off" : "\(failure.status)"
      log.warning(
        "\(requestLine(exchange)): \(status): \(sentence)\(prevention.isEmpty ? "" : " ")\(prevention) (request \(String(decoding: requestID(exchange), as: UTF8.self)))"
      )
    }
  }

  /// The proxy ends an exchange, or a tunnel, by a time of its own: nobody failed, and the access log says why.
  func noteCut(_ exchange: ActiveExchange, _ cause: FailureCause) {
    exchange.failure = Failure(cause, attempts: exchange.machine.attempts)
  }

  // MARK: - Access log

  /// The exchange is over, however it ended: its client connection carries none any more.
  func end(_ exchange: ActiveExchange) {
    guard exchange.isActive else { return }
    if let fault = exchange.machine.fault { noteFault("\(requestLine(exchange)): \(fault)") }
    noteFinished(exchange)
    if let record = exchange.record.take() { recycle(record) }
    exchange.client.exchange = nil
    exchanges.giveBack(exchange)
    if exchange.countsInLoad {
      exchange.countsInLoad = false
      load.exchangeEnded()
    }
  }

  private func noteFinished(_ exchange: ActiveExchange) {
    if exchange.machine.replays > 0, exchange.failure == nil, !exchange.clientWasLost {
      counters.replaysAnswered &+= 1
    }
    if exchange.machine.retries > 0 { noteRetried(exchange) }
    tallyEnd(exchange)
    guard !accessFormat.isOff else { return }
    let isOrdinary = isOrdinary(exchange)
    let requestID = requestID(exchange)
    guard !isOrdinary || accessFormat.sampling.takes(requestID) else { return }
    accessFormat.append(record(exchange, requestID, isOrdinary: isOrdinary), to: &accessLines)
    if accessLines.count > Self.accessBatch { flushAccessLog() }
  }

  private static let accessBatch = 65_536

  func flushAccessLog() {
    guard !accessLines.isEmpty else { return }
    accessLog?.write(accessLines)
    accessLines.removeAll(keepingCapacity: true)
  }

  /// Whether there is nothing about the exchange that somebody would look for in the log: only such lines are left out.
  private func isOrdinary(_ exchange: ActiveExchange) -> Bool {
    let call = exchange
    return call.status < 500 && call.failure == nil && !call.clientWasLost && call.machine.replays == 0
      && call.machine.retries == 0 && call.machine.lastVerdict == nil
  }

  /// The identifier of an exchange, as its server and the logs have it. It allocates: for logs and failures.
  func requestID(_ exchange: ActiveExchange) -> [UInt8] {
    guard exchange.receivedRequestID.isEmpty else { return exchange.receivedRequestID }
    // Without an access log nothing is kept of the client's own, which is still in the request as it goes to the server.
    if !logsRequests, exchange.machine.isRecordWhole,
      let received = exchange.requestID(inHeadOf: exchange.headLength)
    {
      return received
    }
    var text: [UInt8] = []
    text.reserveCapacity(32)
    text.appendLog(paddedHexadecimal: exchange.requestID.0)
    text.appendLog(paddedHexadecimal: exchange.requestID.1)
    return text
  }

  private func record(_ exchange: ActiveExchange, _ requestID: [UInt8], isOrdinary: Bool) -> AccessLine.Record {
    let client = exchange.client
    let call = exchange
    var record = AccessLine.Record()
    record.wallNanoseconds = now.nanoseconds &+ wallOffset
    record.client = call.namedClient?.description ?? client.peer.host
    record.clientRequests = client.requestsServed
    record.requestLine = exchange.requestLine(settings.logs.query)
    record.version = call.version
    record.isHTTP2 = exchange.client.carrier != nil
    record.requestID = requestID
    record.status = call.status
    record.bytesIn = call.requestBodyBytes
    record.bytesOut = call.responseBodyBytes
    record.duration = now.since(call.startedAt)
    record.untilLeased = call.facts == nil ? nil : call.leasedAt.since(call.startedAt)
    record.untilHead = call.headAt.map { $0.since(call.startedAt) }
    record.server = call.server?.record.name
    record.upstreamName = call.route?.upstream?.name
    record.route = call.route?.name
    record.connection = call.upstreamLogID
    record.facts = call.facts
    if accessFormat.needsIdleWindow { record.idleWindow = call.server?.record.bounds.leaseLimit }
    record.attempts = call.machine.attempts
    record.replays = call.machine.replays
    record.retries = call.machine.retries
    record.verdict = call.machine.lastVerdict
    record.failure = call.failure
    record.clientWasLost = call.clientWasLost
    if accessFormat.sampling.rate > 1 { record.sampling = isOrdinary ? accessFormat.sampling.rate : 1 }
    // What other settings asked for is not what these would show.
    if let fields = call.loggedFields, fields.generation == accessGeneration {
      record.requestFields = fields.request
      record.responseFields = fields.response
    }
    return record
  }

  /// Method and target for the control log.
  func requestLine(_ exchange: ActiveExchange) -> String {
    String(decoding: exchange.requestLine(settings.logs.query), as: UTF8.self)
  }

  /// Keeps of a request's head what its line in the access log will show.
  func noteLoggedFields(_ exchange: ActiveExchange, ofRequest bytes: RawSpan) {
    var logged = LoggedFields(generation: accessGeneration)
    if !accessFormat.requestFields.isEmpty { logged.request = accessFormat.requestFields.captured(bytes, fields) }
    exchange.loggedFields = logged
  }

  /// The same of the response's head, as the server sent it.
  func noteLoggedFields(_ exchange: ActiveExchange, ofResponse bytes: RawSpan) {
    guard exchange.loggedFields?.generation == accessGeneration, !accessFormat.responseFields.isEmpty else { return }
    exchange.loggedFields?.response = accessFormat.responseFields.captured(bytes, fields)
  }

  // MARK: - Forwarding

  func forwarding(for peer: SocketAddress, isSecure: Bool) -> Forwarding {
    var written: Forwarding.Fields = []
    if settings.forwarding.xForwarded { written.formUnion([.xForwardedFor, .xForwardedProto, .xForwardedHost]) }
    if settings.forwarding.forwarded { written.formUnion(.forwarded) }
    if settings.forwarding.via { written.formUnion(.via) }
    written.formUnion(.clientCertificate)
    if settings.forwarding.requestID { written.formUnion(.xRequestID) }
    var isTrusted = false
    if !settings.forwarding.trustedPeers.isEmpty {
      let bytes = peer.ipBytes
      isTrusted = settings.forwarding.trustedPeers.contains { $0.contains(bytes) }
    }
    return Forwarding(
      clientAddress: peer.isUnix ? [] : Array(peer.host.utf8), clientPort: 0, scheme: isSecure ? secureScheme : scheme,
      peerIsTrusted: isTrusted,
      pseudonym: viaName, fields: written, loopMark: loopMark.text)
  }

  var viaName: [UInt8] { pseudonym }

  /// The value of Date, made anew each second.
  var dateValue: [UInt8] {
    if now.since(dateMadeAt) >= .seconds(1) || date.isEmpty {
      dateMadeAt = now
      takeWallClock()
      date = WallTime.httpDate(ofNanoseconds: now.nanoseconds &+ wallOffset)
    }
    return date
  }
}

extension IdleWindow.Description {
  /// In words, for the log.
  package var sentence: String {
    let limit = bounds.leaseLimit.rounded.text
    let proven = bounds.provenAge == .unlimited ? "any age" : bounds.provenAge.rounded.text
    let use = "connections are reused up to an idle age of \(limit), for non-idempotent requests up to \(proven)"
    switch source {
    case .off: return "the idle window is off; connections are reused up to \(limit)"
    case .configured: return "nothing is known yet of its idle timeout; \(use)"
    case .hint:
      return "says that it keeps idle connections for \(hintSeconds.map { "\($0) s" } ?? "a time"); \(use)"
    case .learned:
      let closed =
        estimate.map {
          "closes idle connections after about \($0.rounded.text) (\(samples) seen, spread \(jitter.rounded.text), round trip \(roundTripTime.rounded.text))"
        } ?? "has closed idle connections sooner than it does of late"
      return "\(closed); \(use)"
    case .reusePointless: return "closes its connections after every response; they are not reused"
    }
  }

  /// The same, with what is suspected of the server and for how long.
  package func sentence(at now: Instant) -> String {
    suspicion.map { "\(sentence); \($0.sentence(at: now))" } ?? sentence
  }
}

extension IdleWindow.Suspicion {
  /// In words, for the log and the status.
  package func sentence(at now: Instant) -> String {
    let what =
      switch cause {
      case .end(let lowest, let highest, let connections):
        "a restart or the end of a worker is suspected (\(connections) connection(s) closed at idle ages from \(lowest.rounded.text) to \(highest.rounded.text))"
      case .closeAfterResponse: "it is suspected to close connections right after responses without saying so"
      }
    let span = max(until.since(now), .zero).rounded.text
    return
      "\(what): non-idempotent requests take fresh connections until one is seen to be kept, for another \(span) at most"
  }
}

extension Nanoseconds {
  /// To three figures or so, for people.
  var rounded: Nanoseconds {
    if self == .unlimited { return self }
    if count >= 10_000_000_000 { return Nanoseconds(count / 100_000_000 * 100_000_000) }
    if count >= 1_000_000 { return Nanoseconds(count / 1_000_000 * 1_000_000) }
    return Nanoseconds(count / 1_000 * 1_000)
  }
}
