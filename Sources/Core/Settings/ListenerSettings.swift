/// Where clients come in.
package struct ListenerSettings: Sendable, Hashable {
  package var address: ListenAddress
  /// Whether each connection begins with a PROXY protocol header, of version 1 or 2, that names the client.
  package var proxyProtocol = ProxyProtocolIn.off

  /// nil: HTTP without TLS.
  package var tls: ListenerTLS?
  /// Without TLS: whether clients may speak HTTP/2, known to do so beforehand (RFC 9113 section 3.3).
  package var h2c = false

  package init(_ address: ListenAddress) { self.address = address }

  package enum ProxyProtocolIn: Sendable, Hashable {
    case off
    /// A connection without a header is refused. Only these peers may send one; empty: all who can connect.
    case required(from: [AddressBlock])
  }
}

/// Where to listen: `host:port`, `:port`, `[v6]:port` or `unix:/path`.
package enum ListenAddress: Hashable, Sendable {
  /// An empty host listens on all addresses, IPv6 and IPv4.
  case tcp(host: String, port: UInt16)
  case unix(path: String)
  /// A socket that the service manager has opened, by the name that it gives it (`FileDescriptorName=`).
  case inherited(name: String)
}
