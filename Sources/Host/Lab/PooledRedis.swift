internal import Analysis
internal import Core

/// A client that keeps a pool of connections to Redis and takes one for each command, as libraries do. A command is
/// `INCR` of a key of its own, so that Redis itself is the ledger of how often each was applied.
struct PooledRedis {
  /// Time for an answer.
  private static let patience = Nanoseconds.seconds(5)

  private let settings: DriveSettings
  /// Connections idle for longer are not used again; nil for a pool that does not look.
  private let longestIdle: Nanoseconds?
  /// Whether a connection is tried with a PING before it is used.
  private let pings: Bool

  private struct Idle {
    var socket: BlockingSocket
    var since: Instant
  }

  /// - Parameter values: `longest-idle` and `ping`, of the pool.
  init(_ settings: DriveSettings, values: [String: String]) {
    self.settings = settings
    longestIdle = values["longest-idle"].flatMap { try? Nanoseconds(parsing: $0) }
    pings = values["ping"] == "yes"
  }

  func drive(_ progress: (Int) -> Void) throws -> DriveLedger {
    var ledger = DriveLedger(idPrefix: settings.idPrefix)
    let start = MonotonicClock.now
    var generator = SeededGenerator(seed: settings.seed)
    while ledger.outcomes.count < settings.count {
      let size = min(settings.connections, settings.count - ledger.outcomes.count)
      var pool: [Idle] = []
      for _ in 0..<size {
        let socket = try BlockingSocket(to: settings.target)
        ledger.connects += 1
        guard command("PING", on: socket) == .answered else {
          throw LabBench.Obstacle(reason: "Redis does not answer a PING")
        }
        pool.append(Idle(socket: socket, since: MonotonicClock.now))
      }
      // Each command leaves at its own moment around the idle time.
      let spread = settings.spread.count
      let times = pool.map {
        $0.since.advanced(by: settings.idle + Nanoseconds(.random(in: -spread...spread, using: &generator)))
      }
      for (index, due) in times.enumerated().sorted(by: { $0.element < $1.element }) {
        let wait = due.since(MonotonicClock.now)
        if wait > .zero { pause(wait) }
        let outcome = apply(number: ledger.outcomes.count, on: pool[index], &ledger)
        ledger.outcomes.append(outcome)
        if outcome.end == .answered { ledger.latency.record(outcome.latency) }
        progress(ledger.outcomes.count)
      }
    }
    ledger.duration = MonotonicClock.now.since(start)
    return ledger
  }

  private func apply(number: Int, on idle: Idle, _ ledger: inout DriveLedger) -> DriveOutcome {
    let began = MonotonicClock.now
    let gap = began.since(idle.since)
    var outcome = DriveOutcome(number: number, end: .closed, gap: gap)
    var socket = idle.socket
    let isTooOld = longestIdle.map { gap > $0 } ?? false
    if isTooOld || (pings && command("PING", on: socket) != .answered) {
      guard let fresh = try? BlockingSocket(to: settings.target) else { return outcome }
      ledger.connects += 1
      socket = fresh
    }
    outcome.end = command("INCR \(ledger.id(of: outcome))", on: socket)
    outcome.latency = MonotonicClock.now.since(began)
    return outcome
  }

  /// A command in Redis's inline form; every answer that is used here is one line.
  private func command(_ text: String, on socket: BlockingSocket) -> DriveEnd {
    do {
      try socket.send(text + "\r\n")
      let answer = try socket.receive(through: "\r\n", atMost: Self.patience)
      return answer.hasPrefix("-") ? .malformed : .answered
    } catch BlockingSocket.Failure.timedOut {
      return .timedOut
    } catch BlockingSocket.Failure.failed(_, 104) {
      return .reset
    } catch {
      return .closed
    }
  }

  /// How often each command was applied, as lines of a ledger.
  static func ledger(of address: SocketAddress, idPrefix: String) throws -> String {
    let socket = try BlockingSocket(to: address)
    try socket.send("KEYS \(idPrefix)-*\r\n")
    func line() throws -> Substring { try socket.receive(through: "\r\n").dropLast() }
    guard let count = Int(try line().dropFirst()) else { return "" }
    var keys: [Substring] = []
    for _ in 0..<count {
      _ = try line()
      keys.append(try line())
    }
    var text = ""
    for key in keys {
      try socket.send("GET \(key)\r\n")
      _ = try line()
      let times = Int(try line()) ?? 0
      for _ in 0..<times { text += "{\"id\":\"\(key)\"}\n" }
    }
    return text
  }
}
