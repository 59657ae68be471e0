import Core
import Foundation
import Support
import TLS
import Testing

@Suite struct TLSClientContextTests {
  let certificates: TestCertificates

  init() throws { certificates = try TestCertificates() }

  func server(_ files: CertificateFiles, now date: Int64 = now) throws -> TLSServerContext {
    var listener = ListenerTLS()
    listener.certificates = [files]
    return try TLSServerContext(listener, ticketKeys: nil, now: date)
  }

  func client(_ authorities: String?, _ change: (inout UpstreamTLS) -> Void = { _ in }) throws -> TLSClientContext {
    var upstream = UpstreamTLS()
    upstream.authorities = authorities
    change(&upstream)
    return try TLSClientContext(upstream, now: now)
  }

  @Test func certificatesThatAreNotTrustedAreToldApart() throws {
    let folder = certificates.path("")
    // Made for a time that is over, or that is to come.
    let old = CertificateFiles(chain: "\(folder)/old.pem", key: "\(folder)/old.key")
    let early = CertificateFiles(chain: "\(folder)/early.pem", key: "\(folder)/early.key")
    for (files, begin, end) in [
      (old, "20200101000000Z", "20200201000000Z"), (early, "20980101000000Z", "20990101000000Z"),
    ] {
      try certificates.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out \(files.key)")
      try certificates.openssl("req -new -key \(files.key) -subj /CN=www.example.test -out \(files.chain).csr")
      try certificates.write(
        "ca.cnf",
        "[ca]\ndefault_ca=d\n[d]\ndatabase=\(folder)/index\nserial=\(folder)/serial\nnew_certs_dir=\(folder)\ndefault_md=sha256\npolicy=p\nrand_serial=yes\nunique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:www.example.test\n"
      )
      try certificates.write("index", "")
      try certificates.openssl(
        "ca -batch -config \(folder)/ca.cnf -in \(files.chain).csr -cert \(certificates.authority.chain)"
          + " -keyfile \(certificates.authority.key) -startdate \(begin) -enddate \(end) -out \(files.chain) -notext")
    }
    let own = CertificateFiles(chain: "\(folder)/own.pem", key: "\(folder)/own.key")
    try certificates.openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj /CN=www.example.test"
        + " -addext subjectAltName=DNS:www.example.test -keyout \(own.key) -out \(own.chain)")
    let good = try certificates.issue("good", for: ["www.example.test"])
    let trusting = try client(certificates.authority.chain)
    let system = try client(nil)
    for (context, files, date, kind, alert) in [
      (trusting, old, 1_579_000_000 as Int64, TLSFailure.Kind.certificateExpired, 45 as UInt8),
      (trusting, early, 4_050_000_000, .certificateNotYetValid, 42), (trusting, own, now, .selfSigned, 48),
      (system, good, now, .unknownIssuer, 48),
    ] {
      let pair = SessionPair(context, try server(files, now: date))
      let failure = try #require(pair.shake().client.failure)
      #expect(failure.kind == kind)
      #expect(failure.alertSent == alert)
      #expect(failure.proxyStatusError == .tlsCertificateError)
      #expect(!failure.remedy.isEmpty && !failure.detail.hasSuffix("."))
      #expect(pair.server.handshake().failure?.kind == .alertReceived)
    }
    // The certificate itself can be trusted.
    #expect(SessionPair(try client(own.chain), try server(own)).shake().client == .bytes(0))
    #expect(SessionPair(try client(nil) { $0.isVerified = false }, try server(own)).shake().client == .bytes(0))
  }

  @Test func filesThatAreWrongAreFaults() throws {
    var found: TLSFaults?
    do throws(TLSFaults) {
      var upstream = UpstreamTLS()
      upstream.authorities = "/nowhere/ca"
      upstream.certificate = CertificateFiles(chain: "/nowhere/chain", key: "/nowhere/key")
      #expect(upstream.files == ["/nowhere/ca", "/nowhere/chain", "/nowhere/key"])
      _ = try TLSClientContext(upstream, now: now)
    } catch { found = error }
    #expect(found?.faults.map(\.place) == ["/nowhere/ca", "/nowhere/chain"])
  }

  @Test func olderServersAreSpokenTo() throws {
    let files = try certificates.issue(
      "rsa", for: ["www.example.test"], key: "-algorithm RSA -pkeyopt rsa_keygen_bits:2048")
    let context = try client(certificates.authority.chain)
    let strict = try client(certificates.authority.chain) { $0.minimumVersion = .version13 }
    #expect(try PeerProcess.ask(context, files, ["-tls1_2", "-cipher", "AES128-SHA"]).version == .version12)
    #expect(try PeerProcess.ask(context, files, []).version == .version13)
    let refused = try PeerProcess.ask(strict, files, ["-tls1_2"])
    #expect(refused.end.failure?.kind == .noCommonVersion)
    let foreign = try PeerProcess.ask(context, files, ["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"])
    #expect(foreign.end.failure?.kind == .alertReceived && foreign.end.failure?.alertReceived == 40)
    for version in ["-tls1_2", "-tls1_3"] {
      let wanting = try PeerProcess.ask(context, files, [version, "-Verify", "1", "-verify_return_error"])
      #expect(wanting.end.failure?.kind == .certificateRequired, "\(version)")
    }
  }

  @Test func sessionsWithAForeignServerAreResumed() throws {
    let files = try certificates.issue("www", for: ["www.example.test"])
    let context = try client(certificates.authority.chain)
    let (first, second) = try PeerProcess.askTwice(context, files, [])
    #expect(!first.wasResumed && second.wasResumed)
    #expect(first.text.contains("HTTP/1.0 200 ok") && second.text.contains("HTTP/1.0 200 ok"))
  }
}
