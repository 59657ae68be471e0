internal import Core

/// One nginx: what its files say together.
struct NginxInstance {
  struct Server {
    var directive: NginxDirective
    var block: [NginxDirective]
    var scope: NginxScope
  }

  struct Pass {
    var directive: NginxDirective
    var scope: NginxScope
  }

  static let pooling = VersionRange(from: SoftwareVersion(1, 29, 7))

  var owner = ""
  var version = VersionRange.all
  var maps: [String: NginxDirective] = [:]
  /// What `set` gives to variables, by the name with its dollar.
  var variables: [String: [String]] = [:]
  var upstreams: [NginxDirective] = []
  var servers: [Server] = []
  var passes: [Pass] = []
  /// To FastCGI and its like, which know no such pools.
  var otherPasses: [Pass] = []

  init(owner: String = "", version: VersionRange = .all) {
    self.owner = owner
    self.version = version
  }

  func reading() -> CheckReading {
    var reading = CheckReading()
    for server in servers {
      if let made = checkedServer(server) { reading.servers.append(made) }
      reading.findings += NginxRules.requests(server.scope)
    }
    for upstream in upstreams { pool(upstream, into: &reading) }
    for pass in passes { direct(pass, into: &reading) }
    reading.findings += NginxRules.retries(passes)
    reading.findings += NginxRules.earlyData(servers, passes + otherPasses)
    return reading
  }

  // MARK: - Towards clients

  private func checkedServer(_ server: Server) -> CheckedServer? {
    let listens = server.block.filter { $0.name == "listen" }
    // A block that only redirects keeps connections, too, but nobody's requests depend on them.
    let isRedirect = server.block.contains { $0.name == "return" } && !server.block.contains { $0.name == "location" }
    guard !listens.isEmpty || server.block.contains(where: { $0.name == "location" }), !isRedirect else { return nil }
    var made = CheckedServer(
      .nginx, version: version, at: server.directive.place,
      idle: Self.timer(server.scope.keepalive, CheckTimer(assumed: .nginx, .clientIdle, version: version)), owner: owner
    )
    made.ports = Set(listens.compactMap { CheckTarget($0.first).port ?? Int($0.first) })
    if listens.isEmpty { made.ports = [80] }
    let names = server.block.filter { $0.name == "server_name" }.flatMap(\.arguments).map { $0.text.lowercased() }
    made.names = Set(names.filter { $0 != "_" })
    made.remedy = .line("keepalive_timeout $s;", unit: .seconds)
    return made
  }

  static func timer(_ directive: NginxDirective?, _ assumed: CheckTimer) -> CheckTimer {
    guard let directive else { return assumed }
    let time = DurationText.parse(directive.first, unit: .seconds(1))
    return CheckTimer(
      time.map { $0 == .zero ? .none : .time($0) } ?? .unknown, directive.name, at: directive.place,
      written: directive.first)
  }

  // MARK: - Towards servers

  private func pool(_ upstream: NginxDirective, into reading: inout CheckReading) {
    let servers = upstream.all("server").map(Self.server)
    let users = passes.filter { targets(of: $0).contains { $0.host == upstream.first.lowercased() } }
    let keepalive = upstream.last("keepalive")
    let size = keepalive.flatMap { Int($0.first) }
    let timeout = upstream.last("keepalive_timeout")
    var idle = Self.timer(timeout, CheckTimer(assumed: .nginx, .upstreamIdle, when: "keepalive"))
    if idle.value == .none { idle.value = .time(.zero) }
    var use = PoolUse.unused
    if size != 0 {
      let uses = users.map { self.use($0.scope, isPooled: keepalive != nil) }
      use = Self.strongest(uses.compactMap(\.self), version)
      if users.isEmpty, keepalive != nil { use = .versions(Self.pooling) }
    }
    if let keepalive, size != 0, !users.isEmpty {
      reading.findings += NginxRules.pool(upstream, keepalive, users, use, version, maps)
    }
    var made = CheckedPool(
      .nginx, version: version, title: "nginx, upstream \(upstream.first)",
      at: (timeout ?? keepalive ?? upstream).place,
      idle: idle, use: use, targets: servers, owner: owner)
    made.remedy = .line("keepalive_timeout $s;", unit: .seconds)
    reading.pools.append(made)
  }

