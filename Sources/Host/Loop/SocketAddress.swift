internal import Glibc

/// The address of a TCP or UNIX-domain socket.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  package enum Kind: Hashable, Sendable {
    /// Host order.
    case ipv4(UInt32, port: UInt16)
    /// Sixteen bytes, network order.
    case ipv6([UInt8], port: UInt16, scope: UInt32)
    /// A path; one that begins with `@` names an abstract socket.
    case unix(path: String)
  }

  package var kind: Kind

  package init(_ kind: Kind) { self.kind = kind }

  /// The longest path of a UNIX-domain socket, in bytes (`sun_path` less its terminator).
  package static let longestPath = 107

  /// Parses an IPv4 or IPv6 literal; nil when `host` is a name. Brackets around IPv6 are allowed.
  package init?(literal host: String, port: UInt16) {
    var text = host
    if text.hasPrefix("["), text.hasSuffix("]") { text = String(text.dropFirst().dropLast()) }
    var ipv4 = in_addr()
    // Safe: inet_pton reads a NUL-terminated string and writes one in_addr.
    if unsafe inet_pton(AF_INET, text, &ipv4) == 1 {
      kind = .ipv4(UInt32(bigEndian: ipv4.s_addr), port: port)
      return
    }
    var ipv6 = in6_addr()
    // Safe: as above, one in6_addr.
    guard unsafe inet_pton(AF_INET6, text, &ipv6) == 1 else { return nil }
    let bytes = unsafe withUnsafeBytes(of: &ipv6) { unsafe Array($0) }
    kind = .ipv6(bytes, port: port, scope: 0)
  }

  /// Reads what the kernel or the resolver wrote.
  init?(_ storage: sockaddr_storage) {
    var storage = storage
    switch Int32(storage.ss_family) {
    case AF_INET:
      // Safe: ss_family says that the storage holds a sockaddr_in, which is smaller.
      let address = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in.self) }
      kind = .ipv4(UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
    case AF_INET6:
      // Safe: as above, sockaddr_in6.
      var address = unsafe withUnsafeBytes(of: &storage) { unsafe $0.load(as: sockaddr_in6.self) }
      let bytes = unsafe withUnsafeBytes(of: &address.sin6_addr) { unsafe Array($0) }
      kind = .ipv6(bytes, port: UInt16(bigEndian: address.sin6_port), scope: address.sin6_scope_id)
    case AF_UNIX:
      kind = .unix(path: "")
    default:
      return nil
    }
  }

  package var family: Int32 {
    switch kind {
    case .ipv4: AF_INET
    case .ipv6: AF_INET6
    case .unix: AF_UNIX
    }
  }

  /// 0 for a UNIX-domain socket.
  package var port: UInt16 {
    switch kind {
    case .ipv4(_, let port), .ipv6(_, let port, _): port
    case .unix: 0
    }
  }

  package var isUnix: Bool {
    if case .unix = kind { true } else { false }
  }

  /// The address without its port, as it stands in X-Forwarded-For: an IPv4 address mapped into IPv6 is shown as IPv4.
  package var host: String {
    switch kind {
    case .ipv4(let value, _): return Self.dotted(value)
    case .ipv6(let bytes, _, _):
      if bytes[0..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff {
        return Self.dotted(bytes[12...].reduce(0) { $0 << 8 | UInt32($1) })
      }
      return Self.text(ofIPv6: bytes)
    case .unix(let path): return "unix:" + path
    }
  }

  package var description: String {
    switch kind {
    case .ipv4(let value, let port): "\(Self.dotted(value)):\(port)"
    case .ipv6(_, let port, _): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:" + path
    }
  }

  /// The bytes of an IP address in network order, 4 for IPv4 (also when mapped into IPv6), else 16; none for UNIX.
  package var ipBytes: [UInt8] {
    switch kind {
    case .ipv4(let value, _): return (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - $0 * 8)) }
    case .ipv6(let bytes, _, _):
      let isMapped = bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
      return isMapped ? Array(bytes[12...]) : bytes
    case .unix: return []
    }
  }

  private static func dotted(_ value: UInt32) -> String {
    "\(value >> 24).\(value >> 16 & 0xff).\(value >> 8 & 0xff).\(value & 0xff)"
  }

  private static func text(ofIPv6 bytes: [UInt8]) -> String {
    var address = in6_addr()
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    // Safe: sixteen bytes are copied into an in6_addr, and inet_ntop writes at most INET6_ADDRSTRLEN bytes.
    unsafe withUnsafeMutableBytes(of: &address) { unsafe $0.copyBytes(from: bytes.prefix(16)) }
    unsafe inet_ntop(AF_INET6, &address, &text, socklen_t(INET6_ADDRSTRLEN))
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Calls `body` with the address in the form that the kernel reads.
  func withSocketAddress<Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    var storage = sockaddr_storage()
    var length = 0
    switch kind {
    case .ipv4(let value, let port):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = value.bigEndian
      length = MemoryLayout<sockaddr_in>.size
      // Safe: sockaddr_storage is large enough and aligned for every socket address.
      unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: address, as: sockaddr_in.self) }
    case .ipv6(let bytes, let port, let scope):
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      address.sin6_scope_id = scope
      // Safe: at most sixteen bytes go into an in6_addr, then as above.
      unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { unsafe $0.copyBytes(from: bytes.prefix(16)) }
      length = MemoryLayout<sockaddr_in6>.size
      unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: address, as: sockaddr_in6.self) }
    case .unix(let path):
      var bytes = Array(path.utf8.prefix(Self.longestPath))
      if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 } else { bytes.append(0) }
      length = 2 + bytes.count
      storage.ss_family = sa_family_t(AF_UNIX)
      // Safe: the family takes two bytes and the path at most 108 of the storage's 128.
      unsafe withUnsafeMutableBytes(of: &storage) { buffer in
        unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[2...]).copyBytes(from: bytes)
      }
    }
    // Safe: the pointer is valid during the call, and `length` bytes behind it are initialised.
    return unsafe withUnsafePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, socklen_t(length)) }
    }
  }
}
