internal import Core

/// Envoy's bootstrap and static resources, in YAML and JSON.
struct EnvoyReader {
  private let file: CheckedFile
  private let context: CheckContext

  init(_ file: CheckedFile, _ context: CheckContext) {
    self.file = file
    self.context = context
  }

  static func isConfiguration(_ node: ConfigurationNode) -> Bool {
    node["static_resources"] != nil || node["staticResources"] != nil
      || (node["clusters"] != nil && node["listeners"] != nil)
      || (node["resources"]?.items.contains { ($0["@type"]?.scalar ?? "").contains("envoy.") } ?? false)
  }

  func read(_ node: ConfigurationNode, into reading: inout CheckReading) {
    reading.understood.insert(file.path)
    let resources = node.loose(["static_resources"])?.value ?? node
    for cluster in resources["clusters"]?.items ?? [] { self.cluster(cluster, &reading) }
    for listener in resources["listeners"]?.items ?? [] { self.listener(listener, &reading) }
    for item in node["resources"]?.items ?? [] {
      let type = item["@type"]?.scalar ?? ""
      if type.hasSuffix("Cluster") { cluster(item, &reading) }
      if type.hasSuffix("Listener") { listener(item, &reading) }
      if type.hasSuffix("RouteConfiguration") { reading.findings += EnvoyRules.retries(item) }
    }
  }

  private func idle(_ options: ConfigurationNode?, _ assumed: CheckTimer) -> CheckTimer {
    guard let entry = options?.loose(["common_http_protocol_options", "idle_timeout"]), let text = entry.value.scalar
    else { return assumed }
    let time = DurationText.parse(text, unit: .seconds(1))
    return CheckTimer(time.map { $0 == .zero ? .never : .time($0) } ?? .unknown, "idle_timeout", at: entry.keyPlace)
  }

  private func cluster(_ cluster: ConfigurationNode, _ reading: inout CheckReading) {
    let name = cluster["name"]?.scalar ?? ""
    var options: ConfigurationNode? = cluster
    for entry in cluster.loose(["typed_extension_protocol_options"])?.value.entries ?? [] { options = entry.value }
    // HTTP/2 says GOAWAY before it closes: another story.
    guard options?.loose(["explicit_http_config", "http2_protocol_options"]) == nil,
      cluster.loose(["http2_protocol_options"]) == nil
    else { return }
    var targets: [CheckTarget] = []
    for group in cluster.loose(["load_assignment", "endpoints"])?.value.items ?? [] {
      for endpoint in group.loose(["lb_endpoints"])?.value.items ?? [] {
        if let address = endpoint.loose(["endpoint", "address", "socket_address"])?.value {
          targets.append(target(address))
        }
      }
    }
    for host in cluster["hosts"]?.items ?? [] {
      if let address = host.loose(["socket_address"])?.value { targets.append(target(address)) }
    }
    guard !targets.isEmpty else { return }
    let idle = idle(options, CheckTimer(assumed: .envoy, .upstreamIdle))
    var pool = CheckedPool(
      .envoy, title: "Envoy, cluster \(name)", at: idle.place ?? cluster.place, idle: idle, targets: targets,
      owner: file.path)
    let most =
      cluster.loose(["max_requests_per_connection"])?.value.scalar
      ?? options?.loose(["common_http_protocol_options", "max_requests_per_connection"])?.value.scalar
    if most == "1" { pool.use = .unused }
    pool.remedy = .line("common_http_protocol_options: { idle_timeout: $ }", unit: .duration)
    reading.pools.append(pool)
  }

  private func target(_ address: ConfigurationNode) -> CheckTarget {
    CheckTarget(
      host: address["address"]?.scalar ?? "", port: address.loose(["port_value"])?.value.scalar.flatMap { Int($0) })
  }

