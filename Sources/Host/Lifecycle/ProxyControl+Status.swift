package import Analysis
internal import Core
internal import Glibc
internal import Logging
internal import TLS

/// How the proxy is, as one JSON object.
extension ProxyControl {
  package func status() -> JSONText {
    let reports = proxy.report()
    let settings = proxy.settings
    let now = MonotonicClock.now
    return .success([
      ("version", .string(version)), ("pid", .number(Int64(getpid()))),
      ("state", .string(proxy.isEnding ? "draining" : "serving")),
      ("uptime_s", .decimal(now.since(began).inSeconds, digits: 3)),
      ("generation", .number(Int64(proxy.generation))),
      ("log_level", .string(level.level.rawValue)),
      ("threads", .number(Int64(settings.threads))),
      // Workers that were too busy to answer are missing from all that follows.
      ("threads_heard", .number(Int64(reports.count))),
      ("reloads", reloads),
      ("listeners", .array(proxy.listenerDescriptions.map { .string($0) })),
      ("certificates", .array(proxy.contexts.certificates.map(Self.certificate))),
      ("client_connections", .number(Int64(reports.reduce(0) { $0 + $1.clientConnections }))),
      ("exchanges_in_flight", .number(Int64(reports.reduce(0) { $0 + $1.exchanges }))),
      ("upstreams", upstreams(reports)),
      ("counters", .object(counters())),
    ])
  }

  private static func certificate(_ summary: CertificateSummary) -> JSONText {
    let left = summary.notAfter - MonotonicClock.wallNanoseconds / 1_000_000_000
    return .object([
      ("file", .string(summary.files.chain)), ("names", .array(summary.names.map { .string($0) })),
      ("issuer", .string(summary.issuer)), ("expires", .string(summary.expiry)),
      ("days_left", .number(left < 0 ? -1 : left / 86_400)), ("sha256", .string(summary.fingerprint)),
    ])
  }

  /// Why no requests should be sent here now; nil when they may.
  package var unreadiness: String? {
    if proxy.isEnding { return "the proxy drains" }
    return proxy.isAlive(atMost: .seconds(1)) ? nil : "an event loop does not turn"
  }

  private var reloads: JSONText {
    let record = history.record
    let time = { (nanoseconds: Int64?) -> JSONText in
      nanoseconds.map { .string(WallTime.text(ofNanoseconds: $0)) } ?? .null
    }
    return .object([
      ("succeeded", .number(Int64(record.succeeded))), ("failed", .number(Int64(record.failed))),
      ("last_success", time(record.lastSuccessNanoseconds)), ("last_failure", time(record.lastFailureNanoseconds)),
      ("error", record.error.isEmpty ? .null : .string(record.error.joined(separator: "\n"))),
    ])
  }

  /// The servers in the order of the settings, their pools summed up over the workers.
  private func upstreams(_ reports: [WorkerReport]) -> JSONText {
    var names: [String] = []
    var servers: [String: [String]] = [:]
    var pools: [String: [PoolReport]] = [:]
    for pool in reports.flatMap(\.pools) {
      let key = "\(pool.upstream)\n\(pool.server)"
      if !names.contains(pool.upstream) { names.append(pool.upstream) }
      if pools[key] == nil { servers[pool.upstream, default: []].append(key) }
      pools[key, default: []].append(pool)
    }
    return .array(
      names.map { name in
        .object([
          ("name", .string(name)),
          ("servers", .array((servers[name] ?? []).compactMap { pools[$0].map(Self.server) })),
        ])
      })
  }

  private static func server(_ pools: [PoolReport]) -> JSONText {
    let count = { (path: KeyPath<Pool.Counts, UInt32>) -> JSONText in
      .number(pools.reduce(0) { $0 + Int64($1.counts[keyPath: path]) })
    }
    let milliseconds = { (span: Nanoseconds?) -> JSONText in
      guard let span, span != .unlimited else { return .null }
      return .decimal(Double(span.count) / 1e6, digits: 3)
    }
    // Window and health are the same for all workers.
    let first = pools[0]
    let window = first.window
    let now = MonotonicClock.now
    return .object([
      ("address", .string(first.server)), ("active", .bool(pools.contains(where: \.isActive))),
      (
        "connections",
        .object([
          ("leased", count(\.leased)), ("idle", count(\.idle)), ("watched", count(\.sentinels)),
          ("connecting", count(\.connecting)),
        ])
      ),
      ("waiting_requests", count(\.waiting)),
      (
        "idle_window",
        .object([
          ("source", .string("\(window.source)")), ("lease_limit_ms", milliseconds(window.bounds.leaseLimit)),
          ("proven_ms", milliseconds(window.bounds.provenAge)), ("estimate_ms", milliseconds(window.estimate)),
          ("closes_seen", .number(Int64(window.samples))),
          ("hint_s", window.hintSeconds.map { .number(Int64($0)) } ?? .null),
          ("suspected", window.suspicion.map { .string($0.sentence(at: now)) } ?? .null),
          ("suspected_for_ms", window.suspicion.map { milliseconds(max($0.until.since(now), .zero)) } ?? .null),
          ("sentence", .string(window.sentence(at: now))),
        ])
      ),
      ("health", .string(first.health.sentence)),
    ])
  }

  /// By the names that they have in the text form of Prometheus.
  private func counters() -> [(String, JSONText)] {
    counterSamples().map { name, value in
      (name, Int64(exactly: value).map { .number($0) } ?? .decimal(value, digits: 6))
    }
  }
}

extension Proxy {
  /// The listeners with their actual addresses.
  fileprivate var listenerDescriptions: [String] {
    state.withLock { state in
      state.listeners.map { listener in
        listener.isManaged ? "\(listener.settings.address.text) (\(listener.address))" : listener.address.description
      }
    }
  }
}
