import Core
import Host

/// The whole of a worker against bytes that choose what its clients, its servers and its operator do, over real sockets.
///
/// A trap ends the process, which is what a fuzzer looks for. Beyond that: when all peers have gone the loop still turns, no client
/// connection is held, no lease is out and nobody waits.
package enum WorkerOracle {
  /// Steps of one input, and connections of either side that are open at once.
  private static let maximumSteps = 400
  private static let maximumPeers = 6
  private static let patience = Nanoseconds.seconds(20)

  /// Plays what the bytes say. Returns what is wrong with the outcome.
  package static func check(_ bytes: [UInt8]) throws -> String? {
    try Play(bytes).run()
  }

  // MARK: - What peers say

  private static let requests: [String] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
    "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "PUT /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", "abcdefghi",
    "GET /u HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /old HTTP/1.0\r\n\r\n",
    "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n", "GET / HT",
    "5\r\nabc",
  ]

  private static let answers: [String] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the close",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/1.1 503 Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nKeep-Alive: timeout=1, max=2\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Le",
    "ngth: 3\r\n\r\nabc",
    "\u{16}\u{3}\u{1}junk",
  ]

  /// A connection that the play holds, on either side.
  private final class Peer {
    let descriptor: Descriptor
    /// What waits to be sent, in pieces that the play chooses.
    var output: [UInt8] = []
    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
  }

  private final class Play {
    private let bytes: [UInt8]
    private var index = 0
    private let listener: Descriptor.Holder
    private let proxy: RunningProxy
    private var clients: [Peer] = []
    private var servers: [Peer] = []
    private var scratch = ByteBuffer(capacity: 65_536)

    init(_ bytes: [UInt8]) throws {
      self.bytes = bytes
      let socket = try Socket.listen(on: SocketAddress(.ipv4(0x7f00_0001, port: 0)), shared: false)
      let port = Socket.localAddress(socket.number)?.port ?? 0
      listener = Descriptor.Holder(socket)
      let first = bytes.first ?? 0
      proxy = try RunningProxy(to: [.tcp(host: "127.0.0.1", port: port)]) { WorkerOracle.configure(&$0, first) }
    }

    private func next() -> UInt8? {
      guard index < bytes.count else { return nil }
      defer { index += 1 }
      return bytes[index]
    }

    func run() throws -> String? {
      _ = next()
      var steps = 0
      while steps < WorkerOracle.maximumSteps, let step = next() {
        steps += 1
        try take(step)
      }
      // Everybody leaves, each in its way.
      for (number, peer) in (clients + servers).enumerated() where number % 3 == 0 {
        Socket.abortOnClose(peer.descriptor.number)
      }
      clients = []
      servers = []
      listener.descriptor = nil
      guard proxy.proxy.isAlive(atMost: WorkerOracle.patience) else { return "the loop does not turn any more" }
      var left = ""
      let isClean = eventually(atMost: WorkerOracle.patience) {
        left = leftovers()
        return left.isEmpty
      }
      proxy.stop()
      if let fault = proxy.log.first(where: { $0.contains("a fault of the proxy") }) { return fault }
      return isClean ? nil : "left behind when all peers had gone: \(left)"
    }

    private func leftovers() -> String {
      var left = proxy.clientConnections == 0 ? "" : "\(proxy.clientConnections) client connections "
      for pool in proxy.pools where pool.counts.leased + pool.counts.waiting + pool.counts.connecting > 0 {
        left += "\(pool.server): \(pool.counts) "
      }
      return left
    }

    private func take(_ step: UInt8) throws {
      let choice = Int(next() ?? 0)
      switch step % 16 {
      case 0:
        guard clients.count < WorkerOracle.maximumPeers else { return }
        clients.append(Peer(try Socket.connect(to: proxy.address).takeDescriptor()))
      case 1, 2: queue(WorkerOracle.requests[choice % WorkerOracle.requests.count], at: choice / 16, clients)
      case 3: send(clients, choice, all: true)
      case 4: send(clients, choice, all: false)
      case 5: Self.end(&clients, choice)
      case 6: accept()
      case 7, 8:
        accept()
        queue(WorkerOracle.answers[choice % WorkerOracle.answers.count], at: choice / 16, servers)
      case 9: send(servers, choice, all: true)
      case 10: send(servers, choice, all: false)
      case 11: Self.end(&servers, choice)
      case 12: read(clients)
      case 13:
        accept()
        read(servers)
      case 14: try reload(UInt8(truncatingIfNeeded: choice))
      default:
        // The worker sees what was done up to now.
        _ = proxy.proxy.isAlive(atMost: WorkerOracle.patience)
        accept()
      }
    }

    private func accept() {
      guard let number = listener.descriptor?.number else { return }
      while servers.count < WorkerOracle.maximumPeers, let accepted = try? Socket.accept(number) {
        servers.append(Peer(accepted.takeDescriptor()))
      }
    }

    private func queue(_ text: String, at place: Int, _ peers: [Peer]) {
      guard !peers.isEmpty else { return }
      peers[place % peers.count].output += Array(text.utf8)
    }

    /// - Parameter all: everything that waits; otherwise a few bytes, so that a message comes in pieces.
    private func send(_ peers: [Peer], _ choice: Int, all: Bool) {
      guard !peers.isEmpty else { return }
      let peer = peers[choice % peers.count]
      let count = all ? peer.output.count : min(peer.output.count, 1 + choice / 8)
      guard count > 0 else { return }
      let piece = Array(peer.output.prefix(count))
      if case .bytes(let sent) = Socket.send(peer.descriptor.number, piece.rawSpan) { peer.output.removeFirst(sent) }
    }

    /// FIN, RST, or a FIN in one direction only.
    private static func end(_ peers: inout [Peer], _ choice: Int) {
      guard !peers.isEmpty else { return }
      let index = choice / 4 % peers.count
      switch choice % 4 {
      case 0, 1: peers.remove(at: index)
      case 2:
        Socket.abortOnClose(peers[index].descriptor.number)
        peers.remove(at: index)
      default: Socket.shutdownWriting(peers[index].descriptor.number)
      }
    }

    private func read(_ peers: [Peer]) {
      for peer in peers {
        scratch.removeAll()
        _ = Socket.receive(peer.descriptor.number, into: &scratch)
      }
    }

    private func reload(_ choice: UInt8) throws {
      var settings = proxy.proxy.settings
      WorkerOracle.configure(&settings, choice)
      _ = try? proxy.proxy.reload(settings)
    }
  }

  /// Short waits, small limits, and what the bits of `choice` change.
  private static func configure(_ settings: inout ProxySettings, _ choice: UInt8) {
    func has(_ bit: UInt8) -> Bool { choice >> bit & 1 == 1 }
    settings.timeouts.requestHead = .milliseconds(300)
    settings.timeouts.clientIdle = .milliseconds(400)
    settings.timeouts.advertisedIdleSeconds = 0
    settings.timeouts.bodyIdle = .milliseconds(300)
    settings.timeouts.connect = .milliseconds(300)
    settings.timeouts.responseHead = .milliseconds(has(0) ? 30 : 300)
    settings.timeouts.tunnelIdle = .milliseconds(300)
    settings.timeouts.linger = .milliseconds(100)
    settings.limits.headBytes = has(1) ? 512 : 16_384
    settings.limits.startLineBytes = has(1) ? 256 : 8_192
    settings.limits.replayBytes = has(2) ? 16 : 65_536
    settings.limits.bodyBytes = has(3) ? 4 : nil
    for index in settings.upstreams.indices {
      settings.upstreams[index].pool.connections = has(4) ? 1 : 3
      settings.upstreams[index].pool.waitingTime = .milliseconds(200)
      settings.upstreams[index].pool.idleAge = .milliseconds(200)
      settings.upstreams[index].pool.reuse = !(has(4) && has(5))
      settings.upstreams[index].idleWindow = !has(5)
      settings.upstreams[index].retry.limit = has(6) ? 2 : 0
      settings.upstreams[index].retry.baseBackoff = .milliseconds(1)
      settings.upstreams[index].retry.longestBackoff = .milliseconds(5)
      settings.upstreams[index].ejection = nil
      settings.upstreams[index].proxyProtocol = has(7) ? .version2 : .off
    }
  }
}

extension Descriptor {
  /// A descriptor that is closed when it is given up.
  fileprivate final class Holder {
    var descriptor: Descriptor?
    init(_ descriptor: consuming Descriptor) { self.descriptor = consume descriptor }
  }
}
