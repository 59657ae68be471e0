import Analysis
import Core

/// Two ends of a connection, the path between them and a capture of it: a small TCP whose every step is chosen.
///
/// It knows what happened, so that a verdict about the capture can be held against it.
struct TwoEnds {
  /// What an end's application did with it.
  enum Socket: Equatable {
    case open
    /// Sends no more, still reads: `shutdown(SHUT_WR)`.
    case halfClosed
    /// Neither sends nor reads: `close()`. Data that comes is answered by a reset.
    case closed
    /// No socket is there any more. Whatever comes is answered by a reset.
    case gone
  }

  struct End {
    var socket = Socket.open
    /// All that was written, from the first byte of the connection.
    var written: [UInt8] = []
    var finWasSent = false
    /// Bytes of the other end that this one's kernel took, in order.
    var took: Int64 = 0
    var tookFIN = false
    /// What the other end acknowledged of this one's bytes.
    var acknowledged: Int64 = 0
    var hasUnread = false

    var position: Int64 { Int64(written.count) + (finWasSent ? 1 : 0) }
    var acknowledgement: Int64 { took + (tookFIN ? 1 : 0) }
  }

  struct Segment {
    var side: Side
    var flags: TCPSegment.Flags
    var offset: Int64
    var acknowledgement: Int64
    var data: [UInt8] = []
    var identification: UInt16 = 0
  }

  /// One `write()`, and what was true in that moment.
  struct Writing {
    var start: Int64
    var end: Int64
    /// What the writer's kernel had taken of the other end.
    var took: Int64
    var tookFIN: Bool
    var saysClose: Bool
  }

  /// Segments that may be on the way in one direction.
  private static let maximumInFlight = 64

  private(set) var client = End()
  private(set) var server = End()
  private(set) var clientWritings: [Writing] = []
  private(set) var serverWritings: [Writing] = []
  /// Who ended first with FIN or RST, as it was sent.
  private(set) var clientEnded = false
  private(set) var serverEnded = false
  private(set) var packets: [CaptureOracle.CapturedPacket] = []
  var time = Instant(nanoseconds: 1_700_000_000_000_000_000)
  /// The path swallows everything.
  var isForgotten = false
  var capturesNothing = 0
  var capturesTwice = false
  private let isAtClient: Bool
  private let base: (client: UInt32, server: UInt32)
  private var towardsServer: [Segment] = []
  private var towardsClient: [Segment] = []
  private var identification: UInt16 = 0

  init(isAtClient: Bool, wraps: Bool, capturesHandshake: Bool) {
    self.isAtClient = isAtClient
    base = wraps ? (UInt32.max - 40, UInt32.max - 20) : (1_000, 5_000)
    if !capturesHandshake { capturesNothing = 3 }
    capture(Segment(side: .client, flags: .syn, offset: -1, acknowledgement: 0))
    time = time.advanced(by: .milliseconds(isAtClient ? 20 : 1))
    capture(Segment(side: .server, flags: [.syn, .ack], offset: -1, acknowledgement: 0))
    time = time.advanced(by: .milliseconds(isAtClient ? 1 : 20))
    capture(Segment(side: .client, flags: .ack, offset: 0, acknowledgement: 0))
    capturesNothing = 0
  }

  func end(_ side: Side) -> End { side == .client ? client : server }

  private mutating func change<Result>(_ side: Side, _ body: (inout End) -> Result) -> Result {
    side == .client ? body(&client) : body(&server)
  }

  // MARK: - What applications do

  mutating func write(_ bytes: [UInt8], from side: Side, saysClose: Bool) {
    let own = end(side)
    guard own.socket == .open, own.written.count + bytes.count < 60_000 else { return }
    let start = Int64(own.written.count)
    let writing = Writing(
      start: start, end: start + Int64(bytes.count), took: own.took, tookFIN: own.tookFIN, saysClose: saysClose)
    if side == .client { clientWritings.append(writing) } else { serverWritings.append(writing) }
    change(side) { $0.written += bytes }
    send(
      Segment(side: side, flags: [.psh, .ack], offset: start, acknowledgement: own.acknowledgement, data: bytes))
  }

  mutating func readAll(_ side: Side) { change(side) { $0.hasUnread = false } }

  mutating func shutDown(_ side: Side) {
    guard end(side).socket == .open else { return }
    sendFIN(from: side)
    change(side) { $0.socket = .halfClosed }
  }

  mutating func close(_ side: Side) {
    switch end(side).socket {
    case .closed, .gone: return
    case .open, .halfClosed: break
    }
    if end(side).hasUnread { return abort(side) }
    if !end(side).finWasSent { sendFIN(from: side) }
    change(side) { $0.socket = .closed }
  }

  mutating func abort(_ side: Side) {
    let own = end(side)
    guard own.socket == .open || own.socket == .halfClosed else { return }
    note(endOf: side)
    send(
      Segment(side: side, flags: [.rst, .ack], offset: own.position, acknowledgement: own.acknowledgement))
    change(side) { $0.socket = .gone }
  }

  private mutating func note(endOf side: Side) {
    if side == .client { clientEnded = true } else { serverEnded = true }
  }

  private mutating func sendFIN(from side: Side) {
    let own = end(side)
    note(endOf: side)
    send(Segment(side: side, flags: [.fin, .ack], offset: own.position, acknowledgement: own.acknowledgement))
    change(side) { $0.finWasSent = true }
  }

  // MARK: - What kernels and the path do

