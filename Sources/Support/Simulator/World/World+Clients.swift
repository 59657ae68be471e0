import Core

/// Who asks. A client's own connection to the proxy is no part of the simulation: its bytes and its answers just arrive.
extension World {
  struct Client {
    var thread: Int32
    /// Requests that it still has to make.
    var left: Int32
  }

  /// A request as its client makes it, and how far the proxy has taken it.
  struct Asked {
    let client: Int32
    let thread: Int32
    let isIdempotent: Bool
    let headBytes: Int32
    let bodyBytes: Int32
    /// Bytes of the body that the client has sent.
    var arrivedBody: Int32
    /// Bytes of the body that the proxy has taken from it.
    var takenBody: Int32 = 0

    // The proxy's side: see World+Proxy.
    var machine: Exchange
    var stage = Stage.none
    var upstream: Int32?
    /// The ledger's number of the attempt under way, or of the last one; -1 before the first one.
    var attempt: Int32 = -1
    /// Bytes of head and body that went out on this attempt.
    var sent: Int32 = 0
    var facts: LeaseFacts?
    /// Connects that failed for it, and which of its waits for another one is the latest; nil: it does not wait.
    var failedConnects = 0
    var connectWait: Int32?
    let holder = LeaseHolder()
    /// Bytes that must not be sent again because they were not kept. Only a broken rule looks at it.
    var lostBefore: Int32 = 0
    var response: Int32 = -1
    var responseGot: Int32 = 0
    /// The beginning of a response head is here, and no more.
    var hasUnparsed = false
    var leasedAt = Instant(nanoseconds: 0)
    var resetDeadline = Instant.distantFuture

    var isTaken: Bool { takenBody == bodyBytes }
    var takenTotal: Int32 { headBytes + takenBody }
    var isSent: Bool { sent == headBytes + bodyBytes }
  }

  func startClients() {
    for index in 0..<scenario.clients.count {
      clients.append(
        Client(
          thread: index % scenario.proxy.threads,
          left: scenario.clients.pacing == .rounds ? 0 : scenario.clients.requestsEach))
      if scenario.clients.pacing == .independent {
        events.schedule(.requestDue(client: index), at: now.advanced(by: random.span(.zero, .milliseconds(20))))
      }
    }
    switch scenario.clients.pacing {
    case .independent: roundsLeft = 0
    case .rounds: events.schedule(.round, at: now)
    }
  }

  func roundBegins() {
    roundsLeft -= 1
    for index in 0..<scenario.clients.count {
      // Almost at once: one may find the connection that another one has just left.
      let delay = random.chance(perMille: 500) ? Nanoseconds.zero : random.span(.zero, .milliseconds(4))
      pendingRequests += 1
      events.schedule(.requestDue(client: index), at: now.advanced(by: delay))
    }
  }

  func requestDue(_ client: Int32) {
    switch scenario.clients.pacing {
    case .independent:
      clients[Int(client)].left -= 1
      pendingRequests += 1
    case .rounds: break
    }
    let profile = scenario.clients
    let isIdempotent = !random.chance(perMille: profile.nonIdempotent)
    var body: Int32 = 0
    if random.chance(perMille: profile.body) {
      body = Int32(random.between(1, 2_500))
      if random.chance(perMille: profile.largeBody) {
        body = Int32(random.between(Int64(scenario.proxy.recordLimit), Int64(3 * scenario.proxy.recordLimit)))
      }
    }
    let head = Int32(random.between(40, 120))
    let arrived = body > 0 && random.chance(perMille: profile.trickles) ? Int32(random.below(Int64(body))) : body
    let thread = clients[Int(client)].thread
    let request = ledger.requestArrived(
      client: client, thread: thread, isIdempotent: isIdempotent, headBytes: head, bodyBytes: body, at: now)
    requests.append(
      Asked(
        client: client, thread: thread, isIdempotent: isIdempotent, headBytes: head, bodyBytes: body,
        arrivedBody: arrived,
        machine: Exchange(
          isIdempotent: isIdempotent || broken == .everyMethodIsIdempotent, policy: scenario.proxy.policy)))
    note("request \(request)\(isIdempotent ? "" : ", not idempotent,") with \(body) bytes of body")
    if arrived < body {
      events.schedule(.bodyPiece(request: request), at: now.advanced(by: random.span(.zero, .milliseconds(60))))
    }
    if random.chance(perMille: profile.leaves) {
      events.schedule(.clientLeaves(request: request), at: now.advanced(by: random.span(.zero, .milliseconds(200))))
    }
    requestArrived(request)
  }

  func bodyPieceArrived(_ request: Int32) {
    let at = Int(request)
    guard !isResolved(request) else { return }
    let missing = requests[at].bodyBytes - requests[at].arrivedBody
    requests[at].arrivedBody += Int32(random.between(1, Int64(missing)))
    if requests[at].arrivedBody < requests[at].bodyBytes {
      events.schedule(.bodyPiece(request: request), at: now.advanced(by: random.span(.zero, .milliseconds(60))))
    }
    bodyArrived(request)
  }

  func isResolved(_ request: Int32) -> Bool {
    switch ledger.requests[Int(request)].fate {
    case .pending, .answering: false
    case .answered, .brokenOff, .failed, .left: true
    }
  }

  /// The client has its answer, or knows that it gets none: it goes on after a while.
  func clientServed(_ request: Int32) {
    pendingRequests -= 1
    lastAnswerAt = now
    let client = requests[Int(request)].client
    switch scenario.clients.pacing {
    case .independent:
      guard clients[Int(client)].left > 0 else { return }
      events.schedule(.requestDue(client: client), at: now.advanced(by: gap()))
    case .rounds:
      guard pendingRequests == 0, roundsLeft > 0 else { return }
      events.schedule(.round, at: now.advanced(by: gap()))
    }
  }

  /// A pause between requests: short, of any length, or aimed at the instant in which the server's patience ends.
  private func gap() -> Nanoseconds {
    if scenario.clients.isHasty { return random.span(.zero, .milliseconds(3)) }
    let patience = idleTimeoutNow
    let roundTrip = scenario.path.oneWayDelay * 2
    let draw = random.below(100)
    if draw < 35 { return random.span(.zero, .milliseconds(20)) }
    if draw < 75 {
      let aimed = patience + random.span(.zero, roundTrip * 4 + .milliseconds(10)) - roundTrip * 3 - .milliseconds(6)
      return max(.zero, aimed)
    }
    if draw < 92 { return random.span(.zero, patience + patience / 2) }
    return random.span(patience, patience * 3)
  }
}
