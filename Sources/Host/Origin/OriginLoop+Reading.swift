internal import Core

/// What an origin reads, and when it does not.
extension OriginLoop {
  mutating func descriptorReady(_ connection: OriginConnection, _ readiness: Readiness) {
    if case .writing = connection.phase {
      flush(connection)
      process(connection)
      guard connections.element(connection.token) != nil else { return }
    }
    let isBroken = !readiness.isDisjoint(with: [.hangUp, .failed])
    switch connection.phase {
    case .pausing:
      // Bytes wait for the step that reads them; a connection that is gone does not.
      return isBroken ? peerGone(connection) : ()
    case .awaitingBytes:
      if bytesAwaited(connection) { process(connection) }
      return
    case .idle where !connection.followsSteps && diesUnread(connection):
      note(connection, "dies with a request unread")
      return close(connection)
    case .delaying, .trickling, .writing, .stepping:
      // What is too much for now is read when its turn has come.
      if connection.hasUnread { return isBroken ? peerGone(connection) : () }
    case .idle, .readingHead, .readingBody, .halfClosed, .draining: break
    }
    read(connection, untilEnd: !readiness.isDisjoint(with: [.peerClosed, .hangUp, .failed]))
  }

  /// Draws whether the request that has just arrived is left unread.
  mutating func diesUnread(_ connection: OriginConnection) -> Bool {
    let script = shared.state.withLock { $0.script }
    guard script.death == .unread, case .bytes = Socket.glance(connection.descriptor.number),
      generator.chance(script.deathShare)
    else { return false }
    shared.count { $0.deaths += 1 }
    return true
  }

  /// - Parameter untilEnd: the peer's end may lie behind the bytes; no further event will tell.
  mutating func read(_ connection: OriginConnection, untilEnd: Bool) {
    while true {
      connection.input.compact()
      connection.input.reserve(2048)
      let room = connection.input.writableCount
      switch Socket.receive(connection.descriptor.number, into: &connection.input) {
      case .bytes(let count):
        if case .halfClosed = connection.phase { shared.count { $0.bytesAfterHalfClose += count } }
        if case .draining = connection.phase { connection.input.removeAll() }
        process(connection)
        guard connections.element(connection.token) != nil else { return }
        if count < room && !untilEnd { return }
        guard connection.input.count > Self.inputLimit else { continue }
        switch connection.phase {
        case .delaying, .trickling, .writing, .stepping, .pausing, .awaitingBytes:
          // A peer that sends ahead, the content of a request whose head alone was read for instance: it has to wait.
          connection.hasUnread = true
          return note(connection, "leaves unread what the peer sends: \(connection.input.count) bytes wait already")
        case .idle, .readingHead, .readingBody, .halfClosed, .draining:
          note(connection, "closes: \(connection.input.count) bytes came that are no whole request")
          return close(connection)
        }
      case .wouldBlock: return
      case .endOfStream:
        connection.sawEnd = true
        return peerEnded(connection)
      case .failed: return peerGone(connection)
      }
    }
  }

  /// A half-closing peer still gets its answer.
  mutating func peerEnded(_ connection: OriginConnection) {
    switch connection.phase {
    case .delaying, .trickling, .writing, .stepping, .pausing, .awaitingBytes: break
    case .idle, .readingHead, .readingBody, .halfClosed, .draining: peerGone(connection)
    }
  }

  /// Takes requests out of the input for as long as none of them has to wait.
  mutating func process(_ connection: OriginConnection) {
    while connections.element(connection.token) != nil {
      guard fetchUnread(connection) else { return }
      switch connection.phase {
      case .idle, .readingHead:
        guard !connection.input.isEmpty else { return }
        guard readHead(connection) else { return endIfPeerHas(connection) }
      case .readingBody(var body):
        var kept = connection.request?.body
        connection.request?.body = nil
        let progress = body.read(&connection.input, keepingIn: &kept)
        connection.request?.body = kept
        connection.phase = .readingBody(body)
        switch progress {
        case .incomplete where connection.hasUnread: continue
        case .incomplete: return endIfPeerHas(connection)
        case .malformed: return reject(connection)
        case .finished: requestRead(connection)
        }
      case .halfClosed:
        guard readAfterHalfClose(connection) else { return }
      case .stepping:
        guard step(connection) else { return }
      case .delaying, .trickling, .writing, .pausing, .awaitingBytes, .draining: return
      }
    }
  }

