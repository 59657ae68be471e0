internal import CTLS
package import Core

/// A certificate that a peer sent and that was verified, unless verification is off.
package struct PeerCertificate: Hashable, Sendable {
  /// As RFC 4514 writes names.
  package var subject: String
  package var issuer: String
  /// In upper-case hexadecimal.
  package var serial: String
  /// Seconds since 1970.
  package var notAfter: Int64
  /// SHA-256, in lower-case hexadecimal.
  package var fingerprint: String
  /// The certificate in DER, in Base64, as between the colons of `Client-Cert` (RFC 9440).
  package var base64: String
}

/// What is known of a connection once it is established.
extension TLSSession {
  /// The protocol that ALPN chose; nil when the peer knows no ALPN.
  package var alpn: ApplicationProtocol? {
    var count = 0
    // Safe: the bytes live as long as the session, and are compared at once.
    guard let name = unsafe photofinish_tls_protocol(session, &count) else { return nil }
    let bytes = unsafe UnsafeRawBufferPointer(start: name, count: count)
    return ApplicationProtocol.allCases.first { unsafe bytes.elementsEqual($0.rawValue.utf8) }
  }

  package var version: TLSVersion? {
    // Safe: the session lives.
    switch unsafe photofinish_tls_version(session) {
    case 0x0303: .version12
    case 0x0304: .version13
    default: nil
    }
  }

  /// As logs have it: `TLSv1.3`.
  package var protocolName: String { version.map { "TLSv\($0.rawValue)" } ?? "" }

  /// The suite as IANA names it; empty before it is chosen.
  package var cipher: String {
    // Safe: the name lives as long as OpenSSL, and is copied.
    unsafe photofinish_tls_cipher(session).map { unsafe String(cString: $0) } ?? ""
  }

  /// The name that the client asked for (SNI).
  package var serverNameAsked: String? {
    // Safe: the name lives as long as the session, and is copied.
    unsafe photofinish_tls_server_name(session).map { unsafe String(cString: $0) }
  }

  package var wasResumed: Bool {
    // Safe: the session lives.
    unsafe photofinish_tls_was_resumed(session) == 1
  }

  /// It allocates.
  package var peerCertificate: PeerCertificate? {
    // Safe: a record of null pointers.
    var peer = unsafe photofinish_tls_peer()
    // Safe: the C side fills all or nothing; the texts are copied before they are freed.
    guard unsafe photofinish_tls_peer_certificate(session, &peer) == 1 else { return nil }
    defer { unsafe photofinish_tls_peer_free(&peer) }
    return unsafe PeerCertificate(
      subject: String(cString: peer.subject!), issuer: String(cString: peer.issuer!),
      serial: String(cString: peer.serial!), notAfter: peer.not_after,
      fingerprint: String(cString: peer.fingerprint!), base64: String(cString: peer.base64!))
  }
}
