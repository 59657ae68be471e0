import Core

/// From a request to the route that it takes, and the answers of routes that lead to no server.
extension Worker {
  /// The route of a request; nil when none matches.
  func route(for head: RequestHead, _ inbound: borrowing ByteBuffer, isSecure: Bool) -> Route? {
    if routes.isEmpty { return defaultRoute }
    if isSecure { return secureRouter.route(head, inbound.readable, fields).map { routes[secureRoutes[$0]] } }
    return router.route(head, inbound.readable, fields).map { routes[$0] }
  }

  /// Has the request carry the Host that the upstream is to see.
  func addressTo(_ upstream: Upstream, _ client: ClientConnection) {
    guard client.hostUpstream !== upstream else { return }
    client.hostUpstream = upstream
    var forwarding = client.forwarding
    forwarding.defaultHost = upstream.defaultHost
    forwarding.hostOverride = upstream.hostOverride
    client.forwarding = forwarding
  }

  /// Takes from the request what its server is chosen by, where the upstream hashes requests.
  func noteBalanceKey(
    _ exchange: ActiveExchange, _ head: RequestHead, _ inbound: borrowing ByteBuffer, _ upstream: Upstream
  ) {
    guard let key = upstream.hashKey else { return }
    let address =
      upstream.settings.balance == .hash(.clientAddress) ? self.address(of: exchange)?.bytes ?? [] : []
    exchange.balanceKey = key.key(head, inbound.readable, fields, clientAddress: address)
  }

  /// Takes from the request's cookie which server it is to stay with, where the upstream keeps clients with their servers.
  func noteStickyServer(_ exchange: ActiveExchange, _ inbound: borrowing ByteBuffer, _ upstream: Upstream) {
    guard upstream.stickyCookie != nil else { return }
    exchange.stickyServer = upstream.server(namedIn: inbound.readable, fields)
  }

  /// The field line that keeps the client with the server that answered it; empty where it is with it already, and where the
  /// upstream keeps nobody.
  func stickyLine(_ exchange: ActiveExchange) -> [UInt8] {
    guard let server = exchange.server, server.upstream.stickyCookie != nil, exchange.stickyServer !== server
    else {
      return []
    }
    return server.stickyLine
  }

  /// The answer to a request that goes to no server; nil for one that does, and for one that no route matches.
  func ownAnswer(
    _ client: ClientConnection, _ head: RequestHead, _ inbound: borrowing ByteBuffer, _ route: Route?
  ) -> LocalResponse? {
    switch route?.action {
    case .redirect(let redirect): redirect.response(head, inbound.readable, scheme: client.forwarding.scheme)
    case .respond(let response): response
    case .forward, nil: nil
    }
  }

  /// Keeps of a request what edits of its response will name.
  func noteEditValues(
    _ exchange: ActiveExchange, _ head: RequestHead, _ inbound: borrowing ByteBuffer, _ route: Route?
  ) {
    guard let route, route.changesResponses else { return }
    let variables = route.responseEdits.variables
    if variables.contains(.host) { exchange.askedHost = Array(inbound.readable.text(head.host).utf8) }
    if variables.contains(.requestID), let given = RequestID.received(inbound.readable, fields) {
      exchange.receivedRequestID = Array(inbound.readable.text(given).utf8)
    }
  }

  /// What the variables of a route's edits stand for in the exchange of `client`.
  func editValues(_ exchange: ActiveExchange, _ variables: EditValues.Variables) -> EditValues {
    let client = exchange.client
    var values = EditValues()
    guard !variables.isEmpty else { return values }
    if variables.contains(.clientAddress) {
      values.clientAddress =
        exchange.namedClient.map { Array($0.description.utf8) } ?? client.forwarding.clientAddress
    }
    values.clientPort = client.forwarding.clientPort
    if variables.contains(.scheme) { values.scheme = client.forwarding.scheme }
    values.host = exchange.askedHost
    values.requestID = exchange.requestID
    values.receivedRequestID = exchange.receivedRequestID
    if variables.contains(.server) { values.server = Array((exchange.server?.record.name ?? "").utf8) }
    if variables.contains(.upstream) { values.upstream = Array((exchange.route?.upstream?.name ?? "").utf8) }
    if variables.contains(.route) { values.route = Array((exchange.route?.name ?? "").utf8) }
    return values
  }
}
