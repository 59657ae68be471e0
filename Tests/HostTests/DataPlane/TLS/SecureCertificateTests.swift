import Core
import Foundation
import Host
import Support
import TLS
import Testing

/// Which certificate clients get, how files change, and the certificates of clients.
@Suite(.onThreads)
struct SecureCertificateTests {
  /// Whom the server's certificate is for.
  private static func subject(_ proxy: RunningProxy, _ context: TLSClientContext, _ name: String) throws -> String {
    let socket = try proxy.connect()
    return try socket.speakTLS(context, name: name).peerCertificate?.subject ?? "none"
  }

  @Test func theNameChoosesTheCertificate() throws {
    let ground = try SecureGround.shared()
    let certificates = ground.certificates
    let wild = try certificates.issue("wild", for: ["*.wild.test"])
    let exact = try certificates.issue("exact", for: ["a.wild.test"])
    try secureStory({ $0.listeners[0].tls?.certificates += [wild, exact] }, server: echoing) { proxy, _, ground in
      for (name, expected) in [
        ("www.example.test", "www"), ("b.wild.test", "wild"), ("a.wild.test", "exact"), ("127.0.0.1", "www"),
      ] {
        let subject = try Self.subject(proxy, ground.client, name)
        #expect(subject == "CN=\(expected),O=Tests")
      }
    }
  }

  /// As cert-manager and certbot do: a link is turned to other files, under clients that go on.
  @Test func filesThatChangeAreTakenUp() throws {
    let ground = try SecureGround.shared()
    let certificates = ground.certificates
    let files = FileManager.default
    for (name, common) in [("one", "first"), ("two", "second")] {
      let made = try certificates.issue(common, for: ["www.example.test"])
      try files.createDirectory(atPath: certificates.path(name), withIntermediateDirectories: true)
      try files.copyItem(atPath: made.chain, toPath: certificates.path("\(name)/tls.crt"))
      try files.copyItem(atPath: made.key, toPath: certificates.path("\(name)/tls.key"))
    }
    let link = certificates.path("live")
    try files.createSymbolicLink(atPath: link, withDestinationPath: certificates.path("one"))
    func turn(to name: String) throws {
      try files.createSymbolicLink(atPath: link + ".new", withDestinationPath: certificates.path(name))
      // Safe: both paths are lent as C strings during the call.
      guard unsafe rename(link + ".new", link) == 0 else { throw BlockingSocket.Failure.ended("rename") }
    }
    let live = CertificateFiles(chain: link + "/tls.crt", key: link + "/tls.key")
    try secureStory({ $0.listeners[0].tls?.certificates = [live] }, server: echoing) { proxy, _, ground in
      let old = try proxy.connectSecurely(ground.client)
      #expect(try old.get("/a").text == "GET /a 0")
      let first = try Self.subject(proxy, ground.client, "www.example.test")
      #expect(first == "CN=first,O=Tests")
      try turn(to: "two")
      let isTurned = try eventually {
        try Self.subject(proxy, ground.client, "www.example.test") == "CN=second,O=Tests"
      }
      #expect(isTurned)
      #expect(try old.post("/b", "x").text == "POST /b 1")
    }
  }

  @Test func aBrokenFileChangesNothing() throws {
    let ground = try SecureGround.shared()
    let made = try ground.certificates.issue("mended", for: ["www.example.test"])
    let chain = try ground.certificates.text(made.chain)
    try secureStory({ $0.listeners[0].tls?.certificates = [made] }, server: echoing) { proxy, _, ground in
      try ground.certificates.write("mended.pem", "no certificate\n")
      #expect(eventually { proxy.log.contains { $0.contains("what was read before serves on") } })
      let got = try proxy.connectSecurely(ground.client).get("/a").text
      #expect(got == "GET /a 0")
      // A reload with it is refused.
      #expect(throws: Proxy.StartError.self) { _ = try proxy.proxy.reload(self.changed(proxy.proxy.settings)) }
      try ground.certificates.write("mended.pem", chain)
    }
  }

