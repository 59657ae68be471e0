import Core
internal import Glibc

/// One connection of a probe and how far its plan has come.
struct ProbeLane: ~Copyable {
  enum State: Equatable {
    case connecting
    case handshaking
    /// Requests of the plan are still to be answered.
    case exchanging
    /// Nothing is to be sent any more; the server's close is waited for.
    case waiting
    /// A request is to be sent when the time has come.
    case pausing(until: Instant)
    /// A request was written after the server's FIN.
    case late(until: Instant)
    case done
  }

  /// Most bytes of an answer that are looked at; what is longer ends the lane.
  private static let maximumAnswer = 64 << 20
  /// How long a connection attempt with its TLS handshake may take, and how long an answer.
  private static let connectLimit = Nanoseconds.seconds(10)
  private static let answerLimit = Nanoseconds.seconds(30)

  private(set) var state = State.connecting
  private(set) var observation: ProbeObservation
  private let channel: ProbeChannel
  private let request: ProbeRequest
  private let started: Instant
  /// What the idle age is counted from.
  private var quietSince: Instant
  private var input = ByteBuffer(capacity: 16_384)
  private var output: [UInt8] = []
  private var sent = 0
  private var asked = 0
  private var answer: ProbeAnswer?
  private var askedAt: Instant

  init(_ plan: ProbePlan, channel: consuming ProbeChannel, request: ProbeRequest, now: Instant) {
    observation = ProbeObservation(plan: plan)
    self.channel = channel
    self.request = request
    started = now
    quietSince = now
    askedAt = now
  }

  var number: Int32 { channel.number }
  var isDone: Bool { state == .done }

  /// It has shown that the server can be measured, or that it cannot.
  var isSettled: Bool {
    switch state {
    case .connecting, .handshaking: false
    case .exchanging: observation.answers > 0
    case .waiting, .pausing, .late, .done: true
    }
  }

  /// The next time at which something must be done without an event.
  var deadline: Instant? {
    switch state {
    case .pausing(let until), .late(let until): until
    case .connecting, .handshaking: started.advanced(by: ProbeLane.connectLimit)
    case .exchanging: askedAt.advanced(by: ProbeLane.answerLimit)
    case .waiting, .done: nil
    }
  }

  mutating func ready(_ now: Instant) {
    if state == .connecting {
      let code = Socket.takeError(channel.number)
      guard code == 0 else { return end(.unreachable(ProbeLane.text(ofConnectError: code))) }
      observation.connectTime = now.since(started)
      state = .handshaking
    }
    if state == .handshaking {
      switch channel.handshake() {
      case .waiting: return
      case .failed(let reason): return end(reason)
      case .done: begin(now)
      }
    }
    flush(now)
    receive(now)
  }

  mutating func timePassed(_ now: Instant) {
    switch state {
    case .pausing(let until) where now >= until:
      ask(now)
    case .late(let until) where now >= until:
      observation.late = (Socket.unacknowledgedBytes(channel.number) ?? 0) > 0 ? .vanished : .silence
      state = .done
    case .connecting where now >= started.advanced(by: ProbeLane.connectLimit):
      end(.unreachable("no answer to the connection attempt within \(ProbeLane.connectLimit.spoken)"))
    case .handshaking where now >= started.advanced(by: ProbeLane.connectLimit):
      end(.handshake("it was not complete within \(ProbeLane.connectLimit.spoken)"))
    case .exchanging where now >= askedAt.advanced(by: ProbeLane.answerLimit):
      end(
        .noAnswer(
          "no complete answer came within \(ProbeLane.answerLimit.spoken); give a path that is answered at once"))
    case .pausing, .late, .connecting, .handshaking, .exchanging, .waiting, .done: break
    }
  }

  /// Every server owes an answer to this.
  private var isOrdinary: Bool {
    switch observation.plan {
    case .idle, .lateRequest, .requests, .reuse: true
    case .unused, .halfSent, .version10, .head: false
    }
  }

  /// The probe waits no longer.
  mutating func giveUp(_ now: Instant) {
    guard state != .done else { return }
    if state == .connecting || state == .handshaking {
      observation.problem = "no time was left for it"
    }
    observation.watched = now.since(quietSince)
    state = .done
  }

  // MARK: -

  private mutating func begin(_ now: Instant) {
    observation.protocolName = channel.protocolName
    observation.certificateProblem = channel.certificateProblem
    quietSince = now
    switch observation.plan {
    case .unused: state = .waiting
    case .halfSent:
      output = request.half
      state = .waiting
    case .idle(requests: 0): state = .waiting
    case .idle, .lateRequest, .requests, .version10, .head, .reuse: ask(now)
    }
  }

  private mutating func ask(_ now: Instant) {
    asked += 1
    askedAt = now
    observation.requests += 1
    output = request.bytes(for: observation.plan)
    sent = 0
    answer = ProbeAnswer(isHead: observation.plan == .head || request.usesHead, isHTTP: request.isHTTP)
    state = .exchanging
    flush(now)
  }

