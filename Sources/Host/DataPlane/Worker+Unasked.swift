import Core
import Logging

/// What servers send unasked, and what follows: an answer must reach the client that asked for it and nobody else's.
///
/// | it is seen                                        | so                                                            |
/// |---------------------------------------------------|---------------------------------------------------------------|
/// | on an idle connection                             | the connection is closed                                      |
/// | when a request is about to be written             | closed, and the request takes another connection              |
/// | as a response, and nothing is acknowledged        | it is not passed on; evidence or another connection decides   |
/// | behind an answer of which nothing was passed on   | neither is passed on, if the request may be sent again        |
/// | behind an answer                                  | the connection is closed                                      |
///
/// And if it was an answer, those of the server are doubted for a while (``ServerRecord/doubtAnswers(until:)``).
extension Worker {
  /// Where something unasked was seen; as it stands in counters.
  enum UnaskedPlace: String {
    case idle
    case beforeWrite = "before-write"
    case beforeAcknowledgement = "before-acknowledgement"
    case behindAnswer = "behind-answer"
  }

  // MARK: - The look before the write

  /// Looks at the connection just before the first byte of a request is written. What can be read then answers another request, or
  /// none; and nothing is written to a connection that has ended.
  ///
  /// - Returns: whether the request may be written. If not, the exchange has moved on.
  func mayWriteRequest(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) -> Bool {
    let glance = upstream.transport.glance()
    guard let facts = exchange.facts else {
      endByFault(exchange, "a lease came without its facts")
      return false
    }
    if glance == .quiet {
      _ = exchange.machine.lookedAgain(.quiet)
      return true
    }
    let hasSpoken = if case .bytes = glance { true } else { false }
    switch exchange.machine.lookedAgain(hasSpoken ? .spoken : .stale) {
    case .send:
      return true
    case .acquireAnother:
      counters.foundStaleBeforeWrite &+= 1
      tallyAvoided(exchange, upstream, facts, glance)
      noteIdleEnd(of: upstream, facts, glance)
      if hasSpoken { noteUnaskedBytes(of: upstream, seen: .beforeWrite) }
      leaseAnother(exchange, insteadOf: upstream)
    case .judge:
      spokenToFirst(exchange, upstream)
    }
    return false
  }

  /// The first byte of a request was written.
  func noteReuse(_ exchange: ActiveExchange) {
    guard let facts = exchange.facts else { return }
    exchange.server?.counts.attempts &+= 1
    guard facts.isReused else { return }
    counters.upstreamConnectionsReused &+= 1
    exchange.server?.counts.reused &+= 1
    exchange.server?.counts.idleAtReuse.record(facts.idleAge)
  }

  /// The server speaks on a connection that it has just accepted.
  private func spokenToFirst(_ exchange: ActiveExchange, _ upstream: UpstreamConnection) {
    var cause = FailureCause.unaskedResponse
    var bytes = buffers.take()
    if case .bytes = upstream.transport.receive(into: &bytes) {
      if let foreign = ForeignProtocol.spoken(byUpstream: bytes.readable) {
        cause = .doesNotSpeakHTTP(protocolName: foreign.name)
      } else {
        noteUnaskedBytes(bytes.readable, of: upstream, seen: .beforeWrite)
      }
    }
    recycle(bytes)
    let end = exchange.machine.spokenToFirst(cause, budget: &upstream.server.budget, now: now)
    counters.attemptsEndedByVerdict[Verdict.neverSent.label, default: 0] &+= 1
    upstream.server.counts.attemptsFailed[Verdict.neverSent.label, default: 0] &+= 1
    noteFailedAttempt(exchange, at: upstream.server)
    follow(end, for: exchange)
  }

  // MARK: - What it was

  /// Reads what waits on a connection that is about to be closed, and draws the consequences.
  func noteUnaskedBytes(of upstream: UpstreamConnection, seen place: UnaskedPlace) {
    var bytes = buffers.take()
    if case .bytes = upstream.transport.receive(into: &bytes) {
      noteUnaskedBytes(bytes.readable, of: upstream, seen: place)
    }
    recycle(bytes)
  }

