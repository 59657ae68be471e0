internal import Core

/// Spring Boot's properties, in either notation, with its relaxed names.
struct SpringReader {
  struct Property {
    var name: String
    var value: String
    var place: CheckPlace
    var valuePlace: CheckPlace
  }

  private let file: CheckedFile
  private let context: CheckContext
  private let properties: [Property]

  static func isNamedSo(_ file: CheckedFile) -> Bool {
    file.name.hasPrefix("application") || file.name.hasPrefix("bootstrap")
  }

  init(properties file: CheckedFile, _ context: CheckContext) {
    self.file = file
    self.context = context
    properties = IniReader.entries(file, separators: ["=", ":"]).map {
      Property(name: $0.key, value: $0.value, place: $0.place, valuePlace: $0.valuePlace)
    }
  }

  init(_ documents: [ConfigurationNode], _ file: CheckedFile, _ context: CheckContext) {
    self.file = file
    self.context = context
    var found: [Property] = []
    for document in documents { Self.flatten(document, [], &found) }
    properties = found
  }

  private static func flatten(_ node: ConfigurationNode, _ path: [String], _ found: inout [Property]) {
    guard path.count < CheckLimits.depth else { return }
    for entry in node.entries {
      if entry.value.isMap {
        flatten(entry.value, path + [entry.key], &found)
      } else {
        found.append(
          Property(
            name: (path + [entry.key]).joined(separator: "."), value: entry.value.scalar ?? "", place: entry.keyPlace,
            valuePlace: entry.value.place))
      }
    }
  }

  private func property(_ name: String) -> Property? {
    let wanted = ConfigurationNode.plain(name)
    return properties.last { ConfigurationNode.plain($0.name) == wanted }
  }

  private func timer(_ property: Property) -> CheckTimer {
    // A number alone counts milliseconds; -1 stands for no limit.
    guard let text = context.environment.expand(property.value) else {
      return CheckTimer(.unknown, property.name, at: property.place)
    }
    if text.hasPrefix("-") { return CheckTimer(.never, property.name, at: property.place) }
    let iso = text.hasPrefix("PT") ? String(text.dropFirst(2).lowercased()) : text
    let time = DurationText.parse(iso, unit: .milliseconds(1))
    return CheckTimer(time.map { .time($0) } ?? .unknown, property.name, at: property.place)
  }

  func read(into reading: inout CheckReading) {
    guard properties.contains(where: { $0.name.lowercased().hasPrefix("server.") }) else { return }
    reading.understood.insert(file.path)
    reading.findings += unknownKeys()
    guard let server = server() else { return }
    reading.servers.append(server)
  }

  private func server() -> CheckedServer? {
    let version = context.version(of: .springBoot, near: file.path)
    var software = Software.springBoot
    var title = "Spring Boot (Tomcat)"
    var idle = CheckTimer(assumed: .springBoot, .clientIdle, version: version)
    var setting = "server.tomcat.keep-alive-timeout"
    let others: [(String, Software, String)] = [
      ("server.jetty.connection-idle-timeout", .jetty, "Spring Boot (Jetty)"),
      ("server.undertow.no-request-timeout", .undertow, "Spring Boot (Undertow)"),
      ("server.netty.idle-timeout", .springBoot, "Spring Boot (Netty)"),
    ]
    if let own = property("server.tomcat.keep-alive-timeout") {
      idle = timer(own)
    } else if let connection = property("server.tomcat.connection-timeout") ?? property("server.connection-timeout") {
      idle = timer(connection)
      idle.note = "keep-alive-timeout is that of connection-timeout"
    } else if let (property, other) = others.lazy.compactMap({ other in self.property(other.0).map { ($0, other) } })
      .first
    {
      idle = timer(property)
      (setting, software, title) = other
    } else if property("server.port") == nil {
      return nil
    }
    var server = CheckedServer(
      software, version: version, title: title, at: idle.place ?? property("server.port")?.place ?? file.place(at: 0),
      idle: idle, owner: file.path)
    let port = property("server.port").flatMap { context.environment.expand($0.value) }.flatMap { Int($0) } ?? 8_080
    server.ports = [port]
    if let name = property("spring.application.name")?.value, !name.isEmpty { server.names = [name.lowercased()] }
    server.knowsAFront = property("server.forward-headers-strategy") != nil
    server.remedy = .line(file.name.hasSuffix(".properties") ? "\(setting)=$" : "\(setting): $", unit: .duration)
    return server
  }

  /// Keys below `server.tomcat` that Spring Boot has, or had.
  private static let tomcatKeys: Set<String> = Set(
    [
      "accept-count", "additional-tld-skip-patterns", "background-processor-delay", "basedir", "connection-timeout",
      "keep-alive-timeout", "max-connections",
      "max-http-form-post-size", "max-http-post-size", "max-http-header-size", "max-http-response-header-size",
      "max-keep-alive-requests",
      "max-parameter-count", "max-part-count", "max-part-header-size", "max-swallow-size", "max-threads",
      "min-spare-threads", "processor-cache",
      "redirect-context-root", "relaxed-path-chars", "relaxed-query-chars", "reject-illegal-header", "uri-encoding",
      "use-apr", "use-relative-redirects",
      "remote-ip-header", "protocol-header", "protocol-header-https-value", "internal-proxies", "port-header",
      "host-header", "trusted-proxies",
      "access-log-enabled", "access-log-pattern", "compression", "compressable-mime-types", "nio-threads",
    ].map(ConfigurationNode.plain))
  private static let tomcatGroups: Set<String> = ["accesslog", "mbeanregistry", "remoteip", "resource", "threads"]

  /// Properties that nobody reads: Spring passes over them in silence.
  private func unknownKeys() -> [CheckFinding] {
    // These were keys of Spring Boot 1.x and are none any more; they are told as unknown like the invented ones.
    let gone: Set<String> = ["accesslogenabled", "accesslogpattern"]
    return properties.compactMap { property in
      let parts = property.name.split(separator: ".").map { ConfigurationNode.plain(String($0)) }
      guard parts.count >= 3, parts[0] == "server", parts[1] == "tomcat" else { return nil }
      let key = String(parts[2].prefix { $0 != "[" })
      guard !Self.tomcatGroups.contains(key), !Self.tomcatKeys.contains(key) || gone.contains(key) else { return nil }
      let isTimer = key.contains("idle") || key.contains("timeout") || key.contains("keepalive")
      return CheckFinding(
        .settingOnWrongObject, .warning, .likely, at: property.place,
        "`\(property.name)` is an unknown key: Spring Boot passes over it in silence"
          + (isTimer ? ". Idle connections are ended by `server.tomcat.keep-alive-timeout`." : "."),
        changes: isTimer ? [CheckChange("server.tomcat.keep-alive-timeout", at: property.place)] : [])
    }
  }
}
