import Core

/// Too much at once, or from one client: refused before it costs a server anything.
extension Worker {
  enum GuardRefusal {
    /// The process has as many exchanges as it may.
    case tooManyExchanges(limit: Int)
    /// The client has used up its rate; so long until it may send another request.
    case tooManyRequests(wait: Nanoseconds)
  }

  /// Why a request is not served now; nil when it is.
  func refusal(of exchange: ActiveExchange) -> GuardRefusal? {
    if let clientRates, let address = address(of: exchange), !exempt.contains(address),
      case .refused(let wait) = clientRates.requestArrived(ClientKey(address), now: now)
    {
      return .tooManyRequests(wait: wait)
    }
    if let limit = settings.guards.exchangesInFlight {
      guard load.exchangeBegins(limit: limit) else { return .tooManyExchanges(limit: limit) }
      exchange.countsInLoad = true
    }
    return nil
  }

  func refuse(_ exchange: ActiveExchange, _ refusal: GuardRefusal) {
    if !exchange.machine.isFinished { _ = exchange.machine.clientLeft() }
    let status: UInt16
    let text: String
    let error: ProxyStatus.ErrorType
    let retryAfter: UInt32
    switch refusal {
    case .tooManyExchanges(let limit):
      counters.refusedByGuards["exchanges-in-flight", default: 0] &+= 1
      status = 503
      text = "\(limit) requests are being served, which is the limit."
      error = .connectionLimitReached
      retryAfter = 1
    case .tooManyRequests(let wait):
      counters.refusedByGuards["request-rate", default: 0] &+= 1
      status = 429
      let rate = clientRates.map { "\(Self.text(ofRate: $0.limit.perSecond)) a second" } ?? "its rate"
      text = "This client sends more requests than it may, which is \(rate)."
      error = .httpRequestDenied
      retryAfter = UInt32(clamping: (wait.count &+ 999_999_999) / 1_000_000_000)
    }
    answer(
      exchange,
      ErrorAnswer(
        status: status, error: error, sentence: text, details: text, retryAfter: max(retryAfter, 1),
        isRequestsFault: status == 429))
  }

  private static func text(ofRate perSecond: Double) -> String {
    perSecond == perSecond.rounded() && perSecond < 1e15 ? "\(Int(perSecond))" : "\(perSecond)"
  }

  // MARK: - Who it is

  /// Whom a request comes from: the peer, or whom trusted proxies name. nil for one who has no IP address.
  func address(of exchange: ActiveExchange) -> IPAddress? { exchange.namedClient ?? exchange.client.peer.ipAddress }

  /// The peer is a trusted proxy: it says whose request it is.
  ///
  /// - Parameter inbound: the request's head, which ``fields`` was parsed from.
  func noteNamedClient(_ exchange: ActiveExchange, _ inbound: borrowing ByteBuffer) {
    let client = exchange.client
    guard let peer = client.peer.ipAddress else { return }
    let named = trustedProxies.client(behind: peer, inbound.readable, fields)
    if named != peer { exchange.namedClient = named }
  }

  // MARK: - Connections

  /// Counts a connection under its client, and closes it where the client has as many as it may.
  ///
  /// Not counted: who has no IP address, who is exempt, and trusted proxies, whose connections carry everybody's requests.
  ///
  /// - Returns: whether it stays.
  func countConnection(of client: ClientConnection) -> Bool {
    guard let limit = settings.guards.connectionsPerClient, let address = client.peer.ipAddress,
      !exempt.contains(address), !client.forwarding.peerIsTrusted
    else { return true }
    let key = ClientKey(address)
    guard load.connectionOpened(key, limit: limit) else {
      counters.refusedByGuards["connections-per-client", default: 0] &+= 1
      notices.post(now) {
        log.notice("client \(client.peer) has \(limit) connections, which is the limit; another one is closed")
      }
      closeClient(client)
      return false
    }
    client.isCounted = true
    return true
  }

  // MARK: - Slow content

  /// Watches how fast a request's content comes, where it must come at some rate.
  func bodyRateMeter(for exchange: ActiveExchange) -> BodyRateMeter? {
    guard let minimum = settings.guards.minimumBodyRate, exchange.requestBody.isExpected else { return nil }
    if let address = address(of: exchange), exempt.contains(address) { return nil }
    return BodyRateMeter(minimum: minimum, grace: settings.guards.minimumBodyRateGrace)
  }

  /// How long more of a request's content is awaited.
  func bodyPatience(_ exchange: ActiveExchange) -> Nanoseconds {
    let idle = exchange.bounds.bodyIdle
    guard let rate = exchange.bodyRate else { return idle }
    return min(idle, rate.patience(at: now))
  }

  /// No more of a request's content came in time.
  func requestBodyIsLate(_ exchange: ActiveExchange) {
    guard let rate = exchange.bodyRate, rate.isTooSlow(at: now), let minimum = settings.guards.minimumBodyRate else {
      requestBodyStalled(exchange, "No part of the request body came for \(exchange.bounds.bodyIdle.text).")
      return
    }
    counters.refusedByGuards["minimum-body-rate", default: 0] &+= 1
    requestBodyStalled(exchange, "The request body came at less than \(minimum) bytes a second.")
  }
}
