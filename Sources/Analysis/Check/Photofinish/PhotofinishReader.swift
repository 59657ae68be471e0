internal import Core

/// Our own settings: how long clients' idle connections are kept. Its pool repairs the race, and is no holder that can lose.
enum PhotofinishReader {
  static func isSettings(_ node: ConfigurationNode) -> Bool { node["listeners"] != nil && node["upstreams"] != nil }

  static func read(_ node: ConfigurationNode, _ file: CheckedFile, into reading: inout CheckReading) {
    reading.understood.insert(file.path)
    var idle = CheckTimer(assumed: .photofinish, .clientIdle)
    if let entry = node["timeouts"]?.entry("client-idle"), let text = entry.value.scalar {
      idle = CheckTimer(
        DurationText.parse(text, unit: .seconds(1)).map { .time($0) } ?? .unknown, "client-idle", at: entry.keyPlace)
    }
    var server = CheckedServer(.photofinish, at: idle.place ?? node.place, idle: idle, owner: file.path)
    server.remedy = .line("client-idle: $", unit: .duration)
    reading.servers.append(server)
    for entry in node["upstreams"]?.entries ?? [] {
      let servers = entry.value["servers"]?.items ?? []
      let targets = servers.compactMap { ($0.scalar ?? $0["address"]?.scalar).map { CheckTarget($0) } }
      guard !targets.isEmpty else { continue }
      reading.pools.append(
        CheckedPool(
          .photofinish, title: "Photofinish, upstream \(entry.key)", at: entry.keyPlace,
          idle: CheckTimer(assumed: .photofinish, .upstreamIdle), targets: targets, owner: file.path))
    }
  }
}
