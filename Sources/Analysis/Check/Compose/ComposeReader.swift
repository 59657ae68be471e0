internal import Core

/// Compose files: which names stand for what, the commands of services, labels for Traefik.
enum ComposeReader {
  static func isCompose(_ node: ConfigurationNode, _ file: CheckedFile) -> Bool {
    guard let services = node["services"], services.isMap else { return false }
    return file.name.contains("compose")
      || services.entries.contains { $0.value["image"] != nil || $0.value["build"] != nil }
  }

  static func read(
    _ node: ConfigurationNode, _ file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading
  ) {
    reading.understood.insert(file.path)
    var traefik = TraefikReader.Flags()
    for entry in node["services"]?.entries ?? [] {
      let words = (entry.value["entrypoint"]?.command ?? []) + (entry.value["command"]?.command ?? [])
      if isTraefik(entry.value) { traefik.take(words, at: entry.keyPlace) }
    }
    if let server = traefik.server(file) { reading.servers.append(server) }
    let statics = context.traefik.filter { $0.loose(["serversTransport"]) != nil }
    if statics.count == 1, traefik.idle.isAssumed,
      let found = statics[0].loose(["serversTransport", "forwardingTimeouts", "idleConnTimeout"]),
      let text = found.value.scalar
    {
      traefik.idle = CheckTimer(
        TraefikReader.value(text), "serversTransport.forwardingTimeouts.idleConnTimeout", at: found.keyPlace)
    }
    for entry in node["services"]?.entries ?? [] { service(entry, file, traefik, context, &reading) }
  }

  private static func isTraefik(_ service: ConfigurationNode) -> Bool {
    service["image"]?.scalar.flatMap(ContainerImage.split)?.name == "traefik"
  }

  private static func service(
    _ entry: ConfigurationNode.Entry, _ file: CheckedFile, _ traefik: TraefikReader.Flags, _ context: CheckContext,
    _ reading: inout CheckReading
  ) {
    let node = entry.value
    let owner = "\(file.path)#\(entry.key)"
    var names: Set<String> = [entry.key.lowercased()]
    if let name = node["container_name"]?.scalar { names.insert(name.lowercased()) }
    if let name = node["hostname"]?.scalar { names.insert(name.lowercased()) }
    for network in node["networks"]?.entries ?? [] {
      for alias in network.value["aliases"]?.items ?? [] {
        if let name = alias.scalar { names.insert(name.lowercased()) }
      }
    }
    var service = CheckedService(names: names, owner: owner)
    let build = node["build"]?.scalar ?? node["build", "context"]?.scalar
    if let build, !build.hasPrefix("http"), !build.hasPrefix("git") {
      service.folders.insert(folder(build, from: file))
    }
    for port in node["ports"]?.items ?? [] { publish(port, &service) }
    for port in node["expose"]?.items ?? [] {
      if let number = port.scalar.flatMap({ Int($0) }) { service.ports.insert(number) }
    }
    let words = (node["entrypoint"]?.command ?? []) + (node["command"]?.command ?? [])
    service.isForeign = node["build"] == nil && node["image"]?.scalar.map(ContainerImage.isOfOthers) ?? false
    service.files = Set(ScriptReader.sources(words, near: file.path, context))
    reading.services.append(service)
    for command in ScriptReader.inner(words) {
      if let command = ServerCommand(command) { CommandServers.read(command, owner: owner, context, into: &reading) }
    }
    if traefik.isThere { label(entry, traefik, owner, &reading) }
  }

  /// `build: ./web`, from the folder of the file.
  private static func folder(_ build: String, from file: CheckedFile) -> String {
    var parts = file.folder.split(separator: "/").map(String.init)
    let isAbsolute = file.path.hasPrefix("/")
    for part in build.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
    }
    return (isAbsolute ? "/" : "") + parts.joined(separator: "/")
  }

  /// `8080:80`, `127.0.0.1:8080:80/tcp`, or a map.
  private static func publish(_ port: ConfigurationNode, _ service: inout CheckedService) {
    if let target = port["target"]?.scalar.flatMap({ Int($0) }) {
      service.ports.insert(target)
      if let published = port["published"]?.scalar.flatMap({ Int($0) }) { service.forwards[published] = target }
      return
    }
    let parts = (port.scalar ?? "").split(separator: "/").first.map { $0.split(separator: ":") } ?? []
    guard let target = parts.last.flatMap({ Int($0) }) else { return }
    service.ports.insert(target)
    if parts.count >= 2, let published = Int(parts[parts.count - 2]) { service.forwards[published] = target }
  }

  /// `traefik.http.services.NAME.loadbalancer.server.port=3000`
  private static func label(
    _ entry: ConfigurationNode.Entry, _ traefik: TraefikReader.Flags, _ owner: String, _ reading: inout CheckReading
  ) {
    var labels: [(String, String, CheckPlace)] = []
    for item in entry.value["labels"]?.entries ?? [] {
      labels.append((item.key, item.value.scalar ?? "", item.keyPlace))
    }
    for item in entry.value["labels"]?.items ?? [] {
      guard let text = item.scalar, let equals = text.firstIndex(of: "=") else { continue }
      labels.append((String(text[..<equals]), String(text[text.index(after: equals)...]), item.place))
    }
    guard
      labels.contains(where: { $0.0 == "traefik.enable" && $0.1 == "true" || $0.0.hasPrefix("traefik.http.routers.") })
    else { return }
    let port = labels.first { $0.0.lowercased().hasSuffix(".loadbalancer.server.port") }
    var pool = CheckedPool(
      .traefik, title: "Traefik, service \(entry.key)", at: traefik.idle.place ?? port?.2 ?? entry.keyPlace,
      idle: traefik.idle,
      targets: [CheckTarget(host: entry.key, port: port.flatMap { Int($0.1) })], owner: "\(entry.keyPlace.file)#traefik"
    )
    pool.remedy = .line("--serverstransport.forwardingtimeouts.idleconntimeout=$", unit: .duration)
    reading.pools.append(pool)
    for (key, value, place) in labels
    where key.lowercased().hasSuffix(".retry.retrynonidempotentmethod") && value == "true" {
      reading.findings.append(KubernetesRules.retry("retryNonIdempotentMethod", at: place))
    }
  }
}
