internal import Core

/// Traefik: static and dynamic files, and the flags of its command.
enum TraefikReader {
  /// What the command of a Traefik says.
  struct Flags {
    var isThere = false
    var idle = CheckTimer(assumed: .traefik, .upstreamIdle)

    private var place: CheckPlace?
    private var clientIdle = CheckTimer(assumed: .traefik, .clientIdle)
    private var ports: Set<Int> = []

    /// The side that faces clients.
    func server(_ file: CheckedFile) -> CheckedServer? {
      guard let place else { return nil }
      var server = CheckedServer(
        .traefik, at: clientIdle.place ?? place, idle: clientIdle, owner: "\(place.file)#traefik")
      server.ports = ports.isEmpty ? [80, 443] : ports
      server.remedy = .line("--entrypoints.NAME.transport.respondingTimeouts.idleTimeout=$", unit: .duration)
      return server
    }

    mutating func take(_ words: [CheckWord], at place: CheckPlace) {
      isThere = true
      self.place = place
      for word in words {
        let small = word.text.lowercased()
        guard small.hasPrefix("--entrypoints."), let value = word.text.split(separator: "=").last.map(String.init)
        else {
          continue
        }
        if small.contains(".address="), let port = CheckTarget(value).port { ports.insert(port) }
        if small.contains(".respondingtimeouts.idletimeout=") {
          clientIdle = CheckTimer(TraefikReader.value(value), "respondingTimeouts.idleTimeout", at: word.place)
        }
      }
      for word in words {
        let small = word.text.lowercased()
        guard small.contains("serverstransport.forwardingtimeouts.idleconntimeout="),
          let value = word.text.split(separator: "=").last
        else { continue }
        idle = CheckTimer(
          TraefikReader.value(String(value)), "serversTransport.forwardingTimeouts.idleConnTimeout", at: word.place)
      }
    }
  }

  static func value(_ text: String) -> TimerValue {
    DurationText.parse(text, unit: .seconds(1)).map { $0 == .zero ? .never : .time($0) } ?? .unknown
  }

  static func isConfiguration(_ node: ConfigurationNode, _ file: CheckedFile) -> Bool {
    if node.loose(["entryPoints"]) != nil { return true }
    guard let http = node.loose(["http"])?.value else { return false }
    return http.loose(["routers"]) != nil
      || http.loose(["services"]) != nil && file.path.lowercased().contains("traefik")
  }

  static func read(
    _ node: ConfigurationNode, _ file: CheckedFile, _ others: [ConfigurationNode], into reading: inout CheckReading
  ) {
    reading.understood.insert(file.path)
    for entry in node.loose(["entryPoints"])?.value.entries ?? [] { entryPoint(entry, file, &reading) }
    // The transport of the static file holds for services of dynamic ones.
    var idle = CheckTimer(assumed: .traefik, .upstreamIdle)
    let near = others.filter { $0.loose(["serversTransport"]) != nil }
      .sorted { CheckContext.common($0.place.file, file.path) < CheckContext.common($1.place.file, file.path) }
    for other in near.suffix(1) + [node] {
      if let entry = other.loose(["serversTransport", "forwardingTimeouts", "idleConnTimeout"]),
        let text = entry.value.scalar
      {
        idle = CheckTimer(value(text), "serversTransport.forwardingTimeouts.idleConnTimeout", at: entry.keyPlace)
      }
    }
    for entry in node.loose(["http", "services"])?.value.entries ?? [] { service(entry, node, idle, file, &reading) }
    for entry in node.loose(["http", "middlewares"])?.value.entries ?? [] {
      reading.findings += TraefikRules.retry(entry.value)
    }
  }

  private static func entryPoint(_ entry: ConfigurationNode.Entry, _ file: CheckedFile, _ reading: inout CheckReading) {
    var idle = CheckTimer(assumed: .traefik, .clientIdle)
    if let found = entry.value.loose(["transport", "respondingTimeouts", "idleTimeout"]), let text = found.value.scalar
    {
      idle = CheckTimer(value(text), "respondingTimeouts.idleTimeout", at: found.keyPlace)
    }
    var server = CheckedServer(
      .traefik, title: "Traefik, entry point \(entry.key)", at: entry.keyPlace, idle: idle, owner: "traefik")
    server.ports = entry.value.loose(["address"])?.value.scalar.flatMap { CheckTarget($0).port }.map { [$0] } ?? []
    server.remedy = .line("transport.respondingTimeouts.idleTimeout: $", unit: .duration)
    reading.servers.append(server)
  }

  private static func service(
    _ entry: ConfigurationNode.Entry, _ node: ConfigurationNode, _ idle: CheckTimer, _ file: CheckedFile,
    _ reading: inout CheckReading
  ) {
    guard let balancer = entry.value.loose(["loadBalancer"])?.value else { return }
    let targets = (balancer.loose(["servers"])?.value.items ?? []).compactMap {
      $0.loose(["url"])?.value.scalar.map { CheckTarget($0) }
    }
    guard !targets.isEmpty else { return }
    var idle = idle
    if let name = balancer.loose(["serversTransport"])?.value.scalar?.split(separator: "@").first,
      let found = node.loose(["http", "serversTransports", String(name), "forwardingTimeouts", "idleConnTimeout"]),
      let text = found.value.scalar
    {
      idle = CheckTimer(value(text), "forwardingTimeouts.idleConnTimeout", at: found.keyPlace)
    }
    var pool = CheckedPool(
      .traefik, title: "Traefik, service \(entry.key)", at: idle.place ?? entry.keyPlace, idle: idle, targets: targets,
      owner: "traefik")
    pool.remedy = .line("forwardingTimeouts.idleConnTimeout: $", unit: .duration)
    reading.pools.append(pool)
  }
}

/// Rules that need nothing but one middleware.
enum TraefikRules {
  static func retry(_ node: ConfigurationNode) -> [CheckFinding] {
    let retry = node.loose(["retry"])?.value ?? node.loose(["spec", "retry"])?.value
    guard let entry = retry?.loose(["retryNonIdempotentMethod"]), entry.value.scalar == "true" else { return [] }
    return [KubernetesRules.retry("retryNonIdempotentMethod", at: entry.keyPlace)]
  }
}
