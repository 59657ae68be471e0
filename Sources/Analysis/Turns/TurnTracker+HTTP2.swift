import Core

/// Streams of HTTP/2 in the clear: each is an exchange of its own.
extension TurnTracker {
  /// Streams that may wait for their answers at once; more are not told apart.
  static let maximumStreams = 256
  /// Streams that the client withdrew, which are kept until the end.
  private static let maximumCancelled = 32
  private static let maximumGoAways = 4

  mutating func beginFrames(from side: Side, hasPreface: Bool) {
    frames = (FrameReader(skippingPreface: hasPreface), FrameReader(skippingPreface: false))
  }

  mutating func readStreams(_ bytes: RawSpan, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    guard var reader = frames?.client else { return }
    var steps: [FrameReader.Step] = []
    let wasLost = reader.isLost
    reader.read(bytes, at: offset) { steps.append($0) }
    frames?.client = reader
    for step in steps {
      switch step {
      case .began(let frame): streamFrameBegan(frame, mark: mark, events: &events)
      case .ended(let frame): streamFrameEnded(frame, mark: mark)
      }
    }
    if reader.isLost, !wasLost || steps.isEmpty {
      for index in pending.indices { pending[index].hasHole = true }
    }
  }

  private mutating func streamFrameBegan(_ frame: FrameReader.Frame, mark: Mark, events: inout [TurnEvent]) {
    switch frame.kind {
    case .headers where frame.stream % 2 == 1 && frame.stream > lastClientStream:
      lastClientStream = frame.stream
      beginStream(frame, mark: mark, events: &events)
    case .headers, .data, .continuation:
      lastActivity = mark.time
      guard let index = pending.lastIndex(where: { $0.stream == frame.stream }) else { return }
      pending[index].lastSent = mark
      pending[index].pieces += 1
    case .priority, .resetStream, .settings, .pushPromise, .ping, .goAway, .windowUpdate, nil: break
    }
  }

  private mutating func beginStream(_ frame: FrameReader.Frame, mark: Mark, events: inout [TurnEvent]) {
    if pending.count >= TurnTracker.maximumStreams { return }
    exchangesStarted += 1
    var exchange = newExchange(at: frame.start, mark: mark)
    exchange.stream = frame.stream
    exchange.end = frame.end
    exchange.pieces = 1
    lastActivity = mark.time
    pending.append(exchange)
    tellStart(exchange, events: &events)
  }

  private mutating func streamFrameEnded(_ frame: FrameReader.Frame, mark: Mark) {
    switch frame.kind {
    case .headers, .data, .continuation:
      lastActivity = mark.time
      guard let index = pending.lastIndex(where: { $0.stream == frame.stream }) else { return }
      pending[index].end = frame.end
      pending[index].lastSent = mark
      if frame.endsStream { pending[index].requestIsComplete = true }
    case .resetStream:
      guard let index = pending.firstIndex(where: { $0.stream == frame.stream }) else { return }
      lastActivity = mark.time
      pending[index].streamReset = StreamReset(mark: mark, side: .client, errorCode: frame.errorCode)
      // It took what it wanted of the answer.
      if pending[index].answerFirst != nil { pending.remove(at: index) }
      if pending.count(where: \.isCancelled) > TurnTracker.maximumCancelled,
        let first = pending.firstIndex(where: \.isCancelled)
      {
        pending.remove(at: first)
      }
    case .priority, .settings, .pushPromise, .ping, .goAway, .windowUpdate, nil: break
    }
  }

  mutating func readStreamAnswers(_ bytes: RawSpan, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    guard var reader = frames?.server else { return }
    var steps: [FrameReader.Step] = []
    let wasLost = reader.isLost
    reader.read(bytes, at: offset) { steps.append($0) }
    frames?.server = reader
    for step in steps {
      switch step {
      case .began(let frame): answerFrameBegan(frame, mark: mark)
      case .ended(let frame): answerFrameEnded(frame, mark: mark, events: &events)
      }
    }
    if reader.isLost, !wasLost || steps.isEmpty {
      for index in pending.indices where pending[index].start < mark.acknowledges ?? .max {
        pending[index].hasHole = true
      }
    }
  }

  /// The open stream of a frame of the server, when the server can have received its request.
  private func answered(_ frame: FrameReader.Frame, _ mark: Mark) -> Int? {
    pending.firstIndex { $0.stream == frame.stream && $0.start < mark.acknowledges ?? .max }
  }

  private mutating func answerFrameBegan(_ frame: FrameReader.Frame, mark: Mark) {
    guard frame.kind == .headers || frame.kind == .data else { return }
    lastActivity = mark.time
    guard let index = answered(frame, mark) else { return }
    if pending[index].answerFirst == nil {
      pending[index].answerFirst = mark
      pending[index].answerStart = frame.start
    }
    pending[index].answerLast = mark
  }

  private mutating func answerFrameEnded(_ frame: FrameReader.Frame, mark: Mark, events: inout [TurnEvent]) {
    switch frame.kind {
    case .headers, .data:
      guard let index = answered(frame, mark) else { return }
      lastActivity = mark.time
      pending[index].answerLast = mark
      pending[index].answerEnd = frame.end
      if frame.endsStream {
        pending[index].answerIsComplete = true
        completeStream(at: index, events: &events)
      }
    case .resetStream:
      guard let index = answered(frame, mark) else { return }
      lastActivity = mark.time
      guard pending[index].streamReset == nil else { return }
      pending[index].streamReset = StreamReset(mark: mark, side: .server, errorCode: frame.errorCode)
    case .goAway:
      let isIdle = !pending.contains { $0.start < mark.acknowledges ?? .max && $0.streamReset == nil }
      let words = GoAway(
        mark: mark, start: frame.start, end: frame.end, lastStream: frame.lastStream, errorCode: frame.errorCode,
        idleAge: isIdle ? lastActivity.map { max(.zero, mark.time.since($0)) } : nil)
      if goAways.count >= TurnTracker.maximumGoAways { goAways.removeLast() }
      goAways.append(words)
    case .priority, .settings, .pushPromise, .ping, .windowUpdate, .continuation, nil: break
    }
  }

  private mutating func completeStream(at index: Int, events: inout [TurnEvent]) {
    let exchange = pending.remove(at: index)
    exchangesAnswered += 1
    requestsAnswered += 1
    events.append(.exchangeCompleted(exchange))
    lastCompleted = exchange
  }

  /// Bytes of frames that the capture does not hold.
  mutating func skippedInFrames(
    _ count: Int64, at offset: Int64, from side: Side, mark: Mark, isCut: Bool, events: inout [TurnEvent]
  ) {
    let inStep =
      side == .client ? frames?.client.skip(count) ?? false : frames?.server.skip(count) ?? false
    lastActivity = mark.time
    if inStep { return }
    for index in pending.indices {
      if isCut { pending[index].isCut = true } else { pending[index].hasHole = true }
    }
    guard isCut else { return }
    // With packets cut short there will be no end of it: turns, and TCP, must do.
    frames = nil
    pending.removeAll { $0.answerFirst != nil || $0.isCancelled }
    if side == .client, pending.isEmpty {
      beginExchange(at: offset, mark: mark, events: &events)
    }
    guard let last = pending.indices.last else { return }
    if side == .client { pending[last].end = offset + count } else { pending[last].answerFirst = mark }
  }
}
