/// A failure in words. All of this allocates; it is asked for only when an exchange has failed.
extension Failure {
  /// The `details` parameter of Proxy-Status (RFC 9209 section 2.1.5): short, and without the server's name.
  package var details: String {
    var parts = [shortCause]
    if let verdict, tellsVerdict { parts.append("verdict: \(verdict)") }
    if let lease, lease.isReused, tellsVerdict { parts.append("idle: \(lease.idleAge.spoken)") }
    if let reason = notReplayed?.short { parts.append("not replayed: \(reason)") }
    return parts.joined(separator: "; ")
  }

  /// What happened, in whole sentences with figures.
  ///
  /// - Parameter server: how the server is known to the operator.
  package func sentence(server: String) -> String {
    var sentences = [event(server)]
    if let delivery { sentences.append(delivery) }
    if let reason = notReplayed?.sentence(attempts: attempts, verdict: verdict) { sentences.append(reason) }
    return sentences.joined(separator: " ")
  }

  /// What would prevent it, in whole sentences. Empty when there is nothing to advise.
  ///
  /// - Parameter server: how the server is known to the operator.
  package func prevention(server: String) -> String {
    switch cause {
    case .connectRefused:
      server.hasPrefix("unix:")
        ? "Start the server, or correct the path of its socket." : "Start the server, or correct its address and port."
    case .unreachable: "Check the address, the routes and the firewalls between here and there."
    case .nameNotFound: "Check the name and what the resolver says to it."
    case .connectTimeout:
      "Look for a firewall that drops packets, or for a server that does not accept fast enough (a full listen queue)."
    case .backlogFull: "Give the server a longer listen queue (its backlog, and net.core.somaxconn), or more workers."
    case .connectFailed: "Check the address and the network."
    case .tlsFailed(let trouble):
      trouble.remedy.isEmpty ? "" : trouble.remedy.prefix(1).uppercased() + trouble.remedy.dropFirst() + "."
    case .tlsTimeout: "Check that the server speaks TLS on this port, and look whether it is overloaded."
    case .poolQueueFull, .waitTimeout: "Allow more connections to the server, add servers, or make it answer faster."
    case .poolDraining: ""
    case .descriptorLimit: "Raise the limit of open files (LimitNOFILE, ulimit -n), or lower the limits of connections."
    case .sendTimeout: "Find out why the server does not read its requests, or raise the timeout of idle bodies."
    case .responseTimeout:
      switch verdict {
      case .unknown, .neverSent, .neverDelivered, .refused:
        "Look for a firewall or a NAT that forgets idle connections, and lower the idle age at which they are reused."
      case .delivered, nil: "Find out what the server does with this request, or raise the response timeout."
      }
    case .idleBodyTimeout: "Find out why the server stalls within a response, or raise the timeout of idle bodies."
    case .exchangeTimeout: "Find out what took so long, or raise the route's timeout of exchanges."
    case .forgotten:
      "Look for a firewall, a NAT or a load balancer that forgets idle connections, and lower the idle age at which they are reused."
    case .race: racePrevention
    case .streamRefused: "Raise the number of streams that the server takes at once, or add servers."
    case .closedBeforeResponse, .resetBeforeResponse:
      "Look into the server's own log: it may have crashed, been restarted, or run into a limit of its own."
    case .closedWithinResponse, .resetWithinResponse:
      "Look into the server's own log: it may have crashed, been restarted, or given up on the response."
    case .unaskedResponse:
      "Let the server close idle connections without a response, and keep them longer than the proxy reuses them."
    case .invalidResponse: "Mend the server's response; what breaks the grammar is not passed on."
    case .doesNotSpeakHTTP: "Name a port of the server on which it speaks plain HTTP/1.1."
    case .responseTooLarge(_, let setting): "Raise \(setting), or let the server send a smaller head."
    case .tunnelTimeout: "Let one of the two sides send something now and then, or raise timeouts.tunnel-idle."
    case .drainEnded: "Raise timeouts.drain where requests may take longer."
    case .stopped: ""
    case .upgradeFailed: "Check that the server speaks the protocol that the client asked for."
    case .proxyError: "This is a fault of the proxy; please report it."
    }
  }

  // MARK: - Parts

