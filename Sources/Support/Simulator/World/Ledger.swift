import Core

/// The truth: what was asked, what each server application read and did, what each client got. It shares nothing with the
/// proxy's machines but the facts that they are told, and holds them to their promises at every step.
struct Ledger {
  struct Request {
    enum Fate: Equatable {
      case pending
      /// The head of this response was passed on.
      case answering(response: Int32)
      case answered
      /// The client got a part of a response and a broken connection.
      case brokenOff
      case failed
      case left
    }

    let client: Int32
    let thread: Int32
    let isIdempotent: Bool
    let headBytes: Int32
    let bodyBytes: Int32
    let arrivedAt: Instant
    var fate = Fate.pending
    /// How often a server's application acted on it.
    var applied = 0
    var attempts = 0
    /// Attempts that ended without proof on a connection that had carried nothing before.
    var freshLosses = 0
    var replays = 0
    var waitingSince = Instant(nanoseconds: 0)
    /// The client has an interim response.
    var hasInterim = false
  }

  struct Attempt {
    let request: Int32
    let connection: Int32
    let isReused: Bool
    let startedAt: Instant
    /// Bytes of the request that the proxy handed to its kernel, always from the first one on.
    var handed: Int32 = 0
    /// The proxy's stream position before it.
    let streamStart: Int32
    var verdict: Verdict?
    var wasRead = false
    var isOver = false
  }

  /// What the ledger knows of one connection.
  struct Connection {
    let thread: Int32
    var requests = 0
    var user: Int32?
    var isOpen = true
    var isIdle = false
    /// The server said that it would close, or the proxy has seen its end.
    var isSpent = false
  }

  private(set) var requests: [Request] = []
  private(set) var attempts: [Attempt] = []
  private(set) var connections: [Connection] = []
  /// For each thread, what its replays have cost, in thousandths of one without proof.
  private var replayCost: [Int64]
  private var openCount: [Int]
  private var idleCount: [Int]
  /// The limits of the pools as they are now.
  private var pool: PoolSettings
  /// For each thread: connections that it had when a reload lowered their limit. Until they are fewer, one may replace
  /// another.
  private var ceiling: [Int]
  /// The least that reloads ever set.
  private let leastWaiting: UInt32
  private let leastWait: Nanoseconds
  /// The first promise that was broken, in words.
  private(set) var violation: String?

  let scenario: Scenario

  init(scenario: Scenario) {
    self.scenario = scenario
    openCount = Array(repeating: 0, count: Int(scenario.proxy.threads))
    ceiling = openCount
    pool = scenario.proxy.pool
    let pools = [pool] + scenario.proxy.reloads.map(\.pool)
    leastWaiting = pools.map(\.maximumWaiting).min() ?? 0
    leastWait = pools.map(\.maximumWait).min() ?? .zero
    idleCount = openCount
    replayCost = Array(repeating: 0, count: openCount.count)
    requests.reserveCapacity(128)
    attempts.reserveCapacity(160)
  }

  mutating func violate(_ text: String) {
    if violation == nil { violation = text }
  }

  // MARK: Clients

  mutating func requestArrived(
    client: Int32, thread: Int32, isIdempotent: Bool, headBytes: Int32, bodyBytes: Int32, at now: Instant
  ) -> Int32 {
    requests.append(
      Request(
        client: client, thread: thread, isIdempotent: isIdempotent, headBytes: headBytes, bodyBytes: bodyBytes,
        arrivedAt: now))
    return Int32(requests.count - 1)
  }

  mutating func clientLeft(_ request: Int32) {
    requests[Int(request)].fate = .left
  }

  /// The head of a response went to the client.
  ///
  /// - Parameter isTellable: whether the server's kernel had not one byte of the request when the response was written.
  ///   A farewell to a request that lies unread in the server's buffer acknowledges it, and looks like its answer.
  mutating func passedOn(_ response: Int32, of answered: Int32?, isTellable: Bool, to request: Int32) {
    switch requests[Int(request)].fate {
    case .pending: break
    case .left: return
    case .answering, .answered, .brokenOff, .failed:
      violate("request \(request) got a second answer")
    }
    if answered != request, answered != nil || isTellable {
      violate("request \(request) got a response that is not its answer: \(answered.map(String.init) ?? "a farewell")")
    }
    requests[Int(request)].fate = .answering(response: response)
  }