  private func listener(_ listener: ConfigurationNode, _ reading: inout CheckReading) {
    for chain in listener.loose(["filter_chains"])?.value.items ?? [] {
      for filter in chain["filters"]?.items ?? [] {
        guard let manager = filter.loose(["typed_config"])?.value ?? filter.loose(["config"])?.value,
          manager.loose(["http_filters"]) != nil || manager.loose(["route_config"]) != nil
        else { continue }
        var server = CheckedServer(
          .envoy, title: "Envoy, listener \(listener["name"]?.scalar ?? "")", at: listener.place,
          idle: idle(manager, CheckTimer(assumed: .envoy, .clientIdle)), owner: file.path)
        if let address = listener.loose(["address", "socket_address"])?.value {
          server.ports = target(address).port.map { [$0] } ?? []
        }
        server.remedy = .line("common_http_protocol_options: { idle_timeout: $ }", unit: .duration)
        reading.servers.append(server)
        if let routes = manager.loose(["route_config"])?.value { reading.findings += EnvoyRules.retries(routes) }
        reading.findings += EnvoyRules.tunnels(manager)
      }
    }
  }
}

/// Rules that need nothing but Envoy's own configuration.
enum EnvoyRules {
  private static let repeatingWords: Set<String> = [
    "5xx", "reset", "gateway-error", "retriable-status-codes", "retriable-headers",
  ]

  /// The first condition of a list under which a request that was received is sent again.
  static func repeating(_ text: String) -> String? {
    text.split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init).first {
      repeatingWords.contains($0) || Int($0).map { $0 >= 500 && $0 != 503 } ?? false
    }
  }

  static func finding(_ word: String, at place: CheckPlace) -> CheckFinding {
    CheckFinding(
      .retryAppliesTwice, .warning, .proved, at: place,
      "`retry_on: \(word)` is blind to the method: a POST that the server has received, and may have applied, is sent again.",
      changes: [
        CheckChange(
          "retry_on: connect-failure,refused-stream,reset-before-request; or match GET and HEAD in a route of their own",
          at: place)
      ])
  }

  static func retries(_ routes: ConfigurationNode) -> [CheckFinding] {
    var found: [CheckFinding] = []
    let global = routes.loose(["retry_policy"])
    if let global { found += policy(global.value, nil) }
    for host in routes.loose(["virtual_hosts"])?.value.items ?? [] {
      if let own = host.loose(["retry_policy"]) { found += policy(own.value, nil) }
      for route in host["routes"]?.items ?? [] {
        if let own = route.loose(["route", "retry_policy"]) { found += policy(own.value, route["match"]) }
      }
    }
    return found
  }

  private static func policy(_ policy: ConfigurationNode, _ match: ConfigurationNode?) -> [CheckFinding] {
    guard let entry = policy.loose(["retry_on"]), let text = entry.value.scalar, let word = repeating(text),
      policy.loose(["num_retries"])?.value.scalar != "0",
      policy.loose(["retriable_request_headers"]) == nil
    else { return [] }
    // A route for one method that is safe to repeat.
    for header in match?["headers"]?.items ?? [] where header["name"]?.scalar == ":method" {
      let method =
        header.loose(["exact_match"])?.value.scalar ?? header.loose(["string_match", "exact"])?.value.scalar ?? ""
      if ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].contains(method) { return [] }
    }
    return [finding(word, at: entry.value.place)]
  }

  /// Upgrades are allowed, and what ends silent streams is the default of five minutes.
  static func tunnels(_ manager: ConfigurationNode) -> [CheckFinding] {
    guard let upgrades = manager.loose(["upgrade_configs"]), manager.loose(["stream_idle_timeout"]) == nil else {
      return []
    }
    var hasOwn = false
    manager.walk { path, _ in if path.last == "idle_timeout", path.contains("routes") { hasOwn = true } }
    guard !hasOwn else { return [] }
    return [
      CheckFinding(
        .tunnelFallsBack, .warning, .likely, at: upgrades.keyPlace,
        "Upgraded connections fall back to `stream_idle_timeout`, 5 minutes by default: a WebSocket that is silent for longer is ended.",
        changes: [CheckChange("stream_idle_timeout: 3600s, or idle_timeout on the route", at: upgrades.keyPlace)])
    ]
  }
}
