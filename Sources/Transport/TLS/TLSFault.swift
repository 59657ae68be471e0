internal import CTLS

/// What is wrong with a file of certificates or keys: the place, the fact and what would mend it.
package struct TLSFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file.
  package var place: String
  package var fact: String
  package var fix: String

  package var description: String { "\(place): \(fact); \(fix)" }
}

extension TLSFault {
  /// - Parameters:
  ///   - fault: what the loading said.
  ///   - chain: the file of certificates.
  ///   - key: the file of the key; nil where there is none.
  init(_ fault: photofinish_tls_fault, chain: String, key: String?) {
    let isKey = fault.in_key != 0
    let words = Self.words(of: fault.fault, detail: Self.detail(of: fault), chain: chain, isKey: isKey)
    self.init(place: isKey ? key ?? chain : chain, fact: words.fact, fix: words.fix)
  }

  private static func words(
    of fault: photofinish_tls_file_fault, detail: String, chain: String, isKey: Bool
  ) -> (fact: String, fix: String) {
    let more = detail.isEmpty ? "" : " (\(detail))"
    switch fault {
    case PHOTOFINISH_TLS_FILE_UNREADABLE:
      return ("the file cannot be read\(more)", "check the path, and that the proxy's user may read it")
    case PHOTOFINISH_TLS_FILE_NOT_REGULAR: return ("this is no regular file", "name a file in PEM")
    case PHOTOFINISH_TLS_FILE_TOO_LARGE:
      return ("the file has more than 4 MiB", "name a file that holds certificates only")
    case PHOTOFINISH_TLS_FILE_EMPTY: return ("the file is empty", "write it anew")
    case PHOTOFINISH_TLS_FILE_IS_DER:
      return (
        "the file is in DER, not in PEM",
        isKey ? "convert it: openssl pkey -inform DER -in FILE" : "convert it: openssl x509 -inform DER -in FILE"
      )
    case PHOTOFINISH_TLS_FILE_NO_CERTIFICATE:
      return ("there is no certificate in the file", "name a PEM file with -----BEGIN CERTIFICATE-----")
    case PHOTOFINISH_TLS_FILE_NO_KEY:
      return ("there is no private key in the file", "name a PEM file with -----BEGIN PRIVATE KEY-----")
    case PHOTOFINISH_TLS_FILE_MALFORMED: return ("the file is damaged\(more)", "write it anew")
    case PHOTOFINISH_TLS_FILE_KEY_ENCRYPTED:
      return ("the key is encrypted", "decrypt it: openssl pkey -in FILE -out NEW")
    case PHOTOFINISH_TLS_FILE_KEY_MISMATCH:
      return ("the key does not belong to any certificate of \(chain)", "name the key of that certificate")
    case PHOTOFINISH_TLS_FILE_EXPIRED: return ("the certificate has expired (\(detail))", "renew it")
    case PHOTOFINISH_TLS_FILE_NOT_YET_VALID:
      return ("the certificate is not valid yet (from \(detail))", "wait, or check the clock")
    default: return rareWords(of: fault, detail: detail)
    }
  }

  private static func rareWords(
    of fault: photofinish_tls_file_fault, detail: String
  ) -> (fact: String, fix: String) {
    switch fault {
    case PHOTOFINISH_TLS_FILE_LEAF_NOT_FIRST:
      return ("the certificate of the key is number \(detail) in the file", "put it first, and its issuers behind it")
    case PHOTOFINISH_TLS_FILE_CHAIN_ORDER:
      let numbers = detail.split(separator: " ")
      let issuer = numbers.first.map(String.init) ?? "?"
      let subject = numbers.last.map(String.init) ?? "?"
      return (
        "certificate \(issuer) of the file did not issue certificate \(subject)",
        "put each issuer behind what it issued, and leave others out"
      )
    case PHOTOFINISH_TLS_FILE_WEAK_KEY:
      return ("the key has only \(detail) bits", "make one of 2048 bits for RSA, or of 256 for ECDSA")
    case PHOTOFINISH_TLS_FILE_KEY_TYPE: return ("the key is of the kind \(detail)", "make one for RSA or ECDSA")
    case PHOTOFINISH_TLS_FILE_WEAK_SIGNATURE:
      return ("the certificate is signed with \(detail)", "have one issued that is signed with SHA-256")
    case PHOTOFINISH_TLS_FILE_NO_NAME:
      return ("the certificate is for no name", "have one issued with a subject alternative name")
    case PHOTOFINISH_TLS_FILE_NO_SYSTEM_TRUST:
      return (
        "the system trusts nobody: there are no certificates in \(detail)",
        "install ca-certificates, or name a file of authorities"
      )
    default: return ("there is no memory for it", "look at the limits of memory")
    }
  }

  private static func detail(of fault: photofinish_tls_fault) -> String {
    var bytes: [UInt8] = []
    // Safe: the array of the imported struct is a tuple of its 256 bytes, which live as long as `fault`.
    unsafe withUnsafeBytes(of: fault.detail) { detail in
      bytes = unsafe Array(detail.prefix { $0 != 0 })
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// All that is wrong with the files of a context.
package struct TLSFaults: Error, Hashable, Sendable {
  package var faults: [TLSFault]
}
