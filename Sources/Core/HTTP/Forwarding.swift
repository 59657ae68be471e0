/// What this proxy tells an upstream about the client, and how far it believes what the client says of itself.
///
/// All text is bytes that are ready to be written: whoever fills this in has made sure that they hold no control characters.
package struct Forwarding: Sendable {
  /// The fields that are written. A field that is switched off is still dropped when an untrusted peer sent it.
  package struct Fields: OptionSet, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let xForwardedFor = Fields(rawValue: 1)
    package static let xForwardedProto = Fields(rawValue: 2)
    package static let xForwardedHost = Fields(rawValue: 4)
    /// `Forwarded` of RFC 7239.
    package static let forwarded = Fields(rawValue: 8)
    package static let via = Fields(rawValue: 16)
    package static let xRequestID = Fields(rawValue: 32)
    /// `Client-Cert` of RFC 9440 and `X-Forwarded-Client-Cert`.
    package static let clientCertificate = Fields(rawValue: 64)

    package static let standard: Fields = [
      .xForwardedFor, .xForwardedProto, .xForwardedHost, .via, .xRequestID, .clientCertificate,
    ]
    package static let all: Fields = [.standard, .forwarded]
  }

  /// The client's IP address as text, IPv6 without brackets; empty when it has none (UNIX sockets).
  package var clientAddress: [UInt8]
  /// The client's port; written in Forwarded unless it is zero.
  package var clientPort: UInt16
  /// The address of the listener as text, for the `by` of Forwarded; not written when empty.
  package var listenerAddress: [UInt8]
  package var listenerPort: UInt16
  /// `http` or `https`: how the client speaks to the listener.
  package var scheme: [UInt8]
  /// Whether the request came by HTTP/2; for Via.
  package var isHTTP2 = false
  /// Whether the peer is a proxy of ours: what it says in Forwarded and X-Forwarded-* is kept and added to.
  package var peerIsTrusted: Bool
  /// The name that this proxy gives itself in Via.
  package var pseudonym: [UInt8]
  package var fields: Fields
  /// The whole lines of the fields that tell of the certificate that the client has shown; empty when it has shown none.
  package var clientCertificate: [UInt8] = []
  /// This process's entry in CDN-Loop (``LoopMark``); empty writes none.
  package var loopMark: [UInt8]
  /// What to send as Host instead of the host that the client asked for; nil keeps that.
  package var hostOverride: [UInt8]?
  /// What to send as Host when an HTTP/1.0 client named none: best the upstream's own name. Empty is legal, but few expect it.
  package var defaultHost: [UInt8]

  package init(
    clientAddress: [UInt8] = [], clientPort: UInt16 = 0, listenerAddress: [UInt8] = [], listenerPort: UInt16 = 0,
    scheme: [UInt8] = Array("http".utf8), peerIsTrusted: Bool = false, pseudonym: [UInt8] = Array("photofinish".utf8),
    fields: Fields = .standard, loopMark: [UInt8] = [], hostOverride: [UInt8]? = nil, defaultHost: [UInt8] = []
  ) {
    self.clientAddress = clientAddress
    self.clientPort = clientPort
    self.listenerAddress = listenerAddress
    self.listenerPort = listenerPort
    self.scheme = scheme
    self.peerIsTrusted = peerIsTrusted
    self.pseudonym = pseudonym
    self.fields = fields
    self.loopMark = loopMark
    self.hostOverride = hostOverride
    self.defaultHost = defaultHost
  }
}
