package import Core

/// What a capture tells about one server and the clients' pools towards it.
package struct ServerStatistics: Sendable {
  /// Idle ages that are kept one by one.
  static let maximumSamples = 4_096
  static let maximumHours = 24 * 32
  static let maximumIdleConnections = 512

  package let server: Endpoint
  package var connections = 0
  package var requests = 0
  package var answered = 0
  package var reused = 0
  package var findings: [FindingKind: Int] = [:]
  /// Statuses of its answers, where they can be read.
  package var statuses: [Int: Int] = [:]
  /// Addresses that it has in captures of other places (NAT).
  package var otherNames: [Endpoint] = []
  /// Idle ages at which the server closed or reset of its own accord.
  package var serverCloses = AgeHistogram()
  package var serverCloseAges: [Nanoseconds] = []
  package var serverResets = 0
  /// Idle ages at which the client closed.
  package var clientCloses = AgeHistogram()
  package var clientCloseAges: [Nanoseconds] = []
  /// Idle ages at which a connection was reused, whatever came of it.
  package var reuseAges = AgeHistogram()
  /// The greatest idle age at which a request was still answered.
  package var survived: Nanoseconds?
  package var advertisedTimeout: Int?
  package var roundTrip: Nanoseconds?
  /// Requests and findings of the race family by hour since 1970.
  package var hours: [Int64: (requests: Int, failures: Int)] = [:]
  package var vantages: [Vantage: Int] = [:]
  /// How a client chose among several idle connections: the one used last, the one used first, another.
  package var choices = (newest: 0, oldest: 0, other: 0)
  /// Connections on which the server's FIN came while they were idle and the client then closed without a request.
  package var closesNoticed = 0
  private var idle: [NetworkAddress: [Int]] = [:]

  init(server: Endpoint) {
    self.server = server
  }

  package var estimate: TimeoutEstimate? {
    TimeoutEstimate(
      ages: serverCloseAges, survived: survived, advertised: advertisedTimeout, roundTrip: roundTrip)
  }

  package var failures: Int {
    findings.filter { $0.key.isReuseFailure }.map(\.value).reduce(0, +)
  }

  package var races: Int { findings.filter { $0.key.isRace }.map(\.value).reduce(0, +) }

  /// Requests sent at an idle age beyond the recommended hold; nil while no timeout is known.
  package var requestsAtRisk: Int? {
    estimate.map { reuseAges.count(atLeast: $0.recommendedHold) }
  }

  /// The clients' own idle timeout: the upper quarter of the idle ages at which they closed.
  package var clientTimeout: Nanoseconds? {
    guard clientCloseAges.count >= 3 else { return nil }
    let sorted = clientCloseAges.sorted()
    return sorted[sorted.count * 3 / 4]
  }

  mutating func requestStarted(_ exchange: Exchange, client: Endpoint, connection: Int) {
    requests += 1
    let hour = exchange.first.time.nanoseconds / 3_600_000_000_000
    if hours[hour] != nil || hours.count < ServerStatistics.maximumHours {
      hours[hour, default: (0, 0)].requests += 1
    }
    guard exchange.reuseCount > 0 else { return }
    reused += 1
    reuseAges.add(exchange.idleAge)
    guard var waiting = idle[client.address], let position = waiting.firstIndex(of: connection) else { return }
    if waiting.count > 1 {
      if position == waiting.count - 1 {
        choices.newest += 1
      } else if position == 0 {
        choices.oldest += 1
      } else {
        choices.other += 1
      }
    }
    waiting.remove(at: position)
    idle[client.address] = waiting
  }

  mutating func exchangeCompleted(_ exchange: Exchange, client: Endpoint, connection: Int) {
    answered += 1
    if let status = exchange.status { statuses[status, default: 0] += 1 }
    if exchange.reuseCount > 0 { survived = max(survived ?? .zero, exchange.idleAge) }
    if let timeout = exchange.advertisedTimeout { advertisedTimeout = timeout }
    guard idle[client.address] != nil || idle.count < 256 else { return }
    var waiting = idle[client.address] ?? []
    if let position = waiting.firstIndex(of: connection) { waiting.remove(at: position) }
    if waiting.count < ServerStatistics.maximumIdleConnections { waiting.append(connection) }
    idle[client.address] = waiting
  }

  mutating func ended(_ connection: Connection) {
    connections += 1
    let vantage = connection.vantage
    vantages[vantage, default: 0] += 1
    if let found = connection.roundTrip { roundTrip = min(roundTrip ?? found, found) }
    if let position = idle[connection.client.address]?.firstIndex(of: connection.number) {
      idle[connection.client.address]?.remove(at: position)
    }
    switch connection.end {
    case .serverIdle(let age, let isReset):
      serverCloses.add(age)
      if isReset { serverResets += 1 }
      if serverCloseAges.count < ServerStatistics.maximumSamples { serverCloseAges.append(age) }
      if connection.turns.pending.isEmpty, connection.clientEnding != nil { closesNoticed += 1 }
    case .clientIdle(let age):
      clientCloses.add(age)
      if clientCloseAges.count < ServerStatistics.maximumSamples { clientCloseAges.append(age) }
    case .announced, .busy, .unused, .notEstablished, .open, .tunnel, .disowned: break
    }
  }

  /// A finding that was counted as one kind is of another.
  mutating func change(_ kind: FindingKind, to other: FindingKind) {
    guard kind != other else { return }
    findings[kind, default: 1] -= 1
    if findings[kind] == 0 { findings[kind] = nil }
    findings[other, default: 0] += 1
  }

  mutating func noteFailure(at time: Instant) {
    let hour = time.nanoseconds / 3_600_000_000_000
    if hours[hour] != nil { hours[hour]?.failures += 1 }
  }
}

