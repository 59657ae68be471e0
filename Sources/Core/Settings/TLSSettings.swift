/// The files of a certificate, in PEM: it and those of its issuers, in this order, and its private key.
package struct CertificateFiles: Sendable, Hashable {
  package var chain: String
  package var key: String
  package init(chain: String, key: String) {
    self.chain = chain
    self.key = key
  }
}

/// Versions of TLS that are spoken.
package enum TLSVersion: String, Sendable, Hashable, CaseIterable, Comparable {
  case version12 = "1.2"
  case version13 = "1.3"

  package static func < (left: TLSVersion, right: TLSVersion) -> Bool { left.rawValue < right.rawValue }
}

/// A protocol that ALPN can choose (RFC 7301), as IANA names it.
package enum ApplicationProtocol: String, Sendable, Hashable, CaseIterable {
  case http2 = "h2"
  case http11 = "http/1.1"
}

/// TLS to the clients of a listener.
package struct ListenerTLS: Sendable, Hashable {
  /// Chosen by the name that a client asks for; the first serves those that ask for no name, or one that none is for. A name may
  /// have one for each kind of key.
  package var certificates: [CertificateFiles] = []
  package var policy = Policy.modern
  package var minimumVersion = TLSVersion.version12
  package var clientCertificates = ClientCertificates.off
  /// The preferred one first. A client that offers others only is refused.
  package var protocols: [ApplicationProtocol] = [.http2, .http11]
  package init() {}

  package enum Policy: String, Sendable, Hashable, CaseIterable {
    /// Suites with forward secrecy and authenticated encryption alone.
    case modern
    /// Those, and behind them suites with CBC or without forward secrecy, for clients that know nothing newer.
    case intermediate
  }

  package enum ClientCertificates: Sendable, Hashable {
    case off
    /// One is asked for; what is sent must be issued by an authority of this file.
    case optional(authorities: String)
    case required(authorities: String)
  }
}

/// TLS to the servers of an upstream.
package struct UpstreamTLS: Sendable, Hashable {
  /// A file of the authorities that are trusted; nil: those that the system trusts.
  package var authorities: String?
  /// Whether the certificate must be issued by one of them, for the server's name.
  package var isVerified = true
  /// Asked for and verified in place of the server's host; nil: that.
  package var serverName: String?
  /// What the server is shown when it asks for a certificate.
  package var certificate: CertificateFiles?
  package var minimumVersion = TLSVersion.version12
  package var protocols: [ApplicationProtocol] = [.http11]
  package init() {}
}
