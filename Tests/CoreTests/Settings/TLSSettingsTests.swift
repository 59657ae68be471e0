import Core
import Testing

@Suite struct TLSSettingsTests {
  private func text(_ text: String) -> SettingsNode { SettingsNode(.scalar(SettingsNode.Scalar(text))) }

  private func map(_ entries: KeyValuePairs<String, SettingsNode>) -> SettingsNode {
    SettingsNode(.map(entries.map { SettingsNode.Entry($0.key, $0.value) }))
  }

  private func files(_ name: String) -> SettingsNode {
    map(["chain": text("/\(name).pem"), "key": text("/\(name).key")])
  }

  private func parse(listener: SettingsNode?, upstream: SettingsNode?, url: String = "https://h")
    -> SettingsParser.Result
  {
    var listen: KeyValuePairs<String, SettingsNode> = ["address": text(":443")]
    if let listener { listen = ["address": text(":443"), "tls": listener] }
    var app: KeyValuePairs<String, SettingsNode> = ["servers": text(url)]
    if let upstream { app = ["servers": text(url), "tls": upstream] }
    return SettingsParser.parse(
      map(["listen": map(listen), "upstreams": map(["app": map(app)])]), threads: 1, environment: { _ in nil })
  }

  @Test func readsAndShowsAllKeys() throws {
    let listener = map([
      "certificates": SettingsNode(.list([files("a"), files("b")])), "policy": text("intermediate"),
      "minimum-version": text("1.3"), "client-certificates": text("optional"), "client-ca": text("/ca.pem"),
      "alpn": SettingsNode(.list([text("h2"), text("http/1.1")])),
    ])
    let upstream = map([
      "ca": text("/ca.pem"), "server-name": text("name.test"), "certificate": files("c"),
      "minimum-version": text("1.3"), "alpn": text("http/1.1"),
    ])
    let settings = try #require(parse(listener: listener, upstream: upstream).settings)
    var expected = ListenerTLS()
    expected.certificates = ["a", "b"].map { CertificateFiles(chain: "/\($0).pem", key: "/\($0).key") }
    expected.policy = .intermediate
    expected.minimumVersion = .version13
    expected.clientCertificates = .optional(authorities: "/ca.pem")
    expected.protocols = [.http2, .http11]
    #expect(settings.listeners.map(\.tls) == [expected])
    var toServers = UpstreamTLS()
    toServers.authorities = "/ca.pem"
    toServers.serverName = "name.test"
    toServers.certificate = CertificateFiles(chain: "/c.pem", key: "/c.key")
    toServers.minimumVersion = .version13
    #expect(settings.upstreams[0].tls == toServers)
    #expect(settings.upstreams[0].servers == [ServerSettings(origin: .tcp(host: "h", port: 443), isTLS: true)])
    let again = SettingsParser.parse(SettingsParser.show(settings), threads: 1, environment: { _ in nil })
    #expect(again.settings == settings)
  }

  @Test func refusesWhatIsIncomplete() {
    func facts(listener: SettingsNode? = nil, upstream: SettingsNode? = nil, url: String = "https://h") -> [String] {
      parse(listener: listener, upstream: upstream, url: url).problems.map(\.fact)
    }
    #expect(facts() == [])
    #expect(facts(listener: map(["policy": text("modern")])) == ["has no 'certificates'"])
    #expect(facts(listener: map(["certificates": map(["chain": text("/a")])])) == ["has no 'key'"])
    #expect(
      facts(listener: map(["certificates": files("a"), "client-certificates": text("required")])) == [
        "asks for certificates of clients and names nobody who issues them"
      ])
    #expect(
      facts(listener: map(["certificates": files("a"), "client-ca": text("/ca")])) == [
        "has a 'client-ca' and asks for no certificates"
      ])
    #expect(
      facts(upstream: map(["ca": text("/ca")]), url: "http://h") == ["has no effect: no server is one of https://"])
    #expect(
      facts(upstream: map(["verify": text("off")])) == [
        "anybody between the proxy and a server can read and change everything"
      ])
  }

  @Test(arguments: [
    ("https://h", "h", 443), ("https://h:8443", "h", 8_443), ("https://h:80", "h", 80), ("https://[::1]/", "::1", 443),
  ])
  func readsServers(url: String, host: String, port: UInt16) throws {
    let server = try ServerSettings(parsing: url)
    #expect(server == ServerSettings(origin: .tcp(host: host, port: port), isTLS: true))
    #expect(try ServerSettings(parsing: server.url) == server)
    #expect(throws: QuantityError.self) { try ServerSettings(parsing: url + "/path") }
  }
}
