/// A route as the file has it: every action has a key, and only together they make sense.
struct RouteDraft {
  var name: String?
  var hosts: [RouteMatch.HostPattern] = []
  var prefixes: [String] = []
  var exactPaths: [String] = []
  var methods: [String] = []
  var fields: [RouteMatch.FieldMatch] = []
  var upstream: String?
  var redirect: Redirect?
  var response: FixedResponse?
  var rewrite = RewriteDraft()
  var requestEdits: [FieldEdit] = []
  var responseEdits: [FieldEdit] = []
  var timeouts = RouteSettings.Timeouts()
  var bodyBytes: UInt64?
  var replay: UpstreamSettings.ReplaySettings?
  var retry: RetrySettings?
}

/// At most one of them.
struct RewriteDraft {
  var strip: String?
  var replacePrefix: [PrefixReplacement] = []
  var replacePath: String?

  struct PrefixReplacement {
    var prefix: String
    var replacement: String
  }

  var count: Int { (strip == nil ? 0 : 1) + replacePrefix.count + (replacePath == nil ? 0 : 1) }

  var rewrite: PathRewrite {
    if let strip { return .stripPrefix(strip) }
    if let first = replacePrefix.first { return .replacePrefix(first.prefix, with: first.replacement) }
    if let replacePath { return .replacePath(replacePath) }
    return .none
  }

  init(_ rewrite: PathRewrite = .none) {
    switch rewrite {
    case .none: break
    case .stripPrefix(let prefix): strip = prefix
    case .replacePrefix(let prefix, let replacement):
      replacePrefix = [PrefixReplacement(prefix: prefix, replacement: replacement)]
    case .replacePath(let path): replacePath = path
    }
  }
}

/// The keys of a route.
enum RouteSchema {
  static var section: SettingsSection<RouteDraft> {
    SettingsSection(
      title: "a route",
      keys: [
        SettingsKey(
          "name", \.name, SettingsForm<String>.token("a name of letters, digits and '-'", kind: "name").optional(),
          "For logs and counters. Without it, `route-N` by its place in the list."),
        SettingsKey(
          "hosts", \.hosts, hostPattern.list(),
          "Hosts, without port: `www.example.com`, or `\"*.example.com\"` for all below it."),
        SettingsKey(
          "paths", \.prefixes, SettingsForm<String>.path().list(),
          "Path prefixes: `/api` is `/api` and all below it. They are compared with the path as it was sent."),
        SettingsKey("exact-paths", \.exactPaths, SettingsForm<String>.path().list(), "Whole paths."),
        SettingsKey("methods", \.methods, method.list(), "Methods, in capitals."),
        SettingsKey(
          "fields", \.fields, fieldMatches,
          "Request fields: `NAME: value` for an equal one, `present`, `absent`, or a map with `equals` or `contains`."),
        SettingsKey(
          "to", \.upstream, SettingsForm<String>.text("the name of an upstream").optional(),
          "The upstream that answers."),
        SettingsKey(
          "redirect", \.redirect, RouteActions.redirectForm.optional(),
          "Answer with a redirect: a URL such as `https://www.example.com`, or a map."),
        SettingsKey(
          "respond", \.response, RouteActions.responseForm.optional(),
          "Answer at once: a status, or a map with `status`, `content-type` and `body`."),
      ] + RouteActions.rewriteKeys(\RouteDraft.rewrite) + [
        SettingsKey(
          "request-fields", \.requestEdits, .fieldEdits(isRequest: true),
          "Changes of the request's fields, on the way to the server. Values may hold the names in braces that are listed below."
        ),
        SettingsKey(
          "response-fields", \.responseEdits, .fieldEdits(isRequest: false),
          "Changes of the response's fields, on the way to the client; also of answers of the proxy's own."),
        SettingsKey(
          "timeouts", \.timeouts, timeoutSection.form(standard: .init()),
          "Where they differ from those at the top of the file."),
        SettingsKey(
          "body-limit", \.bodyBytes, SettingsForm<UInt64>.size(0...(1 << 50)).optional(),
          "Bytes of a request's body (413), where they differ from `limits.body`."),
        SettingsKey(
          "replay", \.replay, UpstreamSchema.replayForm.optional(), "In place of the upstream's."),
        SettingsKey("retry", \.retry, UpstreamSchema.retryForm.optional(), "In place of the upstream's."),
      ],
      foreignKeys: [
        "host": "did you mean 'hosts'?", "path": "did you mean 'paths' (prefixes) or 'exact-paths'?",
        "upstream": "did you mean 'to'?", "proxy_pass": "did you mean 'to'?", "backend": "did you mean 'to'?",
        "service": "did you mean 'to'?", "headers": "did you mean 'fields', 'request-fields' or 'response-fields'?",
        "server_name": "did you mean 'hosts'?", "location": "did you mean 'paths' (prefixes) or 'exact-paths'?",
        "match": "'hosts', 'paths', 'methods' and 'fields' are keys of the route itself",
        "forward": "did you mean 'to'?",
        "return": "did you mean 'redirect' or 'respond'?", "proxy_set_header": "did you mean 'request-fields'?",
        "add_header": "did you mean 'response-fields'?", "client_max_body_size": "did you mean 'body-limit'?",
        "proxy_read_timeout": "did you mean 'timeouts' with 'response-head'?",
        "rewrite": "did you mean 'strip-prefix', 'replace-prefix' or 'replace-path'?",
      ])
  }

