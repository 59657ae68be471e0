internal import Core
internal import Glibc

extension SocketAddress {
  init(_ address: DNSAddress, port: UInt16) {
    switch address {
    case .ipv4(let value): self.init(.ipv4(value, port: port))
    case .ipv6(let high, let low):
      let bytes = [high, low].flatMap { half in
        (0..<8).map { UInt8(truncatingIfNeeded: half >> UInt64(56 - $0 * 8)) }
      }
      self.init(.ipv6(bytes, port: port, scope: 0))
    }
  }

  func withPort(_ port: UInt16) -> SocketAddress {
    switch kind {
    case .ipv4(let value, _): SocketAddress(.ipv4(value, port: port))
    case .ipv6(let bytes, _, let scope): SocketAddress(.ipv6(bytes, port: port, scope: scope))
    case .unix: self
    }
  }

  /// nil for a UNIX-domain socket.
  var dnsAddress: DNSAddress? {
    switch kind {
    case .ipv4(let value, _): .ipv4(value)
    case .ipv6(let bytes, _, _):
      .ipv6(
        bytes[0..<8].reduce(0) { $0 << 8 | UInt64($1) }, bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) })
    case .unix: nil
    }
  }

  /// Whether this machine knows a way to the address. Nothing is sent.
  var hasRoute: Bool {
    guard let probe = try? Socket.connectDatagrams(to: withPort(9)) else { return false }
    return probe.number >= 0
  }
}

extension DNSAddress {
  /// Parses a literal.
  init?(literal text: String) {
    guard let address = SocketAddress(literal: text, port: 0)?.dnsAddress else { return nil }
    self = address
  }
}

extension [DNSAddress] {
  /// Those that this machine has a way to. A name has addresses of both families, and many machines only one of them: those of
  /// the other would fail each time. When there is a way to none, all: the network may be down.
  var usable: [DNSAddress] {
    guard Set(map(\.family)).count > 1 else { return self }
    let reachable = filter { SocketAddress($0, port: 0).hasRoute }
    return reachable.isEmpty ? self : reachable
  }
}