  mutating func answered(_ request: Int32) {
    switch requests[Int(request)].fate {
    case .answering: requests[Int(request)].fate = .answered
    case .left: break
    case .pending, .answered, .brokenOff, .failed:
      violate("request \(request) ended an answer that it had not begun")
    }
  }

  /// The client got an interim response: it can no longer be told of a failure in good order.
  mutating func interimPassedOn(_ answered: Int32?, to request: Int32) {
    if answered != request { violate("request \(request) got an interim response that is not its own") }
    requests[Int(request)].hasInterim = true
  }

  mutating func brokenOff(_ request: Int32) {
    switch requests[Int(request)].fate {
    case .answering: requests[Int(request)].fate = .brokenOff
    case .pending where requests[Int(request)].hasInterim: requests[Int(request)].fate = .brokenOff
    case .left: break
    case .pending, .answered, .brokenOff, .failed:
      violate("request \(request) was broken off outside of an answer")
    }
  }

  mutating func startedWaiting(_ request: Int32, at now: Instant) {
    requests[Int(request)].waitingSince = now
  }

  /// A response was thrown away.
  mutating func responseDiscarded(_ answered: Int32?, by request: Int32) {
    if answered == request { violate("the answer of request \(request) was taken for a farewell") }
  }

  mutating func replayed(_ request: Int32, _ verdict: Verdict) {
    requests[Int(request)].replays += 1
    replayCost[Int(requests[Int(request)].thread)] += verdict.provesNoDelivery ? 100 : 1_000
    if requests[Int(request)].hasInterim { violate("request \(request) is replayed, and its client has a response") }
    if requests[Int(request)].replays > Int(scenario.proxy.policy.maximumReplays) {
      violate("request \(request) is replayed \(requests[Int(request)].replays) times")
    }
  }

  /// Nothing could be had for this request. Whoever fails must have had a reason that is true.
  mutating func failed(
    _ request: Int32, _ failure: Failure, takenBody: Int32, network: borrowing Network, at now: Instant
  ) {
    let at = Int(request)
    switch requests[at].fate {
    case .pending: requests[at].fate = .failed
    case .left: return
    case .answering, .answered, .brokenOff, .failed:
      violate("request \(request) was answered, and then failed")
      return
    }
    let policy = scenario.proxy.policy
    var isTrue: Bool
    switch failure.notReplayed {
    case nil:
      switch failure.cause {
      case .poolQueueFull: isTrue = leastWaiting < scenario.clients.count
      case .poolDraining: isTrue = now >= scenario.proxy.drainsAt
      case .waitTimeout: isTrue = now.since(requests[at].waitingSince) >= leastWait
      default: isTrue = false
      }
    case .notIdempotent:
      isTrue = !requests[at].isIdempotent && !wasProvable(lastAttempt(of: request), network)
    case .switchedOff: isTrue = !requests[at].isIdempotent && policy.nonIdempotent == .never
    case .bodyNotKept: isTrue = takenBody > scenario.proxy.recordLimit
    case .tooManyReplays: isTrue = requests[at].replays >= Int(policy.maximumReplays)
    case .tooManyFreshLosses: isTrue = requests[at].freshLosses >= Int(policy.maximumFreshLosses)
    case .budgetExhausted: isTrue = replayCost[Int(requests[at].thread)] > ReplayBudget.capacity - 1_000
    case .connectFailed:
      isTrue = scenario.losesSegments || !scenario.server.restarts.isEmpty || now >= scenario.proxy.drainsAt
    case .timedOut:
      let since = lastAttempt(of: request).map { attempts[Int($0)].startedAt }
      isTrue = since.map { now.since($0) >= scenario.proxy.responseTimeout } ?? false
    case .responsePassedOn, .invalidResponse: isTrue = false
    }
    if !isTrue {
      violate(
        "request \(request) failed, and the reason given is not true: \(failure.cause), "
          + "\(failure.notReplayed.map { "\($0)" } ?? "refused")")
    }
    holdToPromises(request, failure)
  }

