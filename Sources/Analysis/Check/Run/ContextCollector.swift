internal import Core

/// The first pass: variables and versions, from wherever they are said.
enum ContextCollector {
  static func collect(
    _ file: CheckedFile, _ kind: FileKind, _ tree: ConfigurationTree?, into context: inout CheckContext
  ) {
    switch kind {
    case .environment: environment(file, &context)
    case .dockerfile: dockerfile(file, &context)
    case .shell: shell(file, &context)
    case .systemd:
      for entry in IniReader.entries(file) where entry.key.lowercased() == "environment" {
        for word in ShellWords.words(entry.value, at: entry.place) { assign(word, &context) }
      }
    case .json where file.name == "package.json": packageJSON(tree, &context)
    case .yaml, .json, .toml: for document in tree?.documents ?? [] { yaml(document, &context) }
    case .terraform: terraform(file, &context)
    default: break
    }
  }

  private static func assign(_ word: CheckWord, isDefault: Bool = false, _ context: inout CheckContext) {
    guard let equals = word.text.firstIndex(of: "=") else { return }
    let name = word.text[..<equals]
    guard !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else { return }
    let value = String(word.text[word.text.index(after: equals)...])
    // `NAME=${NAME:-default}` says nothing but the default.
    if value.hasPrefix("${\(name):") || value.hasPrefix("${\(name)-"), value.hasSuffix("}") {
      let inner = value.dropFirst(2 + name.count).dropLast().drop { $0 == ":" || $0 == "-" || $0 == "=" }
      context.environment.set(String(name), String(inner), at: word.place, isDefault: true)
    } else {
      context.environment.set(String(name), value, at: word.place, isDefault: isDefault)
    }
  }

  private static func environment(_ file: CheckedFile, _ context: inout CheckContext) {
    switch file.name {
    case ".nvmrc", ".node-version":
      context.note(.node, VersionRange(requirement: file.line(1) ?? ""), at: file.place(at: 0))
    case ".tool-versions":
      for number in 1...min(file.lineCount, 100) {
        let words = (file.line(number) ?? "").split(separator: " ")
        guard words.count >= 2, words[0] == "nodejs" || words[0] == "node" else { continue }
        context.note(
          .node, VersionRange(requirement: String(words[1])), at: file.place(line: number, column: 1))
      }
    case "gemfile.lock", "requirements.txt": locked(file, &context)
    default:
      let isExample = file.name.contains("example") || file.name.contains("sample") || file.name.contains("dist")
      for entry in IniReader.entries(file) {
        let name = entry.key.hasPrefix("export ") ? String(entry.key.dropFirst(7)) : entry.key
        var value = entry.value
        if let quote = value.first, quote == "\"" || quote == "'", value.count > 1, value.last == quote {
          value = String(value.dropFirst().dropLast())
        }
        context.environment.set(name, value, at: entry.place, isDefault: isExample)
      }
    }
  }

  /// `    puma (6.4.2)`, `uvicorn==0.30.1`.
  private static func locked(_ file: CheckedFile, _ context: inout CheckContext) {
    let wanted: [(String, Software)] = [
      ("puma", .puma), ("gunicorn", .gunicorn), ("uvicorn", .uvicorn), ("hypercorn", .hypercorn), ("uwsgi", .uwsgi),
    ]
    for number in 1...min(file.lineCount, 20_000) {
      let line = (file.line(number) ?? "").lowercased()
      for (name, software) in wanted where line.contains(name) {
        let trimmed = line.drop { $0 == " " }
        guard trimmed.hasPrefix(name) else { continue }
        let rest = trimmed.dropFirst(name.count).prefix { $0 != ")" && $0 != ";" }
        guard rest.hasPrefix(" (") || rest.hasPrefix("=="), !rest.contains("~"), !rest.contains(">") else { continue }
        let version = rest.drop { $0 == " " || $0 == "(" || $0 == "=" }
        context.note(
          software, VersionRange(requirement: String(version)), at: file.place(line: number, column: 1)
        )
      }
    }
  }

  private static func dockerfile(_ file: CheckedFile, _ context: inout CheckContext) {
    for words in ShellWords.commands(file) {
      guard let verb = words.first?.text.uppercased(), words.count >= 2 else { continue }
      if verb == "FROM" {
        let image = words.dropFirst().first { !$0.text.hasPrefix("--") }
        if let image { self.image(context.environment.expand(image.text) ?? image.text, at: image.place, &context) }
      } else if verb == "ENV" || verb == "ARG" {
        if words[1].text.contains("=") {
          for word in words.dropFirst() { assign(word, isDefault: true, &context) }
        } else if words.count >= 3 {
          context.environment.set(words[1].text, words[2].text, at: words[1].place, isDefault: true)
        }
      }
    }
  }

  static func image(_ text: String, at place: CheckPlace, _ context: inout CheckContext) {
    guard let (name, tag) = ContainerImage.split(text) else { return }
    let software: Software? =
      switch name {
      case "nginx", "nginx-unprivileged", "openresty": .nginx
      case "node": .node
      case "haproxy": .haproxy
      case "traefik": .traefik
      case "caddy": .caddy
      case "httpd": .apache
      case "envoy": .envoy
      case "tomcat": .tomcat
      default: nil
      }
    guard let software, name != "openresty" else { return }
    context.note(software, VersionRange(requirement: tag), at: place)
  }

