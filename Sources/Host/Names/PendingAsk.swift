internal import Core
internal import Glibc

/// A query that was sent and whose answer may come: over UDP or TCP, with a socket, and so a port, of its own.
final class PendingAsk {
  /// The socket.
  struct Channel: ~Copyable {
    let descriptor: Descriptor
    let isStream: Bool

    init(to server: SocketAddress, isStream: Bool) throws(SystemError) {
      self.isStream = isStream
      // The kernel draws the port of a socket that is connected without being bound.
      descriptor =
        isStream
        ? try Socket.connect(to: server).takeDescriptor() : try Socket.connectDatagrams(to: server)
    }
  }

  /// Datagrams that are no answer, from whomever; after so many of them the next server is asked.
  private static let maximumStrays = 256
  /// The largest answer over UDP (RFC 1035 section 2.3.4 has 512 bytes without EDNS; some send more).
  private static let datagramBytes = 4_096
  /// The largest answer over TCP, with its length before it (RFC 1035 section 4.2.2).
  private static let streamBytes = 65_537

  let token: UInt64
  let entry: NameLoop.Entry
  let ask: DNSLookup.Ask
  let deadline: Instant
  private let query: DNSQuery
  private var channel: Channel?
  private var outbound: ByteBuffer
  private var inbound: ByteBuffer
  private var strays = 0

  init(
    token: UInt64, entry: NameLoop.Entry, ask: DNSLookup.Ask, query: DNSQuery, channel: consuming Channel,
    deadline: Instant
  ) {
    self.token = token
    self.entry = entry
    self.ask = ask
    self.query = query
    self.deadline = deadline
    outbound = ByteBuffer(capacity: 512)
    inbound = ByteBuffer(capacity: channel.isStream ? 4_096 : Self.datagramBytes)
    let bytes = query.bytes
    if channel.isStream {
      outbound.append(UInt8(bytes.count >> 8))
      outbound.append(UInt8(bytes.count & 0xff))
    }
    outbound.append(bytes)
    self.channel = consume channel
  }

  var isOpen: Bool { channel != nil }

  var number: Int32 {
    guard let number = channel?.descriptor.number else { preconditionFailure("the ask is over") }
    return number
  }

  func close() { channel = nil }

  /// Sends a datagram; a stream waits until it is connected.
  func begin() -> DNSLookup.Event? { ask.isStream ? nil : send() }

  /// - Returns: the end of the ask, when this was it.
  func progressed() -> DNSLookup.Event? {
    guard channel != nil else { return nil }
    if ask.isStream {
      let code = Socket.takeError(number)
      if code != 0 { return .unreachable(code) }
      if !outbound.isEmpty, let event = send() { return event }
      return receiveStream()
    }
    return receiveDatagrams()
  }

  private func send() -> DNSLookup.Event? {
    switch Socket.send(number, outbound.readable) {
    case .bytes(let count): outbound.consume(count)
    case .wouldBlock, .endOfStream: break
    case .failed(let code): return .unreachable(code)
    }
    return nil
  }

  /// What the bytes that came say.
  private static func reply(_ bytes: borrowing ByteBuffer, to query: DNSQuery) -> DNSReply {
    DNSReply(bytes.readable, to: query)
  }

  private func receiveDatagrams() -> DNSLookup.Event? {
    while true {
      inbound.removeAll()
      switch Socket.receive(number, into: &inbound) {
      case .bytes:
        let reply = Self.reply(inbound, to: query)
        if reply != .stray { return .reply(reply) }
        strays += 1
      // An empty datagram.
      case .endOfStream: strays += 1
      case .wouldBlock: return nil
      case .failed(let code): return .unreachable(code)
      }
      if strays >= Self.maximumStrays { return .timedOut }
    }
  }

  private func receiveStream() -> DNSLookup.Event? {
    while true {
      inbound.reserve(1)
      switch Socket.receive(number, into: &inbound) {
      case .bytes: break
      case .wouldBlock: return nil
      case .endOfStream: return .reply(.failed(.malformed))
      case .failed(let code): return .unreachable(code)
      }
      guard inbound.count >= 2 else { continue }
      let length = Int(inbound.readable.byte(at: 0)) << 8 | Int(inbound.readable.byte(at: 1))
      guard inbound.count >= 2 + length else {
        if inbound.count >= Self.streamBytes { return .reply(.failed(.malformed)) }
        continue
      }
      inbound.consume(2)
      inbound.removeLast(inbound.count - length)
      let reply = Self.reply(inbound, to: query)
      // On a connection of our own nobody else speaks.
      return .reply(reply == .stray ? .failed(.malformed) : reply)
    }
  }
}
