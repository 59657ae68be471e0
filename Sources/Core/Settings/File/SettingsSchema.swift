/// A settings file before what is in it was held together.
struct SettingsDraft {
  var settings = ProxySettings()
  var upstreams: [UpstreamSettings] = []
  var routes: [RouteDraft] = []
}

/// The keys of a settings file: the one table that reading, showing, the reference and the example come from.
enum SettingsSchema {
  static var section: SettingsSection<SettingsDraft> {
    SettingsSection(
      title: "the settings",
      keys: [
        SettingsKey(
          "listen", \.settings.listeners, listenerForm.list(), example: "\":8080\"", isLive: true,
          "Where clients come in: `host:port`, `:port` for all addresses, `[v6]:port`, `unix:/path`, or `systemd:NAME` for a socket that the service manager opened. A map has `address`, `proxy-protocol`, `tls` and `h2c`."
        ),
        SettingsKey(
          "behind", \.settings.behind, behindForm, example: "aws-alb",
          "What stands before this proxy, so that idle connections from it are held longer than it keeps them (the page behind.md has the figures)."
        ),
        SettingsKey(
          "upstreams", \.upstreams, upstreamsForm, isLive: true,
          "Groups of servers by name. A server or a list of servers may stand in place of the map."),
        SettingsKey(
          "routes", \.routes, routesForm, example: SettingsExample.routes,
          "Where requests go; without routes everything goes to the only upstream. The most specific route that matches a request is taken, and a request that none matches gets 404."
        ),
        SettingsKey(
          "client-half-close", \.settings.halfClosed,
          .choice(HalfClosedPolicy.allCases.map { ($0.rawValue, $0) }),
          "What a client's FIN behind its request means: `end`, it has left, and the server's work for it ends; `serve`, it still reads its answer."
        ),
        SettingsKey(
          "timeouts", \.settings.timeouts, GeneralSchema.timeouts.form(standard: .init()), "How long things may take."),
        SettingsKey(
          "limits", \.settings.limits, GeneralSchema.limits.form(standard: .init()), "How large things may be."),
        SettingsKey(
          "errors", \.settings.errors, ErrorSchema.section.form(standard: .init()),
          "What clients see of a failure (the page errors.md has more)."),
        SettingsKey(
          "guards", \.settings.guards, GeneralSchema.guards.form(standard: .init()),
          "What protects the proxy and its servers from too much at once."),
        SettingsKey(
          "forwarding", \.settings.forwarding, GeneralSchema.forwarding.form(standard: .init()),
          "What the servers are told about the way of a request."),
        SettingsKey(
          "resolver", \.settings.resolver, ResolverSchema.section.form(standard: .init()),
          "How the names of servers are resolved."),
        SettingsKey(
          "control", \.settings.control, SettingsForm<String>.text("the path of a socket").orNone("off"),
          example: "/run/photofinish/control",
          "A UNIX socket, for its owner alone, over which `photofinish status`, `reload`, `drain`, `log-level` and `upgrade` reach the running proxy."
        ),
        SettingsKey(
          "admin", \.settings.admin, AdminSchema.form.orNone("off"), example: "127.0.0.1:9180",
          "Where the proxy shows how it is over HTTP: metrics, status, servers, health (the page admin.md has more). A map has `address`, `token` and `hosts`."
        ),
        SettingsKey("logs", \.settings.logs, GeneralSchema.logs.form(standard: .init()), "What is written."),
        SettingsKey(
          "threads", \.settings.threads, threadsForm, standard: "auto",
          "Event loops, one thread each; `auto`: the CPUs that the process may use."),
      ],
      foreignKeys: [
        "server": "did you mean 'listen', 'upstreams' or 'routes'?",
        "servers": "write 'upstreams' with a name and 'servers' below it",
        "upstream": "did you mean 'upstreams'?", "bind": "did you mean 'listen'?", "port": "did you mean 'listen'?",
        "location": "did you mean 'routes'?", "routers": "did you mean 'routes'?",
        "services": "did you mean 'upstreams'?",
        "backend": "did you mean 'upstreams'?", "frontend": "did you mean 'listen' and 'routes'?",
        "entrypoints": "did you mean 'listen'?", "worker_processes": "did you mean 'threads'?",
        "log": "did you mean 'logs'?", "access_log": "did you mean 'logs' with 'access'?",
        "tls": "'tls' is a key of a listener or of an upstream",
        "pool": "'pool' is a key of an upstream",
        "server_name": "did you mean 'routes' with 'hosts'?",
        "return": "did you mean 'routes' with 'redirect' or 'respond'?",
        "proxy_pass": "did you mean 'upstreams'?", "proxy_set_header": "did you mean 'routes' with 'request-fields'?",
        "add_header": "did you mean 'routes' with 'response-fields'?",
        "client_max_body_size": "did you mean 'limits' with 'body'?",
        "maxconn": "did you mean 'limits' with 'clients'?",
        "proxy_read_timeout": "did you mean 'timeouts' with 'response-head'?",
        "keepalive_timeout": "did you mean 'timeouts' with 'client-idle'?",
        "limit_req": "did you mean 'guards' with 'request-rate'?",
        "limit_conn": "did you mean 'guards' with 'connections-per-client'?",
        "set_real_ip_from": "did you mean 'forwarding' with 'trust'?",
      ])
  }

