/// The keys of an upstream.
enum UpstreamSchema {
  static var section: SettingsSection<UpstreamSettings> {
    SettingsSection(
      title: "an upstream",
      keys: [
        SettingsKey(
          "servers", \.servers, serverForm.list(), example: "[http://127.0.0.1:3000]", isLive: true,
          "Its servers: `http://host:port`, `https://host:port` for TLS, `h2c://host:port` for HTTP/2 without TLS, or `unix:/path`, or maps with `url`, `weight` and `backup`. A name stands for all its addresses."
        ),
        SettingsKey(
          "keeps-idle", \.keepsIdle, keepsIdleForm, example: "nginx",
          "How long its servers keep idle connections, where that is known: a time, or the name of their software (the list is below). Connections are used up to a margin before that; what is learned at run time can only shorten it."
        ),
        SettingsKey("balance", \.balance, balanceForm, "Which server a request goes to (the list is below)."),
        SettingsKey(
          "sticky", \.sticky, stickyForm, example: "app-server",
          "Keeps a client with its first server by a cookie: the cookie's name, or a map."),
        SettingsKey(
          "health", \.health, healthForm, example: "/health",
          "Asks each server at intervals whether it is healthy: a path, `connect` for just a connection, or a map."),
        SettingsKey(
          "ejection", \.ejection, ejectionSection.form(standard: EjectionSettings()).orNone("off"),
          "Takes a server out for a while when requests to it fail in a row. A death on a reused connection does not count."
        ),
        SettingsKey(
          "slow-start", \.slowStart, .time(.zero...(.seconds(3_600))),
          "A server that is new, or healthy again, gets its full share only after this time."),
        SettingsKey(
          "pool", \.pool, poolSection.form(standard: .init()), "Connections to each server, for the whole process."),
        SettingsKey(
          "idle-window", \.idleWindow, .onOff,
          "Learn how long each server keeps idle connections, and keep out of the way of its closes."),
        SettingsKey("replay", \.replay, replayForm, "Sending a request again that a server did not get."),
        SettingsKey(
          "retry", \.retry, retryForm, example: "1",
          "Sending a request again that was answered with a failure: a number, or a map."),
        SettingsKey(
          "resolve-every", \.resolvePeriod, .time(.seconds(1)...(.seconds(86_400))),
          "How often the servers' names are resolved anew."),
        SettingsKey(
          "proxy-protocol", \.proxyProtocol, .choice([("off", .off), ("v1", .version1), ("v2", .version2)]),
          "Begin each connection with a PROXY protocol header. Such a connection serves one client only."),
        SettingsKey("tls", \.tls, TLSSchema.upstreamForm, "TLS to its servers, those of `https://` (the page tls.md)."),
        SettingsKey(
          "host", \.host, hostForm,
          "What is sent as Host: `preserve` for what the client asked for, `server` for the name of the first server, or a name."
        ),
      ],
      foreignKeys: [
        "url": "did you mean 'servers'?", "address": "did you mean 'servers'?", "targets": "did you mean 'servers'?",
        "keepalive": "did you mean 'pool' with 'idle-connections'?", "lb_policy": "did you mean 'balance'?",
        "health_uri": "did you mean 'health'?", "max_fails": "did you mean 'ejection' with 'failures'?",
        "healthcheck": "did you mean 'health'?", "health-check": "did you mean 'health'?",
        "lb-policy": "did you mean 'balance'?", "max-fails": "did you mean 'ejection' with 'failures'?",
        "max-conns": "did you mean 'pool' with 'connections'?", "weight": "'weight' is a key of a server",
        "timeout": "timeouts stand at the top of the file, or in a route", "retries": "did you mean 'retry'?",
        "maxconn": "did you mean 'pool' with 'connections'?",
        "timeouts": "timeouts stand at the top of the file, or in a route",
      ])
  }

  // MARK: - Servers

  static var serverForm: SettingsForm<ServerSettings> {
    let url = urlForm
    return SettingsForm(
      description: "a server, for instance http://127.0.0.1:3000", kind: "server",
      read: { node, _, reader in
        guard case .map = node.content else {
          return url.read(node, nil, &reader)
        }
        var draft = ServerDraft()
        let before = reader.errorCount
        serverSection.read(node, into: &draft, &reader)
        guard var server = draft.url else {
          if reader.errorCount == before {
            reader.report("has no 'url'", fix: "add one, for instance url: http://127.0.0.1:3000")
          }
          return nil
        }
        server.weight = draft.weight
        server.isBackup = draft.isBackup
        return server
      },
      show: { server in
        guard server.weight != 1 || server.isBackup else { return url.show(server) }
        return serverSection.show(
          ServerDraft(url: server, weight: server.weight, isBackup: server.isBackup))
      },
      keys: serverSection.describe(ServerDraft()))
  }

  struct ServerDraft {
    var url: ServerSettings?
    var weight: UInt32 = 1
    var isBackup = false
  }

  private static var urlForm: SettingsForm<ServerSettings> {
    .scalar(
      "a server, for instance http://127.0.0.1:3000", kind: "server", parse: ServerSettings.init(parsing:),
      show: \.url)
  }

  private static var serverSection: SettingsSection<ServerDraft> {
    SettingsSection(
      title: "a server",
      keys: [
        SettingsKey(
          "url", \.url, urlForm.optional(),
          "`http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`."),
        SettingsKey(
          "weight", \.weight, .count(0...1_000_000),
          "Its share of the requests beside the other servers; 0: none, it is drained."),
        SettingsKey("backup", \.isBackup, .onOff, "Only asked when no other server can be."),
      ])
  }

