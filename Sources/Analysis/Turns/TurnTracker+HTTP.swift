import Core

/// Exchanges of HTTP/1.x.
extension TurnTracker {
  mutating func readRequests(_ bytes: RawSpan, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    var index = 0
    reading: while true {
      switch clientReader.read(bytes, from: index, isRequest: true) {
      case .more: break reading
      case .began(let start):
        index = start
        beginExchange(at: offset + Int64(start), mark: mark, events: &events)
        // Too many wait for their answers: the next segment that starts a message is looked at again.
        if case .lost = clientReader.state { break reading }
      case .head(let head, let next):
        index = next
        takeRequestHead(head)
      case .ended(let next):
        index = next
        if let last = pending.indices.last {
          pending[last].requestIsComplete = true
          pending[last].end = offset + Int64(next)
        }
      case .notHTTP(let next):
        index = next
        if let last = pending.indices.last { pending[last].requestIsNotHTTP = true }
      }
    }
    noteAmbiguity(clientReader.irregularity, exchange: exchangesStarted)
    if let last = pending.indices.last {
      let goesOn = clientReader.isInMessage || pending[last].requestIsNotHTTP || pending[last].isCut
      if goesOn { pending[last].end = offset + Int64(bytes.byteCount) }
      pending[last].lastSent = mark
      pending[last].pieces += 1
    }
    lastActivity = mark.time
  }

  private mutating func takeRequestHead(_ collected: HeadCollector) {
    guard let last = pending.indices.last else { return }
    guard let head = MessageHead(request: collected.bytes) else {
      pending[last].requestIsNotHTTP = true
      clientReader.state = .lost
      return
    }
    noteAmbiguity(head.ambiguity, exchange: pending[last].number)
    pending[last].method = head.method
    pending[last].target = head.target
    pending[last].requestCloses = head.closes
    clientReader.beginBody(head.method == "CONNECT" ? .none : head.framing)
  }

  mutating func skippedInRequest(
    _ count: Int64, at offset: Int64, mark: Mark, isCut: Bool, events: inout [TurnEvent]
  ) {
    let wasInMessage = clientReader.isInMessage
    if isCut, let last = pending.indices.last, let line = clientReader.startLine {
      (pending[last].method, pending[last].target) = line
    }
    let (inStep, ended) = clientReader.skip(count)
    if isCut, !wasInMessage, !isTunnel, pending.last.map({ $0.answerFirst != nil }) ?? true {
      // Nothing of the packet was kept. The client speaks when everything before it was answered: a request.
      beginExchange(at: offset, mark: mark, events: &events)
    }
    guard let last = pending.indices.last, wasInMessage || isCut else { return }
    pending[last].end = offset + count
    pending[last].lastSent = mark
    if ended { pending[last].requestIsComplete = true }
    if !inStep {
      if isCut { pending[last].isCut = true } else { pending[last].hasHole = true }
    }
    if isCut { lastActivity = mark.time }
  }

  mutating func readAnswers(_ bytes: RawSpan, at offset: Int64, mark: Mark, events: inout [TurnEvent]) {
    if isTunnel {
      lastActivity = mark.time
      return
    }
    var index = 0
    let startsMessage = Speech.startsWithResponse(bytes)
    if case .lost = serverReader.state, !startsMessage {
      noteAnswerBytes(offset, count: Int64(bytes.byteCount), mark, isCut: serverIsCut)
    }
    // The answer to a request that was not seen may be one to HEAD, and have no body in spite of its length.
    if currentAnswersUnseen, startsMessage, case .body = serverReader.state { serverReader.state = .between }
    reading: while true {
      switch serverReader.read(bytes, from: index, isRequest: false) {
      case .more: break reading
      case .began(let start):
        index = start
        beginAnswer(at: offset + Int64(start), mark: mark, events: &events)
      case .head(let head, let next):
        index = next
        takeAnswerHead(head, mark: mark, events: &events)
        if isTunnel { break reading }
      case .ended(let next):
        index = next
        completeAnswer(at: offset + Int64(next), mark: mark, events: &events)
      case .notHTTP(let next):
        index = next
        serverIsCut = false
        if !currentIsUnasked, !currentAnswersUnseen, !pending.isEmpty { pending[0].answerIsNotHTTP = true }
      }
    }
    noteAmbiguity(serverReader.irregularity, exchange: pending.first?.number ?? exchangesStarted)
    if serverReader.isInMessage { noteProgress(offset + Int64(bytes.byteCount), mark: mark) }
  }

  /// Bytes while the reader is out of step: the answer to any request that the server had received can be among them.
  private mutating func noteAnswerBytes(_ offset: Int64, count: Int64, _ mark: Mark, isCut: Bool) {
    lastActivity = mark.time
    for index in pending.indices where pending[index].start < mark.acknowledges ?? .max {
      if isCut { pending[index].isCut = true } else { pending[index].hasHole = true }
    }
    guard !pending.isEmpty, pending[0].hasHole || pending[0].isCut,
      pending[0].start < mark.acknowledges ?? .max
    else { return }
    if pending[0].answerFirst == nil {
      pending[0].answerFirst = mark
      pending[0].answerStart = offset
    }
    pending[0].answerEnd = offset + count
    pending[0].answerLast = mark
  }

