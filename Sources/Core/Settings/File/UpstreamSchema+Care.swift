/// Keys about the health of servers, their connections, and failures.
extension UpstreamSchema {
  static var healthForm: SettingsForm<ActiveHealthSettings?> {
    let section = SettingsSection<ActiveHealthSettings>(
      title: "a health check",
      keys: [
        SettingsKey(
          "path", \.path, SettingsForm<String>.path(allowsQuery: true).orNone("connect"),
          "What is asked for, perhaps with a query; `connect`: a connection that opens is enough."),
        SettingsKey("method", \.method, .token("a method, for instance GET"), "Its method."),
        SettingsKey(
          "host", \.host, SettingsForm<String>.authority.optional(), "Its Host; without it the server's own name."),
        SettingsKey("statuses", \.statuses, .statuses, "Statuses that say that the server is healthy."),
        SettingsKey(
          "interval", \.interval, .time(.milliseconds(100)...(.seconds(3_600))), "From one check to the next."),
        SettingsKey(
          "timeout", \.timeout, .time(.milliseconds(10)...(.seconds(3_600))), "How long a check may take."),
        SettingsKey("rise", \.rise, .count(1...1_000), "Successes in a row that make a server healthy."),
        SettingsKey("fall", \.fall, .count(1...1_000), "Failures in a row that make it unhealthy."),
      ])
    var form = section.form(standard: ActiveHealthSettings())
    form.kind = "path, connect, or map"
    form.description = "a path, for instance /health, or a map"
    let path = SettingsForm<String>.path(allowsQuery: true)
    let readMap = form.read
    form.read = { node, current, reader in
      guard case .scalar(let scalar) = node.content else { return readMap(node, current, &reader) }
      var health = ActiveHealthSettings()
      if scalar.text == "connect" {
        health.path = nil
        return health
      }
      guard let text = path.read(node, nil, &reader) else { return nil }
      health.path = text
      return health
    }
    return form.orNone("off")
  }

  static var ejectionSection: SettingsSection<EjectionSettings> {
    SettingsSection(
      title: "ejection",
      keys: [
        SettingsKey(
          "failures", \.consecutiveFailures, .count(1...1_000_000),
          "Failures in a row: connects that failed, responses that did not come, and the statuses."),
        SettingsKey(
          "statuses", \.statuses, SettingsForm<UInt16>.status(400...599).list(),
          "Statuses of responses that count as failures."),
        SettingsKey(
          "base-time", \.baseTime, .time(.milliseconds(100)...(.seconds(86_400))),
          "How long the first ejection lasts; each further one twice as long, with jitter."),
        SettingsKey(
          "longest-time", \.longestTime, .time(.milliseconds(100)...(.seconds(86_400))),
          "How long one may last at most."),
        SettingsKey(
          "largest-share", \.largestSharePercent, .percent(1...100),
          "Never more of the servers than this are out. One server alone is never ejected."),
      ])
  }

  static var poolSection: SettingsSection<UpstreamSettings.PoolLimits> {
    SettingsSection(
      title: "a pool",
      keys: [
        SettingsKey("reuse", \.reuse, .onOff, "Use connections for more than one request."),
        SettingsKey(
          "connections", \.connections, SettingsForm<Int>.count(1...1_000_000).orNone("unlimited"),
          "Connections open at once, which is also how many requests a server has at once."),
        SettingsKey("idle-connections", \.idleConnections, .count(0...1_000_000), "Idle connections kept."),
        SettingsKey(
          "idle-age", \.idleAge, .time(), "Idle age beyond which a connection is not used, whatever was learned."),
        SettingsKey("connection-age", \.connectionAge, .time(), "Age at which a connection is retired."),
        SettingsKey(
          "requests-per-connection", \.requestsPerConnection, .count(1...1_000_000_000),
          "Requests after which a connection is retired."),
        SettingsKey(
          "waiting-requests", \.waitingRequests, .count(0...1_000_000),
          "Requests that may wait for a connection; more get 503."),
        SettingsKey("waiting-time", \.waitingTime, .time(), "How long a request waits for a connection (503)."),
      ],
      foreignKeys: [
        "keepalive": "did you mean 'idle-connections'?", "max-idle": "did you mean 'idle-connections' or 'idle-age'?",
        "max-connections": "did you mean 'connections'?", "max-age": "did you mean 'connection-age'?",
        "keepalive_timeout": "did you mean 'idle-age'?",
        "keepalive_requests": "did you mean 'requests-per-connection'?",
      ])
  }

  /// `off`, or a map.
  static var replayForm: SettingsForm<UpstreamSettings.ReplaySettings> {
    let section = SettingsSection<UpstreamSettings.ReplaySettings>(
      title: "replay",
      keys: [
        SettingsKey(
          "non-idempotent", \.nonIdempotentOnProof, .choice([("proven", true), ("never", false)]),
          "Replay POST and its like when it is proven that the server did not get them, or never."),
        SettingsKey("limit", \.limit, .count(0...255), "Replays of one request."),
        SettingsKey(
          "refused", \.believesRefusals, .onOff,
          "Replay POST and its like as well when the server says in HTTP/2 that it has not acted on them (REFUSED_STREAM, GOAWAY)."
        ),
      ])
    var form = section.form(standard: .init())
    form.kind = "map, or off"
    let readMap = form.read
    form.read = { node, current, reader in
      if case .scalar(let scalar) = node.content, scalar.text == "off" {
        var settings = current ?? .init()
        settings.limit = 0
        return settings
      }
      return readMap(node, current, &reader)
    }
    return form
  }

  /// `off`, a number, or a map.
  static var retryForm: SettingsForm<RetrySettings> {
    let section = SettingsSection<RetrySettings>(
      title: "retry",
      keys: [
        SettingsKey("limit", \.limit, .count(0...20), "Retries of one request; 0: none."),
        SettingsKey(
          "statuses", \.statuses, SettingsForm<UInt16>.status(400...599).list(), "Statuses that are retried."),
        SettingsKey(
          "honours-idempotency-key", \.honoursIdempotencyKey, .onOff,
          "The servers do what carries the same `Idempotency-Key` only once. Then such requests are retried whatever their method; otherwise only idempotent ones are."
        ),
        SettingsKey(
          "base-backoff", \.baseBackoff, .time(.milliseconds(1)...(.seconds(60))),
          "A retry waits for a random time up to this, twice as long with each further one."),
        SettingsKey("longest-backoff", \.longestBackoff, .time(.milliseconds(1)...(.seconds(60))), "Up to this."),
        SettingsKey(
          "longest-retry-after", \.longestRetryAfter, .time(.zero...(.seconds(3_600))),
          "A Retry-After that asks for more ends the retries: the answer is passed on."),
      ],
      foreignKeys: [
        "non-idempotent":
          "a retry could apply a request twice; write 'honours-idempotency-key: on' if the servers honour that field",
        "methods": "idempotent methods are retried; others only with 'honours-idempotency-key: on'",
        "attempts": "did you mean 'limit'? It counts what follows the first attempt",
      ])
    var form = section.form(standard: .init())
    form.kind = "off, number, or map"
    let readMap = form.read
    let count = SettingsForm<Int>.count(0...20)
    form.read = { node, current, reader in
      guard case .scalar(let scalar) = node.content else { return readMap(node, current, &reader) }
      var settings = current ?? .init()
      guard let limit = scalar.text == "off" ? 0 : count.read(node, nil, &reader) else { return nil }
      settings.limit = limit
      return settings
    }
    return form
  }
}
