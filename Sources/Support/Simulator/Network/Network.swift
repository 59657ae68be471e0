package import Core

/// A model of TCP between a proxy and a server, exact where the evidence rule looks: which segments move
/// `tcpi_bytes_acked`, which error a RST leaves behind, in which order EOF and error are seen, what `close()` sends.
///
/// It follows what Linux does, not only RFC 9293:
/// - the ACK field of a RST is ignored;
/// - a RST after the peer's FIN leaves EPIPE, any other one ECONNRESET, and after a FIN a read reports EOF even so;
/// - `close()` with unread bytes sends a RST instead of a FIN;
/// - data for an end that was closed in both directions is answered by a RST, and so is all that meets no socket;
/// - an end that closes after its FIN was acknowledged forgets an acknowledgement that it was keeping back.
///
/// Left out, because no evidence depends on it: windows, congestion control, timestamps, and the end of TIME_WAIT.
package struct Network {
  /// What an application is told. Level and edge are its own affair.
  package enum Notice: Equatable, Sendable {
    /// The handshake is over, at the proxy's end.
    case connected(Int32)
    /// The handshake is over, at the server's end.
    case accepted(Int32)
    /// There is something to read: bytes, the end, or an error.
    case readable(EndpointID)
  }

  package enum Listener: Sendable {
    case accepting
    /// A RST answers a SYN.
    case refusing
    /// Nothing answers.
    case silent
  }

  package enum ReadResult: Equatable, Sendable {
    /// So many bytes of the run `tag`; `isLast` when they are its last ones.
    case bytes(count: Int32, tag: Int32, isLast: Bool)
    case endOfFile
    case failed(SocketFailure)
    case wouldBlock
  }

  private enum Event {
    case arrival(SimulatedSegment)
    case retransmission(EndpointID)
    case acknowledgment(EndpointID)
  }

  /// The largest number of bytes in a segment.
  package static let maximumSegment: Int32 = 1_460
  /// Linux's lower bound for the part of the retransmission timeout that is added to the round trip.
  static let retransmissionFloor = Nanoseconds.milliseconds(200)
  static let handshakeRetransmission = Nanoseconds.seconds(1)
  static let maximumRetransmissions: Int32 = 8

  package var path: Path
  package var listener = Listener.accepting
  /// What happened, for the applications; they empty it.
  package var notices: [Notice] = []
  package private(set) var now = Instant(nanoseconds: 0)
  package private(set) var segmentsSent = 0
  package private(set) var segmentsLost = 0
  /// Told of every segment, for a trace; nil costs nothing.
  package var onSegment: ((Instant, SimulatedSegment, _ isLost: Bool) -> Void)?

  private var endpoints: [SimulatedSocket] = []
  private var events = EventQueue<Event>()
  private var random: RandomSource

  package init(path: Path, random: RandomSource) {
    self.path = path
    self.random = random
  }

  // MARK: Time

  package var nextTime: Instant { events.nextTime }

  /// Moves to `time`; nothing may be due before it.
  package mutating func advance(to time: Instant) {
    precondition(time >= now && time <= nextTime, "time passed over an event")
    now = time
  }

  /// Lets the next event happen.
  package mutating func step() {
    guard let time = Optional(events.nextTime), let event = events.popNext() else { return }
    now = time
    switch event {
    case .arrival(let segment): arrive(segment)
    case .retransmission(let id): retransmissionTimerFired(id)
    case .acknowledgment(let id): acknowledgmentTimerFired(id)
    }
  }

  // MARK: System calls

  package var connectionCount: Int { endpoints.count / 2 }

  package subscript(_ id: EndpointID) -> SimulatedSocket {
    _read { yield endpoints[index(id)] }
  }

  /// Starts a connection from the proxy to the server. ``Notice/connected(_:)`` or ``Notice/readable(_:)`` with an
  /// error follows.
  package mutating func connect() -> Int32 {
    let connection = Int32(endpoints.count / 2)
    endpoints.append(SimulatedSocket(state: .synSent))
    endpoints.append(SimulatedSocket(state: .listening))
    let proxy = EndpointID(connection, .proxy)
    let at = index(proxy)
    endpoints[at].sendNext = 1
    endpoints[at].sampledAt = now
    endpoints[at].sampledSequence = 1
    transmit(from: proxy, sequence: 0, length: 0, flags: .synchronize)
    armRetransmission(proxy)
    return connection
  }

  /// Hands `count` bytes to the kernel, as one run with a tag.
  /// - Returns: nil when they were taken, else the error.
  package mutating func write(_ id: EndpointID, count: Int32, tag: Int32) -> SocketFailure? {
    let at = index(id)
    if let error = endpoints[at].pendingError {
      endpoints[at].pendingError = nil
      return error
    }
    switch endpoints[at].state {
    case .established, .closeWait:
      break
    case .closed, .listening, .synSent, .synReceived, .lastAck, .finWait1, .finWait2, .closing, .timeWait:
      return .brokenPipe
    }
    precondition(count > 0, "a write of nothing")
    var from = endpoints[at].sendNext
    let end = from + count
    endpoints[at].marks.append(StreamMark(end: end, tag: tag))
    endpoints[at].sendNext = end
    if endpoints[at].sampledAt == .distantFuture {
      endpoints[at].sampledAt = now
      endpoints[at].sampledSequence = end
    }
    while from < end {
      let length = min(Self.maximumSegment, end - from)
      transmit(from: id, sequence: from, length: length, flags: [])
      from += length
    }
    armRetransmissionIfIdle(id)
    return nil
  }

  /// Reads what is left of one run, at most `limit` bytes. The order is that of `tcp_recvmsg`: bytes first, then the
  /// peer's end, then an error, once.
  package mutating func read(_ id: EndpointID, limit: Int32 = .max) -> ReadResult {
    let at = index(id)
    if endpoints[at].unread > 0 {
      let peer = index(id.other)
      let start = endpoints[at].readNext
      var mark = endpoints[at].readMark
      while endpoints[peer].marks[mark].end <= start { mark += 1 }
      let found = endpoints[peer].marks[mark]
      let count = min(limit, found.end - start, endpoints[at].unread)
      endpoints[at].readMark = mark
      endpoints[at].readNext = start + count
      return .bytes(count: count, tag: found.tag, isLast: start + count == found.end)
    }
    return endOrError(at)
  }

  /// As `read`, but leaves bytes where they are. An error is consumed all the same.
  package mutating func peek(_ id: EndpointID) -> ReadResult {
    let at = index(id)
    guard endpoints[at].unread > 0 else { return endOrError(at) }
    let kept = (endpoints[at].readNext, endpoints[at].readMark)
    let result = read(id)
    (endpoints[at].readNext, endpoints[at].readMark) = kept
    return result
  }

  private mutating func endOrError(_ at: Int) -> ReadResult {
    if endpoints[at].finishReceived { return .endOfFile }
    if let error = endpoints[at].pendingError {
      endpoints[at].pendingError = nil
      return .failed(error)
    }
    return endpoints[at].state == .closed ? .endOfFile : .wouldBlock
  }

  /// SO_ERROR: the pending error, which is gone thereafter.
  package mutating func takeError(_ id: EndpointID) -> SocketFailure? {
    let at = index(id)
    defer { endpoints[at].pendingError = nil }
    return endpoints[at].pendingError
  }

  /// SIOCOUTQ: bytes written and not yet acknowledged; a FIN counts as one.
  package func outstanding(_ id: EndpointID) -> Int32 {
    endpoints[index(id)].sendNext - endpoints[index(id)].sendUnacknowledged
  }

  /// `shutdown(SHUT_WR)`.
  package mutating func shutdownWrite(_ id: EndpointID) {
    let at = index(id)
    switch endpoints[at].state {
    case .established: endpoints[at].state = .finWait1
    case .closeWait: endpoints[at].state = .lastAck
    case .closed, .listening, .synSent, .synReceived, .lastAck, .finWait1, .finWait2, .closing, .timeWait: return
    }
    endpoints[at].finishSequence = endpoints[at].sendNext
    endpoints[at].sendNext += 1
    transmit(from: id, sequence: endpoints[at].sendNext - 1, length: 0, flags: .finish)
    armRetransmissionIfIdle(id)
  }

  /// `close()`: a RST when bytes are unread, else a FIN.
  package mutating func close(_ id: EndpointID) {
    let at = index(id)
    guard !endpoints[at].isOrphan else { return }
    if endpoints[at].unread > 0 {
      abort(id)
      return
    }
    endpoints[at].isOrphan = true
    switch endpoints[at].state {
    case .established, .closeWait: shutdownWrite(id)
    case .finWait2: endpoints[at].acknowledgeAt = .distantFuture
    case .synSent, .synReceived, .listening: destroy(at)
    case .closed, .lastAck, .finWait1, .closing, .timeWait: break
    }
  }

  /// `close()` with SO_LINGER 0: a RST, and nothing is left.
  package mutating func abort(_ id: EndpointID) {
    let at = index(id)
    endpoints[at].isOrphan = true
    switch endpoints[at].state {
    case .synReceived, .established, .closeWait, .finWait1, .finWait2:
      transmit(from: id, sequence: endpoints[at].sendNext, length: 0, flags: .reset)
    case .closed, .listening, .synSent, .lastAck, .closing, .timeWait: break
    }
    destroy(at)
  }

  /// The machine of this end lost its power: no socket is left and nothing is sent.
  package mutating func vanish(_ id: EndpointID) {
    endpoints[index(id)].isOrphan = true
    destroy(index(id))
  }

  /// The listening socket is closed: handshakes that are not over are forgotten.
  package mutating func closeListener(_ listener: Listener) {
    self.listener = listener
    for at in endpoints.indices where endpoints[at].state == .synReceived { destroy(at) }
  }

  // MARK: Arrival

  private mutating func arrive(_ segment: SimulatedSegment) {
    let id = segment.receiver
    let at = index(id)
    switch endpoints[at].state {
    case .closed: answerUnknown(segment)
    case .listening: synchronizeArrived(segment)
    case .synSent: handshakeAnswered(segment)
    case .synReceived:
      if segment.isReset {
        if segment.sequence == endpoints[at].receiveNext { destroy(at) }
      } else if segment.isSynchronize {
        transmit(from: id, sequence: 0, length: 0, flags: .synchronize)
      } else if segment.acknowledgment >= 1 {
        endpoints[at].state = .established
        notices.append(.accepted(id.connection))
        arriveSynchronized(segment)
      }
    case .established, .closeWait, .lastAck, .finWait1, .finWait2, .closing, .timeWait:
      arriveSynchronized(segment)
    }
  }

  private mutating func synchronizeArrived(_ segment: SimulatedSegment) {
    guard segment.isSynchronize else {
      answerUnknown(segment)
      return
    }
    let id = segment.receiver
    let at = index(id)
    switch listener {
    case .silent: break
    case .refusing: answerUnknown(segment)
    case .accepting:
      endpoints[at].state = .synReceived
      endpoints[at].receiveNext = 1
      endpoints[at].acknowledged = 1
      endpoints[at].sendNext = 1
      transmit(from: id, sequence: 0, length: 0, flags: .synchronize)
      armRetransmission(id)
    }
  }

  private mutating func handshakeAnswered(_ segment: SimulatedSegment) {
    let id = segment.receiver
    let at = index(id)
    guard segment.acknowledgment == 1 else { return }
    if segment.isReset {
      endpoints[at].pendingError = .connectionRefused
      destroy(at)
      notices.append(.readable(id))
      return
    }
    guard segment.isSynchronize else { return }
    endpoints[at].state = .established
    endpoints[at].receiveNext = 1
    acknowledgmentArrived(1, at, id)
    acknowledge(id)
    notices.append(.connected(id.connection))
  }

  /// `tcp_validate_incoming`, `tcp_ack` and `tcp_data_queue`, in this order.
  private mutating func arriveSynchronized(_ segment: SimulatedSegment) {
    let id = segment.receiver
    let at = index(id)
    // Everything in it is older than what we last acknowledged. A RST may still be one that its sender built
    // before it heard of our acknowledgement of its FIN.
    if segment.endSequence < endpoints[at].acknowledged {
      if !segment.isReset {
        acknowledge(id)
      } else if isResetOneBeforeFinish(segment, at) {
        resetArrived(at, id)
      }
      return
    }
    if segment.isReset {
      if segment.sequence == endpoints[at].receiveNext || isResetOneBeforeFinish(segment, at)
        || segment.sequence == endpoints[at].islands.last?.end
      {
        resetArrived(at, id)
      } else {
        // RFC 5961 section 3.2: the challenge ACK.
        acknowledge(id)
      }
      return
    }
    if segment.isSynchronize {
      acknowledge(id)
      return
    }
    acknowledgmentArrived(segment.acknowledgment, at, id)
    if endpoints[at].state == .closed { return }
    payloadArrived(segment, at, id)
  }

  private func isResetOneBeforeFinish(_ segment: SimulatedSegment, _ at: Int) -> Bool {
    switch endpoints[at].state {
    case .closeWait, .lastAck, .closing: segment.sequence == endpoints[at].receiveNext - 1
    case .closed, .listening, .synSent, .synReceived, .established, .finWait1, .finWait2, .timeWait: false
    }
  }

  private mutating func resetArrived(_ at: Int, _ id: EndpointID) {
    endpoints[at].pendingError = endpoints[at].state == .closeWait ? .brokenPipe : .connectionReset
    if endpoints[at].state == .closeWait { endpoints[at].wasResetAfterFinish = true }
    destroy(at)
    if !endpoints[at].isOrphan { notices.append(.readable(id)) }
  }

  private mutating func acknowledgmentArrived(_ acknowledgment: Int32, _ at: Int, _ id: EndpointID) {
    guard acknowledgment > endpoints[at].sendUnacknowledged, acknowledgment <= endpoints[at].sendNext else { return }
    endpoints[at].bytesAcked += Int64(acknowledgment - endpoints[at].sendUnacknowledged)
    endpoints[at].sendUnacknowledged = acknowledgment
    sampleRoundTrip(at)
    endpoints[at].retransmissions = 0
    if acknowledgment < endpoints[at].recoverUntil { retransmitFirst(id) }
    if acknowledgment == endpoints[at].sendNext {
      endpoints[at].retransmitAt = .distantFuture
    } else {
      armRetransmission(id)
    }
    guard let finish = endpoints[at].finishSequence, acknowledgment > finish else { return }
    switch endpoints[at].state {
    case .finWait1:
      endpoints[at].state = .finWait2
      if endpoints[at].isOrphan { endpoints[at].acknowledgeAt = .distantFuture }
    case .closing: endpoints[at].state = .timeWait
    case .lastAck: destroy(at)
    case .closed, .listening, .synSent, .synReceived, .established, .closeWait, .finWait2, .timeWait: break
    }
  }

  private mutating func payloadArrived(_ segment: SimulatedSegment, _ at: Int, _ id: EndpointID) {
    let end = segment.sequence + segment.length
    let isNew = end > endpoints[at].receiveNext
    switch endpoints[at].state {
    case .established:
      break
    case .finWait1, .finWait2:
      // The application has closed both directions: nobody can read this any more.
      if endpoints[at].isOrphan, isNew {
        destroy(at)
        answerUnknown(segment)
        return
      }
    case .timeWait:
      if isNew {
        destroy(at)
        answerUnknown(segment)
        return
      }
      if segment.length > 0 || segment.isFinish { acknowledge(id) }
      return
    case .closed, .listening, .synSent, .synReceived, .closeWait, .lastAck, .closing:
      if segment.length > 0 || segment.isFinish { acknowledge(id) }
      return
    }
    guard segment.length > 0 || segment.isFinish else { return }
    if segment.sequence > endpoints[at].receiveNext {
      addIsland(SimulatedSocket.Island(start: segment.sequence, end: end, isFinish: segment.isFinish), at)
      acknowledge(id)
      return
    }
    if segment.endSequence <= endpoints[at].receiveNext {
      acknowledge(id)
      return
    }
    let filledGap = !endpoints[at].islands.isEmpty
    take(end: end, isFinish: segment.isFinish, at)
    while let first = endpoints[at].islands.first, first.start <= endpoints[at].receiveNext {
      endpoints[at].islands.removeFirst()
      take(end: first.end, isFinish: first.isFinish, at)
    }
    scheduleAcknowledgment(id, atOnce: filledGap)
    if !endpoints[at].isOrphan { notices.append(.readable(id)) }
  }

  /// Takes bytes up to `end`, of which at least the first is the next one, and the FIN behind them.
  private mutating func take(end: Int32, isFinish: Bool, _ at: Int) {
    if endpoints[at].finishReceived { return }
    endpoints[at].receiveNext = max(endpoints[at].receiveNext, end)
    guard isFinish, endpoints[at].receiveNext == end else { return }
    endpoints[at].receiveNext += 1
    endpoints[at].finishReceived = true
    switch endpoints[at].state {
    case .established: endpoints[at].state = .closeWait
    case .finWait1: endpoints[at].state = .closing
    case .finWait2: endpoints[at].state = .timeWait
    case .closed, .listening, .synSent, .synReceived, .closeWait, .lastAck, .closing, .timeWait:
      preconditionFailure("a FIN is taken only where data is")
    }
  }

  private mutating func addIsland(_ island: SimulatedSocket.Island, _ at: Int) {
    let place = endpoints[at].islands.firstIndex { $0.start > island.start } ?? endpoints[at].islands.count
    endpoints[at].islands.insert(island, at: place)
  }

  /// The answer to a segment that meets no socket.
  private mutating func answerUnknown(_ segment: SimulatedSegment) {
    if segment.isReset { return }
    let sender = segment.receiver
    if segment.acknowledgment >= 0 {
      emit(
        SimulatedSegment(
          receiver: sender.other, sequence: segment.acknowledgment, length: 0, flags: .reset, acknowledgment: -1))
    } else {
      emit(
        SimulatedSegment(
          receiver: sender.other, sequence: 0, length: 0, flags: .reset, acknowledgment: segment.endSequence))
    }
  }

  // MARK: Acknowledgements

  private mutating func scheduleAcknowledgment(_ id: EndpointID, atOnce: Bool) {
    let at = index(id)
    let waiting = endpoints[at].receiveNext - endpoints[at].acknowledged
    if atOnce || path.delayedAcknowledgment <= .zero || waiting > 2 * Self.maximumSegment {
      acknowledge(id)
      return
    }
    guard endpoints[at].acknowledgeAt == .distantFuture else { return }
    let due = now.advanced(by: path.delayedAcknowledgment)
    endpoints[at].acknowledgeAt = due
    guard !endpoints[at].acknowledgeScheduled else { return }
    endpoints[at].acknowledgeScheduled = true
    events.schedule(.acknowledgment(id), at: due)
  }

  private mutating func acknowledgmentTimerFired(_ id: EndpointID) {
    let at = index(id)
    endpoints[at].acknowledgeScheduled = false
    let due = endpoints[at].acknowledgeAt
    if due == .distantFuture || endpoints[at].state == .closed { return }
    if due <= now {
      acknowledge(id)
    } else {
      endpoints[at].acknowledgeScheduled = true
      events.schedule(.acknowledgment(id), at: due)
    }
  }

  private mutating func acknowledge(_ id: EndpointID) {
    transmit(from: id, sequence: endpoints[index(id)].sendNext, length: 0, flags: [])
  }

  // MARK: Retransmission

  private func retransmissionTimeout(_ at: Int) -> Nanoseconds {
    switch endpoints[at].state {
    case .synSent, .synReceived: Self.handshakeRetransmission
    case .closed, .listening, .established, .closeWait, .lastAck, .finWait1, .finWait2, .closing, .timeWait:
      endpoints[at].retransmissionTimeout
    }
  }

  private mutating func armRetransmissionIfIdle(_ id: EndpointID) {
    if endpoints[index(id)].retransmitAt == .distantFuture { armRetransmission(id) }
  }

  private mutating func armRetransmission(_ id: EndpointID) {
    let at = index(id)
    let wait = retransmissionTimeout(at) * (Int64(1) << Int64(endpoints[at].retransmissions))
    endpoints[at].retransmitAt = now.advanced(by: wait)
    guard !endpoints[at].retransmitScheduled else { return }
    endpoints[at].retransmitScheduled = true
    events.schedule(.retransmission(id), at: endpoints[at].retransmitAt)
  }

  private mutating func retransmissionTimerFired(_ id: EndpointID) {
    let at = index(id)
    endpoints[at].retransmitScheduled = false
    let due = endpoints[at].retransmitAt
    if due == .distantFuture || endpoints[at].state == .closed { return }
    if due > now {
      endpoints[at].retransmitScheduled = true
      events.schedule(.retransmission(id), at: due)
      return
    }
    endpoints[at].retransmissions += 1
    if endpoints[at].retransmissions > Self.maximumRetransmissions {
      endpoints[at].pendingError = .timedOut
      destroy(at)
      if !endpoints[at].isOrphan { notices.append(.readable(id)) }
      return
    }
    endpoints[at].recoverUntil = endpoints[at].sendNext
    retransmitFirst(id)
    armRetransmission(id)
  }

  /// Sends the first unacknowledged segment again.
  private mutating func retransmitFirst(_ id: EndpointID) {
    let at = index(id)
    // A round trip cannot be told from a segment that was sent twice.
    endpoints[at].sampledAt = .distantFuture
    let from = endpoints[at].sendUnacknowledged
    if from == 0 {
      transmit(from: id, sequence: 0, length: 0, flags: .synchronize)
      return
    }
    let lastByteEnd = endpoints[at].finishSequence ?? endpoints[at].sendNext
    let length = max(0, min(Self.maximumSegment, lastByteEnd - from))
    let reachesFinish = endpoints[at].finishSequence.map { from + length == $0 } ?? false
    transmit(from: id, sequence: from, length: length, flags: reachesFinish ? .finish : [])
  }

  private mutating func sampleRoundTrip(_ at: Int) {
    guard endpoints[at].sampledAt != .distantFuture,
      endpoints[at].sendUnacknowledged >= endpoints[at].sampledSequence
    else { return }
    let sample = now.since(endpoints[at].sampledAt)
    let before = endpoints[at].smoothedRoundTrip
    endpoints[at].smoothedRoundTrip = before == .zero ? sample : (before * 7 + sample) / 8
    endpoints[at].sampledAt = .distantFuture
  }

  // MARK: The wire

  private mutating func transmit(from id: EndpointID, sequence: Int32, length: Int32, flags: SimulatedSegment.Flags) {
    let at = index(id)
    let isFirst = endpoints[at].state == .synSent
    emit(
      SimulatedSegment(
        receiver: id.other, sequence: sequence, length: length, flags: flags,
        acknowledgment: isFirst ? -1 : endpoints[at].receiveNext))
    endpoints[at].acknowledged = endpoints[at].receiveNext
    endpoints[at].acknowledgeAt = .distantFuture
  }

  private mutating func emit(_ segment: SimulatedSegment) {
    segmentsSent += 1
    let isLost = path.loses(at: now, by: &random)
    onSegment?(now, segment, isLost)
    if isLost {
      segmentsLost += 1
      return
    }
    var arrival = now.advanced(by: path.oneWayDelay)
    if path.jitter > .zero { arrival = arrival.advanced(by: random.span(.zero, path.jitter)) }
    let receiver = index(segment.receiver)
    if !path.reorders { arrival = max(arrival, endpoints[receiver].latestArrival) }
    endpoints[receiver].latestArrival = arrival
    events.schedule(.arrival(segment), at: arrival)
  }

  private mutating func destroy(_ at: Int) {
    endpoints[at].state = .closed
    endpoints[at].retransmitAt = .distantFuture
    endpoints[at].acknowledgeAt = .distantFuture
  }

  private func index(_ id: EndpointID) -> Int { Int(id.connection) * 2 + Int(id.side.rawValue) }
}
