internal import CTLS
package import Core

/// TLS to the clients of a listener, for one generation of its files. Threads share it.
@safe
// Safe: nothing changes after init, and OpenSSL counts its references atomically.
package final class TLSServerContext: @unchecked Sendable {
  let context: OpaquePointer
  /// The certificates in use, in the order of the settings.
  package let certificates: [CertificateSummary]
  private let ring: TicketKeyRing?

  /// Reads the files, so it belongs on a thread that may wait.
  ///
  /// - Parameters:
  ///   - settings: with at least one certificate.
  ///   - ticketKeys: without them no session is resumed.
  ///   - now: seconds since 1970.
  /// - Throws: all faults of all files.
  package init(_ settings: ListenerTLS, ticketKeys: TicketKeyRing?, now: Int64) throws(TLSFaults) {
    var faults: [TLSFault] = []
    var pairs: [CertificatePairBox] = []
    for files in settings.certificates {
      do throws(TLSFault) { pairs.append(CertificatePairBox(try CertificatePair(files, now: now))) } catch {
        faults.append(error)
      }
    }
    if settings.certificates.isEmpty {
      faults.append(
        TLSFault(place: "tls", fact: "there is no certificate", fix: "name a chain and a key below 'certificates'"))
    }
    var verify = PHOTOFINISH_TLS_VERIFY_OFF
    var authorities: TrustedAuthorities?
    do throws(TLSFault) {
      switch settings.clientCertificates {
      case .off: break
      case .optional(let path):
        verify = PHOTOFINISH_TLS_VERIFY_OPTIONAL
        authorities = try TrustedAuthorities(path: path)
      case .required(let path):
        verify = PHOTOFINISH_TLS_VERIFY_REQUIRED
        authorities = try TrustedAuthorities(path: path)
      }
    } catch { faults.append(error) }
    guard faults.isEmpty else { throw TLSFaults(faults: faults) }
    let protocols = wireForm(settings.protocols)
    // Safe: the pointers outlive their uses: the authorities until the end of this initialiser, the ring as long as this object.
    let made = unsafe protocols.withUnsafeBytes { bytes in
      var options = unsafe photofinish_tls_options()
      unsafe options.minimum_version = settings.minimumVersion.number
      unsafe options.older_suites = settings.policy == .intermediate ? 1 : 0
      unsafe options.verify = verify
      unsafe options.trust = authorities?.trust
      unsafe options.ring = ticketKeys?.ring
      unsafe options.protocols = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      unsafe options.protocols_count = bytes.count
      return unsafe photofinish_tls_server_context_new(&options)
    }
    guard let made = unsafe made else { throw TLSFaults(faults: [.noMemory]) }
    // Safe: freed in deinit.
    unsafe context = made
    ring = ticketKeys
    certificates = pairs.map { $0.pair.summary }
    try fill(pairs)
    // The context reads the authorities until all sets are made.
    withExtendedLifetime(pairs) {}
    _ = consume authorities
  }

  deinit {
    // Safe: sessions hold this object.
    unsafe photofinish_tls_context_free(context)
  }

  /// Gives the context a set of certificates for each name, and those that serve where no name fits.
  private func fill(_ pairs: [CertificatePairBox]) throws(TLSFaults) {
    let plan = NamePlan(pairs.map { (names: $0.pair.summary.names, kind: $0.pair.kind) })
    for (number, members) in plan.sets.enumerated() {
      // Safe: the context lives.
      guard unsafe photofinish_tls_context_add_set(context) == Int32(number) else {
        throw TLSFaults(faults: [.noMemory])
      }
      for member in members {
        // Safe: the context and the pair live.
        guard unsafe pairs[member].pair.use(in: context, set: Int32(number)) else {
          let files = pairs[member].pair.summary.files
          let fault = TLSFault(
            place: files.chain, fact: "OpenSSL does not take the certificate", fix: "have one issued with SHA-256")
          throw TLSFaults(faults: [fault])
        }
      }
    }
    for (name, set) in plan.names {
      // Safe: the string lives as long as the call, which copies it.
      guard unsafe photofinish_tls_context_add_name(context, name, Int32(set)) == 1 else {
        throw TLSFaults(faults: [.noMemory])
      }
    }
  }
}