  // MARK: - Listeners

  private static var listenerForm: SettingsForm<ListenerSettings> {
    let address = SettingsForm<ListenAddress>.scalar(
      "an address, for instance 127.0.0.1:8080 or :8080", kind: "address", parse: ListenAddress.init(parsing:),
      show: \.text)
    struct Draft {
      var address: ListenAddress?
      var proxyProtocol = ListenerSettings.ProxyProtocolIn.off
      var tls: ListenerTLS?
      var h2c = false
    }
    let section = SettingsSection<Draft>(
      title: "a listener",
      keys: [
        SettingsKey("address", \.address, address.optional(), "Where to listen."),
        SettingsKey(
          "proxy-protocol", \.proxyProtocol, proxyProtocolForm,
          "Each connection begins with a PROXY protocol header of version 1 or 2: from these addresses, or `on` for from whoever connects."
        ),
        SettingsKey("tls", \.tls, TLSSchema.listenerForm, "TLS to the clients that connect here (the page tls.md)."),
        SettingsKey(
          "h2c", \.h2c, .onOff,
          "Without TLS: whether clients may speak HTTP/2 that know beforehand that it is spoken here (the page http2.md)."
        ),
      ])
    return SettingsForm(
      description: "an address, for instance 127.0.0.1:8080 or :8080", kind: "address, or map",
      read: { node, _, reader in
        guard case .map = node.content else { return address.read(node, nil, &reader).map { ListenerSettings($0) } }
        var draft = Draft()
        let before = reader.errorCount
        section.read(node, into: &draft, &reader)
        guard let address = draft.address else {
          if reader.errorCount == before {
            reader.report("has no 'address'", fix: "add one, for instance address: \":8080\"")
          }
          return nil
        }
        var listener = ListenerSettings(address)
        listener.proxyProtocol = draft.proxyProtocol
        listener.tls = draft.tls
        listener.h2c = draft.h2c
        if draft.h2c, draft.tls != nil {
          reader.report(
            "has 'h2c' and 'tls'", fix: "leave 'h2c' out; with TLS the client and 'alpn' choose the protocol")
          return nil
        }
        return listener
      },
      show: { listener in
        if listener.proxyProtocol == .off, listener.tls == nil, !listener.h2c { return address.show(listener.address) }
        return section.show(
          Draft(address: listener.address, proxyProtocol: listener.proxyProtocol, tls: listener.tls, h2c: listener.h2c))
      },
      keys: section.describe(Draft()))
  }

