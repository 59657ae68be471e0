/// Combinations within one upstream that are impossible (errors) or harmful (warnings).
enum UpstreamChecks {
  static func check(_ upstream: UpstreamSettings, _ settings: ProxySettings, _ reader: inout SettingsReader) {
    let subject = "upstreams.\(upstream.name)"
    checkServers(upstream, settings, subject, &reader)
    checkTLS(upstream, subject, &reader)
    checkPool(upstream, subject, &reader)
    checkHealth(upstream, subject, &reader)
    checkRetry(upstream.retry, "\(subject).retry", &reader)
    if let sticky = upstream.sticky { checkSticky(sticky, "\(subject).sticky", &reader) }
  }

  private static func checkServers(
    _ upstream: UpstreamSettings, _ settings: ProxySettings, _ subject: String, _ reader: inout SettingsReader
  ) {
    // A list may stand in place of the map, and one server in place of the list.
    let list = reader.has("\(subject).servers") ? "\(subject).servers" : subject
    func server(_ index: Int) -> String {
      reader.has("\(list)[\(index + 1)]") ? "\(list)[\(index + 1)]" : list
    }
    // A server that cannot be read is not among them, and the numbers would not agree.
    guard !reader.hasErrors(in: list) || list == subject && !upstream.servers.isEmpty else { return }
    guard !upstream.servers.isEmpty else {
      if !reader.hasErrors(in: subject) {
        reader.report(of: subject, "has no servers", fix: "add them, for instance servers: [\"http://127.0.0.1:3000\"]")
      }
      return
    }
    var seen: Set<OriginAddress> = []
    for (index, one) in upstream.servers.enumerated() {
      if !seen.insert(one.origin).inserted {
        reader.report(
          of: server(index), "this server stands here twice",
          fix: "leave one out; 'weight' gives it a larger share")
      }
      if !reader.hasErrors(in: "listen"), settings.listeners.contains(where: { one.origin.isReached(at: $0.address) }) {
        reader.report(
          of: server(index), "this is where the proxy itself listens",
          fix: "name another port")
      }
    }
    if upstream.servers.allSatisfy({ $0.weight == 0 }) {
      reader.report(of: list, "all weights are 0, so no server gets requests", fix: "give one a weight")
    } else if upstream.servers.allSatisfy(\.isBackup) {
      reader.warn(of: list, "all servers are backups", fix: "leave 'backup' out of those that are to be asked first")
    }
  }

  private static func checkTLS(_ upstream: UpstreamSettings, _ subject: String, _ reader: inout SettingsReader) {
    let tls = upstream.tls
    if tls != UpstreamTLS(), !upstream.servers.isEmpty, !upstream.servers.contains(where: \.isTLS) {
      reader.report(
        of: "\(subject).tls", "has no effect: no server is one of https://", fix: "write https:// before its host")
    }
    if !tls.isVerified {
      reader.warn(
        of: "\(subject).tls.verify", "anybody between the proxy and a server can read and change everything",
        fix: "name the server's certificate, or its issuer, with 'ca'")
      if tls.authorities != nil {
        reader.report(of: "\(subject).tls.ca", "has no effect: nothing is verified", fix: "leave 'verify' out")
      }
    }
    if tls.protocols.isEmpty {
      reader.report(of: "\(subject).tls.alpn", "is empty", fix: "leave it out, or name http/1.1")
    }
  }

  private static func checkPool(_ upstream: UpstreamSettings, _ subject: String, _ reader: inout SettingsReader) {
    if let keepsIdle = upstream.keepsIdle {
      let idleAge = upstream.pool.idleAge
      let margin = SettingsAssembly.keepsIdleMargin(keepsIdle)
      if idleAge >= keepsIdle {
        reader.report(
          of: "\(subject).pool.idle-age",
          "\(idleAge.text) is not shorter than its servers keep idle connections (\(keepsIdle.text)): requests would meet the close",
          fix: "leave it out, which makes it \((keepsIdle - margin).text)")
      } else if idleAge > keepsIdle - margin {
        reader.warn(
          of: "\(subject).pool.idle-age",
          "is only \((keepsIdle - idleAge).text) shorter than its servers keep idle connections (\(keepsIdle.text))",
          fix: "leave it out, which makes it \((keepsIdle - margin).text)")
      }
    }
    let pool = upstream.pool
    guard !pool.reuse else { return }
    let standard = UpstreamSettings.PoolLimits()
    let keys = [
      ("pool.idle-connections", pool.idleConnections != standard.idleConnections),
      ("pool.idle-age", pool.idleAge != standard.idleAge && upstream.keepsIdle == nil),
      ("pool.connection-age", pool.connectionAge != standard.connectionAge),
      ("pool.requests-per-connection", pool.requestsPerConnection != standard.requestsPerConnection),
      ("keeps-idle", upstream.keepsIdle != nil),
    ]
    for (key, isSet) in keys where isSet {
      reader.warn(
        of: "\(subject).\(key)", "has no effect: 'pool.reuse' is off, so no connection is ever idle",
        fix: "leave one of the two out")
    }
  }