/// How a connection ended.
package enum ConnectionEnd: Equatable, Sendable {
  /// The server closed or reset it while nothing was to be answered, as far as it could know.
  case serverIdle(age: Nanoseconds, isReset: Bool)
  /// The client closed it while nothing was outstanding.
  case clientIdle(age: Nanoseconds)
  /// A message had announced the close.
  case announced
  /// It ended while something was outstanding.
  case busy
  /// It ended without ever having been used.
  case unused
  /// Refused, or never answered.
  case notEstablished
  /// It had been upgraded, or was a tunnel: idle times of HTTP do not apply.
  case tunnel
  /// A segment, of a probe or anything else, was answered by a kernel that knew no such connection.
  case disowned
  /// The capture ends before it does.
  case open

  package var name: String {
    switch self {
    case .serverIdle(_, isReset: false): "server-closed-idle"
    case .serverIdle(_, isReset: true): "server-reset-idle"
    case .clientIdle: "client-closed-idle"
    case .announced: "close-announced"
    case .busy: "ended-busy"
    case .unused: "never-used"
    case .notEstablished: "not-established"
    case .tunnel: "upgraded"
    case .disowned: "disowned-by-reset"
    case .open: "still-open"
    }
  }
}

extension Connection {
  /// How it ended, seen from who ended it first.
  package var end: ConnectionEnd {
    if let leave = turns.pending.last, leave.isLeave, leave.answerFirst == nil,
      (serverEnding?.mark.acknowledges ?? .max) > leave.start, turns.requestsAnswered > 0
    {
      // The client had taken its leave (QUIT, close_notify) before the server closed.
      return .clientIdle(age: leave.idleAge)
    }
    if synAck == nil, syn != nil, serverStream.segments == 0, clientStream.segments == 0 { return .notEstablished }
    if let words = turns.pending.lazy.compactMap(\.crossingWords).first, let before = words.activityBefore,
      serverEnding != nil
    {
      // Where a request crossed its farewell, that is when it gave the connection up.
      return .serverIdle(age: max(.zero, words.first.time.since(before)), isReset: serverEnding?.isReset ?? false)
    }
    if let age = turns.goAways.first?.idleAge, age >= Judge.idling { return .serverIdle(age: age, isReset: false) }
    if let serverEnding, isServerFirst {
      // What had not reached the server when it closed was not outstanding for it.
      let crossing = turns.pending.first { $0.start >= (serverEnding.mark.acknowledges ?? .max) }
      let outstanding = turns.pending.contains { exchange in
        exchange.isRequest && exchange.start < (serverEnding.mark.acknowledges ?? .max)
          && exchange.first.frame < serverEnding.mark.frame && exchange.answerFirst == nil
      }
      let isPartial = turns.pending.contains { $0.speech == .http1 && $0.answerFirst != nil }
      if outstanding || isPartial { return .busy }
      if serverEnding.wasAnnounced { return .announced }
      if turns.isTunnel { return .tunnel }
      // A reset without an acknowledgement answers a segment, mostly a keep-alive probe: no timer of the server sent it.
      if serverEnding.isReset, serverEnding.mark.acknowledges == nil { return .disowned }
      guard serverEnding.answered > 0 || turns.speech != .http1 && turns.exchangesStarted > 0 else { return .unused }
      var since = serverEnding.lastActivity
      if let crossing, !crossing.idleAgeIsKnown { return .unused }
      if let crossing, crossing.first.time <= serverEnding.mark.time {
        since = Instant(nanoseconds: crossing.first.time.nanoseconds - crossing.idleAge.count)
      }
      guard let since else { return .unused }
      return .serverIdle(age: max(.zero, serverEnding.mark.time.since(since)), isReset: serverEnding.isReset)
    }
    if let clientEnding {
      if clientEnding.wasAnnounced { return .announced }
      if turns.isTunnel { return .tunnel }
      let outstanding = turns.pending.contains { exchange in
        exchange.isRequest && !exchange.isLeave && (exchange.speech == .http1 || exchange.answerFirst == nil)
      }
      if outstanding { return .busy }
      guard clientEnding.answered > 0 || turns.speech != .http1 && turns.exchangesStarted > 0,
        let since = clientEnding.lastActivity
      else { return .unused }
      return .clientIdle(age: max(.zero, clientEnding.mark.time.since(since)))
    }
    return .open
  }

  private var isServerFirst: Bool {
    guard let serverEnding else { return false }
    guard let clientEnding else { return true }
    if let offset = clientStream.finOffset, let acknowledged = serverEnding.mark.acknowledges, acknowledged > offset {
      return false
    }
    if let offset = serverStream.finOffset, let acknowledged = clientEnding.mark.acknowledges, acknowledged > offset {
      return true
    }
    // At once: what the server had not received cannot have made it close.
    if let acknowledged = serverEnding.mark.acknowledges, turns.pending.contains(where: { $0.start >= acknowledged }) {
      return true
    }
    return serverEnding.mark.time <= clientEnding.mark.time
  }
}
