package import Core
internal import TLS

/// How the proxy is, as a scraper of metrics has it.
extension ProxyControl {
  /// Everything of ``Metric``, each family with its samples.
  package func metrics(_ form: MetricsText.Form) -> [UInt8] {
    var page = MetricsPage(self, form)
    for metric in Metric.allCases {
      page.text.begin(metric)
      page.write(metric)
    }
    page.text.end()
    return page.text.bytes
  }

  /// What is counted for the process as a whole, by the names of the samples; histograms are left out.
  func counterSamples() -> [(name: String, value: Double)] {
    var page = MetricsPage(self, .prometheus)
    for metric in Metric.allCases where metric.family.kind == .counter && metric.family.labels.first != "upstream" {
      page.text.begin(metric)
      page.write(metric)
    }
    return String(decoding: page.text.bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
      guard !line.hasPrefix("#"), let blank = line.lastIndex(of: " ") else { return nil }
      return (String(line[..<blank]), Double(line[line.index(after: blank)...]) ?? 0)
    }
  }
}

/// One scrape: what was asked of everybody once, and the text that is made of it.
private struct MetricsPage {
  var text: MetricsText
  private let control: ProxyControl
  private let reports: [WorkerReport]
  private let counters: Counters
  private let servers: [ServerSum]
  private let routes: [RouteSum]
  private let process = ProcessFacts()
  private let reloads: ReloadHistory.Record
  private let now = MonotonicClock.now

  /// A server of an upstream, summed up over the workers.
  private struct ServerSum {
    var labels: MetricsText.Labels
    var record: ServerRecord
    var weight: UInt32
    var pool: Pool.Counts
    var inFlight: UInt64
    var counts: ServerCounts
    var window: IdleWindow.Description
    var health: ServerHealth.Description
  }

  private struct RouteSum {
    var labels: MetricsText.Labels
    var counts: ExchangeCounts
  }

  init(_ control: ProxyControl, _ form: MetricsText.Form) {
    self.control = control
    text = MetricsText(form)
    reports = control.proxy.report(atMost: .seconds(1))
    var sum = Counters()
    for report in reports { sum.add(report.counters) }
    counters = sum
    servers = Self.servers(reports)
    routes = Self.routes(reports)
    reloads = control.history.record
  }

  private static func servers(_ reports: [WorkerReport]) -> [ServerSum] {
    var places: [String: Int] = [:]
    var sums: [ServerSum] = []
    for pool in reports.flatMap(\.pools) {
      let key = "\(pool.upstream)\n\(pool.server)"
      if let place = places[key] {
        sums[place].counts.add(pool.tally)
        sums[place].pool.add(pool.counts)
        sums[place].inFlight += UInt64(pool.inFlight)
        if pool.isActive { sums[place].weight = pool.weight }
      } else {
        places[key] = sums.count
        sums.append(
          ServerSum(
            labels: MetricsText.Labels(("upstream", pool.upstream), ("server", pool.server)), record: pool.record,
            weight: pool.isActive ? pool.weight : 0, pool: pool.counts, inFlight: UInt64(pool.inFlight),
            counts: pool.tally, window: pool.window, health: pool.health))
      }
    }
    return sums
  }

  private static func routes(_ reports: [WorkerReport]) -> [RouteSum] {
    var places: [String: Int] = [:]
    var sums: [RouteSum] = []
    for route in reports.flatMap(\.routes) {
      if let place = places[route.name] {
        sums[place].counts.add(route.counts)
      } else {
        places[route.name] = sums.count
        sums.append(RouteSum(labels: MetricsText.Labels(("route", route.name)), counts: route.counts))
      }
    }
    return sums
  }

  // MARK: - Writing

