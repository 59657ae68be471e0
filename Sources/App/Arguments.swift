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

extension ListenAddress: ExpressibleByArgument {
  package init?(argument: String) {
    if argument.hasPrefix("unix:") {
      let path = String(argument.dropFirst(5))
      guard !path.isEmpty, path.utf8.count <= SocketAddress.longestPath else { return nil }
      self = .unix(path: path)
      return
    }
    guard let colon = argument.lastIndex(of: ":"), let port = UInt16(argument[argument.index(after: colon)...])
    else { return nil }
    var host = String(argument[..<colon])
    if host == "*" { host = "" }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      return nil
    }
    self = .tcp(host: host, port: port)
  }

  package var defaultValueDescription: String {
    switch self {
    case .tcp(let host, let port): "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}

extension OriginAddress: ExpressibleByArgument {
  package init?(argument: String) {
    if argument.hasPrefix("unix:") {
      let path = String(argument.dropFirst(5))
      guard !path.isEmpty, path.utf8.count <= SocketAddress.longestPath else { return nil }
      self = .unix(path: path)
      return
    }
    guard argument.hasPrefix("http://") else { return nil }
    var rest = argument.dropFirst(7)
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    guard !rest.isEmpty, !rest.contains("/"), !rest.contains("@"), !rest.contains("?") else { return nil }
    var host = String(rest)
    var port: UInt16 = 80
    if let colon = rest.lastIndex(of: ":"), !rest.hasSuffix("]") {
      guard let number = UInt16(rest[rest.index(after: colon)...]), number > 0 else { return nil }
      port = number
      host = String(rest[..<colon])
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
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
