internal import Core

/// Connections that follow a script step by step.
extension OriginLoop {
  private static let unaskedRequest = OriginConnection.Request(
    head: OriginHead(
      length: 0, method: ByteRange(offset: 0, count: 0), target: ByteRange(offset: 0, count: 0), isHTTP10: false),
    script: OriginScript(), method: "GET", target: "/", raceID: nil, body: nil)
  /// What a peer may send ahead of the step that reads it.
  static let inputLimit = 1 << 20

  /// Does the next step. True when there is more to be done at once.
  mutating func step(_ connection: OriginConnection) -> Bool {
    guard connection.nextStep < connection.steps.count else {
      connection.steps = []
      note(connection, "steps are done; served as the settings say")
      becomeIdle(connection)
      return fill(connection)
    }
    let step = connection.steps[connection.nextStep]
    connection.nextStep += 1
    switch step {
    case .accept: return true
    case .read(let headOnly): return beginRead(connection, headOnly: headOnly)
    case .respond(let status): return beginResponse(connection, status)
    case .wait(let span):
      note(connection, "waits \(span.text)")
      connection.phase = .pausing
      setDeadline(connection, MonotonicClock.now.advanced(by: span))
      return false
    case .unread:
      connection.phase = .awaitingBytes
      setDeadline(connection, .distantFuture)
      return bytesAwaited(connection)
    case .say(let bytes):
      note(connection, "says \(bytes.count) bytes")
      connection.output.append(bytes)
      return put(connection)
    case .farewell:
      note(connection, "says farewell: an unasked 408")
      shared.count { $0.farewells += 1 }
      connection.output.append(Self.farewell)
      return put(connection)
    case .halfClose:
      note(connection, "half-closes: FIN")
      Socket.shutdownWriting(connection.descriptor.number)
      return true
    case .fin:
      note(connection, "closes")
      close(connection)
      return false
    case .reset:
      note(connection, "aborts: RST")
      close(connection, aborting: true)
      return false
    case .die:
      note(connection, "the origin dies")
      shared.die()
      return false
    case .again(let times): return goBack(connection, times)
    }
  }

  private func goBack(_ connection: OriginConnection, _ times: Int?) -> Bool {
    if let times, connection.repeats >= times {
      connection.repeats = 0
      return true
    }
    connection.repeats += 1
    // A script that repeats has a read: it could not be written otherwise.
    connection.nextStep = connection.steps.firstIndex { if case .read = $0 { true } else { false } } ?? 0
    return true
  }

  private mutating func beginRead(_ connection: OriginConnection, headOnly: Bool) -> Bool {
    connection.readsHeadOnly = headOnly
    if let body = connection.unreadBody, !headOnly {
      connection.unreadBody = nil
      connection.phase = .readingBody(body)
    } else {
      connection.request = nil
      connection.phase = .idle
    }
    setDeadline(connection, .distantFuture)
    return fill(connection)
  }

  private mutating func beginResponse(_ connection: OriginConnection, _ status: Int?) -> Bool {
    if connection.request == nil {
      connection.request = Self.unaskedRequest
      connection.request?.script = shared.state.withLock { $0.script }
    }
    if let status { connection.request?.script.status = status }
    respond(connection)
    return true
  }

  /// Writes what the output holds; what the peer does not take now goes with the next step that writes.
  private mutating func put(_ connection: OriginConnection) -> Bool {
    connection.phase = .stepping
    guard send(connection) != .failed else {
      peerGone(connection)
      return false
    }
    return true
  }

  /// What came while nobody read caused events that nobody looked at: it is fetched now. False when the connection is gone.
  mutating func fill(_ connection: OriginConnection) -> Bool {
    connection.hasUnread = false
    while connection.input.count < Self.inputLimit {
      connection.input.makeRoom(for: 2048)
      switch Socket.receive(connection.descriptor.number, into: &connection.input) {
      case .bytes: continue
      case .wouldBlock: return true
      case .endOfStream:
        connection.sawEnd = true
        guard connection.input.isEmpty else { return true }
        peerGone(connection)
        return false
      case .failed:
        peerGone(connection)
        return false
      }
    }
    connection.hasUnread = true
    return true
  }

  /// True when something waits to be read, which stays there.
  mutating func bytesAwaited(_ connection: OriginConnection) -> Bool {
    switch Socket.glance(connection.descriptor.number) {
    case .bytes:
      note(connection, "something has come and stays unread")
      connection.phase = .stepping
      return true
    case .quiet: return false
    case .endOfStream, .failed:
      peerGone(connection)
      return false
    }
  }

  mutating func peerGone(_ connection: OriginConnection) {
    note(connection, "the peer has ended it")
    shared.count { $0.peerEnds += 1 }
    close(connection)
  }
}
