/// Routes that no request reaches, that ask for the impossible, or that cannot do what they say.
enum RouteChecks {
  static func check(_ settings: ProxySettings, _ draft: SettingsDraft, _ reader: inout SettingsReader) {
    // A route that cannot be read is not among the settings, and the numbers would not agree.
    guard settings.routes.count == draft.routes.count else { return }
    checkNames(settings.routes, &reader)
    checkReachable(settings.routes, &reader)
    for (index, route) in settings.routes.enumerated() {
      let subject = "routes[\(index + 1)]"
      checkAction(route, subject, &reader)
      if let retry = route.retry { UpstreamChecks.checkRetry(retry, "\(subject).retry", &reader) }
      if let exchange = route.timeouts.exchange, let head = route.timeouts.responseHead, exchange <= head {
        reader.warn(
          of: "\(subject).timeouts.response-head", "can never pass: the whole exchange may take \(exchange.text)",
          fix: "leave it out, or make it shorter")
      }
    }
    checkUnused(settings, &reader)
  }

  private static func checkNames(_ routes: [RouteSettings], _ reader: inout SettingsReader) {
    var numbers: [String: Int] = [:]
    for (index, route) in routes.enumerated() {
      if let first = numbers[route.name] {
        let subject = "routes[\(index + 1)]"
        reader.report(
          of: reader.has("\(subject).name") ? "\(subject).name" : subject,
          "'\(route.name)' is the name of routes[\(first)], too", fix: "give it a name of its own")
      } else {
        numbers[route.name] = index + 1
      }
    }
  }

  // MARK: - Reachability

  /// One way in which a request can match a route; of equal ones the first route is taken.
  private struct Way: Hashable {
    var host: RouteMatch.HostPattern?
    var path: RouteMatch.PathPattern?
    var methods: Set<String>
    var fields: Set<RouteMatch.FieldMatch>
    /// Only for who does not come by https.
    var isPlain: Bool
  }

  /// Ways of all routes that are compared; with more, the rest is not checked.
  private static let wayLimit = 200_000

  private static func checkReachable(_ routes: [RouteSettings], _ reader: inout SettingsReader) {
    var owners: [Way: Int] = [:]
    var count = 0
    for (index, route) in routes.enumerated() where !reader.hasErrors(in: "routes[\(index + 1)]") {
      let hosts: [RouteMatch.HostPattern?] = route.match.hosts.isEmpty ? [nil] : route.match.hosts
      let paths: [RouteMatch.PathPattern?] = route.match.paths.isEmpty ? [nil] : route.match.paths
      count += hosts.count * paths.count
      guard count <= wayLimit else { return }
      var taken: Set<Int> = []
      var isReachable = false
      for host in hosts {
        for path in paths {
          let way = Way(
            host: host, path: path, methods: Set(route.match.methods), fields: Set(route.match.fields),
            isPlain: route.leadsToHTTPSAlone)
          let owner = owners[way] ?? index
          if owner == index { isReachable = true } else { taken.insert(owner) }
          owners[way] = owner
        }
      }
      if !isReachable, let first = taken.min() {
        reader.report(
          of: "routes[\(index + 1)]",
          "no request reaches it: routes[\(first + 1)] matches the same ones and comes first",
          fix: "leave one out, or make them differ in hosts, paths, methods or fields")
      }
    }
  }

  // MARK: - Actions

  private static func checkAction(_ route: RouteSettings, _ subject: String, _ reader: inout SettingsReader) {
    switch route.action {
    case .forward(_, let rewrite):
      checkRewrite(rewrite, route.match, subject, &reader)
    case .redirect(let redirect):
      checkRewrite(redirect.rewrite, route.match, "\(subject).redirect", &reader)
      if redirect.scheme == nil, redirect.host == nil, redirect.rewrite == .none {
        reader.report(
          of: "\(subject).redirect", "leads to where the request came from", fix: "add 'scheme', 'host' or a path")
      } else if let loop = loop(redirect, route.match) {
        reader.report(
          of: "\(subject).redirect", "leads to \(loop), which this route redirects again",
          fix: "redirect to another place")
      }
    case .respond(let response):
      if [204, 304].contains(response.status), !response.body.isEmpty {
        reader.report(
          of: "\(subject).respond.body", "a response of status \(response.status) has no body", fix: "leave it out")
      }
    }
  }

  /// Where a redirect leads, when it surely matches the route again.
  private static func loop(_ redirect: Redirect, _ match: RouteMatch) -> String? {
    guard redirect.scheme == nil, redirect.host == nil, case .replacePath(let path) = redirect.rewrite else {
      return nil
    }
    let matches = match.paths.isEmpty || match.paths.contains { $0.matches(path) }
    return matches ? path : nil
  }

  private static func checkRewrite(
    _ rewrite: PathRewrite, _ match: RouteMatch, _ subject: String, _ reader: inout SettingsReader
  ) {
    let prefix: String
    let key: String
    switch rewrite {
    case .none, .replacePath: return
    case .stripPrefix(let text): (prefix, key) = (text, "strip-prefix")
    case .replacePrefix(let text, _): (prefix, key) = (text, "replace-prefix")
    }
    let strays = match.paths.filter { !RouteMatch.PathPattern.prefix(prefix).matches($0.text) }
    if match.paths.isEmpty {
      reader.warn(
        of: "\(subject).\(key)", "the route takes paths that do not begin with \(prefix); they stay as they are",
        fix: "add 'paths: [\(prefix)]'")
    } else if let stray = strays.first {
      let fact = "the path \(stray.text) of this route does not begin with \(prefix), so it stays as it is"
      let fix = "name a prefix that the paths of the route have"
      if strays.count == match.paths.count {
        reader.report(of: "\(subject).\(key)", fact, fix: fix)
      } else {
        reader.warn(of: "\(subject).\(key)", fact, fix: fix)
      }
    }
  }

  private static func checkUnused(_ settings: ProxySettings, _ reader: inout SettingsReader) {
    guard !settings.routes.isEmpty else { return }
    let used = Set(
      settings.routes.compactMap { route -> Int? in
        if case .forward(let upstream, _) = route.action { upstream } else { nil }
      })
    for (index, upstream) in settings.upstreams.enumerated() where !used.contains(index) {
      reader.warn(
        of: "upstreams.\(upstream.name)", "no route leads to it",
        fix: "add one with 'to: \(upstream.name)', or leave it out")
    }
  }
}

extension RouteMatch.PathPattern {
  var text: String {
    switch self {
    case .exact(let path), .prefix(let path): path
    }
  }

  /// Whether a request for `path` matches.
  func matches(_ path: String) -> Bool {
    switch self {
    case .exact(let own): path == own
    case .prefix(let own): path == own || path.hasPrefix(own.hasSuffix("/") ? own : own + "/")
    }
  }
}
