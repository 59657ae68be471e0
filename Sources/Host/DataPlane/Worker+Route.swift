import Core

/// From a request to the route that it takes, and the answers of routes that lead to no server.
extension Worker {
  /// The route of a request; nil when none matches.
  func route(for head: RequestHead, _ inbound: borrowing ByteBuffer) -> Route? {
    if routes.isEmpty { return defaultRoute }
    return router.route(head, inbound.readable, fields).map { routes[$0] }
  }

  /// Has the request carry the Host that the upstream is to see.
  func addressTo(_ upstream: Upstream, _ client: ClientConnection) {
    guard client.hostUpstream !== upstream else { return }
    client.hostUpstream = upstream
    client.forwarding.defaultHost = upstream.defaultHost
    client.forwarding.hostOverride = upstream.hostOverride
  }

  /// Takes from the request what its server is chosen by, where the upstream hashes requests.
  func noteBalanceKey(
    _ client: ClientConnection, _ head: RequestHead, _ inbound: borrowing ByteBuffer, _ upstream: Upstream
  ) {
    guard let key = upstream.hashKey else { return }
    let address = upstream.settings.balance == .hash(.clientAddress) ? client.peer.ipBytes : []
    client.call.balanceKey = key.key(head, inbound.readable, fields, clientAddress: address)
  }

  /// Answers a request that goes to no server.
  func answerHere(_ client: ClientConnection, _ route: Route?) {
    answer(client, status: 404, text: "No route matches this request.")
  }
}