  private func changed(_ settings: ProxySettings) -> ProxySettings {
    var changed = settings
    changed.listeners[0].tls?.minimumVersion = .version13
    return changed
  }

  /// Reloads and sessions that are resumed, under a client that comes anew each time.
  @Test func reloadsLoseNobody() throws {
    try secureStory(server: echoing) { proxy, _, ground in
      let steady = try proxy.connectSecurely(ground.client)
      for round in 1...20 {
        var settings = proxy.proxy.settings
        settings.listeners[0].tls?.minimumVersion = round.isMultiple(of: 2) ? .version12 : .version13
        _ = try proxy.proxy.reload(settings)
        let got = try proxy.connectSecurely(ground.client).get("/\(round)").text
        #expect(got == "GET /\(round) 0")
        #expect(try steady.post("/\(round)", "x").text == "POST /\(round) 1")
      }
      #expect(proxy.counters.tlsResumed > 0)
    }
  }

  // MARK: - Certificates of clients

  @Test(.serialized, arguments: [true, false])
  func theCertificateOfAClientIsPassedOn(isRequired: Bool) throws {
    let ground = try SecureGround.shared()
    let own = try ground.certificates.issue("client", for: ["client.test"])
    let known = try SecureGround.client(ground.certificates) { $0.certificate = own }
    let authorities = ground.certificates.authority.chain
    try secureStory(
      {
        $0.listeners[0].tls?.clientCertificates =
          isRequired ? .required(authorities: authorities) : .optional(authorities: authorities)
      }, server: echoing
    ) { proxy, server, ground in
      // Twice: the second session is resumed.
      for _ in 0..<2 {
        let client = try proxy.connectSecurely(known)
        #expect(try client.get("/", "Client-Cert: :Zm9yZ2Vk:\r\nclient_cert: x\r\n").status == 200)
        let request = try #require(server.requests.last)
        #expect(request["X-Forwarded-Client-Cert"]?.hasSuffix("Subject=\"CN=client,O=Tests\"") == true)
        let value = try #require(request["Client-Cert"])
        #expect(value.hasPrefix(":MII") && value.hasSuffix(":") && !value.contains("|"))
        #expect(request["client_cert"] == nil)
      }
      let stranger = try proxy.connect()
      if isRequired {
        // In TLS 1.3 the client learns of it behind its handshake.
        _ = try? stranger.speakTLS(ground.client)
        #expect(throws: (any Error).self) { _ = try stranger.get() }
        #expect(eventually { proxy.counters.tlsFailures["certificate-required"] == 1 })
      } else {
        try stranger.speakTLS(ground.client)
        #expect(try stranger.get("/", "Client-Cert: :Zm9yZ2Vk:\r\n").status == 200)
        #expect(server.requests.last?["Client-Cert"] == nil)
      }
    }
  }

  /// On a listener without TLS, too: who the client is, it cannot say itself.
  @Test func nobodySaysItHimself() throws {
    try story(server: echoing) { proxy, server in
      let forged =
        "Client-Cert: :Zm9yZ2Vk:\r\nClient-Cert-Chain: :Zm9yZ2Vk:\r\nX-Forwarded-Client-Cert: Subject=root\r\n"
      let got = try proxy.connect().get("/", forged).status
      #expect(got == 200)
      let request = try #require(server.requests.last)
      for name in ["Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert"] { #expect(request[name] == nil) }
    }
    // A proxy of ours may.
    let loopback = try #require(AddressBlock(bytes: [127, 0, 0, 0], prefixLength: 8))
    try story({ $0.forwarding.trustedPeers = [loopback] }, server: echoing) { proxy, server in
      let got = try proxy.connect().get("/", "Client-Cert: :Zm9yZ2Vk:\r\n").status
      #expect(got == 200)
      #expect(server.requests.last?["Client-Cert"] == ":Zm9yZ2Vk:")
    }
  }
}
