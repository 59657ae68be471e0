internal import Core

/// Caddy's own configuration language, into which a Caddyfile is turned.
struct CaddyJSONReader {
  private let file: CheckedFile

  init(_ file: CheckedFile) { self.file = file }

  static func isConfiguration(_ node: ConfigurationNode) -> Bool { node["apps", "http", "servers"] != nil }

  func read(_ node: ConfigurationNode, into reading: inout CheckReading) {
    reading.understood.insert(file.path)
    for entry in node["apps", "http", "servers"]?.entries ?? [] {
      var idle = CheckTimer(assumed: .caddy, .clientIdle)
      if let found = entry.value.entry("idle_timeout") { idle = timer(found) }
      var server = CheckedServer(
        .caddy, title: "Caddy, server \(entry.key)", at: entry.keyPlace, idle: idle, owner: file.path)
      server.ports = Set((entry.value["listen"]?.items ?? []).compactMap { $0.scalar.flatMap { CheckTarget($0).port } })
      server.remedy = .line("\"idle_timeout\": \"$\"", unit: .duration)
      reading.servers.append(server)
      handlers(entry.value, 0, &reading)
    }
  }

  private func handlers(_ node: ConfigurationNode, _ depth: Int, _ reading: inout CheckReading) {
    guard depth < CheckLimits.depth else { return }
    if node["handler"]?.scalar == "reverse_proxy" { pool(node, &reading) }
    for item in node.items { handlers(item, depth + 1, &reading) }
    for entry in node.entries { handlers(entry.value, depth + 1, &reading) }
  }

  private func pool(_ node: ConfigurationNode, _ reading: inout CheckReading) {
    let targets = (node["upstreams"]?.items ?? []).compactMap { $0["dial"]?.scalar.map { CheckTarget($0) } }
    let transport = node["transport"]
    guard !targets.isEmpty, transport?["protocol"]?.scalar != "fastcgi" else { return }
    var idle = CheckTimer(assumed: .caddy, .upstreamIdle)
    if let found = transport?["keep_alive"]?.entry("idle_timeout") { idle = timer(found) }
    let isOff = transport?["keep_alive", "enabled"]?.scalar == "false"
    var pool = CheckedPool(
      .caddy, title: "Caddy, reverse_proxy \(targets[0].text)",
      at: idle.place ?? node.entry("handler")?.keyPlace ?? node.place, idle: idle, use: isOff ? .unused : .used,
      targets: targets, owner: file.path)
    pool.remedy = .line(
      "\"transport\": {\"protocol\": \"http\", \"keep_alive\": {\"idle_timeout\": \"$\"}}", unit: .duration)
    reading.pools.append(pool)
    for match in node["load_balancing", "retry_match"]?.items ?? [] {
      for method in match["method"]?.items ?? [] where ["POST", "PATCH"].contains(method.scalar ?? "") {
        reading.findings.append(KubernetesRules.retry("retry_match", at: method.place))
      }
    }
  }

  /// A text with units, or a number of nanoseconds.
  private func timer(_ entry: ConfigurationNode.Entry) -> CheckTimer {
    let time = entry.value.scalar.flatMap { DurationText.parse($0, unit: Nanoseconds(1)) }
    return CheckTimer(time.map { $0 == .zero ? .never : .time($0) } ?? .unknown, entry.key, at: entry.keyPlace)
  }
}
