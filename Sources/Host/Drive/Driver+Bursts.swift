internal import Core

/// Rounds of bursts around an idle time.
extension Driver {
  private static let warmUpPause = Nanoseconds.milliseconds(20)
  /// Warm-ups of one request that may fail; after that the request has failed the same way.
  private static let warmUpLimit = 100

  mutating func beginRound() {
    let size = min(settings.connections, settings.count - begun)
    round = Round(size: size, offset: roundOffset(), unfinished: size)
    // The numbers of a round's requests are its clients' in order, so that a seed gives always the same drive.
    begun += size
    for index in 0..<size {
      clients[index].failedWarmUps = 0
      warmUp(clients[index])
    }
  }

  /// There are few rounds, and few draws leave holes: so only the first is drawn, and the others follow by the golden section,
  /// which lays each into one of the largest holes that are left.
  private mutating func roundOffset() -> Nanoseconds {
    roundPlace = (roundPlace ?? Double.random(in: 0..<1, using: &generator)) + 0.618_033_988_749_895
    let place = (roundPlace ?? 0).truncatingRemainder(dividingBy: 1)
    return Nanoseconds(Int64(Double(settings.spread.count) * (2 * place - 1)))
  }

  private mutating func drawnOffset() -> Nanoseconds {
    let spread = settings.spread.count
    return spread > 0 ? Nanoseconds(Int64.random(in: -spread...spread, using: &generator)) : .zero
  }

  private mutating func warmUp(_ client: DriveClient) {
    client.step = .warmingUp
    ledger.warmUps += 1
    start(DriveClient.Request(.warmUp, intended: MonotonicClock.now), on: client)
  }

  /// A client's pause was over at `due`.
  mutating func stepDue(_ client: DriveClient, _ due: Instant) {
    switch client.step {
    case .pausing: warmUp(client)
    case .waiting(let since):
      client.step = .testing
      var request = DriveClient.Request(.test(number: begun - round.size + client.index), intended: due)
      // A proxy may have closed its client's idle connection; then the request leaves on a new one, as any client's would,
      // and the gap is still that of the connection behind the proxy.
      request.idleSince = since
      start(request, on: client)
    case .warmingUp, .testing, .done: break
    }
  }

  mutating func burstRequestEnded(_ client: DriveClient, _ request: DriveClient.Request, _ end: DriveEnd) {
    switch request.kind {
    case .test(let number): finish(client, request, number, end)
    case .warmUp where end == .answered:
      let now = MonotonicClock.now
      let offset = settings.burst == .together ? round.offset : drawnOffset()
      client.step = .waiting(since: now)
      setDeadline(client, now.advanced(by: settings.idle + offset))
    case .warmUp: retryWarmUp(client, request, end)
    }
  }

  /// A warm-up that failed is counted and tried again: the request under test needs its connection.
  private mutating func retryWarmUp(_ client: DriveClient, _ request: DriveClient.Request, _ end: DriveEnd) {
    ledger.warmUpFailures[end, default: 0] += 1
    client.descriptor = nil
    client.phase = .closed
    client.failedWarmUps += 1
    guard client.failedWarmUps < Self.warmUpLimit else {
      return finish(client, request, begun - round.size + client.index, end)
    }
    client.step = .pausing
    setDeadline(client, MonotonicClock.now.advanced(by: Self.warmUpPause))
  }

  private mutating func finish(
    _ client: DriveClient, _ request: DriveClient.Request, _ number: Int, _ end: DriveEnd
  ) {
    client.step = .done
    record(request, number: number, end)
    round.unfinished -= 1
    guard round.unfinished == 0 else { return }
    timers.schedule(Token.nextRound, at: MonotonicClock.now.advanced(by: settings.rest))
  }
}
