internal import Core
internal import Glibc
internal import Host
internal import Synchronization

/// A name server that answers what a test says, over UDP and TCP, on a free port of 127.0.0.1.
///
/// It writes its messages itself, so that the proxy's reader does not judge its own writer.
package final class NameServer: Sendable {
  package enum Answer: Sendable, Equatable {
    /// Literals of either family.
    case addresses([String], ttl: UInt32 = 1)
    /// The same, but over UDP only that it did not fit.
    case overTCP([String], ttl: UInt32 = 1)
    case alias(String, [String], ttl: UInt32 = 1)
    case notFound, failed, silence
  }

  package struct Query: Sendable, Equatable {
    package var name: String
    /// 1 or 28.
    package var type: UInt16
    package var isStream: Bool
  }

  private struct State {
    var zone: [String: Answer] = [:]
    var queries: [Query] = []
    var isStopped = false
  }

  package let port: UInt16
  private let socket: Descriptor
  private let listener: BlockingListener
  private let state = Mutex(State())

  package init(_ zone: [String: Answer] = [:]) throws {
    // UDP gets a port, TCP the same one; when somebody else has that, another.
    var found: Descriptor?
    var beside: BlockingListener?
    for _ in 0..<16 {
      let candidate = try Self.bindDatagrams()
      guard let port = Socket.localAddress(candidate.number)?.port else { continue }
      if let listener = try? BlockingListener(on: SocketAddress(.ipv4(0x7f00_0001, port: port))) {
        found = consume candidate
        beside = listener
        break
      }
    }
    guard let socket = found.take(), let listener = beside else {
      throw BlockingSocket.Failure.ended("no port for both UDP and TCP")
    }
    port = listener.address.port
    self.socket = socket
    self.listener = listener
    state.withLock { $0.zone = zone }
    try Thread.start(named: "name-server-udp") { [self] in serveDatagrams() }
    try Thread.start(named: "name-server-tcp") { [self] in serveStreams() }
  }

  /// What names answer from now on. Names that are not listed do not exist.
  package subscript(name: String) -> Answer {
    get { state.withLock { $0.zone[name] ?? .notFound } }
    set { state.withLock { $0.zone[name] = newValue } }
  }

  package var queries: [Query] { state.withLock { $0.queries } }

  package func stop() {
    state.withLock { $0.isStopped = true }
    listener.stop()
    // Ends the thread that waits for datagrams.
    _ = shutdown(socket.number, Int32(SHUT_RDWR))
  }

  // MARK: - Transport

  private static func bindDatagrams() throws(SystemError) -> Descriptor {
    let number = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { throw SystemError("socket", errno) }
    let descriptor = Descriptor(owning: number)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    // Safe: the address is valid during the call, and as long as it says.
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw SystemError("bind", errno) }
    return descriptor
  }

  private func serveDatagrams() {
    while !state.withLock({ $0.isStopped }) {
      var bytes = [UInt8](repeating: 0, count: 2_048)
      var peer = sockaddr_in()
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      // Safe: the kernel writes at most as many bytes as the array and the address hold.
      let count = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
          unsafe bytes.withUnsafeMutableBytes {
            unsafe recvfrom(socket.number, $0.baseAddress!, $0.count, 0, address, &length)
          }
        }
      }
      guard count > 0, let reply = reply(to: Array(bytes[..<count]), isStream: false) else { continue }
      // Safe: the peer's address is the one that the kernel wrote.
      _ = unsafe withUnsafePointer(to: &peer) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
          unsafe reply.withUnsafeBytes { unsafe sendto(socket.number, $0.baseAddress!, $0.count, 0, address, length) }
        }
      }
    }
  }

  private func serveStreams() {
    while let connection = try? listener.accept(atMost: .seconds(3_600)) {
      guard let head = try? connection.receiveBytes(exactly: 2) else { continue }
      guard let message = try? connection.receiveBytes(exactly: Int(head[0]) << 8 | Int(head[1])) else { continue }
      guard let reply = reply(to: message, isStream: true) else { continue }
      // In two pieces, as the length of a message may come alone.
      try? connection.send([UInt8(reply.count >> 8)])
      try? connection.send([UInt8(reply.count & 0xff)] + reply)
    }
  }

  // MARK: - Messages

  /// nil for silence.
  private func reply(to message: [UInt8], isStream: Bool) -> [UInt8]? {
    guard message.count > 16 else { return nil }
    var labels: [String] = []
    var offset = 12
    while offset < message.count, message[offset] > 0 {
      let end = offset + 1 + Int(message[offset])
      guard end < message.count else { return nil }
      labels.append(String(decoding: message[(offset + 1)..<end], as: UTF8.self))
      offset = end
    }
    guard offset + 5 <= message.count else { return nil }
    let type = UInt16(message[offset + 1]) << 8 | UInt16(message[offset + 2])
    let name = labels.joined(separator: ".")
    let answer = state.withLock { state in
      state.queries.append(Query(name: name, type: type, isStream: isStream))
      return state.zone[name] ?? .notFound
    }
    let question = Array(message[12..<(offset + 5)])
    func response(code: UInt8, isCut: Bool = false, _ records: [[UInt8]] = []) -> [UInt8] {
      let flags: [UInt8] = [isCut ? 0x83 : 0x81, 0x80 | code]
      let counts: [UInt8] = [0, 1, UInt8(records.count >> 8), UInt8(records.count & 0xff), 0, 0, 0, 0]
      return Array(message[0..<2]) + flags + counts + question + records.joined()
    }
    switch answer {
    case .silence: return nil
    case .notFound: return response(code: 3)
    case .failed: return response(code: 2)
    case .overTCP where !isStream: return response(code: 0, isCut: true)
    case .addresses(let literals, let ttl), .overTCP(let literals, let ttl):
      return response(code: 0, Self.records(of: [0xc0, 12], literals, type, ttl))
    case .alias(let other, let literals, let ttl):
      let target = Self.wire(other)
      let alias = Self.record(of: [0xc0, 12], 5, ttl, target)
      return response(code: 0, [alias] + Self.records(of: target, literals, type, ttl))
    }
  }

  private static func records(of owner: [UInt8], _ literals: [String], _ type: UInt16, _ ttl: UInt32) -> [[UInt8]] {
    literals.compactMap { SocketAddress(literal: $0, port: 0)?.ipBytes }
      .filter { $0.count == (type == 1 ? 4 : 16) }
      .map { record(of: owner, type, ttl, $0) }
  }

  private static func record(of owner: [UInt8], _ type: UInt16, _ ttl: UInt32, _ data: [UInt8]) -> [UInt8] {
    let lifetime = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: ttl >> UInt32($0)) }
    return owner + [UInt8(type >> 8), UInt8(type & 0xff), 0, 1] + lifetime + [0, UInt8(data.count)] + data
  }

  private static func wire(_ name: String) -> [UInt8] {
    name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
  }
}
