/// Combinations that are impossible (errors) or harmful (warnings).
enum SettingsChecks {
  static func check(_ settings: ProxySettings, _ draft: SettingsDraft, _ reader: inout SettingsReader) {
    // What could not be read is not as the file has it.
    if !reader.hasErrors(in: "listen") { checkListeners(settings.listeners, &reader) }
    if let path = settings.control { checkControl(path, settings.listeners, &reader) }
    if let admin = settings.admin { AdminSchema.check(admin, settings.listeners, &reader) }
    if !reader.hasErrors(in: "timeouts") { checkTimeouts(settings.timeouts, settings.routes, &reader) }
    if let behind = settings.behind { checkBehind(behind, settings, &reader) }
    checkWhereRequestsGo(settings, &reader)
    for upstream in settings.upstreams { UpstreamChecks.check(upstream, settings, &reader) }
    RouteChecks.check(settings, draft, &reader)
    if !reader.hasErrors(in: "limits") { checkLimits(settings.limits, &reader) }
    if !reader.hasErrors(in: "logs") { LogChecks.check(settings.logs, &reader) }
    checkTrust(settings, &reader)
    if settings.resolver.minimumTTL > settings.resolver.maximumTTL {
      reader.report(
        of: reader.has("resolver.shortest-ttl") ? "resolver.shortest-ttl" : "resolver.longest-ttl",
        "the shortest (\(settings.resolver.minimumTTL.text)) is longer than the longest (\(settings.resolver.maximumTTL.text))",
        fix: "make 'shortest-ttl' shorter or 'longest-ttl' longer")
    }
  }

  private static func checkListeners(_ listeners: [ListenerSettings], _ reader: inout SettingsReader) {
    var seen: Set<ListenAddress> = []
    for (index, listener) in listeners.enumerated() {
      let subject = listeners.count == 1 && !reader.has("listen[1]") ? "listen" : "listen[\(index + 1)]"
      if case .tcp(_, 0) = listener.address {
        // Any free port, each time another: for tests.
      } else if !seen.insert(listener.address).inserted {
        reader.report(of: subject, "this address stands here twice", fix: "leave one out")
      }
      if case .required(let from) = listener.proxyProtocol, from.isEmpty, !listener.address.isLocal {
        reader.warn(
          of: "\(subject).proxy-protocol", "everybody who can connect can claim to be any client",
          fix: "name the addresses of the proxies before this one, for instance [10.0.0.0/8]")
      }
    }
  }

  private static func checkControl(_ path: String, _ listeners: [ListenerSettings], _ reader: inout SettingsReader) {
    if path.utf8.count > ProxySettings.longestControlPath {
      reader.report(
        of: "control", "is a path of \(path.utf8.count) bytes",
        fix: "choose one of at most \(ProxySettings.longestControlPath)")
    }
    if path.isEmpty { reader.report(of: "control", "is empty", fix: "name a path, or write off") }
    if listeners.contains(where: { $0.address == .unix(path: path) }) {
      reader.report(of: "control", "is also where clients come in", fix: "choose another path")
    }
  }

  private static func checkTimeouts(
    _ timeouts: ProxySettings.Timeouts, _ routes: [RouteSettings], _ reader: inout SettingsReader
  ) {
    let told = Nanoseconds.seconds(Int64(timeouts.advertisedIdleSeconds))
    if timeouts.advertisedIdleSeconds > 0 {
      let subject = reader.has("timeouts.advertised-idle") ? "timeouts.advertised-idle" : "timeouts.client-idle"
      if told >= timeouts.clientIdle {
        reader.report(
          of: subject,
          "clients are told \(told.text), and their connections are closed after \(timeouts.clientIdle.text): they would lose the race",
          fix: "make 'client-idle' longer than 'advertised-idle', by 10s or so")
      } else if timeouts.clientIdle - told < FrontProxy.leastGrace {
        reader.warn(
          of: subject,
          "clients are told \(told.text), only \((timeouts.clientIdle - told).text) less than their connections are held",
          fix: "make 'client-idle' longer, by 10s or so")
      }
    }
    if timeouts.drainGrace > timeouts.drain / 2 {
      reader.report(
        of: "timeouts.drain-grace", "is more than half of 'drain' (\(timeouts.drain.text))",
        fix: "write at most \((timeouts.drain / 2).text), or make 'drain' longer")
    }
    checkDrain(timeouts, routes, &reader)
  }

