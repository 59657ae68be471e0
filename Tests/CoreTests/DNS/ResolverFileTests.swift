import Core
import Testing

/// What the files of a system say about names.
@Suite struct ResolverFileTests {
  @Test func aPodOfKubernetes() {
    let file = ResolverFile(
      parsing: """
        search shop.svc.cluster.local svc.cluster.local cluster.local
        nameserver 10.96.0.10
        options ndots:5
        """)
    #expect(file.servers == ["10.96.0.10"])
    #expect(
      file.candidates(for: "api").map(\.description) == [
        "api.shop.svc.cluster.local", "api.svc.cluster.local", "api.cluster.local", "api",
      ])
    #expect(file.candidates(for: "api.shop.svc.cluster.local").first?.labelCount == 9, "four dots are fewer than five")
    #expect(file.candidates(for: "api.shop.svc.cluster.local").last?.description == "api.shop.svc.cluster.local")
    #expect(file.candidates(for: "api.shop.svc.cluster.local.").map(\.description) == ["api.shop.svc.cluster.local"])
  }

  @Test func aContainerOfDocker() {
    let file = ResolverFile(parsing: "nameserver 127.0.0.11\nsearch lan\noptions edns0 trust-ad ndots:0\n")
    #expect(file.candidates(for: "db_1").map(\.description) == ["db_1", "db_1.lan"])
  }

  @Test func commentsLimitsAndNonsense() {
    let file = ResolverFile(
      parsing: """
        # nameserver 192.0.2.1
        ; search wrong.example
        \tnameserver\t192.0.2.2   # the first
        nameserver 192.0.2.3
        nameserver fe80::1%eth0
        nameserver 192.0.2.5
        search one.example
        domain two.example three.example
        options timeout:99 attempts:0 ndots:x ndots:-3 use-vc rotate
        sortlist 10.0.0.0
        nameserver
        """)
    #expect(file.servers == ["192.0.2.2", "192.0.2.3", "fe80::1%eth0"])
    #expect(file.search.map(\.description) == ["two.example"])
    #expect(file.timeoutSeconds == 30)
    #expect(file.attempts == 1)
    #expect(file.dots == 1)
    #expect(file.streamsOnly)
    #expect(ResolverFile(parsing: "").servers == ["127.0.0.1"])
    #expect(ResolverFile(parsing: "\0\u{ff}\n\n").search.isEmpty)
  }

  @Test func whatIsNoNameHasNoCandidates() {
    let file = ResolverFile(parsing: "search example")
    for host in ["", ".", "a..b", ".a", "a b", "ä.example", String(repeating: "a", count: 64), "a/b"] {
      #expect(file.candidates(for: host).isEmpty, "'\(host)'")
    }
    let long = Array(repeating: String(repeating: "a", count: 63), count: 3).joined(separator: ".")
    #expect(
      file.candidates(for: long + "." + String(repeating: "b", count: 60)).count == 1, "too long within the domain")
  }

  @Test func hosts() {
    let file = HostsFile(
      parsing: """
        127.0.0.1 localhost
        ::1\tlocalhost ip6-localhost # the other one
        10.0.0.1  App.Example app\r
        10.0.0.2 app.example
        10.0.0.2 app.example
        #10.0.0.3 app.example
        10.0.0.4
        """)
    #expect(file.addresses(of: "localhost") == ["127.0.0.1", "::1"])
    #expect(file.addresses(of: "app.example.") == ["10.0.0.1", "10.0.0.2"])
    #expect(file.addresses(of: "APP") == ["10.0.0.1"])
    #expect(file.addresses(of: "other") == nil)
  }

  @Test func furtherSources() {
    #expect(!HostSources(parsing: "").hasOthers)
    #expect(!HostSources(parsing: "passwd: ldap\nhosts: files dns").hasOthers)
    let mixed = HostSources(parsing: "hosts:  files mdns4_minimal [NOTFOUND=return] dns # myhostname")
    #expect(mixed.services == ["files", "mdns4_minimal", "dns"])
    #expect(mixed.hasOthers)
  }
}