  private static func checkHealth(_ upstream: UpstreamSettings, _ subject: String, _ reader: inout SettingsReader) {
    if let health = upstream.health {
      if health.interval < health.timeout {
        let key = reader.has("\(subject).health.interval") ? "interval" : "timeout"
        reader.report(
          of: "\(subject).health.\(key)",
          "checks begin every \(health.interval.text), and each may take \(health.timeout.text): they would overlap",
          fix: "make 'interval' at least as long as 'timeout'")
      }
      if health.path == nil {
        let standard = ActiveHealthSettings()
        let keys = [
          ("method", health.method != standard.method), ("host", health.host != nil),
          ("statuses", health.statuses != standard.statuses),
        ]
        for (key, isSet) in keys where isSet {
          reader.report(
            of: "\(subject).health.\(key)", "has no effect: only a connection is opened", fix: "name a 'path'")
        }
      }
    }
    if let ejection = upstream.ejection {
      if ejection.baseTime > ejection.longestTime {
        let key = reader.has("\(subject).ejection.base-time") ? "base-time" : "longest-time"
        reader.report(
          of: "\(subject).ejection.\(key)",
          "the first ejection lasts \(ejection.baseTime.text), longer than the longest (\(ejection.longestTime.text))",
          fix: "make 'base-time' shorter or 'longest-time' longer")
      }
    }
    if case .unix? = upstream.servers.first?.origin, upstream.servers.count == 1, reader.has("\(subject).resolve-every")
    {
      reader.warn(of: "\(subject).resolve-every", "has no effect: there is no name to resolve", fix: "leave it out")
    }
  }

  static func checkRetry(_ retry: RetrySettings, _ subject: String, _ reader: inout SettingsReader) {
    if retry.limit == 0 {
      let standard = RetrySettings()
      let keys = [
        ("statuses", retry.statuses != standard.statuses),
        ("honours-idempotency-key", retry.honoursIdempotencyKey),
        ("base-backoff", retry.baseBackoff != standard.baseBackoff),
        ("longest-backoff", retry.longestBackoff != standard.longestBackoff),
        ("longest-retry-after", retry.longestRetryAfter != standard.longestRetryAfter),
      ]
      if let key = keys.first(where: \.1)?.0 {
        reader.warn(
          of: "\(subject).\(key)", "has no effect: there are no retries", fix: "add a 'limit', for instance limit: 1")
      }
    } else if retry.statuses.isEmpty, !reader.hasErrors(in: "\(subject).statuses") {
      reader.report(
        of: "\(subject).statuses", "is empty, so nothing is retried", fix: "name statuses, or write retry: off")
    }
    if retry.baseBackoff > retry.longestBackoff {
      let key = reader.has("\(subject).base-backoff") ? "base-backoff" : "longest-backoff"
      reader.report(
        of: "\(subject).\(key)",
        "the first wait (\(retry.baseBackoff.text)) is longer than the longest (\(retry.longestBackoff.text))",
        fix: "make 'base-backoff' shorter or 'longest-backoff' longer")
    }
  }

  /// What browsers refuse (RFC 6265bis section 5.7).
  private static func checkSticky(_ sticky: StickyCookie, _ subject: String, _ reader: inout SettingsReader) {
    if sticky.sameSite == "None", !sticky.isSecure {
      reader.report(
        of: "\(subject).same-site", "browsers refuse 'SameSite=None' without 'Secure'", fix: "add 'secure: on'")
    }
    let isSecurePrefix = sticky.name.lowercased().hasPrefix("__secure-")
    let isHostPrefix = sticky.name.lowercased().hasPrefix("__host-")
    if isSecurePrefix || isHostPrefix, !sticky.isSecure {
      reader.report(of: subject, "browsers refuse a cookie of this name without 'Secure'", fix: "add 'secure: on'")
    }
    if isHostPrefix, sticky.path != "/" {
      reader.report(
        of: "\(subject).path", "browsers refuse a cookie of this name with a path other than /", fix: "leave it out")
    }
  }
}

extension OriginAddress {
  /// Whether who connects here arrives at `address`, as far as the texts tell.
  fileprivate func isReached(at address: ListenAddress) -> Bool {
    switch (self, address) {
    case (.unix(let path), .unix(let other)): return path == other
    case (.tcp(let host, let port), .tcp(let other, let otherPort)):
      guard port == otherPort, port != 0 else { return false }
      let isLoopback = host == "localhost" || host == "::1" || IPAddressText.parse(host)?.first == 127
      return host == other || (isLoopback && ["", "localhost", "0.0.0.0", "::"].contains(other))
        || (host == "localhost" && ["127.0.0.1", "::1"].contains(other))
    case (.unix, .tcp), (.unix, .inherited), (.tcp, .unix), (.tcp, .inherited): return false
    }
  }
}