  private var racePrevention: String {
    switch notReplayed {
    case .switchedOff: return "Allow the replay of non-idempotent requests on proof (--replay-non-idempotent proven)."
    case .bodyNotKept: return "Keep larger bodies for a replay, or let the server keep idle connections longer."
    case .budgetExhausted:
      return "Find out why so many connections end: the budget allows one replay for five requests and ten a second."
    case .notIdempotent, .responsePassedOn, .tooManyReplays, .tooManyFreshLosses, .connectFailed, .timedOut,
      .invalidResponse, nil:
      guard let lease else { return "Let the server keep idle connections longer than the proxy reuses them." }
      return
        "Let the server keep idle connections for longer, or lower the idle age at which they are reused below \(lease.idleAge.spoken)."
    }
  }

  /// Whether the end of an attempt is what failed, so that its evidence matters.
  private var tellsVerdict: Bool {
    switch cause {
    case .race, .forgotten, .closedBeforeResponse, .resetBeforeResponse, .streamRefused, .unaskedResponse,
      .responseTimeout:
      true
    case .connectRefused, .unreachable, .nameNotFound, .connectTimeout, .backlogFull, .connectFailed, .tlsFailed,
      .tlsTimeout, .poolQueueFull,
      .waitTimeout, .poolDraining, .descriptorLimit, .sendTimeout, .idleBodyTimeout, .exchangeTimeout,
      .closedWithinResponse,
      .resetWithinResponse,
      .invalidResponse,
      .doesNotSpeakHTTP, .responseTooLarge, .upgradeFailed, .tunnelTimeout, .drainEnded, .stopped, .proxyError:
      false
    }
  }

  private var shortCause: String {
    switch cause {
    case .connectRefused: "connection refused"
    case .unreachable: "no route"
    case .nameNotFound: "name not found"
    case .connectTimeout(let span): "not connected within \(span.spoken)"
    case .backlogFull(let span): "listen queue full for \(span.spoken)"
    case .connectFailed(let number): "connect failed with errno \(number)"
    case .tlsFailed(let trouble): "TLS: \(trouble.detail)"
    case .tlsTimeout(let span): "no TLS handshake within \(span.spoken)"
    case .poolQueueFull(let limit): "\(limit) requests wait already"
    case .waitTimeout(let span): "no connection free within \(span.spoken)"
    case .poolDraining: "server is taken out of service"
    case .descriptorLimit: "no file descriptor left"
    case .sendTimeout(let span): "request not taken for \(span.spoken)"
    case .responseTimeout(let span): "no response within \(span.spoken)"
    case .idleBodyTimeout(let span): "response stalled for \(span.spoken)"
    case .exchangeTimeout(let span): "not done within \(span.spoken)"
    case .race: "keep-alive race"
    case .forgotten: "connection forgotten on its way"
    case .closedBeforeResponse: "closed before a response"
    case .streamRefused: "refused by the server (REFUSED_STREAM or GOAWAY)"
    case .resetBeforeResponse: "reset before a response"
    case .closedWithinResponse: "closed within the response"
    case .resetWithinResponse: "reset within the response"
    case .unaskedResponse: "response to no request"
    case .invalidResponse(let detail): "invalid response: \(detail)"
    case .doesNotSpeakHTTP(let name): "speaks \(name), not HTTP/1"
    case .responseTooLarge(let detail, let setting): "response head too large: \(detail) (\(setting))"
    case .upgradeFailed(let detail): "upgrade failed: \(detail)"
    case .tunnelTimeout(let span): "tunnel silent for \(span.spoken) (timeouts.tunnel-idle)"
    case .drainEnded(let span): "cut off when the drain ended after \(span.spoken) (timeouts.drain)"
    case .stopped: "cut off when the proxy was stopped"
    case .proxyError(let detail): detail
    }
  }

