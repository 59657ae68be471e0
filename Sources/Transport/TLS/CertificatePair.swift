internal import CTLS
package import Core

/// A certificate in use, for `status`, metrics and warnings.
package struct CertificateSummary: Sendable, Hashable {
  package var files: CertificateFiles
  /// DNS names in lower case, and addresses.
  package var names: [String]
  package var issuer: String
  /// Seconds since 1970 at which its validity ends.
  package var notAfter: Int64
  /// SHA-256, in lower-case hexadecimal.
  package var fingerprint: String
}

/// A certificate with its issuers and its key, as loaded.
@safe
struct CertificatePair: ~Copyable {
  private let pair: OpaquePointer
  let summary: CertificateSummary
  /// Of the key; a name has one certificate of each kind.
  let kind: Int32

  init(_ files: CertificateFiles, now: Int64) throws(TLSFault) {
    var fault = photofinish_tls_fault()
    // Safe: the strings live as long as the call.
    guard let loaded = unsafe photofinish_tls_pair_load(files.chain, files.key, now, &fault) else {
      throw TLSFault(fault, chain: files.chain, key: files.key)
    }
    // Safe: freed in deinit; the strings are copied.
    unsafe pair = loaded
    unsafe kind = photofinish_tls_pair_kind(loaded)
    unsafe summary = CertificateSummary(
      files: files, names: String(cString: photofinish_tls_pair_names(loaded)).split(separator: "\n").map(String.init),
      issuer: String(cString: photofinish_tls_pair_issuer(loaded)), notAfter: photofinish_tls_pair_not_after(loaded),
      fingerprint: String(cString: photofinish_tls_pair_fingerprint(loaded)))
  }

  deinit {
    // Safe: contexts have references of their own to what is in it.
    unsafe photofinish_tls_pair_free(pair)
  }

  /// Has a set of a context use it.
  borrowing func use(in context: OpaquePointer, set: Int32) -> Bool {
    // Safe: both live; the context takes references.
    unsafe photofinish_tls_context_use(context, set, pair) == 1
  }
}

/// Authorities that are trusted, as loaded.
@safe
struct TrustedAuthorities: ~Copyable {
  let trust: OpaquePointer

  /// - Parameter path: a file; nil: what the system trusts.
  init(path: String?) throws(TLSFault) {
    var fault = photofinish_tls_fault()
    // Safe: the string lives as long as the call; freed in deinit.
    let loaded =
      unsafe path.map { unsafe photofinish_tls_trust_load($0, &fault) } ?? photofinish_tls_trust_system(&fault)
    guard let loaded = unsafe loaded else { throw TLSFault(fault, chain: path ?? "the system", key: nil) }
    unsafe trust = loaded
  }

  deinit {
    // Safe: contexts have references of their own to what is in it.
    unsafe photofinish_tls_trust_free(trust)
  }
}
