import Core

/// Too much at once, or from one client: refused before it costs a server anything.
extension Worker {
  enum GuardRefusal {
    /// The process has as many exchanges as it may.
    case tooManyExchanges(limit: Int)
  }

  /// Why a request is not served now; nil when it is.
  func refusal(of client: ClientConnection) -> GuardRefusal? {
    if let limit = settings.guards.exchangesInFlight {
      guard load.exchangeBegins(limit: limit) else { return .tooManyExchanges(limit: limit) }
      client.call.countsInLoad = true
    }
    return nil
  }

  func refuse(_ client: ClientConnection, _ refusal: GuardRefusal) {
    if !client.call.machine.isFinished { _ = client.call.machine.clientLeft() }
    switch refusal {
    case .tooManyExchanges(let limit):
      counters.refusedByGuards["exchanges-in-flight", default: 0] &+= 1
      let text = "\(limit) requests are being served, which is the limit."
      let status = ProxyStatus(pseudonym: settings.forwarding.name, error: .connectionLimitReached, details: text)
      answer(
        client, LocalResponse(status: 503, body: Self.body(text), proxyStatus: status.fieldValue, retryAfter: 1))
    }
  }
}
