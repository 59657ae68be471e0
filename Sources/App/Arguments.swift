import ArgumentParser
import Core
import Host
import Logging

/// `on` or `off`.
enum Switch: String, ExpressibleByArgument, CaseIterable {
  case on, off
  var isOn: Bool { self == .on }
}

enum ReplayChoice: String, ExpressibleByArgument, CaseIterable {
  case proven, never
}

enum AccessChoice: String, ExpressibleByArgument, CaseIterable {
  case off, text, json

  var format: LogSettings.AccessLogFormat {
    switch self {
    case .off: .off
    case .text: .text
    case .json: .json
    }
  }
}

enum LogLevel: String, ExpressibleByArgument, CaseIterable {
  case debug, info, notice, warning, error
  var level: Logger.Level { Logger.Level(rawValue: rawValue)! }
}

/// A length of time: `500ms`, `5s`, `2m`, `1h`.
struct TimeSpan: ExpressibleByArgument {
  var span: Nanoseconds

  init(_ span: Nanoseconds) { self.span = span }

  init?(argument: String) {
    guard let span = try? Nanoseconds(parsing: argument), span > .zero else { return nil }
    self.span = span
  }

  var defaultValueDescription: String { span.text }
}

/// A number of bytes: `65536`, `64k`, `10m`, `1g`.
struct ByteSize: ExpressibleByArgument {
  var bytes: UInt64

  init(bytes: UInt64) { self.bytes = bytes }

  init?(argument: String) {
    guard let bytes = try? byteCount(parsing: argument) else { return nil }
    self.bytes = bytes
  }

  var defaultValueDescription: String {
    bytes % 1_024 == 0 && bytes > 0 ? "\(bytes / 1_024)k" : "\(bytes)"
  }
}

/// An address block such as `10.0.0.0/8`; a bare address is a block of one.
struct TrustedBlock: ExpressibleByArgument {
  var block: AddressBlock

  init?(argument: String) {
    let parts = argument.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = SocketAddress(literal: String(parts[0]), port: 0) else { return nil }
    let bytes = address.ipBytes
    let length = parts.count == 2 ? Int(parts[1]) : bytes.count * 8
    guard let length, let block = AddressBlock(bytes: bytes, prefixLength: length) else { return nil }
    self.block = block
  }
}

extension ListenAddress {
  /// - Throws: an error that names the text, what is wrong with it and what would be right.
  init(parsing argument: String) throws {
    func wrong(_ fact: String) -> ValidationError {
      ValidationError("--listen '\(argument)' \(fact); write host:port, :port, [v6]:port or unix:/path")
    }
    if argument.hasPrefix("unix:") {
      self = .unix(path: try socketPath(argument, "--listen"))
      return
    }
    guard let colon = argument.lastIndex(of: ":") else { throw wrong("has no port") }
    guard let port = UInt16(argument[argument.index(after: colon)...]) else {
      throw wrong("has a port that is not a number from 0 to 65535")
    }
    let host = String(argument[..<colon])
    if host == "*" || host.isEmpty {
      self = .tcp(host: "", port: port)
    } else if host.hasPrefix("["), host.hasSuffix("]") {
      self = .tcp(host: String(host.dropFirst().dropLast()), port: port)
    } else {
      guard !host.contains(":") else { throw wrong("has an IPv6 address without brackets") }
      guard !host.contains("/") else { throw wrong("is a URL") }
      self = .tcp(host: host, port: port)
    }
  }
}

extension OriginAddress {
  /// - Throws: an error that names the text, what is wrong with it and what would be right.
  init(parsing argument: String) throws {
    func wrong(_ fact: String, fix: String = "write http://host:port or unix:/path") -> ValidationError {
      ValidationError("--upstream '\(argument)' \(fact); \(fix)")
    }
    if argument.hasPrefix("unix:") {
      self = .unix(path: try socketPath(argument, "--upstream"))
      return
    }
    if argument.hasPrefix("https://") {
      throw wrong("asks for TLS, which is not spoken to upstreams yet", fix: "write http://host:port")
    }
    guard argument.hasPrefix("http://") else { throw wrong("has no scheme", fix: "write http://\(argument)") }
    var rest = argument.dropFirst(7)
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    guard !rest.contains("/"), !rest.contains("?"), !rest.contains("#") else {
      throw wrong("has a path; requests keep the path that the client asked for", fix: "leave the path out")
    }
    guard !rest.contains("@") else { throw wrong("has a user name", fix: "leave it out") }
    var host = String(rest)
    var port: UInt16 = 80
    if let colon = rest.lastIndex(of: ":"), !rest.hasSuffix("]") {
      guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else {
        throw wrong("has a port that is not a number from 1 to 65535")
      }
      port = number
      host = String(rest[..<colon])
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      throw wrong("has an IPv6 address without brackets", fix: "write http://[v6]:port")
    }
    guard !host.isEmpty else { throw wrong("has no host") }
    self = .tcp(host: host, port: port)
  }

  /// As it was written.
  var text: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}

/// The path behind `unix:`, not empty and short enough for the kernel.
private func socketPath(_ argument: String, _ option: String) throws -> String {
  let path = String(argument.dropFirst(5))
  guard !path.isEmpty else { throw ValidationError("\(option) '\(argument)' has no path; write unix:/path") }
  guard path.utf8.count <= SocketAddress.longestPath else {
    throw ValidationError(
      "\(option) '\(argument)' has a path of \(path.utf8.count) bytes; the kernel takes \(SocketAddress.longestPath)")
  }
  return path
}

/// A length of time that may be none: `0`, `500ms`.
struct TimeOrZero: ExpressibleByArgument {
  var span: Nanoseconds

  init?(argument: String) {
    guard let span = try? Nanoseconds(parsing: argument) else { return nil }
    self.span = span
  }
}
