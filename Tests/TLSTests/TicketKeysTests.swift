import Core
import Support
import TLS
import Testing

@Suite struct TicketKeysTests {
  let certificates: TestCertificates
  let client: TLSClientContext

  init() throws {
    certificates = try TestCertificates()
    var upstream = UpstreamTLS()
    upstream.authorities = certificates.authority.chain
    client = try TLSClientContext(upstream, now: now)
  }

  static func random(_ seed: UInt8) -> [UInt8] { (0..<TicketKeys.keySize).map { UInt8($0) &* 7 &+ seed } }

  func server(_ ring: TicketKeyRing, _ change: (inout ListenerTLS) -> Void = { _ in }) throws -> TLSServerContext {
    var listener = ListenerTLS()
    listener.certificates = [try certificates.issue("www", for: ["www.example.test"])]
    change(&listener)
    return try TLSServerContext(listener, ticketKeys: ring, now: now)
  }

  /// Shakes hands; whether both say that a session was resumed.
  func resumes(_ server: TLSServerContext, _ client: TLSClientContext? = nil) -> Bool {
    let pair = SessionPair(client ?? self.client, server)
    #expect(pair.shake() == (.bytes(0), .bytes(0)))
    // The ticket comes behind the handshake.
    #expect(pair.client.readAll().end == .wouldBlock)
    #expect(pair.client.wasResumed == pair.server.wasResumed)
    return pair.server.wasResumed
  }

  @Test func keysRotate() throws {
    var keys = TicketKeys(random: Self.random(1))
    #expect(TicketKeys(bytes: keys.bytes) == keys)
    for seed in UInt8(2)...5 { keys = keys.rotated(random: Self.random(seed)) }
    #expect(keys.bytes == Self.random(5) + Self.random(4) + Self.random(3))
    #expect(TicketKeys(bytes: keys.bytes) == keys)
    #expect(TicketKeys(bytes: []) == nil && TicketKeys(bytes: [1]) == nil)
    #expect(TicketKeys(bytes: keys.bytes + Self.random(1)) == nil)
    let ring = TicketKeyRing(keys)
    #expect(ring.keys == keys)
  }

  @Test func ticketsLiveAsLongAsTheirKey() throws {
    let ring = TicketKeyRing(TicketKeys(random: Self.random(1)))
    let server = try server(ring)
    #expect(!resumes(server))
    #expect(client.keptSessions == 1)
    // Clients use a ticket once: each resumed session brings the next.
    for _ in 0..<3 { #expect(resumes(server)) }
    // Another process, or another generation of the context, with the same keys.
    let successor = try self.server(TicketKeyRing(TicketKeys(bytes: ring.keys.bytes)!))  // As written above.
    #expect(resumes(successor))
    ring.keys = ring.keys.rotated(random: Self.random(2)).rotated(random: Self.random(3))
    #expect(resumes(server), "an older key decrypts")
    #expect(resumes(server))
    ring.keys = TicketKeys(random: Self.random(4))
    #expect(!resumes(server), "a key that is gone costs a full handshake")
    #expect(resumes(server))
  }

  @Test func aTicketDoesNotStandForACertificate() throws {
    let ring = TicketKeyRing(TicketKeys(random: Self.random(1)))
    #expect(!resumes(try server(ring)))
    let asking = try server(ring) { $0.clientCertificates = .optional(authorities: certificates.authority.chain) }
    #expect(!resumes(asking))
    var upstream = UpstreamTLS()
    upstream.authorities = certificates.authority.chain
    upstream.certificate = try certificates.issue("client", for: ["client.test"])
    let known = try TLSClientContext(upstream, now: now)
    #expect(!resumes(asking, known))
    let pair = SessionPair(known, asking)
    pair.shake()
    #expect(pair.server.wasResumed)
    #expect(pair.server.peerCertificate?.subject == "CN=client,O=Tests", "the ticket holds the certificate")
  }

  @Test func version12ResumesToo() throws {
    let ring = TicketKeyRing(TicketKeys(random: Self.random(1)))
    let server = try server(ring)
    let folder = certificates.path("")
    for arguments in [["-sess_out", "\(folder)/session"], ["-sess_in", "\(folder)/session"]] {
      let text = try PeerProcess.client(server, ["-tls1_2"] + arguments)
      #expect(text.contains(arguments[0] == "-sess_in" ? "Reused, TLSv1.2" : "New, TLSv1.2"), "\(text)")
    }
  }
}