  /// In worlds in which a server only closes what idles, nothing is lost.
  private mutating func holdToPromises(_ request: Int32, _ failure: Failure) {
    guard failure.notReplayed != nil, scenario.serverOnlyClosesIdle, !scenario.losesSegments, !scenario.proxy.isBlind
    else { return }
    // One replay is enough, since it takes a fresh connection; but one there must be.
    if scenario.proxy.policy.maximumReplays == 0, failure.notReplayed == .tooManyReplays { return }
    let isWindowOn = scenario.proxy.window.isOn
    switch scenario.server.idleClose {
    case .vanish: return
    case .close, .farewell:
      if failure.notReplayed == .connectFailed, scenario.proxy.drainsAt < .distantFuture { return }
      // A FIN that crosses the request is always repaired, learned or not.
      if failure.notReplayed == .bodyNotKept || scenario.proxy.policy.nonIdempotent == .never { return }
    case .abort, .halfClose:
      guard isWindowOn, scenario.idleTimeoutIsSteady, scenario.keepsToTheFloor else { return }
      // A large body cannot be replayed; an idempotent request may have been used to find out.
      if failure.notReplayed == .bodyNotKept, requests[Int(request)].isIdempotent { return }
    }
    violate("request \(request) failed although this server only closes what idles: \(failure.cause)")
  }

  private func lastAttempt(of request: Int32) -> Int32? {
    attempts.lastIndex { $0.request == request }.map(Int32.init)
  }

  /// Whether the proof of non-delivery was there, or was certain to come.
  private func wasProvable(_ attempt: Int32?, _ network: borrowing Network) -> Bool {
    guard let attempt else { return true }
    let facts = attempts[Int(attempt)]
    if facts.handed == 0 { return true }
    if scenario.proxy.isBlind { return false }
    let proxy = network[EndpointID(facts.connection, .proxy)]
    let server = network[EndpointID(facts.connection, .server)]
    if proxy.bytesAcknowledged > facts.streamStart { return false }
    if proxy.wasResetAfterFinish { return true }
    // Nothing is lost here, so the FIN came and the RST will.
    return !scenario.losesSegments && server.hasFinished && server.wasClosedBothWays
      && server.bytesReceived <= facts.streamStart
  }

  // MARK: Connections

  mutating func connectionOpened(_ connection: Int32, thread: Int32) {
    precondition(Int(connection) == connections.count, "connections are numbered in order")
    connections.append(Connection(thread: thread))
    openCount[Int(thread)] += 1
    if openCount[Int(thread)] > max(Int(pool.maximumConnections), ceiling[Int(thread)]) {
      violate("thread \(thread) has \(openCount[Int(thread)]) connections")
    }
    if openCount[Int(thread)] <= Int(pool.maximumConnections) { ceiling[Int(thread)] = 0 }
  }

  mutating func connectionClosed(_ connection: Int32) {
    let at = Int(connection)
    if !connections[at].isOpen { violate("connection \(connection) was closed twice") }
    if connections[at].user != nil { violate("connection \(connection) was closed under its exchange") }
    if connections[at].isIdle { connectionLeftIdle(connection) }
    connections[at].isOpen = false
    openCount[Int(connections[at].thread)] -= 1
  }

  mutating func connectionBecameIdle(_ connection: Int32) {
    let at = Int(connection)
    if connections[at].isIdle || connections[at].user != nil || !connections[at].isOpen {
      violate("connection \(connection) cannot become idle")
    }
    if connections[at].isSpent { violate("connection \(connection) was kept although it had ended") }
    connections[at].isIdle = true
    idleCount[Int(connections[at].thread)] += 1
  }

  mutating func connectionLeftIdle(_ connection: Int32) {
    connections[Int(connection)].isIdle = false
    idleCount[Int(connections[Int(connection)].thread)] -= 1
  }

  /// Once the pool has said what to close, its promises about idle connections hold again.
  mutating func poolSettled(_ thread: Int32) {
    if idleCount[Int(thread)] > Int(pool.maximumIdleConnections) + Int(pool.maximumSentinels) {
      violate("thread \(thread) keeps \(idleCount[Int(thread)]) idle connections")
    }
  }

  mutating func connectionSpent(_ connection: Int32) {
    connections[Int(connection)].isSpent = true
  }

  /// The limits are others from now on.
  mutating func reloaded(_ settings: PoolSettings) {
    pool = settings
    ceiling = openCount
  }

  func openConnections(_ thread: Int32) -> Int { openCount[Int(thread)] }

