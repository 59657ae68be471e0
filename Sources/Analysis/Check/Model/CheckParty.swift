package import Core

/// Something that takes connections: an application, or the side of a proxy that faces its clients.
package struct CheckedServer: Sendable {
  package var software: Software
  package var version: VersionRange
  /// As it is shown in a chain: `gunicorn (gthread)`, `nginx`.
  package var title: String
  package var place: CheckPlace
  package var idle: CheckTimer
  /// Names of hosts by which others know it.
  package var names: Set<String> = []
  package var ports: Set<Int> = []
  /// Pools of the same process have it, too: a proxy is a server and a client.
  package var owner: String
  /// Something in its file says that a proxy or a balancer is in front.
  package var knowsAFront = false
  /// It is made here, and begins to listen in another file.
  package var isHandedOn = false
  /// How its setting is written, to say what to change.
  package var remedy = ServerRemedy.none

  package init(
    _ software: Software, version: VersionRange = .all, title: String? = nil, at place: CheckPlace, idle: CheckTimer,
    owner: String
  ) {
    self.software = software
    self.version = version
    self.title = title ?? software.title
    self.place = place
    self.idle = idle
    self.owner = owner
  }

  /// The servers with which nothing else in the table of proxies can be meant.
  package var isProxy: Bool {
    switch software {
    case .nginx, .ingressNginx, .haproxy, .envoy, .istio, .traefik, .caddy, .apache, .photofinish: true
    default: false
    }
  }
}

/// How a server's keep-alive is raised: the text for a time, and where it goes.
package enum ServerRemedy: Sendable, Hashable {
  /// Nothing is known that could be written.
  case none
  /// One line, with the time in the setting's own unit where `$` stands.
  case line(String, unit: TimerFact.Unit)

  package func text(_ time: Nanoseconds) -> String? {
    guard case .line(let form, _) = self, let value = value(time) else { return nil }
    return form.split(separator: "$", omittingEmptySubsequences: false).joined(separator: value)
  }

  /// The time alone, in the setting's unit; with its unit where `written` has one.
  package func value(_ time: Nanoseconds, like written: String = "") -> String? {
    guard case .line(_, let unit) = self else { return nil }
    let bare = written.split { $0 == " " || $0 == "," }.last ?? ""
    if let last = bare.last, last.isLetter, bare.first?.isNumber ?? false { return DurationText.written(time) }
    switch unit {
    case .seconds: return "\((time.milliseconds + 999) / 1_000)"
    case .milliseconds: return "\(time.milliseconds)"
    case .duration: return DurationText.written(time)
    case .requests, .fixed: return nil
    }
  }
}

/// Whether a pool is used at all.
package enum PoolUse: Sendable, Hashable {
  case used
  /// Each connection carries one request.
  case unused
  /// Used by these versions, not by others.
  case versions(VersionRange)
}

/// Where a pool's connections go.
package struct CheckTarget: Sendable, Hashable {
  package var host: String
  package var port: Int?
  /// It names a Service of Kubernetes, whose port need not be the server's.
  package var isService = false

  package init(host: String, port: Int?, isService: Bool = false) {
    self.isService = isService
    self.host = host.lowercased()
    self.port = port
  }

  /// `web:9000`, `127.0.0.1`, `[::1]:80`, `http://app:3000/path`, `unix:/run/app.sock`.
  package init(_ text: String, port fallback: Int? = nil) {
    var rest = Substring(text)
    var port = fallback
    for (scheme, number) in [("http://", 80), ("https://", 443), ("h2c://", 80), ("tcp://", 80)]
    where rest.hasPrefix(scheme) {
      rest = rest.dropFirst(scheme.count)
      port = number
    }
    if rest.hasPrefix("unix:") || rest.hasPrefix("/") {
      self.init(host: String(rest), port: nil)
      return
    }
    rest = rest.prefix { $0 != "/" && $0 != "?" && $0 != " " }
    if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
      let behind = rest[rest.index(after: end)...]
      self.init(host: String(rest[...end]), port: behind.hasPrefix(":") ? Int(behind.dropFirst()) ?? port : port)
      return
    }
    let parts = rest.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    self.init(host: String(parts.first ?? ""), port: parts.count == 2 ? Int(parts[1]) ?? nil : port)
  }

  /// On the same machine, whatever it is called.
  package var isLocal: Bool {
    ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "host.docker.internal", "::1", ""].contains(host)
      || host.hasPrefix("unix:") || host.hasPrefix("/")
  }

  package var text: String { port.map { "\(host):\($0)" } ?? host }
}

/// Something that keeps connections to servers.
package struct CheckedPool: Sendable {
  package var software: Software
  package var version: VersionRange
  /// As it is shown: `nginx, upstream app`.
  package var title: String
  package var place: CheckPlace
  package var idle: CheckTimer
  package var use: PoolUse
  package var targets: [CheckTarget]
  package var owner: String
  /// Where it says nothing about its servers, everything that nobody else is in front of may be meant.
  package var hasOpenTargets = false
  package var remedy = ServerRemedy.none
  /// A request that meets the close is not lost: it is sent again when nothing of it was delivered.
  package var repairs: Bool { software == .photofinish }

  package init(
    _ software: Software, version: VersionRange = .all, title: String? = nil, at place: CheckPlace, idle: CheckTimer,
    use: PoolUse = .used, targets: [CheckTarget], owner: String
  ) {
    self.software = software
    self.version = version
    self.title = title ?? software.title
    self.place = place
    self.idle = idle
    self.use = use
    self.targets = targets
    self.owner = owner
  }
}

/// A name by which a server is reached, and what stands behind it: a service of Compose or Kubernetes.
package struct CheckedService: Sendable {
  package var names: Set<String>
  /// Folders from which it is built; the servers found in them are meant.
  package var folders: Set<String> = []
  /// Software of others, taken as an image: nothing that is built from these files stands behind it.
  package var isForeign = false
  /// Sources that its command starts.
  package var files: Set<String> = []
  package var ports: Set<Int> = []
  /// Ports under which others reach it, and the ports of its own that they come out at.
  package var forwards: [Int: Int] = [:]
  /// Servers whose owner has this name stand behind it.
  package var owner: String

  package init(names: Set<String>, owner: String) {
    self.names = names
    self.owner = owner
  }
}

/// Something on the path that forgets connections.
package struct CheckedMiddlebox: Sendable {
  package var software: Software
  package var title: String
  package var place: CheckPlace
  package var idle: CheckTimer

  package init(_ software: Software, title: String? = nil, at place: CheckPlace, idle: CheckTimer) {
    self.software = software
    self.title = title ?? software.title
    self.place = place
    self.idle = idle
  }
}