  /// A time, or the name of a server's software.
  private static var keepsIdleForm: SettingsForm<Nanoseconds?> {
    let time = SettingsForm<Nanoseconds>.time(.milliseconds(100)...SettingsForm<Nanoseconds>.longestTime)
    let names = ServerSoftware.known.map(\.name)
    var form = time
    form.kind = "time, or a server's name"
    form.description = "a time, or the name of the servers' software such as node or gunicorn"
    form.read = { node, current, reader in
      if case .scalar(let scalar) = node.content, scalar.text.first?.isNumber != true {
        if let software = ServerSoftware.named(scalar.text) { return software.keepsIdle }
        reader.report(
          "\(SettingsReader.shown(scalar)) is neither a time nor a server whose idle timeout is known",
          fix: NearestName.fix(scalar.text, among: names, called: "write a time, for instance 5s; known are"))
        return nil
      }
      return time.read(node, current, &reader)
    }
    return form.optional()
  }

  // MARK: - Balancing

  /// What other proxies call them.
  private static let foreignBalances = [
    "least_conn": "least-requests", "leastconn": "least-requests", "least_request": "least-requests",
    "p2c": "power-of-two",
    "random": "power-of-two", "ip_hash": "hash client-address", "source": "hash client-address", "uri": "hash target",
    "wrr": "round-robin", "rr": "round-robin", "static-rr": "round-robin", "hrw": "hash client-address",
  ]

  /// `round-robin`, or `hash` and what is hashed.
  private static var balanceForm: SettingsForm<Balance> {
    let simple: [(String, Balance)] = [
      ("round-robin", .roundRobin), ("least-requests", .leastRequests), ("power-of-two", .powerOfTwo),
      ("hash client-address", .hash(.clientAddress)), ("hash target", .hash(.target)),
    ]
    let names = simple.map(\.0) + ["hash header NAME", "hash cookie NAME"]
    return .scalar(
      "round-robin, least-requests, power-of-two or hash ...", kind: "balance",
      parse: { text throws(QuantityError) in
        let words = text.split(separator: " ").map(String.init)
        if let choice = simple.first(where: { $0.0 == words.joined(separator: " ") }) { return choice.1 }
        if words.count == 3, words[0] == "hash" {
          if words[1] == "header" { return .hash(.header(name: try checkedFieldName(words[2]).lowercased())) }
          if words[1] == "cookie", isToken(words[2]) { return .hash(.cookie(name: words[2])) }
        }
        if words == ["hash"] {
          throw QuantityError(
            text: text, fact: "does not say what is hashed",
            fix: "write hash client-address, hash target, hash header NAME or hash cookie NAME")
        }
        throw QuantityError(
          text: text, fact: "is no way to balance",
          fix: foreignBalances[text.lowercased()].map { "did you mean '\($0)'?" }
            ?? NearestName.fix(text, among: names, called: "known are"))
      },
      show: { balance in
        switch balance {
        case .hash(.header(let name)): "hash header \(name)"
        case .hash(.cookie(let name)): "hash cookie \(name)"
        case .roundRobin, .leastRequests, .powerOfTwo, .hash(.clientAddress), .hash(.target):
          simple.first { $0.1 == balance }?.0
        }
      })
  }

  private static var stickyForm: SettingsForm<StickyCookie?> {
    let section = SettingsSection<StickyCookie>(
      title: "a sticky cookie",
      keys: [
        SettingsKey("cookie", \.name, .token("the name of a cookie"), "The name of the cookie."),
        SettingsKey(
          "max-age", \.maximumAgeSeconds, SettingsForm<UInt32>.wholeSeconds(1...31_536_000).orNone("session"),
          "How long the client keeps it."),
        SettingsKey("path", \.path, .path(), "The paths that it is sent for."),
        SettingsKey("secure", \.isSecure, .onOff, "Sent over TLS only."),
        SettingsKey("http-only", \.isHTTPOnly, .onOff, "Hidden from scripts."),
        SettingsKey(
          "same-site", \.sameSite,
          SettingsForm<String>.choice([("Lax", "Lax"), ("Strict", "Strict"), ("None", "None")]).orNone("off"),
          "Whether it is sent with requests from other sites."),
      ])
    let name = SettingsForm<String>.token("the name of a cookie, or a map")
    var form = section.form(standard: StickyCookie(name: "photofinish-server"))
    form.kind = "cookie name, or map"
    let readMap = form.read
    form.read = { node, current, reader in
      guard case .map = node.content else { return name.read(node, nil, &reader).map { StickyCookie(name: $0) } }
      return readMap(node, current, &reader)
    }
    form.show = { cookie in
      cookie == StickyCookie(name: cookie.name) ? .text(cookie.name) : section.show(cookie)
    }
    return form.orNone("off")
  }

  private static var hostForm: SettingsForm<UpstreamSettings.HostPolicy> {
    let name = SettingsForm<String>.authority
    return SettingsForm(
      description: "preserve, server, or a host", kind: "preserve, server, or a host",
      read: { node, _, reader in
        guard let scalar = reader.scalar(node, "preserve, server, or a host") else { return nil }
        switch scalar.text {
        case "preserve": return .preserve
        case "server": return .server
        default: return name.read(node, nil, &reader).map { .fixed($0) }
        }
      },
      show: { policy in
        switch policy {
        case .preserve: .text("preserve")
        case .server: .text("server")
        case .fixed(let host): .text(host)
        }
      })
  }
}
