internal import Core
internal import Glibc

/// Requests that leave when their time has come, whatever became of the earlier ones.
extension Driver {
  mutating func beginOpenLoop() {
    loop.unconnected = Array(clients.indices.reversed())
    loop.nextArrival = MonotonicClock.now.advanced(by: drawnInterval())
    timers.schedule(Token.nextArrival, at: loop.nextArrival)
  }

  private mutating func drawnInterval() -> Nanoseconds {
    guard case .openLoop(let rate, let arrivals, _) = settings.traffic else { return .unlimited }
    switch arrivals {
    case .constant: return Nanoseconds(Int64(1e9 / rate))
    case .poisson:
      // The logarithm of 1 - x with x below 1 is finite.
      return Nanoseconds(Int64(-log(1 - Double.random(in: 0..<1, using: &generator)) / rate * 1e9))
    }
  }

  /// Takes in all requests whose time has come. The next time follows from the last one, not from now: a driver that was held up
  /// catches up, and what it was late counts as latency.
  mutating func arrivalsDue(_ now: Instant) {
    while begun < settings.count, loop.nextArrival <= now {
      let request = DriveClient.Request(.test(number: begun), intended: loop.nextArrival)
      begun += 1
      loop.nextArrival = loop.nextArrival.advanced(by: drawnInterval())
      if loop.waiting.count >= DriveSettings.queueLimit {
        record(request, number: begun - 1, .unsent)
        continue
      }
      if loop.waiting.isEmpty { timers.schedule(Token.queueHead, at: request.intended.advanced(by: settings.patience)) }
      loop.waiting.append(request)
      dispatch()
    }
    if begun < settings.count { timers.schedule(Token.nextArrival, at: loop.nextArrival) }
  }

  /// Gives waiting requests to clients that are free. Called from the loop, not where a client becomes free: a request may end
  /// within its start, and the stack must not grow with the queue.
  mutating func dispatch() {
    while !loop.waiting.isEmpty, let index = freeClient() {
      loop.underWay += 1
      start(loop.waiting.removeFirst(), on: clients[index])
    }
  }

  private mutating func freeClient() -> Int? {
    guard case .openLoop(_, _, let reuse) = settings.traffic else { return nil }
    guard !loop.idle.isEmpty else { return loop.unconnected.popLast() }
    switch reuse {
    case .newest: return loop.idle.removeLast()
    case .oldest: return loop.idle.removeFirst()
    case .random: return loop.idle.remove(at: Int.random(in: loop.idle.indices, using: &generator))
    }
  }

  /// Requests that have waited for a client for too long.
  mutating func giveUpWaiting(_ now: Instant) {
    while let first = loop.waiting.first {
      let end = first.intended.advanced(by: settings.patience)
      guard end <= now else { return timers.schedule(Token.queueHead, at: end) }
      loop.waiting.removeFirst()
      if case .test(let number) = first.kind { record(first, number: number, .unsent) }
    }
  }

  /// An idle connection has gone.
  mutating func connectionLost(_ client: DriveClient) {
    guard let place = loop.idle.firstIndex(of: client.index) else { return }
    loop.idle.remove(at: place)
    loop.unconnected.append(client.index)
  }

  mutating func openLoopRequestEnded(_ client: DriveClient, _ request: DriveClient.Request, _ end: DriveEnd) {
    guard case .test(let number) = request.kind else { preconditionFailure("an open loop has no warm-ups") }
    record(request, number: number, end)
    loop.underWay -= 1
    if client.descriptor != nil { loop.idle.append(client.index) } else { loop.unconnected.append(client.index) }
  }
}
