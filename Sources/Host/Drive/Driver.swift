internal import Core

/// Drives one race, on the calling thread.
package struct Driver: ~Copyable {
  private enum Phase: Equatable {
    case closed
    case connecting
    /// Connected and silent.
    case ready
    case warming
    /// The warm-up is answered; the request under test leaves at `due`.
    case waiting
    case testing
    /// This round's request has ended.
    case done
  }

  private final class Client {
    var descriptor: Descriptor?
    /// Tells the events of this connection from those of the client's earlier ones.
    var generation: UInt64 = 0
    var phase = Phase.closed
    var isTesting = false
    /// Warm-ups of this round that failed.
    var failedWarmUps = 0
    var input = ByteBuffer(capacity: 1024)
    var id = ""
    var due = Instant.distantFuture
    var sentAt = Instant.distantFuture
  }

  private static let timerToken = UInt64.max
  private static let connectPause = Nanoseconds.milliseconds(20)
  /// Warm-ups of one request that may fail; after that the request has failed the same way.
  private static let warmUpLimit = 100

  private let settings: DriveSettings
  private var poller: Poller
  private var timer: PreciseTimer
  private var generator: SeededGenerator
  private var clients: [Client] = []
  private var outcomes: [(id: String, end: DriveEnd)] = []
  private var latencies: [Nanoseconds] = []
  private var roundOffset = Nanoseconds.zero
  private var warmUps = 0
  private var warmUpFailures: [DriveEnd: Int] = [:]
  /// Clients of the round whose request under test has not ended.
  private var unfinished = 0

  package init(_ settings: DriveSettings) throws(SystemError) {
    let poller = try Poller()
    let timer = try PreciseTimer()
    try poller.register(timer.number, for: .readable, trigger: .level, token: Self.timerToken)
    self.settings = settings
    self.poller = poller
    self.timer = timer
    generator = SeededGenerator(seed: settings.seed)
    clients = (0..<settings.connections).map { _ in Client() }
  }

  /// Sends all requests.
  /// - Parameter progress: called after each round with the number of requests that have ended.
  package mutating func run(progress: (Int) -> Void = { _ in }) -> (
    outcomes: [(id: String, end: DriveEnd)], DriveReport
  ) {
    while outcomes.count < settings.count {
      round(min(settings.connections, settings.count - outcomes.count))
      progress(outcomes.count)
    }
    var report = DriveReport()
    report.warmUps = warmUps
    report.warmUpFailures = warmUpFailures
    latencies.sort()
    report.medianLatency = latencies.isEmpty ? .zero : latencies[latencies.count / 2]
    report.slowestLatency = latencies.last ?? .zero
    return (outcomes, report)
  }

  // MARK: A round

  private mutating func round(_ size: Int) {
    unfinished = size
    roundOffset = drawnOffset()
    for index in 0..<size {
      clients[index].id = "\(settings.idPrefix)-\(outcomes.count + index)"
      clients[index].isTesting = false
      clients[index].failedWarmUps = 0
      beginWarmUp(index)
    }
    while unfinished > 0 { turn(size) }
    let end = MonotonicClock.now.advanced(by: settings.rest)
    while MonotonicClock.now < end {
      timer.set(end)
      takeEvents()
    }
  }

  private mutating func drawnOffset() -> Nanoseconds {
    let spread = settings.spread.count
    return spread > 0 ? Nanoseconds(Int64.random(in: -spread...spread, using: &generator)) : .zero
  }

  private mutating func turn(_ size: Int) {
    let soonest = (0..<size).compactMap { deadline(clients[$0]) }.min()
    timer.set(soonest)
    takeEvents()
    let now = MonotonicClock.now
    for index in 0..<size {
      guard let deadline = deadline(clients[index]), deadline <= now else { continue }
      deadlineReached(index)
    }
  }

  private mutating func takeEvents() {
    let count = poller.wait(atMost: nil)
    for index in 0..<count {
      let token = poller.token(at: index)
      if token == Self.timerToken {
        timer.clear()
      } else {
        descriptorReady(Int(token & 0xffff_ffff), generation: token >> 32)
      }
    }
  }

  /// When something is to be done for a client although nothing comes.
  private func deadline(_ client: Client) -> Instant? {
    switch client.phase {
    case .closed, .waiting: client.due
    case .connecting, .warming, .testing: client.sentAt.advanced(by: settings.patience)
    case .ready, .done: nil
    }
  }

  private mutating func deadlineReached(_ index: Int) {
    switch clients[index].phase {
    case .closed: connect(index)
    case .waiting:
      // A proxy may have closed the idle connection; then the request leaves on a new one, as any client's would.
      if clients[index].descriptor == nil { connect(index) } else { beginTest(index) }
    case .connecting, .warming, .testing: failed(index, .timedOut)
    case .ready, .done: break
    }
  }

  private mutating func beginWarmUp(_ index: Int) {
    if clients[index].descriptor == nil { connect(index) } else { sendWarmUp(index) }
  }

  private mutating func connect(_ index: Int) {
    let client = clients[index]
    client.input.removeAll()
    client.sentAt = MonotonicClock.now
    client.phase = .connecting
    client.generation = (client.generation &+ 1) & 0x7fff_ffff
    do throws(SystemError) {
      let descriptor = try Socket.connect(to: settings.target).takeDescriptor()
      let token = client.generation << 32 | UInt64(index)
      try poller.register(descriptor.number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: token)
      client.descriptor = consume descriptor
    } catch {
      failed(index, .notConnected(error.code))
    }
  }

  private mutating func connected(_ index: Int) {
    let client = clients[index]
    guard let number = client.descriptor?.number else { return }
    let code = Socket.takeError(number)
    guard code == 0 else { return failed(index, .notConnected(code)) }
    client.phase = .ready
    if client.isTesting { beginTest(index) } else { sendWarmUp(index) }
  }

  private mutating func sendWarmUp(_ index: Int) {
    warmUps += 1
    send(index, "GET \(settings.path) HTTP/1.1\r\nHost: \(settings.host)\r\n\r\n", .warming)
  }

  private mutating func beginTest(_ index: Int) {
    let client = clients[index]
    client.isTesting = true
    var head = "\(settings.method) \(settings.path) HTTP/1.1\r\nHost: \(settings.host)\r\nX-Race-Id: \(client.id)\r\n"
    let hasBody = settings.method != "GET" && settings.method != "HEAD"
    if hasBody { head += "Content-Type: text/plain\r\nContent-Length: \(settings.bodyBytes)\r\n" }
    send(index, head + "\r\n" + (hasBody ? String(repeating: "x", count: settings.bodyBytes) : ""), .testing)
  }

  private mutating func send(_ index: Int, _ text: String, _ phase: Phase) {
    let client = clients[index]
    guard let number = client.descriptor?.number else { preconditionFailure("a client sends when it is connected") }
    var bytes = ByteBuffer(capacity: text.utf8.count)
    bytes.append(utf8: text)
    client.input.removeAll()
    client.sentAt = MonotonicClock.now
    client.phase = phase
    // The requests are small and the socket is empty: a short write would be a failure like any other.
    switch Socket.send(number, bytes.readable) {
    case .bytes(let count) where count == text.utf8.count: break
    case .failed(104): failed(index, .reset)
    case .bytes, .wouldBlock, .endOfStream, .failed: failed(index, .closed)
    }
  }

  // MARK: Answers

  private mutating func descriptorReady(_ index: Int, generation: UInt64) {
    let client = clients[index]
    guard client.generation == generation, client.descriptor != nil else { return }
    if client.phase == .connecting { connected(index) }
    while let number = client.descriptor?.number {
      client.input.reserve(1024)
      switch Socket.receive(number, into: &client.input) {
      case .bytes: received(index, isEnded: false)
      case .wouldBlock: return
      case .endOfStream: return received(index, isEnded: true)
      case .failed(104): return ended(index, .reset)
      case .failed: return ended(index, .closed)
      }
    }
  }

  private mutating func received(_ index: Int, isEnded: Bool) {
    let client = clients[index]
    guard client.phase == .warming || client.phase == .testing else {
      if isEnded { ended(index, .closed) }
      return
    }
    switch DriveResponse.parse(client.input.wholeText, isEnded: isEnded) {
    case .incomplete:
      if isEnded { ended(index, client.input.isEmpty ? .closed : .cutOff) }
    case .malformed: ended(index, .malformed)
    case .complete(let status, let keepsOpen):
      if !keepsOpen || isEnded { client.descriptor = nil }
      answered(index, status)
    }
  }

  private mutating func answered(_ index: Int, _ status: Int) {
    let client = clients[index]
    let isGood = (200..<300).contains(status)
    client.input.removeAll()
    if client.phase == .testing {
      latencies.append(MonotonicClock.now.since(client.sentAt))
      finish(index, isGood ? .answered : .status(status))
    } else if isGood {
      let offset = settings.burst == .together ? roundOffset : drawnOffset()
      client.due = MonotonicClock.now.advanced(by: settings.idle + offset)
      client.isTesting = true
      client.phase = .waiting
    } else {
      retryWarmUp(index, after: .status(status))
    }
  }

  /// The connection is gone.
  private mutating func ended(_ index: Int, _ end: DriveEnd) {
    let client = clients[index]
    switch client.phase {
    case .waiting, .done, .ready, .closed: client.descriptor = nil
    case .connecting, .warming, .testing: failed(index, end)
    }
  }

  private mutating func failed(_ index: Int, _ end: DriveEnd) {
    let client = clients[index]
    client.descriptor = nil
    if client.isTesting { finish(index, end) } else { retryWarmUp(index, after: end) }
  }

  /// A warm-up that failed is counted and tried again: the request under test needs its connection.
  private mutating func retryWarmUp(_ index: Int, after end: DriveEnd) {
    warmUpFailures[end, default: 0] += 1
    let client = clients[index]
    client.descriptor = nil
    client.failedWarmUps += 1
    guard client.failedWarmUps < Self.warmUpLimit else { return finish(index, end) }
    client.phase = .closed
    client.due = MonotonicClock.now.advanced(by: Self.connectPause)
  }

  private mutating func finish(_ index: Int, _ end: DriveEnd) {
    clients[index].phase = .done
    outcomes.append((clients[index].id, end))
    unfinished -= 1
  }
}

extension ByteBuffer {
  fileprivate var wholeText: String { readable.text(ByteRange(offset: 0, count: count)) }
}
