/// What went wrong, by culprit and kind.
package enum FailureCause: Sendable, Hashable {
  // Connecting.
  case connectRefused
  case unreachable
  case nameNotFound
  case connectTimeout(after: Nanoseconds)
  /// The server's queue of connections that wait to be accepted was full all the time.
  case backlogFull(after: Nanoseconds)
  /// Any other failure to connect, with its `errno`.
  case connectFailed(errorNumber: Int32)
  /// The connection was opened, and TLS was not agreed upon with the server.
  case tlsFailed(TLSTrouble)
  case tlsTimeout(after: Nanoseconds)
  // Waiting for a connection.
  case poolQueueFull(limit: UInt32)
  case waitTimeout(after: Nanoseconds)
  case poolDraining
  case descriptorLimit
  // After sending.
  /// The server took nothing more of the request.
  case sendTimeout(after: Nanoseconds)
  case responseTimeout(after: Nanoseconds)
  case idleBodyTimeout(after: Nanoseconds)
  /// The exchange as a whole took longer than its route allows.
  case exchangeTimeout(after: Nanoseconds)
  /// The keep-alive race: a connection that had idled was closed while the request was on its way.
  case race
  /// A connection that had idled is gone without a FIN or RST: not one byte of the request was acknowledged.
  case forgotten
  /// Closed in order (FIN) before a response.
  case closedBeforeResponse
  /// Reset, or another error, before a response.
  case resetBeforeResponse
  /// The server said in the protocol that it does not act on the request, as often as it was asked.
  case streamRefused
  case closedWithinResponse
  case resetWithinResponse
  /// A response came that cannot be the answer: the server had not received a byte of the request.
  case unaskedResponse
  case invalidResponse(detail: String)
  /// The bytes look like another protocol.
  case doesNotSpeakHTTP(protocolName: String)
  /// The head of the response goes beyond a limit of this proxy, which the settings can raise.
  case responseTooLarge(detail: String, setting: String)
  case upgradeFailed(detail: String)
  // Behind the beginning of an answer, or without one, by this proxy's own time.
  /// Nothing came through a tunnel for so long.
  case tunnelTimeout(after: Nanoseconds)
  /// The proxy drained, and this was still under way when that had to end.
  case drainEnded(after: Nanoseconds)
  /// The proxy was stopped at once.
  case stopped
  /// Our own fault.
  case proxyError(detail: String)
}

/// The end of an exchange that could not be answered, with what an operator needs to know of it.
package struct Failure: Sendable, Hashable {
  package var cause: FailureCause
  /// What the evidence proves of the last attempt; `nil` when there was none to judge.
  package var verdict: Verdict?
  /// The connection of the last attempt; `nil` when there was none.
  package var lease: LeaseFacts?
  package var attempts: UInt8
  package var notReplayed: NotReplayed?

  package init(
    _ cause: FailureCause, verdict: Verdict? = nil, lease: LeaseFacts? = nil, attempts: UInt8 = 0,
    notReplayed: NotReplayed? = nil
  ) {
    self.cause = cause
    self.verdict = verdict
    self.lease = lease
    self.attempts = attempts
    self.notReplayed = notReplayed
  }

  /// Whether the request was on its way to a server and provably did not get there.
  package var isProvenUndelivered: Bool {
    guard lease != nil, let verdict else { return false }
    switch verdict {
    case .neverSent, .neverDelivered, .refused: return true
    case .delivered, .unknown: return false
    }
  }

  /// The status to answer with (RFC 9110 section 15.6): 502, 503 or 504.
  package var status: Int {
    switch cause {
    case .connectRefused, .unreachable, .nameNotFound, .connectFailed, .tlsFailed, .race, .closedBeforeResponse,
      .resetBeforeResponse,
      .closedWithinResponse, .resetWithinResponse, .unaskedResponse, .invalidResponse, .doesNotSpeakHTTP,
      .responseTooLarge, .upgradeFailed:
      502
    case .poolQueueFull, .waitTimeout, .poolDraining, .descriptorLimit, .backlogFull, .drainEnded, .stopped,
      .streamRefused:
      503
    case .connectTimeout, .tlsTimeout, .sendTimeout, .responseTimeout, .idleBodyTimeout, .exchangeTimeout, .forgotten,
      .tunnelTimeout:
      504
    case .proxyError: 502
    }
  }

  /// The `error` parameter of Proxy-Status (RFC 9209 section 2.3).
  package var proxyStatusError: StaticString {
    switch cause {
    case .connectRefused: "connection_refused"
    case .unreachable: "destination_ip_unroutable"
    case .nameNotFound: "dns_error"
    case .connectTimeout, .tlsTimeout: "connection_timeout"
    case .tlsFailed(let trouble): trouble.error.name
    case .connectFailed: "destination_unavailable"
    case .poolQueueFull, .waitTimeout, .backlogFull: "connection_limit_reached"
    case .poolDraining: "destination_unavailable"
    case .descriptorLimit, .drainEnded, .stopped: "proxy_internal_error"
    case .sendTimeout: "connection_write_timeout"
    case .responseTimeout, .exchangeTimeout: "http_response_timeout"
    case .idleBodyTimeout, .tunnelTimeout: "connection_read_timeout"
    case .forgotten: "connection_write_timeout"
    case .race, .closedBeforeResponse, .resetBeforeResponse: "connection_terminated"
    case .streamRefused: "connection_limit_reached"
    case .closedWithinResponse, .resetWithinResponse: "http_response_incomplete"
    case .unaskedResponse, .invalidResponse, .doesNotSpeakHTTP: "http_protocol_error"
    case .responseTooLarge: "http_response_header_section_size"
    case .upgradeFailed: "http_upgrade_failed"
    case .proxyError: "proxy_internal_error"
    }
  }
}

/// Why TLS with a server was not agreed upon.
package struct TLSTrouble: Sendable, Hashable {
  /// What happened, in a sentence without its full stop.
  package var detail: String
  /// What would mend it, likewise.
  package var remedy: String
  /// As Proxy-Status has it.
  package var error: ErrorType

  /// The types of RFC 9209 section 2.3 that it can have.
  package enum ErrorType: Sendable, Hashable, CaseIterable {
    case certificate, alert, protocolError, terminated, proxyInternal

    var name: StaticString {
      switch self {
      case .certificate: "tls_certificate_error"
      case .alert: "tls_alert_received"
      case .protocolError: "tls_protocol_error"
      case .terminated: "connection_terminated"
      case .proxyInternal: "proxy_internal_error"
      }
    }
  }

  package init(detail: String, remedy: String, error: ErrorType) {
    self.detail = detail
    self.remedy = remedy
    self.error = error
  }
}
