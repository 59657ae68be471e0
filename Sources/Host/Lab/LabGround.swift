internal import Analysis
internal import Core
internal import Glibc

/// Where a run takes place: at the two ends of a wire, or on loopback, where nothing can cross on the way.
struct LabGround {
  let wire: Wire?
  /// Of the proxy, of the server, and of the Photofinish that stands before the server.
  let proxy: SocketAddress
  let server: SocketAddress
  let guardian: SocketAddress

  init(_ path: LabPath, seed: UInt64) throws(WireError) {
    var settings = WireSettings(delay: path.delay)
    settings.jitter = path.jitter
    settings.loss = path.loss
    settings.reordering = path.reordering
    settings.seed = seed
    if let memory = path.forgetAfter {
      settings.middlebox = MiddleboxSettings(memory: memory, answer: path.resets ? .reset : .silence)
    }
    wire = try Wire(settings)
    proxy = SocketAddress(.ipv4(0x0a4d_0001, port: 8_080))
    server = SocketAddress(.ipv4(0x0a4d_0002, port: 3_000))
    guardian = SocketAddress(.ipv4(0x0a4d_0002, port: 3_001))
  }

  /// Loopback, with ports that are free now.
  init() throws {
    wire = nil
    let ports = try Self.freePorts(3)
    proxy = SocketAddress(.ipv4(0x7f00_0001, port: ports[0]))
    server = SocketAddress(.ipv4(0x7f00_0001, port: ports[1]))
    guardian = SocketAddress(.ipv4(0x7f00_0001, port: ports[2]))
  }

  private static func freePorts(_ count: Int) throws -> [UInt16] {
    var listeners: [BlockingListener] = []
    for _ in 0..<count { listeners.append(try BlockingListener()) }
    return listeners.map(\.address.port)
  }

  /// Does something at the near end: where the clients and the proxy are.
  func near<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    guard let wire else { return try body() }
    return try wire.near.perform(body)
  }

  func far<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    guard let wire else { return try body() }
    return try wire.far.perform(body)
  }

  /// Connections that the server has accepted since the wire was made; nil on loopback, where others connect as well.
  func acceptedByServer(isGuarded: Bool) -> Int? {
    guard wire != nil, let far = far({ Self.counters() }), let near = near({ Self.counters() }) else { return nil }
    // Between the ends only the proxy opens connections, and at the near end only clients do, to the proxy.
    let crossing = near.opened - near.accepted
    return isGuarded ? far.accepted - crossing : far.accepted
  }

  /// Whether something listens on the server's port.
  var serverListens: Bool {
    let port = String(server.port, radix: 16, uppercase: true)
    let ending = ":" + String(repeating: "0", count: 4 - port.count) + port
    return far {
      ["tcp", "tcp6"].contains { table in
        (LabFolder.text(of: "/proc/thread-self/net/\(table)") ?? "").split(separator: "\n").contains { line in
          let fields = line.split(separator: " ")
          // State 0A is TCP_LISTEN.
          return fields.count > 3 && fields[1].hasSuffix(ending) && fields[3] == "0A"
        }
      }
    }
  }

  /// TCP connections opened and accepted in this thread's namespace (the Tcp lines of /proc/net/snmp).
  private static func counters() -> (opened: Int, accepted: Int)? {
    guard let text = LabFolder.text(of: "/proc/thread-self/net/snmp") else { return nil }
    let lines = text.split(separator: "\n").filter { $0.hasPrefix("Tcp:") }.map { $0.split(separator: " ") }
    guard lines.count == 2, let opened = lines[0].firstIndex(of: "ActiveOpens"),
      let accepted = lines[0].firstIndex(of: "PassiveOpens"), lines[1].count == lines[0].count
    else { return nil }
    guard let openedCount = Int(lines[1][opened]), let acceptedCount = Int(lines[1][accepted]) else { return nil }
    return (openedCount, acceptedCount)
  }
}