  mutating func skippedInAnswer(
    _ count: Int64, at offset: Int64, mark: Mark, isCut: Bool, events: inout [TurnEvent]
  ) {
    if isTunnel { return }
    let (inStep, ended) = serverReader.skip(count)
    if ended {
      completeAnswer(at: offset + count, mark: mark, events: &events)
    } else if !inStep {
      serverIsCut = isCut
      if isCut {
        noteAnswerBytes(offset, count: count, mark, isCut: true)
      } else {
        for index in pending.indices { pending[index].hasHole = true }
      }
    } else if !pending.isEmpty {
      lastActivity = mark.time
      pending[0].answerLast = mark
    }
  }

  private mutating func noteProgress(_ end: Int64, mark: Mark) {
    if currentIsUnasked {
      updateUnasked { answer in
        answer.end = end
        answer.last = mark
        answer.acknowledges = max(answer.acknowledges, mark.acknowledges ?? 0)
      }
      return
    }
    lastActivity = mark.time
    guard !currentAnswersUnseen, !pending.isEmpty, pending[0].answerFirst != nil else { return }
    pending[0].answerEnd = end
    pending[0].answerLast = mark
  }

  private mutating func updateUnasked(_ change: (inout UnaskedAnswer) -> Void) {
    if unasked != nil {
      change(&unasked!)  // Safe: tested in the line above.
    } else if let first = pending.indices.first, pending[first].unasked != nil {
      change(&pending[first].unasked!)  // Safe: tested in the line above.
    }
  }

  private mutating func beginAnswer(at start: Int64, mark: Mark, events: inout [TurnEvent]) {
    currentIsUnasked = false
    currentAnswersUnseen = false
    let received = mark.acknowledges ?? .max
    // Answers that the capture missed: the server goes on with a later one.
    while pending.count > 1, pending[0].hasHole, pending[1].start < received { completeFirst(events: &events) }
    if let first = pending.first, first.start < received {
      if pending[0].answerFirst == nil {
        pending[0].answerFirst = mark
        pending[0].answerStart = start
      }
      return
    }
    let isFromStart = startWasSeen && !handshakeMayBeMissed
    guard received <= answeredThrough, isFromStart || exchangesStarted > 0 else {
      currentAnswersUnseen = true
      return
    }
    currentIsUnasked = true
    let answer = UnaskedAnswer(
      first: mark, last: mark, start: start, end: start, speech: speech, acknowledges: received)
    if pending.isEmpty { unasked = answer } else { pending[0].unasked = answer }
  }

  private mutating func takeAnswerHead(_ collected: HeadCollector, mark: Mark, events: inout [TurnEvent]) {
    let method = currentAnswersUnseen || currentIsUnasked ? "" : pending.first?.method ?? ""
    guard let head = MessageHead(response: collected.bytes, to: method) else {
      serverReader.state = .lost
      serverIsCut = false
      if !currentIsUnasked, !currentAnswersUnseen, !pending.isEmpty { pending[0].answerIsNotHTTP = true }
      return
    }
    noteAmbiguity(head.ambiguity, exchange: pending.first?.number ?? exchangesStarted)
    let status = head.status
    if status < 200, status != 101 {
      // Interim: the final answer follows (RFC 9110 section 15.2).
      if !currentIsUnasked, !currentAnswersUnseen, !pending.isEmpty {
        pending[0].interim = mark
        pending[0].answerFirst = nil
        lastActivity = mark.time
      }
      return
    }
    if let timeout = head.advertisedTimeout { lastAdvertisedTimeout = timeout }
    if currentIsUnasked {
      updateUnasked { answer in
        answer.status = status
        answer.closes = head.closes
      }
      serverReader.beginBody(head.framing)
      return
    }
    if !currentAnswersUnseen, !pending.isEmpty {
      pending[0].status = status
      pending[0].answerCloses = head.closes
      pending[0].advertisedTimeout = head.advertisedTimeout
    }
    if status == 101 || (method == "CONNECT" && (200..<300).contains(status)) {
      beginTunnel(mark, events: &events)
      return
    }
    serverReader.beginBody(head.framing)
  }

  private mutating func beginTunnel(_ mark: Mark, events: inout [TurnEvent]) {
    isTunnel = true
    clientReader.state = .tunnel
    serverReader.state = .tunnel
    completeAnswer(at: pending.first?.answerStart ?? 0, mark: mark, events: &events)
    // What the client has sent meanwhile belongs to the tunnel.
    pending.removeAll()
  }

  private mutating func completeAnswer(at end: Int64, mark: Mark, events: inout [TurnEvent]) {
    noteProgress(end, mark: mark)
    if currentIsUnasked {
      updateUnasked { $0.isComplete = true }
      currentIsUnasked = false
      return
    }
    if currentAnswersUnseen {
      currentAnswersUnseen = false
      answersToUnseen += 1
      exchangesAnswered += 1
      requestsAnswered += 1
      answeredThrough = max(answeredThrough, mark.acknowledges ?? 0)
      return
    }
    guard !pending.isEmpty else { return }
    pending[0].answerIsComplete = true
    if pending[0].answerCloses || pending[0].requestCloses {
      closeAnnounced = closeAnnounced ?? mark
      closeAnnouncedEnd = end
      for index in pending.indices.dropFirst() { pending[index].wasPipelinedBehindClose = true }
    }
    completeFirst(events: &events)
  }

  /// The server closed in order: an answer that lasts until the close is complete.
  mutating func serverClosed(at mark: Mark, events: inout [TurnEvent]) {
    guard speech == .http1, case .untilClose = serverReader.state else { return }
    serverReader.state = .between
    completeAnswer(at: pending.first?.answerEnd ?? 0, mark: mark, events: &events)
  }
}