  /// The samples of one family.
  mutating func write(_ metric: Metric) {
    switch metric {
    case .buildInfo: text.sample(MetricsText.Labels(("version", control.version)), 1 as UInt64)
    case .processCPU: text.sample(process.processorTime.inSeconds)
    case .processResident: text.sample(process.residentBytes)
    case .processVirtual: text.sample(process.virtualBytes)
    case .processOpenDescriptors: text.sample(process.openDescriptors)
    case .processMaximumDescriptors: text.sample(process.descriptorLimit)
    case .processStart: text.sample(process.startSeconds)
    case .workers: text.sample(UInt64(control.proxy.settings.threads))
    case .workersHeard: text.sample(UInt64(reports.count))
    case .eventLoopLag:
      for report in reports { text.sample(MetricsText.Labels(("worker", "\(report.index)")), report.lag.inSeconds) }
    case .draining: text.sample(control.proxy.isEnding ? 1 : 0 as UInt64)
    case .settingsGeneration: text.sample(control.proxy.generation)
    case .reloads:
      text.sample(MetricsText.Labels(("outcome", "success")), reloads.succeeded)
      text.sample(MetricsText.Labels(("outcome", "failure")), reloads.failed)
    case .lastReloadSucceeded: text.sample(reloads.error.isEmpty ? 1 : 0 as UInt64)
    case .lastReloadTime:
      if let time = reloads.lastSuccessNanoseconds { text.sample(Double(time / 1_000_000) / 1e3) }
    case .noticesSuppressed: text.sample(counters.noticesSuppressed)
    case .accessLinesLost: text.sample(control.proxy.accessLinesLost ?? 0)
    case .faults: text.sample(counters.faults)
    case .clientConnections: text.sample(reports.reduce(0) { $0 + UInt64($1.clientConnections) })
    case .clientConnectionsAccepted: text.sample(counters.clientConnectionsAccepted)
    case .clientConnectionsClosed: text.sample(counters.clientConnectionsClosed)
    case .acceptsPaused: text.sample(counters.acceptsPaused)
    case .clientAborts: text.sample(counters.clientAborts)
    case .clientCloses: text.sample(counters.clientCloses)
    case .clientTimeouts: text.sample(counters.clientTimeouts)
    case .malformedRequests: text.sample(counters.malformedRequests)
    case .clientReceivedBytes: text.sample(counters.bytesFromClients)
    case .clientSentBytes: text.sample(counters.bytesToClients)
    case .requests: text.sample(counters.requests)
    case .responses:
      for digit in 1...5 { text.sample(MetricsText.Labels(("class", "\(digit)xx")), counters.responses[digit]) }
    case .exchangesInFlight: text.sample(reports.reduce(0) { $0 + UInt64($1.exchanges) })
    case .failures: table("error", counters.failures)
    case .refused: table("guard", counters.refusedByGuards)
    case .tlsHandshakes: text.sample(counters.tlsHandshakes)
    case .tlsResumptions: text.sample(counters.tlsResumed)
    case .tlsFailures: table("kind", counters.tlsFailures)
    case .http2Connections: text.sample(counters.http2Connections)
    case .http2Streams: text.sample(counters.http2Streams)
    case .http2StreamsReset: table("code", counters.http2StreamsReset)
    case .http2StreamsRefused: text.sample(counters.http2StreamsRefused)
    case .http2Failures: table("reason", counters.http2Failures)
    case .tlsRoundsFull: text.sample(counters.tlsHandshakeRoundsFull)
    case .certificateExpiry:
      var told: Set<String> = []
      for certificate in control.proxy.contexts.certificates where told.insert(certificate.files.chain).inserted {
        text.sample(MetricsText.Labels(("file", certificate.files.chain)), Double(certificate.notAfter))
      }
    case .tunnels: text.sample(counters.tunnels)
    case .tunnelsEnded: table("how", counters.tunnelsEnded)
    case .routeRequests: for route in routes { classes(route.labels, route.counts) }
    case .routeDuration: for route in routes { histogram(route.labels, route.counts.duration, 2) }
    case .routeFirstByte: for route in routes { histogram(route.labels, route.counts.firstByte, 2) }
    case .routeRequestBytes: for route in routes { text.sample(route.labels, route.counts.requestBytes) }
    case .routeResponseBytes: for route in routes { text.sample(route.labels, route.counts.responseBytes) }
    case .serverRequests: for server in servers { classes(server.labels, server.counts.exchanges) }
    case .serverDuration: for server in servers { histogram(server.labels, server.counts.exchanges.duration, 2) }
    case .serverFirstByte: for server in servers { histogram(server.labels, server.counts.exchanges.firstByte, 2) }
    case .serverRequestBytes: each { $0.counts.exchanges.requestBytes }
    case .serverResponseBytes: each { $0.counts.exchanges.responseBytes }
    case .serverAttempts: each { $0.counts.attempts }
    case .serverInFlight: each { $0.inFlight }
    case .serverWaiting: each { UInt64($0.pool.waiting) }
    case .serverConnections:
      for server in servers {
        let pool = server.pool
        for (state, count) in [
          ("idle", pool.idle), ("leased", pool.leased), ("connecting", pool.connecting), ("watched", pool.sentinels),
        ] {
          text.sample(server.labels.adding("state", state), UInt64(count))
        }
      }
    case .serverOpened: each { $0.counts.opened }
    case .serverConnectFailures: each { $0.counts.connectFailures }
    case .serverReused: each { $0.counts.reused }
    case .serverClosed:
      for server in servers {
        table("how", server.counts.closedByServer, server.labels.adding("by", "server"))
        table("how", server.counts.closedByProxy, server.labels.adding("by", "proxy"))
      }
    case .serverIdleAtReuse: for server in servers { histogram(server.labels, server.counts.idleAtReuse, 1) }
    case .serverIdleAtClose: for server in servers { histogram(server.labels, server.counts.idleAtClose, 1) }
    case .serverLearnedTimeout: eachSpan { $0.window.estimate }
    case .serverHintedTimeout: eachSpan { $0.window.hintSeconds.map { .seconds(Int64($0)) } }
    case .serverLeaseLimit: eachSpan { $0.window.bounds.leaseLimit }
    case .serverProvenAge: eachSpan { $0.window.bounds.provenAge }
    case .serverSuspected: each { $0.window.suspicion == nil ? 0 : 1 }
    case .racesAvoided: eachTable("how", \.racesAvoided, always: ["fin", "reset", "unasked-bytes"])
    case .racesRepaired: eachTable("verdict", \.racesRepaired, always: Self.verdicts)
    case .racesLost: eachTable("verdict", \.racesLost, always: Self.verdicts)
    case .attemptsFailed: eachTable("verdict", \.attemptsFailed)
    case .replays: eachTable("verdict", \.replays)
    case .unaskedAnswers: eachTable("seen", \.unasked)
    case .doubtedAnswers: text.sample(counters.doubtedAnswers)
    case .replaysAnswered: text.sample(counters.replaysAnswered)
    case .replaysFailed: text.sample(counters.replaysFailed)
    case .notReplayed: table("reason", counters.notReplayed)
    case .retries: table("after", counters.retries)
    case .retriesAnswered: text.sample(counters.retriesAnswered)
    case .retriesFailed: text.sample(counters.retriesFailed)
    case .notRetried: table("reason", counters.notRetried)
    case .serverHandshakes: text.sample(counters.tlsHandshakesWithServers)
    case .serverResumptions: text.sample(counters.tlsResumedWithServers)
    case .upstreamHTTP2Connections: text.sample(counters.upstreamHTTP2Connections)
    case .upstreamHTTP2Streams: text.sample(counters.upstreamHTTP2Streams)
    case .upstreamGoAways: table("code", counters.upstreamGoAways)
    case .connectsFailedOver: text.sample(counters.connectsFailedOver)
    case .connectsAwaited: text.sample(counters.connectsAwaited)
    case .serverAvailable: each { $0.health.unhealthyBecause == nil && $0.health.ejectedFor == nil ? 1 : 0 }
    case .serverWeight: each { UInt64($0.weight) }
    case .healthChecks:
      for server in servers {
        text.sample(server.labels.adding("result", "success"), server.health.checksSucceeded)
        text.sample(server.labels.adding("result", "failure"), server.health.checksFailed)
      }
    case .serverUnhealthy: each { $0.health.timesUnhealthy }
    case .serverEjections: each { $0.health.ejections }
    }
  }

