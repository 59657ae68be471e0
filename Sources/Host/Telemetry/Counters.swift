package import Core

/// Powers of two of time, from below 1 ms to above 17 minutes: cheap to count and fine enough to see a timeout in.
package struct IdleAgeCounts: Equatable, Sendable {
  /// Bucket n holds ages below 2^n milliseconds; the last holds the rest.
  package private(set) var buckets = [UInt64](repeating: 0, count: 22)
  package private(set) var sum = Nanoseconds.zero

  package mutating func record(_ age: Nanoseconds) {
    let milliseconds = UInt64(max(age.milliseconds, 0))
    buckets[min(64 - milliseconds.leadingZeroBitCount, buckets.count - 1)] &+= 1
    sum = sum + age
  }

  package var count: UInt64 { buckets.reduce(0, +) }

  mutating func add(_ other: IdleAgeCounts) {
    for index in buckets.indices { buckets[index] &+= other.buckets[index] }
    sum = sum + other.sum
  }
}

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
  package var tlsHandshakesWithServers: UInt64 = 0
  /// Those among them that went on with an earlier session.
  package var tlsResumedWithServers: UInt64 = 0
  /// By how.
  package var tunnelsEnded: [String: UInt64] = [:]
  package var bytesFromClients: UInt64 = 0
  package var bytesToClients: UInt64 = 0

  package var upstreamConnectionsOpened: UInt64 = 0
  package var upstreamConnectFailures: UInt64 = 0
  package var upstreamConnectionsReused: UInt64 = 0
  package var idleAgeAtReuse = IdleAgeCounts()
  package var idleAgeAtRemoteClose = IdleAgeCounts()
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
    tlsHandshakesWithServers &+= other.tlsHandshakesWithServers
    tlsResumedWithServers &+= other.tlsResumedWithServers
    bytesFromClients &+= other.bytesFromClients
    bytesToClients &+= other.bytesToClients
    upstreamConnectionsOpened &+= other.upstreamConnectionsOpened
    upstreamConnectFailures &+= other.upstreamConnectFailures
    upstreamConnectionsReused &+= other.upstreamConnectionsReused
    idleAgeAtReuse.add(other.idleAgeAtReuse)
    idleAgeAtRemoteClose.add(other.idleAgeAtRemoteClose)
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

  /// One `name value` a line, labels in braces, in the text form that Prometheus reads.
  package func lines() -> [String] {
    var lines: [String] = []
    func line(_ name: String, _ value: UInt64) { lines.append("photofinish_\(name) \(value)") }
    func table(_ name: String, _ label: String, _ values: [String: UInt64]) {
      for (key, value) in values.sorted(by: { $0.key < $1.key }) {
        lines.append("photofinish_\(name){\(label)=\"\(key)\"} \(value)")
      }
    }
    func histogram(_ name: String, _ ages: IdleAgeCounts) {
      var total: UInt64 = 0
      for (index, count) in ages.buckets.enumerated() {
        total &+= count
        let bound = index == ages.buckets.count - 1 ? "+Inf" : "\(Double(UInt64(1) << UInt64(index)) / 1_000)"
        lines.append("photofinish_\(name)_bucket{le=\"\(bound)\"} \(total)")
      }
      lines.append("photofinish_\(name)_sum \(ages.sum.inSeconds)")
      line("\(name)_count", total)
    }
    line("client_connections_accepted_total", clientConnectionsAccepted)
    line("client_connections_closed_total", clientConnectionsClosed)
    line("client_accepts_paused_total", acceptsPaused)
    line("requests_total", requests)
    for index in 1...5 { lines.append("photofinish_responses_total{class=\"\(index)xx\"} \(responses[index])") }
    line("client_aborts_total", clientAborts)
    line("client_closes_total", clientCloses)
    line("client_timeouts_total", clientTimeouts)
    line("malformed_requests_total", malformedRequests)
    line("tunnels_total", tunnels)
    table("tunnels_ended_total", "how", tunnelsEnded)
    line("client_received_bytes_total", bytesFromClients)
    line("client_sent_bytes_total", bytesToClients)
    line("upstream_connections_opened_total", upstreamConnectionsOpened)
    line("upstream_connect_failures_total", upstreamConnectFailures)
    line("upstream_connections_reused_total", upstreamConnectionsReused)
    table("upstream_connections_closed_by_server_total", "how", closedByServer)
    table("upstream_connections_closed_by_proxy_total", "reason", closedByProxy)
    histogram("upstream_idle_at_reuse_seconds", idleAgeAtReuse)
    histogram("upstream_idle_at_remote_close_seconds", idleAgeAtRemoteClose)
    line("upstream_stale_before_write_total", foundStaleBeforeWrite)
    table("upstream_unasked_responses_total", "seen", unaskedResponses)
    line("upstream_doubted_answers_total", doubtedAnswers)
    table("upstream_attempts_failed_total", "verdict", attemptsEndedByVerdict)
    table("upstream_replays_total", "verdict", replays)
    line("upstream_replays_answered_total", replaysAnswered)
    line("upstream_replays_failed_total", replaysFailed)
    table("upstream_not_replayed_total", "reason", notReplayed)
    table("upstream_retries_total", "after", retries)
    line("upstream_connects_failed_over_total", connectsFailedOver)
    line("upstream_connects_awaited_total", connectsAwaited)
    line("faults_total", faults)
    line("upstream_retries_answered_total", retriesAnswered)
    line("upstream_retries_failed_total", retriesFailed)
    table("upstream_not_retried_total", "reason", notRetried)
    line("log_notices_suppressed_total", noticesSuppressed)
    table("failures_total", "error", failures)
    table("refused_total", "guard", refusedByGuards)
    return lines
  }
}
