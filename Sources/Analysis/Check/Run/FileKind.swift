/// What language a file is in, by its name and, where that does not tell, by what it holds.
package enum FileKind: Sendable, Hashable {
  case nginx
  case haproxy
  case apache
  case caddyfile
  case yaml
  case json
  case toml
  case terraform
  case ini
  case properties
  case environment
  case dockerfile
  case procfile
  case systemd
  case shell
  case xml
  case javaScript
  case python
  case go
  case ruby
  case cSharp

  package static func of(_ file: CheckedFile) -> FileKind? {
    switch named(file.name) {
    case .kind(.haproxy): looksLikeHAProxy(file) ? .haproxy : nil
    case .kind(let kind): kind
    case .content: byContent(file)
    case .foreign: nil
    }
  }

  /// What a name alone tells.
  package enum Named: Equatable {
    case kind(FileKind)
    /// The content decides.
    case content
    /// Never a configuration.
    case foreign
  }

  package static func named(_ fileName: String) -> Named {
    let lowered = fileName.lowercased()
    let name = bare(lowered)
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    let ending = parts.count > 1 ? String(parts[parts.count - 1]) : ""
    if name.hasPrefix("dockerfile") || name.hasPrefix("containerfile") || ending == "dockerfile" {
      return .kind(.dockerfile)
    }
    if name == "procfile" || name.hasPrefix("procfile.") { return .kind(.procfile) }
    if name.hasPrefix("caddyfile") || ending == "caddyfile" { return .kind(.caddyfile) }
    if name == ".env" || name.hasPrefix(".env.") || ending == "env" { return .kind(.environment) }
    if [".nvmrc", ".node-version", ".tool-versions", "requirements.txt", "gemfile.lock"].contains(name) {
      return .kind(.environment)
    }
    switch ending {
    case "js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx": return .kind(.javaScript)
    case "py": return .kind(.python)
    case "go": return .kind(.go)
    case "rb", "ru": return .kind(.ruby)
    case "cs": return .kind(.cSharp)
    case "tf", "hcl", "tofu", "tfvars": return .kind(.terraform)
    case "yml", "yaml": return .kind(.yaml)
    case "json", "jsonc": return .kind(.json)
    case "toml": return .kind(.toml)
    case "properties": return .kind(.properties)
    case "xml": return .kind(.xml)
    case "service": return .kind(.systemd)
    case "sh", "bash": return .kind(.shell)
    case "ini": return .kind(name.contains("supervisor") ? .systemd : .ini)
    case "cfg": return .kind(.haproxy)
    case "nginx", "vhost": return .kind(.nginx)
    case "", "conf", "config", "inc", "default", "site": return .content
    default:
      // `istio.tpl`, `site.example`: what is left without the template's ending has none of its own; so is `www.example.com`.
      return lowered != name || ["com", "org", "net", "dev", "io", "local"].contains(ending) ? .content : .foreign
    }
  }

  /// Words of which a file of this kind holds at least one when it says anything about timers; nil where all are read.
  package var needles: [String]? {
    switch self {
    case .javaScript:
      [
        "createServer", "keepAlive", "headersTimeout", "NestFactory", ".listen(", "KEEP_ALIVE", "KEEPALIVE", "TIMEOUT",
      ]
    case .python:
      [
        "gunicorn", "uvicorn", "hypercorn", "keep_alive", "keepalive", "worker_class", "wsgi", "KEEP_ALIVE",
        "KEEPALIVE",
      ]
    case .go: ["http.Server{", "ListenAndServe", ".Run(", "echo.New(", "fiber.", "IdleTimeout", "idleTimeout"]
    case .ruby: ["persistent_timeout", "threads", "plugin", "workers", "port", "worker_processes", "listen"]
    case .cSharp: ["KeepAliveTimeout", "WebApplication.Create", "UseKestrel", "ConfigureKestrel"]
    case .yaml:
      [
        "apiVersion", "services", "static_resources", "clusters", "entryPoints", "entrypoints", "http:", "server",
        "Resources", "uwsgi", "listeners",
        "image:", "environment:", "ingress:", "controller:",
      ]
    case .json:
      [
        "engines", "static_resources", "clusters", "Kestrel", "AWS::", "entryPoints", "apiVersion", "services",
        "reverse_proxy", "\"next ", "buildpacks", "formation",
      ]
    case .xml: ["<Connector", "idleTimeout"]
    case .properties: ["server."]
    case .nginx, .haproxy, .apache, .caddyfile, .toml, .terraform, .ini, .environment, .dockerfile, .procfile, .systemd,
      .shell:
      nil
    }
  }

  /// The name without the endings of templates.
  private static func bare(_ name: String) -> String {
    for ending in [".template", ".tmpl", ".tpl", ".j2", ".erb", ".example", ".sample", ".dist", ".in"]
    where name.hasSuffix(ending) && name.count > ending.count {
      return String(name.dropLast(ending.count))
    }
    return name
  }

  private static func byContent(_ file: CheckedFile) -> FileKind? {
    guard file.bytes.count <= CheckLimits.fileBytes else { return nil }
    if file.bytes.starts(with: "#!".utf8) {
      let first = file.line(1) ?? ""
      if first.contains("python") { return .python }
      if first.contains("node") { return .javaScript }
      if first.contains("ruby") { return .ruby }
      return first.contains("sh") ? .shell : nil
    }
    if looksLikeHAProxy(file) { return .haproxy }
    if file.contains("<VirtualHost") || file.contains("ProxyPass ") || file.contains("KeepAliveTimeout")
      || file.contains("<Proxy ")
    {
      return .apache
    }
    if isNginxByName(file), file.contains(";"), file.contains("{") { return .nginx }
    if (file.contains("proxy_pass") || (file.contains("upstream ") && file.contains("keepalive "))
      || file.contains("server_name")
      || file.contains("keepalive_timeout") || file.contains("fastcgi_pass") || file.contains("proxy_set_header"))
      && file.contains(";")
    {
      return .nginx
    }
    if file.contains("apiVersion:") && file.contains("kind:") { return .yaml }
    if file.contains("[program:") { return .systemd }
    if file.contains("reverse_proxy ") && file.contains("{") { return .caddyfile }
    return nil
  }

  /// `nginx.conf`, or anything of a folder of that name.
  private static func isNginxByName(_ file: CheckedFile) -> Bool {
    file.name.hasPrefix("nginx") || file.path.contains("/nginx/") || file.path.hasPrefix("nginx/")
  }

  private static func looksLikeHAProxy(_ file: CheckedFile) -> Bool {
    let heads: [String] = ["backend ", "listen ", "frontend ", "defaults", "global"]
    let isFirst = heads.contains { (head: String) -> Bool in file.bytes.starts(with: head.utf8) }
    return
      (isFirst || file.contains("\nbackend ") || file.contains("\nlisten ") || file.contains("\nfrontend ")
      || file.contains("\ndefaults"))
      && (file.contains("timeout ") || file.contains("    server ") || file.contains("\tserver ")
        || file.contains("bind "))
      && !file.contains("proxy_pass")
  }
}