  private static func shell(_ file: CheckedFile, _ context: inout CheckContext) {
    for words in ShellWords.commands(file) {
      let words =
        words.first.map { ["export", "local", "readonly", "set"].contains($0.text) } ?? false
        ? Array(words.dropFirst()) : words
      // An assignment alone on its line; before a command it holds for that command only, which is near enough.
      for word in words.prefix(while: { $0.text.contains("=") && !$0.text.hasPrefix("-") }) { assign(word, &context) }
      // `: "${NAME:=default}"`
      if words.first?.text == ":", words.count == 2, words[1].text.hasPrefix("${") {
        let body = words[1].text.dropFirst(2).dropLast()
        let name = body.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        let value = body[name.endIndex...].drop { $0 == ":" || $0 == "=" || $0 == "-" }
        context.environment.set(String(name), String(value), at: words[1].place, isDefault: true)
      }
    }
  }

  private static func packageJSON(_ tree: ConfigurationTree?, _ context: inout CheckContext) {
    guard let node = tree?.documents.first?["engines", "node"], let text = node.scalar else { return }
    context.note(.node, VersionRange(requirement: text), at: node.place)
  }

  /// `{ name = "KEEP_ALIVE", value = "75" }` in definitions of containers.
  private static func terraform(_ file: CheckedFile, _ context: inout CheckContext) {
    guard file.contains("environment"), file.contains("value") else { return }
    let source = CodeSource(file, .terraform)
    func value(_ index: Int, _ name: String) -> CodeToken? {
      guard source.text(index) == name, source.isMark(index + 1, "=") || source.isMark(index + 1, ":"),
        source.tokens.indices.contains(index + 2)
      else { return nil }
      let token = source.tokens[index + 2]
      return token.kind == .string || token.kind == .number ? token : nil
    }
    for index in source.tokens.indices {
      guard let name = value(index, "name") else { continue }
      let next = source.isMark(index + 3, ",") ? index + 4 : index + 3
      guard let text = value(next, "value") else { continue }
      assign(CheckWord("\(name.text)=\(text.text)", at: source.place(index)), &context)
    }
  }

  /// Variables of services and containers, and images with their tags.
  private static func yaml(_ document: ConfigurationNode, _ context: inout CheckContext) {
    var images: [(String, CheckPlace)] = []
    var assignments: [(String, String, CheckPlace)] = []
    if document.loose(["entryPoints"]) != nil || document.loose(["serversTransport"]) != nil {
      context.traefik.append(document)
    }
    if document["kind"]?.scalar == "ConfigMap" {
      for entry in document["data"]?.entries ?? [] where !entry.value.isBlock {
        if let text = entry.value.scalar { assignments.append((entry.key, text, entry.keyPlace)) }
      }
    }
    document.walk { path, node in
      if path.last == "image", let text = node.scalar { images.append((text, node.place)) }
      if path.last == "environment" || path.last == "env" || path.last == "Environment" {
        for entry in node.entries {
          if let text = entry.value.scalar { assignments.append((entry.key, text, entry.keyPlace)) }
        }
        for item in node.items {
          if let text = item.scalar, let equals = text.firstIndex(of: "=") {
            assignments.append((String(text[..<equals]), String(text[text.index(after: equals)...]), item.place))
          } else if let name = item["name"]?.scalar ?? item["Name"]?.scalar,
            let value = item["value"]?.scalar ?? item["Value"]?.scalar
          {
            assignments.append((name, value, item.place))
          }
        }
      }
    }
    for (text, place) in images { image(context.environment.expand(text) ?? text, at: place, &context) }
    for (name, value, place) in assignments {
      assign(CheckWord("\(name)=\(value)", at: place), &context)
    }
  }
}

/// `registry/name:tag@digest`.
enum ContainerImage {
  /// Images that people run as they are, beside what they build.
  private static let others: Set<String> = [
    "grafana", "prometheus", "alertmanager", "loki", "tempo", "jaeger", "all-in-one", "zipkin", "keycloak", "dex",
    "oauth2-proxy", "vault", "consul", "minio", "elasticsearch", "opensearch", "opensearch-dashboards", "kibana",
    "logstash",
    "rabbitmq", "redis", "redis-commander", "redisinsight", "postgres", "mysql", "mariadb", "mongo", "mongo-express",
    "couchdb", "influxdb", "clickhouse-server", "pgadmin4", "adminer", "phpmyadmin", "metabase", "superset", "n8n",
    "gitea",
    "gitlab-ce", "jenkins", "sonarqube", "nexus3", "registry", "portainer", "portainer-ce", "whoami", "httpbin",
    "mailhog", "mailpit", "maildev", "localstack", "wordpress", "ghost", "nextcloud", "drupal", "swagger-ui", "flower",
    "argocd", "temporal-ui", "kafka-ui", "akhq", "qdrant", "weaviate", "ollama",
    "open-webui", "uptime-kuma", "vaultwarden", "homeassistant", "plex", "jellyfin", "code-server", "echo-server",
  ]

  static func isOfOthers(_ text: String) -> Bool { split(text).map { others.contains($0.name) } ?? false }

  static func split(_ text: String) -> (name: String, tag: String)? {
    let plain = text.split(separator: "@").first.map(String.init) ?? ""
    guard let last = plain.split(separator: "/").last else { return nil }
    let parts = last.split(separator: ":", maxSplits: 1)
    return parts.first.map { (String($0).lowercased(), parts.count == 2 ? String(parts[1]) : "") }
  }
}
