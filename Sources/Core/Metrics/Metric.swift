/// Everything that the proxy measures of itself: the one table that the exposition and its manual page come from.
///
/// The raw value is the name of the family; a counter's samples have `_total` behind it (Prometheus' conventions).
package enum Metric: String, CaseIterable, Sendable {
  // The process.
  case buildInfo = "photofinish_build_info"
  case processCPU = "process_cpu_seconds"
  case processResident = "process_resident_memory_bytes"
  case processVirtual = "process_virtual_memory_bytes"
  case processOpenDescriptors = "process_open_fds"
  case processMaximumDescriptors = "process_max_fds"
  case processStart = "process_start_time_seconds"
  case workers = "photofinish_workers"
  case workersHeard = "photofinish_workers_heard"
  case eventLoopLag = "photofinish_event_loop_lag_seconds"
  case draining = "photofinish_draining"
  case settingsGeneration = "photofinish_settings_generation"
  case reloads = "photofinish_reloads"
  case lastReloadSucceeded = "photofinish_last_reload_successful"
  case lastReloadTime = "photofinish_last_reload_success_timestamp_seconds"
  case noticesSuppressed = "photofinish_log_notices_suppressed"
  case accessLinesLost = "photofinish_access_log_lines_lost"
  case faults = "photofinish_faults"

  // Clients.
  case clientConnections = "photofinish_client_connections"
  case clientConnectionsAccepted = "photofinish_client_connections_accepted"
  case clientConnectionsClosed = "photofinish_client_connections_closed"
  case acceptsPaused = "photofinish_client_accepts_paused"
  case clientAborts = "photofinish_client_aborts"
  case clientCloses = "photofinish_client_closes"
  case clientTimeouts = "photofinish_client_timeouts"
  case malformedRequests = "photofinish_malformed_requests"
  case clientReceivedBytes = "photofinish_client_received_bytes"
  case clientSentBytes = "photofinish_client_sent_bytes"
  case requests = "photofinish_requests"
  case responses = "photofinish_responses"
  case exchangesInFlight = "photofinish_exchanges_in_flight"
  case failures = "photofinish_failures"
  case refused = "photofinish_refused"
  case tlsHandshakes = "photofinish_client_tls_handshakes"
  case tlsResumptions = "photofinish_client_tls_resumptions"
  case tlsFailures = "photofinish_client_tls_failures"
  case http2Connections = "photofinish_client_http2_connections"
  case http2Streams = "photofinish_client_http2_streams"
  case http2StreamsReset = "photofinish_client_http2_streams_reset"
  case http2StreamsRefused = "photofinish_client_http2_streams_refused"
  case http2Failures = "photofinish_client_http2_failures"
  case tlsRoundsFull = "photofinish_client_tls_rounds_full"
  case certificateExpiry = "photofinish_certificate_expiry_timestamp_seconds"
  case tunnels = "photofinish_tunnels"
  case tunnelsEnded = "photofinish_tunnels_ended"

  // Routes.
  case routeRequests = "photofinish_route_requests"
  case routeDuration = "photofinish_route_request_duration_seconds"
  case routeFirstByte = "photofinish_route_first_byte_seconds"
  case routeRequestBytes = "photofinish_route_request_body_bytes"
  case routeResponseBytes = "photofinish_route_response_body_bytes"

  // Servers: requests.
  case serverRequests = "photofinish_server_requests"
  case serverDuration = "photofinish_server_request_duration_seconds"
  case serverFirstByte = "photofinish_server_first_byte_seconds"
  case serverRequestBytes = "photofinish_server_request_body_bytes"
  case serverResponseBytes = "photofinish_server_response_body_bytes"
  case serverAttempts = "photofinish_server_attempts"
  case serverInFlight = "photofinish_server_requests_in_flight"
  case serverWaiting = "photofinish_server_requests_waiting"

  // Servers: connections.
  case serverConnections = "photofinish_server_connections"
  case serverOpened = "photofinish_server_connections_opened"
  case serverConnectFailures = "photofinish_server_connect_failures"
  case serverReused = "photofinish_server_connections_reused"
  case serverClosed = "photofinish_server_connections_closed"
  case serverIdleAtReuse = "photofinish_server_idle_at_reuse_seconds"
  case serverIdleAtClose = "photofinish_server_idle_at_close_seconds"

  // Servers: the idle window.
  case serverLearnedTimeout = "photofinish_server_idle_timeout_learned_seconds"
  case serverHintedTimeout = "photofinish_server_idle_timeout_hinted_seconds"
  case serverLeaseLimit = "photofinish_server_idle_lease_limit_seconds"
  case serverProvenAge = "photofinish_server_idle_proven_seconds"
  case serverSuspected = "photofinish_server_idle_window_suspected"

  // The race.
  case racesAvoided = "photofinish_races_avoided"
  case racesRepaired = "photofinish_races_repaired"
  case racesLost = "photofinish_races_lost"
  case attemptsFailed = "photofinish_server_attempts_failed"
  case replays = "photofinish_server_replays"
  case unaskedAnswers = "photofinish_server_unasked_responses"
  case doubtedAnswers = "photofinish_doubted_answers"
  case replaysAnswered = "photofinish_replays_answered"
  case replaysFailed = "photofinish_replays_failed"
  case notReplayed = "photofinish_not_replayed"
  case retries = "photofinish_retries"
  case retriesAnswered = "photofinish_retries_answered"
  case retriesFailed = "photofinish_retries_failed"
  case notRetried = "photofinish_not_retried"
  case serverHandshakes = "photofinish_tls_handshakes_with_servers"
  case serverResumptions = "photofinish_tls_resumptions_with_servers"
  case upstreamHTTP2Connections = "photofinish_http2_connections_to_servers"
  case upstreamHTTP2Streams = "photofinish_http2_streams_to_servers"
  case upstreamGoAways = "photofinish_http2_goaways_from_servers"
  case connectsFailedOver = "photofinish_connects_failed_over"
  case connectsAwaited = "photofinish_connects_awaited"

  // Servers: health.
  case serverAvailable = "photofinish_server_available"
  case serverWeight = "photofinish_server_weight"
  case healthChecks = "photofinish_server_health_checks"
  case serverUnhealthy = "photofinish_server_unhealthy"
  case serverEjections = "photofinish_server_ejections"

  package enum Kind: String, Sendable {
    case counter, gauge, histogram
  }

  /// What all samples of one name have in common.
  package struct Family: Sendable {
    package var kind: Kind
    package var labels: [String]
    package var help: String
  }

  /// The unit at the end of the name, which OpenMetrics wants to be told of.
  package var unit: String? { ["seconds", "bytes"].first { rawValue.hasSuffix("_" + $0) } }

  /// The name that queries use: a counter's samples have another than their family.
  package var sampleName: String { family.kind == .counter ? rawValue + "_total" : rawValue }
}
