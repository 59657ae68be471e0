import Core
import Foundation
import Support
import TLS
import Testing

@Suite struct TLSServerContextTests {
  let certificates: TestCertificates
  let upstream: UpstreamTLS

  init() throws {
    certificates = try TestCertificates()
    var upstream = UpstreamTLS()
    upstream.authorities = certificates.authority.chain
    self.upstream = upstream
  }

  func context(_ files: [CertificateFiles], _ change: (inout ListenerTLS) -> Void = { _ in }) throws -> TLSServerContext
  {
    var listener = ListenerTLS()
    listener.certificates = files
    change(&listener)
    return try TLSServerContext(listener, ticketKeys: nil, now: now)
  }

  /// The one fault of loading a certificate.
  func fault(_ files: CertificateFiles, now date: Int64 = now) throws -> TLSFault {
    var listener = ListenerTLS()
    listener.certificates = [files]
    var found: TLSFaults?
    do { _ = try TLSServerContext(listener, ticketKeys: nil, now: date) } catch { found = error }
    let faults = try #require(found?.faults)
    #expect(faults.count == 1)
    return faults[0]
  }

  // MARK: - Names

  @Test func namesChooseCertificates() throws {
    let files = [
      try certificates.issue("first", for: ["first.test"]),
      try certificates.issue("exact", for: ["a.wild.test", "UPPER.test"]),
      try certificates.issue("wild", for: ["*.wild.test"]),
    ]
    let server = try context(files)
    #expect(server.certificates.map(\.names) == [["first.test"], ["a.wild.test", "upper.test"], ["*.wild.test"]])
    #expect(server.certificates.allSatisfy { abs($0.notAfter - now - 30 * 86_400) < 3_600 })
    let client = try TLSClientContext(upstream, now: now)
    for (name, subject) in [
      ("first.test", "first"), ("a.wild.test", "exact"), ("b.wild.test", "wild"), ("upper.test", "exact"),
      ("A.WILD.TEST", "exact"), ("a.b.wild.test", "first"), ("wild.test", "first"), ("unknown.test", "first"),
    ] {
      let pair = SessionPair(client, server, name: name)
      let ends = pair.shake()
      let isFor = subject != "first" || name == "first.test"
      #expect((ends.client == .bytes(0)) == isFor, "\(name)")
      if isFor { #expect(pair.client.peerCertificate?.subject == "CN=\(subject),O=Tests", "\(name)") }
    }
  }

  @Test func aNameHasACertificateForEachKindOfKey() throws {
    let server = try context([
      try certificates.issue("rsa", for: ["both.test"], key: "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
      try certificates.issue("ecdsa", for: ["both.test"]),
    ])
    let folder = certificates.path("")
    for (algorithms, subject) in [("ecdsa_secp256r1_sha256", "ecdsa"), ("rsa_pss_rsae_sha256", "rsa")] {
      let text = try PeerProcess.client(
        server, ["-sigalgs", algorithms, "-servername", "both.test", "-CAfile", "\(folder)/authority.pem"])
      #expect(text.contains("subject=O = Tests, CN = \(subject)"), "\(text)")
    }
  }

  @Test func suitesAreModernUnlessOlderClientsAreServed() throws {
    let files = [try certificates.issue("rsa", for: ["a.test"], key: "-algorithm RSA -pkeyopt rsa_keygen_bits:2048")]
    let modern = try context(files)
    let older = try context(files) { $0.policy = .intermediate }
    let newest = try context(files) { $0.minimumVersion = .version13 }
    for suite in ["AES128-SHA", "ECDHE-RSA-AES128-SHA", "AES256-GCM-SHA384"] {
      let arguments = ["-tls1_2", "-cipher", "\(suite):@SECLEVEL=0"]
      #expect(throws: PeerProcess.Failed.self) { try PeerProcess.client(modern, arguments) }
      #expect(try PeerProcess.client(older, arguments).contains("Cipher is \(suite)"))
    }
    #expect(try PeerProcess.client(modern, ["-tls1_2"]).contains("Cipher is ECDHE-RSA-AES"))
    #expect(throws: PeerProcess.Failed.self) { try PeerProcess.client(newest, ["-tls1_2"]) }
    #expect(throws: PeerProcess.Failed.self) {
      try PeerProcess.client(older, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
    }
    // The client's word for ChaCha20 counts, else AES.
    let chacha = "TLS_CHACHA20_POLY1305_SHA256"
    #expect(
      try PeerProcess.client(modern, ["-ciphersuites", "\(chacha):TLS_AES_128_GCM_SHA256"]).contains(
        "Cipher is \(chacha)"))
    #expect(
      try PeerProcess.client(modern, ["-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:\(chacha)"])
        .contains("Cipher is TLS_AES_128_GCM_SHA256"))
  }