  /// A request may last longer than a stop waits. Told only where the file names one of the two.
  private static func checkDrain(
    _ timeouts: ProxySettings.Timeouts, _ routes: [RouteSettings], _ reader: inout SettingsReader
  ) {
    let isNamed = reader.has("timeouts.drain") || reader.has("timeouts.response-head")
    if isNamed, timeouts.drain < timeouts.responseHead {
      let subject = reader.has("timeouts.drain") ? "timeouts.drain" : "timeouts.response-head"
      reader.warn(
        of: subject,
        "a stop waits for \(timeouts.drain.text), and a server may take \(timeouts.responseHead.text) to answer: such requests are cut off",
        fix: "make 'drain' at least \(timeouts.responseHead.text), or 'response-head' shorter")
    }
    for (index, route) in routes.enumerated() {
      let limits = [("response-head", route.timeouts.responseHead), ("exchange", route.timeouts.exchange)]
      for case (let key, let limit?) in limits where limit > timeouts.drain {
        reader.warn(
          of: "routes[\(index + 1)].timeouts.\(key)",
          "is longer than a stop waits (\(timeouts.drain.text)): such requests are cut off",
          fix: "make 'timeouts.drain' at least \(limit.text), or this shorter")
      }
    }
  }

  private static func checkBehind(
    _ behind: FrontProxy, _ settings: ProxySettings, _ reader: inout SettingsReader
  ) {
    let held = settings.timeouts.clientIdle
    let keeps = behind.keepsIdle
    if held <= keeps {
      reader.report(
        of: "timeouts.client-idle",
        "\(held.text) is no longer than \(behind.title) keeps idle connections (\(keeps.text)): it would lose the race against this proxy",
        fix: "leave it out, which makes it \(behind.clientIdle.text), or write more than \(keeps.text)")
    } else if held - keeps < FrontProxy.leastGrace {
      reader.warn(
        of: "timeouts.client-idle",
        "is only \((held - keeps).text) longer than \(behind.title) keeps idle connections (\(keeps.text))",
        fix: "leave it out, which makes it \(behind.clientIdle.text)")
    }
    let advertised = settings.timeouts.advertisedIdleSeconds
    if reader.has("timeouts.advertised-idle"), advertised > 0, Nanoseconds.seconds(Int64(advertised)) < keeps {
      reader.warn(
        of: "timeouts.advertised-idle",
        "is shorter than \(behind.title) keeps idle connections (\(keeps.text)); if it reads it, connections are used for less time than they could be",
        fix: "leave it out, which makes it \(behind.advertisedIdleSeconds)s")
    }
    let seesClients =
      !settings.forwarding.trustedPeers.isEmpty || settings.listeners.contains { $0.proxyProtocol != .off }
    let guards = settings.guards
    let limits = [
      ("request-rate", guards.requestRate != nil), ("connections-per-client", guards.connectionsPerClient != nil),
    ]
    for (key, isLimited) in limits where isLimited && !seesClients {
      reader.warn(
        of: "guards.\(key)",
        "counts by client address, and behind \(behind.title) all requests come from its addresses",
        fix: "name its addresses in 'forwarding.trust', or use 'proxy-protocol'")
    }
  }

  private static func checkWhereRequestsGo(_ settings: ProxySettings, _ reader: inout SettingsReader) {
    let routesExist = reader.has("routes")
    if settings.upstreams.isEmpty {
      let needsOne = settings.routes.isEmpty || !routesExist
      if needsOne, !reader.has("upstreams") || reader.errorCount == 0 {
        reader.report(
          of: "upstreams", "there is no upstream, so no request could be answered",
          fix: "add one, for instance upstreams: {app: \"http://127.0.0.1:3000\"}")
      }
    } else if !routesExist || (settings.routes.isEmpty && reader.errorCount == 0), settings.upstreams.count > 1 {
      reader.report(
        of: "upstreams",
        "there are \(settings.upstreams.count) upstreams and no routes: nothing says which requests go where",
        fix: "add routes, for instance routes: [{paths: [/], to: \(settings.upstreams[0].name)}]")
    }
  }

  private static func checkLimits(_ limits: ProxySettings.Limits, _ reader: inout SettingsReader) {
    guard limits.startLineBytes > limits.headBytes else { return }
    let subject = reader.has("limits.request-line") ? "limits.request-line" : "limits.head"
    reader.report(
      of: subject, "a request line of \(limits.startLineBytes) bytes does not fit a head of \(limits.headBytes)",
      fix: "make 'head' larger or 'request-line' smaller")
  }

  private static func checkTrust(_ settings: ProxySettings, _ reader: inout SettingsReader) {
    for block in settings.forwarding.trustedPeers where block.prefixLength == 0 {
      reader.warn(
        of: "forwarding.trust", "\(block.text) is everybody: any client can claim any address",
        fix: "name the addresses of the proxies before this one")
    }
    for block in settings.guards.exempt where block.prefixLength == 0 {
      reader.warn(of: "guards.exempt", "\(block.text) is everybody: no limit holds", fix: "name fewer addresses")
    }
  }
}

extension ListenAddress {
  /// Whether only this machine can connect.
  var isLocal: Bool {
    switch self {
    case .tcp(let host, _): host == "localhost" || host == "::1" || IPAddressText.parse(host)?.first == 127
    case .unix: true
    case .inherited: false
    }
  }
}
