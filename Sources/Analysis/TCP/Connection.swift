package import Core

/// How one side ended a connection, and what was under way in the moment in which the capture shows it.
package struct Ending: Equatable, Sendable {
  package var isReset: Bool
  package var mark: Mark
  /// The last payload that was part of an exchange, before this.
  package var lastActivity: Instant?
  package var answered: Int
  package var unanswered: Int
  /// A message had announced the close.
  package var wasAnnounced: Bool
}

/// One TCP connection of a capture: both streams, what was said on them, and how it ended.
///
/// A class because a table of many thousand of them changes one at a time.
package final class Connection {
  /// Segments that are kept for a ladder: the first of the connection and the last.
  static let ladderHead = 4
  static let ladderTail = 28
  /// Comments on packets that are kept.
  static let maximumRemarks = 12
  /// How long a hole in the capture may wait to be filled by a late packet.
  private static let patience = Nanoseconds.milliseconds(20)
  private static let patienceInSegments = 8
  /// Beyond this a number is not of the connection any more, once that has ended.
  private static let farthest: Int64 = 16 << 20
  /// How far behind what was acknowledged the number of a reset may be, and the least that it may be ahead of it.
  private static let resetReach = (behind: Int64(1 << 20), ahead: Int64(65_536), aheadUnscaled: Int64(1 << 20))

  /// Number of the connection in the capture, from 0, as Wireshark counts TCP streams.
  package let number: Int
  /// Which of several captures taken at once it belongs to.
  package let trace: Int
  package private(set) var client: Endpoint
  package private(set) var server: Endpoint
  package private(set) var clientStream = SegmentStream()
  package private(set) var serverStream = SegmentStream()
  package var turns = TurnTracker()
  package private(set) var firstFrame: Int64
  package private(set) var firstTime: Instant
  package private(set) var lastTime: Instant
  package private(set) var syn: Mark?
  package private(set) var synCount = 0
  private var lastSYN: Instant?
  package private(set) var synAck: Mark?
  package private(set) var handshakeEnd: Mark?
  /// Who is client was told by a handshake, or by what was said; otherwise it is a guess by port numbers.
  package private(set) var rolesAreKnown: Bool
  package private(set) var ladderStart: [LadderStep] = []
  private var ladderRing: [LadderStep] = []
  private var ladderNext = 0
  package private(set) var ladderOmitted = 0
  /// Shortest times from data to its acknowledgement, by who sent the data: near zero beside the receiver.
  package private(set) var shortestAcknowledgement: (byServer: Nanoseconds?, byClient: Nanoseconds?)
  private var awaitedByServer: (end: Int64, time: Instant)?
  private var awaitedByClient: (end: Int64, time: Instant)?
  /// Set when the connection has ended for both sides: closed in both directions or reset.
  package private(set) var closedAt: Instant?
  package private(set) var clientEnding: Ending?
  package private(set) var serverEnding: Ending?
  /// The client's first segment without data that acknowledges the server's FIN, and its place in the client's stream: nothing
  /// beyond that had been sent. (A segment with data tells nothing of the kind: it can repeat what was lost on the path.)
  package private(set) var finAcknowledged: (mark: Mark, offset: Int64)?
  /// The last segment of each side; nothing of a side was seen when nil.
  package private(set) var lastSegment: (ofClient: Mark?, ofServer: Mark?)
  /// What the capture says about packets of this connection, mostly the process that sent them.
  package private(set) var remarks: [(frame: Int64, text: String)] = []
  /// Places in the table's list by last use.
  var older: Int = -1
  var newer: Int = -1
  var slot: Int = -1
  /// What the table has counted of ``footprint``.
  var countedBytes = 0

  init(
    number: Int, trace: Int, client: Endpoint, server: Endpoint, rolesAreKnown: Bool, frame: Int64, time: Instant
  ) {
    self.number = number
    self.trace = trace
    self.client = client
    self.server = server
    self.rolesAreKnown = rolesAreKnown
    firstFrame = frame
    firstTime = time
    lastTime = time
  }

  package var startWasSeen: Bool { clientStream.startWasSeen || serverStream.startWasSeen }

  /// The kept segments, in order; ``ladderOmitted`` others were between the first few and the last few.
  package var ladder: [LadderStep] {
    ladderStart + ladderRing[ladderNext...] + ladderRing[..<ladderNext]
  }

  /// Whether this SYN begins another connection on the same pair of ports.
  func isReused(by segment: TCPSegment) -> Bool {
    guard segment.flags.contains(.syn) else { return isLeftover(before: segment) }
    let isFromClient = segment.source == client
    let stream = isFromClient ? clientStream : serverStream
    guard !segment.flags.contains(.ack) else {
      // A SYN-ACK belongs to the SYN before it; only another number tells that the SYN was missed.
      return !isFromClient && stream.startWasSeen && stream.base != segment.sequence &+ 1
    }
    if !isFromClient { return true }
    return !stream.startWasSeen || stream.base != segment.sequence &+ 1
  }

  /// Data behind the end of a connection, far from its numbers, or behind nothing but a reset: another connection, whose
  /// handshake the capture does not hold.
  private func isLeftover(before segment: TCPSegment) -> Bool {
    guard closedAt != nil, segment.wireCount > 0, !segment.flags.contains(.rst) else { return false }
    if !startWasSeen, clientStream.segments == 0, serverStream.segments == 0 { return true }
    let own = segment.source == client ? clientStream : serverStream
    guard let offset = own.offset(ofSequence: segment.sequence) else { return false }
    return abs(offset - max(own.highest, own.reached)) > Connection.farthest
  }

  func take(
    _ segment: TCPSegment, bytes: RawSpan, frame: Int64, time stamp: Instant, events: inout [TurnEvent]
  ) {
    // A clock that was set back must not turn lengths of time negative.
    let time = max(stamp, lastTime)
    lastTime = time
    if segment.wireCount > 0, !rolesAreKnown { settleRoles(segment, bytes: bytes) }
    let side: Side = segment.source == client ? .client : .server
    anchor(segment, from: side)
    let acknowledges =
      segment.flags.contains(.ack) ? stream(side.other).offset(ofSequence: segment.acknowledgement) : nil
    let mark = Mark(
      frame: frame, time: time, acknowledges: acknowledges, hops: segment.hops,
      identification: segment.identification, hasTimestamp: segment.hasTimestamp)
    noteSender(segment, side)
    noteHandshake(segment, mark: mark, from: side)
    if side == .client { lastSegment.ofClient = mark } else { lastSegment.ofServer = mark }
    // The SYN takes a number of its own: what it carries (TCP Fast Open, RFC 7413) begins behind that.
    let sequence = segment.flags.contains(.syn) ? segment.sequence &+ 1 : segment.sequence
    guard let offset = stream(side).offset(ofSequence: sequence) else {
      addToLadder(segment, mark: mark, offset: 0, side: side, nature: .plain)
      if segment.flags.contains(.rst) { noteReset(Reset(mark: mark, offset: 0), from: side) }
      return
    }
    let nature: LadderStep.Nature
    if side == .client {
      nature = takeData(segment, bytes: bytes, offset: offset, mark: mark, &clientStream, &serverStream, side, &events)
    } else {
      nature = takeData(segment, bytes: bytes, offset: offset, mark: mark, &serverStream, &clientStream, side, &events)
    }
    addToLadder(segment, mark: mark, offset: offset, side: side, nature: nature)
    if segment.flags.contains(.rst) { noteReset(Reset(mark: mark, offset: offset), from: side) }
    if segment.flags.contains(.fin), !segment.flags.contains(.rst) { noteEnding(isReset: false, mark: mark, of: side) }
    if side == .client, finAcknowledged == nil, segment.wireCount == 0, let finOffset = serverStream.finOffset,
      let acknowledges,
      acknowledges > finOffset
    {
      finAcknowledged = (mark, offset)
    }
    if closedAt == nil, clientStream.fin != nil, serverStream.fin != nil { closedAt = time }
    drain(now: time, force: false, events: &events)
  }

  /// Hands on what still waits behind holes: nothing will fill them any more.
  func finish(events: inout [TurnEvent]) {
    drain(now: lastTime, force: true, events: &events)
  }

  /// Bytes that it holds besides its fixed size, roughly.
  var footprint: Int {
    clientStream.heldBytes + serverStream.heldBytes + turns.footprint
      + (clientStream.held.count + serverStream.held.count) * MemoryLayout<SegmentStream.Held>.stride
  }

  /// Keeps a comment on a packet: on the last few, the older ones go.
  func note(_ text: String, frame: Int64) {
    if remarks.count >= Connection.maximumRemarks { remarks.removeFirst() }
    remarks.append((frame, text))
  }

  package func stream(_ side: Side) -> SegmentStream { side == .client ? clientStream : serverStream }

  // MARK: -

  private func settleRoles(_ segment: TCPSegment, bytes: RawSpan) {
    rolesAreKnown = true
    guard let speaker = Speech.speaker(ofFirstBytes: bytes.part(segment.payload)) else { return }
    let isClient = segment.source == client
    if (speaker == .client) != isClient {
      swap(&client, &server)
      swap(&clientStream, &serverStream)
      shortestAcknowledgement = (shortestAcknowledgement.byClient, shortestAcknowledgement.byServer)
      swap(&awaitedByClient, &awaitedByServer)
    }
  }

  private func anchor(_ segment: TCPSegment, from side: Side) {
    func anchor(_ sender: inout SegmentStream, _ receiver: inout SegmentStream) {
      if segment.flags.contains(.syn) {
        if !sender.startWasSeen { sender.anchor(atSequence: segment.sequence &+ 1, afterSYN: true) }
      } else if !sender.isAnchored, !segment.flags.contains(.rst) {
        sender.anchor(atSequence: segment.sequence, afterSYN: false)
      } else if segment.wireCount > 0, !sender.startWasSeen, sender.segments == 0,
        let offset = sender.offset(ofSequence: segment.sequence), offset > 0, offset <= 1
      {
        // A keep-alive probe came first: it repeats the byte before the next.
        sender.moveAnchor(to: segment.sequence)
      }
      if segment.flags.contains(.ack), !receiver.isAnchored, !segment.flags.contains(.syn) || receiver.base == nil {
        receiver.anchor(atSequence: segment.acknowledgement, afterSYN: segment.flags.contains(.syn))
      }
      if sender.hops == 0 { sender.hops = segment.hops }
    }
    if side == .client {
      anchor(&clientStream, &serverStream)
    } else {
      anchor(&serverStream, &clientStream)
    }
  }

  private func noteHandshake(_ segment: TCPSegment, mark: Mark, from side: Side) {
    if segment.flags.contains(.syn) {
      if side == .client, !segment.flags.contains(.ack) {
        // Sooner than any kernel repeats it, it is the same packet, captured twice.
        if lastSYN.map({ mark.time.since($0) > .milliseconds(1) }) ?? true { synCount += 1 }
        lastSYN = mark.time
        if syn == nil { syn = mark }
        turns.connected(at: mark.time)
      } else if synAck == nil {
        synAck = mark
      }
    } else if side == .client, synAck != nil, handshakeEnd == nil, segment.flags.contains(.ack),
      !segment.flags.contains(.rst)
    {
      handshakeEnd = mark
      turns.connected(at: mark.time)
    }
  }

  private func noteSender(_ segment: TCPSegment, _ side: Side) {
    guard !segment.flags.contains(.rst) else { return }
    func note(_ stream: inout SegmentStream) {
      stream.lastHops = segment.hops
      if segment.hasTimestamp { stream.timestamped.with += 1 } else { stream.timestamped.without += 1 }
      if segment.flags.contains(.syn) {
        stream.windowScale = segment.windowScale ?? 0
        stream.window = Int64(segment.window)
      } else {
        stream.window = Int64(segment.window) << Int64(stream.windowScale ?? 0)
      }
    }
    if side == .client { note(&clientStream) } else { note(&serverStream) }
  }

  /// Whether a reset can be of this connection: its numbers are near to those that were sent. A receiver takes no other (RFC 9293
  /// section 3.10.7.4); what is behind can be the answer to something older.
  private func isPossible(_ reset: Reset, from side: Side) -> Bool {
    let (own, peer) = (stream(side), stream(side.other))
    if let acknowledges = reset.mark.acknowledges, acknowledges < 0, peer.startWasSeen { return false }
    guard own.isAnchored else { return true }
    let sent = max(own.highest, own.reached, own.acknowledged, (own.finOffset ?? -1) + 1)
    let least = peer.windowScale == nil ? Connection.resetReach.aheadUnscaled : Connection.resetReach.ahead
    let lowest =
      own.startWasSeen
      ? max(-1, own.acknowledged - Connection.resetReach.behind) : own.acknowledged - Connection.resetReach.behind
    return reset.offset <= sent + max(peer.window, least) && reset.offset >= lowest
  }

  private func noteEnding(isReset: Bool, mark: Mark, of side: Side) {
    if side == .server, serverEnding == nil { turns.serverEnded(at: mark.time) }
    let ending = Ending(
      isReset: isReset, mark: mark, lastActivity: turns.activityIsUncertain ? nil : turns.lastActivity,
      answered: turns.exchangesAnswered,
      unanswered: turns.pending.count, wasAnnounced: turns.closeAnnounced != nil)
    if side == .client {
      clientEnding = clientEnding ?? ending
    } else {
      serverEnding = serverEnding ?? ending
    }
  }

  private func noteReset(_ reset: Reset, from side: Side) {
    guard isPossible(reset, from: side) else { return }
    noteEnding(isReset: true, mark: reset.mark, of: side)
    if closedAt == nil { closedAt = reset.mark.time }
    if side == .client {
      if clientStream.resets.count < 4 { clientStream.resets.append(reset) }
    } else if serverStream.resets.count < 4 {
      serverStream.resets.append(reset)
    }
  }

  private func takeData(
    _ segment: TCPSegment, bytes: RawSpan, offset: Int64, mark: Mark, _ own: inout SegmentStream,
    _ peer: inout SegmentStream, _ side: Side, _ events: inout [TurnEvent]
  ) -> LadderStep.Nature {
    let isReset = segment.flags.contains(.rst)
    if let acknowledges = mark.acknowledges, !isReset { acknowledge(acknowledges, mark: mark, peer: &peer, side: side) }
    if segment.window == 0, !isReset, !segment.flags.contains(.syn) { own.zeroWindows += 1 }
    let previous = own.lastPayload?.identification
    let isCopy = own.isCopyOfLast(segment, time: mark.time, previousIdentification: previous)
    guard !isReset, !segment.flags.contains(.syn) || segment.wireCount > 0 else { return .plain }
    let count = Int64(segment.wireCount)
    let end = offset + count
    guard abs(offset - own.highest) < SegmentStream.maximumDistance else { return .plain }
    // For an empty segment the sender's position is its sequence number: it has sent everything before.
    let keepAlive = count <= 1 && end <= own.highest && offset == own.highest - 1 && own.acknowledged >= own.highest
    if keepAlive, !segment.flags.contains(.fin) {
      own.keepAliveProbes += 1
      return .keepAliveProbe
    }
    var nature = LadderStep.Nature.plain
    if count > 0 {
      nature = takePayload(segment, bytes: bytes, offset: offset, mark: mark, isCopy: isCopy, &own, peer, side, &events)
    }
    own.reached = max(own.reached, end)
    if segment.flags.contains(.fin) {
      if own.fin == nil {
        own.fin = mark
        own.finOffset = end
        if side == .server, end <= own.delivered { turns.serverClosed(at: mark, events: &events) }
      } else if !isCopy, count == 0 {
        own.retransmissions += 1
        nature = .retransmission
      }
    }
    return nature
  }

  private func acknowledge(_ offset: Int64, mark: Mark, peer: inout SegmentStream, side: Side) {
    guard offset > peer.acknowledged, offset - peer.highest < SegmentStream.maximumDistance else { return }
    peer.acknowledged = offset
    peer.acknowledgedMark = mark
    turns.acknowledged(side.other, upTo: offset, mark: mark)
    if side == .server {
      if let awaited = awaitedByServer, offset >= awaited.end {
        let gap = mark.time.since(awaited.time)
        shortestAcknowledgement.byServer = min(shortestAcknowledgement.byServer ?? gap, gap)
        awaitedByServer = nil
      }
    } else if let awaited = awaitedByClient, offset >= awaited.end {
      let gap = mark.time.since(awaited.time)
      shortestAcknowledgement.byClient = min(shortestAcknowledgement.byClient ?? gap, gap)
      awaitedByClient = nil
    }
  }

  private func takePayload(
    _ segment: TCPSegment, bytes: RawSpan, offset: Int64, mark: Mark, isCopy: Bool, _ own: inout SegmentStream,
    _ peer: SegmentStream, _ side: Side, _ events: inout [TurnEvent]
  ) -> LadderStep.Nature {
    let end = offset + Int64(segment.wireCount)
    var mark = mark
    mark.isLate = offset < own.reached
    own.segments += 1
    var nature = LadderStep.Nature.plain
    if isCopy {
      own.duplicates += 1
      nature = .duplicate
    } else if end <= own.delivered || own.holds(offset, to: end) {
      own.retransmissions += 1
      nature = .retransmission
      turns.retransmitted(side, from: offset, to: end, mark: mark)
    } else if offset < own.highest {
      // New bytes below the highest: reordered on the path, or a retransmission of what the capture missed.
      own.outOfOrder += 1
      nature = .outOfOrder
      turns.retransmitted(side, from: offset, to: min(end, own.highest), mark: mark)
    } else if nature == .plain {
      let awaited = (end: end, time: mark.time)
      if side == .client {
        if awaitedByServer == nil { awaitedByServer = awaited }
      } else if awaitedByClient == nil {
        awaitedByClient = awaited
      }
    }
    own.highest = max(own.highest, end)
    own.lastPayload = mark
    guard end > own.delivered else { return nature }
    let mustWait = (mark.acknowledges ?? 0) > peer.accountedEnd
    if offset <= own.delivered, own.held.isEmpty, !mustWait {
      let skip = own.delivered - offset
      deliver(bytes.part(segment.payload), from: skip, to: Int64(segment.wireCount), mark: mark, &own, side, &events)
    } else {
      let payload = bytes.part(segment.payload)
      var copy: [UInt8] = []
      copy.reserveCapacity(payload.byteCount)
      for index in 0..<payload.byteCount { copy.append(payload.byte(at: index)) }
      let held = SegmentStream.Held(offset: offset, wireCount: Int64(segment.wireCount), bytes: copy, mark: mark)
      if !own.hold(held) {
        // No more room to wait: take the bytes before it as not captured.
        while !own.held.isEmpty { deliverFirstHeld(&own, side, &events) }
        _ = own.hold(held)
        deliverFirstHeld(&own, side, &events)
      }
    }
    return nature
  }

  /// Hands bytes `skip..<count` of a segment to the turns, of which the capture may hold only the first.
  private func deliver(
    _ payload: RawSpan, from skip: Int64, to count: Int64, mark: Mark, _ own: inout SegmentStream, _ side: Side,
    _ events: inout [TurnEvent]
  ) {
    let captured = Int64(payload.byteCount)
    if skip < captured {
      turns.received(
        payload.extracting(Int(skip)..<Int(captured)), at: own.delivered, from: side, mark: mark, events: &events)
      own.delivered += captured - skip
    }
    let rest = count - max(skip, captured)
    if rest > 0 {
      own.missingBytes += rest
      turns.skipped(rest, at: own.delivered, from: side, mark: mark, isCut: true, events: &events)
      own.delivered += rest
    }
  }

  private func deliverFirstHeld(_ own: inout SegmentStream, _ side: Side, _ events: inout [TurnEvent]) {
    let first = own.takeFirstHeld()
    guard first.end > own.delivered else { return }
    if first.offset > own.delivered { skipHole(to: first.offset, mark: first.mark, &own, side, &events) }
    // Safe: every bit of a UInt8 is initialised.
    unsafe deliver(
      first.bytes.span.bytes, from: own.delivered - first.offset, to: first.wireCount, mark: first.mark, &own, side,
      &events)
  }

  private func skipHole(
    to offset: Int64, mark: Mark, _ own: inout SegmentStream, _ side: Side, _ events: inout [TurnEvent]
  ) {
    let count = offset - own.delivered
    own.missingBytes += count
    turns.skipped(count, at: own.delivered, from: side, mark: mark, isCut: false, events: &events)
    own.delivered = offset
  }

  private func drain(now: Instant, force: Bool, events: inout [TurnEvent]) {
    if clientStream.held.isEmpty && serverStream.held.isEmpty { return }
    while drainOne(&clientStream, &serverStream, .client, now: now, force: force, events: &events)
      || drainOne(&serverStream, &clientStream, .server, now: now, force: force, events: &events)
    {}
  }

  /// Hands on the first held segment when it may be. Returns whether it did.
  private func drainOne(
    _ own: inout SegmentStream, _ peer: inout SegmentStream, _ side: Side, now: Instant, force: Bool,
    events: inout [TurnEvent]
  ) -> Bool {
    guard let first = own.held.first else { return false }
    let needed = first.mark.acknowledges ?? 0
    let followsOn = first.offset <= own.delivered
    let answersSeen = needed <= max(peer.accountedEnd, peer.delivered)
    if followsOn && answersSeen {
      deliverFirstHeld(&own, side, &events)
      return true
    }
    let waited =
      force || now.since(first.mark.time) > Connection.patience
      || own.held.count >= Connection.patienceInSegments
    guard waited else { return false }
    if !answersSeen {
      // The sender had received bytes that the capture does not show; what waits on the other side comes first.
      if let other = peer.held.first, other.offset < needed {
        deliverFirstHeld(&peer, side.other, &events)
        return true
      }
      skipHole(to: needed, mark: first.mark, &peer, side.other, &events)
      peer.highest = max(peer.highest, needed)
      return true
    }
    // A hole that the receiver has not acknowledged either may be a loss on the path: its retransmission will come.
    guard force || own.acknowledged > own.delivered || own.held.count >= SegmentStream.maximumHeldSegments / 2 else {
      return false
    }
    deliverFirstHeld(&own, side, &events)
    return true
  }

  private func addToLadder(
    _ segment: TCPSegment, mark: Mark, offset: Int64, side: Side, nature: LadderStep.Nature
  ) {
    let step = LadderStep(
      frame: mark.frame, time: mark.time, side: side, flags: segment.flags, offset: offset,
      count: Int32(clamping: segment.wireCount), acknowledges: mark.acknowledges, nature: nature)
    if ladderStart.count < Connection.ladderHead {
      ladderStart.append(step)
    } else if ladderRing.count < Connection.ladderTail {
      ladderRing.append(step)
    } else {
      ladderRing[ladderNext] = step
      ladderNext = (ladderNext + 1) % Connection.ladderTail
      ladderOmitted += 1
    }
  }
}