/// A pair in an array.
private final class CertificatePairBox {
  let pair: CertificatePair
  init(_ pair: consuming CertificatePair) { self.pair = pair }
}

/// TLS to the servers of an upstream. It keeps the last session of each name for resumption.
@safe
// Safe: what changes, the kept sessions, has a lock on the C side.
package final class TLSClientContext: @unchecked Sendable {
  let context: OpaquePointer
  /// What servers are shown when they ask for a certificate.
  package let certificate: CertificateSummary?

  /// Reads the files, so it belongs on a thread that may wait.
  ///
  /// - Parameter now: seconds since 1970.
  /// - Throws: all faults of all files.
  package init(_ settings: UpstreamTLS, now: Int64) throws(TLSFaults) {
    var faults: [TLSFault] = []
    var authorities: TrustedAuthorities?
    var pair: CertificatePairBox?
    if settings.isVerified {
      do throws(TLSFault) { authorities = try TrustedAuthorities(path: settings.authorities) } catch {
        faults.append(error)
      }
    }
    if let files = settings.certificate {
      do throws(TLSFault) { pair = CertificatePairBox(try CertificatePair(files, now: now)) } catch {
        faults.append(error)
      }
    }
    guard faults.isEmpty else { throw TLSFaults(faults: faults) }
    let protocols = wireForm(settings.protocols)
    // Safe: the pointers outlive the call, which copies or counts what it keeps.
    let made = unsafe protocols.withUnsafeBytes { bytes in
      var options = unsafe photofinish_tls_options()
      unsafe options.minimum_version = settings.minimumVersion.number
      // Servers are older than we wish.
      unsafe options.older_suites = 1
      unsafe options.verify = settings.isVerified ? PHOTOFINISH_TLS_VERIFY_REQUIRED : PHOTOFINISH_TLS_VERIFY_OFF
      unsafe options.trust = authorities?.trust
      unsafe options.protocols = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      unsafe options.protocols_count = bytes.count
      return unsafe photofinish_tls_client_context_new(&options)
    }
    _ = consume authorities
    guard let made = unsafe made else { throw TLSFaults(faults: [.noMemory]) }
    // Safe: freed in deinit.
    unsafe context = made
    certificate = pair?.pair.summary
    // Safe: both live.
    if let pair, unsafe !pair.pair.use(in: context, set: 0) {
      let fault = TLSFault(
        place: pair.pair.summary.files.chain, fact: "OpenSSL does not take the certificate",
        fix: "have one issued with SHA-256")
      throw TLSFaults(faults: [fault])
    }
  }

  deinit {
    // Safe: sessions hold this object.
    unsafe photofinish_tls_context_free(context)
  }

  /// Servers of which a session is kept.
  package var keptSessions: Int {
    // Safe: the context lives.
    Int(unsafe photofinish_tls_context_session_count(context))
  }
}

extension TLSVersion {
  /// As it stands on the wire (RFC 8446 section 4.2.1).
  fileprivate var number: Int32 {
    switch self {
    case .version12: 0x0303
    case .version13: 0x0304
    }
  }
}

extension TLSFault {
  fileprivate static var noMemory: TLSFault {
    TLSFault(place: "tls", fact: "there is no memory for it", fix: "look at the limits of memory")
  }
}

/// Each name behind its length (RFC 7301 section 3.1).
func wireForm(_ protocols: [ApplicationProtocol]) -> [UInt8] {
  protocols.flatMap { [UInt8($0.rawValue.utf8.count)] + Array($0.rawValue.utf8) }
}
