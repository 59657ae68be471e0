import Core
import Host
import Support
import TLS
import Testing

/// Certificates that tests of the data plane over TLS have in common, and contexts for the peers that they script.
final class SecureGround: Sendable {
  let certificates: TestCertificates
  /// For www.example.test and 127.0.0.1.
  let files: CertificateFiles
  /// For clients that trust the authority.
  let client: TLSClientContext
  /// For servers, with session tickets.
  let server: TLSServerContext

  private static let made = Result { try SecureGround() }

  /// Made once.
  static func shared() throws -> SecureGround { try made.get() }

  private init() throws {
    let certificates = try TestCertificates()
    self.certificates = certificates
    files = try certificates.issue("www", for: ["www.example.test", "IP:127.0.0.1"])
    client = try Self.client(certificates) { _ in }
    server = try Self.server([files]) { _ in }
  }

  static var now: Int64 { MonotonicClock.wallNanoseconds / 1_000_000_000 }

  static func client(
    _ certificates: TestCertificates, _ change: (inout UpstreamTLS) -> Void
  ) throws -> TLSClientContext {
    var settings = UpstreamTLS()
    settings.authorities = certificates.authority.chain
    settings.protocols = [.http11]
    change(&settings)
    return try TLSClientContext(settings, now: now)
  }

  static func server(_ files: [CertificateFiles], _ change: (inout ListenerTLS) -> Void) throws -> TLSServerContext {
    var settings = ListenerTLS()
    settings.certificates = files
    settings.protocols = [.http11]
    change(&settings)
    let keys = TicketKeys(random: (0..<TicketKeys.keySize).map { UInt8(truncatingIfNeeded: $0) })
    return try TLSServerContext(settings, ticketKeys: TicketKeyRing(keys), now: now)
  }

  /// TLS on the side of the clients.
  func secureListener(_ settings: inout ProxySettings) {
    var tls = ListenerTLS()
    tls.certificates = [files]
    settings.listeners[0].tls = tls
  }

  /// TLS on the side of the servers.
  func secureServers(_ settings: inout ProxySettings) {
    for index in settings.upstream.servers.indices { settings.upstream.servers[index].isTLS = true }
    settings.upstream.tls.authorities = certificates.authority.chain
    settings.upstream.tls.protocols = [.http11]
  }
}

/// A proxy that speaks TLS on both sides, and a scripted server that has shaken hands when its script begins.
func secureStory(
  _ change: (inout ProxySettings) -> Void = { _ in }, server script: @escaping ScriptedServer.Script,
  _ body: (RunningProxy, ScriptedServer, SecureGround) throws -> Void, at location: SourceLocation = #_sourceLocation
) throws {
  let ground = try SecureGround.shared()
  try story(
    {
      ground.secureListener(&$0)
      ground.secureServers(&$0)
      change(&$0)
    },
    server: { connection, index, server in
      try connection.speakTLS(ground.server)
      try script(connection, index, server)
    },
    { proxy, server in try body(proxy, server, ground) }, at: location)
}

extension RunningProxy {
  /// A client that has shaken hands.
  func connectSecurely(_ context: TLSClientContext, name: String = "www.example.test") throws -> BlockingSocket {
    let socket = try connect()
    try socket.speakTLS(context, name: name)
    return socket
  }
}

/// Answers each request with its method, target and the length of its content.
let echoing: ScriptedServer.Script = { connection, _, server in
  while let request = try connection.receiveRequestOrEnd() {
    server.note(request)
    let content = "\(request.method) \(request.target) \(request.content.count)"
    try connection.answer(200, request.method == "HEAD" ? "" : content)
  }
}
