internal import Core

/// Kestrel's limits in `appsettings.json`.
enum KestrelReader {
  static func read(_ node: ConfigurationNode, _ file: CheckedFile, into reading: inout CheckReading) {
    guard let kestrel = node.loose(["Kestrel"]) else { return }
    reading.understood.insert(file.path)
    var idle = CheckTimer(assumed: .kestrel, .clientIdle)
    if let entry = kestrel.value.loose(["Limits", "KeepAliveTimeout"]), let text = entry.value.scalar {
      idle = CheckTimer(
        DurationText.parseSpan(text).map { .time($0) } ?? .unknown, "KeepAliveTimeout", at: entry.keyPlace)
    }
    var server = CheckedServer(.kestrel, at: idle.place ?? kestrel.keyPlace, idle: idle, owner: file.path)
    for entry in kestrel.value.loose(["Endpoints"])?.value.entries ?? [] {
      if let port = entry.value.loose(["Url"])?.value.scalar.flatMap({ CheckTarget($0).port }) {
        server.ports.insert(port)
      }
    }
    reading.servers.append(server)
  }
}
