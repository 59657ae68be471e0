extension CheckRule {
  /// A few words.
  package var title: String {
    switch self {
    case .holdLongerThanServer: "a proxy holds idle connections longer than its server keeps them"
    case .equalOrThinMargin: "the server outlasts the proxy by too little"
    case .poolWithoutEffect: "a pool of connections that never holds any"
    case .versionFlipsDefault: "a version decides what happens"
    case .settingOnWrongObject: "a setting that nothing reads"
    case .secondTimer: "a second timer closes idle connections"
    case .tunnelFallsBack: "tunnels end by a timeout that was meant for requests"
    case .middleboxBetween: "something on the path forgets connections"
    case .retryAppliesTwice: "a retry may apply a request twice"
    case .earlyData: "early data can be replayed by others"
    case .blindDrain: "a shutdown that idle connections stall, or that proxies don't see"
    case .notAnIdleTimeout: "a timeout that is no idle timeout"
    case .assumedDefault: "a default was assumed"
    }
  }

  /// What it means, and how it can be known.
  package var explanation: String {
    switch self {
    case .holdLongerThanServer:
      """
      A proxy or load balancer keeps connections to its servers open after a response, to use them again. The server closes a connection \
      that has been idle for long enough. Where the proxy holds for longer than the server, the server closes first, sooner or later in the \
      very moment in which the proxy sends a request: the request arrives at a closed socket, the kernel answers with a reset, and the client \
      gets a 502 (or "connection reset by peer", "upstream prematurely closed connection", "socket hang up") of which the server's log knows nothing.
      """
    case .equalOrThinMargin:
      """
      The server keeps idle connections as long as the proxy holds them, or hardly longer. Timers run in steps, clocks drift, and a FIN takes \
      its time on the way: with equal times it is chance that decides which side closes first. Operators have seen bursts of 502s with \
      65 s against 60 s. The least margin is 5 s, or a fifth where the times are shorter than 25 s.
      """
    case .poolWithoutEffect:
      """
      nginx up to 1.29.6 sends `Connection: close` and HTTP/1.0 to its servers unless it is told otherwise, so `keepalive 32` in an \
      upstream block keeps nothing: each request opens a connection. There is no race then, and no gain either. From 1.29.7 on the same file \
      does reuse connections, and whatever mismatch there is comes alive with the upgrade.
      """
    case .versionFlipsDefault:
      """
      The same configuration behaves differently from version to version, and the version is not known from these files. nginx 1.29.7 \
      reuses connections to servers by default; Node.js 18.2 no longer counts headersTimeout while idle, and 26 keeps idle connections for 65 s \
      instead of 5 s; Puma 7 for 65 s instead of 20 s; gunicorn's worker class decides whether keep-alive exists at all.
      """
    case .settingOnWrongObject:
      """
      The setting stands where nothing reads it: on an Express application instead of the server, on a Network Load Balancer that has no such \
      timer, under a name that does not exist, for a worker that closes after each response, on the client's side of a load balancer. \
      The software says nothing; the default stays in force.
      """
    case .secondTimer:
      """
      Beside the keep-alive timeout another timer or limit closes idle connections: headersTimeout of Node.js before 18.2, a small number of \
      requests for one connection, workers that restart after so many requests. Raising the keep-alive timeout alone does not help then.
      """
    case .tunnelFallsBack:
      """
      An upgraded connection (WebSocket) may be silent for long. Where no timeout for tunnels is set, the one for requests ends it: HAProxy falls back \
      to `timeout client` and `timeout server`, Envoy to `stream_idle_timeout`. A heartbeat must come more often than that.
      """
    case .middleboxBetween:
      """
      Load balancers that work on connections, NAT gateways, firewalls and kube-proxy's IPVS keep a table of connections and drop those that are \
      silent: AWS NLB and NAT gateway after 350 s, Azure after 4 minutes, IPVS after 15 minutes. Neither end is told. The next request is answered \
      by a reset, or by nothing.
      """
    case .retryAppliesTwice:
      """
      A retry that does not look at the method sends a POST again after the server received it, and perhaps applied it. RFC 9110 section 9.2.2: a proxy \
      must not automatically retry requests with methods that are not idempotent. (That a request which provably never reached the server may be sent \
      again is another matter: docs/manual/replay.md.)
      """
    case .earlyData:
      """
      TLS 1.3 early data (0-RTT) arrives before the handshake is complete, and whoever recorded it can send it again. A proxy that takes it must \
      tell the server with `Early-Data: 1`, so that the server can answer 425 (Too Early) to requests that must not be repeated (RFC 8470).
      """
    case .blindDrain:
      """
      A raised keep-alive makes shutdowns longer: below Node.js 19 `server.close()` waits for idle connections, up to the whole keep-alive, and the \
      orchestrator kills the process before. Without a preStop wait, proxies send requests to a server that has begun to end. Close idle connections \
      at SIGTERM, answer the last requests with `Connection: close`, and wait before you begin.
      """
    case .notAnIdleTimeout:
      """
      The name suggests that this timer ends idle connections, and it does not: Go's ReadHeaderTimeout begins with the first byte of a request, \
      nginx's proxy_read_timeout with the request, so-keepalive sends TCP probes, HAProxy's `timeout client` is the client's inactivity.
      """
    case .assumedDefault:
      """
      One side of a connection says nothing about the timer, or is not among the files. The default of the software and version was assumed, and the \
      confidence of what follows from it is lower. docs/manual/defaults.md lists all defaults with their sources.
      """
    }
  }

  /// What to do about it in general; a finding has the lines of its case.
  package var remedy: String {
    switch self {
    case .holdLongerThanServer, .equalOrThinMargin:
      """
      Change one of the two sides: let the proxy hold for less than the server keeps (by 5 s, or a fifth), or let the server keep for longer than \
      the proxy holds. A proxy that proves that nothing was delivered and sends the request again needs neither.
      """
    case .poolWithoutEffect:
      "Write `proxy_http_version 1.1;` and `proxy_set_header Connection \"\";` where the pool is used, with a keepalive_timeout below the server's."
    case .versionFlipsDefault:
      "Pin the version (a tag of the image, `engines` in package.json), or write the setting out."
    case .settingOnWrongObject: "Move the setting to the object that reads it, or leave it out."
    case .secondTimer: "Raise the second timer above the first, or the number of requests to thousands."
    case .tunnelFallsBack:
      "Set the timeout for tunnels (HAProxy `timeout tunnel 1h`), and have one side send a heartbeat."
    case .middleboxBetween:
      "Let both sides give connections up before the box forgets them, or send TCP keep-alive probes more often than that."
    case .retryAppliesTwice: "Restrict the retry to idempotent methods, or to failures before the request was sent."
    case .earlyData: "Pass `Early-Data` on and have the server answer 425, or switch early data off."
    case .blindDrain:
      "Call closeIdleConnections() behind close(), set `Connection: close` while draining, and give the container a preStop wait."
    case .notAnIdleTimeout: "Set the timer that does end idle connections, or leave it; nothing is wrong by itself."
    case .assumedDefault:
      "Give the other side's configuration, too, say the chain with --chain, or write the setting out."
    }
  }

  /// The page of `--explain`.
  package func page(ink: Ink) -> String {
    let paragraphs = [
      CheckText.wrapped(explanation, width: 88), [], [ink.bold("What to do")], CheckText.wrapped(remedy, width: 88),
    ]
    return "\(ink.bold(rawValue)): \(title)\n\n" + paragraphs.map { $0.joined(separator: "\n") }.joined(separator: "\n")
      + "\n"
  }

  package static func list(ink: Ink) -> String {
    allCases.map {
      "  \(ink.bold($0.rawValue))" + String(repeating: " ", count: 26 - $0.rawValue.count) + $0.title + "\n"
    }.joined()
      + "\nphotofinish check --explain RULE tells more.\n"
  }
}