  private mutating func each(_ value: (ServerSum) -> UInt64) {
    for server in servers { text.sample(server.labels, value(server)) }
  }

  /// Spans that are not known are left out.
  private mutating func eachSpan(_ value: (ServerSum) -> Nanoseconds?) {
    for server in servers {
      guard let span = value(server) else { continue }
      text.sample(server.labels, span == .unlimited ? .infinity : span.inSeconds)
    }
  }

  /// - Parameter always: series that are there from the start, so that the first one that is counted is seen as a rise.
  private mutating func eachTable(
    _ label: String, _ path: KeyPath<ServerCounts, [String: UInt64]>, always names: [String] = []
  ) {
    for server in servers {
      var values = server.counts[keyPath: path]
      for name in names { values[name] = values[name] ?? 0 }
      table(label, values, server.labels)
    }
  }

  private static let verdicts = ["never-sent", "never-delivered", "delivered", "unknown", "refused"]

  private mutating func table(
    _ label: String, _ values: [String: UInt64], _ labels: MetricsText.Labels = MetricsText.Labels()
  ) {
    for (name, value) in values.sorted(by: { $0.key < $1.key }) { text.sample(labels.adding(label, name), value) }
  }

  private mutating func classes(_ labels: MetricsText.Labels, _ counts: ExchangeCounts) {
    for place in 1..<6 { text.sample(labels.adding("class", "\(place)xx"), counts.byClass[place]) }
    text.sample(labels.adding("class", "aborted"), counts.byClass[0])
  }

  /// - Parameter step: buckets that become one.
  private mutating func histogram(_ labels: MetricsText.Labels, _ spans: SpanCounts, _ step: Int) {
    var total: UInt64 = 0
    var buckets: [(bound: [UInt8], count: UInt64)] = []
    for place in 0..<SpanCounts.size - 1 {
      total += spans[place]
      if place % step == 0 { buckets.append((Array("\(spans.bound(of: place))".utf8), total)) }
    }
    total += spans[SpanCounts.size - 1]
    text.histogram(labels, buckets: buckets, sum: spans.sum.inSeconds, count: total)
  }
}

extension Pool.Counts {
  fileprivate mutating func add(_ other: Pool.Counts) {
    leased += other.leased
    idle += other.idle
    sentinels += other.sentinels
    connecting += other.connecting
    waiting += other.waiting
  }
}
