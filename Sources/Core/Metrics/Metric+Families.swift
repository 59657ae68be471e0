extension Metric {
  package var family: Family {
    guard let family = Self.families[self] else { preconditionFailure("\(rawValue) is missing from the table") }
    return family
  }

  private static let families = Dictionary(
    uniqueKeysWithValues: processFamilies + clientFamilies + serverFamilies + raceFamilies)

  private static func counter(_ help: String, _ labels: String...) -> Family {
    Family(kind: .counter, labels: labels, help: help)
  }

  private static func gauge(_ help: String, _ labels: String...) -> Family {
    Family(kind: .gauge, labels: labels, help: help)
  }

  private static func histogram(_ help: String, _ labels: String...) -> Family {
    Family(kind: .histogram, labels: labels, help: help)
  }

  private static func ofServer(_ kind: Kind, _ help: String, _ labels: String...) -> Family {
    Family(kind: kind, labels: ["upstream", "server"] + labels, help: help)
  }

  private static let processFamilies: [(Metric, Family)] = [
    (.buildInfo, gauge("1; the version is a label.", "version")),
    (.processCPU, counter("User and system CPU time of the process.")),
    (.processResident, gauge("Memory of the process that is in RAM.")),
    (.processVirtual, gauge("Address space of the process.")),
    (.processOpenDescriptors, gauge("File descriptors that are open.")),
    (.processMaximumDescriptors, gauge("File descriptors that may be open at once.")),
    (.processStart, gauge("When the process started, in seconds since 1970.")),
    (.workers, gauge("Event loops, one thread each.")),
    (.workersHeard, gauge("Event loops that answered this scrape in time; what the others count is missing from it.")),
    (
      .eventLoopLag,
      gauge("How long this scrape's question waited for the event loop, which was busy with other things.", "worker")
    ),
    (.draining, gauge("1 while the proxy drains, else 0.")),
    (.settingsGeneration, gauge("How often the settings were replaced since the start.")),
    (.reloads, counter("Reloads of the settings.", "outcome")),
    (.lastReloadSucceeded, gauge("1 when the last reload succeeded or there was none, else 0.")),
    (.lastReloadTime, gauge("When a reload last succeeded, in seconds since 1970; missing before the first.")),
    (
      .noticesSuppressed,
      counter("Lines about requests that the control log left out because there were too many in a second.")
    ),
    (.accessLinesLost, counter("Lines of the access log that could not be written.")),
    (.faults, counter("Faults of the proxy's own, each of which cost an exchange; please report them.")),
  ]

  private static let clientFamilies: [(Metric, Family)] = [
    (.clientConnections, gauge("Client connections that are open.")),
    (.clientConnectionsAccepted, counter("Client connections that were accepted.")),
    (.clientConnectionsClosed, counter("Client connections that were closed.")),
    (.acceptsPaused, counter("Times that accepting paused at the limit of clients or of descriptors.")),
    (.clientAborts, counter("Clients that left before their answer was complete, however.")),
    (.clientCloses, counter("Clients among them that closed in order, with a FIN.")),
    (.clientTimeouts, counter("Client connections that ended by a timeout of the proxy.")),
    (.malformedRequests, counter("Requests that were not understood.")),
    (.clientReceivedBytes, counter("Bytes received from clients.")),
    (.clientSentBytes, counter("Bytes sent to clients.")),
    (.requests, counter("Requests that were understood.")),
    (.responses, counter("Answers that were sent whole, those of the proxy's own included.", "class")),
    (.exchangesInFlight, gauge("Requests that are under way.")),
    (
      .failures,
      counter("Requests that the proxy had to answer itself, by the error type of Proxy-Status (RFC 9209).", "error")
    ),
    (.refused, counter("Requests and connections that a guard refused.", "guard")),
    (.tlsHandshakes, counter("TLS handshakes with clients that succeeded.")),
    (.tlsResumptions, counter("Handshakes among them that went on with an earlier session.")),
    (.tlsFailures, counter("TLS connections of clients that failed, by kind.", "kind")),
    (.http2Connections, counter("Client connections that spoke HTTP/2.")),
    (.http2Streams, counter("Requests that came as streams of HTTP/2.")),
    (
      .http2StreamsReset,
      counter("Streams that clients reset, or that were reset because a rule was broken, by error code.", "code")
    ),
    (
      .http2StreamsRefused,
      counter("Requests that were refused with REFUSED_STREAM because a server provably did not get them.")
    ),
    (.http2Failures, counter("HTTP/2 connections of clients that ended with an error, by reason.", "reason")),
    (
      .tlsRoundsFull,
      counter("Rounds of event loops behind which handshakes waited: clients came faster than the CPU signs.")
    ),
    (.certificateExpiry, gauge("When a certificate expires, in seconds since 1970, by its file.", "file")),
    (.tunnels, counter("Connections that were upgraded to another protocol, such as WebSocket.")),
    (.tunnelsEnded, counter("Ends of upgraded connections.", "how")),
    (
      .routeRequests,
      counter(
        "Requests that ended; class is that of the status, or aborted when the client left first.", "route", "class")
    ),
    (.routeDuration, histogram("From a request's first byte to the end of its answer.", "route")),
    (.routeFirstByte, histogram("From a request's first byte to the head of its answer.", "route")),
    (.routeRequestBytes, counter("Bytes of requests' content.", "route")),
    (.routeResponseBytes, counter("Bytes of answers' content.", "route")),
  ]

  private static let serverFamilies: [(Metric, Family)] = [
    (
      .serverRequests,
      ofServer(.counter, "Requests that ended, at the server that had them last; class as for routes.", "class")
    ),
    (
      .serverDuration,
      ofServer(.histogram, "From a request's first byte to the end of its answer, earlier attempts included.")
    ),
    (.serverFirstByte, ofServer(.histogram, "From the write of a request to the head of the server's answer.")),
    (.serverRequestBytes, ofServer(.counter, "Bytes of requests' content.")),
    (.serverResponseBytes, ofServer(.counter, "Bytes of answers' content.")),
    (.serverAttempts, ofServer(.counter, "Requests whose first byte was written to the server, replays included.")),
    (.serverInFlight, ofServer(.gauge, "Requests that have a connection to the server now.")),
    (.serverWaiting, ofServer(.gauge, "Requests that wait for a connection to the server.")),
    (
      .serverConnections,
      ofServer(
        .gauge, "Connections to the server: idle, leased, connecting, or watched beyond the idle window.", "state")
    ),
    (.serverOpened, ofServer(.counter, "Connections that were opened.")),
    (.serverConnectFailures, ofServer(.counter, "Connections that could not be opened.")),
    (.serverReused, ofServer(.counter, "Requests that were written to a connection that had carried others.")),
    (.serverClosed, ofServer(.counter, "Connections that ended, by whom and how or why.", "by", "how")),
    (.serverIdleAtReuse, ofServer(.histogram, "Idle age of connections when they were used again.")),
    (.serverIdleAtClose, ofServer(.histogram, "Idle age of connections when the server closed them.")),
    (
      .serverLearnedTimeout,
      ofServer(.gauge, "The idle age at which the server closes, as learned; missing while nothing is.")
    ),
    (
      .serverHintedTimeout,
      ofServer(.gauge, "What the server says in Keep-Alive: timeout=; missing when it says nothing.")
    ),
    (.serverLeaseLimit, ofServer(.gauge, "The idle age up to which connections are used again.")),
    (
      .serverProvenAge,
      ofServer(.gauge, "The idle age up to which the server was seen to keep connections: the limit for POST.")
    ),
    (
      .serverSuspected,
      ofServer(.gauge, "1 while a restart or unannounced closes are suspected and POST takes fresh connections.")
    ),
    (.serverAvailable, ofServer(.gauge, "1 while the server is neither unhealthy nor ejected, else 0.")),
    (.serverWeight, ofServer(.gauge, "Share of the requests beside the other servers; 0 drains it.")),
    (.healthChecks, ofServer(.counter, "Health checks that ended.", "result")),
    (.serverUnhealthy, ofServer(.counter, "Times that health checks found the server unhealthy.")),
    (.serverEjections, ofServer(.counter, "Times that the server got no requests for a while because they failed.")),
  ]

  private static let raceFamilies: [(Metric, Family)] = [
    (
      .racesAvoided,
      ofServer(
        .counter, "Requests that the last look before the write kept off a connection that the server had closed.",
        "how")
    ),
    (
      .racesRepaired,
      ofServer(
        .counter, "Requests that met the close of a reused connection and were replayed and answered, by verdict.",
        "verdict")
    ),
    (
      .racesLost,
      ofServer(.counter, "Requests that met the close of a reused connection and failed for it, by verdict.", "verdict")
    ),
    (.attemptsFailed, ofServer(.counter, "Attempts that ended without an answer, by verdict.", "verdict")),
    (.replays, ofServer(.counter, "Replays that were begun, by the verdict on the attempt before.", "verdict")),
    (
      .unaskedAnswers,
      ofServer(.counter, "Answers that no request had asked for and that nobody got, by where they were seen.", "seen")
    ),
    (.doubtedAnswers, counter("Answers that may have been another request's, so that theirs was sent again.")),
    (.replaysAnswered, counter("Requests that were answered after at least one replay.")),
    (.replaysFailed, counter("Requests that failed after at least one replay.")),
    (.notReplayed, counter("Attempts that failed and were not replayed, by reason.", "reason")),
    (.retries, counter("Retries, by the status or failure that they follow.", "after")),
    (.retriesAnswered, counter("Requests that ended well after at least one retry.")),
    (.retriesFailed, counter("Requests that failed after at least one retry.")),
    (.notRetried, counter("Failures of a kind that is retried and that were not, by reason.", "reason")),
    (.serverHandshakes, counter("TLS connections to servers that were agreed upon.")),
    (.serverResumptions, counter("TLS connections to servers that went on with an earlier session.")),
    (.upstreamHTTP2Connections, counter("Connections to servers that spoke HTTP/2.")),
    (.upstreamHTTP2Streams, counter("Requests that were sent as streams of HTTP/2.")),
    (.upstreamGoAways, counter("GOAWAY frames of servers, by error code.", "code")),
    (.connectsFailedOver, counter("Connects that failed and were followed by one to another server.")),
    (.connectsAwaited, counter("Connects that failed and were followed by a wait for the same server.")),
  ]

}
