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

  package static func of(_ file: CheckedFile) -> FileKind? {
    let name = bare(file.name)
    let ending = name.split(separator: ".", omittingEmptySubsequences: false).last.map(String.init) ?? ""
    if name.hasPrefix("dockerfile") || name.hasPrefix("containerfile") || ending == "dockerfile" { return .dockerfile }
    if name == "procfile" || name.hasPrefix("procfile.") { return .procfile }
    if name.hasPrefix("caddyfile") || ending == "caddyfile" { return .caddyfile }
    if name == ".env" || name.hasPrefix(".env.") || ending == "env" { return .environment }
    if [".nvmrc", ".node-version", ".tool-versions", ".ruby-version", "requirements.txt"].contains(name) {
      return .environment
    }
    switch ending {
    case "js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx": return .javaScript
    case "py": return .python
    case "go": return .go
    case "rb", "ru": return .ruby
    case "tf", "hcl", "tofu", "tfvars": return .terraform
    case "yml", "yaml": return .yaml
    case "json", "jsonc": return .json
    case "toml": return .toml
    case "properties": return .properties
    case "xml": return .xml
    case "service": return .systemd
    case "sh", "bash": return .shell
    case "ini": return file.name.contains("supervisor") ? .systemd : .ini
    case "cfg" where looksLikeHAProxy(file): return .haproxy
    case "nginx", "vhost": return .nginx
    case "lock" where name == "gemfile.lock": return .environment
    default: return byContent(file)
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
    if (file.contains("proxy_pass") || file.contains("upstream ") || file.contains("server_name")
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

  private static func looksLikeHAProxy(_ file: CheckedFile) -> Bool {
    (file.contains("\nbackend ") || file.contains("\nlisten ") || file.contains("\nfrontend ")
      || file.contains("\ndefaults"))
      && (file.contains("timeout ") || file.contains("    server ") || file.contains("\tserver ")
        || file.contains("bind "))
      && !file.contains("proxy_pass")
  }
}