  // MARK: - Faults

  @Test func faultsOfFilesNamePlaceFactAndFix() throws {
    let good = try certificates.issue("good", for: ["a.test"])
    let other = try certificates.issue("other", for: ["b.test"])
    func files(_ chain: String, _ key: String? = nil) -> CertificateFiles {
      CertificateFiles(chain: chain, key: key ?? good.key)
    }
    let missing = try fault(files(certificates.path("missing.pem")))
    #expect(missing.description.hasPrefix("\(certificates.path("missing.pem")): the file cannot be read (No such file"))
    #expect(try fault(files(certificates.path(""))).fact == "this is no regular file")
    #expect(try fault(files(try certificates.write("empty", ""))).fact == "the file is empty")
    let words = try certificates.write("words", "no certificate\n")
    #expect(try fault(files(words)).fact == "there is no certificate in the file")
    #expect(try fault(files(good.chain, words)).fact == "there is no private key in the file")
    #expect(try fault(files(good.chain, words)).place == words)
    #expect(
      try fault(files(good.chain, other.key)).fact == "the key does not belong to any certificate of \(good.chain)")
    let damaged = try certificates.text(good.chain).replacingOccurrences(of: "MII", with: "M!!")
    #expect(try fault(files(try certificates.write("damaged", damaged))).fact.hasPrefix("the file is damaged"))
    try certificates.openssl("x509 -in \(good.chain) -outform DER -out \(certificates.path("der"))")
    #expect(try fault(files(certificates.path("der"))).fact == "the file is in DER, not in PEM")
    let encrypted = certificates.path("encrypted")
    try certificates.openssl("pkey -in \(good.key) -aes128 -passout pass:secret -out \(encrypted)")
    #expect(try fault(files(good.chain, encrypted)).fact == "the key is encrypted")
    #expect(try fault(good, now: now + 31 * 86_400).fact.hasPrefix("the certificate has expired (20"))
    #expect(try fault(good, now: now - 86_400).fact.hasPrefix("the certificate is not valid yet (from 20"))
    let weak = try certificates.issue("weak", for: ["a.test"], key: "-algorithm RSA -pkeyopt rsa_keygen_bits:1024")
    #expect(try fault(weak).fact == "the key has only 1024 bits")
    #expect(try fault(weak).place == weak.key)
  }

  @Test func theOrderOfAChainMatters() throws {
    let middle = try certificates.issue("middle", for: ["middle.test"], canIssue: true)
    let leaf = try certificates.issue("leaf", for: ["leaf.test"], by: middle)
    let one = try certificates.text(leaf.chain)
    let two = try certificates.text(middle.chain)
    let root = try certificates.text(certificates.authority.chain)
    let right = CertificateFiles(chain: try certificates.write("right", one + two + root), key: leaf.key)
    let pair = SessionPair(try TLSClientContext(upstream, now: now), try context([right]), name: "leaf.test")
    #expect(pair.shake().client == .bytes(0))
    let turned = CertificateFiles(chain: try certificates.write("turned", two + one), key: leaf.key)
    #expect(try fault(turned).fact == "the certificate of the key is number 2 in the file")
    let mixed = CertificateFiles(chain: try certificates.write("mixed", one + root + two), key: leaf.key)
    #expect(try fault(mixed).fact == "certificate 2 of the file did not issue certificate 1")
    // Without the one between, a client cannot find the way up.
    let lonely = SessionPair(try TLSClientContext(upstream, now: now), try context([leaf]), name: "leaf.test")
    #expect(lonely.shake().client.failure?.kind == .unknownIssuer)
  }

  @Test func allFaultsAreToldAtOnce() throws {
    var listener = ListenerTLS()
    listener.certificates = ["a", "b"].map { CertificateFiles(chain: "/nowhere/\($0)", key: "/nowhere/key") }
    listener.clientCertificates = .required(authorities: "/nowhere/authorities")
    var found: TLSFaults?
    do { _ = try TLSServerContext(listener, ticketKeys: nil, now: now) } catch { found = error }
    #expect(found?.faults.map(\.place) == ["/nowhere/a", "/nowhere/b", "/nowhere/authorities"])
    #expect(listener.files.count == 5)
  }

  @Test func filesThatChangeAreSeen() throws {
    let folder = certificates.path("live")
    let manager = FileManager.default
    for (name, text) in [("one", "1"), ("two", "2")] {
      try manager.createDirectory(atPath: certificates.path(name), withIntermediateDirectories: true)
      try certificates.write("\(name)/chain", text)
    }
    try manager.createSymbolicLink(atPath: folder, withDestinationPath: certificates.path("one"))
    let paths = ["\(folder)/chain", "\(folder)/missing"]
    let before = FilesFingerprint(of: paths)
    #expect(before == FilesFingerprint(of: paths))
    try manager.removeItem(atPath: folder)
    try manager.createSymbolicLink(atPath: folder, withDestinationPath: certificates.path("two"))
    let swapped = FilesFingerprint(of: paths)
    #expect(before != swapped)
    try certificates.write("two/missing", "")
    #expect(swapped != FilesFingerprint(of: paths))
  }

  // MARK: - Certificates of clients

  @Test func clientCertificatesAreOffOptionalOrRequired() throws {
    let files = [try certificates.issue("www", for: ["www.example.test"])]
    let mine = try certificates.issue("client", for: ["client.test"])
    let stranger = try TestCertificates()
    let foreign = try stranger.issue("foreign", for: ["client.test"])
    func shake(_ policy: ListenerTLS.ClientCertificates, _ shown: CertificateFiles?) throws -> SessionPair {
      var upstream = upstream
      upstream.certificate = shown
      let pair = SessionPair(
        try TLSClientContext(upstream, now: now), try context(files) { $0.clientCertificates = policy })
      pair.shake()
      return pair
    }
    let authorities = certificates.authority.chain
    #expect(try shake(.off, mine).server.peerCertificate == nil)
    #expect(try shake(.optional(authorities: authorities), nil).server.isEstablished)
    let known = try shake(.optional(authorities: authorities), mine)
    let certificate = try #require(known.server.peerCertificate)
    #expect(certificate.subject == "CN=client,O=Tests" && certificate.issuer == "CN=Test authority")
    let pem = try certificates.text(mine.chain).split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
    #expect(certificate.base64 == pem)
    let printed = try TestProcess.run(
      "openssl", ["x509", "-in", mine.chain, "-noout", "-fingerprint", "-sha256", "-serial"])
    let fingerprint = certificate.fingerprint.uppercased()
    #expect(printed.replacingOccurrences(of: ":", with: "").contains(fingerprint))
    #expect(printed.contains("serial=\(certificate.serial)"))
    #expect(try shake(.required(authorities: authorities), mine).server.isEstablished)

    let without = try shake(.required(authorities: authorities), nil)
    #expect(without.server.handshake().failure?.kind == .certificateRequired)
    let told = without.client.readAll().end.failure
    #expect(told?.kind == .certificateRequired && told?.alertReceived == 116)
    #expect(told?.proxyStatusError == .tlsAlertReceived)
    for policy in [
      ListenerTLS.ClientCertificates.optional(authorities: authorities), .required(authorities: authorities),
    ] {
      let wrong = try shake(policy, foreign)
      #expect(wrong.server.handshake().failure?.kind == .unknownIssuer)
      #expect(wrong.client.readAll().end.failure?.alertReceived == 48)
    }
  }
}
