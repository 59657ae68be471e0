internal import Core

/// From nginx's files to servers and pools.
///
/// Files with an `http` block are roots; others are read where a root includes them, or on their own.
struct NginxReader {
  private let context: CheckContext
  private let parsed: [String: [NginxDirective]]
  private let order: [String]
  private var used: Set<String> = []
  /// Inclusions so far: files that include each other would go on for long.
  private var includes = 0
  private var instance = NginxInstance()
  private(set) var reading = CheckReading()

  init(_ files: [CheckedFile], _ context: CheckContext) {
    self.context = context
    var parsed: [String: [NginxDirective]] = [:]
    for file in files {
      let result = NginxParser.parse(file)
      parsed[file.path] = result.directives
      reading.problems += result.problems
      if !result.directives.isEmpty { reading.understood.insert(file.path) }
    }
    self.parsed = parsed
    order = files.map(\.path)
  }

  mutating func run() {
    let roots = order.filter { path in parsed[path]?.contains { $0.name == "http" } ?? false }
    for root in roots {
      used.insert(root)
      instance = NginxInstance(owner: root, version: context.version(of: .nginx, near: root))
      walk(parsed[root] ?? [], NginxScope(), root, depth: 0)
      finish()
    }
    // What no root includes is read as if it stood in an http block; files of one folder belong together.
    let rest = order.filter { !used.contains($0) }
    for folder in Self.unique(rest.map(Self.folder)) {
      let members = rest.filter { Self.folder($0) == folder }
      guard let first = members.first else { continue }
      instance = NginxInstance(owner: first, version: context.version(of: .nginx, near: first))
      for member in members where !used.contains(member) {
        used.insert(member)
        walk(parsed[member] ?? [], NginxScope(), member, depth: 0)
      }
      finish()
    }
  }

  private static func folder(_ path: String) -> String { path.split(separator: "/").dropLast().joined(separator: "/") }

  private static func unique(_ texts: [String]) -> [String] {
    var seen: Set<String> = []
    return texts.filter { seen.insert($0).inserted }
  }

  private mutating func finish() {
    let made = instance.reading()
    reading.servers += made.servers
    reading.pools += made.pools
    reading.findings += made.findings
  }

  private mutating func walk(_ block: [NginxDirective], _ outer: NginxScope, _ file: String, depth: Int) {
    guard depth <= CheckLimits.includeDepth else { return }
    let block = included(block, file, depth: depth)
    let scope = outer.entering(block)
    for directive in block where directive.name == "map" || directive.name == "upstream" {
      if directive.name == "map", directive.arguments.count >= 2 {
        instance.maps[directive.arguments[1].text] = directive
      }
      if directive.name == "upstream" { instance.upstreams.append(directive) }
    }
    for directive in block {
      switch directive.name {
      case "http", "location", "if", "limit_except": walk(directive.block ?? [], scope, file, depth: depth + 1)
      case "server" where directive.block != nil:
        let inner = included(directive.block ?? [], file, depth: depth)
        instance.servers.append(NginxInstance.Server(directive: directive, block: inner, scope: scope.entering(inner)))
        walk(inner, scope, file, depth: depth + 1)
      case "set" where directive.arguments.count == 2:
        instance.variables[directive.first, default: []].append(directive.arguments[1].text)
      case "proxy_pass": instance.passes.append(NginxInstance.Pass(directive: directive, scope: scope))
      case "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass":
        instance.otherPasses.append(NginxInstance.Pass(directive: directive, scope: scope))
      default: break
      }
    }
  }

  /// The block with what its `include` lines bring.
  private mutating func included(_ block: [NginxDirective], _ file: String, depth: Int) -> [NginxDirective] {
    guard block.contains(where: { $0.name == "include" }), depth < CheckLimits.includeDepth else { return block }
    var result: [NginxDirective] = []
    for directive in block {
      guard directive.name == "include" else {
        result.append(directive)
        continue
      }
      for path in matches(directive.first, from: file) where includes < CheckLimits.includes {
        used.insert(path)
        includes += 1
        result += included(parsed[path] ?? [], path, depth: depth + 1)
      }
    }
    return result
  }

  /// Files that an include's path may mean: those with the same last component, templates of it, too.
  private func matches(_ pattern: String, from file: String) -> [String] {
    let parts = pattern.split(separator: "/")
    guard let name = parts.last else { return [] }
    let folder = parts.dropLast().last
    let found = order.filter { path in
      let own = path.split(separator: "/")
      guard path != file, let last = own.last, Glob.matches(String(name), Self.bare(String(last))) else { return false }
      // `conf.d/*.conf` does not mean every file of the tree.
      guard name.contains("*") else { return true }
      return own.dropLast().last == folder || own.dropLast().elementsEqual(file.split(separator: "/").dropLast())
        || own.dropLast().last == "templates"
    }
    guard !name.contains("*"), found.count > 1 else { return found }
    let nearest = found.map { CheckContext.common($0, file) }.max() ?? 0
    return Array(found.filter { CheckContext.common($0, file) == nearest }.prefix(1))
  }

  /// A file's name without the endings that say that it is a template.
  private static func bare(_ name: String) -> String {
    for ending in [".template", ".tmpl", ".tpl", ".j2", ".erb"] where name.hasSuffix(ending) {
      return String(name.dropLast(ending.count))
    }
    return name
  }
}

/// Names with `*` and `?`, as shells have them.
enum Glob {
  static func matches(_ pattern: String, _ name: String) -> Bool {
    let pattern = Array(pattern.utf8)
    let name = Array(name.utf8)
    var at = 0
    var from = 0
    var star: (pattern: Int, name: Int)?
    while from < name.count {
      if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
        star = (at, from)
        at += 1
      } else if at < pattern.count, pattern[at] == name[from] || pattern[at] == UInt8(ascii: "?") {
        at += 1
        from += 1
      } else if let last = star {
        at = last.pattern + 1
        from = last.name + 1
        star = (last.pattern, from)
      } else {
        return false
      }
    }
    return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
