internal import CTLS
package import Core

/// Why a TLS connection cannot go on.
package struct TLSFailure: Error, Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable, CaseIterable {
    /// The peer speaks HTTP without TLS: as a client on the port for TLS, or as a server.
    case plainHTTP = "plain-http"
    /// The peer's first bytes are neither TLS nor HTTP.
    case notTLS = "not-tls"
    case certificateExpired = "certificate-expired"
    case certificateNotYetValid = "certificate-not-yet-valid"
    /// The certificate is for another name than the one that was to be reached.
    case otherName = "other-name"
    case unknownIssuer = "unknown-issuer"
    case selfSigned = "self-signed"
    /// The certificate was refused for another reason.
    case certificateRefused = "certificate-refused"
    /// A certificate was asked for, and none was sent: by a client of ours, or by us to a server.
    case certificateRequired = "certificate-required"
    case noCommonVersion = "no-common-version"
    case noCommonCipher = "no-common-cipher"
    case noCommonProtocol = "no-common-protocol"
    /// The peer ended the connection by an alert that none of the other cases is about.
    case alertReceived = "alert-received"
    /// The peer closed before the handshake was done.
    case closedInHandshake = "closed-in-handshake"
    /// The peer's FIN came without close_notify, so bytes may be missing.
    case truncated
    /// The peer's bytes break the rules of TLS.
    case protocolError = "protocol-error"
    /// Ours: memory, or a call out of place.
    case internalError = "internal-error"
  }

  package var kind: Kind
  /// What happened, in a sentence without its full stop.
  package var detail: String
  /// The fatal alert that the peer sent, or that was sent to it (RFC 8446 section 6.2).
  package var alertReceived: UInt8?
  package var alertSent: UInt8?
  /// What would mend it, in a sentence without its full stop.
  package var remedy: String

  /// The error type of RFC 9209 for a server's connection.
  package var proxyStatusError: ProxyStatus.ErrorType {
    switch kind {
    case .certificateExpired, .certificateNotYetValid, .otherName, .unknownIssuer, .selfSigned, .certificateRefused:
      .tlsCertificateError
    case .alertReceived: .tlsAlertReceived
    case .certificateRequired, .noCommonVersion, .noCommonCipher, .noCommonProtocol:
      alertReceived == nil ? .tlsProtocolError : .tlsAlertReceived
    case .plainHTTP, .notTLS, .protocolError: .tlsProtocolError
    case .closedInHandshake, .truncated: .connectionTerminated
    case .internalError: .proxyInternalError
    }
  }
}

extension TLSFailure {
  /// The connection under TLS broke within the handshake.
  ///
  /// - Parameter isServer: whether the failed side is the server, so that the peer is a client.
  package static func brokenInHandshake(isServer: Bool) -> TLSFailure {
    TLSFailure(kind: .closedInHandshake, text: "", alertSent: -1, alertReceived: -1, isServer: isServer)
  }

  init(kind: Kind, text: String, alertSent: Int32, alertReceived: Int32, isServer: Bool) {
    self.kind = kind
    self.alertSent = alertSent < 0 ? nil : UInt8(truncatingIfNeeded: alertSent)
    self.alertReceived = alertReceived < 0 ? nil : UInt8(truncatingIfNeeded: alertReceived)
    let alert = self.alertReceived.map { Self.name(ofAlert: $0) } ?? "none"
    detail = Self.detail(kind, text: text, alert: alert, isServer: isServer)
    remedy = Self.remedy(kind, alert: self.alertReceived, isServer: isServer)
  }

  /// - Parameter isServer: whether the failed side is the server, so that the peer is a client.
  private static func detail(_ kind: Kind, text: String, alert: String, isServer: Bool) -> String {
    let peer = isServer ? "the client" : "the server"
    let more = text.isEmpty ? "" : ": \(text)"
    switch kind {
    case .plainHTTP: return "\(peer) speaks HTTP without TLS"
    case .notTLS: return "\(peer) does not speak TLS"
    case .certificateExpired: return "\(peer)'s certificate has expired\(more)"
    case .certificateNotYetValid: return "\(peer)'s certificate is not valid yet\(more)"
    case .otherName: return "\(peer)'s certificate is for another name\(more)"
    case .unknownIssuer: return "\(peer)'s certificate has an issuer that is not trusted\(more)"
    case .selfSigned: return "\(peer)'s certificate is self-signed and not trusted\(more)"
    case .certificateRefused: return "\(peer)'s certificate was refused\(more)"
    case .certificateRequired: return isServer ? "the client sent no certificate" : "the server wants a certificate"
    case .noCommonVersion: return "\(peer) speaks no version of TLS that is allowed here"
    case .noCommonCipher: return "\(peer) and this side have no cipher suite, group or signature in common"
    case .noCommonProtocol: return "\(peer) and this side have no protocol of ALPN in common"
    case .alertReceived: return "\(peer) sent the alert \(alert)"
    case .closedInHandshake: return "\(peer) closed the connection in the handshake"
    case .truncated: return "\(peer) closed the connection without close_notify"
    case .protocolError: return "\(peer) broke the rules of TLS\(more)"
    case .internalError: return "this side of TLS failed\(more)"
    }
  }

  private static func remedy(_ kind: Kind, alert: UInt8?, isServer: Bool) -> String {
    isServer ? clientRemedy(kind, alert: alert) : serverRemedy(kind)
  }