  private static var timeoutSection: SettingsSection<RouteSettings.Timeouts> {
    func optional(_ range: ClosedRange<Nanoseconds> = .milliseconds(1)...SettingsForm<Nanoseconds>.longestTime)
      -> SettingsForm<Nanoseconds?>
    { SettingsForm<Nanoseconds>.time(range).optional() }
    return SettingsSection(
      title: "a route's timeouts",
      keys: [
        SettingsKey(
          "response-head", \.responseHead, optional(), "From the request's last byte to the response head (504)."),
        SettingsKey("body-idle", \.bodyIdle, optional(), "Between two pieces of a body, either way."),
        SettingsKey("tunnel-idle", \.tunnelIdle, optional(), "Silence in an upgraded connection."),
        SettingsKey(
          "exchange", \.exchange, optional(),
          "From the request's first byte to the response's last, all attempts included (504). Without it there is no such limit."
        ),
      ])
  }

  // MARK: - What is matched

  static var hostPattern: SettingsForm<RouteMatch.HostPattern> {
    .scalar(
      "a host, for instance www.example.com or \"*.example.com\"", kind: "host",
      parse: { text throws(QuantityError) in
        let lower = text.lowercased()
        let isWildcard = lower.hasPrefix("*.")
        let name = isWildcard ? String(lower.dropFirst(2)) : lower
        guard !name.contains("*") else {
          throw QuantityError(
            text: text, fact: "has an asterisk where none may stand",
            fix: "write \"*.example.com\", or leave 'hosts' out for any")
        }
        if !isWildcard, IPAddressText.parse(name)?.count == 16 {
          throw QuantityError(text: text, fact: "has an IPv6 address without brackets", fix: "write \"[v6]\"")
        }
        let port = lower.hasPrefix("[") ? lower.hasSuffix("]") : !name.contains(":")
        guard port else {
          throw QuantityError(text: text, fact: "has a port", fix: "leave it out; hosts are compared without")
        }
        guard isAuthority(name), !(isWildcard && name.hasPrefix("[")) else {
          throw QuantityError(
            text: text, fact: "is no host", fix: "write for instance www.example.com or \"*.example.com\"")
        }
        return isWildcard ? .suffix(".\(name)") : .exact(name)
      },
      show: { pattern in
        switch pattern {
        case .exact(let host): host
        case .suffix(let suffix): "*\(suffix)"
        }
      })
  }

  private static var method: SettingsForm<String> {
    SettingsForm<String>.token("a method, for instance GET").checked { method in
      method == method.uppercased()
        ? nil : ("is not in capitals", "write it in capitals; methods are case-sensitive")
    }
  }

  private static var fieldMatches: SettingsForm<[RouteMatch.FieldMatch]> {
    SettingsForm(
      description: "a map of field names and conditions", kind: "map: field name, condition",
      read: { node, _, reader in
        guard case .map(let entries) = node.content else {
          if node.content == .nothing { return [] }
          reader.report("is not a map", fix: "write names and values, for instance X-Debug: present")
          return nil
        }
        return entries.compactMap { entry in
          reader.within(entry.key, at: entry.keyPlace, entry.value) { fieldMatch(entry, &$0) }
        }
      },
      show: { matches in matches.isEmpty ? nil : .map(matches.map { ($0.name, show($0.condition)) }) })
  }

  private static func fieldMatch(
    _ entry: SettingsNode.Entry, _ reader: inout SettingsReader
  ) -> RouteMatch.FieldMatch? {
    do throws(QuantityError) {
      let name = try checkedFieldName(entry.key).lowercased()
      return condition(entry.value, &reader).map { RouteMatch.FieldMatch(name: name, condition: $0) }
    } catch {
      reader.report("\(SettingsReader.shown(entry.key)) \(error.fact)", fix: error.fix, at: entry.keyPlace)
      return nil
    }
  }

  private static func condition(
    _ node: SettingsNode, _ reader: inout SettingsReader
  ) -> RouteMatch.FieldMatch.Condition? {
    if case .map(let entries) = node.content {
      guard entries.count == 1, ["equals", "contains"].contains(entries[0].key) else {
        reader.report("is no condition", fix: "write 'equals' or 'contains' and a text")
        return nil
      }
      return reader.within(entries[0].key, at: entries[0].keyPlace, entries[0].value) { reader in
        SettingsForm<String>.text().read(entries[0].value, nil, &reader).map {
          entries[0].key == "equals" ? .equals($0) : .contains($0)
        }
      }
    }
    guard let scalar = reader.scalar(node, "a value, present, absent, or a map with equals or contains") else {
      return nil
    }
    switch scalar.text {
    case "present": return .present
    case "absent": return .absent
    default: return SettingsForm<String>.text().read(node, nil, &reader).map { .equals($0) }
    }
  }

  private static func show(_ condition: RouteMatch.FieldMatch.Condition) -> SettingsNode {
    switch condition {
    case .present: .text("present")
    case .absent: .text("absent")
    case .equals(let value) where ["present", "absent"].contains(value): .map([("equals", .text(value))])
    case .equals(let value): .text(value)
    case .contains(let value): .map([("contains", .text(value))])
    }
  }
}
