import Core

/// New settings and new servers, while requests are under way.
extension Worker {
  /// What a worker needs to go on under other settings. It was checked, and its listeners are bound: taking it over cannot fail.
  struct Reload: Sendable {
    var settings: ProxySettings
    var generation: UInt64
    var members: [[UpstreamMember]]
    var listeners: [Listener]
    var clientLimit: Int
    /// Where the access log goes from now on; nil where that stays.
    var accessLog: LogWriter?
  }

  /// Exchanges that are under way end under the route that they began with; connections stay, on either side.
  func adopt(_ reload: Reload) {
    // What has its form already belongs to the old place.
    flushAccessLog()
    if let writer = reload.accessLog { accessLog = writer }
    if reload.settings.logs != settings.logs {
      accessFormat = AccessFormat(reload.settings.logs)
      accessGeneration &+= 1
    }
    settings = reload.settings
    generation = reload.generation
    clientLimit = reload.clientLimit
    headLimits = HeadLimits(settings.limits)
    pseudonym = Array(settings.forwarding.name.utf8)
    defaultBounds = RouteBounds(settings)
    let known = upstreams
    upstreams = settings.upstreams.map { wanted in
      guard let upstream = known.first(where: { $0.name == wanted.name }) else {
        return Upstream(settings: wanted, thread: index, seed: choiceSeed)
      }
      upstream.adopt(wanted)
      return upstream
    }
    for upstream in known where !upstreams.contains(where: { $0 === upstream }) { retire(upstream) }
    letGoOfRetired()
    makeRoutes()
    adopt(reload.members)
    for server in servers where server.isActive { settle(server) }
    adopt(reload.listeners)
    for client in clients.all {
      client.forwarding = forwarding(for: client.peer, isSecure: client.isSecure)
      tellCertificate(of: client)
      if client.carrier != nil { client.forwarding.isHTTP2 = true }
      if let streams = client.streams {
        var forwarding = client.forwarding
        forwarding.isHTTP2 = true
        streams.told = ClientConnection.Told(forwarding)
      }
      client.hostUpstream = nil
      if client.phase == .idle, drain == nil, !client.awaitsProxyHeader, !client.isShakingHands {
        expect(.idle, of: client, within: settings.timeouts.clientIdle)
      }
    }
  }

  func makeRoutes() {
    let known = [defaultRoute] + routes
    defaultRoute = Route(to: upstreams[0], under: settings)
    hasErrorPages = !settings.errors.pages.isEmpty
    hasGuards = settings.guards != GuardSettings()
    logsRequests = !accessFormat.isOff
    logsFields = !accessFormat.requestFields.isEmpty || !accessFormat.responseFields.isEmpty
    clientRates = load.clientRates
    exempt = AddressBlocks(settings.guards.exempt)
    trustedProxies = TrustedProxies(settings.forwarding.trustedPeers)
    router = Router(settings.routes)
    secureRoutes = settings.routes.indices.filter { !settings.routes[$0].leadsToHTTPSAlone }
    secureRouter = Router(secureRoutes.map { settings.routes[$0] })
    routes = settings.routes.map { Route($0, upstreams: upstreams, under: settings) }
    for route in [defaultRoute] + routes {
      if let before = known.last(where: { $0.name == route.name }) { route.tally = before.tally }
    }
  }

  // MARK: - Servers

  /// Takes over the servers that each upstream has now; those that are gone serve what they have and no more.
  func adopt(_ members: [[UpstreamMember]]) {
    let tried = triedServers
    for (upstream, members) in zip(upstreams, members) { adopt(members, of: upstream) }
    for (exchange, servers) in tried { exchange.refusedBy = Upstream.tried(servers) }
    defaultRoute.refresh()
    for route in routes { route.refresh() }
  }

  /// What exchanges under way have asked in vain. Servers get other places when some come or go, so the places say nothing then.
  private var triedServers: [(ActiveExchange, [Server])] {
    exchanges.all.compactMap { exchange in
      guard !exchange.refusedBy.isEmpty, let upstream = exchange.route?.upstream else { return nil }
      return (exchange, upstream.servers.filter { exchange.refusedBy.contains($0.position) })
    }
  }

  private func adopt(_ members: [UpstreamMember], of upstream: Upstream) {
    let poolSettings = upstream.poolSettings(threads: settings.threads)
    for server in upstream.servers where !members.contains(where: { $0.record === server.record }) {
      server.isActive = false
      closeIdleConnections(of: server)
    }
    upstream.adopt(
      members.map { member in
        // One that was gone and is back may still be here.
        guard let known = servers.first(where: { $0.record === member.record && $0.upstream === upstream }) else {
          return place(member, of: upstream, poolSettings)
        }
        known.isActive = true
        known.weight = member.weight
        known.isBackup = member.isBackup
        let speaksOtherwise =
          known.tls?.context !== member.tls?.context || known.tls?.name != member.tls?.name
          || known.isHTTP2 != member.isHTTP2
        known.tls = member.tls
        known.isHTTP2 = member.isHTTP2
        // What was opened under other settings of TLS is not what they ask for.
        if speaksOtherwise { closeIdleConnections(of: known) }
        known.pool.adopt(poolSettings)
        // What is idle was kept under other settings; under a PROXY protocol it would bring requests in nobody's name.
        if !poolSettings.reuses { closeIdleConnections(of: known, because: .reuseOff) }
        return known
      })
  }

  private func place(_ member: UpstreamMember, of upstream: Upstream, _ settings: PoolSettings) -> Server {
    let unused = servers.firstIndex { !$0.isActive && $0.pool.connectionCount == 0 && $0.pool.counts.waiting == 0 }
    let server = Server(member: member, index: unused ?? servers.count, upstream: upstream, settings: settings)
    if let unused { servers[unused] = server } else { servers.append(server) }
    return server
  }

  /// The settings know it no more. It keeps its servers for the replays and retries of the exchanges that began with it.
  private func retire(_ upstream: Upstream) {
    for server in upstream.servers {
      server.isActive = false
      closeIdleConnections(of: server)
    }
    retired.append(upstream)
  }

  /// Servers and upstreams hold each other; the last exchange gone, that has to end.
  private func letGoOfRetired() {
    guard !retired.isEmpty else { return }
    var used: Set<ObjectIdentifier> = []
    exchanges.dropSpare()
    for exchange in exchanges.all {
      if let upstream = exchange.route?.upstream { used.insert(ObjectIdentifier(upstream)) }
    }
    retired.removeAll { upstream in
      guard !used.contains(ObjectIdentifier(upstream)) else { return false }
      upstream.adopt([])
      return true
    }
  }

  // MARK: - Listeners

  /// Those that stay are the same sockets. Of one that goes, who has knocked already is let in.
  private func adopt(_ wanted: [Listener]) {
    guard drain == nil else { return }
    let wasPaused = acceptingIsPaused
    pauseAccepting()
    leave(listeners.filter { listener in !wanted.contains { $0.descriptor === listener.descriptor } })
    listeners = wanted
    guard !wasPaused else { return }
    do throws(SystemError) {
      try resumeAccepting()
    } catch {
      log.error("a listener cannot be watched: \(error)")
      timers.schedule(UInt64(Kind.resumeAccepting) << 56, at: now.advanced(by: .seconds(1)))
    }
  }
}

extension HeadLimits {
  init(_ limits: ProxySettings.Limits) {
    self.init(headBytes: limits.headBytes, startLineBytes: limits.startLineBytes, fieldCount: limits.fieldCount)
  }
}
