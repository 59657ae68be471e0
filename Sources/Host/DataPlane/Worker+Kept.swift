import Core

/// Connections to servers on which somebody signed in (``ConnectionAuthentication``).
///
/// Such a connection is never given to another client. Between two requests its client keeps it, with its lease:
///
/// | what happens meanwhile | what becomes of the connection |
/// |---|---|
/// | the client's next request, to the same upstream | carries it, if the bounds allow that for its idle age |
/// | a request to another upstream | closes |
/// | the client leaves, or its time is over | closes |
/// | the server closes | closes, and the idle window learns from it |
/// | others wait for a connection to the server | the one that was kept longest closes |
extension Worker {
  /// Keeps the connection of an exchange that is over for the next one of the client.
  ///
  /// - Returns: whether it is kept; else it is to be closed, not to be given back for others.
  func keeps(_ exchange: ActiveExchange, _ upstream: UpstreamConnection, reusable: Bool) -> Bool {
    let client = exchange.client
    guard reusable, upstream.server.isActive, client.kept == nil, let lease = exchange.lease.take() else {
      return false
    }
    if let inbound = upstream.inbound.take() { recycle(inbound) }
    exchange.stage = .none
    exchange.upstream = nil
    upstream.exchange = nil
    client.kept = upstream
    client.keptLease = consume lease
    upstream.keptBy = client.token
    upstream.keptSince = now
    upstream.server.keptCount &+= 1
    // The FIN may have come with the answer: no further event will tell.
    if upstream.transport.peerClosed || upstream.transport.isReadable { idleConnectionStirred(upstream) }
    return true
  }

  /// Sends the client's next request on the connection that it keeps, or closes that.
  ///
  /// - Returns: whether the attempt has begun.
  func takesKept(_ exchange: ActiveExchange, of wanted: Upstream) -> Bool {
    let client = exchange.client
    guard let upstream = client.kept else { return false }
    let server = upstream.server
    // A retry is for another server, a replay for a fresh connection.
    guard server.isActive, server.upstream === wanted, exchange.machine.attempts == 0,
      upstream.isNamed == (wanted.settings.proxyProtocol != .off), let lease = client.keptLease.take()
    else {
      releaseKept(client, "private")
      return false
    }
    switch server.pool.leaseRenewed(
      lease, for: ExchangeID(exchange.token), idleSince: upstream.keptSince, bounds: server.record.bounds, now: now)
    {
    case .lease(let lease):
      forgetKept(by: client, upstream)
      exchange.server = server
      server.budget.requestArrived()
      take(lease, for: exchange, at: server)
      return true
    case .tooOld(let lease):
      client.keptLease = consume lease
      releaseKept(client, Pool.CloseReason.idleWindow.name)
      return false
    }
  }

  /// Closes the connection that a client keeps.
  func releaseKept(_ client: ClientConnection, _ reason: String) {
    guard let upstream = client.kept else { return }
    countClose(reason, of: upstream.server)
    closeKept(by: client, upstream)
  }

  /// The server closed it, or spoke unasked.
  func keptConnectionEnded(_ client: ClientConnection, _ upstream: UpstreamConnection, _ glance: Glance) {
    var facts = upstream.server.pool.facts(of: upstream.id, now: now)
    facts.idleAge = now.since(upstream.keptSince)
    noteIdleEnd(of: upstream, facts, glance)
    closeKept(by: client, upstream)
  }

  /// Somebody waits for a connection to the server, and some are kept for clients that may have nothing more to ask.
  func makeRoom(at server: Server) {
    var longest: UpstreamConnection?
    for case .some(let upstream) in server.connections where upstream.keptBy != nil {
      if longest.map({ upstream.keptSince < $0.keptSince }) ?? true { longest = upstream }
    }
    guard let token = longest?.keptBy, let client = clients.element(token) else { return }
    releaseKept(client, Pool.CloseReason.evicted.name)
  }

  private func closeKept(by client: ClientConnection, _ upstream: UpstreamConnection) {
    let lease = client.keptLease.take()
    forgetKept(by: client, upstream)
    discard(upstream)
    if let lease { giveBack(lease, to: upstream.server) }
  }

  private func forgetKept(by client: ClientConnection, _ upstream: UpstreamConnection) {
    client.kept = nil
    upstream.keptBy = nil
    upstream.server.keptCount &-= 1
  }
}
