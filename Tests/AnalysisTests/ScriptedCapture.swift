import Analysis
import Core

/// Packets that a test writes by hand: for what no kernel at hand would send.
///
/// The client is 10.0.0.1, the server 10.0.0.2 and 20 ms away; the capture stands at the client.
struct ScriptedCapture {
  private(set) var list = PacketList()
  private(set) var time: Int64 = 1_700_000_000_000_000_000
  private var identification: UInt16 = 1

  static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
  static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

  func report() -> CaptureReport { list.report() }

  var kinds: [FindingKind] { report().findings.map(\.finding.kind) }

  mutating func wait(_ span: Nanoseconds) { time += span.count }

  /// One end of the connection.
  struct Connection {
    var clientPort: UInt16 = 40_000
    var serverPort: UInt16 = 8_080
    var client: UInt32 = 1_000
    var server: UInt32 = 5_000
  }

  struct Options {
    var sequence: UInt32?
    var acknowledgement: UInt32?
    var after: Nanoseconds?
    /// Bytes of the packet that the capture keeps.
    var cut: Int?
    var window: UInt16 = 65_000
    var hops: UInt8?
  }

  mutating func send(
    _ connection: inout Connection, _ side: Side, _ flags: TCPSegment.Flags, _ data: [UInt8] = [],
    _ options: Options = Options()
  ) {
    let isClient = side == .client
    let sequence = options.sequence ?? (isClient ? connection.client : connection.server)
    let acknowledgement = options.acknowledgement ?? (isClient ? connection.server : connection.client)
    time += (options.after ?? (isClient ? .microseconds(500) : .milliseconds(20))).count
    identification &+= 1
    let total = 40 + data.count
    var packet: [UInt8] = [0x45, 0, UInt8(total >> 8), UInt8(total & 255)]
    packet += [UInt8(identification >> 8), UInt8(identification & 255), 0x40, 0]
    packet += [options.hops ?? (isClient ? 64 : 60), 6, 0, 0]
    packet += isClient ? [10, 0, 0, 1, 10, 0, 0, 2] : [10, 0, 0, 2, 10, 0, 0, 1]
    func add16(_ value: UInt16) { packet += [UInt8(value >> 8), UInt8(value & 255)] }
    func add32(_ value: UInt32) {
      add16(UInt16(value >> 16))
      add16(UInt16(value & 0xffff))
    }
    add16(isClient ? connection.clientPort : connection.serverPort)
    add16(isClient ? connection.serverPort : connection.clientPort)
    add32(sequence)
    add32(flags.contains(.ack) ? acknowledgement : 0)
    packet += [0x50, flags.rawValue]
    add16(options.window)
    packet += [0, 0, 0, 0] + data
    list.append(packet.prefix(options.cut ?? packet.count), wireLength: packet.count, at: Instant(nanoseconds: time))
    guard options.sequence == nil else { return }
    let step = UInt32(data.count) &+ (flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1)
    if isClient { connection.client &+= step } else { connection.server &+= step }
  }

  mutating func send(
    _ connection: inout Connection, _ side: Side, _ flags: TCPSegment.Flags, _ text: String,
    _ options: Options = Options()
  ) {
    send(&connection, side, flags, Array(text.utf8), options)
  }

  mutating func open(_ connection: inout Connection) {
    send(&connection, .client, .syn)
    send(&connection, .server, [.syn, .ack])
    send(&connection, .client, .ack)
  }

  mutating func exchange(
    _ connection: inout Connection, _ request: String = get, _ answer: String = ok, cut: Int? = nil
  ) {
    send(&connection, .client, [.psh, .ack], request, Options(cut: cut))
    send(&connection, .server, [.psh, .ack], answer, Options(cut: cut))
    send(&connection, .client, .ack)
  }

  /// A request that crosses the server's FIN, and the reset that it causes.
  mutating func cross(
    _ connection: inout Connection, _ request: String = get, saying words: String = "", cut: Int? = nil
  ) {
    let (start, answered) = (connection.client, connection.server)
    send(&connection, .client, [.psh, .ack], request, Options(cut: cut))
    if !words.isEmpty {
      send(&connection, .server, [.psh, .ack], words, Options(acknowledgement: start, after: .milliseconds(1)))
    }
    send(&connection, .server, [.fin, .ack], [], Options(acknowledgement: start, after: .microseconds(100)))
    send(&connection, .server, .rst, [], Options(sequence: answered))
  }

  mutating func closeByClient(_ connection: inout Connection) {
    send(&connection, .client, [.fin, .ack])
    send(&connection, .server, [.fin, .ack])
    send(&connection, .client, .ack)
  }

  mutating func closeByServer(_ connection: inout Connection, after span: Nanoseconds) {
    send(&connection, .server, [.fin, .ack], [], Options(after: span))
    send(&connection, .client, [.fin, .ack])
    send(&connection, .server, .ack)
  }
}
