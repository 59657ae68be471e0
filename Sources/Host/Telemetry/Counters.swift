/// What one event loop has counted since its start. Each loop has its own; sums are made when somebody asks.
package struct Counters: Equatable, Sendable {
  package var clientConnectionsAccepted: UInt64 = 0
  package var clientConnectionsClosed: UInt64 = 0
  package var acceptsPaused: UInt64 = 0
  package var requests: UInt64 = 0
  /// By the first digit of the status: index 1 is 1xx ... 5 is 5xx.
  package var responses = [UInt64](repeating: 0, count: 6)
  /// Clients that left before their answer was complete, however.
  package var clientAborts: UInt64 = 0
  /// Those among them that closed in order (FIN).
  package var clientCloses: UInt64 = 0
  package var clientTimeouts: UInt64 = 0
  package var malformedRequests: UInt64 = 0
  package var tunnels: UInt64 = 0
  /// TLS connections of clients that failed, by kind (``TLSFailure/Kind``).
  package var tlsFailures: [String: UInt64] = [:]
  package var http2Connections: UInt64 = 0
  package var http2Streams: UInt64 = 0
  /// By the code of RFC 9113 section 7: what clients reset, and what was reset because they broke a rule.
  package var http2StreamsReset: [String: UInt64] = [:]
  /// Answered REFUSED_STREAM because nothing was done of the request.
  package var http2StreamsRefused: UInt64 = 0
  /// Connections that ended with an error, by reason (``HTTP2Failure/Reason``).
  package var http2Failures: [String: UInt64] = [:]
  /// TLS connections of clients that were agreed upon, and those among them that went on with an earlier session.
  package var tlsHandshakes: UInt64 = 0
  package var tlsResumed: UInt64 = 0
  /// Rounds of the loop behind which handshakes of clients were left waiting for the next one.
  package var tlsHandshakeRoundsFull: UInt64 = 0
  package var tlsHandshakesWithServers: UInt64 = 0
  /// Those among them that went on with an earlier session.
  package var tlsResumedWithServers: UInt64 = 0
  /// By how.
  package var tunnelsEnded: [String: UInt64] = [:]
  package var bytesFromClients: UInt64 = 0
  package var bytesToClients: UInt64 = 0

  package var upstreamConnectionsOpened: UInt64 = 0
  package var upstreamConnectFailures: UInt64 = 0
  /// Those among the opened that speak HTTP/2, and the streams on them.
  package var upstreamHTTP2Connections: UInt64 = 0
  package var upstreamHTTP2Streams: UInt64 = 0
  /// By the code of RFC 9113 section 7.
  package var upstreamGoAways: [String: UInt64] = [:]
  package var upstreamConnectionsReused: UInt64 = 0
  /// Closes by the server, by how and by the state of the connection.
  package var closedByServer: [String: UInt64] = [:]
  /// Closes by this proxy, by reason.
  package var closedByProxy: [String: UInt64] = [:]
  /// A look just before the write found the connection closed or with bytes that nobody asked for.
  package var foundStaleBeforeWrite: UInt64 = 0
  /// Responses that no request had asked for and that were not passed on, by where they were seen; those that only said that
  /// an idle connection ends as `farewell`.
  package var unaskedResponses: [String: UInt64] = [:]
  /// Answers on reused connections that could have been other requests', so that these were sent again.
  package var doubtedAnswers: UInt64 = 0

  package var attemptsEndedByVerdict: [String: UInt64] = [:]
  /// By verdict.
  package var replays: [String: UInt64] = [:]
  /// Exchanges that were answered after at least one replay.
  package var replaysAnswered: UInt64 = 0
  package var replaysFailed: UInt64 = 0
  /// By reason.
  package var notReplayed: [String: UInt64] = [:]
  /// By what they followed: a status, or the Proxy-Status error type of a failure.
  package var retries: [String: UInt64] = [:]
  /// Connects that failed and were followed by one to another server, or by a wait for the same to accept.
  package var connectsFailedOver: UInt64 = 0
  package var connectsAwaited: UInt64 = 0
  /// Faults of our own that cost no more than an exchange.
  package var faults: UInt64 = 0
  /// Exchanges that ended well after at least one retry, and those that did not.
  package var retriesAnswered: UInt64 = 0
  package var retriesFailed: UInt64 = 0
  /// Failures of a kind that is retried and that were not, by reason.
  package var notRetried: [String: UInt64] = [:]
  /// Log lines about exchanges that were left out because there were too many in a second.
  package var noticesSuppressed: UInt64 = 0
  /// By Proxy-Status error type.
  package var failures: [String: UInt64] = [:]
  /// Requests and connections that a guard refused, by guard.
  package var refusedByGuards: [String: UInt64] = [:]

  package init() {}

  package mutating func add(_ other: Counters) {
    clientConnectionsAccepted &+= other.clientConnectionsAccepted
    clientConnectionsClosed &+= other.clientConnectionsClosed
    acceptsPaused &+= other.acceptsPaused
    requests &+= other.requests
    for index in responses.indices { responses[index] &+= other.responses[index] }
    clientAborts &+= other.clientAborts
    clientCloses &+= other.clientCloses
    clientTimeouts &+= other.clientTimeouts
    malformedRequests &+= other.malformedRequests
    tunnels &+= other.tunnels
    tunnelsEnded.merge(other.tunnelsEnded, uniquingKeysWith: &+)
    tlsFailures.merge(other.tlsFailures, uniquingKeysWith: &+)
    http2Connections &+= other.http2Connections
    http2Streams &+= other.http2Streams
    http2StreamsReset.merge(other.http2StreamsReset, uniquingKeysWith: &+)
    http2StreamsRefused &+= other.http2StreamsRefused
    http2Failures.merge(other.http2Failures, uniquingKeysWith: &+)
    tlsHandshakes &+= other.tlsHandshakes
    tlsResumed &+= other.tlsResumed
    tlsHandshakeRoundsFull &+= other.tlsHandshakeRoundsFull
    tlsHandshakesWithServers &+= other.tlsHandshakesWithServers
    tlsResumedWithServers &+= other.tlsResumedWithServers
    bytesFromClients &+= other.bytesFromClients
    bytesToClients &+= other.bytesToClients
    upstreamConnectionsOpened &+= other.upstreamConnectionsOpened
    upstreamConnectFailures &+= other.upstreamConnectFailures
    upstreamHTTP2Connections &+= other.upstreamHTTP2Connections
    upstreamHTTP2Streams &+= other.upstreamHTTP2Streams
    upstreamGoAways.merge(other.upstreamGoAways, uniquingKeysWith: &+)
    upstreamConnectionsReused &+= other.upstreamConnectionsReused
    closedByServer.merge(other.closedByServer, uniquingKeysWith: &+)
    closedByProxy.merge(other.closedByProxy, uniquingKeysWith: &+)
    foundStaleBeforeWrite &+= other.foundStaleBeforeWrite
    unaskedResponses.merge(other.unaskedResponses, uniquingKeysWith: &+)
    doubtedAnswers &+= other.doubtedAnswers
    attemptsEndedByVerdict.merge(other.attemptsEndedByVerdict, uniquingKeysWith: &+)
    replays.merge(other.replays, uniquingKeysWith: &+)
    replaysAnswered &+= other.replaysAnswered
    replaysFailed &+= other.replaysFailed
    noticesSuppressed &+= other.noticesSuppressed
    notReplayed.merge(other.notReplayed, uniquingKeysWith: &+)
    retries.merge(other.retries, uniquingKeysWith: &+)
    connectsFailedOver &+= other.connectsFailedOver
    connectsAwaited &+= other.connectsAwaited
    faults &+= other.faults
    retriesAnswered &+= other.retriesAnswered
    retriesFailed &+= other.retriesFailed
    notRetried.merge(other.notRetried, uniquingKeysWith: &+)
    failures.merge(other.failures, uniquingKeysWith: &+)
    refusedByGuards.merge(other.refusedByGuards, uniquingKeysWith: &+)
  }
}
