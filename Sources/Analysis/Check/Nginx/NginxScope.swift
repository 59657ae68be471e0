internal import Core

/// What holds at one place of the configuration: directives that are inherited from the blocks around it.
struct NginxScope {
  var httpVersion: NginxDirective?
  /// `proxy_set_header` lines; a level with any of them inherits none.
  var headers: [NginxDirective] = []
  var keepalive: NginxDirective?
  var requests: NginxDirective?
  var nextUpstream: NginxDirective?
  var readTimeout: NginxDirective?
  var earlyData: NginxDirective?

  /// The scope within `block`.
  func entering(_ block: [NginxDirective]) -> NginxScope {
    var scope = self
    var own: [NginxDirective] = []
    for directive in block {
      switch directive.name {
      case "proxy_http_version": scope.httpVersion = directive
      case "proxy_set_header": own.append(directive)
      case "keepalive_timeout": scope.keepalive = directive
      case "keepalive_requests": scope.requests = directive
      case "proxy_next_upstream": scope.nextUpstream = directive
      case "proxy_read_timeout": scope.readTimeout = directive
      case "ssl_early_data": scope.earlyData = directive
      default: break
      }
    }
    if !own.isEmpty { scope.headers = own }
    return scope
  }

  func header(_ name: String) -> NginxDirective? {
    headers.last { $0.first.lowercased() == name.lowercased() && $0.arguments.count >= 2 }
  }
}

/// What a location sends in `Connection`.
enum NginxConnectionHeader: Equatable {
  /// Nothing is said: `close` up to 1.29.6, nothing from 1.29.7 on.
  case unset
  case close
  /// Empty or `keep-alive`: the connection may be kept.
  case open
  /// Always an upgrade: a tunnel, no pool.
  case upgrade
  /// What a client sent, or a variable that is defined nowhere here.
  case unknown

  init(_ directive: NginxDirective?, maps: [String: NginxDirective]) {
    guard let directive, directive.arguments.count >= 2 else {
      self = .unset
      return
    }
    self.init(value: directive.arguments[1].text, maps: maps, depth: 0)
  }

  private init(value: String, maps: [String: NginxDirective], depth: Int) {
    switch value.lowercased() {
    case "": self = .open
    case "close": self = .close
    case "keep-alive": self = .open
    case "upgrade", "$http_upgrade": self = .upgrade
    default:
      guard depth < 4, value.hasPrefix("$"), let map = maps[value] else {
        self = .unknown
        return
      }
      // What an ordinary request gets: the entry for an empty source, else the default.
      let entries = map.block ?? []
      let ordinary = entries.last { $0.name.isEmpty } ?? entries.last { $0.name == "default" }
      guard let ordinary else {
        self = .open
        return
      }
      self.init(value: ordinary.first, maps: maps, depth: depth + 1)
    }
  }
}