  /// What mends a server's connection.
  private static func serverRemedy(_ kind: Kind) -> String {
    switch kind {
    case .plainHTTP: "write http:// in place of https://, or have the server speak TLS on this port"
    case .notTLS: "check the server's port"
    case .certificateExpired: "renew the server's certificate"
    case .certificateNotYetValid: "check the clocks of both machines"
    case .otherName: "set 'server-name' to a name of the certificate, or have one issued for this name"
    case .unknownIssuer: "name its issuer with 'ca', and have the server send the certificates between"
    case .selfSigned: "name the certificate itself with 'ca'"
    case .certificateRefused: "have the server's certificate issued anew"
    case .certificateRequired: "set 'certificate' with a chain and a key that the server trusts"
    case .noCommonVersion: "have the server speak TLS 1.2 or 1.3"
    case .noCommonCipher: "have the server allow ECDHE with AES-GCM or ChaCha20"
    case .noCommonProtocol: "have the server speak HTTP/1.1 or HTTP/2"
    case .alertReceived: "look at the server's log"
    case .closedInHandshake: "look at the server's log; it may expect another name, or may be overloaded"
    case .truncated: "have the server send close_notify before it closes"
    case .protocolError: "check what stands between the proxy and the server"
    case .internalError: "look at the limits of memory"
    }
  }

  /// What mends a client's connection.
  private static func clientRemedy(_ kind: Kind, alert: UInt8?) -> String {
    switch kind {
    case .plainHTTP: "use https:// on this port"
    case .notTLS: "check the client's port"
    case .certificateExpired, .certificateNotYetValid: "renew the client's certificate, and check the clocks"
    case .otherName, .unknownIssuer, .selfSigned, .certificateRefused:
      "have the client's certificate issued by an authority of 'client-ca'"
    case .certificateRequired: "give the client a certificate, or set 'client-certificates' to optional"
    case .noCommonVersion: "have the client speak TLS 1.2 or 1.3"
    case .noCommonCipher: "set 'policy' to intermediate for older clients"
    case .noCommonProtocol: "have the client speak HTTP/1.1"
    case .alertReceived:
      // bad_certificate to certificate_unknown, and unknown_ca.
      alert.map { (42...46).contains($0) || $0 == 48 } == true
        ? "have the client trust the issuer of this certificate" : "look at the client's log"
    case .closedInHandshake, .truncated: "nothing, when it is rare: clients go away"
    case .protocolError: "check what stands between the client and the proxy"
    case .internalError: "look at the limits of memory"
    }
  }

  /// As RFC 8446 section 6 and its predecessors name it.
  package static func name(ofAlert alert: UInt8) -> String {
    switch alert {
    case 0: "close_notify"
    case 10: "unexpected_message"
    case 20: "bad_record_mac"
    case 22: "record_overflow"
    case 40: "handshake_failure"
    case 42: "bad_certificate"
    case 43: "unsupported_certificate"
    case 44: "certificate_revoked"
    case 45: "certificate_expired"
    case 46: "certificate_unknown"
    case 47: "illegal_parameter"
    case 48: "unknown_ca"
    case 49: "access_denied"
    case 50: "decode_error"
    case 51: "decrypt_error"
    case 70: "protocol_version"
    case 71: "insufficient_security"
    case 80: "internal_error"
    case 86: "inappropriate_fallback"
    case 90: "user_canceled"
    case 109: "missing_extension"
    case 110: "unsupported_extension"
    case 112: "unrecognized_name"
    case 113: "bad_certificate_status_response"
    case 115: "unknown_psk_identity"
    case 116: "certificate_required"
    case 120: "no_application_protocol"
    default: "\(alert)"
    }
  }
}

extension TLSFailure.Kind {
  init(_ failure: photofinish_tls_failure) {
    self =
      switch failure {
      case PHOTOFINISH_TLS_FAILURE_PLAIN_HTTP: .plainHTTP
      case PHOTOFINISH_TLS_FAILURE_NOT_TLS: .notTLS
      case PHOTOFINISH_TLS_FAILURE_EXPIRED: .certificateExpired
      case PHOTOFINISH_TLS_FAILURE_NOT_YET_VALID: .certificateNotYetValid
      case PHOTOFINISH_TLS_FAILURE_OTHER_NAME: .otherName
      case PHOTOFINISH_TLS_FAILURE_UNKNOWN_ISSUER: .unknownIssuer
      case PHOTOFINISH_TLS_FAILURE_SELF_SIGNED: .selfSigned
      case PHOTOFINISH_TLS_FAILURE_CERTIFICATE: .certificateRefused
      case PHOTOFINISH_TLS_FAILURE_CERTIFICATE_REQUIRED: .certificateRequired
      case PHOTOFINISH_TLS_FAILURE_VERSION: .noCommonVersion
      case PHOTOFINISH_TLS_FAILURE_CIPHER: .noCommonCipher
      case PHOTOFINISH_TLS_FAILURE_PROTOCOL: .noCommonProtocol
      case PHOTOFINISH_TLS_FAILURE_ALERT: .alertReceived
      case PHOTOFINISH_TLS_FAILURE_CLOSED: .closedInHandshake
      case PHOTOFINISH_TLS_FAILURE_TRUNCATED: .truncated
      case PHOTOFINISH_TLS_FAILURE_BYTES: .protocolError
      default: .internalError
      }
  }
}
