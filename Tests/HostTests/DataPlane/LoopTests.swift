import Core
import Host
import Support
import Testing

/// Proxies that lead to each other: a request that comes back ends there.
@Suite(.onThreads)
struct LoopTests {
  private static func quiet(_ settings: inout ProxySettings) {
    settings.forwarding.via = false
    settings.forwarding.xForwarded = false
    settings.forwarding.forwarded = false
    settings.forwarding.requestID = false
  }

  private static func lead(_ proxy: RunningProxy, to other: RunningProxy) throws {
    var settings = proxy.proxy.settings
    settings.upstream.origins = [.tcp(host: "127.0.0.1", port: other.address.port)]
    _ = try proxy.proxy.reload(settings)
  }

  /// No field tells of the way but the one that ends it.
  @Test(arguments: [1, 2, 3]) func aCircleOfProxiesEnds(length: Int) throws {
    let proxies = try (0..<length).map { _ in try RunningProxy(to: [nobody], Self.quiet) }
    defer { for proxy in proxies { proxy.stop() } }
    for index in proxies.indices { try Self.lead(proxies[index], to: proxies[(index + 1) % length]) }
    let client = try proxies[0].connect()
    for method in ["GET", "POST"] {
      let response = try method == "GET" ? client.get("/x") : client.post("/x", "content")
      #expect(response.status == 502)
      #expect(response["Proxy-Status"]?.contains("error=proxy_loop_detected") == true)
    }
    #expect(proxies.reduce(0) { $0 + $1.counters.requests } == UInt64(2 * (length + 1)))
    #expect(proxies[0].counters.failures["proxy_loop_detected"] == 2)
    #expect(proxies[0].log.contains { $0.hasPrefix("warning GET /x: 502: the request came back") })
  }

  /// Two proxies behind each other are no loop, whatever they call themselves, and what others have said stays.
  @Test func aChainOfProxiesIsNoLoop() throws {
    try story(answering: { _ in "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }) { inner, server in
      let outer = try RunningProxy(to: [.tcp(host: "127.0.0.1", port: inner.address.port)])
      defer { outer.stop() }
      let strange = "photofinish-0000000000000000, photofinish, other; x=1"
      #expect(try outer.connect().get("/", "CDN-Loop: \(strange)\r\nConnection: CDN-Loop\r\n").status == 200)
      let marks = try #require(server.requests.first?["CDN-Loop"]).split(separator: "|").map(String.init)
      #expect(marks.count == 3 && marks[0].hasPrefix(strange), "\(marks)")
      #expect(Set(marks).count == 3)
    }
  }
}