  /// The address of a `server` line; of `<%= @host %>:3000` and `{{ host }}:3000` in templates the port is left.
  private static func server(_ directive: NginxDirective) -> CheckTarget {
    guard directive.first.hasPrefix("<%") || directive.first.hasPrefix("{{"),
      let end = directive.arguments.first(where: { $0.text.contains("%>") || $0.text.contains("}}") }),
      let colon = end.text.lastIndex(of: ":"), let port = Int(end.text[end.text.index(after: colon)...])
    else { return CheckTarget(directive.first, port: 80) }
    return CheckTarget(host: "", port: port)
  }

  /// Where a `proxy_pass` goes. A variable is what a `set` or a `map` of these files makes of it; nginx looks for an upstream
  /// block of that name, too.
  private func targets(of pass: Pass) -> [CheckTarget] {
    let target = CheckTarget(pass.directive.first)
    guard target.host.hasPrefix("$") else { return [target] }
    let name = "$" + target.host.dropFirst().filter { $0 != "{" && $0 != "}" }
    let set = variables.first { $0.key.lowercased() == name }?.value ?? []
    let mapped = maps.first { $0.key.lowercased() == name }?.value.block?.map(\.first) ?? []
    return (set + mapped).filter { !$0.isEmpty && !$0.contains("$") }.map { CheckTarget($0, port: target.port) }
  }

  /// A `proxy_pass` that names no upstream block.
  private func direct(_ pass: Pass, into reading: inout CheckReading) {
    let use = self.use(pass.scope, isPooled: false).map { Self.strongest([$0], version) } ?? .unused
    for target in targets(of: pass) {
      guard !upstreams.contains(where: { $0.first.lowercased() == target.host }), !target.host.isEmpty,
        !target.host.hasPrefix("$")
      else { continue }
      // Whether versions that pool by default do so without an upstream block, the documents leave open.
      reading.pools.append(
        CheckedPool(
          .nginx, version: version, title: "nginx, proxy_pass \(target.text)", at: pass.directive.place,
          idle: CheckTimer(assumed: .nginx, .upstreamIdle, when: "keepalive"),
          use: use == .used ? .versions(Self.pooling) : use, targets: [target], owner: owner))
    }
  }

  /// What one location does with its connections; nil for a location that only opens tunnels.
  ///
  /// ```
  ///   Connection sent   keepalive N   HTTP/1.1       pooled
  ///   close             any           any            never
  ///   empty             yes           yes            always
  ///   empty             yes           not set        from 1.29.7 on (1.1 is the default there)
  ///   empty             no            any            from 1.29.7 on
  ///   not set           any           any            from 1.29.7 on (before, `close` is sent)
  /// ```
  func use(_ scope: NginxScope, isPooled: Bool) -> PoolUse? {
    switch NginxConnectionHeader(scope.header("Connection"), maps: maps) {
    case .upgrade: return nil
    case .close: return .unused
    case .unset: return scope.httpVersion?.first == "1.0" ? .unused : .versions(Self.pooling)
    case .open, .unknown:
      if scope.httpVersion?.first == "1.0" { return .unused }
      guard isPooled else { return .versions(Self.pooling) }
      return scope.httpVersion == nil ? .versions(Self.pooling) : .used
    }
  }

  /// Of several locations with one upstream, the one that reuses most decides.
  static func strongest(_ uses: [PoolUse], _ version: VersionRange) -> PoolUse {
    if uses.contains(.used) { return .used }
    for use in uses {
      guard case .versions(let range) = use else { continue }
      if version.isWithin(range) { return .used }
      return version.overlaps(range) ? use : .unused
    }
    return .unused
  }
}
