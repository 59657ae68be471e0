/// What servers are told of a certificate that a client has shown, and that was verified.
package enum ClientCertificateFields {
  /// The lines of `Client-Cert` (RFC 9440 section 2.2) and of `X-Forwarded-Client-Cert`, as Envoy writes it.
  ///
  /// - Parameters:
  ///   - base64: the certificate in DER, in Base64.
  ///   - fingerprint: SHA-256, in hexadecimal.
  ///   - subject: as RFC 4514 writes names; it comes from the certificate, so any character may be in it.
  package static func lines(base64: String, fingerprint: String, subject: String) -> [UInt8] {
    var lines = Array("Client-Cert: :\(base64):\r\nX-Forwarded-Client-Cert: Hash=\(fingerprint);Subject=\"".utf8)
    for byte in subject.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        lines.append(UInt8(ascii: "\\"))
        lines.append(byte)
      // What no field value can hold, or what readers understand differently.
      case 0..<0x20, 0x7f...: lines.append(UInt8(ascii: "?"))
      default: lines.append(byte)
      }
    }
    lines += Array("\"\r\n".utf8)
    return lines
  }
}