  /// Draws the consequences of bytes that nobody asked for.
  @discardableResult
  func noteUnaskedBytes(
    _ bytes: RawSpan, of upstream: UpstreamConnection, seen place: UnaskedPlace
  ) -> UnaskedBytes {
    let kind = UnaskedBytes(bytes, endsStream: upstream.transport.glance() == .endOfStream)
    switch kind {
    case .other:
      if upstream.lastAnswerWasBare { upstream.server.sendsUnannouncedContent = true }
    case .farewell:
      counters.unaskedResponses["farewell", default: 0] &+= 1
      upstream.server.counts.unasked["farewell", default: 0] &+= 1
    case .answer:
      noteUnaskedAnswer(of: upstream, seen: place)
    }
    return kind
  }

  func noteUnaskedAnswer(of upstream: UpstreamConnection, seen place: UnaskedPlace) {
    counters.unaskedResponses[place.rawValue, default: 0] &+= 1
    tallyUnasked(of: upstream, seen: place)
    let record = upstream.server.record
    let isNews = !record.isDoubted(at: now)
    record.doubtAnswers(until: now.advanced(by: UnaskedBytes.doubtSpan))
    guard isNews else { return }
    notices.post(now) {
      log.warning(
        "server \(record.name) sent an answer that no request had asked for; so that nobody gets another's answer its connections carry one request each for \(UnaskedBytes.doubtSpan.text)"
      )
    }
  }

  // MARK: - Doubt

  /// Whether a response on this connection may belong to an earlier request, and the request is sent again for it.
  ///
  /// - Parameters:
  ///   - mayAnswer: whether the evidence rule lets it be the answer.
  ///   - reason: for the log.
  func replaysDoubtedAnswer(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, mayAnswer: Bool = true, _ reason: String
  ) -> Bool {
    guard
      let end = exchange.machine.answerDoubted(
        mayAnswer ? .delivered : .unknown, budget: &upstream.server.budget, now: now)
    else { return false }
    counters.doubtedAnswers &+= 1
    notices.post(now) {
      log.notice(
        "\(requestLine(exchange)): \(reason) on a reused connection to \(upstream.server.record.name), so the answer may be another request's: replayed on a fresh connection"
      )
    }
    follow(end, for: exchange)
    return true
  }

  /// Whether the response may be another request's, and the request is sent again for it.
  func replaysDoubtedAnswer(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ inbound: borrowing ByteBuffer, _ head: ResponseHead
  ) -> Bool {
    if upstream.server.record.isDoubted(at: now) {
      return replaysDoubtedAnswer(exchange, upstream, "the server has sent answers that nobody had asked for")
    }
    guard inbound.count > head.byteCount, let end = end(of: head, inbound), end < inbound.count,
      UnaskedBytes(inbound.readable.extracting(end..<inbound.count), endsStream: false) == .answer,
      replaysDoubtedAnswer(exchange, upstream, "more than one answer came")
    else { return false }
    noteUnaskedAnswer(of: upstream, seen: .behindAnswer)
    return true
  }

  /// What came on a reused connection is no response: most likely the rest of the answer before, or noise behind it. Returns
  /// whether the request is sent again.
  func replaysMalformedAnswer(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ inbound: borrowing ByteBuffer, _ error: MessageError
  ) -> Bool {
    guard let facts = exchange.facts, facts.isReused else { return false }
    noteUnaskedBytes(inbound.readable, of: upstream, seen: .behindAnswer)
    return replaysDoubtedAnswer(exchange, upstream, "what came is no response (\(error.explanation))")
  }

  /// Where the response ends, if its end is here.
  private func end(of head: ResponseHead, _ inbound: borrowing ByteBuffer) -> Int? {
    switch head.framing {
    case .none: return head.byteCount
    case .contentLength(let length):
      return UInt64(inbound.count - head.byteCount) < length ? nil : head.byteCount + Int(length)
    case .untilClose: return nil
    case .chunked:
      var decoder = ChunkedDecoder(sender: .upstream)
      var offset = head.byteCount
      while true {
        switch decoder.next(inbound.readable, from: offset) {
        case .data(let range): offset = range.end
        case .finished(let end, _): return end
        case .incomplete, .failed: return nil
        }
      }
    }
  }
}