  private static var proxyProtocolForm: SettingsForm<ListenerSettings.ProxyProtocolIn> {
    let blocks = SettingsForm<AddressBlock>.block.list()
    return SettingsForm(
      description: "off, on, or addresses such as 10.0.0.0/8", kind: "off, on, or list: addresses",
      read: { node, _, reader in
        if case .scalar(let scalar) = node.content {
          if scalar.text == "off" { return .off }
          if scalar.text == "on" { return .required(from: []) }
        }
        guard let list = blocks.read(node, nil, &reader) else { return nil }
        if list.isEmpty, reader.errorCount == 0 {
          reader.report("is empty, so nobody could connect", fix: "write on or off, or name addresses")
        }
        return .required(from: list)
      },
      show: { value in
        switch value {
        case .off: .text("off")
        case .required(let from): from.isEmpty ? .text("on") : blocks.show(from)
        }
      })
  }

  // MARK: - Upstreams and routes

  /// Upstreams and routes that settings may have.
  static let upstreamLimit = 10_000
  static let routeLimit = 10_000

  private static var upstreamsForm: SettingsForm<[UpstreamSettings]> {
    let section = UpstreamSchema.section
    let servers = UpstreamSchema.serverForm.list()
    return SettingsForm(
      description: "a map of names and upstreams", kind: "map: name, upstream",
      read: { node, _, reader in
        guard case .map(let entries) = node.content else {
          if node.content != .nothing {
            reader.report("is not a map", fix: "write a name for each upstream, and its servers below it")
          }
          return []
        }
        if let extra = entries.dropFirst(upstreamLimit).first {
          reader.report("there are more than \(upstreamLimit) upstreams", fix: "leave some out", at: extra.keyPlace)
        }
        return entries.prefix(upstreamLimit).map { entry in
          var upstream = UpstreamSettings()
          upstream.name = entry.key
          reader.within(entry.key, at: entry.keyPlace, entry.value) { reader in
            if !isToken(entry.key) || entry.key.utf8.count > 128 {
              reader.report(
                "\(SettingsReader.shown(entry.key)) is no name for an upstream", fix: "use letters, digits and '-'",
                at: entry.keyPlace)
            }
            if case .map = entry.value.content {
              section.read(entry.value, into: &upstream, &reader)
            } else if let list = servers.read(entry.value, nil, &reader) {
              upstream.servers = list
            }
          }
          return upstream
        }
      },
      show: { upstreams in
        .map(
          upstreams.filter { !$0.servers.isEmpty }.compactMap { upstream in
            section.show(upstream).map { (upstream.name, $0) }
          })
      },
      keys: section.describe(UpstreamSettings()))
  }

  private static var routesForm: SettingsForm<[RouteDraft]> {
    let section = RouteSchema.section
    return SettingsForm(
      description: "a list of routes", kind: "list: route",
      read: { node, _, reader in
        guard case .list(let items) = node.content else {
          if node.content != .nothing {
            reader.report("is not a list", fix: "begin each route with '- ', for instance - to: app")
          }
          return []
        }
        if let extra = items.dropFirst(routeLimit).first {
          reader.report("there are more than \(routeLimit) routes", fix: "leave some out", at: extra.place)
        }
        return items.prefix(routeLimit).enumerated().map { index, item in
          var route = RouteDraft()
          reader.within(item: index + 1, item) { section.read(item, into: &route, &$0) }
          return route
        }
      },
      show: { routes in routes.isEmpty ? nil : .list(routes.compactMap(section.show)) },
      keys: section.describe(RouteDraft()))
  }

  // MARK: - Others

  private static var behindForm: SettingsForm<FrontProxy?> {
    SettingsForm<FrontProxy>.choice(FrontProxy.known.map { ($0.name, $0) }).optional()
  }

  private static var threadsForm: SettingsForm<Int> {
    let count = SettingsForm<Int>.count(1...1_024)
    var form = count
    form.kind = "number, or auto"
    form.read = { node, current, reader in
      if case .scalar(let scalar) = node.content, scalar.text == "auto" { return current }
      return count.read(node, nil, &reader)
    }
    return form
  }
}