  private func event(_ server: String) -> String {
    switch cause {
    case .connectRefused: "\(server) refused the connection: nothing listens there."
    case .unreachable: "\(server) cannot be reached: no route leads to its address."
    case .nameNotFound: "The name of \(server) has no address."
    case .connectTimeout(let span): "\(server) did not accept a connection within \(span.spoken)."
    case .backlogFull(let span):
      "The listen queue of \(server) was full for \(span.spoken): it does not accept connections as fast as they come."
    case .connectFailed(let number): "No connection to \(server) could be opened (errno \(number))."
    case .tlsFailed(let trouble): "No TLS connection to \(server) could be opened: \(trouble.detail)."
    case .tlsTimeout(let span): "\(server) did not finish the TLS handshake within \(span.spoken)."
    case .poolQueueFull(let limit):
      "All connections to \(server) are busy, and \(limit) requests wait for one already."
    case .waitTimeout(let span): "All connections to \(server) were busy, and none became free within \(span.spoken)."
    case .poolDraining: "\(server) is being taken out of service."
    case .descriptorLimit: "No file descriptor was left for a connection to \(server)."
    case .sendTimeout(let span): "\(server) took nothing more of the request for \(span.spoken)."
    case .responseTimeout(let span): "\(server) did not answer within \(span.spoken)."
    case .idleBodyTimeout(let span): "\(server) sent nothing more of its response for \(span.spoken)."
    case .exchangeTimeout(let span): "The exchange with \(server) was not done within \(span.spoken)."
    case .race:
      "The request met the close of its connection: \(server) closed it\(leaseText) while the request was on its way."
    case .forgotten:
      "The connection to \(server)\(leaseText) was gone without a word: nothing that was sent on it arrived."
    case .closedBeforeResponse: "\(server) closed the connection\(leaseText) without a response."
    case .streamRefused: "\(server) refused the request each time (REFUSED_STREAM, or GOAWAY with a lower stream)."
    case .resetBeforeResponse: "\(server) reset the connection\(leaseText) without a response."
    case .closedWithinResponse: "\(server) closed the connection within its response."
    case .resetWithinResponse: "\(server) reset the connection within its response."
    case .unaskedResponse:
      "\(server) sent a response\(leaseText) before it had received a byte of the request; such a response answers nothing and is not passed on."
    case .invalidResponse(let detail): "\(server) sent a response that is not valid HTTP/1.1: \(detail)."
    case .doesNotSpeakHTTP(let name): "\(server) does not speak HTTP/1.1: what it sent looks like \(name)."
    case .responseTooLarge(let detail, _): "\(server) sent a response head that is too large: \(detail)."
    case .tunnelTimeout(let span): "Nothing came through the tunnel to \(server) for \(span.spoken); it was closed."
    case .drainEnded(let span):
      "The drain ended after \(span.spoken), and the exchange with \(server) was still under way; it was cut off."
    case .stopped: "The proxy was stopped, and the exchange with \(server) was cut off."
    case .upgradeFailed(let detail): "\(server) did not change the protocol: \(detail)."
    case .proxyError(let detail): "The proxy failed: \(detail)."
    }
  }

  private var leaseText: String {
    guard let lease else { return "" }
    guard lease.isReused else { return ", a fresh one," }
    let requests = lease.uses == 1 ? "1 request" : "\(lease.uses) requests"
    return " (\(requests) old, idle for \(lease.idleAge.spoken))"
  }

  private var delivery: String? {
    guard tellsVerdict, let verdict else { return nil }
    switch verdict {
    case .neverSent: return "Nothing of the request was sent."
    case .neverDelivered: return "It is proved that the request did not reach it."
    case .delivered: return "It had received at least a part of the request."
    case .unknown: return "Whether it received the request cannot be told."
    case .refused: return "It says that it has not acted on the request."
    }
  }
}

extension NotReplayed {
  fileprivate var short: String? {
    switch self {
    case .notIdempotent: "method not idempotent"
    case .switchedOff: "switched off for this method"
    case .responsePassedOn: "response begun"
    case .bodyNotKept: "body not kept"
    case .tooManyReplays: "too many replays"
    case .tooManyFreshLosses: "fresh connections end, too"
    case .budgetExhausted: "budget used up"
    case .connectFailed, .timedOut, .invalidResponse: nil
    }
  }

  fileprivate func sentence(attempts: UInt8, verdict: Verdict?) -> String? {
    switch self {
    case .notIdempotent:
      "It is not sent again, since its method is not idempotent and nothing proves that it was not delivered."
    case .switchedOff:
      "It is not sent again, since the replay of methods that are not idempotent is switched off."
    case .responsePassedOn: "It is not sent again, since a part of the response has been passed on."
    case .bodyNotKept: "It cannot be sent again, since its body is larger than what is kept for that."
    case .tooManyReplays: "It is not sent again after \(attempts) attempts."
    case .tooManyFreshLosses:
      "It is not sent again after \(attempts) attempts, since fresh connections ended in the same way."
    case .budgetExhausted: "It is not sent again, since the budget for replays to this server is used up."
    case .connectFailed, .timedOut, .invalidResponse: nil
    }
  }
}