  /// The pool's own rules, and whether what it says of the connection is so.
  mutating func checkLease(_ facts: LeaseFacts, of connection: Int32, request: Int32, bounds: IdleBounds) {
    let isReused = connections[Int(connection)].requests > 0
    if facts.isReused != isReused { violate("the pool does not know whether connection \(connection) was used") }
    guard isReused else { return }
    if facts.idleAge >= pool.maximumIdleAge || facts.idleAge >= bounds.leaseLimit {
      violate("connection \(connection) is leased at an idle age of \(facts.idleAge.inSeconds) s, beyond its limit")
    }
    if !requests[Int(request)].isIdempotent, facts.idleAge >= bounds.provenAge {
      violate("request \(request) takes connection \(connection) at an idle age that no connection was seen to reach")
    }
  }

  // MARK: Attempts

  mutating func attemptStarted(
    request: Int32, connection: Int32, streamStart: Int32, at now: Instant
  ) -> Int32 {
    let at = Int(connection)
    if let user = connections[at].user {
      violate("connection \(connection) carries attempt \(user) and is given to request \(request)")
    }
    if connections[at].isIdle { violate("connection \(connection) is leased and idle") }
    if connections[at].isSpent || !connections[at].isOpen {
      violate("request \(request) was given connection \(connection), which is over")
    }
    let fate = requests[Int(request)].fate
    if fate != .pending { violate("request \(request) is attempted although it is \(fate)") }
    let isReused = connections[at].requests > 0
    if requests[Int(request)].attempts > 0, isReused {
      violate("request \(request) is replayed on connection \(connection), which was used before")
    }
    if isReused, !pool.reuses { violate("connection \(connection) is reused although reuse is off") }
    if connections[at].requests >= Int(pool.maximumUses) {
      violate("connection \(connection) carries more requests than it may")
    }
    attempts.append(
      Attempt(
        request: request, connection: connection, isReused: isReused, startedAt: now, streamStart: streamStart))
    let attempt = Int32(attempts.count - 1)
    connections[at].user = attempt
    return attempt
  }

  /// The first byte goes out: only now the connection is used and the request attempted.
  mutating func bytesHanded(_ attempt: Int32, offset: Int32, count: Int32) {
    let at = Int(attempt)
    if attempts[at].isOver { violate("attempt \(attempt) is over and is sent on") }
    if offset != attempts[at].handed {
      violate(
        "request \(attempts[at].request) has a hole: \(attempts[at].handed) bytes were sent, then from byte \(offset)")
    }
    if attempts[at].handed == 0 {
      connections[Int(attempts[at].connection)].requests += 1
      requests[Int(attempts[at].request)].attempts += 1
    }
    attempts[at].handed += count
  }

  mutating func attemptEnded(_ attempt: Int32) {
    let at = Int(attempt)
    if attempts[at].isOver { violate("attempt \(attempt) ended twice") }
    attempts[at].isOver = true
    if connections[Int(attempts[at].connection)].user != attempt {
      violate("attempt \(attempt) gave back a connection that it did not have")
    }
    connections[Int(attempts[at].connection)].user = nil
  }

  mutating func verdictReached(_ attempt: Int32, _ verdict: Verdict) {
    attempts[Int(attempt)].verdict = verdict
    if verdict.provesNoDelivery {
      if attempts[Int(attempt)].wasRead, scenario.server.idleClose != .halfClose { contradicts(attempt) }
    } else if !attempts[Int(attempt)].isReused {
      requests[Int(attempts[Int(attempt)].request)].freshLosses += 1
    }
  }

  // MARK: Servers

  /// A server's application has read bytes of this attempt.
  mutating func wasRead(_ attempt: Int32) {
    attempts[Int(attempt)].wasRead = true
    // A server that half-closes may read a part and never the rest: then it cannot have acted on it.
    if attempts[Int(attempt)].verdict?.provesNoDelivery == true, scenario.server.idleClose != .halfClose {
      contradicts(attempt)
    }
  }

  mutating func wasApplied(_ attempt: Int32) {
    let request = Int(attempts[Int(attempt)].request)
    requests[request].applied += 1
    if attempts[Int(attempt)].verdict?.provesNoDelivery == true { contradicts(attempt) }
    if requests[request].applied > 1, !requests[request].isIdempotent {
      violate("request \(request) is not idempotent and was applied \(requests[request].applied) times")
    }
  }

  private mutating func contradicts(_ attempt: Int32) {
    let verdict = attempts[Int(attempt)].verdict.map(\.description) ?? "nothing"
    violate("attempt \(attempt) of request \(attempts[Int(attempt)].request) was judged \(verdict), and was read")
  }
}