  private mutating func flush(_ now: Instant) {
    while sent < output.count {
      let rest = Array(output[sent...])
      // Safe: every bit of a UInt8 is initialised.
      switch unsafe channel.send(rest.span.bytes) {
      case .bytes(let count):
        sent += count
        if observation.plan == .halfSent { quietSince = now }
      case .wouldBlock, .endOfStream: return
      case .failed:
        // What the peer did shows when reading.
        sent = output.count
      }
    }
  }

  private mutating func receive(_ now: Instant) {
    while state != .done {
      switch channel.receive(into: &input) {
      case .bytes: take(now)
      case .wouldBlock: return
      case .endOfStream: return closed(channel.wasNotified ? .notified : .fin, now)
      case .failed: return closed(.reset, now)
      }
    }
  }

  private mutating func take(_ now: Instant) {
    if case .late = state {
      observation.late = .answered
      state = .done
      return
    }
    guard state == .exchanging, var current = answer else {
      // Nothing was asked: a farewell; where HTTP is not spoken, perhaps a greeting, from which the server may count.
      observation.unaskedStatus = ProbeAnswer.status(input.readable) ?? observation.unaskedStatus
      if !request.isHTTP { quietSince = now }
      input.removeAll()
      return
    }
    quietSince = now
    let isComplete = current.take(&input)
    answer = current
    if let problem = current.problem {
      // The second answer cannot be read because content of the first, which may have none, stands before it.
      guard observation.plan == .head, observation.answers > 0 else {
        return end(current.speaksTLS ? .wantsTLS : .notHTTP(problem))
      }
      observation.hasContentBehindHead = true
      state = .done
      return
    }
    if current.bytes > ProbeLane.maximumAnswer {
      return end(.noAnswer("its answer is longer than 64 MiB; give another path"))
    }
    if isComplete { answered(current, now) }
  }

  private mutating func answered(_ answer: ProbeAnswer, _ now: Instant) {
    self.answer = nil
    observation.answers += 1
    observation.status = answer.status ?? observation.status
    observation.location = answer.location ?? observation.location
    observation.advertisedTimeout = answer.timeout ?? observation.advertisedTimeout
    observation.advertisedMaximum = answer.maximum ?? observation.advertisedMaximum
    if !answer.keepsAlive { observation.closeWasAnnounced = true }
    let more: Bool
    switch observation.plan {
    case .idle(let requests): more = asked < requests
    case .requests(let limit): more = asked < limit
    case .head:
      if input.count > 0 {
        observation.hasContentBehindHead = true
        state = .done
        return
      }
      more = asked < 2
    case .reuse(let age):
      if asked == 1, answer.keepsAlive {
        state = .pausing(until: now.advanced(by: age))
        return
      }
      state = .done
      return
    case .lateRequest, .unused, .halfSent, .version10: more = false
    }
    if more, answer.keepsAlive {
      ask(now)
    } else if case .requests = observation.plan, answer.keepsAlive {
      state = .done
    } else if case .head = observation.plan, answer.keepsAlive {
      state = .done
    } else {
      state = .waiting
    }
  }

  private mutating func closed(_ ending: ProbeEnding, _ now: Instant) {
    if case .late = state {
      // The end of the stream is told again and again; only the reset is news.
      guard ending == .reset || Socket.takeError(channel.number) != 0 else { return }
      observation.late = .reset
      state = .done
      return
    }
    if var current = answer, current.endsWithClose {
      // The close was the end of the answer.
      current.closed()
      observation.answers += 1
      observation.status = current.status
      observation.closeWasAnnounced = true
      answer = nil
    }
    observation.ending = ending
    observation.age = now.since(quietSince)
    if state == .exchanging, observation.answers == 0, observation.status == nil, isOrdinary {
      return end(.noAnswer("it closed the connection (\(ending.rawValue)) without an answer"))
    }
    guard observation.plan == .lateRequest, ending != .reset, !observation.closeWasAnnounced else {
      state = .done
      return
    }
    output = request.bytes(for: observation.plan)
    observation.requests += 1
    sent = 0
    state = .late(until: now.advanced(by: .seconds(1)))
    flush(now)
  }

  static func text(ofConnectError code: Int32) -> String {
    switch code {
    case ECONNREFUSED: "the connection is refused: nothing listens there, or a firewall rejects it"
    case ENOENT: "there is no such socket"
    case ENETUNREACH, EHOSTUNREACH: "no route leads there: \(SystemError.text(of: code))"
    default: "no connection: \(SystemError.text(of: code))"
    }
  }

  private mutating func end(_ obstacle: ProbeObstacle) {
    observation.obstacle = obstacle
    observation.problem = obstacle.text
    state = .done
  }
}