  /// Fetches what had to wait, once somebody reads again: its event is long over. False when the connection is gone.
  private mutating func fetchUnread(_ connection: OriginConnection) -> Bool {
    guard connection.hasUnread else { return true }
    switch connection.phase {
    case .idle, .readingHead, .readingBody, .halfClosed: return fill(connection)
    case .delaying, .trickling, .writing, .stepping, .pausing, .awaitingBytes, .draining: return true
    }
  }

  /// The rest of a request does not come from a peer that had ended before its beginning was read.
  private mutating func endIfPeerHas(_ connection: OriginConnection) {
    guard connection.sawEnd, connections.element(connection.token) != nil else { return }
    peerGone(connection)
  }

  /// True when there is more to be done.
  mutating func readHead(_ connection: OriginConnection) -> Bool {
    let script = shared.state.withLock { $0.script }
    guard script.language == .http || connection.followsSteps else {
      answerInAnotherLanguage(connection, script.language)
      return false
    }
    switch OriginHead.parse(connection.input) {
    case .incomplete:
      if case .idle = connection.phase {
        connection.phase = .readingHead
        setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
      }
      return false
    case .malformed:
      reject(connection)
      return false
    case .head(let head):
      let request = Self.request(head, connection.input, script)
      connection.input.consume(head.length)
      if head.expectsContinue && request.script.continues {
        connection.output.append("HTTP/1.1 100 Continue\r\n\r\n")
        _ = send(connection)
      }
      connection.request = request
      if connection.readsHeadOnly {
        note(connection, "read the head of \(request.method) \(request.target)")
        connection.unreadBody = OriginBody(head)
        connection.phase = .stepping
        return true
      }
      connection.phase = .readingBody(OriginBody(head))
      setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
      return true
    }
  }

  static func request(
    _ head: OriginHead, _ buffer: borrowing ByteBuffer, _ script: OriginScript
  ) -> OriginConnection.Request {
    let bytes = buffer.readable
    let target = bytes.text(head.target)
    return OriginConnection.Request(
      head: head, script: script.script(for: target), method: bytes.text(head.method), target: target,
      raceID: head.raceID.map { bytes.text($0) }, body: target.hasPrefix("/echo") ? [] : nil)
  }

  mutating func reject(_ connection: OriginConnection) {
    shared.count { $0.malformed += 1 }
    note(connection, "read what is no request; answers 400 and closes")
    connection.steps = []
    connection.output.append("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.closesAfterResponse = .announced
    connection.rest = OriginConnection.Rest()
    connection.phase = .writing
    flush(connection)
  }

  mutating func answerInAnotherLanguage(_ connection: OriginConnection, _ language: OriginScript.Language) {
    let answer = language.answer
    note(connection, "answers in \(language.rawValue) and closes")
    connection.output.append(answer)
    _ = send(connection)
    connection.input.removeAll()
    Socket.shutdownWriting(connection.descriptor.number)
    connection.phase = .draining
    setDeadline(connection, MonotonicClock.now.advanced(by: Self.drainTime))
  }

  /// Reads whole requests without their being answerable. True when there may be more.
  mutating func readAfterHalfClose(_ connection: OriginConnection) -> Bool {
    let script = shared.state.withLock { $0.script }
    if connection.request == nil {
      guard case .head(let head) = OriginHead.parse(connection.input) else { return false }
      connection.request = Self.request(head, connection.input, script)
      connection.input.consume(head.length)
    }
    guard let request = connection.request else { return false }
    // What follows is read at once or not at all: these requests are small.
    var body = OriginBody(request.head)
    var kept: [UInt8]?
    guard body.read(&connection.input, keepingIn: &kept) == .finished else { return false }
    connection.exchanges += 1
    connection.request = nil
    shared.count { $0.requestsAfterHalfClose += 1 }
    record(connection, request, .halfClosed)
    if script.atIdle == .halfCloseAbort {
      close(connection, aborting: true)
      return false
    }
    return true
  }
}
