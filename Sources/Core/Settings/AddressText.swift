extension ListenAddress {
  /// Bytes of the path of a socket that the kernel takes (`sun_path` less its terminator).
  static let longestSocketPath = 107

  /// Parses `host:port`, `:port`, `[v6]:port`, `unix:/path` or `systemd:name`.
  package init(parsing text: String) throws(QuantityError) {
    func wrong(_ fact: String, fix: String? = nil) -> QuantityError {
      QuantityError(text: text, fact: fact, fix: fix ?? "write host:port, :port, [v6]:port, unix:/path or systemd:NAME")
    }
    if text.hasPrefix("unix:") {
      self = .unix(path: try socketPath(text))
      return
    }
    if text.hasPrefix("systemd:") {
      let name = String(text.dropFirst(8))
      // systemd.socket(5), FileDescriptorName=.
      let isName =
        !name.isEmpty && name.utf8.count <= 255 && name.utf8.allSatisfy { (0x20..<0x7f).contains($0) && $0 != 0x3a }
      guard isName else {
        throw wrong("has no name of a socket", fix: "write systemd:NAME as in the unit's FileDescriptorName=")
      }
      self = .inherited(name: name)
      return
    }
    guard !text.contains("://") else { throw wrong("is a URL") }
    guard let colon = text.lastIndex(of: ":") else {
      throw wrong("has no port", fix: UInt16(text) == nil ? nil : "write a colon before it, for all addresses")
    }
    let digits = text[text.index(after: colon)...]
    guard let port = UInt16(digits), digits.utf8.allSatisfy(ByteClass.isDigit) else {
      throw wrong("has a port that is not a number from 0 to 65535")
    }
    let host = String(text[..<colon])
    if host == "*" || host.isEmpty {
      self = .tcp(host: "", port: port)
    } else if host.hasPrefix("["), host.hasSuffix("]") {
      let inner = String(host.dropFirst().dropLast())
      guard IPAddressText.parse(inner)?.count == 16 else { throw wrong("has brackets around no IPv6 address") }
      self = .tcp(host: inner, port: port)
    } else {
      guard !host.contains(":") else { throw wrong("has an IPv6 address without brackets", fix: "write [v6]:port") }
      guard isHostName(host) else { throw wrong("has characters that no host has") }
      self = .tcp(host: host, port: port)
    }
  }

  /// As ``init(parsing:)`` reads it.
  package var text: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    case .inherited(let name): "systemd:\(name)"
    }
  }
}

extension OriginAddress {
  /// Parses `http://host:port`, `http://host` or `unix:/path`.
  package init(parsing text: String) throws(QuantityError) {
    func wrong(_ fact: String, fix: String = "write http://host:port or unix:/path") -> QuantityError {
      QuantityError(text: text, fact: fact, fix: fix)
    }
    if text.hasPrefix("unix:") {
      self = .unix(path: try socketPath(text))
      return
    }
    if text.hasPrefix("https://") {
      throw wrong("asks for TLS, which is not spoken here", fix: "write http://host:port")
    }
    guard text.hasPrefix("http://") else {
      let scheme = text.firstIndex(of: ":").map { text[$0...].hasPrefix("://") } ?? false
      throw scheme ? wrong("has an unknown scheme") : wrong("has no scheme", fix: "write http:// before it")
    }
    var rest = text.dropFirst(7)
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    guard !rest.contains("/"), !rest.contains("?"), !rest.contains("#") else {
      throw wrong("has a path; requests keep the path that the client asked for", fix: "leave the path out")
    }
    guard !rest.contains("@") else { throw wrong("has a user name", fix: "leave it out") }
    var host = String(rest)
    var port: UInt16 = 80
    if let colon = rest.lastIndex(of: ":"), !rest.hasSuffix("]") {
      let digits = rest[rest.index(after: colon)...]
      guard let number = UInt16(digits), number > 0, digits.utf8.allSatisfy(ByteClass.isDigit) else {
        throw wrong("has a port that is not a number from 1 to 65535")
      }
      port = number
      host = String(rest[..<colon])
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      guard IPAddressText.parse(host)?.count == 16 else { throw wrong("has brackets around no IPv6 address") }
    } else {
      guard !host.contains(":") else {
        throw wrong("has an IPv6 address without brackets", fix: "write http://[v6]:port")
      }
      guard !host.isEmpty else { throw wrong("has no host") }
      guard isHostName(host) else { throw wrong("has characters that no host has") }
    }
    self = .tcp(host: host, port: port)
  }

  /// As ``init(parsing:)`` reads it.
  package var text: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}

extension ServerSettings {
  /// Parses `http://host:port`, `https://host:port`, `h2c://host:port`, or `unix:/path`. The port may be left out: 80, and 443 with TLS.
  package init(parsing text: String) throws(QuantityError) {
    if text.hasPrefix("h2c://") {
      do throws(QuantityError) {
        self.init(origin: try OriginAddress(parsing: "http://" + text.dropFirst(6)))
      } catch {
        throw QuantityError(text: text, fact: error.fact, fix: error.fix.replacing("http://", with: "h2c://"))
      }
      isHTTP2 = true
      return
    }
    guard text.hasPrefix("https://") else {
      self.init(origin: try OriginAddress(parsing: text))
      return
    }
    let rest = String(text.dropFirst(8))
    do throws(QuantityError) {
      let origin = try OriginAddress(parsing: "http://" + rest)
      guard case .tcp(let host, 80) = origin, !rest.hasSuffix(":80"), !rest.hasSuffix(":80/") else {
        self.init(origin: origin, isTLS: true)
        return
      }
      self.init(origin: .tcp(host: host, port: 443), isTLS: true)
    } catch {
      let fix = error.fix.replacing("http://", with: "https://")
      throw QuantityError(text: text, fact: error.fact, fix: fix)
    }
  }

  /// As ``init(parsing:)`` reads its address.
  package var url: String {
    origin.text.replacing("http://", with: isTLS ? "https://" : isHTTP2 ? "h2c://" : "http://")
  }
}

/// Names as they stand in DNS, underscores included, and addresses.
private func isHostName(_ host: String) -> Bool {
  host.utf8.count <= 253
    && host.utf8.allSatisfy {
      ByteClass.isDigit($0) || ByteClass.lowercased($0) &- 0x61 < 26 || [0x2d, 0x2e, 0x5f].contains($0)
    }
}

/// The path behind `unix:`, not empty and short enough for the kernel.
private func socketPath(_ text: String) throws(QuantityError) -> String {
  let path = String(text.dropFirst(5))
  guard !path.isEmpty else { throw QuantityError(text: text, fact: "has no path", fix: "write unix:/path") }
  guard !path.utf8.contains(0) else { throw QuantityError(text: text, fact: "has a NUL byte", fix: "write unix:/path") }
  guard path.utf8.count <= ListenAddress.longestSocketPath else {
    throw QuantityError(
      text: text, fact: "has a path of \(path.utf8.count) bytes",
      fix: "the kernel takes \(ListenAddress.longestSocketPath)")
  }
  return path
}