  /// Sends again what was not acknowledged.
  mutating func retransmit(_ side: Side) {
    let own = end(side)
    guard own.socket != .gone, own.acknowledged < own.position else { return }
    let start = Int(min(own.acknowledged, Int64(own.written.count)))
    let data = Array(own.written[start...])
    let flags: TCPSegment.Flags = own.finWasSent ? [.fin, .ack] : [.psh, .ack]
    send(Segment(side: side, flags: flags, offset: Int64(start), acknowledgement: own.acknowledgement, data: data))
  }

  mutating func probe(_ side: Side) {
    let own = end(side)
    guard own.socket == .open || own.socket == .halfClosed, !own.finWasSent, own.acknowledged == own.position else {
      return
    }
    send(Segment(side: side, flags: .ack, offset: own.position - 1, acknowledgement: own.acknowledgement))
  }

  mutating func lose(from side: Side) {
    if side == .client, !towardsServer.isEmpty { towardsServer.removeFirst() }
    if side == .server, !towardsClient.isEmpty { towardsClient.removeFirst() }
  }

  mutating func swapNext(from side: Side) {
    if side == .client, towardsServer.count > 1 { towardsServer.swapAt(0, 1) }
    if side == .server, towardsClient.count > 1 { towardsClient.swapAt(0, 1) }
  }

  mutating func deliver(from side: Side, delaysAcknowledgement: Bool) {
    let segment: Segment
    if side == .client {
      guard !towardsServer.isEmpty else { return }
      segment = towardsServer.removeFirst()
    } else {
      guard !towardsClient.isEmpty else { return }
      segment = towardsClient.removeFirst()
    }
    if isAtClient == (side == .server) { capture(segment) }
    arrive(segment, at: side.other, delaysAcknowledgement: delaysAcknowledgement)
  }

  private mutating func send(_ segment: Segment) {
    var segment = segment
    identification &+= 1
    segment.identification = identification
    if isAtClient == (segment.side == .client) { capture(segment) }
    guard !isForgotten else { return }
    if segment.side == .client {
      if towardsServer.count < TwoEnds.maximumInFlight { towardsServer.append(segment) }
    } else if towardsClient.count < TwoEnds.maximumInFlight {
      towardsClient.append(segment)
    }
  }

  private mutating func arrive(_ segment: Segment, at side: Side, delaysAcknowledgement: Bool) {
    let own = end(side)
    if segment.flags.contains(.rst) {
      // A kernel takes a reset that is within its window; ours is as large as can be.
      if segment.offset >= own.acknowledgement || segment.flags.contains(.ack) { change(side) { $0.socket = .gone } }
      return
    }
    guard own.socket != .gone else { return answerWithReset(segment, from: side) }
    change(side) { $0.acknowledged = max($0.acknowledged, min(segment.acknowledgement, $0.position)) }
    let end = segment.offset + Int64(segment.data.count)
    if own.socket == .closed, end > own.took {
      change(side) { $0.socket = .gone }
      return answerWithReset(segment, from: side)
    }
    let isInOrder = segment.offset <= own.took
    change(side) { own in
      guard isInOrder else { return }
      if end > own.took {
        own.took = end
        own.hasUnread = true
      }
      if segment.flags.contains(.fin) { own.tookFIN = true }
    }
    let needsAnswer = !segment.data.isEmpty || segment.flags.contains(.fin) || segment.offset < own.took
    guard needsAnswer, !delaysAcknowledgement || !isInOrder else { return }
    let now = self.end(side)
    send(Segment(side: side, flags: .ack, offset: now.position, acknowledgement: now.acknowledgement))
  }

  /// RFC 9293 section 3.10.7.1: the sequence number is the acknowledgement of what is answered.
  private mutating func answerWithReset(_ segment: Segment, from side: Side) {
    guard !segment.flags.contains(.rst) else { return }
    send(Segment(side: side, flags: .rst, offset: segment.acknowledgement, acknowledgement: 0))
  }

  // MARK: - The capture

  private mutating func capture(_ segment: Segment) {
    guard capturesNothing == 0 else {
      capturesNothing -= 1
      return
    }
    let repeats = capturesTwice ? 2 : 1
    capturesTwice = false
    for _ in 0..<repeats {
      let bytes = packet(segment)
      packets.append(
        CaptureOracle.CapturedPacket(
          packet: CapturePacket(frame: Int64(packets.count + 1), time: time, wireLength: bytes.count, link: .raw),
          bytes: bytes))
    }
  }

  private func packet(_ segment: Segment) -> [UInt8] {
    let isClient = segment.side == .client
    let total = 40 + segment.data.count
    var bytes: [UInt8] = [0x45, 0]
    func add(_ value: UInt32, _ count: Int) {
      for shift in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift * 8))) }
    }
    add(UInt32(total), 2)
    add(UInt32(segment.identification), 2)
    bytes += [0x40, 0, isClient == isAtClient ? 64 : 60, 6, 0, 0]
    bytes += isClient ? [10, 0, 0, 1, 10, 0, 0, 2] : [10, 0, 0, 2, 10, 0, 0, 1]
    add(isClient ? 40_000 : 8_080, 2)
    add(isClient ? 8_080 : 40_000, 2)
    let (own, other) = isClient ? (base.client, base.server) : (base.server, base.client)
    add(own &+ UInt32(truncatingIfNeeded: segment.offset), 4)
    add(segment.flags.contains(.ack) ? other &+ UInt32(truncatingIfNeeded: segment.acknowledgement) : 0, 4)
    bytes += [0x50, segment.flags.rawValue, 0xff, 0xff, 0, 0, 0, 0]
    return bytes + segment.data
  }
}
