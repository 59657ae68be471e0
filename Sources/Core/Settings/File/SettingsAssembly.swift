/// Holds together what a settings file says in several places.
enum SettingsAssembly {
  static func settings(_ draft: SettingsDraft, _ reader: inout SettingsReader) -> ProxySettings {
    var settings = draft.settings
    if settings.listeners.isEmpty {
      if reader.has("listen"), reader.errorCount == 0 {
        reader.report(of: "listen", "is empty", fix: "name an address, or leave the key out for 127.0.0.1:8080")
      }
      settings.listeners = [ListenerSettings(.tcp(host: "127.0.0.1", port: 8080))]
    }
    completeTimeouts(&settings.timeouts, settings.behind, reader)
    settings.upstreams = draft.upstreams
    for index in settings.upstreams.indices { completePool(&settings.upstreams[index], reader) }
    settings.routes = routes(draft, &reader)
    SettingsChecks.check(settings, draft, &reader)
    // Settings always have an upstream, though no route need lead to it.
    if settings.upstreams.isEmpty { settings.upstreams = [UpstreamSettings()] }
    return settings
  }

  // MARK: - What follows from what is given

  /// How much longer idle client connections are held than clients are told.
  static let advertisedGrace = Nanoseconds.seconds(10)

  /// The one of `client-idle` and `advertised-idle` that is missing follows from the other, both from `behind`.
  private static func completeTimeouts(
    _ timeouts: inout ProxySettings.Timeouts, _ behind: FrontProxy?, _ reader: SettingsReader
  ) {
    let hasIdle = reader.has("timeouts.client-idle")
    let hasAdvertised = reader.has("timeouts.advertised-idle")
    if !hasIdle, !hasAdvertised, let behind {
      timeouts.clientIdle = behind.clientIdle
      timeouts.advertisedIdleSeconds = behind.advertisedIdleSeconds
    } else if hasIdle, !hasAdvertised {
      timeouts.advertisedIdleSeconds = UInt32(
        clamping: max(0, (timeouts.clientIdle - advertisedGrace).milliseconds / 1_000))
    } else if hasAdvertised, !hasIdle {
      let told = Nanoseconds.seconds(Int64(timeouts.advertisedIdleSeconds)) + advertisedGrace
      let least = behind?.clientIdle ?? ProxySettings.Timeouts().clientIdle
      timeouts.clientIdle = max(told, least)
    }
    if !reader.has("timeouts.drain-grace") {
      timeouts.drainGrace = min(timeouts.drainGrace, timeouts.drain / 2)
    }
  }

  /// How much earlier than servers are known to close a connection is no longer used.
  static func keepsIdleMargin(_ keepsIdle: Nanoseconds) -> Nanoseconds {
    min(max(keepsIdle / 20, .milliseconds(500)), keepsIdle / 2)
  }

  private static func completePool(_ upstream: inout UpstreamSettings, _ reader: SettingsReader) {
    guard let keepsIdle = upstream.keepsIdle, !reader.has("upstreams.\(upstream.name).pool.idle-age") else { return }
    upstream.pool.idleAge = min(upstream.pool.idleAge, keepsIdle - keepsIdleMargin(keepsIdle))
  }

  // MARK: - Routes

  private static func routes(_ draft: SettingsDraft, _ reader: inout SettingsReader) -> [RouteSettings] {
    // Names are unique: they are the keys of a map.
    let upstreams = Dictionary(uniqueKeysWithValues: draft.upstreams.enumerated().map { ($0.element.name, $0.offset) })
    return draft.routes.enumerated().compactMap { index, route in
      let subject = "routes[\(index + 1)]"
      guard let action = action(route, upstreams, subject, &reader) else { return nil }
      var settings = RouteSettings(name: route.name ?? "route-\(index + 1)", action: action)
      settings.match.hosts = route.hosts
      settings.match.paths = route.exactPaths.map { .exact($0) } + route.prefixes.map { .prefix($0) }
      settings.match.methods = route.methods
      settings.match.fields = route.fields
      settings.requestEdits = route.requestEdits
      settings.responseEdits = route.responseEdits
      settings.timeouts = route.timeouts
      settings.bodyBytes = route.bodyBytes
      settings.replay = route.replay
      settings.retry = route.retry
      return settings
    }
  }

  /// Names of upstreams that an unknown one is compared with.
  private static let namesCompared = 50

  /// The one thing that becomes of the route's requests.
  private static func action(
    _ route: RouteDraft, _ upstreams: [String: Int], _ subject: String, _ reader: inout SettingsReader
  ) -> RouteAction? {
    let actions = ["to", "redirect", "respond"]
    let given = actions.filter { reader.has("\(subject).\($0)") }
    guard given.count == 1 else {
      if let extra = given.dropFirst().first {
        reader.report(
          of: "\(subject).\(extra)", "stands beside '\(given[0])'", fix: "keep one; a request gets one answer")
      } else if !reader.hasErrors(in: subject) {
        reader.report(
          of: subject, "does not say what becomes of its requests", fix: "add 'to', 'redirect' or 'respond'")
      }
      return nil
    }
    if let name = route.upstream {
      let rewrites = ["strip-prefix", "replace-prefix", "replace-path"].filter { reader.has("\(subject).\($0)") }
      if rewrites.count > 1 {
        reader.report(
          of: "\(subject).\(rewrites[1])", "stands beside '\(rewrites[0])'", fix: "keep one way to rewrite the path")
      }
      guard let index = upstreams[name] else {
        let names = upstreams.sorted { $0.value < $1.value }.prefix(namesCompared).map(\.key)
        let fix = names.isEmpty ? "add it to 'upstreams'" : NearestName.fix(name, among: names, called: "there are")
        reader.report(of: "\(subject).to", "there is no upstream of this name", fix: fix)
        return nil
      }
      return .forward(upstream: index, rewrite: route.rewrite.rewrite)
    }
    for key in ["strip-prefix", "replace-prefix", "replace-path", "request-fields", "body-limit", "replay", "retry"]
    where reader.has("\(subject).\(key)") {
      let isRewrite = given == ["redirect"] && ["strip-prefix", "replace-prefix", "replace-path"].contains(key)
      reader.report(
        of: "\(subject).\(key)", "has no effect: no server is asked",
        fix: isRewrite ? "write it below 'redirect'" : "leave it out")
    }
    if let redirect = route.redirect { return .redirect(redirect) }
    return route.response.map { .respond($0) }
  }

  /// A route as a file would have it.
  static func draft(_ route: RouteSettings, _ upstreams: [UpstreamSettings]) -> RouteDraft {
    var draft = RouteDraft()
    draft.name = route.name
    draft.hosts = route.match.hosts
    for path in route.match.paths {
      switch path {
      case .exact(let path): draft.exactPaths.append(path)
      case .prefix(let path): draft.prefixes.append(path)
      }
    }
    draft.methods = route.match.methods
    draft.fields = route.match.fields
    switch route.action {
    case .forward(let index, let rewrite):
      draft.upstream = upstreams[index].name
      draft.rewrite = RewriteDraft(rewrite)
    case .redirect(let redirect): draft.redirect = redirect
    case .respond(let response): draft.response = response
    }
    draft.requestEdits = route.requestEdits
    draft.responseEdits = route.responseEdits
    draft.timeouts = route.timeouts
    draft.bodyBytes = route.bodyBytes
    draft.replay = route.replay
    draft.retry = route.retry
    return draft
  }
}
